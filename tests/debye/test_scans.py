from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qdsim.debye import fitting
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings, Minimum
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.patterns import ModelPattern
from qdsim.debye.scans import ScanAxis, chi2_map, chi2_profile
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

Q = np.linspace(1.0, 12.0, 200)
TRUTH = NanocrystalModel(diameter=22.0, alpha_rh=59.5, pb_offset=0.12, b_iso_cation=1.2, b_iso_anion=0.8)
SIZES = NanocrystalModel(diameter=20.0, diameter_sd=1.5, shell_thickness=3.0, occupancy_anion_shell=0.6)


def measured(model: NanocrystalModel, seed: int | None = None, *, sigma: bool = True) -> ScatteringData:
    curve = 1e-4 * ModelPattern(model, Q).intensity({}) + 2 - 0.1 * Q
    uncertainty = np.full(Q.size, 0.01 * curve.mean())
    noise = np.zeros(Q.size) if seed is None else np.random.default_rng(seed).normal(size=Q.size)
    return ScatteringData(Q, curve + uncertainty * noise, uncertainty if sigma else None)


def fit_of(model: NanocrystalModel, data: ScatteringData, *names: str, **settings: Any) -> Fit:
    return Fit(model, data, FitSettings(vary=dict.fromkeys(names), background=2, **settings))


def axis(name: str, low: float, high: float, count: int) -> ScanAxis:
    return ScanAxis(name, tuple(np.linspace(low, high, count).tolist()))


def test_searches_that_did_not_end_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MOST_EVALUATIONS", 1)
    fit = fit_of(TRUTH, measured(TRUTH), "lattice_constant", "b_iso_cation")
    profile = chi2_profile(fit, axis("lattice_constant", 5.92, 5.955, 4))
    assert profile.messages[-1] == "At 4 of 4 points the search did not converge; chi^2 is too high there."


class TestProfiles:
    names = ("lattice_constant", "b_iso_cation", "b_iso_anion")

    def test_the_minimum_is_at_the_truth(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH), *self.names)
        profile = chi2_profile(fit, axis("lattice_constant", 5.92, 5.955, 8))
        assert profile.best == pytest.approx(5.936, abs=2e-4)
        assert profile.refitted == ["b_iso_cation", "b_iso_anion"]
        assert (profile.name, profile.unit) == ("lattice_constant", "Å")
        np.testing.assert_allclose(profile.chi2_reduced, np.array(profile.chi2) / (200 - 3 - 3), rtol=1e-12)

    @pytest.mark.parametrize("sigma", [True, False])
    @pytest.mark.parametrize("name", names)
    def test_the_interval_is_the_standard_error(self, name: str, sigma: bool) -> None:
        data = measured(TRUTH, 7, sigma=sigma)
        result = fit_of(TRUTH, data, *self.names).run()
        value, error = result.parameters[name].value, result.parameters[name].error
        assert error is not None
        fit = fit_of(result.model, data, *self.names)
        profile = chi2_profile(fit, axis(name, value - 2 * error, value + 2 * error, 41))
        assert profile.low is not None
        assert profile.high is not None
        # particles keep their diameter, and so their atoms, along the scan
        assert profile.best == pytest.approx(value, abs=0.01 * error)
        assert profile.low == pytest.approx(value - error, abs=0.03 * error)
        assert profile.high == pytest.approx(value + error, abs=0.03 * error)

    def test_points_are_separate_fits(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 1), *self.names)
        scanned = axis("b_iso_cation", 0.8, 1.6, 4)
        profile = chi2_profile(fit, scanned)
        for value, found in zip(scanned.values, profile.chi2, strict=True):
            alone = fit_of(TRUTH.with_values({"b_iso_cation": value}), fit.data, "lattice_constant", "b_iso_anion")
            assert found == pytest.approx(alone.run().chi2, rel=1e-6)

    def test_without_a_refit_the_others_are_held(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 1), *self.names)
        scanned = axis("b_iso_cation", 0.8, 1.6, 4)
        profile = chi2_profile(fit, scanned, refit=False)
        assert profile.refitted == []
        for value, found in zip(scanned.values, profile.chi2, strict=True):
            alone = fit_of(TRUTH.with_values({"b_iso_cation": value}), fit.data)
            assert found == pytest.approx(alone.run().chi2, rel=1e-9)
        assert (np.array(profile.chi2) >= np.array(chi2_profile(fit, scanned).chi2) - 1e-9).all()

    def test_a_parameter_that_is_not_fitted_can_be_scanned(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH), "b_iso_cation")
        profile = chi2_profile(fit, axis("alpha_rh", 59.0, 60.0, 11))
        assert profile.best == pytest.approx(59.5, abs=0.01)

    def test_the_offset_is_seen_on_both_sides(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH), "lattice_constant")
        profile = chi2_profile(fit, axis("pb_offset", 0.0, 0.24, 13))
        assert profile.best == pytest.approx(0.12, abs=0.005)
        assert profile.chi2[0] > 100 * profile.chi2[6]

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [("diameter", 18.0, 22.0), ("diameter_sd", 0.9, 2.1), ("shell_thickness", 0.0, 6.0)],
    )
    def test_sizes_and_shells_are_scanned(self, name: str, low: float, high: float) -> None:
        fit = fit_of(SIZES, measured(SIZES), "occupancy_anion_shell", "diameter")
        profile = chi2_profile(fit, axis(name, low, high, 9))
        assert profile.best == pytest.approx(getattr(SIZES, name), abs=0.1)
        assert min(profile.chi2) < 1e-3

    def test_an_end_that_is_not_reached_is_not_made_up(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 7), "lattice_constant")
        one_sided = chi2_profile(fit, axis("lattice_constant", 5.936, 5.99, 6))
        assert one_sided.low is None
        assert one_sided.high is not None
        neither = chi2_profile(fit, axis("lattice_constant", 5.9359999, 5.9360001, 3))
        assert neither.low is None
        assert neither.high is None


