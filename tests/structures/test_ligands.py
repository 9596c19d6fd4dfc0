from math import inf, nan, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, Shape, cut_rocksalt, ligand_coverage

numbers = st.floats(0, 1e5)


def test_the_ligands_balance_the_charge() -> None:
    assert ligand_coverage(110, 100, 1000.0) == pytest.approx(2.0)  # 20 oleates on 10 nm^2
    assert ligand_coverage(110.5, 100.25, 1000.0) == pytest.approx(2.05)
    assert ligand_coverage(100, 100, 1000.0) == 0


def test_an_excess_of_anions_would_need_cationic_ligands() -> None:
    assert ligand_coverage(100, 105, 1000.0) == pytest.approx(-1.0)
    assert ligand_coverage(100, 105, 1000.0, ligand_charge=1) == pytest.approx(1.0)


def test_ions_and_ligands_of_other_charges() -> None:
    assert ligand_coverage(100, 140, 1000.0, cation_charge=3) == pytest.approx(2.0)
    assert ligand_coverage(110, 200, 1000.0, anion_charge=-1) == pytest.approx(2.0)
    assert ligand_coverage(110, 100, 1000.0, ligand_charge=-2) == pytest.approx(1.0)


@given(numbers, numbers, st.floats(1, 1e6), st.sampled_from([-2, -1, 1, 2]))
def test_the_particle_with_its_ligands_is_neutral(cations: float, anions: float, area: float, charge: int) -> None:
    ligands = ligand_coverage(cations, anions, area, ligand_charge=charge) * area / 100
    assert 2 * cations - 2 * anions + charge * ligands == pytest.approx(0, abs=1e-9 * (1 + cations + anions))


def test_a_lead_deficient_core_in_a_sulfur_deficient_shell_carries_two_oleates_per_square_nanometre() -> None:
    state = RhombohedralState.from_lattice_constant(5.936)
    particle = cut_rocksalt("Pb", "S", state, "sphere", 50.0, shell_thickness=3.0)
    occupancies = np.array([[0.97, 1.0], [1.0, 0.72]])  # rows: Pb0.97S core, PbS0.72 shell; columns: Pb, S
    occupied = occupancies[particle.points.regions, particle.points.sites]
    lead, sulfur = np.bincount(particle.points.sites, occupied)
    area = Shape.from_name("sphere").surface_area(50.0)
    assert area == pytest.approx(pi * 50.0**2)
    assert ligand_coverage(lead, sulfur, area) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cations": -1}, "number of cations is -1"),
        ({"cations": nan}, "number of cations is nan"),
        ({"anions": inf}, "number of anions is inf"),
        ({"area": 0.0}, "surface of the particle is 0.0"),
        ({"area": nan}, "surface of the particle is nan"),
        ({"cation_charge": -2}, "charge of the cation is -2"),
        ({"anion_charge": 2}, "charge of the anion is 2"),
        ({"anion_charge": nan}, "charge of the anion is nan"),
        ({"ligand_charge": 0}, "charge of the ligand is 0"),
        ({"ligand_charge": inf}, "charge of the ligand is inf"),
    ],
)
def test_impossible_numbers_are_refused(arguments: dict[str, float], message: str) -> None:
    defaults: dict[str, float] = {"cations": 110, "anions": 100, "area": 1000.0}
    with pytest.raises(QdsimError, match=message):
        ligand_coverage(**defaults | arguments)
