"""Fits that did not end by themselves give no verdict."""

import json
from pathlib import Path

import numpy as np
import pytest

from qdsim.analysis.consistency_results import Condition
from qdsim.analysis.lattice_series import LatticeSeries
from qdsim.analysis.scattering_fit import Measured, Sample
from qdsim.analysis.strain_results import StrainResults
from qdsim.debye import Fit, FitResult, FitSettings, ModelPattern, NanocrystalModel, ScatteringData
from qdsim.debye.hypotheses import DFT, FREE, PROBES, UNDISTORTED, free_hypothesis, imposed_hypotheses
from qdsim.workflows.fitted_samples import check_pattern, fitted_sample

RECORDED = Path(__file__).parents[1] / "analysis" / "recorded" / "onset_precise.json"
Q = np.linspace(1.0, 13.0, 300)
SETTINGS = FitSettings(vary=dict.fromkeys(("lattice_constant", "b_iso_cation", "b_iso_anion")), background=3)
PROBE = next(iter(PROBES))


@pytest.fixture(scope="module")
def condition() -> Condition:
    lattice = LatticeSeries(StrainResults(**json.loads(RECORDED.read_text(encoding="utf-8")))).at_strain(0.0137, 0.0)
    return Condition(
        name="measured volume",
        description="",
        linear_strain=lattice.linear_strain,
        linear_strain_error=0.0,
        pressure=lattice.pressure,
        lattice=lattice,
    )


@pytest.fixture(scope="module")
def results(condition: Condition) -> dict[str, FitResult]:
    alpha, offset = condition.lattice.alpha_rh, condition.lattice.pb_offset
    sample = NanocrystalModel(diameter=24.0, lattice_constant=6.0).with_values({"alpha_rh": alpha, "pb_offset": offset})
    expected = ModelPattern(sample, Q).intensity({})
    expected *= 1e5 / expected.mean()
    photons = np.random.default_rng(3).poisson(expected + 2e4).astype(float)
    data = ScatteringData(Q, photons, np.sqrt(photons))
    model, settings = free_hypothesis(sample, SETTINGS)
    found = {FREE: Fit(model, data, settings).run()}
    for name, (imposed, varied) in imposed_hypotheses(found[FREE].model, SETTINGS, alpha, offset).items():
        found[name] = Fit(imposed, data, varied).run()
    return found


def unfinished(results: dict[str, FitResult], name: str) -> dict[str, FitResult]:
    return {**results, name: results[name].model_copy(update={"converged": False})}


def test_fits_that_converged_give_a_verdict(results: dict[str, FitResult], condition: Condition) -> None:
    assert check_pattern("dots.xye", condition, results).verdict == "agrees"
    undistorted = {**results, DFT: results[UNDISTORTED]}
    assert check_pattern("dots.xye", condition, undistorted).verdict == "disagrees"


def undescribed(result: FitResult) -> FitResult:
    assert result.misfit is not None
    return result.model_copy(
        update={"chi2_reduced": 16.0, "misfit": result.misfit.model_copy(update={"described": False})}
    )


def test_no_verdict_is_stronger_than_the_model(results: dict[str, FitResult], condition: Condition) -> None:
    for fits in (results, {**results, DFT: results[UNDISTORTED]}):
        found = check_pattern("dots.xye", condition, {**fits, FREE: undescribed(fits[FREE])})
        assert found.verdict == "cannot say"
        assert found.reason.startswith("even the free model does not describe the data (reduced chi^2 16)")


def test_errors_of_a_sample_are_those_of_the_fit_and_are_widened_once(results: dict[str, FitResult]) -> None:
    free = results[FREE]
    error = free.parameters["alpha_rh"].error
    for result, told in ((free, "fit of dots.xye"), (undescribed(free), "whose model does not describe it")):
        found = fitted_sample("dots", "dots.xye", result).alpha_rh
        assert found is not None
        assert found.error == error
        assert found.source is not None
        assert found.source.endswith(told)


@pytest.mark.parametrize("name", [FREE, DFT, PROBE])
def test_agreement_needs_every_fit(name: str, results: dict[str, FitResult], condition: Condition) -> None:
    found = check_pattern("dots.xye", condition, unfinished(results, name))
    assert found.verdict == "cannot say"
    assert f"the fit '{name}' did not converge" in found.reason


def test_disagreement_needs_no_probe(results: dict[str, FitResult], condition: Condition) -> None:
    undistorted = {**results, DFT: results[UNDISTORTED]}
    assert check_pattern("dots.xye", condition, unfinished(undistorted, PROBE)).verdict == "disagrees"
    assert check_pattern("dots.xye", condition, unfinished(undistorted, DFT)).verdict == "cannot say"


def test_a_fit_that_did_not_converge_says_nothing_of_a_sample(results: dict[str, FitResult]) -> None:
    assert fitted_sample("dots", "dots.xye", results[FREE]).alpha_rh is not None
    stated = Sample(name="dots", volume=Measured(value=54.0, error=0.1))
    sample = fitted_sample("dots", "dots.xye", unfinished(results, FREE)[FREE], stated)
    assert (sample.alpha_rh, sample.lattice_constant, sample.volume) == (None, None, stated.volume)
    assert sample.chi2_reduced is None


def test_a_held_lattice_constant_is_not_shrunk_by_a_fit_that_did_not_converge(results: dict[str, FitResult]) -> None:
    free = results[FREE]
    strained = free.model_copy(
        update={
            "model": free.model.with_values({"size_strain": 0.3}),
            "parameters": {"size_strain": free.parameters["b_iso_cation"]},
        }
    )
    shrunk = free.model.lattice_constant * (1 - 0.3 / free.model.diameter)
    known = fitted_sample("dots", "dots.xye", strained).lattice_constant
    assert known is not None
    assert known.value == pytest.approx(shrunk, abs=1e-12)
    assert fitted_sample("dots", "dots.xye", strained.model_copy(update={"converged": False})).lattice_constant is None
