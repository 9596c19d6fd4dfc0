"""`qdsim results`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.source import campaign_or_archive, opened
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from aiida.orm import WorkChainNode

EXAMPLES = """
\b
Examples:
  qdsim results                                      the newest campaign, as tables for people
  qdsim results quickstart --csv > out.csv           one row a strain, a vacancy, a cluster
  qdsim results quickstart --csv --table dipole      of a campaign that has several tables
  qdsim results quickstart --csv -o tables           every table, a file for each
  qdsim results quickstart --json                    the whole results document, with node UUIDs
  qdsim results quickstart.aiida                     of an archive
"""
TABLES = {
    "strain": "strain",
    "phonon": "phonon_analysis",
    "vacancy": "vacancy_analysis",
    "dipole": "dipole_analysis",
}
"""Documents that have a table, by its name."""


@click.command(epilog=EXAMPLES)
@campaign_or_archive
@click.option("--json", "form", flag_value="json", help="Print the results document.")
@click.option("--csv", "form", flag_value="csv", help="Print a table as CSV, units in its header.")
@click.option("--table", type=click.Choice(list(TABLES)), help="Which, where there are several.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Write every table as CSV.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.pass_obj
def command(
    session: Session,
    campaign: str | None,
    archived: str | None,
    form: str | None,
    table: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Print the results of CAMPAIGN (name, file, PK or UUID), or of the newest one where none is given.

    FILE.aiida is what qdsim archive has written: it is read where it lies, and needs no profile. A table as CSV has a
    row for each strain, phonon crystal, vacancy or cluster; a campaign of several sections has several.
    """
    from qdsim.exports import check_folder
    from qdsim.provenance import find_campaign, name_here

    if form != "csv" and (table is not None or output is not None):
        raise QdsimError("--table and --output go with --csv: add it.")
    if output is not None:
        if output.suffix == ".csv":
            raise QdsimError(f"{output}: every table is a file of its own, so give a folder; a single one is printed.")
        check_folder(output, force)
    with opened(session, campaign, archived, find_campaign) as node:
        parts = _parts(node)
        if not parts:
            raise QdsimError(
                f"Campaign '{node.label}' has no results yet; 'qdsim status {name_here(node)}' shows how far it is."
            )
        if form == "json":
            click.echo(_document(node, parts))
        elif form == "csv":
            _write_tables(node.label, _tables(parts), table, output, force)
        else:
            from qdsim.cli.show import print_results
            from qdsim.cli.terminal import Terminal

            print_results(Terminal(), node)


def _tables(parts: dict[str, Any]) -> dict[str, str]:
    """Return each table that there is as CSV, by its name."""
    from qdsim.campaign import dipole_table, formation_energy_table, phonon_table, strain_table, with_units

    makers: dict[str, Callable[[Any], pd.DataFrame]] = {
        "strain": strain_table,
        "phonon": phonon_table,
        "vacancy": formation_energy_table,
        "dipole": dipole_table,
    }
    return {
        name: with_units(makers[name](parts[part])).to_csv(lineterminator="\n")
        for name, part in TABLES.items()
        if part in parts
    }


def _write_tables(campaign: str, tables: dict[str, str], wanted: str | None, folder: Path | None, force: bool) -> None:
    """Print one table, or write all of them; one file has one header."""
    from qdsim.exports import write_folder

    there = ", ".join(tables) or "none"
    if wanted is not None and wanted not in tables:
        raise QdsimError(f"Campaign '{campaign}' has no table of that section; there are: {there}.")
    chosen = tables if wanted is None else {wanted: tables[wanted]}
    if folder is not None:
        for path in write_folder(folder, {f"{name}.csv": text for name, text in chosen.items()}, force):
            click.echo(path.resolve())
    elif len(chosen) == 1:
        click.echo("".join(chosen.values()), nl=False)
    else:
        raise QdsimError(
            f"Campaign '{campaign}' has several tables: choose one with --table ({there}), or give a folder for all "
            "with --output."
        )


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

    from qdsim.provenance import consistency, files_of, nodes_behind, section

    check = section(node, "scattering")
    verdicts = None if check is None else consistency(check)
    found = parts if verdicts is None else {**parts, "consistency": verdicts}
    document = {
        "campaign": node.label,
        "pk": node.pk,
        "uuid": node.uuid,
        "files": [str(path) for path in files_of(node)],
        "nodes": nodes_behind(node),
    }
    return json.dumps(document | {name: part.model_dump(mode="json") for name, part in found.items()}, indent=2)
