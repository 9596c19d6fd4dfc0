"""Least-squares fits of nanocrystal models to measured patterns.

Scale, Chebyshev background and the share of a blank enter linearly. They are solved exactly for any values of the other
parameters (variable projection, Golub & Pereyra, SIAM J. Numer. Anal. 10, 413 (1973), with Kaufman's Jacobian), so the
search is over the model's parameters alone.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import log, sqrt
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import least_squares
from scipy.stats import qmc

from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult, FittedParameter
from qdsim.debye.form_factors import Radiation
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.particles import ParticleLibrary
from qdsim.debye.patterns import ModelPattern, Scattering
from qdsim.errors import QdsimError
from qdsim.structures import ligand_coverage

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]
Bounds = tuple[float, float]

MOST_EVALUATIONS = 200
MOST_POINTS = 100_000
"""More would need gigabytes, and say nothing new about particles of nanometres."""
SMALLEST_SPREAD = 0.1
"""Å; a narrower distribution of sizes cannot be told from one size, and is not searched for."""
AT_BOUND = 1e-4
"""A parameter nearer to a bound than this part of its range has stopped there."""
SIZES = ("diameter", "diameter_sd", "shell_thickness")
"""Parameters that choose atoms layer by layer: the slope of chi^2 changes with them within a standard error."""
UNDETERMINED = 1e-10
"""A direction in which the scaled normal matrix is flatter than this is not determined by the data."""
STRONG_CORRELATION = 0.95
LENGTHS = ("diameter", "diameter_sd", "shell_thickness", "size_strain")
"""Parameters that stay in proportion to the lattice constant, since the atoms of each particle stay the same."""

_DEPENDENT = 1e-12  # part of a linear curve that the others leave over; less is rounding
_TINY = float(np.finfo(float).tiny)

_THICKNESS_STEPS = (-1.0, -0.5, 0.5, 1.0)  # Å; layers are about half an Å apart
_LOWER = 0.1  # part of what a standard error costs, by which chi^2 must be lower to be another minimum
_ROUNDS = 3
_OFFSET_START = 0.05  # Å; at 0 the pattern does not change with the offset to first order, and no search leaves it


class FitSettings(BaseModel):
    """How a model is fitted.

    Attributes
    ----------
    vary
        Parameters to vary with their bounds, or None for bounds around the start; see `PARAMETERS`.
    background
        Number of Chebyshev terms, 0 for none.
    starts
        Searches, the first from the model as it is and the others from Latin-hypercube points within the bounds.
    seed
        Of these points.
    energy_kev, radiation, ions, self_term
        As in `qdsim.debye.intensity`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    vary: dict[str, Bounds | None] = {}
    background: Annotated[int, Field(ge=0, le=40)] = 4
    starts: Annotated[int, Field(ge=1, le=1000)] = 1
    seed: int = 0
    energy_kev: Annotated[float, Field(gt=0)] | None = None
    radiation: Radiation = "xray"
    ions: dict[str, str] = {}
    self_term: Literal["linear", "squared"] = "linear"


class Minimum(NamedTuple):
    """The end of a search: values of the varied parameters, sum of squares, and whether it ended by itself."""

    values: FloatArray
    chi2: float
    converged: bool


