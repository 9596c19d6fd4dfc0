import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdsim.analysis.chemical_potentials import (
    Reservoir,
    StabilityWindow,
    compare_heat_of_formation,
    limiting_reservoirs,
    reservoir_at,
    reservoir_between,
    reservoir_from_source,
    stability_window,
)
from qdsim.analysis.vacancy_results import ElementState
from qdsim.errors import QdsimError

LEAD = ElementState(element="Pb", phase="fcc", energy=-100.0)
SULPHUR = ElementState(element="S", phase="S8 molecule", energy=-275.0)
ENERGY = -376.0
"""A heat of formation of -1 eV."""


@pytest.fixture
def window() -> StabilityWindow:
    return stability_window("PbS", "Pb", "S", ENERGY, [SULPHUR, LEAD])


def test_the_heat_of_formation(window: StabilityWindow) -> None:
    assert window.heat_of_formation == pytest.approx(-1.0)
    assert window.references == {"Pb": -100.0, "S": -275.0}
    assert window.phases == {"Pb": "fcc", "S": "S8 molecule"}


def test_the_limits_are_the_reference_phases(window: StabilityWindow) -> None:
    lead_rich, sulphur_rich = limiting_reservoirs(window)
    assert (lead_rich.name, sulphur_rich.name) == ("Pb-rich", "S-rich")
    assert lead_rich.mu == pytest.approx({"Pb": -100.0, "S": -276.0})
    assert sulphur_rich.mu == pytest.approx({"Pb": -101.0, "S": -275.0})
    assert sulphur_rich.delta_mu == pytest.approx({"Pb": -1.0, "S": 0.0})
    assert lead_rich.within_window
    assert sulphur_rich.within_window
    assert lead_rich.message is None


def test_between_the_limits(window: StabilityWindow) -> None:
    reservoir = reservoir_between(window, 0.25)
    assert reservoir.delta_mu == pytest.approx({"Pb": -0.75, "S": -0.25})
    assert reservoir.name == "25% Pb-rich"
    assert reservoir_between(window, 1.0).mu == pytest.approx(limiting_reservoirs(window)[0].mu)
    assert reservoir_between(window, 0.0).mu == pytest.approx(limiting_reservoirs(window)[1].mu)
    with pytest.raises(QdsimError, match=r"between 0 and 1, not 1\.2"):
        reservoir_between(window, 1.2)


@given(st.floats(0, 1))
def test_every_reservoir_between_is_in_equilibrium(richness: float) -> None:
    window = stability_window("PbS", "Pb", "S", ENERGY, [LEAD, SULPHUR])
    reservoir = reservoir_between(window, richness)
    assert sum(reservoir.mu.values()) == pytest.approx(ENERGY, abs=1e-9)
    assert reservoir.within_window
    assert reservoir.out_of_equilibrium == 0


def test_a_source_of_lead(window: StabilityWindow) -> None:
    reservoir = reservoir_from_source(window, "lead oleate", "Pb", -0.4)
    assert reservoir.mu == pytest.approx({"Pb": -100.4, "S": -275.6})
    assert reservoir.within_window


@pytest.mark.parametrize(
    ("delta_mu", "potential_of_lead", "message"),
    [
        ({"Pb": 0.3}, -99.7, "by 0.300 eV, Pb (fcc) would precipitate"),
        ({"Pb": -1.2}, -101.2, "by 0.200 eV, S (S8 molecule) would precipitate"),
        ({"S": -1.25}, -99.75, "by 0.250 eV, Pb (fcc) would precipitate"),
        ({"Pb": -0.5, "S": -0.2}, -100.5, "out of equilibrium with PbS by +0.300 eV, which would grow"),
        ({"Pb": -0.9, "S": -0.2}, -100.9, "out of equilibrium with PbS by -0.100 eV, which would dissolve"),
    ],
)
def test_outside_the_window(
    window: StabilityWindow, delta_mu: dict[str, float], potential_of_lead: float, message: str
) -> None:
    reservoir = reservoir_at(window, "mine", delta_mu)
    assert not reservoir.within_window
    assert reservoir.message is not None
    assert message in reservoir.message
    assert reservoir.mu["Pb"] == pytest.approx(potential_of_lead)
    expected = sum(delta_mu.values()) + 1 if len(delta_mu) > 1 else 0
    assert reservoir.out_of_equilibrium == pytest.approx(expected)


def test_two_potentials_in_equilibrium(window: StabilityWindow) -> None:
    reservoir = reservoir_at(window, "mine", {"Pb": -0.3, "S": -0.7})
    assert reservoir.within_window
    assert Reservoir.model_validate_json(reservoir.model_dump_json()) == reservoir


def test_an_element_that_is_not_there(window: StabilityWindow) -> None:
    with pytest.raises(QdsimError, match="Pb or S, not of Se"):
        reservoir_at(window, "mine", {"Se": 0.0})
    with pytest.raises(QdsimError, match="not of nothing"):
        reservoir_at(window, "mine", {})


@pytest.mark.parametrize(
    ("energy", "elements", "message"),
    [
        (None, [LEAD, SULPHUR], "energy of PbS is missing"),
        (ENERGY, [LEAD], "energy of S in its reference phase is missing"),
        (ENERGY, [SULPHUR, LEAD.model_copy(update={"energy": None, "failure": "No SCF."})], "Pb .* missing: No SCF"),
        (-374.9, [LEAD, SULPHUR], r"lies 0\.100 eV .* above its elements"),
    ],
)
def test_no_window(energy: float | None, elements: list[ElementState], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        stability_window("PbS", "Pb", "S", energy, elements)


def test_against_the_measured_heat_of_formation(window: StabilityWindow) -> None:
    compared = compare_heat_of_formation(window, -1.04, "calorimetry")
    assert compared.difference == pytest.approx(0.04)
    assert compared.ratio == pytest.approx(1 / 1.04)
    assert compared.source == "calorimetry"
    with pytest.raises(QdsimError, match="is negative, in eV"):
        compare_heat_of_formation(window, 1.04)
