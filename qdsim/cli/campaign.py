"""`qdsim campaign`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from qdsim.cli import Session

EXAMPLES = """
\b
Examples:
  qdsim campaign schema > campaign.schema.json   for editors that check YAML
  qdsim campaign check examples/quickstart.yaml  names line and field of the first mistake
"""


@click.group("campaign", epilog=EXAMPLES)
def command() -> None:
    """Check campaign files and print their schema."""


@command.command(epilog="\b\nExample:\n  qdsim campaign schema > campaign.schema.json")
@click.option("--fits", is_flag=True, help="Of files of scattering fits instead.")
def schema(fits: bool) -> None:
    """Print the JSON schema of campaign files."""
    from qdsim.analysis.scattering_fit import ScatteringFits
    from qdsim.campaign.schema import Campaign

    model = ScatteringFits if fits else Campaign
    click.echo(json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False))


@command.command(epilog="\b\nExample:\n  qdsim campaign check examples/quickstart.yaml")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def check(session: Session, file: Path) -> None:
    """Check the campaign in FILE, its protocol and its template, and run nothing."""
    from qdsim.campaign import load_campaign, plan_campaign
    from qdsim.campaign.resources import on_its_computer
    from qdsim.machine.profile import open_profile

    campaign = load_campaign(file)
    if campaign.needs_profile:
        open_profile(session.profile)
    plan = plan_campaign(on_its_computer(campaign))
    click.echo(f"{file}: good; {plan.single_points} single points, about {plan.core_hours:.2g} core-hours.")
    for sentence in plan.advice:
        click.echo(f"advice: {sentence}")
