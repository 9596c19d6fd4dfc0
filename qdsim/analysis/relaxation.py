"""Relax angle and offset of a rhombohedral crystal at fixed volume with few calculations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from ase.units import GPa
from pydantic import Field

from qdsim.analysis.model import ResultModel
from qdsim.errors import QdsimError
from qdsim.structures import POLAR_AXIS, RhombohedralState

FloatArray = npt.NDArray[np.float64]
Status = Literal["continue", "converged", "unbound", "exhausted"]

ENERGY_NOISE = 1e-5
"""Energies (eV per formula unit) that differ less than this do not decide which state is lower."""
SAME = 1e-6
"""Offsets (Å) and angles (degrees) that differ less than this are equal, since a structure is measured to rounding."""
LEAST_CURVATURE = 0.2
"""A step that finds less than this fraction of the expected curvature tells of another one, or is noise."""
RESOLVED_STEP = (0.004, 0.2)
"""Steps longer than this in offset^2 (Å^2) or alpha (degrees) are no noise."""
LARGEST_RESOLUTION = 0.01
"""However flat the well, the offset is sought at least this closely, Å."""
PREDICTION_SAFETY = 0.5
"""A predicted change must be below this fraction of its tolerance, since it rests on an inexact Hessian."""
UNRESOLVED_OFFSET = 0.02
"""Below this offset (Å) dE/d(offset^2) = dE/d offset / (2 offset) is mostly noise: energies tell more."""


class RelaxationStep(ResultModel):
    """One calculation of a relaxation.

    Attributes
    ----------
    alpha
        Rhombohedral angle, degrees.
    offset
        Cation offset along [111], Å.
    energy
        In eV per formula unit.
    gradient_alpha
        dE/d alpha at fixed volume and offset, eV per degree and formula unit.
    gradient_offset
        dE/d offset at fixed cell, eV/Å per formula unit.
    """

    alpha: float
    offset: float
    energy: float
    gradient_alpha: float
    gradient_offset: float


class Decision(ResultModel):
    """What to do after the calculations made so far.

    Attributes
    ----------
    status
        ``continue``: compute the state (alpha, offset) next; ``converged``: that state, the last computed
        one, is the minimum; ``unbound``: the energy falls up to the bounds of the search; ``exhausted``:
        no step is left.
    alpha, offset
        The next state to compute, or the last computed one; degrees and Å.
    predicted_alpha_change, predicted_offset_change
        Step from the last computed state to the predicted minimum, degrees and Å.
    message
        One sentence for people.
    """

    status: Status
    alpha: float
    offset: float
    predicted_alpha_change: float
    predicted_offset_change: float
    message: str


class RelaxationSettings(ResultModel):
    """How a relaxation searches.

    The first step rests on the Hessian of the energy per formula unit

        E = A s + B s^2 + C eta^2 / 2 + D s eta,    s = offset^2,    eta = alpha - 60,

    that is 2B, D and C = (4/3) V c44 g^2 with g the strain per degree (alpha at constant volume is a trigonal
    shear, which only c44 resists). Later steps learn the true one, so that these constants need not be exact.

    Attributes
    ----------
    alpha_tolerance, offset_tolerance
        Within which the minimum is found, degrees and Å: converged when the step to the predicted minimum is
        below half of both.
    gradient_noise
        Twice the numerical noise of the gradient in the offset, eV/Å. Near the onset the well is so flat that this
        noise moves its minimum by more than the tolerance: the offset is then sought as closely as the noise
        allows, and the message says how closely. 0 insists on the tolerance.
    max_steps
        Largest number of calculations.
    max_alpha_step, max_offset_step
        Longest single step, degrees and Å.
    min_alpha, max_alpha, max_offset
        Bounds of the search, degrees and Å; a minimum beyond them is no state of the crystal.
    start_offset
        Offset to try after a start at the centred crystal, where the gradient vanishes by symmetry, Å.
    shear_modulus
        c44, GPa; about that of PbS.
    quartic
        B, eV/Å^4; PBE gives 2.1 to 2.3 for PbS at 60 degrees and a = 6.00 to 6.12 Å.
    coupling
        D, eV/(Å^2 degree); with PBE the best angle of PbS at an offset of 0.2 Å is 59.4 degrees.
    """

    alpha_tolerance: float = Field(default=0.02, gt=0)
    offset_tolerance: float = Field(default=0.002, gt=0)
    gradient_noise: float = Field(default=2e-4, ge=0)
    max_steps: int = Field(default=12, gt=0)
    max_alpha_step: float = Field(default=0.5, gt=0)
    max_offset_step: float = Field(default=0.1, gt=0)
    min_alpha: float = Field(default=55.0, gt=0, lt=60)
    max_alpha: float = Field(default=65.0, gt=60, lt=120)
    max_offset: float = Field(default=0.8, gt=0)
    start_offset: float = Field(default=0.1, gt=0)
    shear_modulus: float = Field(default=24.0, gt=0)
    quartic: float = Field(default=2.2, gt=0)
    coupling: float = 0.085


@dataclass(frozen=True, eq=False)
class _Point:
    """A computed step in x = (offset^2, alpha - 60), units Å^2, degrees and eV per formula unit."""

    x: FloatArray
    gradient: FloatArray
    energy: float


def energy_gradient(
    state: RhombohedralState, forces: npt.ArrayLike, stress: npt.ArrayLike, cations: npt.ArrayLike
) -> tuple[float, float]:
    """Turn forces and stress into the derivatives of the energy with angle and offset.

    With strain e(alpha) at constant volume and fractional coordinates fixed, dE/d alpha = V stress : de/d
    alpha. Fixed fractional coordinates stretch the offset with the cell; taking that back to hold the
    offset adds -offset n.de/d alpha.n times the offset's own gradient, which is minus the cations' force
    along n = [111].

    Parameters
    ----------
    state
        The state that was computed, in the frame of `RhombohedralState.cell`, in any supercell.
    forces
        On the atoms, eV/Å, shape (n_atoms, 3). A net force (numerical noise) is taken out.
    stress
        (1/V) dE/dstrain, GPa, shape (3, 3); positive under tension.
    cations
        True for the cations, shape (n_atoms,).

    Returns
    -------
    gradient_alpha : float
        dE/d alpha at constant volume and offset, eV per degree and formula unit.
    gradient_offset : float
        dE/d offset at constant cell, eV/Å per formula unit.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are not as many cations as anions.
    """
    force, sigma = np.asarray(forces, dtype=float), np.asarray(stress, dtype=float) * GPa
    is_cation = np.asarray(cations, dtype=bool)
    if force.shape != (len(is_cation), 3) or sigma.shape != (3, 3):
        raise ValueError(f"forces {force.shape}, stress {sigma.shape} and {len(is_cation)} atoms do not fit")
    if 2 * np.count_nonzero(is_cation) != len(is_cation):
        raise ValueError("a crystal of formula AB has as many cations as anions")
    gradient_offset = -float((force[is_cation].mean(axis=0) - force[~is_cation].mean(axis=0)) @ POLAR_AXIS) / 2
    strain = state.strain_per_degree
    stretch = float(POLAR_AXIS @ strain @ POLAR_AXIS)
    fixed_fractional = state.volume * float(np.sum(sigma * strain))
    return fixed_fractional - state.offset * stretch * gradient_offset, gradient_offset


def next_state(
    history: Sequence[RelaxationStep], volume: float, settings: RelaxationSettings | None = None
) -> Decision:
    """Decide where to compute next, from all that was computed so far at one volume.

    A quasi-Newton (BFGS) search in s = offset^2 >= 0 and eta = alpha - 60, in which the energy is nearly
    quadratic. A minimum predicted at s <= 0 is the cubic crystal (offset 0, alpha 60), which is then computed
    itself; whether it is stable there (dE/ds > 0) is told by the energies, since its gradient vanishes by
    symmetry.

    Parameters
    ----------
    history
        The steps in the order they were computed, at least one.
    volume
        Per formula unit, Å^3.
    settings
        Defaults if not given.

    Returns
    -------
    Decision
        A converged state is always the last of the history.

    Raises
    ------
    ValueError
        If the history is empty.
    QdsimError
        If the constants of the settings describe no stable crystal.
    """
    if not history:
        raise ValueError("the history is empty: compute a starting state first")
    settings = settings or RelaxationSettings()
    last = history[-1]
    initial = _initial_hessian(volume, settings)
    if all(abs(step.offset) < SAME for step in history):
        may_continue = _unless_exhausted(history, settings)
        return Decision(
            status=may_continue,
            alpha=last.alpha,
            offset=settings.start_offset if may_continue == "continue" else 0.0,
            predicted_alpha_change=0.0,
            predicted_offset_change=settings.start_offset,
            message="the centred crystal has no gradient in the offset: leave it",
        )

    points = _points(history)
    best = min(points, key=lambda point: point.energy - (ENERGY_NOISE if point is points[-1] else 0.0))
    steps_since_best = len(points) - 1 - points.index(best)
    hessian = _update(initial, points)
    target = _predicted_minimum(points, best, hessian, settings)
    here = np.array([last.alpha, abs(last.offset)])
    goal = np.array([60 + target[1], np.sqrt(target[0])])
    change = goal - here

    tolerances = _tolerances(goal[1], hessian, settings)

    status: Status
    if steps_since_best == 0 and _rests_on_bounds(here, goal, settings):
        status = "unbound"
        message = (
            f"the energy still falls at the bounds of the search: alpha {settings.min_alpha:g} to "
            f"{settings.max_alpha:g} degrees, offset up to {settings.max_offset:g} Å"
        )
    elif steps_since_best == 0 and bool(np.all(np.abs(change) < tolerances)):
        status, message = "converged", f"converged after {len(history)} calculations"
        if tolerances[1] > settings.offset_tolerance:
            message += f"; so flat a well defines the offset to {tolerances[1]:.3f} Å only"
    else:
        status = _unless_exhausted(history, settings)
        message = f"calculation {len(history)} predicts a change of {change[0]:+.3f} degrees, {change[1]:+.4f} Å"
    if status == "continue":
        origin = np.array([60 + best.x[1], np.sqrt(best.x[0])])
        here = _limited_step(origin, goal, settings, shrink=0.5 ** max(0, steps_since_best - 1))
    return Decision(
        status=status,
        alpha=here[0],
        offset=here[1],
        predicted_alpha_change=change[0],
        predicted_offset_change=change[1],
        message=message,
    )


def _unless_exhausted(
    history: Sequence[RelaxationStep], settings: RelaxationSettings
) -> Literal["continue", "exhausted"]:
    return "continue" if len(history) < settings.max_steps else "exhausted"


def _initial_hessian(volume: float, settings: RelaxationSettings) -> FloatArray:
    """Hessian in (s, eta) of the model in `RelaxationSettings`, shape (2, 2)."""
    strain = RhombohedralState(volume).strain_per_degree
    elastic = 2 * volume * settings.shear_modulus * GPa * float(np.sum(strain**2))
    hessian = np.array([[2 * settings.quartic, settings.coupling], [settings.coupling, elastic]])
    if np.linalg.det(hessian) <= 0:
        raise QdsimError(
            f"A coupling of {settings.coupling:g} eV/(Å^2 degree) is too strong for the quartic and shear "
            "constants: give a smaller one."
        )
    return hessian


def _points(history: Sequence[RelaxationStep]) -> list[_Point]:
    """Change variables; dE/ds at small offsets is found from energies.

    A quadratic energy rises by the step times the mean of both gradients from one point to another, which
    gives the one unknown component.
    """
    reference = min((step for step in history if abs(step.offset) >= SAME), key=_unresolved_rank)
    points = []
    for step in history:
        x = np.array([step.offset**2, step.alpha - 60])
        if abs(step.offset) >= UNRESOLVED_OFFSET or step is reference:
            slope = step.gradient_offset / (2 * step.offset)
        else:
            turn = (reference.alpha - step.alpha) * (reference.gradient_alpha + step.gradient_alpha)
            rise = 2 * (reference.energy - step.energy) - turn
            slope = rise / (reference.offset**2 - x[0]) - reference.gradient_offset / (2 * reference.offset)
        points.append(_Point(x, np.array([slope, step.gradient_alpha]), step.energy))
    return points


def _unresolved_rank(step: RelaxationStep) -> tuple[bool, float]:
    """Rank resolved offsets first, the smallest of them foremost."""
    resolved = abs(step.offset) >= UNRESOLVED_OFFSET
    return (not resolved, abs(step.offset) if resolved else -abs(step.offset))


def _update(hessian: FloatArray, points: Sequence[_Point]) -> FloatArray:
    """Learn the Hessian from each step, shape (2, 2).

    By BFGS where the curvature is as positive as expected; by the symmetric rank-one formula, which can learn
    a negative one, where it is not (Nocedal and Wright, Numerical Optimization, 2nd ed., equations 6.19 and 6.24).
    """
    for first, second in pairwise(points):
        step = second.x - first.x
        if not step.any():
            continue
        change = second.gradient - first.gradient
        expected = hessian @ step
        measured, curvature = float(step @ change), float(step @ expected)
        if curvature > 0 and measured > LEAST_CURVATURE * curvature:
            hessian = hessian - np.outer(expected, expected) / curvature + np.outer(change, change) / measured
        elif bool(np.any(np.abs(step) > RESOLVED_STEP)) and measured != curvature:
            missing = change - expected
            hessian = hessian + np.outer(missing, missing) / (measured - curvature)
    return hessian


def _predicted_minimum(
    points: Sequence[_Point], best: _Point, hessian: FloatArray, settings: RelaxationSettings
) -> FloatArray:
    """Find the minimum in (s, eta) within the bounds.

    An offset too small to resolve is taken for the cubic crystal until that is known to be unstable.
    """
    lower = np.array([0.0, settings.min_alpha - 60])
    upper = np.array([settings.max_offset**2, settings.max_alpha - 60])
    target = _bounded_minimum(best.x, best.gradient, hessian, lower, upper)
    unstable = any(point.x[0] < SAME**2 and point.gradient[0] < 0 for point in points)
    if target[0] <= (0.0 if unstable else UNRESOLVED_OFFSET**2):
        return np.zeros(2)
    return target


def _bounded_minimum(
    x: FloatArray, gradient: FloatArray, hessian: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Minimise a quadratic function of two variables, given by its derivatives at x, in a rectangle."""
    candidates = []
    if hessian[0, 0] > 0 and np.linalg.det(hessian) > 0:
        candidates.append(x - np.linalg.solve(hessian, gradient))
    if not candidates or (candidates[0] < lower).any() or (candidates[0] > upper).any():
        candidates = []
        for fixed, bound in ((0, lower), (0, upper), (1, lower), (1, upper)):
            free = 1 - fixed
            corner = np.where(np.arange(2) == fixed, bound, lower)
            ends = [corner, np.where(np.arange(2) == fixed, bound, upper)]
            slope = gradient[free] + hessian[free] @ (corner - x)
            if hessian[free, free] > 0:
                between = corner.copy()
                between[free] = np.clip(corner[free] - slope / hessian[free, free], lower[free], upper[free])
                ends.append(between)
            candidates += ends
    return min(candidates, key=lambda y: float(gradient @ (y - x) + (y - x) @ hessian @ (y - x) / 2))


