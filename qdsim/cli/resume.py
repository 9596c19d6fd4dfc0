"""`qdsim resume`."""

from __future__ import annotations

import click

from qdsim.cli import Session
from qdsim.cli.source import taken

EXAMPLES = """
\b
Examples:
  qdsim resume quickstart   after 'qdsim pause', after its computer was away for long, or after a failure
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign")
@click.pass_obj
def command(session: Session, campaign: str) -> None:
    """Let a campaign go on that was paused, or that has failed.

    CAMPAIGN is a campaign's name, file, PK or UUID. Goes on as well with what AiiDA stopped because a computer could
    not be reached for long, and starts the daemon where it does not run. A campaign that has ended without success is
    submitted anew: what had finished is not computed again, and outputs that qdsim could not read are read again.
    """
    from qdsim.campaign.control import resume
    from qdsim.campaign.launch import launch_again
    from qdsim.cli.terminal import Terminal
    from qdsim.provenance import state_of

    node = taken(session, campaign)
    if node.is_terminated and not node.is_finished_ok:
        again = launch_again(node)
        sentence = (
            f"Campaign '{node.label}' is submitted anew, as PK {again.pk}; what had finished is not computed again."
        )
        Terminal().print(sentence, soft_wrap=True)
        return
    was_paused = state_of(node) == "paused"
    stopped = resume(node)
    sentence = "goes on" if was_paused or stopped else "was not paused"
    if stopped:
        sentence += f", {stopped} process(es) that AiiDA had stopped among it"
    Terminal().print(f"Campaign '{node.label}' {sentence}.", soft_wrap=True)
