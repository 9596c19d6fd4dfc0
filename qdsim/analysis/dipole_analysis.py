"""From computed dipoles to what they say: responses to the offset, models beside them, fields that cannot last."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, model_validator

from qdsim.analysis.dipole import (
    SAME_OFFSET,
    SMALLEST_DIRECTION,
    OffsetResponse,
    SphereInputs,
    dielectric_sphere_dipole,
    offset_response,
    point_charge_dipole,
    potential_drop,
    project,
)
from qdsim.analysis.dipole_results import ClusterState, DipoleResults
from qdsim.analysis.model import ResultModel
from qdsim.errors import QdsimError
from qdsim.structures import CUBIC_ANGLE

FORMAL_CHARGE = 2.0
CLOSED_GAP = 0.1
"""eV; below it electrons move from one side of the cluster to the other at no cost."""
SAME_ANGLE = 1e-6


class DipoleModels(ResultModel):
    """What the models that dipoles are compared with reckon with."""

    spheres: tuple[SphereInputs, ...] = Field(
        (), description="Born charges and screening by source: how far they are apart is the error of the sphere."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, document: Any) -> Any:
        """Read documents with one sphere, whose inputs had no source."""
        if isinstance(document, Mapping) and "born_charge" in document:
            return {"spheres": [{**document, "source": "not stated"}]}
        return document


class Target(ResultModel):
    """A particle that is too large to compute, and what is known of it."""

    diameter: PositiveFloat = Field(description="Å.")
    pb_offset: float = Field(description="Å.")
    formula_units: PositiveFloat
    reported_dipole: float | None = Field(None, description="D.")
    source: str | None = None


class DipoleRow(ResultModel):
    """One cluster: its dipole, and the models of it, D."""

    label: str
    particle: str
    diameter: float
    n_cations: int
    pb_offset: float
    alpha_rh: float
    formal_charge: int = Field(0, description="e.")
    norm: float | None = Field(None, description="|mu|.")
    projection: float | None = Field(None, description="On [111].")
    angle: float | None = Field(
        None, description="To the line of [111], degrees; none where the dipole is too small for a direction."
    )
    one_electron: float = Field(description="Every cation carries 1 e.")
    formal: float = Field(description="Every cation carries 2 e.")
    dielectric_sphere_lowest: float | None = Field(
        None, description="Born charges, screened as in a uniformly distorted sphere: the smallest by any source."
    )
    dielectric_sphere_highest: float | None = Field(None, description="The largest by any source.")
    surface: float = Field(description="Projection of the formal charges' dipole without an offset.")
    gap: float | None = Field(None, description="eV.")
    smeared: bool = Field(False, description="Whether it converged with smeared occupations only, as metals do.")
    potential_drop: float | None = Field(None, description="Between the poles of a sphere of that dipole, V.")
    message: str | None = Field(None, description="What makes the number doubtful.")

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, document: Any) -> Any:
        """Read documents with one sphere."""
        if isinstance(document, Mapping) and "dielectric_sphere" in document:
            rest = {name: value for name, value in document.items() if name not in {"born", "dielectric_sphere"}}
            sphere = document["dielectric_sphere"]
            return {**rest, "dielectric_sphere_lowest": sphere, "dielectric_sphere_highest": sphere}
        return document

    @property
    def gap_state(self) -> Literal["open", "closed", "smeared"] | None:
        """What has become of the gap; None where nothing was computed."""
        if self.smeared:
            return "smeared"
        if self.gap is None:
            return None
        return "closed" if self.gap < CLOSED_GAP else "open"


class Extrapolation(ResultModel):
    """The response of the largest computed particle, on a particle too large to compute."""

    particle: str
    target: Target
    dipole: float = Field(description="With the effective charge of that particle, D.")
    lowest: float = Field(description="With the smallest effective charge of any particle, D.")
    highest: float = Field(description="With the largest one, D.")


class DipoleAnalysis(ResultModel):
    """Everything that follows from a series of dipoles."""

    models: DipoleModels
    rows: tuple[DipoleRow, ...]
    responses: dict[str, OffsetResponse] = Field(description="By particle.")
    extrapolation: Extrapolation | None = None
    messages: tuple[str, ...] = ()

    @property
    def neutral_responses(self) -> dict[str, OffsetResponse]:
        """Those that tell of other particles: a charged cluster's own charge moves with its cations."""
        charged = {row.particle for row in self.rows if row.formal_charge}
        return {particle: response for particle, response in self.responses.items() if particle not in charged}


