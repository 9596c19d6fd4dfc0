"""What the terminal shows of a consistency check."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from qdsim.cli.progress import notice
from qdsim.report.formatting import fixed, with_error
from qdsim.report.verdicts import MARKS, place, remarks, row_remarks, row_text

if TYPE_CHECKING:
    from rich.console import Console

    from qdsim.analysis.consistency_results import Consistency, PatternCheck, SampleCheck
    from qdsim.analysis.verdict import Verdict
    from qdsim.debye.cluster_fit import ClusterFit
    from qdsim.debye.fit_result import FitResult

COLOURS: dict[Verdict, str] = {"agrees": "green", "tension": "yellow", "disagrees": "red", "cannot say": "dim"}


def print_consistency(console: Console, consistency: Consistency) -> None:
    """Print a table for each sample, what the rows mean, and what the numbers rest on."""
    for sample in consistency.samples:
        console.print(_rows(sample))
        if sample.pattern is not None:
            console.print(_pattern(sample.pattern))
        for sentence in sample.sentences:
            console.print(Text(sentence), soft_wrap=True)
        for remark in (*row_remarks(sample), *remarks(sample)):
            console.print(Text.assemble(("· ", "dim"), remark), soft_wrap=True)
        console.print()
    for sentence in consistency.notes:
        notice(console, sentence)


def _rows(sample: SampleCheck) -> Table:
    title = Text.assemble((f"{sample.name}: ", "bold"), _verdict(sample.verdict))
    table = _table(title)
    table.add_column("quantity")
    for heading in ("DFT", "scattering", "σ"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for where, rows in groupby(sample.rows, place):
        table.add_row(Text(where or "elsewhere", style="italic"))
        for row in map(row_text, rows):
            values = row.computed, row.measured, row.standard_errors
            table.add_row(f"  {row.quantity}", *values, _verdict(row.verdict))
    return table


def _pattern(pattern: PatternCheck) -> Table:
    table = _table(Text.assemble(f"{pattern.source}, DFT at the {pattern.condition}: ", _verdict(pattern.verdict)))
    table.add_column("model", no_wrap=True)
    for heading in ("α_rh (°)", "offset (Å)", "reduced χ²", "Δχ²", "σ"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for fit in pattern.fits:
        table.add_row(
            fit.name,
            fixed(fit.alpha_rh, 2),
            fixed(fit.pb_offset, 3),
            f"{fit.chi2_reduced:.4g}",
            fixed(fit.chi2_difference, 1),
            fixed(fit.standard_errors, 1),
            Text("" if fit.converged else "not converged", style="red"),
        )
    return table


def print_cluster(console: Console, title: str, cluster: ClusterFit, model: FitResult | None) -> None:
    """Print how well a cluster describes a pattern, beside a model of many particles where there is one."""
    misfit = None if cluster.misfit is None else cluster.misfit.message
    if misfit is not None:
        notice(console, misfit)
    table = _table(Text(title))
    table.add_column("model", no_wrap=True)
    for heading in ("reduced χ²", "goodness of fit", "R_wp (%)", "numbers fitted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, fit in (("cluster", cluster), ("nanocrystal model", model)):
        if fit is not None:
            values = f"{fit.chi2_reduced:.5g}", f"{fit.gof:.4g}", fixed(100 * fit.r_wp, 3), str(fit.n_parameters)
            table.add_row(name, *values)
    console.print(table)
    for element, value in cluster.b_iso.items():
        error = cluster.parameters[element].error if element in cluster.parameters else None
        console.print(f"B of {element} = {with_error(value, error, 'Å²', 3)}")
    for message in cluster.messages:
        if message != misfit:
            notice(console, message)
    for message in model.messages if model is not None else ():
        notice(console, f"nanocrystal model: {message}")


def _table(title: Text) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))


def _verdict(verdict: Verdict) -> Text:
    return Text(f"{MARKS[verdict]} {verdict}", style=COLOURS[verdict])
