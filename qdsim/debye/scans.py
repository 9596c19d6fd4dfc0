"""How chi^2 changes with one or two parameters: likelihood profiles and maps."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.optimize import brentq

from qdsim.debye.fitting import Fit, Minimum
from qdsim.debye.misfit import Misfit
from qdsim.debye.models import PARAMETERS
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

_ENDS = 1e-6  # relative accuracy of the ends of an interval

FEWEST_VALUES = 2
"""A scan has at least as many."""


class ScanAxis(NamedTuple):
    """A parameter and the values it is given, ascending."""

    name: str
    values: tuple[float, ...]


class _Scan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Chi2Profile(_Scan):
    """chi^2 along one parameter.

    Attributes
    ----------
    name, unit, values
        The parameter.
    chi2, chi2_reduced
        Sum of squared weighted differences at each value, and divided by the number of points less that of fitted
        numbers.
    best
        Value of the lowest chi^2, by a search from the lowest point.
    low, high
        Where chi^2 is higher than its minimum by what a standard error costs (1, or `widening` of the misfit there):
        the interval of 68 %. None where the scan does not reach so far.
    refitted
        Names of the parameters that were fitted anew at each value.
    messages
        Reservations, one sentence each, a misfit at the minimum first.
    """

    name: str
    unit: str
    values: list[float]
    chi2: list[float]
    chi2_reduced: list[float]
    best: float
    low: float | None
    high: float | None
    refitted: list[str]
    messages: list[str] = []


class Chi2Map(_Scan):
    """chi^2 over two parameters.

    Attributes
    ----------
    x_name, x_unit, x, y_name, y_unit, y
        The parameters.
    chi2_reduced
        Rows are values of y, shape (n_y, n_x).
    best
        (x, y) of the lowest value on the grid.
    refitted
        Names of the parameters that were fitted anew at each point; scale and background always are.
    messages
        Reservations, one sentence each, a misfit at the minimum next to it first.
    """

    x_name: str
    x_unit: str
    x: list[float]
    y_name: str
    y_unit: str
    y: list[float]
    chi2_reduced: list[list[float]]
    best: tuple[float, float]
    refitted: list[str]
    messages: list[str] = []


def chi2_profile(fit: Fit, axis: ScanAxis, *, refit: bool = True, progress: Progress | None = None) -> Chi2Profile:
    """Scan one parameter.

    Parameters
    ----------
    fit
        What is fitted; its model gives the parameters that are neither scanned nor refitted.
    axis
        Parameter and values; it need not be varied in the fit.
    refit
        Fit the other varied parameters anew at each value (a profile likelihood), or hold them.
    progress
        Called with points done and points to be done.

    Raises
    ------
    QdsimError
        If the values are not ascending or beyond what the parameter can be.
    """
    scanned, refitted = _scanned(fit, {axis.name: axis.values}, refit)
    points = list(_along(scanned, [(axis.name, axis.values)], progress))
    chi2 = np.array([point.chi2 for point in points])
    best, low, high = _interval(scanned, axis, chi2)
    return Chi2Profile(
        name=axis.name,
        unit=PARAMETERS[axis.name][0],
        values=list(axis.values),
        chi2=chi2.tolist(),
        chi2_reduced=[scanned.chi2_reduced(one) for one in chi2.tolist()],
        best=float(best.values[scanned.names.index(axis.name)]),
        low=low,
        high=high,
        refitted=refitted,
        messages=_messages(points, scanned.misfit(best)),
    )


def chi2_map(fit: Fit, x: ScanAxis, y: ScanAxis, *, refit: bool = False, progress: Progress | None = None) -> Chi2Map:
    """Scan two parameters; scale and background are fitted at each point.

    Parameters
    ----------
    fit
        What is fitted; its model gives the parameters that are neither scanned nor refitted.
    x, y
        Parameters and values.
    refit
        Fit the other varied parameters anew at each point, or hold them.
    progress
        Called with points done and points to be done.

    Raises
    ------
    QdsimError
        If both are the same parameter, or values are not ascending or beyond what the parameter can be.
    """
    if x.name == y.name:
        raise QdsimError(f"{x.name} is given for both axes of the map: give two different parameters.")
    scanned, refitted = _scanned(fit, {x.name: x.values, y.name: y.values}, refit)
    points = list(_along(scanned, [(y.name, y.values), (x.name, x.values)], progress))
    chi2 = np.array([point.chi2 for point in points])
    chi2 = chi2.reshape(len(y.values), len(x.values))
    lowest = min(points, key=lambda point: point.chi2)
    row, column = np.unravel_index(chi2.argmin(), chi2.shape)
    return Chi2Map(
        x_name=x.name,
        x_unit=PARAMETERS[x.name][0],
        x=list(x.values),
        y_name=y.name,
        y_unit=PARAMETERS[y.name][0],
        y=list(y.values),
        chi2_reduced=[[scanned.chi2_reduced(one) for one in line] for line in chi2.tolist()],
        best=(x.values[column], y.values[row]),
        refitted=refitted,
        messages=_messages(points, scanned.misfit(scanned.minimise(lowest.values))),
    )


def _scanned(fit: Fit, axes: Mapping[str, tuple[float, ...]], refit: bool) -> tuple[Fit, list[str]]:
    """Return a fit that varies the scanned parameters too, and the names of those to be fitted at each point."""
    for name, values in axes.items():
        if name not in PARAMETERS:
            raise QdsimError(f"'{name}' is no parameter of a model: scan one of {', '.join(PARAMETERS)}.")
        if len(values) < FEWEST_VALUES or not np.isfinite(values).all() or not (np.diff(values) > 0).all():
            raise QdsimError(f"The values of {name} to be scanned are not two or more ascending numbers.")
    others = {name: bounds for name, bounds in fit.settings.vary.items() if refit and name not in axes}
    spans = {name: (values[0], values[-1]) for name, values in axes.items()}
    model = fit.model.with_values({name: values[0] for name, values in axes.items()})
    settings = fit.settings.model_copy(update={"vary": others | spans})
    return Fit(model, fit.data, settings, fit.blank, fit.pattern.library), list(others)


def _along(fit: Fit, axes: list[tuple[str, tuple[float, ...]]], progress: Progress | None) -> Iterator[Minimum]:
    """Yield the minimum at every point of the grid, the last axis fastest; each search begins at its neighbour's."""
    held = [name for name, _ in axes]
    places = [fit.names.index(name) for name in held]
    shape = tuple(len(values) for _, values in axes)
    total, values = int(np.prod(shape)), fit.start.copy()
    line = values
    for done in range(total):
        if progress is not None:
            progress(done, total)
        indices = np.unravel_index(done, shape)
        values = (line if indices[-1] == 0 else values).copy()
        for place, (_, grid), i in zip(places, axes, indices, strict=True):
            values[place] = grid[i]
        found = fit.minimise(values, held)
        values = found.values
        if indices[-1] == 0:
            line = values
        yield found


