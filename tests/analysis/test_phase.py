"""A computed lattice in the terms of a scattering fit."""

import pytest

from qdsim.analysis.phase import describe_phase
from qdsim.structures import RhombohedralState


def test_phase_is_per_formula_unit_in_any_supercell() -> None:
    state = RhombohedralState(52.87, alpha=59.1, offset=0.12)
    output = {"energy": -4 * 376.0, "pressure": -0.8, "gap": 0.4}
    phase = describe_phase(state.to_atoms("Pb", "S", "conventional"), "Pb", output, single_points=3)
    assert phase.energy == pytest.approx(-376.0)
    assert phase.volume == pytest.approx(52.87)
    assert phase.alpha_rh == pytest.approx(59.1)
    assert phase.pb_offset == pytest.approx(0.12)
    assert phase.space_group == "R3m (160)"
    assert (phase.pressure, phase.gap, phase.single_points) == (-0.8, 0.4, 3)


def test_unknown_gap_is_none() -> None:
    phase = describe_phase(RhombohedralState(54.0).to_atoms("Pb", "S"), "Pb", {"energy": -376.0, "pressure": 0.0})
    assert phase.gap is None
    assert phase.space_group == "Fm-3m (225)"
