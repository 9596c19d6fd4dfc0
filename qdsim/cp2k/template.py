"""Native CP2K templates: ${VARIABLES} filled in, checked against CP2K's input schema, errors told by file and line."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdsim.cp2k.settings import TEMPLATES, suggestion
from qdsim.documents import read_text
from qdsim.errors import QdsimError

__all__ = ["Template"]

#: Values that stand for what a run sets by itself, so that every branch of a template is looked at.
_RUN_VARIANTS: tuple[dict[str, str], ...] = (
    {"RUN_TYPE": "ENERGY_FORCE"},
    {"RUN_TYPE": "GEO_OPT"},
)


class _Value(str):
    """A variable's value that notes when the preprocessor writes it into a line."""

    name: str
    seen: set[str]

    def __new__(cls, name: str, value: str, seen: set[str]) -> _Value:
        self = super().__new__(cls, value)
        self.name = name
        self.seen = seen
        return self

    def __format__(self, spec: str) -> str:
        self.seen.add(self.name)
        return super().__format__(spec)


class _Lines(Iterator[str]):
    """The lines of a text, remembering the number of the last one handed out."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.number = 0
        self._lines = text.splitlines(keepends=True)

    def __next__(self) -> str:
        if self.number >= len(self._lines):
            raise StopIteration
        self.number += 1
        return self._lines[self.number - 1]

    def close(self) -> None:
        """Nothing to close; the parser asks for it when it gives up."""


@dataclass(frozen=True)
class Template:
    """A CP2K input with variables.

    Attributes
    ----------
    name
        File name or path as the user knows it.
    text
        Content.
    folder
        Where its ``@INCLUDE`` files are looked for.
    """

    name: str
    text: str
    folder: Path

    @classmethod
    def load(cls, template: str) -> Template:
        """Read a template of the package by its file name, or any other by its path.

        Raises
        ------
        QdsimError
            When there is no such file, or it is not text.
        """
        packaged = TEMPLATES / "cp2k" / template
        path = Path(str(packaged)) if Path(template).name == template and packaged.is_file() else Path(template)
        try:
            text = read_text(path)
        except OSError as error:
            names = ", ".join(sorted(p.name for p in (TEMPLATES / "cp2k").iterdir() if p.name.endswith(".inp")))
            raise QdsimError(
                f"Cannot read the CP2K template {template!r} ({error}); give the path of a file, or one of {names}."
            ) from error
        return cls(template, text, path.parent)

    def parse(self, variables: Mapping[str, str]) -> tuple[dict[str, Any], set[str]]:
        """Fill in the variables and check the result against CP2K's input schema.

        Parameters
        ----------
        variables
            Values by name.

        Returns
        -------
        parameters
            Sections, subsections and keywords as the nested dictionary aiida-cp2k takes.
        read
            Names of the variables that were used.

        Raises
        ------
        QdsimError
            For a variable without value, an unknown section or keyword (the nearest name is offered), or a value of
            the wrong kind; with file and line.
        """
        seen: set[str] = set()
        values = {name: _Value(name, value, seen) for name, value in variables.items()}
        lines = _Lines(self.name, self.text)
        parser, folders = _schema_parser()
        folders[:] = [self.folder]
        with _told_by_line(lines, variables):
            parameters: dict[str, Any] = parser.parse(lines, values)
        return parameters, seen

    def unread(self, variables: Mapping[str, str]) -> set[str]:
        """Names among ``variables`` that no run type reads with these values.

        Raises
        ------
        QdsimError
            For a variable without value; with file and line.
        """
        from cp2k_input_tools.preprocessor import CP2KPreprocessor

        seen: set[str] = set()
        for variant in _RUN_VARIANTS:
            values = {name: _Value(name, value, seen) for name, value in (variant | dict(variables)).items()}
            lines = _Lines(self.name, self.text)
            with _told_by_line(lines, values):
                for _ in CP2KPreprocessor(lines, self.folder, values):
                    pass
        return set(variables) - seen


@contextlib.contextmanager
def _told_by_line(lines: _Lines, variables: Iterable[str]) -> Iterator[None]:
    """Turn whatever the input parser raises into one sentence with file and line."""
    from cp2k_input_tools.lineiterator import LineContinuationError
    from cp2k_input_tools.parser_errors import ParserError
    from cp2k_input_tools.tokenizer import TokenizerError

    try:
        yield
    # The parser looks at nothing but this text; where a line makes no sense to it, it also lets the errors of int(),
    # float(), re and list escape.
    except (
        ParserError,
        TokenizerError,
        LineContinuationError,
        ValueError,
        IndexError,
        AttributeError,
        AssertionError,
    ) as error:
        context = error.args[1] if len(error.args) > 1 else None
        place = f"{lines.name}, line {lines.number}"
        included = getattr(context, "filename", None)
        if context and included and included != lines.name:
            place = f"{included}, line {context.linenr} (included by {lines.name})"
        raise QdsimError(f"{place}: {_explain(error, context, variables)}.") from error


def _explain(error: Exception, context: Any, variables: Iterable[str]) -> str:
    from cp2k_input_tools.parser_errors import InvalidNameError, InvalidSectionError, ParserError
    from cp2k_input_tools.tokenizer import TokenizerError

    if isinstance(error, IndexError):
        # The parser stumbles over an error of its own that carries no context, or over its empty list of open sections.
        if not isinstance(error.__context__, ParserError):
            return "there is an &END too many"
        error = error.__context__
    reason = str(error.args[0]) if error.args else type(error).__name__
    if undefined := re.match(r"undefined variable '(\w+)'", reason):
        name = undefined.group(1).upper()
        return f"variable ${{{name}}} has no value{suggestion(name, variables)}"
    if isinstance(error, InvalidNameError | InvalidSectionError) and getattr(context, "section", None):
        named = re.search(r"'([^']+)'", reason)
        if named and reason.startswith("invalid"):
            kind = "section" if isinstance(error, InvalidSectionError) else "keyword"
            valid = context.section.section_names if kind == "section" else context.section.keyword_names
            parent = context.section.name.strip("/")
            where = f" in section {parent}" if parent else ""
            return f"CP2K knows no {kind} {named.group(1)}{where}{suggestion(named.group(1), valid)}"
    if isinstance(error, ParserError | TokenizerError):
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return f"{reason}{cause}"
    return f"cannot be understood as CP2K input ({reason})"


@functools.cache
def _schema_parser() -> tuple[Any, list[Path]]:
    """Return the schema's parser, kept because reading the schema takes a second, and where it looks for files."""
    from cp2k_input_tools.parser import CP2KInputParserAiiDA

    folders: list[Path] = []
    return CP2KInputParserAiiDA(base_dir=folders), folders
