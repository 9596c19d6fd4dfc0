"""Goodness of fit along one or two parameters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from qdsim.report.figures import style
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from qdsim.debye.scans import Chi2Map, Chi2Profile

NAMES = {
    "lattice_constant": "lattice constant a",
    "size_strain": "size strain Ω",
    "alpha_rh": "α_rh",
    "pb_offset": "Pb offset along [111]",
    "diameter": "diameter",
    "diameter_sd": "standard deviation of the diameter",
    "shell_thickness": "shell thickness",
    "occupancy_cation_core": "cation occupancy, core",
    "occupancy_cation_shell": "cation occupancy, shell",
    "occupancy_anion_core": "anion occupancy, core",
    "occupancy_anion_shell": "anion occupancy, shell",
    "b_iso_cation": "B of the cation",
    "b_iso_anion": "B of the anion",
}
"""What a reader calls the parameters of a model."""

_COLOURS = (style.INK, style.VERMILLION, style.BLUE, style.GREEN, style.ORANGE, style.PURPLE)
_WIDE = 30  # times the lowest chi^2, above which minima are seen on a logarithmic axis only
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")
_MARKED = ((style.BLUE, "diamond-open", 21), (style.GREEN, "square-open", 15), (style.PURPLE, "circle-open", 12))
_SCALE = ((0.0, "#fff9e8"), (0.25, "#f4d58d"), (0.5, "#d98c5f"), (0.75, "#8f5a6b"), (1.0, "#2f3b5c"))


def axis_title(name: str, unit: str) -> str:
    """Return the name of a parameter with its unit."""
    return f"{NAMES[name]} ({unit})" if unit else NAMES[name]


def chi2_profiles(profiles: "Mapping[str, Chi2Profile]", *, relative: bool = False) -> "Figure":
    """Draw the reduced chi^2 along one parameter, a curve for each sample, with the interval of 68 %.

    Parameters
    ----------
    profiles
        Scans of one parameter by the name of the sample.
    relative
        Draw chi^2 relative to that at the first value of each scan.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    first = next(iter(profiles.values()))
    title = f"χ² / χ²({fixed(first.values[0], 2, first.unit)})" if relative else "reduced χ²"
    wide = any(max(one.chi2_reduced) > _WIDE * min(one.chi2_reduced) for one in profiles.values())
    upright = style.axis(title, type="log", exponentformat="power", dtick=1) if wide else style.axis(title)
    figure = Figure(
        layout=style.layout(xaxis=style.axis(axis_title(first.name, first.unit)), yaxis=upright, height=420)
    )
    for index, (sample, profile) in enumerate(profiles.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        divisor = profile.chi2_reduced[0] if relative else 1.0
        heights = [one / divisor for one in profile.chi2_reduced]
        hovers = [
            style.label(sample, [(NAMES[profile.name], fixed(value, 4, profile.unit)), ("reduced χ²", f"{chi2:.6g}")])
            for value, chi2 in zip(profile.values, profile.chi2_reduced, strict=True)
        ]
        figure.add_trace(
            style.markers(
                profile.values,
                heights,
                style.text(sample),
                colour,
                hovers,
                symbol=_SYMBOLS[index % len(_SYMBOLS)],
                size=7,
                joined=True,
            )
        )
        figure.add_vline(profile.best, line={"color": colour, "width": 1.2, "dash": "dot"})
        if profile.low is not None and profile.high is not None:
            figure.add_vrect(profile.low, profile.high, fillcolor=colour, opacity=0.1, line_width=0, layer="below")
    return figure


class Mark(NamedTuple):
    """A point to be marked on a map: what it is, and where, in the units of the axes."""

    name: str
    x: float
    y: float


def chi2_map(scan: "Chi2Map", marks: Sequence[Mark] = ()) -> "Figure":
    """Draw the reduced chi^2 over two parameters with contours, its lowest point, and points from elsewhere.

    Parameters
    ----------
    scan
        The map.
    marks
        Points from elsewhere. Those outside of the map do not extend it: the legend tells where they are.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    figure = Figure(
        layout=style.layout(
            xaxis=style.axis(axis_title(scan.x_name, scan.x_unit), range=_extent(scan.x)),
            yaxis=style.axis(axis_title(scan.y_name, scan.y_unit), range=_extent(scan.y)),
            height=520,
            margin={"l": 64, "r": 18, "t": 34, "b": 56},
            showlegend=False,
        )
    )
    figure.add_heatmap(
        x=scan.x,
        y=scan.y,
        z=scan.chi2_reduced,
        colorscale=_SCALE,
        colorbar={"title": {"text": "reduced χ²", "side": "right"}, "thickness": 14, "outlinewidth": 0},
        hovertemplate=(
            f"{NAMES[scan.x_name]} = %{{x:.4f}} {scan.x_unit}<br>{NAMES[scan.y_name]} = %{{y:.4f}} {scan.y_unit}<br>"
            "reduced χ² = %{z:.6g}<extra></extra>"
        ),
    )
    figure.add_contour(
        x=scan.x,
        y=scan.y,
        z=scan.chi2_reduced,
        contours={"coloring": "none"},
        ncontours=12,
        line={"color": "rgba(29,39,51,0.45)", "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    for index, mark in enumerate(marks):
        figure.add_trace(_marked(scan, mark, index))
    lowest = min(min(row) for row in scan.chi2_reduced)
    x, y = scan.best
    place = [(NAMES[scan.x_name], fixed(x, 4, scan.x_unit)), (NAMES[scan.y_name], fixed(y, 4, scan.y_unit))]
    figure.add_trace(
        style.markers(
            [x],
            [y],
            "lowest",
            style.VERMILLION,
            [style.label("lowest", [*place, ("reduced χ²", f"{lowest:.6g}")])],
            symbol="x",
            size=12,
        )
    )
    if marks:
        figure.update_layout(showlegend=True, margin={"t": 62})
    return figure


def _marked(scan: "Chi2Map", mark: Mark, index: int) -> dict[str, Any]:
    """Return a mark that leaves what stands on it to be seen, or, outside of the map, its entry in the legend."""
    place = [(NAMES[scan.x_name], fixed(mark.x, 4, scan.x_unit)), (NAMES[scan.y_name], fixed(mark.y, 4, scan.y_unit))]
    colour, symbol, size = _MARKED[index % len(_MARKED)]
    name, hovers = style.text(mark.name), [style.label(mark.name, place)]
    (left, right), (low, high) = _extent(scan.x), _extent(scan.y)
    if left <= mark.x <= right and low <= mark.y <= high:
        return style.markers([mark.x], [mark.y], name, colour, hovers, symbol=symbol, size=size)
    where = f"{fixed(mark.x, 2, scan.x_unit)}, {fixed(mark.y, 3, scan.y_unit)}"
    entry = style.markers([], [], f"{name} (outside: {where})", colour, [], symbol=symbol, size=size)
    return entry | {"x": [None], "y": [None]}  # plotly leaves traces without points out of the legend


def _extent(values: list[float]) -> list[float]:
    """Return the outer edges of cells around equally spaced values."""
    half = (values[-1] - values[0]) / (len(values) - 1) / 2
    return [values[0] - half, values[-1] + half]
