"""Sums of weighted sines over many distances, as one small matrix product.

The sum over k of w_k sin(Q d_k)/(Q d_k) is wanted for any list of Q. The weights w_k/d_k are spread onto a uniform grid
of distances r_j with the exponential-of-semicircle kernel phi(x) = exp(beta (sqrt(1 - x^2) - 1)), |x| <= 1, and the sum
of sin(Q r_j) over the grid is divided by Q phi^(Q), where phi^ is the Fourier transform of the kernel (Barnett, Magland
& af Klinteberg, SIAM J. Sci. Comput. 41, C479 (2019), 10.1137/18M120885X). The grid is twice as fine as the largest Q
needs. Its sines are made of those of every eighth point and of seven steps, which keeps the tables in the cache.
"""

from functools import cache, lru_cache
from math import pi

import numba
import numpy as np
import numpy.typing as npt

from qdsim.debye.compiled import compiled

FloatArray = npt.NDArray[np.float64]

_WIDTH = 16  # grid points that the kernel covers: an error of 4e-13 for each sine, where rounding ends it
_BETA = 2.30 * _WIDTH  # best for a grid twice as fine as needed (Barnett et al., section 4)
_DEGREE = 14  # its error is below that of every kernel
_BLOCK = 32  # distances whose kernels are evaluated together, in vector registers
_QUADRATURE = 60
_STEPS = 8
_NEAREST = 1e-6  # Å; pairs nearer than this count as being on one place
_SHORTEST_RANGE = 0.5  # Å^-1; the wide grid of a shorter one would lose the digits of short distances
_ZERO = 1e-30  # Å^-1; stands for Q = 0, where sin(Q r)/Q is r
_BUCKET = 64  # grids are a multiple of this long, so that particles of similar size share their tables
_FUSED = {"contract", "nsz"}  # multiply and add at once; the order of sums stays


@cache
def _kernel_polynomials() -> FloatArray:
    """Return the kernel as a polynomial for each grid point it covers, highest power first, shape (degree + 1, 16)."""
    nodes = np.cos(pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    x = (2 * np.arange(_WIDTH) + 1 - _WIDTH - nodes[:, None]) / _WIDTH
    values = np.exp(_BETA * (np.sqrt(np.maximum(1 - x * x, 0)) - 1))
    return np.linalg.solve(np.vander(nodes), values)


def _kernel_transform(phase: FloatArray) -> FloatArray:
    """Return the Fourier transform of the kernel in units of the grid; `phase` is Q times the spacing."""
    nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE)
    nodes, weights = nodes[nodes > 0], weights[nodes > 0]
    values = weights * np.exp(_BETA * (np.sqrt(1 - nodes**2) - 1))
    return np.asarray(np.cos(np.outer(phase, _WIDTH / 2 * nodes)) @ (_WIDTH * values))


@numba.njit(fastmath=_FUSED, inline="always")
def _evaluate(
    distances: FloatArray,
    polynomials: FloatArray,
    spacing: float,
    fractions: FloatArray,
    first: npt.NDArray[np.uint64],
    values: FloatArray,
) -> None:
    """Evaluate the kernel of each distance at the points it covers, and find the first of them."""
    for i in range(distances.size):
        place = distances[i] / spacing
        first[i] = int(place)
        fractions[i] = 2.0 * (place - int(place)) - 1.0
    for lane in range(_WIDTH):
        for i in range(_BLOCK):
            value = 0.0
            for power in range(_DEGREE + 1):
                value = value * fractions[i] + polynomials[power, lane]
            values[lane, i] = value


@compiled("void(f8[::1], f8[:, ::1], f8[:, ::1], f8, f8[:, ::1])", fastmath=_FUSED)
def _spread(
    distances: FloatArray, weights: FloatArray, polynomials: FloatArray, spacing: float, grid: FloatArray
) -> None:
    """Add weights/distance to the grid."""
    first, fractions = np.empty(_BLOCK, np.uint64), np.zeros(_BLOCK)
    values = np.empty((_WIDTH, _BLOCK))
    for start in range(0, distances.size, _BLOCK):
        block = distances[start : start + _BLOCK]
        _evaluate(block, polynomials, spacing, fractions, first, values)
        for i in range(block.size):
            for row in range(weights.shape[0]):
                amount = weights[row, start + i] / block[i]
                for lane in range(_WIDTH):
                    grid[row, first[i] + np.uint64(lane)] += amount * values[lane, i]


