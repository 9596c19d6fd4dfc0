"""What the terminal shows of a campaign's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdsim.cli.dipole_tables import print_dipoles
from qdsim.cli.display import print_strain_results
from qdsim.cli.phonon_tables import print_phonons
from qdsim.cli.vacancy_tables import print_vacancies
from qdsim.cp2k.compounds import load_compound
from qdsim.provenance import dipole_analysis, phonon_analysis, phonon_results, strain_results, vacancy_analysis

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode
    from rich.console import Console


def print_results(console: Console, campaign: WorkChainNode) -> None:
    """Print the tables of every section that has results."""
    strain = strain_results(campaign)
    if strain is not None:
        print_strain_results(console, strain)
    phonons, modes = phonon_results(campaign), phonon_analysis(campaign)
    if phonons is not None and modes is not None:
        print_phonons(console, phonons, modes, load_compound(phonons.compound).displacement_parameters)
    vacancies = vacancy_analysis(campaign)
    if vacancies is not None:
        print_vacancies(console, vacancies)
    dipoles = dipole_analysis(campaign)
    if dipoles is not None:
        print_dipoles(console, dipoles)
