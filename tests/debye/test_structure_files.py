import gzip
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from qdsim.debye import intensity
from qdsim.debye.atoms import as_cluster
from qdsim.debye.structure_files import read_structure
from qdsim.errors import QdsimError

CELL = """data_PbS
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
"""
CUBIC = CELL.format(a="5.9362(2)", c="5.9362(2)", gamma=90) + "_symmetry_space_group_name_H-M 'F m -3 m'\n"
P1 = "_symmetry_space_group_name_H-M 'P 1'\n"
SITES = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
STRU = """title  PbS
format pdffit
scale   1.000000
spcgr   F m -3 m
cell    3.520000,  3.520000,  7.040000, 90.000000, 90.000000, 120.000000
dcell   0.000000,  0.000000,  0.000000,  0.000000,  0.000000,  0.000000
ncell          1,         1,         1,         2
atoms
PB   0.00000000   0.00000000   0.00000000   0.9000
     0.00000000   0.00000000   0.00000000   0.0000
     0.01266515   0.01266515   0.01266515
     0.00000000   0.00000000   0.00000000
     0.00633257   0.00000000   0.00000000
     0.00000000   0.00000000   0.00000000
S    0.50000000   0.50000000   0.50000000   1.0000
     0.00000000   0.00000000   0.00000000   0.0000
     0.00000000   0.00000000   0.03000000
     0.00000000   0.00000000   0.00000000
     0.00000000   0.00000000   0.00000000
     0.00000000   0.00000000   0.00000000
"""


def saved(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("columns", "occupancy", "b"),
    [
        ("", [1, 1], [0, 0]),
        (" {occ}", [0.9, 1], [0, 0]),
        (" {b} {occ}", [0.9, 1], [1.5, 0.5]),
        (" {b} {occ} label", [0.9, 1], [1.5, 0.5]),
        ("   {b}\t{occ}  12", [0.9, 1], [1.5, 0.5]),
    ],
)
def test_plain_xyz_is_read_by_its_columns(
    tmp_path: Path, columns: str, occupancy: list[float], b: list[float], end: str
) -> None:
    rows = ["Pb 0 0 0" + columns.format(occ=0.9, b=1.5), "S2- 1e0 2.5 -3" + columns.format(occ=1, b=0.5)]
    atoms = read_structure(saved(tmp_path, "a.xyz", end.join(["2", "PbS by Debussy", *rows, "", ""])))
    assert str(atoms.symbols) == "PbS"
    np.testing.assert_array_equal(atoms.positions, [[0, 0, 0], [1, 2.5, -3]])
    np.testing.assert_array_equal(atoms.arrays["occupancy"], occupancy)
    np.testing.assert_array_equal(atoms.arrays["b_iso"], b)
    assert not atoms.pbc.any()


def test_atomic_numbers_stand_for_symbols(tmp_path: Path) -> None:
    assert str(read_structure(saved(tmp_path, "a.xyz", "2\n\n82 0 0 0\n16 0 0 3")).symbols) == "PbS"


@pytest.mark.parametrize("names", [("occupancy", "b_iso"), ("occupancies", "B")])
def test_extended_xyz_keeps_its_columns(tmp_path: Path, names: tuple[str, str]) -> None:
    crystal = bulk("PbS", "rocksalt", a=5.93, cubic=True)
    crystal.set_array(names[0], np.linspace(0.1, 0.8, 8))
    crystal.set_array(names[1], np.linspace(1, 2, 8))
    write(tmp_path / "a.xyz", crystal, format="extxyz")
    atoms = read_structure(tmp_path / "a.xyz")
    assert atoms.pbc.all()
    np.testing.assert_allclose(atoms.cell.array, crystal.cell.array)
    np.testing.assert_allclose(atoms.positions, crystal.positions, atol=1e-7)
    np.testing.assert_allclose(atoms.arrays["occupancy"], np.linspace(0.1, 0.8, 8), atol=1e-7)
    np.testing.assert_allclose(atoms.arrays["b_iso"], np.linspace(1, 2, 8), atol=1e-7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("Pb 0 0 0\n", r"line 1: 'Pb 0 0 0' stands where the number of atoms should be"),
        ("0\n\n", "has no atoms"),
        ("3\n\nPb 0 0 0\nS 0 0 3\n", "line 1: 3 atoms are promised and 2 follow"),
        ("3\n\nPb 0 0 0\n\nS 0 0 3\n", "line 1: 3 atoms are promised and 1 follow"),
        ("1\n\nPb 0 0 0\n1\n\nPb 0 0 1\n", "line 4: more follows after 1 atoms"),
        ("2\n\nPb 0 0 0\nXx 0 0 3\n", "line 4: 'Xx' is no chemical element"),
        ("2\n\nPb 0 0 0\nS 0 O 3\n", "line 4: 'O' stands where a number should be"),
        ("2\n\nPb 0 0 0\nS 0 nan 3\n", "line 4: 'nan' stands"),
        ("2\n\nPb 0 0 0 1\nS 0 0 3\n", "line 4: 4 columns, where"),
        ("1\n\nPb 0 0\n", "line 3: 3 columns, where"),
        ("1\n\nPb 0 0 0 1 1 a b\n", "line 3: 8 columns, where"),
        ("1\n\nPb 0 0 0 1.5\n", r"occupancy of Pb \(atom 1\) is out of range"),
        ("1\n\nPb 0 0 0 -1 1\n", r"B of Pb \(atom 1\) is out of range"),
        ("2\n\nPb 0 0 0\nS 0 0 0\n", r"Pb \(atom 1\) and S \(atom 2\) are on one site"),
        ("1\nProperties=species:S:1:pos:R:3\nPb 0 0 a\n", "cannot be understood as a structure"),
        ("\0\0", "is not a text file"),
    ],
)
def test_bad_xyz_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(QdsimError, match=rf"^{tmp_path}/a\.xyz.*{message}"):
        read_structure(saved(tmp_path, "a.xyz", text))


