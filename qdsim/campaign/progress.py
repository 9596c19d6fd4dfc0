"""What a campaign has done and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qdsim.analysis.phonon_results import FiniteFieldSettings, PhononSettings
from qdsim.campaign.phonon import planned_supercells
from qdsim.provenance import ENDED, Jobs, Task, TaskState, jobs_of, section, state_of, tasks
from qdsim.workflows.dipole_documents import DipoleSettings, planned_states
from qdsim.workflows.documents import ORDINARY_RELAXATION, Lattice, StrainSettings, strain_title
from qdsim.workflows.phonon_documents import PhononSeriesSettings
from qdsim.workflows.vacancy_documents import VacancySettings, VacancyTask, planned_tasks

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
    jobs: Jobs

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

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
    state = state_of(campaign)  # before the tasks: a campaign seen as finished has no task that is still running
    launched = {(task.section, task.label): task for task in tasks(campaign)}
    lines: list[Line] = []
    if "strain" in campaign.inputs:
        settings = StrainSettings(**campaign.inputs.strain.settings.get_dict())
        for planned in settings.tasks():
            title = "equation of state"
            if planned.part != "equation_of_state":
                title = strain_title(settings.quantity, planned.value)
            runs = ORDINARY_RELAXATION if planned.relaxes else 1
            lines.append(_line(planned.label, title, runs, launched.get(("strain", planned.label))))
    if "phonon" in campaign.inputs:
        lines += [
            _line(label, title, 1, launched.get(("phonon", label)))
            for label, title in _phonon_tasks(campaign.uuid, campaign.inputs.phonon)
        ]
    if "vacancy" in campaign.inputs:
        planned_runs = _vacancy_tasks(campaign.uuid, campaign.inputs.vacancy)
        lines += [_line(run.label, run.host, 1, launched.get(("vacancy", run.label))) for run in planned_runs]
    if "dipole" in campaign.inputs:
        dipoles = DipoleSettings(**campaign.inputs.dipole.settings.get_dict())
        for cluster in planned_states(dipoles):
            for kind, runs in dipoles.runs.items():
                label = f"{cluster.label}__{kind}"
                lines.append(_line(label, cluster.particle, runs, launched.get(("dipole", label))))
    if "scattering" in campaign.inputs:
        lines.append(_scattering_line(campaign))
    return Progress(state, tuple(lines), jobs_of(campaign))


_PLANNED: dict[str, list[VacancyTask]] = {}
"""Of the campaigns looked at so far: to tell orderings apart takes longer than a look."""
_DISPLACED: dict[str, list[tuple[str, str]]] = {}
"""Labels and crystals, likewise."""


def _phonon_tasks(campaign: str, inputs: Any) -> list[tuple[str, str]]:
    if campaign not in _DISPLACED:
        series = PhononSeriesSettings(**inputs.settings.get_dict())
        phonons = PhononSettings(**inputs.phonons.get_dict())
        fields = FiniteFieldSettings(**inputs.finite_field.settings.get_dict()) if "finite_field" in inputs else None
        _DISPLACED[campaign] = [
            (f"{crystal}__{label}", f"phonons, {crystal}")
            for crystal, label, _ in planned_supercells(series, phonons, fields)
        ]
    return _DISPLACED[campaign]


def _vacancy_tasks(campaign: str, inputs: Any) -> list[VacancyTask]:
    if campaign not in _PLANNED:
        settings = VacancySettings(**inputs.settings.get_dict())
        _PLANNED[campaign] = list(planned_tasks(settings, Lattice(**inputs.lattice.get_dict())))
    return _PLANNED[campaign]


def _scattering_line(campaign: WorkChainNode) -> Line:
    """Return the check by scattering, which takes no single points."""
    check = section(campaign, "scattering")
    if check is None:
        return Line("scattering", "scattering", "waiting", 0, 0, 0, 0.0, "")
    return Line("scattering", "scattering", state_of(check), 0, 0, 0, 0.0, check.exit_message or "")


def _line(label: str, title: str, expected: int, task: Task | None) -> Line:
    if task is None:
        return Line(label, title, "waiting", 0, expected, 0, 0.0, "")
    done = [run for run in task.calculations if run.finished]
    seconds = sum(run.wall_time or 0.0 for run in done if not run.reused)
    if task.state in ENDED:
        expected = len(done)
    reused = sum(run.reused for run in done)
    return Line(label, title, task.state, len(done), expected, reused, seconds, task.message)
