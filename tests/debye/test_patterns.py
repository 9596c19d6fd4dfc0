from collections.abc import Mapping
from itertools import pairwise
from math import pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import lognorm

from qdsim.debye import mixtures
from qdsim.debye.form_factors import Scattering
from qdsim.debye.intensity import intensity
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.particles import ParticleLibrary
from qdsim.debye.patterns import RTOL, ModelPattern
from qdsim.errors import QdsimError
from qdsim.structures import SHAPES

FloatArray = npt.NDArray[np.float64]

Q = np.linspace(0.5, 12.0, 150)
SCATTERING = {
    "plain": Scattering(),
    "squared self term": Scattering(self_term="squared"),
    "anomalous": Scattering(energy_kev=17.4),
    "ions": Scattering(ions=(("Pb", "Pb2+"),)),
    "neutrons": Scattering(radiation="neutron"),
}
FULL = {
    "diameter": 24.0,
    "diameter_sd": 2.0,
    "shell_thickness": 3.7,
    "lattice_constant": 5.95,
    "size_strain": 0.1,
    "alpha_rh": 59.6,
    "pb_offset": 0.12,
    "occupancy_cation_core": 0.95,
    "occupancy_cation_shell": 0.9,
    "occupancy_anion_core": 0.9,
    "occupancy_anion_shell": 0.7,
    "b_iso_cation": 1.2,
    "b_iso_anion": 0.8,
}
SINGLE = FULL | {"diameter_sd": 0.0}


def direct(model: NanocrystalModel, diameter: float, scattering: Scattering, q: FloatArray = Q) -> FloatArray:
    """Return the intensity of one particle of a model without its pattern."""
    particle = model.particle(diameter)
    return intensity(
        particle,
        q,
        occupancies=model.occupancies(particle),
        b_iso={model.cation: model.b_iso_cation, model.anion: model.b_iso_anion},
        energy_kev=scattering.energy_kev,
        self_term=scattering.self_term,
        radiation=scattering.radiation,
        ions=dict(scattering.ions),
    )


def lognormal(mean: float, sd: float) -> Any:
    width = sqrt(np.log(1 + (sd / mean) ** 2))
    return lognorm(width, scale=mean / sqrt(1 + (sd / mean) ** 2))


def growth(model: NanocrystalModel, largest: float) -> FloatArray:
    """Return the diameters, up to a largest one, at which spheres of a model or their cores grow."""
    plain = model.with_values({"alpha_rh": 60, "pb_offset": 0, "size_strain": 0})
    spheres = 2 * np.linalg.norm(plain.particle(largest).positions, axis=1)
    cores = spheres + 2 * model.shell_thickness
    limits = [model.lattice_constant, largest]
    edges = np.unique(np.round(np.concatenate([spheres, cores, limits]), 6))
    return edges[(edges >= limits[0]) & (edges <= largest)]


def mixed(model: NanocrystalModel, scattering: Scattering, largest: float, q: FloatArray = Q) -> FloatArray:
    """Return the intensity of a size distribution: each particle counts for the diameters at which it is the same."""
    edges, distribution = growth(model, largest), lognormal(model.diameter, model.diameter_sd)
    points, weights = np.polynomial.legendre.leggauss(6 if model.size_strain else 1)
    total = np.zeros(q.size)
    for low, high in pairwise(edges):
        diameters = (low + high + (high - low) * points) / 2
        shares = weights * distribution.pdf(diameters)  # the lattice goes with the size where the atoms are the same
        shares *= (distribution.cdf(high) - distribution.cdf(low)) / shares.sum()
        for share, diameter in zip(shares.tolist(), diameters.tolist(), strict=True):
            total += share * direct(model, diameter, scattering, q)
    return total


def library_of(model: NanocrystalModel) -> ParticleLibrary:
    return ParticleLibrary(model.body(), model.centre, model.lattice_constant)


def local(found: FloatArray, expected: FloatArray) -> float:
    return float(np.abs(found / expected - 1).max())