def test_partial_occupancies_of_a_cif_survive(tmp_path: Path) -> None:
    text = CUBIC + SITES + "_atom_site_occupancy\n_atom_site_B_iso_or_equiv\n"
    atoms = read_structure(saved(tmp_path, "a.cif", text + "Pb1 0 0 0 0.90(1) 1.2(1)\nS1 0.5 0.5 0.5 1 0.8\n"))
    assert str(atoms.symbols) == "Pb4S4"
    np.testing.assert_array_equal(atoms.arrays["occupancy"], [0.9] * 4 + [1] * 4)
    np.testing.assert_array_equal(atoms.arrays["b_iso"], [1.2] * 4 + [0.8] * 4)
    assert atoms.cell.cellpar() == pytest.approx([5.9362] * 3 + [90] * 3)
    distances = atoms.get_all_distances(mic=True)[:4, 4:]
    assert distances.min() == pytest.approx(5.9362 / 2)


def test_mixed_sites_of_a_cif_survive_even_of_one_element(tmp_path: Path) -> None:
    text = CUBIC + SITES + "_atom_site_type_symbol\n_atom_site_occupancy\n"
    sites = "M1 0 0 0 Pb2+ 0.5\nM2 0 0 0 Pb4+ 0.2\nM3 0 0 0 Sn2+ 0.3\nS1 0.5 0.5 0.5 S2- .\n"
    made = as_cluster(saved(tmp_path, "a.cif", text + sites))
    assert [made.symbols.count(name) for name in ("Pb", "Sn", "S")] == [8, 4, 4]
    lead = np.array(made.symbols) == "Pb"
    assert made.occupancies[lead].sum() == pytest.approx(4 * 0.7)
    assert made.occupancies.sum() == pytest.approx(8)


def test_atoms_that_symmetry_makes_twice_are_one(tmp_path: Path) -> None:
    sites = "Pb1 0 0 0\nPb2 0.5 0.5 0\nPb3 0 0.5 0.5001\nS1 0.5 0.5 0.5\nS2 -0.5 1 0\n"
    assert str(read_structure(saved(tmp_path, "a.cif", CUBIC + SITES + sites)).symbols) == "Pb4S4"


@pytest.mark.parametrize("setting", ["trigonal", "hexagonal", "rhombohedral"])
def test_the_cell_tells_the_setting_of_a_rhombohedral_group(tmp_path: Path, setting: str) -> None:
    group = (
        f"_symmetry_space_group_name_H-M 'R -3 m'\n_symmetry_Int_Tables_number 166\n_symmetry_cell_setting {setting}\n"
    )
    text = CELL.format(a=4.546, c=11.862, gamma=120) + group + SITES + "Bi1 0 0 0.2339\n"
    bismuth = read_structure(saved(tmp_path, "a.cif", text))
    assert len(bismuth) == 6
    distances = bismuth.get_all_distances(mic=True)
    assert distances[distances > 0].min() == pytest.approx(3.07, abs=0.01)


