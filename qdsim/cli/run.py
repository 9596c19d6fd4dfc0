"""`qdsim run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdsim.cli import Session

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode
    from rich.console import Console

    from qdsim.campaign import Plan

EXAMPLES = """
\b
Examples:
  qdsim run examples/quickstart.yaml            run and watch; Ctrl-C detaches, the work goes on
  qdsim run examples/quickstart.yaml            the same again: attaches, or finds everything done
  qdsim run examples/quickstart.yaml --detach   submit only
  qdsim run examples/quickstart.yaml --dry-run  write every CP2K input, print the plan and its particles
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--detach", is_flag=True, help="Return at once; the daemon does the work.")
@click.option("--dry-run", is_flag=True, help="Run nothing: write the CP2K inputs and print the plan.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the inputs of a dry run. [default: NAME-inputs]",
)
@click.pass_obj
def command(session: Session, file: Path, detach: bool, dry_run: bool, output: Path | None) -> None:
    """Run the campaign in FILE, and watch it.

    Finished calculations are not repeated: run the same file again after an interruption or a failure, or with more
    strains in it.
    """
    from qdsim.campaign import load_campaign, plan_campaign
    from qdsim.campaign.resources import on_its_computer
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.profile import open_profile

    console = Terminal()
    campaign = load_campaign(file)
    if campaign.needs_profile:
        open_profile(session.profile)
    plan = plan_campaign(on_its_computer(campaign))
    if dry_run:
        _dry_run(console, plan, output or Path(f"{plan.campaign.name}-inputs"))
        return
    if output is not None:
        raise click.UsageError("--output goes with --dry-run.")

    from qdsim.campaign.launch import launch
    from qdsim.provenance import describe_campaign, name_here, state_of

    open_profile(session.profile)
    node, new = launch(plan, [file.resolve()])
    console.print(describe_campaign(node), soft_wrap=True)
    if new:
        _tell_cost(console, plan)
    if state_of(node) == "paused":
        console.print(f"It is paused; 'qdsim resume {name_here(node)}' lets it go on.")
    if detach:
        _tell_detached(console, file, node)
        return
    if not new and node.is_finished:
        console.print("It has finished already; nothing was computed again.")
    _watch(console, file, plan, node)
    _show_results(console, file, node)


def _tell_cost(console: Console, plan: Plan) -> None:
    from rich.text import Text

    console.print(
        f"{plan.single_points} single points, about {plan.core_hours:.2g} core-hours (within a factor of three).",
    )
    for sentence in plan.advice:
        console.print(Text.assemble(("advice ", "yellow"), sentence), soft_wrap=True)


def _watch(console: Console, file: Path, plan: Plan, node: WorkChainNode) -> None:
    from qdsim.campaign.follow import follow
    from qdsim.cli.display import watch

    try:
        watch(console, plan.campaign.name, follow(node))
    except KeyboardInterrupt:
        _tell_detached(console, file, node)
        raise


def _tell_detached(console: Console, file: Path, node: WorkChainNode) -> None:
    from qdsim.provenance import name_here

    console.print(
        f"Detached: the work goes on. {_again(file)} attaches again, "
        f"'qdsim status {name_here(node)}' shows how far it is.",
        soft_wrap=True,
    )


def _again(file: Path) -> str:
    """Return the command as a shell takes it."""
    return f"`qdsim run {shlex.quote(str(file))}`"


def _show_results(console: Console, file: Path, node: WorkChainNode) -> None:
    from rich.text import Text

    from qdsim.cli.show import print_results
    from qdsim.provenance import consistency, failures, name_here, restarts, section

    print_results(console, node)
    check = section(node, "scattering")
    verdicts = consistency(check) if check is not None else None
    if verdicts is not None:
        from qdsim.cli.check_tables import print_consistency

        console.print()
        print_consistency(console, verdicts)
    for sentence in restarts(node):
        console.print(Text.assemble(("restarted ", "yellow"), sentence))
    if node.is_killed:
        console.print(f"'{node.label}' was cancelled; {_again(file)} takes it up again.", soft_wrap=True)
        raise SystemExit(1)
    if not node.is_finished_ok:
        for sentence in failures(node):
            console.print(Text.assemble(("failed ", "red"), sentence))
        console.print(f"{_again(file)} again repeats what failed, and nothing else.", soft_wrap=True)
        raise SystemExit(1)
    name = name_here(node)
    console.print(f"'qdsim report {name}' draws it.")
    if verdicts is not None:
        console.print(f"'qdsim trace {name}' leads from the verdicts to CP2K's outputs.")


def _dry_run(console: Console, plan: Plan, folder: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from qdsim.campaign.plan import write_inputs
    from qdsim.campaign.resources import allotment_of

    written = write_inputs(plan, folder)
    title = f"{plan.campaign.name}: {plan.compound.name}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("calculation", overflow="fold")
    for heading in ("single\npoints", "atoms", "k-\npoints", "core-\nhours", "GB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("gets")
    for task in plan.tasks:
        mesh = task.settings.k_points
        points = "×".join(map(str, mesh)) if mesh else "Γ"
        label = f"{task.part}/{task.label}"
        memory = "" if task.memory is None else f"{task.memory:.1f}"
        gets = allotment_of(task, plan.campaign.resources).describe()
        table.add_row(
            label, str(task.single_points), str(len(task.atoms)), points, f"{task.core_hours:.3f}", memory, gets
        )
    console.print(table)
    if plan.dipole is not None:
        from qdsim.cli.dipole_tables import particle_rows

        console.print()
        console.print(particle_rows(plan.dipole))
        console.print()
    _tell_cost(console, plan)
    console.print(f"{len(written)} inputs are in {folder}.")
