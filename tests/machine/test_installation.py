import shutil
from pathlib import Path

import pytest

from qdsim.errors import QdsimError
from qdsim.machine.checks import Status, check_linear_algebra
from qdsim.machine.installation import (
    DATA_FILES,
    Cp2kInstallation,
    find_cp2k,
    find_data_directory,
    find_mpirun,
)
from qdsim.machine.trial import run_trial


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def write_data(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in DATA_FILES:
        (folder / name).touch()
    return folder


@pytest.mark.cp2k
def test_installed_cp2k_is_found_and_calculates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CP2K_DATA_DIR", raising=False)
    installation = find_cp2k()
    assert installation.executable.is_absolute()
    assert installation.version[:2] == "20"
    assert (installation.data_directory / "BASIS_MOLOPT").is_file()
    assert run_trial(installation) > 0
    mpirun = find_mpirun(installation.executable)
    assert mpirun is not None
    assert run_trial(installation, [str(mpirun), "--bind-to", "none", "-np", "1"]) > 0


def test_missing_cp2k_names_both_ways_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(QdsimError, match=r"apt-get install cp2k.*conda-forge"):
        find_cp2k()
    with pytest.raises(QdsimError, match=r"apt-get install cp2k.*conda-forge"):
        find_cp2k(tmp_path / "cp2k.psmp")


def test_another_program_is_not_taken_for_cp2k(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match="does not answer"):
        find_cp2k(write_program(tmp_path / "cp2k.psmp", "echo hello"))
    with pytest.raises(QdsimError, match=r"exit code 127.*libmpi\.so"):
        find_cp2k(write_program(tmp_path / "cp2k.psmp", "echo 'libmpi.so: not found' >&2; exit 127"))


def test_missing_data_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CP2K_DATA_DIR", raising=False)
    program = write_program(tmp_path / "bin" / "cp2k.psmp", "echo ' CP2K version 2024.3'")
    with pytest.raises(QdsimError, match=r"data folder of CP2K.*apt-get install cp2k.*conda-forge"):
        find_cp2k(program)
    data = write_data(tmp_path / "share" / "cp2k" / "data")
    assert find_cp2k(program).data_directory == data
    assert find_cp2k(program).version == "2024.3"


def test_data_folder_is_read_from_wrapped_compiler_options_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_in, chosen = write_data(tmp_path / "compiled"), write_data(tmp_path / "chosen")
    option = f'-D __DATA_DIR="{compiled_in}" -O2'
    middle = option.index("compiled") + 3
    text = f" CP2K version 2023.1\n compiler options:\n   {option[:middle]}\n   {option[middle:]}\n"
    monkeypatch.delenv("CP2K_DATA_DIR", raising=False)
    assert find_data_directory(tmp_path / "cp2k.psmp", text) == compiled_in
    monkeypatch.setenv("CP2K_DATA_DIR", str(chosen))
    assert find_data_directory(tmp_path / "cp2k.psmp", text) == chosen
    shutil.rmtree(chosen)
    assert find_data_directory(tmp_path / "cp2k.psmp", text) == compiled_in


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "exit code 3"),
        ("echo ' ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:  -1.1642'", "exit code 0"),
        ("echo ' ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:  -1.2'; echo ' ** PROGRAM STOPPED IN /'", "-1.2000 Ha"),
        ("echo ' Total energy of H2 -1.1642'; echo ' ** PROGRAM STOPPED IN /'", "words that this version of qdsim"),
    ],
)
def test_trial_refuses_a_cp2k_that_calculates_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    monkeypatch.setenv("CP2K_DATA_DIR", str(write_data(tmp_path / "data")))
    version = '[ "$1" = --version ] && { echo "CP2K version 1.0"; exit; }\n'
    broken = find_cp2k(write_program(tmp_path / "cp2k.psmp", version + script))
    with pytest.raises(QdsimError, match=words):
        run_trial(broken)


@pytest.mark.parametrize(
    ("library", "status"), [("blas/libblas.so.3", Status.WARNING), ("openblas-openmp/libblas.so.3", Status.OK)]
)
def test_slow_linear_algebra_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str, status: Status
) -> None:
    write_program(tmp_path / "ldd", f"echo '\tlibblas.so.3 => {tmp_path / library} (0x00007f)'")
    monkeypatch.setenv("PATH", str(tmp_path))
    check = check_linear_algebra(Cp2kInstallation(tmp_path / "cp2k.psmp", "2023.1", tmp_path))
    assert check.status is status
    assert (check.fix is None) == (status is Status.OK)
