from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from qdsim.debye.structure_files import read_structure
from qdsim.errors import QdsimError, QdsimWarning


def record(name: str, residue: str = "LIG", tail: str = "", kind: str = "ATOM  ", numbers: str = "  1.00  0.00") -> str:
    line = f"{kind}    1 {name:4s} {residue:>3s} A   1    {0.0:8.3f}{0.0:8.3f}{0.0:8.3f}{numbers}"
    return line.ljust(76) + tail


def read(folder: Path, *lines: str, name: str = "a.pdb") -> Atoms:
    file = folder / name
    file.write_text("\n".join([*lines, "END", ""]), encoding="utf-8")
    return read_structure(file)


def test_elements_are_in_their_columns(tmp_path: Path) -> None:
    atoms = read(tmp_path, record(" CA ", tail=" C"), name="a.ent")
    assert str(atoms.symbols) == "C"
    for tail, symbol in (("CA", "Ca"), ("PB2+", "Pb"), (" S2-", "S"), ("HG", "Hg"), (" D", "H")):
        assert str(read(tmp_path, record("CA  ", tail=tail)).symbols) == symbol


def test_occupancies_and_temperature_factors_are_kept(tmp_path: Path) -> None:
    atoms = read(tmp_path, record("PB  ", tail="PB", numbers="  0.75  1.58"))
    assert (atoms.arrays["occupancy"][0], atoms.arrays["b_iso"][0]) == (0.75, 1.58)
    blank = read(tmp_path, record("PB  ", tail="PB", numbers="            "))
    assert (blank.arrays["occupancy"][0], blank.arrays["b_iso"][0]) == (1, 0)


@pytest.mark.parametrize(
    ("name", "residue", "symbol"),
    [
        (" CA ", "ALA", "C"),
        ("CA  ", "ALA", "C"),
        (" CD ", "GLU", "C"),
        (" NE ", "ARG", "N"),
        ("HG11", "VAL", "H"),
        ("1HG1", "VAL", "H"),
        ("CA  ", " CA", "Ca"),
        ("PB  ", " PB", "Pb"),
        (" CB ", "LIG", "C"),
        (" S  ", "PBS", "S"),
        (" S1 ", "PBS", "S"),
        (" O11", "OLA", "O"),
        ("HB12", "OLA", "H"),
        ("ZN  ", "LIG", "Zn"),
    ],
)
def test_names_of_one_reading_stand_in_and_it_is_said(tmp_path: Path, name: str, residue: str, symbol: str) -> None:
    with pytest.warns(QdsimWarning, match=rf"no elements in columns 77 and 78: {symbol} are taken from names"):
        assert str(read(tmp_path, record(name, residue)).symbols) == symbol


@pytest.mark.parametrize("kind", ["ATOM  ", "HETATM"])
@pytest.mark.parametrize(
    ("name", "readings"),
    [
        (" CA ", "C or Ca"),
        ("CA  ", "C or Ca"),
        (" CD ", "C or Cd"),
        (" HG ", "H or Hg"),
        (" HE ", "H or He"),
        (" NE ", "N or Ne"),
        (" PB ", "P or Pb"),
        ("HG11", "H or Hg"),
    ],
)
def test_names_of_two_readings_are_refused(tmp_path: Path, name: str, readings: str, kind: str) -> None:
    message = rf"^{tmp_path}/a\.pdb, line 1: {name.strip()} may be {readings}; write the element in columns 77 and 78"
    with pytest.raises(QdsimError, match=message):
        read(tmp_path, record(name, kind=kind))


def test_numbers_of_lines_in_old_files_are_no_elements(tmp_path: Path) -> None:
    with pytest.warns(QdsimWarning, match="no elements"):
        assert str(read(tmp_path, record(" O  ", "HOH").ljust(72) + "1PBS  42").symbols) == "O"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([record("QQ  ", tail="QQ")], "line 1: 'QQ' is no chemical element"),
        ([record(" XX ")], "line 1: 'XX' is no chemical element"),
        ([record(" S  ", tail=" S").replace("   0.000", "   0.0o0")], "line 1: '   0.0o0' stands where a number"),
        (["MODEL        1", record(" S  ", tail=" S"), "ENDMDL", "MODEL        2"], "line 4: a second model begins"),
        ([record(" S  ", tail=" S", numbers="  0.00  0.00")], "all occupancies .* are 0"),
        (
            ["CRYST1   10.000   10.000   10.000  90.00  90.00  90.00 P 21 21 21    4"],
            "line 1: the space group is P 21 21",
        ),
        (["REMARK nothing"], "has no atoms"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(QdsimError, match=rf"^{tmp_path}/a\.pdb.*{message}"):
        read(tmp_path, *lines)


def test_a_cell_makes_a_crystal_and_the_unit_cell_of_one_angstrom_does_not(tmp_path: Path) -> None:
    atom = record(" S  ", tail=" S")
    crystal = read(tmp_path, "CRYST1   10.000   11.000   12.000  90.00  95.00  90.00 P 1           1", atom)
    assert crystal.pbc.all()
    np.testing.assert_allclose(crystal.cell.cellpar(), [10, 11, 12, 90, 95, 90])
    alone = read(tmp_path, "CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1", atom)
    assert not alone.pbc.any()
