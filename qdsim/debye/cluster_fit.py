"""Fits of clusters whose atoms stand where they stand, as a relaxation has left them, to measured patterns.

The positions are not changed, so the sums over pairs are made once. What is fitted is one displacement parameter B for
each element; scale, background and blank follow, see `qdsim.debye.linear_part`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from math import pi
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from qdsim.debye.amplitude_sources import amplitude_sources
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FittedCurve, FittedParameter
from qdsim.debye.fitting import MOST_EVALUATIONS, STRONG_CORRELATION
from qdsim.debye.form_factors import ComplexArray, element_amplitudes
from qdsim.debye.intensity import Values, check_q, pair_factor, particle_pairs
from qdsim.debye.least_squares import certainty_messages, known, linearised, search, search_messages, stopped
from qdsim.debye.linear_part import CurveSettings, LinearPart
from qdsim.debye.models import PARAMETERS, USUAL_B
from qdsim.debye.pairs import Pairs
from qdsim.debye.transform import SincTransform
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Displacement = Annotated[float, Field(ge=0, le=12)]

B_UNIT, B_LOW, B_HIGH = PARAMETERS["b_iso_cation"]
"""Unit and range of B."""

_RTOL = 1e-8  # of the pair sums


class ClusterSettings(CurveSettings):
    """How a cluster is compared with data; background and scattering as in `CurveSettings`.

    Attributes
    ----------
    b_iso
        B of each element by its symbol, Å^2, added to what the atoms have themselves: where the search begins, or the
        value that is kept. Elements left out have `USUAL_B` if they are varied, else 0.
    vary
        Elements whose B is fitted; None for all.
    occupancies
        Of the atoms by chemical symbol; None for those of the structure, or 1.
    """

    b_iso: dict[str, Displacement] = Field(default_factory=dict)
    vary: list[str] | None = None
    occupancies: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None


class ClusterFit(FittedCurve):
    """A cluster compared with data; its parameters are the B of elements, by their symbols.

    Attributes
    ----------
    b_iso
        B of each element, fitted or kept, Å^2.
    """

    b_iso: dict[str, float]


class ClusterPattern:
    """The intensity of a cluster as a function of the B of its elements.

    Parameters
    ----------
    structure, occupancies
        As for `qdsim.debye.intensity`.
    q
        Å^-1, shape (n,).
    settings
        Radiation, form factors, self term.

    Attributes
    ----------
    elements
        Chemical symbols, in alphabetical order.

    Raises
    ------
    QdsimError
        As for `qdsim.debye.intensity`.
    """

    def __init__(self, structure: Any, q: FloatArray, settings: CurveSettings, occupancies: Values | None = None):
        wanted = check_q(q)
        pairs = particle_pairs(structure, float(wanted.max()), occupancies, 0.0, _RTOL)
        self.elements = tuple(sorted(pairs.occupancy))
        owner = f"the structure has {', '.join(self.elements)}"
        amplitudes = element_amplitudes(self.elements, wanted, settings.scattering, owner)
        counted = pairs.occupancy if settings.self_term == "linear" else pairs.squared_occupancy
        self._alone = np.asarray(sum(counted[symbol] * np.abs(f) ** 2 for symbol, f in amplitudes.items()), float)
        self._exponent = wanted**2 / (16 * pi**2)
        self._kinds, self._sums = _sums_by_elements(pairs, wanted, amplitudes, self.elements)

    def intensity(self, b_iso: FloatArray) -> FloatArray:
        """Return the intensity of the cluster, shape (n,), for B in the order of `elements`, Å^2."""
        return np.asarray(self._alone + self._damped(b_iso).sum(axis=0))

    def with_changes(self, b_iso: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the intensity, and its derivatives with respect to B, shape (elements, n)."""
        damped = self._damped(b_iso)
        return self._alone + damped.sum(axis=0), -self._exponent * (self._kinds.T @ damped)

    def _damped(self, b_iso: FloatArray) -> FloatArray:
        return np.asarray(self._sums * np.exp(np.outer(self._kinds @ b_iso, -self._exponent)))