class Fit:
    """A model, data and settings made ready to be fitted.

    Parameters
    ----------
    model
        Where the search begins; what is not varied keeps its value.
    data
        The pattern. Without uncertainties all points count alike, and errors are scaled by the goodness of fit.
    settings
        What to vary, and how.
    blank
        Pattern of solvent and container, added to the model with a fitted factor.
    library
        Pair counts to be shared with other fits of the same shape.

    Raises
    ------
    QdsimError
        If a parameter cannot be varied or starts outside its bounds, the shell may become thicker than the radius, the
        blank does not cover the data or looks like the background, there are not more points than fitted numbers, or
        the data are zero.
    """

    def __init__(
        self,
        model: NanocrystalModel,
        data: ScatteringData,
        settings: FitSettings,
        blank: ScatteringData | None = None,
        library: ParticleLibrary | None = None,
    ):
        self.model, self.data, self.settings, self.blank = model, data, settings, blank
        self.names = tuple(settings.vary)
        if len(data.q) > MOST_POINTS:
            raise QdsimError(
                f"{data.source or 'The data'}: {len(data.q)} points are more than a fit can use: average them to "
                f"{MOST_POINTS} or fewer with --rebin, 'rebin' under 'data' of a fit file, or ScatteringData.rebinned."
            )
        self._weights = np.ones(len(data.q)) if data.sigma is None else 1 / data.sigma
        scattering = Scattering(
            settings.energy_kev, settings.radiation, tuple(settings.ions.items()), settings.self_term
        )
        self.pattern = ModelPattern(model, data.q, self.names, scattering, library)
        self.low, self.high = self._bounds()
        self._linear = _linear_columns(data, settings.background, blank)
        name = data.source or "The data"
        needed = len(self.names) + 1 + self._linear.shape[1]
        if len(data.q) <= needed:
            raise QdsimError(
                f"{name}: {len(data.q)} points cannot determine {needed} numbers: vary fewer parameters, use fewer "
                "background terms, or widen the range of Q."
            )
        weighted = data.intensity * self._weights
        self._size = float(np.linalg.norm(weighted))
        if self._size == 0:
            raise QdsimError(f"{name}: every intensity is zero, so there is nothing to fit: give another column.")
        self._basis, left_over = np.linalg.qr(_unit_columns(self._linear * self._weights[:, None])[0])
        if (np.abs(left_over.diagonal()) < _DEPENDENT).any():
            raise QdsimError(
                f"{name}: background and blank cannot be told apart at these points: use fewer background terms, or "
                "leave the blank out."
            )
        self._observed = self._without_background(weighted)

    @cached_property
    def start(self) -> FloatArray:
        """Values of the varied parameters where the search begins."""
        values = np.array([getattr(self.model, name) for name in self.names], float)
        for i, name in enumerate(self.names):
            if name == "pb_offset" and values[i] == 0:
                values[i] = min(_OFFSET_START, self.high[i] / 2)
        return values

    def run(self, progress: Progress | None = None) -> FitResult:
        """Search for the best parameters.

        Parameters
        ----------
        progress
            Called with the steps done and the steps to be done: sizes counted, then searches.

        Returns
        -------
        FitResult
            Also where the search failed to converge or stopped at a bound: then its messages say so.
        """
        self.pattern.intensity(dict(zip(self.names, self.start, strict=True)), progress)
        best = self.minimise(self.start)
        for done, start in enumerate(self._other_starts(), 1):
            if progress is not None:
                progress(done, self.settings.starts)
            found = self.minimise(start)
            if found.chi2 < best.chi2:
                best = found
        return self._result(self._settle(best))

    def _settle(self, best: Minimum) -> Minimum:
        """Search again from shells a little thinner and thicker, as long as one of them leads to a lower minimum.

        The core grows layer by layer, so chi^2 has shallow minima along the thickness.
        """
        if "shell_thickness" not in self.names:
            return best
        i = self.names.index("shell_thickness")
        for _ in range(_ROUNDS):
            before = best
            for step in _THICKNESS_STEPS:
                start = before.values.copy()
                start[i] = np.clip(start[i] + step, self.low[i], self.high[i])
                found = self.minimise(start)
                if found.chi2 < best.chi2 - _LOWER * self.chi2_reduced(best.chi2):
                    best = found
            if best is before:
                break
        return best

    def minimise(self, start: FloatArray, held: Sequence[str] = ()) -> Minimum:
        """Search from one point.

        Parameters
        ----------
        start
            Values of the varied parameters, shape (len(names),).
        held
            Names of those that keep their value.
        """
        free = np.array([name not in held for name in self.names], bool)
        if not free.any():
            return Minimum(start, float((self._residual(start) ** 2).sum()), converged=True)

        def everything(x: FloatArray) -> FloatArray:
            values = start.copy()
            values[free] = x
            return values

        low, high = self.low[free], self.high[free]
        inside = np.clip(start[free], low + 1e-6 * (high - low), high - 1e-6 * (high - low))
        found = least_squares(
            lambda x: self._residual(everything(x)) / self._size,
            inside,
            lambda x: self._jacobian(everything(x))[:, free] / self._size,
            bounds=(low, high),
            x_scale=high - low,
            max_nfev=MOST_EVALUATIONS,
            ftol=1e-10,
            xtol=1e-10,
            gtol=1e-14,
        )
        return Minimum(everything(found.x), float(2 * found.cost) * self._size**2, converged=found.status > 0)

    def chi2_reduced(self, chi2: float) -> float:
        """Divide a sum of squares by the number of points less that of fitted numbers."""
        return float(chi2 / (len(self.data.q) - len(self.names) - 1 - self._linear.shape[1]))

    def _other_starts(self) -> FloatArray:
        if self.settings.starts == 1 or not self.names:
            return np.empty((0, len(self.names)))
        points = qmc.LatinHypercube(len(self.names), rng=self.settings.seed).random(self.settings.starts - 1)
        return np.asarray(self.low + points * (self.high - self.low))

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = np.empty(len(self.names)), np.empty(len(self.names))
        for i, name in enumerate(self.names):
            value = getattr(self.model, name)
            low[i], high[i] = self.settings.vary[name] or _usual_bounds(self.model, name)
            if name == "diameter_sd":
                low[i] = max(low[i], SMALLEST_SPREAD)
            unit, least, most = PARAMETERS[name]
            if not least <= low[i] < high[i] <= most:
                raise QdsimError(
                    f"{name} may vary from {low[i]:g} to {high[i]:g}{unit and ' ' + unit}: give ascending bounds "
                    f"within {least:g} and {most:g}."
                )
            if not low[i] <= value <= high[i]:
                raise QdsimError(f"{name} starts at {value:g}, outside its bounds {low[i]:g} and {high[i]:g}.")
        bounds = dict(zip(self.names, zip(low, high, strict=True), strict=True))
        smallest, _ = bounds.get("diameter", (self.model.diameter, None))
        _, thickest = bounds.get("shell_thickness", (None, 0.0))
        if 2 * thickest > smallest:
            raise QdsimError(
                f"shell_thickness may become {thickest:g} Å in a particle of {smallest:g} Å: lower its upper bound to "
                f"{smallest / 2:g} Å, or raise the lower bound of the diameter."
            )
        return low, high

    def _without_background(self, weighted: FloatArray) -> FloatArray:
        """Remove from weighted curves, shape (..., n), what background and blank can describe."""
        return np.asarray(weighted - (weighted @ self._basis) @ self._basis.T)

    def _model_part(self, intensity: FloatArray) -> tuple[FloatArray, float]:
        """Return the weighted curve without background, and the scale that fits it best."""
        curve = self._without_background(intensity * self._weights)
        return curve, float(curve @ self._observed / (curve @ curve + _TINY))

    def _residual(self, x: FloatArray) -> FloatArray:
        curve, scale = self._model_part(self.pattern.intensity(dict(zip(self.names, x, strict=True))))
        return np.asarray(scale * curve - self._observed)

    def _jacobian(self, x: FloatArray) -> FloatArray:
        intensity, changes = self.pattern.with_changes(dict(zip(self.names, x, strict=True)))
        curve, scale = self._model_part(intensity)
        moved = scale * self._without_background(changes * self._weights)
        return np.asarray((moved - np.outer(moved @ curve / (curve @ curve + _TINY), curve)).T)

    def _result(self, best: Minimum) -> FitResult:
        intensity, changes = self.pattern.with_changes(dict(zip(self.names, best.values, strict=True)))
        columns = np.column_stack([intensity, self._linear])
        units, norms = _unit_columns(columns * self._weights[:, None])
        linear = np.linalg.lstsq(units, self.data.intensity * self._weights)[0] / norms
        span = self.high - self.low
        at_bound = (best.values - self.low < AT_BOUND * span) | (self.high - best.values < AT_BOUND * span)
        messages = self._search_messages(best, at_bound, linear[0])

        chi2_reduced = self.chi2_reduced(best.chi2)
        factor = 1.0 if self.data.sigma is not None else chi2_reduced
        curves = np.column_stack([linear[0] * changes.T, columns])
        errors, matrix, scale_error = self._uncertainties(
            best.values, np.flatnonzero(~at_bound), curves, linear[0], factor
        )
        messages += self._certainty_messages(errors, at_bound, matrix)

        ratio = dict(zip(self.names, best.values, strict=True)).get("lattice_constant", self.model.lattice_constant)
        ratio /= self.model.lattice_constant
        scaled = np.array([ratio if name in LENGTHS else 1.0 for name in self.names])
        model = self._fitted_model(best.values * scaled, ratio)
        composition = self.pattern.composition(dict(zip(self.names, best.values, strict=True)))
        parameters = {
            name: FittedParameter(
                value=best.values[i] * scaled[i],
                error=_known(errors[i] * scaled[i]),
                unit=PARAMETERS[name][0],
                start=getattr(self.model, name),
                low=self.low[i],
                high=self.high[i],
                at_bound=at_bound[i],
            )
            for i, name in enumerate(self.names)
        }
        n_points, n_parameters = len(self.data.q), len(self.names) + columns.shape[1]
        likelihood = best.chi2 if self.data.sigma is not None else n_points * log(max(best.chi2, _TINY) / n_points)
        n_terms = self.settings.background
        return FitResult(
            model=model,
            parameters=parameters,
            correlation=matrix.tolist(),
            scale=linear[0],
            scale_error=_known(scale_error),
            background=linear[1 : 1 + n_terms].tolist(),
            blank_factor=None if self.blank is None else linear[-1],
            n_points=n_points,
            n_parameters=n_parameters,
            chi2=best.chi2,
            chi2_reduced=chi2_reduced,
            gof=sqrt(chi2_reduced),
            r_wp=sqrt(best.chi2 / float(((self.data.intensity * self._weights) ** 2).sum())),
            aic=likelihood + 2 * n_parameters,
            bic=likelihood + n_parameters * log(n_points),
            converged=best.converged,
            messages=messages,
            core_diameter=model.diameter - 2 * model.shell_thickness,
            composition=composition,
            coverage=ligand_coverage(*composition, model.mean_area()),
            q=self.data.q.tolist(),
            observed=self.data.intensity.tolist(),
            sigma=None if self.data.sigma is None else self.data.sigma.tolist(),
            calculated=(columns @ linear).tolist(),
            background_curve=(self._linear @ linear[1:]).tolist(),
        )

    def _uncertainties(
        self, values: FloatArray, free: npt.NDArray[np.intp], curves: FloatArray, scale: float, factor: float
    ) -> tuple[FloatArray, FloatArray, float]:
        """Return standard errors (NaN where unknown), the correlation matrix, and the standard error of the scale.

        Parameters
        ----------
        values
            Of the varied parameters.
        free
            Indices of those that have not stopped at a bound.
        curves
            Change of the curve with each varied parameter, the scale and each background term, in columns.
        scale
            Factor of the model.
        factor
            By which variances are multiplied.
        """
        n_varied = len(values)
        kept = np.concatenate([free, np.arange(n_varied, curves.shape[1])])
        design = curves[:, kept] * self._weights[:, None]
        first, _ = _linearised(design, factor)
        for column, i in enumerate(free.tolist()):
            if self.names[i] in SIZES and np.isfinite(first[column]):
                design[:, column] = scale * self._difference(values, i, first[column]) * self._weights
        errors, matrix = np.full(curves.shape[1], np.nan), np.eye(curves.shape[1])
        errors[kept], matrix[np.ix_(kept, kept)] = _linearised(design, factor)
        return errors[:n_varied], matrix[:n_varied, :n_varied], float(errors[n_varied])

    def _difference(self, values: FloatArray, i: int, error: float) -> FloatArray:
        """Return the derivative of the intensity as a difference over a standard error to either side."""
        step = np.zeros(len(values))
        least = AT_BOUND * (self.high[i] - self.low[i])
        step[i] = min(max(error, least), values[i] - self.low[i], self.high[i] - values[i])
        ahead, behind = (
            self.pattern.intensity(dict(zip(self.names, values + sign * step, strict=True))) for sign in (1, -1)
        )
        return np.asarray((ahead - behind) / (2 * step[i]))

    def _fitted_model(self, values: FloatArray, ratio: float) -> NanocrystalModel:
        kept = {name: ratio * getattr(self.model, name) for name in LENGTHS if name not in self.names}
        return self.model.with_values(kept | dict(zip(self.names, values.tolist(), strict=True)))

    def _search_messages(self, best: Minimum, at_bound: npt.NDArray[np.bool_], scale: float) -> list[str]:
        messages = []
        if not best.converged:
            messages.append(
                f"The search did not converge within {MOST_EVALUATIONS} evaluations; the values are not a minimum. "
                "Begin nearer, or vary fewer parameters."
            )
        if scale <= 0:
            messages.append("The scale is not positive: the model has nothing in common with the data.")
        for i in np.flatnonzero(at_bound).tolist():
            low_is_near = best.values[i] - self.low[i] < self.high[i] - best.values[i]
            bound = self.low[i] if low_is_near else self.high[i]
            messages.append(f"{self.names[i]} stopped at its bound {bound:.4g}; its value is not a result of the data.")
        if self.data.sigma is None:
            messages.append("The data have no uncertainties: all points count alike, and errors are scaled to the fit.")
        return messages

    def _certainty_messages(
        self, errors: FloatArray, at_bound: npt.NDArray[np.bool_], correlation: FloatArray
    ) -> list[str]:
        messages = [
            f"The data do not determine {name}."
            for name, error, stopped in zip(self.names, errors, at_bound, strict=True)
            if not (np.isfinite(error) or stopped)
        ]
        for i, j in zip(*np.triu_indices(len(self.names), 1), strict=True):
            if abs(correlation[i, j]) > STRONG_CORRELATION:
                messages.append(
                    f"{self.names[i]} and {self.names[j]} are correlated by {correlation[i, j]:+.2f}: the data tell "
                    "them apart poorly."
                )
        return messages


