from collections.abc import Sequence
from itertools import permutations, product
from math import inf, nan, pi
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal as space_group_crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from qdsim.errors import QdsimError
from qdsim.structures import (
    CENTRES,
    POLAR_AXIS,
    SHAPES,
    LatticeParticle,
    LatticePoints,
    RhombohedralState,
    Shape,
    cut_crystal,
    cut_rocksalt,
    measure_distortion,
)

PBS = RhombohedralState.from_lattice_constant(5.936)
CUBIC_GROUP = [
    np.diag(signs) @ np.eye(3)[list(order)] for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]
TETRAHEDRAL_GROUP = [
    operation for operation in CUBIC_GROUP if np.prod(operation.sum(axis=0)) > 0
]  # -43m: permutations with an even number of changed signs

names = st.sampled_from(sorted(SHAPES))
atom_centres = st.sampled_from(["cation", "anion"])
states = st.builds(RhombohedralState, volume=st.just(PBS.volume), alpha=st.floats(55, 65), offset=st.floats(-0.5, 0.5))


def assert_same_atoms(found: Atoms, expected: Atoms) -> None:
    """Compare two sets of atoms in any order."""
    assert len(found) == len(expected)
    distances, nearest = cKDTree(expected.positions).query(found.positions)
    assert distances.max() < 1e-9
    assert len(set(nearest)) == len(found)
    assert (expected.numbers[nearest] == found.numbers).all()


@pytest.mark.parametrize("centre", ["cation", "anion"])
@pytest.mark.parametrize("a", [5.930, 5.936, 5.940])
@pytest.mark.parametrize(("diameter", "n_atoms"), [(32.0, 691), (50.0, 2517), (77.0, 9093)])
def test_the_number_of_atoms_in_spheres_of_lead_sulfide(centre: str, a: float, diameter: float, n_atoms: int) -> None:
    state = RhombohedralState.from_lattice_constant(a)
    assert len(cut_rocksalt("Pb", "S", state, "sphere", diameter, centre=centre)) == n_atoms


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_magic_numbers_of_cubes_and_octahedra(n: int) -> None:
    """A cube of 2n bonds along its edge has (2n+1)^3 atoms; a n-octahedron the sum of |i|+|j|+|k| <= n points."""
    side = 2 * n * 5.936 / 2
    cube = cut_rocksalt("Pb", "S", PBS, "cube", (6 / pi) ** (1 / 3) * side)
    assert len(cube) == (2 * n + 1) ** 3
    octahedron = cut_rocksalt("Pb", "S", PBS, "octahedron", (8 / pi) ** (1 / 3) * n * 5.936)
    m = 2 * n
    assert len(octahedron) == (2 * m + 1) * (2 * m**2 + 2 * m + 3) // 3


@settings(deadline=None, max_examples=30)
@given(names, atom_centres, st.floats(6.0, 40.0))
def test_particles_around_an_atom_have_the_symmetry_of_the_cube(name: str, centre: str, diameter: float) -> None:
    atoms = cut_rocksalt("Pb", "S", PBS, name, diameter, centre=centre).to_atoms()
    for operation in CUBIC_GROUP:
        turned = atoms.copy()
        turned.positions = atoms.positions @ operation
        assert_same_atoms(turned, atoms)


def test_a_particle_around_a_void_is_tetrahedral() -> None:
    atoms = cut_rocksalt("Pb", "S", PBS, "sphere", 30.0, centre="void").to_atoms()
    for operation in CUBIC_GROUP:
        turned = atoms.copy()
        turned.positions = atoms.positions @ operation
        nearest = cKDTree(atoms.positions).query(turned.positions)[1]
        same_elements = (atoms.numbers[nearest] == turned.numbers).all()
        assert same_elements == any(np.array_equal(operation, other) for other in TETRAHEDRAL_GROUP)


@pytest.mark.parametrize(
    ("centre", "nearest"),
    [("cation", ["Pb"]), ("anion", ["S"]), ("bond", ["Pb", "S"]), ("void", ["Pb"] * 4 + ["S"] * 4)],
)
def test_what_is_at_the_centre(centre: str, nearest: list[str]) -> None:
    particle = cut_rocksalt("Pb", "S", PBS, "sphere", 30.0, centre=centre)
    distances = np.linalg.norm(particle.positions, axis=1)
    at_centre = np.flatnonzero(distances < distances.min() + 1e-9)
    assert [particle.atom_symbols[atom] for atom in at_centre] == nearest


