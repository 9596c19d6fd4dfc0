"""The Debye equation as it is written, term by term: what every faster way is judged by."""

from collections.abc import Callable, Sequence
from math import pi

import numba
import numpy as np
import numpy.typing as npt
import pytest
import xraydb

from qdsim.structures import LatticeParticle, LatticePoints, RhombohedralState, cut_rocksalt

FloatArray = npt.NDArray[np.float64]
PBS = RhombohedralState.from_lattice_constant(5.936)
DISTORTED = RhombohedralState(PBS.volume, alpha=59.1, offset=0.12)


@numba.njit("f8[::1](f8[:, ::1], f8[::1], f8[:, ::1], f8[:, ::1])", parallel=True, cache=True)
def _double_sum(positions: FloatArray, q: FloatArray, real: FloatArray, imaginary: FloatArray) -> FloatArray:
    """Sum Re(g_i g_j*) sin(Q d_ij)/(Q d_ij) over i != j; the g have the shape (n_q, N)."""
    sums = np.zeros(q.size)
    for k in numba.prange(q.size):
        for i in range(len(positions)):
            part = 0.0
            for j in range(i):
                x = positions[i, 0] - positions[j, 0]
                y = positions[i, 1] - positions[j, 1]
                z = positions[i, 2] - positions[j, 2]
                phase = q[k] * np.sqrt(x * x + y * y + z * z)
                sinc = np.sin(phase) / phase if phase > 0.0 else 1.0
                part += (real[k, i] * real[k, j] + imaginary[k, i] * imaginary[k, j]) * sinc
            sums[k] += 2.0 * part
    return sums


def double_sum(
    symbols: Sequence[str],
    positions: npt.ArrayLike,
    q: FloatArray,
    occupancies: float | FloatArray = 1.0,
    b_iso: float | FloatArray = 0.0,
    energy_kev: float | None = None,
) -> FloatArray:
    """Return the intensity with the linear self term, shape (n_q,)."""
    amplitudes = {symbol: xraydb.f0(symbol, q / (4 * pi)).astype(complex) for symbol in set(symbols)}
    if energy_kev is not None:
        for symbol in amplitudes:
            amplitudes[symbol] += xraydb.f1_chantler(symbol, 1000 * energy_kev)
            amplitudes[symbol] += 1j * xraydb.f2_chantler(symbol, 1000 * energy_kev)
    occupancy, b = np.broadcast_arrays(occupancies, b_iso, np.empty(len(symbols)))[:2]
    f = np.array([amplitudes[symbol] for symbol in symbols]).T
    weighted = f * occupancy * np.exp(-b * q[:, None] ** 2 / (16 * pi**2))
    arrays = (np.ascontiguousarray(array, float) for array in (positions, q, weighted.real, weighted.imag))
    pairs = _double_sum(*arrays)
    return np.asarray((occupancy * np.abs(f) ** 2).sum(axis=1) + pairs)


@pytest.fixture(scope="session")
def judge() -> Callable[..., FloatArray]:
    """Return `double_sum`."""
    return double_sum


@pytest.fixture(scope="session")
def sphere() -> Callable[..., LatticeParticle]:
    """Return a function that cuts spheres of lead sulfide of a given diameter (Å)."""

    def cut(diameter: float, *, distorted: bool = False) -> LatticeParticle:
        state = DISTORTED if distorted else PBS
        return cut_rocksalt("Pb", "S", state, "sphere", diameter, shell_thickness=4.0 if distorted else 0.0)

    return cut


@pytest.fixture(scope="session")
def permuted() -> Callable[[LatticeParticle, int], LatticeParticle]:
    """Return a function that puts the atoms of a particle into another order."""

    def permute(particle: LatticeParticle, seed: int) -> LatticeParticle:
        order = np.random.default_rng(seed).permutation(len(particle))
        points = particle.points
        return LatticeParticle(
            LatticePoints(points.cells[order], points.sites[order], points.regions[order]),
            particle.cell,
            particle.basis,
            particle.symbols,
            particle.origin,
        )

    return permute
