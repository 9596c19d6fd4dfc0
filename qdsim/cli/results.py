"""`qdsim results`."""

from __future__ import annotations

import click

from qdsim.cli import Session

EXAMPLES = """
\b
Examples:
  qdsim results                              the newest campaign, as a table for people
  qdsim results quickstart --csv > out.csv   one row a strain, in Å, eV, GPa and degrees
  qdsim results quickstart --json            the whole results document, with node UUIDs
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign", required=False)
@click.option("--json", "form", flag_value="json", help="Print the results document.")
@click.option("--csv", "form", flag_value="csv", help="Print one row a strain.")
@click.pass_obj
def command(session: Session, campaign: str | None, form: str | None) -> None:
    """Print the results of CAMPAIGN (name, PK or UUID), or of the newest one where none is given."""
    from qdsim.errors import QdsimError
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import consistency, find_campaign, nodes_behind, section, strain_results

    open_profile(session.profile)
    node = find_campaign(campaign)
    results = strain_results(node)
    if results is None:
        raise QdsimError(
            f"Campaign '{node.label}' has no results yet; 'qdsim status {node.label}' shows how far it is."
        )
    if form == "json":
        import json

        document = {"campaign": node.label, "uuid": node.uuid, "nodes": nodes_behind(node)}
        document["strain"] = results.model_dump(mode="json")
        check = section(node, "scattering")
        verdicts = None if check is None else consistency(check)
        if verdicts is not None:
            document["consistency"] = verdicts.model_dump(mode="json")
        click.echo(json.dumps(document, indent=2))
    elif form == "csv":
        from qdsim.campaign import strain_table

        click.echo(strain_table(results).to_csv(), nl=False)
    else:
        from rich.console import Console

        from qdsim.cli.display import print_strain_results

        print_strain_results(Console(), results)
