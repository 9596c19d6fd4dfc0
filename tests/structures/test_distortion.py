import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qdsim.errors import QdsimError
from qdsim.structures import POLAR_AXIS, RhombohedralState, measure_distortion

PAPER = RhombohedralState(52.87, 60.0, 0.12)
integers = st.integers(-3, 3)
matrices = st.lists(st.lists(integers, min_size=3, max_size=3), min_size=3, max_size=3).map(np.array)
resolved = st.floats(1e-5, 0.5)
states = st.builds(
    RhombohedralState,
    volume=st.floats(35, 90),
    alpha=st.one_of(st.just(60.0), st.floats(55, 65)),
    offset=st.one_of(st.just(0.0), resolved, resolved.map(lambda offset: -offset)),
)


def test_the_bonds_of_the_smallest_measured_dots() -> None:
    found = measure_distortion(PAPER.to_atoms("Pb", "S"))
    assert found.bond_short == pytest.approx(2.911, abs=5e-4)
    assert found.bond_long == pytest.approx(3.050, abs=5e-4)
    assert found.space_group == "R3m (160)"
    assert found.n_formula_sites == 1
    assert found.vacancies == {"Pb": 0, "S": 0}


@settings(deadline=None)
@given(state=states, matrix=matrices, seed=st.integers(0, 2**32 - 1))
def test_any_supercell_in_any_order_and_orientation(
    state: RhombohedralState, matrix: npt.NDArray[np.int64], seed: int
) -> None:
    n_sites = abs(round(np.linalg.det(matrix)))
    assume(0 < n_sites <= 30)
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(random_state=seed).as_matrix()
    atoms = state.to_atoms("Pb", "S", matrix)
    atoms.positions += rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array + rng.normal(size=3)
    atoms.set_cell(atoms.cell.array @ rotation.T)
    atoms.positions = atoms.positions @ rotation.T
    found = measure_distortion(atoms[rng.permutation(len(atoms))])

    assert found.volume == pytest.approx(state.volume, abs=1e-10)
    assert found.alpha_rh == pytest.approx(state.alpha, abs=1e-10)
    assert found.alpha_rh_spread == pytest.approx(0, abs=1e-10)
    assert found.offset == pytest.approx(abs(state.offset), abs=1e-10)
    np.testing.assert_allclose(found.offset_vector, state.offset * rotation @ POLAR_AXIS, atol=1e-10)
    assert found.offset_spread == pytest.approx(0, abs=1e-10)
    assert found.n_formula_sites == n_sites
    reference = measure_distortion(state.to_atoms("Pb", "S"))
    assert found.bond_short == pytest.approx(reference.bond_short, abs=1e-10)
    assert found.bond_long == pytest.approx(reference.bond_long, abs=1e-10)
    assert found.bond_short_spread == pytest.approx(0, abs=1e-10)


@settings(deadline=None)
@given(states.filter(lambda state: abs(state.offset) > 1e-3))
def test_the_axis_is_the_way_the_cations_went_and_short_bonds_lie_along_it(state: RhombohedralState) -> None:
    found = measure_distortion(state.to_atoms("Pb", "S", "conventional"))
    np.testing.assert_allclose(found.axis, np.sign(state.offset) * POLAR_AXIS, atol=1e-10)
    bonds = state.to_atoms("Pb", "S", (2, 2, 2)).get_all_distances(mic=True)[0]
    shortest = np.sort(bonds[bonds > 0])[:6]
    assert found.bond_short == pytest.approx(shortest[:3].mean(), abs=1e-10)
    assert found.bond_long == pytest.approx(shortest[3:].mean(), abs=1e-10)


@pytest.mark.parametrize("axis", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1), (1, -1, -1)])
def test_every_111_axis_of_a_cubic_cell_is_found(axis: tuple[int, int, int]) -> None:
    atoms = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")
    direction = np.array(axis) / np.sqrt(3)
    atoms.positions[:4] += 0.1 * direction
    found = measure_distortion(atoms)
    assert found.offset == pytest.approx(0.1, abs=1e-10)
    np.testing.assert_allclose(found.axis, direction, atol=1e-10)
    assert found.bond_short < found.bond_long


@pytest.mark.parametrize(("alpha", "group"), [(60.0, "Fm-3m (225)"), (59.0, "R-3m (166)")])
def test_the_space_group_of_centred_crystals(alpha: float, group: str) -> None:
    found = measure_distortion(RhombohedralState(54.0, alpha).to_atoms("Pb", "S", "conventional"))
    assert found.space_group == group
    assert found.bond_short == pytest.approx(found.bond_long, abs=1e-12)


