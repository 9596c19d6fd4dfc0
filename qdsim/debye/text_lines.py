"""Words of text files with atoms."""

from math import isfinite, nan
from pathlib import Path

from qdsim.debye.atoms import nuclide
from qdsim.errors import QdsimError


def nuclide_of(path: Path, line: int, word: str) -> tuple[str, int]:
    """Return the element and the mass number that a word on a line tells, see `qdsim.debye.atoms.nuclide`.

    Raises
    ------
    QdsimError
        If it tells none.
    """
    try:
        return nuclide(word)
    except QdsimError as error:
        raise QdsimError(f"{path}, line {line}: {error}") from error


def number_of(path: Path, line: int, word: str) -> float:
    """Return the number that a word on a line tells.

    Raises
    ------
    QdsimError
        If it is none, or not finite.
    """
    try:
        number = float(word)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise QdsimError(f"{path}, line {line}: {word!r} stands where a number should be; correct it.")
    return number
