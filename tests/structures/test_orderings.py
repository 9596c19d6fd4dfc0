from itertools import combinations, product
from math import comb, nan

import numpy as np
import pytest
from ase import Atoms

from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, count_vacant, supercell_matrix, vacancy_orderings
from qdsim.structures.orderings import N_SAMPLES
from qdsim.structures.site_symmetry import find_permutations

A = 5.95
CUBIC = RhombohedralState.from_lattice_constant(A)
R3M = RhombohedralState.from_lattice_constant(A, alpha=59.5, offset=0.12)
cubic = CUBIC.to_atoms("Pb", "S", supercell_matrix([2, 2, 2]))
r3m = R3M.to_atoms("Pb", "S", supercell_matrix([2, 2, 2]))
small = CUBIC.to_atoms("Pb", "S", 2 * np.eye(3, dtype=int))


def orbits(host: Atoms, elements: list[str], n_vacant: int) -> int:
    """Count the inequivalent orderings by Burnside's lemma: the mean number of orderings that an operation keeps."""
    group = find_permutations(host)
    operations = group.translations[:, group.rotations].reshape(-1, len(host))
    sublattices = [[site for site, symbol in enumerate(host.symbols) if symbol == element] for element in elements]
    choices = [sum(parts, ()) for parts in product(*(list(combinations(sites, n_vacant)) for sites in sublattices))]
    images = np.sort(operations[:, np.array(choices)], axis=2)
    kept = (images == np.sort(choices, axis=1)).all(axis=2).sum()
    assert kept % len(operations) == 0
    return int(kept // len(operations))


@pytest.mark.parametrize(
    ("n_sites", "concentration", "n_vacant"),
    [(32, 1 / 32, 1), (32, 0.06, 2), (32, 0.05, 2), (32, 0.97, 31), (4, 0.3, 1)],
)
def test_concentrations_are_rounded_to_whole_sites(n_sites: int, concentration: float, n_vacant: int) -> None:
    assert count_vacant(n_sites, concentration) == n_vacant


@pytest.mark.parametrize("concentration", [0.0, 1.0, -0.1, 1.2, nan])
def test_concentrations_out_of_range(concentration: float) -> None:
    with pytest.raises(QdsimError, match="between 0 and 1"):
        count_vacant(32, concentration)


def test_concentrations_of_no_or_all_sites() -> None:
    with pytest.raises(QdsimError, match="A concentration of 1 % is none of the 32 sites in the supercell"):
        count_vacant(32, 0.01)
    with pytest.raises(QdsimError, match="99 % is all of the 32 sites"):
        vacancy_orderings(cubic, ["Pb"], [0.1, 0.99])


@pytest.mark.parametrize(
    ("host", "elements", "n_vacant"),
    [
        (small, ["Pb"], 1),
        (small, ["Pb"], 2),
        (small, ["S"], 4),
        (small, ["Pb", "S"], 2),
        (cubic, ["Pb"], 2),
        (r3m, ["Pb"], 2),
        (r3m, ["Pb", "S"], 1),
    ],
)
def test_all_orderings_where_there_are_few(host: Atoms, elements: list[str], n_vacant: int) -> None:
    n_sites = len(host) // 2
    found = vacancy_orderings(host, elements, [n_vacant / n_sites], most=100)
    assert {ordering.kind for ordering in found} == {"enumerated"}
    assert sum(ordering.multiplicity for ordering in found) == comb(n_sites, n_vacant) ** len(elements)
    assert len(found) == orbits(host, elements, n_vacant)
    for ordering in found:
        assert ordering.concentration == n_vacant / n_sites
        assert [host.symbols[site] for site in ordering.sites].count(elements[-1]) == n_vacant
        assert len(ordering.sites) == n_vacant * len(elements)


def test_labels_and_the_concentration_that_is_there() -> None:
    found = vacancy_orderings(cubic, ["Pb"], [0.03, 0.04, 0.06])
    assert [ordering.label for ordering in found] == ["Pb 3.1 % #1", *(f"Pb 6.2 % #{n}" for n in range(1, 6))]
    assert [ordering.concentration for ordering in found] == [1 / 32] + 5 * [1 / 16]


def test_single_pairs_in_both_sublattices_are_the_schottky_pairs() -> None:
    found = vacancy_orderings(cubic, ["Pb", "S"], [1 / 32])
    assert [ordering.label for ordering in found] == [f"Pb+S 3.1 % #{n}" for n in range(1, 5)]
    assert sorted(ordering.multiplicity for ordering in found) == [6 * 32, 6 * 32, 8 * 32, 12 * 32]


@pytest.mark.parametrize(
    ("host", "elements", "n_vacant"),
    [(cubic, ["Pb"], 4), (r3m, ["S"], 16), (r3m, ["Pb", "S"], 1), (small, ["Pb", "S"], 3)],
)
def test_samples_where_there_are_many(host: Atoms, elements: list[str], n_vacant: int) -> None:
    n_sites = len(host) // 2
    found = vacancy_orderings(host, elements, [n_vacant / n_sites], most=3, seed=5)
    assert [ordering.kind for ordering in found] == ["quasi-random", "quasi-random", "far apart"]
    group = find_permutations(host)
    assert len({min(group.orbit(ordering.sites)) for ordering in found}) == N_SAMPLES
    for ordering in found:
        assert len(set(ordering.sites)) == n_vacant * len(elements)
        for element in elements:
            assert [host.symbols[site] for site in ordering.sites].count(element) == n_vacant
        assert ordering.multiplicity == len(group.orbit(ordering.sites))
    assert found == vacancy_orderings(host, elements, [n_vacant / n_sites], most=3, seed=5)


def smallest_distance(host: Atoms, sites: tuple[int, ...]) -> float:
    return float(min(host.get_distance(i, j, mic=True) for i, j in combinations(sites, 2)))


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("host", "n_vacant"), [(small, 4), (cubic, 3), (cubic, 4)])
def test_no_ordering_has_its_vacancies_farther_apart(host: Atoms, n_vacant: int, seed: int) -> None:
    n_sites = len(host) // 2
    found = vacancy_orderings(host, ["Pb"], [n_vacant / n_sites], most=3, seed=seed)[-1]
    assert found.kind == "far apart"
    distances = host[:n_sites].get_all_distances(mic=True)
    choices = np.array(list(combinations(range(n_sites), n_vacant)))
    pairs = np.array([distances[choices[:, i], choices[:, j]] for i, j in combinations(range(n_vacant), 2)])
    assert smallest_distance(host, found.sites) == pytest.approx(pairs.min(axis=0).max())


