"""The restart chain against real failures of real CP2K."""

import re
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching

from qdsim.cp2k import values
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


REWRITTEN = """#!/bin/bash
# CP2K, whose output another program rewrites.
{cp2k} "$@" > original.out
status=$?
{rewrite} original.out
exit $status
"""


def rewritten_code(folder: Path, computer: orm.Computer, cp2k: Path, rewrite: str) -> orm.InstalledCode:
    script = folder / "rewritten_cp2k.sh"
    script.write_text(REWRITTEN.format(cp2k=cp2k, rewrite=rewrite), encoding="utf-8")
    script.chmod(0o755)
    return orm.InstalledCode(
        label="rewritten", computer=computer, filepath_executable=str(script), with_mpi=False
    ).store()


def test_output_that_finished_and_cannot_be_read_is_kept_and_read_again_without_computing(
    cp2k_inputs: dict[str, Any],
    stretched: orm.StructureData,
    tmp_path: Path,
    aiida_localhost: orm.Computer,
    cp2k_executable: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = coarse(cp2k_inputs, stretched)
    wording = "sed 's/Atomic forces \\[/Forces on atoms [/; s/ATOMIC FORCES in/FORCES ON ATOMS in/'"
    inputs["cp2k"]["code"] = rewritten_code(tmp_path, aiida_localhost, cp2k_executable, wording)
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.exit_status == 420
    assert "finished, but its output could not be read: forces (not found)." in str(node.exit_message)
    (run,) = attempts(node)
    assert run.exit_status == 301

    # The version of qdsim that comes next knows the wording.
    known = values._FORCES_TITLE.replace("Atomic forces", "(?:Atomic forces|Forces on atoms)")
    monkeypatch.setattr(
        values, "_FORCES_TITLE", known.replace("ATOMIC FORCES in", "(?:ATOMIC FORCES|FORCES ON ATOMS) in")
    )
    with enable_caching(identifier="aiida.calculations:cp2k"):
        _, again = run_get_node(Cp2kWorkChain, **inputs)
        _, third = run_get_node(Cp2kWorkChain, **inputs)
    assert again.is_finished_ok, again.exit_message
    (read,) = attempts(again)
    assert read.base.caching.get_cache_source() == run.uuid
    assert read.exit_status == 0
    assert read.exit_message is None
    assert again.outputs.output_arrays.get_array("forces").shape == (2, 3)
    assert attempts(third)[0].base.caching.get_cache_source() == read.uuid


STOPPED = r"""#!/bin/bash
# CP2K, stopped in the third SCF cycle of its first run as CP2K 2024.1 and newer stop where one does not converge.
{cp2k} "$@" &
child=$!
if mkdir {mark} 2>/dev/null; then
  until [ "$(grep -sc 'SCF WAVEFUNCTION OPTIMIZATION' aiida.out)" -ge 3 ]; do kill -0 $child || exit 1; done
  kill -9 $child
  wait $child
  cat {box}
  exit 1
fi
wait $child
"""


def test_optimisation_that_stopped_for_an_scf_cycle_goes_on_from_the_geometry_it_had_reached(
    cp2k_inputs: dict[str, Any],
    stretched: orm.StructureData,
    tmp_path: Path,
    aiida_localhost: orm.Computer,
    cp2k_executable: Path,
) -> None:
    recorded = Path(__file__).parents[1] / "cp2k" / "recorded" / "2025.1" / "geometry_scf_aborted" / "aiida.out"
    text = recorded.read_text(encoding="utf-8")
    box = tmp_path / "box"
    box.write_text("\n" + text[text.index(" ****", text.index("OPTIMIZATION STEP:")) :], encoding="utf-8")
    script = tmp_path / "stopped_cp2k.sh"
    script.write_text(STOPPED.format(cp2k=cp2k_executable, mark=tmp_path / "mark", box=box), encoding="utf-8")
    script.chmod(0o755)

    inputs = coarse(cp2k_inputs, stretched)
    parameters = inputs["cp2k"]["parameters"].get_dict()
    parameters["GLOBAL"]["RUN_TYPE"] = "GEO_OPT"
    parameters["MOTION"] = {"GEO_OPT": {"OPTIMIZER": "BFGS", "MAX_FORCE": 2e-4}}
    inputs["cp2k"]["parameters"] = orm.Dict(parameters)
    inputs["cp2k"]["code"] = orm.InstalledCode(
        label="stopped", computer=aiida_localhost, filepath_executable=str(script), with_mpi=False
    ).store()
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    stopped, finished = attempts(node)
    assert (stopped.exit_status, finished.exit_status) == (450, 0)
    assert "gentler convergence from the geometry reached so far" in reports(node)
    reached = stopped.outputs.output_structure.get_ase().positions
    assert np.abs(reached - stretched.get_ase().positions).max() > 1e-3
    log = finished.outputs.retrieved.base.repository.get_object_content("aiida.out")
    places = re.findall(r"^ +\d+ +\d +(?:Pb|S) +\d+((?: +-?\d+\.\d{6}){3}) ", log, re.MULTILINE)
    np.testing.assert_allclose([[float(x) for x in place.split()] for place in places[:2]], reached, atol=2e-6)


def test_killed_runs_go_on_from_their_wavefunction_and_what_they_led_to_is_not_computed_again(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData, killed_code: Callable[..., orm.InstalledCode]
) -> None:
    """As often as they get further: only what dies twice at one place is given up."""
    inputs = coarse(
        cp2k_inputs,
        stretched,
        MIXING={"METHOD": "DIRECT_P_MIXING", "ALPHA": 0.05},
        MAX_SCF=900,
        EPS_SCF=1e-8,
    )
    inputs["cp2k"]["code"] = killed_code(2, line="^ +21 ")
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    runs = attempts(node)
    assert [run.exit_status for run in runs] == [303, 303, 0]
    for earlier, later in pairwise(runs):
        assert later.inputs.parent_calc_folder.uuid == earlier.outputs.remote_folder.uuid
    outputs = [run.outputs.retrieved.base.repository.get_object_content("aiida.out") for run in runs]
    changes = [re.findall(r"^ +1 P_Mix/Diag\. +\S+ +\S+ +(\S+)", text, re.MULTILINE) for text in outputs]
    first, second, third = (float(change) for (change,) in changes)  # of the density, in the first step
    assert first > second > third

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
