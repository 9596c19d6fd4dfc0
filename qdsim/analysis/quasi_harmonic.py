"""Thermal expansion: the volume at which the energy of the crystal and the free energy of its vibrations are least.

The vibrations are harmonic at every volume, and their frequencies change with it: B. Fultz, Prog. Mater. Sci. 55, 247
(2010), section 4.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ase.units import GPa
from pydantic import Field, NonNegativeFloat, PositiveFloat
from scipy.optimize import minimize_scalar

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.model import ResultModel
from qdsim.analysis.phonon_results import PhononState

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


class ThermalExpansion(ResultModel):
    """The lattice at all temperatures at which its volume lies between those that were computed."""

    crystals: tuple[str, ...] = Field(description="Whose vibrations these are.")
    states: tuple[ExpandedState, ...]
    message: str | None = Field(None, description="What is missing, and why.")


def thermal_expansion(equation: EquationOfState, crystals: Sequence[PhononState]) -> ThermalExpansion:
    """Find the volume at each temperature in the quasi-harmonic approximation.

    ``F(V, T) = E(V) + F_vib(V, T)``, with ``F_vib`` and the entropy ``S`` as parabolas through (or, from four volumes
    on, fitted to) those of the crystals; ``alpha = (dS/dV)_T / (3 B_T)`` at the minimum.

    Parameters
    ----------
    equation
        Energy of the crystal at rest.
    crystals
        Stable crystals, each at its volume, with the same temperatures.
    """
    stable = sorted((one for one in crystals if one.thermal), key=lambda one: one.volume)
    labels = tuple(one.label for one in stable)
    volumes = np.array([one.volume for one in stable])
    if len(np.unique(volumes.round(6))) < FEWEST:
        few = f"Thermal expansion takes stable crystals at {FEWEST} volumes at least; there are {len(stable)}."
        return ThermalExpansion(crystals=labels, states=(), message=few)
    found, outside = [], []
    for temperature in (thermal.temperature for thermal in stable[0].thermal):
        state = _state(equation, stable, volumes, temperature)
        if state is None:
            outside.append(temperature)
        else:
            found.append(state)
    message = None
    if outside:
        message = (
            f"At {', '.join(f'{one:g}' for one in outside)} K the volume of least free energy lies outside those of "
            f"the stable crystals, {volumes[0]:.2f} to {volumes[-1]:.2f} Å^3."
        )
    return ThermalExpansion(crystals=labels, states=tuple(found), message=message)


def _state(
    equation: EquationOfState, crystals: Sequence[PhononState], volumes: npt.NDArray[np.float64], temperature: float
) -> ExpandedState | None:
    """Return the state at a temperature; None where its volume lies outside those of the crystals."""
    thermal = [next(one for one in crystal.thermal if one.temperature == temperature) for crystal in crystals]
    middle = volumes.mean()
    vibrations = np.polynomial.Polynomial.fit(volumes, [one.free_energy for one in thermal], 2)
    entropy = np.polynomial.Polynomial.fit(volumes, [one.entropy / 1000 for one in thermal], 2)  # eV/K

    def free_energy(volume: float) -> float:
        return equation.energy_at(volume) + float(vibrations(volume))

    width = volumes[-1] - volumes[0]
    found = minimize_scalar(free_energy, bounds=(volumes[0], volumes[-1]), method="bounded", options={"xatol": 1e-6})
    volume = float(found.x)
    if min(volume - volumes[0], volumes[-1] - volume) < EDGE * width:
        return None
    step = EDGE * middle
    curvature = (equation.pressure_at(volume - step) - equation.pressure_at(volume + step)) / (2 * step) * GPa + float(
        vibrations.deriv(2)(volume)
    )
    bulk_modulus = volume * curvature
    return ExpandedState(
        temperature=temperature,
        volume=volume,
        lattice_constant=(4 * volume) ** (1 / 3),
        linear_strain=(volume / equation.volume) ** (1 / 3) - 1,
        expansion=float(entropy.deriv(1)(volume)) / (3 * bulk_modulus),
        bulk_modulus=bulk_modulus / GPa,
    )
