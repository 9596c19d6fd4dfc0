"""The terminal, to which text of any origin may be printed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from qdsim.printable import printable


class Terminal(Console):
    """A console on which no text is markup, unless it is `rich.text.Text`, and none can steer the terminal."""

    def __init__(self, **options: Any):
        super().__init__(markup=False, highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as ever, with a mark in place of what is not seen."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
