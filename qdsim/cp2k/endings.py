"""How a run ended that left no whole output, as the scheduler, the shell, MPI and Fortran's own runtime tell it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["End", "Ending", "find_ending"]


class Ending(StrEnum):
    """What ended a run from outside, or made it crash."""

    OUT_OF_MEMORY = "out of memory"
    PREEMPTED = "preempted"
    NODE_FAILURE = "node failure"
    TIME_LIMIT = "time limit"
    SEGMENTATION_FAULT = "segmentation fault"
    ILLEGAL_INSTRUCTION = "illegal instruction"
    FLOATING_POINT_EXCEPTION = "floating-point exception"
    CANCELLED = "cancelled"
    KILLED = "killed"

    @property
    def is_of_the_machine(self) -> bool:
        """Whether neither CP2K nor its input had a part in it."""
        return self in {Ending.PREEMPTED, Ending.NODE_FAILURE}

    @property
    def comes_again(self) -> bool:
        """Whether the same program meets the same end on the same input."""
        return self in {Ending.ILLEGAL_INSTRUCTION, Ending.FLOATING_POINT_EXCEPTION}


@dataclass(frozen=True)
class End:
    """How a run ended.

    Attributes
    ----------
    ending
        What ended it.
    sign
        The line that says so.
    memory
        GB that were used when there were no more, where that is told.
    """

    ending: Ending
    sign: str
    memory: float | None = None

    def explain(self) -> str:
        """Return one sentence, with advice where there is any."""
        used = "" if self.memory is None else f" after it had used {self.memory:.3g} GB"
        return {
            Ending.OUT_OF_MEMORY: f"CP2K ran out of memory{used} ({self.sign}).",
            Ending.PREEMPTED: f"The scheduler took the job off for another ({self.sign}).",
            Ending.NODE_FAILURE: f"The node that CP2K ran on failed ({self.sign}).",
            Ending.TIME_LIMIT: f"The scheduler stopped CP2K at its walltime ({self.sign}).",
            Ending.SEGMENTATION_FAULT: (
                "CP2K crashed: segmentation fault (signal 11); where that comes again, put `ulimit -s unlimited` and "
                "`export OMP_STACKSIZE=64M` into the computer's prepend_text, for it is mostly the stack that is too "
                "small."
            ),
            Ending.ILLEGAL_INSTRUCTION: (
                "CP2K crashed: illegal instruction (signal 4); this CP2K was built for another processor than that of "
                "the node, so take one that was built for it, or a queue of other nodes."
            ),
            Ending.FLOATING_POINT_EXCEPTION: (
                "CP2K crashed: floating-point exception (signal 8); look at the input, and at how CP2K was built."
            ),
            Ending.CANCELLED: f"The job was cancelled, by a person or by the owner of the machine ({self.sign}).",
            Ending.KILLED: f"CP2K was killed (signal 9), perhaps because it was out of memory ({self.sign}).",
        }[self.ending]


def _by_signal(number: int, *names: str) -> str:
    """Return the pattern of a death by a signal: of the program, of its MPI ranks, and as an exit code of the job."""
    exits = f"(?:{128 + number}|{256 + number})"  # of shells, and of PBS
    told = rf"\b(?i:signal):? {number}\b|\b(?i:exit code):? +{exits}\b|\bExit_status={exits}\b"
    return "|".join((*names, told))


_SHELL = r": line \d+: +\d+ "
_TASKS = r"srun: error: \S+ tasks? [\d,-]+: "
_SIGNS = {
    Ending.OUT_OF_MEMORY: (
        r"oom[-_]kill|(?i:\bout[ -]of[ -]memory\b)"  # SLURM's cgroups, srun, the kernel, CUDA
        r"|(?i:\bexceeded (?:\w+ )?memory limit)"  # SLURM without cgroups
        r"|PBS: job killed: v?mem\b|Cgroup mem\w* limit exceeded"
        r"|TERM_(?:MEMLIMIT|SWAP)\b"  # LSF
        r"|Error allocating \d+ bytes|Allocation would exceed memory limit|\bMemory allocation failed"  # GNU Fortran
        r"|(?i:cannot allocate memory)|insufficient virtual memory|std::bad_alloc"  # the system, Intel, C++
    ),
    Ending.PREEMPTED: r"DUE TO PREEMPTION|TERM_PREEMPT\b",
    Ending.NODE_FAILURE: r"DUE TO NODE FAILURE",
    Ending.TIME_LIMIT: r"DUE TO TIME LIMIT|PBS: job killed: walltime|TERM_RUNLIMIT\b",
    Ending.SEGMENTATION_FAULT: _by_signal(11, "SIGSEGV", "Segmentation fault"),
    Ending.ILLEGAL_INSTRUCTION: _by_signal(4, "SIGILL", "Illegal instruction"),
    Ending.FLOATING_POINT_EXCEPTION: _by_signal(8, "SIGFPE", "Floating point exception"),
    # Steps are cancelled by srun itself, as soon as one of their ranks has died.
    Ending.CANCELLED: r"\*\*\* JOB \d+ ON \S+ CANCELLED AT \S+ \*\*\*|TERM_(?:OWNER|ADMIN|FORCE_OWNER|FORCE_ADMIN)\b",
    Ending.KILLED: _by_signal(9, rf"{_SHELL}Killed\b", rf"{_TASKS}Killed", r"^Killed$"),
}
"""What tells of each, those first that are the cause of later ones."""

_STATES = {
    "OUT_OF_MEMORY": Ending.OUT_OF_MEMORY,
    "PREEMPTED": Ending.PREEMPTED,
    "NODE_FAIL": Ending.NODE_FAILURE,
    "TIMEOUT": Ending.TIME_LIMIT,
    "CANCELLED": Ending.CANCELLED,
}
"""SLURM's, of a job that is over."""
_SIGNALS = {
    9: Ending.KILLED,
    11: Ending.SEGMENTATION_FAULT,
    4: Ending.ILLEGAL_INSTRUCTION,
    8: Ending.FLOATING_POINT_EXCEPTION,
}
_EXIT_CODES = {110: Ending.OUT_OF_MEMORY, 120: Ending.TIME_LIMIT, 140: Ending.NODE_FAILURE}
"""AiiDA's, for what it has read out of the scheduler's accounting by itself."""
_LONGEST_SIGN = 160


