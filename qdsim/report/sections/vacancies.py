"""Vacancies: chemical potentials, formation energies, what a distortion does to them, and how they look."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from qdsim.analysis.chemical_potentials import HeatOfFormationComparison, Reservoir, StabilityWindow
from qdsim.analysis.defect_thermodynamics import DefectConcentration, DefectEquilibrium, FormationEnergyDiagram
from qdsim.analysis.distortion_decomposition import Decomposition
from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.analysis.vacancy_results import VacancyResults
from qdsim.report.content import Cell, FigureBlock, Table, number, words
from qdsim.report.data import ReportData, node_behind
from qdsim.report.figures.vacancies import distortion_parts, fermi_level_diagram, formation_energies
from qdsim.report.figures.vacancy_cells import drawable, vacancy_cells
from qdsim.report.formatting import fixed
from qdsim.report.sections import Context, section
from qdsim.report.vacancy_view import ANALYSIS, WHOLE, VacancyView, mesh, named, signed, size_of

_EV = "eV"
_DENSITY = "cm⁻³"
_FEW_PANELS, _HALF_A_ROW = 4, 2


@section("Vacancies", order=60)
def vacancies(data: ReportData) -> Context | None:
    """Return potentials, figures and what they rest on; None where there are no vacancies."""
    results, analysis = data.vacancies, data.vacancy_analysis
    if results is None:
        return None
    if analysis is None:
        return {
            "figures": [],
            "beside": [],
            "below": [],
            "tables": [],
            "messages": [_NOT_YET],
            "trust": [*_trust(data)],
        }
    view = VacancyView(results, analysis)
    diagrams, problems = view.diagrams()
    parts = list(_parts(data, view))
    beside_cells = [part for part in parts if part.shape == "plain"]
    first, *others = _potentials(data, results, analysis)
    return {
        "figures": [*_energies(data, view), *_diagrams(data, view, diagrams), *_cells(data, view), *beside_cells],
        "beside": [] if beside_cells else [first],
        "below": [part for part in parts if part.shape == "wide"],
        "tables": [
            *([first] if beside_cells else []),
            *others,
            *_levels(data, view, diagrams),
            *_equilibria(data, view),
            *_effects(data, view),
        ],
        "messages": [*analysis.messages, *problems, *_missing(view)],
        "trust": [*_trust(data)],
    }


_NOT_YET = "The vacancies are computed, but nothing has been concluded from them yet."


def _potentials(data: ReportData, results: VacancyResults, analysis: VacancyAnalysis) -> Iterator[Table]:
    window = analysis.window
    rows = []
    if window is not None:
        rows.append(
            [
                words(data, WHOLE, f"heat of formation of {window.compound}, computed"),
                number(data, WHOLE, window.heat_of_formation, 3, "eV / f.u."),
            ]
        )
    measured = analysis.heat_of_formation
    if measured is not None:
        source = measured.source
        rows += [
            [
                Cell("measured", source),
                Cell(fixed(measured.experimental, 3), f"{measured.experimental!r} eV\n{source}"),
            ],
            [
                Cell("computed − measured"),
                number(data, WHOLE, measured.difference, 3, "eV / f.u.", signed=True),
            ],
        ]
    for state in results.elements:
        rows.append(
            [
                words(data, f"{WHOLE}.element_{state.element}", f"{state.element}, {state.phase}, per atom"),
                number(data, f"{WHOLE}.element_{state.element}", state.energy, 3, _EV)
                if state.energy is not None
                else Cell(f"failed: {state.failure or 'it has no energy.'}"),
            ]
        )
    caption = "Elements and compound" if measured is None else _heat_sentence(measured)
    yield Table(caption, [("quantity", ""), ("energy", _EV)], rows)
    if window is not None:
        yield Table(
            f"Reservoirs. {window.compound} is stable while Δμ({window.cation}) is between "
            f"{fixed(window.heat_of_formation, 3)} and 0 eV: below, {window.anion} ({window.phases[window.anion]}) "
            f"forms, above, {window.cation} ({window.phases[window.cation]}).",
            [
                ("reservoir", ""),
                (f"Δμ({window.cation})", _EV),
                (f"Δμ({window.anion})", _EV),
                (f"μ({window.cation})", _EV),
                (f"μ({window.anion})", _EV),
                ("", ""),
            ],
            [_reservoir(data, window, one) for one in analysis.reservoirs],
        )


def _reservoir(data: ReportData, window: StabilityWindow, one: Reservoir) -> list[Cell]:
    elements = (window.cation, window.anion)
    return [
        words(data, WHOLE, one.name),
        *(number(data, WHOLE, one.delta_mu[element], 3, _EV, signed=True) for element in elements),
        *(number(data, WHOLE, one.mu[element], 3, _EV) for element in elements),
        Cell("stable" if one.within_window else f"⚠ {one.message or 'outside the window'}"),
    ]


def _heat_sentence(measured: HeatOfFormationComparison) -> str:
    if measured.difference == 0:
        return "The computed heat of formation is the measured one."
    way = "smaller" if measured.difference > 0 else "larger"
    source = f" ({measured.source})" if measured.source else ""
    return (
        f"The computed heat of formation is {fixed(abs(measured.difference), 3, 'eV')} or "
        f"{size_of(measured.difference, measured.experimental)} {way} in size than the measured one{source}. "
        "The window of chemical potentials is off by as much: so much do formation energies move at one of its ends "
        "or the other."
    )


def _energies(data: ReportData, view: VacancyView) -> Iterator[FigureBlock]:
    neutral = [row for row in view.single if row.charge == 0 and view.shown(row)[0] is not None]
    if not neutral:
        return
    cation, anion = view.results.cation, view.results.anion
    left_out = [one.name for one in view.analysis.reservoirs if one.out_of_equilibrium != 0]
    caption = (
        f"Neutral vacancies between the {anion}-rich and the {cation}-rich end: a line for each vacancy and host, "
        f"markers at the reservoirs. Where it is shaded, {view.results.compound} is not stable."
    )
    if any(not view.shown(row)[1] for row in neutral):
        caption += " Thin lines and open markers: ions held where the host has them."
    if left_out:
        caption += f" Out of equilibrium, so without a place on the axis: {', '.join(left_out)}."
    yield FigureBlock("vacancy_formation", formation_energies(view, data.nodes), caption, "wide")


def _diagrams(data: ReportData, view: VacancyView, diagrams: list[FormationEnergyDiagram]) -> Iterator[FigureBlock]:
    for index, (host, group) in enumerate(groupby(diagrams, key=lambda one: one.host)):
        found = list(group)
        caption = (
            f"Vacancies in {host} against the Fermi level: thick, the charge state that costs least; dotted, each "
            "charge state; circles, the levels between two of them."
        )
        missing = [
            named(one.defect, charge) for one in found for charge in one.missing_charges if charge not in one.at_vbm
        ]
        if missing:
            caption += f" Without an energy, so not drawn: {', '.join(dict.fromkeys(missing))}."
        yield FigureBlock(f"fermi_level_{index}", fermi_level_diagram(view, found, data.nodes), caption, "wide")


def _cells(data: ReportData, view: VacancyView) -> Iterator[FigureBlock]:
    if not drawable(view, data.vacancy_structures):
        return
    caption = (
        "Vacancies. Drag to turn, scroll to zoom, choose another in the menu. Atoms stand where they were "
        "computed; translucent spheres are the vacant sites; arrows show how far the atoms have moved from the host's "
        "sites, magnified, where that is a quarter of the largest displacement or more."
    )
    yield FigureBlock("vacancy_cells", vacancy_cells(view, data.vacancy_structures, data.nodes), caption, "tall")


def _parts(data: ReportData, view: VacancyView) -> Iterator[FigureBlock]:
    found = [one for one in view.analysis.decompositions if _has_parts(one)]
    if not found:
        return
    caption = (
        "What the distortion adds to the formation energy, the same in every reservoir: first the volume, then the "
        "angle at that volume, then the off-centring, all with the ions held; then what relaxing gains more or less "
        "than in the undistorted crystal. Another order would share the total out in another way. Each bar starts "
        "where the one before ends"
        + ("; hatched ones, of which one before is missing, at zero." if any(map(_is_broken, found)) else ".")
    )
    if len(found) <= _FEW_PANELS:
        yield FigureBlock("distortion_parts", distortion_parts(found, data.nodes, _HALF_A_ROW), caption)
    else:
        yield FigureBlock("distortion_parts", distortion_parts(found, data.nodes), caption, "wide")


def _is_broken(one: Decomposition) -> bool:
    """Whether a part has a number and the one before it has none."""
    return (one.volume is None and one.angle is not None) or (
        (one.volume is None or one.angle is None) and one.off_centring is not None
    )


def _has_parts(one: Decomposition) -> bool:
    return any(part is not None for part in (one.volume, one.angle, one.off_centring, one.relaxation, one.total))


def _levels(data: ReportData, view: VacancyView, diagrams: list[FormationEnergyDiagram]) -> Iterator[Table]:
    rows: dict[tuple[str, str, tuple[int, int]], list[Cell]] = {}
    for one in diagrams:
        for level in one.transitions:
            path = view.path(one.host, one.defect, level.charges[1])
            rows.setdefault(
                (one.host, one.defect, level.charges),
                [
                    words(data, path, one.host),
                    words(data, path, one.defect),
                    words(data, path, "/".join(map(signed, level.charges))),
                    number(data, path, level.fermi_level, 3, _EV, signed=True),
                    number(data, f"{WHOLE}.{one.host}.host", one.gap, 3, _EV),
                    Cell("in the gap" if level.in_gap else "not in the gap"),
                ],
            )
    if rows:
        heads = (("host", ""), ("vacancy", ""), ("levels", ""), ("above VBM", _EV), ("gap", _EV), ("", ""))
        yield Table("Levels between charge states, the same in every reservoir.", heads, list(rows.values()))


def _equilibria(data: ReportData, view: VacancyView) -> Iterator[Table]:
    found = view.analysis.equilibria
    if found:
        rows = [_equilibrium(data, view, one, defect) for one in found for defect in one.defects]
        carriers = (("holes", _DENSITY), ("electrons", _DENSITY), ("concentration", _DENSITY), ("g", ""))
        heads = (("host", ""), ("reservoir", ""), ("Fermi level", _EV), *carriers, ("vacancy", ""))
        caption = (
            f"Neutral crystals in equilibrium at {found[0].temperature:g} K, with parabolic bands and vacancies that "
            "are independent of each other; the Fermi level is above the valence band maximum. Charge states with an "
            "odd number of electrons have two spin states (g = 2)."
        )
        yield Table(caption, heads, rows)


def _equilibrium(
    data: ReportData, view: VacancyView, one: DefectEquilibrium, defect: DefectConcentration
) -> list[Cell]:
    node = node_behind(data.nodes, ANALYSIS)
    densities = (one.holes, one.electrons, defect.concentration)
    return [
        words(data, f"{WHOLE}.{one.host}.host", one.host),
        Cell(one.reservoir),
        number(data, ANALYSIS, one.fermi_level, 3, _EV, signed=True),
        *(Cell(f"{density:.1e}", f"{density!r} {_DENSITY}", node) for density in densities),
        Cell(str(defect.degeneracy)),
        words(data, view.path(one.host, defect.defect, defect.charge), named(defect.defect, defect.charge)),
    ]


def _effects(data: ReportData, view: VacancyView) -> Iterator[Table]:
    if not view.analysis.decompositions:
        return
    heads = (
        ("host", ""),
        ("vacancy", ""),
        ("volume", _EV),
        ("angle", _EV),
        ("off-centring", _EV),
        ("relaxation", _EV),
        ("total", _EV),
        ("same volume, held", _EV),
        ("same volume, relaxed", _EV),
        ("host’s own gain", f"{_EV} / supercell"),
    )
    caption = (
        "What the distortion adds to the formation energy, along one path: first the volume at 60°, then the angle at "
        "that volume, then the off-centring, all with the ions held; relaxation is what relaxing then gains more or "
        "less than in the undistorted crystal. Another order would share the total out in another way. Same volume: "
        "the distorted minus the cubic crystal of its own volume. That crystal may gain by distorting even without a "
        "vacancy (host’s own gain), and vacancies relaxed in it may hold up to as much."
    )
    yield Table(caption, heads, [_effect(data, view, one) for one in view.analysis.decompositions])


def _effect(data: ReportData, view: VacancyView, one: Decomposition) -> list[Cell]:
    path = view.path(one.rhombohedral, one.defect, one.charge)
    hosts = " → ".join(host or "missing" for host in (one.undistorted, one.strained, one.angle_only, one.rhombohedral))
    values = (
        one.volume,
        one.angle,
        one.off_centring,
        one.relaxation,
        one.total,
        one.equal_volume_unrelaxed,
        one.equal_volume_relaxed,
        one.strained_gain,
    )
    return [
        Cell(one.rhombohedral, hosts, node_behind(data.nodes, f"{WHOLE}.{one.rhombohedral}.host")),
        words(data, path, named(one.defect, one.charge)),
        *(number(data, WHOLE, value, 3, _EV, signed=True) for value in values),
    ]


def _missing(view: VacancyView) -> Iterator[str]:
    """Yield what the parts that are missing need, named once for all vacancies that lack the same."""
    needs: dict[str, list[str]] = {}
    for one in view.analysis.decompositions:
        for sentence in one.missing:
            needs.setdefault(sentence, []).append(f"{named(one.defect, one.charge)} in {one.rhombohedral}")
    for sentence, lacking in needs.items():
        yield f"Parts of the distortion for {', '.join(dict.fromkeys(lacking))} are missing: {sentence}"


def _trust(data: ReportData) -> Iterator[str]:
    """Yield what the energies rest on."""
    results = data.vacancies
    if results is None:
        return
    yield (
        "PBE without spin–orbit coupling gives trends for lead chalcogenides, not absolute levels: spin–orbit coupling "
        "and self-energy are of the size of the gap, and so is what they do to levels in it and to vacancies that "
        "leave electrons or holes in a band."
    )
    sizes = sorted({host.formula_units for host in results.hosts})
    nearest = min((host.image_distance for host in results.hosts), default=None)
    yield (
        f"Supercells of {' or '.join(map(str, sizes))} formula units {mesh(results.k_points)}, set-up "
        f"“{results.protocol}”; a vacancy is {fixed(nearest, 1, 'Å')} or more from its nearest image. Nothing is "
        "extrapolated to infinite cells."
    )
    yield _start_sentence(_rattle(data), held=all(host.ions_held for host in results.hosts))


def _start_sentence(rattled: Mapping[str, object] | None, *, held: bool) -> str:
    if held:
        return "No ions were relaxed: every energy is of ions held where the host has them."
    if rattled is None:
        return (
            "Relaxations started from the host’s sites and kept the symmetry that a vacancy has there: a lower energy "
            "off that symmetry was not looked for."
        )
    return (
        f"Relaxations started off symmetry, atoms displaced by {rattled.get('amplitude')} Å and neighbours of the "
        f"vacancy at {rattled.get('bond_factor')} of their distance (seed {rattled.get('seed')}): one start for each "
        "vacancy, so another minimum may lie lower."
    )


def _rattle(data: ReportData) -> Mapping[str, object] | None:
    found: object = data.settings.get("campaign")
    for name in ("vacancy", "rattle"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None
