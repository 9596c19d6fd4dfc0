"""`qdsim status`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.source import taken

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode
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

    CAMPAIGN is a campaign's name, file, PK or UUID; without one all campaigns are listed.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.profile import open_profile

    if campaign is None:
        open_profile(session.profile)
        _list(Terminal(), as_json)
    else:
        _show(Terminal(), taken(session, campaign), as_json)


def _list(console: Console, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from qdsim.provenance import campaigns, files_of, state_of

    rows: list[dict[str, Any]] = [
        {
            "name": node.label,
            "pk": node.pk,
            "state": state_of(node),
            "created": node.ctime.isoformat(timespec="seconds"),
            "uuid": node.uuid,
            "files": [str(path) for path in files_of(node)],
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
    for heading in ("name", "PK", "state", "created", "uuid"):
        table.add_column(heading, justify="right" if heading == "PK" else "left", no_wrap=heading != "name")
    table.add_column("run from", overflow="fold")
    for row in rows:
        cells = (row["name"], str(row["pk"]), row["state"], row["created"], row["uuid"][:8], "\n".join(row["files"]))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _show(console: Console, node: WorkChainNode, as_json: bool) -> None:
    from rich.text import Text

    from qdsim.campaign.progress import measure_progress
    from qdsim.cli.display import held_back, progress_table
    from qdsim.provenance import files_of, name_here

    progress = measure_progress(node)
    jobs = progress.jobs
    if as_json:
        files = [str(path) for path in files_of(node)]
        click.echo(json.dumps({"uuid": node.uuid, "pk": node.pk, "files": files, **asdict(progress)}, indent=2))
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
            f"'qdsim resume {name_here(node)}' lets them go on."
        )
        console.print(Text.assemble(("stopped", "yellow"), rest))
    elif progress.state == "paused":
        console.print(f"'qdsim resume {name_here(node)}' lets it go on.")
    for line in progress.lines:
        if line.message:
            console.print(Text.assemble((line.label, "red"), f": {line.message}"))
