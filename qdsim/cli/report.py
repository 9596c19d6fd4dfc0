"""`qdsim report`."""

from __future__ import annotations

from pathlib import Path

import click

from qdsim.cli import Session
from qdsim.cli.source import campaign_or_archive, opened

EXAMPLES = """
\b
Examples:
  qdsim report                                the newest campaign, to report.html
  qdsim report quickstart -o pbs.html         another file; an existing one is kept
  qdsim report quickstart -o pbs.html --force an existing one is replaced
  qdsim report quickstart.aiida               from an archive, where nothing was ever computed
"""


@click.command(epilog=EXAMPLES)
@campaign_or_archive
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="File to write; it needs no network to be read.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def command(session: Session, campaign: str | None, archived: str | None, output: Path, force: bool) -> None:
    """Write the results of CAMPAIGN as one HTML file.

    CAMPAIGN is a name, file, PK or UUID; without one it is the newest campaign. FILE.aiida is what qdsim archive has
    written: it is read where it lies, and needs no profile.
    """
    from qdsim.provenance import find_campaign
    from qdsim.report import write_report
    from qdsim.report.collect import collect

    with opened(session, campaign, archived, find_campaign) as found:
        data = collect(found)
    click.echo(write_report(data, output, force=force).resolve())
