"""Relaxed cells, offset, angle, bonds and double wells along the strain series."""

from qdsim.report.content import FigureBlock
from qdsim.report.data import ReportData
from qdsim.report.figures import alpha_rh, bond_lengths, cells, double_wells, offset
from qdsim.report.sections import Context, section


@section("Ferroelectric distortion", order=10)
def distortion(data: ReportData) -> Context | None:
    """Return the figures of the distortion, as far as points were reached."""
    figures = [*_cells(data), *_relaxed(data), *_double_wells(data)]
    return {"figures": figures} if figures else None


def _cells(data: ReportData) -> list[FigureBlock]:
    if data.strain is None or not any(found.relaxed is not None for found in data.structures.values()):
        return []
    caption = (
        "Relaxed cells, four formula units. Drag to turn, scroll to zoom, slide through the strains. Atoms stand where "
        "they were computed; only the arrow of the offset is magnified."
    )
    return [FigureBlock("cells", cells(data.strain, data.structures, data.nodes), caption, shape="tall")]


def _relaxed(data: ReportData) -> list[FigureBlock]:
    results = data.strain
    if results is None or not any(point.relaxed is not None for point in results.points):
        return []
    notes = [
        f"Onset from the {onset.method}: {onset.note.rstrip('.')}."
        for onset in (results.onset_curvature, results.onset_order_parameter)
        if onset is not None and onset.note
    ]
    return [
        FigureBlock(
            "offset",
            offset(results, data.nodes, data.references),
            " ".join(
                ["Distance of the cation from the centre of its six neighbours; the line guides the eye.", *notes]
            ),
        ),
        FigureBlock(
            "alpha_rh",
            alpha_rh(results, data.nodes, data.references),
            "Angle of the primitive rhombohedral cell; below 60° the crystal is stretched along [111].",
        ),
        FigureBlock(
            "bond_lengths",
            bond_lengths(results, data.nodes),
            "The offset splits the six equal bonds of a cation into three short and three long ones.",
        ),
    ]


def _double_wells(data: ReportData) -> list[FigureBlock]:
    results = data.strain
    if results is None or not any(point.double_well is not None for point in results.points):
        return []
    caption = (
        "Energy along the offset at α = 60°: computed points and the even polynomial fitted to them. The other half "
        "follows by inversion. Blue: one minimum; orange to purple: two."
    )
    return [FigureBlock("double_wells", double_wells(results, data.nodes), caption)]
