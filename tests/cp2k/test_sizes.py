"""How large a calculation is."""

import pytest

from qdsim.cp2k.inputs import build_parameters, load_protocol
from qdsim.cp2k.sizes import CalculationSize, count_functions, measure_size, next_larger
from qdsim.structures import RhombohedralState


@pytest.mark.parametrize(
    ("kind", "basis_set", "functions"),
    [
        ("Pb", "DZVP-MOLOPT-SR-GTH-q4", 13),
        ("S", "SZV-MOLOPT-GTH", 4),
        ("Se", "TZVP-MOLOPT-GTH", 17),
        ("Te2", "TZV2P-MOLOPT-SR-GTH", 22),
        ("H", "DZVP-MOLOPT-SR-GTH-q1", 5),
        ("Cd", "DZVP-MOLOPT-SR-GTH-q12", 25),
        ("Pb", "of my own", 13),
    ],
)
def test_functions_of_an_atom(kind: str, basis_set: str, functions: int) -> None:
    assert count_functions(kind, basis_set) == functions


def test_size_is_read_from_the_input() -> None:
    atoms = RhombohedralState(54.0).to_atoms("Pb", "S")
    parameters = build_parameters(load_protocol("fast", {"k_points": [2, 3, 4]}), atoms)
    assert measure_size(parameters, atoms.symbols) == CalculationSize(atoms=2, k_points=24, basis_functions=26)
    gamma = build_parameters(load_protocol("paper"), atoms)
    assert measure_size(gamma, atoms.symbols).k_points == 1


def test_limits() -> None:
    size = CalculationSize(atoms=2, k_points=24, basis_functions=26)
    assert size.within({})
    assert size.within({"atoms": 2, "k_points": None, "basis_functions": 26})
    assert not size.within({"atoms": 2, "k_points": 23})


@pytest.mark.parametrize(
    ("memories", "place", "larger"),
    [
        ([4, 16, 32], 0, 1),
        ([4, 4, 32], 0, 2),
        ([4, None, 32], 0, 2),
        ([None, 16], 0, 1),
        ([32, 16], 0, None),
        ([4, 16], 1, None),
        ([4, None], 0, None),
        ([None, None], 0, None),
    ],
)
def test_next_row_with_more_memory(memories: list[float | None], place: int, larger: int | None) -> None:
    assert next_larger(memories, place) == larger
