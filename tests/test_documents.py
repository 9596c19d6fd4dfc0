"""YAML documents of any schema: the line and the one sentence that each mistake gets."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, PositiveFloat

from qdsim.documents import load_document
from qdsim.errors import QdsimError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    length: float
    colour: str = "red"


class Assembly(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    parts: list[Part] = []
    named: dict[str, Part] = {}
    base: Part | None = None
    finish: str | dict[str, PositiveFloat] = "matt"


def load(folder: Path, text: str) -> Assembly:
    path = folder / "assembly.yaml"
    path.write_text(text, encoding="utf-8")
    return load_document(path, Assembly, "an assembly")


def test_a_document_becomes_an_instance_of_its_schema(tmp_path: Path) -> None:
    assembly = load(tmp_path, "title: a\nparts:\n- length: 2\nnamed: {top: {length: 1.5, colour: blue}}\n")
    assert assembly == Assembly(title="a", parts=[Part(length=2)], named={"top": Part(length=1.5, colour="blue")})


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("title: a\ntitle: b\n", 2, "not valid YAML"),
        ("titel: a\n", 1, "did you mean 'title'?"),
        ("title: a\nxyz: 1\n", 2, "xyz: unknown key; known are title, parts, named, base, finish."),
        ("title: a\nparts:\n- length: 1\n- length: 2\n  color: red\n", 5, "parts.1.color: unknown key; did you mean"),
        ("title: a\nnamed:\n  top:\n    length: 1\n    color: red\n", 5, "did you mean 'colour'?"),
        ("title: a\nbase:\n  lenght: 1\n", 3, "base.lenght: unknown key; did you mean 'length'? (and 1 more)"),
        ("title: a\nbase:\n  colour: blue\n", 2, "base.length: this key is required."),
        ("title: a\nbase: {length: .inf}\n", 2, "base.length: inf is no finite number."),
        ("title: a\nbase: {length: long}\n", 2, "base.length: 'long' is no finite number."),
        ("title: a\n7: b\n", 2, "7: "),
        ("title: a\nfinish:\n  gloss: -1\n", 3, "line 3: finish.gloss: Input should be greater than 0."),
        ("title: a\nfinish: 3\nfinis: 4\n", 2, "line 2: finish: Input should be a valid string. (and 1 more)"),
    ],
)
def test_mistakes_are_named_with_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(QdsimError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert words in message
    assert f"assembly.yaml, line {line}:" in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "- 1\n", "words\n"])
def test_a_document_is_a_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(QdsimError, match="an assembly is a mapping that starts with 'title:'"):
        load(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match="No such file"):
        load_document(tmp_path / "absent.yaml", Assembly, "an assembly")
    with pytest.raises(QdsimError, match="Is a directory"):
        load_document(tmp_path, Assembly, "an assembly")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00title")
    with pytest.raises(QdsimError, match=r"binary\.yaml, line 1: not UTF-8"):
        load_document(binary, Assembly, "an assembly")


def test_latin_1_is_refused_by_its_line_and_a_mark_of_utf_8_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "assembly.yaml"
    path.write_bytes("title: a\n# 20 °C\n".encode("latin-1"))
    with pytest.raises(QdsimError, match=r"assembly\.yaml, line 2: not UTF-8 text; save the file in that encoding"):
        load_document(path, Assembly, "an assembly")
    path.write_bytes("title: a  # 20 °C\n".encode("utf-8-sig"))
    assert load_document(path, Assembly, "an assembly") == Assembly(title="a")
