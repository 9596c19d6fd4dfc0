"""What phonons say together, beside energies, and against fits: states whose numbers are made up."""

import numpy as np
import pytest

from qdsim.analysis.consistency_results import Row, SampleCheck
from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults, analyse_phonons
from qdsim.analysis.phonon_results import Nonanalytic, PhononState
from qdsim.analysis.phonon_rows import compared_displacements, phonon_rows
from qdsim.analysis.sample_values import Known
from qdsim.analysis.soft_mode import frequency_of_curvature
from qdsim.analysis.strain_results import DoubleWell, Onset, StrainPoint, StrainResults
from tests.phonon_states import phonon_state, thermal_state

A0 = 6.0
ONSET = 0.012
"""Strain at which the made-up curvature vanishes."""
STIFFNESS = 0.5
"""eV/Å^2, of the curvature at no strain."""
STRAINS = (0.0, 0.01, 0.02)


def curvature(strain: float) -> float:
    return STIFFNESS * (1 - strain / ONSET)


def volume(strain: float) -> float:
    return (A0 * (1 + strain)) ** 3 / 4


def state(strain: float, factor: float = 1.0) -> PhononState:
    frequency = frequency_of_curvature(factor * curvature(strain), "Pb", "S")
    thermal = thermal_state({"Pb": 1.6, "S": 1.2}, {"Pb": 0.02, "S": 0.015}) if frequency > 0 else None
    return phonon_state(f"s{strain}", frequency, volume=volume(strain), thermal=thermal)


def results(factor: float = 1.0) -> PhononResults:
    states = tuple(state(strain, factor) for strain in STRAINS)
    return PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=states)


@pytest.fixture(scope="module")
def strain() -> StrainResults:
    eos = EquationOfState(
        volumes=[], energies=[], volume=A0**3 / 4, volume_error=0, energy=0, bulk_modulus=50, bulk_modulus_error=0,
        bulk_modulus_derivative=4, bulk_modulus_derivative_error=0, lattice_constant=A0, lattice_constant_error=0,
        rms_residual=0,
    )  # fmt: skip
    points = [
        StrainPoint(
            label=f"s{one}",
            linear_strain=one,
            volumetric_strain=(1 + one) ** 3 - 1,
            lattice_constant=A0 * (1 + one),
            volume=volume(one),
            eos_pressure=0,
            double_well=DoubleWell(
                offsets=[0.0], energies=[0.0], quadratic=curvature(one), quadratic_error=None, quartic=2.0
            ),
        )
        for one in STRAINS
    ]
    onset = Onset(
        method="energy curvature",
        linear_strain=ONSET,
        linear_strain_error=None,
        lattice_constant=A0 * (1 + ONSET),
        volume=volume(ONSET),
        pressure=-1,
        note="made up",
    )
    return StrainResults(
        compound="PbS",
        protocol="precise",
        equation_of_state=eos,
        points=points,
        onset_curvature=onset,
        onset_order_parameter=None,
        onset_messages=[],
    )


def test_the_softening_strain_is_that_of_the_energies(strain: StrainResults) -> None:
    analysis = analyse_phonons(results(), strain)
    assert analysis.softening is not None
    assert analysis.softening.linear_strain == pytest.approx(ONSET)
    assert analysis.softening.onset == ONSET
    assert [row.deviation for row in analysis.rows] == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.mark.parametrize(("charge_sum", "told"), [(None, False), (1e-4, True)])
def test_charges_that_are_computed_come_with_a_reservation(charge_sum: float | None, told: bool) -> None:
    known = Nonanalytic(born_charges={"Pb": 4.4, "S": -4.4}, eps_inf=17, charge_sum=charge_sum)
    given = results()
    states = (given.states[0].model_copy(update={"nonanalytic": known}), *given.states[1:])
    messages = analyse_phonons(given.model_copy(update={"states": states})).messages
    assert any("converge slowly with the cell" in one for one in messages) is told


def test_deviations_are_of_the_squares(strain: StrainResults) -> None:
    analysis = analyse_phonons(results(1.1), strain)
    assert [row.deviation for row in analysis.rows] == pytest.approx([0.1] * 3)


def test_a_stable_mode_has_a_single_well_an_unstable_one_a_double_well_and_no_b(strain: StrainResults) -> None:
    stable, _, unstable = analyse_phonons(results(), strain).rows
    assert stable.b_iso == {"Pb": 1.6, "S": 1.2}
    assert stable.well is not None
    assert not stable.well.double
    assert unstable.b_iso is None
    assert unstable.well is not None
    assert unstable.well.double
    depth = curvature(0.02)
    assert unstable.well.barrier == pytest.approx(depth**2 / (4 * 2.0), rel=1e-3)
    assert unstable.well.minimum == pytest.approx(np.sqrt(-depth / 4), abs=2e-3)


