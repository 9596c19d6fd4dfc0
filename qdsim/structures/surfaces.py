"""Surfaces of rock-salt particles: how many neighbours atoms have, which of them go, which sites ligands take."""

import numpy as np
import numpy.typing as npt

from qdsim.errors import QdsimError
from qdsim.structures.nanocrystal import LatticeParticle, LatticePoints

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CATION, ANION = 0, 1
"""Sites of the primitive rock-salt cell as `cut_rocksalt` numbers them."""
COORDINATION = 6
"""Nearest neighbours in the crystal."""
SAME_DIPOLE = 1e-6
"""e Å; dipoles that differ by less are equal."""
_PRIMITIVE: IntArray = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])  # rows, in half lattice constants
_STEPS: IntArray = np.vstack([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])


def coordination(points: LatticePoints) -> IntArray:
    """Count the nearest neighbours of each atom of a rock-salt particle.

    Parameters
    ----------
    points
        Of a particle made by `cut_rocksalt`.

    Returns
    -------
    ndarray of int, shape (N,)
        From 0 to 6.
    """
    return np.asarray(_neighbours_there(points).sum(axis=1), dtype=np.int64)


def trim(particle: LatticeParticle, fewest: int) -> LatticeParticle:
    """Take away atoms with few neighbours, again and again until none is left that has fewer than asked for.

    Parameters
    ----------
    particle
        Made by `cut_rocksalt`.
    fewest
        Neighbours that an atom must have to stay; 0 keeps all.

    Raises
    ------
    QdsimError
        If no atom is left, or the number is not one of 0 to 6.
    """
    if not 0 <= fewest <= COORDINATION:
        raise QdsimError(
            f"The fewest neighbours an atom may have are {fewest}: give a number from 0 to {COORDINATION}."
        )
    points = particle.points
    while len(points) and (few := coordination(points) < fewest).any():
        points = points.keep(~few)
    if not len(points):
        raise QdsimError(
            f"No atom of the particle is left that has {fewest} neighbours: enlarge it, or ask for fewer neighbours."
        )
    return particle.with_points(points)


def vacant_neighbours(points: LatticePoints, site: int) -> tuple[LatticePoints, IntArray]:
    """Find the empty sites next to a rock-salt particle.

    Parameters
    ----------
    points
        Of a particle made by `cut_rocksalt`.
    site
        Of which kind: `CATION` or `ANION`.

    Returns
    -------
    LatticePoints, ndarray of int
        The sites, as points of the shell, and how many atoms of the particle are next to each.
    """
    half = _half_lattice(points)[points.sites != site]
    around = (half[:, None, :] + _STEPS[None, :, :]).reshape(-1, 3)
    places, counts = np.unique(around, axis=0, return_counts=True)
    taken = {tuple(place) for place in _half_lattice(points)[points.sites == site].tolist()}
    free = np.array([tuple(place) not in taken for place in places.tolist()], dtype=bool)
    cells = (places[free] - (site == CATION)) @ np.linalg.inv(_PRIMITIVE)
    n_free = int(free.sum())
    found = LatticePoints(np.rint(cells).astype(np.int64), np.full(n_free, site), np.ones(n_free, dtype=np.int64))
    return found, counts[free]


def dangling_bonds(points: LatticePoints) -> tuple[IntArray, FloatArray]:
    """Find the bonds that a rock-salt particle lacks.

    Parameters
    ----------
    points
        Of a particle made by `cut_rocksalt`.

    Returns
    -------
    ndarray of int, shape (n,)
        The atom of each missing bond.
    ndarray, shape (n, 3)
        Its direction in the undistorted crystal, a unit vector.
    """
    atoms, steps = np.nonzero(~_neighbours_there(points))
    return atoms, _STEPS[steps].astype(float)


def balanced_choice(positions: FloatArray, charge: float, dipole: FloatArray, ranks: IntArray, n: int) -> list[int]:
    """Choose places for equal charges so that little dipole is made.

    Places of the lowest rank come first; of those that are equal, the one that leaves the smallest dipole.

    Parameters
    ----------
    positions
        Of the places from the centre of the particle, Å, shape (m, 3).
    charge
        That is added at each chosen place, e.
    dipole
        Of what there is already, about the same centre, e Å, shape (3,).
    ranks
        Of the places, shape (m,).
    n
        How many to choose.

    Returns
    -------
    list of int
        Indices of the places, ascending.

    Raises
    ------
    QdsimError
        If there are fewer places.
    """
    if n > len(positions):
        raise QdsimError(f"{n} places at the surface are needed and there are {len(positions)}: enlarge the particle.")
    chosen = np.zeros(len(positions), dtype=bool)
    total = np.array(dipole, dtype=float)
    for _ in range(n):
        best = np.flatnonzero(~chosen & (ranks == ranks[~chosen].min()))
        index = best[_smallest(total + charge * positions[best])]
        total += charge * positions[index]
        chosen[index] = True
    # One by one, the last places make up for all the others: exchanges of equal places do better.
    last = ranks[chosen].max(initial=0)
    while True:
        ins, outs = np.flatnonzero(~chosen & (ranks == last)), np.flatnonzero(chosen & (ranks == last))
        changes = total + charge * (positions[ins][:, None, :] - positions[outs][None, :, :])
        if not changes.size:
            break
        sizes = np.linalg.norm(changes, axis=2)
        if sizes.min() > np.linalg.norm(total) - SAME_DIPOLE:
            break
        entering, leaving = np.unravel_index(_smallest(changes.reshape(-1, 3)), sizes.shape)
        total = changes[entering, leaving]
        chosen[ins[entering]], chosen[outs[leaving]] = True, False
    return np.flatnonzero(chosen).tolist()


def _smallest(vectors: FloatArray) -> int:
    """Return the index of the shortest vector, the first of those that differ by rounding errors only."""
    lengths = np.linalg.norm(vectors, axis=1)
    return int(np.flatnonzero(lengths < lengths.min() + SAME_DIPOLE)[0])


def _neighbours_there(points: LatticePoints) -> npt.NDArray[np.bool_]:
    """Tell of each atom which of its neighbouring sites, in the order of `_STEPS`, are occupied, shape (N, 6)."""
    half = _half_lattice(points)
    places = half - half.min(axis=0) + 1
    box = np.zeros(places.max(axis=0) + 2, dtype=bool)
    box[tuple(places.T)] = True
    around = places[:, None, :] + _STEPS
    return np.asarray(box[tuple(np.moveaxis(around, 2, 0))])


def _half_lattice(points: LatticePoints) -> IntArray:
    """Return the places of atoms in half lattice constants, an anion at the origin, shape (N, 3)."""
    return np.asarray(points.cells @ _PRIMITIVE + (points.sites == CATION)[:, None], dtype=np.int64)
