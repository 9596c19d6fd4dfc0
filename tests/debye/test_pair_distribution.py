from math import inf, nan, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xraydb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import sici

from qdsim.debye.pair_distribution import pair_distribution
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, cut_rocksalt

FloatArray = npt.NDArray[np.float64]

EDGE = 5.936
PBS = RhombohedralState.from_lattice_constant(EDGE)
R = np.linspace(0.0, 12.0, 241)
B_ISO = 0.8


def dimer(distance: float) -> tuple[list[str], FloatArray]:
    return ["Pb", "Pb"], np.array([[0.0, 0.0, 0.0], [0.0, 0.0, distance]])


def of_two_like_atoms(r: FloatArray, distance: float, q_min: float, q_max: float) -> FloatArray:
    """Return G(r) of two like atoms: S(Q) - 1 = sin(Q d)/(Q d), and the integral of a product of sines is known."""

    def antiderivative(q: float) -> FloatArray:
        less, more = r - distance, r + distance
        return np.asarray((q * np.sinc(less * q / pi) - q * np.sinc(more * q / pi)) / 2)

    return 2 / pi / distance * (antiderivative(q_max) - antiderivative(q_min))


@settings(max_examples=25, deadline=None)
@given(st.floats(2, 30), st.floats(0, 3), st.floats(8, 40))
def test_two_like_atoms_have_the_closed_form(distance: float, q_min: float, q_max: float) -> None:
    found = pair_distribution(dimer(distance), R, q_min=q_min, q_max=q_max)
    expected = of_two_like_atoms(R, distance, q_min, q_max)
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


