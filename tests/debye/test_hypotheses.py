"""A pattern made with a known distortion tells it from others, as far as its noise allows."""

from collections.abc import Mapping
from functools import cache
from math import log, sqrt

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtri_exp

from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.hypotheses import (
    DFT,
    FREE,
    HYPOTHESES,
    PROBES,
    UNDISTORTED,
    HypothesisComparison,
    compare_hypotheses,
    free_hypothesis,
    imposed_hypotheses,
    restarted,
    standard_errors,
)
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.patterns import ModelPattern
from qdsim.errors import QdsimError

GOOD, POOR = 1e5, 50.0
"""Counts a point: of a good pattern at a synchrotron, and of one that is mostly noise."""
Q = np.linspace(1.0, 13.0, 500)
COMPUTED = (59.3, 0.12)
SAMPLE = NanocrystalModel(
    diameter=30.0,
    diameter_sd=2.5,
    shell_thickness=6.0,
    lattice_constant=5.957,
    occupancy_cation_core=0.88,
    occupancy_anion_shell=0.72,
    b_iso_cation=1.2,
    b_iso_anion=0.9,
)
BEGIN = SAMPLE.with_values(
    {
        "diameter": 31.5,
        "diameter_sd": 3.2,
        "lattice_constant": 5.95,
        "occupancy_cation_core": 0.95,
        "occupancy_anion_shell": 0.9,
        "b_iso_cation": 1.0,
        "b_iso_anion": 1.0,
    }
)
VARIED = ("lattice_constant", "occupancy_cation_core", "occupancy_anion_shell", "b_iso_cation", "b_iso_anion")
SIZES = {"diameter": (26.0, 36.0), "diameter_sd": (1.0, 4.0)}
SETTINGS = FitSettings(vary={**SIZES, **dict.fromkeys(VARIED)}, background=5)


def measured(truth: tuple[float, float], counts: float = GOOD, seed: int = 0) -> ScatteringData:
    """Return counted photons of a sample with an angle and an offset, on a background."""
    model = SAMPLE.with_values({"alpha_rh": truth[0], "pb_offset": truth[1]})
    intensity = ModelPattern(model, Q).intensity({})
    x = (Q - 7) / 6
    expected = intensity + 0.3 * intensity.mean() * (1.2 - 0.5 * x + 0.2 * x**2 - 0.1 * x**3)
    expected *= counts / expected.mean()
    counted = np.random.default_rng(seed).poisson(expected).astype(float)
    return ScatteringData(Q, counted, np.sqrt(expected))


def fitted(data: ScatteringData, computed: tuple[float, float] = COMPUTED) -> dict[str, FitResult]:
    model, settings = free_hypothesis(BEGIN, SETTINGS)
    results = {FREE: Fit(model, data, settings).run()}
    for name, (imposed, varied) in imposed_hypotheses(results[FREE].model, SETTINGS, *computed).items():
        results[name] = Fit(imposed, data, varied).run()
    return results


@cache
def results_of(truth: tuple[float, float], counts: float, seed: int) -> Mapping[str, FitResult]:
    return fitted(measured(truth, counts, seed))


def worse(comparison: HypothesisComparison) -> dict[str, float]:
    return {fit.name: fit.standard_errors for fit in comparison.fits}


class TestKnownSamples:
    def test_the_computed_distortion_is_consistent_with_a_sample_that_has_it(self) -> None:
        found = [worse(compare_hypotheses(results_of(COMPUTED, GOOD, seed))) for seed in range(5)]
        assert sum(one[DFT] < 2 for one in found) >= 4
        for one in found:
            assert one[DFT] < 3
            assert min(one[name] for name in (*PROBES, UNDISTORTED)) > 3

    @pytest.mark.parametrize("seed", [0, 1])
    @pytest.mark.parametrize(("name", "shift"), PROBES.items())
    def test_it_is_rejected_by_a_sample_that_differs(self, name: str, shift: tuple[str, float], seed: int) -> None:
        parameter, difference = shift
        truth = dict(zip(("alpha_rh", "pb_offset"), COMPUTED, strict=True))
        truth[parameter] += difference
        found = worse(compare_hypotheses(results_of((truth["alpha_rh"], truth["pb_offset"]), GOOD, seed)))
        assert found[DFT] > 3
        assert found[name] < 3

    @pytest.mark.parametrize("seed", range(3))
    def test_noise_leaves_everything_open(self, seed: int) -> None:
        found = worse(compare_hypotheses(results_of(COMPUTED, POOR, seed)))
        assert found[DFT] < 3
        assert found[UNDISTORTED] < 3
        for parameter in ("alpha_rh", "pb_offset"):
            assert min(found[name] for name, (shifted, _) in PROBES.items() if shifted == parameter) < 3

    def test_differences_are_distributed_as_chi2_of_what_is_fixed(self) -> None:
        """The sum over ten patterns has a mean of 20 and a standard deviation of 6.3."""
        total = 0.0
        for seed in range(10):
            data = measured(COMPUTED, GOOD, 100 + seed)
            model, settings = free_hypothesis(BEGIN, SETTINGS)
            free = Fit(model, data, settings).run()
            imposed, varied = imposed_hypotheses(free.model, SETTINGS, *COMPUTED)[DFT]
            compared = compare_hypotheses({FREE: free, DFT: Fit(imposed, data, varied).run()})
            total += compared.fits[1].scaled_difference
        assert 7 < total < 42

    def test_an_offset_in_a_cubic_lattice_cannot_be_told_from_larger_displacements(self) -> None:
        found = worse(compare_hypotheses(fitted(measured((60.0, 0.0), seed=1), (60.0, 0.0))))
        assert found["DFT, offset +0.1 Å"] < 3
        assert min(found["DFT, alpha +0.5°"], found["DFT, alpha -0.5°"]) > 3
        assert found[DFT] == found[UNDISTORTED] < 3