@compiled("void(f8[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8, f8[:, ::1])", fastmath=_FUSED)
def _spread_changes(
    distances: FloatArray,
    weights: FloatArray,
    slopes: FloatArray,
    polynomials: FloatArray,
    derivatives: FloatArray,
    spacing: float,
    grid: FloatArray,
) -> None:
    """Add the change of weights/distance with each parameter; rows of the grid are (parameter, weight)."""
    first, fractions = np.empty(_BLOCK, np.uint64), np.zeros(_BLOCK)
    values, changes = np.empty((_WIDTH, _BLOCK)), np.empty((_WIDTH, _BLOCK))
    rows = weights.shape[0]
    for start in range(0, distances.size, _BLOCK):
        block = distances[start : start + _BLOCK]
        _evaluate(block, polynomials, spacing, fractions, first, values)
        _evaluate(block, derivatives, spacing, fractions, first, changes)
        for i in range(block.size):
            for lane in range(_WIDTH):
                changes[lane, i] -= values[lane, i] / block[i]
            for parameter in range(slopes.shape[0]):
                for row in range(rows):
                    amount = weights[row, start + i] / block[i] * slopes[parameter, start + i]
                    for lane in range(_WIDTH):
                        grid[parameter * rows + row, first[i] + np.uint64(lane)] += amount * changes[lane, i]


@compiled("void(f8[:, :, ::1], f8[:, ::1], f8[::1], f8[:, ::1])", fastmath=_FUSED)
def _combine(coarse: FloatArray, steps: FloatArray, scale: FloatArray, sums: FloatArray) -> None:
    """Add sin(a) cos(b) + cos(a) sin(b) over the steps b; sines stand before cosines in `coarse`, in `steps` after."""
    n_q = scale.size
    for row in range(sums.shape[0]):
        for step in range(_STEPS):
            for i in range(n_q):
                sums[row, i] += steps[step, i] * coarse[row, step, i]
                sums[row, i] += steps[step, n_q + i] * coarse[row, step, n_q + i]
        for i in range(n_q):
            sums[row, i] *= scale[i]


class SincTransform:
    """Turns weights at distances into the sum of w sin(Q d)/(Q d).

    Parameters
    ----------
    q
        Wanted Q, Å^-1, shape (n_q,), any order.
    largest_distance
        Of all that will be spread, Å.
    """

    def __init__(self, q: FloatArray, largest_distance: float):
        self.spacing = _spacing(q)
        self._polynomials = _kernel_polynomials()
        needed = int(largest_distance / self.spacing) + 1 + _WIDTH
        self._length = -(-needed // _BUCKET) * _BUCKET
        self._coarse, self._steps, self._scale = _tables(q.tobytes(), self._length)

    def grid(self, rows: int) -> FloatArray:
        """Return an empty grid for this many independent sums, shape (rows, n_grid)."""
        return np.zeros((rows, self._length))

    def spread(self, distances: FloatArray, weights: FloatArray, grid: FloatArray) -> None:
        """Add pairs to a grid.

        Parameters
        ----------
        distances
            Å, shape (k,).
        weights
            Shape (rows, k).
        grid
            Changed in place, shape (rows, n_grid).
        """
        _spread(np.maximum(distances, _NEAREST), weights, self._polynomials, self.spacing, grid)

    def spread_changes(self, distances: FloatArray, weights: FloatArray, slopes: FloatArray, grid: FloatArray) -> None:
        """Add the changes that moving pairs cause.

        Parameters
        ----------
        distances, weights
            As in `spread`.
        slopes
            Change of each distance with each parameter, shape (parameters, k).
        grid
            Changed in place, shape (parameters * rows, n_grid), the rows of one parameter together.
        """
        derivatives = _kernel_derivatives() * (2 / self.spacing)
        _spread_changes(
            np.maximum(distances, _NEAREST), weights, slopes, self._polynomials, derivatives, self.spacing, grid
        )

    def __call__(self, grid: FloatArray) -> FloatArray:
        """Return the sums that a grid stands for, shape (rows, n_q)."""
        rows = grid.shape[0]
        by_step = grid.reshape(rows, -1, _STEPS).transpose(0, 2, 1).reshape(rows * _STEPS, -1)
        sums = np.zeros((rows, self._scale.size))
        _combine((by_step @ self._coarse).reshape(rows, _STEPS, -1), self._steps, self._scale, sums)
        return sums


@cache
def _kernel_derivatives() -> FloatArray:
    """Return the derivatives of the kernel's polynomials, with a zero first so that they have as many terms."""
    powers = np.arange(_DEGREE, 0, -1)
    differentiated = _kernel_polynomials()[:-1] * powers[:, None]
    return np.vstack([np.zeros((1, _WIDTH)), differentiated])


def _spacing(q: FloatArray) -> float:
    """Return the spacing of the grid, Å."""
    return pi / (2 * max(float(q.max()), _SHORTEST_RANGE))


@lru_cache(maxsize=16)
def _tables(q_bytes: bytes, length: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sines and cosines of every eighth point, cosines and sines of the steps, and 1/(Q phi^(Q)).

    The shapes are (n_grid/8, 2 n_q), (8, 2 n_q) and (n_q,).
    """
    q = np.maximum(np.frombuffer(q_bytes), _ZERO)
    spacing = _spacing(q)
    coarse = np.outer(_STEPS * spacing * np.arange(length // _STEPS), q)
    steps = np.outer(spacing * (np.arange(_STEPS) + 1 - _WIDTH // 2), q)
    return (
        np.concatenate([np.sin(coarse), np.cos(coarse)], axis=1),
        np.concatenate([np.cos(steps), np.sin(steps)], axis=1),
        1 / (q * _kernel_transform(q * spacing)),
    )
