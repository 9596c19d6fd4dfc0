from collections.abc import Mapping, Sequence
from math import log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from qdsim.debye import fitting, mixtures
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.form_factors import Scattering
from qdsim.debye.mixtures import TooLargeError
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.particles import ParticleLibrary
from qdsim.debye.patterns import ModelPattern
from qdsim.debye.scans import ScanAxis, chi2_profile
from qdsim.errors import QdsimError
from qdsim.structures import ligand_coverage

FloatArray = npt.NDArray[np.float64]
Vary = Mapping[str, tuple[float, float] | None]

Q = np.linspace(1.0, 12.0, 200)
ONE_SIZE = NanocrystalModel(diameter=22.0, b_iso_cation=1.2, b_iso_anion=0.8, occupancy_anion_core=0.8)
SIZES = NanocrystalModel(
    diameter=20.0,
    diameter_sd=1.5,
    shell_thickness=3.1,
    lattice_constant=5.95,
    size_strain=0.15,
    alpha_rh=59.6,
    pb_offset=0.11,
    occupancy_cation_core=0.93,
    occupancy_anion_core=0.9,
    occupancy_anion_shell=0.6,
    b_iso_cation=1.2,
    b_iso_anion=0.8,
)
BACKGROUND = (3.0, -1.0, 0.5)
SCALE = 2e-4


def measured(
    model: NanocrystalModel,
    *,
    q: FloatArray = Q,
    background: Sequence[float] = BACKGROUND,
    relative: float = 0.01,
    seed: int | None = None,
    scattering: Scattering | None = None,
    scale: float = SCALE,
    more: FloatArray | float = 0.0,
) -> ScatteringData:
    """Return a made-up measurement: without noise if there is no seed, but with its uncertainties."""
    curve = scale * ModelPattern(model, q, (), scattering).intensity({})
    x = (2 * q - q[0] - q[-1]) / (q[-1] - q[0])
    shape = np.polynomial.chebyshev.chebvander(x, len(background) - 1) @ np.array(background)
    curve = curve + shape * scale / SCALE + more
    sigma = np.full(q.size, relative * np.abs(curve).mean())
    noise = np.zeros(q.size) if seed is None else np.random.default_rng(seed).normal(size=q.size)
    return ScatteringData(q, curve + sigma * noise, sigma)


def fitted(model: NanocrystalModel, data: ScatteringData, vary: Vary, **settings: Any) -> FitResult:
    return Fit(model, data, FitSettings(vary=dict(vary), **({"background": 3} | settings))).run()


def without_sigma(data: ScatteringData) -> ScatteringData:
    return ScatteringData(data.q, data.intensity)


