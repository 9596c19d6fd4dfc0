"""The relaxed cells in three dimensions, one strain at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.build import make_supercell

from qdsim.analysis.ferroelectric import StrainPoint, StrainResults
from qdsim.report.data import PointStructures, Structure, points_by_strain
from qdsim.report.figures import scene, style
from qdsim.report.figures.scene import ANION_COLOUR, ANION_RADIUS, BOND_REACH, CATION_COLOUR, CATION_RADIUS, edges, mesh
from qdsim.report.figures.solids import arrow, rods, spheres
from qdsim.report.formatting import fixed
from qdsim.structures import Distortion, measure_distortion, supercell_matrix

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FloatArray = npt.NDArray[np.float64]

_BOND_RADIUS = 0.028  # of the half lattice constant
_FEW_ATOMS = 64
_EQUAL_BONDS = 0.002  # Å, below which short and long bonds are called equal
_VISIBLE_OFFSET = 0.002  # Å, below which no arrow is drawn
_ARROW_REACH = 0.8  # longest arrow, in units of the lattice constant


@dataclass(frozen=True)
class _Drawing:
    """A piece of crystal: a cell with all atoms in it and on its faces, one anion at the origin."""

    cell: FloatArray
    cations: FloatArray
    anions: FloatArray
    anion: str
    distortion: Distortion


def cells(
    results: StrainResults,
    structures: Mapping[str, PointStructures],
    nodes: Mapping[str, str] = MappingProxyType({}),
) -> "Figure":
    """Draw the relaxed cells with a slider for the strain.

    A primitive cell is drawn as its conventional-like cell of four formula units, of a supercell made of
    conventional cells one of these is drawn, any other cell is drawn whole. Atoms stand at their computed
    positions; the arrow of the offset is magnified, by the factor named in the title.

    Parameters
    ----------
    results
        The strain series.
    structures
        Structures by the label of their point; points without a relaxed one are left out.
    nodes
        UUIDs by path, shown in the hover texts.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    cation = _cation(results.compound)
    drawn: list[tuple[StrainPoint, _Drawing]] = []
    for point in points_by_strain(results):
        relaxed = structures[point.label].relaxed if point.label in structures else None
        if relaxed is not None:
            drawn.append((point, _drawing(relaxed, cation)))
    figure = Figure(layout=_scene_layout([drawing for _, drawing in drawn]))
    if not drawn:
        return figure

    longest = max(drawing.distortion.offset for _, drawing in drawn)
    magnification = scene.magnification(longest, _ARROW_REACH * drawn[0][1].distortion.lattice_constant)
    start = max(range(len(drawn)), key=lambda index: drawn[index][1].distortion.offset)
    traces_of: list[list[dict[str, Any]]] = [
        _traces(point, drawing, cation, magnification, nodes) for point, drawing in drawn
    ]
    for index, traces in enumerate(traces_of):
        for trace in traces:
            figure.add_trace(trace | {"visible": index == start})
    owners = [index for index, traces in enumerate(traces_of) for _ in traces]
    titles = [_title(drawing.distortion, cation, magnification) for _, drawing in drawn]
    figure.update_layout(
        title=scene.title(titles[start]),
        sliders=[
            {
                "active": start,
                "currentvalue": {"prefix": "linear strain ", "font": {"size": 13}, "xanchor": "center"},
                "pad": {"t": 8, "b": 4, "l": 24, "r": 24},
                "bgcolor": style.GRID,
                "bordercolor": style.AXIS,
                "tickcolor": style.AXIS,
                "font": {"size": 11, "color": style.MUTED},
                "steps": [
                    {
                        "label": style.strain_label(point.linear_strain),
                        "method": "update",
                        "args": [{"visible": [owner == index for owner in owners]}, {"title.text": titles[index]}],
                    }
                    for index, (point, _) in enumerate(drawn)
                ],
            }
        ],
    )
    return figure


def _scene_layout(drawings: list[_Drawing]) -> dict[str, Any]:
    """Return the layout; all strains share one scale, so that the cell is seen to grow."""
    corners = np.vstack([np.vstack([drawing.cations, drawing.anions]) for drawing in drawings] or [np.zeros((1, 3))])
    return scene.layout(corners.min(axis=0), corners.max(axis=0), top=64, bottom=0)


def _cation(compound: str) -> str:
    from ase.formula import Formula

    return next(iter(Formula(compound).count()))


def _title(distortion: Distortion, cation: str, magnification: int) -> str:
    parts = [
        f"a = {fixed(distortion.lattice_constant, 3, 'Å')}",
        f"α = {fixed(distortion.alpha_rh, 2, '°')}",
        f"{cation} offset {fixed(distortion.offset, 3, 'Å')}",
    ]
    if distortion.offset > _VISIBLE_OFFSET:
        parts[-1] += f" (arrow ×{magnification})"
    return " · ".join(parts)


