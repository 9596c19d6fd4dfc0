"""CP2K calculations, and the way between them and the campaigns that they are of.

Callers and called are looked for one level at a time: databases do not do well at a way of many steps at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qdsim.provenance.campaigns import CACHED_FROM, CP2K_CHAIN, CP2K_PROCESS
from qdsim.provenance.documents import PROCESS, ProcessRecord, process_record

PARSED = ("cp2k_version", "energy", "wall_time")


@dataclass(frozen=True)
class Run:
    """One CP2K calculation, and what its parsed output says: energy in eV, seconds of CP2K's own clock."""

    process: ProcessRecord
    reused: bool
    code_version: str | None
    energy: float | None
    wall_time: float | None


def newest_runs(filters: Sequence[dict[str, Any]], code_version: str | None, page: int | None) -> Iterator[list[Run]]:
    """Yield the CP2K calculations of the profile, the newest first.

    Parameters
    ----------
    filters
        Of AiiDA's query, that all hold.
    code_version
        Of CP2K, that the output names; None for any.
    page
        How many are read at once; None for all.
    """
    from aiida import orm

    attributes = [f"attributes.{name}" for name in PARSED]
    of_version = {} if code_version is None else {"attributes.cp2k_version": code_version}
    query = orm.QueryBuilder()
    query.append(
        orm.CalcJobNode,
        filters={"and": [{"process_type": CP2K_PROCESS}, *filters]},
        project=[*PROCESS, CACHED_FROM],
        tag="run",
    )
    # The only document that CP2K's parser makes. By a label, SQLite would begin with all links that have it.
    query.append(
        orm.Dict, with_incoming="run", filters=of_version, outerjoin=not of_version, project=attributes, tag="output"
    )
    query.order_by({"run": [{"mtime": "desc"}, {"id": "desc"}]})
    start = 0
    while True:
        if page is not None:
            query.limit(page).offset(start)
        rows = query.dict()
        yield [
            Run(
                process_record(row["run"]),
                row["run"][CACHED_FROM] is not None,
                *(row["output"][name] for name in attributes),
            )
            for row in rows
        ]
        if page is None or len(rows) < page:
            return
        start += page


def ways_to_roots(processes: Sequence[int]) -> dict[int, tuple[int, list[str]]]:
    """Return what each process (PK) was started by in the end, and the labels of the calls from there to its caller."""
    from aiida import orm

    callers: dict[int, tuple[int, str]] = {}
    level = set(processes)
    while level:
        query = orm.QueryBuilder()
        query.append(orm.ProcessNode, filters={"id": {"in": list(level)}}, tag="called", project="id")
        query.append(orm.WorkChainNode, with_outgoing="called", project="id", edge_project="label")
        found = {called: (caller, label) for called, caller, label in query.all()}
        callers |= found
        level = {caller for caller, _ in found.values()} - callers.keys()

    def way(pk: int) -> tuple[int, list[str]]:
        if pk not in callers:
            return pk, []
        caller, label = callers[pk]
        root, labels = way(caller)
        return root, [*labels, label]

    ways = {pk: way(pk) for pk in processes}
    return {pk: (root, labels[:-1]) for pk, (root, labels) in ways.items()}


def code_versions(campaigns: Sequence[int]) -> dict[int, list[str]]:
    """Return the versions of CP2K that campaigns (PKs) were computed with."""
    from aiida import orm

    found: dict[int, set[str]] = defaultdict(set)
    roots = {pk: pk for pk in campaigns}
    while roots:
        outputs, calls = orm.QueryBuilder(), orm.QueryBuilder()
        for query in (outputs, calls):
            query.append(orm.WorkChainNode, filters={"id": {"in": list(roots)}}, tag="caller", project="id")
        # Every run has a chain of its own above it: from whoever calls that there is one version mostly, not hundreds.
        # Neither is asked for by its type, with which SQLite would begin.
        outputs.append(orm.WorkChainNode, with_incoming="caller", tag="chain")
        outputs.append(orm.CalcJobNode, with_incoming="chain", tag="run")
        outputs.append(orm.Dict, with_incoming="run", project="attributes.cp2k_version")
        for caller, version in outputs.distinct().all():
            if version is not None:
                found[roots[caller]].add(version)
        others = {"process_type": {"!==": CP2K_CHAIN}}
        calls.append(orm.WorkChainNode, with_incoming="caller", filters=others, project="id")
        roots = {called: roots[caller] for caller, called in calls.all()}
    return {pk: sorted(versions) for pk, versions in found.items()}
