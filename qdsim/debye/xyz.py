"""Plain and extended XYZ files, with occupancies and displacement parameters."""

import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import cast

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from qdsim.debye.text_lines import nuclide_of, number_of
from qdsim.errors import QdsimError

XYZ_COLUMNS = range(4, 8)
"""Symbol x y z; symbol x y z occupancy; symbol x y z B occupancy; symbol x y z B occupancy label."""

_ATOM_NAME = re.compile(r"([A-Z])([A-Z])\d+")


def read_xyz(path: Path, lines: Sequence[str]) -> Atoms:
    """Read plain or extended XYZ.

    Parameters
    ----------
    path
        The file, for messages.
    lines
        Its text.

    Returns
    -------
    ase.Atoms
        With the array ``isotope``, and ``occupancy`` and ``b_iso`` (Å^2) where there are such columns.

    Raises
    ------
    QdsimError
        If the number of atoms is not that of line 1, or a line is garbled.
    Exception
        Whatever ASE raises at extended XYZ that it does not understand.
    """
    if not lines[0].strip().isdecimal():
        raise QdsimError(f"{path}, line 1: {lines[0].strip()!r} stands where the number of atoms should be; write it.")
    number = int(lines[0])
    rows = [line.split() for line in lines[2 : 2 + number]]
    if len(rows) < number or not all(rows):
        found = next((i for i, row in enumerate(rows) if not row), len(rows))
        raise QdsimError(f"{path}, line 1: {number} atoms are promised and {found} follow; get the whole file.")
    if any(line.strip() for line in lines[2 + number :]):
        raise QdsimError(
            f"{path}, line {3 + number}: more follows after {number} atoms; correct their number in line 1, or give a "
            "file with one structure."
        )
    if re.search(r"\b(?:Properties|Lattice)\s*=", lines[1], re.I):
        return _extended(path, lines[:2], rows)
    return _plain(path, rows)


def _plain(path: Path, rows: Sequence[Sequence[str]]) -> Atoms:
    kinds: list[tuple[str, int]] = []
    values: list[list[float]] = []
    width = len(rows[0]) if rows else XYZ_COLUMNS[0]
    for line, row in enumerate(rows, start=3):
        if len(row) != width or width not in XYZ_COLUMNS:
            raise QdsimError(
                f"{path}, line {line}: {len(row)} columns, where symbol x y z [occupancy] or symbol x y z B occupancy "
                "[label] is wanted, the same in all lines; correct it."
            )
        kinds.append(_nuclide(path, line, row[0]))
        values.append([number_of(path, line, word) for word in row[1:6]])
    table = np.array(values).reshape(len(rows), min(width, 6) - 1)
    atoms = Atoms([name for name, _ in kinds], table[:, :3])
    atoms.set_array("isotope", np.array([mass for _, mass in kinds], dtype=int))
    if width > XYZ_COLUMNS[0]:
        atoms.set_array("occupancy", table[:, -1])
    if width > XYZ_COLUMNS[1]:
        atoms.set_array("b_iso", table[:, 3])
    return atoms


def _extended(path: Path, head: Sequence[str], rows: Sequence[list[str]]) -> Atoms:
    """Read extended XYZ by ASE, which knows elements in its first column only and takes the rest for X or an error."""
    from ase.io import read

    properties = re.search(r"\bProperties\s*=\s*\"?([^\s\"]+)", head[1], re.I)
    fields = properties[1].split(":") if properties else ["species", "S", "1"]
    names, widths = fields[::3], [int(width) for width in fields[2::3]]
    isotopes = np.zeros(len(rows), dtype=int)
    species = next((i for i, name in enumerate(names) if name.lower() == "species"), None)
    if species is not None:
        column = sum(widths[:species])
        for i, row in enumerate(rows):
            if len(row) > column:
                row[column], isotopes[i] = _nuclide(path, i + 3, row[column])
    atoms = cast(Atoms, read(StringIO("\n".join([*head, *(" ".join(row) for row in rows)])), format="extxyz"))
    atoms.set_array("isotope", isotopes)
    return atoms


def _nuclide(path: Path, line: int, word: str) -> tuple[str, int]:
    """Return the nuclide of a symbol; a name such as HG2 may be that of mercury or of a hydrogen."""
    name = _ATOM_NAME.fullmatch(word)
    if name and {name[1], (name[1] + name[2]).capitalize()} <= atomic_numbers.keys():
        raise QdsimError(
            f"{path}, line {line}: {word} may be {name[1]} or {(name[1] + name[2]).capitalize()}; write the symbol of "
            "the element."
        )
    return nuclide_of(path, line, word)
