from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qdsim.analysis.charge_correction import (
    efnv_correction,
    electrostatic_correction,
    fnv_correction,
    point_charge_potential,
)
from qdsim.analysis.vacancy_results import ChargeCorrection
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

CUBIC = np.eye(3) * 12.016
FCC = (np.ones((3, 3)) - np.eye(3)) * 9.012
SKEW = np.array([[12.0, 0.3, -0.4], [1.9, 13.0, 0.2], [-2.1, 1.4, 14.5]])
TENSOR = np.array([[12.0, 1.5, 0.3], [1.5, 18.0, -0.8], [0.3, -0.8, 25.0]])
VACANT = (0.25, 0.5, 0.75)
E2 = 14.3996454784


@dataclass(frozen=True)
class Model:
    """A Gaussian charge in a polarisable crystal, and the crystal without it.

    The Gaussian is as wide in each direction as the screening makes its field point-like outside of it, where the
    potential energy of an electron is that of a point charge in a neutral, zero-mean lattice, plus the shift.
    """

    cell: FloatArray
    dielectric: float | FloatArray
    charge: int
    shift: float
    width: float = 0.25

    def potentials(self) -> tuple[FloatArray, FloatArray]:
        """Host and defect on a grid, (n, n, n), eV."""
        n = 48
        orders = np.stack(np.meshgrid(*[np.fft.fftfreq(n, 1 / n)] * 3, indexing="ij"), axis=-1)
        waves = orders @ (2 * np.pi * np.linalg.inv(self.cell).T)
        tensor = self.dielectric * np.eye(3) if np.ndim(self.dielectric) == 0 else np.asarray(self.dielectric)
        screened = np.einsum("...i,ij,...j->...", waves, tensor, waves)
        screened[0, 0, 0] = 1
        field = np.exp(-(self.width**2) * screened / 2) / screened
        field[0, 0, 0] = -(self.width**2) / 2
        volume = abs(np.linalg.det(self.cell))
        at_origin = 4 * np.pi * E2 / volume * field * n**3
        of_charge = np.fft.ifftn(at_origin * np.exp(-2j * np.pi * orders @ np.array(VACANT))).real
        fractions = np.indices((n, n, n)) / n
        host = 20 * np.cos(4 * np.pi * fractions).sum(axis=0) + 3 * np.sin(2 * np.pi * fractions[0])
        return host, host - self.charge * of_charge + self.shift

    def fnv(self, **changes: Any) -> ChargeCorrection:
        host, defect = ([values.mean(axis=axes) for axes in ((1, 2), (0, 2), (0, 1))] for values in self.potentials())
        arguments: dict[str, Any] = {"host_averages": host, "defect_averages": defect}
        return fnv_correction(self.charge, self.dielectric, "eps_inf", **(arguments | self._places() | changes))

    def efnv(self, near: float = 0, **changes: Any) -> ChargeCorrection:
        """``near`` is added to the defect's potential at the atoms within 5 Å."""
        sites = np.indices((4, 4, 4)).reshape(3, -1).T * 12
        sites = sites[np.any(sites != np.array(VACANT) * 48, axis=1)]
        host, defect = (values[tuple(sites.T)] for values in self.potentials())
        steps = sites / 48 - VACANT
        images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
        distances = np.linalg.norm((steps[:, None] + images) @ self.cell, axis=-1).min(axis=1)
        arguments: dict[str, Any] = {
            "positions": sites / 48 @ self.cell,
            "host_potentials": host,
            "defect_potentials": defect + near * (distances < 5),
        }
        return efnv_correction(self.charge, self.dielectric, "eps_inf", **(arguments | self._places() | changes))

    def _places(self) -> dict[str, Any]:
        return {"cell": self.cell, "host_cell": self.cell, "vacant_site": VACANT}


@pytest.mark.parametrize("charge", [1, 2, -2])
@pytest.mark.parametrize("method", [Model.fnv, Model.efnv])
def test_electrostatic_term_of_a_cube(method: Any, charge: int) -> None:
    found = method(Model(CUBIC, 17.2, charge, 0.0))
    assert found.electrostatic == pytest.approx(charge**2 * 2.837297 * E2 / (2 * 17.2 * 12.016), rel=1e-4)
    assert (found.dielectric, found.dielectric_kind) == (17.2, "eps_inf")


@pytest.mark.parametrize(
    ("cell", "madelung"),
    [
        (np.eye(3), 2.8372974795),
        (np.ones((3, 3)) - np.eye(3), 4.5848620600 / 2),
        (np.ones((3, 3)) / 2 - np.eye(3), 3.6392334495),
    ],
    ids=["simple cubic", "face-centred", "body-centred"],
)
def test_electrostatic_term_of_the_cubic_lattices(cell: FloatArray, madelung: float) -> None:
    """Constants of the Wigner crystals with the cube's edge as unit: 1, 2 and 1."""
    assert electrostatic_correction(3, 7.0 * cell, 5.0) == pytest.approx(9 * madelung * E2 / (2 * 5 * 7), rel=1e-8)


