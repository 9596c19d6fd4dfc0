"""Double wells: energy against the cation's offset, one curve a strain."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from qdsim.analysis.ferroelectric import DoubleWell, StrainPoint, StrainResults
from qdsim.report.data import points_by_strain
from qdsim.report.figures import style
from qdsim.report.formatting import fixed, with_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MEV = 1000.0
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "star")
_COMPRESSED = (style.INK, style.BLUE, style.SKY)
_STRETCHED = (style.ORANGE, style.VERMILLION, style.PURPLE)
_DEEPEST_TO_HIGHEST = 2.5
_LEAST_HEIGHT = 3.0  # meV


def double_wells(results: StrainResults, nodes: Mapping[str, str] = MappingProxyType({})) -> "Figure":
    """Draw the energy (meV per formula unit) against the offset (Å) for each strain.

    The fitted polynomials are drawn for both signs of the offset, which inversion makes equal; the computed
    points where they were computed. Single wells are blue, double wells orange to purple.

    Parameters
    ----------
    results
        The strain series.
    nodes
        UUIDs by path, shown in the hover texts.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    wells = [(point, point.double_well) for point in points_by_strain(results) if point.double_well is not None]
    colours = _colours([well for _, well in wells])
    figure = Figure(
        layout=style.layout(
            xaxis=style.axis("cation offset u along [111] (Å)"),
            yaxis=style.axis("E(u) − E(0) (meV / f.u.)"),
            legend={"title": {"text": "linear strain"}, "font": {"size": 12}, "traceorder": "reversed"},
        )
    )
    figure.add_hline(0.0, line={"color": style.AXIS, "width": 1}, layer="below")
    for index, (point, well) in enumerate(wells):
        _draw(figure, point, well, colours[index], _SYMBOLS[index % len(_SYMBOLS)], nodes)
    window = _energy_window([well for _, well in wells])
    if window is not None:
        figure.update_yaxes(range=window)
    return figure


def _draw(
    figure: "Figure", point: StrainPoint, well: DoubleWell, colour: str, symbol: str, nodes: Mapping[str, str]
) -> None:
    strain = style.strain_label(point.linear_strain)
    path = f"points.{point.label}.double_well"
    reach = max(well.offsets)
    offsets = np.linspace(-reach, reach, 121)
    figure.add_trace(
        style.curve(offsets.tolist(), (_MEV * well.energy_at(offsets)).tolist(), strain, colour)
        | {"legendgroup": point.label, "showlegend": False}
    )
    curvature = with_error(
        _MEV * well.quadratic, None if well.quadratic_error is None else _MEV * well.quadratic_error, "meV/Å²", 1
    )
    figure.add_trace(
        style.markers(
            well.offsets,
            [_MEV * energy for energy in well.energies],
            strain,
            colour,
            [
                style.hover(
                    f"double well, ε = {strain}",
                    [
                        ("u", fixed(offset, 4, "Å")),
                        ("E(u) − E(0)", fixed(_MEV * energy, 3, "meV / f.u.", signed=True)),
                        ("u² coefficient", curvature),
                    ],
                    nodes,
                    f"{path}.energies.{index}",
                )
                for index, (offset, energy) in enumerate(zip(well.offsets, well.energies, strict=True))
            ],
            symbol=symbol,
            legendgroup=point.label,
        )
    )


def _colours(wells: list[DoubleWell]) -> list[str]:
    from plotly.colors import sample_colorscale

    single = [index for index, well in enumerate(wells) if well.quadratic >= 0]
    double = [index for index, well in enumerate(wells) if well.quadratic < 0]
    chosen: dict[int, str] = {}
    for members, scale in ((single, _COMPRESSED), (double, _STRETCHED)):
        places = [place / max(1, len(members) - 1) for place in range(len(members))]
        chosen.update(zip(members, sample_colorscale(list(scale), places), strict=True))
    return [chosen[index] for index in range(len(wells))]


def _energy_window(wells: list[DoubleWell]) -> tuple[float, float] | None:
    """Return a range of energies (meV) in which the wells are seen; None where no well is double."""
    energies = [_MEV * energy for well in wells for energy in well.energies]
    fitted = [_MEV * float(e) for well in wells for e in well.energy_at(np.linspace(0, max(well.offsets), 41))]
    lowest = min([*energies, *fitted], default=0.0)
    if lowest >= 0:
        return None
    return 1.25 * lowest, min(1.1 * max(energies), max(_LEAST_HEIGHT, -_DEEPEST_TO_HIGHEST * lowest))
