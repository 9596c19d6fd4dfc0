"""The relaxed cells in three dimensions."""

from qdsim.report.content import FigureBlock
from qdsim.report.data import ReportData
from qdsim.report.figures import cells
from qdsim.report.sections import Context, section


@section("Relaxed cells", order=20)
def relaxed_cells(data: ReportData) -> Context | None:
    """Return the view of the cells, if any point was relaxed."""
    if data.strain is None or not any(found.relaxed is not None for found in data.structures.values()):
        return None
    caption = (
        "Drag to turn, scroll to zoom, move the slider through the strains. Atoms stand where they were computed; "
        "only the arrow is magnified."
    )
    figure = cells(data.strain, data.structures, data.nodes)
    return {"figures": [FigureBlock("cells", figure, caption, wide=True)]}
