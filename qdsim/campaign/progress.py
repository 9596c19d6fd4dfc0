"""What a campaign has done and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qdsim.analysis.strain import Quantity
from qdsim.provenance import Task, TaskState, section, state_of, tasks
from qdsim.workflows.documents import ORDINARY_RELAXATION, StrainSettings, StrainTask, strain_title

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


@dataclass(frozen=True)
class Line:
    """One planned task and how far it is; tasks of one title are shown together.

    Of the single points that are finished, `reused` were taken from earlier campaigns; `seconds` is what CP2K spent on
    the others.
    """

    label: str
    title: str
    state: TaskState
    single_points: int
    expected: int
    reused: int
    seconds: float
    message: str


@dataclass(frozen=True)
class Progress:
    """A campaign at one moment."""

    state: TaskState
    lines: tuple[Line, ...]

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"done", "failed"}

    @property
    def single_points(self) -> int:
        """Single points that are finished."""
        return sum(line.single_points for line in self.lines)

    @property
    def expected(self) -> int:
        """Single points in all, as far as can be told."""
        return sum(max(line.expected, line.single_points) for line in self.lines)

    @property
    def seconds(self) -> float:
        """CP2K's own wall time so far."""
        return sum(line.seconds for line in self.lines)


def measure_progress(campaign: WorkChainNode) -> Progress:
    """Compare what runs with what the campaign's settings ask for."""
    settings = StrainSettings(**campaign.inputs.strain.settings.get_dict())
    state = state_of(campaign)  # before the tasks: a campaign seen as finished has no task that is still running
    launched = {task.label: task for task in tasks(campaign)}
    lines = [_line(task, settings.quantity, launched.get(task.label)) for task in settings.tasks()]
    if "scattering" in campaign.inputs:
        lines.append(_scattering_line(campaign))
    return Progress(state, tuple(lines))


def _scattering_line(campaign: WorkChainNode) -> Line:
    """Return the check by scattering, which takes no single points."""
    check = section(campaign, "scattering")
    if check is None:
        return Line("scattering", "scattering", "waiting", 0, 0, 0, 0.0, "")
    return Line("scattering", "scattering", state_of(check), 0, 0, 0, 0.0, check.exit_message or "")


def _line(planned: StrainTask, quantity: Quantity, task: Task | None) -> Line:
    title = "equation of state" if planned.part == "equation_of_state" else strain_title(quantity, planned.value)
    expected = ORDINARY_RELAXATION if planned.relaxes else 1
    if task is None:
        return Line(planned.label, title, "waiting", 0, expected, 0, 0.0, "")
    done = [run for run in task.calculations if run.finished]
    seconds = sum(run.wall_time or 0.0 for run in done if not run.reused)
    if task.state in {"done", "failed"}:
        expected = len(done)
    reused = sum(run.reused for run in done)
    return Line(planned.label, title, task.state, len(done), expected, reused, seconds, task.message)
