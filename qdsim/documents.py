"""From a YAML file to a checked document, with errors that name the line."""

import difflib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from qdsim.errors import QdsimError

LARGEST_DOCUMENT = 1_000_000
"""Values in a YAML file, those behind aliases counted as often as they stand there."""

DEEPEST_DOCUMENT = 500
"""Brackets that are open at the same time in a YAML file, those in words and remarks counted too."""

Document = TypeVar("Document", bound=BaseModel)


def load_document(path: Path, model: type[Document], name: str) -> Document:
    """Read a YAML file that follows a schema.

    Parameters
    ----------
    path
        YAML file.
    model
        The schema.
    name
        What such a document is called, with its article: "a campaign".

    Returns
    -------
    BaseModel
        The checked document, an instance of `model`.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not follow the schema: file, line and field are named.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        text = read_text(path)
        check_depth(path, text)
        document = YAML(typ="rt").load(text)
    except OSError as error:
        raise QdsimError(f"{path}: cannot be read ({error.strerror}).") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise QdsimError(f"{path}, line {line}: not valid YAML: {error.problem or error.context}.") from error
    except (
        YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # no number, no date, too deep
        raise QdsimError(f"{path}: not valid YAML: {error}.") from error
    check_size(path, document)
    if not isinstance(document, dict):
        first = next(field for field, info in model.model_fields.items() if info.is_required())
        raise QdsimError(f"{path}: {name} is a mapping that starts with '{first}:', this is not.")
    try:
        return model.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        raise QdsimError(_explain(path, document, model, error)) from error


def read_text(path: Path) -> str:
    """Read a text in UTF-8, whatever the locale, with or without the mark that some editors begin it with.

    Raises
    ------
    QdsimError
        If it is in another encoding; the line is named.
    OSError
        If the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise QdsimError(f"{path}, line {line}: not UTF-8 text; save the file in that encoding.") from error


def check_depth(path: Path, text: str) -> None:
    """Refuse a text of brackets in brackets: the parsers of YAML take a time that grows with the square of the depth.

    Raises
    ------
    QdsimError
        If it is one.
    """
    depth = deepest = 0
    for mark in re.findall(r"[][{}]", text):
        depth = depth + 1 if mark in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    if deepest > DEEPEST_DOCUMENT:
        raise QdsimError(f"{path}: its brackets lie more than {DEEPEST_DOCUMENT} deep in each other: this is no input.")


def check_size(path: Path, document: Any) -> None:
    """Refuse a YAML document whose aliases (`*name`) make it contain itself, or more than anyone would write out.

    Raises
    ------
    QdsimError
        If it is one.
    """
    sizes: dict[int, float] = {}

    def size(part: Any) -> float:
        if not isinstance(part, dict | list):
            return 1
        if id(part) not in sizes:
            sizes[id(part)] = math.inf  # while it is not known: whoever asks for it is inside of it
            children = part.values() if isinstance(part, dict) else part
            sizes[id(part)] = 1 + sum(map(size, children))
        return sizes[id(part)]

    if size(document) > LARGEST_DOCUMENT:
        raise QdsimError(f"{path}: its aliases stand for more than {LARGEST_DOCUMENT} values: write out what you mean.")


def _explain(path: Path, document: Any, model: type[BaseModel], error: ValidationError) -> str:
    """Tell the first error as one sentence with its line and field, and the others as a count."""
    errors = error.errors()
    first = min(errors, key=lambda found: found["type"] == "missing")  # what is missing may just be misspelt
    paths = [_path_to(document, found) for found in errors]
    path_of_first = paths[errors.index(first)]
    # A value that may be of several kinds has an error for each: the deepest one is of the kind that is meant.
    alike = [index for index, found in enumerate(paths) if found[: len(path_of_first)] == path_of_first]
    deepest = max(alike, key=lambda index: len(paths[index]))
    first = errors[deepest]
    field = ".".join(str(part) for part in paths[deepest])
    line = _line_of(document, paths[deepest])
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        message = f"unknown key; {nearest(str(first['loc'][-1]), known)}"
    elif first["type"] == "missing":
        message = "this key is required"
    elif first["type"] in {"finite_number", "float_parsing", "float_type"}:
        message = f"{first['input']!r} is no finite number"
    others = {found for index, found in enumerate(paths) if index not in alike}
    more = f" (and {len(others)} more)" if others else ""
    place = f"{field}: " if field else ""
    return f"{path}, line {line}: {place}{message}{'' if message.endswith('?') else '.'}{more}"


def _path_to(document: Any, error: Any) -> tuple[int | str, ...]:
    """Return where an error is, without the parts of its location that pydantic adds and the document has not."""
    *parents, last = (*error["loc"],) or ("",)
    path: list[int | str] = []
    for part in (*parents, last):
        if _has(document, part):
            path.append(part)
            document = document[part]
        elif part is last and error["type"] == "missing":
            path.append(part)
    return tuple(path)


def nearest(name: str, known: list[str]) -> str:
    """Return the words that help with a name that is not known: the nearest one, or all there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"


def _line_of(document: Any, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of `location` that the document has."""
    line = 1
    for part in location:
        marks = getattr(document, "lc", None)
        if marks is None or not _has(document, part):
            break
        line = (marks.item(part)[0] if isinstance(part, int) else marks.key(part)[0]) + 1
        document = document[part]
    return line


def _has(document: Any, part: int | str) -> bool:
    if isinstance(document, dict):
        return part in document
    return isinstance(document, list) and isinstance(part, int) and part < len(document)


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the names of the fields of the model that `location` leads to, through lists as well."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for choice in get_args(annotation):
        yield from _models_in(choice)