class TestMaps:
    alpha = axis("alpha_rh", 59.1, 59.9, 5)
    offset = axis("pb_offset", 0.04, 0.2, 5)

    def test_the_minimum_is_at_the_truth(self) -> None:
        found = chi2_map(fit_of(TRUTH, measured(TRUTH)), self.alpha, self.offset)
        assert found.best == pytest.approx((59.5, 0.12))
        assert np.array(found.chi2_reduced).shape == (5, 5)
        assert found.chi2_reduced[2][2] < 1e-9
        assert (found.x_name, found.x_unit, found.y_name, found.y_unit) == ("alpha_rh", "°", "pb_offset", "Å")

    @pytest.mark.parametrize("refit", [False, True])
    def test_points_are_separate_fits(self, refit: bool) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 3), "b_iso_cation", "lattice_constant")
        x, y = axis("alpha_rh", 59.1, 59.9, 3), axis("pb_offset", 0.06, 0.18, 4)
        found = chi2_map(fit, x, y, refit=refit)
        assert found.refitted == (["b_iso_cation", "lattice_constant"] if refit else [])
        names = ("b_iso_cation", "lattice_constant") if refit else ()
        dof = 200 - 3 - 2 - len(names)
        for i, offset in enumerate(y.values):
            for j, alpha in enumerate(x.values):
                model = TRUTH.with_values({"alpha_rh": alpha, "pb_offset": offset})
                expected = fit_of(model, fit.data, *names).run().chi2
                assert found.chi2_reduced[i][j] * dof == pytest.approx(expected, rel=1e-6)

    def test_the_order_of_the_axes_does_not_matter(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 3), "b_iso_cation", "lattice_constant")
        there, back = (
            chi2_map(fit, self.alpha, self.offset, refit=True),
            chi2_map(fit, self.offset, self.alpha, refit=True),
        )
        np.testing.assert_allclose(there.chi2_reduced, np.transpose(back.chi2_reduced), rtol=1e-6)

    def test_every_search_begins_where_a_neighbour_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 1), "b_iso_cation")
        begun, ended = [], []
        minimise = Fit.minimise

        def spy(self: Fit, start: FloatArray, held: Sequence[str] = ()) -> Minimum:
            begun.append(float(start[self.names.index("b_iso_cation")]))
            found = minimise(self, start, held)
            ended.append(float(found.values[self.names.index("b_iso_cation")]))
            return found

        monkeypatch.setattr(Fit, "minimise", spy)
        chi2_map(fit, axis("lattice_constant", 5.7, 6.2, 3), axis("b_iso_anion", 0.4, 1.2, 3), refit=True)
        assert begun[:9] == [
            TRUTH.b_iso_cation,
            ended[0],
            ended[1],
            ended[0],
            ended[3],
            ended[4],
            ended[3],
            *ended[6:8],
        ]

    def test_progress_is_told(self) -> None:
        told: list[tuple[int, int]] = []
        fit = fit_of(TRUTH, measured(TRUTH))
        chi2_map(fit, self.alpha, self.offset, progress=lambda done, total: told.append((done, total)))
        assert {total for _, total in told} == {25}
        assert all(after == before + 1 for (before, _), (after, _) in pairwise(told))

    def test_the_fit_stays_as_it_was(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 2), "lattice_constant")
        before: FitResult = fit.run()
        chi2_map(fit, self.alpha, self.offset)
        assert fit.run() == before


