"""`qdsim cancel`."""

from __future__ import annotations

import click

from qdsim.cli import Session
from qdsim.cli.source import taken

EXAMPLES = """
\b
Examples:
  qdsim cancel quickstart         asks first
  qdsim cancel quickstart --yes   does not
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(session: Session, campaign: str, yes: bool) -> None:
    """End a campaign, and take what it has in a queue out of it.

    CAMPAIGN is a campaign's name, file, PK or UUID. Finished calculations are kept: the same campaign, run again,
    takes them from the cache.
    """
    from qdsim.campaign.control import cancel, refuse_finished
    from qdsim.cli.terminal import Terminal
    from qdsim.provenance import jobs_of

    node = taken(session, campaign)
    refuse_finished(node, "cancel")
    if not yes:
        jobs = jobs_of(node)
        click.confirm(
            f"End campaign '{node.label}', PK {node.pk}, with {jobs.queued} calculation(s) in the queue and "
            f"{jobs.waiting} waiting?",
            abort=True,
        )
    console = Terminal()
    with console.status(f"Ending '{node.label}'"):
        cancel(node)
    console.print(
        f"Campaign '{node.label}' has ended; finished calculations are kept for when it is run again.",
        soft_wrap=True,
    )
