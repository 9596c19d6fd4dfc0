import fcntl
import os
import select
import signal
import subprocess
from pathlib import Path

import pytest

from qdsim.errors import QdsimError
from qdsim.machine.localhost import describe_localhost
from qdsim.machine.processors import Layout

PATIENCE = 20.0


class Events:
    """A named pipe that scripts announce themselves on."""

    def __init__(self, path: Path):
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR)

    def next(self, timeout: float = PATIENCE) -> str | None:
        ready, _, _ = select.select([self._descriptor], [], [], timeout)
        return os.read(self._descriptor, 2).decode()[0] if ready else None


def is_locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def start_job(folder: Path, events: Events, name: str, prepend: str) -> subprocess.Popen[bytes]:
    """Start what AiiDA's submit script does; the place of CP2K is taken by `cat`, which runs until released."""
    os.mkfifo(folder / f"release-{name}")
    script = folder / f"job-{name}.sh"
    script.write_text(f"{prepend}\necho {name} > {events.path}\ncat release-{name} > /dev/null\n:\n")
    return subprocess.Popen(["bash", str(script)], cwd=folder)


def release(folder: Path, name: str) -> None:
    (folder / f"release-{name}").write_text("go")


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a $folder; with `odd` signs"
    folder.mkdir()
    return folder


def test_no_more_jobs_run_at_once_than_there_are_slots(tmp_path: Path, work_dir: Path) -> None:
    prepend = describe_localhost(Layout(2, 1), work_dir, None).prepend_text
    events = Events(tmp_path / "events")
    jobs = {name: start_job(tmp_path, events, name, prepend) for name in "ABCD"}
    slots = [work_dir / ".slots" / f"slot-{number}" for number in range(2)]
    running = {events.next(), events.next()}
    for _ in range(2):
        assert len(running) == 2
        assert all(is_locked(slot) for slot in slots)
        assert events.next(timeout=0.5) is None
        leaving = running.pop()
        assert leaving is not None
        release(tmp_path, leaving)
        assert jobs[leaving].wait(PATIENCE) == 0
        running.add(events.next())
    for name in running:
        assert name is not None
        release(tmp_path, name)
        assert jobs[name].wait(PATIENCE) == 0
    assert not any(is_locked(slot) for slot in slots)


def test_slot_is_held_while_the_program_lives_even_if_its_script_dies(tmp_path: Path, work_dir: Path) -> None:
    prepend = describe_localhost(Layout(1, 1), work_dir, None).prepend_text
    events = Events(tmp_path / "events")
    first = start_job(tmp_path, events, "A", prepend)
    assert events.next() == "A"
    with (tmp_path / "release-A").open("w") as gate:  # returns once `cat` has opened the other end
        first.send_signal(signal.SIGKILL)
        first.wait(PATIENCE)
        second = start_job(tmp_path, events, "B", prepend)
        assert is_locked(work_dir / ".slots" / "slot-0")
        assert events.next(timeout=0.5) is None
        gate.write("go")
    assert events.next() == "B"
    release(tmp_path, "B")
    assert second.wait(PATIENCE) == 0


def test_a_killed_script_in_the_queue_makes_way(tmp_path: Path, work_dir: Path) -> None:
    prepend = describe_localhost(Layout(1, 1), work_dir, None).prepend_text
    events = Events(tmp_path / "events")
    first = start_job(tmp_path, events, "A", prepend)
    assert events.next() == "A"
    waiting = start_job(tmp_path, events, "B", prepend)
    last = start_job(tmp_path, events, "C", prepend)
    waiting.send_signal(signal.SIGKILL)
    waiting.wait(PATIENCE)
    release(tmp_path, "A")
    assert first.wait(PATIENCE) == 0
    assert events.next() == "C"
    release(tmp_path, "C")
    assert last.wait(PATIENCE) == 0


def test_a_folder_that_cannot_be_made_ends_the_job(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    prepend = describe_localhost(Layout(1, 1), tmp_path / "file" / "work", None).prepend_text
    run = subprocess.run(
        ["bash", "-c", f"{prepend}\necho ran"], check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert run.returncode == 1
    assert "ran" not in run.stdout


def test_mpirun_is_used_for_several_ranks_only(work_dir: Path) -> None:
    assert describe_localhost(Layout(2, 1), work_dir, Path("/usr/bin/mpirun")).mpirun_command == ""
    several = describe_localhost(Layout(2, 3), work_dir, Path("/opt/my mpi/mpirun"))
    assert several.mpirun_command == "'/opt/my mpi/mpirun' --bind-to none -np {tot_num_mpiprocs}"
    assert several.mpiprocs_per_machine == 3
    with pytest.raises(QdsimError, match="need mpirun"):
        describe_localhost(Layout(2, 3), work_dir, None)
