"""The linear part of a fit: scale, Chebyshev background and the share of a blank.

They are solved exactly for any values of the other parameters (variable projection, Golub & Pereyra, SIAM J. Numer.
Anal. 10, 413 (1973), with Kaufman's Jacobian), so a search is over the other parameters alone.
"""

from math import sqrt
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from qdsim.debye.data import ScatteringData
from qdsim.debye.form_factor_tables import FormFactors
from qdsim.debye.form_factors import Radiation, Scattering
from qdsim.debye.least_squares import unit_columns
from qdsim.debye.misfit import Misfit, assess
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

MOST_POINTS = 100_000
"""More would need gigabytes, and say nothing new about particles of nanometres."""

_DEPENDENT = 1e-12  # part of a linear curve that the others leave over; less is rounding
_TINY = float(np.finfo(float).tiny)


class CurveSettings(BaseModel):
    """How a computed pattern is brought to a measured one.

    Attributes
    ----------
    background
        Number of Chebyshev terms, 0 for none.
    energy_kev, radiation, ions, self_term, form_factors, dispersion
        As in `qdsim.debye.intensity`; in a document, form factors may be the names of files, see `read_form_factors`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    background: Annotated[int, Field(ge=0, le=40)] = 4
    energy_kev: Annotated[float, Field(gt=0)] | None = None
    radiation: Radiation = "xray"
    ions: dict[str, str] = {}
    self_term: Literal["linear", "squared"] = "linear"
    form_factors: FormFactors = {}
    dispersion: Literal["chantler", "none"] | dict[str, tuple[float, float]] = "chantler"

    @property
    def scattering(self) -> Scattering:
        """Radiation, form factors and self term."""
        return Scattering(
            self.energy_kev,
            self.radiation,
            tuple(self.ions.items()),
            self.self_term,
            tuple(self.form_factors.items()),
            self.dispersion if isinstance(self.dispersion, str) else tuple(self.dispersion.items()),
        )


class LinearPart:
    """What is fitted to data beside the parameters that are searched for.

    Parameters
    ----------
    data
        The pattern. Without uncertainties all points count alike.
    terms
        Number of Chebyshev terms of the background, 0 for none.
    blank
        Pattern of solvent and container, added to the model with a fitted factor.
    n_searched
        Number of other parameters that are fitted.

    Attributes
    ----------
    weights
        1/sigma of each point, shape (n,).
    columns
        Chebyshev polynomials on the range of Q, and the blank, shape (n, terms + 0 or 1).
    observed
        Weighted data without what background and blank can describe, shape (n,).
    size
        Norm of the weighted data.
    n_parameters
        Number of all fitted numbers.

    Raises
    ------
    QdsimError
        If there are more than `MOST_POINTS` points, the blank does not cover the data or looks like the background,
        there are not more points than fitted numbers, or the data are zero.
    """

    def __init__(self, data: ScatteringData, terms: int, blank: ScatteringData | None = None, n_searched: int = 0):
        self.data, self.terms, self.blank = data, terms, blank
        name = data.source or "The data"
        if len(data.q) > MOST_POINTS:
            raise QdsimError(
                f"{name}: {len(data.q)} points are more than a fit can use: average them to {MOST_POINTS} or fewer "
                "with --rebin, 'rebin' under 'data' of a fit file, or ScatteringData.rebinned."
            )
        self.weights = np.ones(len(data.q)) if data.sigma is None else 1 / data.sigma
        self.columns = _columns(data, terms, blank)
        self.n_parameters = n_searched + 1 + self.columns.shape[1]
        if len(data.q) <= self.n_parameters:
            raise QdsimError(
                f"{name}: {len(data.q)} points cannot determine {self.n_parameters} numbers: vary fewer parameters, "
                "use fewer background terms, or widen the range of Q."
            )
        weighted = data.intensity * self.weights
        self.size = float(np.linalg.norm(weighted))
        if self.size == 0:
            raise QdsimError(f"{name}: every intensity is zero, so there is nothing to fit: give another column.")
        self._basis, left_over = np.linalg.qr(unit_columns(self.columns * self.weights[:, None])[0])
        if (np.abs(left_over.diagonal()) < _DEPENDENT).any():
            raise QdsimError(
                f"{name}: background and blank cannot be told apart at these points: use fewer background terms, or "
                "leave the blank out."
            )
        self.observed = self._without_background(weighted)

    def residual(self, intensity: FloatArray) -> FloatArray:
        """Return the weighted differences from the data that the best linear part leaves, shape (n,).

        Parameters
        ----------
        intensity
            Of the model, shape (n,).
        """
        curve, scale = self._scaled(intensity)
        return np.asarray(scale * curve - self.observed)

    def jacobian(self, intensity: FloatArray, changes: FloatArray) -> FloatArray:
        """Return the derivatives of these differences, shape (n, k).

        Parameters
        ----------
        intensity
            Of the model, shape (n,).
        changes
            Its derivatives, shape (k, n).
        """
        curve, scale = self._scaled(intensity)
        moved = scale * self._without_background(changes * self.weights)
        return np.asarray((moved - np.outer(moved @ curve / (curve @ curve + _TINY), curve)).T)

    def solve(self, intensity: FloatArray) -> FloatArray:
        """Return the scale, the background's coefficients and the blank's factor, shape (1 + columns,)."""
        units, norms = unit_columns(self.with_model(intensity) * self.weights[:, None])
        return np.asarray(np.linalg.lstsq(units, self.data.intensity * self.weights)[0] / norms)

    def with_model(self, intensity: FloatArray) -> FloatArray:
        """Return the curves that are added up, the model first, shape (n, 1 + columns)."""
        return np.column_stack([intensity, self.columns])

    def chi2_reduced(self, chi2: float) -> float:
        """Divide a sum of squares by the number of points less that of fitted numbers."""
        return float(chi2 / (len(self.data.q) - self.n_parameters))

    def misfit(self, intensity: FloatArray) -> Misfit:
        """Judge what a model leaves of the data.

        Parameters
        ----------
        intensity
            Of the model, shape (n,).
        """
        without_sigma = self.data.sigma is None
        return assess(self.residual(intensity), self.n_parameters, self.size, without_sigma=without_sigma)

    def fields(self, intensity: FloatArray, solution: FloatArray, chi2: float, misfit: Misfit) -> dict[str, Any]:
        """Return what every document of a fit says of data and linear part, by field.

        Parameters
        ----------
        intensity
            Of the model, shape (n,).
        solution
            See `solve`.
        chi2
            Sum of squared weighted differences.
        misfit
            See `misfit`.
        """
        chi2_reduced = self.chi2_reduced(chi2)
        return {
            "scale": solution[0],
            "background": solution[1 : 1 + self.terms].tolist(),
            "blank_factor": None if self.blank is None else solution[-1],
            "n_points": len(self.data.q),
            "n_parameters": self.n_parameters,
            "chi2": chi2,
            "chi2_reduced": chi2_reduced,
            "gof": sqrt(chi2_reduced),
            "misfit": misfit,
            "r_wp": sqrt(chi2) / self.size,
            "q": self.data.q.tolist(),
            "observed": self.data.intensity.tolist(),
            "sigma": None if self.data.sigma is None else self.data.sigma.tolist(),
            "calculated": (self.with_model(intensity) @ solution).tolist(),
            "background_curve": (self.columns @ solution[1:]).tolist(),
        }

    def messages(self, solution: FloatArray) -> list[str]:
        """Return what a user should know of the linear part; `solution` is that of `solve`."""
        messages = []
        for data, what in ((self.data, "data"), (self.blank, "blank")):
            if data is not None and (assumed := data.metadata.get("assumed")):
                messages.append(f"The file of the {what} leaves open what its columns are: {assumed}.")
        if solution[0] <= 0:
            messages.append("The scale is not positive: the model has nothing in common with the data.")
        if self.data.sigma is None:
            messages.append("The data have no uncertainties: all points count alike, and errors are scaled to the fit.")
        return messages

    def _without_background(self, weighted: FloatArray) -> FloatArray:
        """Remove from weighted curves, shape (..., n), what background and blank can describe."""
        return np.asarray(weighted - (weighted @ self._basis) @ self._basis.T)

    def _scaled(self, intensity: FloatArray) -> tuple[FloatArray, float]:
        """Return the weighted curve without background, and the scale that fits it best."""
        curve = self._without_background(intensity * self.weights)
        return curve, float(curve @ self.observed / (curve @ curve + _TINY))


def _columns(data: ScatteringData, terms: int, blank: ScatteringData | None) -> FloatArray:
    points = data.points
    low, high = points[0], points[-1]
    scaled = (2 * points - low - high) / (high - low)
    columns = np.polynomial.chebyshev.chebvander(scaled, max(terms - 1, 0)).T[:terms]
    if blank is not None:
        if blank.q[0] > low or blank.q[-1] < high:
            raise QdsimError(
                f"{blank.source or 'The blank'} covers Q from {blank.q[0]:g} to {blank.q[-1]:g} Å^-1, the data "
                f"{low:g} to {high:g}: restrict the range of Q, or give a blank that covers it."
            )
        columns = np.vstack([columns, np.interp(points, blank.q, blank.intensity)])
    return np.ascontiguousarray(data.averaged(columns).T)
