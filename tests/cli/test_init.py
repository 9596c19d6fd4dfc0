import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.machines import Machine

COMPUTER = """\
label: cluster
hostname: localhost
transport: core.local
scheduler: core.direct
work_dir: WORK
mpirun_command: mpirun -np {tot_num_mpiprocs}
mpiprocs_per_machine: 64
configure:
  safe_interval: 0
  use_login_shell: false
resources:
  ranks: 1
"""
CODE = """\
label: cp2k
computer: cluster
filepath_executable: cp2k.psmp
prepend_text: |
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"""


def write_files(folder: Path, computer: str = COMPUTER, code: str = CODE) -> tuple[str, ...]:
    """Write the files of another machine, and return how they are given to `qdsim init`."""
    (folder / "computer.yaml").write_text(computer.replace("WORK", str(folder / "work")))
    (folder / "code.yaml").write_text(code)
    return ("init", "--computer", str(folder / "computer.yaml"), "--code", str(folder / "code.yaml"))


SEEN = """
from aiida.orm import Computer, InstalledCode, QueryBuilder
answer = {
    "computers": {
        computer.label: {
            "pk": computer.pk,
            "prepend": computer.get_prepend_text(),
            "interval": computer.get_minimum_job_poll_interval(),
            "mpirun": computer.get_mpirun_command(),
            "ranks": computer.get_default_mpiprocs_per_machine(),
            "options": computer.get_configuration(),
        }
        for computer in QueryBuilder().append(Computer).all(flat=True)
    },
    "codes": [
        {
            "label": code.full_label,
            "hidden": code.is_hidden,
            "path": str(code.filepath_executable),
            "description": code.description,
            "prepend": code.prepend_text,
            "extras": code.base.extras.all,
        }
        for code in QueryBuilder()
        .append(InstalledCode, filters={"attributes.input_plugin": "cp2k"})
        .order_by({InstalledCode: "id"})
        .all(flat=True)
    ],
}
"""


def states(output: str) -> dict[str, str]:
    """Return what `qdsim init` says of each thing."""
    words = [line.split() for line in output.splitlines()]
    kinds = ("profile", "computer", "code", "daemon")
    return {
        " ".join(line[1:3] if line[1] != "daemon" else line[1:2]): line[0]
        for line in words
        if line[1:2] and line[1] in kinds
    }


@pytest.mark.cp2k
def test_first_call_makes_everything(machine: "Machine") -> None:
    assert machine.first.returncode == 0, machine.first.stderr
    assert states(machine.first.stdout) == {
        "profile qdsim": "created",
        "computer localhost": "created",
        "code cp2k@localhost": "created",
        "code qdsim@localhost": "created",
        "daemon": "started",
    }
    configuration = machine.configuration
    assert configuration["default_profile"] == "qdsim"
    profile = configuration["profiles"]["qdsim"]
    assert profile["storage"]["backend"] == "core.sqlite_dos"
    assert profile["process_control"]["backend"] == "core.zeromq"
    assert profile["options"]["caching.enabled_for"] == ["aiida.calculations:cp2k"]
    assert profile["options"]["runner.poll.interval"] == 1


@pytest.mark.cp2k
def test_second_call_changes_nothing_and_says_so(machine: "Machine") -> None:
    before = machine.python(SEEN)
    second = machine.qdsim("init")
    assert second.returncode == 0
    assert set(states(second.stdout).values()) == {"unchanged"}
    assert "nothing has changed" in second.stdout
    assert machine.python(SEEN) == before
    computer = before["computers"]["localhost"]
    assert computer["options"] == {"safe_interval": 0.0, "use_login_shell": False}
    assert (computer["interval"], computer["mpirun"], computer["ranks"]) == (1.0, [], 1)
    assert "qdsim_try % 2" in computer["prepend"]
    code = before["codes"][-1]
    assert code["label"] == "cp2k@localhost"
    assert code["path"] == shutil.which("cp2k.psmp")
    assert code["extras"]["cp2k_version"] in code["description"]
    assert code["extras"]["cp2k_data_directory"] in code["prepend"]


