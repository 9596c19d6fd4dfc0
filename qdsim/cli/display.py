"""What the terminal shows of campaigns: live progress and tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from qdsim.analysis.ferroelectric import StrainResults
    from qdsim.campaign.progress import Line
    from qdsim.campaign.progress import Progress as CampaignProgress
    from qdsim.provenance import Jobs

MARKS = {
    "waiting": "[dim]·[/]",
    "running": "[yellow]▶[/]",
    "paused": "[yellow]‖[/]",
    "done": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "cancelled": "[dim]✗[/]",
}


def progress_table(progress: CampaignProgress) -> Table:
    """Show one row for the equation of state and one for every strain."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2))
    for heading in ("", "state", "single points", "CP2K time"):
        table.add_column(heading, justify="left" if heading in {"", "state"} else "right", no_wrap=True)
    groups: dict[str, list[Line]] = {}
    for line in progress.lines:
        groups.setdefault(line.title, []).append(line)
    for title, lines in groups.items():
        done = sum(line.single_points for line in lines)
        expected = sum(max(line.expected, line.single_points) for line in lines)
        seconds = sum(line.seconds for line in lines)
        counted = f"{done}/{expected}" if expected else ""
        table.add_row(title, _marks(lines), counted, f"{seconds:.0f} s" if seconds else "")
    return table


def _marks(lines: list[Line]) -> Text:
    """Show the state of each task, those of a strain by their role."""
    roles: dict[str, str] = {}
    for line in lines:
        role = line.label.partition("__")[2].partition("_")[0]
        roles[role] = roles.get(role, "") + MARKS[line.state]
    return Text.from_markup("  ".join(f"{escape(role)} {marks}".strip() for role, marks in roles.items()))


def held_back(jobs: Jobs) -> list[Text]:
    """Tell, in the words of the scheduler, why it has not begun what is in its queue."""
    return [
        Text.assemble(f"{number} calculation(s) not begun by the scheduler, which says ", (reason, "yellow"))
        for reason, number in jobs.reasons.items()
    ]


def watch(console: Console, name: str, steps: Iterable[CampaignProgress]) -> CampaignProgress:
    """Show a campaign until it has finished; without a terminal, print a line whenever something is done."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task(f"[bold]{name}[/]", total=None)
    last = None
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        for step in steps:
            bar.update(task, completed=step.single_points, total=step.expected)
            if console.is_terminal:
                live.update(Group(progress_table(step), Text(""), *held_back(step.jobs), bar))
            else:
                _print_news(console, name, step, last)
            last = step
    if last is None:
        raise ValueError("a campaign has at least one state to show")
    return last


def _print_news(console: Console, name: str, step: CampaignProgress, last: CampaignProgress | None) -> None:
    if last is None or step.single_points != last.single_points:
        console.print(f"{name}: {step.single_points} of {step.expected} single points done")
    if step.jobs.reasons.keys() - (last.jobs.reasons.keys() if last is not None else ()):
        for line in held_back(step.jobs):
            console.print(line, soft_wrap=True)


def strain_results_table(results: StrainResults) -> Table:
    """Show one row a strain, narrow enough for a terminal of 80 columns."""
    title = f"{results.compound}, protocol {results.protocol}"
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1, 0, 0)
    )
    headings = (
        *("strain\n%", "a\nÅ", "cubic\nP\nGPa", "own\nP\nGPa", "α_rh\n°", "offset\nÅ"),
        *("bonds 3+3\nÅ", "gain\nmeV", "gap\neV"),
    )
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("space\ngroup", no_wrap=True)
    for point in results.points:
        row = [f"{100 * point.linear_strain:+.2f}", f"{point.lattice_constant:.4f}", f"{point.eos_pressure:+.2f}"]
        relaxed = point.relaxed
        if relaxed is None:
            table.add_row(*row, *[""] * 6, Text("failed", style="red"))
            continue
        row += [f"{relaxed.pressure:+.2f}", f"{relaxed.alpha_rh:.3f}", f"{relaxed.pb_offset:.4f}"]
        row.append(f"{relaxed.bond_short:.3f} {relaxed.bond_long:.3f}")
        row.append("" if point.energy_gain is None else f"{1000 * point.energy_gain:.2f}")
        row.append("" if relaxed.gap is None else f"{relaxed.gap:.3f}")
        table.add_row(*row, relaxed.space_group.split()[0])
    table.caption = (
        "Cubic P: of the undistorted crystal at that volume, by the equation of state; own P: of the relaxed one, by "
        "its stress. All that follows is of the relaxed one."
    )
    table.caption_justify = "left"
    return table


def summary(results: StrainResults) -> str:
    """Tell equation of state and onset in a few lines."""
    from qdsim.report.formatting import with_error

    eos = results.equation_of_state
    lines = [
        f"a0 = {with_error(eos.lattice_constant, eos.lattice_constant_error, 'Å', 3)}, "
        f"B = {with_error(eos.bulk_modulus, eos.bulk_modulus_error, 'GPa', 1)}, "
        f"B' = {with_error(eos.bulk_modulus_derivative, eos.bulk_modulus_derivative_error, '', 1)}"
    ]
    for onset in (results.onset_curvature, results.onset_order_parameter):
        if onset is not None:
            error = None if onset.linear_strain_error is None else 100 * onset.linear_strain_error
            strain = with_error(100 * onset.linear_strain, error, "%", 2, signed=True)
            lines.append(
                f"onset by {onset.method}: {strain} (a = {onset.lattice_constant:.4f} Å, P = {onset.pressure:+.2f} GPa)"
            )
    return "\n".join([*lines, *results.onset_messages])


def print_strain_results(console: Console, results: StrainResults) -> None:
    """Print table, summary and failures."""
    console.print(strain_results_table(results))
    console.print(summary(results))
    for point in results.points:
        for sentence in point.failures:
            console.print(Text.assemble(("failed ", "red"), f"{point.label}: {sentence}"))
