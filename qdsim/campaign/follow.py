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
LOOK_SECONDS = 5.0
FORGOTTEN = timedelta(minutes=1)
"""A process that no worker has picked up for so long, while nothing else moves, was lost with a broker."""


def follow(campaign: WorkChainNode) -> Iterator[Progress]:
    """Yield the progress of a campaign about once a second, until it has finished.

    The daemon does the work; nothing is lost when the iteration is abandoned. A daemon that is killed, and workers that
    lose the embedded broker, are mended on the way: see :mod:`qdsim.machine.daemon`.
    """
    from qdsim.machine.daemon import exclusively, restart_cleanly, stuck_processes

    mended = looked = time.monotonic()
    seen = None
    while True:
        progress = measure_progress(campaign)
        yield progress
        if progress.finished:
            return
        if time.monotonic() - mended > LOOK_SECONDS:
            _mend()
            mended = time.monotonic()
        if time.monotonic() - looked > FORGOTTEN.total_seconds():
            if progress == seen:
                with exclusively():
                    if stuck_processes(FORGOTTEN):
                        restart_cleanly()
            looked, seen = time.monotonic(), progress
        time.sleep(POLL_SECONDS)


def _mend() -> None:
    """Bring the daemon back if it was killed, or has lost its broker; a daemon that a person stopped stays so."""
    from qdsim.machine.daemon import daemon_has_died, exclusively, mend_daemon, strayed_workers

    if daemon_has_died() or strayed_workers():
        with exclusively():
            if daemon_has_died() or strayed_workers():
                mend_daemon()
