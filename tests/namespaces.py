"""Machines on which something cannot be written, or whose user is nobody: what holds for root, too.

Each function returns the words to put before a command; the test is skipped where the kernel makes no namespace.
"""

import os
import subprocess
from pathlib import Path

import pytest


def _enter(namespaces: list[str], script: str = "", *arguments: str) -> list[str]:
    words = ["unshare", *namespaces, "sh", "-ec", f'{script}exec "$@"', "sh", *arguments]
    trial = subprocess.run([*words, "true"], check=False, capture_output=True, text=True)
    if trial.returncode != 0:
        pytest.skip(f"this machine makes no such namespace: {trial.stderr.strip()}")
    return words


def _of_mounts() -> list[str]:
    return ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]


def read_only(*folders: Path) -> list[str]:
    """Return what runs a command for which these folders cannot be written."""
    mounts = 'for folder in "$@"; do shift; [ "$folder" != -- ] || break\n'
    script = f'{mounts}mount --bind "$folder" "$folder"; mount -o remount,ro,bind "$folder"; done\n'
    return _enter(_of_mounts(), script, *map(str, folders), "--")


def full(folder: Path) -> list[str]:
    """Return what runs a command for which this folder is on a disk of its own, without any space left."""
    script = 'mount -t tmpfs -o size=64k none "$1"; cat /dev/zero >"$1/everything" 2>/dev/null || true; shift\n'
    return _enter(_of_mounts(), script, str(folder))


def nameless() -> list[str]:
    """Return what runs a command as a user who has no name, no home, and no rights but those of the files' owner."""
    return _enter(["--user", "--map-user=54321", "--map-group=54321"], "unset HOME USER LOGNAME\n")


def unprivileged() -> list[str]:
    """Return what runs a command as a user whose folders can be closed, as those of root cannot."""
    return _enter(["--user", "--map-user=54321", "--map-group=54321"])
