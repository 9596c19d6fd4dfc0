"""Campaigns: their tasks, results and structures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.provenance.checks import nodes_of_check
from qdsim.provenance.queue import is_paused

if TYPE_CHECKING:
    from aiida.orm import ProcessNode, StructureData, WorkChainNode

CAMPAIGN_PROCESS = "aiida.workflows:qdsim.campaign"
FINGERPRINT = "fingerprint"
"""Of a plan, in the document of a campaign; all else in it are settings."""
STRAIN_DOCUMENTS = ("results", "equation_of_state")
DOCUMENTS = {
    "phonon": ("phonons", "phonon_analysis"),
    "vacancy": ("vacancies", "vacancy_analysis"),
    "dipole": ("dipoles", "dipole_analysis"),
}
"""Paths of what the other sections put out: their results, and what follows from them."""
VACANCY_PROCESS = "aiida.workflows:qdsim.vacancy"
STRAIN_PROCESS = "aiida.workflows:qdsim.strain"
SCATTERING_PROCESS = "aiida.workflows:qdsim.scattering"
CP2K_PROCESS = "aiida.calculations:cp2k"
CP2K_CHAIN = "aiida.workflows:qdsim.cp2k"
"""Of the work chain that carries one calculation to its end."""
TASK_PROCESSES = {CP2K_CHAIN, "aiida.workflows:qdsim.relax", "aiida.workflows:qdsim.relax.fixed_cell"}
CACHED_FROM = "extras._aiida_cached_from"
TERMINATED = {"finished", "excepted", "killed"}

TaskState = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
UNSUCCESSFUL = {"failed", "cancelled"}
ENDED = {"done", *UNSUCCESSFUL}


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

    section: str
    label: str
    pk: int
    uuid: str
    state: TaskState
    message: str
    calculations: tuple[Calculation, ...] = field(repr=False)


def campaigns(fingerprint: str | None = None, name: str | None = None) -> list[WorkChainNode]:
    """Return all campaigns, or those of a plan's fingerprint or of a name, the newest first."""
    from aiida import orm

    of_plan = {} if fingerprint is None else {f"attributes.{FINGERPRINT}": fingerprint}
    of_name = {} if name is None else {"label": name}
    query = orm.QueryBuilder()
    query.append(orm.Dict, filters=of_plan, tag="document")
    query.append(
        orm.WorkChainNode,
        filters={"process_type": CAMPAIGN_PROCESS, **of_name},
        with_incoming="document",
        edge_filters={"label": "campaign"},
        tag="campaign",
        project="*",
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
    newest = max(links, key=lambda link: link.node.pk or 0, default=None)
    return cast("WorkChainNode", newest.node) if newest is not None else None


def called(process: ProcessNode) -> list[tuple[str, WorkChainNode]]:
    """Return the work chains that a process has called, each with its call label, in the order of calling."""
    from aiida import orm
    from aiida.common.links import LinkType

    links = process.base.links.get_outgoing(orm.WorkChainNode, link_type=LinkType.CALL_WORK).all()
    found = [(link.link_label, cast("WorkChainNode", link.node)) for link in links]
    return sorted(found, key=lambda one: one[1].pk or 0)


def tasks(campaign: WorkChainNode) -> list[Task]:
    """Return what a campaign has launched so far, in the order of launching.

    The label of a task joins the call labels from its section down, such as `linear_p0p0200__relaxed`.
    """
    root = cast("int", campaign.pk)
    tree = _calls(root)
    runs = _runs([call.pk for calls in tree.values() for call in calls if call.process_type == CP2K_PROCESS])
    found: list[Task] = []
    for section_call in tree[root]:
        _gather(tree, runs, section_call, section_call.label, (), found)
    return sorted(found, key=lambda task: task.pk)


@dataclass(frozen=True)
class _Call:
    """A process and the label of the link that called it."""

    pk: int
    uuid: str
    label: str
    process_type: str
    state: str
    exit_status: int | None
    message: str | None
    reused: bool


def _gather(
    tree: dict[int, list[_Call]],
    runs: dict[int, _Run],
    call: _Call,
    section_label: str,
    labels: tuple[str, ...],
    found: list[Task],
) -> None:
    """Collect the tasks below a call: the topmost processes that do nothing but run CP2K."""
    for child in tree.get(call.pk, []):
        path = (*labels, child.label)
        if child.process_type in TASK_PROCESSES:
            calculations = tuple(_calculation(run, runs) for run in _below(tree, child))
            state = _state(child, calculations)
            message = child.message or ""
            found.append(Task(section_label, "__".join(path), child.pk, child.uuid, state, message, calculations))
        else:
            _gather(tree, runs, child, section_label, path, found)


def _below(tree: dict[int, list[_Call]], call: _Call) -> Iterator[_Call]:
    """Yield the CP2K runs below a call."""
    for child in tree.get(call.pk, []):
        if child.process_type == CP2K_PROCESS:
            yield child
        yield from _below(tree, child)


def _state(call: _Call, calculations: tuple[Calculation, ...]) -> TaskState:
    if call.state in TERMINATED:
        return ended_state(call.state, call.exit_status)
    return "running" if calculations else "waiting"


def ended_state(state: str, exit_status: int | None) -> TaskState:
    """Return in one word how a process has ended, of the state that AiiDA gives it and its exit status."""
    if state == "killed":
        return "cancelled"
    return "done" if state == "finished" and exit_status == 0 else "failed"


def _calls(root: int) -> dict[int, list[_Call]]:
    """Return the work chains and calculations that each process below `root` has called, by the caller's PK.

    Of those with one label the newest: it was called anew because no worker could begin with the one before.
    """
    from aiida import orm

    attributes = ("process_state", "exit_status", "exit_message")
    tree: dict[int, dict[str, _Call]] = {}
    level = [root]
    while level:
        query = orm.QueryBuilder()
        query.append(orm.WorkChainNode, filters={"id": {"in": level}}, tag="caller", project=["id"])
        query.append(
            (orm.WorkChainNode, orm.CalcJobNode),
            with_incoming="caller",
            tag="called",
            project=["id", "uuid", "process_type", *(f"attributes.{name}" for name in attributes), CACHED_FROM],
            edge_tag="call",
            edge_project=["label"],
        )
        query.order_by({"called": "id"})
        tree |= {pk: {} for pk in level}
        level = []
        for row in query.dict():
            called = row["called"]
            state, status, message = (called[f"attributes.{name}"] for name in attributes)
            tree[row["caller"]["id"]][row["call"]["label"]] = _Call(
                pk=called["id"],
                uuid=called["uuid"],
                label=row["call"]["label"],
                process_type=called["process_type"],
                state=state or "created",
                exit_status=status,
                message=message,
                reused=called[CACHED_FROM] is not None,
            )
            level.append(called["id"])
    return {pk: list(calls.values()) for pk, calls in tree.items()}


@dataclass(frozen=True)
class _Run:
    """What a run says of itself in its parsed output."""

    wall_time: float | None
    version: str | None


def _runs(pks: list[int]) -> dict[int, _Run]:
    from aiida import orm

    if not pks:
        return {}
    query = orm.QueryBuilder()
    query.append(orm.CalcJobNode, filters={"id": {"in": pks}}, tag="run", project=["id"])
    query.append(
        orm.Dict,
        with_incoming="run",
        edge_filters={"label": "output_parameters"},
        project=["attributes.wall_time", "attributes.cp2k_version"],
    )
    return {pk: _Run(wall_time, version) for pk, wall_time, version in query.all()}


def _calculation(call: _Call, runs: dict[int, _Run]) -> Calculation:
    run = runs.get(call.pk, _Run(None, None))
    return Calculation(
        uuid=call.uuid,
        finished=call.state in TERMINATED,
        ok=call.state == "finished" and call.exit_status == 0,
        reused=call.reused,
        wall_time=run.wall_time,
        version=run.version,
    )


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
        if task.state in UNSUCCESSFUL and task.section == "strain":
            point, _, role = task.label.partition("__")
            sentences[point].append(f"{role or point}: {_reason(task)}")
    points = [point.model_copy(update={"failures": sentences[point.label]}) for point in results.points]
    return results.model_copy(update={"points": points})


def failures(campaign: WorkChainNode) -> list[str]:
    """Return one sentence for every calculation that failed outside the strain points, and for the campaign itself."""
    failed = [task for task in tasks(campaign) if task.state in UNSUCCESSFUL]
    sentences = [f"{task.label}: {_reason(task)}" for task in failed]
    outside = [
        sentence
        for task, sentence in zip(failed, sentences, strict=True)
        if task.section != "strain" or "__" not in task.label
    ]
    check = section(campaign, "scattering")
    if check is not None and check.is_terminated and not check.is_finished_ok:
        sentences.append(f"scattering: {check.exit_message or 'the check was killed or raised an exception.'}")
        outside.append(sentences[-1])
    if not sentences and campaign.is_terminated and not campaign.is_finished_ok:
        raised = "The campaign was cancelled." if campaign.is_killed else "The campaign raised an exception."
        outside.append(campaign.exit_message or raised)
    return outside


def _reason(task: Task) -> str:
    return task.message or ("cancelled." if task.state == "cancelled" else "it raised an exception.")


def restarts(campaign: WorkChainNode) -> list[str]:
    """Return one sentence for every result that took more than one attempt: the last may have had other settings."""
    sentences = []
    for task in tasks(campaign):
        failed = sum(run.finished and not run.ok for run in task.calculations)
        if task.state == "done" and failed:
            sentences.append(
                f"{task.label}: {failed} calculation(s) failed before the result; "
                f"'verdi process report {task.pk}' tells what was changed for the last."
            )
    return sentences


def compound_of_campaign(campaign: WorkChainNode) -> str:
    """Return the formula of what a campaign computes."""
    for name in ("dipole", "phonon"):
        if name in campaign.inputs:
            return str(campaign.inputs[name].settings["compound"])
    sections = [name for name in ("strain", "vacancy") if name in campaign.inputs]
    return str(campaign.inputs[sections[0]].lattice["compound"])


def nodes_behind(campaign: WorkChainNode) -> dict[str, str]:
    """Return the UUID of the node behind each part of the results, by the part's path."""
    found: dict[str, str] = {}
    process = section(campaign, "strain")
    if process is not None:
        found |= {name: process.outputs[name].uuid for name in STRAIN_DOCUMENTS if name in process.outputs}
    for name, (whole, analysis) in DOCUMENTS.items():
        process = section(campaign, name)
        if process is not None:
            names = {"results": whole, "analysis": analysis}
            found |= {path: process.outputs[key].uuid for key, path in names.items() if key in process.outputs}
    for task in tasks(campaign):
        point, _, role = task.label.partition("__")
        if task.section in DOCUMENTS:
            found[".".join((DOCUMENTS[task.section][0], *task.label.split("__")))] = task.uuid
        elif role:
            found[f"points.{point}.{role}"] = task.uuid
        else:
            found[f"equation_of_state.{task.label}"] = task.uuid
    for point, phases in strain_structures(campaign).items():
        for phase, structure in phases.items():
            found[f"points.{point}.{phase}.structure"] = structure.uuid
    check = section(campaign, "scattering")
    return found if check is None else found | nodes_of_check(check)


def strain_structures(campaign: WorkChainNode) -> dict[str, dict[str, StructureData]]:
    """Return the structures of the centred and the relaxed phase as nodes, by the label of the strain."""
    process = section(campaign, "strain")
    return {} if process is None else series_structures(process)


def series_structures(series: WorkChainNode) -> dict[str, dict[str, StructureData]]:
    """Return the structures of a strain series as nodes, by the label of the strain and the phase."""
    if "structures" not in series.outputs:
        return {}
    return {point: dict(sorted(phases.items())) for point, phases in sorted(series.outputs.structures.items())}


def state_of(process: ProcessNode) -> TaskState:
    """Return the state of a process in one word."""
    if process.process_state is not None and process.is_terminated:
        return ended_state(process.process_state.value, process.exit_status)
    if is_paused(process):
        return "paused"
    created = process.process_state is None or process.process_state.value == "created"
    return "waiting" if created else "running"
