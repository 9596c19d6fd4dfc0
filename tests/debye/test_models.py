from math import inf, log, nan, pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.integrate import trapezoid
from scipy.stats import lognorm

from qdsim.debye.models import PARAMETERS, Lognormal, NanocrystalModel
from qdsim.errors import QdsimError

means = st.floats(20, 80)
relative_spreads = st.floats(0.02, 0.25)
DIAMETERS = np.geomspace(3.0, 500.0, 20_000)


def closed_form(mean: float, relative: float) -> Any:
    return lognorm(sqrt(log(1 + relative**2)), scale=mean / sqrt(1 + relative**2))


class TestLognormalDistribution:
    @given(means, relative_spreads)
    def test_it_has_the_mean_and_standard_deviation_asked_for(self, mean: float, relative: float) -> None:
        density = Lognormal(mean, relative * mean).density(DIAMETERS)[0]
        places = np.log(DIAMETERS)
        assert trapezoid(density, places) == pytest.approx(1, rel=1e-9)
        found = trapezoid(density * DIAMETERS, places)
        assert found == pytest.approx(mean, rel=1e-9)
        assert sqrt(trapezoid(density * (DIAMETERS - found) ** 2, places)) == pytest.approx(relative * mean, rel=1e-7)

    @given(means, relative_spreads)
    def test_it_is_that_of_debussy(self, mean: float, relative: float) -> None:
        own, theirs = Lognormal(mean, relative * mean), closed_form(mean, relative)
        np.testing.assert_allclose(own.density(DIAMETERS)[0], DIAMETERS * theirs.pdf(DIAMETERS), rtol=1e-9, atol=1e-300)
        np.testing.assert_allclose(own.larger(DIAMETERS)[0], theirs.sf(DIAMETERS), rtol=1e-9, atol=1e-300)

    @given(means, relative_spreads, st.sampled_from([0, 3, 6]), st.sampled_from([1e-2, 1e-5]))
    def test_its_range_leaves_out_as_much_of_a_moment_as_it_may(
        self, mean: float, relative: float, power: int, beyond: float
    ) -> None:
        distribution = Lognormal(mean, relative * mean)
        low, high = distribution.moment_range(power, beyond)
        diameters = np.geomspace(low / 3, high * 3, 40_001)
        places, part = np.log(diameters), distribution.density(diameters)[0] * diameters**power
        total = trapezoid(part, places)
        for outside in (diameters <= low, diameters >= high):
            assert trapezoid(part[outside], places[outside]) / total == pytest.approx(beyond, rel=1e-2)

    @pytest.mark.parametrize("name", ["larger", "density"])
    @given(mean=means, relative=relative_spreads)
    def test_its_derivatives_are_those_of_differences(self, name: str, mean: float, relative: float) -> None:
        diameters, sd = np.arange(8.0, 200.0, 2.0), relative * mean
        found = getattr(Lognormal(mean, sd), name)(diameters)[1:]
        for i, (by_mean, by_sd) in enumerate([(1e-5 * mean, 0.0), (0.0, 1e-5 * sd)]):
            high, low = (
                getattr(Lognormal(mean + sign * by_mean, sd + sign * by_sd), name)(diameters)[0] for sign in (1, -1)
            )
            expected = (high - low) / (2 * (by_mean + by_sd))
            np.testing.assert_allclose(found[i], expected, atol=1e-5 * np.abs(expected).max())


