"""Each remedy changes what it says, leaves the rest, and gives an input that CP2K's schema knows."""

from copy import deepcopy
from typing import Any

import pytest
from cp2k_input_tools.parser import CP2KInputParserAiiDA

from qdsim.cp2k import remedies
from qdsim.cp2k.inputs import build_parameters, load_protocol, render
from qdsim.structures import RhombohedralState

ATOMS = RhombohedralState(54.0).to_atoms("Pb", "S")


def parameters(protocol: str) -> dict[str, Any]:
    return build_parameters(load_protocol(protocol), ATOMS)


@pytest.mark.parametrize("protocol", ["fast", "paper"])
@pytest.mark.parametrize(
    "remedy",
    [
        remedies.restart_wavefunction,
        remedies.restart_geometry,
        remedies.soften_scf,
        remedies.smear_occupations,
    ],
)
def test_remedy_is_valid_and_leaves_its_input_alone(protocol: str, remedy: Any) -> None:
    before = parameters(protocol)
    kept = deepcopy(before)
    after = remedy(before)
    assert before == kept
    assert after != before
    assert after["FORCE_EVAL"]["SUBSYS"] == before["FORCE_EVAL"]["SUBSYS"]
    CP2KInputParserAiiDA().parse(iter(render(after, ATOMS).splitlines(keepends=True)))


@pytest.mark.parametrize(("protocol", "suffix"), [("fast", "kp"), ("paper", "wfn")])
def test_wavefunction_is_looked_for_where_the_parent_left_it(protocol: str, suffix: str) -> None:
    dft = remedies.restart_wavefunction(parameters(protocol))["FORCE_EVAL"]["DFT"]
    assert dft["RESTART_FILE_NAME"] == f"./parent_calc/aiida-RESTART.{suffix}"
    assert dft["SCF"]["SCF_GUESS"] == "RESTART"


def test_softening_halves_the_mixing_or_takes_conjugate_gradients() -> None:
    scf = parameters("fast")["FORCE_EVAL"]["DFT"]["SCF"]
    softer = remedies.soften_scf(parameters("fast"))["FORCE_EVAL"]["DFT"]["SCF"]
    assert softer["MIXING"]["ALPHA"] == pytest.approx(0.5 * scf["MIXING"]["ALPHA"])
    assert softer["MAX_SCF"] == 2 * scf["MAX_SCF"]
    assert remedies.soften_scf(parameters("paper"))["FORCE_EVAL"]["DFT"]["SCF"]["OT"]["MINIMIZER"] == "CG"


def test_smearing_takes_the_place_of_orbital_transformation() -> None:
    scf = remedies.smear_occupations(parameters("paper"))["FORCE_EVAL"]["DFT"]["SCF"]
    assert "OT" not in scf
    assert scf["SMEAR"]["ELECTRONIC_TEMPERATURE"] == "[K] 300"
    assert scf["ADDED_MOS"] >= 20


@pytest.mark.parametrize("protocol", ["fast", "paper"])
def test_forgetting_a_wavefunction_undoes_the_restart(protocol: str) -> None:
    before = parameters(protocol)
    assert remedies.forget_wavefunction(remedies.restart_wavefunction(before)) == before


@pytest.mark.parametrize(
    ("output", "reached", "left", "further"),
    [
        ({}, False, False, False),
        ({"scf_steps": [], "scf_steps_broken_off": 19}, True, False, False),
        ({"scf_steps": [], "scf_steps_broken_off": 20}, True, True, True),
        ({"scf_steps": [8], "scf_steps_broken_off": 0}, True, True, False),
        ({"scf_steps": [8, 5], "scf_steps_broken_off": 2, "geometry_steps": 1}, True, True, True),
    ],
    ids=["nothing", "early", "late", "after the SCF", "on the way"],
)
def test_what_a_killed_run_has_left(output: dict[str, Any], reached: bool, left: bool, further: bool) -> None:
    assert remedies.reached_scf(output) is reached
    assert remedies.left_wavefunction(output) is left
    assert remedies.got_further(output) is further
