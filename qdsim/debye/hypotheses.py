"""Whether a pattern agrees with a distortion that is known from elsewhere: the same model with it and without.

A model is fitted with the distortion free, with the computed one imposed, with none, and with some that differ from the
computed one by as much as would matter. All other parameters are fitted anew in each, so the differences of chi^2 tell
what the pattern says of the distortion alone. Each fit is one `Fit` and knows nothing of the others.

The probes shift angle and offset in both directions, for chi^2 is no parabola in them: a cell stretched along [111]
broadens the same peaks as one compressed, and of the offset the pattern knows only the square. What would be noticed in
one direction may pass unseen in the other; the data can tell a distortion only if they reject its probes in both.
"""

from collections.abc import Mapping
from math import log, log1p

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.special import chdtrc, gammaln, ndtri_exp

from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import FitSettings, within_bounds
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.errors import QdsimError
from qdsim.structures import CUBIC_ANGLE

Hypothesis = tuple[NanocrystalModel, FitSettings]

PROBE_ALPHA = 0.5
"""Degrees by which an angle must differ from the computed one to matter."""
PROBE_OFFSET = 0.1
"""Å by which an offset must differ from the computed one to matter."""
FREE, DFT, UNDISTORTED = "free", "DFT", "undistorted"
PROBES = {
    f"DFT, alpha +{PROBE_ALPHA}°": ("alpha_rh", PROBE_ALPHA),
    f"DFT, alpha -{PROBE_ALPHA}°": ("alpha_rh", -PROBE_ALPHA),
    f"DFT, offset +{PROBE_OFFSET} Å": ("pb_offset", PROBE_OFFSET),
    f"DFT, offset -{PROBE_OFFSET} Å": ("pb_offset", -PROBE_OFFSET),
}
"""Parameter and shift of each probe."""
HYPOTHESES = (FREE, DFT, UNDISTORTED, *PROBES)

_DISTORTION = ("alpha_rh", "pb_offset")
_LOWER = 0.1  # standard errors squared by which a fit is lower than the free one beyond the accuracy of a search
_SMALLEST_P = 1e-250  # below which the tail of the distribution is summed by its logarithm
_ROUNDING = float(np.finfo(float).eps) ** 2


class HypothesisFit(BaseModel):
    """One of the models.

    Attributes
    ----------
    name
        Of the hypothesis.
    alpha_rh, pb_offset
        Its distortion, degrees and Å, imposed or fitted.
    chi2, chi2_reduced, gof, r_wp
        As in `FitResult`.
    n_fixed
        Number of parameters that are fixed in it and fitted in the free model.
    chi2_difference
        chi2 less the lowest one.
    scaled_difference
        chi2_difference in units of what a standard error costs: divided by the `widening` of the comparison.
    p_value
        Probability of a scaled difference as large as this, were the hypothesis true: of the chi^2 distribution with
        `n_fixed` degrees of freedom. Too large by up to a factor of two where a parameter is fixed at its bound, as the
        offset at 0.
    standard_errors
        Of a normal distribution, whose two tails beyond as many standard errors have this probability.
    converged
        The search ended by itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    alpha_rh: float
    pb_offset: float
    chi2: float
    chi2_reduced: float
    gof: float
    r_wp: float
    n_fixed: int
    chi2_difference: float
    scaled_difference: float
    p_value: float
    standard_errors: float
    converged: bool


class HypothesisComparison(BaseModel):
    """What a pattern says of distortions.

    Attributes
    ----------
    fits
        The models.
    lowest
        Name of the one that describes the data best, from which differences are measured.
    widening
        What a standard error costs in chi^2: that of the free fit, see `qdsim.debye.Misfit`. A model that does not
        describe the data has errors larger than those of counting; without uncertainties there are no others.
    messages
        Reservations, one sentence each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fits: list[HypothesisFit]
    lowest: str
    widening: float
    messages: list[str]


def free_hypothesis(model: NanocrystalModel, settings: FitSettings) -> Hypothesis:
    """Return the model with the distortion to be fitted.

    Parameters
    ----------
    model
        Where the search begins. It looks on both sides of 60 degrees by itself.
    settings
        Angle and offset keep the bounds that they have there.
    """
    return model, settings.model_copy(
        update={"vary": settings.vary | {name: settings.vary.get(name) for name in _DISTORTION}}
    )


def imposed_hypotheses(
    model: NanocrystalModel, settings: FitSettings, alpha_rh: float, pb_offset: float
) -> dict[str, Hypothesis]:
    """Return the models whose distortion is imposed.

    Parameters
    ----------
    model
        Where the searches begin: best that of the free fit.
    settings
        What else is varied; angle and offset no longer are.
    alpha_rh, pb_offset
        The computed distortion, degrees and Å; the sign of the offset does not matter.

    Returns
    -------
    dict
        By name, see `HYPOTHESES`. Probes that would leave the ranges of `PARAMETERS` are left out: an offset below
        0.1 Å has no probe below it.

    Raises
    ------
    QdsimError
        If the computed distortion is beyond these ranges.
    """
    computed = {"alpha_rh": alpha_rh, "pb_offset": abs(pb_offset)}
    for name, value in computed.items():
        if not _is_possible(name, value):
            unit, low, high = PARAMETERS[name]
            raise QdsimError(
                f"The computed {name} is {value:g} {unit}, and models go from {low:g} to {high:g} {unit}: check the "
                "computed lattice."
            )
    varied = settings.model_copy(
        update={"vary": {name: bounds for name, bounds in settings.vary.items() if name not in _DISTORTION}}
    )
    imposed = {DFT: computed, UNDISTORTED: {"alpha_rh": CUBIC_ANGLE, "pb_offset": 0.0}}
    for probe, (name, shift) in PROBES.items():
        if _is_possible(name, computed[name] + shift):
            imposed[probe] = computed | {name: computed[name] + shift}
    begun = within_bounds(model, varied)
    return {name: (begun.with_values(distortion), varied) for name, distortion in imposed.items()}


