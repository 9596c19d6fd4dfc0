from typing import Any

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from ase.units import Debye
from hypothesis import given
from hypothesis import strategies as st

from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, cut_rocksalt
from qdsim.structures.cluster import Cluster, build_cluster, explain_charge, formal_charge, write_formula
from qdsim.structures.surfaces import CATION, coordination, trim, vacant_neighbours

BULK = RhombohedralState.from_lattice_constant(5.936)
BOND = 5.936 / 2
WIDER = RhombohedralState.from_lattice_constant(6.0)


def build(diameter: float = 20.0, state: RhombohedralState = BULK, **changes: Any) -> Cluster:
    return build_cluster("Pb", "S", state, "sphere", diameter, **changes)


@pytest.mark.parametrize("centre", ["tetrahedral", "cation", "bond"])
@pytest.mark.parametrize("diameter", [9.0, 16.0, 25.0])
def test_neighbours_are_those_that_distances_find(centre: str, diameter: float) -> None:
    particle = cut_rocksalt("Pb", "S", BULK, "sphere", diameter, centre=centre)
    first = neighbor_list("i", particle.to_atoms(), 1.1 * BOND)
    assert coordination(particle.points).tolist() == np.bincount(first, minlength=len(particle)).tolist()


def test_neighbours_do_not_depend_on_strain_or_offset() -> None:
    particle = cut_rocksalt("Pb", "S", RhombohedralState(54.0, 59.0, 0.2), "cube", 18)
    undistorted = cut_rocksalt("Pb", "S", RhombohedralState(54.0), "cube", 18)
    assert coordination(particle.points).tolist() == coordination(undistorted.points).tolist()


@given(diameter=st.floats(10, 30), fewest=st.integers(0, 3), centre=st.tuples(*[st.floats(0, 1)] * 3))
def test_what_is_trimmed_has_neighbours_enough(diameter: float, fewest: int, centre: tuple[float, ...]) -> None:
    particle = cut_rocksalt("Pb", "S", BULK, "sphere", diameter, centre=centre)
    try:
        trimmed = trim(particle, fewest)
    except QdsimError:
        return
    assert coordination(trimmed.points).min() >= fewest
    kept = {(*cell, site) for cell, site in zip(trimmed.points.cells.tolist(), trimmed.points.sites, strict=True)}
    assert kept <= {
        (*cell, site) for cell, site in zip(particle.points.cells.tolist(), particle.points.sites, strict=True)
    }


def test_nothing_left_is_told() -> None:
    with pytest.raises(QdsimError, match="No atom of the particle is left that has 4 neighbours"):
        trim(cut_rocksalt("Pb", "S", BULK, "sphere", 7, centre="tetrahedral"), 4)
    with pytest.raises(QdsimError, match="a number from 0 to 6"):
        build(fewest_neighbours=7)


def test_empty_neighbours_are_one_bond_away_and_counted() -> None:
    particle = cut_rocksalt("Pb", "S", BULK, "sphere", 16, centre="cation")
    sites, counts = vacant_neighbours(particle.points, CATION)
    places = particle.with_points(sites).positions
    anions = particle.positions[particle.points.sites != CATION]
    near = np.linalg.norm(places[:, None] - anions[None], axis=2) < 1.01 * BOND
    assert near.sum(axis=1).tolist() == counts.tolist()
    taken = particle.positions[particle.points.sites == CATION]
    assert np.linalg.norm(places[:, None] - taken[None], axis=2).min() > BOND


def test_the_sphere_of_the_paper_about_the_tetrahedral_hole_is_neutral_without_a_dipole() -> None:
    cluster = build(32.0)
    assert cluster.composition == {"Pb": 336, "S": 336}
    assert cluster.formal_charge == 0
    assert np.linalg.norm(cluster.formal_dipole) < 1e-9
    assert coordination(cluster.particle.points).min() == 3


def test_the_same_sphere_about_a_cation_is_charged() -> None:
    cluster = build(32.0, WIDER, centre="cation")
    assert cluster.composition == {"Pb": 321, "S": 298}
    assert cluster.formal_charge == 46
    assert explain_charge(cluster.composition) == "2·321 (Pb) − 2·298 (S) = +46"


