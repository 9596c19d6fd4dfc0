"""The look the figures share: palette, axes, hover labels, marks of reference values."""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qdsim.printable import printable
from qdsim.report.data import Reference, node_behind
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe & Ito's colour-blind-safe palette, https://jfly.uni-koeln.de/color/
BLUE = "#0072B2"
SKY = "#56B4E9"
GREEN = "#009E73"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
INK = "#1d2733"
MUTED = "#5f6b7a"
GRID = "#e6eaef"
AXIS = "#9aa5b1"

CENTRED = BLUE
RELAXED = VERMILLION
FONT = '"Inter", "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", "DejaVu Sans", sans-serif'

STRAIN_TITLE = "linear strain ε (%)"
_UUID_DIGITS = 8


def percent(strain: float) -> float:
    """Return a strain in percent."""
    return 100.0 * strain


def strain_label(strain: float) -> str:
    """Write a linear strain as "+2.00 %"."""
    return fixed(percent(strain), 2, "%", signed=True)


def text(value: str) -> str:
    """Make any text safe for plotly, which reads a subset of HTML in its labels."""
    return html.escape(printable(value))


def hover(title: str, rows: Sequence[tuple[str, str]], nodes: Mapping[str, str], path: str) -> str:
    """Return a hover text: a title, one line a value, and the short UUID of the node behind it.

    Parameters
    ----------
    title
        First line, set in bold.
    rows
        Name and value with unit of each line.
    nodes
        UUIDs by path.
    path
        Path of the value in the results.

    Returns
    -------
    str
        Escaped text with plotly's line breaks.
    """
    uuid = node_behind(nodes, path)
    node = f"node {text(uuid[:_UUID_DIGITS])}" if uuid else "no node recorded"
    return f'{label(title, rows)}<br><span style="color:{MUTED}">{node}</span>'


def label(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return a hover text of a title in bold and one line a value, escaped, with plotly's line breaks."""
    return "<br>".join([f"<b>{text(title)}</b>", *(f"{text(name)} = {text(value)}" for name, value in rows)])


def axis(title: str, **options: Any) -> dict[str, Any]:
    """Return an axis in the common look; the title carries the unit."""
    look = {
        "title": {"text": title, "standoff": 10},
        "showline": True,
        "linecolor": AXIS,
        "linewidth": 1,
        "mirror": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": AXIS,
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
    }
    return look | options


def layout(**options: Any) -> dict[str, Any]:
    """Return a layout in the common look, overridden by `options`."""
    look = {
        "template": "none",
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(255,255,255,0)",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 64, "r": 18, "t": 62, "b": 56},
        "height": 370,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "#ffffff",
            "bordercolor": AXIS,
            "font": {"family": FONT, "size": 12, "color": INK},
            "align": "left",
            "namelength": 0,
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.015,
            "yanchor": "bottom",
            "font": {"size": 12},
            "bgcolor": "rgba(255,255,255,0)",
        },
    }
    return look | options


def curve(
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    colour: str,
    *,
    hovers: Sequence[str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return a line, broken where y is not a number, without hover unless texts are given."""
    drawn: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "name": name,
        "line": {"color": colour, "width": 2},
        "hoverinfo": "skip" if hovers is None else "text",
    }
    if hovers is not None:
        drawn["hovertext"] = list(hovers)
    return drawn | options


def markers(
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    colour: str,
    hovers: Sequence[str],
    *,
    symbol: str = "circle",
    size: int = 9,
    joined: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Return computed values as markers with hover texts, joined by a thin guide to the eye if wanted."""
    drawn: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if joined else "markers",
        "x": list(x),
        "y": list(y),
        "name": name,
        "marker": {
            "color": "#ffffff" if symbol.endswith("-open") else colour,
            "size": size,
            "symbol": symbol.removesuffix("-open"),
            "line": {"color": colour if symbol.endswith("-open") else "#ffffff", "width": 1.5},
        },
        "line": {"color": colour, "width": 1.5},
        "hoverinfo": "text",
        "hovertext": list(hovers),
    }
    return drawn | options


def mark_reference(figure: "Figure", reference: Reference, value: float, *, along: str) -> None:
    """Draw a reference value as a dotted line with its label, across ("x") or up ("y") the figure."""
    line = {"color": MUTED, "width": 1.2, "dash": "dot"}
    label = {"text": text(reference.label), "showarrow": False, "font": {"size": 11, "color": MUTED}}
    if along == "x":
        figure.add_hline(value, line=line)
        figure.add_annotation(label, x=1, xref="x domain", xanchor="right", y=value, yanchor="bottom")
    else:
        figure.add_vline(value, line=line)
        figure.add_annotation(label, x=value, xanchor="right", y=1, yref="y domain", yanchor="top", textangle=-90)
