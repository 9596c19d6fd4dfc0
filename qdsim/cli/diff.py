"""`qdsim diff`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.source import taken

if TYPE_CHECKING:
    from rich.table import Table

    from qdsim.provenance.difference import Comparison, Difference

EXAMPLES = """
\b
Examples:
  qdsim diff coarse fine          settings and results that differ
  qdsim diff coarse fine --all    every number, not the one that stands for each result
  qdsim diff 1946 0d3a81c2        campaigns by PK or UUID
  qdsim diff coarse fine --json   everything, for scripts
"""


@click.command(epilog=EXAMPLES)
@click.argument("first", metavar="CAMPAIGN")
@click.argument("second", metavar="CAMPAIGN")
@click.option("--all", "everything", is_flag=True, help="Show every number that differs.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def command(session: Session, first: str, second: str, everything: bool, as_json: bool) -> None:
    """Tell what differs between the settings and results of two campaigns.

    CAMPAIGN is a name, file, PK or UUID; of several campaigns of a name in one folder the newest is taken.
    """
    from qdsim.provenance.difference import compare_campaigns

    found = compare_campaigns(*(taken(session, one) for one in (first, second)))
    if as_json:
        results = [asdict(one) | {"unit": one.unit.symbol} for one in found.results]
        click.echo(json.dumps(asdict(found) | {"results": results}, indent=2))
    else:
        _print(found, everything)


def _print(found: Difference, everything: bool) -> None:
    from qdsim.cli.terminal import Terminal

    console = Terminal(width=None if sys.stdout.isatty() else 200)
    heads = [f"{name} {uuid[:8]}" for name, uuid in zip(found.names, found.uuids, strict=True)]
    if found.settings:
        console.print(_settings_table(found, heads))
    else:
        console.print("The settings are the same.")
    shown = [one for one in found.results if everything or one.headline]
    if shown:
        console.print(_results_table(shown, heads))
    hidden = len(found.results) - len(shown)
    more = f"; {hidden} others that differ are shown by --all" if hidden else ""
    console.print(f"{found.equal} numbers are equal{more}.")


def _settings_table(found: Difference, heads: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Settings", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("setting", *heads):
        table.add_column(Text(heading))
    for one in found.settings:
        table.add_row(Text(one.name), *(Text(_plain(value)) for value in (one.first, one.second)))
    return table


def _plain(value: Any) -> str:
    return "–" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _results_table(shown: list[Comparison], heads: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from qdsim.cli.values import printed

    table = Table(title="Results", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("kind", "label", "quantity"):
        table.add_column(heading)
    for heading in (*heads, "difference"):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for one in shown:
        place = "" if one.host is None else f"{one.host}, "
        charge = "" if not one.charge else f" {one.charge:+d}"
        values = ["–" if value is None else printed(value, one.unit) for value in (one.first, one.second)]
        difference = "" if one.difference is None else printed(one.difference, one.unit, signed=True)
        table.add_row(one.kind, Text(f"{place}{one.label}{charge}"), one.quantity, *values, difference)
    return table
