"""`qdsim doctor`: check this machine, and repair it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from qdsim.cli import Session

if TYPE_CHECKING:
    from rich.table import Table

    from qdsim.machine.checks import Check

_EXAMPLES = """\b
Examples:
  qdsim doctor          look, and change nothing
  qdsim doctor --fix    repair what can safely be repaired, and look again
  qdsim doctor --json   for programs
"""


@click.command(name="doctor", epilog=_EXAMPLES)
@click.option("--fix", is_flag=True, help="Do the repairs that are safe: set up, start or restart the daemon, resume.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def command(context: click.Context, *, fix: bool, as_json: bool) -> None:
    """Check this machine: CP2K calculates, AiiDA is set up, and its daemon takes up what is submitted.

    Each row that fails says what to do about it. The exit code is 0 if nothing has failed, 1 otherwise.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.checks import Status, check_machine, repair_machine

    profile = context.ensure_object(Session).profile
    progress = Terminal(stderr=True)
    with progress.status("Checking this machine"):
        checks = check_machine(profile)
    repairs = []
    if fix and any(check.repair for check in checks):
        with progress.status("Repairing this machine"):
            repairs = repair_machine(profile, checks)
            checks = check_machine(profile)
    healthy = all(check.status is not Status.FAILED for check in checks)
    if as_json:
        document = {
            "healthy": healthy,
            "profile": profile,
            "repairs": [repair.value for repair in repairs],
            "checks": [check.model_dump(mode="json") for check in checks],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        console = Terminal()
        for repair in repairs:
            console.print(f"Done: {repair.value}.")
        console.print(_make_table(checks))
        if not fix and any(check.repair for check in checks):
            console.print("`qdsim doctor --fix` can repair this.")
    context.exit(0 if healthy else 1)


def _make_table(checks: list[Check]) -> Table:
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
    table = Table("", "Check", "Found", "Fix", box=None, pad_edge=False)
    for check in checks:
        mark = Text(check.status, colours[check.status])
        table.add_row(mark, check.name, check.detail, check.fix or "")
    return table
