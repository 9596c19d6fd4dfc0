"""The rows of a consistency check as a reader wants them: names, numbers with errors, verdicts."""

from collections.abc import Iterator
from typing import NamedTuple

from qdsim.analysis.consistency_results import OCCUPANCY, Row, SampleCheck
from qdsim.analysis.consistency_rows import COMPARED
from qdsim.analysis.verdict import Verdict
from qdsim.report.formatting import EXTRA_DECIMALS, MISSING, fixed, with_error

NAMES = {"onset_pressure": "onset, tension"}
"""Of rows that compare two things of different names."""
MARKS: dict[Verdict, str] = {"agrees": "✓", "tension": "≈", "disagrees": "✗", "cannot say": "?"}
"""A sign for each verdict, beside the word."""

_DECIMALS = 3
_PERCENT = {"volumetric_strain"}
_MANY = 100  # standard errors, from which on nobody asks for their decimals
_LIMITS = {"lower": "> ", "upper": "< "}


class RowText(NamedTuple):
    """A row in words; the quantity has the unit of the numbers."""

    quantity: str
    computed: str
    measured: str
    difference: str
    standard_errors: str
    verdict: Verdict
    reason: str


def row_text(row: Row) -> RowText:
    """Write a row of a consistency check."""
    unit, factor = _unit(row.quantity)

    def value(number: float | None, error: float | None, *, signed: bool = False) -> str:
        if number is None:
            return MISSING
        if error is None:
            return fixed(factor * number, _DECIMALS, signed=signed)
        return with_error(factor * number, factor * error, "", _DECIMALS - EXTRA_DECIMALS, signed=signed)

    signed = row.quantity in _PERCENT
    measured = value(row.measured, row.measured_error, signed=signed)
    return RowText(
        quantity=f"{quantity_name(row.quantity)} ({unit})" if unit else quantity_name(row.quantity),
        computed=_LIMITS.get(row.computed_limit or "", "") + value(row.computed, row.computed_error, signed=signed),
        measured=_LIMITS.get(row.limit or "", "") + measured,
        difference=value(row.difference, row.error, signed=True),
        standard_errors=_ratio(row.standard_errors),
        verdict=row.verdict,
        reason=row.reason,
    )


def says_more(row: Row) -> bool:
    """Tell whether the reason of a verdict is more than the number of errors."""
    return not row.reason.endswith("apart") or "," in row.reason


def quantity_name(quantity: str) -> str:
    """Return what a reader calls what a row is about."""
    return NAMES.get(quantity, COMPARED[quantity].label)


def place(row: Row) -> str:
    """Return where a row compares, such as "at the Laplace tension"; nothing where it does not matter."""
    if not row.condition:
        return ""
    return f"in {row.condition}" if row.quantity.startswith(OCCUPANCY) else f"at the {row.condition}"


def row_remarks(sample: SampleCheck) -> Iterator[str]:
    """Yield what the rows of a sample say beyond their numbers."""
    for row in sample.rows:
        if says_more(row):
            yield f"{quantity_name(row.quantity)} {place(row)}".rstrip() + f": {row.reason}"


def remarks(sample: SampleCheck) -> Iterator[str]:
    """Yield what is to be known of all rows of a sample, and what its pattern says."""
    assumed = dict.fromkeys(quantity_name(row.quantity) for row in sample.rows if row.assumed)
    if assumed:
        yield f"chosen tolerances, no standard errors, stand for what the fit does not state: {', '.join(assumed)}"
    if sample.pattern is not None:
        yield f"pattern {sample.pattern.source}, {sample.pattern.verdict}: {sample.pattern.reason}"
        yield from sample.pattern.messages


def _ratio(standard_errors: float | None) -> str:
    if standard_errors is None:
        return MISSING
    return fixed(standard_errors, 1 if abs(standard_errors) < _MANY else 0, signed=True)


def _unit(quantity: str) -> tuple[str, float]:
    return ("%", 100.0) if quantity in _PERCENT else (COMPARED[quantity].unit, 1.0)
