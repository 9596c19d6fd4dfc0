"""What is checked before anything is submitted."""

from pathlib import Path

import pytest
from aiida import orm

from qdsim.campaign.codes import check_installation, load_code
from qdsim.errors import QdsimError
from qdsim.machine.codes import DATA_DIRECTORY_KEY


def code_at(computer: orm.Computer, path: Path) -> orm.InstalledCode:
    return orm.InstalledCode(label="moved", computer=computer, filepath_executable=str(path)).store()


def test_unknown_code_names_the_known_ones(cp2k_code: orm.InstalledCode) -> None:
    with pytest.raises(QdsimError, match=cp2k_code.full_label):
        load_code("absent@nowhere")


def test_installed_code_passes(cp2k_code: orm.InstalledCode) -> None:
    check_installation(cp2k_code)


def test_program_that_is_gone_is_told_before_submission(aiida_localhost: orm.Computer, tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match=r"cp2k\.psmp, which does not exist"):
        check_installation(code_at(aiida_localhost, tmp_path / "cp2k.psmp"))


def test_data_folder_that_is_gone_is_told_before_submission(
    aiida_localhost: orm.Computer, cp2k_executable: Path, tmp_path: Path
) -> None:
    code = code_at(aiida_localhost, cp2k_executable)
    code.base.extras.set(DATA_DIRECTORY_KEY, str(tmp_path / "data"))
    with pytest.raises(QdsimError, match="data, which does not exist"):
        check_installation(code)
