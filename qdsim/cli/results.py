"""`qdsim results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.source import campaign_or_archive, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from aiida.orm import WorkChainNode

EXAMPLES = """
\b
Examples:
  qdsim results                              the newest campaign, as a table for people
  qdsim results quickstart --csv > out.csv   one row a strain, a vacancy, a cluster
  qdsim results quickstart --json            the whole results document, with node UUIDs
  qdsim results quickstart.aiida             of an archive
"""


@click.command(epilog=EXAMPLES)
@campaign_or_archive
@click.option("--json", "form", flag_value="json", help="Print the results document.")
@click.option("--csv", "form", flag_value="csv", help="Print a row for each strain, phonon crystal, vacancy, cluster.")
@click.pass_obj
def command(session: Session, campaign: str | None, archived: str | None, form: str | None) -> None:
    """Print the results of CAMPAIGN (name, PK or UUID), or of the newest one where none is given.

    FILE.aiida is what qdsim archive has written: it is read where it lies, and needs no profile.
    """
    from qdsim.provenance import find_campaign

    with opened(session, campaign, archived, find_campaign) as node:
        _print(node, form)


def _print(node: WorkChainNode, form: str | None) -> None:
    from qdsim.errors import QdsimError

    parts = _parts(node)
    if not parts:
        raise QdsimError(
            f"Campaign '{node.label}' has no results yet; 'qdsim status {node.label}' shows how far it is."
        )
    if form == "json":
        click.echo(_document(node, parts))
    elif form == "csv":
        from qdsim.campaign import dipole_table, formation_energy_table, phonon_table, strain_table

        tables: dict[str, Callable[[Any], pd.DataFrame]] = {
            "strain": strain_table,
            "phonon_analysis": phonon_table,
            "vacancy_analysis": formation_energy_table,
            "dipole_analysis": dipole_table,
        }
        chosen = [table(parts[name]) for name, table in tables.items() if name in parts]
        click.echo("\n".join(table.to_csv() for table in chosen), nl=False)
    else:
        from qdsim.cli.show import print_results
        from qdsim.cli.terminal import Terminal

        print_results(Terminal(), node)


def _parts(node: WorkChainNode) -> dict[str, Any]:
    """Return the documents that there are, by name."""
    from qdsim.provenance import (
        dipole_analysis,
        dipole_results,
        phonon_analysis,
        phonon_results,
        strain_results,
        vacancy_analysis,
        vacancy_results,
    )

    parts = {
        "strain": strain_results(node),
        "phonons": phonon_results(node),
        "phonon_analysis": phonon_analysis(node),
        "vacancies": vacancy_results(node),
        "vacancy_analysis": vacancy_analysis(node),
        "dipoles": dipole_results(node),
        "dipole_analysis": dipole_analysis(node),
    }
    return {name: part for name, part in parts.items() if part is not None}


def _document(node: WorkChainNode, parts: dict[str, Any]) -> str:
    import json

    from qdsim.provenance import consistency, nodes_behind, section

    check = section(node, "scattering")
    verdicts = None if check is None else consistency(check)
    found = parts if verdicts is None else {**parts, "consistency": verdicts}
    document = {"campaign": node.label, "uuid": node.uuid, "nodes": nodes_behind(node)}
    return json.dumps(document | {name: part.model_dump(mode="json") for name, part in found.items()}, indent=2)
