"""Lattice dynamics: the soft mode, dispersion, and displacement parameters."""

from collections.abc import Iterator

from pydantic import JsonValue

from qdsim.analysis.known_displacements import beside_known
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.analysis.quasi_harmonic import ThermalExpansion
from qdsim.report.content import FigureBlock, Table, number, words
from qdsim.report.data import ReportData
from qdsim.report.figures.computed_patterns import displacement_patterns
from qdsim.report.figures.phonons import dispersion, displacement_parameters, path_of, soft_mode
from qdsim.report.formatting import fixed
from qdsim.report.sections import Context, section

WHOLE, ANALYSIS = "phonons", "phonon_analysis"


@section("Phonons", order=55)
def phonons(data: ReportData) -> Context | None:
    """Return figures and tables; None where there are no phonons."""
    results, analysis = data.phonons, data.phonon_analysis
    if results is None or analysis is None or not results.states:
        return None
    return {
        "figures": list(_figures(data, results, analysis)),
        "tables": list(_tables(data, results, analysis)),
        "sentences": list(_sentences(data, results, analysis)),
    }


def _sentences(data: ReportData, results: PhononResults, analysis: PhononAnalysis) -> Iterator[str]:
    softening = analysis.softening
    if softening is not None:
        text = f"By the forces the mode softens to zero at {fixed(100 * softening.linear_strain, 2, '%', signed=True)}"
        if softening.onset is not None:
            apart = fixed(100 * (softening.linear_strain - softening.onset), 2, "%", signed=True)
            text += f", by the energies at {fixed(100 * softening.onset, 2, '%', signed=True)}: a difference of {apart}"
        yield f"{text}."
    energies, forces = (_mesh(data.settings.get(name)) for name in ("settings", "phonon_settings"))
    both = any(row.from_energies is not None for row in analysis.rows)
    if both and energies is not None and forces is not None and energies != forces:
        yield (
            f"The energies are of {energies} × {energies} × {energies} k-points on the primitive cell, the forces of a "
            f"mesh as dense as {forces} × {forces} × {forces}: part of their difference is that of the meshes."
        )
    for row in analysis.rows:
        if row.well is not None and row.well.double:
            kind = "static" if row.well.static else "dynamic"
            yield (
                f"{row.label}: a harmonic B does not exist. In the double well, "
                f"{fixed(1000 * row.well.barrier, 1, 'meV')} deep with minima at {fixed(row.well.minimum, 3, 'Å')}, a "
                f"formula unit by itself has a mean offset of {fixed(row.well.mean_absolute, 3, 'Å')} at "
                f"{row.well.temperature:g} K; it is {kind}. If each moved by itself, B of that would be "
                + " and ".join(f"{fixed(b, 2, 'Å²')} of {element}" for element, b in row.well.b_iso.items())
                + ", averaged over the eight ⟨111⟩."
            )
    yield from beside_known(analysis, data.known_displacements, (results.cation, results.anion))
    for one in data.displacement_patterns:
        compared = one.compared
        pairs = ", ".join(
            f"{fixed(compared.fitted[element], 2)} and {fixed(compared.computed[element], 2, 'Å²')} of {element}"
            for element in (results.cation, results.anion)
        )
        change = max(abs(x / y - 1) for x, y in zip(one.phonons.y, one.fitted.y, strict=True))
        yield (
            f"{compared.sample}: B fitted, and of the phonons of {compared.crystal} at {compared.temperature:g} K, are "
            f"{pairs}; the patterns differ by {fixed(100 * change, 1, '%')} at most."
        )
    yield from analysis.messages
    yield from (f"{row.label}: {row.message}" for row in analysis.rows if row.message)


def _mesh(settings: JsonValue) -> int | None:
    """Return the k-points that the primitive cell would have along each axis; None where they are unequal."""
    match settings:
        case {"k_points": [int(n), int(second), int(third)], "cell": cell} if n == second == third:
            match cell:
                case "primitive":
                    return n
                case [[int(repeats), 0, 0], *_]:
                    return n * repeats
    return None


