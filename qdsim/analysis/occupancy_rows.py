"""Occupancies that a fit states against how many vacancies are favourable, a row for each host and reservoir."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from ase.symbols import string2symbols

from qdsim.analysis.concentrated_vacancies import VacancySeries
from qdsim.analysis.consistency_results import OCCUPANCY, Row
from qdsim.analysis.sample_values import Known
from qdsim.analysis.scattering_fit import QUANTITIES
from qdsim.analysis.verdict import LIMITS, Judgement, Verdict, judge

_SHARES = {"lower": "at most ", "upper": "at least "}  # of vacancies, where an occupancy is only a limit


def occupancy_rows(
    known: Mapping[str, Known], compound: str, vacancies: Sequence[VacancySeries] | None
) -> Iterator[Row]:
    """Compare each occupancy with the smallest one whose vacancies are favourable.

    A sample is to have no more vacancies than are favourable against the full crystal; it may have fewer.

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
        "Occupancies are compared with the smallest one that is favourable: neutral vacancies, with the entropy of "
        "ideal mixing, against the crystal without any. PBE without spin-orbit coupling gives trends for them, not "
        "numbers, and no error of theirs is known: σ counts the fit's alone. Host and reservoir of a sample are not "
        "known either: of an occupancy in several of them, the best verdict counts for the sample."
    )
    compared = [series for series in vacancies or () if _condition(series) in conditions]
    yield from dict.fromkeys(
        reservation
        for series in compared
        for reservation in series.reservations
        if reservation.startswith(f"Reservoir {series.reservoir}:")
    )


class _Favourable(NamedTuple):
    """Up to which share of the sites vacancies are favourable.

    Attributes
    ----------
    most
        The share, or the computed one nearest to it.
    limit
        Of the occupancy that belongs to it: "upper" where more vacancies may be favourable, "lower" where fewer are.
    again
        The least share beyond that is computed and favourable.
    """

    most: float
    limit: Literal["lower", "upper"] | None
    again: float | None


def _favourable(series: VacancySeries) -> _Favourable:
    found = series.free_energy_limit
    most = series.points[0].concentration if found.largest is None else found.largest
    beyond = [point for point in series.points if point.concentration > most and point.free_energy < 0]
    return _Favourable(
        most=most,
        limit="lower" if found.largest is None else "upper" if found.at_least else None,
        again=beyond[0].concentration if beyond else None,
    )


def _row(name: str, element: str, measured: Known, series: VacancySeries) -> Row:
    condition = _condition(series)
    if not series.points:
        return _undecided(name, condition, measured, "no concentration of the series has an energy")
    favourable = _favourable(series)
    computed = 1 - favourable.most
    bound = measured._replace(limit="upper")
    judgement = judge(Known(computed, 0.0), bound, cast(float, QUANTITIES[name].matters))
    left_open = _left_open(measured, favourable, judgement.verdict)
    reason = _reason(element, measured, favourable, judgement)
    difference = measured.value - computed
    return _undecided(name, condition, measured, reason if left_open is None else f"{reason}; {left_open}").model_copy(
        update={
            "computed": computed,
            "computed_limit": favourable.limit,
            "difference": difference,
            "error": judgement.error,
            "standard_errors": None if judgement.error is None else difference / judgement.error,
            "verdict": judgement.verdict if left_open is None else "cannot say",
        }
    )


def _reason(element: str, measured: Known, favourable: _Favourable, judgement: Judgement) -> str:
    share, most = 1 - measured.value, _percent(favourable.most)
    beyond = share > favourable.most
    words = f"{'but only' if beyond else 'and'} up to {most} are favourable"
    if favourable.limit == "upper":
        words = f"and at least up to {most} are favourable"
    elif favourable.limit == "lower":
        words = f"{'but' if beyond else 'and'} not even {most}, the fewest computed, are favourable"
    weighed = judgement.reason.removeprefix(f"the measured value is {LIMITS['upper']}").removeprefix(", ")
    vacant = f"{_SHARES.get(measured.limit or '', '')}{_percent(share)} of the {element} sites are vacant"
    return ", ".join(filter(None, [vacant + f", {words}", weighed]))


def _left_open(measured: Known, favourable: _Favourable, verdict: Verdict) -> str | None:
    """Return why a verdict cannot stand: what is only bounded, or not computed, decides one way at most."""
    if verdict == "agrees":
        if favourable.limit == "lower":
            return "nothing is computed below"
        return "there may be more in the sample" if measured.limit == "upper" else None
    if verdict == "cannot say":
        return None
    if favourable.limit == "upper":
        return "nothing is computed beyond"
    if measured.limit == "lower":
        return "there may be fewer in the sample"
    return None if favourable.again is None else f"{_percent(favourable.again)} are favourable again"


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
