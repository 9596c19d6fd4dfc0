"""How long `qdsim --help` takes, against the bare interpreter and against AiiDA's own command line."""

import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
BIN = Path(sys.executable).parent
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "qdsim --help": [str(BIN / "qdsim"), "--help"],
    "verdi --help": [str(BIN / "verdi"), "--help"],
}


def seconds(command: list[str]) -> float:
    """Return the shortest of several runs."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    """Print a table."""
    peer = seconds(COMMANDS["verdi --help"])
    for name, command in COMMANDS.items():
        taken = seconds(command)
        print(f"{name:16s} {1000 * taken:6.0f} ms   {taken / peer:5.2f} of verdi --help")


if __name__ == "__main__":
    main()