def test_about_a_bond_it_has_a_dipole_of_its_own() -> None:
    assert np.linalg.norm(build(32.0, WIDER, centre="bond").formal_dipole) / Debye > 1000


def test_an_offset_moves_every_cation_by_it() -> None:
    cluster = build(20.0)
    shifted = cluster.with_state(RhombohedralState(BULK.volume, 60.0, 0.12))
    moment = shifted.formal_dipole - cluster.formal_dipole
    np.testing.assert_allclose(moment, 2 * 0.12 * cluster.composition["Pb"] * np.ones(3) / np.sqrt(3), atol=1e-9)
    assert shifted.elements == cluster.elements


@pytest.mark.parametrize(("surface", "ligand"), [("balanced", None), ("Cl", "Cl"), ("I", "I"), ("formate", "HCOO")])
def test_surfaces_are_made_neutral_with_little_dipole(surface: str, ligand: str | None) -> None:
    cluster = build(32.0, WIDER, centre="cation", surface=surface)
    assert cluster.formal_charge == 0
    assert cluster.composition.get(ligand or "Cl", 0) == (46 if ligand else 0)
    assert np.linalg.norm(cluster.formal_dipole) / Debye < 1.0
    assert neighbor_list("d", cluster.to_atoms(), 1.0).size == 0


def test_formate_is_a_molecule_on_its_cation() -> None:
    cluster = build(16.0, centre="cation", surface="formate")
    molecule = cluster.molecules[0]
    places = dict(zip(molecule.symbols, np.array(molecule.places), strict=False))
    oxygens = np.array([p for s, p in zip(molecule.symbols, molecule.places, strict=True) if s == "O"])
    np.testing.assert_allclose(np.linalg.norm(oxygens - places["C"], axis=1), 1.24, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(oxygens, axis=1), 2.6, atol=0.05)
    assert np.linalg.norm(places["H"] - places["C"]) == pytest.approx(1.10)
    before = cluster.to_atoms().positions[-4:] - cluster.particle.positions[cluster.molecules[-1].anchor]
    moved = cluster.with_state(RhombohedralState(BULK.volume, 59.0, 0.2))
    after = moved.to_atoms().positions[-4:] - moved.particle.positions[moved.molecules[-1].anchor]
    np.testing.assert_allclose(after, before, atol=1e-12)


@pytest.mark.parametrize(
    ("centre", "diameter"), [("tetrahedral", 7.0), ("cation", 12.0), ("anion", 16.0), ("bond", 14.0)]
)
def test_pseudohydrogens_close_every_bond_and_count_their_electrons(centre: str, diameter: float) -> None:
    cluster = build(diameter, centre=centre, surface="pseudohydrogen")
    bare = build(diameter, centre=centre)
    ions = bare.composition
    bonds = int(coordination(bare.particle.points).sum()) // 2
    on_cations, on_anions = 6 * ions["Pb"] - bonds, 6 * ions["S"] - bonds
    assert cluster.composition == {**ions, "H(5/3)": on_cations, "H(1/3)": on_anions}
    assert cluster.formal_charge == 0
    assert 3 * cluster.supernumerary_electrons == 2 * (on_anions - on_cations)
    atoms = cluster.to_atoms()
    hydrogen = atoms.symbols == "H"
    assert np.bincount(atoms.get_tags()[hydrogen]).tolist() == [0, on_cations, on_anions]
    for tag, symbol, bond in ((1, "Pb", 1.75), (2, "S", 1.34)):
        own = atoms.positions[hydrogen & (atoms.get_tags() == tag)]
        ions_of = atoms.positions[atoms.symbols == symbol]
        nearest = np.linalg.norm(own[:, None] - ions_of[None], axis=2).min(axis=1)
        np.testing.assert_allclose(nearest, bond, atol=1e-9)
    valence = 4 * ions["Pb"] + 6 * ions["S"] + len(cluster.molecules) - cluster.supernumerary_electrons
    # Closed shells: s and p of each anion, s of each cation, and two for what takes an anion's place.
    assert valence == 8 * ions["S"] + 2 * ions["Pb"] + 2 * on_cations


