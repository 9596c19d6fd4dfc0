from math import exp, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import value

from qdsim.analysis.chemical_potentials import limiting_reservoirs, stability_window
from qdsim.analysis.concentrated_vacancies import Average, VacancySeries, mixing_entropy, vacancy_series
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, ElementState, HostState, VacancyResults
from qdsim.errors import QdsimError

K = value("Boltzmann constant in eV/K")
N = 40
PER_UNIT = -376.0
ELEMENTS = (
    ElementState(element="Pb", phase="fcc", energy=-100.0),
    ElementState(element="S", phase="S8 molecule", energy=-275.0),
)
LEAD_RICH, SULPHUR_RICH = limiting_reservoirs(stability_window("PbS", "Pb", "S", PER_UNIT, ELEMENTS))


def host(label: str = "strained", formula_units: int = N, **changes: Any) -> HostState:
    fields: dict[str, Any] = {"energy": formula_units * PER_UNIT, "volume": 56.0, "alpha_rh": 60.0, "pb_offset": 0.0}
    return HostState(label=label, formula_units=formula_units, image_distance=8.0, **{**fields, **changes})


def ordering(n: int, per_vacancy: float, number: int = 1, **changes: Any) -> DefectState:
    """n lead vacancies with a formation energy each, at the lead-rich limit."""
    fields: dict[str, Any] = {
        "host": "strained",
        "removed": {"Pb": n},
        "concentration": n / N,
        "energy": N * PER_UNIT + n * (100.0 + per_vacancy),
    }
    return DefectState(defect=f"Pb {n} #{number}", **{**fields, **changes})


def series(
    defects: list[DefectState],
    temperature: float = 0.0,
    average: Average = "weighted",
    hosts: tuple[HostState, ...] = (),
) -> VacancySeries:
    (found,) = vacancy_series(results(defects, hosts), [LEAD_RICH], temperature, average=average)
    return found


def results(defects: list[DefectState], hosts: tuple[HostState, ...] = ()) -> VacancyResults:
    return VacancyResults(
        compound="PbS",
        cation="Pb",
        anion="S",
        protocol="moderate",
        k_points=None,
        elements=ELEMENTS,
        hosts=hosts or (host(),),
        defects=tuple(defects),
    )


def test_the_mixing_entropy() -> None:
    assert mixing_entropy(0.5) == pytest.approx(K * log(2), rel=1e-5)
    assert mixing_entropy(0.1) == pytest.approx(K * 0.3250830, rel=1e-5)
    assert mixing_entropy(0.9) == pytest.approx(mixing_entropy(0.1))
    assert mixing_entropy(0.0) == mixing_entropy(1.0) == 0


def test_orderings_of_one_concentration() -> None:
    defects = [
        ordering(4, 0.10, 1, multiplicity=1, gap=0.2),
        ordering(4, 0.30, 2, multiplicity=3, gap=0.4),
        ordering(4, 0.05, 3, multiplicity=6),
    ]
    (point,) = series(defects, temperature=500).points
    assert point.concentration == 0.1
    assert point.mean == pytest.approx(0.15)
    assert point.weighted_mean == pytest.approx((0.1 + 0.9 + 0.3) / 10)
    assert (point.lowest, point.highest) == pytest.approx((0.05, 0.30))
    assert point.deviation == pytest.approx(((0.05**2 + 0.15**2 + 0.1**2) / 2) ** 0.5)
    assert point.entropy == pytest.approx(K * 0.3250830, rel=1e-5)
    assert point.free_energy == pytest.approx(0.1 * 0.13 - 500 * K * 0.3250830, rel=1e-4)
    assert point.gap == pytest.approx((0.2 + 3 * 0.4) / 4)
    assert (point.gap_lowest, point.gap_highest) == (0.2, 0.4)
    assert [one.label for one in point.orderings] == ["Pb 4 #1", "Pb 4 #2", "Pb 4 #3"]
    plain, lowest = series(defects, average="plain"), series(defects, average="lowest")
    assert plain.points[0].free_energy == pytest.approx(0.1 * 0.15)
    assert lowest.points[0].free_energy == pytest.approx(0.1 * 0.05)


