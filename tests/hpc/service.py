"""A server as a child of the tests: started, stopped and killed, and gone when they are."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 20.0
_POLL = 0.05


@dataclass
class Service:
    """One server that can be started, stopped in good order, and killed."""

    name: str
    command: list[str]
    log: Path
    is_up: Callable[[], bool]
    user: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and return when it answers.

        Raises
        ------
        RuntimeError
            If it ends, or does not answer within a minute; with the end of its log.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*tied_to_this_process(self.user), *self.command],
                env=os.environ | self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(lambda: self._has_ended() or self.is_up(), _START_TIMEOUT, f"{self.name} does not answer")
            if self._has_ended():
                raise RuntimeError(f"{self.name} ended at once")
        except RuntimeError as error:
            self.kill()
            raise RuntimeError(f"{error}:\n{self.log.read_text(errors='replace')[-2000:]}") from error

    def stop(self) -> None:
        """Ask the server to end; what it has started ends with it."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._end(signal.SIGKILL)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop the server, and start it again at the end."""
        self.stop()
        yield
        self.start()

    def restart(self) -> None:
        """Stop the server in good order and start it again."""
        with self.away():
            pass

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(how)
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
            for child in started:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(started, _STOP_TIMEOUT)
        process.wait(_STOP_TIMEOUT)


def wait_until(condition: Callable[[], bool], timeout: float, otherwise: str) -> None:
    """Wait for a condition.

    Raises
    ------
    RuntimeError
        If it is not met in so many seconds.
    """
    deadline = time.monotonic() + timeout
    while not _holds(condition):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {timeout:g} s")
        time.sleep(_POLL)


def _holds(condition: Callable[[], bool]) -> bool:
    """Return the condition; one that a server refuses to answer does not hold."""
    try:
        return condition()
    except subprocess.CalledProcessError:
        return False


def tied_to_this_process(user: str | None) -> list[str]:
    """Return the prefix of a command that ends when this process does, and runs as another user if this one is root."""
    identity = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if user and os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=TERM", *identity]
