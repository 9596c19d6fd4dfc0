from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize

from qdsim.analysis.relaxation import Decision, RelaxationSettings, RelaxationStep, next_state
from qdsim.errors import QdsimError

VOLUME = 57.3


@dataclass(frozen=True)
class Landau:
    """E = A s + B s^2 + C6 s^3 + C eta^2/2 + D s eta + F s^2 eta, with s = offset^2 and eta = alpha - 60."""

    a: float
    b: float = 2.2
    c6: float = 2.0
    c: float = 0.0058
    d: float = 0.075
    f: float = 0.0

    def at(self, alpha: float, offset: float, noise: np.random.Generator | None = None) -> RelaxationStep:
        s, eta = offset**2, alpha - 60
        energy = self.a * s + self.b * s**2 + self.c6 * s**3 + self.c * eta**2 / 2 + (self.d + self.f * s) * s * eta
        by_alpha = self.c * eta + self.d * s + self.f * s**2
        by_offset = 2 * offset * (self.a + 2 * self.b * s + 3 * self.c6 * s**2 + self.d * eta + 2 * self.f * s * eta)
        scatter = np.zeros(3) if noise is None else noise.normal(size=3) * [1e-6, 1e-5, 1e-4]
        return RelaxationStep(
            alpha=alpha,
            offset=offset,
            energy=energy + scatter[0] - 376.2,
            gradient_alpha=by_alpha + scatter[1],
            gradient_offset=by_offset + scatter[2],
        )

    def minimum(self) -> tuple[float, float]:
        """Angle and offset; the other variable is eliminated: dE/d alpha = 0."""

        def energy(x: npt.NDArray[np.float64]) -> float:
            s = x[0] ** 2
            return 1e3 * self.at(60 - (self.d * s + self.f * s**2) / self.c, x[0]).energy

        best = min(
            (
                minimize(energy, [start], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-13})
                for start in (0.1, 0.2)
            ),
            key=lambda result: result.fun,
        )
        offset = abs(best.x[0])
        return 60 - (self.d * offset**2 + self.f * offset**4) / self.c, offset


def relax(
    surface: Landau,
    alpha: float = 60.0,
    offset: float = 0.1,
    noise: np.random.Generator | None = None,
    settings: RelaxationSettings | None = None,
) -> tuple[Decision, list[RelaxationStep]]:
    history = []
    while True:
        history.append(surface.at(alpha, offset, noise))
        decision = next_state(history, VOLUME, settings)
        if decision.status != "continue":
            return decision, history
        alpha, offset = decision.alpha, decision.offset


def test_the_model_surfaces_are_like_lead_sulphide() -> None:
    assert Landau(-0.16).minimum() == pytest.approx((59.4, 0.21), abs=0.05)
    assert Landau(-0.033).minimum() == pytest.approx((59.88, 0.096), abs=0.005)


@pytest.mark.parametrize("start", [0.1, 0.2])
@pytest.mark.parametrize("quadratic", [-0.033, -0.06, -0.1, -0.16, -0.2, -0.25])
def test_off_centred_minima_are_found_in_few_steps_despite_noise(quadratic: float, start: float) -> None:
    noise = np.random.default_rng(1)
    for b, c6, c, d, f in product((2.0, 2.4), (0.0, 4.0), (0.005, 0.007), (0.07, 0.08), (0.0, 0.05)):
        surface = Landau(quadratic, b, c6, c, d, f)
        alpha, offset = surface.minimum()
        decision, history = relax(surface, offset=start, noise=noise)
        assert decision.status == "converged"
        assert len(history) <= 8
        assert decision.alpha == pytest.approx(alpha, abs=0.02)
        assert decision.offset == pytest.approx(offset, abs=0.002)


@pytest.mark.parametrize("start", [0.1, 0.2])
def test_the_ordinary_case_takes_about_four_steps(start: float) -> None:
    counts = [len(relax(Landau(a), offset=start)[1]) for a in (-0.25, -0.2, -0.16, -0.1, -0.06, -0.033)]
    assert max(counts) <= 5
    assert np.mean(counts) <= 4


@pytest.mark.parametrize("start", [0.1, 0.2, -0.2])
@pytest.mark.parametrize("quadratic", [0.15, 0.1, 0.05, 0.02, 0.005])
def test_the_paraelectric_crystal_ends_cubic(quadratic: float, start: float) -> None:
    decision, history = relax(Landau(quadratic), offset=start, noise=np.random.default_rng(2))
    assert decision.status == "converged"
    assert (decision.alpha, decision.offset) == (60, 0)
    assert (history[-1].alpha, history[-1].offset) == (60, 0)
    assert len(history) <= 3


@pytest.mark.parametrize("offset", [0.0, 1e-16, -1e-9])
def test_a_start_at_the_centre_leaves_it(offset: float) -> None:
    settings = RelaxationSettings(start_offset=0.15)
    first = next_state([Landau(-0.16).at(60.0, offset)], VOLUME, settings)
    assert (first.status, first.alpha, first.offset) == ("continue", 60, 0.15)
    assert relax(Landau(-0.16), offset=offset)[0].offset == pytest.approx(Landau(-0.16).minimum()[1], abs=0.002)
    assert relax(Landau(0.1), offset=offset)[0].offset == pytest.approx(0, abs=1e-6)


