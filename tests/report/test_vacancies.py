import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from pydantic import JsonValue

from qdsim.analysis.formation_energy import FormationEnergy
from qdsim.analysis.vacancy_analysis import (
    CarrierSettings,
    MeasuredHeat,
    ReservoirSettings,
    VacancyAnalysis,
    analyse_vacancies,
)
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, ElementState, HostState, VacancyResults
from qdsim.report import Effort, ReportData, Structure, render_report
from qdsim.report.content import Table
from qdsim.report.figures import (
    distortion_parts,
    fermi_level_diagram,
    formation_energies,
    vacancy_cells,
    vacancy_energies,
    vacancy_free_energies,
    vacancy_gaps,
)
from qdsim.report.formatting import NO_BREAK_SPACE, fixed
from qdsim.report.headline import sentences
from qdsim.report.sections import all_sections
from qdsim.report.sections.vacancies import vacancies
from qdsim.report.vacancy_headline import vacancy_numbers, vacancy_sentences
from qdsim.report.vacancy_view import VacancyView
from qdsim.structures import RhombohedralState
from qdsim.structures.vacancies import remove_sites

HOSTILE = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>\"'&{{ 7 * 7 }}"


class Page(HTMLParser):
    """The elements of a page without the libraries at its end, the text of its scripts, and all of its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(document[: document.index("<script>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and data.strip():
            self.scripts.append(data)
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", {}))

    def having(self, attribute: str) -> list[str]:
        return [value for _, found in self.elements if (value := found.get(attribute)) is not None]


N = 32
PER_UNIT = -376.135
ELEMENTS = (
    ElementState(element="Pb", phase="fcc", energy=-97.71),
    ElementState(element="S", phase="S8 molecule", energy=-277.48),
)
MU = {one.element: one.energy or 0.0 for one in ELEMENTS}
A0, A = 6.008, 6.128
STATES = {
    "undistorted": RhombohedralState(A0**3 / 4),
    "strained": RhombohedralState(A**3 / 4),
    "relaxed": RhombohedralState(A**3 / 4, 59.4, 0.2),
    "relaxed_centred": RhombohedralState(A**3 / 4, 59.4),
    "far": RhombohedralState(6.19**3 / 4, 59.1, 0.25),
}
TIMED_OUT = "CP2K ran out of walltime."
LOST = "The optimisation took 60 steps and did not converge."
UNRELAXED = {  # E_f with both elements at their reference, eV
    "Pb": {"undistorted": 2.52, "strained": 2.31, "relaxed_centred": 2.33, "relaxed": 2.47},
    "S": {"undistorted": 1.61, "strained": 1.42, "relaxed_centred": 1.40, "relaxed": 1.51},
}
RELAXING = {"undistorted": -0.31, "strained": -0.44, "relaxed": -0.35}
EPS_0 = ChargeCorrection(method="FNV", dielectric=170, dielectric_kind="eps_0", electrostatic=0.021, alignment=-0.043)
EPS_INF = ChargeCorrection(method="FNV", dielectric=17, dielectric_kind="eps_inf", electrostatic=0.21, alignment=-0.03)


def host(label: str, **changes: Any) -> HostState:
    state = STATES[label]
    energy = N * (PER_UNIT + {"undistorted": 0.0, "strained": 0.052, "relaxed_centred": 0.053, "relaxed": 0.048}[label])
    step = label == "relaxed_centred"
    fields: dict[str, Any] = {"energy": energy, "vbm": 5.1, "cbm": 5.42, "is_step": step, "ions_held": step}
    return HostState(
        label=label,
        volume=state.volume,
        alpha_rh=state.alpha,
        pb_offset=state.offset,
        formula_units=N,
        image_distance=2 * state.lattice_constant,
        **{**fields, **changes},
    )


HOSTS = (
    host("undistorted"),
    host("strained"),
    host("relaxed"),
    HostState(
        label="far",
        volume=STATES["far"].volume,
        alpha_rh=59.1,
        pb_offset=0.25,
        formula_units=N,
        image_distance=12.3,
        failure=TIMED_OUT,
    ),
    host("relaxed_centred"),
)
ENERGIES = {one.label: one.energy for one in HOSTS}


def crystal(label: str) -> Atoms:
    return STATES[label].to_atoms("Pb", "S", (2, 2, 2))


def site(element: str) -> int:
    return 0 if element == "Pb" else N


def vacancy(element: str, where: str, charge: int = 0, **changes: Any) -> DefectState:
    atoms = crystal(where)
    start = (ENERGIES[where] or 0.0) - MU[element] + UNRELAXED[element][where] - 5.25 * charge
    label = f"V_{element}" + (f"_{'m' if charge < 0 else 'p'}{abs(charge)}" if charge else "")
    relaxed = RELAXING.get(where)
    fields: dict[str, Any] = {
        "unrelaxed_energy": start,
        "energy": None if relaxed is None else start + relaxed,
        "gap": 0.0 if not charge else 0.28,
        "largest_displacement": None if relaxed is None else 0.11,
        "vacant_sites": (tuple(atoms.get_scaled_positions()[site(element)].tolist()),),
    }
    return DefectState(
        host=where,
        label=label,
        defect=f"V_{element}",
        charge=charge,
        removed={element: 1},
        multiplicity=N,
        **{**fields, **changes},
    )


def orderings(where: str, shift: float) -> list[DefectState]:
    """Vacancies of lead in three concentrations; the last ordering has failed."""
    found = []
    for count, energies in ((1, [2.21]), (2, [2.30, 2.12, 2.18]), (4, [2.05, 2.44, 2.27, None])):
        for number, energy in enumerate(energies, 1):
            name = f"Pb {100 * count / N:.1f} % #{number}"
            total = None if energy is None else (ENERGIES[where] or 0.0) + count * (energy + shift - MU["Pb"])
            found.append(
                DefectState(
                    host=where,
                    label=f"Pb_{count}_{number}",
                    defect=name,
                    removed={"Pb": count},
                    concentration=count / N,
                    multiplicity=16 * number,
                    unrelaxed_energy=total and total + 0.3 * count,
                    energy=total,
                    gap=None if energy is None else 0.3 - shift - 0.04 * count - 0.01 * number,
                    failure=LOST if energy is None else None,
                )
            )
    return found


@pytest.fixture(scope="module")
def computed() -> VacancyResults:
    charged = {"correction": EPS_0, "unrelaxed_correction": EPS_INF}
    return VacancyResults(
        compound="PbS",
        cation="Pb",
        anion="S",
        protocol="defects",
        k_points=(2, 2, 2),
        compound_energy=PER_UNIT,
        elements=ELEMENTS,
        hosts=HOSTS,
        defects=(
            vacancy("Pb", "undistorted"),
            vacancy("Pb", "undistorted", -2, **charged),
            vacancy("S", "undistorted", gap=0.2),
            vacancy("S", "undistorted", 2, **charged),
            *orderings("undistorted", 0.0),
            vacancy("Pb", "strained"),
            vacancy("S", "strained", gap=0.2),
            vacancy("Pb", "relaxed", reservations=("The cations around the vacancy moved off-centre by 0.27 Å.",)),
            vacancy("Pb", "relaxed", -2, **charged),
            vacancy("S", "relaxed", energy=None, largest_displacement=None, failure=LOST),
            *orderings("relaxed", 0.1),
            vacancy("Pb", "relaxed_centred"),
            vacancy("S", "relaxed_centred", gap=0.2),
        ),
    )


RESERVOIRS = (
    ReservoirSettings(name="lead oleate", element="Pb", source_energy=-0.42),
    ReservoirSettings(name="too much S", delta_mu={"S": 0.12}),
    ReservoirSettings(name="hot injection", delta_mu={"Pb": -0.2, "S": -0.3}),
)


@pytest.fixture(scope="module")
def analysis(computed: VacancyResults) -> VacancyAnalysis:
    measured = MeasuredHeat(value=-1.041, source="Wagman et al. (1982)")
    return analyse_vacancies(computed, RESERVOIRS, 600.0, measured, CarrierSettings(electron_mass=0.1, hole_mass=0.1))


def plain(atoms: Atoms) -> Structure:
    return Structure(symbols=tuple(atoms.symbols), positions=atoms.positions.tolist(), cell=atoms.cell.array.tolist())


def displaced(where: str, sites: Sequence[int], step: float) -> Structure:
    """The crystal without some sites, its atoms moved away from the first of them: less, the farther they are."""
    atoms = crystal(where)
    away = atoms.get_distances(sites[0], range(len(atoms)), mic=True, vector=True)
    distances = np.linalg.norm(away, axis=1)
    distances[sites[0]] = 1.0
    moved = step * away / distances[:, None] * (2.9 / distances[:, None]) ** 2
    moved[sites[0]] = 0.0
    atoms.positions += moved
    return plain(remove_sites(atoms, sites))


@pytest.fixture(scope="module")
def structures() -> dict[str, dict[str, Structure]]:
    return {
        "undistorted": {
            "host": plain(crystal("undistorted")),
            "V_Pb": displaced("undistorted", [0], 0.11),
            "V_Pb_m2": displaced("undistorted", [0], 0.15),
            "V_S": displaced("undistorted", [N], -0.06),
        },
        "relaxed": {"host": plain(crystal("relaxed")), "V_Pb": displaced("relaxed", [0], 0.13)},
    }


@pytest.fixture(scope="module")
def vacancy_data(
    computed: VacancyResults, analysis: VacancyAnalysis, structures: dict[str, dict[str, Structure]]
) -> ReportData:
    nodes = {"campaign": "c" * 8, "vacancies": "whole-results"}
    for state in computed.defects:
        for kind in ("unrelaxed", "relaxed"):
            path = f"vacancies.{state.host}.{state.label}.{kind}"
            nodes[path] = f"node of {path}"
    for name in (*(f"{one.label}.host" for one in HOSTS), "element_Pb", "element_S"):
        nodes[f"vacancies.{name}"] = f"node of vacancies.{name}"
    return ReportData(
        title="Vacancies in PbS",
        campaign="synthetic vacancies (test data, not computed)",
        created=datetime(2024, 5, 17, 9, 30, tzinfo=UTC),
        qdsim_version="0.1.0",
        code_version="CP2K 2023.1",
        status="finished with failures",
        failures=(f"far__host: {TIMED_OUT}",),
        settings={"campaign": {"compound": "PbS", "vacancy": {"protocol": "defects", "supercell": [2, 2, 2]}}},
        nodes=nodes,
        effort=Effort(computed=41, reused=2, wall_time=81234.0, cpu_time=151234.0),
        vacancies=computed,
        vacancy_analysis=analysis,
        vacancy_structures=structures,
    )


@pytest.fixture(scope="module")
def document(vacancy_data: ReportData) -> str:
    return render_report(vacancy_data)


@pytest.fixture(scope="module")
def view(computed: VacancyResults, analysis: VacancyAnalysis) -> VacancyView:
    return VacancyView(computed, analysis)


def tables_of(name: str, data: ReportData) -> dict[str, Table]:
    """Return the tables of a section by the first words of their captions."""
    (found,) = (one for one in all_sections() if one.name == name)
    context = found.build(data)
    assert context is not None
    return {table.caption.split()[0]: table for table in (*context.get("beside", ()), *context["tables"])}


def column(table: Table, head: str) -> int:
    return [name for name, _ in table.heads].index(head)


def lines_of(table: Table, *firsts: str) -> list[list[str]]:
    """Return the rows that begin with these texts, as they are read."""
    rows = [[cell.text for cell in row] for row in table.rows]
    return [row for row in rows if row[: len(firsts)] == list(firsts)]


def formation(analysis: VacancyAnalysis, where: str, defect: str, reservoir: str, charge: int = 0) -> FormationEnergy:
    (found,) = (
        row
        for row in analysis.formation_energies
        if (row.host, row.defect, row.charge, row.reservoir) == (where, defect, charge, reservoir)
    )
    return found


def drawn(figure: Any, name: str) -> list[Any]:
    return [one for one in figure.data if one.name == name]


def test_a_campaign_of_vacancies_alone_has_its_page(document: str, vacancy_data: ReportData) -> None:
    page = Page(document)
    assert page.having("data-figure") == [
        f"data-{name}"
        for name in (
            "vacancy_formation",
            "fermi_level_0",
            "fermi_level_1",
            "vacancy_cells",
            "distortion_parts",
            "vacancy_energies",
            "vacancy_free_energies",
            "vacancy_gaps",
        )
    ]
    assert all(json.loads(script)["data"] for script in page.scripts)
    assert "vacancies in PbS, defects" in page.text
    assert "no equation of state" not in page.text
    assert "#vacancies" in page.having("href")
    assert ReportData.model_validate_json(vacancy_data.model_dump_json()) == vacancy_data


def test_a_campaign_without_vacancies_shows_nothing_of_them(data: ReportData) -> None:
    shown = [one.name for one in all_sections() if one.build(data) is not None]
    assert not {"vacancies", "vacancy_series", "vacancy_table"} & set(shown)


def test_a_campaign_that_lost_its_strain_series_says_so(vacancy_data: ReportData) -> None:
    asked = vacancy_data.model_copy(update={"settings": {"campaign": {"strain": {"values": [0.01]}}}})
    assert list(sentences(vacancy_data)) == []
    assert next(sentences(asked)).startswith("There is no equation of state")


def test_every_term_of_the_table_is_the_documents(vacancy_data: ReportData, analysis: VacancyAnalysis) -> None:
    table = tables_of("vacancy_table", vacancy_data)["Energy"]
    row = formation(analysis, "undistorted", "V_Pb", "S-rich", -2)
    assert row.relaxed is not None
    assert row.unrelaxed is not None
    (line,) = lines_of(table, "undistorted", "V_Pb", "−2", "S-rich")
    terms = row.relaxed
    values = (
        terms.supercell_difference,
        sum(terms.chemical.values()),
        terms.electron,
        terms.electrostatic,
        terms.alignment,
        row.unrelaxed.total,
        row.relaxed.total,
    )
    assert line[4:11] == [fixed(value, 3, signed=index in {2, 3, 4}) for index, value in enumerate(values)]
    read = [float(text.replace("−", "-")) for text in line[4:11]]
    assert sum(read[:5]) == pytest.approx(read[6], abs=0.003)


def test_the_terms_of_what_was_not_relaxed_are_those_of_the_ions_held(
    vacancy_data: ReportData, analysis: VacancyAnalysis
) -> None:
    table = tables_of("vacancy_table", vacancy_data)["Energy"]
    row = formation(analysis, "relaxed_centred", "V_S", "Pb-rich")
    assert row.unrelaxed is not None
    (line,) = lines_of(table, "relaxed_centred (step)", "V_S", "0", "Pb-rich")
    assert line[4] == fixed(row.unrelaxed.supercell_difference, 3)
    assert line[6:9] == ["0"] * 3
    assert line[9:11] == [fixed(row.unrelaxed.total, 3), "–"]
    assert line[column(table, "what failed")] == ""


def test_values_of_the_table_name_their_calculation(vacancy_data: ReportData) -> None:
    table = tables_of("vacancy_table", vacancy_data)["Energy"]
    wanted = ["undistorted", "V_Pb", "−2", "Pb-rich"]
    (cells,) = (row for row in table.rows if [cell.text for cell in row[:4]] == wanted)
    assert cells[0].uuid == "node of vacancies.undistorted.host"
    assert cells[column(table, "unrelaxed")].uuid == "node of vacancies.undistorted.V_Pb_m2.unrelaxed"
    assert cells[column(table, "relaxed")].uuid == "node of vacancies.undistorted.V_Pb_m2.relaxed"
    assert cells[column(table, "Σ n·μ")].uuid == "whole-results"
    assert "FNV, eps_0 = 170" in cells[column(table, "electrostatic")].tooltip
    assert "Pb: -97.71" in cells[column(table, "Σ n·μ")].tooltip


def test_a_failed_host_has_one_row_a_vacancy_with_the_reason(vacancy_data: ReportData) -> None:
    table = tables_of("vacancy_table", vacancy_data)["Energy"]
    lines = lines_of(table, "far")
    assert [line[1:4] for line in lines] == [
        ["V_Pb", "0", "any"],
        ["V_Pb", "−2", "any"],
        ["V_S", "0", "any"],
        ["V_S", "+2", "any"],
    ]
    for line in lines:
        assert line[4:11] == ["–"] * 7
        assert line[-1] == f"Host far has no energy: {TIMED_OUT}"
    (lost,) = lines_of(table, "relaxed", "V_S", "0", "S-rich")
    assert LOST in lost[-1]
    assert lost[10] == "–"


def test_reservations_are_numbered_notes(vacancy_data: ReportData, analysis: VacancyAnalysis) -> None:
    (found,) = (one for one in all_sections() if one.name == "vacancy_table")
    context = found.build(vacancy_data)
    assert context is not None
    notes, table = context["notes"], context["tables"][0]
    assert len(set(notes)) == len(notes)
    row = formation(analysis, "relaxed", "V_Pb", "too much S")
    (line,) = lines_of(table, "relaxed", "V_Pb", "0", "too much S")
    numbers = [int(text) for text in line[column(table, "notes")].split(", ")]
    assert {notes[number - 1] for number in numbers} == set(row.reservations)
    assert len(numbers) == 3


def test_neutral_vacancies_need_no_columns_of_charge(vacancy_data: ReportData, computed: VacancyResults) -> None:
    neutral = computed.model_copy(update={"defects": tuple(one for one in computed.defects if not one.charge)})
    changed = vacancy_data.model_copy(
        update={"vacancies": neutral, "vacancy_analysis": analyse_vacancies(neutral, RESERVOIRS)}
    )
    (table,) = tables_of("vacancy_table", changed).values()
    assert not {"electrons", "electrostatic", "alignment"} & {name for name, _ in table.heads}
    assert "All vacancies are neutral." in table.caption
    assert not any("fermi_level" in name for name in Page(render_report(changed)).having("data-figure"))


def test_potentials_and_what_is_outside_the_window(vacancy_data: ReportData, analysis: VacancyAnalysis) -> None:
    tables = tables_of("vacancies", vacancy_data)
    told = tables["The"].caption.replace(NO_BREAK_SPACE, " ")
    assert "is 0.096 eV or 9 % smaller in size than the measured one (Wagman et al. (1982))" in told
    reservoirs = {row[0].text: [cell.text for cell in row[1:]] for row in tables["Reservoirs."].rows}
    assert list(reservoirs) == [one.name for one in analysis.reservoirs]
    for one in analysis.reservoirs:
        texts = reservoirs[one.name]
        assert texts[:2] == [fixed(one.delta_mu[element], 3, signed=True) for element in ("Pb", "S")]
        assert texts[2:4] == [fixed(one.mu[element], 3) for element in ("Pb", "S")]
        assert texts[4] == ("stable" if one.within_window else f"⚠ {one.message}")
    assert sum(text[4] != "stable" for text in reservoirs.values()) == 2


def test_the_lines_of_formation_energies_go_through_the_documents(view: VacancyView, analysis: VacancyAnalysis) -> None:
    figure: Any = formation_energies(view, {})
    names = list(dict.fromkeys(one.name for one in figure.data))
    assert names == [
        "V_Pb in undistorted",
        "V_S in undistorted",
        "V_Pb in strained",
        "V_S in strained",
        "V_Pb in relaxed",
        "V_S in relaxed, ions held",
    ]
    places = {one.name: one.delta_mu["Pb"] for one in analysis.reservoirs if one.name != "hot injection"}
    line, points = drawn(figure, "V_S in strained")
    assert list(points.x) == list(places.values())
    rows = [formation(analysis, "strained", "V_S", name) for name in places]
    assert list(points.y) == [row.relaxed.total for row in rows if row.relaxed]
    slope = (line.y[1] - line.y[0]) / (line.x[1] - line.x[0])
    assert slope == pytest.approx(-1)
    assert line.y[0] + slope * (points.x[2] - line.x[0]) == pytest.approx(points.y[2])
    _, held = drawn(figure, "V_S in relaxed, ions held")
    assert held.y[0] == pytest.approx(UNRELAXED["S"]["relaxed"] - 0.945)
    assert held.marker.color == "#ffffff"
    assert {note.text for note in figure.layout.annotations} == set(places)


def test_the_fermi_level_diagram_is_the_documents(view: VacancyView) -> None:
    diagrams, problems = view.diagrams()
    assert problems == []
    assert {one.host for one in diagrams} == {"undistorted", "relaxed"}
    of_one = [one for one in diagrams if one.host == "undistorted"]
    assert len(of_one) == 2 * 5
    figure: Any = fermi_level_diagram(view, of_one, {})
    for one in of_one:
        thick = [trace for trace in drawn(figure, one.defect) if trace.line.width == 2.5]
        assert [list(trace.y) for trace in thick].count([y for _, y in one.corners]) == 1
    marks = [trace for trace in figure.data if trace.mode == "markers+text"]
    levels = {(trace.name, trace.text[0], round(trace.x[0], 6)) for trace in marks}
    # E(0) = 2.21 at the reference potentials; E(-2) = 2.21 + 2 * 5.25 - 2 * 5.1 - 0.022
    assert levels == {("V_Pb", "0/−2", 0.139), ("V_S", "+2/0", 0.161)}


def test_a_host_without_band_edges_is_named(computed: VacancyResults) -> None:
    bare = computed.model_copy(update={"hosts": (HOSTS[0].model_copy(update={"cbm": None}), *HOSTS[1:])})
    diagrams, problems = VacancyView(bare, analyse_vacancies(bare)).diagrams()
    assert {one.host for one in diagrams} == {"relaxed"}
    assert problems == ["Host undistorted has no band edges: there is no range of Fermi levels to draw."]


def test_the_bars_of_a_distortion_add_up(analysis: VacancyAnalysis) -> None:
    first, charged, broken = analysis.decompositions
    figure: Any = distortion_parts([first], {})
    bars = {one.name: (one.base[0], one.y[0]) for one in figure.data if one.type == "bar"}
    parts = {"volume": first.volume, "angle": first.angle, "off-centring": first.off_centring}
    assert bars["total"] == (0.0, first.total)
    reached = 0.0
    for name, value in {**parts, "relaxation": first.relaxation}.items():
        assert value is not None
        assert bars[name] == (pytest.approx(reached), value)
        reached += value
    assert reached == pytest.approx(first.total)
    assert list(bars) == ["volume", "angle", "off-centring", "relaxation", "total"]

    part: Any = distortion_parts([charged], {})
    assert [one.name for one in part.data if one.type == "bar"] == ["relaxation", "total"]
    (start,) = (one.base[0] for one in part.data if one.name == "relaxation")
    assert charged.total is not None
    assert charged.relaxation is not None
    assert start == pytest.approx(charged.total - charged.relaxation)
    missing: Any = distortion_parts([broken], {})
    assert [note.x for note in missing.layout.annotations if note.text == "missing"] == ["relaxation", "total"]


def test_a_bar_without_a_start_is_hatched(analysis: VacancyAnalysis) -> None:
    torn = analysis.decompositions[0].model_copy(update={"volume": None, "relaxation": None, "total": None})
    figure: Any = distortion_parts([torn], {})
    hatched = {one.name: one.marker.pattern.shape for one in figure.data if one.type == "bar"}
    assert hatched == {"angle": "/", "off-centring": "/"}


def test_what_a_missing_part_needs_is_said(document: str) -> None:
    sentence = f"V_S in relaxed are missing: V_S in relaxed has no relaxed energy: {LOST}"
    assert f"Parts of the distortion for {sentence}" in Page(document).text


def test_orderings_and_means_of_a_series_are_the_documents(view: VacancyView, analysis: VacancyAnalysis) -> None:
    figure: Any = vacancy_energies(view, {})
    series = next(one for one in analysis.series if (one.host, one.reservoir) == ("relaxed", "lead oleate"))
    (points,) = (
        one for one in drawn(figure, "orderings") if one.legendgroup == "lead oleate" and "relaxed" in one.hovertext[0]
    )
    assert list(points.y) == [one.energy for point in series.points for one in point.orderings]
    assert list(points.x) == pytest.approx([3.125, 6.25, 6.25, 6.25, 12.5, 12.5, 12.5])
    means = [one for one in drawn(figure, "lead oleate") if one.mode == "lines+markers"]
    assert list(means[1].y) == pytest.approx([point.weighted_mean for point in series.points])


def test_free_energies_are_interpolated_as_the_analysis_does(view: VacancyView, analysis: VacancyAnalysis) -> None:
    figure: Any = vacancy_free_energies(view, {})
    series = next(one for one in analysis.series if (one.host, one.reservoir) == ("undistorted", "S-rich"))
    curve = next(one for one in drawn(figure, "g(x)") if one.legendgroup == "S-rich")
    found = dict(zip(curve.x, curve.y, strict=True))
    for point in series.points:
        assert found[100 * point.concentration] == pytest.approx(1000 * point.free_energy)
    assert series.equilibrium is not None
    star = next(one for one in drawn(figure, "equilibrium") if one.legendgroup == "S-rich")
    assert star.y[0] == pytest.approx(1000 * series.equilibrium.free_energy)
    assert series.equilibrium.at_bound
    assert star.marker.color == "#ffffff"


def test_gaps_are_drawn_once_for_all_reservoirs(view: VacancyView, analysis: VacancyAnalysis) -> None:
    figure: Any = vacancy_gaps(view, {})
    (line,) = drawn(figure, "Pb vacancies in undistorted")
    assert list(line.y) == [point.gap for point in analysis.series[0].points]
    assert len(figure.data) == 4


def test_the_limits_are_told(vacancy_data: ReportData, analysis: VacancyAnalysis, document: str) -> None:
    table = tables_of("vacancy_series", vacancy_data)["How"]
    for row, one in zip(table.rows, analysis.series, strict=True):
        texts = [cell.text for cell in row]
        assert one.equilibrium is not None
        assert texts == [
            one.host,
            one.sublattice,
            one.reservoir,
            f"{'below' if one.beyond == 'fewer' else 'above'} {one.equilibrium.concentration:.4f}",
            fixed(1000 * one.equilibrium.free_energy, 2, signed=True),
            one.free_energy_limit.message,
            one.energy_limit.message,
        ]
    assert f"Pb 12.5 % #4 at 0.1250: Pb 12.5 % #4 in relaxed has no relaxed energy: {LOST}" in Page(document).text


def shown(figure: Any, name: str) -> Any:
    (found,) = (one for one in figure.data if one.visible and str(one.name).startswith(name))
    return found


def middle(trace: Any) -> list[float]:
    return [float(np.mean(coordinates)) for coordinates in (trace.x, trace.y, trace.z)]


def test_a_vacancy_is_drawn_in_the_middle_with_the_arrows_of_its_neighbours(
    view: VacancyView, structures: dict[str, dict[str, Structure]]
) -> None:
    figure: Any = vacancy_cells(view, structures, {})
    assert len(shown(figure, "Pb").x) // 60 == 62  # of 63 lead sites in the cell and on its faces, one is vacant
    assert len(shown(figure, "S").x) // 60 == 62
    assert middle(shown(figure, "vacant Pb")) == pytest.approx([0, 0, 0], abs=0.05)
    arrows = shown(figure, "displacements ×20")
    reach = np.linalg.norm(np.column_stack([arrows.x, arrows.y, arrows.z]), axis=1)
    # The neighbours stand at a/2 and have moved outwards; their arrows end where 20 times that leads.
    half = A0 / 2
    step = 0.11 * (2.9 / half) ** 2
    along = arrows.x[np.abs(arrows.y) + np.abs(arrows.z) < 0.01]
    assert along.max() == pytest.approx(half + 20 * step, abs=0.01)
    assert reach.min() > 2.5
    title = figure.layout.title.text
    assert "<b>V_Pb in undistorted</b>" in title
    assert f"6 S neighbours {step:.3f}{NO_BREAK_SPACE}Å outwards" in title


def test_the_menu_shows_one_vacancy_at_a_time(view: VacancyView, structures: dict[str, dict[str, Structure]]) -> None:
    figure: Any = vacancy_cells(view, structures, {})
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == [
        "V_Pb in undistorted",
        "V_Pb with charge −2 in undistorted",
        "V_S in undistorted",
        "V_Pb in relaxed",
    ]
    masks = np.array([button.args[0]["visible"] for button in menu.buttons])
    assert (masks.sum(axis=0) == 1).all()
    assert [bool(one.visible) for one in figure.data] == masks[0].tolist()
    assert "inwards" in menu.buttons[2].args[1]["title.text"]


def test_a_large_supercell_is_drawn_around_the_vacancy(view: VacancyView) -> None:
    atoms = STATES["undistorted"].to_atoms("Pb", "S", (3, 3, 3))
    bare = plain(remove_sites(atoms, [0]))
    state = vacancy("Pb", "undistorted", vacant_sites=(tuple(atoms.get_scaled_positions()[0].tolist()),))
    large = VacancyView(view.results.model_copy(update={"defects": (state,)}), view.analysis)
    figure: Any = vacancy_cells(large, {"undistorted": {"host": plain(atoms), "V_Pb": bare}}, {})
    assert not drawn(figure, "cell")
    assert not [one for one in figure.data if str(one.name).startswith("displacements")]
    assert len(shown(figure, "S").x) // 60 < 50
    assert middle(shown(figure, "vacant Pb")) == pytest.approx([0, 0, 0], abs=0.05)
    assert len(figure.layout.updatemenus) == 0


def test_a_structure_that_does_not_match_its_host_has_no_arrows(
    view: VacancyView, structures: dict[str, dict[str, Structure]]
) -> None:
    other = {"undistorted": {"host": structures["undistorted"]["V_S"], "V_Pb": structures["undistorted"]["V_Pb"]}}
    figure: Any = vacancy_cells(view, other, {})
    assert shown(figure, "vacant")
    assert not [one for one in figure.data if str(one.name).startswith("displacements")]


def test_the_headline_tells_what_vacancies_cost(vacancy_data: ReportData, analysis: VacancyAnalysis) -> None:
    numbers = {one.label: one for one in vacancy_numbers(vacancy_data)}
    assert numbers["heat of formation of PbS"].value.startswith("−0.945")
    low = formation(analysis, "undistorted", "V_Pb", "S-rich").relaxed
    high = formation(analysis, "undistorted", "V_Pb", "Pb-rich").relaxed
    assert low is not None
    assert high is not None
    assert numbers["V_Pb in undistorted"].value == f"{low.total:.2f} to {high.total:.2f}{NO_BREAK_SPACE}eV"
    assert numbers["largest effect of a distortion"].value.startswith("−0.090")
    text = " ".join(vacancy_sentences(vacancy_data)).replace(NO_BREAK_SPACE, " ")
    assert f"a neutral V_Pb costs {low.total:.2f} eV (S-rich) to {high.total:.2f} eV (Pb-rich)" in text
    assert "1 of 5 hosts failed (far)." in text
    assert "PBE without spin–orbit coupling gives trends for lead chalcogenides, not absolute levels." in text
    assert "V_S in relaxed" in text


def test_without_an_element_only_the_distortion_is_left(vacancy_data: ReportData, computed: VacancyResults) -> None:
    lost = ElementState(element="S", phase="S8 molecule", failure="it was killed.")
    bare = computed.model_copy(update={"elements": (ELEMENTS[0], lost)})
    changed = {"vacancies": bare, "vacancy_analysis": analyse_vacancies(bare, RESERVOIRS)}
    page = Page(render_report(vacancy_data.model_copy(update=changed)))
    assert page.having("data-figure") == ["data-vacancy_cells", "data-distortion_parts"]
    assert "The energy of S in its reference phase is missing: it was killed." in page.text
    assert "failed: it was killed." in page.text


def test_without_an_analysis_the_page_says_so(vacancy_data: ReportData) -> None:
    page = Page(render_report(vacancy_data.model_copy(update={"vacancy_analysis": None})))
    assert page.having("data-figure") == []
    assert "nothing has been concluded from them yet" in page.text


def test_a_campaign_that_relaxes_nothing_shows_the_ions_held(vacancy_data: ReportData) -> None:
    hosts = tuple(one.model_copy(update={"ions_held": True}) for one in HOSTS[:2])
    held = VacancyResults(
        compound="PbS",
        cation="Pb",
        anion="S",
        protocol="defects",
        k_points=None,
        compound_energy=PER_UNIT,
        elements=ELEMENTS,
        hosts=hosts,
        defects=tuple(vacancy("Pb", one.label, energy=None, largest_displacement=None, gap=None) for one in hosts),
    )
    analysis = analyse_vacancies(held)
    figure: Any = formation_energies(VacancyView(held, analysis), {})
    assert {one.name for one in figure.data} == {f"V_Pb in {one.label}, ions held" for one in hosts}
    changed = vacancy_data.model_copy(
        update={"vacancies": held, "vacancy_analysis": analysis, "vacancy_structures": {}}
    )
    text = Page(render_report(changed)).text
    assert "(step)" not in text
    assert "No ions were relaxed" in text
    assert "at the Γ point alone" in text


@pytest.mark.parametrize(
    ("rattle", "words"),
    [
        (None, "kept the symmetry that a vacancy has there"),
        ({"amplitude": 0.05, "bond_factor": 0.9, "seed": 3}, "by 0.05 Å and neighbours of the vacancy at 0.9 of"),
    ],
)
def test_how_relaxations_started_is_said(vacancy_data: ReportData, rattle: dict[str, float] | None, words: str) -> None:
    vacancy_settings: dict[str, JsonValue] = {"protocol": "defects"}
    if rattle is not None:
        vacancy_settings["rattle"] = dict(rattle)
    changed = vacancy_data.model_copy(update={"settings": {"campaign": {"vacancy": vacancy_settings}}})
    assert words in Page(render_report(changed)).text


def test_a_campaign_of_both_shows_both(data: ReportData, vacancy_data: ReportData) -> None:
    both = data.model_copy(
        update={
            "vacancies": vacancy_data.vacancies,
            "vacancy_analysis": vacancy_data.vacancy_analysis,
            "nodes": {**data.nodes, **vacancy_data.nodes},
        }
    )
    page = Page(render_report(both))
    wanted = page.having("data-figure")
    assert {"data-cells", "data-vacancy_formation"} <= set(wanted)
    assert len(set(wanted)) == len(wanted)
    assert "bulk modulus" in page.text
    assert "heat of formation of PbS" in page.text


def test_hostile_names_are_escaped(vacancy_data: ReportData, document: str) -> None:
    """Every text that comes from outside is the attack: names, phases, reasons, notes, nodes, settings."""
    attacked_results = VacancyResults(**_attacked(vacancy_data.vacancies))
    reservoirs = [one.model_copy(update={"name": f"{one.name} {HOSTILE}"}) for one in RESERVOIRS]
    analysis = analyse_vacancies(
        attacked_results, reservoirs, 600.0, MeasuredHeat(value=-1.041, source=HOSTILE)
    ).model_copy(update={"messages": (HOSTILE,)})
    attacked = vacancy_data.model_copy(
        update={
            "vacancies": attacked_results,
            "vacancy_analysis": analysis,
            "vacancy_structures": {
                f"{name} {HOSTILE}": dict(found) for name, found in vacancy_data.vacancy_structures.items()
            },
            "nodes": dict.fromkeys(["vacancies", HOSTILE], HOSTILE),
            "settings": {"campaign": {"vacancy": {"rattle": {"amplitude": HOSTILE}}}},
        }
    )
    page, clean = Page(render_report(attacked)), Page(document)
    assert page.having("data-figure") == clean.having("data-figure")
    assert [tag for tag, _ in page.elements].count("script") == [tag for tag, _ in clean.elements].count("script")
    assert [tag for tag, _ in page.elements].count("img") == 0
    assert page.having("onerror") == []
    assert HOSTILE in page.text
    for script in page.scripts:
        assert "<" not in script
        for text in _texts(json.loads(script)):
            assert not re.search(r"<(script|img)", text), text


def _attacked(results: VacancyResults | None) -> dict[str, Any]:
    assert results is not None
    document = results.model_dump(mode="json")
    document["protocol"] = HOSTILE
    for one in document["elements"]:
        one["phase"] = HOSTILE
    for one in document["hosts"]:
        one["label"] = f"{one['label']} {HOSTILE}"
        one["failure"] = one["failure"] and HOSTILE
    for one in document["defects"]:
        one["host"] = f"{one['host']} {HOSTILE}"
        one["defect"] = f"{one['defect']} {HOSTILE}"
        one["failure"] = one["failure"] and HOSTILE
        one["reservations"] = [HOSTILE]
    return document


def _texts(value: Any) -> list[str]:
    """Return every text of a figure that plotly reads as a subset of HTML."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


def test_the_equilibria_are_those_of_the_analysis(vacancy_data: ReportData, analysis: VacancyAnalysis) -> None:
    assert {one.host for one in analysis.equilibria} == {"undistorted", "relaxed"}
    context = vacancies(vacancy_data)
    assert context is not None
    (table,) = [one for one in context["tables"] if one.caption.startswith("Neutral crystals in equilibrium at 600 K")]
    first = analysis.equilibria[0]
    cells = [[cell.text for cell in row] for row in table.rows if row[1].text == first.reservoir]
    assert cells[0][:2] == [first.host, first.reservoir]
    assert [row[5] for row in cells[: len(first.defects)]] == [f"{one.concentration:.1e}" for one in first.defects]
