"""A uniform electric field in the input of a crystal, as aiida-cp2k's nested dictionary.

Strengths are in V/Å, along the first of the cubic axes.
"""

from copy import deepcopy
from typing import Any

from qdsim.cp2k.keywords import section

Parameters = dict[str, Any]


def in_atomic_units(strength: float) -> float:
    """Return a strength (V/Å) as CP2K reads it."""
    from ase.units import Bohr, Hartree

    return float(strength * Bohr / Hartree)


def has_field(parameters: Parameters) -> bool:
    """Return whether an input is one of a crystal in a field, whose orbitals must be occupied in full or not at all."""
    return "PERIODIC_EFIELD" in section(parameters, "FORCE_EVAL", "DFT")


def with_field(parameters: Parameters, strength: float) -> Parameters:
    """Return the input of a crystal in a field with another strength; 0 is none, in all else the same input."""
    changed = deepcopy(parameters)
    changed["FORCE_EVAL"]["DFT"]["PERIODIC_EFIELD"]["INTENSITY"] = in_atomic_units(strength)
    return changed
