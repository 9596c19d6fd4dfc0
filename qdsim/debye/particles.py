"""Pair counts of particles of one shape in many sizes, on common lists of lattice vectors."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from qdsim.debye.compiled import compiled
from qdsim.debye.growth import DECIMALS, PairGrowth, core_diameters, symmetry
from qdsim.debye.multiplicities import count_pairs
from qdsim.structures import LatticePoints, RhombohedralState, Shape, cut_rocksalt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLASSES = ("cation_core", "cation_shell", "anion_core", "anion_shell")
"""Kinds of atoms, numbered 2 site + region."""

LIKE, UNLIKE = 0, 1
"""Lists of vectors: between two atoms of one sublattice, and from a cation to an anion."""

LISTS = {(0, 0): (LIKE, 0), (1, 1): (LIKE, 1), (0, 1): (UNLIKE, 0)}
"""List of vectors, and row in it, of every pair of sites."""

_CATION = 0.5  # along each vector of the primitive cell, where an anion is at 0
_FIRST_CELLS = 8
_MUCH_FINER = 8  # nodes that are nearer than wanted by this factor take too long

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
        self._particles: dict[tuple[int, int, float], SizedParticle] = {}
        self._growth: PairGrowth | None = None
        self._vectors = [np.empty((0, 3), np.int64), np.empty((0, 3), np.int64)]
        self._separations: list[FloatArray] = [np.empty((0, 3)), np.empty((0, 3))]
        self._kinds = [np.empty(0, np.int64), np.empty(0, np.int64)]
        self._gather(_FIRST_CELLS * lattice_constant)

    def vectors(self, which: int) -> IntArray:
        """Return the list of lattice vectors of all particles so far, `LIKE` or `UNLIKE`, shape (k, 3)."""
        return self._vectors[which]

    def separations(self, which: int) -> FloatArray:
        """Return the same vectors from atom to atom of the undistorted crystal, in cells, shape (k, 3)."""
        if len(self._separations[which]) < len(self._vectors[which]):
            self._separations[which] = np.asarray(self._vectors[which] - (which == UNLIKE) * _CATION, float)
        return self._separations[which]

    @cached_property
    def symmetry_order(self) -> int:
        """Number of operations that leave the particles as they are."""
        return len(symmetry(self._body, self._centre))

    def size(self, diameter: float, shell_thickness: float) -> tuple[int, int]:
        """Return the numbers of atoms in a particle and in its core.

        Parameters
        ----------
        diameter, shell_thickness
            Å; without a shell the core is the whole particle.

        Raises
        ------
        QdsimError
            If there is no such particle.
        """
        diameter = round(diameter, DECIMALS)
        if diameter > self._largest:
            self._gather(1.2 * diameter)
        atoms = int(np.count_nonzero(self._surface <= diameter))
        if shell_thickness == 0:
            return atoms, atoms
        core, _ = core_diameters(self._body, self._positions, shell_thickness)
        return atoms, int(np.count_nonzero(core <= diameter))

    def grown(self, smallest: float, largest: float, step: float, margin: float, limit: float) -> PairGrowth:
        """Return the pairs of growing particles, those counted last if they serve.

        Parameters
        ----------
        smallest, largest
            Diameters between which particles differ, Å.
        step
            Between nodes in ln D, at most.
        margin
            Factor by which more sizes are counted where they must be counted anew.
        limit
            Largest diameter that is ever to be counted so, Å.
        """
        known = self._growth
        serves = known is not None and known.smallest <= smallest and largest <= known.largest <= limit
        if known is None or not serves or not step / _MUCH_FINER < known.step <= step:
            wider = max(smallest / margin, self.lattice_constant), min(largest * margin, limit)
            self._growth = known = PairGrowth(self._body, self._centre, self.lattice_constant, *wider, step)
        return known

    def missing(self, wanted: Iterable[tuple[int, int]], shell_thickness: float) -> list[tuple[int, int]]:
        """Return those of the wanted particles (see `particle`) that have not been counted yet."""
        return [one for one in wanted if self._key(*one, shell_thickness) not in self._particles]

    def particle(self, atoms: int, core_atoms: int, shell_thickness: float) -> SizedParticle:
        """Return the counts of a particle.

        Parameters
        ----------
        atoms, core_atoms
            Number of atoms in the particle and in its core: those that join first as it grows.
        shell_thickness
            Å; tells the atoms of the core.
        """
        key = self._key(atoms, core_atoms, shell_thickness)
        if key not in self._particles:
            regions = np.ones(atoms, np.int64)
            regions[self._core_order(shell_thickness)[:core_atoms]] = 0
            self._particles[key] = self._sized(LatticePoints(self._cells[:atoms], self._sites[:atoms], regions))
        return self._particles[key]

    def _key(self, atoms: int, core_atoms: int, shell_thickness: float) -> tuple[int, int, float]:
        """Name a particle; if the core is like the particle, its atoms are the same for any shell thickness."""
        return atoms, core_atoms, 0.0 if self._body.is_similar_inside else shell_thickness

    def _gather(self, largest: float) -> None:
        """Find all atoms up to a diameter, in the order in which they join a growing particle."""
        state = RhombohedralState.from_lattice_constant(self.lattice_constant)
        particle = cut_rocksalt("Pb", "S", state, self._body, largest, centre=self._centre)
        surface = np.round(self._body.smallest_diameters(particle.positions), DECIMALS)
        order = np.argsort(surface, kind="stable")
        self._largest = largest
        self._cells, self._sites = particle.points.cells[order], particle.points.sites[order]
        self._positions, self._surface = particle.positions[order], surface[order]

    def _core_order(self, shell_thickness: float) -> IntArray:
        if self._body.is_similar_inside or shell_thickness == 0:
            return np.arange(len(self._surface))
        return np.argsort(self._body.smallest_diameters(self._positions, shell_thickness), kind="stable")

    def _sized(self, points: LatticePoints) -> SizedParticle:
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


@lru_cache(maxsize=2)
def shared_library(body: Shape, centre: str, lattice_constant: float) -> ParticleLibrary:
    """Return the library of particles of one kind, the same one as long as no others are asked for.

    Parameters
    ----------
    body, centre, lattice_constant
        As for `ParticleLibrary`.
    """
    return ParticleLibrary(body, centre, lattice_constant)


@compiled("void(f8[:, :], i8[::1], f4[:, ::1], f8[:, :])")
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