def test_displacements_of_a_cif_are_those_of_the_u_it_has(tmp_path: Path) -> None:
    text = (
        CELL.format(a=4.0, c=6.0, gamma=120)
        + P1
        + SITES
        + "_atom_site_U_iso_or_equiv\nPb1 0 0 0 ?\nS1 0.3 0.3 0.5 0.02\n"
    )
    names = "".join(f"_atom_site_aniso_U_{name}\n" for name in ("11", "22", "33", "12", "13", "23"))
    text += "loop_\n_atom_site_aniso_label\n" + names + "Pb1 0.01 0.01 0.01 0.005 0 0\n"
    b_iso = read_structure(saved(tmp_path, "a.cif", text)).arrays["b_iso"]
    np.testing.assert_allclose(b_iso, 8 * np.pi**2 * np.array([0.01, 0.02]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_a\n", "has no atom sites"),
        ("no cif", r"cannot be understood as a structure \(AssertionError\): check its format"),
        (CUBIC + SITES + "Xx1 0 0 0\n", "'X' is no chemical element"),
        (CUBIC + SITES + "Pb1 0 ? 0\n", "coordinates or the cell are incomplete"),
        ("data_a\n" + SITES + "Pb1 0 0 0\n", "coordinates or the cell are incomplete"),
        (CUBIC + SITES + "Pb1 0 half 0\n", "_atom_site_fract_y has an entry that is not a number"),
        (CUBIC + SITES + "Pb1 0 0\n", "cannot be understood as a structure"),
        (CUBIC + SITES + "Pb1 0 0 0\nS1 0 0 0\n", r"Pb \(atom 1\) and S \(atom 5\) are on one site"),
        (CUBIC.replace("F m -3 m", "F q") + SITES + "Pb1 0 0 0\n", "no space group with the symbol 'F q'"),
    ],
)
def test_bad_cifs_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(QdsimError, match=rf"^{tmp_path}/a\.cif.*{message}"):
        read_structure(saved(tmp_path, "a.cif", text))


def test_structures_of_pdfgui_are_read(tmp_path: Path) -> None:
    atoms = read_structure(saved(tmp_path, "a.stru", STRU))
    assert str(atoms.symbols) == "PbS"
    np.testing.assert_array_equal(atoms.arrays["occupancy"], [0.9, 1])
    np.testing.assert_allclose(atoms.arrays["b_iso"], [1, 8 * np.pi**2 * 0.01], rtol=1e-6)  # U = U33/3 along c
    np.testing.assert_allclose(atoms.positions[1], [0.88, 0.88 * np.sqrt(3), 3.52])
    assert atoms.cell.cellpar() == pytest.approx([3.52, 3.52, 7.04, 90, 90, 120])
    assert atoms.pbc.all()


def test_a_supercell_of_pdfgui_has_coordinates_of_the_small_cell(tmp_path: Path) -> None:
    text = STRU.replace("ncell          1,", "ncell          2,").replace("S    0.5", "S    1.5")
    atoms = read_structure(saved(tmp_path, "a.stru", text))
    assert atoms.cell.lengths() == pytest.approx([7.04, 3.52, 7.04])
    assert atoms.get_scaled_positions()[1] == pytest.approx([0.75, 0.5, 0.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STRU.replace("format pdffit", ""), "no structure of PDFgui"),
        (STRU.replace("atoms\n", ""), "no structure of PDFgui"),
        (STRU.replace("PB ", "XX "), "line 9: 'XX' is no chemical element"),
        (STRU.replace("0.03000000", "0.o3"), "line 17: '0.o3' stands where a number should be"),
        (STRU.rsplit("\n", 2)[0] + "\n", "line 19: 11 lines follow 'atoms'"),
        (STRU.replace("   0.9000", ""), "line 9: not an atom of PDFgui"),
        (STRU.split("PB", maxsplit=1)[0], "has no atoms"),
    ],
)
def test_bad_structures_of_pdfgui_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(QdsimError, match=rf"^{tmp_path}/a\.stru.*{message}"):
        read_structure(saved(tmp_path, "a.stru", text))


def test_whatever_ase_reads_is_read(tmp_path: Path) -> None:
    crystal = bulk("PbS", "rocksalt", a=5.93)
    write(tmp_path / "POSCAR", crystal)
    atoms = read_structure(tmp_path / "POSCAR")
    assert isinstance(atoms, Atoms)
    np.testing.assert_allclose(atoms.positions, crystal.positions, atol=1e-9)
    np.testing.assert_array_equal(atoms.arrays["occupancy"], 1)
    assert as_cluster(str(tmp_path / "POSCAR")).symbols == tuple(crystal.symbols)


