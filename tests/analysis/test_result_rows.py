"""Rows and numbers of results documents."""

import json
from typing import Any

from qdsim.analysis.consistency_results import Row
from qdsim.analysis.formation_energy import EnergyTerms, FormationEnergy
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononRow
from qdsim.analysis.result_rows import KINDS, numbers, rows_of
from qdsim.analysis.vacancy_analysis import VacancyAnalysis

TERMS = EnergyTerms(
    supercell_difference=100, chemical={"Pb": -97.5}, electron=0, electrostatic=0, alignment=0, total=2.5
)


def stored(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.model_dump_json())
    return found


def test_a_vacancy_goes_by_defect_and_reservoir_and_shows_its_relaxed_energy_where_there_is_one() -> None:
    common = {"host": "strained", "charge": -2, "reservoir": "Pb-rich", "fermi_level": 0.0, "unrelaxed": TERMS}
    energies = (
        FormationEnergy(defect="V_Pb", relaxed=TERMS.model_copy(update={"total": 2.0}), **common),
        FormationEnergy(defect="V_S", relaxed=None, failure="CP2K was killed.", **common),
    )
    analysis = VacancyAnalysis(window=None, temperature=300, formation_energies=energies)
    first, second = rows_of("vacancy", "analysis", stored(analysis))
    assert (first.kind, first.label, first.host, first.charge) == ("vacancy", "V_Pb, Pb-rich", "strained", -2)
    assert (first.headline, second.headline, second.message) == ("relaxed.total", "unrelaxed.total", "CP2K was killed.")
    assert first.number("relaxed.total") == first.numbers["relaxed.total"]
    assert first.numbers["relaxed.total"].value == 2.0
    assert first.kind in KINDS


def test_a_verdict_has_the_unit_of_its_quantity_and_the_strain_of_its_condition() -> None:
    row = Row(
        quantity="pb_offset",
        condition="Laplace tension",
        computed=0.1,
        standard_errors=4.0,
        verdict="disagrees",
        reason="far",
    )
    condition = {"name": "Laplace tension", "linear_strain": 0.005}
    document = {"samples": [{"name": "3.2 nm", "conditions": [condition], "rows": [stored(row)]}]}
    (found,) = rows_of("scattering", "consistency", document)
    assert (found.verdict, found.strain, found.message) == ("disagrees", 0.005, "far")
    computed, errors = found.number("computed"), found.number("standard_errors")
    assert computed is not None
    assert errors is not None
    assert (computed.unit.symbol, errors.unit.symbol) == ("Å", "")


def test_a_phonon_row_without_a_strain_series_has_no_strain() -> None:
    row = PhononRow(label="at_rest", lattice_constant=6.0, centred=True, transverse_optical=40.0)
    (found,) = rows_of("phonon", "analysis", stored(PhononAnalysis(temperature=300, rows=(row,))))
    assert (found.path, found.strain, found.headline) == ("rows.at_rest", None, "transverse_optical")


def test_numbers_go_by_label_place_and_name_and_leave_truth_values_and_curves_out() -> None:
    document = {
        "points": [{"label": "p1", "energies": [1.0, 2], "stable": True}],
        "bands": [3.0],
        "b_iso": {"Pb": 1.5},
        "message": "4",
    }
    found = {number.path: (number.value, number.unit.symbol, number.labels) for number in numbers(document)}
    assert found == {
        "points.p1.energies.0": (1.0, "eV", ("p1",)),
        "points.p1.energies.1": (2.0, "eV", ("p1",)),
        "b_iso.Pb": (1.5, "Å^2", ()),
    }


def test_documents_that_have_no_rows_yield_none() -> None:
    assert not list(rows_of("phonon", "results", {"states": []}))
    assert not list(rows_of("strain", "results", {}))
