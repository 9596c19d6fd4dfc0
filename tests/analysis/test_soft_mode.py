"""The soft mode: frequencies of energies, and a formula unit in potentials that are known."""

import numpy as np
import pytest
from ase import units
from scipy import constants

from qdsim.analysis.soft_mode import anharmonic_mode, frequency_of_curvature, reduced_mass, softening_strain
from qdsim.analysis.strain_results import DoubleWell
from qdsim.errors import QdsimError


def well(quadratic: float, quartic: float = 0.0, sextic: float = 0.0) -> DoubleWell:
    return DoubleWell(
        offsets=[], energies=[], quadratic=quadratic, quadratic_error=None, quartic=quartic, sextic=sextic
    )


def test_a_curvature_is_a_frequency() -> None:
    mass = reduced_mass("Pb", "S")
    assert mass == pytest.approx(207.2 * 32.06 / (207.2 + 32.06))
    omega = np.sqrt(2 * 0.5 * constants.e * 1e20 / (mass * constants.atomic_mass))
    assert frequency_of_curvature(0.5, "Pb", "S") == pytest.approx(omega / (2 * np.pi * 100 * constants.c))
    assert frequency_of_curvature(-0.5, "Pb", "S") == -frequency_of_curvature(0.5, "Pb", "S")


def test_softening_is_where_the_square_vanishes() -> None:
    strains = np.array([0.02, 0.0, 0.01])
    squares = 100.0**2 * (1 - strains / 0.013)
    frequencies = np.sign(squares) * np.sqrt(np.abs(squares))
    assert softening_strain(strains.tolist(), frequencies.tolist()) == pytest.approx(0.013)
    assert softening_strain([0.0, 0.01], [80.0, 60.0]) is None


@pytest.mark.parametrize("temperature", [20.0, 300.0])
def test_a_harmonic_well_is_a_harmonic_oscillator(temperature: float) -> None:
    curvature = 1.5
    mode = anharmonic_mode(well(curvature), "Pb", "S", temperature)
    quantum = constants.h * constants.c * 100 * frequency_of_curvature(curvature, "Pb", "S") / constants.e
    assert mode.ground_state == pytest.approx(quantum / 2, rel=1e-3)
    assert mode.splitting == pytest.approx(quantum, rel=1e-3)
    expected = quantum / (4 * curvature) / np.tanh(quantum / (2 * units.kB * temperature))
    assert mode.mean_square == pytest.approx(expected, rel=2e-3)
    assert mode.minimum == pytest.approx(0, abs=1e-9)
    assert (mode.barrier, mode.static) == (0, False)


def test_a_deep_double_well_is_static_and_a_shallow_one_is_not() -> None:
    deep = anharmonic_mode(well(-4.0, 10.0), "Pb", "S", 300)
    assert deep.barrier == pytest.approx(0.4, rel=1e-3)
    assert deep.minimum == pytest.approx(np.sqrt(0.2), abs=2e-3)
    assert deep.static
    assert deep.splitting < 1e-6
    assert deep.mean_absolute == pytest.approx(np.sqrt(0.2), rel=0.05)
    shallow = anharmonic_mode(well(-0.1, 2.0), "Pb", "S", 300)
    assert not shallow.static
    assert shallow.b_iso["S"] / shallow.b_iso["Pb"] == pytest.approx((207.2 / 32.06) ** 2)


def test_what_falls_without_bounds_is_refused() -> None:
    with pytest.raises(QdsimError, match="falls without bounds"):
        anharmonic_mode(well(1.0, -2.0), "Pb", "S", 300)
    fitted = anharmonic_mode(well(-0.2, 2.2, -1.0), "Pb", "S", 300)  # turns down only where nobody comes
    assert fitted.mean_square == pytest.approx(anharmonic_mode(well(-0.2, 2.2), "Pb", "S", 300).mean_square, rel=0.1)
    with pytest.raises(QdsimError, match="positive"):
        anharmonic_mode(well(1.0), "Pb", "S", 0)
