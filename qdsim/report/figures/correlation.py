"""Correlation of fitted parameters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qdsim.report.figures import style
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SCALE = ((0.0, style.BLUE), (0.5, "#ffffff"), (1.0, style.VERMILLION))


def correlation(names: Sequence[str], matrix: Sequence[Sequence[float]]) -> "Figure":
    """Draw a correlation matrix with its coefficients written in.

    Parameters
    ----------
    names
        Of the parameters, n of them.
    matrix
        Coefficients from -1 to 1, shape (n, n).

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    labels = [style.text(name) for name in names]
    figure = Figure(
        layout=style.layout(
            height=430,
            margin={"l": 64, "r": 18, "t": 34, "b": 56},
            xaxis=style.axis("", showgrid=False, tickangle=-35),
            yaxis=style.axis("", showgrid=False, autorange="reversed"),
        )
    )
    figure.add_heatmap(
        x=labels,
        y=labels,
        z=[list(row) for row in matrix],
        zmin=-1,
        zmax=1,
        colorscale=_SCALE,
        showscale=False,
        xgap=1,
        ygap=1,
        text=[[fixed(value, 2) for value in row] for row in matrix],
        texttemplate="%{text}",
        hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
    )
    return figure
