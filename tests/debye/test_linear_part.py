"""Scale, background and blank for any model curve."""

import numpy as np
import numpy.typing as npt
import pytest

from qdsim.debye.data import ScatteringData
from qdsim.debye.linear_part import MOST_POINTS, LinearPart
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

Q = np.linspace(1.0, 9.0, 80)
X = (Q - 5) / 4
CURVE = 4 + np.sin(3 * Q) * np.exp(-Q / 6)
BLANK = ScatteringData(np.linspace(0.5, 9.5, 200), np.exp(-np.linspace(0.5, 9.5, 200) / 3))
SIGMA = 0.01 + 0.002 * Q


def data(noise: float = 0.0, *, sigma: bool = True, blank: float = 0.0) -> ScatteringData:
    intensity = 0.7 * CURVE + 2 - X + 0.5 * (2 * X**2 - 1) + blank * np.interp(Q, BLANK.q, BLANK.intensity)
    intensity += noise * SIGMA * np.random.default_rng(1).normal(size=Q.size)
    return ScatteringData(Q, intensity, SIGMA if sigma else None, source="sample.xye")


@pytest.mark.parametrize("sigma", [True, False])
def test_the_solution_is_exact(sigma: bool) -> None:
    linear = LinearPart(data(sigma=sigma), 3)
    np.testing.assert_allclose(linear.solve(CURVE), [0.7, 2.0, -1.0, 0.5], rtol=1e-10)
    assert np.abs(linear.residual(CURVE)).max() < 1e-10 * linear.size
    fields = linear.fields(CURVE, linear.solve(CURVE), 76.0, linear.misfit(CURVE))
    assert fields["scale"] == pytest.approx(0.7)
    assert fields["background"] == pytest.approx([2.0, -1.0, 0.5])
    assert fields["blank_factor"] is None
    assert (fields["n_points"], fields["n_parameters"]) == (80, 4)
    assert (fields["chi2_reduced"], fields["gof"]) == (1.0, 1.0)
    np.testing.assert_allclose(fields["calculated"], data().intensity, rtol=1e-10)


def test_a_blank_is_told_from_the_background() -> None:
    linear = LinearPart(data(blank=1.5), 3, BLANK)
    solution = linear.solve(CURVE)
    np.testing.assert_allclose(solution, [0.7, 2.0, -1.0, 0.5, 1.5], rtol=1e-9)
    assert linear.fields(CURVE, solution, 1.0, linear.misfit(CURVE))["blank_factor"] == pytest.approx(1.5)
    assert linear.fields(CURVE, solution, 1.0, linear.misfit(CURVE))["background"] == pytest.approx([2.0, -1.0, 0.5])


@pytest.mark.parametrize("terms", [0, 1, 5])
def test_residuals_are_those_of_the_solution(terms: int) -> None:
    noisy = data(1.0)
    linear = LinearPart(noisy, terms)
    fitted = linear.with_model(CURVE**2) @ linear.solve(CURVE**2)
    residual = linear.residual(CURVE**2)
    difference = (fitted - noisy.intensity) / SIGMA
    assert residual @ residual == pytest.approx(difference @ difference, rel=1e-9)
    if terms:
        np.testing.assert_allclose(residual, difference, atol=1e-8)


def test_the_jacobian_gives_the_gradient_of_the_sum_of_squares() -> None:
    linear = LinearPart(data(1.0), 3)

    def curve(values: FloatArray) -> FloatArray:
        return np.asarray(4 + np.sin(values[0] * Q) * np.exp(-Q / values[1]))

    def sum_of_squares(values: FloatArray) -> float:
        return float((linear.residual(curve(values)) ** 2).sum())

    here = np.array([2.9, 5.0])
    steps = 1e-6 * np.eye(2)
    changes = np.array([(curve(here + step) - curve(here - step)) / 2e-6 for step in steps])
    gradient = 2 * linear.jacobian(curve(here), changes).T @ linear.residual(curve(here))
    expected = [(sum_of_squares(here + step) - sum_of_squares(here - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_chi2_is_divided_by_points_less_fitted_numbers() -> None:
    assert LinearPart(data(), 3, n_searched=6).chi2_reduced(140.0) == 2.0


def test_a_model_of_zeros_ends_in_a_solution() -> None:
    linear = LinearPart(data(), 3)
    assert linear.solve(np.zeros(Q.size))[0] == 0
    assert any("The scale is not positive" in message for message in linear.messages(linear.solve(np.zeros(Q.size))))
    assert np.isfinite(linear.residual(np.zeros(Q.size))).all()


@pytest.mark.parametrize(
    ("terms", "blank", "n_searched", "told"),
    [
        (3, None, 76, "80 points cannot determine 80 numbers: vary fewer"),
        (3, BLANK.within(2.0), 0, r"covers Q from 2\.\d* to 9\.5 Å\^-1, the data 1 to 9"),
        (3, ScatteringData(BLANK.q, 1 + 0 * BLANK.q), 0, "background and blank cannot be told apart"),
    ],
)
def test_what_cannot_be_solved_is_told(terms: int, blank: ScatteringData | None, n_searched: int, told: str) -> None:
    with pytest.raises(QdsimError, match=told):
        LinearPart(data(), terms, blank, n_searched)


def test_data_of_zeros_and_too_many_points_are_told() -> None:
    with pytest.raises(QdsimError, match="every intensity is zero"):
        LinearPart(ScatteringData(Q, 0 * Q), 3)
    many = np.linspace(1, 2, MOST_POINTS + 1)
    with pytest.raises(QdsimError, match="points are more than a fit can use"):
        LinearPart(ScatteringData(many, many), 3)