class TestHypotheses:
    def test_they_differ_by_their_distortion(self) -> None:
        hypotheses = imposed_hypotheses(BEGIN, SETTINGS, 59.3, -0.12)
        assert tuple(hypotheses) == HYPOTHESES[1:]
        distortions = {name: (model.alpha_rh, model.pb_offset) for name, (model, _) in hypotheses.items()}
        assert distortions[DFT] == (59.3, 0.12)
        assert distortions[UNDISTORTED] == (60.0, 0.0)
        for name, (parameter, shift) in PROBES.items():
            expected = (59.3 + shift, 0.12) if parameter == "alpha_rh" else (59.3, 0.12 + shift)
            assert distortions[name] == pytest.approx(expected)
        for model, settings in hypotheses.values():
            assert settings == SETTINGS
            assert model.with_values({"alpha_rh": 60.0, "pb_offset": 0.0}) == BEGIN

    def test_what_is_imposed_is_no_longer_varied(self) -> None:
        both = SETTINGS.model_copy(update={"vary": SETTINGS.vary | {"alpha_rh": (58.0, 60.0), "pb_offset": None}})
        for _, settings in imposed_hypotheses(BEGIN, both, *COMPUTED).values():
            assert settings.vary == SETTINGS.vary
        _, settings = free_hypothesis(BEGIN, both)
        assert settings == both
        _, settings = free_hypothesis(BEGIN, SETTINGS)
        assert settings.vary == SETTINGS.vary | {"alpha_rh": None, "pb_offset": None}

    @pytest.mark.parametrize(
        ("computed", "left_out"),
        [
            ((60.0, 0.0), {"DFT, offset -0.1 Å"}),
            ((60.0, 0.55), {"DFT, offset +0.1 Å"}),
            ((62.8, 0.1), {"DFT, alpha +0.5°"}),
            ((57.2, 0.1), {"DFT, alpha -0.5°"}),
        ],
    )
    def test_probes_keep_to_what_a_model_can_have(self, computed: tuple[float, float], left_out: set[str]) -> None:
        assert set(HYPOTHESES) - set(imposed_hypotheses(BEGIN, SETTINGS, *computed)) == {FREE, *left_out}

    @pytest.mark.parametrize(
        ("computed", "told"),
        [((64.0, 0.1), "alpha_rh is 64 °, and models go from 57 to 63"), ((59.0, -0.7), "pb_offset is 0.7 Å, and")],
    )
    def test_an_impossible_distortion_is_told(self, computed: tuple[float, float], told: str) -> None:
        with pytest.raises(QdsimError, match=f"^The computed {told}"):
            imposed_hypotheses(BEGIN, SETTINGS, *computed)

    def test_searches_begin_within_their_bounds(self) -> None:
        """Lengths move with the lattice constant after a fit, which may take them out of their bounds."""
        bounds = {"diameter": (26.0, 31.0), "diameter_sd": (1.0, 3.0), "shell_thickness": (1.0, 5.0)}
        settings = SETTINGS.model_copy(update={"vary": SETTINGS.vary | bounds})
        for model, varied in imposed_hypotheses(BEGIN, settings, *COMPUTED).values():
            assert (model.diameter, model.diameter_sd, model.shell_thickness) == (31.0, 3.0, 5.0)
            Fit(model, measured(COMPUTED), varied)
        for model, varied in imposed_hypotheses(
            BEGIN.with_values({"shell_thickness": 15.0, "diameter_sd": 0.09}),
            FitSettings(vary=dict.fromkeys(["shell_thickness", "diameter_sd"])),
            *COMPUTED,
        ).values():
            Fit(model, measured(COMPUTED), varied)


