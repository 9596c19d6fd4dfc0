"""Whether data are of the compound that was fitted to them.

A fit always has a best scale, also to data of another compound. What tells is the share of the data's variation about
the best background that the model explains, noise taken off: 1 - (S_model - N)/(S_background - N), where S are the
weighted sums of squares that the model with its background, and a background alone, leave, and N is what noise adds,
from the second differences of neighbouring points. Small angles count for nothing: there all particles look alike.

Measured with models of PbS (sizes, lattice constant within 3 %, B and distortion fitted), the share is at least 0.95
for patterns of PbS, also of cubes fitted by spheres and at ten counts a point; 0.83 where nothing was fitted and the
lattice constant was 1.3 % wrong; 0.75 with a hump of ligands twice as strong as the crystal. It is 0.1 to 0.6 for PbTe,
0.1 to 0.7 for CdSe, below 0.5 for NaCl, ZnS and Si, and below 0.4 for gold, silver, iron and CdTe. PbSe (0.85), CdS and
InP (0.8 to 0.9) cannot be told apart by this: their cations stand on nearly the same lattice.
"""

from math import sqrt

import numpy as np
import numpy.typing as npt

from qdsim.debye.cluster_fit import ClusterFit
from qdsim.debye.fit_result import FitResult, FittedCurve
from qdsim.debye.least_squares import unit_columns
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

LEAST_EXPLAINED = 0.7
"""Share of the data's variation below which they are of something else."""
DOUBTFUL = 0.93
"""Share below which something essential is missing in the model."""
SMALL_ANGLES = 1.0
"""Å^-1, below which all particles look alike; the first reflection of rock salt with an edge of 9 Å is at 1.2 Å^-1."""

_FEWEST = 10  # points beyond the number of background terms
_SIGNIFICANT = 5.0  # standard deviations of the noise's sum of squares that there must be to explain
_SECOND_DIFFERENCE = 6.0  # its variance in units of a point's


def explained_share(fit: FittedCurve) -> float | None:
    """Return which share of the data's variation about the best background a fit explains, noise taken off.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    float or None
        1 if it explains everything but noise; 0 or less if it explains nothing. None if there are too few points beyond
        `SMALL_ANGLES`, or no variation beyond noise.
    """
    seen = np.array(fit.q) > SMALL_ANGLES
    if seen.sum() < _FEWEST + len(fit.background):
        return None
    q, observed, calculated, background = (
        np.array(curve)[seen] for curve in (fit.q, fit.observed, fit.calculated, fit.background_curve)
    )
    weights = np.ones(q.size) if fit.sigma is None else 1 / np.array(fit.sigma)[seen]
    terms = np.polynomial.chebyshev.chebvander(2 * (q - q[0]) / (q[-1] - q[0]) - 1, len(fit.background))
    columns, _ = unit_columns(np.column_stack([terms[:, : len(fit.background)], background]) * weights[:, None])
    data = observed * weights
    bare = data - columns @ np.linalg.lstsq(columns, data)[0]
    left = data - calculated * weights
    rough = np.diff(observed, 2) * weights[1:-1]
    noise = q.size * float(rough @ rough) / (_SECOND_DIFFERENCE * rough.size)
    varied = float(bare @ bare) - noise
    if varied <= _SIGNIFICANT * noise * sqrt(2 / q.size):
        return None
    return min(1.0, 1 - (float(left @ left) - noise) / varied)


def resemblance_messages(fit: FittedCurve) -> list[str]:
    """Return a reservation where a fit explains less than a model of the right compound should."""
    share = explained_share(fit)
    if share is None or share >= DOUBTFUL:
        return []
    return [
        f"The model explains only {100 * max(share, 0.0):.0f} % of what a background leaves of the data: shape, sizes, "
        "lattice or compound are others."
    ]


def check_resemblance(fit: FitResult | ClusterFit, source: str = "The data") -> None:
    """Refuse data that have nothing in common with what was fitted to them.

    Parameters
    ----------
    fit
        The fit.
    source
        Name of the data.

    Raises
    ------
    QdsimError
        If the scale is not positive, or the model explains less than `LEAST_EXPLAINED`.
    """
    what = fit.model.compound if isinstance(fit, FitResult) else f"this cluster of {', '.join(fit.b_iso)}"
    share = explained_share(fit)
    if share is None or (share >= LEAST_EXPLAINED and fit.scale > 0):
        return
    explained = f"{100 * max(share, 0.0):.0f} %" if fit.scale > 0 else "nothing"
    raise QdsimError(
        f"{source} does not look like {what}: the model explains {explained} of what a background leaves of the "
        "pattern; give data of this compound, or check the wavelength and the first column."
    )
