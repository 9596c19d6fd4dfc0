"""What follows from the values of a fit, with standard errors that a Monte Carlo finds too."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from math import pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdsim.analysis.sample_values import (
    Known,
    displacement_of_offset,
    known_values,
    laplace_pressure,
    linear_from_volumetric,
    measured_strain,
    volumetric_from_linear,
    with_tolerance,
)
from qdsim.analysis.scattering_fit import Measured, Sample
from qdsim.structures import RhombohedralState

FloatArray = npt.NDArray[np.float64]
STATE = RhombohedralState(52.87, 59.1, 0.12)

states = st.builds(
    RhombohedralState,
    volume=st.floats(40, 75),
    alpha=st.floats(57, 62),
    offset=st.one_of(st.just(0.0), st.floats(0, 0.6)),
)
strains = st.floats(-0.2, 0.2)


def known(tolerances: Mapping[str, float] | None = None, /, **values: Any) -> dict[str, Known]:
    return known_values(Sample.model_validate({"name": "dot", **values}), tolerances or {})


def bonds_of(state: RhombohedralState) -> dict[str, float]:
    return dict(zip(("bond_short", "bond_long"), state.bond_lengths, strict=True))


@settings(deadline=None)
@given(states)
def test_bonds_and_angle_lead_back_to_volume_and_offset(state: RhombohedralState) -> None:
    found = known(**bonds_of(state), alpha_rh=state.alpha)
    assert found["volume"].value == pytest.approx(state.volume, rel=1e-9)
    assert found["pb_offset"].value == pytest.approx(state.offset, abs=1e-9)


def test_the_bonds_of_the_paper_are_those_of_its_offset() -> None:
    found = known(bond_short=2.91, bond_long=3.05, alpha_rh=59.1)
    assert found["volume"].value == pytest.approx(52.83, abs=0.01)
    assert found["pb_offset"].value == pytest.approx(0.12, abs=0.001)
    assert found["volume"].source == "from the bonds of 2.91 and 3.05 Å"


def test_without_an_angle_the_lattice_of_the_bonds_is_cubic() -> None:
    cubic = RhombohedralState(53.0, 60.0, 0.1)
    found = known(**bonds_of(cubic))
    assert (found["volume"].value, found["pb_offset"].value) == pytest.approx((53.0, 0.1), rel=1e-9)


def test_what_is_stated_goes_before_what_follows() -> None:
    found = known(**bonds_of(STATE), alpha_rh=59.1, volume={"value": 52.9, "error": 0.2}, pb_offset=0.115)
    assert found["volume"] == Known(52.9, 0.2)
    assert found["pb_offset"] == Known(0.115, None)
    both = known(lattice_constant={"value": 6.0, "error": 0.01}, volume=54.1)
    assert both["volume"] == Known(54.1, None)


def test_a_lattice_constant_goes_before_bonds() -> None:
    found = known(
        **bonds_of(STATE), alpha_rh=59.1, lattice_constant={"value": 5.96, "error": 0.002, "source": "table 1"}
    )
    assert found["volume"].value == pytest.approx(5.96**3 / 4)
    assert found["volume"].source == "from the lattice constant; table 1"
    assert found["pb_offset"].value == pytest.approx(0.12)


def test_one_bond_or_a_limit_tells_no_lattice() -> None:
    assert set(known(bond_short=2.91)) == {"bond_short"}
    assert set(known(bond_short={"value": 2.91, "limit": "upper"}, bond_long=3.05)) == {"bond_short", "bond_long"}


def monte_carlo(function: Callable[..., Any], *arguments: Known) -> float:
    rng = np.random.default_rng(2)
    draws = [rng.normal(argument.value, argument.error or 0.0, 40000) for argument in arguments]
    return float(np.std(function(*draws)))


SHORT, LONG, ANGLE = Known(2.91, 0.012), Known(3.05, 0.008), Known(59.1, 0.3)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (measured_strain, (Known(53.0, 0.3), Known(5.936, 0.004))),
        (linear_from_volumetric, (Known(0.03, 0.004),)),
        (volumetric_from_linear, (Known(-0.02, 0.003),)),
        (laplace_pressure, (Known(-0.0386, 0.003), Known(32.0, 1.5))),
        (partial(displacement_of_offset, share=0.866), (Known(0.2, 0.005),)),
    ],
)
def test_errors_are_those_that_a_monte_carlo_finds(
    function: Callable[..., Known], arguments: tuple[Known, ...]
) -> None:
    def values(*draws: FloatArray) -> FloatArray:
        return np.array([function(*(Known(x, None) for x in draw)).value for draw in zip(*draws, strict=True)])

    assert function(*arguments).error == pytest.approx(monte_carlo(values, *arguments), rel=0.02)


@pytest.mark.parametrize("quantity", ["volume", "pb_offset"])
def test_errors_of_what_follows_from_bonds_are_those_that_a_monte_carlo_finds(quantity: str) -> None:
    def values(*draws: FloatArray) -> FloatArray:
        names = ("bond_short", "bond_long", "alpha_rh")
        rows = [dict(zip(names, draw, strict=True)) for draw in zip(*draws, strict=True)]
        return np.array([known(**row)[quantity].value for row in rows])

    found = known(
        bond_short={"value": SHORT.value, "error": SHORT.error},
        bond_long={"value": LONG.value, "error": LONG.error},
        alpha_rh={"value": ANGLE.value, "error": ANGLE.error},
    )
    rng = np.random.default_rng(3)
    draws = [rng.normal(argument.value, argument.error or 0.0, 6000) for argument in (SHORT, LONG, ANGLE)]
    assert found[quantity].error == pytest.approx(np.std(values(*draws)), rel=0.03)


def test_the_error_of_a_volume_is_three_times_that_of_its_edge() -> None:
    found = known(lattice_constant={"value": 6.0, "error": 0.003})
    assert found["volume"].value == pytest.approx(54.0)
    assert found["volume"].error == pytest.approx(54.0 * 3 * 0.003 / 6.0, rel=1e-7)


def test_an_unknown_error_makes_all_that_follows_uncertain() -> None:
    assert known(lattice_constant=6.0)["volume"].error is None
    half = known(bond_short={"value": 2.91, "error": 0.01}, bond_long=3.05)
    assert half["volume"].error is None
    assert half["pb_offset"].error is None
    assert laplace_pressure(Known(-0.0386, None), Known(32.0, 1.0)).error is None
    assert laplace_pressure(Known(-0.0386, 0.001), Known(32.0, None)).error is None
    assert measured_strain(Known(53.0, None), Known(5.936, 0.001)).error is None


def test_a_bulk_without_error_is_taken_as_exact() -> None:
    exact, unknown = (measured_strain(Known(53.0, 0.3), Known(5.936, error)) for error in (0.0, None))
    assert unknown == exact
    assert exact.error == pytest.approx((4 * 53.0) ** (1 / 3) / 5.936 * 0.1 / 53.0, rel=1e-6)


def test_tolerances_stand_for_errors_that_are_missing_and_say_so() -> None:
    tolerances = {"alpha_rh": 0.1, "lattice_constant": 0.01, "pb_offset": 0.02}
    found = known(
        tolerances, alpha_rh=59.1, lattice_constant=6.0, pb_offset={"value": 0.1, "error": 0.005}, diameter=32
    )
    assert found["alpha_rh"] == Known(59.1, 0.1, assumed=True)
    assert found["pb_offset"] == Known(0.1, 0.005)
    assert found["diameter"] == Known(32, None)
    assert found["lattice_constant"].assumed
    assert found["volume"].assumed
    assert found["volume"].error == pytest.approx(0.27)


def test_what_follows_from_an_assumed_error_is_assumed() -> None:
    assumed, stated = with_tolerance(Measured(value=32), 1.0), with_tolerance(Measured(value=-0.0386, error=0.001), 1.0)
    assert (assumed.assumed, stated.assumed) == (True, False)
    assert laplace_pressure(stated, assumed).assumed
    assert not laplace_pressure(stated, assumed._replace(assumed=False)).assumed
    both = {"bond_short": {"value": 2.91, "error": 0.01}, "bond_long": 3.05}
    assert known({"bond_long": 0.01, "alpha_rh": 0.1}, **both)["pb_offset"].assumed
    assert not known({"alpha_rh": 0.1}, **bonds_with_errors())["pb_offset"].assumed


def bonds_with_errors() -> dict[str, dict[str, float]]:
    return {name: {"value": value, "error": 0.01} for name, value in bonds_of(STATE).items()}


def test_the_laplace_pressure_of_the_smallest_dots() -> None:
    """gamma = -3.86 eV/nm^2 at 3.2 nm, by the SI."""
    elementary_charge = 1.602176634e-19
    expected = 4 * -3.86 * elementary_charge / 1e-18 / 3.2e-9 / 1e9
    found = laplace_pressure(Known(-0.0386, 0.0001, source="the paper"), Known(32.0, 1.0))
    assert expected == pytest.approx(-0.773, abs=5e-4)
    assert found.value == pytest.approx(expected, rel=1e-8)
    assert found.source == "4γ/D with γ = -3.86 eV/nm² and D = 32 Å; the paper"


@pytest.mark.parametrize("limit", ["lower", "upper"])
def test_limits_survive(limit: str) -> None:
    volume = known(lattice_constant={"value": 6.0, "error": 0.01, "limit": limit})["volume"]
    assert volume.limit == limit
    assert known(pb_offset={"value": 0.1, "limit": limit})["pb_offset"].limit == limit
    strain = measured_strain(volume, Known(5.936, None))
    assert strain.limit == limit
    assert linear_from_volumetric(strain).limit == limit
    assert volumetric_from_linear(strain).limit == limit


@given(strains)
def test_linear_and_volumetric_strains_are_each_other_s_inverse(strain: float) -> None:
    there = volumetric_from_linear(Known(strain, 0.001, source="x"))
    back = linear_from_volumetric(there)
    assert back.value == pytest.approx(strain, abs=1e-12)
    assert back.error == pytest.approx(0.001, rel=1e-5)
    assert back.source == "x"


@given(st.floats(40, 75), st.floats(5.5, 6.5))
def test_the_strain_of_a_volume_is_that_of_its_edge(volume: float, bulk: float) -> None:
    strain = measured_strain(Known(volume, 0.1), Known(bulk, None))
    assert (bulk * (1 + strain.value)) ** 3 / 4 == pytest.approx(volume)
    assert volumetric_from_linear(strain).value == pytest.approx(4 * volume / bulk**3 - 1)


@pytest.mark.parametrize("share", [1.0, 0.134])
def test_the_displacement_parameter_is_the_mean_square_along_a_fixed_direction(share: float) -> None:
    """B = 8 pi^2 <x^2>, the offset being along each of the eight <111> equally often."""
    offsets = share * 0.12 / sqrt(3) * np.array(list(product((-1, 1), repeat=3)))
    for axis in np.eye(3):
        assert displacement_of_offset(Known(0.12, 0.01), share).value == pytest.approx(
            8 * pi**2 * np.mean((offsets @ axis) ** 2)
        )
