"""Read campaigns back from the provenance graph. Needs a loaded AiiDA profile; imports no workflow."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.orm import ProcessNode, StructureData, WorkChainNode

CAMPAIGN_PROCESS = "aiida.workflows:qdsim.campaign"
CACHED_FROM = "_aiida_cached_from"

TaskState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class Calculation:
    """One CP2K run: seconds of CP2K's own clock, where it has finished, and whether it was taken from the cache."""

    uuid: str
    finished: bool
    ok: bool
    reused: bool
    wall_time: float | None
    version: str | None


@dataclass(frozen=True)
class Task:
    """One calculation, or one relaxation of several, of a campaign."""

    label: str
    section: str
    uuid: str
    state: TaskState
    message: str = ""
    calculations: tuple[Calculation, ...] = field(default=(), repr=False)


def find_campaign(identifier: str | None = None) -> WorkChainNode:
    """Return the newest campaign, the newest of a name, or the one of a PK or UUID.

    Raises
    ------
    QdsimError
        If there is none; the nearest name is offered.
    """
    from difflib import get_close_matches

    from aiida import orm
    from aiida.common import MultipleObjectsError, NotExistent

    if identifier is None:
        newest = _campaigns({})
        if not newest:
            raise QdsimError("No campaign has been run in this profile; 'qdsim run FILE' starts one.")
        return newest[0]
    named = _campaigns({"label": identifier})
    if named:
        return named[0]
    try:
        node = orm.load_node(identifier)
    except (NotExistent, MultipleObjectsError, ValueError):
        node = None
    if isinstance(node, orm.WorkChainNode) and node.process_type == CAMPAIGN_PROCESS:
        return node
    names = sorted({found.label for found in _campaigns({})})
    near = get_close_matches(identifier, names, n=1)
    hint = (
        f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(names)}." if names else "; none has run."
    )
    raise QdsimError(f"There is no campaign '{identifier}'{hint}")


def campaigns() -> list[WorkChainNode]:
    """Return all campaigns, the newest first."""
    return _campaigns({})


def _campaigns(filters: dict[str, Any]) -> list[WorkChainNode]:
    from aiida import orm

    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"process_type": CAMPAIGN_PROCESS, **filters}, tag="campaign"
    )
    query.order_by({"campaign": {"ctime": "desc"}})
    found: list[WorkChainNode] = query.all(flat=True)
    return found


def section(campaign: WorkChainNode, name: str) -> WorkChainNode | None:
    """Return the process of a section of a campaign, such as `strain`, once it has been launched."""
    from aiida import orm
    from aiida.common.links import LinkType

    links = campaign.base.links.get_outgoing(
        orm.WorkChainNode, link_type=LinkType.CALL_WORK, link_label_filter=name
    ).all()
    return cast("WorkChainNode", links[0].node) if links else None


def tasks(campaign: WorkChainNode) -> list[Task]:
    """Return what a campaign has launched so far, in the order of launching."""
    from aiida import orm

    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": campaign.pk}, tag="campaign")
    query.append(
        orm.WorkChainNode, with_incoming="campaign", tag="section", edge_tag="section_call", edge_project=["label"]
    )
    attributes = ("process_state", "exit_status", "exit_message")
    query.append(
        orm.WorkChainNode,
        with_incoming="section",
        tag="task",
        project=["id", "uuid", *(f"attributes.{name}" for name in attributes)],
        edge_tag="task_call",
        edge_project=["label"],
    )
    query.order_by({"task": "id"})
    runs = _calculations(campaign)
    found = []
    for row in query.dict():
        task = row["task"]
        state, status, message = (task[f"attributes.{name}"] for name in attributes)
        calculations = tuple(runs[task["id"]])
        found.append(
            Task(
                label=row["task_call"]["label"],
                section=row["section_call"]["label"],
                uuid=task["uuid"],
                state=_state(state, status, calculations),
                message=message or "",
                calculations=calculations,
            )
        )
    return found


def _state(process_state: str, exit_status: int | None, calculations: tuple[Calculation, ...]) -> TaskState:
    if process_state == "finished":
        return "done" if exit_status == 0 else "failed"
    if process_state in {"excepted", "killed"}:
        return "failed"
    return "running" if calculations else "waiting"


