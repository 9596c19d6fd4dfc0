from collections.abc import Sequence
from math import exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants
from scipy.integrate import quad
from scipy.optimize import bisect
from scipy.special import expit

from qdsim.analysis.defect_thermodynamics import (
    DefectEquilibrium,
    DensityOfStates,
    FormationEnergyDiagram,
    defect_equilibrium,
    formation_energy_diagram,
    parabolic_dos,
    spin_degeneracy,
    transition_level,
)
from qdsim.analysis.formation_energy import EnergyTerms, FormationEnergy
from qdsim.errors import QdsimError

GAP, VOLUME, ELECTRON_MASS, HOLE_MASS, VALLEYS = 0.4, 54.2, 0.11, 0.13, 4
"""About those of lead sulphide."""
K = constants.value("Boltzmann constant in eV/K")


def row(
    charge: int, at_vbm: float, defect: str = "V_Pb", fermi_level: float = 0.0, sites: float | None = 1.0
) -> FormationEnergy:
    value = at_vbm + charge * fermi_level
    terms = EnergyTerms(
        supercell_difference=value, chemical={}, electron=0.0, electrostatic=0.0, alignment=0.0, total=value
    )
    return FormationEnergy(
        host="undistorted",
        defect=defect,
        charge=charge,
        reservoir="Pb-rich",
        fermi_level=fermi_level,
        relaxed=terms,
        unrelaxed=None,
        sites_per_formula_unit=sites,
    )


def dos() -> DensityOfStates:
    return parabolic_dos(
        GAP, ELECTRON_MASS, HOLE_MASS, VOLUME, electron_valleys=VALLEYS, hole_valleys=VALLEYS, width=1.5
    )


def effective_density(mass: float, temperature: float) -> float:
    """2 (2 pi m k T / h^2)^(3/2) of all valleys, cm^-3."""
    kt = constants.k * temperature
    return float(VALLEYS * 2 * (2 * pi * mass * constants.m_e * kt / constants.h**2) ** 1.5 * 1e-6)


def carriers(mass: float, depth: float, temperature: float) -> float:
    """Carriers with the Fermi level that far inside the gap, by integration, cm^-3."""
    kt = K * temperature

    def occupied(x: float) -> float:
        return float(sqrt(x) * expit(-x - depth / kt))

    return effective_density(mass, temperature) * 2 / sqrt(pi) * float(quad(occupied, 0, 1.5 / kt, limit=200)[0])


def charge_density(
    fermi_level: float, energies: Sequence[FormationEnergy], temperature: float, degeneracy: int | None = None
) -> float:
    """Net charge, cm^-3."""
    net = carriers(HOLE_MASS, fermi_level, temperature) - carriers(ELECTRON_MASS, GAP - fermi_level, temperature)
    for one in energies:
        assert one.relaxed is not None
        energy = one.relaxed.total + one.charge * (fermi_level - one.fermi_level)
        boltzmann = (one.sites_per_formula_unit or 0) * exp(-energy / (K * temperature)) * 1e24 / VOLUME
        net += one.charge * (degeneracy or {0: 1, 1: 2}[abs(one.charge) % 2]) * boltzmann
    return net


# Transition levels


def test_the_diagram_of_an_acceptor() -> None:
    diagram = formation_energy_diagram([row(-2, 1.3), row(0, 1.1), row(-1, 1.15)], GAP)
    assert diagram.at_vbm == {-2: 1.3, 0: 1.1, -1: 1.15}
    assert [one.charges for one in diagram.transitions] == [(0, -1), (-1, -2)]
    assert [one.fermi_level for one in diagram.transitions] == pytest.approx([0.05, 0.15])
    assert [one.formation_energy for one in diagram.transitions] == pytest.approx([1.1, 1.0])
    assert all(one.in_gap for one in diagram.transitions)
    assert np.array(diagram.corners) == pytest.approx(np.array([(0.0, 1.1), (0.05, 1.1), (0.15, 1.0), (0.4, 0.5)]))
    assert FormationEnergyDiagram.model_validate_json(diagram.model_dump_json()) == diagram


def test_a_charge_that_is_never_stable_has_no_level() -> None:
    diagram = formation_energy_diagram([row(0, 1.1), row(-1, 1.4), row(-2, 1.3)], GAP)
    assert [one.charges for one in diagram.transitions] == [(0, -2)]
    assert diagram.transitions[0].fermi_level == pytest.approx(0.1)


