from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from qdsim.debye.atom_pairs import atom_pairs
from qdsim.debye.atoms import AtomicCluster
from qdsim.debye.pairs import Pairs

FloatArray = npt.NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)


def cluster(seed: int, n_atoms: int, symbols: list[str], b_iso: npt.ArrayLike = 0.0) -> AtomicCluster:
    random = np.random.default_rng(seed)
    return AtomicCluster(
        tuple(random.choice(symbols, n_atoms).tolist()),
        random.uniform(0, 50, (n_atoms, 3)),
        random.uniform(0.6, 1, n_atoms),
        np.broadcast_to(np.asarray(b_iso, float), n_atoms).copy(),
    )


def moment(pairs: Pairs, power: int, symbols: tuple[str, str] | None = None) -> float:
    """Sum weight * distance^power over all pairs, or those of two elements."""
    return sum(
        float(weights @ group.distances**power)
        for group in pairs.groups
        for species, weights in zip(group.species, group.weights, strict=True)
        if symbols is None or sorted(species.symbols) == sorted(symbols)
    )


def exact_moment(atoms: AtomicCluster, power: int) -> float:
    products = np.outer(atoms.occupancies, atoms.occupancies)[np.triu_indices(len(atoms), 1)]
    return 2 * float(products @ pdist(atoms.positions) ** power)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 60), st.sampled_from([0.1, 13.0, 40.0]), st.sampled_from([1e-4, 1e-8, 1e-10]))
def test_the_first_seven_powers_of_the_distances_are_kept_exactly(
    seed: int, n_atoms: int, q_max: float, rtol: float
) -> None:
    atoms = cluster(seed, n_atoms, ["Pb", "S", "Cl"])
    pairs = atom_pairs(atoms, q_max, rtol)
    for power in range(8):
        assert moment(pairs, power) == pytest.approx(exact_moment(atoms, power), rel=1e-11)


def test_two_threads_count_what_one_does() -> None:
    atoms = cluster(1, 2_500, ["Pb", "S"])
    pairs = atom_pairs(atoms, 13.0, 1e-8)
    for power in (0, 1, 2):
        assert moment(pairs, power) == pytest.approx(exact_moment(atoms, power), rel=1e-11)


def test_elements_are_told_apart() -> None:
    atoms = cluster(2, 50, ["Pb", "S", "Cl"])
    pairs = atom_pairs(atoms, 13.0, 1e-8)
    sums = {symbol: float(atoms.occupancies[np.array(atoms.symbols) == symbol].sum()) for symbol in ("Pb", "S", "Cl")}
    squares = {
        symbol: float((atoms.occupancies[np.array(atoms.symbols) == symbol] ** 2).sum()) for symbol in ("Pb", "S", "Cl")
    }
    assert pairs.occupancy == pytest.approx(sums)
    assert pairs.squared_occupancy == pytest.approx(squares)
    assert moment(pairs, 0, ("Pb", "S")) == pytest.approx(2 * sums["Pb"] * sums["S"])
    assert moment(pairs, 0, ("Cl", "Cl")) == pytest.approx(sums["Cl"] ** 2 - squares["Cl"])


@pytest.mark.parametrize("b_iso", [[0.5, 1.5], list(np.linspace(0, 12, 40))])
def test_displacements_are_kept_for_each_pair(b_iso: list[float]) -> None:
    atoms = cluster(3, 40, ["Pb", "S"], np.resize(b_iso, 40))
    q = 13.0
    pairs = atom_pairs(atoms, q, 1e-10)
    found = sum(
        float(np.exp(-species.b_sum * q**2 / (16 * np.pi**2)) * weights.sum())
        for group in pairs.groups
        for species, weights in zip(group.species, group.weights, strict=True)
    )
    weights = atoms.occupancies * np.exp(-atoms.b_iso * q**2 / (16 * np.pi**2))
    assert found == pytest.approx(weights.sum() ** 2 - (weights**2).sum(), rel=1e-10)


def test_pairs_of_a_single_or_an_empty_place_are_none() -> None:
    assert atom_pairs(cluster(4, 1, ["Pb"]), 13.0, 1e-8).groups == ()
    empty = AtomicCluster(("Pb", "S"), np.eye(3)[:2], np.zeros(2), np.zeros(2))
    assert atom_pairs(empty, 13.0, 1e-8).groups == ()


@pytest.mark.parametrize("spread", [0.0, 1e-9, 3.0, 60.0])
def test_the_number_of_distances_is_that_of_the_bins_not_of_the_pairs(spread: float) -> None:
    atoms: Any = cluster(5, 300, ["Pb"], np.linspace(1, 1 + spread, 300))
    pairs = atom_pairs(atoms, 0.5, 1e-8)
    assert sum(group.distances.size for group in pairs.groups) < 3_000 < 300 * 299 / 2
    assert moment(pairs, 0) == pytest.approx(exact_moment(atoms, 0), rel=1e-11)
