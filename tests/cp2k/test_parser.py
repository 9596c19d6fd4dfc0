"""The AiiDA parser, on calculation nodes with real outputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine import ProcessState
from aiida.plugins import ParserFactory

from qdsim.cp2k.calculation import Cp2kCalculation
from qdsim.cp2k.diagnosis import Failure
from qdsim.cp2k.output import parse_output
from qdsim.cp2k.parser import ENDING_EXIT_CODES, EXIT_CODES
from qdsim.cp2k.requests import POTENTIAL_FILES

RECORDED = Path(__file__).parent / "recorded"
ENDINGS = Path(__file__).parent / "endings"
STDERR = "_scheduler-stderr.txt"
RELAXED = [[0.03427341, 0.03427389, 0.03427364], [3.10037509, 3.10037461, 3.10037487]]
"""Of `geometry_converged`, Å."""
Parsed = tuple[dict[str, Any], orm.CalcJobNode, tuple[int | None, str | None]]
Parse = Callable[..., Parsed]


@pytest.fixture
def parse(aiida_localhost: orm.Computer) -> Parse:
    """Parse files as those of a finished calculation; return its outputs, its node, and the exit code."""

    def parse_files(files: dict[str, bytes], **inputs: dict[str, Any]) -> Parsed:
        node = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:cp2k")
        node.base.attributes.set("output_filename", "aiida.out")
        node.set_option("resources", {"num_machines": 1})
        node.set_option("scheduler_stderr", STDERR)
        for label, content in inputs.items():
            node.base.links.add_incoming(orm.Dict(content).store(), LinkType.INPUT_CALC, label)
        node.store()
        retrieved = orm.FolderData()
        for name, written in files.items():
            retrieved.base.repository.put_object_from_bytes(written, name)
        retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
        retrieved.store()
        outputs, parsing = ParserFactory("qdsim.cp2k").parse_from_node(node, store_provenance=False)
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(parsing.exit_status)
        node.seal()
        return outputs or {}, node, (parsing.exit_status, parsing.exit_message)

    return parse_files


def _files(case: str, version: str = "2023.1") -> dict[str, bytes]:
    folder = RECORDED / version / case
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "aiida.inp"}


def test_results_are_stored_as_parsed(parse: Parse) -> None:
    outputs, node, exit_code = parse(_files("k_points"))
    expected = parse_output((RECORDED / "2023.1" / "k_points" / "aiida.out").read_text())
    assert exit_code == (0, None)
    assert set(outputs) == {"output_parameters", "output_arrays"}
    parameters = outputs["output_parameters"].get_dict()
    assert parameters["energy"] == expected.energy
    assert parameters["gap"] == expected.gap
    assert parameters["failure"] is None
    assert "forces" not in parameters
    arrays = outputs["output_arrays"]
    assert set(arrays.get_arraynames()) == {"forces", "stress", "mulliken_charges", "hirshfeld_charges"}
    np.testing.assert_array_equal(arrays.get_array("forces"), expected.forces)
    np.testing.assert_array_equal(arrays.get_array("stress"), expected.stress)
    assert node.base.caching.is_valid_cache


@pytest.mark.parametrize(
    ("case", "status", "words", "reusable"),
    [
        ("scf_not_converged", 450, "did not converge in 3 steps", True),
        ("gamma_ot_not_converged", 450, "did not converge", True),
        ("geometry_max_steps", 501, "did not converge in 2 steps", True),
        ("walltime", 400, "its time was up", False),
        ("killed", 303, "The output breaks off", False),
        ("missing_basis", 304, "<DZVP-MOLOPT-XX-GTH-q4> for element <Pb> was not found", False),
        ("bad_keyword", 304, "unknown keyword EPS_SFC", False),
    ],
)
def test_failures_have_exit_codes(parse: Parse, case: str, status: int, words: str, reusable: bool) -> None:
    outputs, node, exit_code = parse(_files(case))
    assert exit_code[0] == status
    assert words in str(exit_code[1])
    assert outputs["output_parameters"]["failure"] is not None
    assert node.base.caching.is_valid_cache is reusable


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 303), (b"\xff\xfe\x00 not CP2K", 302), (b"mpirun: not found\n", 302)]
)
def test_useless_output(parse: Parse, content: bytes, status: int) -> None:
    _, node, exit_code = parse({"aiida.out": content})
    assert exit_code[0] == status
    assert not node.base.caching.is_valid_cache


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ("recorded/out_of_memory/fortran", 110, "ran out of memory (In file 'pw_types.F90', around line 158: Error"),
        ("described/out_of_memory/slurm_batch", 110, "ran out of memory (slurmstepd: error: Detected 1 oom-kill event"),
        ("recorded/killed/slurm", 303, "was killed (signal 9), perhaps because it was out of memory"),
        ("recorded/segmentation_fault/shell", 303, "segmentation fault (signal 11)"),
        ("recorded/illegal_instruction/shell", 304, "built for another processor"),
        ("recorded/floating_point_exception/shell", 304, "floating-point exception (signal 8)"),
        ("recorded/time_limit/slurm", 303, "at its walltime"),
        ("recorded/node_failure/slurm", 303, "node that CP2K ran on failed"),
    ],
)
def test_what_ended_a_run_from_outside_is_named(parse: Parse, told: str, status: int, words: str) -> None:
    outputs, node, exit_code = parse(_files("killed") | {STDERR: (ENDINGS / f"{told}.txt").read_bytes()})
    assert exit_code[0] == status
    assert words in str(exit_code[1])
    assert outputs["output_parameters"]["ending"].replace(" ", "_").replace("-", "_") == told.split("/")[1]
    assert outputs["output_parameters"]["failure"] == Failure.INCOMPLETE
    assert not node.base.caching.is_valid_cache


def test_a_rank_that_mpi_kills_after_an_abort_is_not_what_ended_the_run(parse: Parse) -> None:
    killed = (ENDINGS / "recorded" / "killed" / "srun_one_of_two_ranks.txt").read_bytes()
    outputs, _, exit_code = parse(_files("missing_basis") | {STDERR: killed})
    assert exit_code[0] == 304
    assert "DZVP-MOLOPT-XX-GTH-q4" in str(exit_code[1])
    assert outputs["output_parameters"]["ending"] is None


def test_a_whole_output_is_a_result_whatever_the_scheduler_says(parse: Parse) -> None:
    memory = (ENDINGS / "described" / "out_of_memory" / "slurm_batch.txt").read_bytes()
    outputs, _, exit_code = parse(_files("k_points") | {STDERR: memory})
    assert exit_code == (0, None)
    assert outputs["output_parameters"]["ending"] is None


def test_missing_output_of_a_job_that_was_out_of_memory(parse: Parse) -> None:
    _, _, exit_code = parse({STDERR: (ENDINGS / "described" / "out_of_memory" / "slurm_batch.txt").read_bytes()})
    assert exit_code[0] == 110


def test_missing_output(parse: Parse) -> None:
    outputs, node, exit_code = parse({"something.else": b""})
    assert exit_code[0] == 210
    assert outputs == {}
    assert not node.base.caching.is_valid_cache


def test_geometry_is_stored_with_its_way(parse: Parse) -> None:
    outputs, _, exit_code = parse(_files("geometry_scf_recovered"))
    assert exit_code == (0, None)
    structure, trajectory = outputs["output_structure"], outputs["output_trajectory"]
    assert structure.get_formula() == "Pb4S4"
    np.testing.assert_allclose(trajectory.get_positions()[-1], structure.get_ase().positions, atol=1e-8)
    assert trajectory.get_stepids().tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("version", ["8.1", "2023.1", "2025.1"])
def test_geometries_of_every_version(parse: Parse, version: str) -> None:
    outputs, _, exit_code = parse(_files("geometry_converged", version))
    assert exit_code == (0, None)
    structure, trajectory = outputs["output_structure"], outputs["output_trajectory"]
    positions = structure.get_ase().positions
    np.testing.assert_allclose(positions, RELAXED, atol=1e-5)
    np.testing.assert_allclose(trajectory.get_positions()[-1], positions, atol=1e-8)


def test_what_was_asked_for_and_is_missing_leaves_nothing_but_a_reason(parse: Parse) -> None:
    files = _files("k_points", "2025.1")
    files["aiida.out"] = files["aiida.out"].replace(
        b"Analytical stress tensor [bar]", b"Analytical stress tensor [psi]"
    )
    outputs, node, exit_code = parse(files)
    assert exit_code[0] == 301
    assert str(exit_code[1]).startswith("CP2K 2025.1 finished, but its output could not be read: stress (")
    assert outputs == {}
    assert node.base.caching.is_valid_cache  # which gives the output to a version that can read it


def test_file_that_was_to_come_back_and_is_missing_is_named(parse: Parse) -> None:
    settings = {"additional_retrieve_list": [POTENTIAL_FILES]}
    written: dict[str, Any] = {"FORCE_EVAL": {"DFT": {"PRINT": {"V_HARTREE_CUBE": {"STRIDE": "2 2 2"}}}}}
    _, node, exit_code = parse(_files("k_points"), settings=settings, parameters=written)
    assert exit_code == (210, "CP2K finished, but left no *-v_hartree-*.cube.")
    assert not node.base.caching.is_valid_cache
    potential = {"aiida-v_hartree-1_0.cube": b"a potential"}
    assert parse({**_files("k_points"), **potential}, settings=settings, parameters=written)[2] == (0, None)
    # A series brings back the potential of those of its calculations that write one.
    assert parse(_files("k_points"), settings=settings, parameters={})[2] == (0, None)
    assert parse(_files("k_points"), parameters=written)[2] == (0, None)


def test_geometry_that_ran_out_of_steps_says_where_it_got_to(parse: Parse) -> None:
    outputs, _, exit_code = parse(_files("geometry_max_steps"))
    assert exit_code[0] == 501
    assert outputs["output_structure"].get_formula() == "PbS"


@pytest.mark.parametrize("name", ["aiida-1.restart", "aiida-pos-1.xyz"])
@pytest.mark.parametrize("keep", [None, 0.4])
def test_broken_geometry_files_are_named(parse: Parse, name: str, keep: float | None) -> None:
    files = _files("geometry_converged")
    content = files.pop(name)
    if keep is not None:
        files[name] = content[: int(keep * len(content))]
    outputs, node, exit_code = parse(files)
    assert exit_code[0] == (312 if name == "aiida-1.restart" else 321)
    assert "output_parameters" in outputs
    assert not node.base.caching.is_valid_cache


def test_every_failure_has_an_exit_code_of_the_calculation() -> None:
    known = Cp2kCalculation.spec().exit_codes
    assert set(EXIT_CODES) == set(Failure)
    assert all(label in known for label in (*EXIT_CODES.values(), *ENDING_EXIT_CODES.values()))