def test_levels_outside_the_gap() -> None:
    diagram = formation_energy_diagram([row(2, 0.2, "V_S"), row(0, 1.8, "V_S")], GAP)
    assert diagram.transitions[0].fermi_level == pytest.approx(0.8)
    assert not diagram.transitions[0].in_gap
    assert np.array(diagram.corners) == pytest.approx(np.array([(0.0, 0.2), (0.4, 1.0)]))


def test_levels_that_coincide() -> None:
    diagram = formation_energy_diagram([row(0, 1.0), row(-1, 1.1), row(-2, 1.2)], GAP)
    assert [one.charges for one in diagram.transitions] == [(0, -2)]
    assert diagram.transitions[0].fermi_level == pytest.approx(0.1)


def test_one_charge_is_a_line() -> None:
    diagram = formation_energy_diagram([row(-2, 1.0)], GAP)
    assert diagram.transitions == ()
    assert np.array(diagram.corners) == pytest.approx(np.array([(0.0, 1.0), (0.4, 0.2)]))


@given(st.dictionaries(st.integers(-3, 3), st.floats(-2, 2), min_size=1), st.floats(0, 1))
def test_the_corners_are_the_lowest_energy(at_vbm: dict[int, float], place: float) -> None:
    diagram = formation_energy_diagram([row(charge, energy) for charge, energy in at_vbm.items()], GAP)
    assert diagram.corners[0][0] == 0
    assert diagram.corners[-1][0] == GAP
    for (x0, y0), (x1, y1) in zip(diagram.corners, diagram.corners[1:], strict=False):
        x, y = x0 + place * (x1 - x0), y0 + place * (y1 - y0)
        assert y == pytest.approx(min(energy + charge * x for charge, energy in at_vbm.items()), abs=1e-6)


@given(st.floats(-0.5, 0.5))
def test_the_fermi_level_of_the_table_does_not_matter(fermi_level: float) -> None:
    diagram = formation_energy_diagram([row(0, 1.1, fermi_level=fermi_level), row(-2, 1.3, fermi_level=0.1)], GAP)
    assert diagram.transitions[0].fermi_level == pytest.approx(0.1, abs=1e-9)
    assert transition_level(0, 1.1, -2, 1.3) == pytest.approx(0.1)
    assert transition_level(-2, 1.3, 0, 1.1) == pytest.approx(0.1)


def test_charges_without_an_energy_are_named() -> None:
    failed = row(-1, 1.0).model_copy(update={"relaxed": None, "failure": "No SCF."})
    assert formation_energy_diagram([row(0, 1.0), failed], GAP).missing_charges == (-1,)
    with pytest.raises(QdsimError, match="no formation energy in any charge"):
        formation_energy_diagram([failed], GAP)


def test_a_diagram_is_of_one_thing() -> None:
    with pytest.raises(QdsimError, match="more than one defect: V_Pb, V_S"):
        formation_energy_diagram([row(0, 1.0), row(2, 1.0, "V_S")], GAP)
    with pytest.raises(QdsimError, match=r"charge \+0 twice"):
        formation_energy_diagram([row(0, 1.0), row(0, 1.1)], GAP)
    with pytest.raises(QdsimError, match="no gap"):
        formation_energy_diagram([row(0, 1.0)], 0.0)
    with pytest.raises(QdsimError, match="no formation energies"):
        formation_energy_diagram([], GAP)


# Density of states