@pytest.mark.parametrize("scattering", SCATTERING.values(), ids=SCATTERING)
@pytest.mark.parametrize("varied", [(), tuple(name for name in SINGLE if not name.startswith(("diameter", "shell")))])
def test_particles_of_one_size_scatter_as_they_do_alone(scattering: Scattering, varied: tuple[str, ...]) -> None:
    model = NanocrystalModel(**SINGLE)
    pattern = ModelPattern(model, Q, varied, scattering)
    expected = direct(model, model.diameter, scattering)
    assert local(pattern.intensity({}), expected) < 1e-10
    assert local(pattern.with_changes({})[0], expected) < 1e-10


@settings(max_examples=20, deadline=None)
@given(
    shape=st.sampled_from([*SHAPES, {"100": 1.0, "111": 1.1}]),
    centre=st.sampled_from(["cation", "anion", "bond", "void"]),
    elongation=st.sampled_from([1.0, 1.3]),
    diameter=st.floats(12, 26),
    strain=st.sampled_from([0.0, 0.2]),
)
def test_any_shape_around_any_centre_scatters_as_it_does_alone(
    shape: Any, centre: str, elongation: float, diameter: float, strain: float
) -> None:
    changed = {"diameter": diameter, "size_strain": strain, "shell_thickness": 2.0}
    model = NanocrystalModel(**SINGLE | changed, shape=shape, centre=centre, elongation=elongation, axis=(1, 1, 1))
    assert local(ModelPattern(model, Q).intensity({}), direct(model, diameter, Scattering())) < 1e-10


@pytest.mark.parametrize("centre", ["cation", "void"])
@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_atoms_on_the_very_facets_belong_to_the_particle(n: int, centre: str) -> None:
    edge = 5.936 * (n if centre == "cation" else n - 0.5)
    model = NanocrystalModel(diameter=edge * (6 / pi) ** (1 / 3), shape="cube", centre=centre)
    assert local(ModelPattern(model, Q).intensity({}), direct(model, model.diameter, Scattering())) < 1e-10


@pytest.mark.parametrize("scattering", ["plain", "squared self term"])
@pytest.mark.parametrize("strain", [0.0, 0.15])
def test_a_size_distribution_scatters_as_the_sum_of_its_particles(scattering: str, strain: float) -> None:
    model = NanocrystalModel(**FULL | {"size_strain": strain, "diameter": 18.0, "diameter_sd": 1.2})
    pattern = ModelPattern(model, Q, ("diameter",), SCATTERING[scattering])
    expected = mixed(model, SCATTERING[scattering], 30.0)
    assert local(pattern.intensity({}), expected) < RTOL


class TestDerivatives:
    @staticmethod
    def check(fields: Mapping[str, float], names: list[str], scattering: Scattering) -> None:
        pattern = ModelPattern(NanocrystalModel(**fields), Q, names, scattering, rtol=1e-8)
        changes = pattern.with_changes({})[1]
        for name, found in zip(names, changes, strict=True):
            _, low, high = PARAMETERS[name]
            step = 1e-4 * min(1.0, high - low)
            up, down = (pattern.intensity({name: fields[name] + sign * step}) for sign in (1, -1))
            expected = (up - down) / (2 * step)
            assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max(), name

    @pytest.mark.parametrize("scattering", ["plain", "squared self term", "anomalous"])
    def test_all_thirteen_are_those_of_differences(self, scattering: str) -> None:
        self.check(FULL, list(FULL), SCATTERING[scattering])

    def test_without_strain_by_size_too(self) -> None:
        names = [name for name in FULL if name != "size_strain"]
        self.check(FULL | {"size_strain": 0.0}, names, Scattering())

    def test_strain_by_size_changes_the_pattern_from_zero_on(self) -> None:
        self.check(FULL | {"size_strain": 0.0}, ["size_strain"], Scattering())

    def test_of_one_size_too(self) -> None:
        self.check(SINGLE, [name for name in SINGLE if not name.startswith(("diameter", "shell"))], Scattering())

    def test_they_stand_in_the_order_asked_for(self) -> None:
        model = NanocrystalModel(**SINGLE)
        names = ["b_iso_anion", "lattice_constant", "occupancy_anion_core"]
        there = ModelPattern(model, Q, names).with_changes({})[1]
        back = ModelPattern(model, Q, names[::-1]).with_changes({})[1]
        np.testing.assert_array_equal(there, back[::-1])