@pytest.fixture(scope="module")
def results() -> Mapping[str, FitResult]:
    return results_of(COMPUTED, GOOD, 0)


class TestComparison:
    def test_it_follows_from_the_fits(self, results: Mapping[str, FitResult]) -> None:
        compared = compare_hypotheses(results)
        assert [fit.name for fit in compared.fits] == list(HYPOTHESES)
        assert compared.lowest == FREE
        assert compared.messages == []
        for fit in compared.fits:
            result = results[fit.name]
            assert (fit.chi2, fit.gof, fit.r_wp) == (result.chi2, result.gof, result.r_wp)
            assert (fit.alpha_rh, fit.pb_offset) == (result.model.alpha_rh, result.model.pb_offset)
            assert fit.chi2_difference == result.chi2 - results[FREE].chi2
            assert fit.scaled_difference == fit.chi2_difference / compared.widening
            assert fit.n_fixed == (0 if fit.name == FREE else 2)
            assert fit.standard_errors == standard_errors(fit.scaled_difference, fit.n_fixed)
        assert compared.fits[0].p_value == 1.0
        assert compared.fits[1].p_value == pytest.approx(np.exp(-compared.fits[1].scaled_difference / 2))

    def test_it_can_be_made_of_fits_that_were_run_and_kept_elsewhere(self, results: Mapping[str, FitResult]) -> None:
        kept = {name: FitResult.model_validate_json(fit.model_dump_json()) for name, fit in results.items()}
        compared = compare_hypotheses(kept)
        assert compared == compare_hypotheses(results)
        assert HypothesisComparison.model_validate_json(compared.model_dump_json()) == compared

    @pytest.mark.parametrize("widening", [1.0, 9.0, 40.0])
    def test_a_systematic_misfit_widens_all_errors(self, results: Mapping[str, FitResult], widening: float) -> None:
        free = results[FREE].misfit
        assert free is not None
        misfit = free.model_copy(update={"widening": widening})
        scaled = {name: fit.model_copy(update={"misfit": misfit}) for name, fit in results.items()}
        compared = compare_hypotheses(scaled)
        assert compared.widening == widening
        assert any("more than independent noise" in message for message in compared.messages) == (widening > 1)
        undistorted = next(fit for fit in compared.fits if fit.name == UNDISTORTED)
        assert undistorted.scaled_difference == pytest.approx(undistorted.chi2_difference / widening)

    def test_without_uncertainties_the_free_fit_is_the_measure(self, results: Mapping[str, FitResult]) -> None:
        data = measured(COMPUTED)
        unit = 1e-7
        bare = {
            name: Fit(model, ScatteringData(Q, unit * data.intensity), settings).run()
            for name, (model, settings) in {
                FREE: free_hypothesis(results[FREE].model, SETTINGS),
                **imposed_hypotheses(results[FREE].model, SETTINGS, *COMPUTED),
            }.items()
            if name in (FREE, DFT, UNDISTORTED)
        }
        compared = compare_hypotheses(bare)
        assert compared.widening == pytest.approx(bare[FREE].chi2_reduced, rel=1e-9)  # no point is missed like another
        assert any("have no uncertainties" in message for message in compared.messages)
        found = worse(compared)
        assert found[DFT] < 3
        assert found[UNDISTORTED] > 10

    def test_a_free_fit_in_a_local_minimum_is_told_and_begun_again(self, results: Mapping[str, FitResult]) -> None:
        stuck = results[FREE].model_copy(update={"chi2": results[DFT].chi2 + 10})
        changed = {**results, FREE: stuck}
        compared = compare_hypotheses(changed)
        assert compared.lowest == DFT
        assert any("ended in a local minimum: chi^2 of 'DFT' is lower by 10" in one for one in compared.messages)
        assert worse(compared)[DFT] == 0
        again = restarted(changed, SETTINGS)
        assert again is not None
        model, settings = again
        assert (model.alpha_rh, model.pb_offset) == COMPUTED
        assert {"alpha_rh", "pb_offset"} < set(settings.vary)
        better = Fit(model, measured(COMPUTED), settings).run()
        assert better.chi2 == pytest.approx(results[FREE].chi2, abs=0.01)
        assert restarted({**changed, FREE: better}, SETTINGS) is None

    def test_the_accuracy_of_a_search_is_no_local_minimum(self, results: Mapping[str, FitResult]) -> None:
        changed = {**results, FREE: results[FREE].model_copy(update={"chi2": results[DFT].chi2 + 0.01})}
        assert compare_hypotheses(changed).messages == []
        assert restarted(changed, SETTINGS) is None

    def test_a_fit_that_did_not_converge_is_told(self, results: Mapping[str, FitResult]) -> None:
        changed = {**results, DFT: results[DFT].model_copy(update={"converged": False})}
        assert compare_hypotheses(changed).messages == ["The fit 'DFT' did not converge: its chi^2 is too high."]

    def test_without_a_free_fit_there_is_nothing_to_compare_with(self, results: Mapping[str, FitResult]) -> None:
        with pytest.raises(QdsimError, match=r"^There is no fit named 'free' to compare DFT with: give one\.$"):
            compare_hypotheses({DFT: results[DFT]})

    def test_fits_of_different_data_are_told(self, results: Mapping[str, FitResult]) -> None:
        other = results_of(COMPUTED, GOOD, 1)[DFT]
        with pytest.raises(QdsimError, match="The fits 'free' and 'DFT' are of different data"):
            compare_hypotheses({FREE: results[FREE], DFT: other})

    def test_a_fit_that_varies_more_than_the_free_one_is_told(self, results: Mapping[str, FitResult]) -> None:
        with pytest.raises(QdsimError, match="The fit 'other' varies more than the free one"):
            compare_hypotheses({FREE: results[DFT], "other": results[FREE]})