def test_a_single_ordering_has_no_deviation() -> None:
    (point,) = series([ordering(2, 0.1)]).points
    assert point.deviation is None
    assert point.gap is None


def test_the_reservoir_shifts_each_vacancy() -> None:
    defects = [ordering(2, 0.4), ordering(6, 0.9)]
    lead_rich, sulphur_rich = vacancy_series(results(defects), [LEAD_RICH, SULPHUR_RICH], 300)
    assert [point.mean for point in lead_rich.points] == pytest.approx([0.4, 0.9])
    assert [point.mean for point in sulphur_rich.points] == pytest.approx([-0.6, -0.1])
    assert lead_rich.energy_limit.largest is None
    assert sulphur_rich.energy_limit.largest == pytest.approx(0.15)
    assert sulphur_rich.energy_limit.at_least
    assert (sulphur_rich.host, sulphur_rich.sublattice, sulphur_rich.reservoir) == ("strained", "Pb", "S-rich")
    assert VacancySeries.model_validate_json(sulphur_rich.model_dump_json()) == sulphur_rich


def test_the_energy_vanishes_between_two_concentrations() -> None:
    limit = series([ordering(6, 0.2), ordering(2, -0.3), ordering(4, -0.1)], temperature=300).energy_limit
    assert limit.largest == pytest.approx(0.1 + 0.05 / 3)
    assert not limit.at_least
    assert limit.message == "up to 0.1167"


@pytest.mark.parametrize(("energy", "in_equilibrium", "favourable"), [(0.1, 0.0205, 0.055), (0.05, 0.126, 0.327)])
def test_favourable_are_about_e_times_as_many_as_in_equilibrium(
    energy: float, in_equilibrium: float, favourable: float
) -> None:
    """x/(1 - x) = exp(-E/kT) at 300 K, and where x E = T s(x), of 1000 sites: worked out by hand."""
    computed = [
        ordering(n, 0, concentration=n / 1000, energy=1000 * PER_UNIT + n * (100 + energy)) for n in (5, 100, 500)
    ]
    found = series(computed, 300, hosts=(host(formula_units=1000),))
    assert found.equilibrium is not None
    assert found.equilibrium.concentration == pytest.approx(in_equilibrium, rel=4e-3)
    assert found.equilibrium.concentration == pytest.approx(1 / (1 + exp(energy / (K * 300))), abs=2e-5)
    assert found.free_energy_limit.largest == pytest.approx(favourable, rel=5e-3)
    assert (found.beyond, found.equilibrium_message) == (None, f"{found.equilibrium.concentration:.4f}")
    assert found.free_energy_limit.message.startswith(f"up to {found.free_energy_limit.largest:.4f}")


def test_the_spread_over_orderings_is_the_error_of_equilibrium() -> None:
    found = series([ordering(n, 0.05 + off) for n in (1, 12) for off in (-0.01, 0.01)], 300)
    assert found.equilibrium is not None
    deviation = 0.01 * 2**0.5
    fewest, most = (1 / (1 + exp((0.05 + sign * deviation) / (K * 300))) for sign in (1, -1))
    assert (found.equilibrium.fewest, found.equilibrium.most) == pytest.approx((fewest, most), abs=2e-5)
    assert found.equilibrium_message == "0.1263 (0.0772 to 0.1999 by the spread over orderings)"


def test_equilibrium_beyond_what_is_computed_is_only_bounded() -> None:
    fewer, more = series([ordering(2, 0.5), ordering(6, 0.5)], 300), series([ordering(2, -0.5), ordering(6, -0.5)], 300)
    alone = series([ordering(2, -0.5)], 300)
    assert [one.beyond for one in (fewer, more, alone)] == ["fewer", "more", "unknown"]
    assert [one.equilibrium_message for one in (fewer, more, alone)] == [
        "below 0.0500",
        "above 0.1500",
        "not known: only computed at 0.0500",
    ]


