"""Files of atoms, with their occupancies and displacement parameters."""

import json
import re
import warnings
from collections.abc import Callable, Sequence
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from ase import Atoms
from pydantic import ValidationError
from scipy.spatial import cKDTree

from qdsim.debye.atoms import ROUNDED_OCCUPANCY, as_cluster, element
from qdsim.debye.columns import cannot_open, encoding_of
from qdsim.debye.origin import Origin
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

B_PER_U = 8 * np.pi**2
"""B = 8 pi^2 U."""
ONE_IMAGE = 0.05
"""Symmetry-equivalent atoms nearer than this (Å) are one atom, whose coordinates in the file are rounded."""
XYZ_COLUMNS = range(4, 8)
"""Symbol x y z; symbol x y z occupancy; symbol x y z B occupancy; symbol x y z B occupancy label."""
LINES_PER_ATOM = 6
"""Of a structure of PDFgui: the atom, its uncertainties, U11 U22 U33, uncertainties, U12 U13 U23, uncertainties."""

_OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_space_group_symop.operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
)
_RHOMBOHEDRAL = {146, 148, 155, 160, 161, 166, 167}


def read_structure(path: str | Path) -> Atoms:
    """Read atoms from a file.

    ==============  ================================================================================================
    File            How it is read
    ==============  ================================================================================================
    ``.xyz``        Extended XYZ, if the second line has ``Properties=`` or ``Lattice=``; occupancies from its column
                    ``occupancy`` (or ``occupancies``) and B from ``b_iso`` (or ``B``). Else plain: the number of
                    atoms, a line of text, and for each atom ``symbol x y z``, ``symbol x y z occupancy``,
                    ``symbol x y z B occupancy`` or ``symbol x y z B occupancy label``, the last three as Debussy
                    writes them; the number of columns decides.
    ``.cif``        The whole cell, by the file's symmetry operations or else its space group; with occupancies, an
                    atom for each element of a mixed site, and B from ``B_iso_or_equiv``, ``U_iso_or_equiv`` or the
                    anisotropic U.
    ``.stru``       Structures of PDFgui and diffpy (``format pdffit``); B from the equivalent isotropic U.
    ``.json``       Exports of qdsim and fit files made of them: the structure in ``origin``. Other JSON is left to ASE.
    Others          Whatever ASE reads, such as POSCAR, by name and contents; the last one of several structures.
    ==============  ================================================================================================

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ase.Atoms
        With the arrays ``occupancy`` and ``b_iso`` (Å^2), 1 and 0 where the file says nothing. ``pbc`` tells a crystal
        from a cluster.

    Raises
    ------
    QdsimError
        If the file cannot be read, has no atoms, an unknown element, a garbled line, several structures where one is
        wanted, or atoms that `AtomicCluster` refuses.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise cannot_open(file, error) from error
    if not content.strip():
        raise QdsimError(f"{file} is empty: give a file with atoms.")
    lines = content.decode(encoding_of(content)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    readers: dict[str, Callable[[Path, Sequence[str]], Atoms]] = {
        ".xyz": _xyz,
        ".cif": _cif,
        ".stru": _pdffit,
        ".json": _json,
    }
    read = readers.get(file.suffix.lower(), _by_ase)
    if read is not _by_ase and b"\0" in content:
        raise QdsimError(f"{file} is not a text file: give one with atoms.")
    try:
        atoms = read(file, lines)
        cluster = as_cluster(atoms)
    except QdsimError as error:
        message = str(error)
        raise error if message.startswith(str(file)) else QdsimError(f"{file}: {message}") from error
    except Exception as error:  # whatever ASE raises at contents that it does not understand
        detail = ": ".join(filter(None, [type(error).__name__, *str(error).splitlines()[:1]]))
        raise QdsimError(f"{file} cannot be understood as a structure ({detail}): check its format.") from error
    structure = Atoms(cluster.symbols, cluster.positions, cell=atoms.cell, pbc=atoms.pbc)
    structure.set_array("occupancy", cluster.occupancies.copy())
    structure.set_array("b_iso", cluster.b_iso.copy())
    return structure


def _by_ase(path: Path, _: Sequence[str]) -> Atoms:
    return read_by_ase(path)


def read_by_ase(path: Path) -> Atoms:
    """Read the last structure of a file with ASE, which by itself takes the encoding for that of the locale.

    Raises
    ------
    Exception
        Whatever ASE raises at contents that it does not understand.
    """
    from ase.io import formats, read

    name = formats.filetype(str(path))
    kind = formats.get_ioformat(name)
    if kind.isbinary or not kind.acceptsfd or formats.get_compression(str(path))[1] is not None:
        return cast(Atoms, read(path, format=name, do_not_split_by_at_sign=True))
    with path.open(encoding=encoding_of(path.read_bytes())) as file:
        return cast(Atoms, read(file, format=name))


def _json(path: Path, lines: Sequence[str]) -> Atoms:
    """Read the structure in the origin of a document."""
    try:
        document = json.loads("\n".join(lines))
    except ValueError:
        document = None
    if not (isinstance(document, dict) and isinstance(document.get("origin"), dict)):
        return _by_ase(path, lines)
    try:
        return Origin.model_validate(document["origin"]).structure.to_atoms()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("origin", *first["loc"])))
        raise QdsimError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}; correct it.") from error


def _xyz(path: Path, lines: Sequence[str]) -> Atoms:
    """Read plain or extended XYZ."""
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
        from ase.io import read

        return cast(Atoms, read(StringIO("\n".join(lines)), format="extxyz"))
    symbols: list[str] = []
    values: list[list[float]] = []
    width = len(rows[0]) if rows else XYZ_COLUMNS[0]
    for line, row in enumerate(rows, start=3):
        if len(row) != width or width not in XYZ_COLUMNS:
            raise QdsimError(
                f"{path}, line {line}: {len(row)} columns, where symbol x y z [occupancy] or symbol x y z B occupancy "
                "[label] is wanted, the same in all lines; correct it."
            )
        symbols.append(_element(path, line, row[0]))
        values.append([_number(path, line, word) for word in row[1:6]])
    table = np.array(values).reshape(number, min(width, 6) - 1)
    atoms = Atoms(symbols, table[:, :3])
    if width > XYZ_COLUMNS[0]:
        atoms.set_array("occupancy", table[:, -1])
    if width > XYZ_COLUMNS[1]:
        atoms.set_array("b_iso", table[:, 3])
    return atoms


def _pdffit(path: Path, lines: Sequence[str]) -> Atoms:
    """Read a structure of PDFgui: a header, 'atoms', and six lines for each atom."""
    start = next((i for i, line in enumerate(lines) if line.split()[:1] == ["atoms"]), None)
    header = {words[0]: (i, words[1:]) for i, line in enumerate(lines[:start], 1) if (words := _split(line))}
    if start is None or header.get("format", (0, []))[1] != ["pdffit"] or "cell" not in header:
        raise QdsimError(
            f"{path} is no structure of PDFgui, which has 'format pdffit', 'cell' and 'atoms': convert it."
        )
    line, words = header["cell"]
    parameters = [_number(path, line, word) for word in words]
    unit = Atoms(cell=parameters).cell.array
    line, words = header.get("ncell", (0, ["1", "1", "1"]))
    repeats = [_number(path, line, word) for word in words[:3]]
    rows = [(i, _split(text)) for i, text in enumerate(lines[start + 1 :], start + 2) if text.strip()]
    if len(rows) % LINES_PER_ATOM:
        raise QdsimError(
            f"{path}, line {rows[-1][0]}: {len(rows)} lines follow 'atoms', which is no multiple of {LINES_PER_ATOM}; "
            "get the whole file."
        )
    symbols, values, u = [], [], []
    for (line, atom), _, (u_line, diagonal), _, (v_line, mixed), _ in zip(*[iter(rows)] * LINES_PER_ATOM, strict=True):
        if (len(atom), len(diagonal), len(mixed)) != (5, 3, 3):
            raise QdsimError(f"{path}, line {line}: not an atom of PDFgui, 'symbol x y z occupancy' and U; correct it.")
        symbols.append(_element(path, line, atom[0]))
        values.append([_number(path, line, word) for word in atom[1:]])
        u.append(
            [_number(path, u_line, word) for word in diagonal] + [_number(path, v_line, word) for word in mixed[::-1]]
        )
    table = np.array(values).reshape(-1, 4)
    atoms = Atoms(symbols, table[:, :3] @ unit, cell=unit * np.array(repeats)[:, None], pbc=True)
    atoms.set_array("occupancy", table[:, 3])
    atoms.set_array("b_iso", B_PER_U * _equivalent_u(np.array(u).reshape(-1, 6), unit))
    return atoms


def _cif(path: Path, _: Sequence[str]) -> Atoms:
    """Read a CIF site by site, so that the occupancies and displacement parameters of all sites survive."""
    from ase.io.cif import parse_cif

    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # ASE's, on settings of space groups, which are decided below
        block = next((block for block in parse_cif(file) if "_atom_site_label" in block), None)
        if block is None:
            raise QdsimError(f"{path} has no atom sites: give a CIF with the atoms of a structure.")
        cell = block.get_cell()
        rotations, translations = _symmetry(block) if cell.rank else (np.eye(3)[None], np.zeros((1, 3)))
    labels, types = _column(block, "_atom_site_label"), _column(block, "_atom_site_type_symbol")
    count = len(labels)
    symbols = list(map(element, types)) if types else [_labelled(str(label)) for label in labels]
    occupancies = np.nan_to_num(_numbers(block, "_atom_site_occupancy", count), nan=1.0)
    b_iso = _displacements(block, count, cell.array)
    system = "fract" if "_atom_site_fract_x" in block else "cartn"
    coordinates = np.stack([_numbers(block, f"_atom_site_{system}_{axis}", count) for axis in "xyz"], axis=1)
    if np.isnan(coordinates).any() or (system == "fract" and not cell.rank):
        raise QdsimError(f"{path}: the coordinates or the cell are incomplete; complete them.")
    if cell.rank == 0:
        atoms, kinds = Atoms(symbols, coordinates), np.arange(count)
    else:
        scaled = coordinates if system == "fract" else cell.scaled_positions(coordinates)
        images = np.einsum("oij,aj->aoi", rotations, scaled) + translations
        fractions = images.reshape(-1, 3) % 1.0 % 1.0  # twice, for -1e-17 % 1.0 is 1.0
        kinds = np.repeat(np.arange(count), len(rotations))
        kept = _distinct(fractions, cell.array, kinds, symbols, occupancies)
        fractions, kinds = fractions[kept], kinds[kept]
        atoms = Atoms([symbols[kind] for kind in kinds], scaled_positions=fractions, cell=cell, pbc=True)
    atoms.set_array("occupancy", occupancies[kinds])
    atoms.set_array("b_iso", b_iso[kinds])
    return atoms


def _symmetry(block: Any) -> tuple[npt.NDArray[Any], FloatArray]:
    """Return rotations, shape (n, 3, 3), and translations, shape (n, 3), in units of the cell."""
    from ase.spacegroup import Spacegroup
    from ase.spacegroup.spacegroup import parse_sitesym

    operations = next((found for name in _OPERATIONS if (found := _column(block, name))), [])
    if operations:
        rotations, translations = parse_sitesym(operations)
        return np.array(rotations), np.array(translations)
    group = block.get_spacegroup(subtrans_included=True)
    if group.no in _RHOMBOHEDRAL:  # the cell tells the setting, which the words of many files do not
        hexagonal = np.allclose(block.get_cell().angles(), [90, 90, 120], atol=0.1)
        group = Spacegroup(group.no, 1 if hexagonal else 2)
    rotations, translations = group.get_op()
    return np.array(rotations), np.array(translations)


def _distinct(
    fractions: FloatArray,
    cell: FloatArray,
    kinds: npt.NDArray[np.int64],
    symbols: Sequence[str],
    occupancies: FloatArray,
) -> npt.NDArray[np.bool_]:
    """Tell which images to keep: of those on one place, one of each site, and one of sites that are the same atom."""
    kept = np.ones(len(fractions), dtype=bool)
    reach = ONE_IMAGE * float(np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    pairs = cKDTree(fractions, boxsize=1.0).query_pairs(min(reach, 0.5), output_type="ndarray")
    apart = fractions[pairs[:, 0]] - fractions[pairs[:, 1]]
    near = np.linalg.norm((apart - np.round(apart)) @ cell, axis=1) < ONE_IMAGE
    for i, j in sorted(map(sorted, pairs[near].tolist())):
        first, second = kinds[i], kinds[j]
        twice = occupancies[first] + occupancies[second] > 1 + ROUNDED_OCCUPANCY
        if kept[i] and (first == second or (symbols[first] == symbols[second] and twice)):
            kept[j] = False
    return kept


def _displacements(block: Any, count: int, cell: FloatArray) -> FloatArray:
    """Return B of the sites of a CIF, 0 where it has none, shape (count,)."""
    b = _numbers(block, "_atom_site_b_iso_or_equiv", count)
    b = np.where(np.isnan(b), B_PER_U * _numbers(block, "_atom_site_u_iso_or_equiv", count), b)
    labels = _column(block, "_atom_site_aniso_label")
    if labels:
        names = ("11", "22", "33", "23", "13", "12")
        u = np.stack([_numbers(block, f"_atom_site_aniso_u_{name}", len(labels)) for name in names], axis=1)
        of_label = dict(zip(labels, B_PER_U * _equivalent_u(u, cell), strict=True))
        b = np.where(np.isnan(b), [of_label.get(label, np.nan) for label in _column(block, "_atom_site_label")], b)
    return np.nan_to_num(b, nan=0.0)


def _column(block: Any, tag: str) -> list[Any]:
    """Return the entries of a CIF under a tag, in a loop or not; none if it has not the tag."""
    entries = block.get(tag, [])
    return entries if isinstance(entries, list) else [entries]


def _numbers(block: Any, tag: str, count: int) -> FloatArray:
    """Return a column of a CIF, NaN where it has none, shape (count,)."""
    try:
        values = [np.nan if value in {".", "?"} else float(value) for value in _column(block, tag)]
    except ValueError as error:
        raise QdsimError(f"The column {tag} has an entry that is not a number: correct it.") from error
    return np.array(values or np.full(count, np.nan))


def _equivalent_u(u: FloatArray, cell: FloatArray) -> FloatArray:
    """Return U_eq = 1/3 sum_ij U_ij a*_i a*_j (a_i . a_j) (Trueblood et al., Acta Cryst. A 52, 770 (1996)).

    Parameters
    ----------
    u
        U11, U22, U33, U23, U13, U12, Å^2, shape (n, 6).
    cell
        Rows are vectors, Å, shape (3, 3).
    """
    reciprocal = np.linalg.norm(np.linalg.inv(cell), axis=0)
    weights = np.outer(reciprocal, reciprocal) * (cell @ cell.T)
    off_diagonal = 2 * np.array([weights[1, 2], weights[0, 2], weights[0, 1]])
    return np.asarray((u[:, :3] @ np.diag(weights) + u[:, 3:] @ off_diagonal) / 3)


def _labelled(label: str) -> str:
    """Return the element that the label of a site begins with."""
    letters = re.match(r"[A-Za-z]*", label)
    name = letters[0] if letters else ""
    try:
        return element(name[:2])
    except QdsimError:
        return element(name[:1])


def _split(line: str) -> list[str]:
    return line.replace(",", " ").split()


def _element(path: Path, line: int, word: str) -> str:
    try:
        return element(word)
    except QdsimError as error:
        raise QdsimError(f"{path}, line {line}: {error}") from error


def _number(path: Path, line: int, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = np.nan
    if not isfinite(number):
        raise QdsimError(f"{path}, line {line}: {word!r} stands where a number should be; correct it.")
    return number
