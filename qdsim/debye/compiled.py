"""Loops as machine code, which is kept from one command to the next wherever a folder can be written."""

import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from warnings import warn

import numba

from qdsim.errors import QdsimWarning

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = numba.njit  # typed as returning something that is no function
_numba_settings: Any = numba.config  # typed without what it reads from the environment


def compiled(signature: str, **options: Any) -> Callable[[Function], Function]:
    """Compile a function for one signature.

    The machine code is kept where numba does so by itself: in ``NUMBA_CACHE_DIR``, beside the source, or in the user's
    cache; where none of them can be written, in a temporary folder of this user; else it is made anew in every
    process, which takes some four seconds for all functions together.

    Parameters
    ----------
    signature
        Of the function, as numba writes it.
    **options
        Of `numba.njit`.

    Warns
    -----
    QdsimWarning
        Once, if the machine code cannot be kept.
    """

    def compile_function(function: Function) -> Function:
        while True:
            try:
                machine_code: Function = _njit(signature, cache=_PLACES[0](), **options)(function)
                return machine_code
            except (RuntimeError, OSError):  # "no locator available"; no space left
                if len(_PLACES) == 1:
                    raise
                del _PLACES[0]

    return compile_function


def _where_numba_keeps_it() -> bool:
    return True


@cache
def _in_a_temporary_folder() -> bool:
    """Let numba keep machine code in a folder that nobody else can write: what lies in a cache is executed.

    Raises
    ------
    PermissionError
        If somebody else has made a folder of that name, or may write into it.
    """
    folder = Path(tempfile.gettempdir()) / f"qdsim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's alone")
    _numba_settings.CACHE_DIR = str(folder)
    return True


@cache
def _nowhere() -> bool:
    warn(
        "machine code cannot be kept, and each command makes it anew in some seconds: set NUMBA_CACHE_DIR to a folder "
        "that you may write to.",
        QdsimWarning,
        stacklevel=2,
    )
    return False


_PLACES: list[Callable[[], bool]] = [_where_numba_keeps_it, _in_a_temporary_folder, _nowhere]
"""Where machine code is kept, the best first; one that turned out not to work is taken off."""
