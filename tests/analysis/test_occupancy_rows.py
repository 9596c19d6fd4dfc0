"""Occupancies against vacancies in equilibrium: series that are made up, and verdicts worked out by hand."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from qdsim.analysis.chemical_potentials import limiting_reservoirs, stability_window
from qdsim.analysis.concentrated_vacancies import (
    ConcentrationPoint,
    EquilibriumConcentration,
    FavourableLimit,
    VacancySeries,
    vacancy_series,
)
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


def series(share: float | None = 0.1, favourable: float | None = 0.15, **changes: Any) -> VacancySeries:
    """Return a series with a share of vacant sites in equilibrium; the first and the last computed are bounds."""
    points = changes.pop("points", COMPUTED)
    limit = FavourableLimit(criterion="free energy", largest=favourable, message="made up")
    equilibrium = None
    if share is not None:
        bound = bool(points) and share in {points[0], points[-1]}
        equilibrium = EquilibriumConcentration(concentration=share, free_energy=-0.01, at_bound=bound)
    fields: dict[str, Any] = {
        "host": "rhombohedral",
        "sublattice": "Pb",
        "reservoir": "Pb-rich",
        "temperature": 300,
        "average": "weighted",
        "points": tuple(point(x) for x in points),
        "energy_limit": limit.model_copy(update={"criterion": "formation energy", "largest": 0.01}),
        "free_energy_limit": limit,
        "equilibrium": equilibrium,
    }
    return VacancySeries(**{**fields, **changes})


def point(concentration: float) -> ConcentrationPoint:
    nothing = dict.fromkeys(("mean", "weighted_mean", "lowest", "highest", "entropy", "free_energy"), 0.0)
    unknown = dict.fromkeys(("deviation", "gap", "gap_lowest", "gap_highest"))
    return ConcentrationPoint(concentration=concentration, orderings=(), **nothing, **unknown)


def row(vacancies: VacancySeries, value: float, error: float | None = 0.01, limit: str | None = None) -> Row:
    (found,) = occupancy_rows({CORE: Known(value, error, limit, "Table 1", True)}, "PbS", [vacancies])
    return found


def test_as_many_vacancies_as_in_equilibrium_agree_and_others_do_not() -> None:
    """10 % are vacant in equilibrium and 15 % favourable: what is merely favourable is not in equilibrium."""
    expected: list[tuple[float, Verdict, float]] = [
        (0.97, "disagrees", 7.0),
        (0.925, "tension", 2.5),
        (0.91, "agrees", 1.0),
        (0.9, "agrees", 0.0),
        (0.885, "agrees", -1.5),
        (0.875, "tension", -2.5),
        (0.86, "disagrees", -4.0),
    ]
    for value, verdict, ratio in expected:
        found = row(series(), value)
        assert (found.verdict, found.computed_limit) == (verdict, None)
        assert found.computed == pytest.approx(0.9)
        assert (found.limit, found.source, found.assumed) == (None, "Table 1", True)
        assert found.standard_errors == pytest.approx(ratio)
    assert row(series(), 0.86).reason == (
        "14.0 % of the Pb sites are vacant, 10.0 % in equilibrium (up to 15.0 % are favourable); "
        "4.0 chosen tolerances apart"
    )


def test_the_spread_over_orderings_counts_as_an_error() -> None:
    made = series()
    assert made.equilibrium is not None
    spread = made.model_copy(update={"equilibrium": made.equilibrium.model_copy(update={"fewest": 0.07, "most": 0.13})})
    found = row(spread, 0.86)
    assert found.computed_error == pytest.approx(0.03)
    assert found.standard_errors == pytest.approx(-0.04 / 0.001**0.5)
    assert row(made, 0.86).computed_error is None


def test_large_and_unknown_errors_decide_nothing() -> None:
    vague, unknown = row(series(), 0.93, 0.05), row(series(), 0.5, None)
    assert vague.verdict == unknown.verdict == "cannot say"
    assert vague.reason.endswith("but differences below 0.15 could not be seen")
    assert unknown.reason.endswith("the fit states no uncertainty, and no tolerance is given")
    assert unknown.difference == pytest.approx(-0.4)
    assert unknown.standard_errors is None


@pytest.mark.parametrize(
    ("share", "value", "verdict", "left_open"),
    [
        (0.2, 0.7, "cannot say", "nothing is computed beyond"),
        (0.2, 0.8, "cannot say", "nothing is computed beyond"),
        (0.2, 0.9, "disagrees", None),
        (0.05, 0.99, "cannot say", "nothing is computed below"),
        (0.05, 0.95, "cannot say", "nothing is computed below"),
        (0.05, 0.9, "disagrees", None),
    ],
)
def test_equilibrium_beyond_what_is_computed_decides_one_way(
    share: float, value: float, verdict: Verdict, left_open: str | None
) -> None:
    found = row(series(share), value)
    assert found.verdict == verdict
    assert found.reason.endswith("chosen tolerances apart" if left_open is None else f"apart; {left_open}")
    assert f"{'more' if share == 0.2 else 'less'} than {100 * share:.1f} % in equilibrium" in found.reason
    assert row_text(found).computed == ("< 0.800" if share == 0.2 else "> 0.950")


def test_one_concentration_alone_tells_no_equilibrium() -> None:
    found = row(series(0.05, points=(0.05,)), 0.5)
    assert (found.verdict, found.computed_limit) == ("cannot say", None)
    assert found.reason.endswith("no other concentration is computed")


def test_where_none_are_favourable_it_is_said() -> None:
    assert "(not even 5.0 %, the fewest computed, are favourable)" in row(series(0.05, None), 0.9).reason


@pytest.mark.parametrize(
    ("limit", "value", "verdict", "words"),
    [
        ("lower", 0.93, "disagrees", "at most 7.0 % of the Pb sites are vacant, 10.0 % in equilibrium"),
        ("lower", 0.85, "agrees", "the measured value is a lower limit"),
        ("upper", 0.93, "agrees", "the measured value is an upper limit"),
        ("upper", 0.85, "disagrees", "at least 15.0 % of the Pb sites are vacant"),
    ],
)
def test_a_fit_that_only_gives_a_limit_decides_one_way(limit: str, value: float, verdict: Verdict, words: str) -> None:
    found = row(series(), value, 0.005, limit=limit)
    assert (found.verdict, found.limit) == (verdict, limit)
    assert words in found.reason


def test_each_occupancy_meets_the_series_of_its_element_in_every_host_and_reservoir() -> None:
    made = [
        series(),
        series(reservoir="S-rich", share=0.2),
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
    found = row(series(None, None, points=()), 0.9)
    assert (found.verdict, found.computed, found.standard_errors) == ("cannot say", None, None)
    assert found.condition == "rhombohedral, Pb-rich, 300 K"
    assert found.reason == "no concentration of the series has an energy"


def test_the_equilibrium_of_computed_energies_is_the_one_that_counts() -> None:
    """0.05 eV at 300 K: x/(1 - x) = exp(-0.05/kT), 12.6 % vacant; 0.95 eV less, rich in sulphur, more than computed."""
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
        for n, energy in ((2, 0.05), (4, 0.05), (6, 0.05))
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
    lead, sulphur = vacancy_series(results, reservoirs, 300)
    found = row(lead, 0.92)
    assert (found.verdict, found.condition) == ("disagrees", "strained, Pb-rich, 300 K")
    assert found.computed == pytest.approx(1 - 0.1263, abs=1e-4)
    assert "at least up to 15.0 % are favourable" in found.reason
    richer = row(sulphur, 0.92)
    assert (richer.verdict, richer.computed_limit) == ("disagrees", "upper")
    assert richer.computed == pytest.approx(0.85)


RESERVED = ("Ionic counting leaves two holes.", "Reservoir oleate: outside the window.")


@pytest.fixture
def checked(lead_sulphide: "Landau") -> Consistency:
    """A sample whose occupancy agrees in one of three reservoirs, and that says nothing else."""
    sample = {"name": "dot", CORE: {"value": 0.9, "error": 0.01}, "occupancy_anion_core": {"value": 0.9, "error": 0.01}}
    fits = ScatteringFits.model_validate({"compound": "PbS", "samples": [sample]})
    settings = CheckSettings(compound="PbS", bulk_lattice_constant=5.936, reservations=["a coarse mesh"])
    vacancies = [
        series(0.06),
        series(0.1, reservoir="oleate", reservations=RESERVED),
        series(0.06, sublattice="S+Pb", reservoir="a reservoir of a name longer than others"),
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
    assert (
        "oleate, 300 K: 10.0 % of the Pb sites are vacant, 10.0 % in equilibrium (up to 15.0 % are favourable)"
        in remarks
    )
    assert "at the rhombohedral" not in text
    assert [place(one) for one in checked.samples[0].rows][2] == (
        "in rhombohedral, S+Pb, a reservoir of a name longer than others, 300 K"
    )
    for verdict in ("✓ agrees", "✗ disagrees"):
        assert verdict in table
