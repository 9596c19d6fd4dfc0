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
        (self.checkout / "constraints").mkdir(parents=True)
        for minor in range(11, 15):
            (self.checkout / "constraints" / f"3.{minor}.txt").touch()
        self.log.touch()
        for name in ("sh", "env", "rm", "ln", "mkdir", "touch", "chmod", "dirname"):
            program = shutil.which(name)
            assert program is not None, f"{name} is not in PATH"
            (self.programs / name).symlink_to(program)
        self.add("id", "echo 1000")
        self.add("ps", "")

    def add(self, name: str, text: str) -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.log}"\n{text}\n')
        path.chmod(0o755)

    def make(self, target: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(SCRIPT), target],
            check=False,
            cwd=folder or self.checkout,
            env={"PATH": str(self.programs), "HOME": str(self.checkout), **variables},
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


def test_conda_installs_where_sudo_does_not_let_apt_do_it(machine: FakeMachine) -> None:
    machine.add("apt-get", "")
    machine.add("sudo", 'shift; [ "$1" = true ]')
    machine.add("conda", installs(machine.checkout / ".conda" / "bin" / "cp2k.psmp"))
    assert machine.make("cp2k").returncode == 0
    assert machine.calls("apt-get") == []
    (machine.programs / "conda").unlink()
    (machine.checkout / ".conda" / "bin" / "cp2k.psmp").unlink()
    run = machine.make("cp2k")
    assert run.returncode == 1
    assert "apt-get install cp2k" in run.stderr


def test_machine_without_ps_gets_it(machine: FakeMachine) -> None:
    machine.add("cp2k.psmp", "")
    (machine.programs / "ps").unlink()
    run = machine.make("cp2k")
    assert run.returncode != 0
    assert "apt-get install procps" in run.stderr
    machine.add("id", "echo 0")
    machine.add("apt-get", "")
    assert machine.make("cp2k").returncode == 0
    assert machine.calls("apt-get")[-1].endswith(" procps")


def test_neither_root_nor_conda_is_told_with_both_ways(machine: FakeMachine) -> None:
    machine.add("apt-get", "exit 1")
    run = machine.make("cp2k")
    assert run.returncode != 0
    assert "apt-get install cp2k" in run.stderr
    assert "conda-forge" in run.stderr


def add_python(machine: FakeMachine, name: str = "python3", version: str = "3.11", *, ready: bool = True) -> None:
    """Add a Python whose environments and headers are there from the start, or once its packages are installed."""
    if ready:
        (machine.programs / "ensurepip").touch()
        (machine.programs / "Python.h").touch()
        machine.add("c++", "")
    machine.add(name, python_stub(machine, version))


def python_stub(machine: FakeMachine, version: str) -> str:
    minor = int(version.split(".")[1])
    return (
        'case "$*" in\n'
        f"  -V) echo Python {version}.1;;\n"
        f"  *%d.%d*) echo {version};;\n"
        f'  *"< (3, 11)"*) [ {minor} -ge 11 ];;\n'
        f'  *ensurepip*) [ -e "{machine.programs}/ensurepip" ];;\n'
        f'  *sysconfig*) echo "{machine.programs}/Python.h";;\n'
        f'  "-m venv .venv") {installs(Path(".venv/bin/python"))}; echo "$0" > .venv/made-by;;\n'
        "  *) exit 9;;\n"
        "esac"
    )


DEBIAN_PYTHON = "python3 python3-venv python3-dev g++"


def stub_file(machine: FakeMachine, version: str) -> Path:
    """Write a Python outside PATH, for an installer to link."""
    path = machine.programs.parent / "installed-python"
    path.write_text(f"#!/bin/sh\n{python_stub(machine, version)}\n")
    path.chmod(0o755)
    return path


def brings_python(machine: FakeMachine, version: str) -> str:
    """Shell that does what Debian's packages of Python do."""
    return (
        f'case "$*" in *"{DEBIAN_PYTHON}")\n'
        f'  ln -sf "{stub_file(machine, version)}" "{machine.programs / "python3"}"\n'
        f'  touch "{machine.programs / "ensurepip"}" "{machine.programs / "Python.h"}"\n'
        f"  {installs(machine.programs / 'c++')};;\n"
        "esac"
    )


def made_by(machine: FakeMachine) -> Path:
    return Path((machine.checkout / ".venv" / "made-by").read_text().strip())


def test_ready_python_is_taken_and_nothing_is_installed(machine: FakeMachine) -> None:
    machine.add("id", "echo 0")
    machine.add("apt-get", "exit 1")
    add_python(machine)
    assert machine.make("venv").returncode == 0
    assert made_by(machine) == machine.programs / "python3"
    assert machine.calls("apt-get") == []


@pytest.mark.parametrize("present", [False, True])
def test_root_gets_python_and_its_missing_parts_from_debian(machine: FakeMachine, present: bool) -> None:
    machine.add("id", "echo 0")
    if present:
        add_python(machine, ready=False)
    machine.add("apt-get", brings_python(machine, "3.13"))
    run = machine.make("venv")
    assert run.returncode == 0, run.stderr
    assert made_by(machine) == machine.programs / "python3"
    assert machine.calls("apt-get")[-1].endswith(f"--no-install-recommends {DEBIAN_PYTHON}")