class TestShells:
    names = ("shell_thickness",)
    small = FULL | {"diameter": 18.0, "diameter_sd": 1.2}

    @pytest.mark.parametrize("thickness", [0.0, 1.3, 2.968, 5.0])
    def test_one_of_any_thickness_is_where_the_atoms_are(self, thickness: float) -> None:
        found = ModelPattern(NanocrystalModel(**self.small), Q, self.names).intensity({"shell_thickness": thickness})
        alone = NanocrystalModel(**self.small | {"shell_thickness": thickness})
        assert local(found, mixed(alone, Scattering(), 30.0)) < RTOL

    def test_the_pattern_changes_with_its_thickness_without_jumps(self) -> None:
        pattern = ModelPattern(NanocrystalModel(**self.small), Q, self.names)
        thicknesses = np.linspace(2.0, 4.0, 81)
        patterns = np.array([pattern.intensity({"shell_thickness": thickness}) for thickness in thicknesses])
        steps = np.abs(np.diff(patterns, axis=0)).max(axis=1)
        assert steps.max() < 0.05 * np.abs(patterns[-1] - patterns[0]).max()

    def test_one_like_the_core_cannot_be_seen(self) -> None:
        alike = self.small | {"occupancy_cation_shell": 0.95, "occupancy_anion_shell": 0.9}
        pattern = ModelPattern(NanocrystalModel(**alike), Q, self.names)
        found, changes = pattern.with_changes({})
        np.testing.assert_allclose(found, pattern.intensity({"shell_thickness": 7.3}), rtol=1e-9)
        assert np.abs(changes).max() < 1e-9 * found.max()

    def test_one_may_begin_at_nothing_where_its_thickness_is_varied(self) -> None:
        model = NanocrystalModel(**self.small | {"shell_thickness": 0.0})
        pattern = ModelPattern(model, Q, ("shell_thickness", "occupancy_anion_shell"))
        found, changes = pattern.with_changes({})
        assert local(found, mixed(model, Scattering(), 30.0)) < RTOL
        assert np.isfinite(changes).all()


@pytest.mark.parametrize("alpha", [60.0, 59.2])
def test_offsets_of_opposite_sign_are_mirror_images_of_a_centred_sphere(alpha: float) -> None:
    model = NanocrystalModel(diameter=22.0, alpha_rh=alpha)
    pattern = ModelPattern(model, Q, ("pb_offset",))
    there, back = (pattern.with_changes({"pb_offset": offset}) for offset in (0.2, -0.2))
    np.testing.assert_allclose(there[0], back[0], rtol=1e-10)
    np.testing.assert_allclose(there[1], -back[1], atol=1e-9 * np.abs(there[1]).max())
    assert np.abs(pattern.with_changes({"pb_offset": 0.0})[1]).max() < 1e-9 * np.abs(there[1]).max()


def test_a_longer_lattice_is_a_pattern_at_smaller_q_but_for_the_form_factors() -> None:
    model = NanocrystalModel(diameter=22.0, b_iso_cation=1.0, b_iso_anion=1.0)
    scattering = Scattering(radiation="neutron")  # no form factors
    still = {"b_iso_cation": 0.0, "b_iso_anion": 0.0}
    longer = ModelPattern(model, Q, ("lattice_constant",), scattering).intensity(
        still | {"lattice_constant": 1.01 * model.lattice_constant}
    )
    np.testing.assert_allclose(longer, ModelPattern(model, 1.01 * Q, (), scattering).intensity(still), rtol=1e-9)