def _calculations(campaign: WorkChainNode) -> dict[int, list[Calculation]]:
    """Return the CP2K runs under each task, by the task's PK."""
    from aiida import orm

    found: dict[int, list[Calculation]] = defaultdict(list)
    for depth in (1, 2):  # a single point calls CP2K through one work chain, a relaxation through two
        query = orm.QueryBuilder()
        query.append(orm.WorkChainNode, filters={"id": campaign.pk}, tag="campaign")
        query.append(orm.WorkChainNode, with_incoming="campaign", tag="section")
        query.append(orm.WorkChainNode, with_incoming="section", tag="level_1", project=["id"])
        if depth == 2:  # noqa: PLR2004
            query.append(orm.WorkChainNode, with_incoming="level_1", tag="level_2")
        query.append(
            orm.CalcJobNode,
            with_incoming=f"level_{depth}",
            tag="run",
            project=["uuid", "attributes.process_state", "attributes.exit_status", f"extras.{CACHED_FROM}"],
        )
        query.append(
            orm.Dict,
            with_incoming="run",
            tag="output",
            edge_filters={"label": "output_parameters"},
            project=["attributes.wall_time", "attributes.cp2k_version"],
            outerjoin=True,
        )
        query.order_by({"run": "id"})
        for row in query.dict():
            run, output = row["run"], row["output"]
            found[row["level_1"]["id"]].append(
                Calculation(
                    uuid=run["uuid"],
                    finished=run["attributes.process_state"] in {"finished", "excepted", "killed"},
                    ok=run["attributes.exit_status"] == 0,
                    reused=run[f"extras.{CACHED_FROM}"] is not None,
                    wall_time=output["attributes.wall_time"],
                    version=output["attributes.cp2k_version"],
                )
            )
    return found


def calculations(campaign: WorkChainNode) -> list[Calculation]:
    """Return every CP2K run of a campaign."""
    return [run for task in tasks(campaign) for run in task.calculations]


def strain_results(campaign: WorkChainNode) -> StrainResults | None:
    """Return the results of a campaign's strain series, or None where there are none yet."""
    process = section(campaign, "strain")
    if process is None or "results" not in process.outputs:
        return None
    return with_failures(StrainResults(**process.outputs.results.get_dict()), campaign)


def with_failures(results: StrainResults, campaign: WorkChainNode) -> StrainResults:
    """Add to each strain point why a calculation of it failed: the graph knows, the results document does not."""
    sentences: dict[str, list[str]] = defaultdict(list)
    for task in tasks(campaign):
        if task.state == "failed":
            point, _, role = task.label.partition("__")
            sentences[point].append(f"{role or point}: {task.message or 'killed or excepted.'}")
    points = [point.model_copy(update={"failures": sentences[point.label]}) for point in results.points]
    return results.model_copy(update={"points": points})


def failures(campaign: WorkChainNode) -> list[str]:
    """Return one sentence for every calculation that failed outside the strain points, and for the campaign itself."""
    sentences = [f"{task.label}: {task.message}" for task in tasks(campaign) if task.state == "failed"]
    outside = [sentence for sentence in sentences if "__" not in sentence.split(":")[0]]
    if not sentences and campaign.is_terminated and not campaign.is_finished_ok:
        outside.append(campaign.exit_message or "The campaign was killed or raised an exception.")
    return outside


def nodes_behind(campaign: WorkChainNode) -> dict[str, str]:
    """Return the UUID of the node behind each part of the results, by the part's path."""
    process = section(campaign, "strain")
    if process is None:
        return {}
    found: dict[str, str] = {}
    outputs = process.outputs
    for name in ("results", "equation_of_state"):
        if name in outputs:
            found[name] = outputs[name].uuid
    for task in tasks(campaign):
        point, _, role = task.label.partition("__")
        if role:
            found[f"points.{point}.{role}"] = task.uuid
        else:
            found[f"equation_of_state.{task.label}"] = task.uuid
    for point, phases in strain_structures(campaign).items():
        for phase, structure in phases.items():
            found[f"points.{point}.{phase}.structure"] = structure.uuid
    return found


def strain_structures(campaign: WorkChainNode) -> dict[str, dict[str, StructureData]]:
    """Return the structures of the centred and the relaxed phase as nodes, by the label of the strain."""
    process = section(campaign, "strain")
    if process is None or "structures" not in process.outputs:
        return {}
    return {point: dict(phases) for point, phases in process.outputs.structures.items()}


def state_of(process: ProcessNode) -> TaskState:
    """Return the state of a process in one word."""
    if process.is_terminated:
        return "done" if process.is_finished_ok else "failed"
    created = process.process_state is None or process.process_state.value == "created"
    return "waiting" if created else "running"