def _unit_columns(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return columns scaled to a norm of 1, and their norms; those of zeros stay."""
    norms = np.linalg.norm(columns, axis=0)
    norms[norms == 0] = 1.0
    return columns / norms, norms


def _known(error: float) -> float | None:
    return float(error) if np.isfinite(error) else None


def _usual_bounds(model: NanocrystalModel, name: str) -> Bounds:
    """Return the bounds of a parameter around its value in a model."""
    value = getattr(model, name)
    _, low, high = PARAMETERS[name]
    around: Mapping[str, Bounds] = {
        "lattice_constant": (0.97 * value, 1.03 * value),
        "diameter": (max(0.7 * value, model.lattice_constant), 1.4 * value),
        "diameter_sd": (0.0, max(4 * value, 0.3 * model.diameter)),
        "shell_thickness": (0.0, 0.35 * model.diameter),
    }
    wanted = around.get(name, (low, high))
    return max(low, wanted[0]), min(high, wanted[1])


def _linear_columns(data: ScatteringData, terms: int, blank: ScatteringData | None) -> FloatArray:
    """Return Chebyshev polynomials on the range of Q, and the blank, shape (n, terms + 0 or 1)."""
    low, high = data.q[0], data.q[-1]
    columns = np.polynomial.chebyshev.chebvander((2 * data.q - low - high) / (high - low), max(terms - 1, 0))[:, :terms]
    if blank is None:
        return np.asarray(columns)
    if blank.q[0] > low or blank.q[-1] < high:
        raise QdsimError(
            f"{blank.source or 'The blank'} covers Q from {blank.q[0]:g} to {blank.q[-1]:g} Å^-1, the data {low:g} to "
            f"{high:g}: restrict the range of Q, or give a blank that covers it."
        )
    return np.column_stack([columns, np.interp(data.q, blank.q, blank.intensity)])


def _linearised(design: FloatArray, factor: float) -> tuple[FloatArray, FloatArray]:
    """Return standard errors, NaN where undetermined, and the correlation matrix of a linearised fit."""
    units, norms = _unit_columns(design)
    flatness, directions = np.linalg.eigh(units.T @ units)
    poor = flatness < UNDETERMINED
    inverse = (directions[:, ~poor] / flatness[~poor]) @ directions[:, ~poor].T
    undetermined = ~design.any(axis=0) | ((directions[:, poor] ** 2).sum(axis=1) > UNDETERMINED)
    spread = np.sqrt(np.maximum(inverse.diagonal(), 0))
    errors = np.where(undetermined, np.nan, sqrt(factor) * spread / norms)
    usable = np.where(undetermined | (spread == 0), np.inf, spread)
    correlation = inverse / np.outer(usable, usable)
    np.fill_diagonal(correlation, 1.0)
    return errors, correlation
