"""Dipole moments of nanocrystals: against offset and size, with models beside them, and the clusters themselves."""

from collections.abc import Iterator

from qdsim.analysis.dipole import SMALLEST_DIRECTION
from qdsim.analysis.dipole_analysis import CLOSED_GAP
from qdsim.analysis.dipole_results import ClusterState
from qdsim.report.captions import scattering_caption
from qdsim.report.content import Cell, FigureBlock, Table, number, words
from qdsim.report.data import ReportData
from qdsim.report.figures.computed_patterns import cluster_patterns
from qdsim.report.figures.dipoles import WHOLE, dipole_clusters, dipole_diameters, dipole_offsets, path_of
from qdsim.report.formatting import MISSING, fixed
from qdsim.report.sections import Context, section
from qdsim.structures.cluster import write_formula


@section("Dipole moments", order=65)
def dipoles(data: ReportData) -> Context | None:
    """Return figures and tables; None where there are no dipoles."""
    if data.dipoles is None or data.dipole_analysis is None:
        return None
    analysis = data.dipole_analysis
    return {
        "figures": list(_figures(data)),
        "tables": [_rows(data), _particles(data)],
        "notes": [f"{row.label}: {row.message}" for row in analysis.rows if row.message],
        "spheres": [
            f"{fixed(one.born_charge, 2, 'e')} and ε∞ = {fixed(one.eps_inf, 1)}, 3 Z*/(ε∞ + 2) = "
            f"{fixed(3 * one.born_charge / (one.eps_inf + 2), 2, 'e')} per cation: {one.source}"
            for one in analysis.models.spheres
        ],
    }


def _figures(data: ReportData) -> Iterator[FigureBlock]:
    if data.dipoles is None or data.dipole_analysis is None:
        return
    analysis = data.dipole_analysis
    yield FigureBlock(
        "dipole_offsets",
        dipole_offsets(analysis, data.nodes),
        "Dipole along [111] against the offset of the cations: points are computed, lines are fits to the distorted "
        "states, dashed are dielectric spheres, by the source with the smallest and the largest.",
    )
    yield FigureBlock(
        "dipole_diameters",
        dipole_diameters(analysis, data.nodes),
        "Dipole against the diameter at the largest offset. Lines are models of spheres: 1 e on every cation, "
        "uniformly distorted dielectric spheres by source, and formal charges.",
    )
    if data.cluster_patterns:
        yield FigureBlock(
            "cluster_patterns",
            cluster_patterns(data.dipoles, data.cluster_patterns),
            "Scattering of the same clusters at the largest offset, by the Debye equation, and below, how it differs "
            "from that of the undistorted ones."
            f"{scattering_caption(next(iter(data.cluster_patterns.values())).amplitudes)}",
            "wide",
        )
    if data.cluster_structures:
        yield FigureBlock(
            "dipole_clusters",
            dipole_clusters(data.dipoles, data.cluster_structures, data.nodes),
            "The clusters; the arrow is the dipole moment, from negative to positive charge, all on one scale.",
            "wide",
        )


def _rows(data: ReportData) -> Table:
    heads = (
        ("particle", ""),
        ("α", "°"),
        ("offset", "Å"),
        ("|μ|", "D"),
        ("on [111]", "D"),
        ("angle", "°"),
        ("1 e", "D"),
        ("2 e", "D"),
        ("sphere, from", "D"),
        ("to", "D"),
        ("surface", "D"),
        ("gap", "eV"),
        ("which is", ""),
        ("potential drop", "V"),
    )
    rows = []
    for row in data.dipole_analysis.rows if data.dipole_analysis is not None else ():
        path = path_of(row.label)
        rows.append(
            [
                words(data, path, row.particle),
                number(data, path, row.alpha_rh, 2, "°"),
                number(data, path, row.pb_offset, 3, "Å"),
                number(data, path, row.norm, 2, "D"),
                number(data, path, row.projection, 2, "D", signed=True),
                number(data, path, row.angle, 1, "°"),
                number(data, WHOLE, row.one_electron, 1, "D"),
                number(data, WHOLE, row.formal, 1, "D"),
                number(data, WHOLE, row.dielectric_sphere_lowest, 1, "D"),
                number(data, WHOLE, row.dielectric_sphere_highest, 1, "D"),
                number(data, WHOLE, row.surface, 1, "D", signed=True),
                number(data, path, row.gap, 2, "eV"),
                words(data, path, row.gap_state),
                number(data, path, row.potential_drop, 2, "V"),
            ]
        )
    caption = (
        "Computed dipoles, and those of models: 1 e and 2 e on every cation, and dielectric spheres, from the smallest "
        "to the largest by the sources above. Surface: what formal charges make without an offset, an asymmetry of the "
        f"facets. The angle is to the line of [111]; below {fixed(SMALLEST_DIRECTION, 1, 'D')} it means nothing. A gap "
        f"is closed below {fixed(CLOSED_GAP, 1, 'eV')}, and smeared where the cluster converged with the occupations "
        "of a metal only."
    )
    return Table(caption, heads, rows)


def _particles(data: ReportData) -> Table:
    """Return what each particle is, and its response to the offset."""
    heads = (
        ("particle", ""),
        ("composition", ""),
        ("diameter", "Å"),
        ("formal charge", "e"),
        ("cell", "Å"),
        ("Poisson solver", ""),
        ("slope", "D / Å"),
        ("effective charge", "e / cation"),
    )
    rows = []
    seen: dict[str, ClusterState] = {}
    for cluster in data.dipoles.clusters if data.dipoles is not None else ():
        seen.setdefault(cluster.particle, cluster)
    for particle, cluster in seen.items():
        response = data.dipole_analysis.responses.get(particle) if data.dipole_analysis is not None else None
        slope = Cell(MISSING)
        if response is not None:
            slope = number(data, "dipole_analysis", response.slope, 0, "D / Å")
            if response.slope_error is not None:
                slope = Cell(f"{slope.text} ± {fixed(response.slope_error, 0)}", slope.exact, slope.uuid)
        rows.append(
            [
                words(data, WHOLE, particle),
                words(data, WHOLE, write_formula(cluster.composition)),
                number(data, WHOLE, cluster.diameter, 1, "Å"),
                number(data, WHOLE, cluster.formal_charge, 0, "e", signed=cluster.formal_charge != 0),
                number(data, WHOLE, cluster.box, 1, "Å"),
                words(data, WHOLE, cluster.solver),
                slope,
                number(
                    data, "dipole_analysis", None if response is None else response.effective_charge, 3, "e / cation"
                ),
            ]
        )
    return Table("The particles, their cells, and how their dipoles follow the offset.", heads, rows)
