"""Many vacancies: what each costs, how many are in equilibrium and how many favourable, and what the gap does."""

from collections.abc import Iterator

from qdsim.analysis.concentrated_vacancies import VacancySeries
from qdsim.report.content import Cell, FigureBlock, Table, number, words
from qdsim.report.data import ReportData
from qdsim.report.figures.vacancy_series import (
    chosen_energy,
    series_groups,
    vacancy_energies,
    vacancy_free_energies,
    vacancy_gaps,
)
from qdsim.report.formatting import fixed
from qdsim.report.sections import Context, section
from qdsim.report.vacancy_view import WHOLE, VacancyView

_MEV = 1000.0
_AVERAGES = {
    "weighted": "the mean of the orderings, each counted as often as there are equivalent choices",
    "plain": "the mean of the orderings, each counted once",
    "lowest": "the lowest of the orderings",
}


@section("Many vacancies", order=62)
def vacancy_series(data: ReportData) -> Context | None:
    """Return figures, tables and the limits of concentration; None where there is no series."""
    if data.vacancies is None or data.vacancy_analysis is None or not data.vacancy_analysis.series:
        return None
    view = VacancyView(data.vacancies, data.vacancy_analysis)
    series = view.analysis.series
    return {
        "figures": list(_figures(data, view)),
        "tables": [_limits(data, series), *_orderings(data, view)],
        "average": _AVERAGES[series[0].average],
        "temperature": fixed(series[0].temperature, 0, "K"),
        "failures": list(dict.fromkeys(failure for one in series for failure in one.failures)),
        "notes": list(dict.fromkeys(note for one in series for note in one.reservations)),
    }


def _figures(data: ReportData, view: VacancyView) -> Iterator[FigureBlock]:
    groups = series_groups(view)
    if not groups:
        return
    first = next(iter(groups.values()))[0]
    which = f" of {first.sublattice} in {first.host}" if len(groups) == 1 else ""
    yield FigureBlock(
        "vacancy_energies",
        vacancy_energies(view, data.nodes),
        f"Formation energy per vacancy{which}: circles are orderings, the line joins {_AVERAGES[first.average]}.",
        "wide" if len(groups) > 1 else "plain",
    )
    yield FigureBlock(
        "vacancy_free_energies",
        vacancy_free_energies(view, data.nodes),
        f"Free energy of forming vacancies{which} with the entropy of ideal mixing at "
        f"{fixed(first.temperature, 0, 'K')}; below zero they are favourable, all of them together. The star is the "
        "lowest, which is equilibrium; it is open at an end of what was computed.",
        "wide" if len(groups) > 1 else "plain",
    )
    if any(point.gap is not None for group in groups.values() for point in group[0].points):
        yield FigureBlock(
            "vacancy_gaps",
            vacancy_gaps(view, data.nodes),
            "Gap of the supercells: circles are orderings, the line joins their means. A gap of zero is that of a "
            "crystal whose carriers are in a band.",
        )


def _limits(data: ReportData, series: tuple[VacancySeries, ...]) -> Table:
    rows = []
    for one in series:
        best = one.equilibrium
        rows.append(
            [
                words(data, WHOLE, one.host),
                words(data, WHOLE, one.sublattice),
                words(data, WHOLE, one.reservoir),
                words(data, WHOLE, one.equilibrium_message),
                number(data, WHOLE, None if best is None else _MEV * best.free_energy, 2, "meV", signed=True),
                words(data, WHOLE, one.free_energy_limit.message),
                words(data, WHOLE, one.energy_limit.message),
            ]
        )
    heads = (
        ("host", ""),
        ("vacant", ""),
        ("reservoir", ""),
        ("in equilibrium", "share of the sites"),
        ("free energy there", "meV / site"),
        ("favourable with mixing", "share of the sites"),
        ("favourable by formation energy", "share of the sites"),
    )
    caption = (
        "How many vacancies there are in equilibrium, where one more costs nothing, and how many are favourable, as "
        "long as all of them together cost less than nothing: where they are few, about e times as many."
    )
    return Table(caption, heads, rows)


def _orderings(data: ReportData, view: VacancyView) -> Iterator[Table]:
    """Yield a table of the orderings of each host and sublattice; the reservoirs stand side by side."""
    for (host, sublattice), group in series_groups(view).items():
        heads = (
            ("ordering", ""),
            ("vacant", "%"),
            ("choices", ""),
            *((one.reservoir, "eV / vacancy") for one in group),
            ("gap", "eV"),
        )
        rows: list[list[Cell]] = []
        for points in zip(*(one.points for one in group), strict=True):
            share = 100 * points[0].concentration
            for orderings in zip(*(point.orderings for point in points), strict=True):
                first = orderings[0]
                path = view.path(first.host, first.label)
                rows.append(
                    [
                        words(data, path, first.label),
                        number(data, path, share, 2, "%"),
                        number(data, path, first.multiplicity, 0, ""),
                        *(number(data, path, one.energy, 3, "eV / vacancy") for one in orderings),
                        number(data, path, first.gap, 3, "eV"),
                    ]
                )
            if len(points[0].orderings) > 1:
                rows.append(
                    [
                        words(data, WHOLE, "mean ± standard deviation"),
                        number(data, WHOLE, share, 2, "%"),
                        Cell(""),
                        *(
                            Cell(
                                f"{fixed(chosen_energy(point, one.temperature), 3)} ± {fixed(point.deviation, 3)}",
                                f"{chosen_energy(point, one.temperature)!r} ± {point.deviation!r} eV / vacancy",
                            )
                            for one, point in zip(group, points, strict=True)
                        ),
                        number(data, WHOLE, points[0].gap, 3, "eV"),
                    ]
                )
        yield Table(f"Orderings of {sublattice} vacancies in {host}", heads, rows)
