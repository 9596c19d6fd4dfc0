"""Pairs of atoms in a growing particle, weighted by a smooth function of the diameter from which on both are there.

A particle of diameter D holds the atoms whose smallest diameters d_i are D or less, so that a pair exists from
max(d_i, d_j) on. A mean over a distribution of sizes therefore counts each pair by the fraction S of particles that are
at least so large. Unlike the number of pairs, S is smooth: between nodes x_k, equally spaced in ln D, it is the sum of
S(x_k) phi_k(ln D) with Lagrange polynomials phi_k of degree 7. The sums of phi_k over all pairs are counted once; then
every distribution is a product with the values of S at the nodes, and no size is left out.

Pairs are counted from one of the atoms that the symmetry of the particle makes equivalent, and equivalent vectors are
counted together: around an atom of a sphere or a cubic polyhedron these are 48 times fewer pairs than there are.
"""

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise, permutations, product
from math import floor, log
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from qdsim.debye.compiled import compiled
from qdsim.structures import RhombohedralState, Shape, cut_rocksalt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Counts = tuple[FloatArray, ...]
Progress = Callable[[int, int], None]

DECIMALS = 6
"""Of a diameter in Å: atoms that join together do so but for rounding."""
NODES = 8
"""Nodes that a value between two of them is interpolated from."""
INTERPOLATION = 0.045
"""Error of a normal distribution that is interpolated from nodes one standard deviation apart; it falls with the eighth
power of the distance: the eighth derivative, 42 at most, times the product of the distances over 8!."""

_PART = 10_000_000  # pairs that are counted between two reports of progress
_BELOW = 3  # nodes below the interval that a value is in, without its lower end
_THICKER = 1e-3  # Å; a facet's diameter grows linearly with the thickness of the shell below it
_SAME = 1e-9
_ANYWHERE = np.array([[0.3, 0.7, 1.9], [1.1, -0.2, 0.6], [-1.3, 0.4, -0.8], [0.9, 1.2, -1.7]])
_PRIMITIVE = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])  # from half edges of the cube to cells
_CUBIC = np.array(
    [np.diag(signs)[list(order)] for order in permutations(range(3)) for signs in product((1, -1), repeat=3)], np.int32
)

# Row of a pair's count, by the sites (0 cation, 1 anion) of the atom that completes it and of the other one. Pairs with
# the core have a row for a cation of the core with an anion, and another for an anion of the core with a cation.
_WHOLE = np.array([[0, 2], [2, 1]])
_CORE_COMES = np.array([[0, 2], [3, 1]])
_CORE_WAS_THERE = np.array([[0, 3], [2, 1]])

# How often a pair counts: of like and unlike atoms with a partner that came before, and likewise that came at once.
_EACH_PAIR = np.array([[2, 2], [1, 1]])  # both orders; pairs that come at once are found from either atom
_WITH_THOSE_BEFORE = np.array([[1, 2], [0, 0]])
_WITH_THOSE_AT_ONCE_TOO = np.array([[1, 2], [1, 2]])


class Kinds(NamedTuple):
    """Vectors that are equally long in every rhombohedral lattice.

    Attributes
    ----------
    separations
        One vector of each kind, in primitive cells, shape (k, 3).
    shares
        Which share of each set of equivalent vectors is of each kind, sparse, shape (k, n).
    """

    separations: FloatArray
    shares: sparse.csr_array


class CoreCounts(NamedTuple):
    """Pairs with the core, on the nodes.

    Attributes
    ----------
    mixed
        Pairs of any atom and an atom of the core, from the diameter on at which both are so: two cations, two anions, a
        cation of the core and an anion, an anion of the core and a cation, the last two in both orders; each (n, m).
    inside
        Pairs within the core, as those of `PairGrowth.pairs`.
    numbers
        Cations and anions of the core, shape (2, m).
    """

    mixed: Counts
    inside: Counts
    numbers: FloatArray


class _Atoms(NamedTuple):
    """Atoms in the order in which they join a growing particle.

    Attributes
    ----------
    positions
        From the centre, Å, shape (n, 3).
    halves
        The same in half edges of the cubic cell, from the first atom, shape (3, n).
    sites
        0 for cations, 1 for anions, shape (n,).
    joining
        Smallest diameter of a particle that has the atom, Å, shape (n,).
    """

    positions: FloatArray
    halves: Int32Array
    sites: Int32Array
    joining: FloatArray


