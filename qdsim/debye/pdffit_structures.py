"""Structures of PDFgui and diffpy (``.stru``)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from qdsim.debye.displacements import B_PER_U, equivalent_u
from qdsim.debye.text_lines import nuclide_of, number_of
from qdsim.errors import QdsimError

LINES_PER_ATOM = 6
"""The atom, its uncertainties, U11 U22 U33, uncertainties, U12 U13 U23, uncertainties."""


def read_pdffit(path: Path, lines: Sequence[str]) -> Atoms:
    """Read a structure of PDFgui: a header, 'atoms', and six lines for each atom.

    Parameters
    ----------
    path
        The file, for messages.
    lines
        Its text.

    Returns
    -------
    ase.Atoms
        With the arrays ``isotope``, ``occupancy`` and ``b_iso`` (Å^2), the last from the equivalent isotropic U.

    Raises
    ------
    QdsimError
        If it is none, or a line is garbled.
    """
    start = next((i for i, line in enumerate(lines) if line.split()[:1] == ["atoms"]), None)
    header = {words[0]: (i, words[1:]) for i, line in enumerate(lines[:start], 1) if (words := _split(line))}
    if start is None or header.get("format", (0, []))[1] != ["pdffit"] or "cell" not in header:
        raise QdsimError(
            f"{path} is no structure of PDFgui, which has 'format pdffit', 'cell' and 'atoms': convert it."
        )
    line, words = header["cell"]
    parameters = [number_of(path, line, word) for word in words]
    unit = Atoms(cell=parameters).cell.array
    line, words = header.get("ncell", (0, ["1", "1", "1"]))
    repeats = [number_of(path, line, word) for word in words[:3]]
    rows = [(i, _split(text)) for i, text in enumerate(lines[start + 1 :], start + 2) if text.strip()]
    if len(rows) % LINES_PER_ATOM:
        raise QdsimError(
            f"{path}, line {rows[-1][0]}: {len(rows)} lines follow 'atoms', which is no multiple of {LINES_PER_ATOM}; "
            "get the whole file."
        )
    kinds, values, u = [], [], []
    for (line, atom), _, (u_line, diagonal), _, (v_line, mixed), _ in zip(*[iter(rows)] * LINES_PER_ATOM, strict=True):
        if (len(atom), len(diagonal), len(mixed)) != (5, 3, 3):
            raise QdsimError(f"{path}, line {line}: not an atom of PDFgui, 'symbol x y z occupancy' and U; correct it.")
        kinds.append(nuclide_of(path, line, atom[0]))
        values.append([number_of(path, line, word) for word in atom[1:]])
        u.append(
            [number_of(path, u_line, word) for word in diagonal]
            + [number_of(path, v_line, word) for word in mixed[::-1]]
        )
    table = np.array(values).reshape(-1, 4)
    atoms = Atoms([name for name, _ in kinds], table[:, :3] @ unit, cell=unit * np.array(repeats)[:, None], pbc=True)
    atoms.set_array("isotope", np.array([mass for _, mass in kinds], dtype=int))
    atoms.set_array("occupancy", table[:, 3])
    atoms.set_array("b_iso", B_PER_U * equivalent_u(np.array(u).reshape(-1, 6), unit))
    return atoms


def _split(line: str) -> list[str]:
    return line.replace(",", " ").split()
