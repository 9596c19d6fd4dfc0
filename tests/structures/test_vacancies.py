from collections import Counter
from itertools import product
from math import inf, nan, pi, sqrt

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qdsim.errors import QdsimError
from qdsim.structures import (
    POLAR_AXIS,
    RhombohedralState,
    VacantSites,
    advise_supercell,
    check_image_distance,
    distort_neighbours,
    guess_charges,
    image_distance,
    inequivalent_pairs,
    inequivalent_vacancies,
    measure_distortion,
    rattle,
    remove_sites,
    supercell_matrix,
)
from qdsim.structures.site_symmetry import find_permutations

A = 5.95
CUBIC = RhombohedralState.from_lattice_constant(A)
R3M = RhombohedralState.from_lattice_constant(A, alpha=59.5, offset=0.12)
SUPERCELL = supercell_matrix([2, 2, 2])
cubic = CUBIC.to_atoms("Pb", "S", SUPERCELL)
r3m = R3M.to_atoms("Pb", "S", SUPERCELL)

integers = st.integers(-2, 2)
matrices = st.lists(st.lists(integers, min_size=3, max_size=3), min_size=3, max_size=3).map(np.array)


def shells(pairs: list[VacantSites]) -> list[tuple[float, int]]:
    return sorted((round(pair.separation or nan, 3), pair.multiplicity) for pair in pairs)


@pytest.mark.parametrize("host", [cubic, r3m])
def test_one_vacancy_of_each_element(host: Atoms) -> None:
    assert inequivalent_vacancies(host, ["Pb", "S"]) == [VacantSites("V_Pb", (0,), 32), VacantSites("V_S", (32,), 32)]


def test_inequivalent_sites_of_one_element_have_names_of_their_own() -> None:
    host = cubic.copy()
    host.symbols[0] = "Sn"
    found = inequivalent_vacancies(host, ["Pb"])
    assert [vacancy.name for vacancy in found] == [f"V_Pb_{number}" for number in range(1, len(found) + 1)]
    by_distance = Counter(round(float(d), 3) for d in host.get_distances(0, range(1, 32), mic=True))
    assert sorted(vacancy.multiplicity for vacancy in found) == sorted(by_distance.values())


def test_a_displacement_below_the_tolerance_leaves_the_symmetry() -> None:
    host = cubic.copy()
    host.positions[0, 0] += 0.001
    assert len(inequivalent_vacancies(host, ["Pb"])) == 1
    host.positions[0, 0] += 0.1
    assert len(inequivalent_vacancies(host, ["Pb"])) > 1


@pytest.mark.parametrize("repeats", [(2, 2, 2), (1, 2, 3)])
def test_the_operations_are_those_of_spglib(repeats: tuple[int, int, int]) -> None:
    host = R3M.to_atoms("Pb", "S", supercell_matrix(repeats))
    permutations = find_permutations(host)
    positions = host.get_scaled_positions()
    found = spglib.get_symmetry_dataset((host.cell.array, positions, host.numbers), symprec=5e-3)
    assert found is not None
    assert len(permutations) == len(found.rotations)
    tracked = (0, 1, len(host) - 1)
    images = set()
    for rotation, translation in zip(found.rotations, found.translations, strict=True):
        differences = (positions[list(tracked)] @ rotation.T + translation)[:, None] - positions
        lengths = np.linalg.norm((differences - np.round(differences)) @ host.cell.array, axis=2)
        assert lengths.min(axis=1).max() < 1e-6
        images.add(tuple(sorted(lengths.argmin(axis=1).tolist())))
    assert permutations.orbit(tracked) == images


