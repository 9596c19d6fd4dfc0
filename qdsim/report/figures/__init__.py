"""Figures of the report, each a function that returns a plotly Figure; also made for notebooks."""

from qdsim.report.figures.cells import cells
from qdsim.report.figures.chi2_maps import chi2_map, chi2_profiles
from qdsim.report.figures.correlation import correlation
from qdsim.report.figures.double_wells import double_wells
from qdsim.report.figures.energy_volume import energy_volume
from qdsim.report.figures.patterns import fitted_pattern, pattern
from qdsim.report.figures.sizes import sizes
from qdsim.report.figures.strain_series import alpha_rh, bond_lengths, gap, offset, pressure

__all__ = [
    "alpha_rh",
    "bond_lengths",
    "cells",
    "chi2_map",
    "chi2_profiles",
    "correlation",
    "double_wells",
    "energy_volume",
    "fitted_pattern",
    "gap",
    "offset",
    "pattern",
    "pressure",
    "sizes",
]