def test_files_that_are_no_structures_are_told(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match=r"There is no file .*none\.xyz"):
        as_cluster(tmp_path / "none.xyz")
    with pytest.raises(QdsimError, match="is a folder"):
        read_structure(tmp_path)
    with pytest.raises(QdsimError, match=r"a\.abc cannot be understood as a structure \(UnknownFileTypeError"):
        read_structure(saved(tmp_path, "a.abc", "nothing"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("name", ["POSCAR", "POSCAR@1", "edge 5 Å.vasp", "c.xyz"])
def test_encodings_and_names_of_any_kind(tmp_path: Path, name: str, encoding: str) -> None:
    crystal = bulk("PbS", "rocksalt", a=5.936, cubic=True)
    file = tmp_path / name
    write(file, crystal, format="extxyz" if file.suffix == ".xyz" else "vasp")
    first, second, *rest = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if file.suffix == ".xyz":
        second = second.replace("\n", ' edge="5.936 Å"\n')
    else:
        first = "Pb S, 5.936 Å\n"
    file.write_text("".join([first, second, *rest]), encoding=encoding)
    atoms = read_structure(file)
    assert sorted(atoms.symbols) == sorted(crystal.symbols)
    np.testing.assert_allclose(atoms.cell.array, crystal.cell.array)


def test_formats_without_elements_are_refused(tmp_path: Path) -> None:
    gromacs = "dot\n    1\n    1LIG     CA    1   0.000   0.000   0.000\n   1.0 1.0 1.0\n"
    with pytest.raises(QdsimError, match="a file of gromacs, which has types of atoms and no elements"):
        read_structure(saved(tmp_path, "a.gro", gromacs))


def test_shelx_files_are_read_where_all_atoms_are_listed(tmp_path: Path) -> None:
    text = (
        "TITL PbS\nCELL 0.7 5.936 5.936 5.936 90 90 90\nLATT -1\nSFAC Pb S\nPb 1 0 0 0 1.0\nS 2 0.5 0.5 0.5 1.0\nEND\n"
    )
    assert str(read_structure(saved(tmp_path, "a.res", text)).symbols) == "PbS"
    for other in ("LATT 4", "LATT -1\nSYMM -X, -Y, Z", ""):
        with pytest.raises(QdsimError, match="SHELX file that symmetry makes others from: convert it to CIF"):
            read_structure(saved(tmp_path, "a.res", text.replace("LATT -1", other)))


@pytest.mark.parametrize("name", ["a.cif.gz", "a.pdb.gz", "a.xyz.gz"])
def test_packed_files_are_unpacked_first(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"1\n\nPb 0 0 0\n"))
    with pytest.raises(QdsimError, match=r"is compressed: unpack it"):
        read_structure(tmp_path / name)


@pytest.mark.parametrize("second", ["", "Properties=species:S:1:pos:R:3", "Properties=pos:R:3:species:S:1"])
def test_isotopes_of_an_xyz_are_kept(tmp_path: Path, second: str) -> None:
    rows = ["D 0 0 0", "62Ni 0 0 3", "Ni-60 0 0 6", "Pb2+ 0 0 9", "Pb 0 3 0"]
    if second.startswith("Properties=pos"):
        rows = [" ".join(row.split()[1:] + row.split()[:1]) for row in rows]
    atoms = read_structure(saved(tmp_path, "a.xyz", "\n".join(["5", second, *rows])))
    assert str(atoms.symbols) == "HNi2Pb2"
    np.testing.assert_array_equal(atoms.arrays["isotope"], [2, 62, 60, 0, 0])
    assert as_cluster(atoms).symbols == ("2H", "62Ni", "60Ni", "Pb", "Pb")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("HG2", "HG2 may be H or Hg"),
        ("CA1", "CA1 may be C or Ca"),
        ("H-2", "may be an ion or an isotope of H"),
    ],
)
@pytest.mark.parametrize("second", ["", "Properties=species:S:1:pos:R:3"])
def test_symbols_of_two_readings_are_refused(tmp_path: Path, word: str, message: str, second: str) -> None:
    with pytest.raises(QdsimError, match=rf"line 3: .*{message}"):
        read_structure(saved(tmp_path, "a.xyz", f"1\n{second}\n{word} 0 0 0\n"))


def test_neutrons_see_the_isotopes_of_a_file(tmp_path: Path) -> None:
    file = saved(tmp_path, "a.xyz", "3\n\nD 0 0 0\nH 0 0 3\n62Ni 0 0 7\n")
    q = np.linspace(0.5, 10, 30)
    heavy, light, nickel = 6.671, -3.739, -8.7  # fm, Sears, Neutron News 3, 26 (1992)
    wanted = (
        heavy**2
        + light**2
        + nickel**2
        + 2 * heavy * light * np.sinc(3 * q / np.pi)
        + 2 * heavy * nickel * np.sinc(7 * q / np.pi)
        + 2 * light * nickel * np.sinc(4 * q / np.pi)
    )
    np.testing.assert_allclose(intensity(file, q, radiation="neutron"), wanted, rtol=3e-3)
    natural = saved(tmp_path, "b.xyz", "3\n\nH 0 0 0\nH 0 0 3\nNi 0 0 7\n")
    np.testing.assert_allclose(intensity(file, q), intensity(natural, q), rtol=1e-12)
