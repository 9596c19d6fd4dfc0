from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from ase.units import GPa

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
Volume = TypeVar("Volume", float, FloatArray)

V0, B0, B1, E0 = 6.008**3 / 4, 53.1, 4.3, -376.2
VOLUMES = V0 * np.linspace(0.92, 1.10, 9)


def birch_murnaghan(volume: Volume) -> Volume:
    x: Volume = (V0 / volume) ** (2 / 3)
    return E0 + 9 / 16 * V0 * B0 * GPa * ((x - 1) ** 3 * B1 + (x - 1) ** 2 * (6 - 4 * x))


@pytest.fixture(scope="module")
def exact() -> EquationOfState:
    return fit_birch_murnaghan(VOLUMES[::-1].tolist(), birch_murnaghan(VOLUMES)[::-1].tolist())


def test_exact_data_give_back_their_constants(exact: EquationOfState) -> None:
    assert exact.volume == pytest.approx(V0, rel=1e-7)
    assert exact.lattice_constant == pytest.approx(6.008, rel=1e-7)
    assert exact.energy == pytest.approx(E0, abs=1e-9)
    assert exact.bulk_modulus == pytest.approx(B0, rel=1e-5)
    assert exact.bulk_modulus_derivative == pytest.approx(B1, rel=1e-4)
    assert exact.rms_residual < 1e-9
    assert exact.volumes == sorted(exact.volumes)
    assert exact.energies[0] == pytest.approx(birch_murnaghan(min(VOLUMES)))


def test_standard_errors_are_the_scatter_of_repeated_fits() -> None:
    rng = np.random.default_rng(0)
    noise = 2e-4
    fits = [
        fit_birch_murnaghan(VOLUMES.tolist(), (birch_murnaghan(VOLUMES) + noise * rng.normal(size=9)).tolist())
        for _ in range(400)
    ]
    for name, true in (
        ("volume", V0),
        ("lattice_constant", 6.008),
        ("bulk_modulus", B0),
        ("bulk_modulus_derivative", B1),
    ):
        values = np.array([getattr(fit, name) for fit in fits])
        errors = np.array([getattr(fit, f"{name}_error") for fit in fits])
        assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.1)
        assert values.mean() == pytest.approx(true, abs=4 * values.std() / np.sqrt(400))
    residual = np.sqrt(np.mean([fit.rms_residual**2 for fit in fits]))
    assert residual == pytest.approx(noise * np.sqrt(5 / 9), rel=0.1)


def test_pressure_is_minus_the_derivative_of_the_energy(exact: EquationOfState) -> None:
    for volume in (48.0, V0, 57.0, 60.0):
        h = 1e-3
        slope = (exact.energy_at(volume + h) - exact.energy_at(volume - h)) / (2 * h)
        assert exact.pressure_at(volume) == pytest.approx(-slope / GPa, abs=1e-5)
    assert exact.pressure_at(exact.volume) == pytest.approx(0, abs=1e-12)
    assert exact.energy_at(50.0) == pytest.approx(birch_murnaghan(50.0), abs=1e-9)


@pytest.mark.parametrize("pressure", [-4.0, -0.77, 0.0, 1.0, 20.0])
def test_volume_at_pressure_inverts_the_pressure(exact: EquationOfState, pressure: float) -> None:
    volume = exact.volume_at_pressure(pressure)
    assert exact.pressure_at(volume) == pytest.approx(pressure, abs=1e-9)
    assert (volume > exact.volume) == (pressure < 0) or pressure == 0


@pytest.mark.parametrize("pressure", [-20.0, 1e6])
def test_a_pressure_beyond_the_equation_is_refused(exact: EquationOfState, pressure: float) -> None:
    with pytest.raises(QdsimError, match="No volume has a pressure"):
        exact.volume_at_pressure(pressure)


def test_the_document_survives_json(exact: EquationOfState) -> None:
    assert EquationOfState.model_validate_json(exact.model_dump_json()) == exact


@pytest.mark.parametrize(
    ("volumes", "message"),
    [
        (VOLUMES[:4], "has 4 volumes"),
        ([50.0, 50.0, 52.0, 54.0, 56.0], "has 4 volumes"),
        (VOLUMES[VOLUMES > V0 + 0.1], "no minimum within"),
        (np.linspace(0.8, 0.97, 7) * V0, "no minimum within"),
    ],
)
def test_volumes_that_do_not_suffice_are_refused(volumes: list[float] | FloatArray, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        fit_birch_murnaghan(list(volumes), birch_murnaghan(np.array(volumes)).tolist())


def test_a_maximum_is_no_equilibrium() -> None:
    with pytest.raises(QdsimError, match="no minimum within"):
        fit_birch_murnaghan(VOLUMES.tolist(), (-birch_murnaghan(VOLUMES)).tolist())


def test_nan_is_refused() -> None:
    energies = birch_murnaghan(VOLUMES).tolist()
    with pytest.raises(QdsimError, match="no finite energy"):
        fit_birch_murnaghan(VOLUMES.tolist(), [*energies[:-1], float("nan")])


def test_unequal_lengths_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="5 volumes but 4 energies"):
        fit_birch_murnaghan([1, 2, 3, 4, 5], [1, 2, 3, 4])
