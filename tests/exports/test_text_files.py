"""Folders that are written as a whole or not at all."""

import os
from pathlib import Path

import pytest

from qdsim.errors import QdsimError
from qdsim.exports import check_folder, safe_name, write_folder

FILES = {"a.txt": "one\n", "deep/b.txt": "zwei ü\n"}


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("linear_p0p0200 relaxed", "linear_p0p0200_relaxed"),
        ("../../etc/passwd", "etc_passwd"),
        ("/", "structure"),
        ("..", "structure"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("Å ünï\n中", "A_uni"),
        ("", "structure"),
        ("x" * 300, "x" * 64),
    ],
)
def test_names_stay_in_their_folder(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_new_folder_holds_the_files(tmp_path: Path) -> None:
    written = write_folder(tmp_path / "new", FILES)
    assert written == [tmp_path / "new" / name for name in FILES]
    assert contents(tmp_path / "new") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_an_empty_folder_is_filled_also_the_present_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(Path(), FILES)
    assert contents(tmp_path) == FILES
    monkeypatch.chdir(tmp_path / "deep")
    with pytest.raises(QdsimError, match="is not empty"):
        write_folder(Path(), FILES)


def test_other_files_stay_where_some_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(QdsimError, match=r"is not empty: give another name, or --force"):
        write_folder(tmp_path, FILES)
    assert contents(tmp_path) == {"a.txt": "old", "mine.txt": "kept"}
    write_folder(tmp_path, FILES, force=True)
    assert contents(tmp_path) == {**FILES, "mine.txt": "kept"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("there", [True, False])
def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "new"
    if there:
        folder.mkdir()
    with pytest.raises(QdsimError, match=r"Cannot write .*File name too long"):
        write_folder(folder, {"a.txt": "one", "x" * 300: "two"})
    assert folder.exists() == there
    assert contents(tmp_path) == {}
    assert len(list(tmp_path.iterdir())) == there


def test_obstacles_are_found_before_anything_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    (tmp_path / "deep").write_text("a file", encoding="utf-8")
    with pytest.raises(QdsimError, match=r"deep is a file, where a folder is to go"):
        write_folder(tmp_path, FILES, force=True)
    (tmp_path / "deep").unlink()
    (tmp_path / "deep" / "b.txt").mkdir(parents=True)
    with pytest.raises(QdsimError, match=r"b\.txt is a folder, where a file is to go"):
        write_folder(tmp_path, FILES, force=True)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(QdsimError, match="is a file: give the name of a folder"):
        check_folder(file)
    with pytest.raises(QdsimError, match="does not exist: make it first"):
        check_folder(tmp_path / "no" / "folder")
    check_folder(tmp_path / "new")
    with pytest.raises(QdsimError, match="Cannot write"):
        write_folder(Path(f"/proc/{os.getpid()}/new"), FILES)
