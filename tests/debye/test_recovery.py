"""Known nanocrystals are found again in noisy patterns that were made without qdsim's own scattering code."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import xraydb
from scipy.stats import lognorm

from qdsim.debye import (
    Fit,
    FitSettings,
    ModelPattern,
    NanocrystalModel,
    ScatteringData,
    compare,
    stoichiometry_models,
)

FloatArray = npt.NDArray[np.float64]

DRAWS = 40
COUNTS = 3e5  # per point, as at a synchrotron: relative noise of 0.2 %
Q = np.linspace(1.0, 13.0, 500)

TRUTH = {
    "diameter": 32.0,
    "diameter_sd": 2.5,
    "shell_thickness": 8.2,
    "lattice_constant": 5.957,
    "alpha_rh": 59.1,
    "pb_offset": 0.12,
    "occupancy_cation_core": 0.88,
    "occupancy_anion_shell": 0.72,
    "b_iso_cation": 1.2,
    "b_iso_anion": 0.9,
}
BEGIN = {
    "diameter": 33.5,
    "diameter_sd": 3.2,
    "lattice_constant": 5.95,
    "alpha_rh": 59.6,
    "pb_offset": 0.05,
    "b_iso_cation": 1.0,
    "b_iso_anion": 1.0,
}


@cache
def crystal() -> tuple[FloatArray, npt.NDArray[np.bool_], FloatArray]:
    """Return distorted positions, which atoms are Pb, and diameters of undistorted spheres that reach them."""
    cells = np.stack(np.meshgrid(*[np.arange(-10, 11)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) / 2
    lead = (2 * cells).sum(axis=1) % 2 == 0
    diameters = 2 * TRUTH["lattice_constant"] * np.linalg.norm(cells, axis=1)
    inside = diameters < TRUTH["diameter"] + 8 * TRUTH["diameter_sd"]
    cosine = np.cos(np.radians(TRUTH["alpha_rh"]))
    # [111] is stretched by l and the plane across it by t, where (l/t)^2 = (1 + 2 cos)/(1 - cos)/4 and l t^2 = 1
    ratio = np.sqrt((1 + 2 * cosine) / (1 - cosine) / 4)
    axis = np.ones(3) / np.sqrt(3)
    stretch = ratio ** (-1 / 3) * np.eye(3) + (ratio ** (2 / 3) - ratio ** (-1 / 3)) * np.outer(axis, axis)
    positions = TRUTH["lattice_constant"] * cells @ stretch + TRUTH["pb_offset"] * np.outer(lead, axis)
    return positions[inside], lead[inside], diameters[inside]


def pattern(truth: Mapping[str, float]) -> FloatArray:
    """Sum sin(Qd)/(Qd) over the pairs of atoms, each with its mean occupancy product over the size distribution."""
    positions, lead, diameters = crystal()
    variance = np.log(1 + (truth["diameter_sd"] / truth["diameter"]) ** 2)
    larger = lognorm(np.sqrt(variance), scale=truth["diameter"] * np.exp(-variance / 2)).sf
    shell = np.where(lead, 1.0, truth.get("occupancy_anion_shell", 1.0))
    core = np.where(lead, truth.get("occupancy_cation_core", 1.0), 1.0)
    # the occupancy of an atom grows by one step where the sphere reaches it, and by another where the core does
    steps = [(shell, diameters), (core - shell, diameters + 2 * truth.get("shell_thickness", 0.0))]

    amplitudes = {True: xraydb.f0("Pb", Q / (4 * np.pi)), False: xraydb.f0("S", Q / (4 * np.pi))}
    displaced = {True: truth["b_iso_cation"], False: truth["b_iso_anion"]}
    total = np.zeros_like(Q)
    for first in (True, False):
        total += sum((rise[lead == first] @ larger(at[lead == first])) for rise, at in steps) * amplitudes[first] ** 2
        for second in (True, False):
            i, j = np.flatnonzero(lead == first), np.flatnonzero(lead == second)
            distances = np.linalg.norm(positions[i, None] - positions[None, j], axis=2)
            weights = sum(
                rise_i[i, None] * rise_j[None, j] * larger(np.maximum(at_i[i, None], at_j[None, j]))
                for rise_i, at_i in steps
                for rise_j, at_j in steps
            )
            apart = distances > 0.1
            different, which = np.unique(np.round(distances[apart], 9), return_inverse=True)
            summed = np.bincount(which, weights=np.asarray(weights)[apart])
            b_sum = displaced[first] + displaced[second]
            damped = amplitudes[first] * amplitudes[second] * np.exp(-b_sum * Q**2 / (16 * np.pi**2))
            total += damped * (np.sinc(np.outer(Q, different) / np.pi) @ summed)
    return total


def noisy(intensity: FloatArray, seed: int) -> ScatteringData:
    """Add a polynomial background, and count photons."""
    x = (Q - 7) / 6
    background = 0.3 * intensity.mean() * (1.2 - 0.5 * x + 0.2 * x**2 - 0.1 * x**3)
    expected = (intensity + background) * COUNTS / (intensity + background).mean()
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return ScatteringData(Q, counts, np.sqrt(counts))


def beginning() -> tuple[NanocrystalModel, FitSettings]:
    model = NanocrystalModel(**BEGIN, shell_thickness=7.0, occupancy_cation_core=0.95, occupancy_anion_shell=0.9)
    return model, FitSettings(vary=dict.fromkeys(BEGIN), background=5)


@pytest.fixture(scope="module")
def core_shell_pattern() -> FloatArray:
    return pattern(TRUTH)


def test_the_model_gives_the_pattern_of_the_independent_sum(core_shell_pattern: FloatArray) -> None:
    # what the tails of the size distribution beyond 5.5 widths scatter is missing in the model
    modelled = ModelPattern(NanocrystalModel(**TRUTH), Q).intensity({})
    np.testing.assert_allclose(modelled, core_shell_pattern, rtol=2e-7)


def test_parameters_come_back_within_two_standard_errors(core_shell_pattern: FloatArray) -> None:
    model, settings = stoichiometry_models(*beginning())["core-shell"]
    within = dict.fromkeys(TRUTH, 0)
    for seed in range(DRAWS):
        fitted = Fit(model, noisy(core_shell_pattern, seed), settings).run().parameters
        assert set(fitted) == set(TRUTH)
        for name, value in TRUTH.items():
            error = fitted[name].error
            within[name] += error is not None and abs(fitted[name].value - value) < 2 * error
    assert min(within.values()) >= 0.9 * DRAWS, within


@pytest.mark.parametrize(
    ("occupied", "name"),
    [
        ((), "core-shell"),
        (("occupancy_cation_core",), "S-deficient shell"),
        (("occupancy_cation_core", "occupancy_anion_shell"), "stoichiometric"),
    ],
)
def test_the_right_stoichiometry_is_preferred(occupied: tuple[str, ...], name: str) -> None:
    scattered = pattern(TRUTH | dict.fromkeys(occupied, 1.0))
    for seed in range(3):
        comparison = compare(stoichiometry_models(*beginning()), noisy(scattered, seed))
        assert comparison.preferred.name == name
