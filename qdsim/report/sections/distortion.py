"""Offset, angle, bonds and double wells along the strain series."""

from qdsim.report.content import FigureBlock
from qdsim.report.data import ReportData
from qdsim.report.figures import alpha_rh, bond_lengths, double_wells, offset
from qdsim.report.sections import Context, section


@section("Ferroelectric distortion", order=10)
def distortion(data: ReportData) -> Context | None:
    """Return the figures of the distortion, as far as points were reached."""
    results = data.strain
    if results is None:
        return None
    figures: list[FigureBlock] = []
    if any(point.relaxed is not None for point in results.points):
        notes = [
            f"{onset.method}: {onset.note.rstrip('.')}."
            for onset in (results.onset_curvature, results.onset_order_parameter)
            if onset is not None and onset.note
        ]
        figures.append(
            FigureBlock(
                "offset",
                offset(results, data.nodes, data.references),
                " ".join(["Offset of the cation from the centre of its six neighbours. Dashed: the onset.", *notes]),
            )
        )
    if any(point.double_well is not None for point in results.points):
        figures.append(
            FigureBlock(
                "double_wells",
                double_wells(results, data.nodes),
                "Energy along the offset at α = 60°: computed points and the even polynomial fitted to them. "
                "The other half follows by inversion. Blue: one minimum; orange to purple: two.",
            )
        )
    if any(point.relaxed is not None for point in results.points):
        figures += [
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
    return {"figures": figures} if figures else None
