from math import exp, log

import numpy as np
import pytest

from qdsim.debye.candidates import shape_models, stoichiometry_models
from qdsim.debye.comparison import compare, compare_shapes
from qdsim.debye.data import ScatteringData
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.patterns import ModelPattern
from qdsim.errors import QdsimError
from qdsim.structures import SHAPES

Q = np.linspace(1.0, 12.0, 250)
START = NanocrystalModel(diameter=24.0, diameter_sd=2.0, b_iso_cation=1.0, b_iso_anion=1.0)
SETTINGS = FitSettings(vary={"diameter": None, "diameter_sd": None, "b_iso_cation": None}, background=2)
TRUTHS = {
    "stoichiometric": {},
    "S-deficient shell": {"shell_thickness": 4.0, "occupancy_anion_shell": 0.5},
    "core-shell": {"shell_thickness": 4.0, "occupancy_anion_shell": 0.5, "occupancy_cation_core": 0.85},
}


def measured(model: NanocrystalModel, seed: int = 0, relative: float = 0.005) -> ScatteringData:
    curve = 1e-4 * ModelPattern(model, Q).intensity({}) + 2 - 0.1 * Q
    sigma = np.full(Q.size, relative * curve.mean())
    return ScatteringData(Q, curve + sigma * np.random.default_rng(seed).normal(size=Q.size), sigma)


class TestModelsOfStoichiometry:
    @pytest.mark.parametrize("truth", TRUTHS)
    def test_the_one_that_made_the_data_is_preferred(self, truth: str) -> None:
        model = START.with_values(TRUTHS[truth] | {"diameter": 25.0, "b_iso_cation": 1.2})
        found = compare(stoichiometry_models(START, SETTINGS), measured(model))
        assert found.preferred.name == truth
        assert found.preferred.weight > 0.8
        assert found.preferred.result.chi2_reduced == pytest.approx(1, abs=0.3)
        for name, value in TRUTHS[truth].items():
            parameter = found.preferred.result.parameters[name]
            assert parameter.error is not None
            assert abs(parameter.value - value) < 4 * parameter.error + 0.1

    def test_they_differ_by_their_vacancies(self) -> None:
        models = stoichiometry_models(START, SETTINGS)
        assert list(models) == ["stoichiometric", "S-deficient shell", "core-shell"]
        varied = {name: set(settings.vary) - set(SETTINGS.vary) for name, (_, settings) in models.items()}
        assert varied == {
            "stoichiometric": set(),
            "S-deficient shell": {"shell_thickness", "occupancy_anion_shell"},
            "core-shell": {"shell_thickness", "occupancy_anion_shell", "occupancy_cation_core"},
        }
        stoichiometric, _ = models["stoichiometric"]
        assert stoichiometric.shell_thickness == 0
        for model, settings in models.values():
            vacant = [
                name for name in type(model).model_fields if name.startswith("occupancy_") and getattr(model, name) < 1
            ]
            assert set(vacant) <= set(settings.vary)
            assert settings.background == SETTINGS.background

    def test_searches_begin_within_the_given_bounds(self) -> None:
        bounds = {"shell_thickness": (2.0, 4.0), "occupancy_anion_shell": (0.3, 0.8)}
        settings = FitSettings(vary=SETTINGS.vary | bounds)
        model, _ = stoichiometry_models(START, settings)["core-shell"]
        assert (model.shell_thickness, model.occupancy_anion_shell) == (4.0, 0.8)

    def test_the_shell_of_particles_of_one_size_keeps_its_thickness(self) -> None:
        one_size = START.with_values({"diameter_sd": 0.0})
        models = stoichiometry_models(one_size, FitSettings(vary={"b_iso_cation": None}))
        assert all("shell_thickness" not in settings.vary for _, settings in models.values())
        assert compare(models, measured(one_size)).preferred.name == "stoichiometric"

    def test_they_are_named_after_their_elements(self) -> None:
        selenide = START.with_values({}).model_copy(update={"compound": "PbSe"})
        assert "Se-deficient shell" in stoichiometry_models(selenide, SETTINGS)

    def test_searches_begin_where_the_model_stands(self) -> None:
        model = START.with_values({"shell_thickness": 3.0, "occupancy_anion_shell": 0.4, "occupancy_cation_core": 0.8})
        bounds = {"occupancy_anion_shell": (0.2, 0.9), "occupancy_cation_shell": None, "shell_thickness": (1.0, 5.0)}
        models = stoichiometry_models(model, SETTINGS.model_copy(update={"vary": SETTINGS.vary | bounds}))
        begun, settings = models["core-shell"]
        assert (begun.shell_thickness, begun.occupancy_anion_shell, begun.occupancy_cation_core) == (3.0, 0.4, 0.8)
        assert settings.vary["occupancy_anion_shell"] == (0.2, 0.9)
        assert settings.vary["shell_thickness"] == (1.0, 5.0)
        assert "occupancy_cation_shell" not in settings.vary
        assert models["S-deficient shell"][0].occupancy_cation_core == 1.0

    def test_they_can_all_be_fitted_to_small_particles(self) -> None:
        small = START.with_values({"diameter": 12.0, "diameter_sd": 1.0})
        data = measured(small)
        for model, settings in stoichiometry_models(small, SETTINGS).values():
            Fit(model, data, settings)