class TestDataWithoutNoise:
    @pytest.mark.parametrize(
        ("truth", "start"),
        [
            (ONE_SIZE, {"lattice_constant": 5.90, "b_iso_cation": 0.5, "b_iso_anion": 2.0}),
            (ONE_SIZE, {"occupancy_anion_core": 1.0, "b_iso_cation": 0.4, "alpha_rh": 60.3}),
            (SIZES, {"diameter": 21.5, "diameter_sd": 2.5, "b_iso_cation": 0.5}),
            (SIZES, {"size_strain": 0.0, "alpha_rh": 60.0, "pb_offset": 0.0, "lattice_constant": 5.95}),
            (SIZES, {"shell_thickness": 4.5, "occupancy_anion_shell": 0.9, "occupancy_cation_core": 0.85}),
        ],
        ids=["lattice and B", "occupancy and angle", "sizes", "strain, angle and offset", "shell"],
    )
    def test_all_numbers_come_back(self, truth: NanocrystalModel, start: dict[str, float]) -> None:
        result = fitted(truth.with_values(start), measured(truth), dict.fromkeys(start))
        assert result.converged
        assert result.chi2 < 1e-6
        for name, begun in start.items():
            parameter = result.parameters[name]
            assert parameter.value == pytest.approx(getattr(truth, name), abs=1e-5, rel=1e-5), name
            assert getattr(result.model, name) == parameter.value
            assert parameter.start == begun
            assert not parameter.at_bound
        assert result.scale == pytest.approx(SCALE, rel=1e-5)
        np.testing.assert_allclose(result.background, BACKGROUND, rtol=1e-4)
        told = ("correlated", "on which side of 60°", "described nearly as well")
        assert [message for message in result.messages if not any(words in message for words in told)] == []

    @pytest.mark.parametrize("sigma", [True, False])
    @pytest.mark.parametrize("scale", [1e-16, 1e-8, 1.0, 1e8])
    def test_the_unit_of_the_intensity_does_not_matter(self, scale: float, sigma: bool) -> None:
        data = measured(ONE_SIZE, scale=scale, seed=1)
        start = ONE_SIZE.with_values({"lattice_constant": 5.9, "b_iso_cation": 0.5})
        vary: Vary = {"lattice_constant": None, "b_iso_cation": None}
        found = fitted(start, data if sigma else without_sigma(data), vary)
        expected = fitted(start, measured(ONE_SIZE, seed=1), vary)
        assert found.converged
        assert found.scale == pytest.approx(scale / SCALE * expected.scale, rel=1e-6)
        assert found.r_wp == pytest.approx(expected.r_wp, rel=1e-6)
        for name in vary:
            assert found.parameters[name].value == pytest.approx(expected.parameters[name].value, rel=1e-6)
            if sigma:
                assert found.parameters[name].error == pytest.approx(expected.parameters[name].error, rel=1e-4)

    def test_a_fit_without_parameters_solves_for_scale_and_background(self) -> None:
        result = fitted(ONE_SIZE, measured(ONE_SIZE), {})
        assert result.scale == pytest.approx(SCALE, rel=1e-10)
        np.testing.assert_allclose(result.background, BACKGROUND, rtol=1e-8)
        assert result.n_parameters == 4
        assert result.correlation == []

    def test_no_background_is_none(self) -> None:
        result = fitted(ONE_SIZE, measured(ONE_SIZE, background=[0.0]), {}, background=0)
        assert result.background == []
        assert result.scale == pytest.approx(SCALE, rel=1e-10)
        np.testing.assert_array_equal(result.background_curve, 0.0)

    @pytest.mark.parametrize("unit", [1.0, 1e-15, 1e12])
    def test_the_share_of_a_blank_comes_back(self, unit: float) -> None:
        blank_q = np.linspace(0.5, 12.5, 500)
        blank = ScatteringData(blank_q, unit * (5 + np.exp(-((blank_q - 3) ** 2))))
        data = measured(ONE_SIZE, more=0.7 / unit * np.interp(Q, blank_q, blank.intensity))
        settings = FitSettings(vary={"lattice_constant": None}, background=3)
        result = Fit(ONE_SIZE.with_values({"lattice_constant": 5.91}), data, settings, blank).run()
        assert result.blank_factor == pytest.approx(0.7 / unit, rel=1e-5)
        assert result.parameters["lattice_constant"].value == pytest.approx(5.936, abs=1e-6)
        np.testing.assert_allclose(result.background, BACKGROUND, rtol=1e-5)
        np.testing.assert_allclose(
            result.background_curve, data.intensity - SCALE * ModelPattern(ONE_SIZE, Q).intensity({}), rtol=1e-4
        )

    @pytest.mark.parametrize(
        ("settings", "scattering"),
        [
            ({"energy_kev": 17.4}, Scattering(energy_kev=17.4)),
            ({"radiation": "neutron"}, Scattering(radiation="neutron")),
            ({"ions": {"Pb": "Pb2+"}}, Scattering(ions=(("Pb", "Pb2+"),))),
            ({"self_term": "squared"}, Scattering(self_term="squared")),
        ],
    )
    def test_scattering_is_as_it_is_set(self, settings: dict[str, Any], scattering: Scattering) -> None:
        data = measured(ONE_SIZE, scattering=scattering, background=[0.0])
        assert fitted(ONE_SIZE, data, {}, **settings).chi2 < 1e-12
        assert fitted(ONE_SIZE, data, {}, background=0).chi2 > 1e-6

    def test_a_start_far_away_is_left_with_many_searches(self) -> None:
        truth = NanocrystalModel(diameter=34.0, b_iso_cation=1.0, b_iso_anion=1.0)
        data = measured(truth, q=np.linspace(7.0, 12.0, 200))  # peaks of high order, which are easily confused
        start = truth.with_values({"lattice_constant": 6.2, "diameter": 34.0 * 6.2 / 5.936})
        vary: Vary = {"lattice_constant": (5.5, 6.4), "b_iso_cation": (0.0, 10.0)}
        once, often = (fitted(start, data, vary, starts=starts) for starts in (1, 12))
        assert once.chi2 > 1e4
        assert often.chi2 < 1e-6
        assert often.parameters["lattice_constant"].value == pytest.approx(5.936, abs=1e-5)
        assert fitted(start, data, vary, starts=12) == often

    def test_q_may_begin_at_zero_and_small_angles_weigh_nothing_away(self) -> None:
        q = np.linspace(0.0, 12.0, 300)
        data = measured(ONE_SIZE, q=q)
        relative = ScatteringData(q, data.intensity, 0.01 * np.abs(data.intensity) + 1e-3)
        result = fitted(ONE_SIZE.with_values({"lattice_constant": 5.9}), relative, {"lattice_constant": None})
        assert result.parameters["lattice_constant"].value == pytest.approx(5.936, abs=1e-5)
        np.testing.assert_allclose(result.background, BACKGROUND, rtol=1e-3)


