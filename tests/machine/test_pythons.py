"""How `make test-pythons` finds other Pythons."""

import sys
from pathlib import Path

import pytest

from tests.pythons import find_python


def write_python(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_python_is_found_beside_a_shim_that_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_python(tmp_path / "shims" / "python3.12", "exit 127")
    write_python(tmp_path / "pyenv/versions/3.12.1/bin/python3.12", "exit 1")  # has no ensurepip
    complete = write_python(tmp_path / "pyenv/versions/3.12.2/bin/python3.12", "echo 3.12")
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find_python("3.12") == complete
    assert find_python("3.99") is None


def test_python_in_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    link = tmp_path / f"python{version}"
    link.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_python(version) == link