def test_quasi_random_orderings_have_the_pairs_of_a_random_alloy() -> None:
    n_vacant = 16
    found = vacancy_orderings(cubic, ["Pb"], [n_vacant / 32], seed=1)
    distances = cubic[:32].get_all_distances(mic=True)
    share = n_vacant / 32

    def correlation(sites: tuple[int, ...], distance: float) -> float:
        """Average product of the spins +1 (vacant) and -1 over the pairs of a shell."""
        spins = -np.ones(32)
        spins[list(sites)] = 1
        return float(np.outer(spins, spins)[np.abs(distances - distance) < 1e-6].mean())

    best, _, far_apart = found
    for distance in (A / np.sqrt(2), A, A * np.sqrt(1.5)):
        assert correlation(best.sites, distance) == pytest.approx((2 * share - 1) ** 2, abs=0.1)
    assert correlation(far_apart.sites, A / np.sqrt(2)) < -0.3


@pytest.mark.parametrize(
    ("elements", "most", "seed", "message"),
    [
        (["Te"], 5, 0, "has no Te"),
        (["Pb", "Pb"], 5, 0, "cannot lose equal shares"),
        (["Pb"], 2, 0, "give 3 or more"),
        (["Pb"], 5, -1, "seed is -1"),
    ],
)
def test_impossible_series(elements: list[str], most: int, seed: int, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        vacancy_orderings(cubic, elements, [0.1], most, seed)


def test_sublattices_of_different_sizes() -> None:
    host = cubic.copy()
    host.symbols[0] = "Sn"
    with pytest.raises(QdsimError, match="Pb, S with 31, 32 sites"):
        vacancy_orderings(host, ["Pb", "S"], [0.1])
