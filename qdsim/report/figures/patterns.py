"""Scattering patterns: computed ones, and fits to measured ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qdsim.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from qdsim.debye.fit_result import FittedCurve

Q_TITLE = "Q (Å⁻¹)"
INTENSITY_TITLE = "intensity (unit of the data)"
_AT_Q = "Q = %{x:.4f} Å⁻¹"


def pattern(x: Sequence[float], values: Sequence[float], x_title: str, title: str) -> "Figure":
    """Draw one computed curve.

    Parameters
    ----------
    x, values
        The curve.
    x_title, title
        Titles of the axes, with the units.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    figure = Figure(
        layout=style.layout(
            height=440,
            xaxis=style.axis(x_title),
            yaxis=style.axis(title, exponentformat="power"),
            showlegend=False,
            updatemenus=scale_buttons("yaxis") if min(values) > 0 else [],
        )
    )
    figure.add_trace(
        line_of(x, values, "", style.BLUE)
        | {"hovertemplate": f"{x_title} %{{x:.4f}}<br>{title} %{{y:.6g}}<extra></extra>"}
    )
    return figure


def fitted_pattern(result: "FittedCurve") -> "Figure":
    """Draw data, fit and background, and their difference below.

    Parameters
    ----------
    result
        The fit; the difference is data minus fit in the unit of the data.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.04)
    data = style.markers(result.q, result.observed, "data", style.INK, [], size=4)
    data["marker"] |= {"line": {"width": 0}, "opacity": 0.6}
    difference = [observed - fit for observed, fit in zip(result.observed, result.calculated, strict=True)]
    figure.add_trace(data | hover_of("data"), row=1, col=1)
    figure.add_trace(line_of(result.q, result.background_curve, "background", style.SKY), row=1, col=1)
    figure.add_trace(line_of(result.q, result.calculated, "fit", style.VERMILLION), row=1, col=1)
    figure.add_trace(line_of(result.q, difference, "data − fit", style.MUTED, showlegend=False), row=2, col=1)
    if result.sigma is not None:
        weighted = [one / sigma for one, sigma in zip(difference, result.sigma, strict=True)]
        figure.data[-1].update(customdata=weighted, hovertemplate="data − fit = %{y:.5g} (%{customdata:.1f} σ)")
    figure.add_hline(0.0, row=2, col=1, line={"color": style.AXIS, "width": 1}, layer="below")
    figure.update_layout(style.layout(height=540, hovermode="x unified", updatemenus=scale_buttons("yaxis")))
    figure.update_layout(hoverlabel={"namelength": -1})
    figure.update_xaxes(style.axis("", unifiedhovertitle={"text": "Q = %{x:.4f} Å⁻¹"}))
    figure.update_xaxes(title_text=Q_TITLE, row=2, col=1)
    figure.update_yaxes(style.axis(INTENSITY_TITLE, exponentformat="power"), row=1, col=1)
    figure.update_yaxes(style.axis("data − fit", nticks=5, exponentformat="power"), row=2, col=1)
    return figure


def line_of(x: Sequence[float], y: Sequence[float], name: str, colour: str, **options: Any) -> dict[str, Any]:
    """Return a thin curve with its value on hover."""
    return style.curve(x, y, name, colour) | {"line": {"color": colour, "width": 1.5}} | hover_of(name) | options


def hover_of(name: str) -> dict[str, Any]:
    """Return what a curve shows on hover, for figures in which all curves are shown at once."""
    return {"hoverinfo": None, "hovertemplate": f"{name} = %{{y:.5g}}<extra></extra>", "hovertext": None}


def scale_buttons(axis: str) -> list[dict[str, Any]]:
    """Return buttons that make an axis linear or logarithmic."""
    return [
        {
            "type": "buttons",
            "direction": "left",
            "x": 1,
            "xanchor": "right",
            "y": 1.02,
            "yanchor": "bottom",
            "pad": {"r": 0, "t": 0, "b": 0, "l": 0},
            "font": {"size": 11, "color": style.MUTED},
            "bgcolor": "#ffffff",
            "bordercolor": style.GRID,
            "buttons": [
                {"label": label, "method": "relayout", "args": [{f"{axis}.type": scale, f"{axis}.autorange": True}]}
                for label, scale in (("linear", "linear"), ("logarithmic", "log"))
            ],
        }
    ]
