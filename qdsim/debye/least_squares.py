"""Searches for the lowest sum of squares within bounds, and what can be said of the values found."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Limits = tuple[FloatArray, FloatArray]

AT_BOUND = 1e-4
"""A parameter nearer to a bound than this part of its range has stopped there."""
UNDETERMINED = 1e-10
"""A direction in which the scaled normal matrix is flatter than this is not determined by the data."""

_INSIDE = 1e-6  # part of the range by which a search begins away from a bound


def search(
    residual: Callable[[FloatArray], FloatArray],
    jacobian: Callable[[FloatArray], FloatArray],
    start: FloatArray,
    free: BoolArray,
    bounds: Limits,
    size: float,
    most: int,
) -> tuple[FloatArray, float, bool]:
    """Search for the lowest sum of squares from one point.

    Parameters
    ----------
    residual, jacobian
        Weighted differences, shape (n,), and their derivatives, shape (n, k), for values of shape (k,).
    start
        Shape (k,).
    free
        Which values are searched for, shape (k,); the others are kept.
    bounds
        Lowest and highest values, each of shape (k,).
    size
        Of the weighted data: their differences are divided by it, so that no unit matters.
    most
        Number of evaluations after which the search is given up.

    Returns
    -------
    tuple
        Values, sum of squares, and whether the search ended by itself.
    """
    if not free.any():
        return start, float((residual(start) ** 2).sum()), True

    def everything(x: FloatArray) -> FloatArray:
        values = start.copy()
        values[free] = x
        return values

    low, high = (bound[free] for bound in bounds)
    span = high - low
    found = least_squares(
        lambda x: residual(everything(x)) / size,
        np.clip(start[free], low + _INSIDE * span, high - _INSIDE * span),
        lambda x: jacobian(everything(x))[:, free] / size,
        bounds=(low, high),
        x_scale=span,
        max_nfev=most,
        ftol=1e-10,
        xtol=1e-10,
        gtol=1e-14,
    )
    return everything(found.x), float(2 * found.cost) * size**2, found.status > 0


def stopped(values: FloatArray, bounds: Limits) -> BoolArray:
    """Return which values are at one of their bounds, shape (k,)."""
    low, high = bounds
    return np.asarray(np.minimum(values - low, high - values) < AT_BOUND * (high - low))


def linearised(design: FloatArray, kept: BoolArray, factor: float) -> tuple[FloatArray, FloatArray]:
    """Return standard errors and correlations in the linear approximation.

    Parameters
    ----------
    design
        Change of the weighted curve with each fitted number, shape (n, k).
    kept
        Which of them are free, shape (k,); the others have stopped at a bound.
    factor
        By which variances are multiplied.

    Returns
    -------
    tuple of ndarray
        Standard errors, shape (k,), NaN of what is not free or not determined by the data, and the correlation matrix.
    """
    errors, correlation = np.full(len(kept), np.nan), np.eye(len(kept))
    units, norms = unit_columns(design[:, kept])
    flatness, directions = np.linalg.eigh(units.T @ units)
    poor = flatness < UNDETERMINED
    inverse = (directions[:, ~poor] / flatness[~poor]) @ directions[:, ~poor].T
    undetermined = ~units.any(axis=0) | ((directions[:, poor] ** 2).sum(axis=1) > UNDETERMINED)
    spread = np.sqrt(np.maximum(inverse.diagonal(), 0))
    errors[kept] = np.where(undetermined, np.nan, sqrt(factor) * spread / norms)
    usable = np.where(undetermined | (spread == 0), np.inf, spread)
    correlation[np.ix_(kept, kept)] = inverse / np.outer(usable, usable)
    np.fill_diagonal(correlation, 1.0)
    return errors, correlation


def unit_columns(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return columns scaled to a norm of 1, and their norms; those of zeros stay."""
    norms = np.linalg.norm(columns, axis=0)
    norms[norms == 0] = 1.0
    return columns / norms, norms


def known(error: float) -> float | None:
    """Return an error as a document keeps it, None where it is not a number."""
    return float(error) if np.isfinite(error) else None


def search_messages(names: Sequence[str], values: FloatArray, bounds: Limits, converged: bool, most: int) -> list[str]:
    """Return what a user should know of how a search ended; the parameters are those of `search`."""
    messages = []
    if not converged:
        messages.append(
            f"The search did not converge within {most} evaluations; the values are not a minimum. "
            "Begin nearer, or vary fewer parameters."
        )
    low, high = bounds
    for i in np.flatnonzero(stopped(values, bounds)).tolist():
        bound = low[i] if values[i] - low[i] < high[i] - values[i] else high[i]
        messages.append(f"{names[i]} stopped at its bound {bound:.4g}; its value is not a result of the data.")
    return messages


def certainty_messages(
    names: Sequence[str], errors: FloatArray, at_bound: BoolArray, correlation: FloatArray, strong: float
) -> list[str]:
    """Return which parameters the data do not determine, and which they tell apart poorly.

    Parameters
    ----------
    names
        Of the parameters, k of them.
    errors
        NaN where unknown, shape (k,).
    at_bound
        Which have stopped at a bound, shape (k,).
    correlation
        Shape (k, k).
    strong
        Correlation beyond which a pair is named.
    """
    messages = [
        f"The data do not determine {name}."
        for name, error, stops in zip(names, errors, at_bound, strict=True)
        if not (np.isfinite(error) or stops)
    ]
    for i, j in combinations(range(len(names)), 2):
        if abs(correlation[i, j]) > strong:
            messages.append(
                f"{names[i]} and {names[j]} are correlated by {correlation[i, j]:+.2f}: the data tell them apart "
                "poorly."
            )
    return messages