class TestSmallAngles:
    def test_forward_scattering_is_the_square_of_all_electrons(self) -> None:
        model = NanocrystalModel(diameter=26.0, b_iso_cation=2.0, b_iso_anion=2.0)
        [found] = ModelPattern(model, np.array([0.0])).intensity({})
        cations, anions = model.composition()
        assert found == pytest.approx((82 * cations + 16 * anions) ** 2, rel=1e-3)

    def test_vacancies_add_their_disorder_to_it(self) -> None:
        particle = NanocrystalModel(diameter=26.0)
        model = particle.with_values({"occupancy_anion_core": 0.5})
        linear, squared = (
            ModelPattern(model, np.array([0.0]), (), Scattering(radiation="neutron", self_term=term)).intensity({})[0]
            for term in ("linear", "squared")
        )
        _, anions = particle.composition()
        neutron_length = 2.847  # fm, sulfur
        assert linear - squared == pytest.approx(anions * (0.5 - 0.25) * neutron_length**2, rel=1e-3)

    def test_the_guinier_radius_is_that_of_the_size_distribution(self) -> None:
        mean, sd = 40.0, 4.0
        model = NanocrystalModel(diameter=mean, diameter_sd=sd)
        q = np.array([0.0, 0.004])
        at_zero, near = ModelPattern(model, q).intensity({})
        radius = sqrt(3 * np.log(at_zero / near)) / q[1]
        x0, variance = mean / sqrt(1 + (sd / mean) ** 2), np.log(1 + (sd / mean) ** 2)
        sixth, eighth = (x0**n * np.exp(n**2 * variance / 2) for n in (6, 8))
        assert radius == pytest.approx(sqrt(3 / 5 * eighth / sixth / 4), rel=0.01)
        volumes = sixth * (pi / 6) ** 2
        assert at_zero == pytest.approx(volumes * (4 * 98 / 5.936**3) ** 2, rel=0.02)


class TestSharedCounts:
    def test_they_give_the_same_numbers(self) -> None:
        library = library_of(NanocrystalModel(**FULL))
        models = [
            NanocrystalModel(**FULL),
            NanocrystalModel(**FULL | {"diameter": 20.0, "size_strain": 0.0}),
            NanocrystalModel(**SINGLE | {"shell_thickness": 6.0}),
        ]
        for model in [*models, models[0]]:
            shared = ModelPattern(model, Q, ("b_iso_cation",), library=library).with_changes({})
            own = ModelPattern(model, Q, ("b_iso_cation",), library=library_of(model)).with_changes({})
            np.testing.assert_allclose(shared[0], own[0], rtol=1e-11)
            np.testing.assert_allclose(shared[1], own[1], rtol=1e-9)

    def test_those_of_wide_distributions_serve_narrow_ones(self) -> None:
        wide = NanocrystalModel(diameter=40.0, diameter_sd=8.0)
        library = library_of(wide)
        ModelPattern(wide, Q, library=library).intensity({})
        narrow = wide.with_values({"diameter": 24.0, "diameter_sd": 2.0})
        for model in (narrow, narrow.with_values({"size_strain": 0.1})):
            shared = ModelPattern(model, Q, library=library).intensity({})
            assert local(shared, ModelPattern(model, Q, library=library_of(model)).intensity({})) < RTOL

    def test_those_without_a_core_end_where_those_with_one_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mixtures, "MOST_PAIRS_WITH_CORE", 3e5)
        plain = NanocrystalModel(diameter=40.0, diameter_sd=8.0)
        library = library_of(plain)
        ModelPattern(plain, Q, library=library).intensity({})
        model = plain.with_values({"shell_thickness": 4.0, "occupancy_anion_shell": 0.7})
        shared = ModelPattern(model, Q, library=library).intensity({})
        np.testing.assert_allclose(shared, ModelPattern(model, Q, library=library_of(model)).intensity({}), rtol=RTOL)

    @pytest.mark.parametrize("pairs", [1e8, 1e3])
    def test_nothing_is_counted_twice(self, monkeypatch: pytest.MonkeyPatch, pairs: float) -> None:
        monkeypatch.setattr(mixtures, "MOST_PAIRS_WITH_CORE", pairs)
        model = NanocrystalModel(**FULL)
        pattern = ModelPattern(model, Q, ("diameter", "b_iso_cation"), library=library_of(model))
        counted: list[tuple[int, int]] = []

        def progress(done: int, total: int) -> None:
            counted.append((done, total))

        pattern.intensity({}, progress)
        assert counted[-1][0] == counted[-1][1]
        counted.clear()
        pattern.intensity({"b_iso_cation": 0.5, "occupancy_anion_shell": 0.2}, progress)
        assert counted == []

    def test_large_particles_are_counted_one_by_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = NanocrystalModel(diameter=40.0, diameter_sd=8.0, b_iso_cation=1.0, b_iso_anion=1.0)
        at_once = ModelPattern(model, Q, library=library_of(model)).intensity({})
        monkeypatch.setattr(mixtures, "MOST_PAIRS", 1e6)
        apart = ModelPattern(model, Q, library=library_of(model)).intensity({})
        assert 1e-5 < local(apart, at_once) < 1e-3


