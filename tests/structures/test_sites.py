import numpy as np
import pytest
from ase import Atoms

from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, check_sites, coincident_atoms


def test_a_crystal_has_one_atom_on_a_place() -> None:
    for supercell in ("primitive", (2, 2, 2), [[1, 0, 3], [0, 1, 3], [0, 0, 1]]):
        atoms = RhombohedralState(53.0, 59.0, 0.2).to_atoms("Pb", "S", supercell)
        assert coincident_atoms(atoms) == []
        check_sites(atoms)


def test_pairs_are_found_across_the_boundary() -> None:
    atoms = Atoms("PbSPb", [[0.1, 0, 0], [3, 3, 3], [5.9, 0, 6]], cell=[6, 6, 6], pbc=True)
    assert coincident_atoms(atoms) == [(0, 2)]
    atoms.pbc = False
    assert coincident_atoms(atoms) == []


def test_an_atom_on_its_own_image_is_found() -> None:
    atoms = Atoms("Pb", cell=[6, 6, 0.2], pbc=True)
    assert coincident_atoms(atoms) == [(0, 0)]


def test_the_tolerance_is_the_distance() -> None:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])
    assert coincident_atoms(atoms) == []
    assert coincident_atoms(atoms, tolerance=0.8) == [(0, 1)]


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("PbSS", [[0, 0, 0], [3, 0, 0], [3, 0, 0]]), r"S \(atom 2\) and S \(atom 3\) are less than 0.5 Å"),
        (Atoms("Pb3", np.zeros((3, 3))), r"and 2 more such pairs"),
        (Atoms("PbS", [[0, 0, 0], [np.nan, 0, 0]]), "not a finite number"),
        (Atoms("Pb", cell=[[1, 0, 0], [0, 5, 0], [1, 5, 0]], pbc=True), "not linearly independent"),
        (Atoms(), "no atoms"),
    ],
)
def test_a_structure_that_cannot_be_computed_is_refused(atoms: Atoms, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        check_sites(atoms)
