"""What fits of raw data say of samples, in the terms of the consistency check."""

from collections.abc import Mapping, Sequence

from qdsim.analysis.consistency_results import Condition, PatternCheck, PatternFit
from qdsim.analysis.scattering_fit import QUANTITIES, Measured, Sample, ScatteringFits
from qdsim.analysis.verdict import judge_patterns
from qdsim.debye.fit_result import FitResult
from qdsim.debye.hypotheses import DFT, FREE, PROBES, UNDISTORTED, compare_hypotheses
from qdsim.debye.plausibility import resemblance_messages

HELD = ("diameter", "lattice_constant")
"""Parameters that say something of a sample also where the fit does not vary them."""


def fitted_sample(name: str, source: str, result: FitResult, stated: Sample | None = None) -> Sample:
    """Return what a fit says of a sample; what is stated of it elsewhere goes before.

    Where the model does not describe the data, the source of each value says so. Parameters that stopped at a bound, or
    that the data do not determine, are left out, and all of them where the fit did not converge.

    Parameters
    ----------
    name, source
        Of the sample, and of the data.
    result
        The fit.
    stated
        What is known already.
    """
    noise_alone = result.misfit is None and result.sigma is not None  # the errors of documents of earlier versions
    widened = max(1.0, result.gof) if noise_alone else 1.0
    fit = f"fit of {source}" if _describes(result) else f"fit of {source}, whose model does not describe it"
    fitted: dict[str, Measured] = {}
    for quantity in QUANTITIES:
        parameter = result.parameters.get(quantity)
        if parameter is None and quantity in HELD:
            fitted[quantity] = Measured(value=getattr(result.model, quantity), source=f"held in the fit of {source}")
        elif result.converged and parameter is not None and parameter.error is not None and not parameter.at_bound:
            fitted[quantity] = Measured(value=parameter.value, error=widened * parameter.error, source=fit)
    if result.model.size_strain != 0.0 and "lattice_constant" in fitted:
        shrink = 1 - result.model.size_strain / result.model.diameter
        edge = fitted.pop("lattice_constant")
        if result.converged or not {"size_strain", "diameter"} & set(result.parameters):
            fitted["lattice_constant"] = edge.model_copy(update={"value": edge.value * shrink})
    if result.converged:
        fitted["chi2_reduced"] = Measured(value=result.chi2_reduced, source=fit)
    known = {} if stated is None else stated.stated()
    if {"volume", "volumetric_strain"} & set(known):
        fitted.pop("lattice_constant", None)
    return Sample(name=name, **{**fitted, **known})


def _describes(result: FitResult) -> bool:
    return result.misfit is None or result.misfit.described


def with_fitted(fits: ScatteringFits | None, compound: str, samples: Sequence[Sample]) -> ScatteringFits:
    """Return fits in which some samples, by their names, are replaced or added; new ones where there are no fits."""
    if fits is None:
        return ScatteringFits(compound=compound, samples=list(samples))
    by_name = {sample.name: sample for sample in (*fits.samples, *samples)}
    return fits.model_copy(update={"samples": list(by_name.values())})


def stated_sample(fits: ScatteringFits | None, name: str) -> Sample | None:
    """Return what fits state of a sample, if they do."""
    return next((sample for sample in fits.samples if sample.name == name), None) if fits is not None else None


def check_pattern(source: str, condition: Condition, results: Mapping[str, FitResult]) -> PatternCheck:
    """Judge the computed distortion by fits of models with and without it.

    Parameters
    ----------
    source
        Name of the data.
    condition
        At which the computed distortion was taken.
    results
        The fits by the name of their hypothesis.
    """
    compared = compare_hypotheses(results)
    by_name = {fit.name: fit for fit in compared.fits}
    verdict, reason = judge_patterns(
        by_name[DFT].standard_errors,
        by_name[UNDISTORTED].standard_errors,
        {probe: by_name[probe].standard_errors for probe in PROBES if probe in by_name},
    )
    needed = (FREE, DFT, *(PROBES if verdict == "agrees" else ()))
    unfinished = [name for name in needed if name in results and not results[name].converged]
    if not _describes(results[FREE]):
        left = f"even the free model does not describe the data (reduced chi^2 {results[FREE].chi2_reduced:.3g})"
        verdict, reason = "cannot say", f"{left}; {reason}"
    if unfinished:
        verdict, reason = "cannot say", f"the fit '{unfinished[0]}' did not converge; {reason}"
    if condition.lattice.extrapolated:
        verdict, reason = "cannot say", f"extrapolated beyond the strains computed; {reason}"
    return PatternCheck(
        source=source,
        condition=condition.name,
        fits=[PatternFit(**fit.model_dump(include=set(PatternFit.model_fields))) for fit in compared.fits],
        verdict=verdict,
        reason=reason,
        messages=[*compared.messages, *resemblance_messages(results[FREE])],
    )
