"""How large a calculation is, as its input tells: atoms, k-points, basis functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from qdsim.cp2k.keywords import k_mesh

_ZETAS = {"S": 1, "D": 2, "T": 3, "Q": 4}
_VALENCE_FUNCTIONS = {"hydrogen": (1, 3), "s and p": (4, 5), "s, p and d": (9, 7)}
"""Functions of one zeta, and of one set of polarisation functions."""
USUAL_BASIS = "DZVP"


@dataclass(frozen=True)
class CalculationSize:
    """What decides how much a calculation takes.

    Attributes
    ----------
    atoms : int
        In the cell.
    k_points : int
        Of the whole mesh; 1 at the Gamma point.
    basis_functions : int
        In the cell.
    """

    atoms: int
    k_points: int
    basis_functions: int

    def within(self, limits: Mapping[str, int | None]) -> bool:
        """Tell whether nothing exceeds its limit; None is no limit."""
        return all(limit is None or getattr(self, name) <= limit for name, limit in limits.items())


def measure_size(parameters: Mapping[str, Any], kinds: Iterable[str]) -> CalculationSize:
    """Measure a calculation.

    Parameters
    ----------
    parameters
        CP2K's input, nested, as `Cp2kCalculation` takes it.
    kinds
        Kind name of each atom: its element, perhaps with a number.
    """
    names = list(kinds)
    sections = parameters["FORCE_EVAL"]["SUBSYS"]["KIND"]
    basis_sets = {
        kind["_"]: str(kind.get("BASIS_SET", USUAL_BASIS))
        for kind in (sections if isinstance(sections, list) else [sections])
    }
    functions = sum(count_functions(name, basis_sets.get(name, USUAL_BASIS)) for name in names)
    return CalculationSize(len(names), prod(k_mesh(parameters)), functions)


def next_larger(memories: Sequence[float | None], place: int) -> int | None:
    """Return the next row of a table that gives more memory than one of its rows.

    Parameters
    ----------
    memories
        GB of each row; None where it does not say.
    place
        Of the row whose memory was not enough.

    Returns
    -------
    int or None
        Its place; None where no later row says that it gives more.
    """
    least = memories[place] or 0.0
    later = range(place + 1, len(memories))
    return next((row for row in later if (memories[row] or 0.0) > least), None)


def count_functions(kind: str, basis_set: str) -> int:
    """Count the basis functions of an atom from the name of its basis set; one of unknown name counts as DZVP.

    Parameters
    ----------
    kind
        Element, perhaps with a number.
    basis_set
        Such as DZVP-MOLOPT-SR-GTH-q4: two functions for each valence orbital, and one set of polarisation functions.
    """
    from ase.data import atomic_numbers

    found = re.match(r"([SDTQ])ZV(\d?)(P?)", basis_set.upper()) or re.match(r"([SDTQ])ZV(\d?)(P?)", USUAL_BASIS)
    if found is None:
        raise ValueError(f"{USUAL_BASIS} is not understood")
    sets = int(found.group(2) or 1) if found.group(3) else 0
    number = atomic_numbers.get(re.sub(r"\d+$", "", kind), 0)
    metal = number in {*range(21, 31), *range(39, 49), *range(57, 81)}
    valence, polarisation = _VALENCE_FUNCTIONS["hydrogen" if number == 1 else "s, p and d" if metal else "s and p"]
    return _ZETAS[found.group(1)] * valence + sets * polarisation
