import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from qdsim.debye.atoms import AtomicCluster, as_cluster, element, species
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState


def cluster(**fields: object) -> AtomicCluster:
    good: dict[str, object] = {
        "symbols": ("Pb", "S"),
        "positions": [[0, 0, 0], [0, 0, 3]],
        "occupancies": [1, 1],
        "b_iso": [0, 1],
    }
    return AtomicCluster(**(good | fields))  # type: ignore[arg-type]  # lists in place of arrays, and bad input


@pytest.mark.parametrize(
    ("given", "symbol"),
    [
        *[("Pb", "Pb"), ("pb", "Pb"), ("PB", "Pb"), ("Pb2+", "Pb"), (82, "Pb"), ("16", "S"), (np.int64(16), "S")],
        *[("S2-", "S"), ("S-2", "S"), (" S ", "S"), ("Cs12", "Cs"), ("D", "H")],
        *[("Ni-62", "Ni"), ("62Ni", "Ni"), ("62-NI", "Ni"), ("T", "H"), ("Pb-4", "Pb"), ("Pb+2", "Pb")],
    ],
)
def test_many_ways_to_name_an_element(given: object, symbol: str) -> None:
    assert element(given) == symbol


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        *[
            ("D", "2H"),
            ("T", "3H"),
            ("2H", "2H"),
            ("62Ni", "62Ni"),
            ("Ni-62", "62Ni"),
            ("62-Ni", "62Ni"),
            ("he-6", "6He"),
        ],
        *[("Ni", "Ni"), ("Ni2+", "Ni"), ("S-2", "S"), ("S2-", "S"), ("S32", "S"), ("Cs12", "Cs"), (28, "Ni")],
    ],
)
def test_isotopes_are_told_from_ions_and_numbers(given: object, wanted: str) -> None:
    assert species(given) == wanted
    assert as_cluster(([given], np.zeros((1, 3)))).symbols == (wanted,)


@pytest.mark.parametrize("given", ["Ni-99", "999Pb", "2Xx", "Qq-62"])
def test_isotopes_that_there_are_not_are_refused(given: str) -> None:
    with pytest.raises(QdsimError, match=f"'{given}' is no isotope that is known"):
        species(given)


@pytest.mark.parametrize("given", ["H-1", "H-2", "H-3", "He-3", "He-4"])
def test_what_may_be_an_ion_or_an_isotope_is_refused(given: str) -> None:
    with pytest.raises(QdsimError, match="may be an ion or an isotope of"):
        species(given)


@pytest.mark.parametrize("given", ["Xx", "X", "", "Pbs", 0, 119, -1, "Pb S", 1.5, None])
def test_what_is_no_element_is_refused(given: object) -> None:
    with pytest.raises(QdsimError, match="is no chemical element: give a symbol such as Pb"):
        element(given)


def test_the_arrays_are_the_clusters_own() -> None:
    positions = np.zeros((1, 3))
    made = as_cluster((["Pb"], positions))
    positions[:] = 1
    np.testing.assert_array_equal(made.positions, 0)
    with pytest.raises(ValueError, match="read-only"):
        made.positions[0, 0] = 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"symbols": ()}, "has no atoms"),
        ({"symbols": ("Pb", "Xx")}, "'Xx' is no chemical element"),
        ({"positions": [[0, 0, 0]]}, r"positions have the shape \(1, 3\): give \(2, 3\) for 2 atoms"),
        ({"positions": "ab"}, "positions are not an array of numbers"),
        ({"positions": [[0, 0, 0], [0, np.nan, 0]]}, r"position of S \(atom 2\) is out of range: make it finite"),
        ({"occupancies": [1, 1.1]}, r"occupancy of S \(atom 2\) is out of range: make it from 0 to 1"),
        ({"occupancies": [-0.1, 1]}, r"occupancy of Pb \(atom 1\)"),
        ({"occupancies": [np.nan, 1]}, r"occupancy of Pb \(atom 1\)"),
        ({"b_iso": [0, -1]}, r"B of S \(atom 2\) is out of range: make it finite and not negative"),
        ({"b_iso": [np.inf, 0]}, r"B of Pb \(atom 1\)"),
        ({"b_iso": [0]}, "b_iso have the shape"),
        (
            {"positions": [[0, 0, 0], [0, 0, 0.009]]},
            r"Pb \(atom 1\) and S \(atom 2\) are on one site, whose occupancies add up to 2",
        ),
    ],
)
def test_atoms_that_no_sample_has_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        cluster(**fields)


