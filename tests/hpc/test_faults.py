"""Faults of a cluster and of the servers behind a profile, each injected while a campaign runs.

After each the campaign ends complete, by itself or by one command; nothing is lost, and nothing computed twice.
"""

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qdsim.cp2k.output import parse_output
from tests.hpc import fault_table
from tests.hpc.client import Client
from tests.hpc.service import Service, wait_until
from tests.hpc.stack import Stack
from tests.machines import TIMEOUT, Machine

pytestmark = pytest.mark.cp2k

# A cluster of eight atoms at several offsets: single points that do not wait for each other, more than there are slots.
CAMPAIGN = """\
name: {name}
compound: PbS
code: cp2k@cluster
resources: {{walltime: 3600}}
dipole:
  lattice: {{lattice_constant: 5.98}}
  offsets: {offsets}
  undistorted: false
  coarse_start: null
  overrides: {{cutoff: {cutoff}, rel_cutoff: 30, basis_set: SZV-MOLOPT-SR-GTH, eps_scf: 1.0e-4}}
  particles: {{d8: {{diameter: 8, box: 12}}}}
"""
Start = Callable[..., Client]
INTERRUPTED = """
from qdsim.machine.daemon import interrupted_processes
answer = len(interrupted_processes())
"""
CREATED = """
from datetime import timedelta
from qdsim.machine.daemon import stuck_processes
answer = len(stuck_processes(timedelta(0)))
"""
EXIT_CODES = """
from aiida import orm
from qdsim.provenance import find_campaign
found = find_campaign({name!r}).called_descendants
answer = sorted(node.exit_status for node in found if isinstance(node, orm.CalcJobNode))
"""
ENERGIES = """
from aiida import orm
from qdsim.provenance import find_campaign
found = find_campaign({name!r}).called_descendants
answer = [node.outputs.output_parameters["energy"] for node in found if isinstance(node, orm.CalcJobNode)]
"""


@pytest.fixture
def start(production: Machine, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a campaign, with a cutoff of its own so that no other's results can stand for it."""
    clients: list[Client] = []

    def start_campaign(name: str, offsets: int = 4) -> Client:
        path = tmp_path / f"{name}.yaml"
        values = [round(0.1 + 0.02 * number, 2) for number in range(offsets)]
        cutoff = 40 + (sum(name.encode()) % 97) / 100
        path.write_text(CAMPAIGN.format(name=name, cutoff=cutoff, offsets=values), encoding="utf-8")
        clients.append(Client(production, path))
        return clients[-1]

    yield start_campaign
    for client in clients:
        client.stop()


class Trial:
    """One fault: the jobs of the stack before it, and what is to hold after it."""

    def __init__(self, stack: Stack, machine: Machine):
        self.stack, self.machine = stack, machine
        self.before = len(stack.ended_jobs())

    def wait_for_a_job(self) -> str:
        wait_until(lambda: bool(self.stack.running_jobs()), TIMEOUT, "no job began")
        return self.stack.running_jobs()[0]

    def hang_cp2k(self) -> psutil.Process:
        """Stop the CP2K that runs, once it has written something, so that it is there for what is to happen to it."""
        wait_until(lambda: bool(self._running_cp2k()), TIMEOUT, "no CP2K began")
        (process,) = self._running_cp2k()
        output = Path(process.cwd(), "aiida.out")
        wait_until(lambda: output.stat().st_size > 0, TIMEOUT, "CP2K wrote nothing")
        process.suspend()
        return process

    def _running_cp2k(self) -> list[psutil.Process]:
        work = str(self.stack.work)
        processes = psutil.process_iter(["name", "cwd"])
        return [one for one in processes if one.info["name"] == "cp2k.psmp" and str(one.info["cwd"]).startswith(work)]

    def conclude(self, fault: str, campaign: str, client: Client, seconds: Callable[[], float]) -> None:
        """Wait for the end of the campaign, fill a row of the table, and check it."""
        recovered = client.process.wait(timeout=TIMEOUT) == 0
        lost, twice = fault_table.count_losses(self.machine, campaign)
        lost += self.machine.python(CREATED)
        completed = Counter(job.name for job in self.stack.ended_jobs()[self.before :] if job.state == "COMPLETED")
        twice += sum(completed.values()) - len(completed)
        took = seconds() if recovered else 0.0
        fault_table.record(fault, recovered=recovered, lost=lost, computed_twice=twice, seconds=took)
        client.wait_until_complete()
        assert (lost, twice) == (0, 0)


@pytest.fixture
def trial(stack: Stack, production: Machine) -> Trial:
    return Trial(stack, production)


def test_job_that_hangs_is_killed_by_its_walltime(
    stack: Stack, production: Machine, start: Start, trial: Trial
) -> None:
    client = start("walltime", offsets=1)
    job = trial.wait_for_a_job()
    trial.hang_cp2k()
    stack.run("scontrol", "update", f"JobId={job}", "TimeLimit=0")
    wait_until(lambda: job not in stack.running_jobs(), TIMEOUT, "the job went on")
    ended = time.monotonic()
    trial.conclude("SLURM walltime", "walltime", client, lambda: client.recovery_time(ended))
    assert [ended_job.state for ended_job in stack.ended_jobs()[trial.before :]] == ["TIMEOUT", "COMPLETED"]
    assert production.python(EXIT_CODES.format(name="walltime")) == [0, 303]


UNREACHABLE = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"


def test_squeue_loses_a_job_that_runs(
    stack: Stack, production: Machine, start: Start, trial: Trial, tmp_path: Path
) -> None:
    """It answers without the job, then not at all, and only then as it should."""
    client = start("lost", offsets=1)
    trial.wait_for_a_job()
    hanging = trial.hang_cp2k()
    folder = Path(hanging.cwd())
    with stack.misled("squeue", "exit 0", UNREACHABLE) as questions:
        lost = time.monotonic()
        wait_until(lambda: questions() > 4, TIMEOUT, "nobody asked for the job again")
        assert len(stack.running_jobs()) == 1
        hanging.resume()
        trial.conclude("job lost by squeue", "lost", client, lambda: client.recovery_time(lost))
    assert [ended_job.state for ended_job in stack.ended_jobs()[trial.before :]] == ["COMPLETED"]
    (energy,) = production.python(ENERGIES.format(name="lost"))
    assert energy == pytest.approx(recompute(folder, tmp_path / "beside"), abs=1e-9)


def recompute(folder: Path, copy: Path) -> float | None:
    """Return the energy (eV) that CP2K gives by itself for the files of a job."""
    shutil.copytree(folder, copy)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMPI_MCA_ess_singleton_isolated": "1"}
    command = ["cp2k.psmp", "-i", "aiida.inp"]
    run = subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True, text=True)
    return parse_output(run.stdout).energy


