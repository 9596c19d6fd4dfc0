"""A campaign as an AiiDA archive: one file that another machine can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from qdsim.provenance.campaigns import CP2K_PROCESS

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode
    from aiida.orm.entities import EntityTypes
    from aiida.tools.archive.abstract import ArchiveWriterAbstract
    from aiida.tools.graph.graph_traversers import TraverseGraphOutput

_BATCH = 1000
_RETRIEVED = "retrieved"


class Contents(NamedTuple):
    """How many nodes and files an archive holds."""

    nodes: int
    files: int


def write_archive(
    campaign: WorkChainNode, path: Path, small: bool = False, progress: Callable[[int, int], None] | None = None
) -> Contents:
    """Write a campaign, and all that it was made from, into a new AiiDA archive.

    That is what AiiDA archives of a process: whatever it called, what went in and came out, back to where inputs were
    made; with the computers, codes, users, reports and comments of these nodes. The settings that a user connects to
    computers with (`AuthInfo`) and the checkpoints of processes, which are pickled objects, are left out.
    AiiDA's own `create_archive` refuses processes that have not ended; here they are taken as they are at the moment.

    Parameters
    ----------
    campaign
        Finished, failed or running.
    path
        A file that does not exist.
    small
        Leave out the files that CP2K wrote, except those that something else was computed from.
    progress
        Is told the steps done and the steps there are.

    Returns
    -------
    Contents
        What was written.
    """
    from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip
    from aiida.tools.graph.graph_traversers import get_nodes_export

    graph = get_nodes_export({cast("int", campaign.pk)}, get_links=True)
    nodes = graph["nodes"] - (_unused_files(graph) if small else set())
    keys = _repository_keys(nodes)
    steps = _Steps(len(nodes) + len(keys), progress)
    with ArchiveFormatSqlZip().open(path, mode="x") as archive:
        archive.update_metadata(_metadata(campaign, graph))
        _write_entities(archive, nodes, steps)
        _write_links(archive, nodes, graph)
        _write_files(archive, keys, steps)
    return Contents(len(nodes), len(keys))


def _metadata(campaign: WorkChainNode, graph: TraverseGraphOutput) -> dict[str, Any]:
    """Return what `verdi archive info` tells of how an archive was made."""
    made = {
        "entities_starting_set": {"node": [campaign.uuid]},
        "include_authinfos": False,
        "include_comments": True,
        "include_logs": True,
        "graph_traversal_rules": graph["rules"],
    }
    return {"ctime": datetime.now().isoformat(), "creation_parameters": made}


class _Steps:
    """Counts what is done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None):
        self.done, self.total, self.progress = 0, total, progress

    def add(self, number: int) -> None:
        self.done += number
        if self.progress is not None:
            self.progress(self.done, self.total)


def _unused_files(graph: TraverseGraphOutput) -> set[int]:
    """Return the folders that CP2K's files were retrieved to and that are no input of anything."""
    from aiida import orm

    query = orm.QueryBuilder()
    query.append(orm.CalcJobNode, filters={"process_type": CP2K_PROCESS}, tag="run")
    query.append(orm.FolderData, with_incoming="run", edge_filters={"label": _RETRIEVED}, project="id")
    inputs = {link.source_id for link in graph["links"] or ()}
    return set(query.all(flat=True)) & graph["nodes"] - inputs


def _repository_keys(nodes: set[int]) -> set[str]:
    from aiida import orm

    return set(orm.Node.collection.iter_repo_keys(filters={"id": {"in": list(nodes)}}, batch_size=_BATCH))


def _write_entities(archive: ArchiveWriterAbstract, nodes: set[int], steps: _Steps) -> None:
    """Write everything but links and files, in an order in which nothing refers to what is not there."""
    from aiida import orm
    from aiida.orm.entities import EntityTypes

    computers = _belonging(orm.Computer, nodes)
    comments = _belonging(orm.Comment, nodes)
    logs = _belonging(orm.Log, nodes)
    users = _belonging(orm.User, nodes)
    if comments:
        query = orm.QueryBuilder().append(orm.Comment, filters={"id": {"in": list(comments)}}, tag="comment")
        users |= set(query.append(orm.User, with_comment="comment", project="id").all(flat=True))
    _write_rows(archive, EntityTypes.USER, orm.User, users)
    _write_rows(archive, EntityTypes.COMPUTER, orm.Computer, computers)
    _write_rows(archive, EntityTypes.NODE, orm.Node, nodes, steps)
    _write_rows(archive, EntityTypes.COMMENT, orm.Comment, comments)
    _write_rows(archive, EntityTypes.LOG, orm.Log, logs)


def _belonging(entity: type, nodes: set[int]) -> set[int]:
    """Return the PKs of what belongs to nodes."""
    from aiida import orm

    query = orm.QueryBuilder().append(orm.Node, filters={"id": {"in": list(nodes)}}, tag="node")
    return set(query.append(entity, with_node="node", project="id").distinct().all(flat=True))


def _write_rows(
    archive: ArchiveWriterAbstract, kind: EntityTypes, entity: type, pks: set[int], steps: _Steps | None = None
) -> None:
    from aiida import orm

    if not pks:
        return
    query = orm.QueryBuilder().append(entity, filters={"id": {"in": list(pks)}}, tag="row", project=["**"])
    for rows in _batches(query.iterdict(batch_size=_BATCH)):
        archive.bulk_insert(kind, [_without_checkpoint(found["row"]) for found in rows])
        if steps is not None:
            steps.add(len(rows))


def _without_checkpoint(row: dict[str, Any]) -> dict[str, Any]:
    from aiida import orm

    if row.get("node_type", "").startswith("process."):
        row["attributes"].pop(orm.ProcessNode.CHECKPOINT_KEY, None)
    return row


def _write_links(archive: ArchiveWriterAbstract, nodes: set[int], graph: TraverseGraphOutput) -> None:
    from aiida.orm.entities import EntityTypes

    rows = (
        {"input_id": link.source_id, "output_id": link.target_id, "label": link.link_label, "type": link.link_type}
        for link in graph["links"] or ()
        if {link.source_id, link.target_id} <= nodes
    )
    for batch in _batches(rows):
        archive.bulk_insert(EntityTypes.LINK, batch, allow_defaults=True)


def _write_files(archive: ArchiveWriterAbstract, keys: set[str], steps: _Steps) -> None:
    from aiida.manage import get_manager

    repository = get_manager().get_profile_storage().get_repository()
    for key, stream in repository.iter_object_streams(list(keys)):
        archive.put_object(stream, key=key)
        steps.add(1)


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