def _tolerances(offset: float, hessian: FloatArray, settings: RelaxationSettings) -> FloatArray:
    """Largest predicted change of a converged (alpha, offset), degrees and Å.

    Near the onset the well is so flat that the noise of the gradient moves the offset by more than the
    tolerance.
    """
    stiffness = 4 * offset**2 * (hessian[0, 0] - hessian[0, 1] ** 2 / hessian[1, 1])
    resolution = settings.gradient_noise / stiffness if offset > UNRESOLVED_OFFSET and stiffness > 0 else 0.0
    tolerances = np.array([settings.alpha_tolerance, settings.offset_tolerance]) * PREDICTION_SAFETY
    return np.maximum(tolerances, [0.0, min(resolution, LARGEST_RESOLUTION)])


def _rests_on_bounds(here: FloatArray, goal: FloatArray, settings: RelaxationSettings) -> bool:
    """Whether a computed (alpha, offset) lies at a bound and is held there."""
    bounds = ((settings.min_alpha, settings.max_alpha), (settings.max_offset,))
    return any(
        abs(x - y) < SAME and min(abs(x - end) for end in bound) < SAME
        for x, y, bound in zip(here, goal, bounds, strict=True)
    )


def _limited_step(origin: FloatArray, goal: FloatArray, settings: RelaxationSettings, shrink: float) -> FloatArray:
    """Go from one (alpha, offset) towards another, no further than the settings allow."""
    step = goal - origin
    longest = np.array([settings.max_alpha_step, settings.max_offset_step])
    lower, upper = (settings.min_alpha, 0.0), (settings.max_alpha, settings.max_offset)
    fraction = shrink / max(1.0, float(np.max(np.abs(step) / longest)))
    return np.clip(origin + fraction * step, lower, upper)
