"""What the first column of a pattern is: scattering vector or scattering angle, and the wavelength between them."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.constants import angstrom, c, e, h, kilo

from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
Quantity = Literal["q", "q_nm", "two_theta", "two_theta_rad", "two_theta_centi"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
QUANTITY_NAMES: dict[Quantity, str] = {
    "q": "Q in Å^-1",
    "q_nm": "Q in nm^-1",
    "two_theta": "2 theta in degrees",
    "two_theta_rad": "2 theta in radians",
    "two_theta_centi": "2 theta in hundredths of a degree",
}

HC = h * c / e / angstrom / kilo
"""Planck's constant times the speed of light, keV Å."""
HIGHEST_Q = 35.0
"""No laboratory and hardly a synchrotron measures beyond this Q (Å^-1); larger numbers are degrees."""
STRAIGHT_BACK = 180.0
"""The largest scattering angle, degrees."""
SAME_WAVELENGTH = 1e-4
"""Relative difference up to which a wavelength and an energy are taken for the same."""

_WAVELENGTH = re.compile(
    r"(?:wave\s*-?length|\blambda)(?:\s*[(\[]\s*(\w+|Å)\s*[)\]])?[\s\"':=]*([-+.\d][-+.\deE]*)\s*(\w*)", re.I
)
_ANGSTROMS: dict[str, float | None] = {
    "m": 1e10,
    "mm": 1e7,
    "um": 1e4,
    "µm": 1e4,
    "nm": 10.0,
    "pm": 0.01,
    "kev": None,
    "ev": None,
}
_ANGSTROMS |= dict.fromkeys(("a", "å", "ang", "angstrom", "angstroms"), 1.0)
_METRES = 1e-6
_WAVELENGTHS = (0.005, 100.0)  # Å, of electrons in microscopes to soft X-rays


def header_wavelength(header: Sequence[str], place: str = "The header") -> float | None:
    """Find the wavelength that a header names, Å.

    A number without a unit is in Å, or in metres (as pyFAI writes it) if below 1e-6.

    Parameters
    ----------
    header
        Lines before the numbers.
    place
        What the message of an error begins with.

    Raises
    ------
    QdsimError
        If number and unit make no wavelength that anything is scattered with.
    """
    low, high = _WAVELENGTHS
    for line in header:
        found = _WAVELENGTH.search(line)
        if not found:
            continue
        try:
            number = float(found[2])
        except ValueError:
            continue
        scale = _ANGSTROMS.get((found[1] or found[3]).lower(), 1e10 if number < _METRES else 1.0)
        if scale is None or not (isfinite(number) and number > 0):
            continue
        if not low <= scale * number <= high:
            raise QdsimError(
                f"{place}: {found[0].strip()!r} is a wavelength of {scale * number:.4g} Å: correct number and unit."
            )
        return scale * number
    return None


def wavelength_of(wavelength: float | None, energy_kev: float | None) -> float | None:
    """Return the wavelength (Å) that is given as such, or as the energy of the photons (keV), lambda = h c / E.

    Raises
    ------
    QdsimError
        If one is not a positive number, or both are given and differ.
    """
    for name, number, unit in (("wavelength", wavelength, "Å"), ("energy", energy_kev, "keV")):
        if number is not None and not (isfinite(number) and number > 0):
            raise QdsimError(f"The {name} is {number} {unit}: give a positive number.")
    if energy_kev is None:
        return wavelength
    from_energy = HC / energy_kev
    if wavelength is not None and abs(from_energy - wavelength) > SAME_WAVELENGTH * wavelength:
        raise QdsimError(
            f"The wavelength {wavelength} Å and the energy {energy_kev} keV, which is {from_energy:.6g} Å, "
            "contradict each other: give one of them."
        )
    return from_energy if wavelength is None else wavelength


def q_from_two_theta(two_theta: npt.ArrayLike, wavelength: float) -> FloatArray:
    """Return Q = 4 pi sin(theta) / lambda, Å^-1.

    Parameters
    ----------
    two_theta
        Scattering angle, degrees.
    wavelength
        Å.
    """
    return np.asarray(4 * np.pi / wavelength * np.sin(np.radians(np.asarray(two_theta, dtype=float)) / 2))


def two_theta_from_q(q: npt.ArrayLike, wavelength: float) -> FloatArray:
    """Return the scattering angle 2 theta = 2 arcsin(Q lambda / 4 pi), degrees.

    Parameters
    ----------
    q
        Å^-1.
    wavelength
        Å.

    Raises
    ------
    QdsimError
        If a Q is beyond 4 pi / lambda, where sin(theta) would exceed 1.
    """
    sine = np.asarray(q, dtype=float) * wavelength / (4 * np.pi)
    if sine.size and sine.max() > 1 + 1e-12:
        raise QdsimError(
            f"Q runs to {np.max(q):.6g} Å^-1, but a wavelength of {wavelength:.6g} Å ends at "
            f"4 pi / lambda = {4 * np.pi / wavelength:.6g} Å^-1: check the wavelength, and that x is Q in Å^-1."
        )
    return np.asarray(np.degrees(2 * np.arcsin(np.minimum(sine, 1.0))))