def test_tested_python_is_preferred_and_one_that_does_not_run_passed_over(machine: FakeMachine) -> None:
    add_python(machine, "python3", "3.15")
    machine.add("python3.14", "exit 127")  # as pyenv leaves them in PATH
    add_python(machine, "python3.13", "3.13")
    add_python(machine, "python3.12", "3.12")
    assert machine.make("venv").returncode == 0
    assert made_by(machine) == machine.programs / "python3.13"


@pytest.mark.parametrize("version", ["3.12", "3.15"])
def test_named_python_is_taken_also_where_it_is_newer_than_the_tested_ones(machine: FakeMachine, version: str) -> None:
    add_python(machine)
    add_python(machine, "mine", version)
    assert machine.make("venv", PYTHON="mine").returncode == 0
    assert made_by(machine) == machine.programs / "mine"


def test_named_python_may_have_a_space_in_its_path(machine: FakeMachine) -> None:
    add_python(machine, "python3", "3.9")
    add_python(machine, "my python", "3.12")
    run = machine.make("venv", PYTHON=str(machine.programs / "my python"))
    assert run.returncode == 0, run.stderr
    assert made_by(machine) == machine.programs / "my python"
    shutil.rmtree(machine.checkout / ".venv")
    (machine.programs / "ensurepip").unlink()
    run = machine.make("venv", PYTHON=str(machine.programs / "my python"))
    assert f"{machine.programs / 'my python'} cannot make virtual environments" in run.stderr


@pytest.mark.parametrize(
    ("version", "named", "lacks", "words"),
    [
        (None, None, (), "python3 in PATH is missing"),
        ("3.9", None, (), "python3 in PATH is Python 3.9.1"),
        ("3.15", None, (), "python3 in PATH is Python 3.15.1"),
        ("3.9", "python3", (), "python3 is Python 3.9.1"),
        ("3.11", "nothing", (), "nothing is missing"),
        ("3.12", None, ("ensurepip",), "python3 cannot make virtual environments"),
        ("3.12", None, ("Python.h",), "python3 has no headers"),
        ("3.12", None, ("c++",), "there is no compiler"),
    ],
)
def test_what_python_lacks_is_told_with_what_to_do(
    machine: FakeMachine, version: str | None, named: str | None, lacks: tuple[str, ...], words: str
) -> None:
    if version is not None:
        add_python(machine, "python3", version)
    for name in lacks:
        (machine.programs / name).unlink()
    run = machine.make("venv", PYTHON=named or "")
    assert run.returncode != 0
    assert words in run.stderr
    assert "3.11 3.12 3.13 3.14" in run.stderr
    assert f"apt-get install {DEBIAN_PYTHON}" in run.stderr
    assert "install conda" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert not (machine.checkout / ".venv").exists()


def test_old_python_of_an_old_debian_is_not_installed_again(machine: FakeMachine) -> None:
    machine.add("id", "echo 0")
    machine.add("apt-get", "")
    add_python(machine, "python3", "3.9")
    assert machine.make("venv").returncode != 0
    assert machine.calls("apt-get") == []


def test_conda_brings_python_and_then_cp2k_into_one_folder(machine: FakeMachine) -> None:
    conda = machine.checkout / ".conda"
    stub = stub_file(machine, "3.13")
    add_python(machine, "python3", "3.9")
    (machine.programs / "c++").unlink()
    machine.add(
        "conda",
        f'mkdir -p "{conda}/conda-meta" "{conda}/bin"\n'
        'case "$*" in\n'
        f'  *python=*) ln -s "{stub}" "{conda}/bin/python3.13"; {installs(conda / "bin" / "c++")};;\n'
        f"  *cp2k=*) {installs(conda / 'bin' / 'cp2k.psmp')};;\n"
        "esac",
    )
    run = machine.make("venv")
    assert run.returncode == 0, run.stderr
    assert made_by(machine) == conda / "bin" / "python3.13"
    assert machine.make("cp2k").returncode == 0
    assert machine.calls("conda") == [
        f"conda create -y -p {conda} -c conda-forge python=3.13 gxx",
        f"conda install -y -p {conda} -c conda-forge cp2k=*=*openmpi*",
    ]


@pytest.mark.parametrize(("exit_code", "made"), [(0, False), (1, True)])
def test_environment_that_does_not_run_any_more_is_made_again(tmp_path: Path, exit_code: int, made: bool) -> None:
    python = tmp_path / "my project" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    python.chmod(0o755)
    (tmp_path / "my project" / "pyproject.toml").touch()
    (python.parents[1] / ".installed").touch()
    makefile = SCRIPT.parents[2] / "Makefile"
    command = ["make", "--dry-run", "--file", str(makefile), "--directory", str(tmp_path / "my project"), "venv"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ("install.sh venv" in run.stdout) is made


def test_script_is_executable_and_needs_no_bash() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