def analyse_dipoles(results: DipoleResults, models: DipoleModels, target: Target | None = None) -> DipoleAnalysis:
    """Draw conclusions from computed dipoles.

    Parameters
    ----------
    results
        What was computed.
    models
        Charges and screening to compare with.
    target
        A larger particle to extrapolate to.
    """
    rows = tuple(_row(cluster, models) for cluster in results.clusters)
    gaps = {row.label: row.gap_state for row in rows}
    responses: dict[str, OffsetResponse] = {}
    messages: list[str] = []
    for particle in dict.fromkeys(cluster.particle for cluster in results.clusters):
        messages += _signs([one for one in results.clusters if one.particle == particle])
        series = [one for one in results.clusters if one.particle == particle and one.dipole is not None]
        metallic = [one for one in series if gaps[one.label] in {"closed", "smeared"}]
        insulating = [one for one in series if one not in metallic]
        if metallic and np.ptp([one.pb_offset for one in insulating] or [0.0]) > SAME_OFFSET:
            series = insulating
            left_out = ", ".join(f"{one.pb_offset:g} Å" for one in metallic)
            messages.append(f"{particle}: its slope leaves out {left_out}, where it did not stay an insulator.")
        distorted = [one for one in series if abs(one.pb_offset) > SAME_OFFSET] or series
        alpha = distorted[-1].alpha_rh if distorted else CUBIC_ANGLE
        chosen = [one for one in series if abs(one.alpha_rh - alpha) < SAME_ANGLE]
        if len(chosen) == 1 < len(series):
            chosen = series
            messages.append(
                f"{particle}: one distorted state alone; its slope is against the undistorted state, so that it holds "
                "what the angle does as well."
            )
        try:
            responses[particle] = offset_response(
                [one.pb_offset for one in chosen],
                np.array([one.dipole for one in chosen]),
                chosen[0].n_cations if chosen else 0,
            )
        except QdsimError as error:
            messages.append(f"{particle}: {error}")
    analysis = DipoleAnalysis(models=models, rows=rows, responses=responses, messages=tuple(messages))
    if target is None or not analysis.neutral_responses:
        return analysis
    return analysis.model_copy(update={"extrapolation": _extrapolate(analysis.neutral_responses, target)})


def _signs(clusters: Sequence[ClusterState]) -> Iterator[str]:
    """Say of a particle without inversion what the sign of its offset changes, or that this was not computed."""
    shifted = [one for one in clusters if one.sign_matters and abs(one.pb_offset) > SAME_OFFSET]
    pairs = [
        (one, other)
        for one in shifted
        for other in shifted
        if one.pb_offset > 0 and abs(one.pb_offset + other.pb_offset) < SAME_OFFSET
    ]
    for one, other in pairs:
        if one.dipole is not None and other.dipole is not None:
            apart = "" if one.energy is None or other.energy is None else _apart(one.energy, other.energy)
            yield (
                f"{one.particle}: offsets of +{one.pb_offset:g} and -{one.pb_offset:g} Å make two clusters, of "
                f"{np.linalg.norm(one.dipole):.3f} and {np.linalg.norm(other.dipole):.3f} D{apart}."
            )
    alone = sorted({one.pb_offset for one in shifted} - {one.pb_offset for pair in pairs for one in pair})
    if alone:
        opposites = ", ".join(f"{-offset:g}" for offset in alone)
        yield (
            f"{shifted[0].particle} has no centre of inversion: {opposites} Å make other clusters, with other dipoles, "
            "which were not computed. The effective charge is that of one sign alone."
        )


