import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdsim.debye.transform import SincTransform

FloatArray = npt.NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)
longest = st.sampled_from([0.5, 20.0, 150.0])
highest = st.sampled_from([0.0, 1e-6, 0.3, 13.0, 30.0])


def transformed(q: FloatArray, distances: FloatArray, weights: FloatArray) -> FloatArray:
    transform = SincTransform(q, float(distances.max()))
    grid = transform.grid(len(weights))
    transform.spread(distances, weights, grid)
    return transform(grid)


@settings(max_examples=50, deadline=None)
@given(seeds, longest, highest, st.integers(1, 100))
def test_the_transform_is_the_sum_of_sines(seed: int, longest: float, highest: float, count: int) -> None:
    random = np.random.default_rng(seed)
    distances = random.uniform(0, longest, count)
    weights = random.normal(size=(3, count))
    q = random.permutation(np.append(random.uniform(0, highest, 40), [0.0, highest]))
    exact = weights @ np.sinc(np.outer(distances, q) / np.pi)
    error = np.abs(transformed(q, distances, weights) - exact)
    assert error.max() < 1e-11 * np.abs(weights).sum()


def test_short_distances_keep_their_digits() -> None:
    q = np.linspace(0, 13, 300)
    for distance in np.geomspace(1e-6, 1, 13):
        found = transformed(q, np.array([distance, 100.0]), np.array([[1.0, 0.0]]))
        np.testing.assert_allclose(found[0], np.sinc(q * distance / np.pi), atol=1e-11)


def test_a_distance_of_zero_counts_in_full() -> None:
    q = np.linspace(0, 13, 30)
    np.testing.assert_allclose(transformed(q, np.zeros(2), np.array([[1.0, 2.0]]))[0], 3)


def test_pairs_may_be_spread_in_parts() -> None:
    random = np.random.default_rng(4)
    distances, weights, q = random.uniform(1, 40, 100), random.normal(size=(2, 100)), np.linspace(0.5, 13, 50)
    transform = SincTransform(q, 40.0)
    grid = transform.grid(2)
    for start, end in ((0, 31), (31, 33), (33, 100)):
        transform.spread(distances[start:end], np.ascontiguousarray(weights[:, start:end]), grid)
    np.testing.assert_allclose(transform(grid), transformed(q, distances, weights), atol=1e-12)


def test_changes_of_distances_change_the_sums_by_their_derivative() -> None:
    random = np.random.default_rng(6)
    distances, weights = random.uniform(1, 60, 77), random.normal(size=(2, 77))
    slopes, q = random.normal(size=(3, 77)), np.append(0.0, np.linspace(0.1, 13, 60))
    transform = SincTransform(q, 60.0)
    grid = transform.grid(6)
    transform.spread_changes(distances, weights, slopes, grid)
    phase = np.outer(distances, q)
    derivative = np.cos(phase) / distances[:, None] - np.sinc(phase / np.pi) / distances[:, None]
    expected = np.einsum("pk,rk,kq->prq", slopes, weights, derivative).reshape(6, -1)
    scale = np.einsum("pk,rk->pr", np.abs(slopes), np.abs(weights)).max()
    assert np.abs(transform(grid) - expected).max() < 1e-9 * scale


@pytest.mark.parametrize("length", [3.0, 300.0])
def test_the_grid_reaches_the_largest_distance(length: float) -> None:
    q = np.linspace(0.1, 25, 40)
    found = transformed(q, np.array([length]), np.array([[1.0]]))
    np.testing.assert_allclose(found[0], np.sinc(q * length / np.pi), atol=1e-11)
