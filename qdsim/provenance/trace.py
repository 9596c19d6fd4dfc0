"""From a node back to the calculations that it was made from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qdsim.analysis.consistency_results import Consistency
from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import CP2K_PROCESS, SCATTERING_PROCESS, section

if TYPE_CHECKING:
    from aiida.orm import Data, Node, ProcessNode

_STRAIN_LABELS = ("linear_", "volumetric_", "pressure_", "lattice_constant_")


@dataclass(frozen=True)
class Ancestor:
    """A node of a trace and what it was made from.

    Attributes
    ----------
    link
        Label of the link that leads from it to what was made of it; empty for the node that is traced.
    pk, uuid, kind
        Of the node; its class or the name of its process.
    detail
        What is to be said of it: of a CP2K calculation its energy, version and how to see its output.
    parents
        What it was made from.
    again
        Its parents have been shown before.
    is_data
        It is data, not a process.
    """

    link: str
    pk: int
    uuid: str
    kind: str
    detail: str
    parents: list[Ancestor] = field(default_factory=list)
    again: bool = False
    is_data: bool = False

    @property
    def is_cp2k(self) -> bool:
        """Whether this is a calculation of CP2K."""
        return self.detail.startswith("CP2K")

    def calculations(self) -> Iterator[Ancestor]:
        """Yield the CP2K calculations of the trace, each once."""
        if self.is_cp2k and not self.again:
            yield self
        for parent in self.parents:
            yield from parent.calculations()


def trace(node: Node, points: Collection[str] | None = None) -> Ancestor:
    """Follow a node back to the CP2K calculations that it was made from.

    Parameters
    ----------
    node
        Data, or a process, whose outputs are followed: those of a check by scattering are its verdicts.
    points
        Labels of strain points: where a result was made from several of them, only these are followed.

    Raises
    ------
    QdsimError
        If a process has made nothing.
    """
    start = verdict_node(node)
    if start.pk is None:
        raise QdsimError("A node that is not stored was made from nothing: store it first.")
    graph = _read_graph(start.pk, None if points is None else set(points))
    return _grow(graph, start.pk, "", set())


def shortened(ancestor: Ancestor) -> Ancestor:
    """Return a trace in which only calculations stand, and only where new ones of CP2K lie behind them."""
    return replace(ancestor, parents=[found for parent in ancestor.parents for found in _calculations(parent, "")])


def _calculations(ancestor: Ancestor, made: str) -> list[Ancestor]:
    """Return a process by the label of what it made, its own ancestors shortened; of data, the process that made it."""
    link = made or ancestor.link
    if ancestor.again:
        return []
    if ancestor.is_cp2k:
        return [replace(ancestor, link=link)]
    if ancestor.is_data:
        return [found for parent in ancestor.parents for found in _calculations(parent, link)]
    parents = [found for parent in ancestor.parents for found in _calculations(parent, "")]
    return [replace(ancestor, link=link, parents=parents)] if parents else []


def verdict_node(node: Node) -> Data:
    """Return the data that stand for a node: itself, or the verdicts or results of a process.

    Raises
    ------
    QdsimError
        If there are none.
    """
    from aiida import orm

    if isinstance(node, orm.Data):
        return node
    if not isinstance(node, orm.ProcessNode):
        raise QdsimError(f"Node {node.pk} is a {type(node).__name__}, made from nothing: give data or a process.")
    process: ProcessNode = node
    if isinstance(node, orm.WorkChainNode) and node.process_type != SCATTERING_PROCESS:
        process = section(node, "scattering") or section(node, "strain") or node
    for name in ("consistency", "results", "output_parameters"):
        if name in process.outputs:
            found: Data = process.outputs[name]
            return found
    raise QdsimError(f"Process {process.pk} ({process.process_label}) has no results to trace.")


def points_behind(verdicts: Data, sample: str | None, quantity: str | None) -> list[str] | None:
    """Return the strain points that the rows of a check rest on; None for all.

    Parameters
    ----------
    verdicts
        The results of a check.
    sample, quantity
        Which rows; None for all of them.

    Raises
    ------
    QdsimError
        If these are no verdicts, or there is no such row.
    """
    from aiida import orm

    if sample is None and quantity is None:
        return None
    if not isinstance(verdicts, orm.Dict) or "samples" not in verdicts.get_dict():
        raise QdsimError("--sample and --quantity go with the verdicts of a check: give a campaign or a check.")
    consistency = Consistency(**verdicts.get_dict())
    rows = [
        row
        for one in consistency.samples
        if sample in {None, one.name}
        for row in one.rows
        if quantity in {None, row.quantity}
    ]
    if not rows:
        samples = ", ".join(one.name for one in consistency.samples)
        quantities = ", ".join(dict.fromkeys(row.quantity for one in consistency.samples for row in one.rows))
        raise QdsimError(f"There is no such verdict: there are the samples {samples} and the quantities {quantities}.")
    points = list(dict.fromkeys(label for row in rows for label in row.points))
    return points or None


@dataclass
class _Graph:
    """What nodes are, and from which others, along which links, they were made."""

    uuids: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    data: set[int] = field(default_factory=set)
    details: dict[int, str] = field(default_factory=dict)
    parents: dict[int, list[tuple[str, int]]] = field(default_factory=dict)


def _read_graph(start: int, points: set[str] | None) -> _Graph:
    """Read the ancestors of a node up to CP2K's calculations, a generation at a time."""
    graph, cp2k = _Graph(), set[int]()
    generation = _describe(graph, cp2k, [start])
    while generation:
        links = _links_to([pk for pk in generation if pk not in cp2k])
        sources: dict[int, None] = {}
        for target, label, source in links:
            strain = label.startswith(_STRAIN_LABELS) and "__" not in label
            if points is None or not strain or label in points:
                graph.parents.setdefault(target, []).append((label, source))
                sources[source] = None
        generation = _describe(graph, cp2k, [pk for pk in sources if pk not in graph.uuids])
    _describe_runs(graph, cp2k)
    return graph


