"""Queries over stored campaigns: what is found, what is left out, and what each mistake is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qdsim.errors import QdsimError
from qdsim.provenance import query
from qdsim.provenance.difference import compare_campaigns
from qdsim.provenance.query import Filter, find_calculations, find_results
from qdsim.provenance.why import find_number, origin_of
from tests.provenance.graphs import LATTICE, STRAINS, store_campaign, store_hosts, store_lone_run


@pytest.fixture(scope="module", autouse=True)
def uuids(aiida_profile: Any) -> dict[str, str]:
    aiida_profile.reset_storage()  # of the campaigns of other tests
    store_lone_run()
    return {
        "first": store_campaign("first"),
        "second": store_campaign("second", lattice=LATTICE + 0.02),
        "selenide": store_campaign("selenide", "PbSe", lattice=6.2, failed=True),
    }


def test_every_result_has_its_headline() -> None:
    found = find_results()
    kinds = {(one.campaign, one.kind, one.label) for one in found}
    assert ("first", "equation-of-state", "equation_of_state") in kinds
    assert ("second", "strain", "linear_p0p0200") in kinds
    assert [one.campaign for one in found] == sorted(
        (one.campaign for one in found), reverse=True, key=("first", "second", "selenide").index
    )
    strain = next(one for one in found if (one.campaign, one.label) == ("first", "linear_p0p0100"))
    assert (strain.quantity, strain.value, strain.unit.symbol) == ("relaxed.pb_offset", 0.1234, "Å")
    assert strain.strain == pytest.approx(0.01, abs=1e-4)
    assert (strain.compound, strain.protocol, strain.code_version, strain.exit_code) == ("PbS", "fast", "2023.1", 0)


def test_what_failed_has_a_row_without_a_number() -> None:
    (lost,) = find_results(Filter(exit_code=432))
    assert (lost.campaign, lost.kind, lost.label, lost.value, lost.state) == (
        "selenide",
        "strain",
        "linear_p0p0200",
        None,
        "failed",
    )
    assert lost.message == "SCF did not converge."


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        (Filter(compound="PbSe", kind="strain", state="done"), {"linear_p0p0100"}),
        (Filter(campaign="first", strain=(0.015, 0.025)), {"linear_p0p0200"}),
        (Filter(campaign="first", strain=(0.03, 0.04)), set()),
        (Filter(campaign="second", quantity="relaxed.gap"), set(STRAINS)),
        (Filter(campaign="first", charge=-2), set()),
        (Filter(campaign="first", code_version="2023.1", protocol="fast", kind="strain"), set(STRAINS)),
        (Filter(until=datetime.now(UTC) - timedelta(days=365)), set()),
        (Filter(campaign="first", kind="strain", since=datetime.now(UTC) - timedelta(days=1)), set(STRAINS)),
    ],
)
def test_filters_leave_what_they_name(wanted: Filter, labels: set[str]) -> None:
    assert {one.label for one in find_results(wanted)} == labels


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Filter(compound="PbSS"), "no compound 'PbSS'; did you mean 'PbS"),
        (Filter(campaign="frist"), "no campaign 'frist'; did you mean 'first'"),
        (Filter(kind="strian"), "no kind 'strian'; did you mean 'strain'"),
        (Filter(quantity="relaxed.gpa"), "did you mean 'relaxed.gap'"),
        (Filter(code_version="2024.1"), "no version of CP2K '2024.1'; did you mean '2023.1'"),
        (Filter(verdict="agree"), "did you mean 'agrees'"),
    ],
)
def test_a_wrong_name_gets_the_nearest(wanted: Filter, message: str) -> None:
    with pytest.raises(QdsimError, match=message.replace("?", r"\?")):
        find_results(wanted)


def test_calculations_are_found_with_their_way() -> None:
    found = find_calculations()
    assert len(found) == 3 * len(STRAINS)
    assert len(find_calculations(limit=2)) == 2
    (lost,) = find_calculations(Filter(exit_code=300))
    assert (lost.campaign, lost.section, lost.label) == ("selenide", "strain", "linear_p0p0200__centred")
    assert (lost.code_version, lost.energy, lost.state) == ("2023.1", None, "failed")
    assert not find_calculations(Filter(campaign="first", state="failed"))
    with pytest.raises(QdsimError, match="has no strain to filter by"):
        find_calculations(Filter(strain=(0, 1)))


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_the_newest_alone_are_the_first_of_all(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    results, calculations = find_results(), find_calculations()
    monkeypatch.setattr(query, "NEWEST", 1)
    monkeypatch.setattr(query, "PAGE", 1)
    assert find_results(limit=limit) == results[:limit]
    assert find_calculations(limit=limit) == calculations[:limit]
    selenide = Filter(compound="PbSe", code_version="2023.1")
    assert find_results(selenide, limit) == find_results(selenide)[:limit]


@pytest.mark.parametrize("text", ["0.1234", "0.123", "+0.1234 Å", "0.1234 ± 0.0001"])
def test_a_printed_number_leads_to_its_document(text: str, uuids: dict[str, str]) -> None:
    matches = find_number(text, uuids["first"])
    assert {match.number.path for match in matches} >= {"points.linear_p0p0100.relaxed.pb_offset"}
    assert {match.campaign for match in matches} == {"first"}


def test_a_number_is_found_in_the_unit_of_tables_and_with_its_sign() -> None:
    (point,) = (one for one in find_number("1.00", "first") if one.number.path == "points.linear_p0p0100.linear_strain")
    assert point.number.value == pytest.approx(0.01, abs=5e-5)
    assert not find_number("-0.1234", "first")
    assert not find_number("0.12399", "first")
    with pytest.raises(QdsimError, match="is no number"):
        find_number("a lot")


def test_behind_a_number_stand_the_calculations_of_its_strain_alone() -> None:
    match = next(one for one in find_number("0.1234", "first") if one.section == "strain")
    origin = origin_of(match)
    (settings,) = origin.settings
    assert len(settings.calculations) == 1
    assert origin.protocol == "fast"
    assert origin.overrides == {"cutoff": 300}
    assert (settings.cutoff, settings.k_points, settings.version) == (300.0, "MONKHORST-PACK 4 4 4", "2023.1")
    assert settings.potentials == {"Pb": "GTH-PBE-q4"}
    assert settings.basis_sets == {"Pb": "DZVP-MOLOPT-SR-GTH-q4"}
    whole = next(
        one for one in find_number("6.000", "first") if one.number.path == "equation_of_state.lattice_constant"
    )
    assert sum(len(one.calculations) for one in origin_of(whole).settings) == len(STRAINS)


def test_two_campaigns_differ_in_settings_and_results() -> None:
    found = compare_campaigns("first", "selenide")
    assert {one.name: (one.first, one.second) for one in found.settings} == {
        "campaign.name": ("first", "selenide"),
        "campaign.compound": ("PbS", "PbSe"),
    }
    results = {(one.label, one.quantity): one for one in found.results}
    constant = results["equation_of_state", "lattice_constant"]
    assert constant.difference == pytest.approx(0.2, abs=1e-4)
    alone = results["linear_p0p0200", "relaxed.pb_offset"]
    assert alone.first == pytest.approx(0.2234)
    assert (alone.second, alone.difference) == (None, None)
    assert ("linear_p0p0100", "relaxed.pb_offset") not in results
    same = compare_campaigns("first", "first")
    assert (same.settings, same.results) == ((), ())
    assert same.equal > 0


def test_a_host_has_the_strain_of_its_computed_cell() -> None:
    # By hand: 3 % of volume are 1.03^(1/3) - 1 = 0.99016 % of the edge, and 6.03 Å against 6 Å are 0.5 %.
    undistorted = LATTICE**3 / 4
    store_hosts("volumetric", {"a": undistorted, "b": 1.03 * undistorted}, None)
    store_hosts("pressure", {"a": 6.01**3 / 4, "b": 6.03**3 / 4}, undistorted)
    for name, strains in (("volumetric", [0.0, 0.0099016]), ("pressure", [0.0016667, 0.005])):
        found = {one.host: one.strain for one in find_results(Filter(campaign=name, kind="vacancy"))}
        assert [found["a"], found["b"]] == pytest.approx(strains, abs=1e-6)
    assert {one.host for one in find_results(Filter(campaign="pressure", strain=(0.004, 0.006)))} == {"b"}
    assert not find_results(Filter(campaign="pressure", strain=(-1.0, -0.1)))