def _figures(data: ReportData, results: PhononResults, analysis: PhononAnalysis) -> Iterator[FigureBlock]:
    if any(row.centred and row.linear_strain is not None for row in analysis.rows):
        caption = (
            "Transverse optical mode at Γ of the centred crystal, cations against anions: from forces of displaced "
            "atoms, and from the curvature of the energy along the offset. Crosses are where it vanishes."
        )
        yield FigureBlock("soft_mode", soft_mode(analysis, data.nodes), caption)
    if any(state.thermal for state in results.states):
        caption = "Displacement parameters B of the harmonic crystals against the temperature."
        if data.known_displacements:
            caption += f" Marks: {', '.join(one.label for one in data.known_displacements)}."
        figure = displacement_parameters(results, data.known_displacements)
        yield FigureBlock("displacement_parameters", figure, caption)
    if data.displacement_patterns:
        caption = (
            "Scattering of particles cut from the computed lattice, with the B that the fit states and with that of "
            "the harmonic crystal nearest in strain, and the difference."
        )
        yield FigureBlock("displacement_patterns", displacement_patterns(data.displacement_patterns), caption, "wide")
    for index, state in enumerate(results.states):
        edge = fixed((4 * state.volume) ** (1 / 3), 3, "Å")
        caption = f"{state.label}: dispersion and density of states at a lattice constant of {edge}."
        yield FigureBlock(f"dispersion_{index}", dispersion(state), caption, "wide")


def _tables(data: ReportData, results: PhononResults, analysis: PhononAnalysis) -> Iterator[Table]:
    yield _modes(data, results, analysis)
    if any(state.nonanalytic for state in results.states):
        yield _charges(data, results)
    yield _thermal(data, results)
    if analysis.expansion is not None:
        yield _expansion(data, analysis.expansion)
        yield _held(data, analysis.expansion)


def _modes(data: ReportData, results: PhononResults, analysis: PhononAnalysis) -> Table:
    heads = (
        ("crystal", ""),
        ("a", "Å"),
        ("strain", "%"),
        ("TO at Γ", "cm⁻¹"),
        ("LO at Γ", "cm⁻¹"),
        ("from energies", "cm⁻¹"),
        ("ω² apart", "%"),
        ("antiphase", ""),
        ("lowest", "cm⁻¹"),
        ("where", ""),
        ("sum rule missed by", "%"),
    )
    rows = [
        [
            words(data, path_of(state.label), state.label),
            number(data, path_of(state.label), row.lattice_constant, 4, "Å"),
            number(data, ANALYSIS, _hundred(row.linear_strain), 2, "%", signed=True),
            number(data, WHOLE, row.transverse_optical, 1, "cm⁻¹"),
            number(data, WHOLE, state.gamma.longitudinal_optical, 1, "cm⁻¹"),
            number(data, ANALYSIS, row.from_energies, 1, "cm⁻¹"),
            number(data, ANALYSIS, _hundred(row.deviation), 1, "%", signed=True),
            number(data, WHOLE, state.gamma.antiphase, 3, ""),
            number(data, WHOLE, state.lowest, 1, "cm⁻¹"),
            words(data, WHOLE, state.lowest_where),
            number(data, WHOLE, 100 * state.gamma.sum_rule, 2, "%"),
        ]
        for state, row in zip(results.states, analysis.rows, strict=True)
    ]
    return Table("Modes; imaginary frequencies are negative.", heads, rows)