class TestVariableProjection:
    @pytest.mark.parametrize(
        ("model", "names"),
        [
            (ONE_SIZE, ["lattice_constant", "b_iso_cation", "b_iso_anion", "occupancy_anion_core", "alpha_rh"]),
            (SIZES, ["diameter", "diameter_sd", "lattice_constant", "size_strain", "pb_offset", "alpha_rh"]),
            (SIZES, ["occupancy_cation_core", "occupancy_cation_shell", "occupancy_anion_shell", "b_iso_anion"]),
        ],
    )
    def test_its_jacobian_gives_the_gradient_of_chi2(self, model: NanocrystalModel, names: list[str]) -> None:
        fit = Fit(model, measured(SIZES, seed=3), FitSettings(vary=dict.fromkeys(names), background=3))
        here = fit.start + 0.03 * (fit.high - fit.start)
        gradient = 2 * fit._jacobian(here).T @ fit._residual(here)
        span = fit.high - fit.low
        for i, name in enumerate(names):
            step = np.zeros(len(names))
            step[i] = 1e-5 * span[i]
            ahead, behind = (float((fit._residual(here + sign * step) ** 2).sum()) for sign in (1, -1))
            expected = (ahead - behind) / (2 * step[i])
            assert gradient[i] == pytest.approx(expected, rel=1e-4, abs=1e-6 * np.abs(gradient * span).max() / span[i])
            assert expected != 0, name

    def test_its_chi2_is_that_of_the_curves(self) -> None:
        data = measured(ONE_SIZE, seed=5)
        result = fitted(ONE_SIZE, data, {"lattice_constant": None, "b_iso_cation": None})
        assert data.sigma is not None
        difference = (np.array(result.calculated) - data.intensity) / data.sigma
        assert result.chi2 == pytest.approx(difference @ difference, rel=1e-9)
        pattern = ModelPattern(result.model, Q).intensity({})
        np.testing.assert_allclose(
            result.calculated, result.scale * pattern + np.array(result.background_curve), rtol=1e-9
        )


class TestErrors:
    names = ("lattice_constant", "b_iso_cation", "occupancy_anion_core")

    def test_they_are_the_spread_over_many_measurements(self) -> None:
        results = [fitted(ONE_SIZE, measured(ONE_SIZE, seed=seed), dict.fromkeys(self.names)) for seed in range(80)]
        values = np.array([[result.parameters[name].value for name in self.names] for result in results])
        errors = np.array([[result.parameters[name].error for name in self.names] for result in results], float)
        ratio = values.std(axis=0, ddof=1) / errors.mean(axis=0)
        assert (np.abs(ratio - 1) < 3 / sqrt(2 * 79)).all()
        truth = [getattr(ONE_SIZE, name) for name in self.names]
        assert (np.abs(values.mean(axis=0) - truth) < 3.5 * errors.mean(axis=0) / sqrt(80)).all()
        scales = np.array([result.scale for result in results])
        scale_errors = np.array([result.scale_error for result in results], float)
        assert np.abs(scales.std(ddof=1) / scale_errors.mean() - 1) < 3 / sqrt(2 * 79)
        assert np.mean([result.chi2_reduced for result in results]) == pytest.approx(1, abs=3 * sqrt(2 / 193 / 80))
        seen = np.corrcoef(values.T)
        told = np.mean([result.correlation for result in results], axis=0)
        assert np.abs(seen - told).max() < 3.5 / sqrt(80)

    def test_without_uncertainties_they_are_scaled_to_the_fit(self) -> None:
        data = measured(ONE_SIZE, seed=2)
        with_sigma = fitted(ONE_SIZE, data, dict.fromkeys(self.names))
        without = fitted(ONE_SIZE, without_sigma(data), dict.fromkeys(self.names))
        assert without.sigma is None
        assert any("have no uncertainties" in message for message in without.messages)
        for name in self.names:
            told = with_sigma.parameters[name].error
            assert told is not None
            assert without.parameters[name].error == pytest.approx(told * with_sigma.gof, rel=1e-5)
        assert without.r_wp == pytest.approx(with_sigma.r_wp, rel=1e-9)

    def test_a_parameter_that_stopped_at_its_bound_has_none(self) -> None:
        bounds: Vary = {"b_iso_cation": (0.0, 1.0), "lattice_constant": None, "b_iso_anion": None}
        start = ONE_SIZE.with_values({"b_iso_cation": 0.5})
        result = fitted(start, measured(ONE_SIZE), bounds)
        stopped = result.parameters["b_iso_cation"]
        assert stopped.at_bound
        assert stopped.error is None
        assert stopped.value == pytest.approx(1.0, abs=1e-3)
        assert "b_iso_cation stopped at its bound 1; its value is not a result of the data." in result.messages
        assert result.correlation[0] == [1.0, 0.0, 0.0]
        held = fitted(
            ONE_SIZE.with_values({"b_iso_cation": stopped.value}), measured(ONE_SIZE), dict(list(bounds.items())[1:])
        )
        assert result.misfit
        assert held.misfit
        widened = sqrt(result.misfit.widening / held.misfit.widening)  # a fixed number counts as one parameter less
        for name in ("lattice_constant", "b_iso_anion"):
            assert result.parameters[name].error == pytest.approx(
                widened * (held.parameters[name].error or 0), rel=1e-3
            )

    @pytest.mark.parametrize(
        ("vary", "free"),
        [
            ({"occupancy_cation_core": None, "b_iso_cation": None}, True),
            ({"occupancy_cation_core": None, "occupancy_anion_core": None}, False),
        ],
    )
    def test_the_scale_hides_occupancies_of_all_atoms_together(self, vary: Vary, free: bool) -> None:
        """With squared self terms a factor of all occupancies is a factor of the pattern."""
        start = ONE_SIZE.with_values({"occupancy_cation_core": 0.7, "occupancy_anion_core": 0.6})
        data = measured(start, scattering=Scattering(self_term="squared"))
        result = fitted(start, data, vary, self_term="squared")
        assert all((parameter.error is not None) == free for parameter in result.parameters.values())
        assert any("do not determine" in message for message in result.messages) != free
        assert result.scale_error is None or free

    def test_what_cannot_be_seen_is_told(self) -> None:
        vacant = ONE_SIZE.with_values({"occupancy_anion_core": 0.0})
        result = fitted(vacant, measured(vacant), {"b_iso_anion": None, "lattice_constant": None})
        assert result.parameters["b_iso_anion"].error is None
        assert "The data do not determine b_iso_anion." in result.messages
        assert result.parameters["lattice_constant"].error is not None

    def test_strong_correlations_are_told(self) -> None:
        q = np.linspace(1.0, 3.0, 100)
        vary = dict.fromkeys(["b_iso_cation", "b_iso_anion", "occupancy_anion_core"])
        result = fitted(ONE_SIZE, measured(ONE_SIZE, q=q), vary, background=1)
        strongest = np.abs(np.array(result.correlation) - np.eye(3)).max()
        assert strongest > fitting.STRONG_CORRELATION
        assert any("are correlated by" in message for message in result.messages)


