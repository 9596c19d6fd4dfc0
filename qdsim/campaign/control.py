"""Pause, resume and cancel a campaign, whether or not the daemon runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError
from qdsim.provenance.queue import PAUSED, Jobs, jobs_of, unfinished

if TYPE_CHECKING:
    from aiida.orm import ProcessNode, WorkChainNode

ANSWER_SECONDS = 5.0
"""What a worker has for an answer before it is looked up what has happened; it may be busy, and act on it later."""
FIRST_PATIENCE = 5.0
"""Seconds until those are asked again that could not be reached, such as a worker that starts; then twice as long."""
DEADLINE = 180.0
"""Seconds until what has not ended by itself is told."""
_POLL_SECONDS = 0.5


def pause(campaign: WorkChainNode) -> Jobs:
    """Let nothing new be submitted; what is in the queue goes on, and its results are kept.

    The workers look at the campaign's mark whenever they give away places. No process has to be reached for that: it
    holds also for those that are only to be made, and for a daemon that is started later.

    Raises
    ------
    QdsimError
        If the campaign has finished.
    """
    refuse_finished(campaign, "pause")
    campaign.base.extras.set(PAUSED, True)
    return jobs_of(campaign)


def resume(campaign: WorkChainNode) -> int:
    """Let a campaign go on, also where AiiDA itself has paused processes because a computer could not be reached.

    Returns
    -------
    int
        How many processes AiiDA had paused.

    Raises
    ------
    QdsimError
        If the campaign has finished, or a process does not go on.
    """
    from aiida.engine.processes.control import play_processes

    from qdsim.machine.daemon import ensure_daemon_running, wait_for_connection

    refuse_finished(campaign, "resume")
    if ensure_daemon_running():
        wait_for_connection()
    campaign.base.extras.set(PAUSED, False)
    stopped = [process for process in unfinished(campaign) if process.paused]
    left = _insist(
        lambda: [process for process in unfinished(campaign) if process.paused],
        lambda processes: play_processes(processes, timeout=ANSWER_SECONDS),
    )
    if left:
        raise QdsimError(
            f"{len(left)} process(es) of '{campaign.label}' could not be reached and are paused still; "
            f"'qdsim doctor' tells why."
        )
    return len(stopped)


def cancel(campaign: WorkChainNode) -> None:
    """End a campaign with everything of it that is in a queue; finished calculations stay for the cache.

    Raises
    ------
    QdsimError
        If the campaign has finished, or something of it does not end.
    """
    from aiida.engine.processes.control import kill_processes

    from qdsim.machine.daemon import ensure_daemon_running, wait_for_connection

    refuse_finished(campaign, "cancel")
    campaign.base.extras.set(PAUSED, True)  # nothing takes the place of what ends
    if ensure_daemon_running():
        wait_for_connection()
    left = _insist(
        lambda: unfinished(campaign),
        lambda processes: kill_processes(
            _topmost(processes), msg_text="Cancelled by 'qdsim cancel'", timeout=ANSWER_SECONDS
        ),
    )
    if left:
        raise QdsimError(
            f"{len(left)} process(es) of '{campaign.label}' have not ended after {DEADLINE:.0f} s, but nothing new is "
            f"submitted; 'qdsim doctor' tells why, then cancel it again."
        )


def refuse_finished(campaign: WorkChainNode, verb: str) -> None:
    """Refuse a campaign that has finished, in a sentence with what was to be done with it.

    Raises
    ------
    QdsimError
        If it has finished.
    """
    if campaign.is_terminated:
        raise QdsimError(f"Campaign '{campaign.label}' has finished; there is nothing to {verb}.")


def _insist(remaining: Callable[[], list[ProcessNode]], ask: Callable[[list[ProcessNode]], None]) -> list[ProcessNode]:
    """Ask processes for something until none remains to be asked, and return those that do at the deadline.

    What counts is what the database says: an answer may be late, and what was asked for happens all the same.
    """
    from aiida.common.log import override_log_level

    deadline, patience = time.monotonic() + DEADLINE, FIRST_PATIENCE
    left = remaining()
    while left and time.monotonic() < deadline:
        with override_log_level():
            ask(left)
        again = min(time.monotonic() + patience, deadline)
        while (left := remaining()) and time.monotonic() < again:
            time.sleep(_POLL_SECONDS)
        patience *= 2
    return left


def _topmost(processes: list[ProcessNode]) -> list[ProcessNode]:
    """Return those whose callers are not among them: whoever is killed kills what it has called."""
    there = {process.pk for process in processes}
    return [process for process in processes if process.caller is None or process.caller.pk not in there]
