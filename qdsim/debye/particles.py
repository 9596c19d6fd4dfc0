"""Pair counts of particles of one shape in many sizes, on common lists of lattice vectors."""

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from qdsim.debye.multiplicities import count_pairs
from qdsim.structures import RhombohedralState, Shape, cut_rocksalt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLASSES = ("cation_core", "cation_shell", "anion_core", "anion_shell")
"""Kinds of atoms, numbered 2 site + region."""

LIKE, UNLIKE = 0, 1
"""Lists of vectors: between two atoms of one sublattice, and from a cation to an anion."""

LISTS = {(0, 0): (LIKE, 0), (1, 1): (LIKE, 1), (0, 1): (UNLIKE, 0)}
"""List of vectors, and row in it, of every pair of sites."""

ROWS = (2, 1)
"""Rows of each list: cation-cation and anion-anion pairs, and cation-anion pairs."""


@dataclass(frozen=True)
class Counted:
    """Pairs of atoms between two sites of one particle.

    Attributes
    ----------
    places
        Where the vectors are in the common list, shape (k,).
    classes
        Classes of the two atoms, shape (c, 2).
    counts
        Ordered pairs, both orders counted, shape (c, k).
    """

    places: IntArray
    classes: IntArray
    counts: npt.NDArray[np.float32]


@dataclass(frozen=True)
class SizedParticle:
    """One size of particle.

    Attributes
    ----------
    atoms
        Number of atoms in each of the `CLASSES`, shape (4,).
    pairs
        Counts by pair of sites.
    """

    atoms: IntArray
    pairs: dict[tuple[int, int], Counted]


class ParticleLibrary:
    """Counts the pairs of every particle once, and remembers them.

    Parameters
    ----------
    body
        Shape of the particles.
    centre
        Point of the crystal at their centre, see `qdsim.structures.CENTRES`.
    lattice_constant
        Of the undistorted crystal they are cut from, Å.
    """

    def __init__(self, body: Shape, centre: str, lattice_constant: float):
        self.lattice_constant = lattice_constant
        self._body = body
        self._centre = centre
        self._state = RhombohedralState.from_lattice_constant(lattice_constant)
        self._particles: dict[tuple[float, float], SizedParticle] = {}
        self._vectors = [np.empty((0, 3), np.int64), np.empty((0, 3), np.int64)]
        self._kinds = [np.empty(0, np.int64), np.empty(0, np.int64)]

    def vectors(self, which: int) -> IntArray:
        """Return the list of lattice vectors of all particles so far, `LIKE` or `UNLIKE`, shape (k, 3)."""
        return self._vectors[which]

    def missing(self, wanted: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return those of the wanted (diameter, shell thickness) that have not been counted yet."""
        return [one for one in wanted if one not in self._particles]

    def particle(self, diameter: float, shell_thickness: float) -> SizedParticle:
        """Return the counts of a particle.

        Parameters
        ----------
        diameter, shell_thickness
            Å, see `qdsim.structures.cut_rocksalt`.

        Raises
        ------
        QdsimError
            If there is no such particle.
        """
        key = (diameter, shell_thickness)
        if key not in self._particles:
            self._particles[key] = self._count(diameter, shell_thickness)
        return self._particles[key]

    def _count(self, diameter: float, shell_thickness: float) -> SizedParticle:
        points = cut_rocksalt(
            "Pb", "S", self._state, self._body, diameter, centre=self._centre, shell_thickness=shell_thickness
        ).points
        counted = count_pairs(points, "rhombohedral")
        classes = 2 * counted.sites + counted.regions
        atoms = np.zeros(len(CLASSES), np.int64)
        atoms[classes] = counted.atoms
        pairs = {}
        for pair in counted.pairs:
            which, _ = LISTS[pair.sites]
            places = self._place(which, pair.vectors)
            pairs[pair.sites] = Counted(places, classes[pair.classes], np.ascontiguousarray(pair.counts, np.float32))
        return SizedParticle(atoms, pairs)

    def _place(self, which: int, vectors: IntArray) -> IntArray:
        """Find vectors in a list, or add them to it; those with equal sums and sums of squares are one."""
        total = vectors.sum(axis=1)
        kinds = (vectors**2).sum(axis=1) << 32 | (np.abs(total) if which == LIKE else total + (1 << 31))
        order = np.argsort(self._kinds[which])
        found = np.searchsorted(self._kinds[which], kinds, sorter=order)
        known = found < len(order)
        known[known] = self._kinds[which][order[found[known]]] == kinds[known]
        places = np.empty(len(kinds), np.int64)
        places[known] = order[found[known]]
        places[~known] = len(order) + np.arange(np.count_nonzero(~known))
        self._kinds[which] = np.concatenate([self._kinds[which], kinds[~known]])
        self._vectors[which] = np.concatenate([self._vectors[which], vectors[~known]])
        return places


@numba.njit("void(f8[:, :], i8[::1], f4[:, ::1], f8[:, :])", cache=True)
def add_weighted(
    weights: FloatArray, places: IntArray, counts: npt.NDArray[np.float32], coefficients: FloatArray
) -> None:
    """Add counts to weights on a common list.

    Parameters
    ----------
    weights
        Changed in place, shape (rows, k of the list).
    places
        Shape (k,).
    counts
        Shape (c, k).
    coefficients
        Of each class pair in each row, shape (rows, c).
    """
    for row in range(coefficients.shape[0]):
        for c in range(coefficients.shape[1]):
            factor = coefficients[row, c]
            if factor != 0.0:
                for k in range(places.size):
                    weights[row, places[k]] += factor * counts[c, k]