def _charges(data: ReportData, results: PhononResults) -> Table:
    heads = (
        ("crystal", ""),
        (f"Z* of {results.cation}", "e"),
        (f"Z* of {results.anion}", "e"),
        ("sum as computed", "e"),
        ("ε∞", ""),
        ("source", ""),
    )
    rows = [
        [
            words(data, path_of(state.label), state.label),
            number(data, WHOLE, known.born_charges[results.cation], 3, "e", signed=True),
            number(data, WHOLE, known.born_charges[results.anion], 3, "e", signed=True),
            number(data, WHOLE, known.charge_sum, 4, "e", signed=True),
            number(data, WHOLE, known.eps_inf, 2, ""),
            words(data, WHOLE, known.source),
        ]
        for state in results.states
        if (known := state.nonanalytic) is not None
    ]
    caption = (
        "Born charges and dielectric constant of the electrons, which split the longitudinal from the transverse "
        "modes. Those that are computed converge with the size of the cell that the field is in: its length along the "
        "field, whose inverse square is the error of the Berry phase, and its k-points, which are one."
    )
    return Table(caption, heads, rows)


def _expansion(data: ReportData, expansion: ThermalExpansion) -> Table:
    heads = (("T", "K"), ("a", "Å"), ("strain", "%"), ("linear expansion", "10⁻⁶/K"), ("bulk modulus", "GPa"))
    rows = [
        [
            number(data, ANALYSIS, state.temperature, 0, "K"),
            number(data, ANALYSIS, state.lattice_constant, 4, "Å"),
            number(data, ANALYSIS, _hundred(state.linear_strain), 2, "%", signed=True),
            number(data, ANALYSIS, 1e6 * state.expansion, 1, "10⁻⁶/K"),
            number(data, ANALYSIS, state.bulk_modulus, 1, "GPa"),
        ]
        for state in expansion.states
    ]
    crystals = ", ".join(expansion.crystals)
    caption = f"Thermal expansion in the quasi-harmonic approximation, from the vibrations of {crystals}."
    return Table(caption, heads, rows)


def _held(data: ReportData, expansion: ThermalExpansion) -> Table:
    heads = (("T", "K"), ("pressure", "GPa"), ("linear expansion", "10⁻⁶/K"), ("bulk modulus", "GPa"))
    rows = [
        [
            number(data, ANALYSIS, state.temperature, 0, "K"),
            number(data, ANALYSIS, state.pressure, 2, "GPa", signed=True),
            number(data, ANALYSIS, 1e6 * state.expansion, 1, "10⁻⁶/K"),
            number(data, ANALYSIS, state.bulk_modulus, 1, "GPa"),
        ]
        for state in expansion.held
    ]
    return Table("The same, held by pressure at the volume where the energy alone is least.", heads, rows)


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _thermal(data: ReportData, results: PhononResults) -> Table:
    heads = (
        ("crystal", ""),
        ("T", "K"),
        (f"B of {results.cation}", "Å²"),
        (f"B of {results.anion}", "Å²"),
        (f"U of {results.cation}", "Å²"),
        (f"U of {results.anion}", "Å²"),
        ("free energy", "meV"),
        ("entropy", "meV/K"),
        ("heat capacity", "meV/K"),
    )
    rows = [
        [
            words(data, path_of(state.label), state.label),
            number(data, WHOLE, thermal.temperature, 0, "K"),
            number(data, WHOLE, thermal.b_iso[results.cation], 2, "Å²"),
            number(data, WHOLE, thermal.b_iso[results.anion], 2, "Å²"),
            number(data, WHOLE, thermal.u_iso[results.cation], 4, "Å²"),
            number(data, WHOLE, thermal.u_iso[results.anion], 4, "Å²"),
            number(data, WHOLE, 1000 * thermal.free_energy, 1, "meV"),
            number(data, WHOLE, thermal.entropy, 3, "meV/K"),
            number(data, WHOLE, thermal.heat_capacity, 3, "meV/K"),
        ]
        for state in results.states
        for thermal in state.thermal
    ]
    return Table(
        "Harmonic crystals, a formula unit, with B = 8π²U; those with an unstable mode have none of this.", heads, rows
    )