def _messages(points: list[Minimum], misfit: Misfit) -> list[str]:
    failed = sum(not point.converged for point in points)
    told = f"At {failed} of {len(points)} points the search did not converge; chi^2 is too high there."
    return [*filter(None, [misfit.message]), *([told] if failed else [])]


def _interval(fit: Fit, axis: ScanAxis, chi2: FloatArray) -> tuple[Minimum, float | None, float | None]:
    """Return the minimum along the axis, and where chi^2 has risen by what a standard error costs."""
    place = fit.names.index(axis.name)

    def along(value: float, start: FloatArray) -> Minimum:
        values = start.copy()
        values[place] = value
        return fit.minimise(values, [axis.name])

    nearest = int(chi2.argmin())
    best = fit.minimise(along(axis.values[nearest], fit.start).values)
    if best.chi2 > chi2[nearest]:
        best = along(axis.values[nearest], best.values)
    limit = best.chi2 + fit.misfit(best).widening
    middle = float(best.values[place])

    def crossing(outside: list[float]) -> float | None:
        if not outside:
            return None

        def rise(value: float) -> float:
            return along(value, best.values).chi2 - limit

        return float(brentq(rise, outside[0], middle, rtol=_ENDS)) if rise(outside[0]) > 0 else None

    points = list(zip(axis.values, chi2.tolist(), strict=True))
    low = crossing([value for value, height in reversed(points) if value < middle and height > limit])
    high = crossing([value for value, height in points if value > middle and height > limit])
    return best, low, high
