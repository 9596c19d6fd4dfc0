"""Density functional theory against scattering: a verdict for every quantity, and where each comes from."""

from collections.abc import Iterator

from qdsim.analysis.consistency_results import Row, SampleCheck
from qdsim.report.content import Cell, FigureBlock, Table
from qdsim.report.data import ReportData, node_behind
from qdsim.report.figures import samples_and_strain
from qdsim.report.sections import Context, section
from qdsim.report.verdicts import MARKS, remarks, row_text, says_more

_HEADS = (
    ("quantity", ""),
    ("at", ""),
    ("DFT", ""),
    ("scattering", ""),
    ("difference", ""),
    ("σ", ""),
    ("verdict", ""),
    ("why", ""),
)


@section("DFT against scattering", order=5)
def consistency(data: ReportData) -> Context | None:
    """Return a table for each sample, and figures of the samples beside the computed lattices."""
    found = data.consistency
    if found is None:
        return None
    figures = []
    if data.strain is not None:
        figures = [
            FigureBlock(
                f"samples_{quantity}",
                samples_and_strain(data.strain, found, quantity),
                f"{what} of the relaxed crystal, computed (line), and of the samples by their fits: filled at the "
                "strain of the measured volume, open at that of the Laplace tension. The dotted line is the onset.",
            )
            for quantity, what in (("alpha_rh", "Angle"), ("pb_offset", "Cation offset"))
            if any(row.quantity == quantity for sample in found.samples for row in sample.rows)
        ]
    samples = [
        {
            "name": sample.name,
            "verdict": sample.verdict,
            "mark": MARKS[sample.verdict],
            "table": _table(data, sample),
            "sentences": [*sample.sentences, *(f"{remark[0].upper()}{remark[1:]}." for remark in remarks(sample))],
        }
        for sample in found.samples
    ]
    return {"figures": figures, "samples": samples, "notes": found.notes, "source": found.source}


def _table(data: ReportData, sample: SampleCheck) -> Table:
    rows = [list(_cells(data, sample, row)) for row in sample.rows]
    return Table(
        "Measured minus computed; σ counts combined standard errors, or tolerances where these were chosen.",
        _HEADS,
        rows,
    )


def _cells(data: ReportData, sample: SampleCheck, row: Row) -> Iterator[Cell]:
    text = row_text(row)
    verdicts = node_behind(data.nodes, "consistency")
    points = [node_behind(data.nodes, f"points.{label}.relaxed") for label in row.points]
    yield Cell(text.quantity, row.quantity, verdicts)
    yield Cell(row.condition)
    yield Cell(text.computed, _exact(row.computed, row.computed_error), points[0] if points else verdicts)
    yield Cell(text.measured, "\n".join(filter(None, [_exact(row.measured, row.measured_error), row.source])))
    yield Cell(text.difference, _exact(row.difference, row.error), verdicts)
    yield Cell(text.standard_errors, "" if row.standard_errors is None else repr(row.standard_errors))
    yield Cell(f"{MARKS[row.verdict]} {row.verdict}", f"{sample.name}: {row.reason}", verdicts)
    yield Cell(row.reason if says_more(row) else "")


def _exact(value: float | None, error: float | None) -> str:
    if value is None:
        return ""
    return repr(value) if error is None else f"{value!r} ± {error!r}"
