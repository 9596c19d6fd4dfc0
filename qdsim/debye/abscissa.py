"""What the first column of a data file is: scattering vector or scattering angle."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.constants import angstrom, c, e, h, kilo

from qdsim.debye.columns import entries
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
Quantity = Literal["q", "q_nm", "two_theta", "two_theta_rad"]
"""Q in Å^-1, Q in nm^-1, 2 theta in degrees, 2 theta in radians."""
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

HC = h * c / e / angstrom / kilo
"""Planck's constant times the speed of light, keV Å."""
HIGHEST_Q = 35.0
"""No laboratory and hardly a synchrotron measures beyond this Q (Å^-1); larger numbers are degrees."""
STRAIGHT_BACK = 180.0
"""The largest scattering angle, degrees."""
SAME_WAVELENGTH = 1e-4
"""Relative difference up to which a wavelength and an energy are taken for the same."""

_KEYS = {"quantity", "columns", "dataformat", "unit", "units", "x", "xlabel", "x-axis", "x axis", "xunit"}
_ANGLE = re.compile(
    r"(?<!\d)2\s*[-_*\\]?\s*(?:theta|θ|th(?![a-z]))|\btwo[-_ ]*theta|\bt+th(?:eta)?(?![a-z])"
    r"|^\W*(?:scattering |diffraction )?angle|^\W*deg|[(\[]\s*(?:deg|°)"
)
_Q = re.compile(
    r"\bq(?![a-z])|^q(?:a|nm)$|scattering vector|momentum transfer"
    r"|(?:1/|inverse )(?:nm|nano|a\b|å|ang)|\b(?:nm|a|å|ang\w*) ?\^?-1"
)
_NANOMETRE = re.compile(r"nm|nanomet")
_WAVELENGTH = re.compile(
    r"(?:wave\s*-?length|\blambda)(?:\s*[(\[]\s*(\w+|Å)\s*[)\]])?[\s\"':=]*([-+.\d][-+.\deE]*)\s*(\w*)", re.I
)
_PER_ANGSTROM = {"m": 1e10, "nm": 10.0, "pm": 0.01, "a": 1.0, "å": 1.0, "ang": 1.0, "angstrom": 1.0, "angstroms": 1.0}
_METRES = 1e-6


def named_quantity(label: str) -> Quantity | None:
    """Read a label of an axis or a line of column labels, such as ``q_nm^-1``, ``2th_deg`` or ``Q (1/Å)``.

    Returns
    -------
    str or None
        None if the label names neither Q nor 2 theta. Q without a unit is in Å^-1, 2 theta without one in degrees.
    """
    text = label.lower().replace("⁻¹", "^-1").replace("{", "").replace("}", "").replace("\\aa", "å").replace("$", "")
    angle, q = _ANGLE.search(text), _Q.search(text)
    if angle and not (q and q.start() < angle.start()):
        return "two_theta_rad" if "rad" in text else "two_theta"
    if q:
        return "q_nm" if _NANOMETRE.search(text) else "q"
    return None


def header_quantity(header: Sequence[str]) -> Quantity | None:
    """Find what a header says of the first column.

    The line before the numbers is taken for the labels of the columns unless it is an entry ``key: value``.
    Among the entries, those count whose key names a column, an axis or a unit.

    Parameters
    ----------
    header
        Lines before the numbers.
    """
    for key, value in entries(header).items():
        if key.lower() in _KEYS and (named := named_quantity(value)):
            return named
    last = next((line for line in reversed(header) if re.search("[a-z]", line, re.I)), "")
    return None if re.search(r"[:=]", last) else named_quantity(last)


def header_wavelength(header: Sequence[str]) -> float | None:
    """Find the wavelength that a header names, Å.

    A number without a unit is in Å, or in metres (as pyFAI writes it) if below 1e-6.
    """
    for line in header:
        found = _WAVELENGTH.search(line)
        if not found:
            continue
        try:
            number = float(found[2])
        except ValueError:
            continue
        unit = (found[1] or found[3]).lower()
        if isfinite(number) and number > 0:
            return number * _PER_ANGSTROM.get(unit, _PER_ANGSTROM["m"] if number < _METRES else 1.0)
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
