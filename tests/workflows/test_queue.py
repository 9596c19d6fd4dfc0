"""Jobs take their places in the queue of a real computer; what they compute does not matter, when they run does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.calculations.arithmetic.add import ArithmeticAddCalculation
from aiida.engine import WorkChain, run_get_node
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.manage.caching import enable_caching
from aiida.plugins import CalculationFactory

from qdsim.workflows.cp2k import Cp2kCalculation
from qdsim.workflows.places import MAX_JOBS
from qdsim.workflows.queue import AT_ONCE, COST, QueuedCalcJob

RESOURCES = {"num_machines": 1, "num_mpiprocs_per_machine": 1}


class Addition(QueuedCalcJob, ArithmeticAddCalculation):
    """Costs as much as its first number."""

    def estimated_cost(self) -> float:
        return float(self.inputs.x.value)


class Additions(WorkChain):
    """Adds 1 to each of some numbers, all at once; each job writes its number when it begins and when it ends."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.input("code", valid_type=orm.Code)
        spec.input("numbers", valid_type=orm.List)
        spec.input("log", valid_type=orm.Str)
        spec.input("at_once", valid_type=orm.Int, required=False)
        spec.outline(cls.submit_all, cls.wait)

    def submit_all(self) -> None:
        if "at_once" in self.inputs:
            self.node.base.extras.set(AT_ONCE, self.inputs.at_once.value)
        log = self.inputs.log.value
        for place, number in enumerate(self.inputs.numbers.get_list()):
            options = {
                "resources": dict(RESOURCES),
                "withmpi": False,
                "prepend_text": f"echo +{number} >> {log}; sleep 0.3",
                "append_text": f"echo -{number} >> {log}",
            }
            inputs = {"code": self.inputs.code, "x": orm.Int(number), "y": orm.Int(1), "metadata": {"options": options}}
            self.to_context(**{f"sum_{place}": self.submit(Addition, **inputs)})

    def wait(self) -> None:
        """End when all have."""


@pytest.fixture
def bash(aiida_localhost: orm.Computer) -> Iterator[orm.InstalledCode]:
    yield orm.InstalledCode(computer=aiida_localhost, filepath_executable="/bin/bash").store()
    aiida_localhost.delete_property(MAX_JOBS, raise_exception=False)


def add(bash: orm.InstalledCode, numbers: list[int], log: Path, at_once: int | None = None) -> orm.WorkChainNode:
    inputs = {"code": bash, "numbers": orm.List(numbers), "log": orm.Str(str(log))}
    if at_once is not None:
        inputs["at_once"] = orm.Int(at_once)
    _, node = run_get_node(Additions, **inputs)
    assert isinstance(node, orm.WorkChainNode)
    assert [job.is_finished_ok for job in node.called] == [True] * len(numbers), [
        job.exception or job.exit_message for job in node.called
    ]
    assert sorted(job.outputs.sum.value for job in node.called) == sorted(number + 1 for number in numbers)
    return node


def most_at_once(log: Path) -> int:
    running = most = 0
    for line in log.read_text(encoding="utf-8").split():
        running += 1 if line.startswith("+") else -1
        most = max(most, running)
    assert running == 0
    return most


def begun(log: Path) -> list[int]:
    return [int(line) for line in log.read_text(encoding="utf-8").split() if line.startswith("+")]


@pytest.mark.usefixtures("aiida_profile_clean")
def test_a_computer_gets_no_more_jobs_than_it_takes_and_the_expensive_first(
    bash: orm.InstalledCode, tmp_path: Path
) -> None:
    assert bash.computer is not None
    bash.computer.set_property(MAX_JOBS, 1)
    log = tmp_path / "log"
    add(bash, [2, 4, 1, 3], log)
    assert most_at_once(log) == 1
    assert begun(log) == [4, 3, 2, 1]


@pytest.mark.usefixtures("aiida_profile_clean")
def test_a_campaign_keeps_to_its_own_limit(bash: orm.InstalledCode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    add(bash, [1, 2], log, at_once=1)
    assert most_at_once(log) == 1
    assert begun(log) == [2, 1]


@pytest.mark.usefixtures("aiida_profile_clean")
def test_what_is_submitted_twice_is_computed_once(bash: orm.InstalledCode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with enable_caching():
        jobs = add(bash, [3, 3], log).called
    assert begun(log) == [3]
    (computed,) = [job for job in jobs if not job.base.caching.is_created_from_cache]
    for job in jobs:
        assert job.base.repository.list_object_names() == computed.base.repository.list_object_names()
        assert job.outputs.remote_folder.get_remote_path() == computed.outputs.remote_folder.get_remote_path()


@pytest.mark.usefixtures("aiida_profile_clean")
def test_the_database_sees_the_calculation_of_aiida_cp2k(
    cp2k_inputs: dict[str, Any], stretched: orm.StructureData
) -> None:
    """So that the cache finds what either of the two has computed, also in databases of before."""
    inputs = {**cp2k_inputs, "structure": stretched}
    ours, theirs = (
        instantiate_process(get_manager().get_runner(), one, **inputs).node
        for one in (Cp2kCalculation, CalculationFactory("cp2k"))
    )
    assert ours.base.caching.get_hash() == theirs.base.caching.get_hash()
    assert (ours.process_type, ours.process_label) == (theirs.process_type, theirs.process_label)
    assert ours.base.attributes.get("version") == theirs.base.attributes.get("version")
    assert ours.base.extras.get(COST) > 0
