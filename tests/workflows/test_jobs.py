"""Jobs that a scheduler leaves out of an answer are over only when it does so twice; AiiDA's own list asks the rest."""

import asyncio
from typing import Any

import pytest
from aiida import orm
from aiida.engine.runners import Runner
from aiida.manage import get_manager
from aiida.schedulers import SchedulerError
from aiida.schedulers.datastructures import JobInfo, JobState
from aiida.schedulers.plugins.slurm import SlurmScheduler

from qdsim.workflows.jobs import CarefulJobsList, ask_carefully

TIMEOUT = 60


class Answers(SlurmScheduler):
    """Answers each question with the next of some lists of jobs that run, and fails where there is none."""

    def __init__(self, answers: list[set[str] | None]):
        super().__init__()
        self.answers, self.asked = answers, 0

    def get_jobs(self, *_: Any, **__: Any) -> Any:
        answer, self.asked = self.answers[self.asked], self.asked + 1
        if answer is None:
            raise SchedulerError("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
        return {job: JobInfo({"job_id": job, "job_state": JobState.RUNNING}) for job in answer}


@pytest.fixture
def cluster(aiida_computer: Any) -> orm.Computer:
    computer: orm.Computer = aiida_computer(label="answers", scheduler_type="core.slurm")
    computer.configure(safe_interval=0)
    return computer


def ask(computer: orm.Computer, answers: list[set[str] | None], *jobs: str) -> tuple[list[JobInfo | None], int]:
    """Ask for all jobs at once; return what is told of each, and after how many answers of the scheduler."""
    scheduler = Answers(answers)
    user = orm.User.collection.get_default()
    assert user is not None
    authinfo = computer.get_authinfo(user)
    runner = get_manager().get_runner()

    async def wait() -> list[JobInfo | None]:
        listed = CarefulJobsList(authinfo, runner.transport)
        requests = []
        for job in jobs:
            with listed.request_job_info_update(authinfo, job) as request:
                requests.append(request)
        return await asyncio.wait_for(asyncio.gather(*requests), TIMEOUT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(authinfo.computer), "get_scheduler", lambda _: scheduler)
        told = runner.loop.run_until_complete(wait())
    return told, scheduler.asked


def test_a_job_that_is_left_out_once_still_runs(cluster: orm.Computer) -> None:
    (job,), asked = ask(cluster, [set(), {"7"}], "7")
    assert asked == 2
    assert job is not None
    assert job.job_state == JobState.RUNNING


def test_a_job_that_is_left_out_twice_is_over(cluster: orm.Computer) -> None:
    assert ask(cluster, [set(), set()], "7") == ([None], 2)


def test_a_job_that_is_left_out_does_not_hold_up_the_others(cluster: orm.Computer) -> None:
    (lost, running), asked = ask(cluster, [{"8"}, {"7"}], "7", "8")
    assert asked == 2
    assert lost is not None
    assert running is not None


def test_a_scheduler_that_does_not_answer_says_nothing_of_the_job(cluster: orm.Computer) -> None:
    with pytest.raises(SchedulerError, match="Unable to contact"):
        ask(cluster, [set(), None], "7")


@pytest.mark.parametrize(
    ("scheduler", "careful"), [("core.slurm", True), ("core.pbspro", True), ("core.direct", False)]
)
def test_every_scheduler_is_asked_carefully(aiida_computer: Any, scheduler: str, careful: bool) -> None:
    computer = aiida_computer(label=scheduler, scheduler_type=scheduler)
    computer.configure()
    node = orm.CalcJobNode(computer=computer, process_type="aiida.calculations:cp2k")
    node.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
    node.store()
    runner: Runner = get_manager().get_runner()
    ask_carefully(runner, node)
    jobs = runner.job_manager.get_jobs_list(node.get_authinfo())
    ask_carefully(runner, node)
    assert isinstance(jobs, CarefulJobsList) is careful
    assert runner.job_manager.get_jobs_list(node.get_authinfo()) is jobs
