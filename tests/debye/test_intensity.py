from collections.abc import Callable, Mapping
from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt
import periodictable
import pytest
import xraydb
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qdsim.debye.atoms import AtomicCluster
from qdsim.debye.intensity import intensity, reduced_structure_factor, structure_factor
from qdsim.debye.lattice_pairs import lattice_pairs
from qdsim.errors import QdsimError
from qdsim.structures import LatticeParticle, LatticePoints, cut_crystal

FloatArray = npt.NDArray[np.float64]
Judge = Callable[..., FloatArray]
Sphere = Callable[..., LatticeParticle]
Q = np.linspace(1, 13, 1200)
ORIGIN: FloatArray = np.zeros(3)
SITE: npt.NDArray[np.int64] = np.zeros(1, np.int64)

tolerances = st.sampled_from([1e-4, 1e-6, 1e-8, 1e-10])
ranges = st.sampled_from([(0.0, 0.3), (0.0, 13.0), (1.0, 13.0), (0.5, 30.0)])
seeds = st.integers(0, 2**32 - 1)


def worst_and_even(pattern: FloatArray, count: int) -> npt.NDArray[np.int64]:
    """Return places of the lowest intensities, where errors weigh most, and as many even ones; any if there are few."""
    even = np.linspace(0, pattern.size - 1, count // 2).astype(np.int64)
    return np.union1d(np.argsort(pattern)[: count // 2], even)


def local_error(found: FloatArray, exact: FloatArray) -> float:
    return float(np.abs(found / exact - 1).max())


def by_site_and_region(particle: LatticeParticle) -> FloatArray:
    points = particle.points
    return np.array([[0.9, 0.7], [0.85, 0.6]])[points.sites, points.regions]


@pytest.mark.parametrize("distorted", [False, True])
@pytest.mark.parametrize(("diameter", "count"), [(32.0, 400), (50.0, 60), (77.0, 6)])
def test_spheres_of_lead_sulfide_meet_the_default_tolerance(
    diameter: float, count: int, distorted: bool, sphere: Sphere, judge: Judge
) -> None:
    particle = sphere(diameter, distorted=distorted)
    occupancies = by_site_and_region(particle) if distorted else np.ones(len(particle))
    b_iso = np.array([1.3, 0.8]) if distorted else np.zeros(2)
    by_element = dict(zip(particle.symbols, b_iso.tolist(), strict=True))
    on_lattice, general = (
        intensity(structure, Q, occupancies=occupancies, b_iso=by_element)
        for structure in (particle, particle.to_atoms())
    )
    chosen = worst_and_even(on_lattice, count)
    exact = judge(particle.atom_symbols, particle.positions, Q[chosen], occupancies, b_iso[particle.points.sites])
    assert local_error(on_lattice[chosen], exact) <= 1e-8
    assert local_error(general[chosen], exact) <= 1e-8
    assert local_error(general, on_lattice) <= 1e-8


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8, 1e-10])
def test_disordered_clusters_meet_their_tolerance(rtol: float, sphere: Sphere, judge: Judge) -> None:
    atoms = sphere(25.0).to_atoms()
    atoms.positions += np.random.default_rng(5).normal(scale=0.1, size=(len(atoms), 3))
    exact = judge(atoms.get_chemical_symbols(), atoms.positions, Q[::4], b_iso=0.5)
    assert local_error(intensity(atoms, Q[::4], b_iso=0.5, rtol=rtol), exact) <= rtol


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-10])
def test_crystals_of_general_atoms_meet_their_tolerance(rtol: float, sphere: Sphere, judge: Judge) -> None:
    atoms = sphere(32.0).to_atoms()
    pattern = intensity(atoms, Q, rtol=rtol)
    chosen = worst_and_even(pattern, 100)
    assert local_error(pattern[chosen], judge(atoms.get_chemical_symbols(), atoms.positions, Q[chosen])) <= rtol


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 40), ranges, tolerances, st.sampled_from(["none", "few", "many"]))
def test_any_atoms_meet_any_tolerance(
    judge: Judge, seed: int, n_atoms: int, span: tuple[float, float], rtol: float, kinds_of_b: str
) -> None:
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 14, (n_atoms, 3))
    symbols = random.choice(["Pb", "S", "O"], n_atoms).tolist()
    occupancies = random.uniform(0.5, 1, n_atoms)
    b_iso = {
        "none": np.zeros(n_atoms),
        "few": random.choice([0.4, 2.0], n_atoms),
        "many": random.uniform(0, 9, n_atoms),
    }[kinds_of_b]
    q = np.linspace(*span, 40)
    found = intensity((symbols, positions), q, occupancies=occupancies, b_iso=b_iso, rtol=rtol)
    assert local_error(found, judge(symbols, positions, q, occupancies, b_iso)) <= rtol


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 4), ranges, st.sampled_from(["sphere", "cube", "octahedron"]), st.floats(9, 16))
def test_any_lattice_meets_the_default_tolerance(
    judge: Judge, seed: int, n_sites: int, span: tuple[float, float], shape: str, diameter: float
) -> None:
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(3.5, 6, 3)) + random.uniform(-1.2, 1.2, (3, 3))
    crystal = Atoms(random.choice(["Pb", "S", "Cs"], n_sites), cell=cell, pbc=True)
    crystal.set_scaled_positions(random.uniform(0, 1, (n_sites, 3)))
    try:
        particle = cut_crystal(crystal, shape, diameter, shell_thickness=2.5)
    except QdsimError:  # sites that coincide
        assume(False)
    occupancies = random.uniform(0.5, 1, (n_sites, 2))[particle.points.sites, particle.points.regions]
    b_iso = random.uniform(0, 3, n_sites)[particle.points.sites]
    q = np.linspace(*span, 30)
    found = intensity(particle, q, occupancies=occupancies, b_iso=b_iso)
    exact = judge(particle.atom_symbols, particle.positions, q, occupancies, b_iso)
    assert local_error(found, exact) <= 1e-8


