"""Pairs of atoms at any positions, compressed to few distances without loss.

Distances are sorted into narrow bins, each of which keeps the first eight moments of what falls into it. A bin then
stands for weights at eight Chebyshev nodes that have the same moments: for a function as smooth as sin(Q d)/(Q d) the
error is that of interpolation through these nodes, (Q h/2)^8/(8! 2^7) for bins of width h. Where the atoms of an
element have many different B, moments of the sum of B are kept in the same way. The moments are sums of Chebyshev
polynomials, which keep their digits however many there are.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import combinations_with_replacement
from math import factorial, pi

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.special import ive

from qdsim.debye.atoms import ONE_ATOM, ROUNDED_OCCUPANCY, AtomicCluster
from qdsim.debye.compiled import compiled
from qdsim.debye.pairs import PairGroup, Pairs, Species
from qdsim.debye.processors import processors

FloatArray = npt.NDArray[np.float64]

_MOMENTS = 8
_FINER = 1e-4  # of the wanted error: between Bragg peaks a crystal scatters that much less than its pairs one by one
_MOST_KINDS = 6  # of (element, B), beyond which moments of B are cheaper than a table for each pair of kinds
_BLOCK = 64
_MANY = 2_000  # atoms from which threads pay
_WIDEST = 0.5  # Å


def atom_pairs(cluster: AtomicCluster, q_max: float, rtol: float) -> Pairs:
    """Collect the pairs of a cluster.

    Parameters
    ----------
    cluster
        The atoms.
    q_max
        Largest Q at which the pairs will be used, Å^-1.
    rtol
        Wanted relative error of the intensity.

    Returns
    -------
    Pairs
    """
    symbols = np.array(cluster.symbols)
    kinds, kind_of = np.unique(
        np.array([f"{symbol} {b!r}" for symbol, b in zip(symbols, cluster.b_iso.tolist(), strict=True)]),
        return_inverse=True,
    )
    many = len(kinds) > _MOST_KINDS
    if many:
        kinds, kind_of = np.unique(symbols, return_inverse=True)
    order = np.argsort(kind_of, kind="stable")
    positions = np.ascontiguousarray(cluster.positions[order].T)
    occupancies, b_iso = cluster.occupancies[order], cluster.b_iso[order]
    bounds = np.searchsorted(kind_of[order], np.arange(len(kinds) + 1))

    width = _bin_width(q_max, rtol)
    centred = positions - positions.mean(axis=1, keepdims=True)
    n_bins = int(2 * np.sqrt((centred**2).sum(axis=0).max()) / width) + 2
    b_low, b_high = float(b_iso.min()), float(b_iso.max())
    b_moments = _b_moments((b_high - b_low) * q_max**2 / (16 * pi**2), rtol) if many else 1
    scaled_b = (b_iso - (b_low + b_high) / 2) / max(b_high - b_low, 1e-30) if b_moments > 1 else np.zeros_like(b_iso)

    groups = []
    for a, b in combinations_with_replacement(range(len(kinds)), 2):
        span = np.array([bounds[a], bounds[a + 1], bounds[b], bounds[b + 1]])
        moments = _moments(positions, occupancies, scaled_b, span, 1 / width, n_bins, b_moments)
        filled = np.flatnonzero(moments[:, 0, 0])
        if not filled.size:
            continue
        names = (str(symbols[order[bounds[a]]]), str(symbols[order[bounds[b]]]))
        nodes, from_moments = _quadrature(_MOMENTS)
        b_nodes, from_b_moments = _quadrature(b_moments)
        weights = np.einsum("kbm,cb,nm->ckn", moments[filled], from_b_moments, from_moments, optimize=True)
        distances = (filled[:, None] + (1 + nodes) / 2) * width
        b_sums = (b_low + b_high) + b_nodes * (b_high - b_low) if many else [float(b_iso[bounds[a]] + b_iso[bounds[b]])]
        species = tuple(Species(names, float(b_sum)) for b_sum in b_sums)
        rows = np.ascontiguousarray(2 * weights.reshape(len(species), -1))
        groups.append(PairGroup(distances.ravel(), species, rows))
    groups += _excluded(cluster)
    elements = np.unique(symbols)
    return Pairs(
        tuple(groups),
        {str(element): float(cluster.occupancies[symbols == element].sum()) for element in elements},
        {str(element): float((cluster.occupancies[symbols == element] ** 2).sum()) for element in elements},
    )


def _excluded(cluster: AtomicCluster) -> list[PairGroup]:
    """Return the pairs of places of one atom with the opposite weight: it is on one of them at a time."""
    first, second = cKDTree(cluster.positions).query_pairs(ONE_ATOM, output_type="ndarray").T
    occupancies = cluster.occupancies
    one_atom = occupancies[first] + occupancies[second] <= 1 + ROUNDED_OCCUPANCY
    found: dict[Species, list[tuple[float, float]]] = {}
    for i, j in zip(first[one_atom].tolist(), second[one_atom].tolist(), strict=True):
        species = Species((cluster.symbols[i], cluster.symbols[j]), float(cluster.b_iso[i] + cluster.b_iso[j]))
        distance = float(np.linalg.norm(cluster.positions[i] - cluster.positions[j]))
        found.setdefault(species, []).append((distance, -2.0 * occupancies[i] * occupancies[j]))
    return [
        PairGroup(
            np.array([distance for distance, _ in pairs]), (species,), np.array([[weight for _, weight in pairs]])
        )
        for species, pairs in found.items()
    ]


def _bin_width(q_max: float, rtol: float) -> float:
    error = rtol * _FINER * factorial(_MOMENTS) * 2 ** (_MOMENTS - 1)
    return float(min(2 / max(q_max, 1.0) * error ** (1 / _MOMENTS), _WIDEST))


def _b_moments(exponent: float, rtol: float) -> int:
    """Return how many nodes interpolate exp(-x) well enough for x from 0 to twice `exponent`.

    The coefficients of its Chebyshev series are 2 exp(-exponent) I_n(exponent), I_n the modified Bessel function.
    """
    n = 1
    while 2 * ive(n, exponent) > rtol * _FINER:
        n += 1
    return n


@lru_cache(maxsize=32)
def _quadrature(n: int) -> tuple[FloatArray, FloatArray]:
    """Return n Chebyshev nodes on -1..1, and the matrix that makes their weights from n moments."""
    angles = pi * (np.arange(n) + 0.5) / n
    matrix = 2 / n * np.cos(np.outer(angles, np.arange(n)))
    matrix[:, 0] /= 2
    return np.cos(angles), matrix


def _moments(
    positions: FloatArray,
    occupancies: FloatArray,
    scaled_b: FloatArray,
    span: npt.NDArray[np.int64],
    per_width: float,
    n_bins: int,
    b_moments: int,
) -> FloatArray:
    """Return the moments of the pairs between two spans of atoms, shape (n_bins, b_moments, moments)."""
    threads = processors() if positions.shape[1] > _MANY else 1
    moments = np.zeros((threads, n_bins, b_moments, _MOMENTS))

    def add(thread: int) -> None:
        _add_moments(positions, occupancies, scaled_b, span, per_width, thread, threads, moments[thread])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(add, range(threads)))
    return np.asarray(moments.sum(axis=0))


@compiled(
    "void(f8[:, ::1], f8[::1], f8[::1], i8[::1], f8, i8, i8, f8[:, :, ::1])",
    nogil=True,
    fastmath={"contract", "nsz"},
)
def _add_moments(
    positions: FloatArray,
    occupancies: FloatArray,
    scaled_b: FloatArray,
    span: npt.NDArray[np.int64],
    per_width: float,
    thread: int,
    threads: int,
    moments: FloatArray,
) -> None:
    """Add the pairs of every `threads`-th atom of the first span; equal spans are gone through once.

    Chebyshev polynomials follow from T_n+1(x) = 2 x T_n(x) - T_n-1(x), beginning with T_0 = 1 and T_-1 = x.
    """
    x, y, z = positions[0], positions[1], positions[2]
    places = np.empty(_BLOCK)
    same = span[0] == span[2]
    for i in range(span[0] + thread, span[1], threads):
        for start in range(i + 1 if same else span[2], span[3], _BLOCK):
            length = min(_BLOCK, span[3] - start)
            for k in range(length):
                j = start + k
                squared = (x[j] - x[i]) ** 2 + (y[j] - y[i]) ** 2 + (z[j] - z[i]) ** 2
                places[k] = np.sqrt(squared) * per_width
            for k in range(length):
                into = np.uint64(places[k])
                offset = 2.0 * (places[k] - into) - 1.0
                b_offset = scaled_b[i] + scaled_b[start + k]
                b_weight = occupancies[i] * occupancies[start + k]
                b_previous = b_weight * b_offset
                for row in range(moments.shape[1]):
                    weight, previous = b_weight, b_weight * offset
                    for moment in range(_MOMENTS):
                        moments[into, row, moment] += weight
                        weight, previous = 2.0 * offset * weight - previous, weight
                    b_weight, b_previous = 2.0 * b_offset * b_weight - b_previous, b_weight
