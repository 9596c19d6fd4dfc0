from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from qdsim.debye.lattice_pairs import lattice_family, pair_distances
from qdsim.debye.multiplicities import PairCounts, count_pairs
from qdsim.structures import LatticeParticle, LatticePoints, RhombohedralState

Sphere = Callable[..., LatticeParticle]

seeds = st.integers(0, 2**32 - 1)


def random_points(seed: int, n_atoms: int, n_sites: int) -> LatticePoints:
    random = np.random.default_rng(seed)
    places = np.unique(
        np.column_stack([random.integers(-4, 5, (n_atoms, 3)), random.integers(0, n_sites, n_atoms)]), axis=0
    )
    random.shuffle(places)
    return LatticePoints(places[:, :3], places[:, 3], random.integers(0, 2, len(places)))


def total(counts: PairCounts) -> float:
    return float(sum(pair.counts.sum() for pair in counts.pairs))


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 60), st.integers(1, 3))
def test_every_vector_is_counted_as_often_as_it_occurs(seed: int, n_atoms: int, n_sites: int) -> None:
    points = random_points(seed, n_atoms, n_sites)
    counts = count_pairs(points, "any")
    expected: Counter[tuple[int, ...]] = Counter()
    labels = [(int(site), int(region)) for site, region in zip(counts.sites, counts.regions, strict=True)]
    class_of = [labels.index(one) for one in zip(points.sites.tolist(), points.regions.tolist(), strict=True)]
    for i in range(len(points)):
        for j in range(len(points)):
            if i != j:
                expected[class_of[i], class_of[j], *(points.cells[j] - points.cells[i]).tolist()] += 1
    for pair in counts.pairs:
        alike = pair.sites[0] == pair.sites[1]
        for (a, b), counted in zip(pair.classes.tolist(), pair.counts, strict=True):
            for vector, count in zip(pair.vectors.tolist(), counted, strict=True):
                opposite = [-component for component in vector]
                keys = {(a, b, *vector), (b, a, *opposite)}
                if alike:
                    keys |= {(a, b, *opposite), (b, a, *vector)}
                assert count == sum(expected.pop(key, 0) for key in keys)
    assert not +expected
    assert counts.atoms.sum() == len(points)
    assert [class_of[example] for example in counts.examples] == list(range(len(labels)))


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 80), st.floats(55, 65), st.floats(-0.4, 0.4))
def test_a_rhombohedral_family_keeps_the_distances_of_all_its_lattices(
    seed: int, n_atoms: int, alpha: float, offset: float
) -> None:
    points = random_points(seed, n_atoms, 2)
    cell = RhombohedralState(52.0, alpha).cell
    basis = np.array([[0.5 + offset] * 3, [0.0] * 3])
    assert lattice_family(cell, basis) == "rhombohedral"
    moments = []
    for family in ("rhombohedral", "any"):
        counts = count_pairs(points, family)
        distances = [pair_distances(pair, cell, basis) for pair in counts.pairs]
        moments.append(
            [
                [float((pair.counts * d**power).sum()) for power in (0, 1, 2, 7)]
                for pair, d in zip(counts.pairs, distances, strict=True)
            ]
        )
    np.testing.assert_allclose(moments[0], moments[1], rtol=1e-10)


def test_only_lattices_with_all_sites_on_one_axis_are_rhombohedral() -> None:
    cell = RhombohedralState(52.0, 59.0).cell
    line, off = np.array([[0.5, 0.5, 0.5], [0, 0, 0]]), np.array([[0.5, 0.5, 0.4], [0, 0, 0]])
    assert lattice_family(cell, line) == "rhombohedral"
    assert lattice_family(cell, line + np.array([0.1, 0.2, 0.3])) == "rhombohedral"
    assert lattice_family(cell, off) == "any"
    assert lattice_family(cell, line - [[0, 0, 1], [0, 0, 0]]) == "any"
    assert lattice_family(cell @ np.diag([1, 1, 1.001]), line) == "any"
    assert lattice_family(np.diag([4.0, 4.0, 4.1]), line) == "any"
    assert lattice_family(np.eye(3), line) == "rhombohedral"


