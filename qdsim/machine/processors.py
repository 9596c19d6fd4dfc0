"""How many calculations run at once on this machine, and on how many cores each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from qdsim.errors import QdsimError

_MOST_SLOTS = 8
_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


@dataclass(frozen=True)
class Layout:
    """How a machine's cores are shared out.

    Attributes
    ----------
    slots : int
        Calculations that run at once.
    ranks : int
        MPI ranks of each calculation.
    """

    slots: int
    ranks: int


def count_cores() -> int:
    """Return the number of physical cores this process may use, at least 1.

    Hyper-threads do not count: CP2K gains nothing from them. The CPU affinity (``taskset``, SLURM) and the CPU
    quota of the container (cgroup) are respected.
    """
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    limits = [physical, len(os.sched_getaffinity(0))]
    quota = _cpu_quota()
    if quota is not None:
        limits.append(int(quota))
    return max(1, min(limits))


def _cpu_quota() -> float | None:
    """Return the number of CPUs that the container's cgroup grants; None where it sets no limit."""
    if _CGROUP_V2.is_file():
        quota, period = _CGROUP_V2.read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    if (_CGROUP_V1 / "cpu.cfs_quota_us").is_file():
        microseconds = int((_CGROUP_V1 / "cpu.cfs_quota_us").read_text(encoding="utf-8"))
        period_v1 = int((_CGROUP_V1 / "cpu.cfs_period_us").read_text(encoding="utf-8"))
        return None if microseconds < 0 else microseconds / period_v1
    return None


def choose_layout(cores: int, slots: int | None = None, ranks: int | None = None) -> Layout:
    """Share out the cores of a machine.

    The calculations of a campaign do not depend on each other, so running several at once beats giving all cores
    to one: up to 8 cores, every core is a slot of its own. A larger machine gets 8 slots that share its cores
    evenly (32 cores: 8 slots of 4 ranks), because the points of a campaign seldom keep more than 8 slots busy
    and because memory per slot is limited.

    Parameters
    ----------
    cores : int
        Physical cores that may be used.
    slots, ranks : int, optional
        The user's choice; what is not chosen follows from the other.

    Raises
    ------
    QdsimError
        If one of the two is less than 1, or one calculation would have more ranks than there are cores.
    """
    if slots is not None and slots < 1:
        raise QdsimError(f"--slots is {slots}: at least one calculation must be able to run; give 1 or more.")
    if ranks is not None and ranks < 1:
        raise QdsimError(f"--ranks is {ranks}: a calculation needs at least one MPI rank; give 1 or more.")
    if ranks is not None and ranks > cores:
        raise QdsimError(
            f"--ranks is {ranks}, but this machine has {cores} physical core(s) to use; give at most {cores}."
        )
    if slots is None:
        slots = max(1, cores // ranks) if ranks is not None else min(cores, _MOST_SLOTS)
    if ranks is None:
        ranks = max(1, cores // slots)
    return Layout(slots=slots, ranks=ranks)