@pytest.mark.cp2k
def test_changed_slots_update_the_computer_and_moved_cp2k_makes_a_new_code(machine: "Machine", tmp_path: Path) -> None:
    before = machine.python(SEEN)
    moved = tmp_path / "moved cp2k" / "cp2k.psmp"
    moved.parent.mkdir()
    installed = shutil.which("cp2k.psmp")
    assert installed is not None
    moved.symlink_to(installed)
    changed = states(machine.qdsim("init", "--slots", "3", "--cp2k", str(moved)).stdout)
    assert (changed["computer localhost"], changed["code cp2k@localhost"]) == ("updated", "replaced")
    again = states(machine.qdsim("init").stdout)
    assert (again["computer localhost"], again["code cp2k@localhost"]) == ("unchanged", "unchanged")

    after = machine.python(SEEN)
    assert "qdsim_try % 3" in after["computers"]["localhost"]["prepend"]
    assert after["computers"]["localhost"]["pk"] == before["computers"]["localhost"]["pk"]
    old, new = after["codes"][-2:]
    assert old["hidden"]
    assert old["label"].startswith(f"cp2k-{old['extras']['cp2k_version']}")
    assert old["path"] == before["codes"][-1]["path"]
    assert (new["label"], new["path"], new["hidden"]) == ("cp2k@localhost", str(moved), False)

    moved.unlink()
    back = states(machine.qdsim("init", "--slots", "2").stdout)
    assert (back["computer localhost"], back["code cp2k@localhost"]) == ("updated", "replaced")


@pytest.mark.cp2k
def test_other_machine_is_tried_and_taken_from_files(machine: "Machine", tmp_path: Path) -> None:
    arguments = write_files(tmp_path)
    made = machine.qdsim(*arguments)
    assert states(made.stdout)["code cp2k@cluster"] == "created"
    assert "job(s) in the queue" in made.stdout
    assert list((tmp_path / "work").iterdir()) == []
    again = states(machine.qdsim(*arguments).stdout)
    assert (again["computer cluster"], again["code cp2k@cluster"]) == ("unchanged", "unchanged")
    seen = machine.python(SEEN)
    computer = seen["computers"]["cluster"]
    assert computer["mpirun"] == ["mpirun", "-np", "{tot_num_mpiprocs}"]
    assert computer["interval"] == 2
    (local, other) = (
        next(code for code in seen["codes"] if code["label"] == f"cp2k@{label}") for label in ("localhost", "cluster")
    )
    assert other["extras"]["cp2k_version"] == local["extras"]["cp2k_version"]
    write_files(tmp_path, COMPUTER.replace("safe_interval: 0", "safe_interval: 7"))
    assert states(machine.qdsim(*arguments).stdout)["computer cluster"] == "updated"
    write_files(tmp_path, COMPUTER.replace("core.direct", "core.pbspro"))
    refused = machine.qdsim(*arguments)
    assert refused.returncode == 2
    assert "exists with the scheduler 'core.direct', not 'core.pbspro'" in refused.stderr
    row = json.loads(machine.qdsim("doctor", "--json").stdout)["checks"][-2]
    assert (row["name"], row["status"]) == ("computer cluster", "ok")


BROKEN = [
    (("core.direct", "core.sge"), ("", ""), "the queue on localhost could not be read"),
    (("work_dir: WORK", "work_dir: /proc/nowhere"), ("", ""), "no file could be written to /proc/nowhere"),
    (("", ""), ("cp2k.psmp", "cp2k.absent"), "cp2k.absent is no program on localhost"),
    (("", ""), ("cp2k.psmp", "/bin/echo"), "`/bin/echo --version` fails on localhost"),
]


@pytest.mark.parametrize(("computer", "code", "words"), BROKEN)
def test_machine_that_fails_its_trial_is_not_made(
    machine: "Machine", tmp_path: Path, computer: tuple[str, str], code: tuple[str, str], words: str
) -> None:
    broken = COMPUTER.replace("label: cluster", "label: broken").replace(*computer)
    arguments = write_files(tmp_path, broken, CODE.replace("cluster", "broken").replace(*code))
    before = machine.python(SEEN)
    run = machine.qdsim(*arguments)
    assert run.returncode == 2, run.stdout
    assert words in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert machine.python(SEEN) == before


def test_templates_are_copied(bare_machine: "Machine", tmp_path: Path) -> None:
    run = bare_machine.qdsim("init", "--template", "slurm", "-o", str(tmp_path / "cluster"))
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in (tmp_path / "cluster").iterdir()) == [
        "cp2k-gpu.yaml",
        "cp2k.yaml",
        "slurm.yaml",
    ]
    assert "qdsim init --computer" in run.stdout
    assert not bare_machine.folder.exists()


def test_servers_that_are_not_there_leave_nothing_behind(bare_machine: "Machine") -> None:
    for arguments in (
        ("--postgres", "postgresql://me:s3cret@127.0.0.1:1/data"),
        ("--rabbitmq", "amqp://me:s3cret@127.0.0.1:1"),
    ):
        run = bare_machine.qdsim("init", *arguments)
        assert run.returncode == 2
        assert "cannot be reached" in run.stderr
        assert "s3cret" not in run.stdout + run.stderr
        assert not (bare_machine.folder / ".aiida" / "config.json").exists()


