"""What the terminal shows of vacancies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from qdsim.analysis.chemical_potentials import StabilityWindow
    from qdsim.analysis.concentrated_vacancies import Ordering, VacancySeries
    from qdsim.analysis.defect_thermodynamics import DefectEquilibrium
    from qdsim.analysis.distortion_decomposition import Decomposition
    from qdsim.analysis.formation_energy import FormationEnergy
    from qdsim.analysis.vacancy_analysis import VacancyAnalysis


def print_vacancies(console: Console, analysis: VacancyAnalysis) -> None:
    """Print potentials, formation energies, what the distortion does to them, and how many vacancies there are."""
    if analysis.window is not None:
        console.print(_window(analysis.window, analysis))
    if any(row.concentration is None for row in analysis.formation_energies):
        console.print(formation_energy_table(analysis))
    if analysis.decompositions:
        console.print(decomposition_table(analysis.decompositions))
    if analysis.equilibria:
        console.print(equilibrium_table(analysis.equilibria))
    if any(series.points for series in analysis.series):
        console.print(series_table(analysis.series))
    for series in analysis.series:
        told = {
            "in equilibrium": series.equilibrium_message,
            "favourable with mixing": series.free_energy_limit.message,
            "favourable by formation energy": series.energy_limit.message,
        }
        for how, message in told.items():
            console.print(f"{series.host}, {series.reservoir}, {how}: {message}")
    for sentence in _notes(analysis):
        console.print(Text.assemble(("note ", "yellow"), sentence))


def formation_energy_table(analysis: VacancyAnalysis) -> Table:
    """Show one row a single vacancy or pair, charge and host; the reservoirs stand side by side."""
    table = Table(title="Formation energies, eV", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("host")
    table.add_column("vacancy")
    table.add_column("q", justify="right")
    kinds = [
        kind
        for kind in ("unrelaxed", "relaxed")
        if any(getattr(row, kind) is not None for row in analysis.formation_energies)
    ]
    for reservoir in analysis.reservoirs:
        for kind in kinds:
            table.add_column(f"{reservoir.name}\n{kind}", justify="right")
    rows: dict[tuple[str, str, int], dict[str, FormationEnergy]] = {}
    for row in analysis.formation_energies:
        if row.concentration is not None:
            continue
        rows.setdefault((row.host, row.defect, row.charge), {})[row.reservoir] = row
    for (host, defect, charge), found in rows.items():
        cells: list[str | Text] = []
        for reservoir in analysis.reservoirs:
            energy = found[reservoir.name]
            for kind in kinds:
                terms = getattr(energy, kind)
                failed = Text("failed" if energy.failure else "", style="red")
                cells.append(f"{terms.total:.3f}" if terms is not None else failed)
        table.add_row(host, defect, _charge(charge), *cells)
    return table


def series_table(series: tuple[VacancySeries, ...]) -> Table:
    """Show one row an ordering, its energy per vacancy; the reservoirs stand side by side."""
    reservoirs = list(dict.fromkeys(one.reservoir for one in series))
    table = Table(title="Formation energy per vacancy, eV", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("host", "ordering"):
        table.add_column(heading)
    for heading in ("vacant, %", "choices", *reservoirs, "gap, eV"):
        table.add_column(heading, justify="right")
    rows: dict[tuple[str, str], dict[str, Ordering]] = {}
    shares: dict[tuple[str, str], float] = {}
    for one in series:
        for point in one.points:
            for ordering in point.orderings:
                key = (one.host, ordering.label)
                rows.setdefault(key, {})[one.reservoir] = ordering
                shares[key] = point.concentration
    for (host, label), found in rows.items():
        first = next(iter(found.values()))
        energies = [f"{found[name].energy:.3f}" if name in found else "" for name in reservoirs]
        gap = "" if first.gap is None else f"{first.gap:.2f}"
        table.add_row(host, label, f"{100 * shares[host, label]:.2f}", str(first.multiplicity), *energies, gap)
    return table


def _charge(charge: int) -> str:
    return f"{charge:+d}" if charge else "0"


def decomposition_table(decompositions: tuple[Decomposition, ...]) -> Table:
    """Show what each part of the distortion contributes."""
    title = "Formation energy in the distorted minus the undistorted lattice, eV"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("host", "vacancy", "q"):
        table.add_column(heading)
    for heading in ("volume", "angle", "off-\ncentring", "relax-\nation", "total", "at equal\nvolume", "host's\ngain"):
        table.add_column(heading, justify="right")
    for one in decompositions:
        parts = (
            one.volume,
            one.angle,
            one.off_centring,
            one.relaxation,
            one.total,
            one.equal_volume_relaxed,
            one.strained_gain,
        )
        cells = ["" if part is None else f"{part:+.3f}" for part in parts]
        table.add_row(one.rhombohedral, one.defect, _charge(one.charge), *cells)
    return table


def equilibrium_table(equilibria: tuple[DefectEquilibrium, ...]) -> Table:
    """Show Fermi level, carriers and the most frequent vacancy of each host and reservoir."""
    title = f"Equilibrium at {equilibria[0].temperature:g} K, per cm^3"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("host", "reservoir"):
        table.add_column(heading)
    for heading in ("Fermi\nlevel, eV", "holes", "electrons"):
        table.add_column(heading, justify="right")
    table.add_column("most frequent vacancy")
    for one in equilibria:
        most = max(one.defects, key=lambda defect: defect.concentration)
        numbers = (f"{one.fermi_level:+.3f}", f"{one.holes:.1e}", f"{one.electrons:.1e}")
        frequent = f"{most.defect} {_charge(most.charge)}: {most.concentration:.1e}"
        table.add_row(one.host, one.reservoir, *numbers, frequent)
    return table


def _window(window: StabilityWindow, analysis: VacancyAnalysis) -> str:
    sentence = f"{window.compound}: heat of formation {window.heat_of_formation:.3f} eV a formula unit"
    if analysis.heat_of_formation is not None:
        measured = analysis.heat_of_formation
        sentence += f" (measured {measured.experimental:.3f}, {measured.difference:+.3f} eV)"
    return (
        sentence
        + f"; {window.cation} from {window.phases[window.cation]}, {window.anion} from "
        + (f"{window.phases[window.anion]}")
    )


def _notes(analysis: VacancyAnalysis) -> list[str]:
    """Return every message, reservation and failure once, with the places that it is about."""
    found = [*analysis.messages, *(reservoir.message for reservoir in analysis.reservoirs if reservoir.message)]
    places: dict[str, list[str]] = {}
    for row in analysis.formation_energies:
        for sentence in [*row.reservations, *([row.failure] if row.failure else [])]:
            if sentence not in found:
                places.setdefault(sentence, []).append(f"{row.defect} in {row.host}")
    for one in analysis.decompositions:
        for sentence in one.missing:
            places.setdefault(sentence, []).append(f"{one.defect} in {one.rhombohedral}")
    found += [f"{', '.join(dict.fromkeys(where))}: {sentence}" for sentence, where in places.items()]
    for equilibrium in analysis.equilibria:
        found += [f"{equilibrium.host}, {equilibrium.reservoir}: {one}" for one in equilibrium.reservations]
    for series in analysis.series:
        found += [sentence for sentence in series.reservations if sentence not in places]
        found += series.failures
    return list(dict.fromkeys(found))
