"""The fits that a measured pattern needs: with the distortion free, computed, absent, and off by what matters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction

from qdsim.analysis.consistency import Computed, sample_conditions
from qdsim.analysis.consistency_results import CheckSettings, Condition
from qdsim.analysis.scattering_fit import ScatteringFits
from qdsim.analysis.strain_results import StrainResults
from qdsim.debye.fit_file import FitFile
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.hypotheses import (
    DFT,
    FREE,
    PROBES,
    UNDISTORTED,
    free_hypothesis,
    imposed_hypotheses,
    restarted,
)
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.plausibility import check_resemblance
from qdsim.debye.scans import ScanAxis, chi2_map
from qdsim.errors import QdsimError
from qdsim.structures import measure_distortion
from qdsim.workflows.documents import MeasuredPattern
from qdsim.workflows.fit import UNUSABLE, opened_fit, read_result
from qdsim.workflows.fitted_samples import fitted_sample, stated_sample, with_fitted

MAP_POINTS = (21, 16)
"""Angles and offsets of a map of chi^2."""
MAP_MARGINS = (0.3, 0.05)
"""Degrees and Å that a map reaches beyond what is marked on it."""
LEAST_OFFSET = 0.1
"""Å; a map reaches at least so far."""
LABELS = {FREE: "free", DFT: "dft", UNDISTORTED: "undistorted", **{name: f"probe_{i}" for i, name in enumerate(PROBES)}}
"""Identifiers of the hypotheses, for links and outputs."""


@calcfunction
def free_fit(measured: orm.Dict) -> orm.Dict:
    """Make the fit of a measured pattern in which the distortion is free."""
    fit = FitFile.model_validate(MeasuredPattern(**measured.get_dict()).fit)
    return _fit_node(fit, *free_hypothesis(fit.model, fit.settings()))


@calcfunction
def imposed_fits(
    measured: orm.Dict, result: orm.Dict, curves: orm.ArrayData, settings: orm.Dict, **given: Any
) -> dict[str, orm.Dict] | ExitCode:
    """Make the fits with the computed distortion, without any, and with others that the data should tell from it.

    Given are what `check` is given. The distortion is taken at the volume of the free fit, whose result this is.
    """
    pattern = MeasuredPattern(**measured.get_dict())
    wanted = CheckSettings(**settings.get_dict())
    free, fits = read_result(result, curves), fits_of(given)
    sample = fitted_sample(pattern.sample, pattern.file, free, stated_sample(fits, pattern.sample))
    try:
        check_resemblance(free, pattern.file)
        joined = with_fitted(fits, wanted.compound, [sample])
        conditions = sample_conditions(sample, computed_of(given), joined, wanted)
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    if not conditions:
        return ExitCode(
            UNUSABLE, f"The fit of {pattern.file} does not determine the lattice constant: widen its bounds."
        )
    condition = conditions[0]
    fit = FitFile.model_validate(pattern.fit)
    lattice = condition.lattice
    hypotheses = imposed_hypotheses(free.model, fit.settings(), lattice.alpha_rh, lattice.pb_offset)
    nodes = {LABELS[name]: _fit_node(fit, *hypothesis) for name, hypothesis in hypotheses.items()}
    return {**nodes, "condition": orm.Dict(condition.model_dump(mode="json"))}


@calcfunction
def free_fit_again(measured: orm.Dict, **fitted: Any) -> dict[str, orm.Dict]:
    """Make a free fit that begins at an imposed one, where that is lower; `fitted` are as in `check`."""
    fit = FitFile.model_validate(MeasuredPattern(**measured.get_dict()).fit)
    lower = restarted(fit_results(fitted), fit.settings())
    return {} if lower is None else {"fit": _fit_node(fit, *lower)}


@calcfunction
def map_distortion(
    measured: orm.Dict,
    result: orm.Dict,
    condition: orm.Dict,
    pattern: orm.SinglefileData,
    blank: orm.SinglefileData | None = None,
) -> orm.Dict | ExitCode:
    """Follow chi^2 over angle and offset around a fit and the computed distortion, the other parameters held."""
    lattice = Condition(**condition.get_dict()).lattice
    model = NanocrystalModel.model_validate(result["model"])
    angles = (model.alpha_rh, lattice.alpha_rh, 60.0)
    offsets = (model.pb_offset, lattice.pb_offset, LEAST_OFFSET)
    x = np.linspace(min(angles) - MAP_MARGINS[0], max(angles) + MAP_MARGINS[0], MAP_POINTS[0])
    y = np.linspace(0.0, max(offsets) + MAP_MARGINS[1], MAP_POINTS[1])
    try:
        with opened_fit(MeasuredPattern(**measured.get_dict()).fit, pattern, blank) as (
            fit,
            data,
            blank_data,
        ):
            held = fit.settings(data.wavelength).model_copy(update={"vary": {}})
            axes = ScanAxis("alpha_rh", tuple(x.tolist())), ScanAxis("pb_offset", tuple(y.tolist()))
            return orm.Dict(chi2_map(Fit(model, data, held, blank_data), *axes).model_dump(mode="json"))
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))


def fit_results(fitted: Mapping[str, Any]) -> dict[str, FitResult]:
    """Return the fits by hypothesis, from nodes `result` and `curves` under the labels of the hypotheses."""
    return {
        name: read_result(fitted[f"{label}__result"], fitted[f"{label}__curves"])
        for name, label in LABELS.items()
        if f"{label}__result" in fitted
    }


def computed_of(given: Mapping[str, Any]) -> Computed:
    """Return what was computed: `results` of a strain series, or one `structure`."""
    if "results" in given:
        return StrainResults(**given["results"].get_dict())
    return measure_distortion(given["structure"].get_ase())


def fits_of(given: Mapping[str, Any]) -> ScatteringFits | None:
    """Return the scattering fits among the given nodes, if they are."""
    return ScatteringFits(**given["fits"].get_dict()) if "fits" in given else None


def _fit_node(fit: FitFile, model: NanocrystalModel, settings: FitSettings) -> orm.Dict:
    """Return the node of a fit file with another model and what else is varied of it."""
    changed = fit.model_copy(update={"model": model, "vary": settings.vary})
    return orm.Dict(changed.model_dump(mode="json", exclude={"origin"}))
