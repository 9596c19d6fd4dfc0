"""The scattering of particles cut from the relaxed lattices of a strain series."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qdsim.analysis.strain_results import StrainResults
from qdsim.report.data import Curve, points_by_strain
from qdsim.report.figures import style
from qdsim.report.figures.patterns import Q_TITLE, line_of, scale_buttons

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLOURS = (style.SKY, style.BLUE, style.GREEN, style.ORANGE, style.VERMILLION, style.PURPLE, style.INK)


def strain_patterns(results: StrainResults, patterns: Mapping[str, Curve]) -> "Figure":
    """Draw the pattern of the relaxed lattice at every strain, and below how it differs from the centred one's.

    Parameters
    ----------
    results
        The strain series.
    patterns
        Curves over Q by label, such as "linear_p0p0200_relaxed".

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.05)
    drawn = 0
    for point in points_by_strain(results):
        relaxed, centred = (patterns.get(f"{point.label}_{phase}") for phase in ("relaxed", "centred"))
        if relaxed is None:
            continue
        name, colour = style.strain_label(point.linear_strain), _COLOURS[drawn % len(_COLOURS)]
        figure.add_trace(line_of(relaxed.x, relaxed.y, name, colour, legendgroup=name), row=1, col=1)
        if centred is not None:
            change = [one - other for one, other in zip(relaxed.y, centred.y, strict=True)]
            below = line_of(relaxed.x, change, name, colour, legendgroup=name, showlegend=False)
            figure.add_trace(below, row=2, col=1)
        drawn += 1
    figure.update_layout(style.layout(height=560, hovermode="x unified", updatemenus=scale_buttons("yaxis")))
    figure.update_layout(hoverlabel={"namelength": -1})
    figure.update_xaxes(style.axis("", unifiedhovertitle={"text": "Q = %{x:.4f} Å⁻¹"}))
    figure.update_xaxes(title_text=Q_TITLE, row=2, col=1)
    figure.update_yaxes(style.axis("electrons² per particle", exponentformat="power"), row=1, col=1)
    figure.update_yaxes(style.axis("relaxed − centred", nticks=5, exponentformat="power"), row=2, col=1)
    return figure
