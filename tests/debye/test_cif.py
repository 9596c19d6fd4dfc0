"""CIFs that state one thing in several ways, or several things at once."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import Spacegroup

from qdsim.debye import intensity
from qdsim.debye.structure_files import read_structure
from qdsim.errors import QdsimError, QdsimWarning

CELL = """data_one
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta {beta}
_cell_angle_gamma {gamma}
"""
EDGE = 5.936
CUBE = CELL.format(a=EDGE, b=EDGE, c=EDGE, alpha=90, beta=90, gamma=90)
CUBIC = CUBE + "_symmetry_space_group_name_H-M 'F m -3 m'\n"
SITES = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
ROCKSALT = SITES + "Pb1 0 0 0\nS1 0.5 0.5 0.5\n"
HEXAGONAL = CELL.format(a=4.0, b=4.0, c=6.0, alpha=90, beta=90, gamma=120)


def operations(group: int, setting: int = 1) -> str:
    rotations, translations = Spacegroup(group, setting).get_op()
    rows = [
        ",".join(
            "".join(f"{'+' if factor > 0 else '-'}{axis}" for factor, axis in zip(row, "xyz", strict=True) if factor)
            + (f"+{round(24 * shift)}/24" if shift else "")
            for row, shift in zip(rotation, translation, strict=True)
        )
        for rotation, translation in zip(rotations, translations, strict=True)
    ]
    return "loop_\n_space_group_symop_operation_xyz\n" + "".join(f"'{row}'\n" for row in rows)


def read(folder: Path, text: str) -> Atoms:
    file = folder / "a.cif"
    file.write_text(text, encoding="utf-8")
    return read_structure(file)


def refused(folder: Path, text: str, message: str) -> None:
    with pytest.raises(QdsimError, match=rf"^{folder}/a\.cif.*{message}"):
        read(folder, text)


def amounts(atoms: Atoms) -> dict[str, float]:
    return {name: float(atoms.arrays["occupancy"][atoms.symbols == name].sum()) for name in sorted(set(atoms.symbols))}


def columns(kind: str, before: str = "_atom_site_aniso_") -> str:
    return "".join(f"{before}{kind}_{ij}\n" for ij in ("11", "22", "33", "12", "13", "23"))


# B = 1.5 Å^2 of an isotropic atom in a hexagonal cell (a = 4, c = 6, a* = 2/(4 sqrt 3), c* = 1/6) has
# U11 = U22 = U33 = U and U12 = U cos(gamma*) = U/2, B_ij = 8 pi^2 U_ij, and beta_ij = 2 pi^2 a*_i a*_j U_ij, which is
# B a*_i a*_j/4 times the cosine.
U = 1.5 / (8 * np.pi**2)
BETA = 1.5 / 4 * np.array([1 / 12, 1 / 12, 1 / 36, 1 / 24])


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (columns("U"), f"{U} {U} {U} {U / 2} 0 0"),
        (columns("B"), "1.5(2) 1.5 1.5 0.75 0 0"),
        (columns("beta"), f"{BETA[0]} {BETA[1]} {BETA[2]} {BETA[3]} 0 0"),
        (columns("U", "_atom_site_aniso."), f"{U} {U} {U} {U / 2} 0 0"),
    ],
)
def test_tensors_of_every_kind(tmp_path: Path, names: str, values: str) -> None:
    label = "_atom_site_aniso.label" if "aniso." in names else "_atom_site_aniso_label"
    sites = SITES + "Pb1 0 0 0\nPb2 0.1 0.2 0.4\n" + f"loop_\n{label}\n{names}Pb2 {values}\nPb1 {values}\n"
    atoms = read(tmp_path, HEXAGONAL + "_space_group_IT_number 1\n" + sites)
    np.testing.assert_allclose(atoms.arrays["b_iso"], 1.5)


def test_tensors_in_the_loop_of_the_sites(tmp_path: Path) -> None:
    sites = SITES + columns("B") + "Pb1 0 0 0 1.2 1.2 1.2 0 0 0\nS1 0.5 0.5 0.5 3 3 3 0 0 0\n"
    np.testing.assert_allclose(read(tmp_path, CUBIC + sites).arrays["b_iso"], [1.2] * 4 + [3.0] * 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_atom_site_B_iso_or_equiv", "1.58(3)"),
        ("_atom_site.B_iso_or_equiv", "1.58"),
        ("_atom_site_U_iso_or_equiv", f"{1.58 / (8 * np.pi**2):.7f}(4)"),
        ("_atom_site.U_iso_or_equiv", f"{1.58 / (8 * np.pi**2):.7f}"),
    ],
)
def test_isotropic_displacements_of_every_kind(tmp_path: Path, name: str, value: str) -> None:
    atoms = read(tmp_path, CUBIC + SITES + f"{name}\nPb1 0 0 0 {value}\nS1 0.5 0.5 0.5 {value}\n")
    np.testing.assert_allclose(atoms.arrays["b_iso"], 1.58, rtol=1e-5)


def test_a_pattern_is_that_of_the_isotropic_twin(tmp_path: Path) -> None:
    tensor = "loop_\n_atom_site_aniso_label\n" + columns("B") + "Pb1 1.58 1.58 1.58 0 0 0\nS1 0.9 0.9 0.9 0 0 0\n"
    isotropic = SITES + "_atom_site_B_iso_or_equiv\nPb1 0 0 0 1.58\nS1 0.5 0.5 0.5 0.9\n"
    q = np.linspace(1, 13, 40)
    first, second = (read(tmp_path, CUBIC + text) for text in (ROCKSALT + tensor, isotropic))
    np.testing.assert_allclose(intensity(first, q), intensity(second, q))
    assert np.abs(intensity(first, q) / intensity(read(tmp_path, CUBIC + ROCKSALT), q) - 1).max() > 0.05


@pytest.mark.parametrize("name", ["B_equiv_geom_mean", "U_equiv_geom_mean"])
def test_geometric_means_stand_in_and_it_is_said(tmp_path: Path, name: str) -> None:
    value = 1.5 if name.startswith("B") else U
    sites = SITES + f"_atom_site_{name}\nPb1 0 0 0 {value}\nS1 0.5 0.5 0.5 {value}\n"
    with pytest.warns(QdsimWarning, match="B of Pb1, S1 is a geometric mean"):
        np.testing.assert_allclose(read(tmp_path, CUBIC + sites).arrays["b_iso"], 1.5)


def test_a_tensor_goes_before_its_equivalent_and_contradictions_are_said(tmp_path: Path) -> None:
    tensor = "loop_\n_atom_site_aniso_label\n" + columns("B") + "Pb1 1.5 1.5 1.5 0 0 0\n"
    sites = SITES + "_atom_site_adp_type\n_atom_site_B_iso_or_equiv\nPb1 0 0 0 {} {}\nS1 0.5 0.5 0.5 Biso 1.0\n"
    alike = read(tmp_path, CUBIC + sites.format("Bani", 1.52) + tensor)
    np.testing.assert_allclose(alike.arrays["b_iso"], [1.5] * 4 + [1.0] * 4)
    with pytest.warns(QdsimWarning, match="Pb1 has an equivalent B of 2 Å.2, and an anisotropic one whose mean is 1.5"):
        other = read(tmp_path, CUBIC + sites.format("Bani", 2.0) + tensor)
    np.testing.assert_allclose(other.arrays["b_iso"], [1.5] * 4 + [1.0] * 4)
    isotropic = read(tmp_path, CUBIC + sites.format("Biso", 2.0) + tensor)
    np.testing.assert_allclose(isotropic.arrays["b_iso"], [2.0] * 4 + [1.0] * 4)


def test_a_site_without_displacements_among_others_is_said(tmp_path: Path) -> None:
    with pytest.warns(QdsimWarning, match="S1 has no displacement parameter, as other sites have: 0 is taken"):
        read(tmp_path, CUBIC + SITES + "_atom_site_B_iso_or_equiv\nPb1 0 0 0 1.5\nS1 0.5 0.5 0.5 ?\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SITES + "_atom_site_B_iso_or_equiv\n_atom_site_U_iso_or_equiv\nPb1 0 0 0 1.5 0.03\n",
            r"Pb1 contradict each other: B is 1.5 Å\^2, and 2.369 Å\^2 by _atom_site_u_iso",
        ),
        (
            SITES + columns("U") + columns("B") + "Pb1 0 0 0 0.01 0.01 0.01 0 0 0 2 2 2 0 0 0\n",
            "contradict each other.*_atom_site_aniso_b_ij",
        ),
        (SITES + columns("U") + "Pb1 0 0 0 0.01 0.01 ? 0 0 0\n", "_atom_site_aniso_u_ij of Pb1 is incomplete"),
        (ROCKSALT + "loop_\n_atom_site_aniso_label\n" + columns("U") + "Pb9 1 1 1 0 0 0\n", "of Pb9, which is no site"),
        (
            SITES + "_atom_site_U_iso_or_equiv_pm\nPb1 0 0 0 120\n",
            "_atom_site_u_iso_or_equiv_pm is about displacements",
        ),
        (
            SITES + "_atom_site_aniso.matrix_U\nPb1 0 0 0 [1]\n",
            "_atom_site_aniso_matrix_u is about displacements and not understood",
        ),
        (
            "data_a\n" + SITES.replace("fract", "Cartn") + columns("beta") + "Pb1 0 0 0 1 1 1 0 0 0\n",
            "Without a cell, beta_ij tell nothing",
        ),
    ],
)
def test_displacements_that_cannot_be_are_refused(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path, text if text.startswith("data") else CUBIC + text, message)


@pytest.mark.parametrize(
    ("x", "occupancy", "lead"),
    [
        ("0.002 0.002 0.002", 0.125, 4.0),  # 32f about 4a: 32 places of an eighth
        ("0.002 0.002 0.002", 0.1, 3.2),
        ("0.003 0 0", 0.15, 3.6),  # 24e: 24 places
        ("0.001 0.001 0.001", 0.125, 4.0),
        ("0.25 0.25 0.252", 0.1, 4.8),  # 48g about 8c: 48 places of a tenth
        ("0.001 0 0", 0.16, 3.84),  # 24e: six places about each 4a
        ("0.01 0.01 0.01", 0.125, 4.0),  # places 0.12 Å apart, each an atom of its own
    ],
)
def test_occupancies_of_a_split_site_add_up(tmp_path: Path, x: str, occupancy: float, lead: float) -> None:
    sites = f"Pb1 {x} {occupancy}\nS1 0.5 0.5 0.5 1\n"
    assert amounts(read(tmp_path, CUBIC + SITES + "_atom_site_occupancy\n" + sites)) == pytest.approx(
        {"Pb": lead, "S": 4.0}
    )


def test_an_atom_spread_over_places_scatters_as_their_average(tmp_path: Path) -> None:
    sites = "_atom_site_occupancy\nPb1 0.003 0.003 0.003 0.125\nS1 0.5 0.5 0.5 1\n"
    merged = read(tmp_path, CUBIC + SITES + sites)
    np.testing.assert_allclose(merged.arrays["b_iso"][:4], 8 * np.pi**2 * (0.003 * EDGE) ** 2)
    np.testing.assert_allclose(merged.get_scaled_positions()[0], 0, atol=1e-9)
    lead = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) * EDGE
    sulfur = np.array([[0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]) * EDGE
    corners = 0.003 * EDGE * np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    q = np.linspace(1, 13, 25)
    amplitudes = {
        "Pb": intensity((["Pb"], np.zeros((1, 3))), q) ** 0.5,
        "S": intensity((["S"], np.zeros((1, 3))), q) ** 0.5,
    }
    wanted = 4 * amplitudes["Pb"] ** 2 + 4 * amplitudes["S"] ** 2
    places = {"Pb": [site + corners for site in lead], "S": [site[None] for site in sulfur]}
    everything = [(name, place) for name, sites_of in places.items() for place in sites_of]
    for i, (first, ours) in enumerate(everything):
        for second, theirs in everything[:i]:
            distances = np.linalg.norm(ours[:, None] - theirs, axis=2).ravel()
            wanted += 2 * amplitudes[first] * amplitudes[second] * np.sinc(np.outer(q, distances) / np.pi).mean(axis=1)
    np.testing.assert_allclose(intensity(merged, q), wanted, rtol=1e-4)


@pytest.mark.parametrize("x", ["0.3333 0.6667 0.25", "0.333 0.667 0.25", "0.3333 0.6666 0.25", "0.33333 0.66667 0.25"])
@pytest.mark.parametrize("occupancy", [1.0, 0.3])
def test_a_rounded_special_position_is_no_split_site(tmp_path: Path, x: str, occupancy: float) -> None:
    text = HEXAGONAL + "_space_group_IT_number 194\n" + SITES + f"_atom_site_occupancy\nZn1 {x} {occupancy}\n"
    atoms = read(tmp_path, text)
    assert amounts(atoms) == pytest.approx({"Zn": 2 * occupancy})
    np.testing.assert_allclose(sorted(atoms.get_scaled_positions()[:, 0]), [1 / 3, 2 / 3], atol=1e-9)


def test_a_split_site_may_have_rounded_coordinates_too(tmp_path: Path) -> None:
    text = HEXAGONAL + "_space_group_IT_number 194\n" + SITES + "_atom_site_occupancy\nZn1 0.3333 0.6667 0.252 {}\n"
    for occupancy, zinc in ((0.5, 2.0), (0.1, 0.4)):  # 4f about 2c
        assert amounts(read(tmp_path, text.format(occupancy))) == pytest.approx({"Zn": zinc})


def test_a_site_that_is_listed_again_counts_once(tmp_path: Path) -> None:
    sites = SITES + "_atom_site_occupancy\nPb1 0 0 0 0.4\nPb2 0.5 0.5 0 {}\nS1 0.5 0.5 0.5 1\n"
    assert amounts(read(tmp_path, CUBIC + sites.format(0.4))) == pytest.approx({"Pb": 1.6, "S": 4.0})
    refused(tmp_path, CUBIC + sites.format(0.3), "Symmetry brings Pb2 onto Pb1, which has another occupancy")
    refused(tmp_path, CUBIC + sites.format(1.0), "Symmetry brings Pb2 onto Pb1, which has another occupancy")


def test_full_atoms_that_overlap_their_images_are_one_and_it_is_said(tmp_path: Path) -> None:
    text = CUBIC + SITES + "Pb1 0.002 0.002 0.002\nS1 0.5 0.5 0.5\n"
    with pytest.warns(QdsimWarning, match="Pb1 has 8 places within 0.05 Å, whose occupancies add up to 8: one atom of"):
        assert amounts(read(tmp_path, text)) == {"Pb": 4.0, "S": 4.0}


@pytest.mark.parametrize(
    "symbol", ["F m -3 m", "F m 3 m", "Fm-3m", "Fm3m", "F m3m", "F 4/m -3 2/m", "FM-3M", "F_m_-3_m"]
)
@pytest.mark.parametrize("listed", [True, False])
def test_symbols_old_and_new(tmp_path: Path, symbol: str, listed: bool) -> None:
    text = CUBE + f"_symmetry_space_group_name_H-M '{symbol}'\n" + (operations(225) if listed else "")
    assert amounts(read(tmp_path, text + ROCKSALT)) == {"Pb": 4.0, "S": 4.0}


@pytest.mark.parametrize(
    "name",
    [
        "_space_group_name_Hall '-F 4 2 3'",
        "_symmetry_space_group_name_Hall  '-F 4 2 3'",
        "_space_group.name_Hall '-F 4 2 3'",
        "_space_group_IT_number 225",
        "_symmetry_Int_Tables_number '225'",
        "_space_group.IT_number 225",
        "_space_group.name_H-M_alt 'F m -3 m'",
    ],
)
def test_names_of_the_group_in_every_dictionary(tmp_path: Path, name: str) -> None:
    assert amounts(read(tmp_path, CUBE + name + "\n" + ROCKSALT)) == {"Pb": 4.0, "S": 4.0}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("_symmetry_space_group_name_H-M 'F m -3 m'\n_space_group_IT_number 216\n", "contradict each other.*225.*216"),
        (
            "_space_group_name_H-M_alt 'F m -3 m'\n_space_group_name_Hall 'F -4 2 3'\n",
            "contradict each other.*225.*216",
        ),
        ("_space_group_name_Hall '-P 4 2 3'\n_space_group_IT_number 225\n", "contradict each other.*221.*225"),
        (
            "_symmetry_space_group_name_H-M 'F m -3 m'\n" + operations(221),
            "are those of space group 221, and the symbol",
        ),
        ("_symmetry_space_group_name_H-M 'F m -3 m'\n" + operations(1), "are those of space group 1, and the symbol"),
        (
            "_space_group_IT_number 225\n" + operations(221),
            "are those of space group 221, and the number 225 is of 225",
        ),
        ("_space_group_name_Hall '-F 4 2 3'\n" + operations(221), "are those of space group 221"),
        ("_space_group_IT_number 194\n", "has not the symmetry of the space group with the number 194"),
        (operations(225).replace("'+x,+y,+z'\n", ""), "symmetry operations are no group"),
        (operations(194), "has not the symmetry of the operations"),
        (operations(225).replace("'+x,+y,+z'", "'+x,+y,+u'"), "operation .* is not understood"),
        (operations(1).replace("+z", "+z+1/7"), "a translation that no space group has"),
        ("_symmetry_space_group_name_H-M 'F -1'\n", "no space group with the symbol 'F -1'"),
        ("loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n", "a magnetic or modulated structure"),
        ("_space_group_IT_number 300\n", "no space group with the number 300"),
    ],
)
def test_contradicting_symmetry_is_refused(tmp_path: Path, names: str, message: str) -> None:
    refused(tmp_path, CUBE + names + ROCKSALT, message)


def test_a_crystal_that_lists_its_whole_cell_may_keep_its_symbol(tmp_path: Path) -> None:
    listed = (
        "Pb1 0 0 0\nPb2 0 0.5 0.5\nPb3 0.5 0 0.5\nPb4 0.5 0.5 0\nS1 0.5 0.5 0.5\nS2 0.5 0 0\nS3 0 0.5 0\nS4 0 0 0.5\n"
    )
    assert amounts(read(tmp_path, CUBIC + operations(1) + SITES + listed)) == {"Pb": 4.0, "S": 4.0}
    partly = SITES + "_atom_site_occupancy\n" + listed.replace("\n", " 0.4\n")
    assert amounts(read(tmp_path, CUBIC + operations(1) + partly)) == pytest.approx({"Pb": 1.6, "S": 1.6})
    refused(
        tmp_path, CUBIC + operations(1) + SITES + listed.replace("Pb2 0 0.5", "Pb2 0 0.47"), "would make other atoms"
    )


def test_an_origin_that_is_not_told_is_asked_for(tmp_path: Path) -> None:
    cell = CELL.format(a=5.43, b=5.43, c=5.43, alpha=90, beta=90, gamma=90)
    silicon = SITES + "Si1 0.125 0.125 0.125\n"
    for name in ("F d -3 m", "F d 3 m"):
        refused(tmp_path, cell + f"_symmetry_space_group_name_H-M '{name}'\n" + silicon, "has 2 settings in this cell")
    refused(tmp_path, cell + "_space_group_IT_number 227\n" + silicon, "has 2 settings in this cell")
    for name, count in (("F d -3 m :2", 8), ("F d -3 m Z", 8), ("F d -3 m:1", 16), ("F d -3 m S", 16)):
        assert len(read(tmp_path, cell + f"_symmetry_space_group_name_H-M '{name}'\n" + silicon)) == count
    code = "_space_group_IT_number 227\n_space_group_IT_coordinate_system_code 2\n"
    assert len(read(tmp_path, cell + code + silicon)) == 8
    hall = "_space_group_name_H-M_alt 'F d -3 m'\n_space_group_name_Hall '-F 4vw 2vw 3'\n"
    assert len(read(tmp_path, cell + hall + silicon)) == 8


@pytest.mark.parametrize(
    ("cell", "symbol", "site", "count", "nearest"),
    [
        ((4.546, 4.546, 11.862, 90, 90, 120), "R -3 m", "0 0 0.2339", 6, 3.07),
        ((4.746, 4.746, 4.746, 57.23, 57.23, 57.23), "R -3 m", "0.2339 0.2339 0.2339", 2, 3.07),
        ((4.546, 4.546, 11.862, 90, 90, 120), "R -3 m :H", "0 0 0.2339", 6, 3.07),
        ((5.0, 6.0, 7.0, 90, 100, 90), "P 21/c", "0.1 0.2 0.3", 4, None),
        ((5.0, 6.0, 7.0, 90, 100, 90), "P 1 21/n 1", "0.1 0.2 0.3", 4, None),
        ((5.0, 6.0, 7.0, 90, 90, 100), "P 1 1 21/b", "0.1 0.2 0.3", 4, None),
        ((5.0, 6.0, 7.0, 90, 90, 90), "P b n m", "0.1 0.2 0.3", 8, None),
        ((5.0, 6.0, 7.0, 90, 90, 90), "C m c a", "0.1 0.2 0.3", 16, None),
    ],
)
def test_settings_are_told_by_symbol_and_cell(
    tmp_path: Path, cell: tuple[float, ...], symbol: str, site: str, count: int, nearest: float | None
) -> None:
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    text = CELL.format(**dict(zip(names, cell, strict=True))) + f"_space_group_name_H-M_alt '{symbol}'\n"
    atoms = read(tmp_path, text + SITES + f"Bi1 {site}\n")
    assert len(atoms) == count
    if nearest is not None:
        distances = atoms.get_all_distances(mic=True)
        assert distances[distances > 0].min() == pytest.approx(nearest, abs=0.02)


def test_p21_n_is_not_p21_c(tmp_path: Path) -> None:
    cell = CELL.format(a=5, b=6, c=7, alpha=90, beta=100, gamma=90)
    atoms = read(tmp_path, cell + "_space_group_name_H-M_alt 'P 21/n'\n" + SITES + "Bi1 0.1 0.2 0.3\n")
    wanted = [[0.1, 0.2, 0.3], [0.4, 0.7, 0.2], [0.6, 0.3, 0.8], [0.9, 0.8, 0.7]]  # n glide, International Tables
    found = atoms.get_scaled_positions()
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], wanted)


def test_a_cif_without_symmetry_is_taken_whole_and_it_is_said(tmp_path: Path) -> None:
    with pytest.warns(QdsimWarning, match="states no symmetry: its atoms are taken for all of the cell"):
        assert len(read(tmp_path, CUBE + ROCKSALT)) == 2


@pytest.mark.parametrize(
    ("label", "formula", "symbol"),
    [
        ("PB1", "Pb S", "Pb"),
        ("CA1", "C2 H6", "C"),
        ("CA1", "Ca O", "Ca"),
        ("Cd1", None, "Cd"),
        ("CB1", None, "C"),
        ("D1", None, "H"),
    ],
)
def test_labels_stand_in_for_types(tmp_path: Path, label: str, formula: str | None, symbol: str) -> None:
    head = CUBIC + (f"_chemical_formula_sum '{formula}'\n" if formula else "")
    assert set(read(tmp_path, head + SITES + f"{label} 0 0 0\n").symbols) == {symbol}


@pytest.mark.parametrize(("label", "readings"), [("PB1", "Pb or P"), ("CA2", "Ca or C"), ("HG11", "Hg or H")])
def test_labels_of_two_readings_are_refused(tmp_path: Path, label: str, readings: str) -> None:
    refused(tmp_path, CUBIC + SITES + f"{label} 0 0 0\n", f"The site {label} may be {readings}")


def test_isotopes_of_a_cif_are_kept(tmp_path: Path) -> None:
    text = CUBIC + SITES + "_atom_site_type_symbol\nH1 0 0 0 D\nNi1 0.5 0.5 0.5 62Ni\n"
    atoms = read(tmp_path, text)
    assert str(atoms.symbols) == "H4Ni4"
    np.testing.assert_array_equal(atoms.arrays["isotope"], [2] * 4 + [62] * 4)


def test_rows_that_are_too_long_are_not_dropped(tmp_path: Path) -> None:
    refused(tmp_path, CUBIC + ROCKSALT + "O1 0.25 0.25 0.25 1\n", "cannot be understood as a structure.*Wrong number")


def test_a_file_of_two_structures_is_refused(tmp_path: Path) -> None:
    second = (CUBIC + ROCKSALT).replace("data_one", "data_two")
    refused(tmp_path, CUBIC + ROCKSALT + second, r"has 2 structures \(one, two\)")


def test_names_of_mmcif_are_read(tmp_path: Path) -> None:
    text = CUBE.replace("_cell_", "_cell.") + "_symmetry.space_group_name_H-M 'P 1'\nloop_\n"
    text += "".join(
        f"_atom_site.{name}\n"
        for name in ("id", "type_symbol", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv")
    )
    text += "1 PB 0 0 0 0.9 1.5\n2 S 0 0 2.968 1 2.0\n"
    text += "loop_\n_atom_site_anisotrop.id\n"
    text += "".join(f"_atom_site_anisotrop.U[{i}][{j}]\n" for i, j in ("11", "22", "33", "12", "13", "23"))
    text += f"2 {2 / (8 * np.pi**2)} {2 / (8 * np.pi**2)} {2 / (8 * np.pi**2)} 0 0 0\n"
    atoms = read(tmp_path, text)
    np.testing.assert_allclose(atoms.positions, [[0.0, 0.0, 0.0], [0.0, 0.0, 2.968]], atol=1e-9)
    np.testing.assert_allclose(atoms.arrays["occupancy"], [0.9, 1])
    np.testing.assert_allclose(atoms.arrays["b_iso"], [1.5, 2.0])
