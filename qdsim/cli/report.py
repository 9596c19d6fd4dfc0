"""`qdsim report`."""

from __future__ import annotations

from pathlib import Path

import click

from qdsim.cli import Session

EXAMPLES = """
\b
Examples:
  qdsim report                                the newest campaign, to report.html
  qdsim report quickstart -o pbs.html         another file; an existing one is kept
  qdsim report quickstart -o pbs.html --force an existing one is replaced
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign", required=False)
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
def command(session: Session, campaign: str | None, output: Path, force: bool) -> None:
    """Write the results of CAMPAIGN as one HTML file.

    CAMPAIGN is a name, PK or UUID; without one it is the newest campaign.
    """
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import find_campaign
    from qdsim.report import write_report
    from qdsim.report.collect import collect

    open_profile(session.profile)
    click.echo(write_report(collect(find_campaign(campaign)), output, force=force).resolve())
