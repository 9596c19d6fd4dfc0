"""Atoms from files of the Protein Data Bank, whose columns tell what is what (format version 3.30, wwPDB)."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from qdsim.debye.text_lines import nuclide_of, number_of
from qdsim.errors import QdsimError, QdsimWarning

NO_CELL = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0)
"""What CRYST1 says of a structure that is no crystal."""

_RESIDUES = frozenset(
    [
        *[
            "ALA",
            "ARG",
            "ASN",
            "ASP",
            "CYS",
            "GLN",
            "GLU",
            "GLY",
            "HIS",
            "ILE",
            "LEU",
            "LYS",
            "MET",
            "PHE",
            "PRO",
            "SER",
        ],
        *["THR", "TRP", "TYR", "VAL", "HOH", "WAT", "A", "C", "G", "U", "DA", "DC", "DG", "DT"],
    ]
)
"""Amino acids, water and nucleotides, whose elements have symbols of one letter."""


def read_pdb(path: Path, lines: Sequence[str]) -> Atoms:
    """Read ATOM and HETATM records, the cell, occupancies, and B from the temperature factors.

    The element is in columns 77 and 78. Where they are empty, it is the beginning of the atom's name, by the rule
    right-justified in columns 13 and 14: `` CA `` is a carbon and ``CA  `` is calcium. Few programs that leave the
    columns empty keep to that, so a name that may be of two elements (also HG, CD, NE, PB) counts only where the
    residue tells: in those of proteins and nucleic acids it is the first letter, and an ion is named as its residue is.

    Parameters
    ----------
    path
        The file, for messages.
    lines
        Its text.

    Returns
    -------
    ase.Atoms
        With the arrays ``isotope``, ``occupancy`` and ``b_iso`` (Å^2).

    Raises
    ------
    QdsimError
        If a record is garbled, an element is unknown or not told, there are several models, all occupancies are zero,
        or the file has a part of the cell only.

    Warns
    -----
    QdsimWarning
        If elements were taken from the names of atoms.
    """
    kinds: list[tuple[str, int]] = []
    table: list[list[float]] = []
    cell, named, seen = None, [], 0
    for line, text in enumerate(lines, 1):
        record = text[:6].strip().upper()
        if record == "CRYST1":
            cell = _cell(path, line, text)
        elif record == "MODEL":
            seen += 1
            if seen > 1:
                raise QdsimError(f"{path}, line {line}: a second model begins; give a file with one.")
        elif record in {"ATOM", "HETATM"}:
            kind, stated = _nuclide(path, line, text)
            kinds.append(kind)
            named += [] if stated else [kind[0]]
            table.append(
                [number_of(path, line, text[start : start + 8]) for start in (30, 38, 46)]
                + [number_of(path, line, text[54:60].strip() or "1"), number_of(path, line, text[60:66].strip() or "0")]
            )
    if named:
        warnings.warn(
            f"{path} has no elements in columns 77 and 78: {', '.join(sorted(set(named)))} are taken from names.",
            QdsimWarning,
            stacklevel=2,
        )
    values = np.array(table).reshape(-1, 5)
    if len(values) and not values[:, 3].any():
        raise QdsimError(f"{path}: all occupancies (columns 55 to 60) are 0; write 1 where an atom is.")
    atoms = Atoms([name for name, _ in kinds], values[:, :3], cell=cell, pbc=cell is not None)
    atoms.set_array("isotope", np.array([mass for _, mass in kinds], dtype=int))
    atoms.set_array("occupancy", values[:, 3])
    atoms.set_array("b_iso", values[:, 4])
    return atoms


def _cell(path: Path, line: int, text: str) -> list[float] | None:
    """Return lengths and angles of a cell whose atoms are all listed, None where there is no crystal."""
    bounds = ((6, 15), (15, 24), (24, 33), (33, 40), (40, 47), (47, 54))
    parameters = [number_of(path, line, text[start:end]) for start, end in bounds]
    if tuple(parameters) == NO_CELL:
        return None
    group = text[55:66].strip()
    if "".join(group.split()) not in {"", "P1"}:
        raise QdsimError(
            f"{path}, line {line}: the space group is {group}, so these are a part of the atoms in the cell; give all "
            "of them in P 1, or a CIF."
        )
    return parameters


def _nuclide(path: Path, line: int, text: str) -> tuple[tuple[str, int], bool]:
    """Return the element and mass number of a record, and whether it states them."""
    stated = text[76:78].strip()
    if stated.isalpha():  # old files have a name and a number of the line there
        return nuclide_of(path, line, stated), True
    name, residue = text[12:16].strip().upper(), text[17:20].strip().upper()
    letters = name.lstrip("0123456789")
    readings = [word for word in (letters[:1], letters[:2].capitalize()) if atomic_numbers.get(word, 0) or word == "D"]
    if name == residue and len(readings) > 1:
        readings = readings[1:]
    if len(set(readings)) > 1 and residue not in _RESIDUES:
        raise QdsimError(
            f"{path}, line {line}: {name} may be {' or '.join(readings)}; write the element in columns 77 and 78."
        )
    return nuclide_of(path, line, readings[0] if readings else name), False
