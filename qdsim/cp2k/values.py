"""Energy, forces, stress, dipole moment and charges of an output, of every wording that CP2K has had for them.

Each reader takes the text and the number of atoms, and returns fields of `qdsim.cp2k.output.Cp2kOutput`: none where the
output does not announce the quantity. It raises ValueError, with the reason, where a title stands without the whole of
its numbers. Values are those of the last geometry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.cp2k.blocks import REAL, last_match, number, rows
from qdsim.cp2k.units import unit_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "read_dipole",
    "read_energy",
    "read_forces",
    "read_hirshfeld_charges",
    "read_mulliken_charges",
    "read_stress",
]

# To 7.1 "energy (a.u.):", to 2024.3 "energy [a.u.]:", then "energy [hartree]" without a colon. From 2024.2 on a gap and
# a free energy may stand in lines of the same beginning.
_ENERGY = r"^ ENERGY\| Total FORCE_EVAL \( .* \) energy +[\[(]([^\])]+)[\])]:? +(\S+)$"
_ENERGY_TITLE = r"^ ENERGY\| Total FORCE_EVAL \( .* \) energy\b"
_SCF_CONVERGED = "SCF run converged in"

# To 2024.3 " ATOMIC FORCES in [a.u.]", with kind and element in each row; then " FORCES| Atomic forces [hartree/bohr]".
_FORCES_TITLE = r"^ (?:FORCES\| Atomic forces|ATOMIC FORCES in) \[([^\]]+)\]"
_FORCES_ROW = rf"^ (?:FORCES\|)? +(\d+)(?: +\d+ +[A-Z]\S*)?((?: +{REAL}){{3}})(?: +{REAL})?$"
_FORCES_END = r"^ (?:SUM OF ATOMIC FORCES|FORCES\| Sum)"

# To 7.1 " STRESS TENSOR [GPa]", then " STRESS| Analytical stress tensor [GPa]", from 2025.1 on in bar or as asked for.
_STRESS_TITLE = r"^ (?:STRESS\| (?:Analytical|Numerical) stress tensor|(?:NUMERICAL )?STRESS TENSOR) \[([^\]]+)\]"
_STRESS_ROW = rf"^ (?:STRESS\| +| +)([XYZxyz])((?: +{REAL}){{3}})$"
_STRESS_END = r"^ *(?:STRESS\| )?1/3 Trace"

_DIPOLE_TITLE = r"^ +Dipole moment \[([^\]]+)\]"
_DIPOLE_ROW = rf"^ +X= *({REAL}) +Y= *({REAL}) +Z= *({REAL})"

_MULLIKEN_TITLE = r"^ +Mulliken Population Analysis *$"
# Population and charge; with two spins, both populations, charge and spin moment.
_MULLIKEN_ROW = rf"^ +(\d+) +[A-Z]\S* +\d+((?: +{REAL}){{2}}(?: +{REAL} +{REAL})?)$"
_MULLIKEN_END = r"^ # Total charge"

_HIRSHFELD_TITLE = r"^ +Hirshfeld Charges *$"
_HIRSHFELD_ROW = rf"^ +(\d+) +[A-Z]\S* +\d+(?: +{REAL})+? +({REAL})$"
_HIRSHFELD_END = r"^ +Total Charge"


def read_energy(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read the total energy of the cell, eV."""
    del n_atoms
    title = last_match(_ENERGY_TITLE, text)
    if not title:
        return {}
    if _SCF_CONVERGED in text[title.end() :]:
        raise ValueError("that of the last SCF cycle is not there")
    found = re.compile(_ENERGY, re.MULTILINE).match(text, title.start())
    if not found:
        raise ValueError("its line has no unit or no number")
    unit, printed = found.groups()
    return {"energy": number(printed) * unit_factor(unit, "energy")}


def read_forces(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read the forces on the atoms, (N, 3), eV/Å."""
    title = last_match(_FORCES_TITLE, text)
    if not title:
        return {}
    table = rows(text, title.end(), _FORCES_ROW, _FORCES_END)
    forces = _in_order(table, n_atoms)
    return {"forces": (np.array(forces) * unit_factor(title.group(1), "force")).tolist()}


def read_stress(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read the stress, (3, 3), and the pressure, GPa.

    What CP2K prints as stress is positive under compression: the pressure tensor.
    """
    del n_atoms
    title = last_match(_STRESS_TITLE, text)
    if not title:
        return {}
    table = rows(text, title.end(), _STRESS_ROW, _STRESS_END)
    if table is None or [axis.lower() for axis, _ in table] != ["x", "y", "z"]:
        raise ValueError("its three rows are not all there")
    printed = np.array([_numbers(row) for _, row in table])
    tensor = -printed * unit_factor(title.group(1), "stress")
    return {"stress": tensor.tolist(), "pressure": float(-np.trace(tensor) / 3)}


def read_dipole(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read the dipole moment, debye."""
    del n_atoms
    title = last_match(_DIPOLE_TITLE, text)
    if not title:
        return {}
    table = rows(text, title.end(), _DIPOLE_ROW)
    if not table:
        raise ValueError("its components are not there")
    vector = np.array([number(value) for value in table[0]]) * unit_factor(title.group(1), "dipole")
    return {"dipole": vector.tolist(), "dipole_norm": float(np.linalg.norm(vector))}


def read_mulliken_charges(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read the Mulliken charges, e."""
    title = last_match(_MULLIKEN_TITLE, text)
    if not title:
        return {}
    populations = _in_order(rows(text, title.end(), _MULLIKEN_ROW, _MULLIKEN_END), n_atoms)
    return {"mulliken_charges": [row[len(row) // 2] for row in populations]}


def read_hirshfeld_charges(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read the Hirshfeld charges, e."""
    title = last_match(_HIRSHFELD_TITLE, text)
    if not title:
        return {}
    charges = _in_order(rows(text, title.end(), _HIRSHFELD_ROW, _HIRSHFELD_END), n_atoms)
    return {"hirshfeld_charges": [charge for (charge,) in charges]}


def _in_order(table: Sequence[tuple[str, ...]] | None, n_atoms: int | None) -> list[list[float]]:
    """Return the numbers of a table with a row for each atom, in their order."""
    if not table:
        raise ValueError("its rows are not there, or do not end")
    numbers = [int(atom) for atom, _ in table]
    if numbers != list(range(1, (n_atoms or len(numbers)) + 1)):
        raise ValueError(f"rows of {len(numbers)} of {n_atoms or max(numbers)} atoms are there")
    return [_numbers(row) for _, row in table]


def _numbers(row: str) -> list[float]:
    return [number(word) for word in row.split()]
