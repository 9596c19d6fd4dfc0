"""Lattice dynamics: the soft mode against strain, dispersion, densities of states, and thermal displacements."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from qdsim.analysis.known_displacements import KnownDisplacements
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.analysis.phonon_results import PhononState
from qdsim.report.figures import style
from qdsim.report.formatting import fixed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
FREQUENCY = "frequency (cm⁻¹, imaginary below 0)"


def path_of(label: str) -> str:
    """Return the path of a crystal's calculation without displacement."""
    return f"phonons.{label}.undisplaced"


def soft_mode(analysis: PhononAnalysis, nodes: Mapping[str, str] = MappingProxyType({})) -> "Figure":
    """Draw the mode of the centred crystals against the strain, from forces and energies, and where it vanishes.

    Parameters
    ----------
    analysis
        What follows from the phonons.
    nodes
        UUIDs by path, shown in the hover texts.
    """
    from plotly.graph_objects import Figure

    figure = Figure(layout=style.layout(xaxis=style.axis("linear strain (%)"), yaxis=style.axis(FREQUENCY)))
    rows = sorted((row.linear_strain, row) for row in analysis.rows if row.centred and row.linear_strain is not None)
    # The larger, open symbols stay visible behind the others where both agree.
    for name, field, colour, symbol, size in (
        ("energies", "from_energies", style.BLUE, "circle-open", 15),
        ("forces", "transverse_optical", style.VERMILLION, "circle", 8),
    ):
        shown = [(strain, getattr(row, field), row) for strain, row in rows if getattr(row, field) is not None]
        hovers = [
            style.hover(
                f"TO at Γ, from {name}",
                [("strain", style.strain_label(strain)), ("frequency", fixed(value, 1, "cm⁻¹"))],
                nodes,
                path_of(row.label),
            )
            for strain, value, row in shown
        ]
        strains, values = [style.percent(strain) for strain, _, _ in shown], [value for _, value, _ in shown]
        figure.add_trace(style.markers(strains, values, f"from {name}", colour, hovers, symbol=symbol, size=size))
    figure.add_hline(y=0, line={"color": style.INK, "width": 1, "dash": "dot"})
    if analysis.softening is not None:
        for name, strain, colour in (
            ("energies", analysis.softening.onset, style.BLUE),
            ("forces", analysis.softening.linear_strain, style.VERMILLION),
        ):
            if strain is not None:
                title = f"vanishes, from {name}"
                hover = style.hover(title, [("strain", style.strain_label(strain))], nodes, "phonon_analysis")
                place = [style.percent(strain)]
                cross = style.markers(place, [0.0], title, colour, [hover], symbol="x", size=9, showlegend=False)
                figure.add_trace(cross)
    return figure


def dispersion(state: PhononState) -> "Figure":
    """Draw the branches along the usual path, and beside them the density of states."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.72, 0.28], horizontal_spacing=0.02)
    for segment in state.bands:
        for branch in segment.frequencies:
            line = style.curve(
                segment.distances, branch, f"{segment.start}–{segment.end}", style.BLUE, showlegend=False
            )
            figure.add_trace(line, row=1, col=1)
    density = state.density_of_states
    for index, (element, values) in enumerate(density.by_element.items()):
        figure.add_trace(
            style.curve(values, density.frequencies, element, COLOURS[(index + 1) % len(COLOURS)]), row=1, col=2
        )
    ticks: dict[float, str] = {}
    for segment in state.bands:
        for place, name in ((segment.distances[0], segment.start), (segment.distances[-1], segment.end)):
            known = ticks.get(round(place, 6))
            ticks[round(place, 6)] = name if known in {None, name} else f"{known}|{name}"
    figure.update_layout(style.layout(height=460))
    figure.update_xaxes(
        style.axis("", tickmode="array", tickvals=list(ticks), ticktext=list(ticks.values())), row=1, col=1
    )
    figure.update_xaxes(style.axis("states per cm⁻¹"), row=1, col=2)
    figure.update_yaxes(style.axis(FREQUENCY), row=1, col=1)
    return figure


def displacement_parameters(results: PhononResults, known: Sequence[KnownDisplacements] = ()) -> "Figure":
    """Draw B of both elements against the temperature, for every stable crystal, and marks of B from elsewhere."""
    from plotly.graph_objects import Figure

    figure = Figure(layout=style.layout(xaxis=style.axis("T (K)"), yaxis=style.axis("B (Å²)")))
    for index, state in enumerate(state for state in results.states if state.thermal):
        colour = COLOURS[index % len(COLOURS)]
        for element, dash in ((results.cation, "solid"), (results.anion, "dash")):
            x = [thermal.temperature for thermal in state.thermal]
            y = [thermal.b_iso[element] for thermal in state.thermal]
            name = style.text(f"{element}, {state.label}")
            figure.add_trace(style.curve(x, y, name, colour, line={"color": colour, "dash": dash}))
    for one in known:
        for element, symbol in ((results.cation, "diamond"), (results.anion, "diamond-open")):
            places = {temperature: b_iso[element] for temperature, b_iso in sorted(one.b_iso.items())}
            hovers = [
                style.label(f"{element}, {one.label}", [("T", f"{temperature:g} K"), ("B", fixed(b_iso, 2, "Å²"))])
                for temperature, b_iso in places.items()
            ]
            name = f"{element}, elsewhere"
            x, y = list(places), list(places.values())
            figure.add_trace(style.markers(x, y, name, style.INK, hovers, symbol=symbol, size=9))
    return figure
