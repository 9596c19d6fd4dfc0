"""Which values and files an input asks for, so that one that is missing is noticed where it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qdsim.cp2k.keywords import numbers, section

__all__ = ["POTENTIAL_FILES", "requested_files", "requested_values"]

POTENTIAL_FILES = "*-v_hartree-*.cube"
"""How CP2K names the file of the electrostatic potential."""

_OFF = {"OFF", "F", ".FALSE.", "FALSE", "NO", "NONE", "0"}


def requested_values(parameters: Mapping[str, Any]) -> list[str]:
    """Return the fields of `qdsim.cp2k.output.Cp2kOutput` that a run with this input prints.

    Parameters
    ----------
    parameters
        CP2K's input, nested, as ``Cp2kCalculation`` takes it.
    """
    force_eval, dft = section(parameters, "FORCE_EVAL"), section(parameters, "FORCE_EVAL", "DFT")
    run_type = str(section(parameters, "GLOBAL").get("RUN_TYPE", "")).upper()
    printed = section(dft, "PRINT")
    requested = ["energy"]
    if run_type != "ENERGY" and _is_on(section(force_eval, "PRINT"), "FORCES"):
        requested.append("forces")
    has_stress = str(force_eval.get("STRESS_TENSOR", "NONE")).upper() != "NONE"
    if run_type != "ENERGY" and has_stress and _is_on(section(force_eval, "PRINT"), "STRESS_TENSOR"):
        requested.append("stress")
    if _is_on(printed, "MULLIKEN"):
        requested.append("mulliken_charges")
    if _is_on(printed, "HIRSHFELD"):
        requested.append("hirshfeld_charges")
    if _is_on(printed, "MOMENTS"):
        requested.append("dipole")
    return requested + _levels(dft, printed)


def requested_files(parameters: Mapping[str, Any]) -> list[str]:
    """Return the patterns of the files that a run with this input leaves for later calculations.

    Parameters
    ----------
    parameters
        CP2K's input, nested, as ``Cp2kCalculation`` takes it.
    """
    printed = section(parameters, "FORCE_EVAL", "DFT", "PRINT")
    return [POTENTIAL_FILES] if _is_on(printed, "V_HARTREE_CUBE") else []


def _levels(dft: Mapping[str, Any], printed: Mapping[str, Any]) -> list[str]:
    scf = section(dft, "SCF")
    has_empty_orbitals = sum(numbers(scf.get("ADDED_MOS", 0))) > 0
    if "KPOINTS" in dft:
        levels = section(printed, "MO")
        names = ("ENERGIES", "EIGENVALUES", "EIGVALS")
        shown = any(_is_on(levels, name) for name in names) and _is_on(levels, "OCCUPATION_NUMBERS")
    else:
        levels = section(printed, "MO_CUBES")
        shown = _is_on(printed, "MO_CUBES")
        has_empty_orbitals = sum(numbers(levels.get("NLUMO", 0))) != 0 and ("OT" in scf or has_empty_orbitals)
    if not shown:
        return []
    return ["homo", "lumo", "gap"] if has_empty_orbitals else ["homo"]


def _is_on(sections: Mapping[str, Any], name: str) -> bool:
    """Return whether a keyword, or the print key of that name, is there and not switched off."""
    if name not in sections:
        return False
    value = sections[name]
    if isinstance(value, Mapping):
        value = value.get("_", "ON")
    return str(value).upper() not in _OFF
