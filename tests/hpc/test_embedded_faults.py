"""Faults of the profile that `qdsim init` makes: SQLite, the ZeroMQ broker and CP2K on this machine.

After each the campaign ends complete, by itself or by one command, and no input has been computed twice.
"""

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.hpc import fault_table
from tests.hpc.client import Client
from tests.hpc.service import wait_until
from tests.machines import TIMEOUT, Machine

pytestmark = pytest.mark.cp2k

CAMPAIGN = """\
name: {name}
compound: PbS
protocol: fast
overrides:
  k_points: [2, 2, 2]
  basis_set: SZV-MOLOPT-SR-GTH
  cutoff: 60
  eps_default: 1.0e-6
  max_scf: {max_scf}
  walltime: {walltime}
strain:
  lattice_constant: [6.2]
  double_well: [0.3]
  relaxation: {{start_offset: 0.45, alpha_tolerance: 1, offset_tolerance: 0.1}}
  equation_of_state: {{span: 6 %, points: 5}}
"""
STEP = re.compile(r"^ +\d+ \S+/Diag\. ", re.MULTILINE)
MOMENTS = 20

Write = Callable[..., Path]
Start = Callable[[Path], Client]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("faults"))
    first = machine.qdsim("init", "--slots", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    # A transport that failed is tried again after 1, 2, 4 and 8 s, rather than from 20 s up.
    machine.verdi("config", "set", "transport.task_retry_initial_interval", "1")
    machine.verdi("daemon", "restart")
    yield machine
    machine.stop_daemons()


@pytest.fixture
def start(machine: Machine) -> Iterator[Start]:
    """Return a starter of clients; those that a failed test leaves behind are killed."""
    clients: list[Client] = []

    def begin(path: Path) -> Client:
        clients.append(Client(machine, path))
        return clients[-1]

    yield begin
    for client in clients:
        client.stop()


@pytest.fixture
def write(tmp_path: Path, request: pytest.FixtureRequest) -> Write:
    """Return a writer of campaign files; limits of their own, never reached, keep each from the others' cache."""

    def make(name: str, walltime: int = 3600) -> Path:
        path = tmp_path / f"{name}.yaml"
        max_scf = 50 + request.session.items.index(request.node)
        path.write_text(CAMPAIGN.format(name=name, max_scf=max_scf, walltime=walltime), encoding="utf-8")
        return path

    return make


def scratch(machine: Machine) -> Path:
    return machine.folder / ".aiida" / "scratch" / "qdsim"


def jobs(machine: Machine, name: str = "") -> list[psutil.Process]:
    """Return the processes that run in the scratch folder: CP2K, and the scripts around it."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if name in process.info["name"] and process.cwd().startswith(str(scratch(machine))):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def catch_cp2k(machine: Machine) -> psutil.Process:
    """Stop a CP2K in the middle of its SCF cycle, so that it is there for what is to happen to it."""
    caught: list[psutil.Process] = []

    def catch() -> bool:
        for process in jobs(machine, "cp2k"):
            try:
                output = Path(process.cwd(), "aiida.out")
                if not STEP.search(output.read_text(errors="replace")):
                    continue
                process.suspend()
                if "SCF run" not in output.read_text(errors="replace"):
                    caught.append(process)
                    return True
                process.resume()
            except (psutil.NoSuchProcess, FileNotFoundError):
                continue
        return False

    wait_until(catch, TIMEOUT, "no CP2K was caught in its SCF cycle")
    return caught[0]


def arbiter(machine: Machine) -> psutil.Process:
    (pid_file,) = (machine.folder / ".aiida" / "daemon").glob("circus-*.pid")
    return psutil.Process(int(pid_file.read_text()))


def broker(machine: Machine) -> psutil.Process:
    (pid_file,) = (machine.folder / ".aiida" / "broker").glob("*/broker.pid")
    return psutil.Process(int(pid_file.read_text().split()[-1]))


def workers(machine: Machine) -> list[psutil.Process]:
    return [child for child in arbiter(machine).children() if child.cmdline()[-2:] == ["daemon", "worker"]]


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=TIMEOUT)


def fill_up(disk: Path) -> Path:
    """Return the file that takes up all that was free."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return ballast


def settle(machine: Machine, fault: str, campaign: str, seconds: float) -> None:
    """Count what a fault has cost, put it into the table, and ask for nothing."""
    lost, twice = fault_table.count_losses(machine, campaign)
    fault_table.record(fault, recovered=lost == 0, lost=lost, computed_twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)


def exit_statuses(machine: Machine, campaign: str) -> list[int]:
    """Return those of a campaign's CP2K runs that failed."""
    found: list[int] = machine.python(
        "from aiida import orm\nfrom qdsim.provenance import find_campaign\n"
        f"runs = find_campaign({campaign!r}).called_descendants\n"
        "answer = [run.exit_status for run in runs if isinstance(run, orm.CalcJobNode) and run.is_failed]"
    )
    return found


def test_cp2k_is_killed(machine: Machine, write: Write, start: Start) -> None:
    client = start(write("cp2k"))
    victim = catch_cp2k(machine)
    moment, done = time.monotonic(), client.done
    kill([victim])
    client.wait_until_complete()
    assert exit_statuses(machine, "cp2k") == [303]
    settle(machine, "CP2K killed", "cp2k", client.recovery_time(moment, done))


@pytest.mark.long
def test_time_of_cp2k_is_up(machine: Machine, write: Write, start: Start) -> None:
    """The clock goes on while CP2K stands still; what it finds then is that its time is up."""
    client = start(write("walltime", walltime=20))
    late = catch_cp2k(machine)
    wait_until(lambda: time.time() - late.create_time() > 21, TIMEOUT, "the clock stands still")
    moment, done = time.monotonic(), client.done
    late.resume()
    client.wait_until_complete()
    assert 400 in exit_statuses(machine, "walltime")
    settle(machine, "GLOBAL/WALLTIME reached", "walltime", client.recovery_time(moment, done))


@pytest.mark.long
def test_output_is_cut_before_it_is_retrieved(machine: Machine, write: Write, start: Start) -> None:
    client = start(write("truncated"))
    run = catch_cp2k(machine)
    (worker,) = workers(machine)
    worker.suspend()
    output = Path(run.cwd(), "aiida.out")
    run.resume()
    wait_until(lambda: not run.is_running(), TIMEOUT, "CP2K did not end")
    text = output.read_bytes()
    output.write_bytes(text[: len(text) // 2])
    moment, done = time.monotonic(), client.done
    worker.resume()
    client.wait_until_complete()
    assert exit_statuses(machine, "truncated") == [303]
    settle(machine, "retrieved output truncated", "truncated", client.recovery_time(moment, done))


def test_worker_is_killed(machine: Machine, write: Write, start: Start) -> None:
    client = start(write("worker"))
    client.wait_for_points(1)
    moment, done = time.monotonic(), client.done
    kill(workers(machine))
    client.wait_until_complete()
    settle(machine, "daemon worker killed", "worker", client.recovery_time(moment, done))


@pytest.mark.long
def test_daemon_is_killed_and_its_broker_left(machine: Machine, write: Write, start: Start) -> None:
    client = start(write("daemon"))
    client.wait_for_points(1)
    left = broker(machine)
    moment, done = time.monotonic(), client.done
    kill([arbiter(machine), *workers(machine)])
    client.wait_until_complete()
    assert not left.is_running()
    settle(machine, "daemon killed", "daemon", client.recovery_time(moment, done))


def test_broker_is_killed_while_a_client_watches(machine: Machine, write: Write, start: Start) -> None:
    client = start(write("broker"))
    client.wait_for_points(1)
    moment, done = time.monotonic(), client.done
    kill([broker(machine)])
    client.wait_until_complete()
    settle(machine, "broker killed, client watching", "broker", client.recovery_time(moment, done))


@pytest.mark.long
def test_broker_is_killed_while_nobody_watches(machine: Machine, write: Write, start: Start) -> None:
    path = write("unwatched")
    client = start(path)
    client.wait_for_points(1)
    client.stop()
    moment, done = time.monotonic(), client.done
    kill([broker(machine)])
    again = start(path)
    again.wait_until_complete()
    settle(machine, "broker killed, then qdsim run FILE", "unwatched", again.recovery_time(moment, done))


@pytest.mark.long
def test_power_is_cut_twice(machine: Machine, write: Write, start: Start) -> None:
    """Each time in the middle of the same calculation, which is not given up for that."""
    client = start(write("power"))
    moment = 0.0
    for _ in range(2):
        catch_cp2k(machine)
        moment = time.monotonic()
        circus = arbiter(machine)
        client.process.kill()
        kill([circus, *circus.children(recursive=True), *jobs(machine)])
        repaired = machine.qdsim("doctor", "--fix")
        assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    ended = machine.python(
        "import time\nfrom qdsim.provenance import find_campaign\n"
        "campaign = find_campaign('power')\n"
        f"deadline = time.monotonic() + {TIMEOUT - 60}\n"
        "while not campaign.is_terminated and time.monotonic() < deadline:\n    time.sleep(0.5)\n"
        "answer = [campaign.is_finished_ok, campaign.exit_message]"
    )
    assert ended[0], ended[1]
    settle(machine, "power cut twice, then qdsim doctor --fix", "power", time.monotonic() - moment)


@pytest.mark.long
def test_scratch_disk_is_full(machine: Machine, write: Write, start: Start) -> None:
    """Under a CP2K that is running, and for those that are to follow. Free the space, and the work goes on."""
    disk = scratch(machine)
    disk.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)], check=True)
    try:
        client = start(write("disk"))
        client.wait_for_points(1)
        running = catch_cp2k(machine)
        ballast = fill_up(disk)
        running.resume()
        logs = list((machine.folder / ".aiida" / "daemon" / "log").glob("aiida-*.log"))
        message = "No space left on device"
        wait_until(lambda: any(message in log.read_text(errors="replace") for log in logs), TIMEOUT, "no disk was full")
        moment, done = time.monotonic(), client.done
        ballast.unlink()
        client.wait_until_complete()
        settle(machine, "scratch disk full", "disk", client.recovery_time(moment, done))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.long