def test_measured_zeros_are_zeros() -> None:
    """A measured structure is centred to rounding only."""
    surface = Landau(0.05)
    history = [surface.at(60.0, 0.1), surface.at(60.0 + 1e-13, 3e-17)]
    decision = next_state(history, VOLUME)
    assert decision.status == "converged"


def test_a_measured_state_at_the_bounds_is_at_the_bounds() -> None:
    surface = Landau(-0.3, b=-1.0, c6=0.0)
    history = [surface.at(60.0, 0.7), surface.at(60.0, 0.8 + 1e-10)]
    assert next_state(history, VOLUME).status == "unbound"


def test_a_shallow_well_is_not_taken_for_the_cubic_crystal() -> None:
    surface = Landau(-0.01)
    decision, history = relax(surface, offset=0.2, settings=RelaxationSettings(gradient_noise=0))
    assert decision.status == "converged"
    assert decision.offset == pytest.approx(surface.minimum()[1], abs=0.002)
    assert len(history) <= 8


def test_an_offset_of_the_other_sign_is_the_same_state() -> None:
    forth, back = (relax(Landau(-0.16), offset=offset)[0] for offset in (0.2, -0.2))
    assert forth == back


def test_the_converged_state_is_the_last_computed_one() -> None:
    decision, history = relax(Landau(-0.16))
    assert (decision.alpha, decision.offset) == (history[-1].alpha, history[-1].offset)
    assert abs(decision.predicted_alpha_change) < 0.02
    assert abs(decision.predicted_offset_change) < 0.002


def test_steps_are_bounded() -> None:
    settings = RelaxationSettings(max_alpha_step=0.2, max_offset_step=0.03, max_steps=30)
    _, history = relax(Landau(-0.25), settings=settings)
    path = np.array([(step.alpha, step.offset) for step in history])
    assert (np.abs(np.diff(path, axis=0)) <= np.array([0.2, 0.03]) + 1e-12).all()
    assert (np.abs(np.diff(path, axis=0)) >= np.array([0.2, 0.03]) - 1e-12).any()


@pytest.mark.parametrize(
    "surface",
    [
        Landau(-0.3, b=0.0, c6=0.0),
        Landau(-0.3, b=-1.0, c6=0.0),
        Landau(-0.1, b=-0.5, c6=0.0, d=0.0),
        Landau(-0.2, c=0.001, d=0.12),
        Landau(-0.2, c=-0.01, d=0.12),
    ],
    ids=str,
)
def test_a_crystal_that_falls_apart_is_unbound(surface: Landau) -> None:
    decision, history = relax(surface)
    assert decision.status == "unbound"
    assert "still falls at the bounds" in decision.message
    assert all(55 <= step.alpha <= 65 and step.offset <= 0.8 for step in history)


def test_the_last_allowed_step_ends_the_search() -> None:
    decision, history = relax(Landau(-0.25), settings=RelaxationSettings(max_steps=2))
    assert decision.status == "exhausted"
    assert len(history) == 2
    assert next_state([Landau(0.1).at(60.0, 0.0)], VOLUME, RelaxationSettings(max_steps=1)).status == "exhausted"


def test_a_step_uphill_is_taken_back() -> None:
    surface = Landau(-0.05)
    history = [surface.at(60.0, 0.1), surface.at(57.0, 0.4)]
    decision = next_state(history, VOLUME)
    assert decision.status == "continue"
    assert abs(decision.alpha - 60) <= 0.5
    assert abs(decision.offset - 0.1) <= 0.1


def test_near_the_onset_noise_limits_the_offset_and_ends_the_search() -> None:
    noise = np.random.default_rng(5)
    counts = []
    for _ in range(50):
        decision, history = relax(Landau(-0.008), offset=0.1, noise=noise)
        assert decision.status == "converged"
        assert decision.offset == pytest.approx(Landau(-0.008).minimum()[1], abs=0.01)
        counts.append(len(history))
    assert np.mean(counts) < 5
    assert "defines the offset to 0.0" in decision.message
    assert "defines" not in relax(Landau(-0.16))[0].message


def test_a_flat_well_around_the_cubic_crystal_still_ends_there() -> None:
    surface = Landau(0.001)
    history = [surface.at(60.0, 0.1), surface.at(60.0, 0.022)]
    decision = next_state(history, VOLUME)
    assert (decision.status, decision.alpha, decision.offset) == ("continue", 60, 0)


def test_an_impossible_model_is_refused() -> None:
    with pytest.raises(QdsimError, match="too strong"):
        next_state([Landau(-0.1).at(60.0, 0.1)], VOLUME, RelaxationSettings(coupling=1.0))


def test_an_empty_history_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        next_state([], VOLUME)