def test_a_document_of_before_is_read() -> None:
    found = series([ordering(4, -0.2), ordering(6, 0.2)], 300)
    document = found.model_dump(mode="json")
    document["optimum"] = document.pop("equilibrium")
    assert VacancySeries.model_validate(document) == found


def test_an_energy_of_zero_is_favourable_and_a_free_energy_of_zero_is_not() -> None:
    found = series([ordering(2, 0.0), ordering(4, 0.1)])
    assert found.energy_limit.largest == pytest.approx(0.05)
    assert found.free_energy_limit.largest is None


def test_favourable_to_the_end_or_not_from_the_start() -> None:
    found = series([ordering(2, -0.3), ordering(4, -0.1)])
    assert found.energy_limit.at_least
    assert found.energy_limit.message == "at least up to 0.1000"
    none = series([ordering(2, 0.3), ordering(6, 0.1)])
    assert none.energy_limit.message == "none: not at the lowest computed concentration, 0.0500"
    again = series([ordering(2, 0.1), ordering(4, -0.1)])
    assert again.energy_limit.largest is None
    assert again.energy_limit.message.endswith("; again from 0.0755 on")


def test_at_zero_temperature_both_criteria_agree() -> None:
    found = series([ordering(2, -0.3), ordering(6, 0.2)])
    assert found.free_energy_limit.largest == pytest.approx(found.energy_limit.largest)


@given(st.floats(0.02, 0.15), st.integers(200, 1200))
def test_a_constant_energy_has_the_equilibrium_of_independent_sites(energy: float, temperature: int) -> None:
    """x/(1-x) = exp(-e/kT), where g = kT ln(1-x)."""
    found = series([ordering(n, energy) for n in (1, 5, 20)], temperature)
    kt = K * temperature
    expected = 1 / (1 + exp(energy / kt))
    assert found.equilibrium is not None
    if expected > 1 / N + 1e-3:
        assert found.equilibrium.concentration == pytest.approx(expected, abs=2e-5)
        assert found.equilibrium.free_energy == pytest.approx(kt * log(1 - expected), rel=1e-5)
        assert not found.equilibrium.at_bound
    elif expected < 1 / N - 1e-3:
        assert found.equilibrium.concentration == pytest.approx(1 / N)
        assert found.equilibrium.at_bound


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.3), st.integers(0, 1500))
def test_the_free_energy_vanishes_where_it_is_said_to(first: float, last: float, temperature: int) -> None:
    found = series([ordering(1, first), ordering(12, last)], temperature)
    limit, equilibrium = found.free_energy_limit, found.equilibrium
    assert equilibrium is not None
    assert all(equilibrium.free_energy <= point.free_energy + 1e-12 for point in found.points)

    def free_energy(x: float) -> float:
        energy = first + (last - first) * (x - 1 / N) / (11 / N)
        return x * energy - temperature * mixing_entropy(x)

    assert equilibrium.free_energy == pytest.approx(free_energy(equilibrium.concentration), abs=1e-12)
    if limit.largest is None:
        assert free_energy(1 / N) >= -1e-12
    elif limit.at_least:
        assert free_energy(12 / N) < 1e-12
    else:
        assert free_energy(limit.largest) == pytest.approx(0, abs=1e-9)
        assert free_energy(limit.largest - 1e-4) < 0


def test_nothing_is_said_beyond_what_is_computed() -> None:
    found = series([ordering(4, -0.2)], temperature=300)
    assert found.energy_limit.largest == pytest.approx(0.1)
    assert found.energy_limit.at_least
    assert found.equilibrium is not None
    assert found.equilibrium.concentration == pytest.approx(0.1)
    assert found.equilibrium.at_bound


