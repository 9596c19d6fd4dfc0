"""Text of any origin in a terminal."""

from io import StringIO

import pytest
from rich.table import Table
from rich.text import Text

from qdsim.cli.notes import print_notes
from qdsim.cli.terminal import Terminal
from qdsim.errors import QdsimError
from qdsim.printable import REPLACEMENT, printable

ESCAPES = [
    *("\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "\r", "\b", "\ud800"),
    *("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{ZERO WIDTH SPACE}"),
]


def printed(what: object) -> str:
    file = StringIO()
    Terminal(file=file, force_terminal=True, color_system="standard", width=100).print(what)
    return file.getvalue()


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_that_is_not_seen_is_printed(escape: str) -> None:
    word = f"a{escape}b"
    table = Table(title=word)
    table.add_column(word)
    table.add_row(Text(word))
    plain = StringIO()
    Terminal(file=plain, width=100).print(word, Text(word), table)
    error = str(QdsimError(word))
    for text in (plain.getvalue(), error):
        assert not {character for character in escape if not character.isprintable()} & set(text)
    assert error == f"a{printable(escape)}b"
    assert REPLACEMENT in error


def test_what_is_seen_stays() -> None:
    for text in ("α_rh = 59.4°, Δχ² −3\N{NO-BREAK SPACE}Å³", "two\nlines\tand tabs", "naïve, 硫化铅"):
        assert printable(text) == text
        assert str(QdsimError(text)) == text


def test_no_text_is_markup() -> None:
    assert "[/red] [link=file:///etc]x[/link]" in printed("[/red] [link=file:///etc]x[/link]")
    coloured = printed(Text.assemble(("note ", "yellow"), "[red]"))
    assert "\x1b[33mnote " in coloured
    assert "[red]" in coloured


def test_notes_are_no_markup() -> None:
    from qdsim.analysis.phonon_analysis import PhononAnalysis

    file = StringIO()
    analysis = PhononAnalysis.model_construct(temperature=300.0, messages=("[/] \x1b[2J",), rows=())
    print_notes(Terminal(file=file), analysis)
    assert file.getvalue() == f"note [/] {REPLACEMENT}[2J\n"
