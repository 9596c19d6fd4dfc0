import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdsim.debye.abscissa import HC, q_from_two_theta, two_theta_from_q, wavelength_of
from qdsim.debye.data import ScatteringData
from qdsim.errors import QdsimError

Q = np.array([0.5, 1.0, 1.5, 2.0, 3.0])


def parabola(q: np.ndarray = Q, **fields: object) -> ScatteringData:
    return ScatteringData(q, q**2, **fields)  # type: ignore[arg-type]  # the fields that a test is about


def test_the_angles_are_those_of_braggs_law() -> None:
    data = parabola(wavelength=1.5406)
    spacing = 2 * np.pi / data.q
    np.testing.assert_allclose(2 * spacing * np.sin(np.radians(data.two_theta / 2)), 1.5406, rtol=1e-14)


def test_straight_back_is_the_end() -> None:
    assert two_theta_from_q(4 * np.pi / 0.7, 0.7) == pytest.approx(180)
    with pytest.raises(QdsimError, match=r"^The data: Q runs to 3 Å\^-1, but a wavelength of 5 Å ends at .*2\.51327"):
        parabola(wavelength=5.0)


@given(st.floats(0, 180), st.floats(0.05, 5))
def test_angles_survive_the_way_there_and_back(angle: float, wavelength: float) -> None:
    there = q_from_two_theta(angle, wavelength)
    assert two_theta_from_q(there, wavelength) == pytest.approx(angle, abs=1e-5)  # arcsin is steep at 180 degrees


def test_the_energy_of_copper_k_alpha_is_its_wavelength() -> None:
    assert pytest.approx(12.398419843, abs=1e-9) == HC
    assert wavelength_of(None, 8.04778) == pytest.approx(1.5406, abs=2e-5)
    assert wavelength_of(1.5406, 8.04778) == 1.5406
    assert wavelength_of(None, None) is None


@pytest.mark.parametrize(
    ("wavelength", "energy", "message"),
    [
        (1.54, 17.4, r"1\.54 Å and the energy 17\.4 keV, which is 0\.712553 Å, contradict"),
        (0.0, None, "wavelength is 0.0 Å: give a positive"),
        (None, np.nan, "energy is nan keV"),
        (np.inf, None, "wavelength is inf"),
    ],
)
def test_wavelengths_that_are_none_are_refused(wavelength: float | None, energy: float | None, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        wavelength_of(wavelength, energy)


def test_angles_need_a_wavelength() -> None:
    with pytest.raises(QdsimError, match=r"without the wavelength: give it \(--wavelength, Å\)"):
        _ = parabola().two_theta


def test_the_arrays_are_the_datas_own() -> None:
    q = Q.copy()
    data = parabola(q)
    q[0] = 0
    assert data.q[0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        data.q[0] = 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"q": [1.0, np.nan, 3.0]}, "^a.xye, point 2: the Q is nan"),
        ({"intensity": [1, 2, np.inf]}, "^a.xye, point 3: the intensity is inf"),
        ({"sigma": [1, 0, 0]}, r"^a.xye, point 2: the uncertainty is 0.0 \(and 1 more\); drop such points"),
        ({"sigma": [1, 1, -2]}, "^a.xye, point 3: the uncertainty is -2.0; drop"),
        ({"sigma": [1, np.nan, 1]}, "^a.xye, point 2: the uncertainty is nan"),
        ({"sigma": [1, 1]}, "differ in shape"),
        ({"q": [-1, 0, 1]}, "point 1: the Q is -1.0, and none is negative"),
        ({"q": [1, 1, 2], "intensity": [3, 2, 1]}, "point 2: the Q 1.0 is that of the point before it"),
        ({"q": [2, 1, 3], "intensity": [3, 2, 1]}, "point 2: the Q falls from 2.0 to 1.0"),
        ({"q": [5, 1, 3], "intensity": [0.1, 0.2, 0.3]}, "columns look swapped"),
        ({"q": [1], "intensity": [2]}, "1 points are no curve"),
        ({"q": [[1, 2, 3]]}, "differ in shape"),
        ({"q": ["a", "b", "c"]}, "q is not an array of numbers"),
        ({"wavelength": -1.0}, "wavelength is -1.0 Å"),
    ],
)
def test_what_no_instrument_measures_is_refused(fields: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"q": [1, 2, 3], "intensity": [1, 2, 3], "source": "a.xye"}
    with pytest.raises(QdsimError, match=message):
        ScatteringData(**(good | fields))  # type: ignore[arg-type]  # lists in place of arrays, on purpose