def test_schottky_pairs_of_a_cubic_supercell() -> None:
    """Pb and S are an odd number of bonds a/2 apart; no component exceeds two in a supercell of 2 a."""
    expected = [(A / 2 * sqrt(n), 32 * count) for n, count in ((1, 6), (3, 8), (5, 12), (9, 6))]
    found = inequivalent_pairs(cubic, "Pb", "S")
    assert shells(found) == [(round(distance, 3), count) for distance, count in expected]
    assert [pair.name for pair in found[:2]] == ["V_Pb+V_S at 2.98 Å", "V_Pb+V_S at 5.15 Å"]
    assert {cubic.symbols[pair.sites[0]] + cubic.symbols[pair.sites[1]] for pair in found} == {"PbS"}
    assert sum(pair.multiplicity for pair in found) == 32 * 32


@pytest.mark.parametrize("host", [cubic, r3m])
def test_divacancies_are_counted_once(host: Atoms) -> None:
    found = inequivalent_pairs(host, "Pb", "Pb")
    assert sum(pair.multiplicity for pair in found) == 32 * 31 // 2
    distances = host[:32].get_all_distances(mic=True)[np.triu_indices(32, 1)]
    assert {d for d, _ in shells(found)} == set(np.round(distances, 3).tolist())


def test_the_polar_distortion_splits_the_shells() -> None:
    found = inequivalent_pairs(r3m, "Pb", "S")
    short, long = R3M.bond_lengths
    assert shells(found)[:2] == [(round(short, 3), 32 * 3), (round(long, 3), 32 * 3)]
    along: list[int] = []
    across: list[int] = []
    for pair in found[2:6]:
        vector = r3m.get_distance(pair.sites[0], pair.sites[1], mic=True, vector=True)
        cosine = abs(vector @ POLAR_AXIS) / np.linalg.norm(vector)
        (along if cosine > 0.9 else across).append(pair.multiplicity)
    assert (along, across) == ([32, 32], [96, 96])  # 8 neighbours at a sqrt(3)/2 are 1 + 1 along the axis, 3 + 3 not
    assert sum(pair.multiplicity for pair in found) == 32 * 32


def test_pairs_as_far_apart_that_are_not_equivalent() -> None:
    host = CUBIC.to_atoms("Pb", "S", supercell_matrix([1, 1, 2]))
    nearest = inequivalent_pairs(host, "Pb", "S", largest_distance=A / 2)
    assert [pair.name for pair in nearest] == ["V_Pb+V_S at 2.98 Å #1", "V_Pb+V_S at 2.98 Å #2"]
    assert [pair.multiplicity for pair in nearest] == [16, 16]  # along x and y, where both ways are one site; along z
    names = [pair.name for pair in inequivalent_pairs(host, "Pb", "S")]
    assert len(set(names)) == len(names)


def test_names_do_not_depend_on_the_largest_distance() -> None:
    all_pairs = inequivalent_pairs(r3m, "S", "S")
    assert inequivalent_pairs(r3m, "S", "S", largest_distance=5.0) == all_pairs[:2]
    assert all_pairs[2].separation is not None
    assert all_pairs[2].separation > 5.0


@settings(deadline=None, max_examples=20)
@given(matrices, st.sampled_from([CUBIC, R3M]), st.integers(0, 1000))
def test_pairs_of_any_supercell_in_any_order(matrix: np.ndarray, state: RhombohedralState, seed: int) -> None:
    n_units = abs(round(np.linalg.det(matrix)))
    assume(2 <= n_units <= 16)
    host = state.to_atoms("Pb", "S", matrix)
    pairs = inequivalent_pairs(host, "Pb", "S")
    assert sum(pair.multiplicity for pair in pairs) == n_units**2
    images = np.array(list(product(range(-4, 5), repeat=3))) @ host.cell.array
    for pair in pairs:
        first, second = host.positions[list(pair.sites)]
        assert pair.separation == pytest.approx(np.linalg.norm(second - first + images, axis=1).min())
    rng = np.random.default_rng(seed)
    shuffled = host.copy()
    shuffled.positions += rng.normal(size=3) + rng.integers(-2, 3, (len(host), 3)) @ host.cell.array
    assert shells(inequivalent_pairs(shuffled[rng.permutation(len(host))], "Pb", "S")) == shells(pairs)


