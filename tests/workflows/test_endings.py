"""Real CP2K that is out of memory, crashes or is killed: each is named, and tried again only where that may help."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node

from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from tests.workflows.test_cp2k import attempts, coarse

TOO_LITTLE, ENOUGH = 0.8, 3.0
"""GB of address space: CP2K itself takes 0.64, and with the grids of `hungry` 0.92."""


@pytest.fixture
def basis_set() -> str:
    return "SZV-MOLOPT-SR-GTH"


@pytest.fixture
def hungry(cp2k_inputs: dict[str, Any], stretched: orm.StructureData) -> dict[str, Any]:
    """Inputs of a calculation whose grids take a quarter of a gigabyte."""
    inputs = coarse(cp2k_inputs, stretched, EPS_SCF=1e-3)
    parameters = inputs["cp2k"]["parameters"].get_dict()
    parameters["FORCE_EVAL"]["DFT"]["MGRID"]["CUTOFF"] = 800
    parameters["FORCE_EVAL"]["DFT"]["KPOINTS"]["SCHEME"] = "MONKHORST-PACK 1 1 1"
    inputs["cp2k"]["parameters"] = orm.Dict(parameters)
    return inputs


def row(memory: float, **limits: int) -> dict[str, Any]:
    """Return a row of a table whose memory is enforced, as a scheduler would."""
    kilobytes = round(memory * 1e9 / 1024)
    return {"up_to": limits, "memory": memory, "options": {"prepend_text": f"ulimit -v {kilobytes}"}}


def test_out_of_memory_is_tried_once_with_the_next_larger_row(hungry: dict[str, Any]) -> None:
    hungry["sizes"] = [row(0.4, atoms=1), row(TOO_LITTLE, atoms=2), row(0.5, atoms=4), row(ENOUGH)]
    _, node = run_get_node(Cp2kWorkChain, **hungry)
    assert node.is_finished_ok, node.exit_message
    first, second = attempts(node)
    assert (first.exit_status, second.exit_status) == (110, 0)
    assert "CP2K ran out of memory (In file '" in str(first.exit_message)
    assert second.get_option("prepend_text") == row(ENOUGH)["options"]["prepend_text"]
    assert (first.base.caching.is_valid_cache, second.base.caching.is_valid_cache) == (False, True)


def test_larger_row_that_is_too_small_as_well_is_the_end(hungry: dict[str, Any]) -> None:
    hungry["sizes"] = [row(0.76, atoms=2), row(TOO_LITTLE, atoms=4), row(ENOUGH)]
    _, node = run_get_node(Cp2kWorkChain, **hungry)
    assert [run.exit_status for run in attempts(node)] == [110, 110]
    assert node.exit_status == 413


@pytest.mark.parametrize("sizes", [None, [row(TOO_LITTLE, atoms=2), row(TOO_LITTLE)]], ids=["no table", "no more"])
def test_without_more_memory_nothing_is_repeated(hungry: dict[str, Any], sizes: list[dict[str, Any]] | None) -> None:
    if sizes is None:
        hungry["cp2k"]["metadata"]["options"].update(row(TOO_LITTLE)["options"])
    else:
        hungry["sizes"] = sizes
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
    inputs["sizes"] = [row(2, atoms=2), row(ENOUGH)]
    _, node = run_get_node(Cp2kWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    first, second = attempts(node)
    assert (first.exit_status, second.exit_status) == (303, 0)
    assert second.get_option("prepend_text") == row(ENOUGH)["options"]["prepend_text"]


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
    inputs["sizes"] = [row(2, atoms=2), row(ENOUGH)]
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
