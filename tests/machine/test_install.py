import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "qdsim" / "machine" / "install.sh"


class FakeMachine:
    """A PATH that holds only what a test puts there, each program a few lines of shell."""

    def __init__(self, folder: Path):
        self.programs = folder / "bin"
        self.checkout = folder / "checkout"
        self.log = folder / "log"
        self.programs.mkdir()
        self.checkout.mkdir()
        self.log.touch()
        for name in ("sh", "env", "rm", "mkdir", "touch", "chmod", "dirname"):
            program = shutil.which(name)
            assert program is not None, f"{name} is not in PATH"
            (self.programs / name).symlink_to(program)
        self.add("id", "echo 1000")

    def add(self, name: str, text: str) -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.log}"\n{text}\n')
        path.chmod(0o755)

    def make(self, target: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(SCRIPT), target],
            check=False,
            cwd=folder or self.checkout,
            env={"PATH": str(self.programs), "HOME": str(self.checkout)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def calls(self, program: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(f"{program} ")]


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def installs(path: Path) -> str:
    return f'mkdir -p "{path.parent}"; touch "{path}"; chmod +x "{path}"'


def test_cp2k_that_is_there_is_left_alone(machine: FakeMachine) -> None:
    machine.add("cp2k.psmp", "")
    machine.add("apt-get", "exit 1")
    assert machine.make("cp2k").returncode == 0
    assert machine.calls("apt-get") == []


def test_root_installs_debian_packages_without_questions(machine: FakeMachine) -> None:
    machine.add("id", "echo 0")
    machine.add(
        "apt-get", f'[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 9\n{installs(machine.programs / "cp2k.psmp")}'
    )
    assert machine.make("cp2k").returncode == 0
    packages = "cp2k openmpi-bin libopenblas0-openmp"
    assert machine.calls("apt-get")[-1] == f"apt-get install -q -y --no-install-recommends {packages}"


@pytest.mark.parametrize(
    ("library", "installed"), [("blas/libblas.so.3", ["libopenblas0-openmp"]), ("openblas-openmp/libblas.so.3", [])]
)
def test_tuned_blas_replaces_only_the_reference_one(machine: FakeMachine, library: str, installed: list[str]) -> None:
    for name in ("sed", "readlink"):
        program = shutil.which(name)
        assert program is not None, f"{name} is not in PATH"
        (machine.programs / name).symlink_to(program)
    found = machine.checkout / library
    found.parent.mkdir()
    found.touch()
    machine.add("id", "echo 0")
    machine.add("cp2k.psmp", "")
    machine.add("ldd", f'echo "	libblas.so.3 => {found} (0x00007f)"')
    machine.add("apt-get", "")
    assert machine.make("cp2k").returncode == 0
    assert [call.split()[-1] for call in machine.calls("apt-get") if " install " in call] == installed


def test_sudo_installs_debian_packages(machine: FakeMachine) -> None:
    machine.add("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    machine.add("apt-get", installs(machine.programs / "cp2k.psmp"))
    assert machine.make("cp2k").returncode == 0
    assert len(machine.calls("apt-get")) == 2
    assert all(call.startswith("sudo -n ") for call in machine.calls("sudo"))


def test_conda_installs_where_there_is_no_root(machine: FakeMachine) -> None:
    machine.add("apt-get", "exit 1")
    machine.add("sudo", "exit 1")
    machine.add("conda", installs(machine.checkout / ".conda" / "bin" / "cp2k.psmp"))
    assert machine.make("cp2k").returncode == 0
    assert machine.calls("apt-get") == []
    assert machine.calls("conda") == [f"conda create -y -p {machine.checkout}/.conda -c conda-forge cp2k=*=*openmpi*"]
    assert machine.make("cp2k").returncode == 0
    assert len(machine.calls("conda")) == 1


def test_neither_root_nor_conda_is_told_with_both_ways(machine: FakeMachine) -> None:
    machine.add("apt-get", "exit 1")
    run = machine.make("cp2k")
    assert run.returncode != 0
    assert "apt-get install cp2k" in run.stderr
    assert "conda-forge" in run.stderr


def test_old_python_is_told(machine: FakeMachine) -> None:
    machine.add("python3", '[ "$1" = -V ] && { echo Python 3.9.2; exit; }; exit 1')
    run = machine.make("venv")
    assert run.returncode != 0
    assert "Python 3.11 or newer is needed" in run.stderr
    assert "Python 3.9.2" in run.stderr


def python_stub(machine: FakeMachine) -> str:
    """A recent Python that has `ensurepip` once the file of that name exists, as Debian's has with python3-venv."""
    return (
        'case "$*" in\n'
        f'  *ensurepip*) [ -e "{machine.programs}/ensurepip" ];;\n'
        f'  "-m venv .venv") {installs(Path(".venv/bin/python"))};;\n'
        "esac"
    )


def test_python_without_ensurepip_gets_its_package(machine: FakeMachine) -> None:
    machine.add("id", "echo 0")
    machine.add("python3", python_stub(machine))
    machine.add("apt-get", f'case "$*" in *python3-venv*) touch "{machine.programs}/ensurepip";; esac')
    assert machine.make("venv").returncode == 0
    assert (machine.checkout / ".venv" / "bin" / "python").exists()


def test_python_without_ensurepip_and_root_is_told(machine: FakeMachine) -> None:
    machine.add("python3", python_stub(machine))
    run = machine.make("venv")
    assert run.returncode != 0
    assert "python3-venv" in run.stderr
    assert not (machine.checkout / ".venv").exists()


def test_script_is_executable_and_needs_no_bash() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
