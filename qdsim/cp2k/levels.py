"""Band edges of an output: from the occupations at every k-point, or from the levels listed at the Gamma point.

With two spins, each has levels of its own; the edges are those of both together. Levels that are filled in part, by
smearing, are counted: a hole in a degenerate level leaves no gap, whatever the occupation of each of its members.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from qdsim.cp2k.blocks import REAL, last_match, number, rows

__all__ = ["read_levels"]

_DIGITS = 1e-5
"""Of the Fermi energy, eV; where it is the same for both spins, it is within ten times that."""
_WHOLE = 0.1
"""What the electrons of a k-point may be from a whole number next to a gap; at one of a metal they are any number."""
_TAIL = 1e-3
"""Share of a level that smearing leaves filled, or empty, far from the Fermi energy."""

# To 8.1 without the tag, and in hartree alone.
_MESH_TITLE = r"^ MO\| (?:(ALPHA|BETA) )?EIGENVALUES AND OCCUPATION NUMBERS.* K POINT +(\d+)$"
_MESH_ROW = rf"^ MO\| +(\d+) +{REAL} +({REAL}) +({REAL})$"
_MESH_FERMI = rf"^ MO\| E\(Fermi\): +{REAL} a\.u\. +({REAL}) eV"
_OLD_MESH_TITLE = r"^ (?:(ALPHA|BETA) )?MO EIGENVALUES AND MO OCCUPATION NUMBERS.* FOR K-POINT: +(\d+)$"
_OLD_MESH_ROW = rf"^ +(\d+) +({REAL}) +({REAL})$"
_OLD_MESH_FERMI = rf"^ +Fermi energy: +({REAL})"
_MESH_END = r"^ ?(?:MO\||#) Sum"

_FIRST_SPIN = r"^ +Eigenvalues of the occupied subspace spin +1$"
_GAMMA_LIST = r"^ +(?:Lowest )?[Ee]igenvalues of the (occupied|unoccupied) subspace spin +(\d)$"
# Whatever has a number as they are written there: one that something else is mixed with is not to be passed over.
_GAMMA_ROW = r"^(.*(?:\.\d{8}(?!\d)|\*{8}|NaN|Infinity).*)$"
_GAMMA_END = rf"{_GAMMA_LIST}|^ +Fermi Energy \[eV\]|^ +HOMO - LUMO gap|^ ENERGY\|"
_GAMMA_FERMI = rf"^ +Fermi Energy \[eV\] : +({REAL})"
_ORBITAL_TRANSFORMATION = r"^ +-+ OT -+$"
_ELECTRONS = r"^ Number of electrons: +(\d+)$"


@dataclass
class _Spin:
    """Levels of one spin at the Gamma point, eV."""

    occupied: list[float]
    unoccupied: list[float]
    fermi_energy: float | None


def read_levels(text: str, n_atoms: int | None) -> dict[str, Any]:
    """Read highest occupied and lowest empty level, gap and Fermi energy, eV.

    Parameters
    ----------
    text
        The output.
    n_atoms
        Not needed.

    Returns
    -------
    dict
        Fields of `qdsim.cp2k.output.Cp2kOutput`: none where the output lists no levels.

    Raises
    ------
    ValueError
        When the list is announced, and not there.
    """
    del n_atoms
    if re.search(_MESH_TITLE, text, re.MULTILINE):
        return _on_mesh(text, _MESH_TITLE, _MESH_ROW, _MESH_FERMI, unit=1.0)
    if re.search(_OLD_MESH_TITLE, text, re.MULTILINE):
        from ase.units import Hartree

        return _on_mesh(text, _OLD_MESH_TITLE, _OLD_MESH_ROW, _OLD_MESH_FERMI, unit=Hartree)
    if table := last_match(_FIRST_SPIN, text):
        return _at_gamma(text, table.start())
    return {}


def _on_mesh(text: str, title: str, row: str, fermi: str, unit: float) -> dict[str, Any]:
    tables = list(re.finditer(title, text, re.MULTILINE))
    firsts = (i for i, table in enumerate(tables) if table.group(2) == "1" and table.group(1) != "BETA")
    first = max(firsts, default=0)
    spins: dict[str | None, list[int]] = defaultdict(list)
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    listed: list[str] = []
    for table in tables[first:]:
        spin, point = table.groups()
        levels = rows(text, table.end(), row, _MESH_END)
        if not levels:
            raise ValueError(f"no level of k-point {point} is there, or the list does not end")
        indices = [index for index, _, _ in levels]
        listed = listed or [str(int(indices[0]) + i) for i in range(len(indices))]
        if indices != listed:
            raise ValueError(f"not all levels of k-point {point} are there")
        spins[spin].append(int(point))
        points[point] += [(float(level) * unit, float(occupation)) for _, level, occupation in levels]
    if any(sorted(numbers) != list(range(1, len(points) + 1)) for numbers in spins.values()):
        raise ValueError("not all k-points are there")
    capacity = 2.0 if tables[first].group(1) is None else 1.0
    found: dict[str, Any] = _edges_on_mesh([np.array(sorted(levels)) for levels in points.values()], capacity)
    start = tables[first].start()
    fermi_energies = [float(printed) * unit for printed in re.compile(fermi, re.MULTILINE).findall(text, start)]
    return found | ({"fermi_energy": max(fermi_energies)} if fermi_energies else {})


def _edges_on_mesh(points: list[np.ndarray[Any, Any]], capacity: float) -> dict[str, float]:
    """Return the edges of bands whose levels and occupations, (N, 2), are known at each k-point."""
    everything = np.concatenate(points)
    shares = everything[:, 1] / capacity
    if np.any(np.minimum(shares, 1 - shares) > _TAIL):
        electrons = [float(levels[:, 1].sum()) / capacity for levels in points]
        n = round(electrons[0])
        if all(abs(filled - n) < _WHOLE and len(levels) > n for filled, levels in zip(electrons, points, strict=True)):
            homo, lumo = max(levels[n - 1, 0] for levels in points), min(levels[n, 0] for levels in points)
            if homo <= lumo:
                return _edges([homo], [lumo])
    return _edges(everything[shares > 1 / 2, 0], everything[shares <= 1 / 2, 0])


def _at_gamma(text: str, start: int) -> dict[str, Any]:
    spins = _spins(text, start)
    if not any(spin.occupied for spin in spins):
        raise ValueError("no occupied level is there")
    fermi_energies = [spin.fermi_energy for spin in spins if spin.occupied and spin.fermi_energy is not None]
    if 0 < len(fermi_energies) < sum(bool(spin.occupied) for spin in spins):
        raise ValueError("the Fermi energy of one spin is not there")
    found = {"fermi_energy": max(fermi_energies)} if fermi_energies else {}
    if re.search(_ORBITAL_TRANSFORMATION, text, re.MULTILINE):
        # Whole electrons stay in their orbitals, also where an empty one has come to lie below.
        return found | _edges_of(spins)
    electrons = sum(int(printed) for printed in re.findall(_ELECTRONS, text, re.MULTILINE)[: len(spins)])
    if electrons and all(abs(one - other) < 10 * _DIGITS for one, other in pairwise(fermi_energies)):
        # One Fermi energy for all: occupations may be smeared, and a level with a trace of an electron is listed as
        # occupied.
        levels = sorted(level for spin in spins for level in spin.occupied + spin.unoccupied)
        filled = electrons / (2 if len(spins) == 1 else 1)
        return found | _edges(levels[: math.ceil(filled)], levels[math.floor(filled) :])
    for spin in spins:
        _part_by_fermi_energy(spin)
    return found | _edges_of(spins)


def _spins(text: str, start: int) -> list[_Spin]:
    from ase.units import Hartree

    spins: dict[str, _Spin] = {}
    for title in re.compile(_GAMMA_LIST, re.MULTILINE).finditer(text, start):
        kind, place = title.groups()
        spin = spins.setdefault(place, _Spin([], [], None))
        listed = rows(text, title.end() + 1, _GAMMA_ROW, _GAMMA_END) or []
        levels = [number(word) * Hartree for (row,) in listed for word in row.split()]
        if kind == "unoccupied":
            spin.unoccupied = levels
            continue
        spin.occupied = levels
        following = text[title.end() :].split("igenvalues of the", 1)[0]
        if printed := re.search(_GAMMA_FERMI, following, re.MULTILINE):
            spin.fermi_energy = float(printed.group(1))
    return list(spins.values())


def _part_by_fermi_energy(spin: _Spin) -> None:
    """Take the levels above the Fermi energy of the spin for empty: it is the highest occupied one, but for its digits.

    That of a spin without electrons is 0.
    """
    if spin.fermi_energy is None or not spin.occupied:
        return
    levels = np.array(spin.occupied + spin.unoccupied)
    below = levels <= spin.fermi_energy + _DIGITS
    spin.occupied, spin.unoccupied = levels[below].tolist(), levels[~below].tolist()


def _edges_of(spins: list[_Spin]) -> dict[str, float]:
    return _edges(
        [level for spin in spins for level in spin.occupied], [level for spin in spins for level in spin.unoccupied]
    )


def _edges(occupied: Iterable[float], empty: Iterable[float]) -> dict[str, float]:
    homo, lumo = max(occupied, default=None), min(empty, default=None)
    found = {}
    if homo is not None:
        found["homo"] = float(homo)
    if lumo is not None:
        found["lumo"] = float(lumo)
    if homo is not None and lumo is not None:
        found["gap"] = found["lumo"] - found["homo"]
    return found
