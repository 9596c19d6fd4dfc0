"""Born charges and eps_inf of ions that answer a field in closed form."""

import numpy as np
import pytest
from ase import Atoms
from ase.units import Debye
from scipy import constants

from qdsim.analysis.phonon_results import FiniteFieldSettings
from qdsim.analysis.polarisation import Response, born_charges, check_gap, field_supercell
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

SETTINGS = FiniteFieldSettings(cation="Pb", anion="S", repeats=(2, 2, 2), field=0.01)
CRYSTAL = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S")
CHARGES = {"Pb": 4.4, "S": -4.4}
EPS_INF = 16.0


@pytest.fixture(scope="module")
def supercell() -> Atoms:
    return field_supercell(CRYSTAL, SETTINGS)


def response(supercell: Atoms, strength: float, **charges: float) -> Response:
    """Return ions of these charges in a polarisable medium, with forces and a dipole that no field gives."""
    forces = np.tile([0.02, 0.01, -0.03], (len(supercell), 1))
    forces[:, 0] += [{**CHARGES, **charges}[symbol] * strength for symbol in supercell.symbols]
    forces[:, 0] += 0.1 * strength**2
    per_volume = (EPS_INF - 1) * constants.epsilon_0 * strength * 1e10 / constants.e * 1e-20
    return Response(forces, np.array([5.0, 1.0, 0.0]) + np.array([per_volume * supercell.get_volume() / Debye, 0, 0]))


def test_the_supercell_has_its_axes_along_those_of_the_cube(supercell: Atoms) -> None:
    assert len(supercell) == 64
    np.testing.assert_allclose(supercell.cell.array, 12.0 * np.eye(3), atol=1e-9)


def test_charges_and_dielectric_constant_are_those_of_the_ions(supercell: Atoms) -> None:
    found = born_charges(supercell, SETTINGS, response(supercell, 0.01), response(supercell, -0.01))
    assert found.born_charges == pytest.approx(CHARGES)
    assert found.eps_inf == pytest.approx(EPS_INF)
    assert found.charge_sum == pytest.approx(0, abs=1e-9)
    assert found.source == (
        "computed: finite field of ±0.01 V/Å (Berry phase), 2 × 2 × 2 conventional cells (64 atoms) at Γ"
    )


def test_a_dipole_may_be_off_by_an_electron_times_the_cell(supercell: Atoms) -> None:
    along = response(supercell, 0.01)
    moved = Response(along.forces, np.asarray(along.dipole) - [12.0 / Debye, 0, 0])
    found = born_charges(supercell, SETTINGS, moved, response(supercell, -0.01))
    assert found.eps_inf == pytest.approx(EPS_INF)


def test_what_misses_the_sum_rule_is_told_or_refused(supercell: Atoms) -> None:
    pair = [response(supercell, strength, S=-4.36) for strength in (0.01, -0.01)]
    found = born_charges(supercell, SETTINGS, *pair)
    assert found.charge_sum == pytest.approx(0.04)
    assert found.born_charges == pytest.approx({"Pb": 4.38, "S": -4.38})
    pair = [response(supercell, strength, S=-4.0) for strength in (0.01, -0.01)]
    with pytest.raises(QdsimError, match=r"add up to 0.40 e, and should to 0"):
        born_charges(supercell, SETTINGS, *pair)


def test_a_medium_that_screens_the_wrong_way_is_refused(supercell: Atoms) -> None:
    along, against = (response(supercell, strength) for strength in (0.01, -0.01))
    with pytest.raises(QdsimError, match=r"eps_inf = -14.00, and no crystal has less than 1"):
        born_charges(
            supercell, SETTINGS, Response(along.forces, against.dipole), Response(against.forces, along.dipole)
        )


def test_a_distorted_crystal_is_refused() -> None:
    distorted = RhombohedralState.from_lattice_constant(6.0, 59.5, 0.2).to_atoms("Pb", "S")
    with pytest.raises(QdsimError, match=r"distorted \(59.500°, offset 0.200 Å\)"):
        field_supercell(distorted, SETTINGS)


@pytest.mark.parametrize(
    ("gap", "message"),
    [
        (None, "has no gap"),
        (0.0, "has no gap"),
        (0.1, r"differs by 0.120 eV across the cell, and the gap is 0.100 eV: take a field below 0.0083 V/Å"),
    ],
)
def test_a_field_that_closes_the_gap_is_refused(supercell: Atoms, gap: float | None, message: str) -> None:
    check_gap(0.13, supercell, SETTINGS)
    with pytest.raises(QdsimError, match=message):
        check_gap(gap, supercell, SETTINGS)
