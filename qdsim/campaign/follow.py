"""Wait for a campaign, and keep it from being forgotten by a broker that was replaced."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from qdsim.campaign.progress import Progress, measure_progress

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode

POLL_SECONDS = 1.0
FORGOTTEN = timedelta(minutes=1)
"""A process that no worker has picked up for so long, while nothing else moves, was lost with a broker."""


def follow(campaign: WorkChainNode) -> Iterator[Progress]:
    """Yield the progress of a campaign about once a second, until it has finished.

    The daemon does the work; nothing is lost when the iteration is abandoned. Submissions that got lost in a restart of
    the embedded broker are repaired on the way: see :mod:`qdsim.machine.daemon`.
    """
    from qdsim.machine.daemon import restart_cleanly, stuck_processes

    looked, seen = time.monotonic(), None
    while True:
        progress = measure_progress(campaign)
        yield progress
        if progress.finished:
            return
        if time.monotonic() - looked > FORGOTTEN.total_seconds():
            if progress == seen and stuck_processes(FORGOTTEN):
                restart_cleanly()
            looked, seen = time.monotonic(), progress
        time.sleep(POLL_SECONDS)