def test_vacancies_leave_the_averages() -> None:
    state = RhombohedralState(54.0, 59.5, 0.12)
    atoms = state.to_atoms("Pb", "S", (3, 3, 3))
    del atoms[[0, 5, 17, 40, 110, 120, 200]]
    found = measure_distortion(atoms)
    assert found.vacancies == {"Pb": 4, "S": 3}
    assert found.n_formula_sites == 108
    assert found.volume == pytest.approx(54.0, abs=1e-10)
    assert found.alpha_rh == pytest.approx(59.5, abs=1e-10)
    assert found.offset == pytest.approx(0.12, abs=1e-10)
    assert found.bond_short == pytest.approx(measure_distortion(state.to_atoms("Pb", "S")).bond_short, abs=1e-10)


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_many_vacancies_in_both_sublattices(share: float) -> None:
    rng = np.random.default_rng(3)
    atoms = RhombohedralState(54.0, 59.5, 0.12).to_atoms("Pb", "S", (3, 3, 3))
    atoms = atoms[rng.random(len(atoms)) > share]
    atoms.rattle(0.05, seed=4)
    found = measure_distortion(atoms)
    assert found.vacancies == {element: 108 - np.count_nonzero(atoms.symbols == element) for element in ("Pb", "S")}
    assert found.offset == pytest.approx(0.12, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_displaced_atoms_give_averages_and_spreads(seed: int) -> None:
    state = RhombohedralState(54.0, 59.5, 0.15)
    atoms = state.to_atoms("Pb", "S", (4, 4, 4))
    atoms.rattle(0.1, seed=seed)
    found = measure_distortion(atoms)
    assert found.volume == pytest.approx(54.0, abs=1e-10)
    assert found.alpha_rh == pytest.approx(59.5, abs=1e-10)
    assert found.offset == pytest.approx(0.15, abs=0.03)
    assert found.offset_spread == pytest.approx(0.1 * np.sqrt(3), rel=0.1)
    assert found.bond_short_spread == pytest.approx(0.1 * np.sqrt(2), rel=0.15)
    assert found.space_group_number == 1


def test_a_shear_that_is_not_rhombohedral_spreads_the_angles() -> None:
    atoms = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")
    atoms.set_cell(atoms.cell.array @ np.diag([1.01, 1.0, 1.0]), scale_atoms=True)
    assert measure_distortion(atoms).alpha_rh_spread > 0.3


def test_a_left_handed_cell() -> None:
    atoms = PAPER.to_atoms("Pb", "S", [[0, 1, 0], [1, 0, 0], [0, 0, 2]])
    assert atoms.cell.handedness == -1
    assert measure_distortion(atoms).offset == pytest.approx(0.12, abs=1e-10)


def test_the_cation_is_found_or_named() -> None:
    atoms = PAPER.to_atoms("Pb", "S")
    assert measure_distortion(atoms).vacancies.keys() == {"Pb", "S"}
    named = measure_distortion(atoms, cation="S")
    np.testing.assert_allclose(named.offset_vector, -0.12 * POLAR_AXIS, atol=1e-12)
    with pytest.raises(QdsimError, match="not clear which of Pb and Sn"):
        measure_distortion(PAPER.to_atoms("Pb", "Sn"))
    with pytest.raises(QdsimError, match="has no Te: name Pb or S"):
        measure_distortion(atoms, cation="Te")


def molecule() -> Atoms:
    return Atoms("PbS", [[0, 0, 0], [0, 0, 3]], cell=[6, 6, 6])


def two_on_one_site() -> Atoms:
    atoms = PAPER.to_atoms("Pb", "S", (2, 2, 2))
    atoms.positions[0] = atoms.positions[1] + [0.6, 0, 0]
    return atoms


def between_sites() -> Atoms:
    atoms = PAPER.to_atoms("Pb", "S", (2, 2, 2))
    atoms.positions[0] += [1.5, 1.5, 0]
    return atoms


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (molecule(), "not periodic"),
        (bulk("Pb", "fcc", a=5.0), "has the elements Pb: "),
        (bulk("ZnS", "zincblende", a=5.4), "not rock salt: Zn is 2.34 Å from the midpoint"),
        (bulk("CsCl", "cesiumchloride", a=4.1), "not a rock-salt crystal"),
        (bulk("ZnS", "wurtzite", a=3.8, c=6.2), "not a rock-salt crystal"),
        (two_on_one_site(), "share one site"),
        (between_sites(), "an atom of Pb is 2.0"),
        (Atoms("PbS", [[0, 0, 0], [0, 0, 0.1]], cell=[6, 6, 6], pbc=True), "Two atoms are on one place"),
    ],
)
def test_what_is_no_rock_salt_is_refused(atoms: Atoms, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        measure_distortion(atoms)
