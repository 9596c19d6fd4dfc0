"""The reduced pair distribution function, as a measurement over a finite range of Q gives it."""

from math import pi
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qdsim.debye.atoms import as_cluster
from qdsim.debye.intensity import structure_factor
from qdsim.errors import QdsimError
from qdsim.structures import LatticeParticle

FloatArray = npt.NDArray[np.float64]

_NODES = 16
_PHASE = 12.0  # of the fastest oscillation in a panel: integrated by 16 Gauss-Legendre nodes to 1e-13


def pair_distribution(
    structure: Any,
    r: npt.ArrayLike,
    *,
    q_min: float = 1.0,
    q_max: float = 25.0,
    q_damp: float = 0.0,
    window: Literal["none", "lorch"] = "none",
    **options: Any,
) -> FloatArray:
    """Compute G(r) = 2/pi times the integral of F(Q) sin(Q r) dQ from q_min to q_max.

    Parameters
    ----------
    structure
        As for `qdsim.debye.intensity`.
    r
        Distances, Å, shape (n,).
    q_min, q_max
        Range of Q, Å^-1. Small-angle scattering below q_min is missing in G(r), as in a measurement: it makes the
        baseline that falls with the density of the sample.
    q_damp
        Resolution of the instrument, Å^-1: G(r) is multiplied by exp(-(r q_damp)^2/2).
    window
        "lorch" multiplies F(Q) by sin(x)/x, x = pi Q/q_max, which takes ripples away and broadens peaks.
    options
        occupancies, b_iso, energy_kev, radiation, ions, form_factors, dispersion, rtol: as for `qdsim.debye.intensity`.

    Returns
    -------
    ndarray, shape (n,)
        Å^-2.

    Raises
    ------
    QdsimError
        If r or the range of Q is not ascending from 0 or above, or as for `qdsim.debye.intensity`.
    """
    try:
        distances = np.asarray(r, float)
    except (TypeError, ValueError):
        distances = np.empty(0)
    if distances.ndim != 1 or not distances.size or not (np.isfinite(distances) & (distances >= 0)).all():
        raise QdsimError("r has a value that is negative or no number: give a list of distances in Å.")
    if not 0 <= q_min < q_max < np.inf:
        raise QdsimError(f"The range of Q is {q_min:g} to {q_max:g} Å^-1: give an ascending one from 0 or above.")
    if not 0 <= q_damp < np.inf:
        raise QdsimError(f"q_damp is {q_damp:g} Å^-1: give 0 or more.")
    if window not in ("none", "lorch"):
        raise QdsimError(f"The window is {window!r}: use 'none' or 'lorch'.")
    atoms = structure if isinstance(structure, LatticeParticle) else as_cluster(structure)
    away = np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1).max()
    q, weights = _quadrature(q_min, q_max, float(distances.max() + 2 * away))
    reduced = q * (structure_factor(atoms, q, **options) - 1)
    if window == "lorch":
        reduced *= np.sinc(q / q_max)
    sines = np.sin(np.outer(distances, q))
    return np.asarray(2 / pi * (sines @ (weights * reduced)) * np.exp(-((distances * q_damp) ** 2) / 2))


def _quadrature(low: float, high: float, longest: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights that integrate what oscillates with lengths up to `longest`, Å."""
    panels = int(np.ceil((high - low) * longest / _PHASE)) + 1
    edges = np.linspace(low, high, panels + 1)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = (high - low) / (2 * panels)
    return (edges[:-1, None] + half * (1 + nodes)).ravel(), np.tile(half * weights, panels)
