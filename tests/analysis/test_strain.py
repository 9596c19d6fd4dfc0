"""What a strain means."""

import pytest

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.analysis.strain import linear_strain, strained_volume


@pytest.fixture
def eos() -> EquationOfState:
    volumes = [50.0, 52.0, 54.0, 56.0, 58.0]
    return fit_birch_murnaghan(volumes, [0.001 * (volume - 54) ** 2 for volume in volumes])


def test_linear_and_volumetric_strain_agree(eos: EquationOfState) -> None:
    assert strained_volume("linear", 0.02, eos) == pytest.approx(strained_volume("volumetric", 1.02**3 - 1, eos))
    assert strained_volume("linear", 0.0, eos) == pytest.approx(eos.volume)


def test_lattice_constant_needs_no_reference(eos: EquationOfState) -> None:
    assert strained_volume("lattice_constant", 6.0, eos) == pytest.approx(54.0)


def test_pressure_is_that_of_the_equation_of_state(eos: EquationOfState) -> None:
    volume = strained_volume("pressure", -1.0, eos)
    assert volume > eos.volume
    assert eos.pressure_at(volume) == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("strain", [-0.05, 0.0, 0.03])
def test_linear_strain_is_the_inverse(eos: EquationOfState, strain: float) -> None:
    assert linear_strain(strained_volume("linear", strain, eos), eos.volume) == pytest.approx(strain, abs=1e-12)
