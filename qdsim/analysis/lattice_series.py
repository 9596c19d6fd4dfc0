"""The lattice that density functional theory predicts between the strains that were computed."""

from collections.abc import Callable, Sequence
from functools import cached_property
from math import hypot
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from qdsim.analysis.model import ResultModel
from qdsim.analysis.onset import OFF_CENTRED
from qdsim.analysis.strain_results import Onset, StrainPoint, StrainResults
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

FloatArray = npt.NDArray[np.float64]

FEWEST_POINTS = 2
"""Relaxed points that can be interpolated between."""
ALPHA_TOLERANCE = 0.02
"""Degrees; to which angles are relaxed."""
OFFSET_TOLERANCE = 0.002
"""Å; to which offsets are relaxed."""
_SAME = 1e-9  # of a strain, which is rounded to twelve digits
_PARTS = 400  # of the range of strains, among which a pressure is looked for
_COMPARED = ("alpha_rh", "pb_offset", "bond_short", "bond_long")


class LatticeEstimate(ResultModel):
    """A lattice between computed ones.

    Attributes
    ----------
    linear_strain, linear_strain_error
        Against the equilibrium of the equation of state; fractions. None of a structure by itself.
    pressure
        Of the relaxed phase, GPa; negative is tension. None of a structure by itself.
    volume
        Per formula unit, Å^3.
    alpha_rh, alpha_rh_error
        Degrees.
    pb_offset, pb_offset_error, bond_short, bond_short_error, bond_long, bond_long_error
        Å.
    extrapolated
        The strain lies outside of those computed.
    points
        Labels of the strain points that the estimate rests on.
    """

    linear_strain: float | None
    linear_strain_error: float | None
    pressure: float | None
    volume: float
    alpha_rh: float
    alpha_rh_error: float
    pb_offset: float
    pb_offset_error: float
    bond_short: float
    bond_short_error: float
    bond_long: float
    bond_long_error: float
    extrapolated: bool
    points: list[str]


class _Node(NamedTuple):
    """A strain with what is interpolated: squared offset, 60 deg - alpha, pressure against the centred phase."""

    strain: float
    square: float
    tilt: float
    pressure: float | None


