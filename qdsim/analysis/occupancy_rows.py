"""Occupancies that a fit states against how many vacancies there are in equilibrium, by host and reservoir."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, cast

from ase.symbols import string2symbols

from qdsim.analysis.concentrated_vacancies import EquilibriumConcentration, VacancySeries
from qdsim.analysis.consistency_results import OCCUPANCY, Row
from qdsim.analysis.sample_values import Known
from qdsim.analysis.scattering_fit import QUANTITIES
from qdsim.analysis.verdict import Judgement, judge

_SHARES = {"lower": "at most ", "upper": "at least "}  # of vacancies, where an occupancy is only a limit
_LIMITS: dict[str, Literal["lower", "upper"]] = {"fewer": "lower", "more": "upper"}
# of the occupancy of equilibrium, where that lies beyond what is computed


def occupancy_rows(
    known: Mapping[str, Known], compound: str, vacancies: Sequence[VacancySeries] | None
) -> Iterator[Row]:
    """Compare each occupancy with that of equilibrium with a reservoir; tell how many vacancies are favourable, too.

    Parameters
    ----------
    known
        Of the sample, by quantity.
    compound
        Its cation first.
    vacancies
        Against their concentration; None where there are no formation energies at all.

    Yields
    ------
    Row
        One for each occupancy and each series that empties its sublattice, by itself or with the other; one that says
        so where there is none.
    """
    stated = [name for name in known if name.startswith(OCCUPANCY)]
    sublattices = dict(zip(("cation", "anion"), string2symbols(compound), strict=True)) if stated else {}
    elements = {name: sublattices[name.removeprefix(OCCUPANCY).partition("_")[0]] for name in stated}
    for series in vacancies or ():
        for name, element in elements.items():
            if element in _elements(series):
                yield _row(name, element, known[name], series)
    for name, element in elements.items():
        if vacancies is None:
            missing = "formation energies of vacancies"
        elif not any(element in _elements(series) for series in vacancies):
            missing = f"series of {element} vacancies at several concentrations"
        else:
            continue
        yield _undecided(name, "", known[name], f"the campaign has no {missing} to compare with")


def occupancy_notes(rows: Iterable[Row], vacancies: Sequence[VacancySeries] | None) -> Iterator[str]:
    """Tell what the rows of occupancies rest on, and which reservoirs the compound is not stable in.

    Parameters
    ----------
    rows
        All rows of a check.
    vacancies
        As for `occupancy_rows`.
    """
    conditions = {row.condition for row in rows if row.quantity.startswith(OCCUPANCY) and row.computed is not None}
    if not conditions:
        return
    yield (
        "Occupancies are compared with equilibrium: neutral vacancies, with the entropy of ideal mixing, as many as "
        "have the lowest free energy. Favourable are more, about e times as many where they are few: all of them "
        "together cost less than nothing, but the last ones do not. PBE without spin-orbit coupling gives trends for "
        "them, not numbers; σ counts the fit's error and the spread over orderings alone. Host and reservoir of a "
        "sample are not known either: of an occupancy in several of them, the best verdict counts for the sample."
    )
    compared = [series for series in vacancies or () if _condition(series) in conditions]
    yield from dict.fromkeys(
        reservation
        for series in compared
        for reservation in series.reservations
        if reservation.startswith(f"Reservoir {series.reservoir}:")
    )


def _row(name: str, element: str, measured: Known, series: VacancySeries) -> Row:
    condition = _condition(series)
    found = series.equilibrium
    if found is None:
        return _undecided(name, condition, measured, "no concentration of the series has an energy")
    spread = None if found.fewest is None or found.most is None else (found.most - found.fewest) / 2
    computed = Known(1 - found.concentration, spread)
    judgement = judge(computed._replace(error=spread or 0.0), measured, cast(float, QUANTITIES[name].matters))
    reason = _reason(element, measured, series, judgement)
    left_open = _left_open(series, judgement)
    if left_open is not None:
        judgement = judgement._replace(verdict="cannot say")
        reason = f"{reason}; {left_open}"
    row = Row.judged(name, condition, computed, measured, judgement._replace(reason=reason))
    return row.model_copy(update={"computed_limit": _LIMITS.get(series.beyond or "")})


def _reason(element: str, measured: Known, series: VacancySeries, judgement: Judgement) -> str:
    share = cast(EquilibriumConcentration, series.equilibrium).concentration
    bound = {"fewer": "less than ", "more": "more than "}.get(series.beyond or "", "")
    vacant = f"{_SHARES.get(measured.limit or '', '')}{_percent(1 - measured.value)} of the {element} sites are vacant"
    limit = series.free_energy_limit
    if limit.largest is None:
        favourable = f"not even {_percent(series.points[0].concentration)}, the fewest computed, are favourable"
    else:
        favourable = f"{'at least ' if limit.at_least else ''}up to {_percent(limit.largest)} are favourable"
    return f"{vacant}, {bound}{_percent(share)} in equilibrium ({favourable}); {judgement.reason}"


def _left_open(series: VacancySeries, judgement: Judgement) -> str | None:
    """Return why a verdict cannot stand: equilibrium beyond what is computed may be nearer to the sample."""
    if series.beyond is None or judgement.verdict == "cannot say":
        return None
    if series.beyond == "unknown":
        return "no other concentration is computed"
    apart = judgement.difference or 0.0
    if judgement.verdict != "agrees" and (apart < 0) == (series.beyond == "fewer"):
        return None
    return "nothing is computed below" if series.beyond == "fewer" else "nothing is computed beyond"


def _undecided(name: str, condition: str, measured: Known, reason: str) -> Row:
    return Row(
        quantity=name,
        condition=condition,
        measured=measured.value,
        measured_error=measured.error,
        limit=measured.limit,
        assumed=measured.assumed,
        verdict="cannot say",
        reason=reason,
        source=measured.source,
    )


def _elements(series: VacancySeries) -> list[str]:
    return series.sublattice.split("+")


def _condition(series: VacancySeries) -> str:
    both = f"{series.sublattice}, " if len(_elements(series)) > 1 else ""
    return f"{series.host}, {both}{series.reservoir}, {series.temperature:g} K"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