def _apart(energy: float, other: float) -> str:
    return f", {1000 * abs(energy - other):.1f} meV apart"


def _row(cluster: ClusterState, models: DipoleModels) -> DipoleRow:
    offset, n_cations = cluster.pb_offset, cluster.n_cations
    norm = projection = angle = drop = None
    if cluster.dipole is not None:
        norm = float(np.linalg.norm(cluster.dipole))
        projection, direction = project(cluster.dipole)
        angle = direction if norm >= SMALLEST_DIRECTION else None
        drop = potential_drop(norm, cluster.extent)
    return DipoleRow(
        label=cluster.label,
        particle=cluster.particle,
        diameter=cluster.diameter,
        n_cations=n_cations,
        pb_offset=offset,
        alpha_rh=cluster.alpha_rh,
        formal_charge=cluster.formal_charge,
        norm=norm,
        projection=projection,
        angle=angle,
        one_electron=point_charge_dipole(n_cations, offset),
        formal=point_charge_dipole(n_cations, offset, FORMAL_CHARGE),
        **_spheres(n_cations, offset, models),
        surface=project(cluster.formal_dipole)[0] - point_charge_dipole(n_cations, offset, FORMAL_CHARGE),
        gap=cluster.gap,
        smeared=cluster.smeared,
        potential_drop=drop,
        message=" ".join(_doubts(cluster, norm, drop)) or None,
    )


def _spheres(n_cations: int, offset: float, models: DipoleModels) -> dict[str, float | None]:
    """Return the smallest and the largest dipole of a dielectric sphere, D, by name of the field."""
    found = sorted(
        (dielectric_sphere_dipole(n_cations, offset, one.born_charge, one.eps_inf) for one in models.spheres), key=abs
    )
    return {
        "dielectric_sphere_lowest": found[0] if found else None,
        "dielectric_sphere_highest": found[-1] if found else None,
    }


def with_spheres(analysis: DipoleAnalysis, more: Sequence[SphereInputs]) -> DipoleAnalysis:
    """Return an analysis whose dielectric spheres have more sources, such as fields computed in the same campaign."""
    models = DipoleModels(spheres=(*analysis.models.spheres, *more))
    rows = [row.model_copy(update=_spheres(row.n_cations, row.pb_offset, models)) for row in analysis.rows]
    return analysis.model_copy(update={"models": models, "rows": tuple(rows)})


def _doubts(cluster: ClusterState, norm: float | None, drop: float | None) -> Iterator[str]:
    if cluster.failure is not None:
        yield cluster.failure
    if norm is not None and norm > SMALLEST_DIRECTION and abs(cluster.pb_offset) < SAME_OFFSET:
        yield (
            f"Without an offset it has {norm:.1f} D already, from its surface alone: judge its other states by what "
            "they add to that."
        )
    if cluster.formal_charge:
        yield f"Formal charge {cluster.formal_charge:+d}: the dipole depends on the point it is taken about."
    if cluster.smeared:
        yield "Converged with smeared occupations only, as a metal: charge may have moved across the cluster."
    gap = cluster.gap
    if gap is None and drop is not None:
        yield "CP2K has told no gap, so whether it stayed open is not known."
    elif gap is not None and gap < CLOSED_GAP:
        yield f"The gap is closed ({gap:.2f} eV): charge moves across the cluster until its field is screened."
    elif gap is not None and drop is not None and drop > gap:
        yield (
            f"The potential drops by {drop:.1f} V across the cluster, more than its gap of {gap:.2f} eV: a larger one "
            "of the same polarisation would move charge."
        )


def _extrapolate(responses: dict[str, OffsetResponse], target: Target) -> Extrapolation:
    largest = max(responses, key=lambda particle: responses[particle].n_cations)
    dipoles = {
        particle: point_charge_dipole(target.formula_units, target.pb_offset, response.effective_charge)
        for particle, response in responses.items()
    }
    return Extrapolation(
        particle=largest,
        target=target,
        dipole=dipoles[largest],
        lowest=min(dipoles.values()),
        highest=max(dipoles.values()),
    )
