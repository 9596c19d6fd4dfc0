"""The restart chain against real failures of real CP2K."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching

from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of


@pytest.fixture
def basis_set() -> str:
    return "SZV-MOLOPT-SR-GTH"


def changed(inputs: dict[str, Any], structure: orm.StructureData, **scf: Any) -> dict[str, Any]:
    parameters = deepcopy(inputs["parameters"].get_dict())
    parameters["FORCE_EVAL"]["DFT"]["SCF"].update(scf)
    return {"cp2k": {**inputs, "structure": structure, "parameters": orm.Dict(parameters)}}


def coarse(inputs: dict[str, Any], structure: orm.StructureData, **scf: Any) -> dict[str, Any]:
    """Return inputs for a tenth of a second an SCF step."""
    made = changed(inputs, structure, **scf)
    parameters = made["cp2k"]["parameters"].get_dict()
    parameters["FORCE_EVAL"]["DFT"]["QS"]["EPS_DEFAULT"] = 1e-6
    parameters["FORCE_EVAL"]["DFT"]["MGRID"]["CUTOFF"] = 60
    parameters["FORCE_EVAL"]["DFT"]["KPOINTS"]["SCHEME"] = "MONKHORST-PACK 2 2 2"
    made["cp2k"]["parameters"] = orm.Dict(parameters)
    return made


def identifier(job: orm.CalcJobNode) -> int:
    assert job.pk is not None
    return job.pk


def attempts(node: orm.ProcessNode) -> list[orm.CalcJobNode]:
    return sorted((called for called in node.called if isinstance(called, orm.CalcJobNode)), key=identifier)


def reports(node: orm.ProcessNode) -> str:
    return "\n".join(log.message for log in orm.Log.collection.get_logs_for(node))


def test_single_point_has_energy_forces_and_stress(cp2k_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    outputs, node = run_get_node(Cp2kWorkChain, **changed(cp2k_inputs, stretched))
    assert node.is_finished_ok, node.exit_message
    assert outputs["output_parameters"]["scf_converged"]
    assert outputs["output_parameters"]["pressure"] < 0  # a = 6.12 Å is under tension
    assert outputs["output_arrays"].get_array("forces").shape == (2, 3)
    assert outputs["output_arrays"].get_array("stress").shape == (3, 3)


def test_scf_that_does_not_converge_is_softened_then_smeared(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData
) -> None:
    reference, _ = run_get_node(Cp2kWorkChain, **changed(cp2k_inputs, stretched))
    outputs, node = run_get_node(Cp2kWorkChain, **changed(cp2k_inputs, stretched, MAX_SCF=2))
    assert node.is_finished_ok, node.exit_message
    runs = attempts(node)
    assert [run.exit_status for run in runs] == [450, 450, 0]
    assert "parent_calc_folder" in runs[1].inputs
    assert "SMEAR" in runs[2].inputs.parameters["FORCE_EVAL"]["DFT"]["SCF"]
    assert reports(node).count("Next:") == 2
    # PbS has a gap of half an eV here: 300 K change nothing that counts.
    energy = reference["output_parameters"]["energy"]
    assert outputs["output_parameters"]["energy"] == pytest.approx(energy, abs=1e-4)


def test_hopeless_scf_is_bounded_and_reported(cp2k_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    _, node = run_get_node(Cp2kWorkChain, **changed(cp2k_inputs, stretched, EPS_SCF=1e-30, MAX_SCF=3))
    assert node.exit_status == 411
    assert "3 attempts" in str(node.exit_message)
    assert "output_parameters" not in node.outputs


def test_abort_passes_on_the_message_of_cp2k(cp2k_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    inputs = changed(cp2k_inputs, stretched)
    parameters = inputs["cp2k"]["parameters"].get_dict()
    parameters["FORCE_EVAL"]["SUBSYS"]["KIND"][0]["BASIS_SET"] = "NO-SUCH-BASIS"
    inputs["cp2k"]["parameters"] = orm.Dict(parameters)
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.exit_status == 410
    assert "NO-SUCH-BASIS" in str(node.exit_message)
    assert len(attempts(node)) == 1


@pytest.mark.parametrize(("times", "statuses", "exit_status"), [(1, [303, 0], 0), (2, [303, 303], 412)])
def test_killed_run_is_repeated_once(
    times: int,
    statuses: list[int],
    exit_status: int,
    cp2k_inputs: dict[str, Any],
    stretched: orm.StructureData,
    killed_code: Callable[..., orm.InstalledCode],
) -> None:
    inputs = changed(cp2k_inputs, stretched)
    inputs["cp2k"]["code"] = killed_code(times)
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert [run.exit_status for run in attempts(node)] == statuses
    assert node.exit_status == exit_status
    assert "CP2K was killed (signal 9), perhaps because it was out of memory" in str(attempts(node)[0].exit_message)
    if not node.is_finished_ok:
        assert str(attempts(node)[1].exit_message) in failure_of(node)
    if node.is_finished_ok:
        with enable_caching(identifier="aiida.calculations:cp2k"):
            _, again = run_get_node(Cp2kWorkChain, **inputs)
        assert [run.base.caching.is_created_from_cache for run in attempts(again)] == [True]


def test_killed_runs_go_on_from_their_wavefunction_and_what_they_led_to_is_not_computed_again(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData, killed_code: Callable[..., orm.InstalledCode]
) -> None:
    """As often as they get further: only what dies twice at one place is given up."""
    inputs = coarse(
        cp2k_inputs,
        stretched,
        MIXING={"METHOD": "DIRECT_P_MIXING", "ALPHA": 0.2},
        MAX_SCF=300,
        EPS_SCF=1e-8,
    )
    inputs["cp2k"]["code"] = killed_code(2, line="^ +21 ")
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    runs = attempts(node)
    assert [run.exit_status for run in runs] == [303, 303, 0]
    for earlier, later in pairwise(runs):
        assert later.inputs.parent_calc_folder.uuid == earlier.outputs.remote_folder.uuid
    assert runs[2].outputs.output_parameters["scf_steps"][0] < 60  # 81 from the beginning

    with enable_caching(identifier="aiida.calculations:cp2k"):
        _, again = run_get_node(Cp2kWorkChain, **inputs)
    assert again.is_finished_ok, again.exit_message
    assert all(run.base.caching.is_created_from_cache for run in attempts(again))
    assert again.outputs.output_parameters["energy"] == node.outputs.output_parameters["energy"]


def test_wavefunction_that_was_broken_off_is_forgotten(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData
) -> None:
    _, first = run_get_node(Cp2kWorkChain, **coarse(cp2k_inputs, stretched))
    parent = first.outputs.remote_folder
    wavefunction = Path(parent.get_remote_path()) / "aiida-RESTART.kp"
    wavefunction.write_bytes(wavefunction.read_bytes()[:1000])
    inputs = coarse(cp2k_inputs, stretched)
    inputs["cp2k"]["parent_calc_folder"] = parent
    outputs, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    assert [run.exit_status for run in attempts(node)] == [303, 0]
    assert outputs["output_parameters"]["energy"] == pytest.approx(first.outputs.output_parameters["energy"], abs=1e-6)


def test_walltime_continues_from_the_written_wavefunction(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData
) -> None:
    # An SCF that never ends: only the wall time can stop it, however fast the machine.
    inputs = changed(cp2k_inputs, stretched, EPS_SCF=1e-30, MAX_SCF=100_000)
    parameters = inputs["cp2k"]["parameters"].get_dict()
    parameters["GLOBAL"]["WALLTIME"] = 5
    inputs["cp2k"]["parameters"] = orm.Dict(parameters)
    _, node = run_get_node(Cp2kWorkChain, max_iterations=orm.Int(2), **inputs)
    runs = attempts(node)
    assert runs[0].exit_status == 400
    assert runs[1].inputs.parent_calc_folder.uuid == runs[0].outputs.remote_folder.uuid
    assert runs[1].inputs.parameters["FORCE_EVAL"]["DFT"]["SCF"]["SCF_GUESS"] == "RESTART"


def test_size_chooses_the_options_and_cp2k_stops_before_the_scheduler(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData
) -> None:
    inputs = changed(cp2k_inputs, stretched)
    options = inputs["cp2k"]["metadata"]["options"]
    inputs["sizes"] = [
        {"up_to": {"atoms": 1}, "options": {"max_wallclock_seconds": 600}},
        {"up_to": {"atoms": 2}, "options": {"max_wallclock_seconds": 240, "prepend_text": "export QDSIM_SIZE=2"}},
        {"up_to": {}, "options": {"max_wallclock_seconds": 3600}},
    ]
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    (run,) = attempts(node)
    assert run.get_option("max_wallclock_seconds") == 240
    assert run.get_option("prepend_text") == "export QDSIM_SIZE=2"
    assert run.get_option("resources") == options["resources"]
    assert run.inputs.parameters["GLOBAL"]["WALLTIME"] == 180
    assert run.inputs.parameters.creator.process_label == "limit_walltime"
