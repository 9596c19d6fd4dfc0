"""The soft mode of rock salt: its frequency from an energy, where it vanishes, and what it does beyond that."""

from collections.abc import Sequence
from math import pi

import numpy as np
import numpy.typing as npt
from ase import units
from ase.data import atomic_masses, atomic_numbers
from pydantic import Field
from scipy import constants
from scipy.linalg import eigh_tridiagonal

from qdsim.analysis.model import ResultModel
from qdsim.analysis.strain_results import DoubleWell
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

HBAR_SQUARED = constants.hbar**2 / (constants.e * constants.atomic_mass * 1e-20)
"""eV amu Å^2."""
GRID_POINTS = 2001
REACH, THERMAL_REACH = 0.5, 20.0
"""eV and k_B T above the minimum: up to the larger of the two the potential is taken along."""
LARGEST_OFFSET = 2.0
"""Å."""


class AnharmonicMode(ResultModel):
    """One cell's cation moving along [111] against its anion, in the potential of the whole crystal doing so."""

    barrier: float = Field(description="Of the centred position above the minimum, eV per formula unit.")
    minimum: float = Field(description="Offset of the minimum, Å.")
    ground_state: float = Field(description="Energy of the ground state above the minimum, eV.")
    splitting: float = Field(description="To the first excited state, eV; tunnelling where it is small.")
    temperature: float = Field(description="K.")
    mean_square: float = Field(description="<u^2> of the offset at that temperature, Å^2.")
    mean_absolute: float = Field(description="<|u|>, Å.")
    static: bool = Field(description="Whether ground state and k_B T lie below the barrier.")
    b_iso: dict[str, float] = Field(
        description="8 pi^2 <u^2> of each element, with the centre of mass at rest and all <111> alike, Å^2."
    )

    @property
    def double(self) -> bool:
        """Whether there is a minimum on either side of the centre."""
        return self.barrier > 0


def reduced_mass(cation: str, anion: str) -> float:
    """Return m1 m2/(m1 + m2), amu."""
    first, second = (float(atomic_masses[atomic_numbers[symbol]]) for symbol in (cation, anion))
    return first * second / (first + second)


def frequency_of_curvature(quadratic: float, cation: str, anion: str) -> float:
    """Return the frequency of the mode whose energy is A u^2, u being the offset of cation against anion.

    omega^2 = 2 A/mu with the reduced mass mu: what forces give at Gamma, from energies.

    Parameters
    ----------
    quadratic
        A, eV/Å^2 per formula unit.
    cation, anion
        Elements.

    Returns
    -------
    float
        cm^-1; negative where the curvature is.
    """
    squared = 2 * quadratic / reduced_mass(cation, anion)  # eV/(amu Å^2)
    omega = np.sqrt(abs(squared) * constants.e / (constants.atomic_mass * 1e-20))
    return float(np.sign(squared) * omega / (2 * pi * constants.c * 100))


def softening_strain(strains: Sequence[float], frequencies: Sequence[float]) -> float | None:
    """Return the strain at which a mode softens to zero, omega^2 being linear between strains; None if it does not.

    Parameters
    ----------
    strains
        Linear, fractions.
    frequencies
        cm^-1, imaginary ones negative.
    """
    order = np.argsort(strains)
    x = np.asarray(strains, dtype=float)[order]
    y = np.asarray(frequencies, dtype=float)[order]
    squares = y * np.abs(y)
    for i in range(len(x) - 1):
        if squares[i] > 0 >= squares[i + 1]:
            return float(x[i] + (x[i + 1] - x[i]) * squares[i] / (squares[i] - squares[i + 1]))
    return None


def anharmonic_mode(well: DoubleWell, cation: str, anion: str, temperature: float) -> AnharmonicMode:
    """Solve the Schrödinger equation of a formula unit in an even potential, and average over its states.

    Parameters
    ----------
    well
        Energy against the offset, with a polynomial that holds the cation.
    cation, anion
        Elements.
    temperature
        K.

    Raises
    ------
    QdsimError
        If the polynomial falls without bounds, or the temperature is not positive.
    """
    if not temperature > 0:
        raise QdsimError(f"The temperature is {temperature:g} K: give a positive one.")
    u = np.linspace(-LARGEST_OFFSET, LARGEST_OFFSET, GRID_POINTS)
    energy = well.energy_at(u)
    middle = GRID_POINTS // 2
    risen = energy[middle:] - np.minimum.accumulate(energy[middle:])
    beyond = np.flatnonzero(risen > max(REACH, THERMAL_REACH * units.kB * temperature))
    if not len(beyond):
        raise QdsimError("The energy along the offset falls without bounds: compute the double well at larger offsets.")
    kept = slice(middle - int(beyond[0]), middle + int(beyond[0]) + 1)
    u, energy = u[kept], energy[kept] - energy[kept].min()
    step = u[1] - u[0]
    mass = reduced_mass(cation, anion)
    kinetic = HBAR_SQUARED / (2 * mass * step**2)
    levels, states = eigh_tridiagonal(energy + 2 * kinetic, np.full(len(u) - 1, -kinetic))
    weights = np.exp(-(levels - levels[0]) / (units.kB * temperature))
    weights /= weights.sum()
    density = (states**2) @ weights
    mean_square = float(density @ u**2)
    barrier = float(energy[len(u) // 2])
    total = sum(_mass(symbol) for symbol in (cation, anion))
    other = {cation: _mass(anion), anion: _mass(cation)}
    return AnharmonicMode(
        barrier=barrier,
        minimum=float(abs(u[int(energy.argmin())])),
        ground_state=float(levels[0]),
        splitting=float(levels[1] - levels[0]),
        temperature=temperature,
        mean_square=mean_square,
        mean_absolute=float(density @ np.abs(u)),
        static=bool(max(levels[0], units.kB * temperature) < barrier),
        b_iso={symbol: 8 * pi**2 * mean_square * (mass / total) ** 2 for symbol, mass in other.items()},
    )


def _mass(symbol: str) -> float:
    return float(atomic_masses[atomic_numbers[symbol]])
