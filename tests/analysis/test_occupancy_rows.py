"""Occupancies against favourable vacancies: series whose limits are made up, and verdicts worked out by hand."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from qdsim.analysis.chemical_potentials import limiting_reservoirs, stability_window
from qdsim.analysis.concentrated_vacancies import ConcentrationPoint, FavourableLimit, VacancySeries, vacancy_series
from qdsim.analysis.consistency import check_consistency
from qdsim.analysis.consistency_results import CheckSettings, Consistency, Row, SampleCheck
from qdsim.analysis.occupancy_rows import occupancy_rows
from qdsim.analysis.sample_values import Known
from qdsim.analysis.scattering_fit import ScatteringFits
from qdsim.analysis.vacancy_results import DefectState, ElementState, HostState, VacancyResults
from qdsim.analysis.verdict import Verdict
from qdsim.cli.check_tables import print_consistency
from qdsim.report.verdicts import place, row_text

if TYPE_CHECKING:
    from tests.analysis.conftest import Landau

CORE = "occupancy_cation_core"
COMPUTED = (0.05, 0.1, 0.2)
"""Shares of vacant sites of the made-up series."""


def series(
    largest: float | None = 0.1,
    at_least: bool = False,
    favourable: Iterable[float] = (),
    points: Sequence[float] = COMPUTED,
    **changes: Any,
) -> VacancySeries:
    limit = FavourableLimit(criterion="free energy", largest=largest, at_least=at_least, message="made up")
    fields: dict[str, Any] = {
        "host": "rhombohedral",
        "sublattice": "Pb",
        "reservoir": "Pb-rich",
        "temperature": 300,
        "average": "weighted",
        "points": tuple(point(x, -0.01 if x in favourable else 0.01) for x in points),
        "energy_limit": limit.model_copy(update={"criterion": "formation energy", "largest": 0.01}),
        "free_energy_limit": limit,
        "optimum": None,
    }
    return VacancySeries(**{**fields, **changes})


def point(concentration: float, free_energy: float) -> ConcentrationPoint:
    return ConcentrationPoint(
        concentration=concentration,
        orderings=(),
        mean=0,
        weighted_mean=0,
        lowest=0,
        highest=0,
        deviation=None,
        entropy=0,
        free_energy=free_energy,
        gap=None,
        gap_lowest=None,
        gap_highest=None,
    )


def row(vacancies: VacancySeries, value: float, error: float | None = 0.01, limit: str | None = None) -> Row:
    (found,) = occupancy_rows({CORE: Known(value, error, limit, "Table 1", True)}, "PbS", [vacancies])
    return found


def test_as_many_vacancies_as_are_favourable_agree_and_more_do_not() -> None:
    expected: list[tuple[float, Verdict, float]] = [
        (0.93, "agrees", 3.0),
        (0.885, "agrees", -1.5),
        (0.875, "tension", -2.5),
        (0.85, "disagrees", -5.0),
    ]
    for value, verdict, ratio in expected:
        found = row(series(), value)
        assert (found.verdict, found.computed_limit, found.error) == (verdict, None, 0.01)
        assert found.computed == pytest.approx(0.9)
        assert found.difference == pytest.approx(value - 0.9)
        assert found.standard_errors == pytest.approx(ratio)
        assert (found.measured, found.measured_error, found.source, found.assumed) == (value, 0.01, "Table 1", True)
    assert row(series(), 0.93).reason == "7.0 % of the Pb sites are vacant, and up to 10.0 % are favourable"
    assert row(series(), 0.85).reason == (
        "15.0 % of the Pb sites are vacant, but only up to 10.0 % are favourable, 5.0 standard errors apart"
    )


def test_the_free_energy_decides_not_the_formation_energy() -> None:
    made = series()
    assert made.energy_limit.largest == 0.01
    assert row(made, 0.93).verdict == "agrees"


def test_large_and_unknown_errors_decide_nothing() -> None:
    vague, unknown = row(series(), 0.93, 0.05), row(series(), 0.5, None)
    assert vague.verdict == unknown.verdict == "cannot say"
    assert vague.reason.endswith("favourable, but differences below 0.15 could not be seen")
    assert unknown.reason.endswith("favourable, the fit states no uncertainty, and no tolerance is given")
    assert unknown.difference == pytest.approx(-0.4)
    assert unknown.standard_errors is None


def test_nothing_is_said_beyond_the_concentrations_computed() -> None:
    made = series(largest=0.2, at_least=True)
    within, beyond = row(made, 0.85), row(made, 0.7)
    assert (within.verdict, within.computed_limit) == ("agrees", "upper")
    assert within.reason == "15.0 % of the Pb sites are vacant, and at least up to 20.0 % are favourable"
    assert beyond.verdict == "cannot say"
    assert beyond.standard_errors == pytest.approx(-10)
    assert beyond.reason.endswith(
        "and at least up to 20.0 % are favourable, 10.0 standard errors apart; nothing is computed beyond"
    )
    assert row_text(beyond).computed == "< 0.800"


def test_where_none_are_favourable_only_more_than_the_fewest_computed_disagree() -> None:
    made = series(largest=None)
    below, near, above = row(made, 0.98), row(made, 0.94), row(made, 0.9)
    assert (below.verdict, near.verdict, above.verdict) == ("cannot say", "cannot say", "disagrees")
    assert above.computed == pytest.approx(0.95)
    assert above.computed_limit == "lower"
    assert below.reason == (
        "2.0 % of the Pb sites are vacant, and not even 5.0 %, the fewest computed, are favourable; "
        "nothing is computed below"
    )
    assert above.reason == (
        "10.0 % of the Pb sites are vacant, but not even 5.0 %, the fewest computed, are favourable, "
        "5.0 standard errors apart"
    )
    assert row_text(above).computed == "> 0.950"


@pytest.mark.parametrize("largest", [None, 0.07])
def test_more_that_are_favourable_again_are_not_held_against_a_sample(largest: float | None) -> None:
    once, again = row(series(largest), 0.8), row(series(largest, favourable=[0.2]), 0.8)
    assert (once.verdict, again.verdict) == ("disagrees", "cannot say")
    assert again.reason.endswith("; 20.0 % are favourable again")


@pytest.mark.parametrize(
    ("limit", "value", "verdict", "words"),
    [
        ("lower", 0.93, "agrees", "at most 7.0 % of the Pb sites are vacant, and up to 10.0 % are favourable"),
        ("lower", 0.85, "cannot say", "5.0 standard errors apart; there may be fewer in the sample"),
        ("upper", 0.93, "cannot say", "up to 10.0 % are favourable; there may be more in the sample"),
        ("upper", 0.85, "disagrees", "5.0 standard errors apart"),
    ],
)
def test_a_fit_that_only_gives_a_limit_decides_one_way(limit: str, value: float, verdict: Verdict, words: str) -> None:
    found = row(series(), value, limit=limit)
    assert (found.verdict, found.limit) == (verdict, limit)
    assert found.reason.endswith(words)


def test_each_occupancy_meets_the_series_of_its_element_in_every_host_and_reservoir() -> None:
    made = [
        series(),
        series(reservoir="S-rich", largest=0.2),
        series(host="undistorted"),
        series(sublattice="S", reservoir="S-rich", temperature=350.5),
        series(sublattice="Pb+S"),
    ]
    known = {name: Known(0.9, 0.01) for name in (CORE, "occupancy_anion_shell")} | {"alpha_rh": Known(59, 0.1)}
    found = [(one.quantity, one.condition, round(one.computed or 0, 9)) for one in occupancy_rows(known, "PbS", made)]
    assert found == [
        (CORE, "rhombohedral, Pb-rich, 300 K", 0.9),
        (CORE, "rhombohedral, S-rich, 300 K", 0.8),
        (CORE, "undistorted, Pb-rich, 300 K", 0.9),
        ("occupancy_anion_shell", "rhombohedral, S-rich, 350.5 K", 0.9),
        (CORE, "rhombohedral, Pb+S, Pb-rich, 300 K", 0.9),
        ("occupancy_anion_shell", "rhombohedral, Pb+S, Pb-rich, 300 K", 0.9),
    ]


@pytest.mark.parametrize(
    ("vacancies", "missing"),
    [
        (None, "formation energies of vacancies"),
        ([], "series of S vacancies at several concentrations"),
        ([series()], "series of S vacancies at several concentrations"),
    ],
)
def test_what_is_missing_is_said(vacancies: list[VacancySeries] | None, missing: str) -> None:
    (found,) = occupancy_rows({"occupancy_anion_core": Known(0.9, 0.01)}, "PbS", vacancies)
    assert (found.verdict, found.condition, found.computed) == ("cannot say", "", None)
    assert found.reason == f"the campaign has no {missing} to compare with"


def test_a_series_whose_orderings_failed_says_so() -> None:
    found = row(series(largest=None, points=()), 0.9)
    assert (found.verdict, found.computed, found.standard_errors) == ("cannot say", None, None)
    assert found.condition == "rhombohedral, Pb-rich, 300 K"
    assert found.reason == "no concentration of the series has an energy"


def test_the_limit_of_computed_energies_is_the_one_that_counts() -> None:
    """-0.2, 0 and +0.2 eV for 5, 10 and 15 % of the sites: at 0 K up to 10 %; rich in sulphur all of them."""
    elements = [
        ElementState(element="Pb", phase="fcc", energy=-100),
        ElementState(element="S", phase="S8", energy=-275),
    ]
    host = HostState(
        label="strained", energy=40 * -376.0, volume=56, alpha_rh=60, pb_offset=0, formula_units=40, image_distance=8
    )
    defects = [
        DefectState(
            host="strained",
            defect=f"Pb {n}",
            removed={"Pb": n},
            concentration=n / 40,
            energy=40 * -376.0 + n * (100 + energy),
        )
        for n, energy in ((2, -0.2), (4, 0.0), (6, 0.2))
    ]
    results = VacancyResults(
        compound="PbS",
        cation="Pb",
        anion="S",
        protocol="defects",
        k_points=None,
        elements=tuple(elements),
        hosts=(host,),
        defects=tuple(defects),
    )
    reservoirs = limiting_reservoirs(stability_window("PbS", "Pb", "S", -376.0, elements))
    lead, sulphur = vacancy_series(results, reservoirs, 0)
    found = row(lead, 0.86)
    assert (found.verdict, found.condition) == ("disagrees", "strained, Pb-rich, 0 K")
    assert found.computed == pytest.approx(0.9, abs=1e-6)
    richer = row(sulphur, 0.86)
    assert (richer.verdict, richer.computed_limit) == ("agrees", "upper")
    assert richer.computed == pytest.approx(0.85)


RESERVED = ("Ionic counting leaves two holes.", "Reservoir oleate: outside the window.")


@pytest.fixture
def checked(lead_sulphide: "Landau") -> Consistency:
    """A sample whose occupancy agrees in one of three reservoirs, and that says nothing else."""
    sample = {"name": "dot", CORE: {"value": 0.9, "error": 0.01}, "occupancy_anion_core": {"value": 0.9, "error": 0.01}}
    fits = ScatteringFits.model_validate({"compound": "PbS", "samples": [sample]})
    settings = CheckSettings(compound="PbS", bulk_lattice_constant=5.936, reservations=["a coarse mesh"])
    vacancies = [
        series(0.02),
        series(0.15, reservoir="oleate", reservations=RESERVED),
        series(0.02, sublattice="S+Pb", reservoir="a reservoir of a name longer than others"),
    ]
    return check_consistency(lead_sulphide.series(), fits, settings, vacancies=vacancies)


def test_hosts_and_reservoirs_are_alternatives_for_the_verdict_on_a_sample(checked: Consistency) -> None:
    (sample,) = checked.samples
    verdicts = [(one.quantity, one.verdict) for one in sample.rows]
    assert verdicts == [
        (CORE, "disagrees"),
        (CORE, "agrees"),
        (CORE, "disagrees"),
        ("occupancy_anion_core", "disagrees"),
    ]
    assert sample.verdict == "disagrees"
    assert sample.model_copy(update={"rows": sample.rows[:3]}).verdict == "agrees"
    unknown = sample.rows[0].model_copy(update={"verdict": "cannot say"})
    assert sample.model_copy(update={"rows": [sample.rows[0], unknown]}).verdict == "cannot say"
    lattice = sample.rows[0].model_copy(update={"quantity": "alpha_rh"})
    assert sample.model_copy(update={"rows": [lattice, sample.rows[1]]}).verdict == "disagrees"


def test_notes_tell_what_occupancies_rest_on(checked: Consistency, lead_sulphide: "Landau") -> None:
    (about,) = [note for note in checked.notes if "PBE without spin-orbit coupling gives trends" in note]
    place_of = checked.notes.index(about)
    assert checked.notes[place_of + 1 :] == [RESERVED[1], "a coarse mesh"]
    fits = ScatteringFits.model_validate({"compound": "PbS", "samples": [{"name": "dot", CORE: 0.9}]})
    settings = CheckSettings(compound="PbS", bulk_lattice_constant=5.936)
    for vacancies in (None, [], [series(sublattice="S")]):
        without = check_consistency(lead_sulphide.series(), fits, settings, vacancies=vacancies)
        assert not any("spin-orbit" in note for note in without.notes)
        assert [one.verdict for one in without.samples[0].rows] == ["cannot say"]


def test_the_document_survives_json(checked: Consistency) -> None:
    document = json.loads(json.dumps(checked.model_dump(mode="json"), allow_nan=False))
    assert Consistency.model_validate(document) == checked


def test_a_document_of_before_has_rows_without_a_limit_of_the_computed_value(checked: Consistency) -> None:
    document = checked.samples[0].model_dump(mode="json")
    for one in document["rows"]:
        del one["computed_limit"]
    assert SampleCheck.model_validate(document).rows[0].computed_limit is None


@pytest.mark.parametrize("width", [60, 80, 200])
def test_hosts_and_reservoirs_are_told_apart_in_the_terminal(checked: Consistency, width: int) -> None:
    console = Console(width=width)
    with console.capture() as captured:
        print_consistency(console, checked)
    text = captured.get()
    assert "…" not in text
    table, remarks = text[: text.index("·")], text[text.index("·") :]
    words = " ".join(line[: 40 if width < 100 else width].strip() for line in table.splitlines())
    for where in ("in rhombohedral, Pb-rich, 300 K", "in rhombohedral, oleate, 300 K"):
        assert where in words
    assert "oleate, 300 K: 10.0 % of the Pb sites are vacant, and up to 15.0 % are favourable" in remarks
    assert "at the rhombohedral" not in text
    assert [place(one) for one in checked.samples[0].rows][2] == (
        "in rhombohedral, S+Pb, a reservoir of a name longer than others, 300 K"
    )
    for verdict in ("✓ agrees", "✗ disagrees"):
        assert verdict in table
