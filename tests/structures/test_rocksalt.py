from typing import Any

import numpy as np
import pytest
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qdsim.errors import QdsimError
from qdsim.structures import (
    POLAR_AXIS,
    RhombohedralState,
    measure_distortion,
    rocksalt_compounds,
    supercell_matrix,
)
from qdsim.structures.distortion import CENTRED
from qdsim.structures.rocksalt import Supercell

states = st.builds(
    RhombohedralState,
    volume=st.floats(35, 90),
    alpha=st.one_of(st.just(60.0), st.floats(55, 65)),
    offset=st.one_of(st.just(0.0), st.floats(-0.5, 0.5)),
)


def test_cubic_cell_is_the_textbook_one() -> None:
    state = RhombohedralState.from_lattice_constant(6.0)
    assert state.volume == 54.0
    np.testing.assert_allclose(state.cell, 3.0 * (1 - np.eye(3)), atol=1e-13)


@settings(deadline=None)
@given(states)
def test_cell_has_the_volume_and_angle_asked_for(state: RhombohedralState) -> None:
    assert np.linalg.det(state.cell) == pytest.approx(state.volume, rel=1e-13)
    v1, v2, _ = state.cell
    assert np.degrees(np.arccos(v1 @ v2 / (v1 @ v1))) == pytest.approx(state.alpha, abs=1e-11)
    assert 4 * state.volume == pytest.approx(state.lattice_constant**3)


@settings(deadline=None)
@given(states)
def test_cell_derivative_is_that_of_the_cell(state: RhombohedralState) -> None:
    h = 1e-4
    above, below = (RhombohedralState(state.volume, state.alpha + d).cell for d in (h, -h))
    np.testing.assert_allclose(state.cell_alpha_derivative, (above - below) / (2 * h), atol=1e-8)
    assert np.trace(state.strain_per_degree) == pytest.approx(0, abs=1e-15)


@settings(deadline=None)
@given(states, st.sampled_from(["primitive", "conventional", (2, 1, 1), [[1, 0, 2], [0, 1, 1], [-1, 0, 1]]]))
def test_from_atoms_inverts_to_atoms(state: RhombohedralState, supercell: Supercell) -> None:
    found = RhombohedralState.from_atoms(state.to_atoms("Pb", "S", supercell))
    assert found.volume == pytest.approx(state.volume, abs=1e-10)
    assert found.alpha == pytest.approx(state.alpha, abs=1e-10)
    assert found.offset == pytest.approx(state.offset, abs=1e-10)


@settings(deadline=None)
@given(states)
def test_the_cation_moves_along_111(state: RhombohedralState) -> None:
    atoms, centred = (s.to_atoms("Pb", "S") for s in (state, RhombohedralState(state.volume, state.alpha)))
    np.testing.assert_allclose(atoms.positions[1], 0, atol=1e-13)
    moved = atoms.get_distances(0, 1, mic=True, vector=True)[0] - centred.get_distances(0, 1, mic=True, vector=True)[0]
    moved = np.linalg.solve(state.cell.T, moved)
    np.testing.assert_allclose((moved - np.round(moved)) @ state.cell, -state.offset * POLAR_AXIS, atol=1e-12)


@settings(deadline=None)
@given(states, st.sampled_from(["primitive", "conventional"]))
@example(RhombohedralState(35.0, offset=-6e-8), "primitive")
def test_bond_lengths_are_distances_to_the_six_neighbours(state: RhombohedralState, supercell: Supercell) -> None:
    short, long = state.bond_lengths
    assert short <= long
    atoms = state.to_atoms("Pb", "S", supercell)
    lead, sulphur, distances = neighbor_list("ijd", atoms, {("Pb", "S"): 4.2})
    for atom in np.flatnonzero(atoms.symbols == "Pb"):
        assert set(atoms.symbols[sulphur[lead == atom]]) == {"S"}
        neighbours = np.sort(distances[lead == atom])[:6]
        np.testing.assert_allclose(neighbours, [short] * 3 + [long] * 3, atol=1e-10)
    distortion = measure_distortion(atoms)
    # Of an offset that counts as none, the bonds towards (1, 1, 1) go by the name of the short ones.
    measured = (long, short) if -CENTRED <= state.offset < 0 else (short, long)
    assert (distortion.bond_short, distortion.bond_long) == pytest.approx(measured, abs=1e-10)


@pytest.mark.parametrize(
    ("supercell", "n_atoms"),
    [("primitive", 2), ("conventional", 8), ((2, 2, 2), 64), ([1, 1, 3], 24), (2 * np.eye(3, dtype=int), 16)],
)
def test_supercells_hold_the_right_number_of_atoms(supercell: Supercell, n_atoms: int) -> None:
    atoms = RhombohedralState(53.0, 59.5, 0.1).to_atoms("Pb", "Te", supercell)
    assert atoms.get_chemical_symbols() == ["Pb"] * (n_atoms // 2) + ["Te"] * (n_atoms // 2)
    assert atoms.get_volume() == pytest.approx(53.0 * n_atoms / 2)
    assert atoms.pbc.all()


def test_the_conventional_cell_of_rock_salt_is_a_cube() -> None:
    atoms = RhombohedralState.from_lattice_constant(5.936).to_atoms("Pb", "S", "conventional")
    np.testing.assert_allclose(atoms.cell.array, 5.936 * np.eye(3), atol=1e-13)


def test_a_named_supercell_cannot_be_altered_from_outside() -> None:
    supercell_matrix("conventional")[0, 0] = 7
    assert supercell_matrix("conventional")[0, 0] == -1


@pytest.mark.parametrize(
    ("supercell", "message"),
    [
        ("cubic", "Unknown supercell 'cubic'"),
        ((1.5, 1, 1), "neither three integers"),
        ((1, 2), "neither three integers"),
        (("a", "b", "c"), "neither three integers"),
        ((0, 1, 1), "a repeat below 1"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], "singular"),
    ],
)
def test_no_supercell_is_refused(supercell: Any, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        supercell_matrix(supercell)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0.0,), "volume"),
        ((-1.0,), "volume"),
        ((float("nan"),), "volume"),
        ((53.0, 0.0), "angle"),
        ((53.0, 120.0), "angle"),
        ((53.0, float("nan")), "angle"),
        ((53.0, 60.0, float("inf")), "offset"),
    ],
)
def test_no_state_is_refused(numbers: tuple[float, ...], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        RhombohedralState(*numbers)


def test_one_element_is_no_compound() -> None:
    with pytest.raises(QdsimError, match="both Pb"):
        RhombohedralState(53.0).to_atoms("Pb", "Pb")


def test_rock_salt_compounds_are_of_elements_and_name_the_cation_first() -> None:
    known = rocksalt_compounds()
    assert {(cation, anion) for cation in ("Pb",) for anion in ("S", "Se", "Te")} <= known
    assert {element for pair in known for element in pair} <= set(chemical_symbols[1:])
    assert not {pair[::-1] for pair in known} & known
    # zincblende, wurtzite, CsCl, NiAs and layered ones
    others = ["Cd S", "Cd Se", "Cd Te", "Zn O", "Zn S", "Ga As", "Cs Cl", "Cs I", "Tl Br", "Fe S", "Mn Te", "Be O"]
    assert not {(name.split()[0], name.split()[1]) for name in [*others, "Sn S", "Sn Se", "Ge S", "Ag I"]} & known
