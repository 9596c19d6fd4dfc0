"""Data of another compound are told from data of the right one, noisy or not."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from ase.build import bulk

from qdsim.debye.cluster_fit import fit_cluster
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.intensity import intensity
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.patterns import ModelPattern
from qdsim.debye.plausibility import (
    DOUBTFUL,
    LEAST_EXPLAINED,
    check_resemblance,
    explained_share,
    resemblance_messages,
)
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

Q = np.linspace(1.0, 13.0, 400)
GOOD, POOR = 1e5, 30.0
MODEL = NanocrystalModel(diameter=28.0, diameter_sd=2.0, b_iso_cation=1.0, b_iso_anion=1.0)
SETTINGS = FitSettings(
    vary={"diameter": (20.0, 36.0), "diameter_sd": (0.5, 5.0), "lattice_constant": None, "b_iso_cation": None},
    background=5,
)
OTHERS = {
    "PbTe": ("rocksalt", 6.462),
    "CdSe": ("zincblende", 6.052),
    "NaCl": ("rocksalt", 5.640),
    "ZnS": ("zincblende", 5.409),
    "Au": ("fcc", 4.078),
}


def crystal(name: str, structure: str, a: float, diameter: float = 28.0) -> Atoms:
    repeats = int(diameter / a) + 2
    atoms = bulk(name, structure, a=a, cubic=True).repeat(repeats)
    away = np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0) - 0.1, axis=1)
    kept = away < diameter / 2
    return Atoms(atoms.symbols[kept], atoms.positions[kept])


def counted(scattered: FloatArray, counts: float, q: FloatArray = Q, *, sigma: bool = True) -> ScatteringData:
    x = (2 * q - q[0] - q[-1]) / (q[-1] - q[0])
    expected = scattered + 0.3 * scattered.mean() * (1.2 - 0.5 * x + 0.2 * x**2 - 0.1 * x**3)
    expected *= counts / expected.mean()
    photons = np.random.default_rng(2).poisson(expected).astype(float)
    return ScatteringData(q, photons, np.sqrt(np.maximum(photons, 1)) if sigma else None)


@cache
def right(q_min: float = 1.0) -> FloatArray:
    model = NanocrystalModel(
        diameter=30.0,
        diameter_sd=2.5,
        lattice_constant=5.957,
        alpha_rh=59.3,
        pb_offset=0.12,
        b_iso_cation=1.2,
        b_iso_anion=0.9,
        occupancy_anion_core=0.85,
    )
    return ModelPattern(model, np.linspace(q_min, 13.0, 400)).intensity({})


@cache
def of_another(name: str, q_min: float = 1.0) -> FloatArray:
    return intensity(crystal(name, *OTHERS[name]), np.linspace(q_min, 13.0, 400), b_iso=1.0)


def fitted(data: ScatteringData, model: NanocrystalModel = MODEL, settings: FitSettings = SETTINGS) -> FitResult:
    return Fit(model, data, settings).run()


@pytest.mark.parametrize("sigma", [True, False])
@pytest.mark.parametrize("counts", [GOOD, 300.0, POOR])
def test_data_of_the_compound_are_explained(counts: float, sigma: bool) -> None:
    result = fitted(counted(right(), counts, sigma=sigma))
    share = explained_share(result)
    assert share is not None
    assert 0.95 < share <= 1
    assert resemblance_messages(result) == []
    check_resemblance(result)


@pytest.mark.parametrize("counts", [GOOD, POOR])
@pytest.mark.parametrize("name", OTHERS)
def test_data_of_another_compound_are_refused(name: str, counts: float) -> None:
    result = fitted(counted(of_another(name), counts))
    share = explained_share(result)
    assert share is not None
    assert share < LEAST_EXPLAINED
    assert len(resemblance_messages(result)) == 1
    with pytest.raises(QdsimError, match=r"^other\.xye does not look like PbS: the model explains \w+( %)? of what a"):
        check_resemblance(result, "other.xye")


@pytest.mark.parametrize("name", ["Au", "PbTe"])
def test_small_angles_prove_nothing(name: str) -> None:
    q = np.linspace(0.15, 13.0, 400)
    share = explained_share(fitted(counted(of_another(name, 0.15), GOOD, q)))
    assert share is not None
    assert share < LEAST_EXPLAINED
    same = explained_share(fitted(counted(right(0.15), GOOD, q)))
    assert same is not None
    assert same > 0.95


def test_a_poor_model_of_the_compound_is_not_refused() -> None:
    wrong = MODEL.with_values({"lattice_constant": 5.88, "diameter": 36.0, "b_iso_cation": 0.3})
    result = fitted(counted(right(), GOOD), wrong, FitSettings(background=5))
    share = explained_share(result)
    assert share is not None
    assert LEAST_EXPLAINED < share < DOUBTFUL
    (message,) = resemblance_messages(result)
    assert message.startswith(f"The model explains only {100 * share:.0f} % of what a background leaves of the data:")
    check_resemblance(result)


def test_clusters_are_judged_alike() -> None:
    cluster = crystal("PbS", "rocksalt", 5.957)
    data = counted(intensity(cluster, Q, b_iso=1.0), GOOD)
    check_resemblance(fit_cluster(cluster, data))
    with pytest.raises(QdsimError, match=r"^The data does not look like this cluster of Au: the model explains"):
        check_resemblance(fit_cluster(crystal("Au", "fcc", 4.078), data))


@pytest.mark.parametrize("q", [np.linspace(0.1, 0.9, 100), np.linspace(1.0, 13.0, 12)])
def test_too_few_points_say_nothing(q: FloatArray) -> None:
    data = ScatteringData(q, 1 + np.exp(-q), np.full(q.size, 0.1))
    result = fitted(data, settings=FitSettings(background=2))
    assert explained_share(result) is None or q[-1] > 1
    check_resemblance(
        fitted(ScatteringData(q[q < 1.0 + 1e9], 1 + np.exp(-q), None), settings=FitSettings(background=2))
    )


def test_noise_alone_says_nothing() -> None:
    data = ScatteringData(Q, np.random.default_rng(1).normal(100, 1, Q.size), np.ones(Q.size))
    result = fitted(data, settings=FitSettings(background=2))
    assert explained_share(result) is None
    assert resemblance_messages(result) == []
    check_resemblance(result)
