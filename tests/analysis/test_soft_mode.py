"""The soft mode: frequencies of energies, and a formula unit in potentials that are known."""

import numpy as np
import pytest
from ase import units
from scipy import constants

from qdsim.analysis.soft_mode import (
    anharmonic_mode,
    frequency_of_curvature,
    offset_shares,
    reduced_mass,
    softening_strain,
)
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


@pytest.mark.parametrize(
    ("cation", "anion", "share"),
    [("Pb", "S", 32.06 / 239.26), ("Pb", "Se", 78.971 / 286.171), ("Pb", "Te", 127.6 / 334.8)],
)
def test_the_centre_of_mass_stays_at_rest(cation: str, anion: str, share: float) -> None:
    assert offset_shares(cation, anion) == pytest.approx({cation: share, anion: 1 - share}, rel=1e-4)


@pytest.mark.parametrize("depth", [0.05, 0.4, 3.0])
def test_a_double_well_is_averaged_over_the_eight_directions(depth: float) -> None:
    """A deep one has a third of the squared offset along x; others agree with a sum over places in three dimensions."""
    minimum, temperature = 0.3, 300.0
    double = well(-2 * depth / minimum**2, depth / minimum**4)
    mode = anharmonic_mode(double, "Pb", "Te", temperature)
    x = np.linspace(-0.6, 0.6, 61)
    energy = double.energy_at(np.sqrt(3) * x) / 3
    total = energy[:, None, None] + energy[None, :, None] + energy[None, None, :]
    weights = np.exp(-(total - total.min()) / (units.kB * temperature))
    classical = float((weights * x[:, None, None] ** 2).sum() / weights.sum())
    assert mode.mean_square == pytest.approx(classical, rel=0.02)  # quantum mechanics adds little to such masses
    if depth == 3:
        assert mode.mean_square == pytest.approx(minimum**2 / 3, rel=0.02)
    assert mode.b_iso["Pb"] == pytest.approx(8 * np.pi**2 * mode.mean_square * (127.6 / 334.8) ** 2, rel=1e-4)
    assert mode.static == (depth > 3 * units.kB * temperature)


def test_what_falls_without_bounds_is_refused() -> None:
    with pytest.raises(QdsimError, match="falls without bounds"):
        anharmonic_mode(well(1.0, -2.0), "Pb", "S", 300)
    fitted = anharmonic_mode(well(-0.2, 2.2, -1.0), "Pb", "S", 300)  # turns down only where nobody comes
    assert fitted.mean_square == pytest.approx(anharmonic_mode(well(-0.2, 2.2), "Pb", "S", 300).mean_square, rel=0.15)
    with pytest.raises(QdsimError, match="positive"):
        anharmonic_mode(well(1.0), "Pb", "S", 0)
