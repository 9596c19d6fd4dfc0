from pathlib import Path

import pytest

from qdsim.errors import QdsimError
from qdsim.machine.files import read_code_file, read_computer_file
from qdsim.machine.templates import SCHEDULERS, copy_templates


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_copies_are_good_files_that_belong_together(scheduler: str, tmp_path: Path) -> None:
    computer_file, *code_files = copy_templates(scheduler, tmp_path / "cluster")
    computer = read_computer_file(computer_file)
    assert (computer.scheduler, computer.transport) == (f"core.{scheduler}", "core.ssh_async")
    assert computer.configure.safe_interval <= 1
    assert computer.configure.minimum_job_poll_interval <= 5
    for path in code_files:
        assert read_code_file(path).computer == computer.label
        assert f"--computer {scheduler}.yaml" in path.read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "cp2k.yaml").write_text("changed")
    with pytest.raises(QdsimError, match=r"cp2k\.yaml exists already"):
        copy_templates("slurm", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cp2k.yaml"]