@pytest.mark.parametrize(
    ("scanned", "message"),
    [
        (ScanAxis("alpha", (59.0, 60.0)), "'alpha' is no parameter of a model: scan one of lattice_constant"),
        (ScanAxis("alpha_rh", ()), "The values of alpha_rh to be scanned are not two or more ascending numbers"),
        (ScanAxis("alpha_rh", (59.0,)), "The values of alpha_rh to be scanned are not two or more"),
        (ScanAxis("alpha_rh", (60.0, 59.0)), "The values of alpha_rh to be scanned are not two or more ascending"),
        (ScanAxis("alpha_rh", (59.0, 59.0)), "The values of alpha_rh to be scanned are not two or more ascending"),
        (ScanAxis("alpha_rh", (59.0, np.nan)), "The values of alpha_rh to be scanned are not two or more"),
        (ScanAxis("alpha_rh", (59.0, np.inf)), "The values of alpha_rh to be scanned are not two or more"),
        (
            ScanAxis("alpha_rh", (50.0, 60.0)),
            "alpha_rh may vary from 50 to 60 °: give ascending bounds within 57 and 63",
        ),
        (ScanAxis("occupancy_anion_core", (0.5, 1.5)), "occupancy_anion_core may vary from 0.5 to 1.5"),
        (ScanAxis("occupancy_anion_core", (-0.5, 1.0)), "There is no such model: occupancy_anion_core: "),
        (ScanAxis("diameter", (20.0, 30.0)), "cannot be varied in a model of one size"),
        (ScanAxis("occupancy_anion_shell", (0.5, 1.0)), "the model has no shell"),
    ],
)
def test_axes_that_cannot_be_scanned_are_told_in_one_sentence(scanned: ScanAxis, message: str) -> None:
    fit = fit_of(TRUTH, measured(TRUTH))
    with pytest.raises(QdsimError, match=f"^.*{message}") as caught:
        chi2_profile(fit, scanned)
    assert "\n" not in str(caught.value)
    with pytest.raises(QdsimError, match=f"^.*{message}"):
        chi2_map(fit, axis("b_iso_cation", 0.5, 1.0, 2), scanned)


def test_one_parameter_is_no_map() -> None:
    fit = fit_of(TRUTH, measured(TRUTH))
    with pytest.raises(QdsimError, match=r"^alpha_rh is given for both axes of the map"):
        chi2_map(fit, TestMaps.alpha, axis("alpha_rh", 59.2, 59.4, 2))


class TestMisfit:
    data = measured(TRUTH.model_copy(update={"shape": "cube"}), 0)

    def test_a_profile_of_a_wrong_model_says_so_first(self) -> None:
        fit = fit_of(TRUTH, self.data, "lattice_constant", "b_iso_cation")
        told = chi2_profile(fit, axis("lattice_constant", 5.92, 5.955, 4)).messages[0]
        assert told.startswith("The model does not describe the data")

    def test_so_does_a_map(self) -> None:
        fit = fit_of(TRUTH, self.data, "lattice_constant", "b_iso_cation")
        told = chi2_map(fit, axis("lattice_constant", 5.92, 5.955, 3), axis("b_iso_cation", 0.5, 2, 3)).messages[0]
        assert told.startswith("The model does not describe the data")

    def test_a_coarse_map_is_not_blamed_on_the_model(self) -> None:
        fit = fit_of(TRUTH, measured(TRUTH, 0), "lattice_constant", "b_iso_cation")
        found = chi2_map(fit, axis("lattice_constant", 5.92, 5.955, 2), axis("b_iso_cation", 0.2, 3, 2))
        assert min(map(min, found.chi2_reduced)) > 2
        assert found.messages == []
