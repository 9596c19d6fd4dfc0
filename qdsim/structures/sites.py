"""Checks on the atoms of a structure that come before any physics."""

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from ase.neighborlist import neighbor_list

from qdsim.errors import QdsimError

ONE_PLACE = 0.5
"""Two atoms nearer than this (Å) are taken to be on one place: no bond is shorter than that of H2, 0.74 Å."""


def coincident_atoms(atoms: Atoms, tolerance: float = ONE_PLACE) -> list[tuple[int, int]]:
    """Find atoms that are on one place, periodic images included.

    Parameters
    ----------
    atoms
        Structure, periodic or not.
    tolerance
        Distance below which two atoms are on one place, Å.

    Returns
    -------
    list of (int, int)
        Pairs of indices in ascending order; (i, i) if an atom falls on its own periodic image.
    """
    reduced = atoms.copy()
    if reduced.pbc.any():
        reduced.set_cell(minkowski_reduce(atoms.cell, atoms.pbc)[0], scale_atoms=False)
    first, second = neighbor_list("ij", reduced, tolerance)
    return sorted({(int(i), int(j)) for i, j in zip(first, second, strict=True) if i <= j})


def check_sites(atoms: Atoms, tolerance: float = ONE_PLACE) -> None:
    """Refuse a structure that cannot be computed.

    Raises
    ------
    QdsimError
        If there is no atom, a coordinate is not finite, a periodic cell has no volume, or two atoms are on
        one place.
    """
    if len(atoms) == 0:
        raise QdsimError("The structure has no atoms: give at least one.")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise QdsimError("The structure has a coordinate that is not a finite number: correct it.")
    vectors = atoms.cell.array[atoms.pbc]
    if len(vectors) and np.linalg.matrix_rank(vectors) < len(vectors):
        raise QdsimError("The periodic cell vectors are not linearly independent: give a cell with a volume.")
    pairs = coincident_atoms(atoms, tolerance)
    if pairs:
        i, j = pairs[0]
        more = f" (and {len(pairs) - 1} more such pairs)" if len(pairs) > 1 else ""
        raise QdsimError(
            f"Two atoms are on one place: {atoms.symbols[i]} (atom {i + 1}) and {atoms.symbols[j]} "
            f"(atom {j + 1}){more} are less than {tolerance} Å apart; remove one of them or enlarge the cell."
        )
