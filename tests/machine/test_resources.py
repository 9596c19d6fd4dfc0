"""What a calculation gets, and what the scheduler is told of it."""

from pathlib import Path

import pytest
from aiida.plugins import SchedulerFactory
from aiida.schedulers.datastructures import JobTemplate
from pydantic import ValidationError

from qdsim.errors import QdsimError
from qdsim.machine.files import read_computer_file
from qdsim.machine.resources import Allotment, Resources
from qdsim.machine.scheduler import scheduler_options

TEMPLATES = Path(__file__).parents[2] / "templates" / "computers"


def script_of(allotment: Allotment, scheduler: str) -> list[str]:
    """Return the lines of the job script that AiiDA makes."""
    options = scheduler_options(allotment, scheduler, 8)
    plugin = SchedulerFactory(scheduler)()
    job = JobTemplate()
    job.job_resource = plugin.create_job_resource(**options.pop("resources"))
    for name in ("queue_name", "account", "max_wallclock_seconds", "max_memory_kb", "custom_scheduler_commands"):
        if name in options:
            job[name] = options.pop(name)
    assert set(options) <= {"prepend_text"}
    return str(plugin._get_submit_script_header(job)).splitlines()


def resources(**changes: object) -> Resources:
    document = {
        "queue": "long",
        "sizes": [{"up_to": {"atoms": 8}, "ranks": 4, "queue": "short", "walltime": 3600}, {"ranks": 32, "threads": 2}],
    }
    return Resources.model_validate(document | changes)


def test_row_says_more_than_what_stands_beside_it() -> None:
    rule = resources()
    small, large = (rule.for_row(row) for row in rule.sizes)
    assert (small.ranks, small.queue, small.walltime) == (4, "short", 3600)
    assert (large.ranks, large.threads, large.queue, large.walltime) == (32, 2, "long", 86_400)


def test_campaign_goes_before_every_row_of_its_computer() -> None:
    mine = Resources.model_validate({"ranks": 2, "memory": 3}).over(resources())
    assert [(mine.for_row(row).ranks, mine.for_row(row).memory) for row in mine.sizes] == [(2, 3), (2, 3)]
    assert [mine.for_row(row).queue for row in mine.sizes] == ["short", "long"]
    own = Resources.model_validate({"sizes": [{"ranks": 1}]}).over(resources())
    assert [own.for_row(row).ranks for row in own.sizes] == [1]
    assert own.for_row(own.sizes[0]).queue == "long"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sizes": [{"up_to": {"atoms": 8}, "ranks": 4}]}, "last row of sizes must be for calculations of any size"),
        ({"sizes": [{"ranks": 5, "nodes": 2}]}, "5 ranks cannot be shared out evenly among 2 nodes"),
        ({"nodes": 3}, "4 ranks cannot be shared out evenly among 3 nodes"),
        ({"queue": "long\n#SBATCH --wrap=x"}, "should match pattern"),
        ({"sizes": [{"up_to": {"electrons": 8}}]}, "electrons"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        resources(**changes)


def test_words_for_a_person() -> None:
    rule = resources()
    assert [rule.for_row(row).describe() for row in rule.sizes] == ["4 ranks, 1 h, short", "32 ranks × 2 threads, long"]
    assert Allotment().describe() == ""


LARGE = Allotment(nodes=2, ranks=16, threads=4, gpus=2, memory=200, walltime=7200, queue="gpu", account="pbs_2026")


def test_slurm_script() -> None:
    lines = script_of(LARGE, "core.slurm")
    for line in (
        "--nodes=2",
        "--ntasks-per-node=8",
        "--cpus-per-task=4",
        "--gpus-per-node=2",
        "--mem=95367",  # MiB a node
        "--time=02:00:00",
        "--partition=gpu",
        "--account=pbs_2026",
    ):
        assert f"#SBATCH {line}" in lines


def test_pbs_script() -> None:
    lines = script_of(LARGE.model_copy(update={"gpus": None}), "core.pbspro")
    assert "#PBS -l select=2:mpiprocs=8:ncpus=32:mem=97656250kb" in lines
    assert "#PBS -l walltime=02:00:00" in lines
    assert "#PBS -q gpu" in lines
    with pytest.raises(QdsimError, match="cannot be asked for GPUs"):
        scheduler_options(LARGE, "core.pbspro", None)


def test_lsf_script() -> None:
    lines = script_of(LARGE, "core.lsf")
    for line in ("-n 16", "-W 02:00", "-q gpu", '-R "span[ptile=8]"', '-R "affinity[core(4)]"', '-gpu "num=2"'):
        assert f"#BSUB {line}" in lines


def test_threads_are_the_last_word_on_openmp() -> None:
    assert scheduler_options(LARGE, "core.slurm", None)["prepend_text"] == "export OMP_NUM_THREADS=4"


def test_this_machine_gets_what_it_always_got() -> None:
    assert scheduler_options(Allotment(), "core.direct", 1) == {
        "resources": {"num_machines": 1},
        "max_wallclock_seconds": 86_400,
    }
    with pytest.raises(QdsimError, match="how many MPI ranks"):
        scheduler_options(Allotment(), "core.direct", None)


@pytest.mark.parametrize("name", ["slurm", "pbspro", "lsf"])
def test_rows_of_the_templates_make_scripts(name: str) -> None:
    computer = read_computer_file(TEMPLATES / f"{name}.yaml")
    assert len(computer.resources.sizes) > 2
    for row in computer.resources.sizes:
        assert any("standard" in line for line in script_of(computer.resources.for_row(row), computer.scheduler))
