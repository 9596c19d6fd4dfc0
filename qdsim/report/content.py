"""The building blocks a section is made of: figures with captions, tables whose cells know their node."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qdsim.report.data import ReportData, node_behind
from qdsim.report.formatting import MISSING, fixed, with_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class FigureBlock:
    """A figure with its caption.

    Attributes
    ----------
    name
        Identifier, unique on the page.
    figure, caption
        What is drawn and what is written below it.
    shape
        "wide" figures take the whole width of the page, "tall" ones the height of two others.
    """

    name: str
    figure: "Figure"
    caption: str
    shape: Literal["plain", "wide", "tall"] = "plain"


@dataclass(frozen=True)
class Cell:
    """One entry of a table: what is read, the exact value behind it, and the UUID of its node."""

    text: str
    exact: str = ""
    uuid: str | None = None

    @property
    def tooltip(self) -> str:
        """Exact value and node, as far as there are any."""
        return "\n".join(part for part in (self.exact, f"node {self.uuid}" if self.uuid else "") if part)


@dataclass(frozen=True)
class Table:
    """A table: heads with their units below, and rows of which the first cell is the head."""

    caption: str
    heads: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = field(default_factory=tuple)


def number(data: ReportData, path: str, value: float | None, decimals: int, unit: str, *, signed: bool = False) -> Cell:
    """Return a table cell for a value without its unit; the tooltip has all digits, unit and node.

    Parameters
    ----------
    data
        The report's data, for the node.
    path
        Path of the value in the results.
    value
        The value in `unit`, or None for a dash.
    decimals
        Digits after the point.
    unit
        Unit, shown in the tooltip.
    signed
        Write the plus sign.
    """
    if value is None:
        return Cell(MISSING)
    exact = f"{value!r} {unit}".strip()
    return Cell(fixed(value, decimals, signed=signed), exact, node_behind(data.nodes, path))


def measured(data: ReportData, path: str, value: float, error: float, decimals: int, unit: str) -> Cell:
    """Return a table cell "value ± error unit"."""
    return Cell(
        with_error(value, error, unit, decimals).strip(),
        f"{value!r} ± {error!r} {unit}".strip(),
        node_behind(data.nodes, path),
    )


def words(data: ReportData, path: str, text: str | None) -> Cell:
    """Return a table cell of text with the node it comes from."""
    return Cell(MISSING) if not text else Cell(text, "", node_behind(data.nodes, path))
