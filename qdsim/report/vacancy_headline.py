"""What a campaign found of vacancies, in numbers to read first and in sentences."""

from collections.abc import Iterator

from qdsim.analysis.formation_energy import FormationEnergy
from qdsim.analysis.vacancy_results import HostState, VacancyResults
from qdsim.report.data import ReportData, node_behind
from qdsim.report.formatting import fixed
from qdsim.report.headline import KeyNumber
from qdsim.report.vacancy_view import WHOLE, VacancyView, mesh, named, size_of


def vacancy_numbers(data: ReportData) -> list[KeyNumber]:
    """Return the heat of formation, what vacancies cost in the first host, and what a distortion does to that."""
    if data.vacancies is None or data.vacancy_analysis is None:
        return []
    view = VacancyView(data.vacancies, data.vacancy_analysis)
    return [*_heat(data, view), *_costs(data, view), *_distortion(data, view)]


def vacancy_sentences(data: ReportData) -> Iterator[str]:
    """Yield the findings as sentences: what vacancies cost, what a distortion changes, and what is missing."""
    results, analysis = data.vacancies, data.vacancy_analysis
    if results is None:
        return
    yield (
        f"Vacancies in {results.compound}: {_count(len(results.defects), 'supercell')} with vacant sites in "
        f"{_count(sum(not host.is_step for host in results.hosts), 'host')}, in the set-up "
        f"“{results.protocol}” {mesh(results.k_points)}. PBE without spin–orbit coupling gives trends for lead "
        "chalcogenides, not absolute levels."
    )
    if analysis is None:
        yield "Nothing has been concluded from them yet."
        return
    view = VacancyView(results, analysis)
    if analysis.heat_of_formation is not None:
        heat = analysis.heat_of_formation
        yield (
            f"The computed heat of formation, {fixed(heat.computed, 3, 'eV')} per formula unit, differs from the "
            f"measured one by {fixed(heat.difference, 3, 'eV', signed=True)} "
            f"({size_of(heat.difference, heat.experimental)}); the chemical potentials are uncertain by as much."
        )
    for (_, defect), rows in _first_costs(view).items():
        yield f"In the host “{rows[0].host}”, a neutral {defect} costs {_range(view, rows)}."
    for one in analysis.decompositions:
        if one.total is not None and one.charge == 0 and _is_single(view, one.rhombohedral, one.defect):
            yield (
                f"Against the undistorted crystal, the formation energy of {named(one.defect, one.charge)} in "
                f"“{one.rhombohedral}” is {fixed(abs(one.total), 3, 'eV')} {'higher' if one.total > 0 else 'lower'}."
            )
    yield from (f"{message.rstrip('.')}." for message in analysis.messages)
    yield from _failures(results)


def _heat(data: ReportData, view: VacancyView) -> Iterator[KeyNumber]:
    window, measured = view.analysis.window, view.analysis.heat_of_formation
    if window is not None:
        note = (
            "per formula unit, from the elements"
            if measured is None
            else f"{fixed(measured.difference, 3, 'eV', signed=True)} against {fixed(measured.experimental, 3, 'eV')} "
            "measured"
        )
        yield KeyNumber(
            f"heat of formation of {window.compound}",
            fixed(window.heat_of_formation, 3, "eV"),
            note,
            node_behind(data.nodes, WHOLE),
        )


def _costs(data: ReportData, view: VacancyView) -> Iterator[KeyNumber]:
    for (host, defect), rows in list(_first_costs(view).items())[:2]:
        values = sorted(_values(view, rows))
        relaxed = view.shown(rows[0])[1]
        state = "" if relaxed else ", ions held"
        yield KeyNumber(
            f"{defect} in {host}",
            fixed(values[0], 2, "eV") if len(values) == 1 else f"{fixed(values[0], 2)} to {fixed(values[-1], 2, 'eV')}",
            f"neutral{state}; from one end of the stability window to the other",
            node_behind(data.nodes, view.path(host, defect, relaxed=relaxed)),
        )


def _distortion(data: ReportData, view: VacancyView) -> Iterator[KeyNumber]:
    found = [(abs(one.total), one.total, one) for one in view.analysis.decompositions if one.total is not None]
    if found:
        _, total, one = max(found, key=lambda entry: entry[0])
        yield KeyNumber(
            "largest effect of a distortion",
            fixed(total, 3, "eV", signed=True),
            f"{named(one.defect, one.charge)} in {one.rhombohedral}, the same in every reservoir",
            node_behind(data.nodes, WHOLE),
        )


def _first_costs(view: VacancyView) -> dict[tuple[str, str], list[FormationEnergy]]:
    """Return the neutral rows of single sites within the window, of the first host that has numbers for any."""
    limits = {one.name for one in view.analysis.reservoirs if one.within_window}
    found: dict[tuple[str, str], list[FormationEnergy]] = {}
    for row in view.single:
        if row.charge or row.reservoir not in limits or view.shown(row)[0] is None:
            continue
        if _is_single(view, row.host, row.defect):
            found.setdefault((row.host, row.defect), []).append(row)
    first = next(iter(found), None)
    return {} if first is None else {key: rows for key, rows in found.items() if key[0] == first[0]}


def _is_single(view: VacancyView, host: str, defect: str) -> bool:
    state = view.defect(host, defect, 0)
    return state is not None and sum(state.removed.values()) == 1


def _values(view: VacancyView, rows: list[FormationEnergy]) -> list[float]:
    return [terms.total for row in rows if (terms := view.shown(row)[0]) is not None]


def _range(view: VacancyView, rows: list[FormationEnergy]) -> str:
    ends = sorted((terms.total, row.reservoir) for row in rows if (terms := view.shown(row)[0]) is not None)
    (low, low_name), (high, high_name) = ends[0], ends[-1]
    if low == high:
        return f"{fixed(low, 2, 'eV')}, whatever the reservoir"
    return f"{fixed(low, 2, 'eV')} ({low_name}) to {fixed(high, 2, 'eV')} ({high_name})"


def _failures(results: VacancyResults) -> Iterator[str]:
    lost: list[HostState] = [host for host in results.hosts if host.energy is None]
    if lost:
        yield f"{len(lost)} of {len(results.hosts)} hosts failed ({', '.join(host.label for host in lost)})."
    broken = [one for one in results.defects if one.failure is not None]
    if broken:
        where = ", ".join(f"{named(one.defect, one.charge)} in {one.host}" for one in broken)
        yield f"{len(broken)} of {len(results.defects)} vacancies had a failure ({where})."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
