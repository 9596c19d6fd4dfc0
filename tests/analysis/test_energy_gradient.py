import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.units import GPa

from qdsim.analysis.relaxation import energy_gradient
from qdsim.structures import RhombohedralState
from qdsim.structures.rocksalt import Supercell

FloatArray = npt.NDArray[np.float64]
STATES = [
    RhombohedralState(53.0, 60.0, 0.0),
    RhombohedralState(57.3, 59.4, 0.2),
    RhombohedralState(57.3, 61.5, -0.35),
    RhombohedralState(45.0, 57.0, 0.1),
]
SUPERCELLS: list[Supercell] = ["primitive", "conventional", [[1, 0, 1], [0, 2, 0], [-1, 0, 2]]]


def computed(state: RhombohedralState, supercell: Supercell) -> Atoms:
    atoms = state.to_atoms("Pb", "S", supercell)
    atoms.calc = LennardJones(sigma=2.6, epsilon=0.2, rc=9.0, ro=7.0, smooth=True)
    return atoms


def energy(volume: float, alpha: float, offset: float, supercell: Supercell) -> float:
    atoms = computed(RhombohedralState(volume, alpha, offset), supercell)
    total: float = atoms.get_potential_energy()
    return 2 * total / len(atoms)


def gradient(
    state: RhombohedralState, supercell: Supercell, net_force: tuple[float, float, float] = (0, 0, 0)
) -> tuple[float, float]:
    atoms = computed(state, supercell)
    stress = atoms.get_stress(voigt=False) / GPa
    return energy_gradient(state, atoms.get_forces() + np.array(net_force), stress, atoms.symbols == "Pb")


@pytest.mark.parametrize("supercell", SUPERCELLS, ids=str)
@pytest.mark.parametrize("state", STATES, ids=str)
def test_it_is_the_finite_difference_of_the_energy(state: RhombohedralState, supercell: Supercell) -> None:
    v, alpha, offset = state.volume, state.alpha, state.offset
    h = 1e-3
    by_alpha = (energy(v, alpha + h, offset, supercell) - energy(v, alpha - h, offset, supercell)) / (2 * h)
    by_offset = (energy(v, alpha, offset + h, supercell) - energy(v, alpha, offset - h, supercell)) / (2 * h)
    found = gradient(state, supercell)
    assert found[0] == pytest.approx(by_alpha, abs=2e-7)
    assert found[1] == pytest.approx(by_offset, abs=2e-5)


def test_holding_the_offset_matters() -> None:
    state = STATES[1]
    atoms = computed(state, "primitive")
    fixed_fractional = state.volume * float(np.sum(atoms.get_stress(voigt=False) * state.strain_per_degree))
    assert abs(fixed_fractional - gradient(state, "primitive")[0]) > 5e-4


def test_the_centred_cubic_crystal_has_no_gradient() -> None:
    assert gradient(STATES[0], "conventional") == pytest.approx((0, 0), abs=1e-12)


def test_a_net_force_is_no_gradient() -> None:
    state = STATES[1]
    assert gradient(state, "conventional", (0.1, -0.2, 0.3)) == pytest.approx(
        gradient(state, "conventional"), abs=1e-12
    )


@pytest.mark.parametrize(
    ("forces", "stress", "cations"),
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), [True, False, False]),
        (np.zeros((2, 3)), np.zeros(6), [True, False]),
        (np.zeros((2, 3)), np.zeros((3, 3)), [True, True]),
        (np.zeros((3, 3)), np.zeros((3, 3)), [True, False, False]),
    ],
)
def test_arrays_that_do_not_fit_are_a_programming_error(
    forces: FloatArray, stress: FloatArray, cations: list[bool]
) -> None:
    with pytest.raises(ValueError, match=r"fit|as many"):
        energy_gradient(STATES[0], forces, stress, cations)