def test_a_failed_ordering_leaves_the_others() -> None:
    failed = ordering(4, 0.0, 2, energy=None, failure="No SCF.")
    found = series([ordering(4, -0.1), failed, ordering(6, 0.0, energy=None, failure="It stopped.")])
    assert [point.concentration for point in found.points] == [0.1]
    assert len(found.points[0].orderings) == 1
    assert len(found.failures) == 2
    assert "Pb 4 #2 at 0.1000" in found.failures[0]
    assert "No SCF." in found.failures[0]
    empty = series([failed])
    assert empty.points == ()
    assert empty.equilibrium is None
    assert empty.energy_limit.message == "none: no concentration is computed"


def test_only_neutral_orderings_of_a_series_count() -> None:
    correction = ChargeCorrection(
        method="eFNV", dielectric=100, dielectric_kind="eps_0", electrostatic=0.0, alignment=0.0
    )
    charged = ordering(4, -5.0, 2, charge=-2, correction=correction)
    dilute = ordering(1, -5.0, concentration=None)
    found = series([charged, dilute, ordering(4, 0.1)], hosts=(host(vbm=5.0),))
    assert [point.mean for point in found.points] == pytest.approx([0.1])


def test_a_step_has_unrelaxed_series_only() -> None:
    hosts = (host(), host("step", volume=55.0, ions_held=True))
    unrelaxed = ordering(4, 0.0, host="step", energy=None, unrelaxed_energy=N * PER_UNIT + 4 * 100.3)
    computed = results([ordering(4, 0.1), unrelaxed], hosts)
    assert [one.host for one in vacancy_series(computed, [LEAD_RICH], 0)] == ["strained"]
    step = vacancy_series(computed, [LEAD_RICH], 0, relaxed=False)[1]
    assert step.host == "step"
    assert step.points[0].mean == pytest.approx(0.3)


def test_hosts_that_are_one_crystal_make_one_series() -> None:
    hosts = (host(), host("larger", 2 * N), host("cubic", pb_offset=0.12))
    defects = [
        ordering(4, 0.1),
        ordering(4, 0.3, 2, host="larger", removed={"Pb": 8}, energy=2 * N * PER_UNIT + 8 * 100.3),
        ordering(4, 0.5, host="cubic"),
    ]
    found = vacancy_series(results(defects, hosts), [LEAD_RICH], 0)
    assert [one.host for one in found] == ["strained", "cubic"]
    assert [one.energy for one in found[0].points[0].orderings] == pytest.approx([0.1, 0.3])
    assert [one.host for one in found[0].points[0].orderings] == ["strained", "larger"]


def test_vacancies_of_both_sublattices() -> None:
    """A pair of 0.5 eV in any reservoir: 0.25 eV a vacancy, and the entropy of either sublattice."""
    pairs = ordering(4, 0.0, removed={"Pb": 4, "S": 4}, energy=(N - 4) * PER_UNIT + 4 * 0.5)
    for reservoir in (LEAD_RICH, SULPHUR_RICH):
        (found,) = vacancy_series(results([pairs]), [reservoir], 300)
        assert found.sublattice == "Pb+S"
        assert found.points[0].mean == pytest.approx(0.25)
        assert found.points[0].free_energy == pytest.approx(0.025 - 300 * mixing_entropy(0.1))


def test_what_is_no_series_is_refused() -> None:
    with pytest.raises(QdsimError, match=r"states a concentration of 0\.2, but 0\.1000"):
        series([ordering(4, 0.1, concentration=0.2)])
    with pytest.raises(QdsimError, match="of both as many"):
        series([ordering(4, 0.1, removed={"Pb": 4, "S": 2})])
    with pytest.raises(QdsimError, match="is not among strained"):
        series([ordering(4, 0.1, host="other")])
    with pytest.raises(QdsimError, match="not negative, as -1"):
        series([ordering(4, 0.1)], temperature=-1)


def test_reservations_are_passed_on_once() -> None:
    found = series([ordering(4, 0.1, number, reservations=("It moved.",)) for number in (1, 2)])
    assert found.reservations[0] == "It moved."
    assert "leaves 8 holes" in found.reservations[1]
    assert len(found.reservations) == 2