class TestWhatDataDoNotDetermine:
    def test_the_angle_of_an_undistorted_lattice_has_an_error_though_the_pattern_has_no_slope(self) -> None:
        data = measured(ONE_SIZE)
        vary: Vary = {"alpha_rh": None, "lattice_constant": None}
        found = fitted(ONE_SIZE.with_values({"alpha_rh": 60.3}), data, vary).parameters["alpha_rh"]
        assert found.value == pytest.approx(60, abs=1e-4)
        assert found.error is not None
        edge = ONE_SIZE.with_values({"alpha_rh": 60 - found.error})
        rise = fitted(edge, data, {"lattice_constant": None}).chi2
        assert rise == pytest.approx(1, rel=0.1)

    def test_no_error_exceeds_every_value_that_there_may_be(self) -> None:
        noisy = measured(SIZES, relative=30.0, seed=0)
        names = ("alpha_rh", "pb_offset", "b_iso_cation", "b_iso_anion")
        found = Fit(SIZES, noisy, FitSettings(vary=dict.fromkeys(names))).run()
        assert "b_iso_anion" in str(found.messages)
        for name, parameter in found.parameters.items():
            _, low, high = PARAMETERS[name]
            assert parameter.error is None or parameter.error <= high - low
        unknown = [i for i, one in enumerate(found.parameters.values()) if one.error is None]
        assert unknown
        assert np.array(found.correlation)[unknown].sum() == pytest.approx(len(unknown))


class TestFiguresOfMerit:
    def test_they_follow_from_chi2(self) -> None:
        data = measured(ONE_SIZE, seed=4)
        result = fitted(ONE_SIZE, data, {"lattice_constant": None, "b_iso_cation": None})
        assert data.sigma is not None
        assert (result.n_points, result.n_parameters) == (200, 2 + 1 + 3)
        assert result.chi2_reduced == pytest.approx(result.chi2 / 194)
        assert result.gof == pytest.approx(sqrt(result.chi2 / 194))
        assert result.r_wp == pytest.approx(sqrt(result.chi2 / ((data.intensity / data.sigma) ** 2).sum()))
        assert result.aic == pytest.approx(result.chi2 + 12)
        assert result.bic == pytest.approx(result.chi2 + 6 * log(200))

    def test_without_uncertainties_the_likelihood_is_that_of_the_best_sigma(self) -> None:
        data = without_sigma(measured(ONE_SIZE, seed=4))
        result = fitted(ONE_SIZE, data, {"lattice_constant": None})
        difference = np.array(result.calculated) - data.intensity
        assert result.chi2 == pytest.approx(difference @ difference, rel=1e-9)
        assert result.aic == pytest.approx(200 * log(result.chi2 / 200) + 10)
        assert result.bic == pytest.approx(200 * log(result.chi2 / 200) + 5 * log(200))