def test_the_order_of_the_atoms_does_not_matter(
    sphere: Sphere, permuted: Callable[[LatticeParticle, int], LatticeParticle]
) -> None:
    particle = sphere(30.0, distorted=True)
    shuffled = permuted(particle, 3)
    patterns = [
        intensity(structure, Q, occupancies=by_site_and_region(one), b_iso=0.7, rtol=1e-10)
        for one in (particle, shuffled)
        for structure in (one, one.to_atoms())
    ]
    for pattern in patterns[1:]:
        np.testing.assert_allclose(pattern, patterns[0], rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seeds, st.floats(-1e4, 1e4))
def test_rotations_and_translations_do_not_matter(sphere: Sphere, seed: int, shift: float) -> None:
    particle = sphere(20.0, distorted=True)
    rotation = Rotation.random(random_state=seed).as_matrix()
    turned = particle.with_lattice(particle.cell @ rotation.T, particle.basis)
    moved = particle.to_atoms()
    moved.positions[:] = moved.positions @ rotation.T + shift
    expected = intensity(particle, Q, rtol=1e-10)
    np.testing.assert_allclose(intensity(turned, Q, rtol=1e-10), expected, rtol=1e-9)
    np.testing.assert_allclose(intensity(moved, Q, rtol=1e-10), expected, rtol=1e-9)


@pytest.mark.parametrize("general", [False, True])
def test_each_q_stands_for_itself(general: bool, sphere: Sphere) -> None:
    particle = sphere(30.0)
    structure = particle.to_atoms() if general else particle
    pattern = intensity(structure, Q)
    order = np.random.default_rng(2).permutation(Q.size)
    np.testing.assert_allclose(intensity(structure, Q[order]), pattern[order], rtol=1e-11)
    some = order[:17]
    np.testing.assert_allclose(intensity(structure, Q[some]), pattern[some], rtol=2e-8)
    np.testing.assert_allclose(intensity(structure, Q[:1]), pattern[:1], rtol=2e-8)


