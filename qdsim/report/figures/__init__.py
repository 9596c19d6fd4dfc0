"""Figures of the report, each a function that returns a plotly Figure; also made for notebooks."""

from qdsim.report.figures.cells import cells
from qdsim.report.figures.chi2_maps import Mark, chi2_map, chi2_profiles
from qdsim.report.figures.computed_patterns import strain_patterns
from qdsim.report.figures.correlation import correlation
from qdsim.report.figures.double_wells import double_wells
from qdsim.report.figures.energy_volume import energy_volume
from qdsim.report.figures.hypotheses import hypothesis_patterns
from qdsim.report.figures.patterns import fitted_pattern, pattern
from qdsim.report.figures.samples import samples_and_strain
from qdsim.report.figures.sizes import sizes
from qdsim.report.figures.strain_series import alpha_rh, bond_lengths, gap, offset, pressure
from qdsim.report.figures.vacancies import distortion_parts, fermi_level_diagram, formation_energies
from qdsim.report.figures.vacancy_cells import vacancy_cells
from qdsim.report.figures.vacancy_series import vacancy_energies, vacancy_free_energies, vacancy_gaps

__all__ = [
    "Mark",
    "alpha_rh",
    "bond_lengths",
    "cells",
    "chi2_map",
    "chi2_profiles",
    "correlation",
    "distortion_parts",
    "double_wells",
    "energy_volume",
    "fermi_level_diagram",
    "fitted_pattern",
    "formation_energies",
    "gap",
    "hypothesis_patterns",
    "offset",
    "pattern",
    "pressure",
    "samples_and_strain",
    "sizes",
    "strain_patterns",
    "vacancy_cells",
    "vacancy_energies",
    "vacancy_free_energies",
    "vacancy_gaps",
]