def test_an_instability_of_other_modes_has_no_double_well_and_keeps_its_reason(strain: StrainResults) -> None:
    stable = state(0.0)
    elsewhere = stable.model_copy(update={"thermal": (), "lowest": -17.0, "message": "Unstable at K."})
    (row,) = analyse_phonons(results().model_copy(update={"states": (elsewhere,)}), strain).rows
    assert row.transverse_optical > 0
    assert row.well is None
    assert row.message == "Unstable at K."


def test_without_a_strain_series_nothing_is_compared() -> None:
    analysis = analyse_phonons(results())
    assert analysis.softening is None
    assert all(row.linear_strain is None and row.from_energies is None for row in analysis.rows)
    assert "two strains at least" in analysis.messages[0]


def rows_of(analysis: PhononAnalysis, **known: Known) -> dict[str, Row]:
    return {row.quantity: row for row in phonon_rows(known, ("Pb", "S"), [], analysis)}


def test_fitted_b_is_judged_by_that_of_the_phonons(strain: StrainResults) -> None:
    analysis = analyse_phonons(results(), strain)
    found = rows_of(analysis, b_iso_cation=Known(1.7, 0.1), b_iso_anion=Known(2.4, 0.1))
    assert found["b_iso_cation"].verdict == "agrees"
    assert found["b_iso_anion"].verdict == "disagrees"
    assert found["b_iso_anion"].difference == pytest.approx(1.2)
    assert "static disorder" in found["b_iso_anion"].reason
    lower = rows_of(analysis, b_iso_cation=Known(0.1, 0.01))["b_iso_cation"]
    assert lower.verdict == "disagrees"
    assert "static disorder" not in lower.reason
    offset = rows_of(analysis, pb_offset=Known(0.12, 0.01))["pb_offset"]
    assert offset.verdict == "cannot say"
    well = analysis.rows[0].well
    assert well is not None
    assert offset.computed == pytest.approx(well.mean_absolute)
    assert "in the single well" in offset.reason
    assert "an offset is dynamic" in offset.reason
    assert list(phonon_rows({"b_iso_cation": Known(1.7, 0.1)}, ("Pb", "S"), [], None)) == []


def sample(analysis: PhononAnalysis, **known: Known) -> SampleCheck:
    return SampleCheck(name="a", diameter=None, conditions=[], rows=list(rows_of(analysis, **known).values()))


def test_a_fitted_b_stands_beside_that_of_the_phonons(strain: StrainResults) -> None:
    analysis = analyse_phonons(results(), strain)
    found = compared_displacements(sample(analysis, b_iso_cation=Known(1.7, 0.1)), ("Pb", "S"), analysis)
    assert found is not None
    assert (found.crystal, found.temperature) == ("s0.0", 300)
    assert found.fitted == {"Pb": 1.7, "S": 1.2}
    assert found.computed == {"Pb": 1.6, "S": 1.2}
    assert compared_displacements(sample(analysis, pb_offset=Known(0.1, 0.1)), ("Pb", "S"), analysis) is None
    unstable = analysis.model_copy(update={"rows": analysis.rows[-1:]})
    stated = sample(unstable, b_iso_cation=Known(1.7, 0.1))
    assert compared_displacements(stated, ("Pb", "S"), unstable) is None


def test_the_lattice_expands_only_where_three_crystals_are_stable(strain: StrainResults) -> None:
    expansion = analyse_phonons(results(), strain).expansion
    assert expansion is not None
    assert expansion.crystals == ("s0.0", "s0.01")
    assert not expansion.states
    assert "there are 2" in analyse_phonons(results(), strain).messages[0]


def test_an_unstable_crystal_has_no_b_to_judge_by(strain: StrainResults) -> None:
    analysis = analyse_phonons(results(), strain)
    unstable = analysis.model_copy(update={"rows": analysis.rows[-1:]})
    found = rows_of(unstable, b_iso_cation=Known(1.7, 0.1), pb_offset=Known(0.12, 0.01))
    assert found["b_iso_cation"].verdict == "cannot say"
    assert "unstable" in found["b_iso_cation"].reason
    assert "in the double well of the centred crystal a formula unit by itself" in found["pb_offset"].reason
