"""Cells for clusters that are alone: how large they must be."""

import numpy as np
from ase import Atoms

from qdsim.errors import QdsimError

TAIL = 3.0
"""Å beyond the outermost atoms at which the density of valence electrons has decayed to about 1e-4 of its maximum."""
SMALLEST_MARGIN = 1.5
"""Å; atoms nearer to the box spill their density over its faces."""
COMFORTABLE_MARGIN = 6.0
"""Å from the outermost atom to the box, with which dipoles no longer depend on it."""


def extent(atoms: Atoms) -> float:
    """Return the largest distance of an atom from the centre along a Cartesian axis, doubled, Å.

    Parameters
    ----------
    atoms
        Around the origin, which is put in the middle of the box.
    """
    return 2 * float(np.abs(atoms.positions).max())


def isolate(atoms: Atoms, box: float) -> Atoms:
    """Put a cluster into the middle of a cubic cell without periodicity.

    Parameters
    ----------
    atoms
        Around the origin.
    box
        Edge, Å.

    Raises
    ------
    QdsimError
        If an atom is nearer than `SMALLEST_MARGIN` to the box.
    """
    margin = (box - extent(atoms)) / 2
    if margin < SMALLEST_MARGIN:
        where = "outside the box" if margin < 0 else f"{margin:.2f} Å from it"
        raise QdsimError(
            f"The box of {box:g} Å is too small: the outermost atom is {where}, less than {SMALLEST_MARGIN:g} Å; take "
            f"{extent(atoms) + 2 * COMFORTABLE_MARGIN:.0f} Å or more."
        )
    isolated: Atoms = atoms.copy()
    isolated.set_cell([box] * 3)
    isolated.positions += box / 2
    isolated.pbc = False
    return isolated


def suits_mt(atoms: Atoms, box: float) -> bool:
    """Tell whether a box is twice as large as the density in it, as the Poisson solver of Martyna and Tuckerman needs.

    G. J. Martyna and M. E. Tuckerman, J. Chem. Phys. 110, 2810 (1999).
    """
    return box >= 2 * (extent(atoms) + 2 * TAIL)