@pytest.mark.parametrize("general", [False, True])
def test_forward_scattering_has_its_closed_form(general: bool, sphere: Sphere) -> None:
    particle = sphere(40.0, distorted=True)
    occupancies = by_site_and_region(particle)
    f = np.array([xraydb.f0("Pb", 0.0)[0], xraydb.f0("S", 0.0)[0]])[particle.points.sites]
    amplitude = occupancies * f
    expected = (occupancies * f**2).sum() + amplitude.sum() ** 2 - (amplitude**2).sum()
    structure = particle.to_atoms() if general else particle
    for q in ([0.0], [0.0, 13.0], [1e-310], [1e-9]):
        assert intensity(structure, q, occupancies=occupancies)[0] == pytest.approx(expected, rel=1e-10)
    squared = intensity(structure, [0.0], occupancies=occupancies, self_term="squared")
    assert squared[0] == pytest.approx(amplitude.sum() ** 2, rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 200), st.floats(0, 3), st.floats(0, 3), st.sampled_from([0.05, 2.0, 25.0]))
def test_two_atoms_are_a_sine_over_its_argument(distance: float, b_lead: float, b_sulfur: float, q_max: float) -> None:
    q = np.linspace(0, q_max, 50)
    lead, sulfur = (xraydb.f0(symbol, q / (4 * np.pi)) for symbol in ("Pb", "S"))
    damping = np.exp(-(b_lead + b_sulfur) * q**2 / (16 * np.pi**2))
    expected = lead**2 + sulfur**2 + 2 * lead * sulfur * damping * np.sinc(q * distance / np.pi)
    pair = (["Pb", "S"], [ORIGIN, [0, 0, distance]])
    np.testing.assert_allclose(intensity(pair, q, b_iso={"Pb": b_lead, "S": b_sulfur}), expected, rtol=1e-8)


def test_a_single_atom_scatters_by_itself() -> None:
    expected = xraydb.f0("Pb", Q / (4 * np.pi)) ** 2
    on_lattice = LatticeParticle(LatticePoints(np.array([[2, 0, 1]]), SITE, SITE), np.eye(3), ORIGIN[None], ("Pb",))
    for structure in ((["Pb"], [ORIGIN]), on_lattice):
        np.testing.assert_allclose(intensity(structure, Q, b_iso=1.0), expected, rtol=1e-12)
        np.testing.assert_allclose(structure_factor(structure, Q), 1)


def test_atoms_that_are_nowhere_do_not_scatter(sphere: Sphere) -> None:
    particle = sphere(15.0)
    for structure in (particle, particle.to_atoms()):
        np.testing.assert_array_equal(intensity(structure, Q, occupancies=0.0), 0)
        lead = intensity(structure, Q, occupancies={"Pb": 1.0, "S": 0.0})
        alone = particle.to_atoms()
        np.testing.assert_allclose(lead, intensity(alone[alone.symbols == "Pb"], Q), rtol=2e-8)


def test_small_angles_follow_guinier(sphere: Sphere) -> None:
    particle = sphere(60.0)
    q = np.array([0.0, 1e-3])
    forward, small = intensity(particle, q, radiation="neutron", rtol=1e-10)
    radius_squared = 3 * np.log(forward / small) / q[1] ** 2
    lengths = np.array([periodictable.elements.symbol(symbol).neutron.b_c for symbol in particle.atom_symbols])
    centred = particle.positions - np.average(particle.positions, axis=0, weights=lengths)
    assert radius_squared == pytest.approx(np.average((centred**2).sum(axis=1), weights=lengths), rel=1e-4)
    assert np.sqrt(radius_squared) == pytest.approx(np.sqrt(3 / 5) * 30, rel=0.01)