class TestStandardErrors:
    def test_of_one_parameter_they_are_the_root(self) -> None:
        for expected in (0.0, 0.1, 1.0, 3.0, 30.0):
            assert standard_errors(expected**2, 1) == pytest.approx(expected, abs=1e-12)

    def test_of_two_parameters_the_tail_is_exponential(self) -> None:
        for chi2 in (0.5, 11.83, 500.0, 1150.0, 1160.0, 1e4, 1e8):
            assert standard_errors(chi2, 2) == pytest.approx(-ndtri_exp(-chi2 / 2 - log(2)), rel=1e-12)
        assert standard_errors(11.8291, 2) == pytest.approx(3.0, abs=1e-4)

    def test_the_far_tail_continues_the_near_one(self) -> None:
        for chi2 in (1100.0, 1200.0, 1e5):
            assert standard_errors(chi2, 1) == pytest.approx(sqrt(chi2), rel=1e-6)
            exact = -ndtri_exp(log_ndtr(-sqrt(chi2)))
            assert standard_errors(chi2, 1) == pytest.approx(exact, rel=1e-6)

    @pytest.mark.parametrize("n_fixed", [1, 2, 3])
    def test_they_grow_and_stay_finite(self, n_fixed: int) -> None:
        found = [standard_errors(chi2, n_fixed) for chi2 in (0.0, 1.0, 1e2, 1e4, 1e8, 1e16, 1e300)]
        assert np.isfinite(found).all()
        assert (np.diff(found) > 0).all()
        assert found[0] == 0

    def test_nothing_fixed_is_nothing_tested(self) -> None:
        assert standard_errors(5.0, 0) == 0


class TestBothSidesOfTheCubicAngle:
    @pytest.mark.parametrize("begun", [59.5, 60.0, 60.6])
    @pytest.mark.parametrize("truth", [59.4, 60.5])
    def test_a_fit_finds_the_right_one(self, truth: float, begun: float) -> None:
        settings = FitSettings(vary={"alpha_rh": None, "pb_offset": None, "lattice_constant": None}, background=4)
        model = SAMPLE.with_values({"alpha_rh": begun, "pb_offset": 0.1})
        result = Fit(model, measured((truth, 0.1)), settings).run()
        assert result.parameters["alpha_rh"].value == pytest.approx(truth, abs=0.1)
        assert not any("on which side" in message for message in result.messages)

    def test_bounds_are_kept(self) -> None:
        settings = FitSettings(vary={"alpha_rh": (59.0, 60.0), "lattice_constant": None}, background=4)
        result = Fit(SAMPLE.with_values({"alpha_rh": 59.5}), measured((60.5, 0.0)), settings).run()
        assert result.parameters["alpha_rh"].value < 60

    def test_data_that_do_not_tell_them_apart_are_told(self) -> None:
        settings = FitSettings(vary={"alpha_rh": None}, background=4)
        result = Fit(SAMPLE.with_values({"alpha_rh": 59.5}), measured((59.7, 0.0), 20.0), settings).run()
        assert any(
            "describes the data nearly as well" in message and "on which side of 60°" in message
            for message in result.messages
        )