def test_pseudohydrogens_about_the_tetrahedral_hole_make_no_dipole() -> None:
    cluster = build(20.0, surface="pseudohydrogen")
    assert np.linalg.norm(cluster.formal_dipole) < 1e-9
    assert explain_charge(cluster.composition) == ("2·80 (Pb) + 1/3·96 (H(1/3)) − 1/3·96 (H(5/3)) − 2·80 (S) = 0")


def test_vacancies_are_inside_and_the_same_for_the_same_seed() -> None:
    full = build(20.0)
    cluster = build(20.0, vacancies={"Pb": 1, "S": 2}, surface="balanced", seed=3, centre="cation")
    again = build(20.0, vacancies={"Pb": 1, "S": 2}, surface="balanced", seed=3, centre="cation")
    assert cluster.formal_charge == 0
    assert cluster.composition == again.composition
    np.testing.assert_array_equal(cluster.to_atoms().positions, again.to_atoms().positions)
    holes = build(20.0, vacancies={"S": 2})
    assert holes.composition == {"Pb": full.composition["Pb"], "S": full.composition["S"] - 2}
    assert holes.formal_charge == 4
    kept = {tuple(place) for place in np.round(holes.to_atoms().positions, 6)}
    gone = np.array([place not in kept for place in map(tuple, np.round(full.to_atoms().positions, 6))])
    assert coordination(full.particle.points)[gone].tolist() == [6, 6]


@pytest.mark.parametrize(
    ("vacancies", "message"), [({"Se": 1}, "has no Se that could be missing: Pb or S"), ({"S": 40}, "ask for fewer")]
)
def test_vacancies_that_cannot_be_are_refused(vacancies: dict[str, int], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        build(20.0, vacancies=vacancies)


def test_a_shell_has_its_own_anion() -> None:
    cluster = build_cluster("Pb", "Se", BULK, "sphere", 24, shell_thickness=4, shell_elements={"Se": "S"})
    assert set(cluster.composition) == {"Pb", "Se", "S"}
    distances = np.linalg.norm(cluster.particle.positions, axis=1)
    elements = np.array(cluster.elements)
    assert distances[elements == "Se"].max() < distances[elements == "S"].min() + 1e-9
    assert cluster.formal_charge == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surface": "Cl"}, "no formal charge, so there is nothing that Cl could balance"),
        ({"surface": "Cl", "centre": "cation"}, "anions in excess"),
        ({"diameter": 4.0}, "below one cell"),
        ({"shell_elements": {"S": "Xx"}}, "Xx has no formal charge"),
        ({"shell_elements": {"S": "Se"}}, "The shell has no thickness"),
        ({"shell_thickness": 3.0}, "The shell of 3 Å is of nothing else: give shell_elements"),
        ({"shell_thickness": 3.0, "shell_elements": {"Te": "Se"}}, "no Te that the shell could replace: give Pb or S"),
        ({"shell_thickness": 30.0, "shell_elements": {"S": "Se"}}, "nothing but shell"),
        ({"shell_thickness": 0.1, "shell_elements": {"S": "Se"}}, "no atom in its shell"),
    ],
)
def test_what_cannot_be_built_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        build(**{"diameter": 20.0, **changes})


def test_overlapping_ligands_are_refused() -> None:
    narrow = RhombohedralState.from_lattice_constant(4.0)
    with pytest.raises(QdsimError, match=r"Ligands overlap: H \(atom 33\) and H \(atom 53\) are 0.35 Å apart"):
        build(7.0, narrow, surface="pseudohydrogen")


def test_molecules_are_bracketed_in_a_formula() -> None:
    assert write_formula({"Pb": 14, "S": 13, "HCOO": 2}) == "Pb14S13(HCOO)2"
    assert write_formula({"Pb": 4, "H(5/3)": 12}, "<sub>{}</sub>") == "Pb<sub>4</sub>[H(5/3)]<sub>12</sub>"


def test_charges_are_counted() -> None:
    assert formal_charge({"Pb": 3, "S": 2, "Cl": 2}) == 0
    assert explain_charge({"Pb": 3, "S": 2, "HCOO": 2}) == "2·3 (Pb) − 1·2 (HCOO) − 2·2 (S) = 0"
    with pytest.raises(QdsimError, match="Au has no formal charge"):
        formal_charge({"Au": 1})
