"""Relaxed vacancies in three dimensions, one at a time: the vacant sites, and where the atoms around them have gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase.geometry import find_mic

from qdsim.analysis.vacancy_results import DefectState
from qdsim.report.data import Structure
from qdsim.report.figures import scene, style
from qdsim.report.figures.scene import (
    ANION_COLOUR,
    ANION_RADIUS,
    BOND_REACH,
    CATION_COLOUR,
    CATION_RADIUS,
    edges,
    lines,
    mesh,
)
from qdsim.report.figures.solids import arrow, merge, spheres
from qdsim.report.formatting import fixed
from qdsim.report.vacancy_view import VacancyView, named

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

HOST = "host"
"""Label of the crystal without vacancies among the structures of a host."""

_SAME_SITE = 0.5  # Å, within which an atom of the host is at a vacant site
_MOST_ATOMS = 160  # drawn; of more, only those near the vacancy are
_NEAR = 1.3  # of the lattice constant, from a vacant site
_VISIBLE = 0.002  # Å, below which a displacement has no arrow
_SHARE_WITH_ARROW = 0.25  # of the largest displacement
_ARROW_REACH = 0.9  # of the half lattice constant
_VACANT_RADIUS = 0.34  # of the half lattice constant
_RESOLUTION = 60
_SMALLER = 0.75  # radii of the atoms, to let the middle be seen


@dataclass(frozen=True)
class _Vacancy:
    """A relaxed vacancy in the middle of its supercell, which is drawn with the atoms on its faces.

    `displacements` are from where the host has the atoms; None where the two structures do not match.
    """

    state: DefectState
    cell: FloatArray
    half: float
    positions: FloatArray
    is_cation: npt.NDArray[np.bool_]
    displacements: FloatArray | None
    vacant: FloatArray
    vacant_symbols: tuple[str, ...]
    neighbours: tuple[int, str, float] | None
    whole: bool


def vacancy_cells(
    view: VacancyView,
    structures: Mapping[str, Mapping[str, Structure]],
    nodes: Mapping[str, str] = MappingProxyType({}),
) -> "Figure":
    """Draw the relaxed single vacancies and pairs with a menu to choose one from.

    The vacancy is in the middle of its supercell; of large ones the surroundings are drawn. Atoms stand where they
    were computed; arrows show where the relaxation moved them from the host's sites, magnified by the factor in the
    title. Translucent spheres are the vacant sites.

    Parameters
    ----------
    view
        Results and what follows from them.
    structures
        Structures by host and label, as in `ReportData.vacancy_structures`.
    nodes
        UUIDs by path, shown in the hover texts.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    drawn = [_vacancy(view.results.cation, *found) for found in drawable(view, structures)]
    figure = Figure(layout=_layout(drawn))
    if not drawn:
        return figure
    traces_of = [_traces(view, one, nodes) for one in drawn]
    for index, traces in enumerate(traces_of):
        for trace in traces:
            figure.add_trace(trace | {"visible": index == 0})
    owners = [index for index, traces in enumerate(traces_of) for _ in traces]
    titles = [_title(one) for one in drawn]
    figure.update_layout(title_text=titles[0])
    if len(drawn) > 1:
        buttons = [
            {
                "label": style.text(_name(one.state)),
                "method": "update",
                "args": [{"visible": [owner == index for owner in owners]}, {"title.text": titles[index]}],
            }
            for index, one in enumerate(drawn)
        ]
        figure.update_layout(updatemenus=[scene.menu(buttons)])
    return figure


def drawable(
    view: VacancyView, structures: Mapping[str, Mapping[str, Structure]]
) -> list[tuple[DefectState, Structure, Structure]]:
    """Return single vacancies and pairs with their structure and that of their host, as far as there are both."""
    return [
        (state, structures[state.host][state.label], structures[state.host][HOST])
        for state in view.results.defects
        if state.concentration is None and {state.label, HOST} <= set(structures.get(state.host, {}))
    ]


def _vacancy(cation: str, state: DefectState, structure: Structure, host: Structure) -> _Vacancy:
    cell = np.asarray(structure.cell)
    half = float((np.abs(np.linalg.det(cell)) / len(host.symbols)) ** (1 / 3))
    symbols = np.array(structure.symbols)
    positions = np.asarray(structure.positions)
    vacant = np.asarray(state.vacant_sites, dtype=float).reshape(-1, 3) @ np.asarray(host.cell)
    removed = _sites(host, vacant)
    displacements: FloatArray | None = None
    neighbours = None
    kept = np.delete(np.arange(len(host.symbols)), removed)
    if len(removed) == len(vacant) and [host.symbols[i] for i in kept] == list(structure.symbols):
        before = np.asarray(host.positions)[kept]
        displacements = np.asarray(find_mic(positions - before, cell)[0])
        if len(vacant) == 1:
            away, distances = find_mic(before - vacant[0], cell)
            neighbours = _neighbours(symbols, host.symbols[removed[0]], half, away, distances, displacements)

    centre = vacant[0] + find_mic(vacant - vacant[0], cell)[0].mean(axis=0) if len(vacant) else positions[0]
    shift = cell.sum(axis=0) / 2 - centre
    images, owners = scene.periodic_images(positions + shift, cell)
    holes, hole_owners = scene.periodic_images(vacant + shift, cell)
    whole = len(images) <= _MOST_ATOMS
    if not whole:
        near = np.linalg.norm(images - cell.sum(axis=0) / 2, axis=1) < 2 * _NEAR * half
        images, owners = images[near], owners[near]
    return _Vacancy(
        state=state,
        cell=cell,
        half=half,
        positions=images,
        is_cation=symbols[owners] == cation,
        displacements=None if displacements is None else displacements[owners],
        vacant=holes,
        vacant_symbols=tuple(host.symbols[removed[i]] if len(removed) == len(vacant) else "" for i in hole_owners),
        neighbours=neighbours,
        whole=whole,
    )


