"""`qdsim pause`."""

from __future__ import annotations

import click

from qdsim.cli import Session
from qdsim.cli.source import taken

EXAMPLES = """
\b
Examples:
  qdsim pause quickstart    what is in the queue goes on, nothing new is submitted
  qdsim resume quickstart   go on
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign")
@click.pass_obj
def command(session: Session, campaign: str) -> None:
    """Submit nothing new of a campaign for the time being.

    CAMPAIGN is a campaign's name, file, PK or UUID. What is in the queue goes on, and its results are kept.
    """
    from qdsim.campaign.control import pause
    from qdsim.cli.terminal import Terminal
    from qdsim.provenance import name_here

    node = taken(session, campaign)
    jobs = pause(node)
    Terminal().print(
        f"Campaign '{node.label}' is paused: {jobs.queued} calculation(s) in the queue go on, {jobs.waiting} wait; "
        f"'qdsim resume {name_here(node)}' submits them.",
        soft_wrap=True,
    )