class LatticeSeries:
    """Relaxed lattices of a strain series, as functions of strain and of pressure.

    The squared offset and the angle's distance from 60 degrees grow about linearly beyond the onset. They are
    interpolated by monotone cubics between the relaxed points, with the onset as a point without distortion where it
    lies between a centred and an off-centred one. Half of what separates them from straight lines counts as their
    error, with the tolerance of the relaxation.

    Parameters
    ----------
    results
        The strain series.

    Raises
    ------
    QdsimError
        If there are not two relaxed points.
    """

    def __init__(self, results: StrainResults):
        self.equation_of_state = results.equation_of_state
        self.onset = _onset(results)
        self._points = sorted(
            (point for point in results.points if point.relaxed is not None), key=lambda point: point.linear_strain
        )
        if len(self._points) < FEWEST_POINTS:
            raise QdsimError(
                f"The strain series of {results.compound} has {len(self._points)} relaxed structures: a comparison "
                f"needs at least {FEWEST_POINTS}; run more strains, or those that failed again."
            )

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest linear strain with a relaxed lattice, fractions."""
        return self._points[0].linear_strain, self._points[-1].linear_strain

    def at_strain(self, strain: float, error: float = 0.0) -> LatticeEstimate:
        """Return the lattice at a linear strain, both fractions.

        Outside of `range` the last two points are extrapolated along a straight line, and all of the change beyond
        the last one counts as error. Below a centred lowest point the crystal stays centred, which is no extrapolation.
        """
        state, away = self._state(strain), self._interpolation_error(strain)
        ends = [self._values(self._state(strain + sign * error)) for sign in (1, -1)]
        values = self._values(state)
        errors = {name: hypot(away[name], (ends[0][name] - ends[1][name]) / 2) for name in _COMPARED}
        low, high = self.range
        return LatticeEstimate(
            linear_strain=strain,
            linear_strain_error=error,
            pressure=self.pressure(strain),
            volume=state.volume,
            **values,
            **{f"{name}_error": found for name, found in errors.items()},
            extrapolated=strain > high + _SAME or (strain < low - _SAME and not self._begins_centred),
            points=[point.label for point in self._around(strain)],
        )

    def at_pressure(self, pressure: float, error: float = 0.0) -> LatticeEstimate:
        """Return the lattice at a pressure, both in GPa; beyond the pressures computed, at the last strain.

        Raises
        ------
        QdsimError
            If the pressure is more than the strains of the series can be extrapolated to.
        """
        strain = self.strain_at(pressure)
        spread = abs(self.strain_at(pressure + error) - self.strain_at(pressure - error)) / 2
        return self.at_strain(strain, spread)

    def pressure(self, strain: float) -> float:
        """Return the pressure (GPa) of the relaxed phase at a linear strain.

        That of the centred phase, from the equation of state, and what the stress tensors say that the distortion
        changes; an error of the stress that both phases share, as of the finite basis, cancels.
        """
        return self.equation_of_state.pressure_at(self._volume(strain)) + self._linear(strain, 3)

    def strain_at(self, pressure: float) -> float:
        """Return the smallest linear strain of this pressure (GPa), beyond the range by extrapolation.

        Raises
        ------
        QdsimError
            If no strain within twice the range has this pressure.
        """
        low, high = self.range
        found = self._find(lambda strain: self.pressure(strain) - pressure, 2 * low - high, 2 * high - low)
        if found is None:
            raise QdsimError(
                f"No strain near those computed has a pressure of {pressure:.2f} GPa: compute larger strains."
            )
        return found

    def strain_of_alpha(self, alpha: float) -> float | None:
        """Return the smallest linear strain, within those computed, at which the angle is `alpha` degrees."""
        return self._find(lambda strain: self._state(strain).alpha - alpha, *self.range)

    def curve(self, number: int = 201) -> tuple[list[float], list[RhombohedralState]]:
        """Return strains over the range and the lattice at each."""
        strains = np.linspace(*self.range, number).tolist()
        return strains, [self._state(strain) for strain in strains]

    @property
    def _begins_centred(self) -> bool:
        return _offset(self._points[0]) < OFF_CENTRED

    @cached_property
    def _table(self) -> FloatArray:
        """What is interpolated, one `_Node` a row, by ascending strain."""
        nodes = [_node(point) for point in self._points]
        if self.onset is not None:
            at = self.onset.linear_strain
            for left, right in zip(self._points, self._points[1:], strict=False):
                between = left.linear_strain < at < right.linear_strain
                if between and _offset(left) < OFF_CENTRED <= _offset(right):
                    nodes.append(_Node(at, 0.0, 0.0, 0.0))
        return np.array(sorted(nodes))

    def _volume(self, strain: float) -> float:
        return self.equation_of_state.volume * (1 + strain) ** 3

    def _state(self, strain: float) -> RhombohedralState:
        return self._distorted(strain, self._cubic(strain, 1), self._cubic(strain, 2))

    def _distorted(self, strain: float, square: float, tilt: float) -> RhombohedralState:
        return RhombohedralState(self._volume(strain), 60.0 - tilt, float(np.sqrt(max(square, 0.0))))

    def _linear(self, strain: float, column: int) -> float:
        """Interpolate along straight lines, and extrapolate the first and the last of them."""
        x, y = self._table[:, 0], self._table[:, column]
        if strain < x[0] and self._begins_centred:
            return float(y[0])
        i = int(np.clip(np.searchsorted(x, strain) - 1, 0, len(x) - 2))
        return float(y[i] + (strain - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i]))

    def _cubic(self, strain: float, column: int) -> float:
        x = self._table[:, 0]
        if not x[0] <= strain <= x[-1]:
            return self._linear(strain, column)
        return float(PchipInterpolator(x, self._table[:, column])(strain))

    def _values(self, state: RhombohedralState) -> dict[str, float]:
        short, long = state.bond_lengths
        return {"alpha_rh": state.alpha, "pb_offset": state.offset, "bond_short": short, "bond_long": long}

    def _interpolation_error(self, strain: float) -> dict[str, float]:
        """Return the errors at an exact strain, by quantity."""
        low, high = self.range
        if low <= strain <= high:
            other = self._distorted(strain, self._linear(strain, 1), self._linear(strain, 2))
            share = 0.5
        else:
            edge = low if strain < low else high
            other, share = self._distorted(strain, self._cubic(edge, 1), self._cubic(edge, 2)), 1.0
        here, there = self._values(self._state(strain)), self._values(other)
        away = {name: share * abs(here[name] - there[name]) for name in _COMPARED}
        bond_tolerance = OFFSET_TOLERANCE / np.sqrt(3)
        tolerances = (ALPHA_TOLERANCE, OFFSET_TOLERANCE, bond_tolerance, bond_tolerance)
        return {name: hypot(away[name], found) for name, found in zip(_COMPARED, tolerances, strict=True)}

    def _around(self, strain: float) -> Sequence[StrainPoint]:
        """Return the two points next to a strain, or the one that is there."""
        same = [point for point in self._points if abs(point.linear_strain - strain) < _SAME]
        if same:
            return same
        after = sum(point.linear_strain < strain for point in self._points)
        first = min(max(after - 1, 0), len(self._points) - 2)
        return self._points[first : first + 2]

    def _find(self, function: Callable[[float], float], low: float, high: float) -> float | None:
        """Return the zero of a function that is nearest to no strain, if there is one."""
        strains = np.linspace(low, high, _PARTS)
        values = np.array([function(strain) for strain in strains])
        crossed = np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) <= 0)
        if not len(crossed):
            return None
        roots = [float(brentq(function, strains[i], strains[i + 1])) for i in crossed if values[i] != values[i + 1]]
        return min(roots, key=abs, default=None)


def _onset(results: StrainResults) -> Onset | None:
    """Return the onset, its error with half of what separates the two ways to find it."""
    first, second = results.onset_curvature, results.onset_order_parameter
    if first is None or second is None:
        return first or second
    apart = abs(first.linear_strain - second.linear_strain) / 2
    error = hypot(first.linear_strain_error or 0.0, apart)
    return first.model_copy(update={"linear_strain_error": error})


def _node(point: StrainPoint) -> _Node:
    relaxed, centred = point.relaxed, point.centred
    if relaxed is None:
        raise ValueError(f"{point.label} has no relaxed lattice")
    if relaxed.pb_offset < OFF_CENTRED:
        return _Node(point.linear_strain, relaxed.pb_offset**2, 60.0 - relaxed.alpha_rh, 0.0)
    lower = 0.0 if centred is None else relaxed.pressure - centred.pressure
    return _Node(point.linear_strain, relaxed.pb_offset**2, 60.0 - relaxed.alpha_rh, lower)


def _offset(point: StrainPoint) -> float:
    return 0.0 if point.relaxed is None else point.relaxed.pb_offset
