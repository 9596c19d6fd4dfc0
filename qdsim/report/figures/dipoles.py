"""Dipole moments against offset and diameter, with the models of them, and the clusters with their arrows."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qdsim.analysis.dipole import dielectric_sphere_dipole, point_charge_dipole
from qdsim.analysis.dipole_analysis import DipoleAnalysis, DipoleRow
from qdsim.analysis.dipole_results import ClusterState, DipoleResults
from qdsim.report.data import Structure
from qdsim.report.figures import scene, style
from qdsim.report.figures.solids import arrow, spheres
from qdsim.report.formatting import fixed
from qdsim.structures.cluster import write_formula

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FloatArray = npt.NDArray[np.float64]

WHOLE = "dipoles"
"""Path of the results document, which every value of dipoles belongs to."""
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
LIGAND_COLOURS = {"Cl": "#6abf4b", "Br": "#a6522c", "I": "#7b3fa0", "F": "#8fd14f", "O": "#d7301f", "C": "#4d4d4d"}
_OTHER = "#d9d9d9"
_BOND = 3.0  # Å, half a lattice constant
_ARROW_SHARE = 0.75  # of the extent, for the largest dipole drawn
_VISIBLE = 0.5  # D, below which there is no arrow
_POINTS = 60
_MANY_ATOMS = 100


def path_of(label: str) -> str:
    """Return the path of a cluster's calculation."""
    return f"{WHOLE}.{label.replace('__', '.')}.single_point"


def dipole_offsets(analysis: DipoleAnalysis, nodes: Mapping[str, str] = MappingProxyType({})) -> "Figure":
    """Draw the projection on [111] against the offset: computed, its straight line, and the dielectric sphere.

    Parameters
    ----------
    analysis
        What follows from the results.
    nodes
        UUIDs by path, shown in the hover texts.
    """
    from plotly.graph_objects import Figure

    figure = Figure(
        layout=style.layout(xaxis=style.axis("offset of the cations (Å)"), yaxis=style.axis("dipole on [111] (D)"))
    )
    offsets = [0.0, *(row.pb_offset for row in analysis.rows)]
    ends = [min(offsets), max(offsets)]
    for index, (particle, group) in enumerate(groupby(analysis.rows, key=lambda row: row.particle)):
        colour = COLOURS[index % len(COLOURS)]
        rows = [row for row in group if row.projection is not None]
        figure.add_trace(
            style.markers(
                [row.pb_offset for row in rows],
                [row.projection for row in rows if row.projection is not None],
                style.text(particle),
                colour,
                [_hover(row, nodes) for row in rows],
                legendgroup=particle,
            )
        )
        response = analysis.responses.get(particle)
        if response is not None:
            line = [response.intercept + response.slope * x for x in ends]
            figure.add_trace(style.curve(ends, line, "line", colour, showlegend=False, legendgroup=particle))
        if rows:
            dashed = {"color": colour, "width": 1.2, "dash": "dash"}
            last = max(rows, key=lambda row: abs(row.pb_offset))
            spheres = (last.dielectric_sphere_lowest, last.dielectric_sphere_highest)
            for sphere in sorted({one for one in spheres if one is not None}):
                figure.add_trace(
                    style.curve(
                        [0.0, last.pb_offset],
                        [0.0, sphere],
                        "sphere",
                        colour,
                        line=dashed,
                        showlegend=False,
                        legendgroup=particle,
                    )
                )
    return figure