def test_the_density_of_parabolic_bands() -> None:
    """At 0.1 eV above the edge: 4 valleys of 0.11 electron masses."""
    states = dos()
    above = [(x - GAP, g) for x, g in zip(states.energies, states.densities[0], strict=True) if x > GAP]
    depth, density = min(above, key=lambda pair: abs(pair[0] - 0.1))
    joule = 2 * ELECTRON_MASS * constants.m_e / constants.hbar**2
    expected = VALLEYS * VOLUME * 1e-30 / (2 * pi**2) * joule**1.5 * sqrt(depth * constants.e) * constants.e
    assert density == pytest.approx(expected, rel=1e-6)
    below = sum(g > 0 for x, g in zip(states.energies, states.densities[0], strict=True) if 0 <= x <= GAP)
    assert below == 0
    holes = VALLEYS * VOLUME * 1e-30 / (3 * pi**2) * (2 * HOLE_MASS * constants.m_e * 1.5 * constants.e) ** 1.5
    assert states.electrons == pytest.approx(holes / constants.hbar**3, rel=1e-5)
    with pytest.raises(QdsimError, match="are positive"):
        parabolic_dos(GAP, -0.1, 0.1, VOLUME)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energies": (-1.0, 0.0, 0.3)}, "from below 0 to above the gap"),
        ({"energies": (0.0, 0.5, 1.0)}, "from below 0 to above the gap"),
        ({"energies": (-1.0, -1.5, 1.0)}, "from below 0"),
        ({"densities": ((1.0, 0.0),)}, "a value for each energy"),
        ({"densities": ((1.0, 0.0, 1.0),) * 3}, "one for each spin"),
    ],
)
def test_a_density_of_states_that_cannot_be_used(changes: dict[str, tuple[float, ...]], message: str) -> None:
    states = DensityOfStates(energies=(-1.0, 0.2, 1.0), densities=((1.0, 0.0, 1.0),), gap=GAP, electrons=2)
    with pytest.raises(QdsimError, match=message):
        defect_equilibrium([row(0, 1.0)], states.model_copy(update=changes), VOLUME, 300)


# Equilibrium


CASES = [
    [row(0, 1.4), row(-2, 1.0), row(2, 0.4, "V_S"), row(0, 1.5, "V_S")],
    [row(-2, 0.5), row(-1, 0.5), row(2, 0.9, "V_S"), row(0, 0.9, "V_Pb+V_S at 3.00 Å", sites=6.0)],
    [row(2, 0.1, "V_S", fermi_level=0.1), row(-2, 1.3, fermi_level=0.3)],
]


@pytest.mark.parametrize("temperature", [300.0, 700.0])
@pytest.mark.parametrize("energies", CASES)
def test_the_fermi_level_against_a_direct_solution(energies: list[FormationEnergy], temperature: float) -> None:
    expected = bisect(charge_density, -0.5, GAP + 0.5, (energies, temperature), xtol=1e-10)
    found = defect_equilibrium(energies, dos(), VOLUME, temperature)
    assert found.fermi_level == pytest.approx(expected, abs=2e-5)
    assert found.holes == pytest.approx(carriers(HOLE_MASS, expected, temperature), rel=2e-3)
    assert found.electrons == pytest.approx(carriers(ELECTRON_MASS, GAP - expected, temperature), rel=2e-3)
    assert len(found.defects) == len(energies)
    for one in found.defects:
        (source,) = [e for e in energies if (e.defect, e.charge) == (one.defect, one.charge)]
        assert source.relaxed is not None
        energy = source.relaxed.total + one.charge * (expected - source.fermi_level)
        sites = source.sites_per_formula_unit or 0
        assert one.formation_energy == pytest.approx(energy, abs=1e-4)
        states = {0: 1, 1: 2}[abs(one.charge) % 2] * sites
        assert one.concentration == pytest.approx(states * 1e24 / VOLUME * exp(-energy / (K * temperature)), rel=5e-3)
        assert one.site_share == pytest.approx(one.concentration / sites * VOLUME / 1e24)
    assert found.residual_charge < 1e-6 * max(found.holes, found.electrons)
    assert DefectEquilibrium.model_validate_json(found.model_dump_json()) == found


def test_without_charges_the_crystal_is_intrinsic() -> None:
    """Neutral vacancies: N exp(-E/kT) of them, and the textbook Fermi level of a non-degenerate semiconductor."""
    temperature = 200.0
    found = defect_equilibrium([row(0, 0.5)], dos(), VOLUME, temperature)
    kt = K * temperature
    assert found.fermi_level == pytest.approx(GAP / 2 + 0.75 * kt * 0.1670541, abs=1e-5)  # ln(0.13/0.11)
    assert found.holes == pytest.approx(found.electrons, rel=1e-6)
    densities = effective_density(ELECTRON_MASS, temperature) * effective_density(HOLE_MASS, temperature)
    assert found.holes == pytest.approx(sqrt(densities) * exp(-GAP / 2 / kt), rel=1e-3)
    assert found.defects[0].concentration == pytest.approx(1e24 / VOLUME * exp(-0.5 / kt), rel=1e-5)


