"""How far a model misses data beyond their noise, and by how much that widens the errors of its parameters.

Least squares give the errors that noise alone causes. Where a model does not describe the data, what it misses moves
the parameters too, and much more than noise does: neighbouring points are missed alike, so that they count as one. The
variances are therefore multiplied by the reduced chi^2 times the number of points that are missed alike. (Errors of
Rietveld refinements are widened for the same reason, by sums over runs of one sign: Bérar & Lelann, J. Appl. Cryst. 24,
1 (1991).) This number is 1 + 2 sum rho_l, where rho_l
is the autocorrelation of the weighted differences, summed as long as it exceeds its own noise. It is still only a
measure of what is missed, not of what that does to one parameter: a model that does not describe the data can be wrong
by more.
"""

from math import sqrt

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.signal import correlate

FloatArray = npt.NDArray[np.float64]

SIGNIFICANT = 3.0
"""Standard deviations by which reduced chi^2 or correlation differ from those of noise."""
POOR = 2.0
"""Reduced chi^2 beyond which a model misses more than noise adds: then it does not describe the data."""

_CONTINUED = 2.0  # standard deviations of noise above which an autocorrelation is added up
_NEGLIGIBLE = 1e-4  # part of the data; nothing is measured so well


class Misfit(BaseModel):
    """What a fit leaves, beside what noise would.

    Attributes
    ----------
    variance_ratio
        Sum of squared weighted differences over the number of points less that of fitted numbers. Without uncertainties
        it is estimated from the correlation: 1/(1 - correlation).
    correlation
        Of the weighted differences of neighbouring points.
    alike
        Number of neighbouring points that are missed alike, 1 if differences are independent.
    widening
        By what the variances of parameters are multiplied, and what a standard error costs in chi^2.
    significant
        Whether the model misses more than noise explains.
    described
        Whether it misses less than noise adds.
    without_sigma
        Whether the data have no uncertainties.
    overstated
        Whether uncertainties are so large that the model misses less than half of what they let expect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    variance_ratio: float
    correlation: float
    alike: float
    widening: float
    significant: bool
    described: bool
    without_sigma: bool
    overstated: bool = False

    @property
    def message(self) -> str | None:
        """What a user must know of it before anything else."""
        if self.overstated:
            return (
                f"The uncertainties of the data look too large ({self.seen}): so are the errors of the parameters, and "
                "a misfit may be hidden by them."
            )
        if not self.significant:
            return None
        errors = "scaled to what the fit leaves" if self.without_sigma else f"widened {sqrt(self.widening):.3g}-fold"
        if self.described and not self.without_sigma and self.variance_ratio <= 1:
            return (
                f"What the fit leaves is no independent noise ({self.seen}): the model misses something, or the data "
                f"are smoothed. Errors are {errors}."
            )
        if self.described:
            return f"The data hold more than the model describes ({self.seen}): its errors are {errors}."
        if self.alike > 1:
            return (
                f"The model does not describe the data ({self.seen}): its parameters mean little. Their errors are "
                f"{errors}, and may still be too small."
            )
        return (
            f"The model does not describe the data, or their uncertainties are too small ({self.seen}; differences of "
            f"neighbouring points are not correlated). The errors of its parameters are {errors}, and may still be too "
            "small."
        )

    @property
    def seen(self) -> str:
        """What it is judged by; empty where the data have no uncertainties and nothing is correlated."""
        chi2 = f"reduced chi^2 {self.variance_ratio:.3g} where noise alone gives 1"
        correlated = f"differences of neighbouring points are correlated by {self.correlation:+.2f}"
        return "; ".join([chi2] * (not self.without_sigma) + [correlated] * (self.alike > 1))


def assess(differences: FloatArray, n_parameters: int, size: float, *, without_sigma: bool) -> Misfit:
    """Judge what a fit leaves.

    Parameters
    ----------
    differences
        Of model and data in order of Q, divided by the uncertainties if there are any, shape (n,).
    n_parameters
        Number of fitted numbers.
    size
        Norm of the weighted data.
    without_sigma
        Whether the data have no uncertainties: then the scale of the differences means nothing.
    """
    n = len(differences)
    chi2 = float(differences @ differences)
    scatter = chi2 / (n - n_parameters)
    correlation, alike = _correlated(differences) if chi2 > 0 else (0.0, 1.0)
    if without_sigma:
        widening = scatter * alike
        ratio = 1 / (1 - min(max(correlation, 0.0), 1 - 1e-9))
        significant = alike > 1 and sqrt(chi2) > _NEGLIGIBLE * size
        overstated = False
    else:
        ratio, spread = scatter, SIGNIFICANT * sqrt(2 / (n - n_parameters))
        large = scatter > 1 + spread
        overstated = 0 < scatter < min(1 / POOR, 1 - spread) and sqrt(chi2) > _NEGLIGIBLE * size
        widening = max(1.0, scatter * alike) if large or alike > 1 else 1.0
        significant = large or widening > 1
    return Misfit(
        variance_ratio=ratio,
        correlation=correlation,
        alike=alike,
        widening=widening,
        significant=significant,
        described=not significant or ratio <= POOR,
        without_sigma=without_sigma,
        overstated=overstated and not significant,
    )


def _correlated(differences: FloatArray) -> tuple[float, float]:
    """Return the correlation of neighbouring differences, and the number of points that are missed alike."""
    n = len(differences)
    correlation = correlate(differences, differences, method="fft")[n - 1 :] / (differences @ differences)
    noise = 1 / sqrt(n)
    first = float(correlation[1])
    if first <= SIGNIFICANT * noise:
        return first, 1.0
    ends = np.flatnonzero(correlation <= _CONTINUED * noise)
    last = int(ends[0]) if len(ends) else n
    return first, float(1 + 2 * correlation[1:last].sum())
