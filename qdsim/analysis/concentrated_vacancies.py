"""Many vacancies: what each costs at a concentration, how many are in equilibrium, and how many are favourable.

In equilibrium one vacancy more costs nothing, and the free energy is lowest. Favourable are all of them together as
long as they cost less than nothing: where they are few and independent, e times as many.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from ase.units import kB
from pydantic import AliasChoices, Field, NonNegativeFloat
from scipy.optimize import brentq, minimize_scalar
from scipy.special import entr

from qdsim.analysis.chemical_potentials import Reservoir
from qdsim.analysis.formation_energy import (
    formation_energy,
    hosts_by_label,
    never_relaxed,
    same_crystal,
    with_host_gain,
)
from qdsim.analysis.model import ResultModel
from qdsim.analysis.vacancy_results import DefectState, HostState, VacancyResults
from qdsim.errors import QdsimError

Average = Literal["weighted", "plain", "lowest"]
Beyond = Literal["fewer", "more", "unknown"]
Criterion = Literal["formation energy", "free energy"]
FloatArray = npt.NDArray[np.float64]
Curve = Callable[[FloatArray], FloatArray]

DIGITS = 9
"""To which concentrations are rounded, to be compared."""
SAME_CONCENTRATION = 1e-7
"""Concentrations this near are equal."""
STEPS = 100
"""Between two computed concentrations, to look for a change of sign or a minimum."""


class Ordering(ResultModel):
    """One arrangement of the vacancies."""

    label: str
    host: str
    multiplicity: int
    energy: float = Field(description="Formation energy, eV per vacancy.")
    gap: float | None = Field(description="eV.")


class ConcentrationPoint(ResultModel):
    """All orderings of one concentration; energies in eV per vacancy."""

    concentration: float = Field(description="Share of the sites that is vacant.")
    orderings: tuple[Ordering, ...]
    mean: float = Field(description="Over the orderings.")
    weighted_mean: float = Field(description="Over the orderings, each counted as often as its multiplicity.")
    lowest: float
    highest: float
    deviation: float | None = Field(description="Standard deviation of the orderings; none for a single one.")
    entropy: float = Field(description="Of ideal mixing, eV/K per site.")
    free_energy: float = Field(description="Of forming the vacancies, eV per site.")
    gap: float | None = Field(description="Mean of those known, weighted by multiplicity, eV.")
    gap_lowest: float | None
    gap_highest: float | None


class FavourableLimit(ResultModel):
    """Up to which concentration the vacancies, all together, cost less than nothing, from the lowest computed one on.

    This is no equilibrium: beyond `EquilibriumConcentration` each further vacancy costs free energy.
    """

    criterion: Criterion
    largest: float | None = Field(description="Share of the sites; none where not even the lowest one is.")
    at_least: bool = Field(False, description="The largest computed concentration is still favourable.")
    message: str


class EquilibriumConcentration(ResultModel):
    """Where the free energy is lowest, among the computed concentrations and between them.

    Of vacancies that are independent of each other it is x/(1 - x) = exp(-e_f/kT).
    """

    concentration: float
    free_energy: float = Field(description="eV per site.")
    at_bound: bool = Field(description="At the lowest or highest computed concentration: the true one is beyond.")
    fewest: float | None = Field(
        None, description="With energies higher by the standard deviation of the orderings; none without any."
    )
    most: float | None = Field(None, description="With energies lower by it.")


class VacancySeries(ResultModel):
    """Vacancies of one sublattice in one host and reservoir against their concentration."""

    host: str = Field(description="The first of those that are this crystal.")
    sublattice: str = Field(description="Its element; two for vacancies of both in equal numbers.")
    reservoir: str
    temperature: NonNegativeFloat = Field(description="K.")
    average: Average = Field(description="Which energy of a concentration counts.")
    points: tuple[ConcentrationPoint, ...]
    energy_limit: FavourableLimit
    free_energy_limit: FavourableLimit
    equilibrium: EquilibriumConcentration | None = Field(
        None, validation_alias=AliasChoices("equilibrium", "optimum"), description="None where nothing is computed."
    )
    reservations: tuple[str, ...] = ()
    failures: tuple[str, ...] = Field((), description="One sentence for each ordering without an energy.")

    @property
    def beyond(self) -> Beyond | None:
        """Whether equilibrium has fewer or more vacancies than were computed; "unknown" with one concentration."""
        found = self.equilibrium
        if found is None or not found.at_bound:
            return None
        if len(self.points) == 1:
            return "unknown"
        return "fewer" if found.concentration - self.points[0].concentration < SAME_CONCENTRATION else "more"

    @property
    def equilibrium_message(self) -> str:
        """How many vacancies there are in equilibrium, in words; shares of the sites."""
        found = self.equilibrium
        if found is None:
            return "none: no concentration is computed"
        if self.beyond is not None:
            bound = {"fewer": "below", "more": "above", "unknown": "not known: only computed at"}[self.beyond]
            return f"{bound} {found.concentration:.4f}"
        if found.fewest is None or found.most is None:
            return f"{found.concentration:.4f}"
        return f"{found.concentration:.4f} ({found.fewest:.4f} to {found.most:.4f} by the spread over orderings)"


def mixing_entropy(concentration: float) -> float:
    """Give the entropy of ideal mixing, -k [x ln x + (1-x) ln(1-x)], eV/K per site.

    Parameters
    ----------
    concentration
        Share of the sites that is vacant, 0 to 1.
    """
    return float(_entropy(np.asarray(concentration)))


def vacancy_series(
    results: VacancyResults,
    reservoirs: Sequence[Reservoir],
    temperature: float,
    *,
    average: Average = "weighted",
    relaxed: bool = True,
) -> tuple[VacancySeries, ...]:
    """Follow the formation energy per vacancy with concentration, to equilibrium and to what stays favourable.

    The free energy per site g(x) = x e_f(x) - T s(x) has the mean e_f of the orderings, interpolated linearly between
    the computed concentrations, and the entropy s of ideal mixing. Nothing is said beyond them. In equilibrium with the
    reservoir g is lowest. Favourable means g < 0, or e_f <= 0 without entropy, against the crystal without vacancies.

    Parameters
    ----------
    results
        Its neutral defects with a concentration are used; hosts that are the same crystal make one series.
    reservoirs
        One series each.
    temperature
        K; 0 is allowed.
    average
        "weighted": by multiplicity, as orderings of a random alloy occur, which the ideal entropy belongs to; "plain":
        each ordering once, for sampled ones; "lowest": the best ordering, for which the entropy is too large.
    relaxed
        Which energies.

    Returns
    -------
    tuple of VacancySeries
        One a crystal, sublattice and reservoir; none for a step, where nothing is relaxed, unless `relaxed` is False.

    Raises
    ------
    QdsimError
        If the temperature is negative, a defect's host is missing, or a concentration is not that of the atoms removed.
    """
    if not temperature >= 0:
        raise QdsimError(f"The temperature is not negative, as {temperature} K is.")
    hosts = hosts_by_label(results)
    grouped: defaultdict[tuple[str, str], list[DefectState]] = defaultdict(list)
    for defect in results.defects:
        if relaxed and never_relaxed(defect, hosts[defect.host]):
            continue
        if defect.concentration is not None and defect.charge == 0:
            host = next(host for host in results.hosts if same_crystal(host, hosts[defect.host]))
            grouped[host.label, "+".join(sorted(defect.removed))].append(defect)
    return tuple(
        _series(
            results,
            host,
            sublattice,
            [(defect, hosts[defect.host]) for defect in defects],
            reservoir,
            temperature,
            average,
            relaxed,
        )
        for (host, sublattice), defects in grouped.items()
        for reservoir in reservoirs
    )


def _series(
    results: VacancyResults,
    host: str,
    sublattice: str,
    defects: Sequence[tuple[DefectState, HostState]],
    reservoir: Reservoir,
    temperature: float,
    average: Average,
    relaxed: bool,
) -> VacancySeries:
    found: defaultdict[float, list[Ordering]] = defaultdict(list)
    reservations: list[str] = []
    failures = []
    for defect, cell in defects:
        row = with_host_gain(results, defect, formation_energy(defect, cell, reservoir))
        reservations += row.reservations
        concentration = round(_vacancies_per_site(defect, cell), DIGITS)
        terms = row.relaxed if relaxed else row.unrelaxed
        if terms is None:
            failures.append(f"{defect.defect} at {concentration:.4f}: {row.failure}")
            continue
        found[concentration].append(
            Ordering(
                label=defect.defect,
                host=defect.host,
                multiplicity=defect.multiplicity,
                energy=terms.total / sum(defect.removed.values()),
                gap=defect.gap,
            )
        )
    points = tuple(_point(x, found[x], temperature, average) for x in sorted(found))
    x = np.array([point.concentration for point in points])
    energies = np.array([_chosen(point.mean, point.weighted_mean, point.lowest, average) for point in points])

    deviations = np.array([point.deviation or 0.0 for point in points])

    def energy(at: FloatArray) -> FloatArray:
        return np.asarray(np.interp(at, x, energies))

    def free_energy(at: FloatArray, deviations_above: float = 0.0) -> FloatArray:
        above = np.interp(at, x, deviations_above * deviations)
        return np.asarray(at * (energy(at) + above) - temperature * _entropy(at))

    return VacancySeries(
        host=host,
        sublattice=sublattice,
        reservoir=reservoir.name,
        temperature=temperature,
        average=average,
        points=points,
        energy_limit=_favourable_limit("formation energy", energy, x),
        free_energy_limit=_favourable_limit("free energy", free_energy, x),
        equilibrium=_equilibrium(free_energy, x, spread=bool(deviations.any())),
        reservations=tuple(dict.fromkeys(reservations)),
        failures=tuple(failures),
    )


def _point(
    concentration: float, orderings: Sequence[Ordering], temperature: float, average: Average
) -> ConcentrationPoint:
    energies = np.array([ordering.energy for ordering in orderings])
    weights = [ordering.multiplicity for ordering in orderings]
    mean, weighted, lowest = float(energies.mean()), float(np.average(energies, weights=weights)), float(energies.min())
    gaps = [(ordering.gap, ordering.multiplicity) for ordering in orderings if ordering.gap is not None]
    values = [gap for gap, _ in gaps]
    entropy = mixing_entropy(concentration)
    return ConcentrationPoint(
        concentration=concentration,
        orderings=tuple(orderings),
        mean=mean,
        weighted_mean=weighted,
        lowest=lowest,
        highest=float(energies.max()),
        deviation=float(energies.std(ddof=1)) if len(energies) > 1 else None,
        entropy=entropy,
        free_energy=concentration * _chosen(mean, weighted, lowest, average) - temperature * entropy,
        gap=float(np.average(values, weights=[weight for _, weight in gaps])) if gaps else None,
        gap_lowest=min(values, default=None),
        gap_highest=max(values, default=None),
    )


def _vacancies_per_site(defect: DefectState, host: HostState) -> float:
    """Check the stated concentration, and give the exact one."""
    counts = set(defect.removed.values())
    if len(counts) != 1:
        raise QdsimError(
            f"{defect.defect} lacks {defect.removed}: a series has vacancies of one sublattice, or of both as many."
        )
    concentration = counts.pop() / host.formula_units
    if defect.concentration is None or abs(concentration - defect.concentration) > 0.5 / host.formula_units:
        raise QdsimError(
            f"{defect.defect} in {host.label} states a concentration of {defect.concentration}, "
            f"but {concentration:.4f} of the sites are vacant."
        )
    return concentration


def _chosen(mean: float, weighted: float, lowest: float, average: Average) -> float:
    return {"plain": mean, "weighted": weighted, "lowest": lowest}[average]


def _entropy(concentration: FloatArray) -> FloatArray:
    return np.asarray(kB * (entr(concentration) + entr(1 - concentration)))


def _grid(x: FloatArray) -> FloatArray:
    """Give the computed concentrations with steps between them."""
    steps = [np.linspace(low, high, STEPS, endpoint=False) for low, high in pairwise(x)]
    return np.concatenate([*steps, x[-1:]])


def _favourable_limit(criterion: Criterion, curve: Curve, x: FloatArray) -> FavourableLimit:
    if not len(x):
        return FavourableLimit(criterion=criterion, largest=None, message="none: no concentration is computed")
    grid = _grid(x)
    values = curve(grid)
    unfavourable = values >= 0 if criterion == "free energy" else values > 0
    if not unfavourable.any():
        largest = float(x[-1])
        return FavourableLimit(
            criterion=criterion, largest=largest, at_least=True, message=f"at least up to {largest:.4f}"
        )
    first = int(np.argmax(unfavourable))
    again = grid[first:][~unfavourable[first:]]
    then = f"; again from {again[0]:.4f} on" if len(again) else ""
    if first == 0:
        message = f"none: not at the lowest computed concentration, {x[0]:.4f}{then}"
        return FavourableLimit(criterion=criterion, largest=None, message=message)
    largest = float(brentq(lambda at: float(curve(np.asarray(at))), grid[first - 1], grid[first]))
    return FavourableLimit(criterion=criterion, largest=largest, message=f"up to {largest:.4f}{then}")


def _equilibrium(
    free_energy: Callable[..., FloatArray], x: FloatArray, spread: bool
) -> EquilibriumConcentration | None:
    if not len(x):
        return None
    best = _lowest(free_energy, x)
    return EquilibriumConcentration(
        concentration=best,
        free_energy=float(free_energy(np.asarray(best))),
        at_bound=min(best - float(x[0]), float(x[-1]) - best) < SAME_CONCENTRATION,
        fewest=_lowest(lambda at: free_energy(at, 1.0), x) if spread else None,
        most=_lowest(lambda at: free_energy(at, -1.0), x) if spread else None,
    )


def _lowest(curve: Curve, x: FloatArray) -> float:
    """Return where a curve is lowest between the computed concentrations."""
    grid = _grid(x)
    i = int(np.argmin(curve(grid)))
    best = float(grid[i])
    if len(grid) > 1:
        refined = minimize_scalar(
            lambda at: float(curve(np.asarray(at))),
            bounds=(float(grid[max(i - 1, 0)]), float(grid[min(i + 1, len(grid) - 1)])),
            method="bounded",
            options={"xatol": SAME_CONCENTRATION / 10},
        )
        if refined.fun < float(curve(np.asarray(best))):
            best = float(refined.x)
    return best