def find_ending(texts: Sequence[str], accounting: str = "", exit_status: int | None = None) -> End | None:
    """Find out how a run ended from the outside.

    Parameters
    ----------
    texts
        Standard error and output of the job, and the output of CP2K, which MPI and Fortran's runtime write into.
    accounting
        What the scheduler says of a job that is over: SLURM's ``sacct``, PBS's ``tracejob`` or LSF's ``bjobs -l``.
    exit_status
        AiiDA's exit status of the calculation before its files are parsed, which is that of the scheduler.

    Returns
    -------
    End or None
        None where nothing tells.
    """
    rows = _rows(accounting)
    found = next(_ends([*texts, accounting], rows, exit_status), None)
    if found is None or found.ending != Ending.OUT_OF_MEMORY:
        return found
    return replace(found, memory=_used_memory([*texts, accounting], rows))


def _ends(texts: Sequence[str], rows: list[dict[str, str]], exit_status: int | None) -> Iterator[End]:
    """Yield all that is told, the most certain first."""
    job = rows[0] if rows else {}
    state = job.get("State", "").split(" ")[0]  # "CANCELLED by 1000"
    if state in _STATES:
        yield End(_STATES[state], f"SLURM: {state}")
    if exit_status in _EXIT_CODES:
        yield End(_EXIT_CODES[exit_status], "in the words of the scheduler")
    for ending, pattern in _SIGNS.items():
        for text in texts:
            if match := re.search(pattern, text, re.MULTILINE):
                yield End(ending, _line_around(text, match))
    code, _, signal = job.get("ExitCode", "").partition(":")
    for number, ending in _SIGNALS.items():
        if str(number) == signal or str(128 + number) == code:
            yield End(ending, f"SLURM: {job['State']}, exit code {job['ExitCode']}")


def _rows(accounting: str) -> list[dict[str, str]]:
    """Return the table of ``sacct``, whose first row is of the job and whose others are of its steps."""
    header, *lines = [line.split("|") for line in accounting.splitlines()] or [[]]
    return [dict(zip(header, line, strict=False)) for line in lines] if "State" in header else []


def _line_around(text: str, match: re.Match[str]) -> str:
    start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
    line = " ".join(text[start : None if end < 0 else end].split())
    return line if len(line) <= _LONGEST_SIGN else f"{line[:_LONGEST_SIGN]}..."


_BYTES = {"": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3, "T": 1024.0**4}
_GB = 1e9
_USED = (
    r"mem (?:job total )?(\d+) ?([kmg]?)b exceeded limit",  # PBS
    r"Max Memory : +(\d+(?:\.\d+)?) +([KMGT])B",  # LSF
)


def _used_memory(texts: Sequence[str], rows: list[dict[str, str]]) -> float | None:
    """Return the memory (GB) that a job had used when it was stopped for it; None where that is not told."""
    steps = (re.search(r"\bmem=(\d+(?:\.\d+)?)([KMGT]?)", row.get("TRESUsageInTot", "")) for row in rows)
    told = (match for pattern in _USED for text in texts for match in re.finditer(pattern, text))
    return max((float(one[1]) * _BYTES[one[2].upper()] / _GB for one in (*steps, *told) if one), default=None)
