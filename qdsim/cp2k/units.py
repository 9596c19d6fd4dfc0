"""CP2K's names of units: what it prints is converted by the unit that stands beside it.

CP2K 2025.1 and newer print each quantity in a unit that the input can choose; older ones in a unit of their own.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

__all__ = ["Quantity", "unit_factor"]

Quantity = Literal["energy", "force", "stress", "dipole"]
"""In eV, eV/Å, GPa and debye."""

_DIMENSIONS: dict[Quantity, tuple[int, int]] = {"energy": (1, 0), "force": (1, -1), "stress": (1, -3)}
"""Powers of energy and of length."""
_POWER = re.compile(r"([*/]?)([a-z_.]+)(?:\^([+-]?\d+))?")


@cache
def _units() -> dict[str, tuple[float, tuple[int, int]]]:
    """Values in eV and Å, with the powers of the two, of the names in ``cp_units.F`` of CP2K, in lower case."""
    from ase import units as ase

    energy, length, force, pressure = (1, 0), (0, 1), (1, -1), (1, -3)
    return {
        "hartree": (ase.Hartree, energy),
        "au_e": (ase.Hartree, energy),
        "ry": (ase.Rydberg, energy),
        "ev": (1.0, energy),
        "kev": (1e3, energy),
        "j": (ase.J, energy),
        "joule": (ase.J, energy),
        "kcalmol": (ase.kcal / ase.mol, energy),
        "kjmol": (ase.kJ / ase.mol, energy),
        "jmol": (1e-3 * ase.kJ / ase.mol, energy),
        "k_e": (ase.kB, energy),
        "wavenumber_e": (ase.invcm, energy),
        "bohr": (ase.Bohr, length),
        "au_l": (ase.Bohr, length),
        "angstrom": (1.0, length),
        "m": (ase.m, length),
        "nm": (ase.nm, length),
        "pm": (1e-2, length),
        "n": (ase.J / ase.m, force),
        "newton": (ase.J / ase.m, force),
        "mn": (1e-3 * ase.J / ase.m, force),
        "mnewton": (1e-3 * ase.J / ase.m, force),
        "au_f": (ase.Hartree / ase.Bohr, force),
        "pa": (ase.Pascal, pressure),
        "mpa": (1e6 * ase.Pascal, pressure),
        "gpa": (ase.GPa, pressure),
        "bar": (ase.bar, pressure),
        "kbar": (1e3 * ase.bar, pressure),
        "atm": (1.01325 * ase.bar, pressure),
        "au_p": (ase.Hartree / ase.Bohr**3, pressure),
    }


@cache
def unit_factor(unit: str, quantity: Quantity) -> float:
    """Return what one unit of CP2K is in ours.

    Parameters
    ----------
    unit
        As CP2K prints it between brackets, such as ``hartree/bohr``, ``bar``, ``a.u.`` or ``eV*angstrom^-1``.
    quantity
        What is measured in it.

    Returns
    -------
    float
        In eV, eV/Å, GPa or debye.

    Raises
    ------
    ValueError
        When the unit is unknown, or one of another quantity.
    """
    from ase import units as ase

    name = unit.strip().lower()
    if quantity == "dipole":
        moments = {"debye": 1.0, "a.u.": ase.Bohr / ase.Debye}
        if name not in moments:
            raise ValueError(f"{unit!r} is not a unit of dipole moments")
        return moments[name]
    dimension = _DIMENSIONS[quantity]
    if name in {"a.u.", "au"}:
        value: float = ase.Hartree ** dimension[0] * ase.Bohr ** dimension[1]
    else:
        value, found = _product(name)
        if found != dimension:
            raise ValueError(f"{unit!r} is not a unit of {quantity}")
    return value / ase.GPa if quantity == "stress" else value


def _product(name: str) -> tuple[float, tuple[int, int]]:
    """Return a product of powers of units in eV and Å, and its own powers of the two."""
    if not name or "".join(match.group(0) for match in _POWER.finditer(name)) != name:
        raise ValueError(f"{name!r} is not a unit")
    value, energy, length = 1.0, 0, 0
    for sign, base, exponent in _POWER.findall(name):
        if base not in _units():
            raise ValueError(f"{name!r} is not a unit that is known")
        power = int(exponent or 1) * (-1 if sign == "/" else 1)
        factor, (powers_of_energy, powers_of_length) = _units()[base]
        value *= factor**power
        energy += power * powers_of_energy
        length += power * powers_of_length
    return value, (energy, length)
