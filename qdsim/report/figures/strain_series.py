"""What changes along the strain series: offset, angle, bonds, pressure, gap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.analysis.ferroelectric import Onset, Phase, StrainPoint, StrainResults
from qdsim.report.data import Reference, points_by_strain
from qdsim.report.figures import style
from qdsim.report.figures.guides import guide
from qdsim.report.formatting import fixed, with_error
from qdsim.structures import CUBIC_ANGLE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_NO_NODES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class _Line:
    """A number of one phase against the strain: markers, and a line that guides the eye.

    `centred` gives the centred phase's value at a point and `exponent` how the distance from it grows beyond the
    onset (see `guide`); without `centred` the points are joined by straight lines, or not at all.
    """

    phase: str
    field: str
    name: str
    quantity: str
    unit: str
    decimals: int
    colour: str
    symbol: str
    size: int = 9
    centred: Callable[[StrainPoint], float | None] | None = None
    exponent: float = 1.0
    joined: bool = True

    def draw(self, figure: "Figure", results: StrainResults, nodes: Mapping[str, str]) -> None:
        """Add markers and guide to a figure; a point without the phase or the number is left out."""
        found: list[tuple[StrainPoint, Phase, float]] = []
        for point in points_by_strain(results):
            phase: Phase | None = getattr(point, self.phase)
            value = getattr(phase, self.field) if phase is not None else None
            if phase is not None and value is not None:
                found.append((point, phase, value))
        if not found:
            return
        if self.joined:
            figure.add_trace(self._guide(found, results))
        figure.add_trace(
            style.markers(
                [style.percent(point.linear_strain) for point, _, _ in found],
                [value for _, _, value in found],
                self.name,
                self.colour,
                [
                    style.hover(
                        f"{self.name}, ε = {style.strain_label(point.linear_strain)}",
                        [
                            (self.quantity, fixed(value, self.decimals, self.unit)),
                            ("a", fixed(point.lattice_constant, 4, "Å")),
                        ],
                        nodes,
                        f"points.{point.label}.{self.phase}.{self.field}",
                    )
                    for point, _, value in found
                ],
                symbol=self.symbol,
                size=self.size,
                legendgroup=self.name,
            )
        )

    def _guide(self, found: Sequence[tuple[StrainPoint, Phase, float]], results: StrainResults) -> dict[str, Any]:
        strains = [point.linear_strain for point, _, _ in found]
        values = [value for _, _, value in found]
        baseline = [self.centred(point) if self.centred else None for point, _, _ in found]
        known = [value for value in baseline if value is not None]
        if len(known) == len(found):
            onset = results.onset_order_parameter or results.onset_curvature
            strains, values = guide(
                strains,
                values,
                known,
                [phase.pb_offset for _, phase, _ in found],
                onset.linear_strain if onset is not None else None,
                self.exponent,
            )
        drawn = style.curve([style.percent(strain) for strain in strains], values, self.name, self.colour)
        return drawn | {"line": {"color": self.colour, "width": 1.5}, "showlegend": False, "legendgroup": self.name}


def offset(
    results: StrainResults, nodes: Mapping[str, str] = _NO_NODES, references: Sequence[Reference] = ()
) -> "Figure":
    """Draw the cation's offset (Å) of the relaxed phase against the linear strain (%), with the onset marked.

    Parameters
    ----------
    results
        The strain series.
    nodes
        UUIDs by path, shown in the hover texts.
    references
        Reference values; offsets are marked as horizontal lines.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    line = _Line(
        "relaxed", "pb_offset", "relaxed", "u", "Å", 4, style.RELAXED, "diamond", centred=lambda _: 0.0, exponent=0.5
    )
    figure = _figure(results, nodes, [line], "cation offset u along [111] (Å)")
    for onset, path, colour, symbol in _onsets(results):
        figure.add_trace(_onset_mark(onset, path, colour, symbol, nodes))
    _mark_references(figure, references, line.field)
    return figure