def reasons(machine: Machine, name: str) -> dict[str, int]:
    """Return what the scheduler says of the jobs of a campaign that it has not begun."""
    found: dict[str, int] = json.loads(machine.qdsim("status", name, "--json").stdout)["jobs"]["reasons"]
    return found


@pytest.mark.long
def test_node_is_drained_and_comes_back(stack: Stack, production: Machine, start: Start, trial: Trial) -> None:
    client = start("drained")
    trial.wait_for_a_job()
    stack.drain()
    try:
        wait_until(lambda: not stack.running_jobs() and bool(stack.run("squeue", "-h")), TIMEOUT, "nothing had to wait")
        wait_until(lambda: bool(reasons(production, "drained")), TIMEOUT, "status does not tell why nothing runs")
    finally:
        stack.resume()
    resumed = time.monotonic()
    trial.conclude("node drained and back", "drained", client, lambda: client.recovery_time(resumed))
    assert "not begun by the scheduler, which says" in client.output


@pytest.mark.long
def test_ssh_server_is_away_for_ten_seconds(stack: Stack, start: Start, trial: Trial) -> None:
    client = start("ssh")
    trial.wait_for_a_job()
    with stack.sshd.away():
        time.sleep(10)
    back = time.monotonic()
    trial.conclude("sshd away for 10 s", "ssh", client, lambda: client.recovery_time(back))


@pytest.mark.long
def test_ssh_server_is_away_for_longer_than_the_retries(
    stack: Stack, production: Machine, start: Start, trial: Trial
) -> None:
    client = start("outage")
    trial.wait_for_a_job()
    with stack.sshd.away():
        wait_until(lambda: production.python(INTERRUPTED) > 0, TIMEOUT, "no process was paused")
    back = time.monotonic()
    trial.conclude("sshd away for longer than the retries", "outage", client, lambda: client.recovery_time(back))


@pytest.mark.long
def test_doctor_resumes_what_no_client_watches(stack: Stack, production: Machine, start: Start, trial: Trial) -> None:
    client = start("unwatched")
    trial.wait_for_a_job()
    client.stop()
    with stack.sshd.away():
        wait_until(lambda: production.python(INTERRUPTED) > 0, TIMEOUT, "no process was paused")
    back = time.monotonic()
    repaired = json.loads(production.qdsim("doctor", "--fix", "--json").stdout)
    assert repaired["repairs"] == ["resume the processes that could not reach their computer"]
    assert production.python(INTERRUPTED) == 0
    again = start("unwatched")
    trial.conclude("the same, client gone, doctor --fix", "unwatched", again, lambda: again.recovery_time(back))


@pytest.mark.parametrize("name", ["slurmctld", pytest.param("rabbitmq", marks=pytest.mark.long)])
def test_server_is_restarted(stack: Stack, start: Start, trial: Trial, name: str) -> None:
    service: Service = getattr(stack, name)
    client = start(name)
    trial.wait_for_a_job()
    service.restart()
    back = time.monotonic()
    trial.conclude(f"{name} restarted", name, client, lambda: client.recovery_time(back))


@pytest.mark.long
def test_database_is_restarted(stack: Stack, start: Start, trial: Trial) -> None:
    """A process that was writing then may end in an exception: the same command again makes up for it."""
    client = start("postgresql")
    trial.wait_for_a_job()
    stack.postgresql.restart()
    back = time.monotonic()
    command = ""
    if client.process.wait(timeout=TIMEOUT) != 0:
        assert "`qdsim run" in client.output, client.output
        client, command = start("postgresql"), ", `qdsim run` again"
    trial.conclude(f"postgresql restarted{command}", "postgresql", client, lambda: client.recovery_time(back))
