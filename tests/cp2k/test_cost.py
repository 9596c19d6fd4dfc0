"""What a calculation is expected to cost orders the queue."""

from typing import Any

import pytest
from ase import Atoms

from qdsim.cp2k.cost import GEOMETRY_STEPS, core_seconds, input_core_seconds
from qdsim.cp2k.inputs import build_parameters, load_protocol


@pytest.mark.parametrize(
    "overrides",
    [{}, {"k_points": [2, 3, 4]}, {"cutoff": 450}, {"k_points": None, "solver": "OT", "max_outer_scf": 10}],
    ids=["mesh", "another mesh", "cutoff", "OT"],
)
def test_an_input_costs_what_its_settings_do(pbs: Atoms, overrides: dict[str, Any]) -> None:
    settings = load_protocol("fast", overrides)
    expected = core_seconds(pbs, settings.cutoff, settings.k_points, settings.solver)
    assert input_core_seconds(build_parameters(settings, pbs), pbs) == pytest.approx(expected)


def test_a_relaxation_costs_more_than_a_single_point(pbs: Atoms) -> None:
    settings = load_protocol("defects")
    relaxation = input_core_seconds(build_parameters(settings, pbs, run_type="GEO_OPT"), pbs)
    assert relaxation == pytest.approx(GEOMETRY_STEPS * input_core_seconds(build_parameters(settings, pbs), pbs))


def test_an_input_that_leaves_things_open_has_a_cost_too(pbs: Atoms) -> None:
    unusual = {"FORCE_EVAL": [{"DFT": {}}, {"DFT": {"MGRID": {"CUTOFF": 50}}}]}
    assert input_core_seconds(unusual, pbs) == core_seconds(pbs, None, None, "DIAGONALIZATION") > 0