def _sites(host: Structure, vacant: FloatArray) -> list[int]:
    """Find the atoms of the host that are at vacant sites."""
    found: list[int] = []
    for site in vacant:
        distances = find_mic(np.asarray(host.positions) - site, np.asarray(host.cell))[1]
        nearest = int(np.argmin(distances))
        if distances[nearest] < _SAME_SITE:
            found.append(nearest)
    return found


def _neighbours(
    symbols: npt.NDArray[np.str_],
    vacant: str,
    half: float,
    away: FloatArray,
    distances: FloatArray,
    displacements: FloatArray,
) -> tuple[int, str, float] | None:
    """Return number and element of the unlike nearest neighbours, and how far they move outwards on average (Å)."""
    chosen = (symbols != vacant) & (distances < BOND_REACH * half)
    if not chosen.any():
        return None
    outwards = (displacements[chosen] * away[chosen]).sum(axis=1) / distances[chosen]
    return int(chosen.sum()), str(symbols[chosen][0]), float(outwards.mean())


def _magnification(one: _Vacancy) -> int:
    return scene.magnification(_longest(one), _ARROW_REACH * one.half)


def _longest(one: _Vacancy) -> float:
    if one.displacements is None or not len(one.displacements):
        return 0.0
    return float(np.linalg.norm(one.displacements, axis=1).max())


def _name(state: DefectState) -> str:
    return f"{named(state.defect, state.charge)} in {state.host}"


def _title(one: _Vacancy) -> str:
    parts = [f"<b>{style.text(_name(one.state))}</b>"]
    if one.state.energy is None:
        return "<br>".join([*parts, "ions held where the host has them"])
    longest = one.state.largest_displacement if one.displacements is None else _longest(one)
    moved = f"largest displacement {fixed(longest, 3, 'Å')}"
    if _longest(one) > _VISIBLE:
        moved += f" (arrows ×{_magnification(one)})"
    if one.neighbours is not None:
        count, element, outwards = one.neighbours
        way = "outwards" if outwards >= 0 else "inwards"
        moved += f" · {count} {style.text(element)} neighbours {fixed(abs(outwards), 3, 'Å')} {way}"
    return "<br>".join([*parts, moved])


def _layout(drawn: list[_Vacancy]) -> dict[str, Any]:
    """Return the layout; all vacancies share one scale."""
    centred = [one.positions - one.cell.sum(axis=0) / 2 for one in drawn]
    reach = np.abs(np.vstack([*centred, np.zeros((1, 3))])).max(axis=0)
    return scene.layout(-reach, reach, top=88, bottom=48) | {"title": scene.title("")}


def _traces(view: VacancyView, one: _Vacancy, nodes: Mapping[str, str]) -> list[dict[str, Any]]:
    state = one.state
    path = view.path(state.host, state.defect, state.charge)
    middle = one.cell.sum(axis=0) / 2
    positions = one.positions - middle
    host = view.hosts[state.host]
    title = _name(state)
    traces = [_bonds(one, positions)]
    if one.whole:
        traces.append(edges(one.cell, -middle))
    for name, chosen, radius, colour in (
        (view.results.cation, one.is_cation, CATION_RADIUS, CATION_COLOUR),
        (view.results.anion, ~one.is_cation, ANION_RADIUS, ANION_COLOUR),
    ):
        rows = [("host", f"α = {fixed(host.alpha_rh, 2, '°')}, offset {fixed(host.pb_offset, 3, 'Å')}")]
        hover = style.hover(f"{name}, {title}", rows, nodes, path)
        solid = spheres(positions[chosen], _SMALLER * radius * one.half, _RESOLUTION)
        traces.append(mesh(solid, style.text(name), colour, hover))
    for element in dict.fromkeys(one.vacant_symbols):
        sites = one.vacant[[symbol == element for symbol in one.vacant_symbols]] - middle
        solid = spheres(sites, _VACANT_RADIUS * one.half, _RESOLUTION)
        hover = style.hover(f"vacant {element} site".replace("  ", " "), [("vacancy", title)], nodes, path)
        label = style.text(f"vacant {element} site".replace("  ", " "))
        traces.append(mesh(solid, label, style.VERMILLION, hover) | {"opacity": 0.4})
    longest = _longest(one)
    if one.displacements is not None and longest > _VISIBLE:
        factor = _magnification(one)
        lengths = np.linalg.norm(one.displacements, axis=1)
        moved = np.flatnonzero(lengths >= max(_SHARE_WITH_ARROW * longest, _VISIBLE))
        starts = positions[moved] - one.displacements[moved]
        solid = merge(
            arrow(start, start + factor * step, 0.04 * one.half)
            for start, step in zip(starts, one.displacements[moved], strict=True)
        )
        rows = [("largest", fixed(longest, 4, "Å")), ("drawn", f"×{factor}")]
        hover = style.hover(f"displacements, {title}", rows, nodes, path)
        traces.append(mesh(solid, f"displacements ×{factor}", style.GREEN, hover))
    return traces


def _bonds(one: _Vacancy, positions: FloatArray) -> dict[str, Any]:
    """Return thin lines between nearest neighbours."""
    cations, anions = positions[one.is_cation], positions[~one.is_cation]
    lengths = np.linalg.norm(cations[:, None, :] - anions[None, :, :], axis=2)
    near = np.argwhere(lengths < BOND_REACH * one.half)
    return lines([(cations[first], anions[second]) for first, second in near], "bonds", 3)