def alpha_rh(
    results: StrainResults, nodes: Mapping[str, str] = _NO_NODES, references: Sequence[Reference] = ()
) -> "Figure":
    """Draw the rhombohedral angle (degrees) of the relaxed phase against the linear strain (%).

    Parameters
    ----------
    results, nodes
        As for `offset`.
    references
        Reference values; angles are marked as horizontal lines.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    line = _Line("relaxed", "alpha_rh", "relaxed", "α", "°", 3, style.RELAXED, "diamond", centred=lambda _: CUBIC_ANGLE)
    figure = _figure(results, nodes, [line], "rhombohedral angle α (°)")
    _mark_references(figure, references, line.field)
    figure.add_hline(CUBIC_ANGLE, line={"color": style.CENTRED, "width": 1.2, "dash": "dash"}, layer="below")
    figure.add_annotation(
        text="cubic, 60°",
        x=0,
        xref="x domain",
        y=CUBIC_ANGLE,
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 11, "color": style.CENTRED},
    )
    return figure


def bond_lengths(results: StrainResults, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the three short and the three long bonds (Å) of the relaxed phase against the linear strain (%).

    Parameters
    ----------
    results, nodes
        As for `offset`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    lines = [
        _Line("centred", "bond_short", "6 bonds, centred", "d", "Å", 4, style.MUTED, "circle-open"),
        _Line("relaxed", "bond_long", "3 long bonds", "d", "Å", 4, style.SKY, "triangle-up", 11, _half_edge, 0.5),
        _Line(
            "relaxed", "bond_short", "3 short bonds", "d", "Å", 4, style.RELAXED, "triangle-down", 11, _half_edge, 0.5
        ),
    ]
    return _figure(results, nodes, lines, "bond length d (Å)")


def pressure(results: StrainResults, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the pressure (GPa) against the linear strain (%): equation of state, and stress of both phases.

    Parameters
    ----------
    results, nodes
        As for `offset`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    lines = [
        _Line("centred", "pressure", "stress, centred", "P", "GPa", 3, style.CENTRED, "circle-open", 12, joined=False),
        _Line("relaxed", "pressure", "stress, relaxed", "P", "GPa", 3, style.RELAXED, "diamond", 8, joined=False),
    ]
    return _figure(results, nodes, lines, "pressure P (GPa)", below=_pressure_curve(results, nodes))


def gap(results: StrainResults, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the gap (eV) of both phases against the linear strain (%).

    Parameters
    ----------
    results, nodes
        As for `offset`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    lines = [
        _Line("centred", "gap", "centred", "gap", "eV", 4, style.CENTRED, "circle-open"),
        _Line("relaxed", "gap", "relaxed", "gap", "eV", 4, style.RELAXED, "diamond", centred=_centred_gap),
    ]
    return _figure(results, nodes, lines, "gap on the k-mesh (eV)")


def _half_edge(point: StrainPoint) -> float:
    return point.lattice_constant / 2


def _centred_gap(point: StrainPoint) -> float | None:
    return point.centred.gap if point.centred is not None else None


def _pressure_curve(results: StrainResults, nodes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the pressure of the equation of state over the strains computed; nothing without strains."""
    if not results.points:
        return []
    state = results.equation_of_state
    strains = [point.linear_strain for point in results.points]
    drawn = [float(strain) for strain in np.linspace(min(strains), max(strains), 81)]
    volumes = [state.volume * (1 + strain) ** 3 for strain in drawn]
    pressures = [state.pressure_at(volume) for volume in volumes]
    hovers = [
        style.hover(
            f"equation of state, ε = {style.strain_label(strain)}",
            [("P", fixed(value, 3, "GPa")), ("V", fixed(volume, 3, "Å³ / f.u."))],
            nodes,
            "equation_of_state",
        )
        for strain, volume, value in zip(drawn, volumes, pressures, strict=True)
    ]
    x = [style.percent(strain) for strain in drawn]
    return [style.curve(x, pressures, "equation of state", style.CENTRED, hovers=hovers)]


def _figure(
    results: StrainResults,
    nodes: Mapping[str, str],
    lines: Sequence[_Line],
    title: str,
    below: Sequence[dict[str, Any]] = (),
) -> "Figure":
    from plotly.graph_objects import Figure

    figure = Figure(layout=style.layout(xaxis=style.axis(style.STRAIN_TITLE), yaxis=style.axis(title)))
    for onset, _, colour, _ in _onsets(results):
        _draw_onset(figure, onset, colour)
    figure.add_traces(list(below))
    for line in lines:
        line.draw(figure, results, nodes)
    return figure


def _onsets(results: StrainResults) -> list[tuple[Onset, str, str, str]]:
    """Return each onset found with its path, colour and symbol."""
    both = (
        (results.onset_curvature, "onset_curvature", style.GREEN, "star"),
        (results.onset_order_parameter, "onset_order_parameter", style.PURPLE, "cross"),
    )
    return [(onset, path, colour, symbol) for onset, path, colour, symbol in both if onset is not None]


def _draw_onset(figure: "Figure", onset: Onset, colour: str) -> None:
    centre = style.percent(onset.linear_strain)
    figure.add_vline(centre, line={"color": colour, "width": 1.5, "dash": "dash"}, layer="below")
    if onset.linear_strain_error:
        half = style.percent(onset.linear_strain_error)
        figure.add_vrect(centre - half, centre + half, fillcolor=colour, opacity=0.13, line_width=0, layer="below")


def _onset_mark(onset: Onset, path: str, colour: str, symbol: str, nodes: Mapping[str, str]) -> dict[str, Any]:
    error = style.percent(onset.linear_strain_error) if onset.linear_strain_error else None
    name = f"onset, {onset.method}"
    rows = [
        ("ε", with_error(style.percent(onset.linear_strain), error, "%", 2, signed=True)),
        ("a", fixed(onset.lattice_constant, 4, "Å")),
        ("P", fixed(onset.pressure, 2, "GPa")),
    ]
    return style.markers(
        [style.percent(onset.linear_strain)],
        [0.0],
        name,
        colour,
        [style.hover(name, rows, nodes, path)],
        symbol=symbol,
        size=13,
        cliponaxis=False,
    )


def _mark_references(figure: "Figure", references: Sequence[Reference], quantity: str) -> None:
    for reference in references:
        if reference.quantity == quantity:
            style.mark_reference(figure, reference, reference.value, along="x")
