"""Tables of lattice dynamics for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qdsim.analysis.known_displacements import beside_known
from qdsim.cli.notes import print_notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qdsim.analysis.known_displacements import KnownDisplacements
    from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
    from qdsim.analysis.quasi_harmonic import ThermalExpansion

MODES = ("a\nÅ", "strain\n%", "TO\nat Γ", "from\nenergies", "ω²\napart\n%", "lowest", "sum\nrule\n%")
EXPANDED = ("T, K", "a, Å", "strain, %", "linear, 10⁻⁶/K", "bulk modulus, GPa")
HELD = ("T, K", "pressure, GPa", "linear, 10⁻⁶/K", "bulk modulus, GPa")


def print_phonons(
    console: Console, results: PhononResults, analysis: PhononAnalysis, known: Sequence[KnownDisplacements] = ()
) -> None:
    """Print the soft mode of each crystal, thermal displacements beside known ones, and where the mode vanishes."""
    console.print(_modes(results, analysis))
    if any(state.nonanalytic for state in results.states):
        console.print(_charges(results))
    if any(state.thermal for state in results.states):
        console.print(_thermal(results))
        for sentence in beside_known(analysis, known, (results.cation, results.anion)):
            console.print(Text(sentence))
        console.print()
    for table in () if analysis.expansion is None else _expansion(analysis.expansion):
        console.print(table)
    softening = analysis.softening
    if softening is not None:
        onset = "" if softening.onset is None else f"; the curvature of the energy at {100 * softening.onset:+.2f} %"
        console.print(f"The mode vanishes at a linear strain of {100 * softening.linear_strain:+.2f} %{onset}")
    for row in analysis.rows:
        if row.well is not None and row.well.double:
            kind = "static" if row.well.static else "dynamic"
            console.print(
                f"{row.label}: a double well of {1000 * row.well.barrier:.1f} meV with minima at "
                f"{row.well.minimum:.3f} Å; at {row.well.temperature:g} K the offset is {kind}, "
                f"<|u|> = {row.well.mean_absolute:.3f} Å; if each formula unit moved by itself, B of that would be "
                + " and ".join(f"{b:.2f} Å² of {element}" for element, b in row.well.b_iso.items())
                + ", averaged over the eight <111>"
            )
    print_notes(console, analysis)


def _longest(results: PhononResults) -> int:
    return max((len(state.label) for state in results.states), default=0)


def _modes(results: PhononResults, analysis: PhononAnalysis) -> Table:
    table = Table(title="Phonons, cm⁻¹; imaginary below 0", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("crystal", overflow="fold", min_width=_longest(results))
    for heading in MODES:
        table.add_column(heading, justify="right")
    for state, row in zip(results.states, analysis.rows, strict=True):
        table.add_row(
            state.label,
            f"{row.lattice_constant:.4f}",
            "" if row.linear_strain is None else f"{100 * row.linear_strain:+.2f}",
            f"{row.transverse_optical:.1f}",
            "" if row.from_energies is None else f"{row.from_energies:.1f}",
            "" if row.deviation is None else f"{100 * row.deviation:+.1f}",
            f"{round(state.lowest, 1) + 0.0:.1f} at {state.lowest_where}",
            f"{100 * state.gamma.sum_rule:.2f}",
        )
    return table


def _charges(results: PhononResults) -> Table:
    table = Table(
        title="Born charges, and dielectric constant of the electrons",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("crystal")
    for heading in (f"{results.cation}, e", f"{results.anion}, e", "sum, e", "ε∞", "LO at Γ"):
        table.add_column(heading, justify="right")
    table.add_column("source")
    for state in results.states:
        known = state.nonanalytic
        if known is not None:
            table.add_row(
                state.label,
                *(f"{known.born_charges[element]:+.3f}" for element in (results.cation, results.anion)),
                "" if known.charge_sum is None else f"{known.charge_sum:+.4f}",
                f"{known.eps_inf:.2f}",
                "" if state.gamma.longitudinal_optical is None else f"{state.gamma.longitudinal_optical:.1f}",
                Text(known.source),
            )
    return table


def _expansion(expansion: ThermalExpansion) -> Iterator[Table]:
    crystals = ", ".join(expansion.crystals)
    if expansion.states:
        table = _numbers(f"Thermal expansion, from {crystals}", EXPANDED)
        for state in expansion.states:
            table.add_row(
                f"{state.temperature:g}",
                f"{state.lattice_constant:.4f}",
                f"{100 * state.linear_strain:+.2f}",
                f"{1e6 * state.expansion:.1f}",
                f"{state.bulk_modulus:.1f}",
            )
        yield table
    if expansion.held:
        table = _numbers("The same, held where the energy alone is least", HELD)
        for one in expansion.held:
            table.add_row(
                f"{one.temperature:g}", f"{one.pressure:+.2f}", f"{1e6 * one.expansion:.1f}", f"{one.bulk_modulus:.1f}"
            )
        yield table


def _numbers(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _thermal(results: PhononResults) -> Table:
    table = Table(title="Displacement parameters B, Å²", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("crystal")
    for heading in ("T, K", results.cation, results.anion):
        table.add_column(heading, justify="right")
    for state in results.states:
        for thermal in state.thermal:
            parameters = (f"{thermal.b_iso[element]:.2f}" for element in (results.cation, results.anion))
            table.add_row(state.label, f"{thermal.temperature:g}", *parameters)
    return table
