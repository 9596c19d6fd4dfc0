"""Pairs of atoms on lattice sites: multiplicities from `qdsim.debye.multiplicities`, distances from the lattice."""

import numpy as np
import numpy.typing as npt

from qdsim.debye.compiled import compiled
from qdsim.debye.multiplicities import Family, SitePair, count_pairs
from qdsim.debye.pairs import PairGroup, Pairs, Species
from qdsim.structures import LatticeParticle, LatticePoints

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_KINDS = 16
"""Kinds of atoms (site, region, occupancy and B) up to which counting on the lattice is the faster way."""

_EXACT = 1e-12
_SMALL_GRID = 1_000_000  # points that are gone through in no time


def lattice_family(cell: FloatArray, basis: FloatArray) -> Family:
    """Return the family a lattice belongs to: "rhombohedral" with all sites on one line along [111], or "any".

    Parameters
    ----------
    cell
        Rows are vectors, Å, shape (3, 3).
    basis
        Fractional positions of the sites, shape (n_sites, 3).
    """
    metric = cell @ cell.T
    lengths, mixed = metric.diagonal(), metric[np.triu_indices(3, 1)]
    rhombohedral = np.ptp(lengths) < _EXACT * lengths.max() and np.ptp(mixed) < _EXACT * lengths.max()
    on_axis = np.ptp(basis - basis[0], axis=1).max() < _EXACT
    return "rhombohedral" if rhombohedral and on_axis else "any"


def pair_distances(pair: SitePair, cell: FloatArray, basis: FloatArray) -> FloatArray:
    """Return the distances of a pair of sites, Å, shape (k,)."""
    first, second = pair.sites
    writable = cell.copy()  # machine code takes no other, and cells are not to be written
    return np.asarray(_lengths(pair.vectors, basis[second] - basis[first], writable))


@compiled("f8[::1](i8[:, ::1], f8[::1], f8[:, ::1])")
def _lengths(vectors: IntArray, shift: FloatArray, cell: FloatArray) -> FloatArray:
    """Return |(n + shift) C| for every vector n."""
    lengths = np.empty(len(vectors))
    for k in range(len(vectors)):
        a, b, c = vectors[k, 0] + shift[0], vectors[k, 1] + shift[1], vectors[k, 2] + shift[2]
        squared = 0.0
        for axis in range(3):
            squared += (a * cell[0, axis] + b * cell[1, axis] + c * cell[2, axis]) ** 2
        lengths[k] = np.sqrt(squared)
    return lengths


def lattice_pairs(particle: LatticeParticle, occupancies: FloatArray, b_iso: FloatArray) -> Pairs | None:
    """Collect the pairs of a particle on its lattice.

    Parameters
    ----------
    particle
        Atoms on lattice sites.
    occupancies
        Of each atom, shape (N,), or of all, shape ().
    b_iso
        Of each atom, Å^2, shape (N,), or of all, shape ().

    Returns
    -------
    Pairs or None
        None if the atoms are of more than `MOST_KINDS` kinds, or so sparse that their lattice has more points than they
        have pairs.
    """
    grid = np.prod([2.0 * np.ptp(along) + 1 for along in particle.points.cells.T])
    if grid > max(len(particle) ** 2, _SMALL_GRID):
        return None
    points = _kinds_as_regions(particle.points, occupancies, b_iso)
    if points is None:
        return None
    counts = count_pairs(points, lattice_family(particle.cell, particle.basis))
    occupancy = np.broadcast_to(occupancies, len(points))[counts.examples]
    b_of = np.broadcast_to(b_iso, len(points))[counts.examples]
    symbols = [particle.symbols[site] for site in counts.sites]

    groups = []
    for pair in counts.pairs:
        rows: dict[Species, FloatArray] = {}
        for (a, b), counted in zip(pair.classes.tolist(), pair.counts, strict=True):
            species = Species((symbols[a], symbols[b]), float(b_of[a] + b_of[b]))
            rows[species] = rows.get(species, 0.0) + occupancy[a] * occupancy[b] * counted
        distances = pair_distances(pair, particle.cell, particle.basis)
        groups.append(PairGroup(distances, tuple(rows), np.array(list(rows.values()))))
    sums = dict.fromkeys(symbols, 0.0)
    squares = dict(sums)
    for symbol, atoms, value in zip(symbols, counts.atoms, occupancy, strict=True):
        sums[symbol] += float(atoms * value)
        squares[symbol] += float(atoms * value**2)
    return Pairs(tuple(groups), sums, squares)


def _kinds_as_regions(points: LatticePoints, occupancies: FloatArray, b_iso: FloatArray) -> LatticePoints | None:
    """Return points whose regions tell occupancy and B apart: the same object if they do so already."""
    if occupancies.ndim == b_iso.ndim == 0:
        return points
    kinds = points.sites * (points.regions.max() + 1) + points.regions
    examples = np.zeros(kinds.max() + 1, np.int64)
    examples[kinds] = np.arange(len(points))
    example = examples[kinds]
    if all(np.array_equal(values, values[example]) for values in (occupancies, b_iso) if values.ndim):
        return points
    properties = np.stack(np.broadcast_arrays(occupancies, b_iso), axis=1)
    different, regions = np.unique(properties, axis=0, return_inverse=True)
    if len(different) * (points.sites.max() + 1) > MOST_KINDS:
        return None
    return LatticePoints(points.cells, points.sites, regions)
