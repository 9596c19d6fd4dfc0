"""`qdsim resume`."""

from __future__ import annotations

import click

from qdsim.cli import Session

EXAMPLES = """
\b
Examples:
  qdsim resume quickstart   after 'qdsim pause', or after its computer was away for long
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign")
@click.pass_obj
def command(session: Session, campaign: str) -> None:
    """Let a paused campaign go on.

    CAMPAIGN is a campaign's name, PK or UUID. Goes on as well with what AiiDA stopped because a computer could not be
    reached for long, and starts the daemon where it does not run.
    """
    from qdsim.campaign.control import resume
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import find_campaign, state_of

    open_profile(session.profile)
    node = find_campaign(campaign)
    was_paused = state_of(node) == "paused"
    stopped = resume(node)
    sentence = "goes on" if was_paused or stopped else "was not paused"
    if stopped:
        sentence += f", {stopped} process(es) that AiiDA had stopped among it"
    Terminal().print(f"Campaign '{node.label}' {sentence}.", soft_wrap=True)