class TestFittedModel:
    @pytest.mark.parametrize("start", [5.90, 5.99])
    def test_it_gives_the_fitted_pattern_though_the_lattice_has_changed(self, start: float) -> None:
        begun = SIZES.with_values({"lattice_constant": start})
        names = ["lattice_constant", "diameter", "diameter_sd", "size_strain", "b_iso_cation"]
        data = measured(SIZES, seed=6)
        result = fitted(begun, data, dict.fromkeys(names))
        again = Fit(result.model, data, FitSettings(background=3)).run()
        assert again.chi2 == pytest.approx(result.chi2, rel=1e-6)
        np.testing.assert_allclose(again.calculated, result.calculated, rtol=1e-6)
        assert again.composition == pytest.approx(result.composition)

    def test_sizes_that_were_not_varied_grow_with_the_lattice(self) -> None:
        begun = SIZES.with_values({"lattice_constant": 5.90})
        result = fitted(begun, measured(SIZES), {"lattice_constant": None})
        ratio = result.model.lattice_constant / 5.90
        for name in ("diameter", "diameter_sd", "shell_thickness", "size_strain"):
            assert getattr(result.model, name) == pytest.approx(ratio * getattr(begun, name), rel=1e-12)
        assert result.core_diameter == pytest.approx(ratio * (20.0 - 2 * 3.1))
        composition = ModelPattern(begun, Q).composition({})
        assert result.composition == pytest.approx(composition)
        assert result.coverage == pytest.approx(ligand_coverage(*composition, begun.mean_area()) / ratio**2)

    def test_a_result_survives_being_written_and_read(self) -> None:
        result = fitted(SIZES, measured(SIZES, seed=1), {"lattice_constant": None})
        assert FitResult.model_validate_json(result.model_dump_json()) == result

    @pytest.mark.parametrize("fields", [{}, {"diameter_sd": 2.0, "diameter": 21.0}])
    def test_progress_is_told(self, fields: dict[str, float]) -> None:
        told: list[tuple[int, int]] = []
        settings = FitSettings(vary={"b_iso_cation": None}, starts=3)
        model = ONE_SIZE.with_values(fields)
        library = ParticleLibrary(model.body(), model.centre, model.lattice_constant)
        Fit(model, measured(model), settings, None, library).run(lambda done, total: told.append((done, total)))
        assert told[0][0] == 1
        assert all(0 < done <= total for done, total in told)
        assert told[-1] == (2, 3)


class TestSearchesThatFail:
    def test_one_that_did_not_end_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fitting, "MOST_EVALUATIONS", 1)
        start = ONE_SIZE.with_values({"lattice_constant": 5.90, "b_iso_cation": 3.0})
        result = fitted(start, measured(ONE_SIZE), {"lattice_constant": None, "b_iso_cation": None})
        assert not result.converged
        assert any("did not converge within 1 evaluations" in message for message in result.messages)

    def test_a_distribution_that_becomes_one_size_ends_in_a_result(self) -> None:
        data = measured(SIZES.with_values({"diameter_sd": 0.0}), seed=1)
        result = fitted(SIZES, data, {"diameter": None, "diameter_sd": (0.0, 5.0)})
        spread = result.parameters["diameter_sd"]
        assert spread.low == fitting.SMALLEST_SPREAD
        assert spread.value < 0.5

    @pytest.mark.parametrize("background", [0, 3])
    def test_a_model_that_scatters_nothing_is_told(self, background: int) -> None:
        nothing = ONE_SIZE.with_values({"occupancy_cation_core": 0.0, "occupancy_anion_core": 0.0})
        result = fitted(nothing, measured(ONE_SIZE), {"b_iso_cation": None}, background=background)
        assert any("The scale is not positive" in message for message in result.messages)
        assert "The data do not determine b_iso_cation." in result.messages
        assert result.scale_error is None

    def test_data_that_are_the_model_upside_down_are_told(self) -> None:
        data = measured(ONE_SIZE)
        upside_down = ScatteringData(data.q, -data.intensity, data.sigma)
        result = fitted(ONE_SIZE, upside_down, {"lattice_constant": None})
        assert result.scale < 0
        assert any("The scale is not positive" in message for message in result.messages)

    @pytest.mark.parametrize("sigma", [True, False])
    def test_data_that_are_background_alone_end_in_a_result(self, sigma: bool) -> None:
        data = ScatteringData(Q, np.full(Q.size, 7.0), np.full(Q.size, 0.1) if sigma else None)
        result = fitted(ONE_SIZE, data, {"lattice_constant": None, "b_iso_cation": None})
        assert abs(result.scale) * ModelPattern(ONE_SIZE, Q).intensity({}).max() < 1e-6 * 7
        assert result.background[0] == pytest.approx(7.0, rel=1e-6)

    def test_data_without_noise_or_uncertainties_end_in_a_result(self) -> None:
        start = SIZES.with_values({"diameter": 20.8})
        result = fitted(start, without_sigma(measured(SIZES)), {"diameter": None, "b_iso_cation": None})
        with_sigma = fitted(start, measured(SIZES), {"diameter": None, "b_iso_cation": None})
        assert result.parameters["diameter"].value == pytest.approx(20.0, abs=1e-4)
        assert result.r_wp < 1e-8
        np.testing.assert_allclose(result.correlation, with_sigma.correlation, atol=0.01)