class TestWeights:
    data = measured(START, 4)

    def test_they_follow_from_the_bayesian_criterion(self) -> None:
        names = (["b_iso_cation"], ["b_iso_cation", "b_iso_anion"], ["diameter"])
        models = {" and ".join(vary): (START, FitSettings(vary=dict.fromkeys(vary), background=2)) for vary in names}
        found = compare(models, self.data).models
        assert sum(one.weight for one in found) == pytest.approx(1, rel=1e-12)
        assert [one.delta_bic for one in found] == sorted(one.delta_bic for one in found)
        assert found[0].delta_bic == 0
        assert min(one.delta_aic for one in found) == 0
        for one in found:
            assert one.weight / found[0].weight == pytest.approx(exp(-one.delta_bic / 2))
            assert one.delta_bic == pytest.approx(one.result.bic - found[0].result.bic)

    def test_values_are_averaged_by_weight_with_the_differences_of_the_models(self) -> None:
        vary = ["b_iso_cation", "diameter"]
        settings = FitSettings(vary=dict.fromkeys(vary), background=2)
        models = {
            "one": (START, settings),
            "other": (START.with_values({"b_iso_anion": 1.02}), settings),
            "alone": (START, FitSettings(vary={"b_iso_cation": None}, background=2)),
        }
        found = compare(models, self.data)
        assert min(one.weight for one in found.models) > 0.001
        values, errors, weights = [], [], []
        for one in found.models:
            parameter = one.result.parameters["b_iso_cation"]
            assert parameter.error is not None
            values.append(parameter.value)
            errors.append(parameter.error)
            weights.append(one.weight)
        averaged = found.averaged["b_iso_cation"]
        assert averaged.value == pytest.approx(np.average(values, weights=weights))
        second = np.average(np.square(values) + np.square(errors), weights=weights)
        assert averaged.error == pytest.approx(np.sqrt(second - averaged.value**2), rel=1e-6)
        assert (averaged.lowest, averaged.highest) == (min(values), max(values))
        assert list(found.averaged) == ["b_iso_cation"]  # the diameter is not varied in one of them

    def test_parameters_without_use_are_penalised(self) -> None:
        useless = {"b_iso_cation": None, "b_iso_anion": None, "alpha_rh": None, "occupancy_anion_core": None}
        few = FitSettings(vary={"b_iso_cation": None}, background=2)
        many = few.model_copy(update={"vary": useless})
        found = compare({"many": (START, many), "few": (START, few)}, self.data)
        assert found.preferred.name == "few"
        by_name = {one.name: one for one in found.models}
        assert by_name["many"].result.chi2 <= by_name["few"].result.chi2
        assert by_name["many"].delta_bic > 3

    def test_a_hopeless_model_has_none(self) -> None:
        settings = FitSettings(background=2)
        wrong = START.with_values({"lattice_constant": 6.3})
        found = compare({"wrong": (wrong, settings), "right": (START, settings)}, self.data)
        assert found.preferred.name == "right"
        assert found.models[1].weight == pytest.approx(0, abs=1e-30)

    def test_one_model_has_it_all(self) -> None:
        found = compare({"only": (START, FitSettings(background=2))}, self.data)
        assert found.preferred.weight == 1
        assert found.preferred.result == Fit(START, self.data, FitSettings(background=2)).run()

    def test_data_without_uncertainties_can_be_compared(self) -> None:
        data = ScatteringData(self.data.q, self.data.intensity)
        wrong = START.with_values({"shape": "cube"})  # type: ignore[dict-item]  # not one of the numbers
        settings = FitSettings(background=2)
        found = compare({"wrong": (wrong, settings), "right": (START, settings)}, data)
        assert found.preferred.name == "right"