def test_profile_keeps_its_servers(machine: "Machine") -> None:
    run = machine.qdsim("init", "--postgres", "postgresql://me:s3cret@127.0.0.1:1/data")
    assert run.returncode == 2
    assert "uses no such server, not me@127.0.0.1:1/data" in run.stderr


def test_default_profile_is_not_taken_over(machine: "Machine") -> None:
    other = machine.qdsim("init", "--profile", "other")
    assert other.returncode == 0, other.stderr
    assert states(other.stdout)["profile other"] == "created"
    assert machine.configuration["default_profile"] == "qdsim"
    assert "other" in machine.configuration["profiles"]


def test_computer_of_the_same_name_that_is_not_ours_is_left_alone(machine: "Machine") -> None:
    machine.python(
        "from aiida.orm import load_computer\ncomputer = load_computer('localhost')\n"
        "kept = computer.get_property('qdsim_layout')\ncomputer.delete_property('qdsim_layout')\n"
        "computer.store()\nanswer = kept"
    )
    refused = machine.qdsim("init")
    machine.python(
        "from aiida.orm import load_computer\ncomputer = load_computer('localhost')\n"
        "computer.set_property('qdsim_layout', [2, 1])\ncomputer.store()\nanswer = 1"
    )
    assert refused.returncode == 2
    assert "choose another profile with --profile" in refused.stderr


def without_cp2k(tmp_path: Path) -> str:
    """Return a PATH on which everything is but CP2K."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("flock", "bash", "mpirun"):
        program = shutil.which(name)
        assert program is not None, f"{name} is not in PATH"
        (folder / name).symlink_to(program)
    return str(folder)


def test_missing_cp2k_leaves_nothing_behind(bare_machine: "Machine", tmp_path: Path) -> None:
    run = bare_machine.qdsim("init", PATH=without_cp2k(tmp_path))
    assert run.returncode == 2
    assert "apt-get install cp2k" in run.stderr
    assert "conda-forge" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert not bare_machine.folder.exists()


def test_machine_without_ps_is_refused(bare_machine: "Machine", tmp_path: Path, cp2k_executable: Path) -> None:
    folder = without_cp2k(tmp_path)
    (Path(folder) / "cp2k.psmp").symlink_to(cp2k_executable)
    run = bare_machine.qdsim("init", PATH=folder)
    assert run.returncode == 2
    assert "ps, without which AiiDA takes every calculation for ended, was not found" in run.stderr
    assert "apt-get install procps" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert not bare_machine.folder.exists()


def test_missing_data_folder_leaves_nothing_behind(bare_machine: "Machine", tmp_path: Path) -> None:
    program = tmp_path / "bin" / "cp2k.psmp"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho CP2K version 2023.1\n")
    program.chmod(0o755)
    run = bare_machine.qdsim("init", "--cp2k", str(program), CP2K_DATA_DIR=str(tmp_path))
    assert run.returncode == 2
    assert "data folder" in run.stderr
    assert not bare_machine.folder.exists()


@pytest.mark.parametrize(
    ("computer", "code", "words", "untouched"),
    [
        (COMPUTER.replace("label:", "lable:"), None, "did you mean 'label'?", True),
        (None, CODE.replace("cluster", "elsewhere"), "'elsewhere', which does not exist", True),
        (COMPUTER.replace("core.direct", "core.nonsense"), None, "computer 'cluster' cannot be set up", False),
        (COMPUTER.replace("core.local", "core.nonsense"), None, "computer 'cluster' cannot be set up", False),
        (COMPUTER.replace("use_login_shell", "use_login"), None, "did you mean 'use_login_shell'?", False),
        (COMPUTER, CODE.replace("cluster", "other"), "give the two of one computer", True),
    ],
)
def test_bad_file_leaves_no_profile_behind(
    bare_machine: "Machine", tmp_path: Path, computer: str | None, code: str | None, words: str, untouched: bool
) -> None:
    arguments = []
    for option, content in (("--computer", computer), ("--code", code)):
        if content is not None:
            path = tmp_path / f"{option[2:]}.yaml"
            path.write_text(content)
            arguments += [option, str(path)]
    run = bare_machine.qdsim("init", *arguments)
    assert run.returncode == 2, run.stdout
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    if untouched:
        assert not bare_machine.folder.exists()
    else:
        assert bare_machine.configuration["profiles"] == {}
        assert list((bare_machine.folder / ".aiida" / "repository").iterdir()) == []
