"""Reservations in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from qdsim.analysis.dipole_analysis import DipoleAnalysis
    from qdsim.analysis.phonon_analysis import PhononAnalysis


def print_notes(console: Console, analysis: DipoleAnalysis | PhononAnalysis) -> None:
    """Print what an analysis, and each of its rows, has to say beside its numbers; nothing in it is markup."""
    for sentence in [*analysis.messages, *(f"{row.label}: {row.message}" for row in analysis.rows if row.message)]:
        console.print(Text.assemble(("note ", "yellow"), sentence))
