"""Thermal expansion: the volume at which the energy of the crystal and the free energy of its vibrations are least.

The vibrations are harmonic at every volume, and their frequencies change with it: B. Fultz, Prog. Mater. Sci. 55, 247
(2010), section 4.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ase.units import GPa
from numpy.polynomial import Polynomial
from pydantic import Field, NonNegativeFloat, PositiveFloat
from scipy.optimize import minimize_scalar

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.model import ResultModel
from qdsim.analysis.phonon_results import PhononState
from qdsim.analysis.strain import linear_strain

FEWEST = 3
"""Volumes of stable crystals: free energies between them are a parabola at most."""
EDGE = 1e-3
"""Of the range of volumes: a minimum so near its end is not one."""


class ExpandedState(ResultModel):
    """The crystal at one temperature and no pressure."""

    temperature: NonNegativeFloat = Field(description="K.")
    volume: PositiveFloat = Field(description="Å^3 per formula unit.")
    lattice_constant: PositiveFloat = Field(description="Å.")
    linear_strain: float = Field(description="Against the minimum of the energy alone.")
    expansion: float = Field(description="Coefficient of linear thermal expansion, 1/K.")
    bulk_modulus: float = Field(description="At constant temperature, GPa.")


class HeldState(ResultModel):
    """The crystal at one temperature, held at the volume where its energy alone is least."""

    temperature: NonNegativeFloat = Field(description="K.")
    pressure: float = Field(description="That holds it there, GPa.")
    expansion: float = Field(description="Coefficient of linear thermal expansion, 1/K.")
    bulk_modulus: float = Field(description="At constant temperature, GPa.")


class ThermalExpansion(ResultModel):
    """The lattice at all temperatures at which its volume lies between those that were computed."""

    crystals: tuple[str, ...] = Field(description="Whose vibrations these are.")
    states: tuple[ExpandedState, ...]
    held: tuple[HeldState, ...] = Field(
        (), description="At all temperatures, where the energy is least between these crystals; else empty."
    )
    message: str | None = Field(None, description="What is missing, and why.")


def thermal_expansion(
    equation: EquationOfState, crystals: Sequence[PhononState], softening: float | None = None
) -> ThermalExpansion:
    """Find the volume at each temperature in the quasi-harmonic approximation.

    ``F(V, T) = E(V) + F_vib(V, T)``, with ``F_vib`` and the entropy ``S`` as parabolas through (or, from four volumes
    on, fitted to) those of the crystals; ``alpha = (dS/dV)_T / (3 B_T)`` at the minimum. A crystal that expands beyond
    the stable ones has no minimum; held at the volume of least energy, it has an ``alpha`` all the same.

    Parameters
    ----------
    equation
        Energy of the crystal at rest.
    crystals
        Stable crystals, each at its volume, with the same temperatures.
    softening
        Linear strain at which a mode vanishes: no harmonic crystal exists beyond.
    """
    stable = sorted((one for one in crystals if one.thermal), key=lambda one: one.volume)
    labels = tuple(one.label for one in stable)
    volumes = np.array([one.volume for one in stable])
    if len(np.unique(volumes.round(6))) < FEWEST:
        few = f"Thermal expansion takes stable crystals at {FEWEST} volumes at least; there are {len(stable)}."
        return ThermalExpansion(crystals=labels, states=(), message=few)
    found, held = [], []
    beyond: dict[int, list[float]] = {0: [], -1: []}
    for temperature in (thermal.temperature for thermal in stable[0].thermal):
        vibrations = _Vibrations.of(stable, temperature)
        volume = _least(equation, vibrations, volumes)
        end = _end(volume, volumes)
        if end is None:
            found.append(_expanded(equation, vibrations, volume, temperature))
        else:
            beyond[end].append(temperature)
        if volumes[0] <= equation.volume <= volumes[-1]:
            held.append(_held(equation, vibrations, temperature))
    messages = [_beyond(equation, stable[end], end, outside, softening) for end, outside in beyond.items() if outside]
    return ThermalExpansion(crystals=labels, states=tuple(found), held=tuple(held), message=" ".join(messages) or None)


class _Vibrations(NamedTuple):
    """Free energy (eV) and entropy (eV/K) of the vibrations at one temperature, as functions of the volume."""

    free_energy: Polynomial
    entropy: Polynomial

    @classmethod
    def of(cls, crystals: Sequence[PhononState], temperature: float) -> "_Vibrations":
        volumes = [crystal.volume for crystal in crystals]
        thermal = [next(one for one in crystal.thermal if one.temperature == temperature) for crystal in crystals]
        return cls(
            Polynomial.fit(volumes, [one.free_energy for one in thermal], 2),
            Polynomial.fit(volumes, [one.entropy / 1000 for one in thermal], 2),
        )


def _least(equation: EquationOfState, vibrations: _Vibrations, volumes: npt.NDArray[np.float64]) -> float:
    """Return the volume of least free energy between the crystals, perhaps at an end."""

    def free_energy(volume: float) -> float:
        return equation.energy_at(volume) + float(vibrations.free_energy(volume))

    bounds = (volumes[0], volumes[-1])
    return float(minimize_scalar(free_energy, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)


def _end(volume: float, volumes: npt.NDArray[np.float64]) -> int | None:
    """Return the index of the crystal that a volume is as good as equal to, the first or last one, or None."""
    near = EDGE * (volumes[-1] - volumes[0])
    return next((end for end in (0, -1) if abs(volume - volumes[end]) < near), None)


def _derivatives(equation: EquationOfState, vibrations: _Vibrations, volume: float) -> tuple[float, float]:
    """Return the coefficient of linear expansion, 1/K, and the bulk modulus, GPa."""
    step = EDGE * volume
    curvature = (equation.pressure_at(volume - step) - equation.pressure_at(volume + step)) / (2 * step) * GPa + float(
        vibrations.free_energy.deriv(2)(volume)
    )
    bulk_modulus = volume * curvature
    return float(vibrations.entropy.deriv(1)(volume)) / (3 * bulk_modulus), bulk_modulus / GPa


def _expanded(equation: EquationOfState, vibrations: _Vibrations, volume: float, temperature: float) -> ExpandedState:
    expansion, bulk_modulus = _derivatives(equation, vibrations, volume)
    return ExpandedState(
        temperature=temperature,
        volume=volume,
        lattice_constant=(4 * volume) ** (1 / 3),
        linear_strain=linear_strain(volume, equation.volume),
        expansion=expansion,
        bulk_modulus=bulk_modulus,
    )


def _held(equation: EquationOfState, vibrations: _Vibrations, temperature: float) -> HeldState:
    expansion, bulk_modulus = _derivatives(equation, vibrations, equation.volume)
    pressure = -float(vibrations.free_energy.deriv(1)(equation.volume)) / GPa
    return HeldState(temperature=temperature, pressure=pressure, expansion=expansion, bulk_modulus=bulk_modulus)


def _beyond(
    equation: EquationOfState, crystal: PhononState, end: int, temperatures: Sequence[float], softening: float | None
) -> str:
    """Say why there is no volume at some temperatures, and what would give one."""
    strain = linear_strain(crystal.volume, equation.volume)
    where, direction = ("smallest", "smaller") if end == 0 else ("largest", "larger")
    text = (
        f"At {', '.join(f'{one:g}' for one in temperatures)} K the free energy still falls at the {where} volume of a "
        f"stable crystal, {crystal.label} at {100 * strain:+.2f} %"
    )
    if end == -1 and softening is not None:
        return (
            f"{text}: crystals between that and {100 * softening:+.2f} % may show where it is least; beyond, where a "
            "mode is unstable, harmonic crystals cannot."
        )
    return f"{text}: stable crystals at {direction} volumes would show where it is least."
