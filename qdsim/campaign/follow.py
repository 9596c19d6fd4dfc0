"""Wait for a campaign, and mend on the way what keeps it from going on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from qdsim.campaign.progress import Progress, measure_progress
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode

POLL_SECONDS = 1.0
LOOK_SECONDS = 5.0
FORGOTTEN = timedelta(minutes=1)
"""A process that no worker has picked up for so long, while nothing else moves, was lost with a broker."""
DATABASE_AWAY = timedelta(minutes=5)
"""How long a database may be away: a server that is restarted is back sooner."""


def follow(campaign: WorkChainNode) -> Iterator[Progress]:
    """Yield the progress of a campaign about once a second, until it has finished.

    The daemon does the work; nothing is lost when the iteration is abandoned. A daemon that is killed, and workers that
    lose the broker or the database, are mended on the way, and processes that could not reach their computer are
    resumed: see :mod:`qdsim.machine.daemon`.

    Raises
    ------
    QdsimError
        If the database is away for long.
    """
    from sqlalchemy.exc import DBAPIError

    mended = looked = answered = time.monotonic()
    seen = None
    while True:
        try:
            progress = measure_progress(campaign)
            answered = time.monotonic()
            yield progress
            if progress.finished:
                return
            if time.monotonic() - mended > LOOK_SECONDS:
                _mend()
                mended = time.monotonic()
            if time.monotonic() - looked > FORGOTTEN.total_seconds():
                _bring_back(moves=progress != seen)
                looked, seen = time.monotonic(), progress
        except DBAPIError as error:
            if time.monotonic() - answered > DATABASE_AWAY.total_seconds():
                raise QdsimError(
                    f"the database of this profile does not answer ({error.orig}); once it does, run the same again."
                ) from error
            _forget_connection()
        time.sleep(POLL_SECONDS)


def _mend() -> None:
    """Bring the daemon back where it was killed or has lost broker or database; one that a person stopped stays so."""
    from qdsim.machine.daemon import exclusively, mend_daemon, needs_mending

    if needs_mending():
        with exclusively():
            if needs_mending():
                mend_daemon()


def _bring_back(*, moves: bool) -> None:
    """Give back what was lost with a broker, where nothing moves, and resume what could not reach its computer."""
    from qdsim.machine.daemon import (
        daemon_is_running,
        exclusively,
        interrupted_processes,
        restart_cleanly,
        resume_interrupted,
        stuck_processes,
    )

    with exclusively():
        if not moves and stuck_processes(FORGOTTEN):
            restart_cleanly()
        if interrupted_processes() and daemon_is_running():
            with suppress(QdsimError):  # a worker that is too busy to answer is asked again in a minute
                resume_interrupted()


def _forget_connection() -> None:
    """Let the next question to the database open a connection of its own."""
    from aiida.manage import get_manager

    storage: Any = get_manager().get_profile_storage()  # SQLite or PostgreSQL, both with a session of SQLAlchemy
    storage.get_session().rollback()
