"""Clusters with given positions, compared with patterns of them that were summed atom by atom."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from pydantic import ValidationError

from qdsim.debye.atoms import AtomicCluster
from qdsim.debye.cluster_fit import ClusterFit, ClusterPattern, ClusterSettings, fit_cluster
from qdsim.debye.data import ScatteringData
from qdsim.debye.intensity import intensity
from qdsim.errors import QdsimError
from qdsim.structures import LatticeParticle

FloatArray = npt.NDArray[np.float64]

Q = np.linspace(1.0, 13.0, 400)
X = (Q - 7) / 6
TRUE_B = {"Pb": 1.3, "S": 0.8, "Br": 2.5}
COUNTS = 1e5
BLANK_Q = np.linspace(0.5, 13.5, 300)
BLANK = ScatteringData(BLANK_Q, 3 + np.exp(-((BLANK_Q - 3) ** 2)), source="solvent.xy")


@pytest.fixture(scope="module")
def cluster(sphere: Callable[..., LatticeParticle]) -> Atoms:
    """Return a sphere of PbS of which some S is replaced by Br, and every atom is displaced."""
    particle = sphere(24.0, distorted=True)
    random = np.random.default_rng(3)
    symbols = np.array(particle.atom_symbols)
    symbols[random.choice(np.flatnonzero(symbols == "S"), 40, replace=False)] = "Br"
    return Atoms(symbols, particle.positions + random.normal(0, 0.08, (len(particle), 3)))


@pytest.fixture(scope="module")
def scattered(cluster: Atoms, judge: Callable[..., FloatArray]) -> FloatArray:
    """Return the intensity of the cluster with the true B, summed atom by atom."""
    symbols = cluster.get_chemical_symbols()
    return judge(symbols, cluster.positions, Q, 1.0, np.array([TRUE_B[symbol] for symbol in symbols]))


def measured(scattered: FloatArray, seed: int = 0, *, counts: float = COUNTS, blank: float = 0.0) -> ScatteringData:
    expected = scattered + scattered.mean() * (0.3 - 0.1 * X + 0.05 * X**2)
    expected += blank * scattered.mean() * np.interp(Q, BLANK.q, BLANK.intensity)
    expected *= counts / expected.mean()
    counted = np.random.default_rng(seed).poisson(expected).astype(float)
    return ScatteringData(Q, counted, np.sqrt(expected))


def test_what_made_the_pattern_comes_back(cluster: Atoms, scattered: FloatArray) -> None:
    away: list[float] = []
    for seed in range(20):
        data = measured(scattered, seed)
        found = fit_cluster(cluster, data)
        assert found.converged
        assert found.chi2_reduced == pytest.approx(1, abs=4 * np.sqrt(2 / 393))
        for symbol, value in TRUE_B.items():
            parameter = found.parameters[symbol]
            assert parameter.error is not None
            assert found.b_iso[symbol] == parameter.value
            away.append((parameter.value - value) / parameter.error)
        expected = scattered + scattered.mean() * (0.3 - 0.1 * X + 0.05 * X**2)
        assert found.scale_error is not None
        away.append((found.scale - COUNTS / expected.mean()) / found.scale_error)
    assert np.abs(away).max() < 4
    assert np.std(away) == pytest.approx(1, abs=0.25)


def test_curves_and_figures_of_merit_belong_together(cluster: Atoms, scattered: FloatArray) -> None:
    data = measured(scattered)
    found = fit_cluster(cluster, data, ClusterSettings(background=3))
    assert data.sigma is not None
    difference = (np.array(found.calculated) - data.intensity) / data.sigma
    assert found.chi2 == pytest.approx(difference @ difference)
    assert (found.n_points, found.n_parameters) == (400, 3 + 1 + 3)
    assert found.chi2_reduced == pytest.approx(found.chi2 / 393)
    assert found.gof == pytest.approx(np.sqrt(found.chi2_reduced))
    assert found.r_wp == pytest.approx(np.sqrt(found.chi2 / ((data.intensity / data.sigma) ** 2).sum()))
    np.testing.assert_allclose(
        found.calculated,
        found.scale * intensity(cluster, Q, b_iso=found.b_iso) + np.array(found.background_curve),
        rtol=1e-8,
    )
    assert ClusterFit.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("options", "computed"),
    [
        ({}, {}),
        ({"energy_kev": 17.4, "self_term": "squared"}, {"energy_kev": 17.4, "self_term": "squared"}),
        ({"radiation": "neutron"}, {"radiation": "neutron"}),
        ({"ions": {"Pb": "Pb2+"}}, {"ions": {"Pb": "Pb2+"}}),
    ],
)
def test_patterns_are_those_of_the_debye_equation(
    cluster: Atoms, options: dict[str, Any], computed: dict[str, Any]
) -> None:
    pattern = ClusterPattern(cluster, Q, ClusterSettings(**options), {"Pb": 0.9, "S": 0.7, "Br": 1.0})
    assert pattern.elements == ("Br", "Pb", "S")
    expected = intensity(cluster, Q, b_iso=TRUE_B, occupancies={"Pb": 0.9, "S": 0.7, "Br": 1.0}, **computed)
    b_iso = np.array([TRUE_B[one] for one in pattern.elements])
    np.testing.assert_allclose(pattern.intensity(b_iso), expected, rtol=1e-8)
    changed, changes = pattern.with_changes(b_iso)
    np.testing.assert_allclose(changed, expected, rtol=1e-8)
    for i, step in enumerate(1e-4 * np.eye(3)):
        slope = (pattern.intensity(b_iso + step) - pattern.intensity(b_iso - step)) / 2e-4
        np.testing.assert_allclose(changes[i], slope, rtol=1e-6, atol=1e-8 * np.abs(slope).max())


def test_any_structure_can_be_compared(sphere: Callable[..., LatticeParticle], cluster: Atoms) -> None:
    particle = sphere(20.0)
    data = measured(intensity(particle, Q, b_iso={"Pb": 1.3, "S": 0.8}))
    on_lattice = fit_cluster(particle, data)
    general = fit_cluster((particle.atom_symbols, particle.positions), data)
    assert on_lattice.chi2 == pytest.approx(general.chi2, rel=1e-6)
    assert on_lattice.b_iso == pytest.approx(general.b_iso, rel=1e-4)
    count = len(cluster)
    own = AtomicCluster(
        tuple(cluster.get_chemical_symbols()), cluster.positions, np.full(count, 0.5), np.linspace(0.2, 0.9, count)
    )
    pattern = ClusterPattern(own, Q, ClusterSettings())
    np.testing.assert_allclose(
        pattern.intensity(np.array([1.0, 2.0, 0.5])),
        intensity(own, Q, b_iso={"Br": 1.0, "Pb": 2.0, "S": 0.5}),
        rtol=1e-7,
    )


def test_the_structure_that_made_the_pattern_fits_better_than_another(
    cluster: Atoms, scattered: FloatArray, sphere: Callable[..., LatticeParticle]
) -> None:
    data = measured(scattered)
    assert fit_cluster(cluster, data).chi2_reduced < 1.3
    assert fit_cluster(sphere(24.0), data).chi2_reduced > 5


class TestWhatIsVaried:
    def test_some_elements_only(self, cluster: Atoms, scattered: FloatArray) -> None:
        settings = ClusterSettings(vary=["S"], b_iso={"Pb": 1.3, "Br": 2.5})
        found = fit_cluster(cluster, measured(scattered), settings)
        assert list(found.parameters) == ["S"]
        assert (found.b_iso["Pb"], found.b_iso["Br"]) == (1.3, 2.5)
        assert found.parameters["S"].value == pytest.approx(0.8, abs=0.1)
        assert found.n_parameters == 1 + 1 + 4

    def test_none(self, cluster: Atoms, scattered: FloatArray) -> None:
        found = fit_cluster(cluster, measured(scattered), ClusterSettings(vary=[], b_iso=TRUE_B))
        assert found.parameters == {}
        assert found.converged
        assert found.chi2_reduced == pytest.approx(1, abs=0.3)
        assert fit_cluster(cluster, measured(scattered), ClusterSettings(vary=[])).b_iso == dict.fromkeys(TRUE_B, 0.0)

    def test_a_value_that_stopped_at_its_bound_has_no_error(self, cluster: Atoms, scattered: FloatArray) -> None:
        hot = cluster.copy()
        hot.set_array("b_iso", np.full(len(hot), 3.0))
        found = fit_cluster(hot, measured(scattered))
        stopped = found.parameters["Pb"]
        assert stopped.at_bound
        assert stopped.error is None
        assert stopped.value == pytest.approx(0.0, abs=2e-3)
        assert any(message.startswith("B of Pb stopped at its bound 0;") for message in found.messages)

    def test_an_element_that_does_not_scatter_is_told(self, cluster: Atoms) -> None:
        occupancies = {"Pb": 1.0, "S": 1.0, "Br": 0.0}
        data = measured(intensity(cluster, Q, b_iso=TRUE_B, occupancies=occupancies))
        found = fit_cluster(cluster, data, ClusterSettings(occupancies=occupancies))
        assert found.parameters["Br"].error is None
        assert "The data do not determine B of Br." in found.messages


class TestData:
    def test_the_share_of_a_blank_comes_back(self, cluster: Atoms, scattered: FloatArray) -> None:
        data = measured(scattered, blank=0.4)
        found = fit_cluster(cluster, data, ClusterSettings(background=3), BLANK)
        assert found.blank_factor == pytest.approx(0.4 * scattered.mean() * found.scale, rel=0.02)
        assert found.chi2_reduced == pytest.approx(1, abs=0.3)
        assert fit_cluster(cluster, data, ClusterSettings(background=3)).chi2_reduced > 1.5

    def test_without_uncertainties_errors_are_scaled_to_the_fit(self, cluster: Atoms, scattered: FloatArray) -> None:
        data = measured(scattered)
        bare = fit_cluster(cluster, ScatteringData(Q, 1e-9 * data.intensity))
        assert any("have no uncertainties" in message for message in bare.messages)
        for symbol, value in TRUE_B.items():
            parameter = bare.parameters[symbol]
            assert parameter.error is not None
            assert abs(parameter.value - value) < 4 * parameter.error < 2

    def test_data_of_something_else_are_told(self, cluster: Atoms, scattered: FloatArray) -> None:
        upside_down = ScatteringData(Q, -scattered, np.full(Q.size, scattered.mean()))
        assert any("The scale is not positive" in one for one in fit_cluster(cluster, upside_down).messages)


class TestWhatCannotBeCompared:
    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({"vary": ["Se"]}, "vary names Se: the structure has Br, Pb, S only"),
            ({"b_iso": {"O": 1.0}}, "b_iso names O: the structure has Br, Pb, S only"),
            ({"ions": {"Cd": "Cd2+"}}, "ions is given for Cd: the structure has Br, Pb, S only"),
            ({"occupancies": {"Pb": 1.0}}, "occupancies is given for Pb"),
            ({"background": 40, "vary": []}, None),
        ],
    )
    def test_settings_are_told(
        self, cluster: Atoms, scattered: FloatArray, settings: dict[str, Any], told: str | None
    ) -> None:
        data = measured(scattered)
        if told is None:
            assert fit_cluster(cluster, data, ClusterSettings(**settings)).chi2_reduced > 1
            return
        with pytest.raises(QdsimError, match=told):
            fit_cluster(cluster, data, ClusterSettings(**settings))

    @pytest.mark.parametrize("settings", [{"b_iso": {"Pb": 13.0}}, {"b_iso": {"Pb": -1.0}}, {"starts": 3}])
    def test_impossible_settings_are_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            ClusterSettings(**settings)

    def test_a_blank_that_does_not_cover_the_data_is_told(self, cluster: Atoms, scattered: FloatArray) -> None:
        with pytest.raises(QdsimError, match=r"^solvent\.xy covers Q from 2\.\d+ to"):
            fit_cluster(cluster, measured(scattered), None, BLANK.within(2.0))

    def test_too_few_points_are_told(self, cluster: Atoms) -> None:
        data = ScatteringData(np.linspace(1, 10, 8), np.ones(8))
        with pytest.raises(QdsimError, match="8 points cannot determine 8 numbers"):
            fit_cluster(cluster, data)

    def test_no_structure_is_told(self, scattered: FloatArray) -> None:
        with pytest.raises(QdsimError, match="int is no structure that is understood"):
            fit_cluster(7, measured(scattered))