@pytest.mark.parametrize("name", CENTRES)
def test_named_centres_are_points_of_the_conventional_cell(name: str) -> None:
    named, given_point, equivalent = (
        cut_rocksalt("Pb", "S", PBS, "cube", 30.0, centre=centre)
        for centre in (name, CENTRES[name], tuple(np.add(CENTRES[name], [3, -2, 0])))
    )
    assert_same_atoms(given_point.to_atoms(), named.to_atoms())
    assert_same_atoms(equivalent.to_atoms(), named.to_atoms())


@pytest.mark.parametrize("name", SHAPES)
def test_the_mean_volume_over_all_centres_is_that_of_the_shape(name: str) -> None:
    centres = np.random.default_rng(5).random((100, 3))
    numbers = [len(cut_rocksalt("Pb", "S", PBS, name, 40.0, centre=centre)) for centre in centres]
    assert np.mean(numbers) * PBS.volume / 2 == pytest.approx(pi / 6 * 40.0**3, rel=0.02)


@pytest.mark.parametrize(
    ("name", "normal", "in_plane"),
    [("cube", (1, 0, 0), 11 * 11), ("octahedron", (1, 1, 1), 10 * 11 // 2), ("rhombic_dodecahedron", (1, 1, 0), 41)],
)
def test_the_outermost_atoms_are_on_facets(name: str, normal: Sequence[int], in_plane: int) -> None:
    particle = cut_rocksalt("Pb", "S", PBS, name, 40.0)
    for operation in CUBIC_GROUP:
        heights = particle.positions @ operation @ normal
        assert (heights > heights.max() - 1e-6).sum() == in_plane


def test_the_111_facets_of_rock_salt_are_of_one_element() -> None:
    particle = cut_rocksalt("Pb", "S", PBS, "octahedron", 40.0)
    heights = particle.positions.sum(axis=1)
    assert len({particle.atom_symbols[atom] for atom in np.flatnonzero(heights > heights.max() - 1e-6)}) == 1


@settings(deadline=None, max_examples=30)
@given(states, names, st.sampled_from(sorted(CENTRES)))
def test_angle_and_offset_do_not_change_which_atoms_there_are(state: RhombohedralState, name: str, centre: str) -> None:
    distorted = cut_rocksalt("Pb", "S", state, name, 30.0, centre=centre, shell_thickness=4.0)
    ideal = cut_rocksalt("Pb", "S", PBS, name, 30.0, centre=centre, shell_thickness=4.0)
    for attribute in ("cells", "sites", "regions"):
        np.testing.assert_array_equal(getattr(distorted.points, attribute), getattr(ideal.points, attribute))
    redone = ideal.with_state(state)
    assert redone.points is ideal.points
    np.testing.assert_allclose(redone.positions, distorted.positions, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(states)
def test_the_atoms_are_those_of_the_periodic_crystal(state: RhombohedralState) -> None:
    particle = cut_rocksalt("Pb", "S", state, "cuboctahedron", 25.0, centre="anion")
    matrix = [16, 16, 16]
    periodic = state.to_atoms("Pb", "S", np.diag(matrix))
    fractional = (particle.positions + 8 * state.cell.sum(axis=0)) @ np.linalg.inv(periodic.cell.array)
    assert (fractional > 0).all()
    assert (fractional < 1).all()
    distances, nearest = cKDTree(periodic.positions).query(fractional @ periodic.cell.array)
    assert distances.max() < 1e-9
    assert [periodic.symbols[atom] for atom in nearest] == particle.atom_symbols


def test_the_distortion_of_a_particle_is_measured_in_its_bonds() -> None:
    state = RhombohedralState(PBS.volume, 59.5, 0.12)
    atoms = cut_rocksalt("Pb", "S", state, "sphere", 20.0).to_atoms()
    assert not atoms.pbc.any()
    lengths, neighbours = cKDTree(atoms.positions).query(atoms.positions[atoms.symbols == "Pb"][0:40], k=7)
    whole = lengths[:, -1] < 3.2
    assert whole.any()
    expected = measure_distortion(state.to_atoms("Pb", "S"))
    assert lengths[whole, 1:4].mean() == pytest.approx(expected.bond_short, abs=1e-9)
    assert lengths[whole, 4:7].mean() == pytest.approx(expected.bond_long, abs=1e-9)
    assert neighbours.shape == lengths.shape


def test_the_offset_moves_the_cations_along_111() -> None:
    ideal = cut_rocksalt("Pb", "S", PBS, "sphere", 20.0)
    polar = ideal.with_state(RhombohedralState(PBS.volume, offset=0.1))
    moved = polar.positions - ideal.positions
    cations = ideal.points.sites == 0
    np.testing.assert_allclose(moved[cations], np.tile(0.1 * POLAR_AXIS, (cations.sum(), 1)), atol=1e-12)
    np.testing.assert_allclose(moved[~cations], 0, atol=1e-12)


def test_a_strained_lattice_keeps_the_points() -> None:
    particle = cut_rocksalt("Pb", "S", PBS, "cube", 20.0)
    shear = np.array([[1, 0.02, 0], [0, 1, 0], [0, 0, 1.01]])
    strained = particle.with_lattice(particle.cell @ shear, particle.basis)
    assert strained.points is particle.points
    np.testing.assert_allclose(strained.positions, particle.positions @ shear, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(names, st.floats(10.0, 40.0), st.floats(0.0, 25.0), atom_centres)
def test_core_and_shell(name: str, diameter: float, thickness: float, centre: str) -> None:
    shape = Shape.from_name(name)
    whole = cut_rocksalt("Pb", "S", PBS, shape, diameter, centre=centre)
    layered = cut_rocksalt("Pb", "S", PBS, shape, diameter, centre=centre, shell_thickness=thickness)
    assert (whole.points.regions == 0).all()
    np.testing.assert_array_equal(layered.points.cells, whole.points.cells)
    core = shape.contains(whole.positions, diameter, thickness)
    np.testing.assert_array_equal(layered.points.regions == 0, core)
    assert set(layered.points.regions) <= {0, 1}


def test_the_core_of_a_sphere_is_the_smaller_sphere() -> None:
    particle = cut_rocksalt("Pb", "S", PBS, "sphere", 50.0, shell_thickness=9.0)
    np.testing.assert_array_equal(np.bincount(particle.points.regions), [691, 2517 - 691])
    assert (particle.to_atoms().get_tags() == particle.points.regions).all()


@pytest.mark.parametrize("thickness", [25.0, 1000.0, inf])
def test_a_shell_as_thick_as_the_radius_is_everything(thickness: float) -> None:
    particle = cut_rocksalt("Pb", "S", PBS, "sphere", 50.0, shell_thickness=thickness)
    assert (particle.points.regions == 1).all()


def test_an_elongated_particle_has_the_atoms_of_the_elongated_body() -> None:
    shape = Shape().elongated(2.0, (1, 1, 1))
    particle = cut_rocksalt("Pb", "S", PBS, shape, 50.0)
    assert len(particle) == pytest.approx(2517, rel=0.05)
    along = np.ptp(particle.positions @ POLAR_AXIS)
    across = np.ptp(particle.positions @ np.array([1, -1, 0]) / np.sqrt(2))
    assert along == pytest.approx(50 * 2 ** (2 / 3), abs=5.936)
    assert across == pytest.approx(50 * 2 ** (-1 / 3), abs=5.936)


def test_cations_come_first_and_each_element_in_the_order_of_its_cells() -> None:
    points = cut_rocksalt("Pb", "S", PBS, "sphere", 30.0).points
    keys = [(int(site), *map(int, cell)) for site, cell in zip(points.sites, points.cells, strict=True)]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


CRYSTALS = {
    "rock salt": bulk("PbS", "rocksalt", 5.936, cubic=True) * (2, 1, 1),
    "zinc blende": bulk("ZnS", "zincblende", 5.41),
    "wurtzite": bulk("ZnS", "wurtzite", a=3.81, c=6.23),
    "diamond": bulk("Si", "diamond", 5.43, cubic=True),
    "rutile": space_group_crystal(
        ["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.6, 4.6, 2.95, 90, 90, 90]
    ),
    "corundum": space_group_crystal(
        ["Al", "O"], [(0, 0, 0.352), (0.306, 0, 0.25)], spacegroup=167, cellpar=[4.76, 4.76, 12.99, 90, 90, 120]
    ),
    "baddeleyite": space_group_crystal(
        ["Zr", "O", "O"],
        [(0.275, 0.040, 0.208), (0.070, 0.332, 0.345), (0.449, 0.757, 0.480)],
        spacegroup=14,
        cellpar=[5.15, 5.21, 5.31, 90, 99.2, 90],
    ),
    "triclinic": Atoms("PbSTe", [[0, 0, 0], [1.5, 2, 2.5], [3, 0.5, 3.5]], cell=[4, 5, 6, 80, 70, 100], pbc=True),
}


def given_crystal(name: str, seed: int) -> Atoms:
    """Turn, shift and, for odd seeds, mirror the crystal."""
    rng = np.random.default_rng(seed)
    crystal: Atoms = CRYSTALS[name].copy()
    crystal.positions += rng.normal(size=3)
    rotation = Rotation.random(random_state=seed).as_matrix() * (-1) ** seed
    crystal.set_cell(crystal.cell.array @ rotation, scale_atoms=True)
    return crystal


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CRYSTALS)
def test_any_crystal_is_cut_as_it_lies(name: str, seed: int) -> None:
    crystal = given_crystal(name, seed)
    shape, diameter, centre = Shape.from_name("cube").elongated(1.3, (1, 0, 0)), 14.0, (0.1, 0.7, 0.35)
    particle = cut_crystal(crystal, shape, diameter, centre=centre)
    shifts = np.array(list(product(range(-8, 9), repeat=3))) - centre
    positions = ((shifts @ crystal.cell.array)[:, None] + crystal.positions).reshape(-1, 3)
    inside = shape.contains(positions, diameter)
    expected = Atoms(np.tile(crystal.numbers, len(shifts))[inside], positions[inside])
    assert_same_atoms(particle.to_atoms(), expected)


@pytest.mark.parametrize(("name", "n_sites"), [("rock salt", 2), ("diamond", 2), ("corundum", 10), ("triclinic", 3)])
def test_a_crystal_is_reduced_to_its_primitive_cell(name: str, n_sites: int) -> None:
    particle = cut_crystal(CRYSTALS[name], "sphere", 20.0)
    assert len(particle.symbols) == n_sites
    assert abs(np.linalg.det(particle.cell)) == pytest.approx(
        CRYSTALS[name].get_volume() * n_sites / len(CRYSTALS[name])
    )


@pytest.mark.parametrize("index", [0, 5])
def test_a_crystal_is_centred_on_an_atom(index: int) -> None:
    crystal = given_crystal("rock salt", 2)
    particle = cut_crystal(crystal, "sphere", 32.0, centre=index)
    assert len(particle) == 691
    nearest = int(np.linalg.norm(particle.positions, axis=1).argmin())
    np.testing.assert_allclose(particle.positions[nearest], 0, atol=1e-9)
    assert particle.atom_symbols[nearest] == crystal.symbols[index]


def test_both_ways_of_cutting_rock_salt_agree() -> None:
    special = cut_rocksalt("Pb", "S", PBS, "octahedron", 30.0, centre="anion", shell_thickness=3.0).to_atoms()
    conventional = PBS.to_atoms("Pb", "S", "conventional")
    general = cut_crystal(conventional, "octahedron", 30.0, centre=4, shell_thickness=3.0).to_atoms()
    assert_same_atoms(general, special)
    for region in (0, 1):
        assert_same_atoms(general[general.get_tags() == region], special[special.get_tags() == region])


def test_points_cannot_be_altered_and_are_known_by_identity() -> None:
    cells = np.zeros((1, 3), dtype=np.int64)
    points = LatticePoints(cells, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
    cells[0] = 7
    assert points.cells[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        points.cells[0, 0] = 1
    assert points != LatticePoints(points.cells, points.sites, points.regions)
    assert len({points, points}) == 1


def cut(shape: Any = "sphere", diameter: float = 30.0, cation: str = "Pb", **options: Any) -> LatticeParticle:
    return cut_rocksalt(cation, "S", PBS, shape, diameter, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cation": "S"}, "both S"),
        ({"cation": "Xx"}, "'Xx' is no element"),
        ({"shape": "ball"}, "Unknown shape 'ball'"),
        ({"diameter": 0.0}, "diameter is 0.0 Å"),
        ({"diameter": nan}, "diameter is nan Å"),
        ({"diameter": inf}, "diameter is inf Å"),
        ({"diameter": 5.9}, "below one cell of the crystal, 5.936 Å"),
        ({"diameter": 1e4}, "too many atoms"),
        ({"diameter": 1e300}, "too many atoms"),
        ({"centre": "middle"}, "Unknown centre 'middle': use cation, anion, bond, void"),
        ({"centre": (0, 0)}, "no point of the crystal"),
        ({"centre": (0, 0, nan)}, "no point of the crystal"),
        ({"centre": ("a", "b", "c")}, "no point of the crystal"),
        ({"shell_thickness": -1.0}, "shell thickness is -1.0 Å"),
        ({"shell_thickness": nan}, "shell thickness is nan Å"),
        ({"shape": Shape().elongated(1e-3), "diameter": 10.0, "centre": (0, 0, 0.2)}, "No atom is inside"),
    ],
)
def test_what_cannot_be_cut_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        cut(**arguments)


@pytest.mark.parametrize(
    ("crystal", "options", "message"),
    [
        (Atoms("PbS", [[0, 0, 0], [0, 0, 3]], cell=[6, 6, 6]), {}, "not periodic"),
        (Atoms(cell=[6, 6, 6], pbc=True), {}, "has no atoms"),
        (Atoms("PbS", [[0, 0, 0], [0, 0, 0.1]], cell=[6, 6, 6], pbc=True), {}, "on one place"),
        (CRYSTALS["diamond"], {"centre": 8}, "index from 0 to 7"),
        (CRYSTALS["diamond"], {"centre": -1}, "index from 0 to 7"),
        (CRYSTALS["diamond"], {"centre": (0, inf, 0)}, "no point of the crystal"),
        (CRYSTALS["diamond"], {"diameter": 3.0}, "below one cell"),
        (CRYSTALS["diamond"], {"shell_thickness": -0.1}, "shell thickness"),
    ],
)
def test_what_is_no_crystal_is_refused(crystal: Atoms, options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"shape": "sphere", "diameter": 20.0}
    with pytest.raises(QdsimError, match=message):
        cut_crystal(crystal, **arguments | options)


@pytest.mark.parametrize(
    "particle",
    [
        cut_crystal(CRYSTALS["zinc blende"], "sphere", 20.0),
        cut_crystal(CRYSTALS["wurtzite"], "sphere", 20.0),
        cut_rocksalt("Pb", "S", PBS, "sphere", 20.0).with_lattice(
            np.array([[1, 0, 0], [1, -1, 0], [1, 0, -1]]) @ PBS.cell, [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]
        ),
    ],
)
def test_a_rhombohedral_state_is_only_for_rock_salt(particle: LatticeParticle) -> None:
    with pytest.raises(QdsimError, match="not cut from the primitive rock-salt cell"):
        particle.with_state(PBS)


def particle_of(**changes: Any) -> LatticeParticle:
    points = LatticePoints(np.zeros((2, 3), dtype=int), np.array(changes.pop("sites", [0, 1])), np.zeros(2, dtype=int))
    values: dict[str, Any] = {
        "cell": np.eye(3),
        "basis": np.zeros((2, 3)),
        "symbols": ("Pb", "S"),
        "origin": np.zeros(3),
    }
    return LatticeParticle(points, **values | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": np.eye(2)}, "The cell of the particle"),
        ({"cell": np.ones((3, 3))}, "not linearly independent"),
        ({"basis": np.zeros((3, 3))}, "The basis of the particle"),
        ({"basis": np.full((2, 3), nan)}, "The basis of the particle"),
        ({"origin": np.array([0, 0, inf])}, "The origin of the particle"),
        ({"symbols": ("Pb", "X")}, "'X' is no element"),
        ({"sites": [0, 2]}, "not among the 2 given"),
        ({"sites": [0, -1]}, "not among the 2 given"),
        ({"sites": [0]}, "sites of 2 lattice points"),
    ],
)
def test_what_is_no_particle_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        particle_of(**changes)
