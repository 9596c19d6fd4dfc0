"""`qdsim query`."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.options import RangeType
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from qdsim.provenance.query import CalculationRecord, Result

EXAMPLES = """
\b
Examples:
  qdsim query                                        the newest results of all campaigns
  qdsim query --compound PbS --strain 1:2            what was computed at 1 to 2 % of linear strain
  qdsim query --kind strain --quantity relaxed.gap   one quantity of every strain
  qdsim query --host strained --charge -2 --csv      charged vacancies of a host, all of them, for a spreadsheet
  qdsim query --verdict disagrees --since 2026-11-01
  qdsim query --calculations --state failed          CP2K calculations that failed
"""
ROWS = 50  # of a table, where nothing else is asked for


class DateType(click.ParamType):
    """A date, or a date with a time; without a time zone, of this machine's."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ARG002 (click's signature)
        """Read YYYY-MM-DD or YYYY-MM-DDTHH:MM; a date alone is all of its day for `--until`."""
        option = param.opts[-1] if param is not None else "The value"
        try:
            found = datetime.fromisoformat(str(value)).astimezone()
        except (ValueError, OverflowError) as error:
            raise QdsimError(
                f"{option} {value!r} is not understood: write a date such as 2026-11-26, or 2026-11-26T14:30."
            ) from error
        whole_day = option == "--until" and len(str(value)) == len("2026-11-26")
        return found + timedelta(days=1, microseconds=-1) if whole_day else found


@click.command(epilog=EXAMPLES)
@click.option("--campaign", metavar="NAME|PK", help="Of this name or PK.")
@click.option("--compound", metavar="FORMULA", help="Such as PbS.")
@click.option("--protocol", metavar="NAME", help="Of the section that the result is of.")
@click.option("--cp2k", "code_version", metavar="VERSION", help="Computed with this version of CP2K, such as 2023.1.")
@click.option("--state", metavar="STATE", help="Of the process: waiting, running, done, failed or cancelled.")
@click.option("--exit-code", type=int, metavar="N", help="Of the process.")
@click.option("--since", type=DateType(), help="Stored on this day or later.")
@click.option("--until", type=DateType(), help="Stored on this day or before.")
@click.option("--kind", metavar="KIND", help="Such as strain, onset, phonon, vacancy, dipole or verdict.")
@click.option(
    "--quantity", metavar="NAME", help="This one, such as relaxed.gap, in place of the headline of each kind."
)
@click.option("--strain", type=RangeType(), help="Linear strain, %; both ends are included.")
@click.option("--host", metavar="LABEL", help="Of vacancies.")
@click.option("--charge", type=int, metavar="Q", help="Of vacancies.")
@click.option("--verdict", metavar="VERDICT", help="Of a check: agrees, tension, disagrees or 'cannot say'.")
@click.option("--calculations", is_flag=True, help="List CP2K calculations in place of results.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help=f"At most N rows; 0 for all. [default: {ROWS} in a table]"
)
@click.option("--csv", "form", flag_value="csv", help="Print all rows as CSV.")
@click.option("--json", "form", flag_value="json", help="Print all rows as JSON.")
@click.pass_obj
def command(session: Session, /, calculations: bool, limit: int | None, form: str | None, **filters: Any) -> None:
    """Look for results, or CP2K calculations, over all campaigns of the profile.

    A row is one result: a strain, an equation of state, a phonon crystal, the formation energy of a vacancy, the dipole
    of a cluster, a verdict. It shows the quantity that matters most; --quantity NAME shows another. What failed has a
    row without a number.
    """
    from qdsim.machine.profile import open_profile

    if filters["strain"] is not None:
        low, high = filters["strain"]
        filters["strain"] = (low / 100, high / 100)
    open_profile(session.profile)
    from qdsim.provenance.query import Filter, find_calculations, find_results

    limit = limit if limit is not None else 0 if form else ROWS
    find = find_calculations if calculations else find_results
    more = limit + 1 if limit else None  # one more tells whether there are more
    found: Sequence[Result | CalculationRecord] = find(Filter(**filters), more)
    shown = found[:limit] if limit else found
    if form == "json":
        click.echo(json.dumps([_record(one) for one in shown], indent=2))
    elif form == "csv":
        _write_csv(shown, calculations)
    else:
        _print(shown, calculations)
        if len(found) > len(shown):
            click.echo(f"These are the newest {limit}; --limit 0 shows all, filters fewer.")