class TestParticles:
    @pytest.mark.parametrize("centre", ["cation", "anion"])
    @pytest.mark.parametrize(("diameter", "n_atoms"), [(32.0, 691), (50.0, 2517), (77.0, 9093)])
    def test_spheres_have_the_known_numbers_of_atoms(self, centre: str, diameter: float, n_atoms: int) -> None:
        particle = NanocrystalModel(diameter=diameter, centre=centre).particle()
        assert len(particle) == n_atoms
        central = particle.atom_symbols[int(np.linalg.norm(particle.positions, axis=1).argmin())]
        assert central == {"cation": "Pb", "anion": "S"}[centre]

    def test_a_particle_of_another_size_can_be_cut(self) -> None:
        assert len(NanocrystalModel(diameter=20.0).particle(32.0)) == 691

    @pytest.mark.parametrize("n", [2, 3, 4])
    def test_cubes_around_voids_have_whole_layers(self, n: int) -> None:
        edge = n * 5.936 - 1.0
        model = NanocrystalModel(diameter=edge * (6 / pi) ** (1 / 3), shape="cube", centre="void")
        particle = model.particle()
        assert len(particle) == (2 * n) ** 3
        assert model.composition() == (4 * n**3, 4 * n**3)

    def test_facets_are_as_good_as_a_name(self) -> None:
        named = NanocrystalModel(diameter=30.0, shape="cuboctahedron")
        by_facets = NanocrystalModel(diameter=30.0, shape={"100": 1.0, "111": 2 / sqrt(3)})
        np.testing.assert_array_equal(named.particle().positions, by_facets.particle().positions)

    def test_an_elongated_particle_is_longer_along_its_axis_and_as_voluminous(self) -> None:
        axis = (1.0, 1.0, 0.0)
        round_one = NanocrystalModel(diameter=50.0).particle()
        long_one = NanocrystalModel(diameter=50.0, elongation=2.0, axis=axis).particle()
        assert len(long_one) == pytest.approx(len(round_one), rel=0.03)
        along = long_one.positions @ np.array(axis) / sqrt(2)
        across = long_one.positions[:, 2]
        assert along.std() / across.std() == pytest.approx(2.0, rel=0.03)

    def test_regions_are_core_and_shell(self) -> None:
        particle = NanocrystalModel(diameter=40.0, shell_thickness=5.0).particle()
        radii = np.linalg.norm(particle.positions, axis=1)
        shell = particle.points.regions == 1
        assert radii[~shell].max() <= 15.0 + 1e-6 < radii[shell].min()

    @settings(max_examples=25, deadline=None)
    @given(
        st.floats(-2, 2),
        st.floats(12, 40),
        st.floats(0, 6),
        st.sampled_from(["sphere", "cube", "octahedron"]),
        st.sampled_from(["cation", "void"]),
    )
    def test_strain_by_size_moves_the_atoms_of_one_and_the_same_particle(
        self, omega: float, diameter: float, shell: float, shape: str, centre: str
    ) -> None:
        plain = NanocrystalModel(diameter=diameter, shell_thickness=shell, shape=shape, centre=centre)
        strained = plain.with_values({"size_strain": omega})
        without, with_strain = plain.particle(), strained.particle()
        for name in ("cells", "sites", "regions"):
            np.testing.assert_array_equal(getattr(with_strain.points, name), getattr(without.points, name))
        np.testing.assert_allclose(with_strain.cell, without.cell * (1 - omega / diameter), rtol=1e-12, atol=1e-12)

    def test_angle_and_offset_move_the_atoms_and_choose_none(self) -> None:
        plain = NanocrystalModel(diameter=30.0)
        polar = plain.with_values({"alpha_rh": 59.0, "pb_offset": 0.2})
        np.testing.assert_array_equal(polar.particle().points.cells, plain.particle().points.cells)
        atoms = polar.particle().to_atoms()
        lead, sulfur = (atoms.positions[atoms.symbols == symbol] for symbol in ("Pb", "S"))
        central = lead[np.linalg.norm(lead, axis=1).argmin()]
        bonds = np.sort(np.linalg.norm(sulfur - central, axis=1))[:6]
        assert np.ptp(bonds[:3]) < 1e-9 > np.ptp(bonds[3:])  # the cation has gone to three of its six neighbours
        assert bonds[3] - bonds[0] == pytest.approx(2 * 0.2 / sqrt(3), rel=0.05)


class TestStoichiometry:
    model = NanocrystalModel(
        diameter=40.0,
        shell_thickness=6.0,
        occupancy_cation_core=0.95,
        occupancy_cation_shell=0.9,
        occupancy_anion_core=0.85,
        occupancy_anion_shell=0.5,
    )

    def test_composition_counts_occupancies(self) -> None:
        particle = self.model.particle()
        table = {("Pb", 0): 0.95, ("Pb", 1): 0.9, ("S", 0): 0.85, ("S", 1): 0.5}
        expected = [
            table[symbol, region] for symbol, region in zip(particle.atom_symbols, particle.points.regions, strict=True)
        ]
        np.testing.assert_array_equal(self.model.occupancies(particle), expected)
        cations, anions = self.model.composition()
        lead = np.array(particle.atom_symbols) == "Pb"
        assert cations == pytest.approx(np.array(expected)[lead].sum())
        assert anions == pytest.approx(np.array(expected)[~lead].sum())

    def test_coverage_balances_the_charge_of_lead_in_excess(self) -> None:
        cations, anions = self.model.composition()
        assert self.model.coverage() == pytest.approx(2 * (cations - anions) / (pi * 4.0**2))

    def test_a_stoichiometric_cube_needs_no_ligands(self) -> None:
        model = NanocrystalModel(diameter=30.0, shape="cube", centre="void")
        assert model.coverage() == 0.0


