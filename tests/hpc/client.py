"""A `qdsim run` that runs beside a test."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from tests.hpc.service import wait_until
from tests.machines import TIMEOUT, Machine

_POINTS = re.compile(r": (\d+) of \d+ single points done")


class Client:
    """Watches a campaign, and keeps what it is told and when."""

    def __init__(self, machine: Machine, path: Path):
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("qdsim")), "run", str(path)],
            env=machine.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._done: list[tuple[float, int]] = [(time.monotonic(), 0)]
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.append(line)
            if match := _POINTS.search(line):
                self._done.append((time.monotonic(), int(match[1])))

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return "".join(self.lines)

    @property
    def done(self) -> int:
        """How many single points it has told of."""
        return self._done[-1][1]

    def wait_for_points(self, number: int) -> None:
        """Wait until so many single points are done."""
        wait_until(lambda: self.done >= number or self._has_ended(), TIMEOUT, "no single point was done")
        assert self.done >= number, self.output

    def wait_until_complete(self) -> None:
        """Wait for the end, which is to be a good one."""
        assert self.wait() == 0, self.output

    def wait(self) -> int:
        """Wait for the end, until all it printed is read, and return its exit code."""
        code = self.process.wait(timeout=TIMEOUT)
        self._reader.join(timeout=TIMEOUT)
        return code

    def recovery_time(self, moment: float, before: int | None = None) -> float:
        """Return the seconds from a moment until it told of a single point more, than before it where not given."""
        if before is None:
            before = max((done for at, done in self._done if at <= moment), default=0)
        return next(at for at, done in self._done if at > moment and done > before) - moment

    def stop(self) -> None:
        """End the client where it still runs; the campaign goes on."""
        self.process.kill()
        self.process.wait(timeout=TIMEOUT)

    def _has_ended(self) -> bool:
        return self.process.poll() is not None
