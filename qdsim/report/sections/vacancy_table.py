"""The formation energies of vacancies with their terms, as one table."""

from collections.abc import Iterator, Sequence

from qdsim.analysis.formation_energy import EnergyTerms, FormationEnergy
from qdsim.analysis.vacancy_results import ChargeCorrection
from qdsim.report.content import Cell, Table, number, words
from qdsim.report.data import ReportData, node_behind
from qdsim.report.formatting import MISSING, fixed
from qdsim.report.sections import Context, section
from qdsim.report.vacancy_view import WHOLE, VacancyView, signed

_EV = "eV"
_ANY = "any"


@section("Formation energies", order=64)
def vacancy_table(data: ReportData) -> Context | None:
    """Return the table of formation energies with its notes; None where there are none."""
    if data.vacancies is None or data.vacancy_analysis is None:
        return None
    view = VacancyView(data.vacancies, data.vacancy_analysis)
    rows = list(_merged(view.single))
    if not rows:
        return None
    notes = list(dict.fromkeys(note for row, _ in rows for note in row.reservations))
    charged = any(row.charge for row, _ in rows)
    failed = any(row.failure for row, _ in rows)
    heads = [("host", ""), ("vacancy", ""), ("charge", ""), ("reservoir", ""), ("supercells", _EV), ("Σ n·μ", _EV)]
    if charged:
        heads += [("electrons", _EV), ("electrostatic", _EV), ("alignment", _EV)]
    heads += [("unrelaxed", _EV), ("relaxed", _EV)]
    heads += [("notes", "")] if notes else []
    heads += [("what failed", "")] if failed else []
    cells = []
    for row, reservoir in rows:
        line = [*_cells(data, view, row, reservoir, charged=charged)]
        if notes:
            line.append(Cell(", ".join(str(place) for place in sorted({notes.index(n) + 1 for n in row.reservations}))))
        if failed:
            line.append(Cell(row.failure or ""))
        cells.append(line)
    return {"tables": [Table(_caption(view, rows, charged=charged), heads, cells)], "notes": notes, "failed": failed}


def _caption(view: VacancyView, rows: Sequence[tuple[FormationEnergy, str]], *, charged: bool) -> str:
    sentences = [
        "Energy of the supercell with the vacancy minus the host’s, plus the atoms taken away times their chemical "
        "potentials"
        + (", plus the charge times the Fermi level, plus finite-size corrections" if charged else "")
        + "; these terms are of the relaxed ions where there is a relaxed energy, else of the ions held."
    ]
    if charged:
        levels = sorted({row.fermi_level for row, _ in rows if row.charge})
        where = " or ".join("at" if level == 0 else f"{fixed(level, 3, _EV)} above" for level in levels)
        sentences.append(f"The Fermi level is {where} each host’s valence band maximum.")
    else:
        sentences.append("All vacancies are neutral.")
    if any(view.is_step(row.host) for row, _ in rows):
        sentences.append("(step): between two hosts for the decomposition only, never relaxed.")
    return " ".join(sentences)


def _merged(rows: Sequence[FormationEnergy]) -> Iterator[tuple[FormationEnergy, str]]:
    """Yield each row with its reservoir; those without any number once for all reservoirs."""
    seen = set()
    for row in rows:
        if row.relaxed is not None or row.unrelaxed is not None:
            yield row, row.reservoir
        elif (key := (row.host, row.defect, row.charge)) not in seen:
            seen.add(key)
            yield row, _ANY


def _cells(
    data: ReportData, view: VacancyView, row: FormationEnergy, reservoir: str, *, charged: bool
) -> Iterator[Cell]:
    def path(relaxed: bool) -> str:
        return view.path(row.host, row.defect, row.charge, relaxed=relaxed)

    terms, relaxed = (row.relaxed, True) if row.relaxed is not None else (row.unrelaxed, False)
    step = view.is_step(row.host)
    yield words(data, f"{WHOLE}.{row.host}.host", f"{row.host} (step)" if step else row.host)
    yield words(data, path(relaxed), row.defect)
    yield words(data, path(relaxed), signed(row.charge))
    yield words(data, WHOLE, reservoir)
    yield number(data, path(relaxed), None if terms is None else terms.supercell_difference, 3, _EV)
    yield _chemical(data, terms)
    if charged and not row.charge:
        yield from [Cell("0" if terms is not None else MISSING, "neutral")] * 3
    elif charged:
        state = view.defect(row.host, row.defect, row.charge)
        correction = None if state is None else (state.correction if relaxed else state.unrelaxed_correction)
        yield number(data, path(relaxed), None if terms is None else terms.electron, 3, _EV, signed=True)
        yield _corrected(data, path(relaxed), None if terms is None else terms.electrostatic, correction)
        yield _corrected(data, path(relaxed), None if terms is None else terms.alignment, correction)
    yield number(data, path(False), None if row.unrelaxed is None else row.unrelaxed.total, 3, _EV)
    yield number(data, path(True), None if row.relaxed is None else row.relaxed.total, 3, _EV)


def _chemical(data: ReportData, terms: EnergyTerms | None) -> Cell:
    """Return the sum over the elements; each of them is told on hover."""
    if terms is None:
        return Cell(MISSING)
    parts = "\n".join(f"{element}: {value!r} {_EV}" for element, value in terms.chemical.items())
    return Cell(fixed(sum(terms.chemical.values()), 3), parts, node_behind(data.nodes, WHOLE))


def _corrected(data: ReportData, path: str, value: float | None, correction: ChargeCorrection | None) -> Cell:
    """Return a correction; its method and dielectric constant are told on hover."""
    cell = number(data, path, value, 3, _EV, signed=True)
    if value is None or correction is None:
        return cell
    how = f"{correction.method}, {correction.dielectric_kind} = {correction.dielectric:g}"
    return Cell(cell.text, f"{cell.exact}\n{how}", cell.uuid)