def test_elements_and_distances_without_vacancies_are_refused() -> None:
    with pytest.raises(QdsimError, match="has no Te to take away: name Pb or S"):
        inequivalent_vacancies(cubic, ["Pb", "Te"])
    with pytest.raises(QdsimError, match="has no Te"):
        inequivalent_pairs(cubic, "Pb", "Te")
    with pytest.raises(QdsimError, match=r"No pair of Pb and S is within 2 Å: the nearest are 2\.9[78] Å apart"):
        inequivalent_pairs(cubic, "Pb", "S", largest_distance=2.0)
    with pytest.raises(QdsimError, match="one Pb only"):
        inequivalent_pairs(CUBIC.to_atoms("Pb", "S"), "Pb", "Pb")


def test_the_other_atoms_stay_as_they_are() -> None:
    before = cubic.copy()
    defective = remove_sites(cubic, (40, 3))
    assert cubic == before
    kept = [atom for atom in range(64) if atom not in {3, 40}]
    np.testing.assert_array_equal(defective.positions, cubic.positions[kept])
    np.testing.assert_array_equal(defective.numbers, cubic.numbers[kept])
    np.testing.assert_array_equal(defective.cell.array, cubic.cell.array)
    assert defective.pbc.all()


@pytest.mark.parametrize(
    ("sites", "message"),
    [((64,), "no site 64"), ((-1,), "no site -1"), ((3, 3), "twice"), (tuple(range(64)), "All atoms")],
)
def test_sites_that_cannot_be_taken_away(sites: tuple[int, ...], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        remove_sites(cubic, sites)


@pytest.mark.parametrize(
    ("sites", "charges"),
    [
        ((0,), (0, -1, -2)),
        ((32,), (0, 1, 2)),
        ((0, 32), (0, -1, 1, -2, 2)),
        ((0, 1), (0, -1, -2, -3, -4)),
    ],
)
@pytest.mark.parametrize("anion", ["S", "Se", "Te"])
def test_charges_of_vacancies_in_lead_chalcogenides(
    anion: str, sites: tuple[int, ...], charges: tuple[int, ...]
) -> None:
    assert guess_charges(CUBIC.to_atoms("Pb", anion, SUPERCELL), sites) == charges


def test_charges_of_other_crystals() -> None:
    assert guess_charges(bulk("NaCl", "rocksalt", a=5.6), (0,)) == (0, -1)
    with pytest.raises(QdsimError, match="No oxidation states of its elements make MgPb neutral"):
        guess_charges(bulk("PbMg", "rocksalt", a=5.0), (0,))


@pytest.mark.parametrize("factor", [0.7, 1.2])
def test_the_first_shell_moves_by_the_factor(factor: float) -> None:
    moved = distort_neighbours(cubic, (0,), factor)
    before = remove_sites(cubic, (0,))
    displacements = np.linalg.norm(moved.positions - before.positions, axis=1)
    assert np.count_nonzero(displacements) == 6
    assert set(moved.symbols[displacements > 0]) == {"S"}
    whole = Atoms("Pb", positions=cubic.positions[:1], cell=cubic.cell, pbc=True) + moved
    distances = whole.get_distances(0, np.flatnonzero(displacements) + 1, mic=True)
    np.testing.assert_allclose(distances, factor * A / 2)


def test_all_six_neighbours_in_a_polar_crystal_and_the_nearest_two() -> None:
    before = remove_sites(r3m, (40,))
    for neighbours, n_moved in ((None, 6), (2, 2), (3, 3)):
        moved = distort_neighbours(r3m, (40,), 0.8, neighbours)
        displacements = np.linalg.norm(moved.positions - before.positions, axis=1)
        assert np.count_nonzero(displacements) == n_moved
    short, _ = R3M.bond_lengths
    np.testing.assert_allclose(displacements[displacements > 0], 0.2 * short)


def test_the_neighbours_of_a_schottky_pair() -> None:
    pair = inequivalent_pairs(cubic, "Pb", "S")[0]
    moved = distort_neighbours(cubic, pair.sites, 0.9)
    displacements = moved.positions - remove_sites(cubic, pair.sites).positions
    lengths = np.linalg.norm(displacements, axis=1)
    assert Counter(np.array(moved.get_chemical_symbols())[lengths > 1e-9].tolist()) == {"Pb": 5, "S": 5}
    np.testing.assert_allclose(lengths[lengths > 1e-9], 0.1 * A / 2)
    two_each = distort_neighbours(cubic, pair.sites, 0.9, neighbours=2)
    assert (np.abs(two_each.positions - remove_sites(cubic, pair.sites).positions).max(axis=1) > 1e-9).sum() == 4


def test_a_neighbour_on_both_sides_stays_between() -> None:
    host = CUBIC.to_atoms("Pb", "S", "conventional")
    moved = distort_neighbours(host, (0,), 0.8)
    np.testing.assert_allclose(moved.positions, remove_sites(host, (0,)).positions, atol=1e-12)


@pytest.mark.parametrize(
    ("factor", "neighbours", "message"),
    [(0.0, None, "factor"), (nan, None, "factor"), (0.9, 0, "neighbours to move"), (0.2, None, "nearer to 1")],
)
def test_impossible_distortions(factor: float, neighbours: int | None, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        distort_neighbours(cubic, (0,), factor, neighbours)


def test_rattling_is_reproducible_and_of_the_amplitude() -> None:
    before = r3m.copy()
    rattled = rattle(r3m, 0.1, seed=3)
    assert r3m == before
    assert rattled == rattle(r3m, 0.1, seed=3)
    assert not np.allclose(rattled.positions, rattle(r3m, 0.1, seed=4).positions)
    assert (rattled.positions - r3m.positions).std() == pytest.approx(0.1, rel=0.15)
    assert rattle(r3m, 0.0, seed=3) == r3m
    assert measure_distortion(rattled).space_group_number == 1


@pytest.mark.parametrize(
    ("amplitude", "seed", "message"),
    [(-0.1, 1, "amplitude"), (nan, 1, "amplitude"), (inf, 1, "amplitude"), (1.5, 1, "bring"), (0.1, -1, "seed is -1")],
)
def test_impossible_displacements(amplitude: float, seed: int, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        rattle(cubic, amplitude, seed)


@pytest.mark.parametrize(
    ("supercell", "distance"),
    [
        ("primitive", A / sqrt(2)),
        ("conventional", A),
        (2 * np.eye(3, dtype=int), A * sqrt(2)),
        ([2, 2, 2], 2 * A),
        ([1, 2, 3], A),
    ],
)
def test_image_distances_of_cubic_supercells(supercell: str | list[int], distance: float) -> None:
    host = CUBIC.to_atoms("Pb", "S", supercell)
    assert image_distance(host.cell.array) == pytest.approx(distance)


@settings(deadline=None, max_examples=50)
@given(matrices, st.floats(50, 70))
def test_the_image_distance_is_the_shortest_lattice_vector(matrix: np.ndarray, alpha: float) -> None:
    assume(abs(round(np.linalg.det(matrix))) > 0)
    primitive = RhombohedralState.from_lattice_constant(A, alpha).cell
    cell = matrix @ primitive
    # All lattice vectors of the primitive lattice that are also of the supercell, up to its shortest row.
    vectors = np.array(list(product(range(-6, 7), repeat=3)))
    inside = np.abs((vectors @ np.linalg.inv(matrix) + 1e-9) % 1.0) < 1e-6
    lengths = np.linalg.norm(vectors[inside.all(axis=1)] @ primitive, axis=1)
    assert image_distance(cell) == pytest.approx(lengths[lengths > 1e-6].min())


def test_a_vacancy_near_its_image_is_refused_unless_forced() -> None:
    small = CUBIC.to_atoms("Pb", "S", "conventional").cell.array
    with pytest.raises(QdsimError, match=r"5\.95 Å from its nearest periodic image, less than 6 Å"):
        check_image_distance(small)
    check_image_distance(small, forced=True)
    check_image_distance(small, smallest=5.9)
    check_image_distance(cubic.cell.array)
    with pytest.raises(QdsimError, match="not three independent vectors"):
        check_image_distance(np.ones((3, 3)), forced=True)


def sampled_band_edges(matrix: np.ndarray, mesh: tuple[int, int, int]) -> int:
    """Count the L points that differ from a point of the Monkhorst-Pack mesh by a reciprocal supercell vector."""
    supercell = matrix @ CUBIC.cell
    reciprocal = 2 * pi * np.linalg.inv(supercell).T
    components = [[(2 * r - n - 1) / (2 * n) for r in range(1, n + 1)] for n in mesh]
    points = np.array(list(product(*components))) @ reciprocal
    band_edges = pi / A * np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    phases = (band_edges[:, None] - points) @ supercell.T / (2 * pi)
    return int((np.abs(phases - np.round(phases)).max(axis=2) < 1e-9).any(axis=1).sum())


@settings(deadline=None, max_examples=50)
@given(matrices, st.tuples(*[st.integers(1, 3)] * 3))
def test_which_band_edges_are_on_the_mesh(matrix: np.ndarray, mesh: tuple[int, int, int]) -> None:
    assume(abs(round(np.linalg.det(matrix))) > 0)
    sentences = [sentence for sentence in advise_supercell(matrix, mesh, CUBIC.cell) if "L points" in sentence]
    sampled = sampled_band_edges(matrix, mesh)
    assert len(sentences) == (sampled < 4)
    if sampled < 4:
        assert f"samples {sampled or 'none'} of the four" in sentences[0]


@pytest.mark.parametrize(("n", "folds"), [(1, False), (2, True), (3, False), (4, True)])
def test_even_repeats_of_the_conventional_cell_fold_the_band_edges_on_gamma(n: int, folds: bool) -> None:
    advice = advise_supercell([n, n, n], [1, 1, 1], CUBIC.cell)
    assert any(sentence.startswith("Gamma alone samples none") for sentence in advice) == (not folds)


@pytest.mark.parametrize(
    ("supercell", "mesh", "parts"),
    [
        ([2, 2, 2], (1, 1, 1), [["up to 0.53 Å⁻¹", "take a 3×3×3 mesh"]]),
        ([2, 2, 2], (2, 2, 2), [["2×2×2", "none of the four", "take odd numbers of k points"]]),
        ([2, 2, 2], (3, 3, 3), []),
        ([3, 3, 3], (2, 2, 2), [["even repeats", "odd numbers"]]),
        ([2, 2, 4], (3, 3, 3), [["unequally spaced (0.18, 0.18, 0.09 Å⁻¹)", "3×3×1"]]),
        ([4, 4, 4], (1, 1, 1), []),
    ],
)
def test_advice(supercell: list[int], mesh: tuple[int, int, int], parts: list[list[str]]) -> None:
    advice = advise_supercell(supercell, mesh, CUBIC.cell)
    assert len(advice) == len(parts)
    assert all(part in sentence for sentence, expected in zip(advice, parts, strict=True) for part in expected)


@given(st.tuples(*[st.integers(1, 3)] * 3), st.tuples(*[st.integers(1, 4)] * 3))
def test_whoever_takes_the_advised_mesh_gets_no_more_advice_on_k_points(
    halves: tuple[int, int, int], mesh: tuple[int, int, int]
) -> None:
    supercell = [2 * n for n in halves]
    for sentence in advise_supercell(supercell, mesh, CUBIC.cell):
        if "take a " in sentence:
            better = [int(n) for n in sentence.split("take a ")[1].split(" mesh")[0].split("×")]
            assert advise_supercell(supercell, better, CUBIC.cell) == []


@pytest.mark.parametrize("mesh", [(0, 1, 1), (1, 1), (1.5, 1, 1)])
def test_meshes_that_are_none(mesh: tuple[int, ...]) -> None:
    with pytest.raises(QdsimError, match="not three positive integers"):
        advise_supercell([2, 2, 2], mesh, CUBIC.cell)