def _links_to(targets: list[int]) -> list[tuple[int, str, int]]:
    """Return target, label and source of the links along which nodes were made."""
    from aiida import orm

    if not targets:
        return []
    query = orm.QueryBuilder()
    query.append(orm.Node, filters={"id": {"in": targets}}, tag="target", project=["id"])
    query.append(
        (orm.Data, orm.CalculationNode),
        filters={"node_type": {"!like": "data.core.code.%"}},
        with_outgoing="target",
        edge_filters={"type": {"in": ["create", "input_calc"]}},
        edge_project=["label"],
        project=["id"],
    )
    return sorted((target, label, source) for target, source, label in query.all())


def _describe(graph: _Graph, cp2k: set[int], nodes: list[int]) -> list[int]:
    """Note what nodes are, and return them."""
    from aiida import orm

    if nodes:
        query = orm.QueryBuilder().append(
            orm.Node,
            filters={"id": {"in": nodes}},
            project=["id", "uuid", "node_type", "process_type", "attributes.process_label"],
        )
        for pk, uuid, node_type, process_type, label in query.all():
            graph.uuids[pk] = uuid
            graph.kinds[pk] = label or node_type.strip(".").rpartition(".")[2]
            if node_type.startswith("data."):
                graph.data.add(pk)
            if process_type == CP2K_PROCESS:
                cp2k.add(pk)
    return nodes


def _describe_runs(graph: _Graph, runs: set[int]) -> None:
    """Tell of CP2K's calculations their energy, version, and how to see their output."""
    from aiida import orm

    if not runs:
        return
    query = orm.QueryBuilder()
    query.append(orm.CalcJobNode, filters={"id": {"in": list(runs)}}, tag="run", project=["id"])
    query.append(
        orm.Dict,
        with_incoming="run",
        edge_filters={"label": "output_parameters"},
        project=["attributes.energy", "attributes.cp2k_version"],
    )
    for pk, energy, version in query.all():
        graph.details[pk] = f"CP2K {version}, energy {energy:.6f} eV; its output: verdi calcjob outputcat {pk}"


def _grow(graph: _Graph, pk: int, link: str, seen: set[int]) -> Ancestor:
    """Make the tree of a graph, in which nothing is shown twice."""
    again = pk in seen
    seen.add(pk)
    ancestor = Ancestor(
        link, pk, graph.uuids[pk], graph.kinds[pk], graph.details.get(pk, ""), again=again, is_data=pk in graph.data
    )
    for label, source in [] if again else graph.parents.get(pk, []):
        if source not in seen or source in graph.parents or source in graph.details:
            ancestor.parents.append(_grow(graph, source, label, seen))
    return ancestor
