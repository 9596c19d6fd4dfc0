"""`qdsim results`."""

from __future__ import annotations

import click

from qdsim.cli import Session

EXAMPLES = """
\b
Examples:
  qdsim results                              the newest campaign, as a table for people
  qdsim results quickstart --csv > out.csv   one row a strain, a vacancy or a cluster
  qdsim results quickstart --json            the whole results document, with node UUIDs
"""


@click.command(epilog=EXAMPLES)
@click.argument("campaign", required=False)
@click.option("--json", "form", flag_value="json", help="Print the results document.")
@click.option("--csv", "form", flag_value="csv", help="Print one row a strain, then one a vacancy, then one a cluster.")
@click.pass_obj
def command(session: Session, campaign: str | None, form: str | None) -> None:
    """Print the results of CAMPAIGN (name, PK or UUID), or of the newest one where none is given."""
    from qdsim.errors import QdsimError
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import (
        consistency,
        dipole_analysis,
        dipole_results,
        find_campaign,
        nodes_behind,
        section,
        strain_results,
        vacancy_analysis,
        vacancy_results,
    )

    open_profile(session.profile)
    node = find_campaign(campaign)
    results, vacancies, analysis = strain_results(node), vacancy_results(node), vacancy_analysis(node)
    dipoles, responses = dipole_results(node), dipole_analysis(node)
    if results is None and vacancies is None and dipoles is None:
        raise QdsimError(
            f"Campaign '{node.label}' has no results yet; 'qdsim status {node.label}' shows how far it is."
        )
    if form == "json":
        import json

        document = {"campaign": node.label, "uuid": node.uuid, "nodes": nodes_behind(node)}
        parts = {
            "strain": results,
            "vacancies": vacancies,
            "vacancy_analysis": analysis,
            "dipoles": dipoles,
            "dipole_analysis": responses,
        }
        for name, part in parts.items():
            if part is not None:
                document[name] = part.model_dump(mode="json")
        check = section(node, "scattering")
        verdicts = None if check is None else consistency(check)
        if verdicts is not None:
            document["consistency"] = verdicts.model_dump(mode="json")
        click.echo(json.dumps(document, indent=2))
    elif form == "csv":
        from qdsim.campaign import dipole_table, formation_energy_table, strain_table

        tables = [strain_table(results)] if results is not None else []
        tables += [formation_energy_table(analysis)] if analysis is not None else []
        tables += [dipole_table(responses)] if responses is not None else []
        click.echo("\n".join(table.to_csv() for table in tables), nl=False)
    else:
        from rich.console import Console

        from qdsim.cli.dipole_tables import print_dipoles
        from qdsim.cli.display import print_strain_results
        from qdsim.cli.vacancy_tables import print_vacancies

        console = Console()
        if results is not None:
            print_strain_results(console, results)
        if analysis is not None:
            print_vacancies(console, analysis)
        if responses is not None:
            print_dipoles(console, responses)
