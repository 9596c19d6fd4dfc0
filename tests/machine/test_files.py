from pathlib import Path

import pytest

from qdsim.errors import QdsimError
from qdsim.machine.files import read_code_file, read_computer_file

COMPUTER = """\
label: cluster
hostname: login.example.org
transport: core.ssh
scheduler: core.slurm
work_dir: /scratch/{username}
mpirun_command: srun -n {tot_num_mpiprocs}
mpiprocs_per_machine: 64
configure:
  username: me
  safe_interval: 5
"""


def test_computer_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(COMPUTER)
    computer = read_computer_file(path)
    assert computer.mpiprocs_per_machine == 64
    assert computer.configure.safe_interval == 5
    assert computer.configure.model_dump()["username"] == "me"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("work_dir: ", "workdir: ", r"unknown key 'workdir'; did you mean 'work_dir'\?"),
        ("hostname: login.example.org\n", "", "the key 'hostname' is missing"),
        ("mpiprocs_per_machine: 64", "mpiprocs_per_machine: many", "mpiprocs_per_machine: .*'many'"),
        ("safe_interval: 5", "safe_interval: -5", "configure.safe_interval: .*-5"),
        ("scheduler: core.slurm", "scheduler: [core", "line [0-9]+: the YAML cannot be read"),
        (COMPUTER, "- a\n- b\n", "must hold `key: value` lines"),
    ],
)
def test_bad_computer_file_is_told_in_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(COMPUTER.replace(old, new))
    with pytest.raises(QdsimError, match=words) as caught:
        read_computer_file(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "computer.yaml"
    path.write_bytes(f"{COMPUTER}description: Zürich\n".encode("latin-1"))
    with pytest.raises(QdsimError, match=rf"computer\.yaml, line {COMPUTER.count(chr(10)) + 1}: not UTF-8 text"):
        read_computer_file(path)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match="cannot be read"):
        read_code_file(tmp_path / "nowhere.yaml")
