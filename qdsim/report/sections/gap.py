"""The gap along the strain series."""

from qdsim.report.content import FigureBlock
from qdsim.report.data import ReportData
from qdsim.report.figures import gap as gap_figure
from qdsim.report.sections import Context, section


@section("Electronic gap", order=40)
def gap(data: ReportData) -> Context | None:
    """Return the figure of the gap, if any phase has one."""
    results = data.strain
    if results is None or not any(
        phase is not None and phase.gap is not None
        for point in results.points
        for phase in (point.centred, point.relaxed)
    ):
        return None
    caption = "Smallest gap between occupied and empty states on the k-points of the calculation."
    return {"figures": [FigureBlock("gap", gap_figure(results, data.nodes), caption)]}
