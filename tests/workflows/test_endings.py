"""Real CP2K that is out of memory, crashes or is killed: each is named, and tried again only where that may help."""

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiida import orm
from aiida.engine import run_get_node

from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from tests.workflows.test_cp2k import attempts, coarse

NEARLY, TOO_LITTLE, ENOUGH = 0.25, 0.27, 2.0
"""GB of address space beside CP2K's own: the grids of `hungry` take 0.4. With less than 0.15 BLAS, which has no room of
its own yet, waits for it for ever."""


@pytest.fixture
def basis_set() -> str:
    return "SZV-MOLOPT-SR-GTH"


@pytest.fixture(scope="module")
def own(cp2k_executable: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Return the GB of address space that CP2K takes for a hydrogen molecule."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "trial.inp").write_bytes((files("qdsim.machine") / "trial.inp").read_bytes())
    # As the computer of the tests has it in its prepended text.
    own = {"OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = [cp2k_executable, "-i", "trial.inp"]
    run = psutil.Popen(command, cwd=folder, env=os.environ | own, stdout=subprocess.DEVNULL)
    most = 0
    while run.poll() is None:
        with suppress(psutil.Error):
            most = max(most, run.memory_info().vms)
    assert run.returncode == 0
    return most / 1e9


@pytest.fixture
def hungry(cp2k_inputs: dict[str, Any], stretched: orm.StructureData) -> dict[str, Any]:
    """Inputs of a calculation with two atoms and large grids."""
    inputs = coarse(cp2k_inputs, stretched, EPS_SCF=1e-3)
    parameters = inputs["cp2k"]["parameters"].get_dict()
    parameters["FORCE_EVAL"]["DFT"]["MGRID"]["CUTOFF"] = 1200
    parameters["FORCE_EVAL"]["DFT"]["KPOINTS"]["SCHEME"] = "MONKHORST-PACK 1 1 1"
    inputs["cp2k"]["parameters"] = orm.Dict(parameters)
    return inputs


def row(memory: float, **limits: int) -> dict[str, Any]:
    """Return a row of a table whose memory is enforced, as a scheduler would."""
    kilobytes = round(memory * 1e9 / 1024)
    return {"up_to": limits, "memory": memory, "options": {"prepend_text": f"ulimit -v {kilobytes}"}}


def test_out_of_memory_is_tried_once_with_the_next_larger_row(hungry: dict[str, Any], own: float) -> None:
    enough = row(own + ENOUGH)
    hungry["sizes"] = [row(0.1, atoms=1), row(own + TOO_LITTLE, atoms=2), row(own + NEARLY, atoms=4), enough]
    _, node = run_get_node(Cp2kWorkChain, **hungry)
    assert node.is_finished_ok, node.exit_message
    first, second = attempts(node)
    assert (first.exit_status, second.exit_status) == (110, 0)
    assert "CP2K ran out of memory (In file '" in str(first.exit_message)
    assert second.get_option("prepend_text") == enough["options"]["prepend_text"]
    assert (first.base.caching.is_valid_cache, second.base.caching.is_valid_cache) == (False, True)


def test_larger_row_that_is_too_small_as_well_is_the_end(hungry: dict[str, Any], own: float) -> None:
    hungry["sizes"] = [row(own + NEARLY, atoms=2), row(own + TOO_LITTLE, atoms=4), row(own + ENOUGH)]
    _, node = run_get_node(Cp2kWorkChain, **hungry)
    assert [run.exit_status for run in attempts(node)] == [110, 110]
    assert node.exit_status == 413


@pytest.mark.parametrize("table", [False, True], ids=["no table", "no more in the table"])
def test_without_more_memory_nothing_is_repeated(hungry: dict[str, Any], own: float, table: bool) -> None:
    if table:
        hungry["sizes"] = [row(own + TOO_LITTLE, atoms=2), row(own + TOO_LITTLE)]
    else:
        hungry["cp2k"]["metadata"]["options"].update(row(own + TOO_LITTLE)["options"])
    _, node = run_get_node(Cp2kWorkChain, **hungry)
    assert [run.exit_status for run in attempts(node)] == [110]
    assert node.exit_status == 413
    assert "CP2K ran out of memory (In file" in failure_of(node)
    assert "Let fewer calculations run at once on localhost" in failure_of(node)


def test_what_was_killed_without_a_word_gets_more_memory_too(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData, killed_code: Callable[..., orm.InstalledCode]
) -> None:
    inputs = coarse(cp2k_inputs, stretched)
    inputs["cp2k"]["code"] = killed_code(1)
    inputs["sizes"] = [row(2, atoms=2), row(4)]
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    first, second = attempts(node)
    assert (first.exit_status, second.exit_status) == (303, 0)
    assert second.get_option("prepend_text") == row(4)["options"]["prepend_text"]


@pytest.mark.parametrize(("times", "statuses", "exit_status"), [(1, [303, 0], 0), (2, [303, 303], 412)])
def test_segmentation_fault_is_named_and_tried_once_more(
    times: int,
    statuses: list[int],
    exit_status: int,
    cp2k_inputs: dict[str, Any],
    stretched: orm.StructureData,
    killed_code: Callable[..., orm.InstalledCode],
) -> None:
    inputs = coarse(cp2k_inputs, stretched)
    inputs["cp2k"]["code"] = killed_code(times, signal="SEGV")
    inputs["sizes"] = [row(2, atoms=2), row(4)]
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    runs = attempts(node)
    assert [run.exit_status for run in runs] == statuses
    assert {run.get_option("prepend_text") for run in runs} == {row(2)["options"]["prepend_text"]}
    assert "segmentation fault (signal 11)" in str(runs[0].exit_message)
    assert node.exit_status == exit_status
    if exit_status:
        assert "OMP_STACKSIZE" in failure_of(node)


def test_crash_that_would_come_again_is_not_repeated(
    cp2k_inputs: dict[str, Any],
    stretched: orm.StructureData,
    killed_code: Callable[..., orm.InstalledCode],
) -> None:
    inputs = coarse(cp2k_inputs, stretched)
    inputs["cp2k"]["code"] = killed_code(1, signal="ILL")
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert len(attempts(node)) == 1
    assert node.exit_status == 410
    assert "built for another processor" in failure_of(node)