def _drawing(structure: Structure, cation: str) -> _Drawing:
    atoms = Atoms(structure.symbols, positions=structure.positions, cell=structure.cell, pbc=True)
    distortion = measure_distortion(atoms, cation)
    n_formula = distortion.n_formula_sites
    if n_formula == 1:
        atoms = make_supercell(atoms, supercell_matrix("conventional"))
    cell = np.asarray(atoms.cell.array)
    repeats = round((n_formula / 4) ** (1 / 3))
    window = cell / repeats if repeats > 1 and 4 * repeats**3 == n_formula else cell

    symbols = np.array(atoms.symbols)
    positions = atoms.positions - atoms.positions[symbols != cation][0]
    images, owners = scene.periodic_images(positions, cell, window)
    cations = symbols[owners] == cation
    return _Drawing(
        cell=window,
        cations=images[cations],
        anions=images[~cations],
        anion=str(symbols[symbols != cation][0]),
        distortion=distortion,
    )


def _bonds(drawing: _Drawing) -> tuple[list[tuple[FloatArray, FloatArray]], FloatArray]:
    """Return the ends of each bond, and the lengths (Å)."""
    reach = BOND_REACH * drawing.distortion.lattice_constant / 2
    lengths = np.linalg.norm(drawing.cations[:, None, :] - drawing.anions[None, :, :], axis=2)
    pairs = np.argwhere(lengths < reach)
    ends = [(drawing.cations[first], drawing.anions[second]) for first, second in pairs]
    return ends, lengths[lengths < reach]


def _traces(
    point: StrainPoint, drawing: _Drawing, cation: str, magnification: int, nodes: Mapping[str, str]
) -> list[dict[str, Any]]:
    path = f"points.{point.label}.relaxed.structure"
    strain = f"ε = {style.strain_label(point.linear_strain)}"
    distortion = drawing.distortion
    half = distortion.lattice_constant / 2
    resolution = 150 if len(drawing.cations) + len(drawing.anions) <= _FEW_ATOMS else 60
    offset_rows = [("offset", fixed(distortion.offset, 4, "Å")), ("α", fixed(distortion.alpha_rh, 3, "°"))]
    traces = [
        edges(drawing.cell),
        mesh(
            spheres(drawing.cations, CATION_RADIUS * half, resolution),
            cation,
            CATION_COLOUR,
            style.hover(f"{cation}, {strain}", offset_rows, nodes, path),
        ),
        mesh(
            spheres(drawing.anions, ANION_RADIUS * half, resolution),
            drawing.anion,
            ANION_COLOUR,
            style.hover(f"{drawing.anion}, {strain}", [("a", fixed(distortion.lattice_constant, 4, "Å"))], nodes, path),
        ),
    ]
    ends, lengths = _bonds(drawing)
    threshold = (distortion.bond_short + distortion.bond_long) / 2
    equal = distortion.bond_long - distortion.bond_short < _EQUAL_BONDS
    kinds = (
        [("bonds", style.MUTED, lengths > 0, 1.0)]
        if equal
        else [
            ("short bonds", style.VERMILLION, lengths <= threshold, 1.6),
            ("long bonds", style.SKY, lengths > threshold, 0.8),
        ]
    )
    for name, colour, chosen, thickness in kinds:
        solid = rods([ends[index] for index in np.flatnonzero(chosen)], thickness * _BOND_RADIUS * half)
        rows = [("d", _range(lengths[chosen]))]
        label = f"{name} {fixed(float(lengths[chosen].mean()), 3, 'Å')}"
        traces.append(mesh(solid, label, colour, style.hover(f"{name}, {strain}", rows, nodes, path)))
    if distortion.offset > _VISIBLE_OFFSET:
        middle = drawing.cell.sum(axis=0) / 2
        tip = middle + magnification * distortion.offset_vector
        rows = [("length", fixed(distortion.offset, 4, "Å")), ("drawn", f"×{magnification}")]
        traces.append(
            mesh(
                arrow(middle, tip, 0.06 * half),
                f"offset ×{magnification}",
                style.GREEN,
                style.hover(f"{cation} offset, {strain}", rows, nodes, path),
            )
        )
    return traces


def _range(lengths: FloatArray) -> str:
    low, high = float(lengths.min()), float(lengths.max())
    if high - low < _EQUAL_BONDS:
        return fixed(float(lengths.mean()), 4, "Å")
    return f"{fixed(low, 4)} to {fixed(high, 4, 'Å')}"
