"""Numbers of results documents in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdsim.analysis.units import Unit

DIGITS = 6
ZERO = 1e-12


def printed(value: float, unit: Unit, *, signed: bool = False) -> str:
    """Write a number with six significant digits in the unit that it is printed in; what rounding leaves is zero."""
    number = f"{(0.0 if abs(value) < ZERO else unit.factor * value):{'+' if signed else ''}.{DIGITS}g}"
    return f"{number} {unit.printed}".rstrip()
