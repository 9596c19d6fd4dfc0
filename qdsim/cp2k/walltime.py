"""CP2K's own limit of time, below that of the scheduler, so that it stops in good order and writes its restart."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

SHARE = 0.05
LEAST_MARGIN = 60
"""Seconds: a step that is being done, and the restart, need some time after the limit, on any queue."""


def cp2k_walltime(limit: int) -> int:
    """Return the seconds after which CP2K stops by itself.

    Parameters
    ----------
    limit
        Of the scheduler, s. CP2K stops a twentieth of it earlier, and at least 60 s, but keeps half of a short one.
    """
    return limit - round(min(max(SHARE * limit, LEAST_MARGIN), limit / 2))


def read_walltime(parameters: dict[str, Any]) -> float | None:
    """Return the seconds after which an input has CP2K stop, or None where it does not say or cannot be understood.

    CP2K takes seconds, or hours, minutes and seconds with colons between them.
    """
    try:
        parts = [float(part) for part in str(parameters["GLOBAL"]["WALLTIME"]).split(":")]
    except (KeyError, ValueError):
        return None
    return float(sum(part * 60**power for power, part in enumerate(reversed(parts))))


def fits(parameters: dict[str, Any], limit: int) -> bool:
    """Tell whether an input has CP2K stop early enough before the scheduler's limit (s) does it."""
    own = read_walltime(parameters)
    return own is not None and own <= cp2k_walltime(limit)


def limit_walltime(parameters: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return an input that has CP2K stop before the scheduler's limit (s) does it."""
    if fits(parameters, limit):
        return parameters
    limited = deepcopy(parameters)
    limited["GLOBAL"]["WALLTIME"] = cp2k_walltime(limit)
    return limited
