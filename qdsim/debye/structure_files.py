"""Files of atoms, with their occupancies and displacement parameters."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from ase import Atoms
from pydantic import ValidationError

from qdsim.debye.atoms import as_cluster, element, nuclide
from qdsim.debye.cif import read_cif
from qdsim.debye.columns import cannot_open, encoding_of
from qdsim.debye.origin import Origin
from qdsim.debye.pdb import read_pdb
from qdsim.debye.pdffit_structures import read_pdffit
from qdsim.debye.xyz import read_xyz
from qdsim.errors import QdsimError

_NAMELESS = {"gromacs", "gromos", "dlp4", "dlp-history", "lammps-data", "lammps-dump-text", "lammps-dump-binary"}
"""Formats, as ASE names them, in which atoms have types and names: ASE guesses the elements."""
_UNREAD = {"bfactor", "debye_waller_factors"}
"""Arrays in which ASE keeps displacements of one format each, in units of its own."""


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
                    atom for each element of a mixed site, and B from whatever it says of displacements: see
                    `qdsim.debye.cif`.
    ``.pdb``        The atoms as they are listed, with occupancies and B: see `qdsim.debye.pdb`.
    ``.stru``       Structures of PDFgui and diffpy (``format pdffit``); B from the equivalent isotropic U.
    ``.json``       Exports of qdsim and fit files made of them: the structure in ``origin``. Other JSON is left to ASE.
    Others          Whatever ASE reads with its elements, such as POSCAR, by name and contents; the last one of several
                    structures. The formats above are known by their contents, too.
    ==============  ================================================================================================

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ase.Atoms
        With the arrays ``occupancy`` and ``b_iso`` (Å^2), 1 and 0 where the file says nothing, and ``isotope`` if there
        are any, by their mass numbers. ``pbc`` tells a crystal from a cluster.

    Raises
    ------
    QdsimError
        If the file cannot be read, has no atoms, an unknown element, a garbled line, several structures where one is
        wanted, statements that contradict each other, no elements, or atoms that `AtomicCluster` refuses.

    Warns
    -----
    QdsimWarning
        If something had to be guessed.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise cannot_open(file, error) from error
    if not content.strip():
        raise QdsimError(f"{file} is empty: give a file with atoms.")
    lines = content.decode(encoding_of(content)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    try:
        read = _readers().get(file.suffix.lower()) or _by_contents(file, lines)
        if read is not _by_ase and b"\0" in content:
            raise QdsimError(f"{file} is not a text file: give one with atoms.")
        atoms = read(file, lines)
        cluster = as_cluster(atoms)
    except QdsimError as error:
        message = str(error)
        raise error if message.startswith(str(file)) else QdsimError(f"{file}: {message}") from error
    except Exception as error:  # whatever ASE raises at contents that it does not understand
        detail = ": ".join(filter(None, [type(error).__name__, *str(error).splitlines()[:1]]))
        raise QdsimError(f"{file} cannot be understood as a structure ({detail}): check its format.") from error
    structure = Atoms(list(map(element, cluster.symbols)), cluster.positions, cell=atoms.cell, pbc=atoms.pbc)
    structure.set_array("occupancy", cluster.occupancies.copy())
    structure.set_array("b_iso", cluster.b_iso.copy())
    masses = [nuclide(symbol)[1] for symbol in cluster.symbols]
    if any(masses):
        structure.set_array("isotope", np.array(masses))
    return structure


_Reader = Callable[[Path, Sequence[str]], Atoms]


def _readers() -> dict[str, _Reader]:
    """Return the readers by the ending of a file's name."""
    return {
        ".xyz": read_xyz,
        ".cif": _cif,
        ".mmcif": _cif,
        ".mcif": _cif,
        ".pdb": read_pdb,
        ".ent": read_pdb,
        ".stru": read_pdffit,
        ".json": _json,
    }


def _by_contents(path: Path, lines: Sequence[str]) -> _Reader:
    """Return the reader of a file whose name does not tell."""
    from ase.io import formats

    name = formats.filetype(str(path))
    if name in _NAMELESS:
        raise QdsimError(f"{path} is a file of {name}, which has types of atoms and no elements: convert it to XYZ.")
    symmetry = [line.split() for line in lines if line[:4].upper() in {"LATT", "SYMM"}]
    if name == "res" and symmetry != [["LATT", "-1"]]:  # ASE passes over both
        raise QdsimError(f"{path} has the atoms of a SHELX file that symmetry makes others from: convert it to CIF.")
    ours: dict[str, _Reader] = {"cif": _cif, "proteindatabank": read_pdb, "xyz": read_xyz, "extxyz": read_xyz}
    if name in ours and formats.get_compression(str(path))[1] is not None:
        raise QdsimError(f"{path} is compressed: unpack it.")
    return ours.get(name, _by_ase)


def _cif(path: Path, _: Sequence[str]) -> Atoms:
    return read_cif(path)


def _by_ase(path: Path, _: Sequence[str]) -> Atoms:
    """Read the last structure of a file with ASE, which by itself takes the encoding for that of the locale."""
    from ase.io import formats, read

    name = formats.filetype(str(path))
    kind = formats.get_ioformat(name)
    if kind.isbinary or not kind.acceptsfd or formats.get_compression(str(path))[1] is not None:
        atoms = cast(Atoms, read(path, format=name, do_not_split_by_at_sign=True))
    else:
        with path.open(encoding=encoding_of(path.read_bytes())) as file:
            atoms = cast(Atoms, read(file, format=name))
    if unread := ", ".join(sorted(_UNREAD & atoms.arrays.keys())):
        raise QdsimError(f"{path}: the displacements of its format ({unread}) are not read; give a CIF or XYZ.")
    return atoms


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
