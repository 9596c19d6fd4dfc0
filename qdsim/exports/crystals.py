"""Structures as files of other programs: CIF, the .stru of PDFfit and DiffPy, and extended XYZ."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.cell import Cell

from qdsim.debye.displacements import B_PER_U
from qdsim.debye.origin import Origin, ascii_text
from qdsim.errors import QdsimError
from qdsim.exports.start_values import B_ISO
from qdsim.exports.text_files import safe_name

FloatArray = npt.NDArray[np.float64]

_CIF_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_CIF_SITES = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")


def format_cif(origin: Origin) -> str:
    """Write a crystal as a CIF: its whole cell in P1, its origin in comments.

    Raises
    ------
    QdsimError
        If the structure is not periodic in three directions.
    """
    crystal = _crystal(origin, "CIF")
    symbols = origin.structure.symbols
    formula = " ".join(f"{symbol}{symbols.count(symbol)}" for symbol in sorted(set(symbols)))
    lines = [
        "#\\#CIF_1.1",
        *origin.header_lines("# "),
        f"data_{safe_name(origin.label)}",
        f"_chemical_formula_sum '{formula}'",
        *(f"_cell_{name} {value:.10f}" for name, value in zip(_CIF_CELL, crystal.cell, strict=True)),
        "_symmetry_space_group_name_H-M 'P 1'",
        "_symmetry_Int_Tables_number 1",
        "loop_",
        "_symmetry_equiv_pos_as_xyz",
        "'x, y, z'",
        "loop_",
        *(f"_atom_site_{name}" for name in _CIF_SITES),
    ]
    for number, (symbol, fractions) in enumerate(zip(symbols, crystal.fractions.tolist(), strict=True), 1):
        lines.append(f"{symbol}{number} {symbol} {' '.join(f'{fraction:.12f}' for fraction in fractions)} 1.0")
    return "\n".join(lines) + "\n"


def format_stru(origin: Origin) -> str:
    """Write a crystal as a structure of PDFfit, which PDFgui and diffpy.structure read.

    All U are those of `B_ISO`, a usual value to start from: the calculation is one at rest.

    Raises
    ------
    QdsimError
        If the structure is not periodic in three directions.
    """
    crystal = _crystal(origin, ".stru")
    u = B_ISO / B_PER_U
    zeros, spreads, products = (
        "".join(f"{value:13.8f}" for value in values)
        for values in (np.zeros(3), np.full(3, u), u * _reciprocal_cosines(crystal.cell))
    )
    lines = [
        f"title  {ascii_text(origin.summary)}",
        "format pdffit",
        *origin.header_lines("# "),
        f"# u_iso: {u:.8f} A^2, a value to start from and no result",
        "scale   1.000000",
        "sharp   0.000000, 0.000000, 1.000000, 0.000000",
        "spcgr   P1",
        f"cell   {', '.join(f'{value:.10f}' for value in crystal.cell)}",
        f"dcell   {', '.join(['0.000000'] * 6)}",
        f"ncell   1, 1, 1, {len(origin.structure.symbols)}",
        "atoms",
    ]
    for symbol, fractions in zip(origin.structure.symbols, crystal.fractions.tolist(), strict=True):
        lines += [
            f"{symbol.upper():<4s} {' '.join(f'{fraction:17.12f}' for fraction in fractions)}   1.0000",
            f"{zeros}   0.0000",
            spreads,
            zeros,
            products,
            zeros,
        ]
    return "\n".join(lines) + "\n"


def format_xyz(origin: Origin) -> str:
    """Write any structure as extended XYZ; in the second line its cell and its origin."""
    structure = origin.structure
    words = {name.replace(".", "_"): text for name, text in origin.header().items()}
    pairs = [f'{_word(name)}="{_quotable(text)}"' for name, text in words.items()]
    cell = (
        [] if structure.cell is None else [f'Lattice="{" ".join(f"{x:.10f}" for row in structure.cell for x in row)}"']
    )
    periodic = " ".join("T" if along else "F" for along in structure.pbc)
    lines = [
        str(len(structure.symbols)),
        " ".join([*cell, "Properties=species:S:1:pos:R:3", f'pbc="{periodic}"', *pairs]),
        *(
            f"{symbol:<2s} {' '.join(f'{x:17.10f}' for x in position)}"
            for symbol, position in zip(structure.symbols, structure.positions, strict=True)
        ),
    ]
    return "\n".join(lines) + "\n"


class _Crystal(NamedTuple):
    """Lengths (Å) and angles (degrees) of a cell, and the atoms as fractions of it, within 0 to 1, shape (N, 3)."""

    cell: list[float]
    fractions: FloatArray


def _crystal(origin: Origin, kind: str) -> _Crystal:
    """Express a crystal by its cell's lengths and angles, which stand for a right-handed cell."""
    if not origin.is_crystal:
        raise QdsimError(
            f"{origin.label} is not periodic in three directions, as a {kind} is: use xyz, debussy or json."
        )
    atoms: Atoms = origin.structure.to_atoms()
    if atoms.cell.handedness < 0:
        atoms.set_cell(-atoms.cell.array)
    return _Crystal(atoms.cell.cellpar().tolist(), np.round(atoms.cell.scaled_positions(atoms.positions), 12) % 1.0)


def _reciprocal_cosines(cell: list[float]) -> FloatArray:
    """Return the cosines between the reciprocal vectors 1 and 2, 1 and 3, 2 and 3 of a cell, shape (3,).

    In units of the reciprocal lengths, the U of an isotropic atom are U11 = U22 = U33 = U, U12 = U cos(gamma*), and so
    on (Trueblood et al., Acta Cryst. A 52, 770 (1996)).
    """
    reciprocal = np.linalg.inv(Cell.new(cell).array).T
    units = reciprocal / np.linalg.norm(reciprocal, axis=1, keepdims=True)
    return np.asarray((units @ units.T)[np.triu_indices(3, 1)])


def _word(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)


def _quotable(text: str) -> str:
    """Write a text such that it can stand in double quotes; ASE takes a leading _JSON for a command."""
    return text.replace('"', "'").replace("\\", "/").lstrip("_")
