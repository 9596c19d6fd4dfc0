"""`qdsim scan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli.fit_options import fit_options, read_input
from qdsim.cli.options import Axis, AxisType

if TYPE_CHECKING:
    from rich.console import Console

    from qdsim.debye.scans import Chi2Map, Chi2Profile

EXAMPLES = """
\b
Examples:
  qdsim scan fit.yaml --x alpha_rh=58.6:60:15                    one parameter, the others fitted anew
  qdsim scan fit.yaml --x alpha_rh=58.6:60:15 --y pb_offset=0:0.15:16 -o map.html
  qdsim scan fit.yaml --x alpha_rh=58.6:60:15 --hold --csv       the others held
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--x", type=AxisType(), required=True, help="Parameter and its values.")
@click.option("--y", type=AxisType(), help="Second parameter, for a map.")
@click.option(
    "--refit/--hold",
    default=None,
    help="Fit the other parameters at each point, or hold them at values fitted once. [default: hold in maps]",
)
@fit_options
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--csv", "form", flag_value="csv", help="Print one row a point.")
def command(
    file: Path,
    x: Axis,
    y: Axis | None,
    refit: bool | None,
    output: Path | None,
    force: bool,
    form: str | None,
    **options: Any,
) -> None:
    """Tell how chi^2 of the model in FILE changes along one or two parameters.

    Scale and background are fitted at every point.
    """
    from qdsim.cli.progress import progress_bar
    from qdsim.cli.terminal import Terminal
    from qdsim.debye.fit_file import load_fit_file
    from qdsim.debye.fitting import Fit
    from qdsim.debye.scans import ScanAxis, chi2_map, chi2_profile
    from qdsim.report.document import check_place, write_file

    if output is not None:
        check_place(output, force)
    console = Terminal(stderr=True)
    given = read_input(console, load_fit_file(file), options)
    fit = Fit(*given)
    hold = not refit and (y is not None or refit is False)
    if hold and fit.names:
        with progress_bar(console, "fitting") as progress:
            fit = Fit(fit.run(progress).model, *given[1:])
    first, *others = (ScanAxis(axis.name, tuple(axis.grid.values())) for axis in (x, y) if axis is not None)
    scan: Chi2Map | Chi2Profile
    with progress_bar(console, "scanning") as progress:
        if others:
            scan = chi2_map(fit, first, others[0], refit=not hold, progress=progress)
        else:
            scan = chi2_profile(fit, first, refit=not hold, progress=progress)
    for message in scan.messages:
        console.print(message, style="yellow")
    if form == "json":
        click.echo(scan.model_dump_json(indent=2))
    elif form == "csv":
        click.echo(_table(scan), nl=False)
    else:
        _print(Terminal(), scan)
    if output is not None:
        from qdsim.report.scattering_page import render_scan

        source = given.data.source
        click.echo(
            write_file(output, lambda: render_scan(file.stem, source, fit.model, _by_sample(source, scan)), force),
            err=form is not None,
        )


def _by_sample(source: str, scan: Chi2Map | Chi2Profile) -> Any:
    """Return a map as it is, a profile by the name of its data."""
    from qdsim.debye.scans import Chi2Profile

    return {source: scan} if isinstance(scan, Chi2Profile) else scan


def _table(scan: Chi2Map | Chi2Profile) -> str:
    """Return one row a point, with a head."""
    from qdsim.debye.scans import Chi2Profile

    if isinstance(scan, Chi2Profile):
        points = zip(scan.values, scan.chi2_reduced, strict=True)
        return f"{scan.name},chi2_reduced\n" + "".join(f"{value!r},{chi2!r}\n" for value, chi2 in points)
    rows = [
        f"{x!r},{y!r},{chi2!r}\n"
        for y, line in zip(scan.y, scan.chi2_reduced, strict=True)
        for x, chi2 in zip(scan.x, line, strict=True)
    ]
    return f"{scan.x_name},{scan.y_name},chi2_reduced\n" + "".join(rows)


def _print(console: Console, scan: Chi2Map | Chi2Profile) -> None:
    """Print the lowest point, and the points of a profile."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from qdsim.debye.scans import Chi2Profile
    from qdsim.report.formatting import MISSING, fixed

    if not isinstance(scan, Chi2Profile):
        x, y = fixed(scan.best[0], 4, scan.x_unit), fixed(scan.best[1], 4, scan.y_unit)
        lowest = min(map(min, scan.chi2_reduced))
        console.print(
            f"lowest reduced chi2 = {lowest:.6g} of {len(scan.x)} × {len(scan.y)} points, "
            f"at {scan.x_name} = {x}, {scan.y_name} = {y}",
        )
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(f"{scan.name} ({scan.unit})" if scan.unit else scan.name, justify="right")
    table.add_column("reduced chi2", justify="right")
    for value, chi2 in zip(scan.values, scan.chi2_reduced, strict=True):
        table.add_row(fixed(value, 4), f"{chi2:.6g}")
    console.print(table)
    low, high = (MISSING if end is None else fixed(end, 4, scan.unit) for end in (scan.low, scan.high))
    console.print(f"{scan.name} = {fixed(scan.best, 4, scan.unit)}, 68 % interval {low} to {high}")