def test_an_unpaired_electron_counts_twice() -> None:
    """n = 2 N exp(-E/kT) of V_Pb 1-, which lacks one electron of a pair; of 2- and neutral ones it is N exp(-E/kT)."""
    found = defect_equilibrium([row(0, 0.5), row(-1, 0.55), row(-2, 0.6)], dos(), VOLUME, 500)
    assert {one.charge: one.degeneracy for one in found.defects} == {0: 1, -1: 2, -2: 1}
    for one in found.defects:
        boltzmann = exp(-one.formation_energy / (K * 500))
        assert one.concentration == pytest.approx((2 if one.charge == -1 else 1) * 1e24 / VOLUME * boltzmann, rel=1e-5)
    assert [spin_degeneracy(charge) for charge in (-3, -2, -1, 0, 1, 2)] == [2, 1, 2, 1, 2, 1]


def test_degeneracy_multiplies() -> None:
    energies = CASES[0]
    plain = defect_equilibrium([row(0, 0.5)], dos(), VOLUME, 300)
    threefold = defect_equilibrium([row(0, 0.5)], dos(), VOLUME, 300, degeneracies={("V_Pb", 0): 3})
    assert threefold.defects[0].concentration == pytest.approx(3 * plain.defects[0].concentration)
    everywhere = {(one.defect, one.charge): 2 for one in energies}
    expected = bisect(charge_density, 0, GAP, (energies, 700.0, 2), xtol=1e-10)
    found = defect_equilibrium(energies, dos(), VOLUME, 700, degeneracies=everywhere)
    assert found.fermi_level == pytest.approx(expected, abs=2e-5)


def test_the_cell_and_the_spins_of_the_density_of_states_do_not_matter() -> None:
    states = dos()
    half = tuple(2 * density for density in states.densities[0])  # four formula units, half of the states in each spin
    larger = states.model_copy(
        update={"densities": (half, half), "electrons": 4 * states.electrons, "formula_units": 4}
    )
    one, other = (defect_equilibrium(CASES[0], one, VOLUME, 500) for one in (states, larger))
    assert other.fermi_level == pytest.approx(one.fermi_level, abs=1e-9)
    assert other.holes == pytest.approx(one.holes)
    assert other.defects[1].concentration == pytest.approx(one.defects[1].concentration)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(QdsimError, match=r"V_Pb has 0\.03125 sites per formula unit"):
        defect_equilibrium([row(0, 1.0, sites=1 / 32)], dos(), VOLUME, 300)
    with pytest.raises(QdsimError, match="V_Pb has None sites"):
        defect_equilibrium([row(0, 1.0), row(-1, 1.0, sites=2.0)], dos(), VOLUME, 300)
    with pytest.raises(QdsimError, match="temperature is positive"):
        defect_equilibrium([row(0, 1.0)], dos(), VOLUME, 0)
    other = row(-1, 1.0).model_copy(update={"reservoir": "S-rich"})
    with pytest.raises(QdsimError, match="more than one reservoir"):
        defect_equilibrium([row(0, 1.0), other], dos(), VOLUME, 300)
    with pytest.raises(QdsimError, match="keeps undistorted neutral"):
        defect_equilibrium([row(-2, -9.0)], dos(), VOLUME, 300)


def test_what_is_left_out_or_not_dilute_is_said() -> None:
    failed = row(-2, 1.0).model_copy(update={"relaxed": None, "failure": "No SCF.", "reservations": ("Beware.",)})
    series = row(0, -1.0, "Pb 6.2 % #1").model_copy(update={"concentration": 0.0625})
    found = defect_equilibrium([row(0, 0.01), failed, series], dos(), VOLUME, 300)
    assert [one.defect for one in found.defects] == ["V_Pb"]
    assert found.reservations[0] == "Beware."
    assert found.reservations[1] == "V_Pb with charge -2 is left out: No SCF."
    assert "V_Pb takes 0.68 of its sites" in found.reservations[2]
    step = failed.model_copy(update={"failure": None})
    assert "its host is a step" in defect_equilibrium([row(0, 1.0), step], dos(), VOLUME, 300).reservations[1]
    with pytest.raises(QdsimError, match="No defect in undistorted"):
        defect_equilibrium([failed], dos(), VOLUME, 300)
