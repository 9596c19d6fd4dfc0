"""What the terminal shows of fits and comparisons."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from qdsim.cli.progress import notice
from qdsim.report.formatting import fixed, with_error

if TYPE_CHECKING:
    from rich.console import Console

    from qdsim.debye.comparison import Comparison
    from qdsim.debye.fit_result import FitResult

SHOWN_CORRELATION = 0.9
DECIMALS = 4


def print_fit(console: Console, title: str, result: FitResult) -> None:
    """Print a misfit, parameters, goodness of fit, what follows from the model, and every other reservation."""
    misfit = None if result.misfit is None else result.misfit.message
    if misfit is not None:
        notice(console, misfit)
    table = _table(title)
    table.add_column("parameter")
    for heading in ("value", "start", "bounds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for name, parameter in result.parameters.items():
        table.add_row(
            name,
            with_error(parameter.value, parameter.error, parameter.unit, DECIMALS),
            f"{parameter.start:g}",
            f"{parameter.low:g} … {parameter.high:g}",
            Text("at bound" if parameter.at_bound else "", "yellow"),
        )
    if result.parameters:
        console.print(table)
    from qdsim.debye.amplitude_sources import say_sources

    cations, anions = result.composition
    model = result.model
    lines = [
        f"{_goodness(result)}R_wp = {fixed(100 * result.r_wp, 3, '%')}; {result.n_points} points, "
        f"{result.n_parameters} numbers fitted",
        f"scale = {_with_error(result.scale, result.scale_error)}"
        + ("" if result.blank_factor is None else f", blank = {result.blank_factor:.6g}"),
        f"composition = {cations:.1f} {model.cation}, {anions:.1f} {model.anion} in a particle on average; "
        f"{fixed(result.coverage, 2, 'ligands/nm²')} balance its charge",
    ]
    names = list(result.parameters)
    for i, j in combinations(range(len(names)), 2):
        if abs(result.correlation[i][j]) > SHOWN_CORRELATION:
            lines.append(
                f"correlation of {names[i]} and {names[j]} = {fixed(result.correlation[i][j], 3, signed=True)}"
            )
    if result.amplitudes:
        lines.append(f"scattering: {say_sources(result.amplitudes)}")
    console.print("\n".join(lines), soft_wrap=True)
    for message in result.messages:
        if message != misfit:
            notice(console, message)


def print_comparison(console: Console, title: str, comparison: Comparison) -> None:
    """Print one row a model, the preferred one first, and the reservations of the comparison before all."""
    for message in comparison.messages:
        notice(console, message)
    table = _table(title)
    table.add_column("model")
    for heading in ("reduced\nchi2", "numbers\nfitted", "R_wp\n%", "ΔAIC", "ΔBIC", "weight"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in comparison.models:
        result = one.result
        table.add_row(
            one.name,
            f"{result.chi2_reduced:.6g}",
            str(result.n_parameters),
            fixed(100 * result.r_wp, 3),
            fixed(one.delta_aic, 1),
            fixed(one.delta_bic, 1),
            fixed(one.weight, 3),
            Text("" if result.converged else "not converged", "red"),
        )
    console.print(table)
    console.print(f"{'preferred' if comparison.described else 'least wrong'}: {comparison.preferred.name}")
    for name, mean in comparison.averaged.items():
        averaged = with_error(mean.value, mean.error, mean.unit, DECIMALS)
        console.print(f"{name} = {averaged} over all models, by weight")
    for message in comparison.preferred.result.messages:
        notice(console, f"{comparison.preferred.name}: {message}")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))


def _goodness(result: FitResult) -> str:
    """Return the reduced chi^2 in words; without uncertainties its unit is that of the data."""
    if result.sigma is None:
        return ""
    return f"reduced chi2 = {result.chi2_reduced:.6g} (goodness of fit {result.gof:.4g}), "


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.6g}" if error is None else f"{value:.6g} ± {error:.2g}"
