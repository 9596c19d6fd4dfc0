"""The lattice between computed strains, judged by a crystal whose distortion is known at every strain."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from ase.units import GPa
from hypothesis import given, settings
from hypothesis import strategies as st

from qdsim.analysis.lattice_series import ALPHA_TOLERANCE, OFFSET_TOLERANCE, LatticeEstimate, LatticeSeries
from qdsim.analysis.strain_results import StrainResults
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

if TYPE_CHECKING:
    from tests.analysis.conftest import Landau

FloatArray = npt.NDArray[np.float64]
COMPARED = ("alpha_rh", "pb_offset", "bond_short", "bond_long")


@pytest.fixture(scope="module")
def series(lead_sulphide: "Landau") -> LatticeSeries:
    return LatticeSeries(lead_sulphide.series())


def errors_off(estimate: LatticeEstimate, truth: RhombohedralState) -> FloatArray:
    """Return by how many of its standard errors each value is off."""
    true = (truth.alpha, truth.offset, *truth.bond_lengths)
    return np.array(
        [
            abs(getattr(estimate, name) - value) / getattr(estimate, f"{name}_error")
            for name, value in zip(COMPARED, true, strict=True)
        ]
    )


def without_centred(results: StrainResults, i: int) -> StrainResults:
    points = list(results.points)
    points[i] = points[i].model_copy(update={"centred": None})
    return results.model_copy(update={"points": points})


def test_the_made_up_crystal_is_at_its_minimum_and_has_the_pressure_of_its_energy(lead_sulphide: "Landau") -> None:
    energy = lead_sulphide.energy
    for strain in (0.004, 0.0087, 0.0187):
        state = lead_sulphide.state(strain)
        v, alpha, u, h = state.volume, state.alpha, state.offset, 1e-3
        assert energy(v, alpha + h, u) == pytest.approx(energy(v, alpha - h, u), abs=1e-10)
        assert energy(v, alpha, u + h) == pytest.approx(energy(v, alpha, u - h), abs=1e-7)
        assert energy(v, alpha, u + 0.01) > energy(v, alpha, u)
        slope = (energy(v + h, alpha, u) - energy(v - h, alpha, u)) / (2 * h)
        assert lead_sulphide.pressure(strain) == pytest.approx(-slope / GPa, abs=1e-4)
    assert (lead_sulphide.state(0.0063).alpha, lead_sulphide.state(0.0063).offset) == (60, 0)
    assert lead_sulphide.state(0.0187).alpha == pytest.approx(59.2, abs=0.1)
    assert lead_sulphide.state(0.0187).offset == pytest.approx(0.225, abs=0.01)


def test_computed_lattices_are_reproduced(series: LatticeSeries, lead_sulphide: "Landau") -> None:
    for point in lead_sulphide.series().points:
        found, state = series.at_strain(point.linear_strain), lead_sulphide.state(point.linear_strain)
        assert found.volume == pytest.approx(state.volume, rel=1e-12)
        assert found.alpha_rh == pytest.approx(state.alpha, abs=1e-12)
        assert found.pb_offset == pytest.approx(state.offset, abs=1e-12)
        assert (found.bond_short, found.bond_long) == pytest.approx(state.bond_lengths, abs=1e-12)
        assert found.pressure == pytest.approx(lead_sulphide.pressure(point.linear_strain), abs=1e-9)
        assert found.points == [point.label]
        assert not found.extrapolated
        if state.offset > 0.1:
            assert found.alpha_rh_error == pytest.approx(ALPHA_TOLERANCE, rel=1e-2)
            assert found.pb_offset_error == pytest.approx(OFFSET_TOLERANCE, rel=1e-2)


@settings(deadline=None)
@given(strain=st.floats(-0.0013, 0.0187))
def test_between_them_the_truth_is_within_the_error(
    series: LatticeSeries, lead_sulphide: "Landau", strain: float
) -> None:
    found = series.at_strain(strain)
    assert errors_off(found, lead_sulphide.state(strain)).max() < 1
    assert found.alpha_rh_error < 0.03
    assert found.pb_offset_error < 0.005
    assert not found.extrapolated


def test_the_offset_grows_like_a_square_root_from_the_onset(series: LatticeSeries, lead_sulphide: "Landau") -> None:
    for beyond in (3e-5, 1e-4, 3e-4, 1e-3, 2e-3):
        truth = lead_sulphide.state(0.0063 + beyond)
        assert series.at_strain(0.0063 + beyond).pb_offset == pytest.approx(truth.offset, rel=0.02)


@pytest.mark.parametrize("strain", [-0.05, -0.002, -0.0013, 0.0, 0.0037, 0.006, 0.0063])
def test_the_crystal_is_centred_below_the_onset(series: LatticeSeries, strain: float) -> None:
    found = series.at_strain(strain)
    assert (found.alpha_rh, found.pb_offset) == (60, 0)
    assert found.bond_short == found.bond_long == pytest.approx((4 * found.volume) ** (1 / 3) / 2)
    assert found.pressure == pytest.approx(series.equation_of_state.pressure_at(found.volume), abs=1e-12)
    assert not found.extrapolated


def test_beyond_the_last_strain_all_of_the_change_is_an_error(series: LatticeSeries, lead_sulphide: "Landau") -> None:
    last = series.at_strain(0.0187)
    for strain in (0.019, 0.022, 0.03):
        found = series.at_strain(strain)
        assert found.extrapolated
        assert found.points == ["strain_+0.0137", "strain_+0.0187"]
        assert found.alpha_rh < last.alpha_rh
        assert found.alpha_rh_error >= last.alpha_rh - found.alpha_rh
        assert found.pb_offset_error >= found.pb_offset - last.pb_offset
        assert errors_off(found, lead_sulphide.state(strain)).max() < 1


def test_below_a_distorted_lattice_it_is_extrapolated_to_the_centred_one(lead_sulphide: "Landau") -> None:
    series = LatticeSeries(lead_sulphide.series((0.0087, 0.0137, 0.0187)))
    near, far = series.at_strain(0.0080), series.at_strain(0.0)
    assert near.extrapolated
    assert far.extrapolated
    assert 0 < near.pb_offset < lead_sulphide.state(0.0087).offset
    assert errors_off(near, lead_sulphide.state(0.0080)).max() < 1
    assert (far.alpha_rh, far.pb_offset) == (60, 0)
    assert errors_off(far, lead_sulphide.state(0.0)).max() < 1


@settings(deadline=None)
@given(strain=st.floats(-0.0013, 0.0187))
def test_the_pressure_is_that_of_the_distorted_crystal(
    series: LatticeSeries, lead_sulphide: "Landau", strain: float
) -> None:
    assert series.pressure(strain) == pytest.approx(lead_sulphide.pressure(strain), abs=0.01)


def test_a_centred_calculation_that_failed_does_not_change_the_pressure(
    series: LatticeSeries, lead_sulphide: "Landau"
) -> None:
    lacking = LatticeSeries(without_centred(lead_sulphide.series(), 3))
    assert series.pressure(0.0137) - series.equation_of_state.pressure_at(lacking.at_strain(0.0137).volume) > 0.3
    assert lacking.pressure(0.0137) == pytest.approx(series.pressure(0.0137), abs=0.031)  # the error of the stress


@settings(deadline=None)
@given(strain=st.floats(-0.015, 0.03))
def test_strain_at_inverts_the_pressure(series: LatticeSeries, strain: float) -> None:
    assert series.strain_at(series.pressure(strain)) == pytest.approx(strain, abs=1e-9)


def test_no_pressure_is_no_strain(series: LatticeSeries) -> None:
    assert series.strain_at(0.0) == pytest.approx(0, abs=1e-12)


def test_a_pressure_out_of_reach_is_refused(series: LatticeSeries) -> None:
    assert series.reaches(-1.9)
    assert not series.reaches(-20.0)
    with pytest.raises(
        QdsimError, match=r"No strain near those computed has a pressure of -20\.00 GPa: compute larger"
    ):
        series.at_pressure(-20.0)


def test_at_a_pressure_is_at_its_strain(series: LatticeSeries) -> None:
    found = series.at_pressure(-1.6, 0.02)
    assert found.linear_strain is not None
    assert found.linear_strain_error is not None
    assert found == series.at_strain(found.linear_strain, found.linear_strain_error)
    assert found.pressure == pytest.approx(-1.6, abs=1e-9)
    slope = (series.pressure(found.linear_strain + 1e-6) - series.pressure(found.linear_strain - 1e-6)) / 2e-6
    assert found.linear_strain_error == pytest.approx(-0.02 / slope, rel=0.02)


def test_at_the_onset_the_error_of_a_pressure_lets_the_crystal_distort(
    series: LatticeSeries, lead_sulphide: "Landau"
) -> None:
    onset = series.equation_of_state.pressure_at(lead_sulphide.state(0.0063).volume)
    at, above, below = (series.at_pressure(onset + shift, 0.05) for shift in (0.0, 0.05, 0.5))
    one_error_beyond = series.at_pressure(onset - 0.05).pb_offset
    assert at.pb_offset == pytest.approx(0, abs=0.005)
    assert 0.4 * one_error_beyond < at.pb_offset_error < one_error_beyond
    assert above.pb_offset == 0
    assert above.pb_offset_error > 0.25 * one_error_beyond
    assert below.pb_offset_error == pytest.approx(OFFSET_TOLERANCE)


@pytest.mark.parametrize("error", [1.0, 5.0, 100.0])
def test_an_error_of_the_pressure_beyond_what_was_computed_remains_an_error(
    series: LatticeSeries, error: float
) -> None:
    found = series.at_pressure(-1.2, error)
    assert found.linear_strain_error is not None
    assert found.linear_strain_error > 0.005
    assert found.alpha_rh_error > 0.2
    assert found.pb_offset_error > 0.05


def test_the_error_of_the_strain_is_propagated(series: LatticeSeries, lead_sulphide: "Landau") -> None:
    rng = np.random.default_rng(0)
    states = [lead_sulphide.state(0.0137 + 0.0005 * z) for z in rng.normal(size=20000)]
    found = series.at_strain(0.0137, 0.0005)
    for name, values, tolerance in (
        ("alpha_rh", [state.alpha for state in states], ALPHA_TOLERANCE),
        ("pb_offset", [state.offset for state in states], OFFSET_TOLERANCE),
        ("bond_long", [state.bond_lengths[1] for state in states], OFFSET_TOLERANCE / np.sqrt(3)),
    ):
        assert getattr(found, f"{name}_error") == pytest.approx(np.hypot(np.std(values), tolerance), rel=0.05)


def test_short_bonds_are_uncertain_at_the_onset_although_they_are_the_same_on_both_sides(
    series: LatticeSeries,
) -> None:
    """They grow with the lattice up to the onset, and shrink with the offset beyond."""
    onset, error = 0.0063, 0.001
    peak = series.at_strain(onset).bond_short
    below, beyond = peak - series.at_strain(onset - error).bond_short, peak - series.at_strain(onset + error).bond_short
    assert below > 0
    assert beyond > 0
    assert series.at_strain(onset, error).bond_short_error > 0.5 * max(below, beyond)


def test_strain_of_alpha_inverts_the_angle(series: LatticeSeries, lead_sulphide: "Landau") -> None:
    for alpha in (59.9, 59.5, 59.3):
        strain = series.strain_of_alpha(alpha)
        assert strain is not None
        assert series.at_strain(strain).alpha_rh == pytest.approx(alpha, abs=1e-9)
        assert lead_sulphide.state(strain).alpha == pytest.approx(alpha, abs=0.01)
    assert series.strain_of_alpha(59.0) is None
    assert series.strain_of_alpha(60.2) is None


def test_a_curve_runs_through_the_computed_lattices(series: LatticeSeries, lead_sulphide: "Landau") -> None:
    strains, states = series.curve(201)
    assert len(strains) == len(states) == 201
    assert (strains[0], strains[-1]) == series.range == (-0.0013, 0.0187)
    for strain in (-0.0013, 0.0037, 0.0087, 0.0137, 0.0187):
        i = int(np.argmin(np.abs(np.array(strains) - strain)))
        assert states[i].alpha == pytest.approx(lead_sulphide.state(strains[i]).alpha, abs=1e-3)
        assert states[i].offset == pytest.approx(lead_sulphide.state(strains[i]).offset, abs=1e-3)


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_relaxed_lattices_are_refused(lead_sulphide: "Landau", kept: int) -> None:
    results = lead_sulphide.series()
    points = [
        point if i < kept else point.model_copy(update={"relaxed": None}) for i, point in enumerate(results.points)
    ]
    with pytest.raises(QdsimError, match=f"PbS has {kept} relaxed structures: a comparison needs at least 2; run more"):
        LatticeSeries(results.model_copy(update={"points": points}))


def test_points_are_named_in_any_order_and_those_that_failed_are_left_out(
    series: LatticeSeries, lead_sulphide: "Landau"
) -> None:
    results = lead_sulphide.series()
    assert series.at_strain(0.01).points == ["strain_+0.0087", "strain_+0.0137"]
    assert series.at_strain(-0.05).points == ["strain_-0.0013", "strain_+0.0037"]
    backwards = LatticeSeries(results.model_copy(update={"points": results.points[::-1]}))
    assert backwards.at_strain(0.0075, 0.001) == series.at_strain(0.0075, 0.001)
    failed = [*results.points[:3], results.points[3].model_copy(update={"relaxed": None}), results.points[4]]
    lacking = LatticeSeries(results.model_copy(update={"points": failed}))
    assert lacking.at_strain(0.01).points == ["strain_+0.0087", "strain_+0.0187"]


def test_two_ways_to_the_onset_that_differ_make_it_uncertain(lead_sulphide: "Landau") -> None:
    first = lead_sulphide.series(onset_error=0.0003).onset_curvature
    second = lead_sulphide.series(onset=0.0071, onset_error=0.0002).onset_curvature
    results = lead_sulphide.series(onset_error=0.0003)
    both = LatticeSeries(results.model_copy(update={"onset_order_parameter": second})).onset
    assert first is not None
    assert both is not None
    assert both.linear_strain == first.linear_strain
    assert both.linear_strain_error == pytest.approx(0.0005)
    only = LatticeSeries(results.model_copy(update={"onset_curvature": None, "onset_order_parameter": second})).onset
    assert only == second


def test_the_error_of_the_onset_counts_near_it_and_not_far_from_it(lead_sulphide: "Landau") -> None:
    sure, unsure = (LatticeSeries(lead_sulphide.series(onset_error=error)) for error in (1e-5, 0.0008))
    for strain in (0.0058, 0.0063, 0.007):
        assert unsure.at_strain(strain).pb_offset_error > 3 * sure.at_strain(strain).pb_offset_error
    for strain in (0.0, 0.0087, 0.0187):
        assert unsure.at_strain(strain).pb_offset_error == pytest.approx(
            sure.at_strain(strain).pb_offset_error, rel=0.02
        )


@pytest.mark.parametrize("onset", [0.0040, 0.0050, 0.0063, 0.0075, 0.0082])
def test_an_onset_that_nobody_located_may_be_anywhere_between_two_points(landau: type["Landau"], onset: float) -> None:
    crystal = landau(onset=onset)
    results = crystal.series().model_copy(update={"onset_curvature": None})
    series = LatticeSeries(results)
    assert series.onset is None
    for strain in np.linspace(0.0037, 0.0187, 61):
        assert errors_off(series.at_strain(strain), crystal.state(strain)).max() < 3
    assert series.at_strain(0.0062).pb_offset_error > 0.2 * crystal.state(0.0087).offset


@pytest.mark.parametrize("beyond", [0.0, 1e-12, 1e-5, 5e-5, 1e-4])
def test_a_point_at_the_onset_itself_does_no_harm(landau: type["Landau"], beyond: float) -> None:
    """Its offset may be too small to count as one."""
    crystal = landau(onset=0.0087 - beyond)
    series = LatticeSeries(crystal.series())
    for strain in np.linspace(-0.0013, 0.0187, 101):
        assert errors_off(series.at_strain(strain), crystal.state(strain)).max() < 1


def test_an_onset_located_beyond_an_off_centred_point_lies_just_below_it(lead_sulphide: "Landau") -> None:
    series = LatticeSeries(lead_sulphide.series(onset=0.0090, onset_error=0.0015))
    assert series.at_strain(0.0087).pb_offset == pytest.approx(lead_sulphide.state(0.0087).offset, abs=1e-12)
    assert series.at_strain(0.0080).pb_offset == 0
    assert errors_off(series.at_strain(0.0080), lead_sulphide.state(0.0080)).max() < 3


def test_a_series_without_any_distortion_is_cubic_throughout(lead_sulphide: "Landau") -> None:
    results = lead_sulphide.series((-0.0013, 0.0, 0.0037)).model_copy(update={"onset_curvature": None})
    series = LatticeSeries(results)
    assert series.onset is None
    assert {state.alpha for state in series.curve(11)[1]} == {60}
    assert series.at_strain(0.002).pb_offset_error == pytest.approx(OFFSET_TOLERANCE)
    assert series.at_strain(0.005).extrapolated


@pytest.mark.parametrize(
    ("onset_error", "strain_error"), [(1e-6, 0.0), (3e-4, 0.0), (8e-4, 0.0), (3e-4, 0.001), (3e-4, 0.003)]
)
def test_error_bars_cover_the_truth_as_often_as_they_should(
    random_landau: Callable[[np.random.Generator], "Landau"], onset_error: float, strain_error: float
) -> None:
    """Series of many crystals, relaxed as well as their tolerances say, looked at near the onset and far from it."""
    rng = np.random.default_rng(1)
    off, near = [], []
    for _ in range(250):
        crystal, step = random_landau(rng), rng.uniform(0.003, 0.006)
        strains = (-0.002 + step * np.arange(int(0.022 / step) + 2)).tolist()
        series = LatticeSeries(crystal.noisy_series(strains, onset_error, rng))
        for strain in (rng.uniform(strains[0], strains[-1]), crystal.onset + rng.uniform(-0.002, 0.002)):
            measured = strain + strain_error * rng.normal()
            off.append(errors_off(series.at_strain(measured, strain_error), crystal.state(strain)))
            near.append(abs(strain - crystal.onset) <= 0.002)
    errors, at_onset = np.array(off), np.array(near)
    for chosen in (at_onset, ~at_onset):
        for reach, least in ((3, 0.97), (2, 0.84), (1, 0.53)):
            assert (errors[chosen] < reach).mean(axis=0).min() > least
    assert 0.65 < (errors[~at_onset] < 1).mean(axis=0).min() < 0.85
