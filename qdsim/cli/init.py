"""`qdsim init`: set up this machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdsim.cli import Session
from qdsim.machine.templates import SCHEDULERS

if TYPE_CHECKING:
    from rich.console import Console

_EXAMPLES = """\b
Examples:
  qdsim init
  qdsim init --slots 4 --ranks 2
  qdsim init --cp2k /opt/cp2k/bin/cp2k.psmp
  qdsim init --template slurm -o cluster      copies files for a cluster, to be changed
  qdsim init --computer cluster/slurm.yaml --code cluster/cp2k.yaml
  qdsim init --profile trial
  qdsim --profile production init --postgres postgresql://me@db:5432/qdsim --rabbitmq amqp://me@mq:5672
"""


@click.command(name="init", epilog=_EXAMPLES)
@click.option(
    "--slots", type=int, metavar="N", help="Calculations that run at once. [default: one per core, at most 8]"
)
@click.option("--ranks", type=int, metavar="N", help="MPI ranks of each calculation. [default: cores / slots]")
@click.option("--cp2k", type=click.Path(path_type=Path), help="CP2K's executable. [default: cp2k.psmp in PATH]")
@click.option(
    "--computer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another machine, as `verdi computer setup --config` takes it, with the options of its transport under "
    "`configure` and what calculations get under `resources`. It is tried before it is made.",
)
@click.option(
    "--code",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CP2K on another machine, as `verdi code create core.code.installed --config` takes it.",
)
@click.option(
    "--postgres",
    metavar="URL",
    help="Make a profile whose data are in this database: postgresql://USER@HOST:5432/DATABASE, the password in "
    "$QDSIM_POSTGRES_PASSWORD, ~/.pgpass or the URL.",
)
@click.option(
    "--rabbitmq",
    metavar="URL",
    help="Make a profile whose broker is this server: amqp://USER@HOST:5672, the password in $QDSIM_RABBITMQ_PASSWORD "
    "or the URL.",
)
@click.option("--template", type=click.Choice(SCHEDULERS), help="Only copy files that describe such a cluster.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files of --template. [default: this one]",
)
@click.pass_obj
def command(
    session: Session,
    slots: int | None,
    ranks: int | None,
    cp2k: Path | None,
    computer: Path | None,
    code: Path | None,
    postgres: str | None,
    rabbitmq: str | None,
    template: str | None,
    output: Path | None,
) -> None:
    """Set up this machine: AiiDA profile, computer, CP2K code and daemon.

    What is there already is kept, so it does no harm to run it again. Without --slots and --ranks, every physical
    core runs a calculation of its own; more than 8 cores are shared out evenly among 8 calculations.
    """
    from rich.table import Table
    from rich.text import Text

    from qdsim.cli.terminal import Terminal

    console = Terminal()
    if template is not None:
        _copy_templates(console, template, output or Path())
        return
    if output is not None:
        raise click.UsageError("--output goes with --template.")

    from qdsim.machine.setup import Request, set_up

    with console.status("Setting up this machine"):
        steps = set_up(Request(session.profile, slots, ranks, cp2k, computer, code, postgres, rabbitmq))
    table = Table(box=None, show_header=False, pad_edge=False)
    for step in steps:
        colour = "dim" if step.state in {"unchanged", "skipped"} else "green"
        table.add_row(Text(step.state, colour), step.subject, step.detail)
    console.print(table)
    if all(step.state in {"unchanged", "skipped"} for step in steps):
        console.print("Everything was set up already; nothing has changed.")
    else:
        console.print("This machine is set up; `qdsim doctor` checks it.")


def _copy_templates(console: Console, scheduler: str, folder: Path) -> None:
    from rich.text import Text

    from qdsim.machine.templates import copy_templates

    computer, code, *others = copy_templates(scheduler, folder)
    for path in (computer, code, *others):
        console.print(Text.assemble(("written", "green"), f" {path}"), soft_wrap=True)
    console.print(
        "Change what is marked CHANGE in them, then "
        f"`qdsim init --computer {shlex.quote(str(computer))} --code {shlex.quote(str(code))}`.",
        soft_wrap=True,
    )
