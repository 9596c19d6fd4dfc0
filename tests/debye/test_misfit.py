"""Judging what a fit leaves: noise alone, smooth misfit, correlated noise."""

from math import sqrt

import numpy as np
import numpy.typing as npt
import pytest

from qdsim.debye.misfit import Misfit, assess

FloatArray = npt.NDArray[np.float64]

N = 2000
NO_DATA_NORM = 1.0


def judge(differences: FloatArray, *, without_sigma: bool = False, size: float = NO_DATA_NORM) -> Misfit:
    return assess(differences, 5, size, without_sigma=without_sigma)


def noise(seed: int, correlation: float = 0.0, n: int = N) -> FloatArray:
    """Return noise of variance 1 in which each value keeps a part of the one before it."""
    values = np.random.default_rng(seed).normal(size=n)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + sqrt(1 - correlation**2) * values[i]
    return values


@pytest.mark.parametrize("n", [40, N])
@pytest.mark.parametrize("without_sigma", [False, True])
def test_noise_alone_widens_nothing(n: int, without_sigma: bool) -> None:
    found = [assess(noise(seed, n=n), 0, 1.0, without_sigma=without_sigma) for seed in range(300)]
    assert sum(one.significant for one in found) <= 0.01 * 300  # 3 standard deviations, on one side of two tests
    for one in found:
        if not one.significant:
            assert one.message is None
            assert one.described
            assert one.widening == (pytest.approx(1.0, abs=4 * sqrt(2 / n)) if without_sigma else 1.0)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("without_sigma", [False, True])
def test_correlated_differences_count_as_fewer(part: float, without_sigma: bool) -> None:
    # the mean of n values that keep a part of the one before them has the variance (1 + part)/(1 - part)/n
    found = [judge(noise(seed, part), without_sigma=without_sigma) for seed in range(100)]
    expected = (1 + part) / (1 - part)
    assert np.mean([one.widening for one in found]) == pytest.approx(expected, rel=0.1)
    means = [noise(seed, part).mean() * sqrt(N) for seed in range(400)]
    assert np.std(means) == pytest.approx(sqrt(expected), rel=0.1)
    assert all(one.significant for one in found)


def test_a_smooth_misfit_is_told_with_its_size() -> None:
    found = judge(4 * np.sin(np.arange(N) / 8) + noise(0))
    assert found.variance_ratio == pytest.approx(9, rel=0.1)  # 1 from noise, 4^2/2 from the wave
    assert found.widening > 9 * 10  # half a wave of 50 points is missed alike
    assert not found.described
    assert found.message is not None
    assert found.message.startswith(
        "The model does not describe the data (reduced chi^2 9.01 where noise alone gives 1;"
    )
    assert "parameters mean little" in found.message


def test_without_uncertainties_the_correlation_tells_how_much_is_no_noise() -> None:
    found = judge(4 * np.sin(np.arange(N) / 8) + noise(0), without_sigma=True)
    assert found.variance_ratio == pytest.approx(9, rel=0.15)
    assert not found.described
    # the scale of the differences does not matter to the verdict, and variances are in its unit
    larger = judge(10 * (4 * np.sin(np.arange(N) / 8) + noise(0)), without_sigma=True)
    assert larger.widening == pytest.approx(100 * found.widening)
    assert larger.variance_ratio == pytest.approx(found.variance_ratio)
    assert larger.message == found.message


def test_a_little_misfit_leaves_a_description() -> None:
    found = judge(0.8 * np.sin(np.arange(N) / 8) + noise(0))
    assert found.significant
    assert found.described
    assert found.message is not None
    assert found.message.startswith("The data hold more than the model describes (reduced chi^2 1.3")


@pytest.mark.parametrize("without_sigma", [False, True])
def test_what_is_less_than_any_measurement_shows_is_no_misfit(without_sigma: bool) -> None:
    wave = 1e-6 * np.sin(np.arange(N) / 8)
    found = judge(wave, without_sigma=without_sigma, size=10.0)
    assert not found.significant
    assert found.widening == (pytest.approx(wave @ wave / (N - 5) * found.alike) if without_sigma else 1)


def test_a_perfect_fit_is_one() -> None:
    assert judge(np.zeros(N)).widening == 1
    assert judge(np.zeros(N), without_sigma=True).widening == 0


def test_uncertainties_that_are_too_small_are_no_proof_of_a_wrong_model() -> None:
    found = judge(10 * noise(0))
    assert found.widening == pytest.approx(100, rel=0.1)
    assert found.message is not None
    assert "their uncertainties are too small" in found.message
    assert "mean little" not in found.message


@pytest.mark.parametrize("n", [12, N])
def test_uncertainties_that_are_too_large_are_told(n: int) -> None:
    found = [assess(0.1 * noise(seed, n=n), 5, 1.0, without_sigma=False) for seed in range(50)]
    assert all(one.widening == 1 and one.described for one in found)
    if n == N:
        assert all("look too large (reduced chi^2 0.0" in (one.message or "") for one in found)
    else:  # chance alone makes as little of seven degrees of freedom now and then
        assert not any(one.message for one in found)


def test_smoothed_noise_is_not_blamed_on_the_model_alone() -> None:
    found = judge(0.9 * noise(0, 0.9))
    assert found.widening > 5
    assert found.message is not None
    assert found.message.startswith("What the fit leaves is no independent noise")
    assert "or the data are smoothed" in found.message


def test_without_uncertainties_no_reduced_chi2_is_told() -> None:
    assert "chi^2" not in judge(4 * np.sin(np.arange(N) / 8) + noise(0), without_sigma=True).seen
