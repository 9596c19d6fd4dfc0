"""Calculations that wait for a place in the scheduler's queue before they are uploaded and submitted.

AiiDA submits whatever is ready. Here a calculation asks first: the worker that runs it looks at the database, once a
second for all of its calculations together, and lets the most expensive go on as far as there are places. What is
counted is kept in the database alone (AiiDA's own state of a calculation), so that workers may be killed and started at
any time; workers decide one after another, by a lock that the operating system takes from a dead one.
"""

import asyncio
import contextvars
import fcntl
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

from aiida import orm
from aiida.common.datastructures import CalcJobState
from aiida.common.log import AIIDA_LOGGER
from aiida.engine import CalcJob
from aiida.engine.processes.calcjobs import tasks
from aiida.engine.runners import Runner
from aiida.engine.utils import InterruptableFuture
from aiida.manage.configuration import get_config, get_profile
from plumpy.process_states import ProcessState, State

from qdsim.workflows.jobs import ask_carefully
from qdsim.workflows.places import MAX_JOBS, Begun, Candidate, Decision, Rules, decide

COST, CAMPAIGN = "qdsim_cost", "qdsim_campaign"
"""Extras of a calculation: estimated core-seconds, and the primary key of what everything was started by."""
PAUSED, AT_ONCE = "qdsim_paused", "qdsim_at_once"
"""Extras of a campaign: whether anything new may be submitted, and how many of its jobs may be in the queue."""

QUEUED = {"uploading", "unstashing", "submitting", "withscheduler"}
"""AiiDA's states of a calculation from taking its place to the end of its job; `uploading` is set here."""
ACTIVE = ("created", "running", "waiting")
INTERVAL = 1.0
"""Seconds between two looks while there are some that wait."""
SETTLE = 0.1
"""Seconds without a newcomer before a look, within `INTERVAL`: what is submitted together is compared with each other,
and hundreds that come one after another do not keep the first from beginning."""
CACHED_ATTRIBUTES = (
    orm.CalcJobNode.REMOTE_WORKDIR_KEY,
    orm.CalcJobNode.RETRIEVE_LIST_KEY,
    orm.CalcJobNode.RETRIEVE_TEMPORARY_LIST_KEY,
    orm.CalcJobNode.SCHEDULER_JOB_ID_KEY,
    orm.CalcJobNode.SCHEDULER_STATE_KEY,
    orm.CalcJobNode.SCHEDULER_LAST_CHECK_TIME_KEY,
    orm.CalcJobNode.SCHEDULER_LAST_JOB_INFO_KEY,
    orm.CalcJobNode.SCHEDULER_DETAILED_JOB_INFO_KEY,
    orm.CalcJobNode.EXIT_MESSAGE_KEY,
    orm.CalcJobNode.EXIT_STATUS_KEY,
)

_LOGGER = AIIDA_LOGGER.getChild("qdsim.queue")


@dataclass
class _Waiting:
    """One that waits, and how it is told that it need not any longer."""

    node: orm.CalcJobNode
    candidate: Candidate
    answer: InterruptableFuture


