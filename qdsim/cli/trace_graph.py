"""A trace as a picture, or in the language of graphviz for those who have it.

Pictures are drawn by matplotlib: graphviz would need a program of the system. What follows a node stands to its right,
one line a leaf, as in the terminal; the dashed ways lead to what stands elsewhere already.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from qdsim.provenance.trace import Relative

PICTURES = (".svg", ".pdf", ".png")
FORMATS = (*PICTURES, ".dot")
WIDTH, HEIGHT = 2.8, 0.32  # of a node, inches
LARGEST = 600  # inches; a picture of more nodes is of no use, and of some formats impossible


class _Placed(NamedTuple):
    """A node of the tree, its column and its line, and the place of the node before it."""

    relative: Relative
    column: int
    line: float
    before: tuple[int, float] | None


def check_format(path: Path) -> None:
    """Refuse a file of another kind than can be written.

    Raises
    ------
    QdsimError
        If its ending tells none.
    """
    if path.suffix.lower() not in FORMATS:
        raise QdsimError(f"--graph {path}: the ending tells the format; it is one of {', '.join(FORMATS)}.")


def write_graph(path: Path, relative: Relative, *, down: bool) -> None:
    """Write a trace as a picture or as DOT; the ending of the file tells which.

    Raises
    ------
    QdsimError
        If its ending is unknown, or the picture would be too large.
    """
    check_format(path)
    if path.suffix.lower() == ".dot":
        path.write_text(_dot(relative, down=down), encoding="utf-8", errors="replace")
    else:
        _draw(path, relative)


def _dot(relative: Relative, *, down: bool) -> str:
    from graphviz import Digraph, escape

    graph = Digraph(graph_attr={"rankdir": "LR"}, node_attr={"fontname": "sans-serif"})
    for placed in _place(relative):
        one = placed.relative
        if not one.again:
            shape = "ellipse" if one.is_data else "box"
            graph.node(str(one.pk), escape(_words(one)), shape=shape, tooltip=one.uuid)
        for other in one.relatives:
            ends = (one, other) if down else (other, one)
            graph.edge(str(ends[0].pk), str(ends[1].pk), label=escape(other.link))
    return str(graph.source)


def _draw(path: Path, relative: Relative) -> None:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns where it cannot keep its settings: it has none
    from matplotlib.figure import Figure

    nodes = list(_place(relative))
    columns = 1 + max(one.column for one in nodes)
    lines = 1 + max(one.line for one in nodes)
    if max(columns * WIDTH, lines * HEIGHT) > LARGEST:
        raise QdsimError(
            f"--graph {path}: {len(nodes)} nodes are too many for a picture; leave out --all, or write a .dot file."
        )
    figure = Figure(figsize=(columns * WIDTH, lines * HEIGHT))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, columns), ylim=(lines - 0.5, -0.5))
    axes.set_axis_off()
    first = {one.relative.pk: (one.column, one.line) for one in reversed(nodes) if not one.relative.again}
    for one in nodes:
        here = first[one.relative.pk] if one.relative.again else (one.column, one.line)
        if one.before is not None:
            ends = (one.before[0] + 0.62, here[0] + 0.02), (one.before[1], here[1])
            axes.plot(*ends, color="0.6", linewidth=0.6, linestyle="--" if one.relative.again else "-", zorder=0)
        if not one.relative.again:
            colour = "#dbe9f6" if one.relative.is_data else "#fde0c5" if one.relative.is_cp2k else "#e6e6e6"
            box = {"facecolor": colour, "edgecolor": "0.4", "linewidth": 0.4, "boxstyle": "round,pad=0.25"}
            words = _words(one.relative).replace("$", r"\$")
            axes.text(here[0] + 0.03, here[1], words, fontsize=5.5, va="center", bbox=box, gid=one.relative.uuid)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _words(relative: Relative) -> str:
    link = f"{relative.link}: " if relative.link else ""
    return f"{link}{relative.kind} <{relative.pk}>"


def _place(relative: Relative) -> Iterator[_Placed]:
    """Yield the nodes of a tree: leaves on lines of their own, every other node beside the middle of its own."""
    lines = iter(range(10**9))

    def place(one: Relative, column: int) -> tuple[list[_Placed], float]:
        if not one.relatives:
            line = float(next(lines))
            return [_Placed(one, column, line, None)], line
        parts = [place(other, column + 1) for other in one.relatives]
        line = (parts[0][1] + parts[-1][1]) / 2
        inner = [
            placed._replace(before=(column, line)) if placed.before is None else placed
            for part, _ in parts
            for placed in part
        ]
        return [_Placed(one, column, line, None), *inner], line

    yield from place(relative, 0)[0]
