"""Models of one pattern side by side: how each describes it, and where along Q one is better than the other."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from qdsim.report.figures import style
from qdsim.report.figures.patterns import INTENSITY_TITLE, Q_TITLE, hover_of, line_of, scale_buttons

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from qdsim.debye.fit_result import FitResult

_LINES = (
    {"color": style.VERMILLION, "width": 1.5},
    {"color": style.BLUE, "width": 2.2},
    {"color": style.ORANGE, "width": 1.8, "dash": "dot"},
    {"color": style.PURPLE, "width": 1.5, "dash": "dash"},
)
"""One a model; they differ in more than colour, for models may coincide."""


def hypothesis_patterns(fits: "Mapping[str, FitResult]") -> "Figure":
    """Draw data and models, and below, how far chi^2 of each has risen above that of the first along Q.

    Parameters
    ----------
    fits
        Fits of the same data by the names of their models, the freest first.

    Returns
    -------
    plotly.graph_objects.Figure
        Where a curve below rises, its model is worse than the first one; where it falls, better.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.64, 0.36], vertical_spacing=0.05)
    (first, best), *others = fits.items()
    data = style.markers(best.q, best.observed, "data", style.INK, [], size=4)
    data["marker"] |= {"line": {"width": 0}, "opacity": 0.55}
    figure.add_trace(data | hover_of("data"), row=1, col=1)
    lines = {name: _LINES[index % len(_LINES)] for index, name in enumerate(fits)}
    for name, fit in fits.items():
        figure.add_trace(_curve(fit, fit.calculated, name, lines[name]), row=1, col=1)
    for name, fit in others:
        figure.add_trace(_curve(fit, _rise(fit, best), name, lines[name]) | {"showlegend": False}, row=2, col=1)
    figure.add_hline(0.0, row=2, col=1, line={"color": style.AXIS, "width": 1}, layer="below")
    figure.update_layout(style.layout(height=600, hovermode="x unified", updatemenus=scale_buttons("yaxis")))
    figure.update_layout(hoverlabel={"namelength": -1})
    figure.update_xaxes(style.axis("", unifiedhovertitle={"text": "Q = %{x:.4f} Å⁻¹"}))
    figure.update_xaxes(title_text=Q_TITLE, row=2, col=1)
    figure.update_yaxes(style.axis(INTENSITY_TITLE, exponentformat="power"), row=1, col=1)
    figure.update_yaxes(style.axis(f"χ² above “{first}”", nticks=5), row=2, col=1)
    return figure


def _curve(fit: "FitResult", values: Sequence[float], name: str, line: Mapping[str, Any]) -> dict[str, Any]:
    drawn = line_of(fit.q, values, style.text(name), "", legendgroup=name)
    return drawn | {"line": dict(line)}


def _rise(fit: "FitResult", best: "FitResult") -> list[float]:
    """Return the sum up to each Q of what the squared weighted differences of one fit exceed those of another by."""
    sigma = fit.sigma or [1.0] * len(fit.q)
    points = zip(fit.observed, fit.calculated, best.calculated, sigma, strict=True)
    return list(accumulate(((y - one) ** 2 - (y - other) ** 2) / s**2 for y, one, other, s in points))
