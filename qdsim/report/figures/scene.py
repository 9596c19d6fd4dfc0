"""What figures in three dimensions share: atoms as solids, edges of cells, the scene they stand in."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qdsim.report.figures import style
from qdsim.report.figures.solids import Solid

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CATION_COLOUR = "#4b5a6b"
ANION_COLOUR = "#f0c43c"
CATION_RADIUS = 0.17  # of the half lattice constant
ANION_RADIUS = 0.13
BOND_REACH = 1.35  # longest bond drawn, in units of the half lattice constant
_EDGE_MARGIN = 1.0  # Å beyond a face within which an atom still belongs to it
_MAGNIFICATIONS = (50, 20, 10, 5, 2, 1)
_ZOOM = 1.45
_MATT = {"ambient": 0.5, "diffuse": 0.75, "specular": 0.25, "roughness": 0.5, "fresnel": 0.05}
_LIGHT = {"x": -70000, "y": 80000, "z": -60000}  # plotly's light moves with the camera: from the upper left


def layout(low: FloatArray, high: FloatArray, *, top: int, bottom: int) -> dict[str, Any]:
    """Return the layout of a scene without axes.

    Parameters
    ----------
    low, high
        The corners of what is drawn, Å.
    top, bottom
        Margins for the title and for what the figure is steered with, in pixels.
    """
    low, high = low - _EDGE_MARGIN, high + _EDGE_MARGIN
    shape = _ZOOM * (high - low) / (high - low).max()
    axes = {
        f"{name}axis": {"visible": False, "showspikes": False, "range": [float(low[n]), float(high[n])]}
        for n, name in enumerate("xyz")
    }
    return style.layout(
        height=720,
        margin={"l": 0, "r": 0, "t": top, "b": bottom},
        scene=axes
        | {
            "aspectmode": "manual",
            "aspectratio": dict(zip("xyz", map(float, shape), strict=True)),
            "dragmode": "orbit",
            "camera": {"eye": {"x": 1.5, "y": -1.05, "z": 0.62}, "projection": {"type": "orthographic"}},
        },
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "top", "font": {"size": 12}},
    )


def title(text: str) -> dict[str, Any]:
    """Return a title above the legend of a scene."""
    return {
        "text": text,
        "x": 0.5,
        "xanchor": "center",
        "y": 1.0,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 36},
        "font": {"size": 13},
    }


def menu(buttons: list[dict[str, Any]], active: int = 0) -> dict[str, Any]:
    """Return a menu below a scene, to choose what it shows."""
    return {
        "buttons": buttons,
        "active": active,
        "x": 0.5,
        "xanchor": "center",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 8},
        "direction": "up",
        "bgcolor": "#ffffff",
        "bordercolor": style.AXIS,
        "font": {"size": 12},
    }


def periodic_images(
    positions: FloatArray, cell: FloatArray, window: FloatArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Return the images of atoms in a window and on its faces, and which atom each is of.

    Parameters
    ----------
    positions
        Atoms, Å, of shape (n, 3).
    cell
        Lattice vectors as rows, Å.
    window
        The part of the cell to fill, from the origin, its edges as rows; the whole cell by default.
    """
    window = cell if window is None else window
    shifts = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]) @ cell
    wrapped = (positions @ np.linalg.inv(cell)) % 1.0 @ cell
    images = (wrapped[:, None, :] + shifts[None, :, :]).reshape(-1, 3)
    fractional = images @ np.linalg.inv(window)
    margin = _EDGE_MARGIN / np.linalg.norm(window, axis=1)
    inside = np.all((fractional > -margin) & (fractional < 1 + margin), axis=1)
    return images[inside], np.repeat(np.arange(len(positions)), len(shifts))[inside]


def magnification(longest: float, allowed: float) -> int:
    """Return the factor to draw arrows with, so that the longest is no longer than allowed."""
    return next((factor for factor in _MAGNIFICATIONS if factor * longest <= allowed), 1)


def mesh(solid: Solid, name: str, colour: str, hover: str) -> dict[str, Any]:
    """Return a trace that draws a solid."""
    x, y, z = solid.vertices.astype(np.float32).T
    i, j, k = solid.triangles.astype(np.int32).T
    return {
        "type": "mesh3d",
        "x": x,
        "y": y,
        "z": z,
        "i": i,
        "j": j,
        "k": k,
        "color": colour,
        "name": name,
        "showlegend": True,
        "flatshading": False,
        "lighting": _MATT,
        "lightposition": _LIGHT,
        "hoverinfo": "text",
        "hovertext": hover,
    }


def edges(cell: FloatArray, origin: FloatArray | None = None) -> dict[str, Any]:
    """Return a trace that draws the edges of a cell, its vectors as rows, from a corner (Å)."""
    corners = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    start = np.zeros(3) if origin is None else origin
    ends = [
        (first @ cell + start, second @ cell + start)
        for index, first in enumerate(corners)
        for second in corners[index + 1 :]
        if np.abs(first - second).sum() == 1
    ]
    return lines(ends, "cell", 2)


def lines(ends: list[tuple[FloatArray, FloatArray]], name: str, width: int) -> dict[str, Any]:
    """Return a trace of thin lines between pairs of points (Å)."""
    points = np.array([[first, second, np.full(3, np.nan)] for first, second in ends]).reshape(-1, 3)
    x, y, z = ([None if np.isnan(value) else round(float(value), 3) for value in column] for column in points.T)
    return {
        "type": "scatter3d",
        "mode": "lines",
        "x": x,
        "y": y,
        "z": z,
        "line": {"color": style.AXIS, "width": width},
        "hoverinfo": "skip",
        "showlegend": False,
        "name": name,
    }