def test_the_structure_factor_is_that_of_faber_and_ziman(sphere: Sphere) -> None:
    particle, q = sphere(30.0), np.linspace(0.5, 40, 300)
    options: dict[str, Any] = {"occupancies": {"Pb": 0.9, "S": 0.8}, "b_iso": 1.0}
    found = structure_factor(particle, q, **options)
    counts = {"Pb": 0.9 * particle.atom_symbols.count("Pb"), "S": 0.8 * particle.atom_symbols.count("S")}
    f = {symbol: xraydb.f0(symbol, q / (4 * np.pi)) for symbol in counts}
    alone = sum(counts[symbol] * f[symbol] ** 2 for symbol in counts)
    mean = sum(counts[symbol] * f[symbol] for symbol in counts) / sum(counts.values())
    expected = 1 + (intensity(particle, q, **options) - alone) / (sum(counts.values()) * mean**2)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(found[q > 36], 1, atol=1e-5)
    assert np.ptp(found[q < 10]) > 2
    np.testing.assert_allclose(reduced_structure_factor(particle, q, **options), q * (found - 1), rtol=1e-12)


@pytest.mark.parametrize("energy", [13.04, 17.0, 25.3])
def test_anomalous_scattering_enters_as_complex_numbers(energy: float, sphere: Sphere, judge: Judge) -> None:
    particle = sphere(20.0, distorted=True)
    occupancies = by_site_and_region(particle)
    exact = judge(particle.atom_symbols, particle.positions, Q, occupancies, 0.5, energy)
    plain = intensity(particle, Q, occupancies=occupancies, b_iso=0.5)
    for structure in (particle, particle.to_atoms()):
        found = intensity(structure, Q, occupancies=occupancies, b_iso=0.5, energy_kev=energy)
        assert local_error(found, exact) <= 1e-8
        assert local_error(plain, found) > 0.01


def test_the_linear_self_term_is_the_mean_over_random_vacancies(sphere: Sphere) -> None:
    particle, q = sphere(13.0), np.linspace(0.3, 12, 25)
    probabilities = np.array([0.7, 0.85])[particle.points.sites]
    f = np.array([xraydb.f0(symbol, q / (4 * np.pi)) for symbol in particle.atom_symbols])
    positions = particle.positions
    distances = np.linalg.norm(positions[:, None] - positions, axis=2)
    terms = np.einsum("iq,jq,ijq->qij", f, f, np.sinc(q * distances[..., None] / np.pi))
    occupied = np.random.default_rng(11).random((20_000, len(particle))) < probabilities
    patterns = np.stack([((occupied @ term) * occupied).sum(axis=1) for term in terms], axis=1)
    error = patterns.std(axis=0) / np.sqrt(len(patterns))
    linear, squared = (
        intensity(particle, q, occupancies={"Pb": 0.7, "S": 0.85}, self_term=self_term)
        for self_term in ("linear", "squared")
    )
    assert (np.abs(patterns.mean(axis=0) - linear) < 4 * error).all()
    assert (patterns.mean(axis=0) - squared > 10 * error).all()
    np.testing.assert_allclose(
        linear - squared, (probabilities[:, None] * (1 - probabilities[:, None]) * f**2).sum(axis=0), rtol=1e-6
    )


def test_neutrons_scatter_by_their_lengths_at_any_q() -> None:
    lead, sulfur = 9.405, 2.847  # fm, Sears, Neutron News 3, 26 (1992)
    expected = lead**2 + sulfur**2 + 2 * lead * sulfur * np.sinc(Q * 2.97 / np.pi)
    pair = (["Pb", "S"], [ORIGIN, [2.97, 0, 0]])
    np.testing.assert_allclose(intensity(pair, Q, radiation="neutron"), expected, rtol=1e-3)


def test_ions_have_their_own_form_factors() -> None:
    q = np.linspace(0, 13, 100)
    lead, sulfur = xraydb.f0("Pb2+", q / (4 * np.pi)), xraydb.f0("S", q / (4 * np.pi))
    expected = lead**2 + sulfur**2 + 2 * lead * sulfur * np.sinc(q * 2.97 / np.pi)
    pair = (["Pb", "S"], [ORIGIN, [2.97, 0, 0]])
    np.testing.assert_allclose(intensity(pair, q, ions={"Pb": "Pb2+"}), expected, rtol=1e-8)


