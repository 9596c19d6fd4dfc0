"""Crystals in an electric field."""

from copy import deepcopy

import pytest
from ase.units import Bohr, Hartree

from qdsim.cp2k.field import has_field, with_field
from qdsim.cp2k.inputs import build_parameters, load_protocol
from qdsim.structures import RhombohedralState

ATOMS = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")


def test_the_field_is_in_atomic_units_and_there_is_no_stress() -> None:
    parameters = build_parameters(load_protocol("finite_field"), ATOMS, field=0.01)
    dft = parameters["FORCE_EVAL"]["DFT"]
    assert float(dft["PERIODIC_EFIELD"]["INTENSITY"]) * Hartree / Bohr == pytest.approx(0.01)
    assert dft["PRINT"]["MOMENTS"]["PERIODIC"]
    assert "STRESS_TENSOR" not in parameters["FORCE_EVAL"]
    assert has_field(parameters)


def test_without_a_field_the_input_is_as_before() -> None:
    parameters = build_parameters(load_protocol("finite_field"), ATOMS)
    assert not has_field(parameters)
    assert "MOMENTS" not in parameters["FORCE_EVAL"]["DFT"]["PRINT"]
    assert parameters["FORCE_EVAL"]["STRESS_TENSOR"] == "ANALYTICAL"


def test_another_strength_changes_nothing_else() -> None:
    given = build_parameters(load_protocol("finite_field"), ATOMS, field=0.01)
    kept = deepcopy(given)
    opposite = with_field(given, -0.01)
    assert given == kept
    field = opposite["FORCE_EVAL"]["DFT"]["PERIODIC_EFIELD"]
    assert float(field["INTENSITY"]) == -float(kept["FORCE_EVAL"]["DFT"]["PERIODIC_EFIELD"]["INTENSITY"])
    assert with_field(opposite, 0.01) == given
