"""The soft mode of rock salt: its frequency from an energy, where it vanishes, and what it does beyond that."""

from collections.abc import Sequence
from math import pi, sqrt

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
GRID_POINTS = 3501
REACH, THERMAL_REACH = 0.5, 20.0
"""eV and k_B T above the minimum: up to the larger of the two the potential is taken along."""
LARGEST_OFFSET = 3.5
"""Å."""


class AnharmonicMode(ResultModel):
    """One cell's cation moving along [111] against its anion, in the potential of the whole crystal doing so."""

    barrier: float = Field(description="Of the centred position above the minimum, eV per formula unit.")
    minimum: float = Field(description="Offset of the minimum, Å.")
    ground_state: float = Field(description="Energy of the ground state above the minimum, eV.")
    splitting: float = Field(description="To the first excited state, eV; tunnelling where it is small.")
    temperature: float = Field(description="K.")
    mean_square: float = Field(
        description="<u_x^2> of a Cartesian component of the offset, averaged over the eight <111>, Å^2."
    )
    mean_absolute: float = Field(description="<|u|> along [111], Å.")
    static: bool = Field(
        description="Whether ground state and k_B T lie below what separates neighbouring <111> minima."
    )
    b_iso: dict[str, float] = Field(
        description="8 pi^2 <u_x^2> of each element's share of the offset, the centre of mass at rest, Å^2."
    )

    @property
    def double(self) -> bool:
        """Whether there is a minimum on either side of the centre."""
        return self.barrier > 0


def reduced_mass(cation: str, anion: str) -> float:
    """Return m1 m2/(m1 + m2), amu."""
    first, second = _mass(cation), _mass(anion)
    return first * second / (first + second)


def offset_shares(cation: str, anion: str) -> dict[str, float]:
    """Return how much of an offset each ion moves while the centre of mass is at rest, by element.

    An ion moves by the other's share of the mass: in PbS the cation by 0.134 of the offset, the anion by 0.866.
    """
    first, second = _mass(cation), _mass(anion)
    return {cation: second / (first + second), anion: first / (first + second)}


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

    Only the energy E(u) along [111] is known. Around it the potential is taken to be v(x) + v(y) + v(z) with
    v(x) = E(sqrt(3) x)/3, x being a Cartesian component of the offset: along each <111> that is E(u), a double well
    makes eight minima, and a single well is isotropic where it is harmonic. So <u_x^2> is a third of the squared offset
    in a deep double well, and k_B T/(2 A) in A u^2. A third of the barrier at the centre separates neighbouring minima.

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
    thermal = units.kB * temperature
    offsets = np.linspace(-LARGEST_OFFSET, LARGEST_OFFSET, GRID_POINTS)
    outwards = well.energy_at(offsets)[GRID_POINTS // 2 :]
    risen = outwards - np.minimum.accumulate(outwards)
    enough = max(REACH, THERMAL_REACH * thermal)
    if not (risen > enough).any():
        raise QdsimError("The energy along the offset falls without bounds: compute the double well at larger offsets.")
    reach = int(np.argmax(risen > enough))
    ends = (risen[reach:] > 3 * enough) | np.append(np.diff(outwards[reach:]) <= 0, True)
    mass = reduced_mass(cation, anion)
    u, energy = _within(reach, offsets, outwards)
    levels, density = _thermal_average(u, energy, mass, thermal)
    x, component = _within(reach + int(np.argmax(ends)), offsets / sqrt(3), outwards / 3)
    component_levels, component_density = _thermal_average(x, component, mass, thermal)
    mean_square = float(component_density @ x**2)
    return AnharmonicMode(
        barrier=float(energy[len(u) // 2]),
        minimum=float(abs(u[int(energy.argmin())])),
        ground_state=float(levels[0]),
        splitting=float(levels[1] - levels[0]),
        temperature=temperature,
        mean_square=mean_square,
        mean_absolute=float(density @ np.abs(u)),
        static=bool(max(component_levels[0], thermal) < component[len(x) // 2]),
        b_iso={symbol: 8 * pi**2 * share**2 * mean_square for symbol, share in offset_shares(cation, anion).items()},
    )


def _within(reach: int, x: FloatArray, outwards: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the places up to a number of steps from the centre, and the energies there above the lowest, eV."""
    energy = np.concatenate([outwards[reach:0:-1], outwards[: reach + 1]])
    middle = len(x) // 2
    return x[middle - reach : middle + reach + 1], energy - energy.min()


def _thermal_average(x: FloatArray, energy: FloatArray, mass: float, thermal: float) -> tuple[FloatArray, FloatArray]:
    """Return the levels of a mass in a potential, eV, and the share of it at each place at a temperature."""
    kinetic = HBAR_SQUARED / (2 * mass * (x[1] - x[0]) ** 2)
    levels, states = eigh_tridiagonal(energy + 2 * kinetic, np.full(len(x) - 1, -kinetic))
    weights = np.exp(-(levels - levels[0]) / thermal)
    return levels, (states**2) @ (weights / weights.sum())


def _mass(symbol: str) -> float:
    return float(atomic_masses[atomic_numbers[symbol]])
