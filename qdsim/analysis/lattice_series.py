"""The lattice that density functional theory predicts between the strains that were computed."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import hypot, sqrt
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
_NEAR = 1e-3  # of the distance between two strains, by which an onset stays below the second
_ENDS = (sqrt(3), -sqrt(3))  # standard errors from a value at which a function of it is looked at, see `_spread`
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
    pressure: float


class _Table(NamedTuple):
    """What is interpolated, one `_Node` a row, and cubics of the first two columns on both sides of the onset."""

    nodes: FloatArray
    pieces: list[PchipInterpolator]


class LatticeSeries:
    """Relaxed lattices of a strain series, as functions of strain and of pressure.

    The squared offset and the angle's distance from 60 degrees grow about linearly beyond the onset. They are
    interpolated by monotone cubics between the relaxed points, on each side of the onset by itself: that is a point
    without distortion, in the middle of a centred and an off-centred one where it is not known better. Half of what
    separates them from straight lines counts as their error, with the error of the onset and the tolerance of the
    relaxation.

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
        self._table = self._with_onset(0.0)
        self._others = [self._with_onset(end) for end in _ENDS]

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest linear strain with a relaxed lattice, fractions."""
        return self._points[0].linear_strain, self._points[-1].linear_strain

    def at_strain(self, strain: float, error: float = 0.0) -> LatticeEstimate:
        """Return the lattice at a linear strain, both fractions.

        Outside of `range` the last two points are extrapolated along a straight line, and all of the change beyond
        the last one counts as error. Below a centred lowest point the crystal stays centred, which is no extrapolation.
        """
        state = self._state(strain)
        values = self._values(state)
        found = self._interpolation_error(strain)
        ends = [self._values(self._state(strain + end * error)) for end in _ENDS]
        errors = {name: hypot(found[name], _spread(name, values, ends)) for name in _COMPARED}
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
        """Return the lattice at a pressure, both in GPa; beyond the pressures computed, extrapolated.

        Raises
        ------
        QdsimError
            If the pressure is more than the strains of the series can be extrapolated to.
        """
        strain = self.strain_at(pressure)
        ends = [self._strain_near(pressure + sign * error) for sign in (1, -1)]
        away = [abs(end - strain) for end in ends if end is not None]
        low, high = self.range
        return self.at_strain(strain, sum(away) / len(away) if away else high - low)

    def pressure(self, strain: float) -> float:
        """Return the pressure (GPa) of the relaxed phase at a linear strain.

        That of the centred phase, from the equation of state, and what the stress tensors say that the distortion
        changes; an error of the stress that both phases share, as of the finite basis, cancels.
        """
        return self.equation_of_state.pressure_at(self._volume(strain)) + self._linear(self._table, strain, 3)

    def strain_at(self, pressure: float) -> float:
        """Return the linear strain, of the smallest size, of this pressure (GPa), beyond the range by extrapolation.

        Raises
        ------
        QdsimError
            If no strain within twice the range has this pressure.
        """
        found = self._strain_near(pressure)
        if found is None:
            raise QdsimError(
                f"No strain near those computed has a pressure of {pressure:.2f} GPa: compute larger strains."
            )
        return found

    def reaches(self, pressure: float) -> bool:
        """Tell whether a strain near those computed has a pressure (GPa)."""
        return self._strain_near(pressure) is not None

    def _strain_near(self, pressure: float) -> float | None:
        low, high = self.range
        return self._find(lambda strain: self.pressure(strain) - pressure, 2 * low - high, 2 * high - low)

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

    def _with_onset(self, moved: float) -> _Table:
        """Return what is interpolated, the onset moved by so many of its standard errors."""
        nodes = [_node(point) for point in self._points]
        at = self._onset_at(moved)
        if at is not None and all(node.strain != at for node in nodes):
            nodes = sorted([*nodes, _Node(at, 0.0, 0.0, 0.0)])
        table = np.array(nodes)
        kinks = {i for i, node in enumerate(nodes) if node.strain == at}
        edges = pairwise(sorted({0, len(nodes) - 1} | kinks))
        parts = [table[first : last + 1] for first, last in edges]
        return _Table(table, [PchipInterpolator(part[:, 0], part[:, 1:3]) for part in parts])

    def _onset_at(self, moved: float) -> float | None:
        """Return the strain of the onset, in the middle of two points where none is known; None without off-centring.

        It lies below the first off-centred point, whatever its error.
        """
        strains = [point.linear_strain for point in self._points]
        off_centred = [i for i, point in enumerate(self._points) if _offset(point) >= OFF_CENTRED]
        if not off_centred or off_centred[0] == 0:
            return None
        low, high = strains[off_centred[0] - 1], strains[off_centred[0]]
        at, error = (low + high) / 2, (high - low) / sqrt(12)
        if self.onset is not None:
            at, error = self.onset.linear_strain, self.onset.linear_strain_error or 0.0
        return float(np.clip(at + moved * error, strains[0], high - _NEAR * (high - low)))

    def _volume(self, strain: float) -> float:
        return self.equation_of_state.volume * (1 + strain) ** 3

    def _state(self, strain: float, table: _Table | None = None) -> RhombohedralState:
        table = table or self._table
        return self._distorted(strain, *self._cubic(table, strain))

    def _distorted(self, strain: float, square: float, tilt: float) -> RhombohedralState:
        if square < 0:  # extrapolated to below the onset
            square, tilt = 0.0, 0.0
        return RhombohedralState(self._volume(strain), 60.0 - tilt, sqrt(square))

    def _linear(self, table: _Table, strain: float, column: int) -> float:
        """Interpolate along straight lines, and extrapolate the first and the last of them."""
        x, y = table.nodes[:, 0], table.nodes[:, column]
        if strain < x[0] and self._begins_centred:
            return float(y[0])
        i = int(np.clip(np.searchsorted(x, strain) - 1, 0, len(x) - 2))
        return float(y[i] + (strain - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i]))

    def _cubic(self, table: _Table, strain: float) -> tuple[float, float]:
        """Return squared offset and tilt along the cubics, outside of them along straight lines."""
        x = table.nodes[:, 0]
        if not x[0] <= strain <= x[-1]:
            return self._linear(table, strain, 1), self._linear(table, strain, 2)
        piece = next(piece for piece in table.pieces if strain <= piece.x[-1])
        square, tilt = piece(strain)
        return float(square), float(tilt)

    def _values(self, state: RhombohedralState) -> dict[str, float]:
        short, long = state.bond_lengths
        return {"alpha_rh": state.alpha, "pb_offset": state.offset, "bond_short": short, "bond_long": long}

    def _interpolation_error(self, strain: float) -> dict[str, float]:
        """Return the errors at an exact strain, by quantity."""
        low, high = self.range
        other, share = (self._linear(self._table, strain, 1), self._linear(self._table, strain, 2)), 0.5
        if not low <= strain <= high:
            other, share = self._cubic(self._table, low if strain < low else high), 1.0
        here, there = self._values(self._state(strain)), self._values(self._distorted(strain, *other))
        others = [self._values(self._state(strain, table)) for table in self._others]
        bond_tolerance = OFFSET_TOLERANCE / sqrt(3)
        tolerances = (ALPHA_TOLERANCE, OFFSET_TOLERANCE, bond_tolerance, bond_tolerance)
        return {
            name: hypot(share * (here[name] - there[name]), _spread(name, here, others), tolerance)
            for name, tolerance in zip(_COMPARED, tolerances, strict=True)
        }

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
    lower = relaxed.pressure - (point.eos_pressure if centred is None else centred.pressure)
    return _Node(point.linear_strain, relaxed.pb_offset**2, 60.0 - relaxed.alpha_rh, lower)


def _offset(point: StrainPoint) -> float:
    return 0.0 if point.relaxed is None else point.relaxed.pb_offset


def _spread(name: str, values: Mapping[str, float], ends: Sequence[Mapping[str, float]]) -> float:
    """Return the standard error of a value whose argument has one, from the values at both `_ENDS` of that.

    The three-point Gauss-Hermite rule: exact where the value is linear in its argument, and not blind where an onset is
    within reach of it, or a bond grows up to the onset and shrinks beyond.
    """
    return hypot(*(end[name] - values[name] for end in ends)) / sqrt(6)
