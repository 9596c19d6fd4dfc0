"""How often every lattice vector occurs between the atoms of a crystal, by fast Fourier transforms.

Atoms on lattice sites are classed by site and region. The occupied cells of a class form a grid of zeros and ones; the
cross-correlation of two such grids counts the pairs of atoms that are a given lattice vector apart, exactly and in
O(N log N). The counts are integers that belong to the occupied sites alone: they stay when the lattice is strained or
sheared, when sublattices shift, and when occupancies, temperature factors or scattering lengths change.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy import fft

from qdsim.debye.compiled import compiled
from qdsim.debye.processors import processors
from qdsim.structures import LatticePoints

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Family = Literal["rhombohedral", "any"]

_MANY = 2_000_000  # grid points from which threads transform faster than one
_CACHED: WeakKeyDictionary[LatticePoints, dict[Family, "PairCounts"]] = WeakKeyDictionary()


@dataclass(frozen=True)
class SitePair:
    """Counts of the vectors between two basis sites.

    Attributes
    ----------
    sites
        The two sites; equal for pairs on one sublattice.
    vectors
        Lattice vectors from the first site's cell to the second's, shape (k, 3). Of vectors that have one length in the
        whole family of lattices only one is kept; for equal sites neither the opposite one.
    classes
        Pairs of class numbers, as in `PairCounts`, shape (c, 2).
    counts
        Ordered pairs of atoms, both orders counted, shape (c, k).
    """

    sites: tuple[int, int]
    vectors: IntArray
    classes: IntArray
    counts: FloatArray


@dataclass(frozen=True)
class PairCounts:
    """Everything about a particle's pairs that does not change with its lattice.

    Attributes
    ----------
    sites, regions
        Basis site and region of each class, shape (n_classes,).
    examples
        Index of an atom of each class, shape (n_classes,).
    atoms
        Number of atoms in each class, shape (n_classes,).
    pairs
        Counts for each pair of sites.
    """

    sites: IntArray
    regions: IntArray
    examples: IntArray
    atoms: IntArray
    pairs: tuple[SitePair, ...]


def count_pairs(points: LatticePoints, family: Family) -> PairCounts:
    """Count the pairs of atoms at every lattice vector; counted once for each object.

    Parameters
    ----------
    points
        Occupied sites.
    family
        Lattices that the counts are to serve: "rhombohedral" ones whose sites all lie on the line along [111] (vectors
        with equal sums and equal sums of squares of their components are then equally long), or "any".

    Returns
    -------
    PairCounts
    """
    known = _CACHED.setdefault(points, {})
    if family not in known:
        known[family] = _count(points, family)
    return known[family]


def _count(points: LatticePoints, family: Family) -> PairCounts:
    regions = int(points.regions.max()) + 1
    labels, examples, classes = np.unique(
        points.sites * regions + points.regions, return_index=True, return_inverse=True
    )
    sites = labels // regions
    cells = np.array(points.cells.T, order="C")
    cells -= cells.min(axis=1, keepdims=True)
    extent = cells.max(axis=1)
    shape = tuple(fft.next_fast_len(int(2 * length + 1), real=True) for length in extent)
    workers = processors() if np.prod(shape) > _MANY else 1
    grids = np.zeros((len(labels), *shape), np.float32)
    grids[classes, *cells] = 1
    spectra = fft.rfftn(grids, axes=(1, 2, 3), workers=workers)

    pairs = []
    for first, second in combinations_with_replacement(np.unique(sites), 2):
        alike = first == second
        members = [(a, b) for a in np.flatnonzero(sites == first) for b in np.flatnonzero(sites == second)]
        members = [(a, b) for a, b in members if not alike or a <= b]
        counts, places, found = _empty_counts(len(members), extent, shape, family)
        kinds = 0
        for counted, (a, b) in zip(counts, members, strict=True):
            product = np.conj(spectra[a]) * spectra[b]
            correlation = fft.irfftn(product, shape, workers=workers, overwrite_x=True)
            both_orders = 1 if a == b else 2
            kinds = _add_counts(
                correlation, extent, alike, family == "rhombohedral", both_orders, counted, places, found, kinds
            )
        found = found[:kinds]
        vectors = np.stack(np.unravel_index(places[found] - 1, shape), axis=1)
        vectors = np.where(vectors > extent, vectors - np.array(shape), vectors)
        pairs.append(SitePair((int(first), int(second)), vectors, np.array(members), counts[:, found].astype(float)))
    return PairCounts(sites, labels % regions, examples, np.bincount(classes), tuple(pairs))


def _empty_counts(
    rows: int, extent: IntArray, shape: tuple[int, ...], family: Family
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], IntArray]:
    """Return zeros for every kind of vector: its counts, its place on the grid plus one, and room for those found."""
    size = int(np.prod(shape))
    kinds = int((extent @ extent + 1) * (extent.sum() + 1)) if family == "rhombohedral" else size
    return np.zeros((rows, kinds), np.int32), np.zeros(kinds, np.int32), np.empty(min(kinds, size), np.int64)


@compiled("i8(f4[:, :, ::1], i8[::1], b1, b1, i8, i4[::1], i4[::1], i8[::1], i8)")
def _add_counts(
    correlation: npt.NDArray[np.float32],
    extent: IntArray,
    alike: bool,
    rhombohedral: bool,
    factor: int,
    counts: npt.NDArray[np.int32],
    places: npt.NDArray[np.int32],
    found: IntArray,
    kinds: int,
) -> int:
    """Add the correlation at each vector to the count of its kind; return how many kinds have been found."""
    size_x, size_y, size_z = correlation.shape
    largest_sum = extent.sum()
    for i in range(size_x):
        x = i if i <= extent[0] else i - size_x
        for j in range(size_y):
            y = j if j <= extent[1] else j - size_y
            for k in range(size_z):
                count = int(correlation[i, j, k] + np.float32(0.5))
                if count <= 0:
                    continue
                z = k if k <= extent[2] else k - size_z
                if alike and x == 0 and y == 0 and z == 0:
                    continue
                place = (i * size_y + j) * size_z + k
                if alike and (x < 0 or (x == 0 and (y < 0 or (y == 0 and z < 0)))):
                    place = ((-x % size_x) * size_y + -y % size_y) * size_z + -z % size_z
                kind = place
                if rhombohedral:
                    total = abs(x + y + z) if alike else x + y + z + largest_sum
                    # the sum is odd or even as the sum of squares is, so half of it tells them apart
                    kind = (x * x + y * y + z * z) * (largest_sum + 1) + total // 2
                counts[kind] += factor * count
                if places[kind] == 0:
                    places[kind] = place + 1
                    found[kinds] = kind
                    kinds += 1
    return kinds
