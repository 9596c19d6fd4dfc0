"""The ferroelectric distortion of rock salt under strain: from computed energies to the results document."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.model import ResultModel
from qdsim.analysis.onset import (
    explain_missing_onset_from_curvature,
    explain_missing_onset_from_order_parameter,
    locate_onset_from_curvature,
    locate_onset_from_order_parameter,
)
from qdsim.analysis.relaxation import RelaxationStep
from qdsim.analysis.strain import linear_strain
from qdsim.analysis.strain_results import DoubleWell, Onset, Phase, StrainPoint, StrainResults
from qdsim.errors import QdsimError

__all__ = [
    "ComputedStrain",
    "DoubleWell",
    "Onset",
    "Phase",
    "StrainPoint",
    "StrainResults",
    "fit_double_well",
    "locate_onset_from_curvature",
    "locate_onset_from_order_parameter",
    "summarise_strain",
]

SAME_ANGLE = 1e-6
"""Angles this near (degrees) are equal."""
SAME_OFFSET = 1e-6
"""Offsets this near (Å) are equal."""
OFFSET_DECIMALS = 3
"""Offsets that differ less than in this decimal (Å) tell no more than one of them."""
QUARTIC_TERMS = 2
"""Quadratic and quartic."""
SEXTIC_TERMS = 3
"""Quadratic, quartic and sextic."""
OCTIC_TERMS = 4
"""Up to the eighth power. With the sixth alone, offsets of PbS to 0.5 Å leave 0.1 meV, and move the frequency of the
mode at rest from 41.7 to 45.7 cm^-1."""
OFFSETS_FOR_OCTIC = 5


class ComputedStrain(ResultModel):
    """What was computed at one strain; what failed is absent.

    Attributes
    ----------
    label
        Link label of the strain.
    volume
        Per formula unit, Å^3.
    centred, relaxed
        The cubic phase, and the phase relaxed in angle and offset.
    wells
        Single points off the centre at 60 degrees.
    path
        The steps of the relaxation; those at 60 degrees count for the double well too.
    failures
        One sentence for each calculation that failed.
    """

    label: str
    volume: float
    centred: Phase | None = None
    relaxed: Phase | None = None
    wells: Sequence[RelaxationStep] = ()
    path: Sequence[RelaxationStep] = ()
    failures: Sequence[str] = ()

    def double_well(self) -> DoubleWell | None:
        """Fit the energies along the offset at 60 degrees, None if they do not suffice."""
        steps = [step for step in (*self.wells, *self.path) if abs(step.alpha - 60) < SAME_ANGLE]
        steps = [step for step in steps if abs(step.offset) > SAME_OFFSET]
        if self.centred is None or not steps:
            return None
        return fit_double_well(
            [0.0, *(step.offset for step in steps)],
            [self.centred.energy, *(step.energy for step in steps)],
            [None, *(step.gradient_offset for step in steps)],
        )

    def strain_point(self, equation_of_state: EquationOfState) -> StrainPoint:
        """Refer everything to the equilibrium of the equation of state."""
        gain = self.relaxed.energy - self.centred.energy if self.relaxed and self.centred else None
        return StrainPoint(
            label=self.label,
            linear_strain=linear_strain(self.volume, equation_of_state.volume),
            volumetric_strain=self.volume / equation_of_state.volume - 1,
            lattice_constant=(4 * self.volume) ** (1 / 3),
            volume=self.volume,
            eos_pressure=equation_of_state.pressure_at(self.volume),
            centred=self.centred,
            relaxed=self.relaxed,
            double_well=self.double_well(),
            energy_gain=gain,
            path=list(self.path),
            failures=list(self.failures),
        )


def fit_double_well(
    offsets: Sequence[float], energies: Sequence[float], gradients: Sequence[float | None] | None = None
) -> DoubleWell:
    """Fit an even polynomial to the energy along the cation's offset, by linear least squares.

    The polynomial A u^2 + B u^4 gets a term in u^6 when at least four data are known off the centre, and one in u^8
    when they are known at five offsets. A gradient counts like an energy difference over the largest offset.

    Parameters
    ----------
    offsets
        Å, the centred structure (0) included; the sign does not matter.
    energies
        eV per formula unit, on any common zero.
    gradients
        dE/d offset, eV/Å per formula unit, where known, else None.

    Returns
    -------
    DoubleWell
        In ascending order of the offsets; the standard error of the quadratic coefficient comes from the residuals.

    Raises
    ------
    QdsimError
        If the centred structure is missing, fewer than two data are known off the centre, or one is not finite.
    """
    known = [None] * len(offsets) if gradients is None else list(gradients)
    if not len(offsets) == len(energies) == len(known):
        raise ValueError(f"{len(offsets)} offsets, {len(energies)} energies and {len(known)} gradients")
    if not all(isfinite(x) for x in [*offsets, *energies, *(g for g in known if g is not None)]):
        raise QdsimError("A point of the double well is not a finite number: leave it out.")
    if 0 not in offsets:
        raise QdsimError("The double well has no energy at offset 0: compute the centred structure too.")
    u = np.abs(np.asarray(offsets, dtype=float))
    energy = np.asarray(energies, dtype=float) - energies[list(offsets).index(0)]
    largest = max(float(u.max()), 1e-300)
    slope = np.array([np.nan if g is None else g * np.sign(x) for x, g in zip(offsets, known, strict=True)])
    off, sloped = u > 0, (u > 0) & np.isfinite(slope)

    n_data = int(np.count_nonzero(off) + np.count_nonzero(sloped))
    n_offsets = len(np.unique(u[off].round(OFFSET_DECIMALS)))
    if n_offsets >= OFFSETS_FOR_OCTIC:
        n_terms = OCTIC_TERMS
    else:
        n_terms = SEXTIC_TERMS if n_data > SEXTIC_TERMS else QUARTIC_TERMS
    powers = 2 * np.arange(1, n_terms + 1)
    reduced = u[:, None] / largest
    matrix = np.vstack([reduced[off] ** powers, powers * reduced[sloped] ** (powers - 1)])
    data = np.concatenate([energy[off], slope[sloped] * largest])
    if np.linalg.matrix_rank(matrix) < n_terms:
        raise QdsimError(
            "The double well is known at too few offsets: compute two different ones besides the centred structure."
        )
    solution = np.linalg.lstsq(matrix, data)[0]
    coefficients = np.zeros(OCTIC_TERMS)
    coefficients[:n_terms] = solution / largest**powers
    error = None
    if n_data > n_terms:
        residuals = data - matrix @ solution
        variance = residuals @ residuals / (n_data - n_terms) * np.linalg.inv(matrix.T @ matrix)[0, 0]
        error = float(np.sqrt(variance)) / largest**2
    order = np.argsort(u, kind="stable")
    return DoubleWell(
        offsets=u[order].tolist(),
        energies=energy[order].tolist(),
        quadratic=float(coefficients[0]),
        quadratic_error=error,
        quartic=float(coefficients[1]),
        sextic=float(coefficients[2]),
        octic=float(coefficients[3]),
    )


def summarise_strain(
    compound: str,
    protocol: str,
    equation_of_state: EquationOfState,
    computed: Sequence[ComputedStrain | Mapping[str, Any]],
) -> StrainResults:
    """Sort the points of a strain series and locate the ferroelectric onset both ways.

    A point of which a phase failed keeps the other one and its failures, and is left out where the phase is needed.

    Parameters
    ----------
    compound, protocol
        Names.
    equation_of_state
        Of the centred phase; its equilibrium is the zero of strain.
    computed
        What there is at each strain, in any order, as a `ComputedStrain` or the mapping of its fields.

    Returns
    -------
    StrainResults
        `onset_messages` has one sentence for every onset that could not be located.
    """
    points = [ComputedStrain.model_validate(strain).strain_point(equation_of_state) for strain in computed]
    ordered = sorted(points, key=lambda point: point.linear_strain)
    curvature = locate_onset_from_curvature(ordered, equation_of_state)
    order_parameter = locate_onset_from_order_parameter(ordered, equation_of_state)
    messages = []
    if curvature is None:
        messages.append(explain_missing_onset_from_curvature(ordered))
    if order_parameter is None:
        messages.append(explain_missing_onset_from_order_parameter(ordered))
    return StrainResults(
        compound=compound,
        protocol=protocol,
        equation_of_state=equation_of_state,
        points=ordered,
        onset_curvature=curvature,
        onset_order_parameter=order_parameter,
        onset_messages=messages,
    )
