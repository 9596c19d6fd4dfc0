"""Thermal expansion of Einstein crystals, whose answer is known."""

import numpy as np
import pytest
from ase.units import GPa, kB

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.analysis.phonon_results import DensityOfStates, GammaModes, PhononState, ThermalState
from qdsim.analysis.quasi_harmonic import ThermalExpansion, thermal_expansion

VOLUME, BULK_MODULUS = 54.0, 50.0  # Å^3, GPa
GRUENEISEN = 2.0
QUANTUM = 0.015  # eV, at that volume
MODES = 6
TEMPERATURES = (100.0, 300.0)


@pytest.fixture(scope="module")
def equation() -> EquationOfState:
    volumes = np.linspace(0.9, 1.1, 9) * VOLUME
    energies = 0.5 * BULK_MODULUS * GPa / VOLUME * (volumes - VOLUME) ** 2
    return fit_birch_murnaghan(volumes.tolist(), energies.tolist())


def crystal(strain: float, temperatures: tuple[float, ...] = TEMPERATURES, *, stable: bool = True) -> PhononState:
    volume = VOLUME * (1 + strain) ** 3
    quantum = QUANTUM * (volume / VOLUME) ** -GRUENEISEN
    thermal = []
    for temperature in temperatures:
        x = quantum / (kB * temperature)
        thermal.append(
            ThermalState(
                temperature=temperature,
                free_energy=MODES * (quantum / 2 + kB * temperature * np.log(1 - np.exp(-x))),
                entropy=1000 * MODES * kB * (x / np.expm1(x) - np.log(1 - np.exp(-x))),
                heat_capacity=1000 * MODES * kB * x**2 * np.exp(x) / np.expm1(x) ** 2,
                u_iso={},
                b_iso={},
            )
        )
    return PhononState(
        label=f"s{strain}",
        volume=volume,
        alpha_rh=60,
        pb_offset=0,
        supercell=(2, 2, 2),
        distance=0.02,
        residual_force=0,
        gamma=GammaModes(frequencies=[], transverse_optical=1, antiphase=1, acoustic=0, sum_rule=0),
        lowest=0,
        lowest_where="Γ",
        bands=(),
        density_of_states=DensityOfStates(frequencies=[], total=[], by_element={}),
        thermal=tuple(thermal) if stable else (),
        message=None if stable else "The crystal is unstable.",
    )


def test_expansion_is_that_of_grueneisens_law(equation: EquationOfState) -> None:
    crystals = [crystal(strain) for strain in (0.02, -0.01, 0.0, 0.01)]
    found = thermal_expansion(equation, crystals)
    assert found.message is None
    assert found.crystals == ("s-0.01", "s0.0", "s0.01", "s0.02")
    assert [state.temperature for state in found.states] == list(TEMPERATURES)
    for i, state in enumerate(found.states):
        assert state.volume > VOLUME
        assert state.lattice_constant == pytest.approx((4 * state.volume) ** (1 / 3))
        assert 1 + state.linear_strain == pytest.approx((state.volume / equation.volume) ** (1 / 3))
        heat_capacity = crystal((state.volume / VOLUME) ** (1 / 3) - 1).thermal[i].heat_capacity / 1000
        law = GRUENEISEN * heat_capacity / (3 * state.bulk_modulus * GPa * state.volume)
        assert state.expansion == pytest.approx(law, rel=0.01)
    assert found.states[1].volume > found.states[0].volume


def test_expansion_agrees_with_the_change_of_the_volume(equation: EquationOfState) -> None:
    crystals = [crystal(strain, (295.0, 300.0, 305.0)) for strain in (-0.01, 0.0, 0.01, 0.02)]
    low, middle, high = thermal_expansion(equation, crystals).states
    change = (high.lattice_constant - low.lattice_constant) / 10 / middle.lattice_constant
    assert middle.expansion == pytest.approx(change, rel=0.01)


def test_a_crystal_that_is_held_has_an_expansion_at_all_temperatures(equation: EquationOfState) -> None:
    hot = 1200.0
    crystals = [crystal(strain, (*TEMPERATURES, hot)) for strain in (-0.01, 0.0, 0.01)]
    found = thermal_expansion(equation, crystals, softening=0.013)
    assert [state.temperature for state in found.states] == list(TEMPERATURES)
    assert [state.temperature for state in found.held] == [*TEMPERATURES, hot]
    for i, state in enumerate(found.held):
        thermal = crystals[1].thermal[i]
        law = GRUENEISEN * thermal.heat_capacity / 1000 / VOLUME
        assert state.expansion * 3 * state.bulk_modulus * GPa == pytest.approx(law, rel=0.01)
        energy = thermal.free_energy + thermal.temperature * thermal.entropy / 1000
        assert state.pressure * GPa == pytest.approx(GRUENEISEN * energy / VOLUME, rel=0.01)
    assert found.message == (
        "At 1200 K the free energy still falls at the largest volume of a stable crystal, s0.01 at +1.00 %: "
        "crystals between that and +1.30 % may show where it is least; beyond, where a mode is unstable, "
        "harmonic crystals cannot."
    )


@pytest.mark.parametrize(
    ("crystals", "reason"),
    [
        ([crystal(0.0), crystal(0.01), crystal(0.02, stable=False)], "there are 2"),
        (
            [crystal(strain) for strain in (-0.03, -0.02, -0.01)],
            "At 100, 300 K the free energy still falls at the largest volume of a stable crystal, s-0.01 at -1.00 %: "
            "stable crystals at larger volumes would",
        ),
        ([crystal(strain) for strain in (0.05, 0.06, 0.07)], "stable crystals at smaller volumes would"),
    ],
)
def test_what_cannot_be_told_is_said(equation: EquationOfState, crystals: list[PhononState], reason: str) -> None:
    found: ThermalExpansion = thermal_expansion(equation, crystals)
    assert not found.held
    assert not found.states
    assert reason in (found.message or "")