class TestWhatCannotBeFitted:
    @pytest.mark.parametrize(
        ("model", "vary", "message"),
        [
            (ONE_SIZE, {"size": None}, "'size' is no parameter of a model"),
            (ONE_SIZE, {"diameter": None}, "cannot be varied in a model of one size"),
            (ONE_SIZE, {"b_iso_cation": (2.0, 3.0)}, "b_iso_cation starts at 1.2, outside its bounds 2 and 3"),
            (ONE_SIZE, {"b_iso_cation": (3.0, 0.0)}, "b_iso_cation may vary from 3 to 0 Å²: give ascending bounds"),
            (ONE_SIZE, {"b_iso_cation": (1.2, 1.2)}, "b_iso_cation may vary from 1.2 to 1.2 Å²: give ascending"),
            (ONE_SIZE, {"b_iso_cation": (0.0, 50.0)}, "b_iso_cation may vary from 0 to 50 .* within 0 and 12"),
            (ONE_SIZE, {"occupancy_anion_core": (0.0, 1.1)}, "occupancy_anion_core may vary from 0 to 1.1: give"),
            (
                SIZES,
                {"shell_thickness": (0.0, 9.0), "diameter": (15.0, 30.0)},
                "shell_thickness may become 9 Å in a particle of 15 Å: lower its upper bound to 7.5 Å",
            ),
        ],
    )
    def test_parameters_and_bounds_are_told(self, model: NanocrystalModel, vary: Vary, message: str) -> None:
        with pytest.raises(QdsimError, match=f"^.*{message}") as caught:
            Fit(model, measured(ONE_SIZE), FitSettings(vary=dict(vary)))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("bounds", [(np.nan, 1.0), (0.0, np.inf), (0.0,)])
    def test_bounds_that_are_no_numbers_are_refused(self, bounds: Any) -> None:
        with pytest.raises(ValidationError):
            FitSettings(vary={"b_iso_cation": bounds})

    @pytest.mark.parametrize("n_points", [2, 5, 7])
    def test_more_numbers_than_points_are_told(self, n_points: int) -> None:
        data = measured(ONE_SIZE, q=np.linspace(1, 12, n_points))
        with pytest.raises(QdsimError, match=f"^The data: {n_points} points cannot determine 7 numbers: vary fewer"):
            fitted(ONE_SIZE, data, dict.fromkeys(["b_iso_cation", "b_iso_anion", "lattice_constant"]))

    def test_as_many_points_as_can_be_are_enough(self) -> None:
        data = measured(ONE_SIZE, q=np.linspace(1, 12, 8))
        result = fitted(ONE_SIZE, data, dict.fromkeys(["b_iso_cation", "b_iso_anion", "lattice_constant"]))
        assert result.n_points - result.n_parameters == 1

    def test_data_of_zeros_are_told(self) -> None:
        with pytest.raises(QdsimError, match=r"^dark\.xye: every intensity is zero"):
            Fit(ONE_SIZE, ScatteringData(Q, np.zeros(Q.size), source="dark.xye"), FitSettings())

    @pytest.mark.parametrize(("low", "high"), [(1.5, 13.0), (0.5, 11.0)])
    def test_a_blank_that_does_not_cover_the_data_is_told(self, low: float, high: float) -> None:
        blank = ScatteringData(np.linspace(low, high, 50), np.ones(50), source="solvent.xy")
        with pytest.raises(
            QdsimError, match=rf"^solvent\.xy covers Q from {low:g} to {high:g} Å\^-1, the data 1 to 12"
        ):
            Fit(ONE_SIZE, measured(ONE_SIZE), FitSettings(), blank)

    @pytest.mark.parametrize("level", [0.0, 3.0])
    def test_a_blank_that_is_background_is_told(self, level: float) -> None:
        blank = ScatteringData(np.linspace(0.5, 13.0, 50), np.full(50, level))
        with pytest.raises(QdsimError, match="background and blank cannot be told apart"):
            Fit(ONE_SIZE, measured(ONE_SIZE), FitSettings(background=3), blank)
        if level:
            result = Fit(ONE_SIZE, measured(ONE_SIZE, background=[level]), FitSettings(background=0), blank).run()
            assert result.blank_factor == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_has_usual_bounds_around_any_start(name: str) -> None:
    fit = Fit(SIZES, measured(SIZES), FitSettings(vary={name: None}))
    assert fit.low[0] <= getattr(SIZES, name) <= fit.high[0]
    assert PARAMETERS[name][1] <= fit.low[0] < fit.high[0] <= PARAMETERS[name][2]


