"""An environment, AiiDA's folder and a working folder whose paths have spaces, quotes and more in them."""

import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.machines import Machine

ODD = """my 'own' "x" #1 100% ä $HOME"""
SUBMIT_AND_WAIT = """
from aiida.engine import submit
from aiida.orm import InstalledCode, Int, load_computer
from aiida.plugins import CalculationFactory
builder = CalculationFactory("core.arithmetic.add").get_builder()
builder.code = InstalledCode(computer=load_computer("localhost"), filepath_executable="/bin/bash").store()
builder.x, builder.y = Int(1), Int(2)
answer = submit(builder, wait=True, wait_interval=1).is_finished_ok
"""


def make_environment(folder: Path) -> Path:
    """Make an environment of this Python and its packages, and return the folder of its programs."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    python = programs / Path(sys.executable).name
    python.symlink_to(Path(sys.executable).resolve())
    settings = f"home = {python.resolve().parent}\nversion = {sysconfig.get_python_version()}\n"
    (folder / "pyvenv.cfg").write_text(settings, encoding="utf-8")
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    packages.parent.mkdir(parents=True)
    packages.symlink_to(sysconfig.get_path("purelib"))
    verdi = "aiida.cmdline.commands.cmd_verdi import verdi as main"
    for name, function in {"qdsim": "qdsim.cli import main", "verdi": verdi}.items():
        # The line that names an interpreter ends at a space; pip writes what a shell and Python both understand.
        start = f"""#!/bin/sh\n'''exec' "{python}" "$0" "$@"\n' '''\n"""
        (programs / name).write_text(f"{start}from {function}\nmain()\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    return programs


@pytest.fixture
def odd_machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / ODD, programs=make_environment(tmp_path / "my 'own' #1 ä"))
    yield machine
    machine.stop_daemons()


def doctor(machine: Machine, *arguments: str) -> dict[str, tuple[str, str]]:
    run = machine.qdsim("doctor", "--json", *arguments)
    return {check["name"]: (check["status"], check["detail"]) for check in json.loads(run.stdout)["checks"]}


@pytest.mark.cp2k
def test_the_daemon_has_workers_wherever_things_lie(odd_machine: Machine) -> None:
    made = odd_machine.qdsim("init")
    assert made.returncode == 0, made.stderr
    assert "1 worker(s)" in made.stdout
    assert odd_machine.python(SUBMIT_AND_WAIT)

    odd_machine.verdi("daemon", "stop")
    odd_machine.verdi("daemon", "start")  # which does not quote
    assert doctor(odd_machine)["daemon"][0] == "failed"
    assert "it has no workers" in doctor(odd_machine)["daemon"][1]
    checks = doctor(odd_machine, "--fix")
    assert (checks["daemon"], checks["broker"][0]) == (("ok", "1 worker(s)"), "ok")

    odd_machine.verdi("daemon", "stop")
    odd_machine.verdi("daemon", "start")
    assert "it had no workers" in odd_machine.qdsim("init").stdout


@pytest.mark.cp2k
@pytest.mark.parametrize("verdi", ["#!/nonexistent/interpreter\n", "#!/bin/sh\nexit 1\n"])
def test_a_daemon_without_workers_is_no_machine_that_is_set_up(odd_machine: Machine, verdi: str) -> None:
    (odd_machine.programs / "verdi").write_text(verdi, encoding="utf-8")
    run = odd_machine.qdsim("init")
    assert (run.returncode, run.stdout) == (2, "")
    (sentence,) = run.stderr.splitlines()
    assert sentence.startswith("Error: the AiiDA daemon was started, but has no workers")
    assert odd_machine.configuration["profiles"] == {}
    programs = str(odd_machine.programs)
    assert [process for process in psutil.process_iter(["cmdline"]) if programs in str(process.info["cmdline"])] == []


@pytest.mark.cp2k
def test_a_temporary_folder_that_is_too_long_for_sockets_is_told(odd_machine: Machine) -> None:
    folder = odd_machine.folder.parent / ("long" * 20)
    folder.mkdir()
    run = odd_machine.qdsim("init", TMPDIR=str(folder))
    assert (run.returncode, run.stdout) == (2, "")
    assert "set TMPDIR to a shorter one" in run.stderr
    assert not odd_machine.folder.exists()
