"""The table of faults: what each test of a fault found, and how what was lost or computed twice is counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode

    from tests.machines import Machine

_CP2K = {"process_type": "aiida.calculations:cp2k", "attributes.process_state": "finished", "attributes.exit_status": 0}
_COUNT = """
import sys
sys.path.insert(0, {folder!r})
import fault_table
from qdsim.provenance import find_campaign
campaign = find_campaign({campaign!r})
answer = [fault_table.count_lost(campaign), fault_table.count_computed_twice(campaign)]
"""


@dataclass(frozen=True)
class Row:
    """What one fault did to a campaign."""

    fault: str
    recovered: bool
    lost: int
    computed_twice: int
    seconds: float


_rows: list[Row] = []


def record(fault: str, *, recovered: bool, lost: int, computed_twice: int, seconds: float) -> None:
    """Add a row; `seconds` are those from the end of the fault until the campaign moved on."""
    _rows.append(Row(fault, recovered, lost, computed_twice, round(seconds, 1)))


def write(path: Path) -> None:
    """Write the rows as JSON."""
    path.write_text(json.dumps([asdict(row) for row in _rows], indent=2), encoding="utf-8")


def lines() -> list[str]:
    """Return the table as text; nothing where no fault was recorded."""
    if not _rows:
        return []
    width = max(len(row.fault) for row in _rows)
    heading = f"{'fault':{width}}  recovered  lost  computed twice  seconds to recover"
    table = [
        f"{row.fault:{width}}  {'yes' if row.recovered else 'NO':>9}  {row.lost:>4}  {row.computed_twice:>14}"
        f"  {row.seconds:>18.1f}"
        for row in _rows
    ]
    return [heading, *table]


def count_losses(machine: Machine, campaign: str) -> tuple[int, int]:
    """Return what a campaign of a machine has lost and computed twice."""
    lost, twice = machine.python(_COUNT.format(folder=str(Path(__file__).parent), campaign=campaign))
    return lost, twice


def count_lost(campaign: WorkChainNode) -> int:
    """Return the processes of a campaign that never came to an end, and its tasks that have no result."""
    from qdsim.provenance import tasks

    unended = [process for process in (campaign, *campaign.called_descendants) if not process.is_terminated]
    ended_in_vain = [task for task in tasks(campaign) if task.state in {"failed", "cancelled"}]
    return len(unended) + len(ended_in_vain)


def count_computed_twice(campaign: WorkChainNode) -> int:
    """Return the successful CP2K runs beyond one for each input of a campaign, whoever asked for them.

    What AiiDA's cache gave back was not computed.
    """
    from aiida import orm

    runs: list[orm.CalcJobNode] = orm.QueryBuilder().append(orm.CalcJobNode, filters=_CP2K).all(flat=True)
    hashes = {run.pk: run.base.caching.compute_hash() for run in runs}
    computed = Counter(hashes[run.pk] for run in runs if not run.base.caching.is_created_from_cache)
    wanted = {hashes[node.pk] for node in campaign.called_descendants if node.pk in hashes}
    return sum(computed[found] - 1 for found in wanted if computed[found] > 1)
