"""A machine that `qdsim init` has set up for real: its own AiiDA folder, profile and daemon."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT = 600  # s, of one command: something that hangs ends, something slow does not
PROGRAMS = Path(sys.executable).parent


class Machine:
    """Runs `qdsim`, `verdi` and Python in an AiiDA folder of its own."""

    first: subprocess.CompletedProcess[str]

    def __init__(self, folder: Path, timeout: float | None = TIMEOUT, programs: Path = PROGRAMS):
        self.folder = folder
        self.timeout = timeout
        self.programs = programs
        inherited = {key: value for key, value in os.environ.items() if key != "QDSIM_PROFILE"}
        self.environment = inherited | {"AIIDA_PATH": str(folder), "COLUMNS": "200"}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=self.timeout,
        )

    def qdsim(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.programs / "qdsim"), *arguments, **environment)

    def verdi(self, *arguments: str) -> str:
        # `verdi` finds itself in PATH when it starts a daemon.
        path = f"{self.programs}{os.pathsep}{self.environment['PATH']}"
        answer = self.run(str(self.programs / "verdi"), *arguments, PATH=path)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def python(self, script: str) -> Any:
        """Run a script that has the profile open, and return what it puts into `answer`."""
        opened = "import json\nfrom qdsim.machine.profile import open_profile\nopen_profile('qdsim')\n"
        python = str(self.programs / Path(sys.executable).name)
        run = self.run(python, "-c", f"{opened}{script}\nprint(json.dumps(answer))")
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout.splitlines()[-1])

    @property
    def configuration(self) -> dict[str, Any]:
        configuration: dict[str, Any] = json.loads((self.folder / ".aiida" / "config.json").read_text())
        return configuration

    def stop_daemons(self) -> None:
        """Stop the daemon of every profile; there is none where setting up has failed."""
        if not (self.folder / ".aiida" / "config.json").exists():
            return
        for profile in self.configuration["profiles"]:
            self.run(str(self.programs / "verdi"), "-p", profile, "daemon", "stop")