def test_same_campaign_is_run_twice_at_once(machine: Machine, write: Write, start: Start) -> None:
    path = write("twins")
    moment = time.monotonic()
    clients = [start(path), start(path)]
    for client in clients:
        client.wait_until_complete()
    submitted = machine.python(
        "from qdsim.provenance import campaigns\nanswer = sum(campaign.label == 'twins' for campaign in campaigns())"
    )
    assert submitted == 1
    settle(machine, "two qdsim run at once", "twins", clients[0].recovery_time(moment, 0))


@pytest.mark.long
def test_client_is_killed_at_random_moments(machine: Machine, write: Write, start: Start) -> None:
    """From before its first import to some time after its submission."""
    path = write("restless")
    begin = time.monotonic()
    machine.qdsim("status")
    usual = time.monotonic() - begin
    chance = random.Random(2023)  # noqa: S311 (moments, no secrets)
    for _ in range(MOMENTS):
        client = start(path)
        try:
            client.process.wait(timeout=chance.uniform(0, 1.5 * usual))
        except subprocess.TimeoutExpired:
            client.process.send_signal(signal.SIGKILL)
        client.process.wait(timeout=TIMEOUT)
    moment = time.monotonic()
    last = start(path)
    last.wait_until_complete()
    settle(machine, f"client killed at {MOMENTS} moments", "restless", time.monotonic() - moment)


def test_nothing_is_left_in_created_and_no_process_over(machine: Machine) -> None:
    waiting = machine.python(
        "from datetime import timedelta\nfrom qdsim.machine.daemon import stuck_processes\n"
        "answer = [node.pk for node in stuck_processes(timedelta(0))]"
    )
    assert waiting == []
    assert not jobs(machine)
    circus = arbiter(machine)
    assert {process.pid for process in processes_of(machine)} == {
        process.pid for process in (circus, *circus.children(recursive=True))
    }


def processes_of(machine: Machine) -> Iterator[psutil.Process]:
    """Yield the processes that a daemon of the machine has started."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIIDA_PATH") == str(machine.folder / ".aiida"):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
