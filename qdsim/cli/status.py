"""`qdsim status`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from qdsim.cli import Session

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """
\b
Examples:
  qdsim status                     all campaigns, the newest first
  qdsim status quickstart          what runs, what is done and what is left
  qdsim status quickstart --json   the same for scripts
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(session: Session, campaign: str | None, as_json: bool) -> None:
    """Show what runs, what is done and what is left.

    CAMPAIGN is a campaign's name, PK or UUID; without one all campaigns are listed.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.profile import open_profile

    open_profile(session.profile)
    if campaign is None:
        _list(Terminal(), as_json)
    else:
        _show(Terminal(), campaign, as_json)


def _list(console: Console, as_json: bool) -> None:
    from rich.table import Table

    from qdsim.provenance import campaigns, state_of

    rows = [
        {
            "name": node.label,
            "state": state_of(node),
            "created": node.ctime.isoformat(timespec="seconds"),
            "uuid": node.uuid,
        }
        for node in campaigns()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        console.print("No campaign has been run in this profile; 'qdsim run FILE' starts one.")
        return
    table = Table(header_style="bold")
    for heading in ("name", "state", "created", "uuid"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row["name"], row["state"], row["created"], row["uuid"][:8])
    console.print(table)


def _show(console: Console, campaign: str, as_json: bool) -> None:
    from rich.text import Text

    from qdsim.campaign.progress import measure_progress
    from qdsim.cli.display import held_back, progress_table
    from qdsim.provenance import find_campaign

    node = find_campaign(campaign)
    progress = measure_progress(node)
    jobs = progress.jobs
    if as_json:
        click.echo(json.dumps({"uuid": node.uuid, **asdict(progress)}, indent=2))
        return
    how_far = f": {progress.state}, {progress.single_points} of {progress.expected} single points"
    console.print(Text.assemble((node.label, "bold"), how_far))
    console.print(progress_table(progress))
    if jobs.queued or jobs.waiting:
        console.print(f"{jobs.queued} calculation(s) in the queue, {jobs.waiting} waiting for a place in it")
    for sentence in held_back(jobs):
        console.print(sentence, soft_wrap=True)
    if jobs.stopped:
        rest = (
            f" {jobs.stopped} calculation(s), whose computer could not be reached; "
            f"'qdsim resume {node.label}' lets them go on."
        )
        console.print(Text.assemble(("stopped", "yellow"), rest))
    elif progress.state == "paused":
        console.print(f"'qdsim resume {node.label}' lets it go on.")
    for line in progress.lines:
        if line.message:
            console.print(Text.assemble((line.label, "red"), f": {line.message}"))
