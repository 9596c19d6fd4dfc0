"""Dipole moments of nanocrystals: what an offset of the cations makes of them, and what simple models expect.

Vectors are in debye (D) and point from negative to positive charge; [111] is the polar axis.
"""

from math import pi, sqrt

import numpy as np
import numpy.typing as npt
from ase import units
from pydantic import Field, PositiveFloat
from scipy import constants

from qdsim.analysis.model import ResultModel
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

AXIS: FloatArray = np.ones(3) / sqrt(3)
"""[111]."""
DEBYE = float(units.Debye)
"""e Å."""
COULOMB = float(constants.e / (4 * pi * constants.epsilon_0) * 1e10)
"""e^2/(4 pi eps_0), eV Å."""
SMALLEST_DIRECTION = 0.5
"""D; the direction of a smaller dipole means nothing."""
SAME_OFFSET = 1e-9
"""Å; offsets that differ by less are one."""


class OffsetResponse(ResultModel):
    """How the dipole of a particle follows the offset of its cations."""

    slope: float = Field(description="Of the projection on [111], D per Å of offset.")
    slope_error: float | None = Field(description="Standard error, D per Å; none with two offsets.")
    intercept: float = Field(description="Projection without an offset, D.")
    effective_charge: float = Field(description="Per cation, e: what each would carry if nothing else moved.")
    n_cations: int


def project(dipole: npt.ArrayLike) -> tuple[float, float]:
    """Split a dipole with respect to [111].

    Returns
    -------
    float, float
        Projection on [111], D, and the angle to its line, degrees from 0 to 90; 0 for no dipole at all.
    """
    vector = np.asarray(dipole, dtype=float)
    along = float(vector @ AXIS)
    across = float(np.linalg.norm(vector - along * AXIS))
    return along, float(np.degrees(np.arctan2(across, abs(along))))


def offset_response(offsets: npt.ArrayLike, dipoles: npt.ArrayLike, n_cations: int) -> OffsetResponse:
    """Fit a straight line to dipoles against offsets.

    Parameters
    ----------
    offsets
        Of the cation sublattice along [111], Å, shape (n,).
    dipoles
        D, shape (n, 3).
    n_cations
        In the particle.

    Raises
    ------
    QdsimError
        If there are fewer than two different offsets, or no cations.
    """
    x = np.asarray(offsets, dtype=float)
    y = np.asarray(dipoles, dtype=float).reshape(-1, 3) @ AXIS
    if n_cations < 1:
        raise QdsimError("The particle has no cations: there is nothing that an offset could move.")
    if np.ptp(x) < SAME_OFFSET:
        raise QdsimError("A slope needs dipoles at two different offsets at least: compute another offset.")
    (slope, intercept), residuals, *_ = np.polyfit(x, y, 1, full=True)
    error = None
    degrees_of_freedom = len(x) - 2
    if degrees_of_freedom > 0:
        spread = float(residuals[0]) if len(residuals) else 0.0
        error = sqrt(spread / degrees_of_freedom / float(((x - x.mean()) ** 2).sum()))
    return OffsetResponse(
        slope=float(slope),
        slope_error=error,
        intercept=float(intercept),
        effective_charge=float(slope) * DEBYE / n_cations,
        n_cations=n_cations,
    )


class SphereInputs(ResultModel):
    """What a dielectric sphere reckons with, and where it is from."""

    born_charge: PositiveFloat = Field(description="Z* of the cation, e.")
    eps_inf: float = Field(ge=1, description="Dielectric constant of the electrons.")
    source: str = Field(description="Of both.")


def point_charge_dipole(n_cations: float, offset: float, charge: float = 1.0) -> float:
    """Return the dipole of cations that are point charges moved against all the rest, D.

    Parameters
    ----------
    n_cations
        How many.
    offset
        How far, Å.
    charge
        Of each, e: 1, the formal 2, or the Born charge, which takes in what the electrons do in a crystal whose
        surface charges are compensated.
    """
    return n_cations * charge * offset / DEBYE


def dielectric_sphere_dipole(n_cations: float, offset: float, born_charge: float, eps_inf: float) -> float:
    """Return the dipole of a uniformly distorted sphere whose electrons screen the field of its own surface charge, D.

    Inside a uniformly polarised sphere the field is -P/(3 eps_0); the dipole per cation is Z* u 3/(eps_inf + 2), as
    follows from P = n Z* u + eps_0 (eps_inf - 1) E.

    Parameters
    ----------
    n_cations, offset
        As for `point_charge_dipole`.
    born_charge
        Of the cation, Z*, e.
    eps_inf
        Dielectric constant of the electrons.

    Raises
    ------
    QdsimError
        If the dielectric constant is below 1.
    """
    if not eps_inf >= 1:
        raise QdsimError(f"The dielectric constant eps_inf is {eps_inf}: give one of 1 or more.")
    return point_charge_dipole(n_cations, offset, born_charge * 3 / (eps_inf + 2))


def potential_drop(dipole: float, diameter: float) -> float:
    """Return the difference of potential between the poles of a uniformly polarised sphere, V.

    The potential at its surface is mu cos(theta)/(4 pi eps_0 R^2); from pole to pole it drops by twice its maximum.

    Parameters
    ----------
    dipole
        D.
    diameter
        Å.

    Raises
    ------
    QdsimError
        If the diameter is not positive.
    """
    if not diameter > 0:
        raise QdsimError(f"The diameter is {diameter} Å: give a positive number.")
    return 2 * COULOMB * abs(dipole) * DEBYE / (diameter / 2) ** 2
