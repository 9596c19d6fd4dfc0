"""A campaign is paused, resumed and cancelled, with a real daemon that is restarted on the way."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.hpc.client import Client

if TYPE_CHECKING:
    from tests.machines import Machine

DEADLINE = 120  # s
CAMPAIGN = """\
name: narrow
compound: PbS
protocol: fast
overrides: {k_points: [1, 1, 1], cutoff: 60, basis_set: SZV-MOLOPT-SR-GTH}
resources: {at_once: 1}
strain:
  lattice_constant: [6.2]
  equation_of_state: {span: 2 %, points: 40}
"""
# In one process: the command line takes seconds to start, and a look every half second must not.
WAIT = """
import time
from aiida import orm
from qdsim.provenance import find_campaign, jobs_of, state_of
campaign, answer, most, deadline = find_campaign('narrow'), None, 0, time.monotonic() + %d
while answer is None and time.monotonic() < deadline:
    jobs = jobs_of(campaign)
    most = max(most, jobs.queued)
    if %s:
        query = orm.QueryBuilder().append(
            orm.CalcJobNode, filters={'extras.qdsim_campaign': campaign.pk}, project=['id', 'attributes.job_id']
        )
        answer = {
            'most': most,
            'state': state_of(campaign),
            'submitted': [pk for pk, job in query.all() if job is not None],
            'waiting': [pk for pk, job in query.all() if job is None],
        }
    time.sleep(0.2)
"""
UNFINISHED = """
from qdsim.provenance import find_campaign
from qdsim.provenance.queue import unfinished
answer = len(unfinished(find_campaign('narrow')))
"""


def wait_until(machine: "Machine", condition: str) -> dict[str, Any]:
    found: dict[str, Any] | None = machine.python(WAIT % (DEADLINE, condition))
    assert found is not None, f"not in {DEADLINE} s: {condition}; {machine.qdsim('status', 'narrow', '--json').stdout}"
    assert found["most"] <= 1
    return found


def running_cp2k(machine: "Machine") -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"].startswith("cp2k") and str(process.info["cwd"]).startswith(str(machine.folder))
    ]


@pytest.mark.cp2k
def test_pause_resume_cancel(machine: "Machine", tmp_path: Path) -> None:
    path = tmp_path / "narrow.yaml"
    path.write_text(CAMPAIGN, encoding="utf-8")
    run = machine.qdsim("run", str(path), "--detach")
    assert run.returncode == 0, run.stderr
    wait_until(machine, "jobs.queued and jobs.waiting")

    paused = machine.qdsim("pause", "narrow")
    assert paused.returncode == 0, paused.stderr
    assert "is paused" in paused.stdout
    ended = wait_until(machine, "not jobs.queued and not jobs.ending")
    assert ended["waiting"]
    assert ended["state"] == "paused"
    assert "is paused" in machine.qdsim("run", str(path), "--detach").stdout

    machine.verdi("process", "pause", str(ended["waiting"][0]))  # as AiiDA does when a computer is away for long
    stopped = wait_until(machine, "jobs.stopped")
    assert stopped["submitted"] == ended["submitted"]
    assert "stopped 1 calculation(s)" in machine.qdsim("status", "narrow").stdout
    machine.verdi("daemon", "stop")
    resumed = machine.qdsim("resume", "narrow")
    assert resumed.returncode == 0, resumed.stderr
    assert "1 process(es) that AiiDA had stopped" in resumed.stdout
    going_on = wait_until(machine, "jobs.queued and jobs.waiting and not jobs.stopped")
    assert set(going_on["submitted"]) > set(ended["submitted"])

    asked = machine.qdsim("cancel", "narrow")
    assert asked.returncode == 130
    assert machine.python(UNFINISHED) > 0
    client = Client(machine, path)
    try:
        client.wait_for_points(1)
        cancelled = machine.qdsim("cancel", "narrow", "--yes")
        assert cancelled.returncode == 0, cancelled.stderr
        assert client.wait() == 1
        assert "was cancelled" in client.output
    finally:
        client.stop()
    assert machine.python(UNFINISHED) == 0
    assert running_cp2k(machine) == []
    assert json.loads(machine.qdsim("status", "narrow", "--json").stdout)["state"] == "cancelled"
    again = machine.qdsim("cancel", "narrow", "--yes")
    assert again.returncode == 2
    assert "has finished; there is nothing to cancel" in again.stderr

    anew = machine.qdsim("resume", "narrow")
    assert anew.returncode == 0, anew.stderr
    assert "is submitted anew" in anew.stdout
    assert json.loads(machine.qdsim("status", "narrow", "--json").stdout)["state"] in {"waiting", "running"}
    assert machine.qdsim("cancel", "narrow", "--yes").returncode == 0
