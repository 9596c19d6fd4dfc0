"""Which of several models the data prefer."""

from collections.abc import Callable, Mapping
from math import exp, log, sqrt

import numpy as np
from pydantic import BaseModel, ConfigDict

from qdsim.debye.candidates import STOICHIOMETRIC, Candidate, shape_models, stoichiometry_models
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings, within_bounds
from qdsim.debye.misfit import Misfit
from qdsim.debye.models import NanocrystalModel
from qdsim.errors import QdsimError

Progress = Callable[[int, int], None]

TELLING = 1e-3
"""Least weight with which a model counts in averages."""

_LOWER = 0.1  # part of what a standard error costs, by which chi^2 of a smaller model may be lower


class ComparedModel(BaseModel):
    """A model among others.

    Attributes
    ----------
    name
        Of the model.
    result
        Its fit.
    delta_aic, delta_bic
        Difference of the information criterion from the lowest one: 2 or ln n for each fitted number, and chi^2 in
        units of what a standard error costs, which is more than 1 where even the best model misses something. Points
        that are missed alike count as one in n. (Quasi-likelihood: Burnham & Anderson, Model Selection and Multimodel
        Inference, Springer 2002, section 2.5.)
    weight
        exp(-delta_bic/2), divided by its sum over the models compared. It ranks them; it is a probability only if one
        of them is right.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    result: FitResult
    delta_aic: float
    delta_bic: float
    weight: float


class AveragedParameter(BaseModel):
    """A parameter averaged over models by their weights.

    Attributes
    ----------
    value
        The mean.
    error
        Its standard error: that of each model, and how the models differ (Burnham & Anderson, as above, section 4.3).
    unit
        Of both.
    lowest, highest
        Values in models whose weight is at least `TELLING`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    error: float
    unit: str
    lowest: float
    highest: float


class Comparison(BaseModel):
    """Models fitted to the same data, the preferred one (lowest Bayesian information criterion) first.

    Attributes
    ----------
    models
        The fits.
    averaged
        Parameters that every model of some weight varies, averaged over them; none where no model describes the data.
    described
        Whether the preferred one describes the data.
    messages
        Reservations about the comparison, one sentence each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    models: list[ComparedModel]
    averaged: dict[str, AveragedParameter]
    described: bool
    messages: list[str]

    @property
    def preferred(self) -> ComparedModel:
        """The model that describes the data best for its number of parameters."""
        return self.models[0]


def compare(
    models: Mapping[str, Candidate],
    data: ScatteringData,
    blank: ScatteringData | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Fit several models to the same data.

    A model that contains another one, and ends with a higher chi^2 nevertheless, is searched again from there.

    Parameters
    ----------
    models
        Model and settings by name.
    data, blank
        As for `Fit`.
    progress
        Called with models fitted and models to be fitted.

    Raises
    ------
    QdsimError
        If there is nothing to compare, or a model cannot be fitted.
    """
    if not models:
        raise QdsimError("There is no model to compare: give at least one.")
    results = {}
    for done, (name, (model, settings)) in enumerate(models.items()):
        if progress is not None:
            progress(done, len(models))
        results[name] = Fit(model, data, settings, blank).run()
    return _ranked(_searched_again(models, results, data, blank))