class Queue:
    """The calculations of one worker that wait for a place."""

    _of_runners: ClassVar["WeakKeyDictionary[Runner, Queue]"] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._waiting: dict[int, _Waiting] = {}
        self._news = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, runner: Runner) -> "Queue":
        """Return the queue of a worker."""
        if runner not in cls._of_runners:
            cls._of_runners[runner] = cls()
        return cls._of_runners[runner]

    def ask(self, node: orm.CalcJobNode) -> InterruptableFuture:
        """Return a future that has a result as soon as the calculation may go on, or look into the cache."""
        pk = cast(int, node.pk)
        extras = node.base.extras.all
        candidate = Candidate(
            pk=pk,
            computer=cast(int, cast(orm.Computer, node.computer).pk),
            campaign=extras[CAMPAIGN],
            cost=extras[COST],
            hash=node.base.caching.get_hash() if node.base.caching.should_use_cache() else None,
        )
        self._waiting[pk] = _Waiting(node, candidate, InterruptableFuture())
        self.look_soon()
        if self._watch is None:
            # Of no process: it must not take itself for the one that happened to ask first.
            self._watch = asyncio.get_running_loop().create_task(self._keep_looking(), context=contextvars.Context())
        return self._waiting[pk].answer

    def withdraw(self, node: orm.CalcJobNode) -> None:
        """Forget a calculation that waits no longer."""
        self._waiting.pop(cast(int, node.pk), None)
        if not self._waiting and self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def look_soon(self) -> None:
        """Do not wait for the next look in its turn: something has changed."""
        self._news.set()

    async def _keep_looking(self) -> None:
        while True:
            loop = asyncio.get_running_loop()
            latest = loop.time() + INTERVAL
            while self._news.is_set() and loop.time() < latest:
                self._news.clear()
                await asyncio.sleep(SETTLE)
            try:
                with _one_worker_at_a_time():
                    self._look()
            except BlockingIOError:
                self._news.set()
            except Exception:
                _LOGGER.exception("could not look for free places; trying again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), INTERVAL)

    def _look(self) -> None:
        candidates = [one.candidate for one in self._waiting.values() if not one.answer.done()]
        if not candidates:
            return
        decision = _decide(candidates)
        for pk in decision.held:
            self._waiting[pk].candidate = replace(self._waiting[pk].candidate, held=True)
        for pk in decision.admitted:
            self._waiting[pk].node.set_state(CalcJobState.UPLOADING)
        for pk in (*decision.admitted, *decision.released):
            self._waiting[pk].answer.set_result(None)


def _decide(candidates: list[Candidate]) -> Decision:
    """Look at what has begun, at the limits, and decide."""
    waiting = {one.pk for one in candidates}
    computers, campaigns = ({getattr(one, name) for one in candidates} for name in ("computer", "campaign"))
    jobs = orm.QueryBuilder().append(
        orm.CalcJobNode,
        filters={"attributes.process_state": {"in": list(ACTIVE)}},
        project=["id", "dbcomputer_id", f"extras.{CAMPAIGN}", "extras._aiida_hash", "attributes.state"],
    )
    begun = [
        Begun(computer, campaign, digest, queued=state in QUEUED)
        for pk, computer, campaign, digest, state in jobs.all()
        if state is not None and pk not in waiting
    ]
    limits = orm.QueryBuilder().append(
        orm.Computer, filters={"id": {"in": list(computers)}}, project=["id", "metadata"]
    )
    asked = orm.QueryBuilder().append(
        orm.ProcessNode,
        filters={"id": {"in": list(campaigns)}},
        project=["id", f"extras.{PAUSED}", f"extras.{AT_ONCE}"],
    )
    return decide(
        candidates,
        begun,
        {pk: metadata.get(MAX_JOBS) for pk, metadata in limits.all()},
        {pk: Rules(bool(paused), at_once) for pk, paused, at_once in asked.all()},
    )


@contextmanager
def _one_worker_at_a_time() -> Iterator[None]:
    """Hold the lock of this profile, or raise BlockingIOError; a worker that dies loses it."""
    profile = get_profile()
    name = "none" if profile is None else profile.name
    with (Path(get_config().dirpath) / f"qdsim-{name}.queue.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


class Waiting(tasks.Waiting):
    """AiiDA's state of waiting for transport and scheduler, with a place in the queue before them."""

    async def execute(self) -> State:
        """Take a place, then go on as AiiDA does; without, where the cache has the results by then."""
        process, node = self.process, self.process.node
        if self._command == tasks.UPLOAD_COMMAND:
            if node.get_state() is None and node.exit_status is None:
                await self._wait_for_place()
            if node.exit_status is not None:
                return cast(State, self.create_state(ProcessState.RUNNING, process.run))
        if self._command == tasks.UPDATE_COMMAND:
            ask_carefully(process.runner, node)
        next_state = await super().execute()
        if self._command == tasks.UPDATE_COMMAND:
            Queue.of(process.runner).look_soon()
        return cast(State, next_state)

    async def _wait_for_place(self) -> None:
        node, queue = self.process.node, Queue.of(self.process.runner)
        node.set_process_status(f"Waiting for a place in the queue of {cast(orm.Computer, node.computer).label}")
        try:
            while node.get_state() is None and node.exit_status is None:
                self._task = queue.ask(node)
                await self._task
                take_from_cache(node)
        finally:
            self._task = None
            queue.withdraw(node)
            if self._killing and not self._killing.done():
                self._killing.set_result(False)


def take_from_cache(node: orm.CalcJobNode) -> None:
    """Make a calculation that has not begun a copy of a finished one of the same inputs, where there is one by now.

    What AiiDA does when it stores a calculation whose results are there already.
    """
    caching = node.base.caching
    same = caching.get_all_same_nodes() if caching.should_use_cache() else []
    if not same:
        return
    source = cast(orm.CalcJobNode, same[0])
    with node.backend.transaction():
        node.base.repository._copy(source.base.repository)
        node.base.repository._update_repository_metadata()
        node._add_outputs_from_cache(source)
        node.base.extras.set(caching.CACHED_FROM_KEY, source.uuid)
        found = source.base.attributes.all
        node.base.attributes.set_many({key: found[key] for key in CACHED_ATTRIBUTES if key in found})


class QueuedCalcJob(CalcJob):
    """A calculation that waits for a place in the queue."""

    @classmethod
    def get_state_classes(cls) -> dict[Hashable, type[State]]:
        """Return AiiDA's states, with the one of waiting replaced."""
        return {**super().get_state_classes(), ProcessState.WAITING: Waiting}

    def estimated_cost(self) -> float:
        """Return the core-seconds that the calculation may take; the most expensive is the first to be submitted."""
        return 0.0

    def _setup_db_record(self) -> None:
        super()._setup_db_record()
        campaign = self.get_parent_calc()
        while campaign is not None and campaign.caller is not None:
            campaign = campaign.caller
        extras: dict[str, Any] = {COST: self.estimated_cost(), CAMPAIGN: 0 if campaign is None else campaign.pk}
        self.node.base.extras.set_many(extras)
