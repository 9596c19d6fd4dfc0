"""How much memory an isolated cluster takes in CP2K, before it is submitted."""

from math import pi, sqrt

from ase import Atoms
from ase.units import Bohr

from qdsim.cp2k.settings import Settings
from qdsim.cp2k.sizes import USUAL_BASIS, count_functions

BYTES = 8
GRIDS = 32.0
"""Arrays of the finest grid that CP2K holds at once: densities, potentials, gradients for the functional, and their
transforms. Measured on Pb16S16 with the WAVELET solver: 0.74 GB at 2.0 and 3.2 GB at 10.6 million points."""
MATRICES = 14.0
"""Dense matrices of basis functions held at once with OT and its preconditioner."""
BASE = 0.3e9
"""Bytes of the program itself."""


def grid_points(box: float, cutoff: float) -> int:
    """Count the points of the finest grid of a cubic cell.

    Parameters
    ----------
    box
        Edge, Å.
    cutoff
        Of the plane waves, Ry; its root is the largest wave number in 1/bohr, so points are pi/sqrt(cutoff) apart.
    """
    return round(box / Bohr * sqrt(cutoff) / pi) ** 3


def estimate_memory(atoms: Atoms, box: float, settings: Settings) -> float:
    """Estimate the memory of a single point, bytes.

    Parameters
    ----------
    atoms
        The cluster.
    box
        Edge of its cubic cell, Å.
    settings
        Of the calculation.
    """
    functions = sum(count_functions(symbol, settings.basis_set or USUAL_BASIS) for symbol in atoms.symbols)
    grids = GRIDS * grid_points(box, settings.cutoff or 300.0)
    return BASE + BYTES * (grids + MATRICES * functions**2)
