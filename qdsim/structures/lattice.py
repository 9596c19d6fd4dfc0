"""Find the primitive rhombohedral lattice of a rock-salt supercell and the site of every atom in it."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.geometry import minkowski_reduce
from ase.neighborlist import neighbor_list

from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NEIGHBOUR_CUTOFF = 0.86
"""In lattice constants: like neighbours are 0.68..0.74 apart at angles of 55..65 degrees, the next ones 1."""
SAME_DIRECTION = 0.4
"""Neighbour vectors nearer to each other than this (in neighbour distances) point to the same neighbour;
different neighbours are one neighbour distance apart."""
CENTRING_STEPS = 3
"""Times that a mean of like vectors is taken again around the mean, so that it does not matter where it began."""
LARGEST_DEVIATION = 0.2
"""An atom further than this from its site (in lattice constants) belongs to no site; bonds are 0.5 long."""
LARGEST_MISMATCH = 0.25
"""Cell vectors in units of the averaged neighbour vectors are this near to integers in a supercell."""
SETTINGS: IntArray = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [1, -1, 0], [1, 0, -1]],
        [[0, 1, 0], [0, 1, -1], [-1, 1, 0]],
        [[0, 0, 1], [-1, 0, 1], [0, -1, 1]],
    ]
)
"""The rhombohedral bases of one lattice about its four <111> axes, from the first of them; shape (4, 3,
3)."""


def _distorted(what: str) -> QdsimError:
    return QdsimError(f"The structure is not a rock-salt crystal: {what}; give a supercell of a crystal AB.")


@dataclass(frozen=True)
class Sublattice:
    """The sites of one element: atom k is at (site[k] + origin + deviation[k]) @ basis.

    Attributes
    ----------
    origin
        Mean position modulo the lattice, in units of the basis, shape (3,).
    sites
        Integer site of each atom, shape (n, 3).
    deviations
        From the sites, in units of the basis, shape (n, 3); their mean is zero.
    """

    origin: FloatArray
    sites: IntArray
    deviations: FloatArray


def approximate_basis(atoms: Atoms) -> FloatArray:
    """Average the vectors between like neighbours to a right-handed rhombohedral basis, Å, shape (3, 3).

    Raises
    ------
    QdsimError
        If the neighbours are not those of a face-centred lattice.
    """
    symbols = np.array(atoms.get_chemical_symbols())
    most = max(np.count_nonzero(symbols == symbol) for symbol in set(symbols))
    cutoff = NEIGHBOUR_CUTOFF * (4 * atoms.get_volume() / most) ** (1 / 3)
    reduced = atoms.copy()
    reduced.set_cell(minkowski_reduce(atoms.cell)[0])
    first, second, vectors = neighbor_list("ijD", reduced, cutoff)
    vectors = vectors[symbols[first] == symbols[second]]
    if len(vectors) == 0:
        raise _distorted("no two atoms of one element are neighbours")
    reach = SAME_DIRECTION * float(np.median(np.linalg.norm(vectors, axis=1)))
    directions, counts = [], []
    while len(vectors):
        centre = vectors[0]
        for _ in range(CENTRING_STEPS):
            centre = vectors[np.linalg.norm(vectors - centre, axis=1) < reach].mean(axis=0)
        near = np.linalg.norm(vectors - centre, axis=1) < reach
        near[0] = True
        directions.append(centre)
        counts.append(np.count_nonzero(near))
        vectors = vectors[~near]
    common = [direction for direction, n in zip(directions, counts, strict=True) if n > max(counts) / 2]
    for triple in combinations(common, 3):
        basis = np.array(triple)
        metric = basis @ basis.T
        mutual = metric[np.triu_indices(3, 1)]
        if mutual.min() > metric.diagonal().mean() / 4:
            return basis if np.linalg.det(basis) > 0 else basis[::-1]
    raise _distorted("the vectors between neighbours of one element do not span a face-centred lattice")


def exact_basis(atoms: Atoms) -> tuple[FloatArray, IntArray]:
    """Find the primitive rhombohedral basis that the cell is an integer multiple of.

    Returns
    -------
    basis : ndarray, shape (3, 3)
        Rows are vectors, Å; around one of the four <111> axes.
    matrix : ndarray of int, shape (3, 3)
        The cell is ``matrix @ basis``.

    Raises
    ------
    QdsimError
        If there is no such lattice.
    """
    approximate = atoms.cell.array @ np.linalg.inv(approximate_basis(atoms))
    matrix = np.round(approximate).astype(np.int64)
    if np.abs(approximate - matrix).max() > LARGEST_MISMATCH or round(float(np.linalg.det(matrix))) == 0:
        raise _distorted("the cell is no multiple of the lattice that its neighbours span")
    return np.linalg.solve(matrix, atoms.cell.array), matrix


def assign_sites(positions: FloatArray, basis: FloatArray, element: str) -> Sublattice:
    """Assign atoms of one element to the sites of their sublattice.

    Parameters
    ----------
    positions
        Of the atoms, Å, shape (n, 3).
    basis
        Primitive basis, Å, shape (3, 3).
    element
        For the error message.

    Raises
    ------
    QdsimError
        If an atom is far from every site.
    """
    fractional = positions @ np.linalg.inv(basis)
    origin = np.angle(np.exp(2j * np.pi * fractional).mean(axis=0)) / (2 * np.pi)
    sites = np.round(fractional - origin).astype(np.int64)
    deviations = fractional - origin - sites
    shift = deviations.mean(axis=0)
    deviations = deviations - shift
    lattice_constant = (4 * abs(float(np.linalg.det(basis)))) ** (1 / 3)
    distances = np.linalg.norm(deviations @ basis, axis=1)
    if distances.max() > LARGEST_DEVIATION * lattice_constant:
        raise _distorted(f"an atom of {element} is {distances.max():.2f} Å from the nearest site of its sublattice")
    return Sublattice(origin + shift, sites, deviations)


def site_keys(sites: IntArray, matrix: IntArray) -> list[tuple[int, int, int]]:
    """Name sites such that periodic images share a name; sites of shape (n, 3), `matrix` spans the cell."""
    size = round(float(np.linalg.det(matrix)))
    adjugate = np.round(np.linalg.inv(matrix) * size).astype(np.int64)
    return [(int(a), int(b), int(c)) for a, b, c in (sites @ adjugate) % abs(size)]
