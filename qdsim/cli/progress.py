"""What commands say on standard error while they work."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qdsim.errors import QdsimWarning

if TYPE_CHECKING:
    from rich.console import Console


def notice(console: Console, sentence: str) -> None:
    """Print a reservation."""
    from rich.text import Text

    console.print(Text.assemble(("note ", "yellow"), sentence), soft_wrap=True)


@contextmanager
def spoken_warnings(console: Console) -> Iterator[None]:
    """Print the reservations of `qdsim` as sentences, and leave those of libraries as they are."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", QdsimWarning)
        try:
            yield
        finally:
            own = [warning for warning in caught if issubclass(warning.category, QdsimWarning)]
            for warning in own:
                notice(console, str(warning.message))
    for warning in caught:
        if warning not in own:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


@contextmanager
def progress_bar(console: Console, description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while there is something to wait for, and wipe it away in the end; only on a terminal.

    Yields
    ------
    callable
        Takes the steps done and the steps there are.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show
