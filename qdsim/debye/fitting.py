"""Least-squares fits of nanocrystal models to measured patterns.

The search is over the model's parameters alone: scale, background and blank follow, see `qdsim.debye.linear_part`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from math import copysign, log, pi, sqrt
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.stats import qmc

from qdsim.debye.amplitude_sources import amplitude_sources
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult, FittedParameter
from qdsim.debye.least_squares import AT_BOUND, certainty_messages, known, linearised, search, search_messages, stopped
from qdsim.debye.linear_part import CurveSettings, LinearPart
from qdsim.debye.misfit import SIGNIFICANT, Misfit
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.particles import ParticleLibrary
from qdsim.debye.patterns import ModelPattern
from qdsim.errors import QdsimError
from qdsim.structures import CUBIC_ANGLE, ligand_coverage

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Progress = Callable[[int, int], None]
Bounds = tuple[float, float]

MOST_EVALUATIONS = 200
SMALLEST_SPREAD = 0.1
"""Å; a narrower distribution of sizes cannot be told from one size, and is not searched for."""
SIZES = ("diameter", "diameter_sd", "shell_thickness")
"""Parameters that choose atoms layer by layer: the slope of chi^2 changes with them within a standard error."""
STRONG_CORRELATION = 0.95
LENGTHS = ("diameter", "diameter_sd", "shell_thickness", "size_strain")
"""Parameters that stay in proportion to the lattice constant, since the atoms of each particle stay the same."""

UNDISTORTED = {"alpha_rh": CUBIC_ANGLE, "pb_offset": 0.0}
"""Values about which a pattern is an even function of a parameter, or nearly so."""
_UNDISTORTED_WORDS = {"alpha_rh": f"{CUBIC_ANGLE:g}°", "pb_offset": "0 Å"}

_TINY = float(np.finfo(float).tiny)

_THICKNESS_STEPS = (-1.0, -0.5, 0.5, 1.0)  # Å; layers are about half an Å apart
_LOWER = 0.1  # part of what a standard error costs, by which chi^2 must be lower to be another minimum
_ROUNDS = 3
_OTHER_SIDE = 0.5  # degrees; a search on the other side of 60 begins at least so far from it
_ONE_ANGLE = 0.05  # degrees; minima nearer than this are one
_AMBIGUOUS = 4.0  # times what a standard error costs: minima that differ by less are told
_OFFSET_START = 0.05  # Å; at 0 the pattern does not change with the offset to first order, and no search leaves it


class FitSettings(CurveSettings):
    """How a model is fitted; background and scattering as in `CurveSettings`.

    Attributes
    ----------
    vary
        Parameters to vary with their bounds, or None for bounds around the start; see `PARAMETERS`.
    starts
        Searches, the first from the model as it is and the others from Latin-hypercube points within the bounds.
    seed
        Of these points.
    """

    vary: dict[str, Bounds | None] = Field(default_factory=dict)
    starts: Annotated[int, Field(ge=1, le=1000)] = 1
    seed: int = 0


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
        self._linear = LinearPart(data, settings.background, blank, len(self.names))
        self.pattern = ModelPattern(model, data.points, self.names, settings.scattering, library)
        self.low, self.high = self._bounds()

    @cached_property
    def start(self) -> FloatArray:
        """Values of the varied parameters where the search begins."""
        values = np.array([getattr(self.model, name) for name in self.names], float)
        if "pb_offset" in self.names and values[self.names.index("pb_offset")] == 0:
            values[self.names.index("pb_offset")] = self._offset_start
        return values

    @property
    def _offset_start(self) -> float:
        return float(min(_OFFSET_START, self.high[self.names.index("pb_offset")] / 2))

    def run(self, progress: Progress | None = None) -> FitResult:
        """Search for the best parameters; where the angle is varied, on both sides of 60 degrees.

        Parameters
        ----------
        progress
            Called with the steps done and the steps to be done: sizes counted, then searches.

        Returns
        -------
        FitResult
            Also where the search failed to converge or stopped at a bound: then its messages say so.
        """
        self.pattern.intensity(self._named(self.start), progress)
        best = self.minimise(self.start)
        for done, start in enumerate(self._other_starts(), 1):
            if progress is not None:
                progress(done, self.settings.starts)
            found = self.minimise(start)
            if found.chi2 < best.chi2:
                best = found
        best, rival = self._both_sides(best)
        return self._result(self._settle(best), rival)

    def _both_sides(self, best: Minimum) -> tuple[Minimum, Minimum | None]:
        """Search again from the angle on the other side of 60 degrees; return the lower minimum, and the other one.

        A stretch along [111] and a compression broaden the same peaks: chi^2 has a minimum on either side of the cubic
        angle, and no search crosses it.
        """
        if "alpha_rh" not in self.names:
            return best, None
        start, i = best.values.copy(), self.names.index("alpha_rh")
        away = best.values[i] - CUBIC_ANGLE
        start[i] = np.clip(CUBIC_ANGLE - copysign(max(abs(away), _OTHER_SIDE), away), self.low[i], self.high[i])
        if (start[i] - CUBIC_ANGLE) * copysign(1.0, away) >= 0:
            return best, None
        if "pb_offset" in self.names:
            j = self.names.index("pb_offset")
            start[j] = max(start[j], self._offset_start)
        found = self.minimise(start)
        return (found, best) if found.chi2 < best.chi2 else (best, found)

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
        bounds = self.low, self.high
        return Minimum(
            *search(self._residual, self._jacobian, start, free, bounds, self._linear.size, MOST_EVALUATIONS)
        )

    def misfit(self, minimum: Minimum) -> Misfit:
        """Judge what the model leaves of the data at the end of a search."""
        return self._linear.misfit(self._intensity(minimum.values))

    def chi2_reduced(self, chi2: float) -> float:
        """Divide a sum of squares by the number of points less that of fitted numbers."""
        return self._linear.chi2_reduced(chi2)

    def _other_starts(self) -> FloatArray:
        if self.settings.starts == 1 or not self.names:
            return np.empty((0, len(self.names)))
        points = qmc.LatinHypercube(len(self.names), rng=self.settings.seed).random(self.settings.starts - 1)
        return np.asarray(self.low + points * (self.high - self.low))

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = np.empty(len(self.names)), np.empty(len(self.names))
        for i, name in enumerate(self.names):
            value = getattr(self.model, name)
            low[i], high[i] = bounds_of(self.model, name, self.settings.vary[name])
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

    def _residual(self, x: FloatArray) -> FloatArray:
        try:
            return self._linear.residual(self._intensity(x))
        except QdsimError:  # such as sizes beyond what can be computed: the search takes a shorter step
            return np.full(len(self.data), np.nan)

    def _jacobian(self, x: FloatArray) -> FloatArray:
        return self._linear.jacobian(*self._with_changes(x))

    def _intensity(self, x: FloatArray) -> FloatArray:
        return self.data.averaged(self.pattern.intensity(self._named(x)))

    def _with_changes(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        intensity, changes = self.pattern.with_changes(self._named(x))
        return self.data.averaged(intensity), self.data.averaged(changes)

    def _named(self, x: FloatArray) -> dict[str, float]:
        return dict(zip(self.names, x, strict=True))

    def _result(self, best: Minimum, rival: Minimum | None) -> FitResult:
        bounds = self.low, self.high
        intensity, changes = self._with_changes(best.values)
        solution = self._linear.solve(intensity)
        at_bound = stopped(best.values, bounds)
        curves = np.column_stack([solution[0] * changes.T, self._linear.with_model(intensity)])
        values = self._named(best.values)
        misfit = self._linear.misfit(intensity)
        errors, matrix, scale_error = self._uncertainties(best, at_bound, curves, solution[0], misfit.widening)
        undistorted = self._undistorted(best, at_bound, misfit.widening)
        for name, away in undistorted.items():
            i = self.names.index(name)
            errors[i] = max(errors[i], abs(best.values[i] - UNDISTORTED[name]) * _half_width(away))
            if not errors[i] <= _sensible(name):
                errors[i] = self._error_without_slope(best, name, misfit.widening)
        unknown = errors > [_sensible(name) for name in self.names]
        errors[unknown] = np.nan
        matrix[unknown] = matrix[:, unknown] = 0.0
        np.fill_diagonal(matrix, 1.0)
        messages = [
            *filter(None, [misfit.message]),
            *search_messages(self.names, best.values, bounds, best.converged, MOST_EVALUATIONS),
            *self._linear.messages(solution),
            *self._ambiguity(best, rival, misfit.widening),
            *(
                f"{name} lies {away:.1f} standard errors from {_UNDISTORTED_WORDS[name]}, by chi^2: without "
                "this distortion the data are described nearly as well."
                for name, away in undistorted.items()
                if away < SIGNIFICANT
            ),
            *certainty_messages(self.names, errors, at_bound, matrix, STRONG_CORRELATION),
            *self._coarse(values),
        ]

        ratio = values.get("lattice_constant", self.model.lattice_constant) / self.model.lattice_constant
        scaled = np.array([ratio if name in LENGTHS else 1.0 for name in self.names])
        model = self._fitted_model(best.values * scaled, ratio)
        composition = self.pattern.composition(values)
        parameters = {
            name: FittedParameter(
                value=best.values[i] * scaled[i],
                error=known(errors[i] * scaled[i]),
                unit=PARAMETERS[name][0],
                start=getattr(self.model, name),
                low=self.low[i],
                high=self.high[i],
                at_bound=at_bound[i],
            )
            for i, name in enumerate(self.names)
        }
        n_points, n_parameters = len(self.data.q), self._linear.n_parameters
        likelihood = best.chi2 if self.data.sigma is not None else n_points * log(max(best.chi2, _TINY) / n_points)
        return FitResult(
            **self._linear.fields(intensity, solution, best.chi2, misfit),
            amplitudes=amplitude_sources((model.cation, model.anion), self.settings.scattering),
            model=model,
            parameters=parameters,
            correlation=matrix.tolist(),
            scale_error=known(scale_error),
            aic=likelihood + 2 * n_parameters,
            bic=likelihood + n_parameters * log(n_points),
            converged=best.converged,
            messages=messages,
            core_diameter=model.diameter - 2 * model.shell_thickness,
            composition=composition,
            coverage=ligand_coverage(*composition, model.mean_area()),
        )

    def _ambiguity(self, best: Minimum, rival: Minimum | None, widening: float) -> list[str]:
        """Say so where an angle on the other side of 60 degrees describes the data nearly as well."""
        if rival is None:
            return []
        i = self.names.index("alpha_rh")
        higher = rival.chi2 - best.chi2
        if higher > _AMBIGUOUS * widening or abs(rival.values[i] - best.values[i]) < _ONE_ANGLE:
            return []
        away = sqrt(max(higher, 0.0) / (widening or 1.0))
        return [
            f"alpha_rh = {rival.values[i]:.2f}° describes the data nearly as well as {best.values[i]:.2f}° ({away:.1f} "
            "standard errors away): they hardly tell on which side of 60° it lies."
        ]

    def _coarse(self, values: Mapping[str, float]) -> list[str]:
        """Say so where the pattern of the model or the data are coarser than sizes need."""
        messages = []
        exact = self.pattern.exact_up_to(values)
        if exact is not None:
            messages.append(
                f"A few sizes stand for all particles beyond {exact:.0f} Å: their pattern is wrong by up to 0.3 %."
            )
        diameter = values.get("diameter", self.model.diameter)
        step, fringe = float(np.median(np.diff(self.data.q))), 2 * pi / diameter
        if step > fringe and set(self.names) & set(SIZES):
            messages.append(
                f"The points are {step:.2g} Å^-1 apart, and the fringes of particles of {diameter:.0f} Å {fringe:.2g} "
                "Å^-1: they hardly tell sizes; use more points."
            )
        return messages

    def _undistorted(self, best: Minimum, at_bound: BoolArray, widening: float) -> dict[str, float]:
        """Return how many standard errors away chi^2 puts an undistorted lattice, by parameter of the distortion.

        The pattern changes with the square of angle and offset, as with B and sizes: the slopes at a minimum put the
        undistorted value farther away. Parameters that stopped at a bound are left out.
        """
        found = {}
        for i, name in enumerate(self.names):
            if name in UNDISTORTED and not at_bound[i] and widening > 0:
                start = best.values.copy()
                start[i] = UNDISTORTED[name]
                found[name] = sqrt(max(self.minimise(start, [name]).chi2 - best.chi2, 0.0) / widening)
        return found

    def _error_without_slope(self, best: Minimum, name: str, widening: float) -> float:
        """Return by how much a parameter may leave its undistorted value before chi^2 is higher by a standard error.

        At that value the pattern does not change with it to first order, and chi^2 rises with its fourth power.
        """
        i, centre = self.names.index(name), UNDISTORTED[name]
        far = max((self.low[i], self.high[i]), key=lambda bound: abs(bound - centre)) - centre
        away = far / 2
        for _ in range(_ROUNDS):
            start = best.values.copy()
            start[i] = centre + away
            rise = self.minimise(start, [name]).chi2 - best.chi2
            if not rise > 0:
                return np.nan
            away = copysign(min(abs(away) * (widening / rise) ** 0.25, abs(far)), far)
        return float(abs(away))

    def _uncertainties(
        self, best: Minimum, at_bound: BoolArray, curves: FloatArray, scale: float, widening: float
    ) -> tuple[FloatArray, FloatArray, float]:
        """Return standard errors (NaN where unknown), the correlation matrix, and the standard error of the scale.

        Parameters
        ----------
        best
            The minimum.
        at_bound
            Which of the varied parameters have stopped at a bound.
        curves
            Change of the curve with each varied parameter, the scale and each background term, in columns.
        scale
            Factor of the model.
        widening
            By what variances are multiplied.
        """
        n_varied = len(best.values)
        kept = np.concatenate([~at_bound, np.ones(curves.shape[1] - n_varied, bool)])
        design = curves * self._linear.weights[:, None]
        first, _ = linearised(design, kept, widening)
        for i, name in enumerate(self.names):
            if name in SIZES and np.isfinite(first[i]):
                with suppress(QdsimError):
                    design[:, i] = scale * self._difference(best.values, i, first[i]) * self._linear.weights
        errors, matrix = linearised(design, kept, widening)
        return errors[:n_varied], matrix[:n_varied, :n_varied], float(errors[n_varied])

    def _difference(self, values: FloatArray, i: int, error: float) -> FloatArray:
        """Return the derivative of the intensity as a difference over a standard error to either side."""
        step = np.zeros(len(values))
        least = AT_BOUND * (self.high[i] - self.low[i])
        step[i] = min(max(error, least), values[i] - self.low[i], self.high[i] - values[i])
        ahead, behind = (self._intensity(values + sign * step) for sign in (1, -1))
        return np.asarray((ahead - behind) / (2 * step[i]))

    def _fitted_model(self, values: FloatArray, ratio: float) -> NanocrystalModel:
        kept = {name: ratio * getattr(self.model, name) for name in LENGTHS if name not in self.names}
        return self.model.with_values(kept | dict(zip(self.names, values.tolist(), strict=True)))


def _sensible(name: str) -> float:
    """Return the extent of the values that a parameter may have: an error beyond it says nothing."""
    _, low, high = PARAMETERS[name]
    return high - low


def _half_width(away: float) -> float:
    """Return the half width of a 68 % interval of what a pattern knows by its square, as a part of the value.

    Parameters
    ----------
    away
        Standard errors between the square and zero; below 1 the interval reaches to zero.
    """
    return 1.0 if away <= 1 else 1 - sqrt(1 - 1 / away)


def bounds_of(model: NanocrystalModel, name: str, given: Bounds | None = None) -> Bounds:
    """Return between which values a parameter is searched for.

    Parameters
    ----------
    model
        Around whose value the bounds lie where none are given.
    name
        Of the parameter.
    given
        The bounds wanted.
    """
    low, high = given or _usual_bounds(model, name)
    return (max(low, SMALLEST_SPREAD) if name == "diameter_sd" else low), high


def within_bounds(model: NanocrystalModel, settings: FitSettings) -> NanocrystalModel:
    """Return the model with the varied parameters within their bounds: fitted lengths have moved with the lattice.

    Parameters
    ----------
    model
        Whose values are moved to the nearest bound where they are outside.
    settings
        What is varied, and its bounds.
    """
    inside = {}
    for name, given in settings.vary.items():
        low, high = bounds_of(model, name, given)
        inside[name] = min(max(getattr(model, name), low), high)
    return model.with_values(inside)


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
