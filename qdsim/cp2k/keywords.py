"""What a CP2K input says, whoever wrote it: sections that may be missing, values as text or numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MO_ENERGIES = re.compile(r"(\n *&MO\n(?:(?! *&END MO\n).*\n)*? *)ENERGIES(?= )")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def section(parameters: Any, *path: str) -> Mapping[str, Any]:
    """Return a section of a nested input, empty where there is none of that name or several."""
    for name in path:
        parameters = parameters.get(name, {}) if isinstance(parameters, Mapping) else {}
    return parameters if isinstance(parameters, Mapping) else {}


def in_words_of_all(text: str) -> str:
    """Return an input in which keywords go by the names that every version of CP2K knows.

    The levels of orbitals are EIGENVALUES to CP2K 8.1, and ENERGIES or EIGENVALUES from 8.2 on; cp2k-input-tools writes
    ENERGIES, whatever stands in the template.

    Parameters
    ----------
    text
        CP2K's input, without the restart of another calculation in it.
    """
    return _MO_ENERGIES.sub(r"\1EIGENVALUES", text)


def numbers(value: Any) -> list[float]:
    """Return the numbers in a keyword's value, such as `MONKHORST-PACK 4 4 4`, `[Ry] 300` or 300."""
    words = value if isinstance(value, list | tuple) else [value]
    return [float(number) for word in words for number in _NUMBER.findall(str(word))]


def k_mesh(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the points of the k-mesh in each direction; nothing where an input is of the Gamma point alone."""
    scheme = section(parameters, "FORCE_EVAL", "DFT", "KPOINTS").get("SCHEME")
    return tuple(round(number) for number in numbers(scheme)[:3])