def restarted(results: Mapping[str, FitResult], settings: FitSettings) -> Hypothesis | None:
    """Return the free model that begins at a fit lower than the free one, or None if there is none.

    Parameters
    ----------
    results
        As in `compare_hypotheses`.
    settings
        Of the fits.
    """
    lowest = min(results.values(), key=lambda result: result.chi2)
    if not _is_lower(lowest, results[FREE]):
        return None
    model, varied = free_hypothesis(lowest.model, settings)
    return within_bounds(model, varied), varied


def compare_hypotheses(results: Mapping[str, FitResult]) -> HypothesisComparison:
    """Compare fits of the same data with distortions free and imposed.

    Parameters
    ----------
    results
        Fits by name, `FREE` among them; of the others, those with as many fitted parameters are free fits too.

    Raises
    ------
    QdsimError
        If there is no free fit, one varies more than it does, or they are of different data.
    """
    if FREE not in results:
        raise QdsimError(f"There is no fit named '{FREE}' to compare {', '.join(results) or 'others'} with: give one.")
    free = results[FREE]
    for name, result in results.items():
        if result.n_parameters > free.n_parameters:
            raise QdsimError(f"The fit '{name}' varies more than the free one: compare fits of the same settings.")
        if (result.q, result.observed, result.sigma) != (free.q, free.observed, free.sigma):
            raise QdsimError(f"The fits '{FREE}' and '{name}' are of different data: compare fits of the same data.")
    lowest = min(results, key=lambda name: results[name].chi2)
    widening = _widening(free)
    return HypothesisComparison(
        fits=[_compared(name, result, results[lowest], free, widening) for name, result in results.items()],
        lowest=lowest,
        widening=widening,
        messages=_messages(results, lowest),
    )


def standard_errors(chi2: float, n_fixed: int) -> float:
    """Return how many standard errors of a normal distribution a difference of chi^2 amounts to.

    Parameters
    ----------
    chi2
        The difference, in units of what a standard error costs.
    n_fixed
        Number of parameters that are fixed.
    """
    if n_fixed == 0:
        return 0.0
    return max(0.0, -float(ndtri_exp(_log_tail(chi2, n_fixed) - log(2))))


def _log_tail(chi2: float, n_fixed: int) -> float:
    """Return the logarithm of the probability that chi^2 is larger, in the far tail by its asymptotic series."""
    tail = float(chdtrc(n_fixed, chi2))
    if tail > _SMALLEST_P:
        return log(tail)
    power, half = n_fixed / 2 - 1, chi2 / 2
    return float(-half + power * log(half) - gammaln(power + 1) + log1p(power / half))


def _compared(name: str, result: FitResult, lowest: FitResult, free: FitResult, widening: float) -> HypothesisFit:
    difference, n_fixed = result.chi2 - lowest.chi2, free.n_parameters - result.n_parameters
    scaled = difference / widening
    return HypothesisFit(
        name=name,
        alpha_rh=result.model.alpha_rh,
        pb_offset=result.model.pb_offset,
        chi2=result.chi2,
        chi2_reduced=result.chi2_reduced,
        gof=result.gof,
        r_wp=result.r_wp,
        n_fixed=n_fixed,
        chi2_difference=difference,
        scaled_difference=scaled,
        p_value=float(chdtrc(n_fixed, scaled)) if n_fixed else 1.0,
        standard_errors=standard_errors(scaled, n_fixed),
        converged=result.converged,
    )


def _widening(free: FitResult) -> float:
    """Return what a standard error costs in chi^2, of a perfect fit what rounding leaves."""
    if free.misfit is None:  # of a document that was written before misfit was told
        return max(1.0 if free.sigma is not None else 0.0, free.chi2_reduced)
    return max(free.misfit.widening, 0.0 if free.sigma is not None else _rounding(free))


def _rounding(free: FitResult) -> float:
    return _ROUNDING * sum(value**2 for value in free.observed)


def _is_lower(result: FitResult, free: FitResult) -> bool:
    return free.chi2 - result.chi2 > _LOWER * _widening(free)


def _messages(results: Mapping[str, FitResult], lowest: str) -> list[str]:
    free = results[FREE]
    messages = [
        f"The fit '{name}' did not converge: its chi^2 is too high."
        for name, result in results.items()
        if not result.converged
    ]
    if _is_lower(results[lowest], free):
        messages.append(
            f"The free fit ended in a local minimum: chi^2 of '{lowest}' is lower by "
            f"{free.chi2 - results[lowest].chi2:.3g}, and differences are measured from it."
        )
    if free.sigma is None:
        messages.append(
            "The data have no uncertainties: differences of chi^2 are measured by what the free fit leaves."
        )
    elif (widening := _widening(free)) > 1:
        seen = f"reduced chi^2 {free.chi2_reduced:.3g}" if free.misfit is None else free.misfit.seen
        messages.append(
            f"Even the free model leaves more than independent noise would ({seen}): differences of chi^2 are divided "
            f"by {widening:.3g}."
        )
    return messages


def _is_possible(name: str, value: float) -> bool:
    _, low, high = PARAMETERS[name]
    return low <= value <= high
