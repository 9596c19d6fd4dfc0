"""Factors that an instrument and a thick sample put on the scattered intensity."""

from dataclasses import replace
from math import isfinite

import numpy as np
import numpy.typing as npt

from qdsim.debye.abscissa import STRAIGHT_BACK
from qdsim.debye.data import ScatteringData
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]


def polarisation_factor(
    two_theta: npt.ArrayLike, *, fraction: float = 0.0, monochromator: float | None = None
) -> FloatArray:
    """Return the polarisation factor, 1 in the forward direction.

    P = ((1 + f) + (1 - f) A cos^2(2 theta)) / ((1 + f) + (1 - f) A), with A = cos^2(2 theta_M): the intensity polarised
    perpendicular to the scattering plane is scattered in full, the one within it with cos^2(2 theta). Without a
    monochromator and for f = 0 this is Thomson's (1 + cos^2(2 theta))/2; with one, that of Azároff, Acta Cryst. 8, 701
    (1955); for f > 0 that of Kahn et al., J. Appl. Cryst. 15, 330 (1982), in the plane perpendicular to the electric
    field.

    Parameters
    ----------
    two_theta
        Scattering angle, degrees.
    fraction
        Degree of linear polarisation f of the beam before the monochromator that is considered, from -1 to 1: 0 for a
        laboratory tube, 1 for a beam polarised perpendicular to the scattering plane, about 0.95 to 0.99 for a
        synchrotron with detectors above each other, -1 for a beam polarised within the plane.
    monochromator
        Scattering angle 2 theta_M of a monochromator crystal (ideally mosaic, its scattering plane that of the sample),
        degrees; before or after the sample, which makes no difference for f = 0. None if there is none, or if
        `fraction` accounts for it.

    Raises
    ------
    QdsimError
        If the fraction is not from -1 to 1, an angle is not from 0 to 180 degrees, or the monochromator lets nothing
        pass.
    """
    if not -1 <= fraction <= 1:
        raise QdsimError(f"The degree of polarisation is {fraction}: give a number from -1 to 1.")
    cosine = np.cos(np.radians(_angles(two_theta)))
    passed = 1.0 if monochromator is None else float(np.cos(np.radians(_angles(monochromator))) ** 2)
    across, within = 1 + fraction, (1 - fraction) * passed
    if across + within <= np.finfo(float).eps:
        raise QdsimError(
            f"A monochromator at 2 theta = {monochromator} degrees lets nothing of a beam pass that is polarised "
            "within the scattering plane: correct the angle or the polarisation."
        )
    return np.asarray((across + within * cosine**2) / (across + within))


def lorentz_factor(two_theta: npt.ArrayLike) -> FloatArray:
    """Return the Lorentz factor of powder lines, 1/(sin^2(theta) cos(theta)).

    It belongs to the integrated intensities of Bragg reflections (International Tables for Crystallography C, 6.2). The
    Debye equation gives the whole intensity at every Q: measured data are compared with it *without* this factor.

    Parameters
    ----------
    two_theta
        Scattering angle, degrees, above 0 and below 180, where the factor is infinite.

    Raises
    ------
    QdsimError
        If an angle is not between 0 and 180 degrees.
    """
    angles = _angles(two_theta)
    if np.any((angles <= 0) | (angles >= STRAIGHT_BACK)):
        raise QdsimError("The Lorentz factor is infinite at 0 and 180 degrees: leave out these points.")
    theta = np.radians(angles) / 2
    return np.asarray(1 / (np.sin(theta) ** 2 * np.cos(theta)))


def absorption_factor_transmission(two_theta: npt.ArrayLike, mu_t: float) -> FloatArray:
    """Return the factor of absorption of a flat plate in symmetrical transmission, exp(-mu t/cos(theta))/cos(theta).

    The plate bisects the angle of incident and scattered beam. Any ray goes t/cos(theta) through the plate, wherever it
    is scattered, and the beam meets t/cos(theta) of material (International Tables for Crystallography C, 6.3.3).

    Parameters
    ----------
    two_theta
        Scattering angle, degrees, below 180.
    mu_t
        Absorption coefficient times thickness, no unit, not negative; -ln of the transmission at normal incidence.

    Raises
    ------
    QdsimError
        If an angle is not from 0 to below 180 degrees, or `mu_t` negative or not finite.
    """
    if not (isfinite(mu_t) and mu_t >= 0):
        raise QdsimError(f"The absorption mu t is {mu_t}: give a number that is not negative.")
    angles = _angles(two_theta)
    if np.any(angles >= STRAIGHT_BACK):
        raise QdsimError("No beam passes a plate at 2 theta = 180 degrees: leave out this point.")
    cosine = np.cos(np.radians(angles) / 2)
    return np.asarray(np.exp(-mu_t / cosine) / cosine)


def correct(
    data: ScatteringData,
    *,
    lorentz: bool = False,
    polarisation: float | None = None,
    monochromator: float | None = None,
    mu_t: float | None = None,
) -> ScatteringData:
    """Divide intensities and uncertainties by the factors asked for.

    Parameters
    ----------
    data
        With a wavelength.
    lorentz
        Divide by `lorentz_factor`; wrong for data that the Debye equation is compared with.
    polarisation, monochromator
        Divide by `polarisation_factor` with this `fraction` and this angle, if one of them is given.
    mu_t
        Divide by `absorption_factor_transmission`.

    Raises
    ------
    QdsimError
        If the wavelength is not known, or a factor is refused.
    """
    factor = np.ones(len(data))
    if lorentz:
        factor *= lorentz_factor(data.two_theta)
    if polarisation is not None or monochromator is not None:
        factor *= polarisation_factor(data.two_theta, fraction=polarisation or 0.0, monochromator=monochromator)
    if mu_t is not None:
        factor *= absorption_factor_transmission(data.two_theta, mu_t)
    if factor.min() <= 0:
        raise QdsimError(
            f"A correction of {data.source or 'the data'} is 0 at Q = {data.q[factor.argmin()]:.6g} Å^-1: leave out "
            "the points where nothing is scattered."
        )
    sigma = None if data.sigma is None else data.sigma / factor
    return replace(data, intensity=data.intensity / factor, sigma=sigma)


def _angles(two_theta: npt.ArrayLike) -> FloatArray:
    angles = np.asarray(two_theta, dtype=np.float64)
    if not np.all((angles >= 0) & (angles <= STRAIGHT_BACK)):
        raise QdsimError("A scattering angle is not from 0 to 180 degrees: give angles in degrees.")
    return angles
