"""Folders for Debussy: every file, by the rules that Debussy 2.2 reads them by."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import xraydb
from ase import Atoms
from ase.build import bulk
from ase.io import read

from qdsim.debye import read_structure
from qdsim.debye.abscissa import HC
from qdsim.debye.fit_file import load_fit_file
from qdsim.debye.origin import Origin
from qdsim.errors import QdsimError
from qdsim.exports import cut_cluster, format_debussy, write_folder
from qdsim.structures import RhombohedralState, cut_crystal, cut_rocksalt

FILES = {
    "README.txt",
    "cluster.xyz",
    "molmkd.ini",
    "cluster.dwa",
    "cluster.par",
    "External_Anom_Fac001.txt",
    "origin.json",
}


def sorted_positions(atoms: Atoms) -> Any:
    """Return numbers and positions in an order that does not depend on that of the atoms."""
    rows = np.column_stack([atoms.numbers, np.round(atoms.positions, 5)])
    return atoms.positions[np.lexsort(rows.T[::-1])], np.sort(atoms.numbers)


def parameters(text: str) -> list[tuple[str, list[float]]]:
    lines = [line.split() for line in text.splitlines() if not line.startswith("!")]
    return [(line[0], list(map(float, line[1:]))) for line in lines]


def test_the_folder_is_complete_and_tells_where_it_comes_from(crystal: Atoms, described: Any, tmp_path: Path) -> None:
    origin = described(crystal)
    written = write_folder(tmp_path / "a", format_debussy(origin, diameter=25))
    assert {path.name for path in written} == FILES == {path.name for path in (tmp_path / "a").iterdir()}
    for path in written:
        text = path.read_text(encoding="ascii")
        assert origin.uuid in text
        assert "10.1038/nmat4661" in text
        if path.name != "cluster.xyz":
            assert "300 Ry" in text


def test_the_cluster_is_that_of_a_fit_the_lightest_element_first(crystal: Atoms, described: Any, saved: Any) -> None:
    path = saved("cluster.xyz", format_debussy(described(crystal), "cuboctahedron", 30)["cluster.xyz"])
    state = RhombohedralState.from_atoms(crystal)
    expected = cut_rocksalt("Pb", "S", state, "cuboctahedron", 30).to_atoms()
    for back in (cast(Atoms, read(path)), cast(Atoms, read(path, format="xyz")), read_structure(path)):
        symbols = back.get_chemical_symbols()
        assert symbols == ["S"] * symbols.count("S") + ["Pb"] * symbols.count("Pb")
        assert not back.pbc.any()
        for found, wanted in zip(sorted_positions(back), sorted_positions(expected), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_debussy_counts_the_columns_of_an_xyz_from_the_fourth_character(crystal: Atoms, described: Any) -> None:
    count, title, *rows = format_debussy(described(crystal), diameter=12)["cluster.xyz"].splitlines()
    assert int(count) == len(rows) > 20
    assert "=" not in title
    for row in rows:
        assert row[:3].strip() in {"Pb", "S"}
        assert row[2] == " "
        assert len(row[3:].split()) == 3


def test_a_disturbed_crystal_is_cut_as_it_is(described: Any) -> None:
    crystal = RhombohedralState.from_lattice_constant(6.1, 59.2, 0.2).to_atoms("Pb", "S", (2, 1, 1))
    crystal.positions += np.random.default_rng(1).normal(0, 0.03, crystal.positions.shape)
    cluster = cut_cluster(described(crystal), diameter=20)
    heaviest = int(crystal.numbers.argmax())
    expected = cut_crystal(crystal, "sphere", 20, centre=heaviest).to_atoms()
    for found, wanted in zip(sorted_positions(cluster), sorted_positions(expected), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-9)
    del crystal[-1]
    vacant = cut_cluster(described(crystal), diameter=20)
    assert len(vacant) < len(cluster)
    assert {"S", "Pb"} == set(vacant.symbols)


def test_every_crystal_can_be_cut(described: Any) -> None:
    texts = format_debussy(described(bulk("ZnO", "wurtzite", a=3.25, c=5.2)), diameter=18)
    assert [line.split()[0] for line in texts["External_Anom_Fac001.txt"].splitlines()[:2]] == ["8", "30"]


def test_size_and_density_agree(crystal: Atoms, described: Any) -> None:
    texts = format_debussy(described(crystal), diameter=40)
    name, sampling, density, reduced, *remarks = texts["molmkd.ini"].splitlines()
    assert (name, sampling, reduced) == ("cluster.xyz", "one 0.563 120.0", "redm 0.0")
    assert all(remark.startswith("! ") for remark in remarks)
    in_g_cm3 = float(density.removeprefix("dens "))
    assert in_g_cm3 == pytest.approx(crystal.get_masses().sum() * 1.66053907 / crystal.get_volume(), rel=1e-6)
    cluster = cut_cluster(described(crystal), diameter=40)
    volume = cluster.get_masses().sum() * 1.66053907 / in_g_cm3
    (size,) = [values for name, values in parameters(texts["cluster.par"]) if name == "AV1LN"]
    assert size[1] == pytest.approx((6 * volume / np.pi) ** (1 / 3) / 10, rel=1e-6)
    assert size[1] == pytest.approx(4.0, rel=0.02)


def test_every_parameter_lies_within_its_bounds(crystal: Atoms, described: Any) -> None:
    found = parameters(format_debussy(described(crystal), diameter=25)["cluster.par"])
    species = ["OKK_I", "OKK_0", "OKK_L", "BTH_I", "BTH_0", "BTH_L"]
    sizes = ["AV1LN", "SD1LN", "AV2LN", "SD2LN", "PHILN", "STR_i", "STR_1", "STR_C", "STR_W"]
    assert [name for name, _ in found] == ["STcod", "VALn1", *sizes, "ATO01", *species, "ATO02", *species]
    values = {name: numbers for name, numbers in found if len(numbers) == 4}
    assert set(values) == {*sizes, *species}
    for low, value, high, flag in values.values():
        assert low < value < high
        assert flag in {0, 1}
    assert values["STR_i"][1] == 1.0
    assert values["BTH_I"][1] == 1.0


@pytest.mark.parametrize(("wavelength", "low", "high"), [(0.563, 5.13566, 71.24293), (1.5406, 14.08402, 120.0)])
def test_the_pattern_covers_the_usual_q(
    crystal: Atoms, described: Any, wavelength: float, low: float, high: float
) -> None:
    texts = format_debussy(described(crystal), diameter=20, wavelength=wavelength)
    lines = [line for line in texts["cluster.dwa"].splitlines() if not line.startswith("!")]
    assert [line for line in lines if line.startswith("****")] == [
        "**** Datasets",
        "**** Structures",
        "**** Refinement",
    ]
    values = {words[0]: words[1:] for line in lines if (words := line.split())}
    assert list(map(float, values["rang"][:2])) == pytest.approx([low, high], abs=1e-4)
    assert float(values["rang"][2]) == pytest.approx((high - low) / 2200, rel=1e-4)
    assert float(values["wave"][0]) == wavelength
    assert values["parx"] == ["cluster.par"]
    energy = 1000 * HC / wavelength
    for line, symbol in zip(texts["External_Anom_Fac001.txt"].splitlines(), ("S", "Pb"), strict=False):
        number, real, imaginary = map(float, line.split())
        assert number == {"S": 16, "Pb": 82}[symbol]
        assert real == pytest.approx(xraydb.f1_chantler(symbol, energy), abs=1e-6)
        assert imaginary == pytest.approx(xraydb.f2_chantler(symbol, energy), abs=1e-6)


def test_the_origin_is_a_fit_file_with_the_whole_crystal(crystal: Atoms, described: Any, tmp_path: Path) -> None:
    write_folder(tmp_path / "a", format_debussy(described(crystal), "cube", 33))
    fit = load_fit_file(tmp_path / "a" / "origin.json")
    assert (fit.model.shape, fit.model.diameter) == ("cube", 33)
    np.testing.assert_array_equal(read_structure(tmp_path / "a" / "origin.json").positions, crystal.positions)


def test_a_cluster_is_taken_as_it_is(cluster: Atoms, described: Any, saved: Any) -> None:
    texts = format_debussy(described(cluster))
    assert set(texts) == FILES
    back = read_structure(saved("cluster.xyz", texts["cluster.xyz"]))
    assert back.get_chemical_symbols() == ["H", "S", "S", "Cl", "Pb", "Pb"]
    np.testing.assert_allclose(back.positions[-2:], cluster.positions[[0, 4]], atol=1e-6)
    assert texts["cluster.par"].count("\nATO") == 4
    assert float(texts["molmkd.ini"].splitlines()[2].split()[1]) > 0


def test_the_volume_of_a_cluster_is_that_of_its_crystal() -> None:
    crystal = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")
    cluster = cut_crystal(crystal, "cube", 43).to_atoms()
    texts = format_debussy(Origin.of(cluster, uuid="u", label="cut"))
    density = float(texts["molmkd.ini"].splitlines()[2].split()[1])
    assert density == pytest.approx(crystal.get_masses().sum() * 1.66053907 / 216, rel=0.05)
    flat = Atoms("PbSPb", [[0, 0, 0], [3, 0, 0], [6, 0, 0]])
    density = float(format_debussy(Origin.of(flat, uuid="u", label="flat"))["molmkd.ini"].splitlines()[2].split()[1])
    assert density == pytest.approx(flat.get_masses().sum() * 1.66053907 / 81, rel=1e-5)


def test_what_makes_no_cluster_is_told(crystal: Atoms, cluster: Atoms, described: Any) -> None:
    for arguments, message in (
        ((cluster, None, 30.0), "is a cluster already"),
        ((cluster, "cube", None), "is a cluster already"),
        ((crystal, "cub", 30.0), "Unknown shape"),
        ((crystal, None, 3.0), "less than one cell"),
        ((bulk("Si"), None, 1.0), "below one cell"),
        ((crystal, None, float("nan")), "diameter"),
        ((Atoms("Pb"), None, None), "single atom"),
    ):
        atoms, shape, diameter = arguments
        with pytest.raises(QdsimError, match=message):
            format_debussy(described(atoms), shape, diameter)
    slab = crystal.copy()
    slab.pbc = (True, True, False)
    with pytest.raises(QdsimError, match="periodic in some directions only"):
        format_debussy(described(slab))
    with pytest.raises(QdsimError, match=r"At a wavelength of 12 Å no Q from 1 Å\^-1 is reached"):
        format_debussy(described(crystal), wavelength=12.0)
    with pytest.raises(QdsimError, match="photon energy"):
        format_debussy(described(crystal), wavelength=0.001)
