"""Distribution of the sizes of nanocrystals."""

from typing import TYPE_CHECKING

import numpy as np

from qdsim.report.figures import style
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from qdsim.debye.models import NanocrystalModel

_RAREST = 1e-6  # share of the particles beyond either end
_POINTS = 241


def sizes(model: "NanocrystalModel") -> "Figure":
    """Draw how many particles have which diameter, and how much of the volume they hold.

    Parameters
    ----------
    model
        With `diameter_sd` above 0.

    Returns
    -------
    plotly.graph_objects.Figure
        Densities per Å, each with the area 1.
    """
    from plotly.graph_objects import Figure
    from scipy.stats import lognorm

    spread = 1 + (model.diameter_sd / model.diameter) ** 2
    distribution = lognorm(np.sqrt(np.log(spread)), scale=model.diameter / np.sqrt(spread))
    diameters = np.linspace(distribution.ppf(_RAREST), distribution.isf(_RAREST), _POINTS)
    number = distribution.pdf(diameters)
    figure = Figure(
        layout=style.layout(
            xaxis=style.axis("diameter (Å)"), yaxis=style.axis("probability density (Å⁻¹)", rangemode="tozero")
        )
    )
    for name, weights, colour, pale in (
        ("by number", number, style.BLUE, "rgba(0,114,178,0.12)"),
        ("by volume", number * diameters**3, style.ORANGE, "rgba(230,159,0,0.12)"),
    ):
        density = weights / (weights.sum() * (diameters[1] - diameters[0]))
        hovers = [
            style.label(name, [("D", fixed(size, 2, "Å")), ("density", fixed(share, 4, "Å⁻¹"))])
            for size, share in zip(diameters.tolist(), density.tolist(), strict=True)
        ]
        figure.add_trace(
            style.curve(diameters.tolist(), density.tolist(), name, colour, hovers=hovers, fill="tozeroy")
            | {"fillcolor": pale}
        )
    return figure