@pytest.mark.parametrize("fields", [{"diameter": 380.0, "diameter_sd": 60.0}, {"diameter": 60.0, "diameter_sd": 60.0}])
def test_sizes_that_cannot_be_computed_are_told(fields: dict[str, float]) -> None:
    message = r"^The size distribution goes up to particles of \d+ Å, and 600 Å is the most that can be computed: make"
    with pytest.raises(QdsimError, match=message):
        ModelPattern(NanocrystalModel(**fields), Q).intensity({})


def test_values_of_what_is_no_parameter_are_told() -> None:
    pattern = ModelPattern(NanocrystalModel(diameter=20.0), Q, ("b_iso_cation",))
    for evaluate in (pattern.intensity, pattern.with_changes):
        with pytest.raises(QdsimError, match=r"^'b_iso' is no parameter of a model: give values of lattice_constant"):
            evaluate({"b_iso": 1.0})


class TestOrder:
    @settings(max_examples=10, deadline=None)
    @given(seed=st.integers(0, 1000))
    def test_q_may_stand_in_any(self, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(Q.size)
        model = NanocrystalModel(**SINGLE)
        shuffled = ModelPattern(model, Q[order], ("alpha_rh",)).with_changes({})
        sorted_ones = ModelPattern(model, Q, ("alpha_rh",)).with_changes({})
        np.testing.assert_allclose(shuffled[0], sorted_ones[0][order], rtol=1e-11)
        np.testing.assert_allclose(shuffled[1], sorted_ones[1][:, order], rtol=1e-8, atol=1e-3)


@pytest.mark.parametrize(
    ("vacant", "left"),
    [
        (("occupancy_cation_core",), "S"),
        (("occupancy_anion_core",), "Pb"),
        (("occupancy_cation_core", "occupancy_anion_core"), ""),
    ],
)
def test_a_vacant_sublattice_scatters_nothing(vacant: tuple[str, ...], left: str) -> None:
    model = NanocrystalModel(diameter=20.0).with_values(dict.fromkeys(vacant, 0.0))
    particle = model.particle()
    expected = intensity(particle, Q, occupancies={symbol: float(symbol == left) for symbol in ("Pb", "S")})
    for varied in ((), ("lattice_constant", "pb_offset"), ("b_iso_cation",)):
        found, changes = ModelPattern(model, Q, varied).with_changes({})
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        assert np.isfinite(changes).all()


@pytest.mark.parametrize(
    ("fields", "vary", "message"),
    [
        ({}, ("size",), "'size' is no parameter of a model: vary some of lattice_constant"),
        ({}, ("diameter",), "The sizes cannot be varied in a model of one size.*give 'diameter_sd' above 0"),
        ({}, ("diameter_sd",), "give 'diameter_sd' above 0"),
        ({}, ("shell_thickness",), "give 'diameter_sd' above 0"),
        ({}, ("occupancy_anion_shell",), "'occupancy_anion_shell' is varied, but the model has no shell"),
    ],
)
def test_parameters_that_cannot_be_varied_are_told(
    fields: dict[str, float], vary: tuple[str, ...], message: str
) -> None:
    with pytest.raises(QdsimError, match=f"^.*{message}"):
        ModelPattern(NanocrystalModel(diameter=20.0, **fields), Q, vary)


@pytest.mark.parametrize(
    ("scattering", "message"),
    [
        (Scattering(ions=(("Se", "Se2-"),)), "ions is given for Se: the model has Pb and S only"),
        (Scattering(ions=(("Pb", "Pb9+"),)), "'Pb9\\+' are not tabulated"),
        (Scattering(energy_kev=1e6), "photon energy is 1000000.0 keV"),
    ],
)
def test_scatterers_that_are_unknown_are_told(scattering: Scattering, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        ModelPattern(NanocrystalModel(diameter=20.0), Q, (), scattering)


@pytest.mark.parametrize("q", [[], [-1.0, 2.0], [1.0, float("nan")]])
def test_q_is_a_list_of_numbers_from_zero_up(q: list[float]) -> None:
    with pytest.raises(QdsimError, match="Q has"):
        ModelPattern(NanocrystalModel(diameter=20.0), np.array(q))