def dipole_diameters(analysis: DipoleAnalysis, nodes: Mapping[str, str] = MappingProxyType({})) -> "Figure":
    """Draw the dipole against the diameter at the largest offset, with point charges and the dielectric sphere.

    Parameters
    ----------
    analysis, nodes
        As for `dipole_offsets`.
    """
    from plotly.graph_objects import Figure

    figure = Figure(
        layout=style.layout(
            xaxis=style.axis("diameter (Å)", rangemode="tozero"), yaxis=style.axis("dipole (D)", rangemode="tozero")
        )
    )
    offset = max((abs(row.pb_offset) for row in analysis.rows), default=0.0)
    rows = [row for row in analysis.rows if abs(row.pb_offset) == offset and row.norm is not None]
    if not rows:
        return figure
    figure.add_trace(
        style.markers(
            [row.diameter for row in rows],
            [row.norm for row in rows if row.norm is not None],
            f"computed, offset {fixed(offset, 2, 'Å')}",
            style.BLUE,
            [_hover(row, nodes) for row in rows],
        )
    )
    beyond = analysis.extrapolation
    ends = [row.diameter for row in rows] + ([beyond.target.diameter] if beyond is not None else [])
    density = float(np.mean([row.n_cations / row.diameter**3 for row in rows]))
    if beyond is not None:
        density = beyond.target.formula_units / beyond.target.diameter**3
        scale = offset / abs(beyond.target.pb_offset) if beyond.target.pb_offset else 0.0
        figure.add_trace(
            {
                "type": "scatter",
                "x": [beyond.target.diameter],
                "y": [beyond.dipole * scale],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [(beyond.highest - beyond.dipole) * scale],
                    "arrayminus": [(beyond.dipole - beyond.lowest) * scale],
                },
                "mode": "markers",
                "name": f"effective charge of {style.text(beyond.particle)}",
                "marker": {"color": "#ffffff", "size": 10, "line": {"color": style.BLUE, "width": 2}},
                "hoverinfo": "text",
                "hovertext": [
                    style.hover(
                        "carried over from smaller particles",
                        [("dipole", fixed(beyond.dipole, 0, "D")), ("lowest", fixed(beyond.lowest, 0, "D"))],
                        nodes,
                        WHOLE,
                    )
                ],
            }
        )
        if beyond.target.reported_dipole is not None:
            figure.add_trace(
                style.markers(
                    [beyond.target.diameter],
                    [beyond.target.reported_dipole],
                    "reported",
                    style.VERMILLION,
                    [
                        style.label(
                            "reported",
                            [
                                ("dipole", fixed(beyond.target.reported_dipole, 0, "D")),
                                ("offset", fixed(beyond.target.pb_offset, 2, "Å")),
                                ("source", beyond.target.source or "not stated"),
                            ],
                        )
                    ],
                    symbol="star",
                    size=14,
                )
            )
    x = np.linspace(0, 1.05 * max(ends), _POINTS)
    cations = density * x**3
    spheres = [
        (
            f"dielectric sphere, Z* = {fixed(one.born_charge, 2)} e, ε∞ = {fixed(one.eps_inf, 1)}",
            [dielectric_sphere_dipole(n, offset, one.born_charge, one.eps_inf) for n in cations],
            "dash",
        )
        for one in analysis.models.spheres
    ]
    for name, values, dash in (
        ("1 e per cation", [point_charge_dipole(n, offset) for n in cations], "dot"),
        *spheres,
        ("formal charges", [point_charge_dipole(n, offset, 2.0) for n in cations], "dashdot"),
    ):
        line = {"color": style.MUTED, "width": 1.5, "dash": dash}
        figure.add_trace(style.curve(x.tolist(), values, name, style.MUTED, line=line))
    return figure


def dipole_clusters(
    results: DipoleResults,
    structures: Mapping[str, Structure],
    nodes: Mapping[str, str] = MappingProxyType({}),
) -> "Figure":
    """Draw the clusters with their dipoles as arrows, from negative to positive, with a menu to choose one from.

    Parameters
    ----------
    results
        The clusters.
    structures
        By label, each in its cell.
    nodes
        UUIDs by path, shown in the hover texts.
    """
    from plotly.graph_objects import Figure

    drawn = [one for one in results.clusters if one.label in structures]
    centred = {one.label: _centred(structures[one.label]) for one in drawn}
    reach = max((float(np.abs(positions).max()) for positions in centred.values()), default=1.0)
    figure = Figure(layout=scene.layout(np.full(3, -reach), np.full(3, reach), top=88, bottom=48))
    if not drawn:
        return figure
    largest = max((float(np.linalg.norm(one.dipole)) for one in drawn if one.dipole is not None), default=0.0)
    scale = _ARROW_SHARE * 2 * reach / largest if largest > _VISIBLE else 0.0
    start = max(range(len(drawn)), key=lambda index: (drawn[index].pb_offset, drawn[index].n_atoms))
    owners = []
    for index, one in enumerate(drawn):
        for trace in _traces(results, one, structures[one.label], centred[one.label], scale, nodes):
            figure.add_trace(trace | {"visible": index == start})
            owners.append(index)
    titles = [_title(one) for one in drawn]
    figure.update_layout(title=scene.title(titles[start]))
    if len(drawn) > 1:
        buttons = [
            {
                "label": style.text(_name(one)),
                "method": "update",
                "args": [{"visible": [owner == index for owner in owners]}, {"title.text": titles[index]}],
            }
            for index, one in enumerate(drawn)
        ]
        figure.update_layout(updatemenus=[scene.menu(buttons, start)])
    return figure


