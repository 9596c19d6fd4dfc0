"""Figures of the report, each a function that returns a plotly Figure; also made for notebooks."""

from qdsim.report.figures.cells import cells
from qdsim.report.figures.double_wells import double_wells
from qdsim.report.figures.energy_volume import energy_volume
from qdsim.report.figures.strain_series import alpha_rh, bond_lengths, gap, offset, pressure

__all__ = [
    "alpha_rh",
    "bond_lengths",
    "cells",
    "double_wells",
    "energy_volume",
    "gap",
    "offset",
    "pressure",
]
