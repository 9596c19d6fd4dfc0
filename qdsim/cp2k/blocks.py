"""Blocks of CP2K's output: a title, then rows until an end, with whatever others print in between.

A row that is not as expected, such as the message of a graphics card or of the MPI library, is passed over. Whether all
rows are there is for the reader to tell: a number that became asterisks is a row too few.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator

__all__ = ["REAL", "last_match", "number", "rows"]

REAL = r"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[EeDd][+-]?\d+)?"
"""A number as Fortran writes it. NaN, Infinity and asterisks are none."""

_LONGEST_BLOCK = 200
"""Lines that a block without an end of its own may have."""


def number(word: str) -> float:
    """Return a number as Fortran writes it; ValueError for NaN, Infinity and asterisks."""
    try:
        value = float(word.upper().replace("D", "E"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{word} is not a number")
    return value


def last_match(pattern: str, text: str) -> re.Match[str] | None:
    """Return the last match in a text, each line of which begins at ``^``."""
    found = deque(re.finditer(pattern, text, re.MULTILINE), maxlen=1)
    return found[0] if found else None


def rows(text: str, start: int, row: str, end: str | None = None) -> list[tuple[str, ...]] | None:
    """Collect the rows of a block.

    Parameters
    ----------
    text
        The whole output.
    start
        Where the block's rows begin.
    row
        Pattern of a row, whose groups are returned.
    end
        Pattern of the line that ends the block. Without one a block ends at the first line that is not a row once
        there was one, or at the end of the text.

    Returns
    -------
    list of tuple of str or None
        The groups of each row; None where the block's end is not in the text.
    """
    is_row, is_end = re.compile(row), re.compile(end) if end else None
    found: list[tuple[str, ...]] = []
    for i, line in enumerate(_lines(text, start)):
        if is_end is not None and is_end.match(line):
            return found
        if match := is_row.match(line):
            found.append(match.groups())
        elif is_end is None and (found or i > _LONGEST_BLOCK):
            return found
    return None if is_end else found


def _lines(text: str, start: int) -> Iterator[str]:
    while start < len(text):
        end = text.find("\n", start)
        if end < 0:
            end = len(text)
        yield text[start:end]
        start = end + 1
