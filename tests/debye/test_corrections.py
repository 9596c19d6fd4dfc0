import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdsim.debye.corrections import absorption_factor_transmission, correct, lorentz_factor, polarisation_factor
from qdsim.debye.data import ScatteringData
from qdsim.errors import QdsimError

ANGLES = np.linspace(1, 179, 90)


@pytest.fixture
def data() -> ScatteringData:
    q = np.linspace(0.5, 8, 20)
    return ScatteringData(q, q**2, np.sqrt(q), 1.5406)


def test_an_unpolarised_beam_is_thomsons() -> None:
    np.testing.assert_allclose(polarisation_factor(ANGLES), (1 + np.cos(np.radians(ANGLES)) ** 2) / 2)
    assert polarisation_factor(90.0) == pytest.approx(0.5)


def test_a_polarised_beam_scatters_fully_across_its_field_and_not_along_it() -> None:
    np.testing.assert_allclose(polarisation_factor(ANGLES, fraction=1), 1)
    assert polarisation_factor(90, fraction=-1) == pytest.approx(0, abs=1e-30)


def test_a_monochromator_at_right_angles_polarises_fully() -> None:
    np.testing.assert_allclose(polarisation_factor(ANGLES, monochromator=90), 1)
    graphite = np.cos(np.radians(26.6)) ** 2
    expected = (1 + graphite * np.cos(np.radians(ANGLES)) ** 2) / (1 + graphite)
    np.testing.assert_allclose(polarisation_factor(ANGLES, monochromator=26.6), expected)


@given(st.floats(0, 180), st.floats(-0.99, 1), st.none() | st.floats(0, 80))
def test_the_polarisation_factor_is_a_fraction_and_symmetric(
    angle: float, fraction: float, monochromator: float | None
) -> None:
    factor = polarisation_factor([0, angle, 180 - angle], fraction=fraction, monochromator=monochromator)
    assert factor[0] == pytest.approx(1)
    assert 0 <= factor[1] <= 1 + 1e-15
    assert factor[1] == pytest.approx(factor[2], abs=1e-12)


def test_the_lorentz_factor_has_its_known_values() -> None:
    np.testing.assert_allclose(lorentz_factor([60, 90, 120]), [4 / np.sqrt(0.75), 2**1.5, 8 / 3])
    lowest = np.degrees(2 * np.arcsin(np.sqrt(2 / 3)))  # where the derivative of sin^2 cos vanishes
    assert lorentz_factor(lowest) < lorentz_factor([lowest - 0.1, lowest + 0.1]).min()


def test_the_absorption_is_that_of_the_path_through_the_plate() -> None:
    assert absorption_factor_transmission(0, 0.7) == pytest.approx(np.exp(-0.7))
    assert absorption_factor_transmission(120, 0.7) == pytest.approx(2 * np.exp(-1.4))
    np.testing.assert_allclose(absorption_factor_transmission(ANGLES, 0), 1 / np.cos(np.radians(ANGLES / 2)))


def test_the_absorption_is_the_mean_over_the_depth() -> None:
    theta, mu_t = np.radians(ANGLES[:60] / 2), 1.3
    depths = (np.arange(1000) + 0.5)[:, None] / 1000
    paths = depths / np.cos(theta) + (1 - depths) / np.cos(theta)
    mean = np.exp(-mu_t * paths).mean(axis=0) / np.cos(theta)
    np.testing.assert_allclose(absorption_factor_transmission(ANGLES[:60], mu_t), mean)


def test_nothing_is_corrected_that_was_not_asked_for(data: ScatteringData) -> None:
    assert data.sigma is not None
    same = correct(data)
    assert same.sigma is not None
    np.testing.assert_array_equal(same.intensity, data.intensity)
    np.testing.assert_array_equal(same.sigma, data.sigma)


def test_intensity_and_uncertainty_are_divided_by_all_factors(data: ScatteringData) -> None:
    angles = data.two_theta
    factor = polarisation_factor(angles, fraction=0.9) * absorption_factor_transmission(angles, 0.5)
    corrected = correct(data, polarisation=0.9, mu_t=0.5)
    np.testing.assert_allclose(corrected.intensity * factor, data.intensity)
    assert data.sigma is not None
    assert corrected.sigma is not None
    np.testing.assert_allclose(corrected.sigma * factor, data.sigma)
    graphite = correct(data, lorentz=True, monochromator=26.6).intensity
    np.testing.assert_allclose(
        graphite * polarisation_factor(angles, monochromator=26.6) * lorentz_factor(angles), data.intensity
    )


@pytest.mark.parametrize("fraction", [-1.1, 1.1, np.nan])
def test_a_polarisation_beyond_full_is_refused(fraction: float) -> None:
    with pytest.raises(QdsimError, match="degree of polarisation is"):
        polarisation_factor(ANGLES, fraction=fraction)


def test_impossible_geometries_are_refused(data: ScatteringData) -> None:
    for angle in (-1.0, 181.0, np.nan):
        with pytest.raises(QdsimError, match="not from 0 to 180 degrees"):
            polarisation_factor(angle)
        with pytest.raises(QdsimError, match="not from 0 to 180 degrees"):
            polarisation_factor(10, monochromator=angle)
    with pytest.raises(QdsimError, match="lets nothing of a beam pass"):
        polarisation_factor(10, fraction=-1, monochromator=90)
    for angle in (0, 180):
        with pytest.raises(QdsimError, match="infinite at 0 and 180"):
            lorentz_factor(angle)
    with pytest.raises(QdsimError, match="No beam passes a plate"):
        absorption_factor_transmission(180, 1)
    for mu_t in (-0.1, np.inf, np.nan):
        with pytest.raises(QdsimError, match="absorption mu t is"):
            correct(data, mu_t=mu_t)
    with pytest.raises(QdsimError, match="without the wavelength"):
        correct(ScatteringData(data.q, data.intensity), polarisation=0.0)


def test_a_correction_that_divides_by_nothing_is_refused() -> None:
    data = ScatteringData(np.array([1.0, 2.0]), np.ones(2), wavelength=1.0)
    with pytest.raises(QdsimError, match=r"correction of the data is 0 at Q = 1 Å\^-1"):
        correct(data, mu_t=1e6)