def test_zero_q_and_negative_intensities_are_data() -> None:
    assert len(ScatteringData(np.array([0.0, 1.0]), np.array([-1.0, -2.0]))) == 2


def test_within_keeps_the_ends() -> None:
    part = parabola(sigma=Q, wavelength=0.5, source="a.xye", metadata={"sample": "PbS"}).within(1, 2)
    np.testing.assert_array_equal(part.q, [1, 1.5, 2])
    assert part.sigma is not None
    np.testing.assert_array_equal(part.sigma, part.q)
    assert (part.wavelength, part.source, part.metadata) == (0.5, "a.xye", {"sample": "PbS"})


def test_without_leaves_out_the_ranges() -> None:
    np.testing.assert_array_equal(parabola().without([(0.9, 1.0), (1.5, 2.5)]).q, [0.5, 3])
    np.testing.assert_array_equal(parabola().without([]).q, Q)


def test_an_empty_selection_is_refused() -> None:
    with pytest.raises(QdsimError, match=r"1 points of the data lie between Q = 2\.5 and 9 Å\^-1, and the data run"):
        parabola().within(2.5, 9)
    with pytest.raises(QdsimError, match="0 points of the data lie outside the masked ranges"):
        parabola().without([(0, 10)])
    for low, high in ((2, 1), (np.nan, 1)):
        with pytest.raises(QdsimError, match="give the lower end first"):
            parabola().without([(low, high)])


def test_data_less_themselves_are_nothing() -> None:
    data = parabola(sigma=np.ones(5))
    rest = data.subtract(data)
    np.testing.assert_array_equal(rest.intensity, 0)
    assert rest.sigma is not None
    np.testing.assert_allclose(rest.sigma, np.sqrt(2))


def test_a_straight_blank_is_interpolated_exactly() -> None:
    blank = ScatteringData(np.array([0.25, 0.8, 4.0]), 3 * np.array([0.25, 0.8, 4.0]) + 1)
    np.testing.assert_allclose(parabola().subtract(blank, 2).intensity, Q**2 - 2 * (3 * Q + 1), atol=1e-14)


def test_halfway_between_two_points_the_blank_is_their_mean() -> None:
    blank = ScatteringData(np.array([0.5, 2.5, 3.0]), np.zeros(3), np.array([0.3, 0.4, 1.0]))
    sigma = parabola(sigma=np.full(5, 2.0)).subtract(blank, 3.0).sigma
    assert sigma is not None
    assert sigma[2] == pytest.approx(np.hypot(2, 3 * np.hypot(0.3, 0.4) / 2))
    assert sigma[0] == pytest.approx(np.hypot(2, 0.9))


def test_uncertainties_of_the_blank_alone_are_not_those_of_the_difference() -> None:
    exact, measured = parabola(), parabola(sigma=np.ones(5))
    assert exact.subtract(measured).sigma is None
    kept = measured.subtract(exact).sigma
    assert kept is not None
    np.testing.assert_array_equal(kept, 1)


def test_a_blank_that_does_not_cover_the_data_is_refused() -> None:
    with pytest.raises(QdsimError, match=r"Q = 0\.5 to 2 Å\^-1 and does not cover the data, 0\.5 to 3 Å\^-1"):
        parabola().subtract(parabola().within(0, 2))
    with pytest.raises(QdsimError, match="factor of the blank is nan"):
        parabola().subtract(parabola(), np.nan)


def test_rebinned_points_are_means_of_their_neighbours() -> None:
    data = ScatteringData(np.arange(1.0, 8.0), np.arange(7.0) ** 2, np.full(7, 0.6), source="a.xye")
    rebinned = data.rebinned(3)
    np.testing.assert_allclose(rebinned.q, [2.0, 5.0, 7.0])
    np.testing.assert_allclose(rebinned.intensity, [5 / 3, 50 / 3, 36.0])
    assert rebinned.sigma is not None
    np.testing.assert_allclose(rebinned.sigma, [0.6 / np.sqrt(3), 0.6 / np.sqrt(3), 0.6])
    assert rebinned.source == "a.xye"
    assert data.rebinned(7) is data
    with pytest.raises(QdsimError, match="rebinned to 1 points"):
        data.rebinned(1)