def test_occupancies_and_b_may_be_given_by_element_or_by_atom(sphere: Sphere) -> None:
    particle = sphere(20.0)
    sites = particle.points.sites
    for structure in (particle, particle.to_atoms()):
        by_element = intensity(structure, Q, occupancies={"Pb": 0.9, "S": 0.7}, b_iso={"S": 2.0, "Pb": 1.0})
        by_atom = intensity(
            structure, Q, occupancies=np.array([0.9, 0.7])[sites], b_iso=np.array([1.0, 2.0])[sites].tolist()
        )
        np.testing.assert_allclose(by_atom, by_element, rtol=1e-12)


def test_what_a_structure_has_itself_is_used(sphere: Sphere, judge: Judge) -> None:
    atoms = sphere(15.0).to_atoms()
    random = np.random.default_rng(9)
    symbols, own, own_b = (
        atoms.get_chemical_symbols(),
        random.uniform(0.5, 1, len(atoms)),
        random.uniform(0, 2, len(atoms)),
    )
    cluster = AtomicCluster(tuple(symbols), atoms.positions, own, own_b)
    exact = judge(symbols, atoms.positions, Q[::10], own, own_b + 0.7)
    assert local_error(intensity(cluster, Q[::10], b_iso=0.7), exact) <= 1e-8
    replaced = judge(symbols, atoms.positions, Q[::10], 0.4, own_b)
    assert local_error(intensity(cluster, Q[::10], occupancies=0.4), replaced) <= 1e-8


def test_an_occupancy_for_each_atom_of_a_lattice_is_met_too(sphere: Sphere, judge: Judge) -> None:
    particle = sphere(25.0, distorted=True)
    random = np.random.default_rng(8)
    occupancies, b_iso = random.uniform(0.3, 1, len(particle)), random.uniform(0, 2, len(particle))
    assert lattice_pairs(particle, occupancies, b_iso) is None
    found = intensity(particle, Q[::10], occupancies=occupancies, b_iso=b_iso)
    exact = judge(particle.atom_symbols, particle.positions, Q[::10], occupancies, b_iso)
    assert local_error(found, exact) <= 1e-8


def test_kinds_that_cut_across_the_regions_are_told_apart(sphere: Sphere, judge: Judge) -> None:
    particle = sphere(25.0, distorted=True)
    occupancies = np.where(particle.positions[:, 2] > 1.0, 0.9, 0.5)
    assert lattice_pairs(particle, occupancies, np.array(0.0)) is not None
    exact = judge(particle.atom_symbols, particle.positions, Q[::10], occupancies)
    assert local_error(intensity(particle, Q[::10], occupancies=occupancies), exact) <= 1e-8


