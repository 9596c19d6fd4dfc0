"""AiiDA's daemon of this very environment, wherever that lies.

AiiDA puts the commands of its daemon's processes together as they are, and circus, which starts them, splits them as a
shell does. A path with a space or a quote gives a daemon without workers, unless it is quoted in between.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from aiida.engine.daemon.client import DaemonClient


class OwnDaemonClient(DaemonClient):
    """Starts the `verdi` beside this Python, whether its environment is activated or not."""

    @property
    def _verdi_bin(self) -> str:
        own = Path(sys.executable).with_name("verdi")
        return str(own) if own.is_file() else super()._verdi_bin

    def cmd_start_daemon(self, number_workers: int = 1, foreground: bool = False) -> list[str]:
        """Return the command that starts the daemon: this module, which quotes what `verdi` would not."""
        _, *arguments = super().cmd_start_daemon(number_workers, foreground)
        # -P: nothing is imported from the folder that it is started in.
        return [sys.executable, "-P", "-m", __name__, *arguments]

    @property
    def cmd_start_daemon_worker(self) -> list[str]:
        """Return the command that starts a worker."""
        verdi, *arguments = super().cmd_start_daemon_worker
        return [shlex.quote(verdi), *map(shlex.quote, arguments)]

    @property
    def _cmd_start_zmq_broker(self) -> list[str]:
        verdi, *arguments = super()._cmd_start_zmq_broker  # its folders are quoted
        return [shlex.quote(verdi), *arguments]


class _Daemon(OwnDaemonClient):
    """The client within the daemon's own process."""

    @staticmethod
    def get_env() -> dict[str, str]:
        """Add nothing to the environment, which circus copies: it would fill in what looks like ``$NAME``."""
        return {}


def main(arguments: list[str]) -> None:
    """Become the daemon that `OwnDaemonClient` asks for with ``-p PROFILE daemon start-circus WORKERS``."""
    from aiida.manage.configuration import load_profile

    _, profile, _, _, workers, *_ = arguments
    client = _Daemon(load_profile(profile))
    sys.executable = shlex.quote(sys.executable)  # circus puts it into the command of its statistics
    client._start_daemon(number_workers=int(workers))


if __name__ == "__main__":
    main(sys.argv[1:])