def _centred(structure: Structure) -> FloatArray:
    return np.asarray(np.array(structure.positions) - np.array(structure.cell).sum(axis=0) / 2)


def _name(one: ClusterState) -> str:
    return f"{one.particle}, offset {fixed(one.pb_offset, 2, 'Å')}"


def _title(one: ClusterState) -> str:
    formula = write_formula(one.composition, "<sub>{}</sub>")
    if one.dipole is None:
        return f"<b>{style.text(_name(one))}</b><br>{formula}: no dipole"
    gap = "" if one.gap is None else f", gap {fixed(one.gap, 2, 'eV')}"
    return f"<b>{style.text(_name(one))}</b><br>{formula}: {fixed(float(np.linalg.norm(one.dipole)), 1, 'D')}{gap}"


def _traces(
    results: DipoleResults,
    one: ClusterState,
    structure: Structure,
    positions: FloatArray,
    scale: float,
    nodes: Mapping[str, str],
) -> list[dict[str, Any]]:
    symbols = np.array(structure.symbols)
    path = path_of(one.label)
    resolution = 40 if len(symbols) > _MANY_ATOMS else 80
    near = np.triu(np.linalg.norm(positions[:, None] - positions[None], axis=2) < scene.BOND_REACH * _BOND, k=1)
    bonds = np.argwhere(near & (symbols[:, None] != symbols[None]))
    traces = [scene.lines([(positions[first], positions[second]) for first, second in bonds], "bonds", 3)]
    for symbol in dict.fromkeys(structure.symbols):
        colour, radius = _look(results, symbol)
        solid = spheres(positions[symbols == symbol], radius, resolution)
        count = int((symbols == symbol).sum())
        traces.append(
            scene.mesh(solid, style.text(symbol), colour, style.hover(symbol, [("atoms", str(count))], nodes, path))
        )
    if one.dipole is not None and scale and np.linalg.norm(one.dipole) > _VISIBLE:
        half = scale * np.asarray(one.dipole) / 2
        rows = [("|μ|", fixed(float(np.linalg.norm(one.dipole)), 2, "D"))]
        solid = arrow(-half, half, 0.12 * _BOND)
        traces.append(scene.mesh(solid, "dipole", style.GREEN, style.hover("dipole", rows, nodes, path)))
    return traces


def _look(results: DipoleResults, symbol: str) -> tuple[str, float]:
    """Return colour and radius (Å) of an element."""
    if symbol == results.cation:
        return scene.CATION_COLOUR, scene.CATION_RADIUS * _BOND
    if symbol in {results.anion, "S", "Se", "Te"}:
        return scene.ANION_COLOUR, scene.ANION_RADIUS * _BOND
    return LIGAND_COLOURS.get(symbol, _OTHER), 0.1 * _BOND


def _hover(row: DipoleRow, nodes: Mapping[str, str]) -> str:
    rows: Sequence[tuple[str, str]] = [
        ("|μ|", fixed(row.norm, 2, "D") if row.norm is not None else "none"),
        ("on [111]", fixed(row.projection, 2, "D", signed=True) if row.projection is not None else "none"),
        ("offset", fixed(row.pb_offset, 3, "Å")),
        ("cations", str(row.n_cations)),
        ("gap", f"{fixed(row.gap, 2, 'eV')}, {row.gap_state}" if row.gap is not None else row.gap_state or "unknown"),
        ("potential drop", fixed(row.potential_drop, 2, "V") if row.potential_drop is not None else "unknown"),
    ]
    return style.hover(row.particle, rows, nodes, path_of(row.label))
