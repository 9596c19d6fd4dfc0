"""Files of crystals, read back by programs that did not write them."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import gemmi
import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cell import Cell as AseCell
from ase.io import read
from diffpy.structure import loadStructure
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qdsim.debye import read_structure
from qdsim.debye.origin import Origin
from qdsim.errors import QdsimError
from qdsim.exports import format_cif, format_json, format_stru, format_xyz
from qdsim.structures import RhombohedralState

FloatArray = npt.NDArray[np.float64]
Cell = tuple[list[str], list[float], FloatArray]
"""Symbols, cell parameters (Å, degrees), and fractional coordinates."""

CLOSE = 1e-6  # Å
NASTY = [
    "two\nlines\r\nand\ttabs",
    "\"quoted\" and 'quoted'",
    "../../etc/passwd",
    "ünïcödé α Å 中文 \U0001f600",
    "Lattice",
    "pbc",
    "Properties",
    'Lattice="1 0 0" Properties=species:S:1',
    "_JSON {",
    "data_x\nloop_\n;\n_cell_length_a 1",
    "\\\\ \\n {[(",
    "atoms",
    "\x7f\x85\u2028\ufeff\ud800",
    "",
    "x" * 3000,
]


def by_gemmi(path: Path) -> Cell:
    small = gemmi.read_small_structure(str(path))
    assert small.spacegroup is not None
    assert small.spacegroup.number == 1
    sites = small.get_all_unit_cell_sites()
    assert len(sites) == len(small.sites)
    fractions = np.array([[site.fract.x, site.fract.y, site.fract.z] for site in sites])
    return [site.element.name for site in sites], list(small.cell.parameters), fractions


def by_diffpy(path: Path) -> Cell:
    structure = loadStructure(str(path))
    return list(structure.element), list(structure.lattice.abcABG()), np.array(structure.xyz)


def by_ase(path: Path) -> Cell:
    return parts(cast(Atoms, read(path)))


def by_qdsim(path: Path) -> Cell:
    return parts(read_structure(path))


def parts(atoms: Atoms) -> Cell:
    """Describe atoms by a right-handed cell, as files do that keep only its lengths and angles."""
    assert atoms.pbc.all()
    cell = atoms.cell if atoms.cell.handedness > 0 else AseCell(-atoms.cell.array)
    return atoms.get_chemical_symbols(), cell.cellpar().tolist(), cell.scaled_positions(atoms.positions)


CASES: list[tuple[Callable[[Origin], str], str, Callable[[Path], Cell]]] = [
    (format_cif, "a.cif", by_ase),
    (format_cif, "a.cif", by_gemmi),
    (format_cif, "a.cif", by_diffpy),
    (format_cif, "a.cif", by_qdsim),
    (format_stru, "a.stru", by_diffpy),
    (format_stru, "a.stru", by_qdsim),
    (format_xyz, "a.xyz", by_ase),
    (format_xyz, "a.xyz", by_qdsim),
    (format_json, "a.json", by_qdsim),
]
NAMES = [f"{path[2:]} by {reader.__name__[3:]}" for _, path, reader in CASES]


def check_same(found: Cell, atoms: Atoms) -> None:
    """Compare with the structure that was written, whatever the rotation as a whole and the cell of each atom."""
    symbols, cell, fractions = found
    expected_symbols, expected_cell, expected = parts(atoms)
    assert symbols == expected_symbols
    np.testing.assert_allclose(cell, expected_cell, atol=CLOSE)
    apart = fractions - expected
    assert np.abs((apart - np.round(apart)) @ atoms.cell.array).max() < CLOSE
    back = Atoms(symbols, scaled_positions=fractions, cell=cell, pbc=True)
    distances = back.get_all_distances(mic=True) - atoms.get_all_distances(mic=True)
    assert np.abs(distances).max() < 10 * CLOSE


def read_back(write: Callable[[Origin], str], name: str, reader: Callable[[Path], Cell], origin: Origin) -> Cell:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(write(origin), encoding="utf-8")
        return reader(path)


@pytest.mark.parametrize(("write", "name", "reader"), CASES, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(
    volume=st.floats(40, 90),
    alpha=st.floats(56, 64),
    offset=st.floats(-0.45, 0.45),
    supercell=st.sampled_from(
        ["primitive", "conventional", (2, 1, 1), [[1, 1, 0], [0, 1, 0], [0, 0, 2]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]]
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_file_gives_the_structure_back(
    write: Callable[[Origin], str],
    name: str,
    reader: Callable[[Path], Cell],
    volume: float,
    alpha: float,
    offset: float,
    supercell: Any,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    atoms = RhombohedralState(volume, alpha, offset).to_atoms("Pb", "Se", supercell)
    atoms.set_cell(atoms.cell.array @ Rotation.random(rng=random).as_matrix(), scale_atoms=True)
    atoms.positions += random.normal(0, 0.05, atoms.positions.shape) + random.uniform(-9, 9, 3)
    check_same(read_back(write, name, reader, Origin.of(atoms, uuid="u", label="random")), atoms)


@pytest.mark.parametrize(("write", "name", "reader"), CASES, ids=NAMES)
def test_other_crystals_are_kept_as_well(write: Any, name: str, reader: Any) -> None:
    for atoms in (bulk("Si", cubic=True), bulk("ZnO", "wurtzite", a=3.25, c=5.2)):
        check_same(read_back(write, name, reader, Origin.of(atoms, uuid="u", label="other")), atoms)


@pytest.mark.parametrize(("write", "name", "reader"), CASES, ids=NAMES)
@pytest.mark.parametrize("label", NASTY)
def test_no_label_breaks_a_file(write: Any, name: str, reader: Any, label: str, crystal: Atoms) -> None:
    nasty = {"campaign": label, "settings": {label: label, "functional": "PBE"}, "code": label}
    origin = Origin.of(crystal, uuid="34e1", label=label, **nasty)
    check_same(read_back(write, name, reader, origin), crystal)


@settings(max_examples=60, deadline=None)
@given(label=st.text(), case=st.sampled_from(CASES))
def test_no_text_at_all_breaks_a_file(label: str, case: Any) -> None:
    atoms = RhombohedralState(55.0, 59.0, 0.2).to_atoms("Pb", "S")
    write, name, reader = case
    origin = Origin.of(atoms, uuid="u", label=label, settings={"template": label})
    check_same(read_back(write, name, reader, origin), atoms)


@pytest.mark.parametrize("write", [format_cif, format_stru, format_xyz, format_json])
def test_every_header_tells_where_the_structure_comes_from(
    write: Callable[[Origin], str], crystal: Atoms, described: Callable[[Atoms], Origin]
) -> None:
    origin = described(crystal)
    text = write(origin)
    words = [origin.uuid, "10.1038/nmat4661", "linear_p0p0200 relaxed", "quickstart", "CP2K 2023.1", "300 Ry", "6 6 6"]
    for word in [*words, "R3m (160)", "PBE"]:
        assert word in text
    if write is not format_json:
        assert text.isascii()
        assert "59.030000 deg" in text
        head = text[: text.lower().index("\npb")]
        assert all(word in head for word in words)


@pytest.mark.parametrize("supercell", ["primitive", "conventional", (1, 2, 1)])
def test_a_stru_begins_with_the_same_displacements_in_all_directions(
    supercell: Any, described: Any, saved: Any
) -> None:
    atoms = RhombohedralState.from_lattice_constant(6.1, 59.2, 0.2).to_atoms("Pb", "S", supercell)
    path = saved("a.stru", format_stru(described(atoms)))
    structure = loadStructure(str(path))
    np.testing.assert_allclose(structure.Bisoequiv, 1.0, atol=1e-6)
    np.testing.assert_array_equal(structure.occupancy, 1.0)
    for direction in np.random.default_rng(2).normal(size=(5, 3)):
        spread = structure[0].msdCart(direction / np.linalg.norm(direction))
        assert 8 * np.pi**2 * spread == pytest.approx(1, abs=1e-6)
    assert structure.title.startswith("linear_p0p0200 relaxed of campaign quickstart, node 34e1e9a9")
    assert structure.pdffit["ncell"] == [1, 1, 1, len(atoms)]
    np.testing.assert_allclose(read_structure(path).arrays["b_iso"], 1, atol=1e-6)


def test_a_cif_has_no_displacements_that_nobody_computed(crystal: Atoms, described: Any, saved: Any) -> None:
    path = saved("a.cif", format_cif(described(crystal)))
    np.testing.assert_array_equal(read_structure(path).arrays["b_iso"], 0)
    block = gemmi.cif.read(str(path)).sole_block()
    assert block.name == "linear_p0p0200_relaxed"
    assert block.find_value("_chemical_formula_sum") == "'Pb4 S4'"


def test_the_second_line_of_an_xyz_is_read_by_ase(crystal: Atoms, described: Any, saved: Any) -> None:
    info = cast(Atoms, read(saved("a.xyz", format_xyz(described(crystal, 'a "b" \\ c'))))).info
    assert info["uuid"] == "34e1e9a9-a8b8-4f52-98e9-664c9c321285"
    assert info["label"] == "a 'b' / c"
    assert info["doi"] == "10.1038/nmat4661"
    assert info["settings_cutoff"] == "300 Ry"
    assert info["rocksalt_alpha_rh"] == "59.030000 deg"


def test_a_cluster_has_an_xyz_and_no_cell(cluster: Atoms, described: Any, saved: Any) -> None:
    path = saved("a.xyz", format_xyz(described(cluster)))
    for back in (cast(Atoms, read(path)), read_structure(path)):
        assert back.get_chemical_symbols() == cluster.get_chemical_symbols()
        assert not back.pbc.any()
        np.testing.assert_allclose(back.positions, cluster.positions, atol=CLOSE)
    for write in (format_cif, format_stru):
        with pytest.raises(QdsimError, match=r"linear_p0p0200 relaxed is not periodic in three directions.*use xyz"):
            write(described(cluster))


def test_a_slab_keeps_its_directions(crystal: Atoms, described: Any, saved: Any) -> None:
    crystal.center(vacuum=10, axis=2)
    crystal.pbc = (True, True, False)
    origin = described(crystal)
    assert origin.rocksalt is None
    back = cast(Atoms, read(saved("a.xyz", format_xyz(origin))))
    assert back.pbc.tolist() == [True, True, False]
    np.testing.assert_allclose(back.cell.array, crystal.cell.array, atol=CLOSE)
    with pytest.raises(QdsimError, match="not periodic in three directions"):
        format_cif(origin)
