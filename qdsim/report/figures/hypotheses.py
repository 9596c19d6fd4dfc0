"""Models of one pattern side by side: how each describes it, and where along Q one is better than the other."""

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from qdsim.report.figures import style
from qdsim.report.figures.patterns import INTENSITY_TITLE, Q_TITLE, hover_of, line_of, scale_buttons
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from qdsim.debye.fit_result import FitResult

_COLOURS = (style.VERMILLION, style.BLUE, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
_DASHES = ("solid", "solid", "dash", "dot")
_WIDTH = 1.3


def hypothesis_patterns(fits: "Mapping[str, FitResult]") -> "Figure":
    """Draw data and models, their differences below, and at the bottom, how far chi^2 has risen above the first one's.

    Parameters
    ----------
    fits
        Fits of the same data by the names of their models, one or more, the freest first.

    Returns
    -------
    plotly.graph_objects.Figure
        Where a curve at the bottom rises, its model is worse than the first one; where it falls, better. It ends at the
        difference of chi^2, which the legend tells.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.5, 0.22, 0.28], vertical_spacing=0.035)
    (first, freest), *_ = fits.items()
    data = style.markers(freest.q, freest.observed, "data", style.INK, [], size=4)
    data["marker"] |= {"line": {"width": 0}, "opacity": 0.5}
    figure.add_trace(data | hover_of("data"), row=1, col=1)
    for index, (name, fit) in enumerate(fits.items()):
        colour, label = _COLOURS[index % len(_COLOURS)], style.text(name)
        dash = _DASHES[index % len(_DASHES)]  # models may coincide
        line = {"line": {"color": colour, "width": _WIDTH, "dash": dash}, "legendgroup": name}
        below = {**line, "showlegend": False}
        rise = _rise(fit, freest)
        told = label if fit is freest else f"{label}, Δχ² = {fixed(rise[-1], 1, signed=True)}"
        figure.add_trace(line_of(fit.q, fit.calculated, told, colour, **line, **hover_of(label)), row=1, col=1)
        figure.add_trace(line_of(fit.q, _differences(fit), label, colour, **below), row=2, col=1)
        if fit is not freest:
            figure.add_trace(line_of(fit.q, rise, label, colour, **below), row=3, col=1)
    for row in (2, 3):
        figure.add_hline(0.0, row=row, col=1, line={"color": style.AXIS, "width": 1}, layer="below")
    figure.update_layout(style.layout(height=720, hovermode="x unified", updatemenus=scale_buttons("yaxis")))
    figure.update_layout(hoverlabel={"namelength": -1})
    figure.update_xaxes(style.axis("", unifiedhovertitle={"text": "Q = %{x:.4f} Å⁻¹"}))
    figure.update_xaxes(title_text=Q_TITLE, row=3, col=1)
    figure.update_yaxes(style.axis(INTENSITY_TITLE, exponentformat="power"), row=1, col=1)
    unit = "σ" if freest.sigma is not None else "unit of the data"
    figure.update_yaxes(style.axis(f"data − fit ({unit})", nticks=5, exponentformat="power"), row=2, col=1)
    figure.update_yaxes(
        style.axis(f"χ² above “{style.text(first)}”,<br>summed up to Q", nticks=5, exponentformat="power"), row=3, col=1
    )
    return figure


def _differences(fit: "FitResult") -> list[float]:
    """Return data minus fit in units of the uncertainty, or of the data where there is none."""
    sigma = fit.sigma or [1.0] * len(fit.q)
    return [(y - one) / s for y, one, s in zip(fit.observed, fit.calculated, sigma, strict=True)]


def _rise(fit: "FitResult", freest: "FitResult") -> list[float]:
    """Return the sum up to each Q of what the squared weighted differences of one fit exceed those of another by."""
    pairs = zip(_differences(fit), _differences(freest), strict=True)
    return list(accumulate(one**2 - other**2 for one, other in pairs))
