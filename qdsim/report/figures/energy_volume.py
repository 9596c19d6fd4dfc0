"""Energy against volume of both phases."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from qdsim.analysis.ferroelectric import Phase, StrainPoint, StrainResults
from qdsim.report.data import Reference, points_by_strain
from qdsim.report.figures import style
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MEV = 1000.0


def energy_volume(
    results: StrainResults,
    nodes: Mapping[str, str] = MappingProxyType({}),
    references: Sequence[Reference] = (),
) -> "Figure":
    """Draw E(V) of both phases with the Birch-Murnaghan curve, and below it the energy gained off-centre.

    Parameters
    ----------
    results
        The strain series. Energies are drawn in meV per formula unit above the minimum of the curve,
        volumes in Å^3 per formula unit.
    nodes
        UUIDs by path (see `qdsim.report.ReportData`), shown in the hover texts.
    references
        Reference values; lattice constants a are marked at a^3/4.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.subplots import make_subplots

    state = results.equation_of_state
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.05)

    reached = [phase.volume for point in results.points for phase in (point.centred, point.relaxed) if phase]
    volumes = np.linspace(min([*state.volumes, *reached]), max([*state.volumes, *reached]), 161)
    figure.add_trace(
        style.curve(
            [float(volume) for volume in volumes],
            [_MEV * (float(state.energy_at(float(volume))) - state.energy) for volume in volumes],
            "Birch–Murnaghan fit",
            style.CENTRED,
        ),
        row=1,
        col=1,
    )
    figure.add_trace(
        style.markers(
            state.volumes,
            [_MEV * (energy - state.energy) for energy in state.energies],
            "fitted points",
            style.CENTRED,
            [
                style.hover(
                    "equation of state",
                    _rows(volume, energy, state.energy),
                    nodes,
                    f"equation_of_state.energies.{index}",
                )
                for index, (volume, energy) in enumerate(zip(state.volumes, state.energies, strict=True))
            ],
            symbol="circle-open",
            size=10,
        ),
        row=1,
        col=1,
    )
    for name, colour, symbol, size in (
        ("centred", style.CENTRED, "circle", 8),
        ("relaxed", style.RELAXED, "diamond", 8),
    ):
        found = [(point, phase) for point in results.points if (phase := getattr(point, name)) is not None]
        if found:
            figure.add_trace(
                style.markers(
                    [phase.volume for _, phase in found],
                    [_MEV * (phase.energy - state.energy) for _, phase in found],
                    name,
                    colour,
                    [_phase_hover(name, point, phase, state.energy, nodes) for point, phase in found],
                    symbol=symbol,
                    size=size,
                ),
                row=1,
                col=1,
            )
    _add_gain(figure, results, nodes)

    for reference in references:
        if reference.quantity == "lattice_constant":
            style.mark_reference(figure, reference, reference.value**3 / 4, along="y")
    figure.update_layout(style.layout(height=460))
    figure.update_xaxes(style.axis(""))
    figure.update_xaxes(title_text="volume per formula unit V (Å³)", row=2, col=1)
    figure.update_yaxes(style.axis("E − E₀ (meV / f.u.)"), row=1, col=1)
    figure.update_yaxes(style.axis("ΔE (meV / f.u.)", nticks=5), row=2, col=1)
    return figure


def _add_gain(figure: "Figure", results: StrainResults, nodes: Mapping[str, str]) -> None:
    found = [
        (point.relaxed.volume, point.energy_gain, point)
        for point in points_by_strain(results)
        if point.relaxed is not None and point.energy_gain is not None
    ]
    if not found:
        return
    figure.add_trace(
        style.markers(
            [volume for volume, _, _ in found],
            [_MEV * gain for _, gain, _ in found],
            "energy gain",
            style.RELAXED,
            [
                style.hover(
                    f"energy gain at ε = {style.strain_label(point.linear_strain)}",
                    [("E(relaxed) − E(centred)", fixed(_MEV * gain, 3, "meV / f.u.", signed=True))],
                    nodes,
                    f"points.{point.label}.energy_gain",
                )
                for _, gain, point in found
            ],
            symbol="diamond",
            joined=True,
            showlegend=False,
        ),
        row=2,
        col=1,
    )


def _rows(volume: float, energy: float, minimum: float) -> list[tuple[str, str]]:
    return [
        ("V", fixed(volume, 4, "Å³ / f.u.")),
        ("a", fixed((4 * volume) ** (1 / 3), 4, "Å")),
        ("E − E₀", fixed(_MEV * (energy - minimum), 3, "meV / f.u.", signed=True)),
        ("E", fixed(energy, 6, "eV / f.u.")),
    ]


def _phase_hover(name: str, point: StrainPoint, phase: Phase, minimum: float, nodes: Mapping[str, str]) -> str:
    return style.hover(
        f"{name}, ε = {style.strain_label(point.linear_strain)}",
        _rows(phase.volume, phase.energy, minimum),
        nodes,
        f"points.{point.label}.{name}.energy",
    )