def _record(one: Result | CalculationRecord) -> dict[str, Any]:
    """Return what scripts get: numbers in the units of the documents, dates in UTC."""
    from qdsim.provenance.query import Result

    record = asdict(one) | {"date": one.date.astimezone(UTC).isoformat(timespec="seconds")}
    return record | {"unit": one.unit.symbol} if isinstance(one, Result) else record


def _write_csv(found: Sequence[Result | CalculationRecord], calculations: bool) -> None:
    from dataclasses import fields

    from qdsim.provenance.query import CalculationRecord, Result

    names = [field.name for field in fields(CalculationRecord if calculations else Result)]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(one) for one in found)


def _print(found: Sequence[Result | CalculationRecord], calculations: bool) -> None:
    from qdsim.cli.terminal import Terminal

    console = Terminal(width=None if sys.stdout.isatty() else 200)
    if not found:
        console.print("There is nothing of that kind.")
        return
    console.print(_calculation_table(found) if calculations else _result_table(found))


def _table(headings: dict[str, str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading, justify in headings.items():
        table.add_column(heading, justify="right" if justify else "left", no_wrap=justify in {"right", "whole"})
    return table


def _result_table(found: Sequence[Any]) -> Table:
    from rich.text import Text

    from qdsim.cli.values import printed

    one: Result
    held = {
        name for one in found for name in ("host", "charge", "verdict", "protocol") if getattr(one, name) is not None
    }
    columns = [
        "campaign",
        "PK",
        "compound",
        "kind",
        "label",
        "strain",
        *(n for n in ("host", "charge", "verdict") if n in held),
    ]
    columns += ["protocol", "CP2K", "quantity", "value", "date", "exit", "uuid"]
    table = _table({name: "right" if name in {"PK", "strain", "charge", "value", "exit"} else "" for name in columns})
    for one in found:
        missing = Text("" if one.state == "done" else one.state, style="red" if one.state == "failed" else "yellow")
        cells: dict[str, Any] = {
            "campaign": Text(one.campaign),
            "PK": str(one.campaign_pk),
            "compound": one.compound,
            "kind": one.kind,
            "label": Text(one.label),
            "strain": "" if one.strain is None else f"{100 * one.strain:+.2f} %",
            "host": Text(one.host or ""),
            "charge": "" if one.charge is None else f"{one.charge:+d}" if one.charge else "0",
            "verdict": one.verdict or "",
            "protocol": one.protocol or "",
            "CP2K": one.code_version,
            "quantity": one.quantity or "",
            "value": missing if one.value is None else printed(one.value, one.unit),
            "date": f"{one.date.astimezone():%Y-%m-%d %H:%M}",
            "exit": "" if one.exit_code is None else str(one.exit_code),
            "uuid": Text(one.uuid[:8], style="cyan"),
        }
        table.add_row(*(cells[name] for name in columns))
    return table


def _calculation_table(found: Sequence[Any]) -> Table:
    from rich.text import Text

    one: CalculationRecord
    columns = (
        "campaign",
        "PK",
        "compound",
        "section",
        "label",
        "protocol",
        "CP2K",
        "state",
        "exit",
        "energy, eV",
        "CP2K time",
        "date",
        "uuid",
    )
    table = _table({name: "right" if name in {"PK", "exit", "energy, eV", "CP2K time"} else "" for name in columns})
    styles = {"failed": "red", "done": "green"}
    for one in found:
        table.add_row(
            Text(one.campaign),
            str(one.campaign_pk),
            one.compound,
            one.section,
            Text(one.label),
            one.protocol or "",
            one.code_version or "",
            Text("reused" if one.reused else one.state, style=styles.get(one.state, "yellow")),
            "" if one.exit_code is None else str(one.exit_code),
            "" if one.energy is None else f"{one.energy:.4f}",
            "" if one.wall_time is None else f"{one.wall_time:.1f} s",
            f"{one.date.astimezone():%Y-%m-%d %H:%M}",
            Text(one.uuid[:8], style="cyan"),
        )
    return table
