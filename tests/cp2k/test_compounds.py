import pytest

from qdsim.cp2k.compounds import compound_of, compounds, load_compound
from qdsim.cp2k.inputs import known_elements
from qdsim.errors import QdsimError


def test_lead_chalcogenides_are_known() -> None:
    assert list(compounds()) == ["PbS", "PbSe", "PbTe"]
    for name, compound in compounds().items():
        assert name == compound.cation + compound.anion
        assert {compound.cation, compound.anion} <= set(known_elements("crystal.inp"))
        # PBE stretches semiconductors by one or two percent.
        assert 1.005 < compound.reference_lattice_constant / compound.experimental_lattice_constant < 1.025


def test_compound_is_found_by_name_and_by_elements() -> None:
    assert load_compound("PbS") == compound_of(["S", "Pb", "S"])


def test_unknown_compound_is_refused() -> None:
    with pytest.raises(QdsimError, match="did you mean 'PbS'"):
        load_compound("PbSs")
    with pytest.raises(QdsimError, match="No compound of S and Sn is known"):
        compound_of(["Sn", "S"])
