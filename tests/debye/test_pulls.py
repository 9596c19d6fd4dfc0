"""Fits of noisy patterns: what they find differs from the truth as their errors say, or they say that it may not.

A pull is (found - true)/error. Over many patterns with their own noise its standard deviation is 1 where errors are
right, and its mean is 0 where values are. Patterns are sums over single particles, each with its share of the
distribution, and not the mean over sizes that fits use.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import lognorm

from qdsim.debye import (
    AveragedParameter,
    Fit,
    FitResult,
    FitSettings,
    FittedParameter,
    NanocrystalModel,
    ScatteringData,
    compare,
    intensity,
    shape_models,
)

FloatArray = npt.NDArray[np.float64]

DRAWS = 50
Q = np.linspace(1.0, 13.0, 500)
LATTICE = ("lattice_constant", "b_iso_cation", "b_iso_anion")
SIZES = ("diameter", "diameter_sd")


@cache
def pattern(shape: str, diameter: float, diameter_sd: float, shell: float = 0.0, in_shell: float = 1.0) -> FloatArray:
    """Add up the intensities of the particles that there are between any two diameters at which atoms join."""
    model = truth(shape, diameter, diameter_sd, shell, in_shell)
    ratio = 1 + (diameter_sd / diameter) ** 2
    sizes = lognorm(np.sqrt(np.log(ratio)), scale=diameter / np.sqrt(ratio))
    largest = diameter + 8 * diameter_sd
    surfaces = model.body().smallest_diameters(model.particle(largest).positions)
    cores = surfaces + 2 * shell if shell else surfaces  # of spheres
    edges = np.unique(np.round(np.concatenate([surfaces, cores, [model.lattice_constant, largest]]), 6))
    edges = edges[(edges >= model.lattice_constant) & (edges <= largest)]
    b_iso = {model.cation: model.b_iso_cation, model.anion: model.b_iso_anion}
    total = np.zeros_like(Q)
    for low, high in pairwise(edges):
        share = float(sizes.cdf(high) - sizes.cdf(low))
        if share > 1e-13:
            particle = model.particle((low + high) / 2)
            total += share * intensity(particle, Q, occupancies=model.occupancies(particle), b_iso=b_iso)
    return total


def truth(shape: str, diameter: float, sd: float, shell: float = 0.0, in_shell: float = 1.0) -> NanocrystalModel:
    return NanocrystalModel(
        shape=shape,
        diameter=diameter,
        diameter_sd=sd,
        shell_thickness=shell,
        occupancy_anion_shell=in_shell,
        lattice_constant=5.95,
        b_iso_cation=1.2,
        b_iso_anion=0.9,
    )


def counted(curve: FloatArray, counts: float, seed: int) -> ScatteringData:
    """Add a background, and count photons; `counts` are those of the highest point."""
    expected = curve + 0.2 * curve.mean() * (1.2 - (Q - 7) / 12)
    expected *= counts / expected.max()
    return ScatteringData(Q, np.random.default_rng(seed).poisson(expected).astype(float), np.sqrt(expected))


def settings_for(names: Sequence[str]) -> FitSettings:
    return FitSettings(vary=dict.fromkeys(names), background=3)


def pulls(results: Sequence[FitResult], true: NanocrystalModel, names: Sequence[str]) -> dict[str, FloatArray]:
    """Return the pulls of parameters, each of shape (draws,)."""
    found = {name: [result.parameters[name] for result in results] for name in names}
    return {
        name: np.array([(one.value - getattr(true, name)) / one.error if one.error else np.nan for one in parameters])
        for name, parameters in found.items()
    }


def check(pulled: dict[str, FloatArray]) -> None:
    spread = {name: float(values.std(ddof=1)) for name, values in pulled.items()}
    mean = {name: float(values.mean()) for name, values in pulled.items()}
    assert all(0.8 < one < 1.2 for one in spread.values()), spread
    assert all(abs(one) < 0.3 for one in mean.values()), mean


@pytest.mark.parametrize("size", [(50.0, 4.0), (40.0, 3.0, 4.3, 0.7)])
def test_of_size_distributions(size: tuple[float, ...]) -> None:
    # sizes that are left out of them move what is found by several errors
    true = truth("sphere", *size)
    names = [*SIZES, *LATTICE, *(["occupancy_anion_shell"] if len(size) > 2 else [])]
    begin = true.with_values({"diameter": 0.96 * size[0], "diameter_sd": 1.2 * size[1], "b_iso_cation": 1.0})
    fits = [
        Fit(begin, counted(pattern("sphere", *size), 1e5, seed), settings_for(names)).run() for seed in range(3 * DRAWS)
    ]
    check(pulls(fits, true, names))
    assert sum(fit.misfit is not None and fit.misfit.significant for fit in fits) <= 3


def test_of_a_broad_distribution() -> None:
    # on the way are distributions that no computer holds
    true, names = truth("sphere", 32.0, 9.6), [*SIZES, *LATTICE]
    begin = true.with_values({"diameter": 30.0, "diameter_sd": 5.0, "b_iso_cation": 1.0})
    fit = Fit(begin, counted(pattern("sphere", 32.0, 9.6), 1e5, 0), settings_for(names)).run()
    assert fit.converged
    assert all(np.abs(pull[0]) < 3 for pull in pulls([fit], true, names).values())


def test_of_a_wrong_shape_that_shows() -> None:
    # a cuboctahedron fitted as a sphere: no error tells what that does, and that is said before anything else
    begin = truth("sphere", 32.0, 3.0)
    for seed in range(DRAWS):
        data = counted(pattern("cuboctahedron", 32.0, 3.0), 3e4, seed)
        result = Fit(begin, data, settings_for([*SIZES, *LATTICE])).run()
        assert result.messages[0].startswith("The model does not describe the data (reduced chi^2")


def test_of_a_wrong_shape_that_hides_in_the_noise() -> None:
    # spheres describe the data, and their sizes are wrong by several errors: other shapes must be asked
    true, names = truth("cuboctahedron", 32.0, 3.0), [*SIZES, *LATTICE]
    spheres, averages = [], []
    for seed in range(DRAWS // 8):
        data = counted(pattern("cuboctahedron", 32.0, 3.0), 1e3, seed)
        shapes = shape_models(truth("sphere", 32.0, 3.0))
        found = compare({name: (model, settings_for(names)) for name, model in shapes.items()}, data)
        assert found.described
        sphere = next(one.result for one in found.models if one.name == "sphere")
        spheres.append([away(sphere.parameters[name], getattr(true, name)) for name in SIZES])
        averages.append([away(found.averaged[name], getattr(true, name)) for name in SIZES if name in found.averaged])
    assert max(map(max, spheres)) > 4
    assert all(max(one, default=0.0) < 3 for one in averages), averages


def away(found: FittedParameter | AveragedParameter, true: float) -> float:
    """Return by how many standard errors a value is wrong; 0 if none is claimed."""
    return 0.0 if not found.error else abs(found.value - true) / found.error


def test_of_nested_models() -> None:
    # a distortion that is not there: the larger model never ends above the smaller one, and is rarely preferred
    true, names = truth("sphere", 32.0, 3.0), [*SIZES, *LATTICE]
    begin = true.with_values({"diameter": 31.0, "diameter_sd": 3.5, "lattice_constant": 5.94})
    models = {
        "undistorted": (begin, settings_for(names)),
        "distorted": (begin, settings_for([*names, "alpha_rh", "pb_offset"])),
    }
    preferred, smaller, gains = [], [], []
    for seed in range(DRAWS):
        found = compare(models, counted(pattern("sphere", 32.0, 3.0), 1e5, seed))
        by_name = {one.name: one.result for one in found.models}
        preferred.append(found.preferred.name)
        smaller.append(by_name["undistorted"])
        gains.append(by_name["undistorted"].chi2 - by_name["distorted"].chi2)
    assert min(gains) > -0.1
    assert np.mean(gains) < 3  # two further numbers gain 2 by chance, and less where one of them may not be negative
    assert preferred.count("undistorted") >= 0.9 * DRAWS
    check(pulls(smaller, true, names))
