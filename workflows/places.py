"""Who is next for the scheduler's queue."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MAX_JOBS = "max_jobs"
"""Property of a computer: how many jobs may be in its queue."""


@dataclass(frozen=True)
class Candidate:
    """A calculation that waits for a place in the queue of its computer.

    Attributes
    ----------
    pk : int
        Of its node: the older has the smaller.
    computer : int
        Primary key of its computer.
    campaign : int
        Primary key of the process that everything was started by.
    cost : float
        Estimated core-seconds.
    hash : str or None
        Of its inputs, where AiiDA's cache may be used.
    held : bool
        Whether it has been waiting for a calculation of the same inputs.
    """

    pk: int
    computer: int
    campaign: int
    cost: float
    hash: str | None
    held: bool = False


@dataclass(frozen=True)
class Begun:
    """A calculation that has had its place and is not finished; it is out of the queue when its job has ended."""

    computer: int | None
    campaign: int | None
    hash: str | None
    queued: bool


@dataclass(frozen=True)
class Rules:
    """What a campaign asks for."""

    paused: bool = False
    at_once: int | None = None


@dataclass
class Decision:
    """By primary key: who may be submitted, who waits for a calculation of the same inputs, who no longer does."""

    admitted: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)


def decide(
    candidates: Iterable[Candidate],
    begun: Iterable[Begun],
    max_jobs: Mapping[int, int | None],
    campaigns: Mapping[int, Rules],
) -> Decision:
    """Give the free places to the most expensive, among equals to the oldest.

    Nothing is computed twice at the same time: what has the inputs of a calculation that has begun is held, and
    released when that has ended, to take its results or a place of its own.

    Parameters
    ----------
    candidates
        Those that wait.
    begun
        Those that have begun.
    max_jobs
        How many jobs a computer takes at once, by its primary key; None is no limit.
    campaigns
        What the campaigns ask for, by primary key.
    """
    jobs = [job for job in begun if job.queued]
    on_computer, of_campaign = Counter(job.computer for job in jobs), Counter(job.campaign for job in jobs)
    busy = {job.hash for job in begun if job.hash is not None}
    decision = Decision()
    for one in sorted(candidates, key=lambda one: (-one.cost, one.pk)):
        rules = campaigns.get(one.campaign, Rules())
        if rules.paused:
            continue
        if one.hash in busy:
            decision.held.append(one.pk)
        elif one.held:
            decision.released.append(one.pk)
        elif _free(max_jobs.get(one.computer), on_computer[one.computer]) and _free(
            rules.at_once, of_campaign[one.campaign]
        ):
            decision.admitted.append(one.pk)
            on_computer[one.computer] += 1
            of_campaign[one.campaign] += 1
            if one.hash is not None:
                busy.add(one.hash)
    return decision


def _free(limit: int | None, taken: int) -> bool:
    return limit is None or taken < limit
