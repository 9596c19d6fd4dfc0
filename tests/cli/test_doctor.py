import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from tests.machines import Machine

SUBMIT = """
from pathlib import Path
from aiida.engine import submit
from aiida.orm import InstalledCode, Int, load_computer
from aiida.plugins import CalculationFactory
builder = CalculationFactory("core.arithmetic.add").get_builder()
builder.code = InstalledCode(computer=load_computer("localhost"), filepath_executable="/bin/bash").store()
builder.x, builder.y = Int(1), Int(2)
"""
SUBMIT_AND_LEAVE = f"{SUBMIT}\nanswer = submit(builder).pk"
SUBMIT_AND_WAIT = (
    f"{SUBMIT}\nnode = submit(builder, wait=True, wait_interval=1)\nanswer = [node.pk, node.is_finished_ok]"
)
RESTART_DAEMON = """
from qdsim.machine import daemon, profile
profile.open_profile("qdsim")
daemon.stop_daemon()
daemon.ensure_daemon_running()
"""
STUCK = """
from datetime import timedelta
from qdsim.machine.daemon import stuck_processes
answer = [node.pk for node in stuck_processes(timedelta(seconds=0))]
"""


def diagnose(machine: "Machine", *arguments: str) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
    run = machine.qdsim("doctor", "--json", *arguments)
    document = json.loads(run.stdout)
    return run.returncode, {check["name"]: check for check in document["checks"]}, document


def broker_folder(machine: "Machine") -> Path:
    """Return that of the profile `qdsim`: other tests on the same machine make other profiles."""
    (folder,) = (machine.folder / ".aiida" / "broker").glob("*-qdsim")
    return folder


def find_broker(machine: "Machine") -> int:
    return int((broker_folder(machine) / "broker.pid").read_text().split()[-1])


@pytest.mark.cp2k
def test_healthy_machine(machine: "Machine") -> None:
    code, checks, document = diagnose(machine)
    assert code == 0
    assert document["healthy"]
    assert [name for name in checks if not name.startswith("computer ")] == [
        "CP2K",
        "data files",
        "linear algebra",
        "MPI",
        "calculation",
        "profile",
        "computer",
        "code",
        "daemon",
        "broker",
        "stuck processes",
        "interrupted processes",
        "disk space",
    ]
    assert "hydrogen molecule" in checks["calculation"]["detail"]
    assert "1 worker(s) listen to it" in checks["broker"]["detail"]
    assert {check["status"] for check in checks.values()} <= {"ok", "warning"}


@pytest.mark.cp2k
def test_stopped_daemon_is_found_and_started(machine: "Machine") -> None:
    machine.verdi("daemon", "stop")
    code, checks, _ = diagnose(machine)
    assert code == 1
    assert checks["daemon"]["status"] == "failed"
    assert checks["daemon"]["fix"] == "qdsim doctor --fix"
    assert checks["broker"]["status"] == "skipped"
    code, checks, document = diagnose(machine, "--fix")
    assert code == 0
    assert document["repairs"] == ["start the daemon"]
    assert checks["broker"]["status"] == "ok"


@pytest.mark.cp2k
def test_killed_broker_is_found_and_what_was_submitted_runs_after_the_repair(machine: "Machine") -> None:
    os.kill(find_broker(machine), signal.SIGKILL)
    code, checks, _ = diagnose(machine)
    assert code == 1
    assert checks["daemon"]["status"] in {"ok", "warning"}
    assert checks["broker"]["status"] == "failed"
    assert "still listen to the one before" in checks["broker"]["detail"]
    assert checks["broker"]["fix"] == "qdsim doctor --fix"

    lost = machine.python(SUBMIT_AND_LEAVE)
    assert machine.python(STUCK) == [lost]

    code, checks, document = diagnose(machine, "--fix")
    assert code == 0, checks
    assert document["repairs"] == ["restart the daemon and give unfinished processes back to it"]
    assert machine.python(SUBMIT_AND_WAIT)[1]
    assert machine.python(f"from aiida.orm import load_node\nanswer = load_node({lost}).is_finished_ok")
    assert machine.python(STUCK) == []


@pytest.mark.cp2k
def test_after_all_was_killed_one_repair_is_enough(machine: "Machine") -> None:
    """As when a machine lost its power: the address of the broker that is gone is left."""
    pid_file = machine.folder / ".aiida" / "daemon" / "circus-qdsim.pid"
    circus = psutil.Process(int(pid_file.read_text()))
    processes = [circus, *circus.children(recursive=True)]
    assert find_broker(machine) in {process.pid for process in processes}
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=10)
    assert (broker_folder(machine) / "broker.sockets").exists()
    code, checks, _ = diagnose(machine, "--fix")
    assert code == 0, checks
    assert checks["broker"]["status"] == "ok"
    assert machine.python(SUBMIT_AND_WAIT)[1]


@pytest.mark.cp2k
def test_client_that_stays_alive_can_reconnect(machine: "Machine") -> None:
    """A client connected before the daemon restarts hears nothing afterwards, until it reconnects."""
    answer = machine.python(
        "import subprocess, sys\n"
        "from qdsim.machine import daemon\n"
        "before = daemon.client_is_connected()\n"
        f"subprocess.run([sys.executable, '-c', {RESTART_DAEMON!r}], check=True)\n"
        "lost = not daemon.client_is_connected()\n"
        "daemon.reconnect()\n"
        "answer = [before, lost, daemon.broker_is_connected()]"
    )
    assert answer == [True, True, True]
    assert machine.python(SUBMIT_AND_WAIT)[1]


@pytest.mark.cp2k
def test_code_that_no_longer_works_is_found(machine: "Machine", tmp_path: Path) -> None:
    moved = tmp_path / "cp2k.psmp"
    original = machine.python(
        "from aiida.orm import load_code\nanswer = str(load_code('cp2k@localhost').filepath_executable)"
    )
    moved.symlink_to(original)
    assert machine.qdsim("init", "--cp2k", str(moved)).returncode == 0
    moved.unlink()
    code, checks, _ = diagnose(machine)
    assert code == 1
    assert checks["CP2K"]["status"] == "failed"
    assert checks["code"]["status"] == "failed"
    assert checks["calculation"]["status"] == "skipped"
    assert machine.qdsim("init").returncode == 0


@pytest.mark.cp2k
def test_machine_that_is_not_set_up(bare_machine: "Machine") -> None:
    code, checks, _ = diagnose(bare_machine)
    assert code == 1
    assert checks["profile"]["status"] == "failed"
    assert checks["profile"]["fix"] == "qdsim init"
    assert checks["broker"]["status"] == "skipped"
    assert checks["calculation"]["status"] == "ok"