def test_two_unlike_atoms_are_the_integral_of_their_form_factors() -> None:
    def integrand(q: float, r: float) -> float:
        f, g = (float(xraydb.f0(symbol, q / (4 * pi))[0]) for symbol in ("Pb", "S"))
        damping = np.exp(-2 * B_ISO * q**2 / (16 * pi**2))
        return 4 * f * g / (f + g) ** 2 * float(np.sin(3.0 * q) / 3.0 * damping * np.sin(q * r))

    atoms = (["Pb", "S"], np.array([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    r = np.array([0.7, 2.9, 3.0, 6.1])
    found = pair_distribution(atoms, r, q_min=0.5, q_max=20.0, b_iso=B_ISO)
    expected = [2 / pi * quad(integrand, 0.5, 20.0, (one,), limit=200, epsrel=1e-10)[0] for one in r]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_resolution_damps_it() -> None:
    plain = pair_distribution(dimer(5.0), R)
    damped = pair_distribution(dimer(5.0), R, q_damp=0.04)
    np.testing.assert_allclose(damped, plain * np.exp(-((0.04 * R) ** 2) / 2), rtol=1e-12)


def test_the_window_of_lorch_averages_over_its_width() -> None:
    # a product with sinc(Q D) is a convolution with a box from -D to D, D = pi/q_max
    q_max, distance = 20.0, 5.0
    half = pi / q_max
    found = pair_distribution(dimer(distance), R[20:], q_min=0.0, q_max=q_max, window="lorch")

    def summed(x: FloatArray) -> FloatArray:  # the integral of sin(q_max x)/x
        return np.asarray(sici(q_max * x)[0])

    less, more = R[20:] - distance, R[20:] + distance
    boxes = [(summed(x + half) - summed(x - half)) / (2 * half) for x in (less, more)]
    expected = 2 / pi / distance * (boxes[0] - boxes[1]) / 2
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


class TestLeadSulfide:
    particle = cut_rocksalt("Pb", "S", PBS, "sphere", 40.0)

    def test_peaks_are_at_the_distances_of_rock_salt(self) -> None:
        r = np.arange(2.5, 8.0, 0.005)
        found = pair_distribution(self.particle, r, q_max=40.0, b_iso=0.5, window="lorch")
        for squared, tolerance in ((1, 0.01), (2, 0.01), (4, 0.01)):
            expected = EDGE / 2 * sqrt(squared)
            near = np.abs(r - expected) < 0.2
            peak = r[near][found[near].argmax()]
            assert peak == pytest.approx(expected, abs=tolerance)
            assert found[near].max() > 1.0

    @pytest.mark.parametrize(
        ("symbols", "squared", "bulk"), [("PbS", 1, 6), ("Pb", 2, 12), ("PbS", 4, 6), ("Pb", 4, 6)]
    )
    def test_the_area_of_a_peak_counts_neighbours(self, symbols: str, squared: int, bulk: int) -> None:
        positions = self.particle.positions
        if symbols == "Pb":
            positions = positions[np.array(self.particle.atom_symbols) == "Pb"]
        middle = EDGE / 2 * sqrt(squared)
        distances = np.linalg.norm(positions[:, None] - positions, axis=2)
        counted = np.count_nonzero(np.abs(distances - middle) < 0.1) / len(positions)
        assert 0.7 * bulk < counted < bulk  # fewer at the surface
        r = np.arange(middle - 0.35, middle + 0.35, 0.005)
        atoms = (["Pb"] * len(positions), positions)
        g = pair_distribution(atoms, r, q_min=0.0, q_max=50.0, b_iso=0.3, radiation="neutron")
        # from Q = 0 on nothing is missing, and r G(r) is R(r), which integrates to the neighbours of an atom
        assert float((r * g).sum() * 0.005) == pytest.approx(counted, rel=0.01)

    def test_the_lattice_gives_what_general_atoms_give(self) -> None:
        options: dict[str, Any] = {"b_iso": {"Pb": 0.7, "S": 0.9}, "energy_kev": 60.0, "q_max": 18.0}
        lattice = pair_distribution(self.particle, R, **options)
        general = pair_distribution(self.particle.to_atoms(), R, **options)
        np.testing.assert_allclose(lattice, general, atol=1e-5 * np.abs(lattice).max())

    def test_small_angles_are_the_baseline_of_a_sphere(self) -> None:
        """It is 4 pi r rho (1 - 3/2 x + x^3/2), x = r/D: the share of the sphere that overlaps when shifted by r."""
        r = np.linspace(8.0, 45.0, 75)
        found = pair_distribution(self.particle, r, q_min=0.0, q_max=1.2, radiation="neutron")
        x = np.minimum(r / 40.0, 1.0)
        expected = 4 * pi * r * 8 / EDGE**3 * (1 - 1.5 * x + x**3 / 2)
        np.testing.assert_allclose(found, expected, atol=0.06 * expected.max())


@pytest.mark.parametrize(
    ("r", "options", "message"),
    [
        ([1.0, -1.0], {}, "r has a value that is negative or no number"),
        ([1.0, nan], {}, "r has a value that is negative or no number"),
        ([1.0, inf], {}, "r has a value that is negative or no number"),
        ([], {}, "give a list of distances in Å"),
        ([[1.0]], {}, "give a list of distances in Å"),
        (["a"], {}, "give a list of distances in Å"),
        ([1.0], {"q_min": 5.0, "q_max": 5.0}, "The range of Q is 5 to 5 Å\\^-1: give an ascending one"),
        ([1.0], {"q_min": -1.0}, "The range of Q is -1 to 25"),
        ([1.0], {"q_min": nan}, "The range of Q is nan to 25"),
        ([1.0], {"q_max": inf}, "The range of Q is 1 to inf"),
        ([1.0], {"q_damp": -0.1}, "q_damp is -0.1 Å\\^-1: give 0 or more"),
        ([1.0], {"q_damp": nan}, "q_damp is nan"),
        ([1.0], {"window": "hann"}, "The window is 'hann': use 'none' or 'lorch'"),
        ([1.0], {"occupancies": 0.0}, "All occupancies are zero"),
        ([1.0], {"b_iso": -1.0}, "A displacement parameter B is -1.0"),
    ],
)
def test_what_cannot_be_computed_is_told_in_one_sentence(r: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        pair_distribution(dimer(3.0), r, **options)