class PairGrowth:
    """Counts of the pairs of a growing particle on nodes of its diameter.

    Parameters
    ----------
    body, centre, lattice_constant
        As for `qdsim.debye.particles.ParticleLibrary`.
    smallest, largest
        Diameters between which the particles differ, Å; pairs that are there earlier count as of the smallest.
    step
        Between two nodes, in ln D.

    Attributes
    ----------
    diameters
        Of the nodes, Å, shape (m,).
    like, unlike
        Kinds of vectors between two atoms of one sublattice, one of two opposite ones; and from a cation to an anion.

    Raises
    ------
    QdsimError
        If there are no such particles.
    """

    def __init__(self, body: Shape, centre: str, lattice_constant: float, smallest: float, largest: float, step: float):
        self.smallest, self.largest, self.step = smallest, largest, step
        self._body = body
        self._first = floor(log(smallest) / step) - _BELOW
        n_nodes = floor(log(largest) / step) - _BELOW + NODES - self._first
        self.diameters: FloatArray = np.exp(step * (self._first + np.arange(n_nodes)))
        self._atoms = _join(body, centre, lattice_constant, largest)
        operations = symmetry(body, centre)
        doubled = np.rint(4 / lattice_constant * self._atoms.positions.T).astype(np.int32)
        self._stand_for = np.zeros(doubled.shape[1], np.int32)
        _count_equivalent(np.ascontiguousarray(doubled), operations, self._stand_for)
        self._vectors = _Vectors(self._atoms.halves, body.extent * largest * 4 / lattice_constant, operations)
        self.like, self.unlike = self._vectors.kinds
        self._known_pairs: Counts | None = None
        self._known_core: tuple[float, bool, tuple[CoreCounts, CoreCounts | None]] | None = None

    def pairs(self, progress: Progress | None = None) -> Counts:
        """Count the pairs of the whole particle, once for each object.

        Parameters
        ----------
        progress
            Called with parts counted and parts to be counted.

        Returns
        -------
        tuple of ndarray
            Cation-cation, anion-anion and cation-anion pairs, both orders counted, each (n, m).
        """
        if self._known_pairs is None:
            counts = self._empty(3)
            surface = self._atoms.joining
            self._add(surface, surface, _WHOLE, _EACH_PAIR, counts, progress=progress)
            self._known_pairs = self._split(counts)
        return self._known_pairs

    @cached_property
    def numbers(self) -> FloatArray:
        """Cations and anions of the whole particle, shape (2, m)."""
        return self._numbers(self._atoms.joining)

    def core(self, shell_thickness: float, *, with_slopes: bool) -> tuple[CoreCounts, CoreCounts | None]:
        """Count the pairs in which one atom or both are in the core.

        Parameters
        ----------
        shell_thickness
            Å.
        with_slopes
            Also return how the counts change with the thickness, per Å.
        """
        known = self._known_core
        if known is None or known[0] != shell_thickness or known[1] < with_slopes:
            known = self._known_core = shell_thickness, with_slopes, self._count_core(shell_thickness, with_slopes)
        return known[2]

    def _count_core(self, thickness: float, with_slopes: bool) -> tuple[CoreCounts, CoreCounts | None]:
        surface = self._atoms.joining
        core, rates = core_diameters(self._body, self._atoms.positions, thickness)
        mixed, inside = self._empty(4), self._empty(3)
        mixed_slopes, inside_slopes = (self._empty(4), self._empty(3)) if with_slopes else (None, None)
        self._add(core, surface, _CORE_COMES, _WITH_THOSE_AT_ONCE_TOO, mixed, rates, mixed_slopes)
        self._add(surface, core, _CORE_WAS_THERE, _WITH_THOSE_BEFORE, mixed)
        self._add(core, core, _WHOLE, _EACH_PAIR, inside, rates, inside_slopes)
        counted = CoreCounts(self._split(mixed), self._split(inside), self._numbers(core))
        if mixed_slopes is None or inside_slopes is None:
            return counted, None
        changes = self._numbers(core, rates)
        return counted, CoreCounts(self._split(mixed_slopes), self._split(inside_slopes), changes)

    def _rows(self, rows: int) -> IntArray:
        """Return where each row of counts begins, and where the last one ends: two rows of like atoms, then others."""
        n_like, n_unlike = self._vectors.sizes
        return np.cumsum([0, n_like, n_like] + (rows - 2) * [n_unlike])

    def _empty(self, rows: int) -> FloatArray:
        return np.zeros((self._rows(rows)[-1], len(self.diameters)))

    def _split(self, counts: FloatArray) -> Counts:
        rows = next(rows for rows in (3, 4) if self._rows(rows)[-1] == len(counts))
        return tuple(np.split(counts, self._rows(rows)[1:-1]))

    def _add(
        self,
        coming: FloatArray,
        there: FloatArray,
        row_of: IntArray,
        factors: IntArray,
        counts: FloatArray,
        rates: FloatArray | None = None,
        slopes: FloatArray | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Add the pairs that atoms complete when they come.

        Parameters
        ----------
        coming, there
            Diameters from which on an atom counts as the one that completes a pair, and as the other one, shape (n,).
        row_of, factors
            Row of a pair, and how often it counts, see above.
        counts
            Changed in place, shape (slots, m).
        rates, slopes
            Changes of `coming` with the thickness of the shell, shape (n,), and those of the counts, changed in place.
        progress
            As for `pairs`.
        """
        speeds = np.zeros(len(coming)) if rates is None else rates
        stand = np.flatnonzero((self._stand_for > 0) & (coming <= self.largest))
        stand = stand[np.lexsort((speeds[stand], coming[stand]))]
        order = np.argsort(there, kind="stable")
        sorted_there = there[order]
        rows = self._rows(int(row_of.max()) + 1)
        places, speeds = self._places(coming[stand]), self._speeds(coming[stand], speeds[stand])
        until = np.searchsorted(sorted_there, coming[stand], "right")
        begin = np.flatnonzero((np.diff(places, prepend=-1.0) != 0) | (np.diff(speeds, prepend=0.0) != 0))
        groups = np.append(begin, len(stand))
        before_each = np.append(0, until.cumsum())[begin]
        parts = np.append(np.flatnonzero(np.diff(before_each // _PART, prepend=-1)), len(begin))
        events = (
            np.ascontiguousarray(self._atoms.halves[:, stand].T),
            self._atoms.sites[stand],
            self._stand_for[stand],
            places,
            speeds,
            np.searchsorted(sorted_there, coming[stand], "left"),
            until,
        )
        partners = np.ascontiguousarray(self._atoms.halves[:, order]), self._atoms.sites[order]
        vectors = self._vectors
        changes = np.empty((0, 0)) if slopes is None else slopes
        for done, (first, last) in enumerate(pairwise(parts.tolist()), 1):
            chosen = groups[first : last + 1]
            _gather(
                chosen,
                *events,
                *partners,
                vectors.table,
                vectors.reach,
                vectors.folded,
                rows[:-1][row_of],
                factors,
                counts,
                changes,
            )
            if progress is not None:
                progress(done, len(parts) - 1)

    def _places(self, diameters: FloatArray) -> FloatArray:
        """Return where diameters are between the nodes, from the first one on."""
        return np.asarray(np.log(np.maximum(diameters, self.smallest)) / self.step - self._first)

    def _speeds(self, diameters: FloatArray, rates: FloatArray) -> FloatArray:
        """Return how fast diameters move between the nodes, given how fast they change."""
        return np.where(diameters > self.smallest, rates / (self.step * np.maximum(diameters, self.smallest)), 0.0)

    def _numbers(self, coming: FloatArray, rates: FloatArray | None = None) -> FloatArray:
        """Count the atoms of either site on the nodes, or how their numbers change."""
        there = coming <= self.largest
        places, sites = self._places(coming[there]), self._atoms.sites[there]
        first = places.astype(np.int64) - _BELOW
        values = np.empty((len(places), NODES))
        if rates is None:
            _weights(places, values)
        else:
            _weight_slopes(places, values)
            values *= self._speeds(coming[there], rates[there])[:, None]
        numbers = np.zeros((2, len(self.diameters)))
        for node in range(NODES):
            np.add.at(numbers, (sites, first + node), values[:, node])
        return numbers


class _Vectors:
    """Vectors between atoms, numbered by which of them the symmetry of the particle makes equivalent.

    Vectors within a sublattice have an even sum in half edges of the cubic cell, those between the two an odd one, so
    that one table holds the numbers of both. Opposite vectors within a sublattice are equivalent in any particle.

    Parameters
    ----------
    halves
        The atoms, see `_Atoms`.
    longest
        Longest vector that occurs, in half edges.
    operations
        That leave the particle as it is, shape (o, 3, 3).

    Attributes
    ----------
    table
        Number of each vector, flattened; of a folded table by the amounts of the components; -1 for longer vectors and
        for the zero vector.
    reach
        Largest component.
    folded
        Whether vectors that differ in the signs of components are equivalent.
    sizes
        Numbers of sets of equivalent vectors, even and odd.
    """

    def __init__(self, halves: Int32Array, longest: float, operations: Int32Array):
        self.reach = int(np.ptp(halves, axis=1).max())
        mirrors = [np.diag(signs).astype(np.int32) for signs in product((1, -1), repeat=3)]
        self.folded = all((operations == mirror).all(axis=(1, 2)).any() for mirror in mirrors)
        side = self.reach + 1 if self.folded else 2 * self.reach + 1
        self.table = np.empty(side**3, np.int32)
        self.sizes = tuple(_number_vectors(operations, self.reach, floor(longest**2) + 1, self.folded, self.table))
        self._operations = operations

    @cached_property
    def kinds(self) -> tuple[Kinds, Kinds]:
        """Kinds of even vectors and of odd ones."""
        side = round(len(self.table) ** (1 / 3))
        numbers, first = np.unique(self.table, return_index=True)
        places = np.unravel_index(first[numbers >= 0], (side,) * 3)
        vectors = np.stack(places, axis=1) - (0 if self.folded else self.reach)
        n_even = self.sizes[0]
        return self._kinds(vectors[:n_even], True), self._kinds(vectors[n_even:], False)

    def _kinds(self, vectors: IntArray, even: bool) -> Kinds:
        """Sort the equivalents of vectors, shape (n, 3), by length and by their projection on [111]."""
        images = np.einsum("oij,nj->oni", self._operations.astype(np.int64), vectors)
        along = images.sum(axis=2)
        along = np.abs(along) if even else along
        lengths = (vectors**2).sum(axis=1)
        keys = lengths * (6 * self.reach + 2) + along + 3 * self.reach
        _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
        which = np.broadcast_to(np.arange(len(vectors)), keys.shape).ravel()
        share = np.full(keys.size, 1 / len(self._operations))
        shares = sparse.coo_array((share, (kind.ravel(), which)), shape=(len(first), len(vectors))).tocsr()
        shares.sum_duplicates()
        return Kinds(images.reshape(-1, 3)[first] @ _PRIMITIVE, shares)


def symmetry(body: Shape, centre: str) -> Int32Array:
    """Return the operations of the cubic group that leave a particle as it is, shape (n, 3, 3).

    Parameters
    ----------
    body, centre
        As for `PairGrowth`.
    """
    expected = body.smallest_diameters(_ANYWHERE)
    small = cut_rocksalt("Pb", "S", RhombohedralState.from_lattice_constant(2.0), Shape(), 4.0, centre=centre)
    halves, sites = small.positions, small.points.sites
    kept = []
    for operation in _CUBIC:
        moved = body.smallest_diameters(_ANYWHERE @ operation.T)
        if not np.allclose(moved, expected, rtol=_SAME, atol=0):
            continue
        # an atom of each site must come to lie on its own sublattice: an even number of half edges away
        shifts = np.array([(operation @ halves[i] - halves[i]) for i in (np.argmin(sites), np.argmax(sites))])
        whole = np.rint(shifts)
        if np.abs(shifts - whole).max() < _SAME and not (whole.sum(axis=1) % 2).any():
            kept.append(operation)
    return np.array(kept, np.int32)


def _join(body: Shape, centre: str, lattice_constant: float, largest: float) -> _Atoms:
    state = RhombohedralState.from_lattice_constant(lattice_constant)
    particle = cut_rocksalt("Pb", "S", state, body, largest, centre=centre)
    joining = np.round(body.smallest_diameters(particle.positions), DECIMALS)
    order = np.argsort(joining, kind="stable")
    positions = particle.positions[order]
    halves = np.rint(2 / lattice_constant * (positions - positions[0])).astype(np.int32)
    sites = particle.points.sites[order].astype(np.int32)
    return _Atoms(positions, np.ascontiguousarray(halves.T), sites, joining[order])


def core_diameters(body: Shape, positions: FloatArray, thickness: float) -> tuple[FloatArray, FloatArray]:
    """Return the diameters at which atoms join the core, Å, and how these change with the thickness of the shell.

    Parameters
    ----------
    body
        Shape of the particle.
    positions
        From its centre, Å, shape (n, 3).
    thickness
        Of the shell, Å.
    """
    joining = body.smallest_diameters(positions, thickness)
    later = body.smallest_diameters(positions, thickness + _THICKER)
    (vanishing,) = np.round(body.smallest_diameters(np.zeros((1, 3)), thickness), DECIMALS)
    joined = np.maximum(np.round(joining, DECIMALS), vanishing + 10.0**-DECIMALS)  # a core of no size has no atom
    return joined, np.round((later - joining) / _THICKER, DECIMALS)


@compiled("void(i4[:, ::1], i4[:, :, ::1], i4[::1])")
def _count_equivalent(points: Int32Array, operations: Int32Array, numbers: Int32Array) -> None:
    """Find how many points are equivalent to one that stands for them; 0 for the others.

    Parameters
    ----------
    points
        Shape (3, n).
    operations
        Shape (o, 3, 3).
    numbers
        Filled, shape (n,).
    """
    side = np.int64(0)
    for i in range(points.shape[1]):
        for axis in range(3):
            side = max(side, abs(np.int64(points[axis, i])))
    side = 2 * side + 1
    for i in range(points.shape[1]):
        own = (np.int64(points[0, i]) * side + points[1, i]) * side + points[2, i]
        fixed, stands = 0, True
        for o in range(operations.shape[0]):
            code = np.int64(0)
            for row in range(3):
                moved = np.int64(0)
                for column in range(3):
                    moved += operations[o, row, column] * points[column, i]
                code = code * side + moved
            if code > own:
                stands = False
                break
            if code == own:
                fixed += 1
        numbers[i] = operations.shape[0] // fixed if stands else 0


@compiled("UniTuple(i8, 2)(i4[:, :, ::1], i8, i8, b1, i4[::1])")
def _number_vectors(
    operations: Int32Array, reach: int, longest: int, folded: bool, table: Int32Array
) -> tuple[int, int]:
    """Give numbers to sets of equivalent vectors, even ones first; return how many even and odd ones there are.

    Parameters
    ----------
    operations
        Shape (o, 3, 3).
    reach, longest
        Largest component, and square of the longest vector.
    folded
        Whether the table is of the amounts of components.
    table
        Filled with numbers, flattened from three axes.
    """
    lowest = 0 if folded else -reach
    side = reach - lowest + 1
    counts = np.zeros(2, np.int64)
    for odd in range(2):
        for place in range(table.size):
            x, y, z = place // (side * side) + lowest, place // side % side + lowest, place % side + lowest
            if (x + y + z) % 2 != odd:
                continue
            if not 0 < x * x + y * y + z * z <= longest:
                table[place] = -1
                continue
            # of equivalent vectors, the first in the table has the others' number
            first = place
            for o in range(operations.shape[0]):
                a = operations[o, 0, 0] * x + operations[o, 0, 1] * y + operations[o, 0, 2] * z
                b = operations[o, 1, 0] * x + operations[o, 1, 1] * y + operations[o, 1, 2] * z
                c = operations[o, 2, 0] * x + operations[o, 2, 1] * y + operations[o, 2, 2] * z
                if folded:
                    a, b, c = abs(a), abs(b), abs(c)
                first = min(first, ((a - lowest) * side + b - lowest) * side + c - lowest)
                if not odd and not folded:
                    first = min(first, ((-a - lowest) * side - b - lowest) * side - c - lowest)
            if first == place:
                table[place] = counts[0] + counts[1]
                counts[odd] += 1
            else:
                table[place] = table[first]
    return counts[0], counts[1]


@compiled("void(f8[::1], f8[:, ::1])")
def _weights(places: FloatArray, values: FloatArray) -> None:
    """Fill in the Lagrange polynomials of places between the nodes, shape (n, 8)."""
    for i in range(places.size):
        part = places[i] - np.floor(places[i])
        for k in range(NODES):
            value = 1.0
            for other in range(NODES):
                if other != k:
                    value *= (part + _BELOW - other) / (k - other)
            values[i, k] = value


@compiled("void(f8[::1], f8[:, ::1])")
def _weight_slopes(places: FloatArray, values: FloatArray) -> None:
    """Fill in the derivatives of the Lagrange polynomials at places between the nodes, shape (n, 8)."""
    for i in range(places.size):
        part = places[i] - np.floor(places[i])
        for k in range(NODES):
            slope = 0.0
            for without in range(NODES):
                if without == k:
                    continue
                value = 1.0 / (k - without)
                for other in range(NODES):
                    if other not in (k, without):
                        value *= (part + _BELOW - other) / (k - other)
                slope += value
            values[i, k] = slope


@numba.njit(inline="always")
def _count_partners(
    atom: Int32Array,
    site: int,
    numbers: Int32Array,
    before: int,
    partners: Int32Array,
    partner_sites: Int32Array,
    table: Int32Array,
    reach: int,
    folded: bool,
    rows: IntArray,
    at_once: Int32Array,
) -> None:
    """Count the pairs that one atom completes; `numbers` are the factors for all atoms that it stands for."""
    n_even = rows[1, 1] - rows[0, 0]  # odd sets have the numbers after the even ones, and rows of their own
    side = reach + 1 if folded else 2 * reach + 1
    for j in range(partner_sites.size):
        a, b, c = partners[0, j] - atom[0], partners[1, j] - atom[1], partners[2, j] - atom[2]
        if a == 0 and b == 0 and c == 0:
            continue
        unlike = partner_sites[j] != site
        if folded:
            a, b, c = abs(a), abs(b), abs(c)
        else:
            if unlike and site == 1:  # from the cation to the anion
                a, b, c = -a, -b, -c
            a, b, c = a + reach, b + reach, c + reach
        slot = rows[site, partner_sites[j]] + table[(a * side + b) * side + c]
        if unlike:
            slot -= n_even
        at_once[slot] += numbers[np.int64(j >= before), np.int64(unlike)]


@numba.njit(inline="always")
def _spread(at_once: Int32Array, weights: FloatArray, first: int, counts: FloatArray) -> None:
    """Add counts to the nodes."""
    for slot in range(at_once.size):
        number = at_once[slot]
        if number:
            for k in range(NODES):
                counts[slot, first + k] += weights[k] * number


@compiled(
    "void(i8[::1], i4[:, ::1], i4[::1], i4[::1], f8[::1], f8[::1], i8[::1], i8[::1], i4[:, ::1], i4[::1], i4[::1], i8, "
    "b1, i8[:, ::1], i8[:, ::1], f8[:, ::1], f8[:, ::1])"
)
def _gather(
    groups: IntArray,
    coming: Int32Array,
    sites: Int32Array,
    stand_for: Int32Array,
    places: FloatArray,
    speeds: FloatArray,
    before: IntArray,
    until: IntArray,
    partners: Int32Array,
    partner_sites: Int32Array,
    table: Int32Array,
    reach: int,
    folded: bool,
    rows: IntArray,
    factors: IntArray,
    counts: FloatArray,
    slopes: FloatArray,
) -> None:
    """Count pairs on the nodes.

    Parameters
    ----------
    groups
        Where atoms of another place or speed begin, and where the last ones end, shape (g + 1,).
    coming, sites, stand_for
        Atoms that complete pairs, shape (e, 3), their sites, and how many equivalent ones there are, shape (e,).
    places, speeds
        Where their diameters are between the nodes, ascending, and how fast they move there, shape (e,).
    before, until
        How many of the partners came before, and not later, shape (e,).
    partners, partner_sites
        The other atoms in the order in which they come, shape (3, n) and (n,).
    table, reach, folded
        As in `_Vectors`.
    rows
        Where the counts of a pair begin, by the sites of both atoms.
    factors
        How often a pair counts: rows for partners that came before and at once, columns for like and unlike atoms.
    counts, slopes
        Changed in place, shape (slots, m); slopes may be empty.
    """
    at_once = np.zeros(counts.shape[0], np.int32)
    weights = np.empty((1, NODES))
    for group in range(groups.size - 1):
        begin, end = groups[group], groups[group + 1]
        for event in range(begin, end):
            there = until[event]
            numbers = (factors * stand_for[event]).astype(np.int32)
            _count_partners(
                coming[event],
                sites[event],
                numbers,
                before[event],
                partners[:, :there],
                partner_sites[:there],
                table,
                reach,
                folded,
                rows,
                at_once,
            )
        first = int(places[begin]) - _BELOW
        _weights(places[begin : begin + 1], weights)
        _spread(at_once, weights[0], first, counts)
        if slopes.size:
            _weight_slopes(places[begin : begin + 1], weights)
            _spread(at_once, speeds[begin] * weights[0], first, slopes)
        at_once[:] = 0
