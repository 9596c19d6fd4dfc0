"""`qdsim archive`."""

from __future__ import annotations

from pathlib import Path

import click

from qdsim.cli import Session
from qdsim.cli.progress import notice, progress_bar
from qdsim.cli.source import tell

EXAMPLES = """
\b
Examples:
  qdsim archive quickstart                   to quickstart.aiida
  qdsim archive quickstart --small           without CP2K's output files
  qdsim report quickstart.aiida              its report, on any machine that has qdsim
  verdi archive import quickstart.aiida      into a profile, as any archive of AiiDA
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write. [default: CAMPAIGN.aiida]")
@click.option("--small", is_flag=True, help="Leave out the files that CP2K wrote and nothing was computed from.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def command(session: Session, campaign: str | None, output: Path | None, small: bool, force: bool) -> None:
    """Write CAMPAIGN into one file that qdsim report, results and trace read on any machine.

    CAMPAIGN is a name, file, PK or UUID; without one it is the newest campaign. The file is an AiiDA archive of its
    processes, and of all data that they took and made, back to where these were made. It has the set-up of computers
    and codes, with the commands that they begin jobs with, but nothing that you connect to them with.
    """
    from rich.filesize import decimal

    from qdsim.cli.terminal import Terminal
    from qdsim.exports import safe_name
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import find_campaign, state_of
    from qdsim.provenance.archive_reader import SUFFIX
    from qdsim.provenance.archive_writer import write_archive
    from qdsim.report.document import replacing

    open_profile(session.profile)
    found = find_campaign(campaign)
    path = output or Path(safe_name(found.label) + SUFFIX)
    console = Terminal(stderr=True)
    state = state_of(found)
    if state != "done":
        notice(console, STATES[state].format(label=found.label))
    with replacing(path, force) as temporary, progress_bar(console, "Archiving") as progress:
        written = write_archive(found, temporary, small, progress)
    click.echo(path.resolve())
    tell(found)
    size = decimal(path.stat().st_size)
    click.echo(f"{written.nodes} nodes and {written.files} files in {size}", err=True)


STATES = {
    "waiting": "{label} has not begun: there is little to archive.",
    "running": "{label} is still running: what is there now is archived.",
    "paused": "{label} is paused: what is there now is archived.",
    "failed": "{label} has failed: what is there is archived.",
    "cancelled": "{label} was cancelled: what is there is archived.",
}
