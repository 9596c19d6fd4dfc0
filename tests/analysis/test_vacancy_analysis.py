"""All that follows from computed vacancies, joined."""

from typing import Any

import pytest

from qdsim.analysis.defect_thermodynamics import defect_equilibrium, parabolic_dos
from qdsim.analysis.vacancy_analysis import (
    CarrierSettings,
    MeasuredHeat,
    ReservoirSettings,
    analyse_vacancies,
)
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, ElementState, HostState, VacancyResults

VOLUME, GAP, N = 54.2, 0.4, 32
EPS_0 = ChargeCorrection(method="eFNV", dielectric=170, dielectric_kind="eps_0", electrostatic=0.04, alignment=0.1)


def computed(**changes: Any) -> VacancyResults:
    host = HostState(
        label="undistorted",
        volume=VOLUME,
        alpha_rh=60,
        pb_offset=0,
        formula_units=N,
        image_distance=12,
        energy=-376.0 * N,
        vbm=3.0,
        cbm=3.0 + GAP,
    )
    defects = [
        DefectState(host="undistorted", defect="V_Pb", removed={"Pb": 1}, multiplicity=N, energy=-376.0 * N + 102.2),
        DefectState(
            host="undistorted",
            defect="V_Pb",
            removed={"Pb": 1},
            multiplicity=N,
            charge=-2,
            energy=-376.0 * N + 107.9,
            correction=EPS_0,
        ),
        DefectState(host="undistorted", defect="V_S", removed={"S": 1}, multiplicity=N, energy=-376.0 * N + 277.1),
        DefectState(
            host="undistorted",
            defect="V_S",
            removed={"S": 1},
            multiplicity=N,
            charge=2,
            energy=-376.0 * N + 270.6,
            correction=EPS_0,
        ),
    ]
    elements = (
        ElementState(element="Pb", phase="fcc", energy=-100.0),
        ElementState(element="S", phase="S8 molecule", energy=-275.0),
    )
    document = {
        "compound": "PbS",
        "cation": "Pb",
        "anion": "S",
        "protocol": "defects",
        "k_points": (3, 3, 3),
        "compound_energy": -376.0,
        "elements": elements,
        "hosts": (host,),
        "defects": tuple(defects),
    }
    return VacancyResults(**{**document, **changes})


def test_reservoirs_are_those_that_were_described() -> None:
    described = (
        ReservoirSettings(name="halfway", richness=0.5),
        ReservoirSettings(name="oleate", element="Pb", source_energy=-0.3),
        ReservoirSettings(name="stated", delta_mu={"S": -0.2}),
    )
    analysis = analyse_vacancies(computed(), described, measured_heat=MeasuredHeat(value=-1.04, source="somebody"))
    found = {reservoir.name: reservoir.delta_mu for reservoir in analysis.reservoirs}
    assert found["Pb-rich"] == pytest.approx({"Pb": 0.0, "S": -1.0})
    assert found["S-rich"] == pytest.approx({"Pb": -1.0, "S": 0.0})
    assert found["halfway"] == pytest.approx({"Pb": -0.5, "S": -0.5})
    assert found["oleate"] == pytest.approx({"Pb": -0.3, "S": -0.7})
    assert found["stated"] == pytest.approx({"Pb": -0.8, "S": -0.2})
    assert analysis.heat_of_formation is not None
    assert analysis.heat_of_formation.difference == pytest.approx(0.04)
    assert analysis.equilibria == ()


def test_the_fermi_level_is_solved_for_in_every_reservoir() -> None:
    carriers = CarrierSettings(electron_mass=0.1, hole_mass=0.12)
    analysis = analyse_vacancies(computed(), temperature=500.0, carriers=carriers)
    assert [one.reservoir for one in analysis.equilibria] == ["Pb-rich", "S-rich"]
    (host,) = computed().hosts
    assert host.vbm is not None
    assert host.cbm is not None
    bands = parabolic_dos(host.cbm - host.vbm, 0.1, 0.12, VOLUME, electron_valleys=4, hole_valleys=4)
    for one in analysis.equilibria:
        rows = [row for row in analysis.formation_energies if row.reservoir == one.reservoir]
        assert one == defect_equilibrium(rows, bands, VOLUME, 500.0)
    lead_rich, sulphur_rich = analysis.equilibria
    assert lead_rich.fermi_level > sulphur_rich.fermi_level  # n type with S vacancies, p type with Pb vacancies


def test_where_there_is_no_equilibrium_it_is_said_why() -> None:
    carriers = CarrierSettings(electron_mass=0.1, hole_mass=0.1)
    (host,) = computed().hosts
    closed = host.model_copy(update={"cbm": host.vbm})
    analysis = analyse_vacancies(computed(hosts=(closed,)), carriers=carriers)
    assert analysis.equilibria == ()
    assert len(analysis.messages) == 2
    assert analysis.messages[0].startswith("No equilibrium of undistorted with Pb-rich: ")


def test_without_an_element_there_are_no_potentials() -> None:
    lost = ElementState(element="S", phase="S8 molecule", failure="CP2K aborted.")
    analysis = analyse_vacancies(computed(elements=(computed().elements[0], lost)))
    assert analysis.window is None
    assert analysis.formation_energies == ()
    assert "CP2K aborted." in analysis.messages[0]
