"""Measured scattering: intensity as a function of Q."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Self

import numpy as np
import numpy.typing as npt

from qdsim.debye.abscissa import two_theta_from_q, wavelength_of
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FEWEST_POINTS = 2
"""A curve has at least this many points."""
MOST_KEPT = 20_000
"""Points at which a model is computed for data that were averaged to fewer. Q up to 20 Å^-1 is then divided finely
enough for particles of 100 nm."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Points that were averaged to fewer, so that a model can be averaged as they were.

    Attributes
    ----------
    points
        Q of all of them, Å^-1, ascending, shape (m,).
    weights
        How many measured points each of them stands for, shape (m,).
    first
        Index of the first point of each mean, shape (n,).
    """

    points: FloatArray
    weights: FloatArray
    first: IntArray

    @cached_property
    def total(self) -> FloatArray:
        """Number of measured points in each mean, shape (n,)."""
        return np.asarray(np.add.reduceat(self.weights, self.first))

    def mean(self, values: FloatArray) -> FloatArray:
        """Average values at the points, shape (..., m), to shape (..., n)."""
        return np.asarray(np.add.reduceat(self.weights * values, self.first, axis=-1) / self.total)

    def kept(self, keep: BoolArray) -> "Bins":
        """Return the means of which `keep`, shape (n,), is true."""
        counts = np.diff(np.append(self.first, len(self.points)))
        of_kept, left = np.repeat(keep, counts), counts[keep]
        return Bins(self.points[of_kept], self.weights[of_kept], np.cumsum(left) - left)


@dataclass(frozen=True, eq=False)
class ScatteringData:
    """A measured powder pattern.

    The arrays are copied and cannot be written to.

    Parameters
    ----------
    q
        Scattering vector Q = 4 pi sin(theta) / lambda, Å^-1, not negative, strictly increasing, shape (n,).
    intensity
        Shape (n,), of any scale; may be negative where a background was subtracted.
    sigma
        Standard uncertainties of `intensity`, positive, shape (n,); None if they are not known.
    wavelength
        Å; None if not known.
    source
        Name of the file; empty if there is none.
    metadata
        Entries of the file's header.
    bins
        The points that each point is the mean of, if it is one; see `rebinned`.

    Raises
    ------
    QdsimError
        If lengths differ, there are fewer than two points, a number is not finite, Q is negative, unsorted or
        repeated, an uncertainty is not positive, or Q goes beyond 4 pi / lambda.
    """

    q: FloatArray
    intensity: FloatArray
    sigma: FloatArray | None = None
    wavelength: float | None = None
    source: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    bins: Bins | None = None

    def __post_init__(self) -> None:
        """Take copies, and refuse what no instrument measures."""
        freeze_curve(self, ("q", "intensity", "sigma"))
        object.__setattr__(self, "metadata", dict(self.metadata))
        name = self.source or "The data"
        check_curve(self.q, self.intensity, self.sigma, name, lambda i: f"{name}, point {i + 1}", ("Q", "intensity"))
        wavelength_of(self.wavelength, None)
        if self.wavelength is not None:
            try:
                two_theta_from_q(self.q[-1:], self.wavelength)
            except QdsimError as error:
                raise QdsimError(f"{name}: {error}") from error

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.q)

    @property
    def points(self) -> FloatArray:
        """Where a model of the data is to be computed before it is `averaged`, Å^-1, shape (m,)."""
        return self.q if self.bins is None else self.bins.points

    def averaged(self, values: FloatArray) -> FloatArray:
        """Average values at `points`, shape (..., m), as the data were averaged, to shape (..., n)."""
        return values if self.bins is None else self.bins.mean(values)

    @property
    def two_theta(self) -> FloatArray:
        """Scattering angle, degrees, shape (n,).

        Raises
        ------
        QdsimError
            If the wavelength is not known.
        """
        if self.wavelength is None:
            raise QdsimError(
                f"The scattering angles of {self.source or 'the data'} are not known without the wavelength: "
                "give it (--wavelength, Å) or the energy (--energy, keV)."
            )
        return two_theta_from_q(self.q, self.wavelength)

    def within(self, q_min: float = 0.0, q_max: float = np.inf) -> Self:
        """Return the points with `q_min` <= Q <= `q_max` (Å^-1).

        Raises
        ------
        QdsimError
            If fewer than two points are left.
        """
        return self._keep((self.q >= q_min) & (self.q <= q_max), f"between Q = {q_min:g} and {q_max:g} Å^-1")

    def without(self, ranges: Sequence[tuple[float, float]]) -> Self:
        """Return the points outside all `ranges`, pairs (lowest, highest) of Q in Å^-1, ends included.

        Raises
        ------
        QdsimError
            If a range is not a pair in ascending order, or fewer than two points are left.
        """
        keep = np.ones(len(self), dtype=bool)
        for low, high in ranges:
            if not low <= high:
                raise QdsimError(f"The masked range from {low} to {high} Å^-1 has no extent: give the lower end first.")
            keep &= (self.q < low) | (self.q > high)
        return self._keep(keep, "outside the masked ranges")

    def rebinned(self, most: int) -> Self:
        """Return means of neighbouring points, as many of each as leave at most a given number of points.

        A mean over a part of a fringe or of a peak is not the value in its middle. The points are therefore kept in
        `bins`, and fits average the model over the same ones.

        Parameters
        ----------
        most
            Number of points, at least two. The last mean is of fewer points if they do not divide evenly.

        Raises
        ------
        QdsimError
            If it is less than two.
        """
        if most < FEWEST_POINTS:
            raise QdsimError(f"The data are to be rebinned to {most} points: give at least {FEWEST_POINTS}.")
        if len(self) <= most:
            return self
        finest = -(-len(self) // MOST_KEPT)
        fine = self if finest == 1 else replace(self._joined(finest), bins=None)
        return fine._joined(-(-len(fine) // most))

    def subtract(self, blank: Self, factor: float = 1.0) -> Self:
        """Subtract `factor` times the scattering of a blank: solvent, capillary or air.

        Where the blank was measured at other Q, it is interpolated linearly.

        Parameters
        ----------
        blank
            Covers the Q range of these data. Its uncertainties are added in quadrature, as those of independent
            measurements; between two points they are those of the interpolated value. A blank without
            uncertainties counts as exact. If the blank has uncertainties and these data have none, the result has
            none, since those of the blank alone would be too small.
        factor
            Ratio of exposures, transmissions or volumes.

        Raises
        ------
        QdsimError
            If the blank does not cover the Q range, or the factor is not finite.
        """
        if not isfinite(factor):
            raise QdsimError(f"The factor of the blank is {factor}: give a finite number.")
        if blank.q[0] > self.q[0] or blank.q[-1] < self.q[-1]:
            raise QdsimError(
                f"The blank {blank.source or 'curve'} runs from Q = {blank.q[0]:.6g} to {blank.q[-1]:.6g} Å^-1 and "
                f"does not cover the data, {self.q[0]:.6g} to {self.q[-1]:.6g} Å^-1: cut the data to the blank's range."
            )
        intensity = self.intensity - factor * self.averaged(np.interp(self.points, blank.q, blank.intensity))
        right = np.clip(np.searchsorted(blank.q, self.q), 1, len(blank) - 1)
        left = right - 1
        weight = (self.q - blank.q[left]) / (blank.q[right] - blank.q[left])
        sigma = self.sigma
        if sigma is not None and blank.sigma is not None:
            interpolated = np.hypot((1 - weight) * blank.sigma[left], weight * blank.sigma[right])
            sigma = np.hypot(sigma, factor * interpolated)
        return replace(self, intensity=intensity, sigma=sigma)

    def _joined(self, of_each: int) -> Self:
        """Return the means of each so many neighbours."""
        bins = self.bins or Bins(self.q, np.ones(len(self)), np.arange(len(self)))
        groups = Bins(self.q, bins.total, np.arange(0, len(self), of_each))
        variance = None if self.sigma is None else groups.mean(bins.total * self.sigma**2) / groups.total
        return replace(
            self,
            q=groups.mean(self.q),
            intensity=groups.mean(self.intensity),
            sigma=None if variance is None else np.sqrt(variance),
            bins=Bins(bins.points, bins.weights, bins.first[groups.first]),
        )

    def _keep(self, keep: BoolArray, where: str) -> Self:
        if keep.sum() < FEWEST_POINTS:
            raise QdsimError(
                f"{int(keep.sum())} points of {self.source or 'the data'} lie {where}, and the data run from "
                f"{self.q[0]:.6g} to {self.q[-1]:.6g} Å^-1: keep at least {FEWEST_POINTS}."
            )
        sigma = None if self.sigma is None else self.sigma[keep]
        bins = None if self.bins is None else self.bins.kept(keep)
        return replace(self, q=self.q[keep], intensity=self.intensity[keep], sigma=sigma, bins=bins)


def freeze_curve(curve: object, names: Sequence[str]) -> None:
    """Replace the named arrays of a frozen dataclass by read-only copies.

    Raises
    ------
    QdsimError
        If one is not an array of numbers.
    """
    for name in names:
        given = getattr(curve, name)
        if given is None:
            continue
        try:
            array = np.array(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise QdsimError(f"{name} is not an array of numbers: give one number for each point.") from error
        array.setflags(write=False)
        object.__setattr__(curve, name, array)


def check_curve(
    x: FloatArray,
    y: FloatArray,
    sigma: FloatArray | None,
    name: str,
    place: Callable[[int], str],
    columns: tuple[str, str],
) -> None:
    """Refuse a curve that cannot be used.

    Parameters
    ----------
    x, y, sigma
        The curve, shape (n,); `sigma` may be None.
    name
        What the curve is called.
    place
        Says where a point is, given its index.
    columns
        What `x` and `y` are called.

    Raises
    ------
    QdsimError
        If lengths differ, there are fewer than two points, a number is not finite, `x` is negative, unsorted or
        repeated, or an uncertainty is not positive.
    """
    x_name, y_name = columns
    arrays = {x_name: x, y_name: y} | ({} if sigma is None else {"uncertainty": sigma})
    if any(array.ndim != 1 or array.shape != x.shape for array in arrays.values()):
        shapes = ", ".join(f"{label} {array.shape}" for label, array in arrays.items())
        raise QdsimError(f"{name}: the arrays differ in shape ({shapes}): give one number for each point.")
    if len(x) < FEWEST_POINTS:
        raise QdsimError(f"{name}: {len(x)} points are no curve; give at least {FEWEST_POINTS}.")
    for label, array in arrays.items():
        if len(bad := np.flatnonzero(~np.isfinite(array))):
            raise QdsimError(f"{place(bad[0])}: the {label} is {array[bad[0]]}; drop the point, or correct it.")
    if len(bad := np.flatnonzero(np.diff(x) <= 0) + 1):
        i = int(bad[0])
        check_order(x, y, name, x_name)
        if x[i] == x[i - 1]:
            raise QdsimError(
                f"{place(i)}: the {x_name} {x[i]} is that of the point before it; average the two, or remove one."
            )
        raise QdsimError(
            f"{place(i)}: the {x_name} falls from {x[i - 1]} to {x[i]}; sort the points by {x_name}, and separate "
            "scans that follow each other."
        )
    if len(bad := np.flatnonzero(x < 0)):
        raise QdsimError(f"{place(bad[0])}: the {x_name} is {x[bad[0]]}, and none is negative; correct the point.")
    if sigma is not None and len(bad := np.flatnonzero(sigma <= 0)):
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise QdsimError(
            f"{place(bad[0])}: the uncertainty is {sigma[bad[0]]}{more}; drop such points, or give them a positive "
            "uncertainty."
        )


def check_order(x: FloatArray, y: FloatArray, name: str, x_name: str = "Q or the angle") -> None:
    """Refuse a curve whose second column ascends where the first does not.

    Raises
    ------
    QdsimError
        If the columns look swapped.
    """
    if (np.diff(x) <= 0).any() and (np.diff(y) > 0).all():
        raise QdsimError(
            f"{name}: columns look swapped, for the first is not in ascending order and the second is; put {x_name} "
            "first."
        )
