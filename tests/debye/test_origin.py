"""Where a structure comes from, and how it is told."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from qdsim.debye.origin import Origin, RocksaltNumbers, StoredStructure, ascii_text, single_line
from qdsim.structures import RhombohedralState


def origin(atoms: Atoms, **facts: object) -> Origin:
    return Origin.of(atoms, uuid="34e1", label="linear_p0p0200 relaxed", **facts)


def test_the_distortion_of_a_crystal_is_measured() -> None:
    state = RhombohedralState(57.5, 59.1, -0.25)
    found = origin(state.to_atoms("Pb", "S", (1, 1, 2))).rocksalt
    assert found is not None
    assert (found.cation, found.anion, found.space_group) == ("Pb", "S", "R3m (160)")
    assert (found.volume, found.alpha_rh, found.pb_offset) == pytest.approx((57.5, 59.1, 0.25))
    assert found.lattice_constant == pytest.approx(state.lattice_constant)
    assert (found.bond_short, found.bond_long) == pytest.approx(state.bond_lengths)
    assert (found.occupancy_cation, found.occupancy_anion) == (1, 1)


def test_what_is_no_rock_salt_has_no_distortion() -> None:
    for atoms in (bulk("Si"), bulk("ZnO", "wurtzite", a=3.25, c=5.2), Atoms("PbS", [[0, 0, 0], [0, 0, 3]])):
        assert RocksaltNumbers.measure(atoms) is None
        assert origin(atoms).rocksalt is None


def test_the_cell_of_a_cluster_is_no_part_of_it() -> None:
    boxed = Atoms("PbS", [[0, 0, 0], [0, 0, 3]], cell=[20, 20, 20])
    stored = StoredStructure.from_atoms(boxed)
    assert stored.cell is None
    assert not origin(boxed).is_crystal
    np.testing.assert_array_equal(stored.to_atoms().positions, boxed.positions)
    assert origin(bulk("Si")).is_crystal


def test_the_header_is_in_ascii_and_each_fact_on_one_line() -> None:
    settings = {"k_points": "4 4 4", "eps_scf": 1e-6, "own\nname": "über\r\nzwei Å"}
    found = origin(RhombohedralState(57.5).to_atoms("Pb", "S"), campaign="tension\n", settings=settings)
    lines = found.header_lines("! ")
    assert "! campaign: tension" in lines
    assert "! settings.own name: uber zwei A" in lines
    assert "! settings.eps_scf: 1e-06" in lines
    assert "! rocksalt.volume: 57.500000 A^3" in lines
    assert "! rocksalt.alpha_rh: 60.000000 deg" in lines
    assert not any(line.startswith("! code") for line in lines)
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
    assert found.summary == "linear_p0p0200 relaxed of campaign tension, node 34e1, set-up of doi:10.1038/nmat4661"


def test_it_survives_json() -> None:
    found = origin(RhombohedralState(57.5, 59.1, 0.25).to_atoms("Pb", "S"), settings={"n": 3, "x": 0.5, "s": "3"})
    assert Origin.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("text", "line", "plain"),
    [
        (" two\nlines\t", "two lines", "two lines"),
        ("Å é \u2126", "Å é \u2126", "A e ?"),
        ("中文", "中文", "??"),
        ("\x00\x7f\ud800\u2028", "", ""),
        ("", "", ""),
    ],
)
def test_texts_are_made_harmless(text: str, line: str, plain: str) -> None:
    assert single_line(text) == line
    assert ascii_text(single_line(text)) == plain


def test_only_texts_become_lines() -> None:
    assert single_line(3) == 3
    with pytest.raises(ValidationError):
        Origin(uuid=3, label="a", structure=StoredStructure.from_atoms(bulk("Si")))