def test_the_cell_may_be_chosen_otherwise() -> None:
    other = np.array([[1, 2, 0], [0, 1, 3], [0, 0, 1]]) @ SKEW
    assert electrostatic_correction(1, other, TENSOR) == pytest.approx(electrostatic_correction(1, SKEW, TENSOR))
    points = np.random.default_rng(1).uniform(-20, 20, size=(9, 3))
    found = point_charge_potential(points, other, TENSOR)
    assert np.allclose(found, point_charge_potential(points, SKEW, TENSOR))


def test_close_to_the_charge_the_potential_is_its_own_and_that_of_the_images() -> None:
    distance = 0.02
    found = point_charge_potential([(distance, 0, 0)], CUBIC, 17.2)[0] - E2 / 17.2 / distance
    assert found == pytest.approx(-2 * electrostatic_correction(1, CUBIC, 17.2), rel=3e-5)


@pytest.mark.parametrize("charge", [2, -2, 1])
@pytest.mark.parametrize("shift", [0.3, -0.1, 0.0])
@pytest.mark.parametrize(("cell", "dielectric"), [(CUBIC, 17.2), (FCC, 9.0), (SKEW, 15.0), (SKEW, TENSOR)])
def test_alignment_is_charge_times_the_shift_of_the_levels(
    cell: FloatArray, dielectric: float | FloatArray, charge: int, shift: float
) -> None:
    """Levels raised by the shift make taking electrons out of them cheaper by as much in the supercell's energy."""
    model = Model(cell, dielectric, charge, shift)
    fnv, efnv = model.fnv(), model.efnv()
    assert fnv.alignment == pytest.approx(charge * shift, abs=2e-3)
    assert efnv.alignment == pytest.approx(charge * shift, abs=1e-6)
    assert efnv.electrostatic == pytest.approx(fnv.electrostatic, rel=2e-4)
    assert efnv.dielectric == fnv.dielectric
    assert efnv.electrostatic > 0


def test_of_a_tensor_the_constant_with_the_same_electrostatic_term_is_kept() -> None:
    found = Model(SKEW, TENSOR, 2, 0.1).efnv()
    assert 12 < found.dielectric < 25
    assert electrostatic_correction(2, SKEW, found.dielectric) == pytest.approx(found.electrostatic)


def test_what_the_vacancy_does_to_its_neighbours_is_no_alignment() -> None:
    model = Model(CUBIC, 17.2, 2, 0.3)
    assert model.efnv(near=5).alignment == pytest.approx(model.efnv().alignment)


@pytest.mark.parametrize("method", [Model.fnv, Model.efnv])
def test_any_image_of_the_vacant_site_will_do(method: Any) -> None:
    model = Model(SKEW, 15.0, 2, 0.3)
    moved = method(model, vacant_site=(-0.75, 1.5, 2.75))
    assert moved.alignment == pytest.approx(method(model).alignment)


@pytest.mark.parametrize("method", [Model.fnv, Model.efnv])
def test_refuses_a_charge_without_a_dielectric_constant(method: Any) -> None:
    correct = fnv_correction if method is Model.fnv else efnv_correction
    places: dict[str, Any] = {"cell": CUBIC, "host_cell": CUBIC, "vacant_site": VACANT}
    given: dict[str, Any] = (
        {"host_averages": [np.zeros(9)] * 3, "defect_averages": [np.zeros(9)] * 3}
        if method is Model.fnv
        else {"positions": [(6, 6, 6)], "host_potentials": [0], "defect_potentials": [0]}
    )
    with pytest.raises(QdsimError, match=r"charge \+2 needs the dielectric constant of its crystal"):
        correct(2, None, "eps_0", **places, **given)
    with pytest.raises(QdsimError, match=r"neither a positive number nor a symmetric, positive 3 x 3 tensor"):
        correct(2, -3.0, "eps_0", **places, **given)
    with pytest.raises(QdsimError, match=r"neither a positive number nor a symmetric, positive 3 x 3 tensor"):
        correct(2, np.diag([1.0, 2.0]), "eps_0", **places, **given)
    with pytest.raises(ValueError, match="neutral"):
        correct(0, 10.0, "eps_0", **places, **given)


@pytest.mark.parametrize("method", [Model.fnv, Model.efnv])
def test_refuses_different_cells(method: Any) -> None:
    model = Model(CUBIC, 17.2, 2, 0.3)
    assert method(model, host_cell=CUBIC + 1e-4).alignment == pytest.approx(0.6, abs=2e-3)
    with pytest.raises(QdsimError, match=r"Vacancy and host have different cells .*12\.016.*12\.136"):
        method(model, host_cell=CUBIC * 1.01)


def test_refuses_different_grids() -> None:
    with pytest.raises(QdsimError, match=r"different grids, \(40, 48, 48\) and \(48, 48, 48\)"):
        Model(CUBIC, 17.2, 2, 0.3).fnv(host_averages=[np.zeros(40), np.zeros(48), np.zeros(48)])


def test_refuses_a_supercell_without_a_distant_atom() -> None:
    with pytest.raises(QdsimError, match=r"No atom is further than 6\.01 Å from the vacancy"):
        Model(CUBIC, 17.2, 2, 0.3).efnv(positions=[(3, 6, 7)], host_potentials=[0], defect_potentials=[0])