def fit_cluster(
    structure: Any,
    data: ScatteringData,
    settings: ClusterSettings | None = None,
    blank: ScatteringData | None = None,
) -> ClusterFit:
    """Compare a cluster with data: fit scale, background and one B for each element.

    Parameters
    ----------
    structure
        Whatever `qdsim.debye.intensity` takes.
    data
        The pattern. Without uncertainties all points count alike, and errors are scaled by the goodness of fit.
    settings
        What to vary, and how.
    blank
        Pattern of solvent and container, added to the model with a fitted factor.

    Raises
    ------
    QdsimError
        If the structure or data cannot be used, see `qdsim.debye.intensity` and `LinearPart`, or the structure has no
        such element.
    """
    settings = settings or ClusterSettings()
    pattern = ClusterPattern(structure, data.points, settings, settings.occupancies)
    elements, varied = pattern.elements, _varied(pattern.elements, settings)
    linear = LinearPart(data, settings.background, blank, int(varied.sum()))
    start = np.array([settings.b_iso.get(*one) for one in zip(elements, USUAL_B * varied, strict=True)], float)
    bounds = np.full(len(elements), B_LOW), np.full(len(elements), B_HIGH)
    b_iso, chi2, converged = search(
        lambda values: linear.residual(data.averaged(pattern.intensity(values))),
        lambda values: linear.jacobian(*map(data.averaged, pattern.with_changes(values))),
        start,
        varied,
        bounds,
        linear.size,
        MOST_EVALUATIONS,
    )
    intensity, changes = map(data.averaged, pattern.with_changes(b_iso))
    solution, at_bound, misfit = linear.solve(intensity), stopped(b_iso, bounds), linear.misfit(intensity)
    curves = np.column_stack([solution[0] * changes.T, linear.with_model(intensity)])
    kept = np.concatenate([varied & ~at_bound, np.ones(curves.shape[1] - len(elements), bool)])
    errors, correlation = linearised(curves * linear.weights[:, None], kept, misfit.widening)
    indices = np.flatnonzero(varied)
    names, limits = [f"B of {elements[i]}" for i in indices], (bounds[0][varied], bounds[1][varied])
    return ClusterFit(
        **linear.fields(intensity, solution, chi2, misfit),
        amplitudes=amplitude_sources(elements, settings.scattering),
        b_iso=dict(zip(elements, b_iso.tolist(), strict=True)),
        parameters={
            elements[i]: FittedParameter(
                value=b_iso[i],
                error=known(errors[i]),
                unit=B_UNIT,
                start=start[i],
                low=B_LOW,
                high=B_HIGH,
                at_bound=at_bound[i],
            )
            for i in indices
        },
        scale_error=known(errors[len(elements)]),
        converged=converged,
        messages=[
            *filter(None, [misfit.message]),
            *search_messages(names, b_iso[varied], limits, converged, MOST_EVALUATIONS),
            *linear.messages(solution),
            *certainty_messages(
                names, errors[indices], at_bound[varied], correlation[np.ix_(indices, indices)], STRONG_CORRELATION
            ),
        ],
    )


def _varied(elements: Sequence[str], settings: ClusterSettings) -> BoolArray:
    """Return the B of which elements are fitted, shape (elements,)."""
    wanted = elements if settings.vary is None else settings.vary
    for name, given in {"vary": wanted, "b_iso": settings.b_iso}.items():
        if absent := ", ".join(sorted(set(given) - set(elements))):
            raise QdsimError(f"{name} names {absent}: the structure has {', '.join(elements)} only.")
    return np.array([one in wanted for one in elements], bool)


def _sums_by_elements(
    pairs: Pairs, q: FloatArray, amplitudes: Mapping[str, ComplexArray], elements: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Return how often each element is in each kind of pair, shape (kinds, elements), and its sum, shape (kinds, n)."""
    kinds = list(combinations_with_replacement(range(len(elements)), 2))
    sums = np.zeros((len(kinds), q.size))
    transform = SincTransform(q, pairs.largest_distance)
    for group in pairs.groups:
        grid = transform.grid(len(group.species))
        transform.spread(group.distances, group.weights, grid)
        for species, summed in zip(group.species, transform(grid), strict=True):
            first, second = sorted(elements.index(symbol) for symbol in species.symbols)
            sums[kinds.index((first, second))] += pair_factor(species, q, amplitudes) * summed
    return np.array([np.bincount(kind, minlength=len(elements)) for kind in kinds], float), sums