def test_more_points_than_a_fit_can_use_are_refused() -> None:
    q = np.linspace(1.0, 12.0, 200_000)
    with pytest.raises(QdsimError, match="200000 points are more than a fit can use: average them"):
        Fit(ONE_SIZE, ScatteringData(q, np.ones(q.size)), FitSettings())


class TestMisfit:
    def test_errors_widen_until_they_hold_the_truth(self) -> None:
        # cubes fitted as spheres: by counting alone the lattice constant would be known to 4e-5 Å, and is 20 times off
        truth = SIZES.model_copy(update={"shape": "cube", "size_strain": 0.0, "pb_offset": 0.0, "alpha_rh": 59.3})
        data = measured(truth, relative=2e-4, seed=3, q=np.linspace(1.0, 12.0, 600))
        vary: Vary = dict.fromkeys(["lattice_constant", "alpha_rh", "diameter", "diameter_sd", "b_iso_cation"])
        result = fitted(truth.model_copy(update={"shape": "sphere"}), data, vary)
        assert result.misfit is not None
        assert not result.misfit.described
        assert result.messages[0] == result.misfit.message
        assert result.chi2_reduced > 16
        lattice = result.parameters["lattice_constant"]
        assert lattice.error is not None
        away = abs(lattice.value - truth.lattice_constant)
        assert away < 2 * lattice.error
        assert away > 5 * lattice.error / sqrt(result.misfit.widening)

    def test_scans_widen_their_interval_as_fits_do_their_error(self) -> None:
        truth = SIZES.model_copy(update={"shape": "cube"})
        data = measured(truth, relative=1e-3, seed=3)
        settings = FitSettings(vary={"lattice_constant": None}, background=3)
        fit = Fit(truth.model_copy(update={"shape": "sphere"}), data, settings)
        result = fit.run()
        found = result.parameters["lattice_constant"]
        assert found.error is not None
        ends = found.value - 3 * found.error, found.value, found.value + 3 * found.error
        profile = chi2_profile(fit, ScanAxis("lattice_constant", ends))
        assert profile.low is not None
        assert profile.high is not None
        assert (profile.high - profile.low) / 2 == pytest.approx(found.error, rel=0.05)
        assert result.misfit is not None
        assert result.misfit.widening > 10


class TestDistortion:
    """A pattern knows offset and angle by their squares: slopes at the minimum say too much of what is near zero."""

    truth = NanocrystalModel(diameter=25, diameter_sd=2, lattice_constant=5.95, b_iso_cation=1.2, b_iso_anion=0.9)
    vary = dict.fromkeys(["pb_offset", "alpha_rh", "lattice_constant", "b_iso_cation", "b_iso_anion"])

    @pytest.mark.parametrize(("name", "value"), [("pb_offset", 0.0), ("alpha_rh", 60.0)])
    @pytest.mark.parametrize("seed", range(6))
    def test_none_is_as_many_errors_away_as_chi2_says(self, name: str, value: float, seed: int) -> None:
        data = measured(self.truth, relative=0.005, seed=seed)
        result = fitted(self.truth, data, self.vary)
        found = result.parameters[name]
        without = dict.fromkeys(other for other in self.vary if other != name)
        held = fitted(result.model.with_values({name: value}), data, without)
        away = sqrt(max(held.chi2 - result.chi2, 0))
        said = any(message.startswith(f"{name} lies") for message in result.messages)
        assert said == (away < 3 and not found.at_bound)
        if not said:
            return
        assert found.error is not None  # with u^2 = n s +- s of what is known, the lower end is sqrt(n - 1)
        assert found.error >= 0.99 * abs(found.value - value) * (1 - sqrt(max(1 - 1 / max(away, 1e-9), 0)))

    def test_what_is_known_by_its_square_has_the_interval_of_chi2(self) -> None:
        # u^2 = 4 +- 1: u from sqrt(3) to sqrt(5), where chi^2 = ((u^2 - 4)/1)^2 is 1
        assert 2 * fitting._half_width(4.0) == pytest.approx(2 - sqrt(3))
        assert 2 * fitting._half_width(400.0) == pytest.approx(2 / 800, rel=1e-3)
        assert fitting._half_width(1.0) == 1
        assert fitting._half_width(0.5) == 1
        assert fitting._half_width(0.0) == 1

    def test_an_offset_that_is_there_keeps_its_error(self) -> None:
        truth = self.truth.with_values({"pb_offset": 0.3, "alpha_rh": 59.2})
        result = fitted(truth, measured(truth, relative=0.001, seed=1), self.vary)
        offset = result.parameters["pb_offset"]
        assert offset.error is not None
        assert abs(offset.value - 0.3) < 3 * offset.error
        assert offset.error < 0.01
        assert not any("described nearly as well" in message for message in result.messages)


