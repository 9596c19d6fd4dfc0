"""What a campaign has in the scheduler's queue, and what waits for a place in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aiida.orm import ProcessNode, WorkChainNode

PAUSED = "qdsim_paused"
"""Extra of a campaign that nothing new of may be submitted, as the work chains read it."""
QUEUED = {"uploading", "unstashing", "submitting", "withscheduler"}
"""AiiDA's states of a calculation from taking its place to the end of its job."""
HELD_BACK = {"queued", "queued held"}
"""What AiiDA calls a job that its scheduler has not begun."""
ACTIVE = ("created", "running", "waiting")


@dataclass(frozen=True)
class Jobs:
    """Calculations of a campaign that have not finished.

    Attributes
    ----------
    queued : int
        In the queue of the scheduler, or running.
    waiting : int
        Without a place in it.
    ending : int
        Whose job has ended, while their files are retrieved and read.
    stopped : int
        Of all these, those that AiiDA has paused, because their computer could not be reached.
    reasons : dict of str to int
        Why the scheduler has not begun those that are queued, in its own words, and how often it says so.
    """

    queued: int
    waiting: int
    ending: int
    stopped: int
    reasons: dict[str, int]


def jobs_of(campaign: WorkChainNode) -> Jobs:
    """Count the calculations of a campaign that have not finished."""
    from aiida import orm

    query = orm.QueryBuilder().append(
        orm.CalcJobNode,
        filters={
            "extras.qdsim_campaign": campaign.pk,
            "attributes.process_state": {"in": list(ACTIVE)},
        },
        project=[f"attributes.{name}" for name in ("state", "paused", "scheduler_state", "last_job_info.annotation")],
    )
    rows = query.all()
    places = Counter("waiting" if state is None else "queued" if state in QUEUED else "ending" for state, *_ in rows)
    reasons = Counter(
        str(annotation)
        for state, _, scheduler_state, annotation in rows
        if state in QUEUED and scheduler_state in HELD_BACK and annotation not in {None, "", "None"}
    )
    stopped = sum(bool(paused) for _, paused, *_ in rows)
    return Jobs(places["queued"], places["waiting"], places["ending"], stopped, dict(reasons))


def unfinished(process: ProcessNode) -> list[ProcessNode]:
    """Return a process and all that it called, directly or not, as far as they have not finished: callers first."""
    from aiida import orm

    found: list[ProcessNode] = []
    level = [process.pk]
    nodes = orm.QueryBuilder().append(orm.ProcessNode, filters={"id": process.pk})
    while True:
        rows = cast("list[ProcessNode]", nodes.all(flat=True))
        found += [node for node in rows if not node.is_terminated]
        level = [node.pk for node in rows]
        if not level:
            return found
        nodes = orm.QueryBuilder().append(orm.ProcessNode, filters={"id": {"in": level}}, tag="caller")
        nodes.append(
            orm.ProcessNode,
            with_incoming="caller",
            edge_filters={"type": {"in": ["call_work", "call_calc"]}},
        )


def is_paused(campaign: ProcessNode) -> bool:
    """Tell whether nothing new of a campaign may be submitted."""
    return not campaign.is_terminated and bool(campaign.base.extras.get(PAUSED, False))
