"""From a node back to the calculations that it was made from, or on to what was made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qdsim.analysis.consistency_results import Consistency
from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import CP2K_PROCESS, SCATTERING_PROCESS, section

if TYPE_CHECKING:
    from aiida.orm import Data, Node, ProcessNode

_STRAIN_LABELS = ("linear_", "volumetric_", "pressure_", "lattice_constant_")


@dataclass(frozen=True)
class Relative:
    """A node of a trace, and what it was made from or what was made of it.

    Attributes
    ----------
    link
        Label of the link between it and the node before it in the trace; empty for the node that is traced.
    pk, uuid, kind
        Of the node; its class or the name of its process.
    detail
        What is to be said of it: of a CP2K calculation its energy, version and how to see its output.
    relatives
        What it was made from; in a trace of descendants, what was made of it.
    again
        Its relatives have been shown before.
    is_data
        It is data, not a process.
    """

    link: str
    pk: int
    uuid: str
    kind: str
    detail: str
    relatives: list[Relative] = field(default_factory=list)
    again: bool = False
    is_data: bool = False

    @property
    def is_cp2k(self) -> bool:
        """Whether this is a calculation of CP2K."""
        return self.detail.startswith("CP2K")

    def calculations(self) -> Iterator[Relative]:
        """Yield the CP2K calculations of the trace, each once."""
        if self.is_cp2k and not self.again:
            yield self
        for relative in self.relatives:
            yield from relative.calculations()


def trace(node: Node, points: Collection[str] | None = None) -> Relative:
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
    only = None if points is None else set(points)

    def follow(label: str) -> bool:
        strain = label.startswith(_STRAIN_LABELS) and "__" not in label
        return only is None or not strain or label in only

    return trace_back(start.pk, follow)


def trace_back(start: int, follow: Callable[[str], bool]) -> Relative:
    """Follow a node (PK) back along the links whose labels are to be followed, up to calculations of CP2K."""
    return _grow(_read_graph(start, follow, down=False), start, "", set())


def descendants(node: Node) -> Relative:
    """Follow a node on to everything that was made of it.

    Parameters
    ----------
    node
        Data, a calculation, or a work chain, of which the results are followed: see `verdict_node`.

    Raises
    ------
    QdsimError
        If a work chain has made nothing.
    """
    from aiida import orm

    start = node if isinstance(node, orm.CalculationNode) else verdict_node(node)
    if start.pk is None:
        raise QdsimError("Of a node that is not stored nothing was made: store it first.")
    return _grow(_read_graph(start.pk, lambda _: True, down=True), start.pk, "", set())


def shortened(relative: Relative) -> Relative:
    """Return a trace back in which only calculations stand, and only where new ones of CP2K lie behind them."""
    return replace(relative, relatives=[found for one in relative.relatives for found in _calculations(one, "")])


def _calculations(relative: Relative, made: str) -> list[Relative]:
    """Return a process by the label of what it made, what it was made from shortened; of data, the process behind."""
    link = made or relative.link
    if relative.again:
        return []
    if relative.is_cp2k:
        return [replace(relative, link=link)]
    if relative.is_data:
        return [found for one in relative.relatives for found in _calculations(one, link)]
    behind = [found for one in relative.relatives for found in _calculations(one, "")]
    return [replace(relative, link=link, relatives=behind)] if behind else []


def processes(relative: Relative) -> Relative:
    """Return a trace of descendants in which only the first node and calculations stand, by what they took."""
    return replace(relative, relatives=[found for one in relative.relatives for found in _processes(one)])


def _processes(relative: Relative) -> list[Relative]:
    within = [found for one in relative.relatives for found in _processes(one)]
    return within if relative.is_data else [replace(relative, relatives=within)]


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
    """What nodes are, and to which others, along which links, a trace goes on from them."""

    uuids: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    data: set[int] = field(default_factory=set)
    details: dict[int, str] = field(default_factory=dict)
    links: dict[int, list[tuple[str, int]]] = field(default_factory=dict)


def _read_graph(start: int, follow: Callable[[str], bool], *, down: bool) -> _Graph:
    """Read the ancestors of a node up to CP2K's calculations, or all its descendants, a generation at a time."""
    graph, cp2k = _Graph(), set[int]()
    generation = _describe(graph, cp2k, [start])
    while generation:
        found: dict[int, None] = {}
        for near, label, far in _links([pk for pk in generation if down or pk not in cp2k], down=down):
            if follow(label):
                graph.links.setdefault(near, []).append((label, far))
                found[far] = None
        generation = _describe(graph, cp2k, [pk for pk in found if pk not in graph.uuids])
    _describe_runs(graph, cp2k)
    return graph


def _links(nodes: list[int], *, down: bool) -> list[tuple[int, str, int]]:
    """Return the links along which nodes were made, or others of them: the node, the label and the other.

    The type of a link follows from what it joins; to filter by it would have SQLite begin with all links of that type.
    """
    from aiida import orm

    if not nodes:
        return []
    made = (orm.Data, orm.CalculationNode)
    query = orm.QueryBuilder()
    query.append(made, filters={"id": {"in": nodes}}, tag="near", project=["id"])
    if down:
        query.append(made, with_incoming="near", edge_project=["label"], project=["id"])
    else:
        filters = {"node_type": {"!like": "data.core.code.%"}}
        query.append(made, filters=filters, with_outgoing="near", edge_project=["label"], project=["id"])
    return sorted((near, label, far) for near, far, label in query.all())


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
    query.append(orm.Dict, with_incoming="run", project=["attributes.energy", "attributes.cp2k_version"])
    for pk, energy, version in query.all():
        found = "no energy" if energy is None else f"energy {energy:.6f} eV"
        # By the UUID, which is the same once an archive has been imported.
        graph.details[pk] = f"CP2K {version}, {found}; its output: verdi calcjob outputcat {graph.uuids[pk][:8]}"


def _grow(graph: _Graph, pk: int, link: str, seen: set[int]) -> Relative:
    """Make the tree of a graph, in which nothing is shown twice."""
    again = pk in seen
    seen.add(pk)
    relative = Relative(
        link, pk, graph.uuids[pk], graph.kinds[pk], graph.details.get(pk, ""), again=again, is_data=pk in graph.data
    )
    for label, other in [] if again else graph.links.get(pk, []):
        if other not in seen or other in graph.links or other in graph.details:
            relative.relatives.append(_grow(graph, other, label, seen))
    return relative
