"""Third-order Birch-Murnaghan equation of state with standard errors."""

from collections.abc import Sequence

import numpy as np
from ase.eos import birchmurnaghan
from ase.units import GPa
from scipy.optimize import brentq, curve_fit, minimize_scalar

from qdsim.analysis.model import ResultModel
from qdsim.errors import QdsimError

MINIMUM_POINTS = 5
"""Four parameters are fitted; one point more leaves something to judge the fit by."""


class EquationOfState(ResultModel):
    """A fitted Birch-Murnaghan equation of state, per formula unit of a rock-salt crystal.

    Attributes
    ----------
    volumes, energies
        The fitted points, Å^3 and eV.
    volume, volume_error
        Equilibrium volume and its standard error, Å^3.
    lattice_constant, lattice_constant_error
        (4 volume)^(1/3) and its standard error, Å.
    energy
        Energy at the equilibrium volume, eV.
    bulk_modulus, bulk_modulus_error
        In GPa.
    bulk_modulus_derivative, bulk_modulus_derivative_error
        With pressure, dimensionless.
    rms_residual
        Root mean square of fit minus data, eV.
    """

    volumes: list[float]
    energies: list[float]
    volume: float
    volume_error: float
    lattice_constant: float
    lattice_constant_error: float
    energy: float
    bulk_modulus: float
    bulk_modulus_error: float
    bulk_modulus_derivative: float
    bulk_modulus_derivative_error: float
    rms_residual: float

    def energy_at(self, volume: float) -> float:
        """Energy (eV) at a volume (Å^3), both per formula unit."""
        modulus = self.bulk_modulus * GPa
        return float(birchmurnaghan(volume, self.energy, modulus, self.bulk_modulus_derivative, self.volume))

    def pressure_at(self, volume: float) -> float:
        """Pressure (GPa; negative under tension) at a volume per formula unit (Å^3).

        Minus the volume derivative of the energy: F. Birch, Phys. Rev. 71, 809 (1947).
        """
        ratio = (self.volume / volume) ** (1 / 3)
        correction = 1 + 0.75 * (self.bulk_modulus_derivative - 4) * (ratio**2 - 1)
        return float(1.5 * self.bulk_modulus * (ratio**7 - ratio**5) * correction)

    def volume_at_pressure(self, pressure: float) -> float:
        """Volume per formula unit (Å^3) at a pressure (GPa).

        Raises
        ------
        QdsimError
            If no volume between 0.3 and 3 equilibrium volumes has this pressure; under tension, if it is
            beyond the strength of the crystal.
        """
        limits = (self.volume, 3 * self.volume) if pressure < 0 else (0.3 * self.volume, self.volume)
        sign = 1 if pressure < 0 else -1
        extreme = minimize_scalar(lambda v: sign * self.pressure_at(v), bounds=limits, method="bounded")
        bound = float(extreme.x)
        if sign * self.pressure_at(bound) > sign * pressure:
            raise QdsimError(
                f"No volume has a pressure of {pressure:g} GPa: this equation of state ends at "
                f"{self.pressure_at(bound):.3g} GPa; ask for a pressure nearer to zero."
            )
        return float(brentq(lambda v: self.pressure_at(v) - pressure, self.volume, bound, xtol=1e-12))


def fit_birch_murnaghan(volumes: Sequence[float], energies: Sequence[float]) -> EquationOfState:
    """Fit a third-order Birch-Murnaghan equation of state by least squares.

    Parameters
    ----------
    volumes, energies
        At least five points, Å^3 and eV per formula unit, in any order.

    Returns
    -------
    EquationOfState
        Standard errors come from the covariance of the fit, scaled by the residuals.

    Raises
    ------
    QdsimError
        If there are fewer than five different volumes, a number is not finite, or the energies have no
        minimum within the sampled volumes.
    """
    if len(volumes) != len(energies):
        raise ValueError(f"{len(volumes)} volumes but {len(energies)} energies")
    order = np.argsort(volumes)
    v = np.asarray(volumes, dtype=float)[order]
    e = np.asarray(energies, dtype=float)[order]
    if not (np.isfinite(v).all() and np.isfinite(e).all() and (v > 0).all()):
        raise QdsimError("A point of the equation of state has no finite energy or positive volume: remove it.")
    if len(np.unique(v)) < MINIMUM_POINTS:
        raise QdsimError(
            f"The equation of state has {len(np.unique(v))} volumes: compute {MINIMUM_POINTS} different ones."
        )
    lowest = int(np.argmin(e))
    outside = QdsimError(
        f"The energy has no minimum within the sampled volumes {v[0]:.3f}..{v[-1]:.3f} Å^3: compute some on "
        "both sides of the equilibrium."
    )
    if lowest in {0, len(v) - 1}:
        raise outside
    reference = e[lowest]
    curvature = 2 * np.polyfit(v - v[lowest], e - reference, 2)[0]
    if curvature <= 0:
        raise outside
    guess = (0.0, v[lowest] * curvature, 4.0, v[lowest])
    parameters, covariance = curve_fit(birchmurnaghan, v, e - reference, p0=guess, xtol=1e-13)
    energy, modulus, derivative, volume = (float(parameter) for parameter in parameters)
    if not v[0] < volume < v[-1] or modulus <= 0:
        raise outside
    errors = np.sqrt(np.diag(covariance))
    residuals = birchmurnaghan(v, *parameters) - (e - reference)
    lattice_constant = (4 * volume) ** (1 / 3)
    return EquationOfState(
        volumes=v.tolist(),
        energies=e.tolist(),
        volume=volume,
        volume_error=errors[3],
        lattice_constant=lattice_constant,
        lattice_constant_error=lattice_constant * errors[3] / (3 * volume),
        energy=energy + reference,
        bulk_modulus=modulus / GPa,
        bulk_modulus_error=errors[1] / GPa,
        bulk_modulus_derivative=derivative,
        bulk_modulus_derivative_error=errors[2],
        rms_residual=float(np.sqrt(np.mean(residuals**2))),
    )