def compare_shapes(
    model: NanocrystalModel,
    settings: FitSettings,
    data: ScatteringData,
    blank: ScatteringData | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Find the shape that describes the data best, then compare stoichiometries with it and with the model's own.

    Shape and occupancies stand for each other: both change how the density ends at the surface. A wrong shape is taken
    for vacancies where shapes are not compared first.

    Parameters
    ----------
    model, settings
        As for `qdsim.debye.stoichiometry_models`.
    data, blank, progress
        As for `compare`.

    Raises
    ------
    QdsimError
        If a model cannot be fitted.
    """
    shapes = shape_models(model)
    own, *_ = shapes
    candidates = {shape: stoichiometry_models(one, settings) for shape, one in shapes.items()}
    shells = len(candidates[own]) - 1
    results: dict[str, FitResult] = {}

    def fit(shape: str, name: str, total: int) -> None:
        if progress is not None:
            progress(len(results), total)
        results[_called(shape, name)] = Fit(candidates[shape][name][0], data, candidates[shape][name][1], blank).run()

    for shape in shapes:
        fit(shape, STOICHIOMETRIC, len(shapes) + 2 * shells)
    best = min(shapes, key=lambda shape: results[_called(shape, STOICHIOMETRIC)].chi2)
    chosen = dict.fromkeys([own, best])
    for shape in chosen:
        for name in candidates[shape]:
            if name != STOICHIOMETRIC:
                fit(shape, name, len(shapes) + len(chosen) * shells)
    models = {_called(shape, name): one for shape, several in candidates.items() for name, one in several.items()}
    ranked = _ranked(_searched_again(models, results, data, blank))
    if best == own:
        return ranked
    found, given = (results[_called(shape, STOICHIOMETRIC)].chi2_reduced for shape in (best, own))
    told = (
        f"Without vacancies {best} describes the data better than {own} (reduced chi^2 {found:.3g}, not {given:.3g})."
    )
    return ranked.model_copy(update={"messages": [*ranked.messages, told]})


def _called(shape: str, stoichiometry: str) -> str:
    return f"{shape}, {stoichiometry}"


def _searched_again(
    models: Mapping[str, Candidate],
    results: Mapping[str, FitResult],
    data: ScatteringData,
    blank: ScatteringData | None,
) -> dict[str, FitResult]:
    """Search again for models that end higher than one that they contain; smaller models first."""
    found = dict(results)
    for name in sorted(results, key=lambda one: results[one].n_parameters):
        for smaller in results:
            if found[smaller].chi2 >= found[name].chi2 - _LOWER * _cost(found[name]):
                continue
            for model in _beginnings(models[name], models[smaller], found[smaller]):
                again = Fit(model, data, models[name][1], blank).run()
                if again.chi2 < found[name].chi2:
                    found[name] = again
    return found


def _beginnings(larger: Candidate, smaller: Candidate, result: FitResult) -> list[NanocrystalModel]:
    """Return where a model begins at the end of a smaller one: with its own further parameters, and with that one's.

    There are none if it does not contain the smaller one.
    """
    (model, settings), (small, small_settings) = larger, smaller
    held = (name for name in NanocrystalModel.model_fields if name not in settings.vary)
    contained = set(small_settings.vary) < set(settings.vary) and all(
        getattr(model, name) == getattr(small, name) for name in held
    )
    if not contained or settings.background < small_settings.background:
        return []
    own = {name: getattr(model, name) for name in settings.vary if name not in small_settings.vary}
    return [within_bounds(one, settings) for one in (result.model.with_values(own), result.model)]


def _cost(result: FitResult) -> float:
    """Return what a standard error costs in chi^2."""
    return _misfit(result).widening


def _misfit(result: FitResult) -> Misfit:
    if result.misfit is None:
        raise QdsimError("A fit does not say what it leaves of the data: make it again.")
    return result.misfit


def _ranked(results: Mapping[str, FitResult]) -> Comparison:
    """Return the fits in the order of their information."""
    lowest = min(results.values(), key=lambda result: result.chi2)
    misfit = _misfit(lowest)
    points = max(lowest.n_points / misfit.alike, 1.0)
    scaled = {name: (result.chi2 - lowest.chi2) / (misfit.widening or 1.0) for name, result in results.items()}
    aic = {name: scaled[name] + 2 * result.n_parameters for name, result in results.items()}
    bic = {name: scaled[name] + log(points) * result.n_parameters for name, result in results.items()}
    least_aic, least_bic = min(aic.values()), min(bic.values())
    total = sum(exp((least_bic - one) / 2) for one in bic.values())
    models = [
        ComparedModel(
            name=name,
            result=result,
            delta_aic=aic[name] - least_aic,
            delta_bic=bic[name] - least_bic,
            weight=exp((least_bic - bic[name]) / 2) / total,
        )
        for name, result in results.items()
    ]
    models.sort(key=lambda one: one.delta_bic)
    described = _misfit(models[0].result).described
    messages = []
    if not described:
        messages.append(
            f"None of the models describes the data (of the best: {misfit.seen}). The weights rank them, and say "
            "nothing of what is not among them: try other shapes, sizes and backgrounds."
        )
    return Comparison(
        models=models, averaged=_averaged(models) if described else {}, described=described, messages=messages
    )


def _averaged(models: list[ComparedModel]) -> dict[str, AveragedParameter]:
    """Average the parameters that all models of some weight have."""
    telling = [one for one in models if one.weight >= TELLING]
    weights = np.array([one.weight for one in telling]) / sum(one.weight for one in telling)
    averaged = {}
    for name, first in telling[0].result.parameters.items():
        found = [one.result.parameters[name] for one in telling if name in one.result.parameters]
        errors = [parameter.error for parameter in found if parameter.error is not None]
        if len(errors) < len(telling):  # not varied, or not determined, in one of them
            continue
        values = np.array([parameter.value for parameter in found])
        mean = float(weights @ values)
        error = sqrt(float(weights @ (np.array(errors) ** 2 + (values - mean) ** 2)))
        ends = float(values.min()), float(values.max())
        averaged[name] = AveragedParameter(value=mean, error=error, unit=first.unit, lowest=ends[0], highest=ends[1])
    return averaged
