"""Lattice dynamics of a crystal of springs, whose frequencies and displacements are known in closed form."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from scipy import constants

from qdsim.analysis.phonon_results import Nonanalytic, PhononSettings, PhononState
from qdsim.analysis.phonons import describe_phonons, displaced_supercells
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

FloatArray = npt.NDArray[np.float64]
STATE = RhombohedralState.from_lattice_constant(5.98)
PRIMITIVE = STATE.to_atoms("Pb", "S")
SETTINGS = PhononSettings(cation="Pb", anion="S", supercell=(2, 2, 2), mesh=12, temperatures=(300.0, 3000.0))
SPRING = 1.3
"""eV/Å^2 between nearest neighbours, in every direction."""
UNIT = np.sqrt(constants.e / (constants.atomic_mass * 1e-20)) / (2 * np.pi * constants.c * 100)
"""cm^-1 of a root of eV/(amu Å^2)."""
MASSES = {"Pb": 207.2, "S": 32.065}


def forces(moved: Atoms, at_rest: Atoms, spring: float = SPRING) -> FloatArray:
    """Return those of springs to the six neighbours."""
    displacement = moved.positions - at_rest.positions
    first, second = neighbor_list("ij", at_rest, 1.1 * 5.98 / 2)
    found: FloatArray = np.zeros(displacement.shape)
    np.add.at(found, first, spring * (displacement[second] - displacement[first]))
    return found


def describe(settings: PhononSettings = SETTINGS, spring: float = SPRING) -> tuple[PhononState, str]:
    at_rest, moved = displaced_supercells(PRIMITIVE, settings)
    # What the grid of a real calculation adds to all of them is taken off.
    residual = np.full((len(at_rest), 3), 1e-4)
    return describe_phonons(PRIMITIVE, settings, residual, [forces(one, at_rest, spring) + residual for one in moved])


def test_symmetry_leaves_one_displacement_of_each_element() -> None:
    at_rest, moved = displaced_supercells(PRIMITIVE, SETTINGS)
    assert len(at_rest) == 16
    assert len(moved) == 2
    for one in moved:
        shifts = np.linalg.norm(one.positions - at_rest.positions, axis=1)
        assert sorted(shifts)[-2:] == pytest.approx([0.0, 0.01], abs=1e-9)


def test_optical_mode_at_gamma_is_that_of_six_springs() -> None:
    state, _ = describe()
    reduced = MASSES["Pb"] * MASSES["S"] / sum(MASSES.values())
    assert state.gamma.transverse_optical == pytest.approx(UNIT * np.sqrt(6 * SPRING / reduced), rel=1e-3)
    assert state.gamma.antiphase == pytest.approx(1)
    assert abs(state.gamma.acoustic) < 0.1
    assert state.gamma.sum_rule < 1e-6
    assert state.gamma.longitudinal_optical is None
    assert state.stable
    assert state.residual_force == pytest.approx(1e-4 * np.sqrt(3))


def test_displacements_are_those_of_the_dynamical_matrix() -> None:
    """Of springs in every direction, each component is a scalar model of two atoms."""
    state, _ = describe()
    n = SETTINGS.mesh
    q = (np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / n
    half = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    k = 2 * np.pi * q @ np.linalg.inv(half).T
    coupling = 2 * np.cos(k / 2).sum(axis=1)
    heavy, light = MASSES["Pb"], MASSES["S"]
    dynamical = np.zeros((len(q), 2, 2))
    dynamical[:, 0, 0], dynamical[:, 1, 1] = 6 * SPRING / heavy, 6 * SPRING / light
    dynamical[:, 0, 1] = dynamical[:, 1, 0] = -SPRING * coupling / np.sqrt(heavy * light)
    squares, vectors = np.linalg.eigh(dynamical)
    omega = np.sqrt(squares * constants.e / (constants.atomic_mass * 1e-20))
    for thermal in state.thermal:
        x = constants.hbar * omega / (2 * constants.k * thermal.temperature)
        energy = constants.hbar / (2 * omega * constants.atomic_mass) / np.tanh(x) * 1e20
        for i, (symbol, mass) in enumerate(MASSES.items()):
            expected = float((vectors[:, i, :] ** 2 * energy).sum(axis=1).mean() / mass)
            assert thermal.u_iso[symbol] == pytest.approx(expected, rel=2e-3)
            assert thermal.b_iso[symbol] == pytest.approx(8 * np.pi**2 * thermal.u_iso[symbol])
    hot = state.thermal[-1]
    assert hot.heat_capacity == pytest.approx(6 * constants.k / constants.e * 1e3, rel=2e-3)


def test_density_of_states_counts_all_modes() -> None:
    density = describe()[0].density_of_states
    assert np.trapezoid(density.total, density.frequencies) == pytest.approx(6, rel=0.02)
    assert np.trapezoid(density.by_element["S"], density.frequencies) == pytest.approx(3, rel=0.02)


def test_bands_join_at_the_special_points() -> None:
    bands = describe()[0].bands
    assert [(one.start, one.end) for one in bands[:2]] == [("Γ", "X"), ("X", "U")]
    ends = [sorted(branch[-1] for branch in bands[0].frequencies), sorted(b[0] for b in bands[1].frequencies)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-3)
    assert bands[0].distances[-1] == pytest.approx(2 * np.pi / 5.98, rel=1e-6)


def test_an_unstable_crystal_has_no_thermal_state() -> None:
    state, _ = describe(spring=-SPRING)
    assert not state.stable
    assert state.thermal == ()
    assert state.gamma.transverse_optical < -100
    assert state.message is not None
    assert "imaginary" in state.message


def test_born_charges_split_the_optical_modes() -> None:
    """omega_LO^2 - omega_TO^2 = Z*^2 e^2/(eps_0 eps_inf mu V) (Cochran and Cowley)."""
    given = Nonanalytic(born_charges={"Pb": 4.4, "S": -4.4}, eps_inf=17.0)
    gamma = describe(SETTINGS.model_copy(update={"nonanalytic": given}))[0].gamma
    reduced = MASSES["Pb"] * MASSES["S"] / sum(MASSES.values())
    added = 4.4**2 * constants.e / (constants.epsilon_0 * 17 * reduced * STATE.volume * 1e-10)
    assert gamma.longitudinal_optical is not None
    found = (gamma.longitudinal_optical**2 - gamma.transverse_optical**2) / UNIT**2
    assert found == pytest.approx(added, rel=1e-3)
    with pytest.raises(ValueError, match="add up to 1 e"):
        Nonanalytic(born_charges={"Pb": 4.4, "S": -3.4}, eps_inf=17.0)


def test_the_parameter_file_is_phonopys(tmp_path: Path) -> None:
    import phonopy

    state, text = describe()
    path = tmp_path / "phonopy_params.yaml"
    path.write_text(text)
    loaded = phonopy.load(path)
    frequencies = loaded.run_qpoints([[0, 0, 0]]).frequencies[0] * 1e12 / (100 * constants.c)
    assert max(frequencies) == pytest.approx(max(state.gamma.frequencies))


def test_a_crystal_that_is_not_relaxed_is_refused() -> None:
    at_rest, moved = displaced_supercells(PRIMITIVE, SETTINGS)
    strong = np.zeros((len(at_rest), 3))
    strong[3] = [0, 0, 0.02]
    with pytest.raises(QdsimError, match=r"not relaxed: an atom has a force of 0.0200 eV/Å"):
        describe_phonons(PRIMITIVE, SETTINGS, strong, [forces(one, at_rest) for one in moved])


def test_missing_forces_are_told() -> None:
    at_rest, moved = displaced_supercells(PRIMITIVE, SETTINGS)
    with pytest.raises(QdsimError, match="forces of 1 displaced supercells, and 2 are needed"):
        describe_phonons(PRIMITIVE, SETTINGS, np.zeros((16, 3)), [forces(moved[0], at_rest)])


def test_a_distorted_crystal_has_more_displacements() -> None:
    distorted = RhombohedralState(STATE.volume, 59.3, 0.2).to_atoms("Pb", "S")
    _, moved = displaced_supercells(distorted, SETTINGS)
    assert len(moved) > 2


def test_an_instability_between_the_waves_of_the_supercell_is_told_as_one() -> None:
    """Forces of CP2K: PbS at rest, 3 x 3 x 3 primitive cells; too few for the long-ranged forces along <100>."""
    recorded = json.loads((Path(__file__).parent / "recorded" / "phonon_at_rest.json").read_text(encoding="utf-8"))
    forces = {name: np.array(one) for name, one in recorded["forces"].items()}
    settings = PhononSettings(cation="Pb", anion="S", supercell=(3, 3, 3), distance=0.02, mesh=8, temperatures=(300.0,))
    crystal = RhombohedralState.from_lattice_constant(recorded["lattice_constant"]).to_atoms("Pb", "S")
    moved = [forces[name] for name in ("displaced_00", "displaced_01")]
    state, _ = describe_phonons(crystal, settings, forces["undisplaced"], moved)
    assert state.gamma.transverse_optical == pytest.approx(41.70, abs=0.01)
    assert -20 < state.lowest < -10
    assert not state.thermal
    assert "a larger supercell tells" in (state.message or "")