def test_points_are_counted_once_and_never_mixed_up(sphere: Sphere) -> None:
    first, second = sphere(20.0), sphere(20.0)
    assert count_pairs(first.points, "any") is count_pairs(first.points, "any")
    strained = first.with_lattice(1.01 * first.cell, first.basis)
    assert count_pairs(strained.points, "any") is count_pairs(first.points, "any")
    assert count_pairs(second.points, "any") is not count_pairs(first.points, "any")
    assert count_pairs(first.points, "rhombohedral") is not count_pairs(first.points, "any")


def test_the_order_of_the_points_does_not_matter(
    sphere: Sphere, permuted: Callable[[LatticeParticle, int], LatticeParticle]
) -> None:
    particle = sphere(30.0, distorted=True)
    found, expected = (count_pairs(one.points, "any") for one in (permuted(particle, 7), particle))
    for one, other in zip(found.pairs, expected.pairs, strict=True):
        order, other_order = np.lexsort(one.vectors.T), np.lexsort(other.vectors.T)
        np.testing.assert_array_equal(one.vectors[order], other.vectors[other_order])
        np.testing.assert_array_equal(one.counts[:, order], other.counts[:, other_order])


@pytest.mark.parametrize("diameter", [50.0, 200.0])
def test_all_pairs_of_a_large_particle_are_counted(diameter: float, sphere: Sphere) -> None:
    particle = sphere(diameter, distorted=True)
    counts = count_pairs(particle.points, "rhombohedral")
    assert total(counts) == len(particle) * (len(particle) - 1)
    sites = np.bincount(particle.points.sites)
    between = {pair.sites: pair.counts.sum() for pair in counts.pairs}
    assert between == {(0, 0): sites[0] * (sites[0] - 1), (0, 1): 2 * sites.prod(), (1, 1): sites[1] * (sites[1] - 1)}


def test_nearest_neighbours_of_a_large_particle_are_those_of_its_occupied_sites(sphere: Sphere) -> None:
    particle = sphere(180.0)
    points = particle.points
    size = np.ptp(points.cells, axis=0) + 3
    occupied = np.zeros((2, *size), np.int64)
    occupied[points.sites, *(points.cells - points.cells.min(axis=0) + 1).T] = 1
    step = np.eye(3, dtype=np.int64)
    # In the primitive cell the six anions around a cation are one or two basis vectors away from its own.
    to_anions = np.vstack([step, 1 - step])
    bonds = sum(int((occupied[0] * np.roll(occupied[1], -vector, axis=(0, 1, 2))).sum()) for vector in to_anions)
    pair = next(pair for pair in count_pairs(points, "rhombohedral").pairs if pair.sites == (0, 1))
    distances = pair_distances(pair, particle.cell, particle.basis)
    assert pair.counts[:, distances < 0.6 * 5.936].sum() == 2 * bonds
    assert 5.8 < bonds / (len(points) / 2) < 6


def correlation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(fft.irfftn(np.conj(fft.rfftn(first)) * fft.rfftn(second), first.shape))


def test_single_precision_loses_no_pair_of_a_large_particle(sphere: Sphere) -> None:
    points = sphere(150.0).points
    cells = points.cells - points.cells.min(axis=0)
    grid = np.zeros((2, *(fft.next_fast_len(int(2 * extent + 1), real=True) for extent in cells.max(axis=0))))
    grid[points.sites, *cells.T] = 1
    for pair in count_pairs(points, "any").pairs:
        first, second = pair.sites
        exact = correlation(grid[first], grid[second])
        assert np.abs(exact - np.round(exact)).max() < 1e-6
        np.testing.assert_array_equal(pair.counts[0], 2 * np.round(exact)[*pair.vectors.T])
        whole = 2 * np.round(exact).sum() - (0 if first != second else 2 * round(exact[0, 0, 0]))
        assert pair.counts.sum() == (whole / 2 if first == second else whole)