def test_a_site_may_be_shared() -> None:
    assert len(cluster(positions=np.zeros((2, 3)), occupancies=[0.3333, 0.6668])) == 2
    assert len(cluster(positions=[[0, 0, 0], [0, 0, 0.011]])) == 2
    thirds = {"symbols": ("Pb", "Sn", "Ge"), "positions": np.zeros((3, 3)), "b_iso": np.zeros(3)}
    assert len(cluster(**thirds, occupancies=[0.4, 0.3, 0.3])) == 3
    with pytest.raises(QdsimError, match=r"add up to 1\.2"):
        cluster(**thirds, occupancies=[0.4, 0.4, 0.4])


@given(st.permutations(range(8)))
def test_all_ways_in_agree(order: list[int]) -> None:
    atoms = RhombohedralState(53.0, 59.0, 0.2).to_atoms("Pb", "S", "conventional")[order]
    expected = as_cluster(atoms)
    for other in (
        expected,
        (atoms.get_chemical_symbols(), atoms.positions),
        [atoms.numbers, atoms.positions.tolist()],
        (tuple(f"{symbol}2+" for symbol in atoms.symbols), atoms.positions),
    ):
        made = as_cluster(other)
        assert made.symbols == tuple(atoms.symbols)
        np.testing.assert_array_equal(made.positions, atoms.positions)
        np.testing.assert_array_equal(made.occupancies, 1)
        np.testing.assert_array_equal(made.b_iso, 0)
    assert as_cluster(expected) is expected


@pytest.mark.parametrize("names", [("occupancy", "b_iso"), ("occupancies", "B")])
def test_arrays_of_ase_are_used(names: tuple[str, str]) -> None:
    atoms = molecule("H2O")
    atoms.set_array(names[0], np.array([0.5, 0.6, 0.7]))
    atoms.set_array(names[1], np.array([1.0, 2.0, 3.0]))
    made = as_cluster(atoms)
    np.testing.assert_array_equal(made.occupancies, [0.5, 0.6, 0.7])
    np.testing.assert_array_equal(made.b_iso, [1, 2, 3])


def test_mixed_sites_of_ase_become_an_atom_for_each_element() -> None:
    atoms = bulk("PbS", "rocksalt", a=5.93) * (2, 1, 1)
    atoms.set_array("spacegroup_kinds", np.array([0, 1, 0, 1]))
    atoms.info["occupancy"] = {"0": {"Pb": 0.6, "Sn": 0.3}, "1": {"S": 1.0}}
    made = as_cluster(atoms)
    assert made.symbols == ("Pb", "Sn", "S", "Pb", "Sn", "S")
    np.testing.assert_array_equal(made.occupancies, [0.6, 0.3, 1, 0.6, 0.3, 1])
    np.testing.assert_array_equal(made.positions, atoms.positions[[0, 0, 1, 2, 2, 3]])
    atoms.info["occupancy"] = {"0": {"Pb": 0.6}}
    with pytest.raises(QdsimError, match="do not tell those of its kind of atom 1"):
        as_cluster(atoms)


class Species:
    def __init__(self, symbol: str) -> None:
        self.symbol = symbol


class Site:
    def __init__(self, species: dict[Species, float], coords: list[float], **properties: float) -> None:
        self.species, self.coords, self.properties = species, np.array(coords), properties


class Structure:
    """What `as_cluster` asks a structure of pymatgen for."""

    composition = "Pb0.6 Sn0.3 S1"
    sites = (
        Site({Species("Pb"): 0.6, Species("Sn"): 0.3}, [0, 0, 0], b_iso=1.5),
        Site({Species("S"): 1}, [0, 0, 3]),
    )


def test_structures_of_pymatgen_are_understood() -> None:
    made = as_cluster(Structure())
    assert made.symbols == ("Pb", "Sn", "S")
    np.testing.assert_array_equal(made.occupancies, [0.6, 0.3, 1])
    np.testing.assert_array_equal(made.b_iso, [1.5, 1.5, 0])
    np.testing.assert_array_equal(made.positions[:, 2], [0, 0, 3])


def test_a_periodic_structure_has_no_images() -> None:
    assert len(as_cluster(bulk("Pb"))) == 1


@pytest.mark.parametrize("structure", [5, None, ("Pb", "S"), {"Pb": 1}, (1, 2), Atoms])
def test_what_is_no_structure_is_refused(structure: object) -> None:
    with pytest.raises(QdsimError, match="is no structure that is understood: give a file"):
        as_cluster(structure)


def test_an_empty_structure_is_refused() -> None:
    with pytest.raises(QdsimError, match="has no atoms"):
        as_cluster(Atoms())