def test_shapes_are_told_apart() -> None:
    settings = FitSettings(vary={"diameter": None, "diameter_sd": None}, background=2)
    shapes = {
        shape: NanocrystalModel(**START.model_dump() | {"shape": shape}) for shape in ("sphere", "cube", "octahedron")
    }
    data = measured(shapes["cube"].with_values({"diameter": 25.0}), 1)
    assert compare({name: (model, settings) for name, model in shapes.items()}, data).preferred.name == "cube"


def test_the_share_of_a_blank_is_fitted_in_all() -> None:
    blank = ScatteringData(Q, 1 + np.exp(-((Q - 4) ** 2)))
    plain = measured(START)
    data = ScatteringData(Q, plain.intensity + 0.5 * blank.intensity, plain.sigma)
    found = compare({"one": (START, SETTINGS), "other": (START, FitSettings())}, data, blank)
    for one in found.models:
        assert one.result.blank_factor == pytest.approx(0.5, abs=0.2)


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    models = dict.fromkeys("abc", (START, FitSettings()))
    compare(models, measured(START), progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3)]


def test_nothing_to_compare_is_told() -> None:
    with pytest.raises(QdsimError, match=r"^There is no model to compare: give at least one"):
        compare({}, measured(START))


def test_a_model_that_cannot_be_fitted_is_told() -> None:
    settings = FitSettings(vary={"occupancy_anion_shell": None})
    with pytest.raises(QdsimError, match="the model has no shell"):
        compare({"good": (START, FitSettings()), "bad": (START, settings)}, measured(START))


class TestShapes:
    """Shape and vacancies both change how the density ends at the surface."""

    truth = START.model_copy(update={"shape": "cuboctahedron", "alpha_rh": 59.5})
    data = measured(truth, relative=2e-4)
    settings = SETTINGS.model_copy(update={"vary": SETTINGS.vary | {"alpha_rh": None}})

    def test_all_of_them_begin_with_the_model(self) -> None:
        models = shape_models(START)
        assert next(iter(models)) == "sphere"
        assert set(models) == set(SHAPES)
        assert {model.diameter for model in models.values()} == {START.diameter}
        cut = START.model_copy(update={"shape": {"100": 1.0, "111": 1.1}})
        assert list(shape_models(cut)) == ["own shape", *SHAPES]

    def test_a_wrong_shape_is_not_taken_for_vacancies(self) -> None:
        found = compare_shapes(START, self.settings, self.data)
        assert found.preferred.name == "cuboctahedron, stoichiometric"
        assert found.preferred.weight > 0.9
        assert found.described
        spheres = {one.name for one in found.models if one.name.startswith("sphere")}
        assert spheres == {"sphere, stoichiometric", "sphere, S-deficient shell", "sphere, core-shell"}
        assert len(found.models) == len(SHAPES) + 2 * 2
        assert found.messages == [found.messages[0]]
        assert found.messages[0].startswith("Without vacancies cuboctahedron describes the data better than sphere (re")

    def test_among_wrong_ones_none_is_said_to_describe_the_data(self) -> None:
        found = compare(stoichiometry_models(START, self.settings), self.data)
        assert not found.described
        assert found.averaged == {}
        assert found.messages[0].startswith("None of the models describes the data (of the best: reduced chi^2")
        for one in found.models:
            assert one.result.messages[0].startswith("The model does not describe the data (reduced chi^2")
        # what a standard error costs is what the best of them leaves, so that its own misfit does not count as evidence
        misfit = found.preferred.result.misfit
        assert misfit is not None
        assert misfit.widening > 10
        first, second, *_ = found.models
        n_fitted = second.result.n_parameters - first.result.n_parameters
        points = first.result.n_points / misfit.alike
        expected = (second.result.chi2 - first.result.chi2) / misfit.widening + n_fitted * log(points)
        assert second.delta_bic == pytest.approx(expected)


def test_a_model_that_ends_above_one_that_it_contains_is_searched_again() -> None:
    data = measured(START)
    few = FitSettings(vary={"b_iso_cation": None}, background=2)
    many = FitSettings(vary={"b_iso_cation": None, "lattice_constant": (5.5, 6.4)}, background=2)
    astray = START.with_values({"lattice_constant": 6.3})
    assert Fit(astray, data, many).run().chi2 > 10 * Fit(START, data, few).run().chi2
    by_name = {one.name: one.result for one in compare({"many": (astray, many), "few": (START, few)}, data).models}
    assert by_name["many"].chi2 < by_name["few"].chi2
    # one that holds what the other does not contain it
    other = START.with_values({"alpha_rh": 59.0, "lattice_constant": 6.3})
    by_name = {one.name: one.result for one in compare({"many": (other, many), "few": (START, few)}, data).models}
    assert by_name["many"].chi2 > 10 * by_name["few"].chi2
