"""What sections and figures of vacancies have in common: names, the nodes behind numbers, which energy is shown."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from qdsim.analysis.defect_thermodynamics import FormationEnergyDiagram, formation_energy_diagram
from qdsim.analysis.formation_energy import EnergyTerms, FormationEnergy
from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.analysis.vacancy_results import DefectState, HostState, VacancyResults
from qdsim.errors import QdsimError
from qdsim.report.formatting import NO_BREAK_SPACE, fixed

WHOLE = "vacancies"
"""Path of the results document, which every value of vacancies belongs to."""
ANALYSIS = "vacancy_analysis"
"""Path of the document of what follows from them."""


class VacancyView:
    """Results and what follows from them, with the look-ups that a page needs.

    Parameters
    ----------
    results
        What was computed.
    analysis
        What follows from it.
    """

    def __init__(self, results: VacancyResults, analysis: VacancyAnalysis) -> None:
        self.results = results
        self.analysis = analysis
        self.hosts: dict[str, HostState] = {host.label: host for host in results.hosts}
        self.held = all(host.ions_held for host in results.hosts)
        """No ions were relaxed anywhere: every energy is one of ions held still."""

    @property
    def single(self) -> tuple[FormationEnergy, ...]:
        """Formation energies of single vacancies and pairs, without the orderings of a series."""
        return tuple(row for row in self.analysis.formation_energies if row.concentration is None)

    def is_step(self, host: str) -> bool:
        """Whether a host stands between two others for the decomposition only."""
        return self.hosts[host].is_step

    def defect(self, host: str, defect: str, charge: int) -> DefectState | None:
        """Return the supercell behind a formation energy; None where there is none, or more than one."""
        found = [one for one in self.results.defects if (one.host, one.defect, one.charge) == (host, defect, charge)]
        return found[0] if len(found) == 1 else None

    def path(self, host: str, defect: str, charge: int = 0, *, relaxed: bool = True) -> str:
        """Return the path of the calculation behind an energy, or that of what encloses it."""
        state = self.defect(host, defect, charge)
        if state is None or not state.label:
            return f"{WHOLE}.{host}"
        return f"{WHOLE}.{host}.{state.label}.{'relaxed' if relaxed else 'unrelaxed'}"

    def shown(self, row: FormationEnergy) -> tuple[EnergyTerms | None, bool]:
        """Return the terms that figures show of a row, and whether they are of relaxed ions.

        Where nothing was relaxed, and where a relaxation failed, these are the unrelaxed ones; of a step, none.
        """
        if row.relaxed is not None:
            return row.relaxed, True
        return (None, False) if self.is_step(row.host) else (row.unrelaxed, False)

    def diagrams(self) -> tuple[list[FormationEnergyDiagram], list[str]]:
        """Return formation energies against the Fermi level of every host with charged vacancies, and why not."""
        found: list[FormationEnergyDiagram] = []
        problems: list[str] = []
        for host, rows in _by_host(self.single):
            if self.is_step(host) or not any(row.charge and self.shown(row)[0] for row in rows):
                continue
            relaxed = any(row.charge and row.relaxed for row in rows)
            state = self.hosts[host]
            if state.vbm is None or state.cbm is None:
                problems.append(f"Host {host} has no band edges: there is no range of Fermi levels to draw.")
                continue
            for key in dict.fromkeys((row.reservoir, row.defect) for row in rows):
                chosen = [row for row in rows if (row.reservoir, row.defect) == key]
                if not any(row.relaxed if relaxed else row.unrelaxed for row in chosen):
                    continue
                try:
                    found.append(formation_energy_diagram(chosen, state.cbm - state.vbm, relaxed=relaxed))
                except QdsimError as error:
                    problems.append(str(error))
        return found, list(dict.fromkeys(problems))


def named(defect: str, charge: int) -> str:
    """Return a vacancy's name with its charge: "V_Pb", "V_Pb with charge −2"."""
    return f"{defect} with charge {signed(charge)}" if charge else defect


def signed(charge: int) -> str:
    """Return a charge with a true minus sign: "+2", "−2", "0"."""
    return fixed(charge, 0, signed=True)


def size_of(part: float, whole: float) -> str:
    """Return a share in whole percent."""
    return fixed(100 * abs(part / whole), 0, "%")


def mesh(k_points: Sequence[int] | None) -> str:
    """Return a k-mesh in words."""
    times = f"{NO_BREAK_SPACE}×{NO_BREAK_SPACE}"
    return "at the Γ point alone" if k_points is None else f"on a {times.join(map(str, k_points))} k-mesh"


def _by_host(rows: Sequence[FormationEnergy]) -> Iterator[tuple[str, list[FormationEnergy]]]:
    return ((host, list(found)) for host, found in groupby(rows, key=lambda row: row.host))