class TestOtherValues:
    def test_they_change_nothing_else(self) -> None:
        model = NanocrystalModel(diameter=30.0, shape={"100": 1.0}, axis=(1.0, 1.0, 1.0), elongation=1.2)
        changed = model.with_values({"diameter": 40.0, "b_iso_cation": 1.5})
        assert changed.model_dump() == model.model_dump() | {"diameter": 40.0, "b_iso_cation": 1.5}
        assert model.diameter == 30.0

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"occupancy_cation_core": 1.5}, "occupancy_cation_core: .* less than or equal to 1"),
            ({"shell_thickness": 20.0}, "the shell is 20 Å thick, more than the radius of 15 Å"),
            ({"diameter": 3.0}, "a diameter of 3 Å is less than one cell of 5.936 Å"),
            ({"b_iso": 1.0}, "b_iso: "),
            ({"alpha_rh": nan}, "alpha_rh: .*finite"),
        ],
    )
    def test_impossible_ones_are_told_in_a_sentence(self, values: dict[str, float], message: str) -> None:
        with pytest.raises(QdsimError, match=f"^There is no such model: {message}") as caught:
            NanocrystalModel(diameter=30.0).with_values(values)
        assert "\n" not in str(caught.value)

    def test_every_parameter_is_a_number_of_the_model_within_its_range(self) -> None:
        model = NanocrystalModel(diameter=30.0)
        for name, (_, low, high) in PARAMETERS.items():
            assert low <= getattr(model, name) <= high


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        ({"diameter": nan}, "diameter", "finite number"),
        ({"diameter": inf}, "diameter", "finite number"),
        ({"diameter": 5.0}, None, "a diameter of 5 Å is less than one cell of 5.936 Å; a particle has at least one"),
        ({"diameter": -30.0}, "diameter", "greater than 0"),
        ({"shell_thickness": 15.1}, None, "the shell is 15.1 Å thick, more than the radius of 15 Å"),
        ({"shell_thickness": nan}, "shell_thickness", "finite number"),
        ({"occupancy_anion_shell": 1.01}, "occupancy_anion_shell", "less than or equal to 1"),
        ({"occupancy_cation_core": -0.1}, "occupancy_cation_core", "greater than or equal to 0"),
        ({"b_iso_cation": -1.0}, "b_iso_cation", "greater than or equal to 0"),
        ({"diameter_sd": -1.0}, "diameter_sd", "greater than or equal to 0"),
        ({"alpha_rh": 120.0}, "alpha_rh", "less than 120"),
        ({"compound": "lead sulfide"}, "compound", "'lead sulfide' is no compound AB; write two chemical symbols"),
        ({"compound": "PbPb"}, "compound", "'PbPb' is no compound AB"),
        ({"compound": "PbXx"}, "compound", "'PbXx' is no compound AB"),
        ({"compound": "PbX"}, "compound", "'PbX' is no compound AB"),
        ({"compound": "CdSe"}, None, "CdSe is not known as rock salt, which particles are cut from; give another"),
        ({"compound": "CsCl", "lattice_constant": 4.12}, None, "CsCl is not known as rock salt"),
        ({"compound": "ZnO", "lattice_constant": 4.28}, None, "say as_rocksalt: true if your sample is"),
        ({"compound": "GaAs", "lattice_constant": 5.65}, None, "qdsim pattern FILE.cif --diameter"),
        ({"compound": "SPb"}, None, "'SPb' has the anion first; write PbS"),
        ({"compound": "PbTe"}, None, "the lattice_constant of PbTe is missing; give it in Å"),
        ({"compound": "CdSe", "as_rocksalt": True}, None, "the lattice_constant of CdSe is missing"),
        ({"centre": "corner"}, "centre", "'corner' is no centre; use cation, anion, bond, void"),
        ({"shape": "egg"}, None, "Unknown shape 'egg': use sphere"),
        ({"shape": {"1000": 1.0}}, None, "'1000' is no family of facets"),
        ({"shape": {"100": -1.0}}, None, "give a positive number"),
        ({"shape": {}}, None, "The shape has no facets"),
        ({"elongation": 0.0}, "elongation", "greater than 0"),
        ({"elongation": 1.2, "axis": (0.0, 0.0, 0.0)}, None, "give a direction such as"),
        ({"radius": 15.0}, "radius", "Extra inputs are not permitted"),
    ],
)
def test_impossible_models_are_refused_in_one_sentence(fields: dict[str, Any], place: str | None, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NanocrystalModel(**({"diameter": 30.0} | fields))
    [error] = caught.value.errors()
    assert error["loc"] == ((place,) if place else ())
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("compound", "edge"),
    [("PbS", 5.936), ("PbSe", 6.124), ("PbTe", 6.462), ("SnTe", 6.32), ("GeTe", 6.0), ("NaCl", 5.64), ("MgO", 4.21)],
)
def test_rock_salt_compounds_need_their_own_lattice_constant(compound: str, edge: float) -> None:
    model = NanocrystalModel(compound=compound, diameter=30.0, lattice_constant=edge)
    assert model.compound == model.cation + model.anion
    assert model.with_values({"diameter": 40.0}).lattice_constant == edge
    assert NanocrystalModel.model_validate(model.model_dump()) == model


def test_a_compound_may_be_rock_salt_by_choice() -> None:
    model = NanocrystalModel(compound="CdSe", as_rocksalt=True, diameter=30.0, lattice_constant=5.54)
    assert (model.cation, model.anion) == ("Cd", "Se")
    assert NanocrystalModel.model_validate_json(model.model_dump_json()) == model