class TestAveragedPoints:
    """A mean over a part of a fringe is not the value in its middle."""

    truth = NanocrystalModel(diameter=45.0, diameter_sd=4.0, b_iso_cation=1.2, b_iso_anion=0.9)
    vary = dict.fromkeys(["diameter", "diameter_sd", "lattice_constant", "b_iso_cation", "b_iso_anion"])

    @pytest.mark.parametrize("n", [800, 300, 150, 60])
    def test_the_answer_does_not_move(self, n: int) -> None:
        data = measured(self.truth, q=np.linspace(0.5, 15, 5004), relative=0.02, seed=6).rebinned(n)
        assert len(data) <= n
        result = fitted(self.truth.with_values({"diameter": 43.0, "diameter_sd": 5.0}), data, self.vary)
        assert result.chi2_reduced == pytest.approx(1, abs=4 * sqrt(2 / n))
        assert len(result.q) == len(result.calculated) == len(data)
        for name in self.vary:
            parameter = result.parameters[name]
            assert parameter.error is not None
            assert abs(parameter.value - getattr(self.truth, name)) < 3.5 * parameter.error, name

    @pytest.mark.parametrize(("n", "told"), [(150, False), (40, True)])
    def test_points_farther_apart_than_fringes_are_told(self, n: int, told: bool) -> None:
        data = measured(self.truth, q=np.linspace(0.5, 15, 3000), relative=0.02, seed=6).rebinned(n)
        result = fitted(self.truth, data, {"diameter": None})
        assert any("the fringes of particles of 45 Å 0.14 Å^-1" in message for message in result.messages) == told

    def test_a_blank_is_averaged_alike(self) -> None:
        q = np.linspace(1, 12, 1200)
        blank = ScatteringData(q, 5 + np.sin(30 * q))
        data = measured(ONE_SIZE, q=q, more=0.7 * blank.intensity)
        result = Fit(ONE_SIZE, data.rebinned(60), FitSettings(background=3), blank).run()
        assert result.blank_factor == pytest.approx(0.7, rel=1e-6)
        assert result.chi2 < 1e-12


def test_a_trial_point_that_cannot_be_computed_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # from sizes much too small one of the first steps goes to a distribution that reaches beyond any particle
    monkeypatch.setattr(mixtures, "LARGEST", 60.0)
    refused = []
    refusal = mixtures.TooLargeError.__init__

    def count(self: TooLargeError, *arguments: Any) -> None:
        refused.append(arguments)
        refusal(self, *arguments)

    monkeypatch.setattr(mixtures.TooLargeError, "__init__", count)
    truth = NanocrystalModel(diameter=20.0, diameter_sd=3.0, b_iso_cation=1.0, b_iso_anion=1.0)
    start = truth.with_values({"diameter": 16.0, "diameter_sd": 2.0})
    vary: Vary = {"diameter": (10.0, 60.0), "diameter_sd": (1.0, 30.0)}
    result = fitted(start, measured(truth, seed=2), vary)
    assert refused
    assert result.converged
    for name in vary:
        parameter = result.parameters[name]
        assert parameter.error is not None
        assert abs(parameter.value - getattr(truth, name)) < 3 * parameter.error


def test_no_refusal_at_a_trial_point_ends_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    # sizes are refused in several places, as by the number of atoms of one particle
    truth = NanocrystalModel(diameter=20.0, diameter_sd=3.0, b_iso_cation=1.0, b_iso_anion=1.0)
    fit = Fit(truth.with_values({"diameter": 16.0}), measured(truth, seed=2), FitSettings(vary={"diameter": None}))
    computed, tried = fit.pattern.intensity, []

    def refuse(values: Mapping[str, float], *more: Any) -> FloatArray:
        tried.append(values["diameter"])
        if tried[-1] != 16.0 and len(set(tried)) == 3:
            raise QdsimError("A particle of 503 Å has too many atoms.")
        return computed(values, *more)

    monkeypatch.setattr(fit.pattern, "intensity", refuse)
    result = fit.run()
    assert len(set(tried)) > 3
    assert result.converged
    found = result.parameters["diameter"]
    assert found.error is not None
    assert abs(found.value - 20) < 3 * found.error


def test_a_start_that_cannot_be_computed_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixtures, "LARGEST", 30.0)
    model = NanocrystalModel(diameter=20.0, diameter_sd=3.0)
    with pytest.raises(QdsimError, match="30 Å is the most that can be computed"):
        Fit(model, ScatteringData(Q, 1 + Q), FitSettings(vary={"diameter": None})).run()


def test_sizes_that_few_stand_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixtures, "MOST_PAIRS", 1e4)
    truth = NanocrystalModel(diameter=20.0, diameter_sd=3.0)
    assert any("A few sizes stand for" in message for message in fitted(truth, measured(truth), {}).messages)
    monkeypatch.undo()
    assert not any("A few sizes stand for" in message for message in fitted(truth, measured(truth), {}).messages)
