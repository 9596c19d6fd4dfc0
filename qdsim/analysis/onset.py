"""Where in strain the rock-salt crystal becomes ferroelectric."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.stats import linregress

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.strain_results import Onset, StrainPoint

OFF_CENTRED = 0.03
"""A relaxed offset above this (Å) is off-centred beyond doubt; below, the well is as flat as the noise."""
ORDER_PARAMETER_POINTS = 3
"""The squared offset is linear in strain near the onset only: as many off-centred points are used at most."""
LEAST_POINTS = 2
"""A line needs two points."""


def locate_onset_from_curvature(points: Sequence[StrainPoint], eos: EquationOfState) -> Onset | None:
    """Find the strain at which the energy's curvature in the offset turns negative.

    The quadratic coefficient of the double well is interpolated linearly between the two neighbouring strains
    where it changes sign (the smaller strain if there are several).

    Parameters
    ----------
    points
        In any order; those without a double well are left out.
    eos
        Of the centred phase; its equilibrium is the zero of strain.

    Returns
    -------
    Onset or None
        None if the coefficient does not turn negative, see `explain_missing_onset_from_curvature`. The standard
        error is propagated from the two coefficients.
    """
    for low, high in pairwise(_with_double_well(points)):
        a, b = low.double_well, high.double_well
        if a is None or b is None or not a.quadratic >= 0 > b.quadratic:
            continue
        width, drop = high.linear_strain - low.linear_strain, a.quadratic - b.quadratic
        strain = low.linear_strain + width * a.quadratic / drop
        error = None
        if a.quadratic_error is not None and b.quadratic_error is not None:
            error = width / drop**2 * float(np.hypot(b.quadratic * a.quadratic_error, a.quadratic * b.quadratic_error))
        note = f"interpolated between the double wells at {low.linear_strain:+.2%} and {high.linear_strain:+.2%}"
        return _onset("energy curvature", strain, error, eos, note)
    return None


def explain_missing_onset_from_curvature(points: Sequence[StrainPoint]) -> str:
    """Say in one sentence why `locate_onset_from_curvature` returned None."""
    known = _with_double_well(points)
    if len(known) < LEAST_POINTS:
        return f"energy curvature: {len(known)} of {len(points)} strains has a double well, two are needed"
    coefficients = [point.double_well.quadratic for point in known if point.double_well]
    first, last = known[0].linear_strain, known[-1].linear_strain
    if min(coefficients) >= 0:
        return f"energy curvature: positive from {first:+.2%} to {last:+.2%} strain, the onset is at larger strain"
    if max(coefficients) < 0:
        return f"energy curvature: negative from {first:+.2%} to {last:+.2%} strain, the onset is at smaller strain"
    return "energy curvature: it turns from negative to positive with growing strain, which is no onset"


def locate_onset_from_order_parameter(points: Sequence[StrainPoint], eos: EquationOfState) -> Onset | None:
    """Find the strain at which the offset of the relaxed phase vanishes.

    The squared offset, linear in strain near a continuous transition (Landau), is extrapolated to zero from the
    off-centred points next to the onset.

    Parameters
    ----------
    points
        In any order; those without a relaxed phase are left out.
    eos
        Of the centred phase; its equilibrium is the zero of strain.

    Returns
    -------
    Onset or None
        None if there are not two off-centred points or their offset does not grow with strain, see
        `explain_missing_onset_from_order_parameter`. The standard error, that of an intercept with the abscissa,
        comes from the residuals when there are more than two points.
    """
    used = _next_to_onset(points)
    if len(used) < LEAST_POINTS:
        return None
    strains = np.array([strain for strain, _ in used])
    squares = np.array([offset**2 for _, offset in used])
    line = linregress(strains, squares)
    if not line.slope > 0:
        return None
    strain = -float(line.intercept / line.slope)
    error = None
    if len(used) > LEAST_POINTS:
        residuals = squares - line.intercept - line.slope * strains
        scatter = np.sqrt(residuals @ residuals / (len(used) - 2)) / line.slope
        spread = ((strains - strains.mean()) ** 2).sum()
        error = float(scatter * np.sqrt(1 / len(used) + (strain - strains.mean()) ** 2 / spread))
    note = "squared offsets extrapolated to zero from " + ", ".join(f"{strain:+.2%}" for strain in strains)
    return _onset("order parameter", strain, error, eos, note)


def explain_missing_onset_from_order_parameter(points: Sequence[StrainPoint]) -> str:
    """Say in one sentence why `locate_onset_from_order_parameter` returned None."""
    relaxed = [point for point in points if point.relaxed is not None]
    used = _next_to_onset(points)
    if len(used) < LEAST_POINTS:
        return (
            f"order parameter: beyond the last centred phase {len(used)} of {len(relaxed)} is off-centred "
            f"by more than {OFF_CENTRED} Å, two are needed"
        )
    return "order parameter: the offset of the relaxed phase does not grow with strain"


def _with_double_well(points: Sequence[StrainPoint]) -> list[StrainPoint]:
    known = [point for point in points if point.double_well is not None]
    return sorted(known, key=lambda point: point.linear_strain)


def _next_to_onset(points: Sequence[StrainPoint]) -> list[tuple[float, float]]:
    """Strain and offset of the off-centred points that follow the last centred one."""
    relaxed = sorted((point.linear_strain, point.relaxed.pb_offset) for point in points if point.relaxed is not None)
    centred = [i for i, (_, offset) in enumerate(relaxed) if offset <= OFF_CENTRED]
    first = centred[-1] + 1 if centred else 0
    return relaxed[first : first + ORDER_PARAMETER_POINTS]


def _onset(
    method: Literal["energy curvature", "order parameter"],
    strain: float,
    error: float | None,
    eos: EquationOfState,
    note: str,
) -> Onset:
    volume = eos.volume * (1 + strain) ** 3
    return Onset(
        method=method,
        linear_strain=strain,
        linear_strain_error=error,
        lattice_constant=eos.lattice_constant * (1 + strain),
        volume=volume,
        pressure=eos.pressure_at(volume),
        note=note,
    )
