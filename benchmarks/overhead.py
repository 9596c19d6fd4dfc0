"""How much longer the quickstart takes than CP2K itself would, on a profile of its own.

The wall time of `qdsim run` divided by the sum of CP2K's own wall times over the number of slots: 1 would mean that no
slot was ever idle. Below 1.25 is the aim.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

EXAMPLE = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
QDSIM = Path(sys.executable).with_name("qdsim")


def main() -> None:
    """Run the quickstart from nothing and print the ratio."""
    slots = psutil.cpu_count(logical=False) or 1
    folder = tempfile.mkdtemp(prefix="qdsim-overhead-")
    environment = {**os.environ, "AIIDA_PATH": folder}

    def qdsim(*arguments: str) -> str:
        command = [str(QDSIM), *arguments]
        return subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout

    try:
        qdsim("init", "--slots", str(slots))
        begin = time.monotonic()
        qdsim("run", str(EXAMPLE))
        wall = time.monotonic() - begin
        begin = time.monotonic()
        qdsim("run", str(EXAMPLE))
        again = time.monotonic() - begin
        progress = json.loads(qdsim("status", "quickstart", "--json"))
    finally:
        verdi = str(QDSIM.with_name("verdi"))
        subprocess.run([verdi, "-p", "qdsim", "daemon", "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder)
    ideal = sum(line["seconds"] for line in progress["lines"]) / slots
    runs = sum(line["single_points"] for line in progress["lines"])
    print(f"{runs} single points, {slots} slots: {wall:.0f} s, of which CP2K alone takes {ideal:.0f} s")
    print(f"overhead: {wall / ideal:.3f}")
    print(f"the same command again: {again:.1f} s")


if __name__ == "__main__":
    main()
