"""`qdsim why`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.source import tell
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from qdsim.cli.terminal import Terminal
    from qdsim.provenance.why import Match, Origin, Settings

MATCHES = 20
CALCULATIONS = 12  # that are named of one kind

EXAMPLES = """
\b
Examples:
  qdsim why 6.00727                       a number as a table or a report has it
  qdsim why +0.651 --campaign quickstart  one campaign's
  qdsim why -- -58.6                      a negative one
  qdsim why 14.31 --json                  for scripts
"""


@click.command(epilog=EXAMPLES, context_settings={"ignore_unknown_options": True})
@click.argument("number")
@click.option("--campaign", help="Look in this one only: name, file, PK or UUID.")
@click.option("--limit", type=click.IntRange(min=1), default=MATCHES, show_default=True, help="List at most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print the matches, and what is behind the first, as JSON.")
@click.pass_obj
def command(session: Session, number: str, campaign: str | None, limit: int, as_json: bool) -> None:
    """Tell where a printed NUMBER comes from.

    All numbers of the campaigns' results that are printed so, to the last decimal that NUMBER shows, are listed, in per
    cent or meV as well where tables have these. Of the first one, the calculations behind it are told with their
    settings, pseudopotentials and basis sets.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.profile import open_profile

    open_profile(session.profile)
    from qdsim.provenance import find_campaign
    from qdsim.provenance.why import find_number, origin_of

    only = None if campaign is None else find_campaign(campaign)
    matches = find_number(number, None if only is None else only.uuid)
    if not matches:
        where = "any campaign" if campaign is None else f"campaign '{campaign}'"
        raise QdsimError(
            f"No result of {where} is printed as {number}: copy it with all its digits; differences and sums that a "
            "report makes of results are in no document."
        )
    if only is not None:
        tell(only)
    origin = origin_of(matches[0])
    if as_json:
        click.echo(
            json.dumps({"matches": [_match(one) for one in matches[:limit]], "first": _origin(origin)}, indent=2)
        )
        return
    console = Terminal(width=None if sys.stdout.isatty() else 200)
    _print_matches(console, matches, limit)
    _print_origin(console, origin)


def _match(match: Match) -> dict[str, Any]:
    return {
        "campaign": match.campaign,
        "campaign_pk": match.record.pk,
        "campaign_uuid": match.record.process.uuid,
        "section": match.section,
        "document": match.document,
        "uuid": match.uuid,
        "path": match.number.path,
        "value": match.number.value,
        "unit": match.number.unit.symbol,
    }


def _origin(origin: Origin) -> dict[str, Any]:
    groups = [
        asdict(one) | {"first": one.first.isoformat(timespec="seconds"), "last": one.last.isoformat(timespec="seconds")}
        for one in origin.settings
    ]
    overrides = dict(origin.overrides)
    return {**_match(origin.match), "protocol": origin.protocol, "overrides": overrides, "calculations": groups}


def _print_matches(console: Terminal, matches: list[Match], limit: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from qdsim.cli.values import printed

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("campaign", "PK", "document", "path", "value", "node"):
        table.add_column(heading, justify="right" if heading in {"PK", "value"} else "left", no_wrap=heading != "path")
    for one in matches[:limit]:
        value = printed(one.number.value, one.number.unit)
        document = f"{one.section}.{one.document}"
        campaign = (Text(one.campaign), str(one.record.pk))
        table.add_row(*campaign, document, Text(one.number.path), value, Text(one.uuid[:8], style="cyan"))
    console.print(table)
    if len(matches) > limit:
        console.print(f"{len(matches) - limit} more; --campaign NAME narrows, and so do more digits.")


def _print_origin(console: Terminal, origin: Origin) -> None:
    match = origin.match
    first = f"{match.number.path} of {match.campaign}, made {match.source.created.astimezone():%Y-%m-%d %H:%M}"
    protocol = "" if origin.protocol is None else f", protocol {origin.protocol}"
    changes = ", ".join(f"{name}: {value}" for name, value in origin.overrides.items())
    with_changes = f" with {changes}" if changes else ""
    console.print(f"Behind {first}{protocol}{with_changes}:")
    for one in origin.settings:
        console.print(_sentence(one))
    console.print(f"'qdsim trace {match.uuid[:8]}' follows the way to their outputs.")


def _sentence(one: Settings) -> str:
    basis = ", ".join(f"{kind} {name}" for kind, name in one.basis_sets.items())
    potentials = ", ".join(f"{kind} {name}" for kind, name in one.potentials.items())
    named = " ".join(uuid[:8] for uuid in one.calculations[:CALCULATIONS])
    more = len(one.calculations) - CALCULATIONS
    days = f"{one.first.astimezone():%Y-%m-%d %H:%M}"
    if one.last != one.first:
        days += f" to {one.last.astimezone():%Y-%m-%d %H:%M}"
    numbers = {"cutoff": one.cutoff, "relative cutoff": one.rel_cutoff}
    grid = ", ".join(f"{name} {value:g} Ry" for name, value in numbers.items() if value is not None)
    return "\n".join(
        [
            f"  {len(one.calculations)} calculation(s) of CP2K {one.version} ({one.run_type}), "
            f"{one.code}@{one.computer}, {days}",
            f"    {one.functional}, {grid}, k-points {one.k_points or 'Gamma'}, EPS_SCF {one.eps_scf}",
            f"    pseudopotentials {potentials}; basis sets {basis} (from {', '.join(one.files)})",
            f"    {named}{f' and {more} more' if more > 0 else ''}",
        ]
    )