def test_a_few_atoms_far_apart_on_a_lattice_do_not_fill_the_memory(judge: Judge) -> None:
    cells = np.array([[0, 0, 0], [1, 0, 0], [100_000, 100_000, 100_000]])
    sites = np.repeat(SITE, 3)
    particle = LatticeParticle(LatticePoints(cells, sites, sites), 0.02 * np.eye(3), ORIGIN[None], ("S",))
    spread = intensity(particle, Q[::10], occupancies=0.6)
    assert local_error(spread, judge(["S"] * 3, particle.positions, Q[::10], 0.6)) <= 1e-8


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"occupancies": 1.1}, "An occupancy is 1.1: "),
        ({"occupancies": {"Pb": 1.0, "S": -0.1}}, "An occupancy is -0.1: "),
        ({"occupancies": nan}, "An occupancy is nan: "),
        ({"occupancies": [1.0, 1.0]}, r"occupancies has the shape \(2,\): give one value, or one for each of 33 atoms"),
        ({"occupancies": {"Pb": 1.0}}, "occupancies is given for Pb: give one value for each of Pb, S"),
        ({"occupancies": {"Pb": 1.0, "S": 1.0, "Se": 1.0}}, "occupancies is given for Pb, S, Se: "),
        ({"occupancies": {}}, "occupancies is given for nothing: "),
        ({"occupancies": {16: 1.0}}, "occupancies is given for 16: "),
        ({"occupancies": "full"}, "occupancies has an entry that is not a number"),
        ({"b_iso": -0.5}, r"A displacement parameter B is -0.5 Å\^2: "),
        ({"b_iso": {"Pb": inf, "S": 1.0}}, r"A displacement parameter B is inf Å\^2: "),
        ({"b_iso": np.ones((33, 1))}, r"b_iso has the shape \(33, 1\): "),
        ({"q": []}, r"Q has the shape \(0,\): "),
        ({"q": [[1.0]]}, r"Q has the shape \(1, 1\): "),
        ({"q": [1.0, nan]}, "Q has a value that is negative or no number"),
        ({"q": [1.0, -1.0]}, "Q has a value that is negative or no number"),
        ({"q": [inf]}, "Q has a value that is negative or no number"),
        ({"q": [1.0, 501.0]}, "Q runs to 501 "),
        ({"q": ["a"]}, "Q has an entry that is not a number"),
        ({"q": [1j]}, "Q has an entry that is not a number"),
        ({"rtol": 1e-11}, "The relative tolerance is 1e-11: "),
        ({"rtol": 1.0}, "The relative tolerance is 1.0: "),
        ({"rtol": nan}, "The relative tolerance is nan: "),
        ({"energy_kev": 0.01}, "The photon energy is 0.01 keV: "),
        ({"energy_kev": 1000.0}, "The photon energy is 1000.0 keV: "),
        ({"energy_kev": nan}, "The photon energy is nan keV: "),
        ({"self_term": "cubic"}, "The self term is 'cubic': "),
        ({"radiation": "electron"}, "The radiation is 'electron': "),
        ({"ions": {"Se": "Se"}}, "ions is given for Se: the structure has Pb, S only"),
        ({"ions": {"S": "S2-"}}, "X-ray form factors of 'S2-' are not tabulated: "),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    general: bool, options: Mapping[str, Any], message: str, sphere: Sphere
) -> None:
    particle = sphere(12.0)
    structure = particle.to_atoms() if general else particle
    with pytest.raises(QdsimError, match=message) as error:
        intensity(structure, **{"q": [1.0], **options})
    assert "\n" not in str(error.value)


def test_there_is_no_structure_without_atoms(sphere: Sphere) -> None:
    nothing = LatticeParticle(
        LatticePoints(np.zeros((0, 3), np.int64), SITE[:0], SITE[:0]), np.eye(3), ORIGIN[None], ("S",)
    )
    with pytest.raises(QdsimError, match="no atoms"):
        intensity(nothing, [1.0])
    with pytest.raises(QdsimError, match="no chemical element"):
        intensity((["Xx"], [ORIGIN]), [1.0])
    for structure in (sphere(12.0), sphere(12.0).to_atoms()):
        with pytest.raises(QdsimError, match="All occupancies are zero"):
            structure_factor(structure, [1.0], occupancies=0.0)


def test_elements_on_one_site_exclude_each_other() -> None:
    mixed = AtomicCluster(("Pb", "S"), np.zeros((2, 3)), np.array([0.6, 0.4]), np.zeros(2))
    alone = [xraydb.f0(symbol, Q / (4 * np.pi)) ** 2 for symbol in mixed.symbols]
    np.testing.assert_allclose(intensity(mixed, Q), 0.6 * alone[0] + 0.4 * alone[1], rtol=1e-9)


@pytest.mark.parametrize("step", [0.0, 0.004, 0.02, 0.1])
def test_places_of_one_atom_exclude_each_other(step: float) -> None:
    corners = step * np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    centres = np.array([[0, 0, 0], [3.0, 0, 0]])
    split = AtomicCluster(("Pb",) * 16, (centres[:, None] + corners).reshape(-1, 3), np.full(16, 1 / 8), np.zeros(16))
    apart = np.linalg.norm((centres[1] + corners)[:, None] - corners, axis=2)
    f = xraydb.f0("Pb", Q / (4 * np.pi))
    wanted = 2 * f**2 * (1 + np.sinc(np.multiply.outer(Q, apart) / np.pi).mean(axis=(1, 2)))
    np.testing.assert_allclose(intensity(split, Q), wanted, rtol=1e-8)
