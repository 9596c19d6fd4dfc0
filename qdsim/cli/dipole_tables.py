"""Tables of dipole moments for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qdsim.cli.notes import print_notes

if TYPE_CHECKING:
    from qdsim.analysis.dipole_analysis import DipoleAnalysis, DipoleRow
    from qdsim.campaign.dipole import DipolePlan

HEADINGS = (
    "cat-\nions",
    "α\n°",
    "offset\nÅ",
    "|μ|",
    "on\n[111]",
    "angle\n°",
    "1 e",
    "2 e",
    "sphere",
    "gap\neV",
    "drop\nV",
)


def particle_rows(plan: DipolePlan) -> Table:
    """Show what each particle is before anything is computed, one row a particle."""
    from qdsim.campaign.dipole import surface_dipole
    from qdsim.structures.cluster import explain_charge, write_formula
    from qdsim.structures.isolation import extent

    table = Table(title="Particles", title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("particle", overflow="fold")
    for heading in ("composition", "formal charge, e"):
        table.add_column(heading, no_wrap=True)
    for heading in ("surface\nD", "box\nÅ", "to it\nÅ"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Poisson\nsolver")
    for particle in plan.dipole.particles:
        cluster = plan.clusters[particle.label]
        table.add_row(
            particle.label,
            write_formula(cluster.composition),
            explain_charge(cluster.composition),
            f"{surface_dipole(cluster):.1f}",
            f"{particle.box:g}",
            f"{(particle.box - extent(cluster.to_atoms())) / 2:.1f}",
            particle.solver,
        )
    table.caption = (
        "Formal charges of closed shells, which add up to zero where electrons are neither missing nor too many; "
        "surface: their dipole without an offset."
    )
    return table


def print_dipoles(console: Console, analysis: DipoleAnalysis) -> None:
    """Print dipoles, effective charges, what they would be on a larger particle, and what makes them doubtful."""
    console.print(dipole_rows(analysis))
    console.print()
    for particle, response in analysis.responses.items():
        error = "" if response.slope_error is None else f" ± {response.slope_error:.1f}"
        console.print(
            f"{particle}: {response.slope:.1f}{error} D per Å of offset, {response.effective_charge:.2f} e per cation",
        )
    for sphere in analysis.models.spheres:
        per_cation = 3 * sphere.born_charge / (sphere.eps_inf + 2)
        console.print(
            f"Dielectric sphere of Z* = {sphere.born_charge:.2f} e and eps_inf = {sphere.eps_inf:.1f}: "
            f"{per_cation:.2f} e per cation ({sphere.source})",
        )
    extrapolated = analysis.extrapolation
    if extrapolated is not None:
        target = extrapolated.target
        reported = "" if target.reported_dipole is None else f" (reported: {target.reported_dipole:g} D)"
        others = ""
        if extrapolated.lowest < extrapolated.highest:
            others = f", {extrapolated.lowest:.0f} to {extrapolated.highest:.0f} D with those of all"
        console.print(
            f"A particle of {target.diameter:g} Å with an offset of {target.pb_offset:g} Å would have "
            f"{extrapolated.dipole:.0f} D with the effective charge of {extrapolated.particle}{others}{reported}",
        )
    print_notes(console, analysis)


def _gap(row: DipoleRow) -> Text:
    """Say how large the gap is, and whether it stayed open."""
    number = "" if row.gap is None else f"{row.gap:.2f} "
    return Text(f"{number}{row.gap_state or ''}", style="" if row.gap_state in {"open", None} else "red")


def _sphere(row: DipoleRow) -> str:
    """Write how far the sources of a dielectric sphere are apart."""
    low, high = row.dielectric_sphere_lowest, row.dielectric_sphere_highest
    if low is None or high is None:
        return ""
    return f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f}\nto {high:.1f}"


def dipole_rows(analysis: DipoleAnalysis) -> Table:
    """Show one row a cluster."""
    table = Table(title="Dipole moments, D", title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in analysis.rows:
        computed: list[str | Text] = (
            [Text("failed", style="red"), "", ""]
            if row.norm is None or row.projection is None
            else [
                f"{row.norm:.2f}",
                f"{round(row.projection, 2) + 0.0:+.2f}",
                "" if row.angle is None else f"{row.angle:.1f}",
            ]
        )
        table.add_row(
            row.particle,
            str(row.n_cations),
            f"{row.alpha_rh:.1f}",
            f"{row.pb_offset:.3f}",
            *computed,
            *(f"{model:.1f}" for model in (row.one_electron, row.formal)),
            _sphere(row),
            _gap(row),
            "" if row.potential_drop is None else f"{row.potential_drop:.2f}",
        )
    return table
