import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qdsim.debye.models import NanocrystalModel
from qdsim.debye.particles import CLASSES, LIKE, UNLIKE, ParticleLibrary, SizedParticle
from qdsim.structures import RhombohedralState, cut_rocksalt

EDGE = 5.936

shapes = st.sampled_from(["sphere", "cube", "octahedron", "cuboctahedron", "truncated_octahedron"])
centres = st.sampled_from(["cation", "anion", "bond", "void"])
elongations = st.sampled_from([1.0, 0.8, 1.3])


def model_of(shape: str, centre: str, elongation: float, diameter: float, shell: float) -> NanocrystalModel:
    return NanocrystalModel(
        diameter=diameter, shape=shape, centre=centre, elongation=elongation, axis=(0, 1, 1), shell_thickness=shell
    )


def library_of(model: NanocrystalModel) -> ParticleLibrary:
    return ParticleLibrary(model.body(), model.centre, model.lattice_constant)


def atoms_by_class(model: NanocrystalModel, diameter: float) -> list[int]:
    points = model.particle(diameter).points
    return [int(count) for count in np.bincount(2 * points.sites + points.regions, minlength=len(CLASSES))]


def one_size(library: ParticleLibrary, diameter: float, shell: float) -> SizedParticle:
    return library.particle(*library.size(diameter, shell), shell)


@settings(max_examples=30, deadline=None)
@example("sphere", "cation", 1.0, 8.0, 4.0)
@given(shapes, centres, elongations, st.floats(8, 30), st.sampled_from([0.0, 2.0, 4.0]))
def test_a_particle_of_any_size_has_the_atoms_that_are_cut(
    shape: str, centre: str, elongation: float, diameter: float, shell: float
) -> None:
    model = model_of(shape, centre, elongation, diameter, shell)
    assert one_size(library_of(model), diameter, shell).atoms.tolist() == atoms_by_class(model, diameter)


def test_pairs_of_a_particle_are_all_there() -> None:
    model = model_of("sphere", "cation", 1.0, 26.0, 4.0)
    particle = one_size(library_of(model), 26.0, 4.0)
    for (first, second), pairs in particle.pairs.items():
        assert (pairs.counts >= 0).all()
        for (a, b), counted in zip(pairs.classes.tolist(), pairs.counts, strict=True):
            of_a, of_b = particle.atoms[a], particle.atoms[b]
            expected = of_a * (of_a - 1) if a == b else 2 * of_a * of_b
            assert counted.sum() == expected
        assert {2 * first, 2 * first + 1} >= set(pairs.classes[:, 0].tolist())
        assert {2 * second, 2 * second + 1} >= set(pairs.classes[:, 1].tolist())


def test_vectors_on_the_common_lists_are_those_of_the_pairs() -> None:
    model = model_of("cube", "void", 1.0, 20.0, 0.0)
    library = library_of(model)
    one_size(library, 12.0, 0.0)  # so that the larger particle has old and new vectors
    particle = one_size(library, 20.0, 0.0)
    cell = RhombohedralState.from_lattice_constant(EDGE).cell
    cut = cut_rocksalt("Pb", "S", RhombohedralState.from_lattice_constant(EDGE), "cube", 20.0, centre="void")
    lead, sulfur = (cut.positions[cut.points.sites == site] for site in (0, 1))
    for sites, which, shift, (first, second) in (
        ((0, 0), LIKE, 0.0, (lead, lead)),
        ((0, 1), UNLIKE, -0.5, (lead, sulfur)),
    ):
        pairs = particle.pairs[sites]
        found = np.linalg.norm((library.vectors(which)[pairs.places] + shift) @ cell, axis=1)
        distances = np.linalg.norm(first[:, None] - second, axis=2)
        for distance in np.unique(np.round(found, 6)):
            counted = pairs.counts[:, np.abs(found - distance) < 1e-5].sum()
            both_orders = 1 if first is second else 2
            assert counted == both_orders * np.count_nonzero(np.abs(distances - distance) < 1e-5)


def test_particles_are_counted_once() -> None:
    model = model_of("sphere", "anion", 1.0, 20.0, 3.0)
    library = library_of(model)
    first = one_size(library, 20.0, 3.0)
    vectors = library.vectors(LIKE).copy()
    assert one_size(library, 20.0, 3.0) is first
    one_size(library, 28.0, 3.0)
    np.testing.assert_array_equal(library.vectors(LIKE)[: len(vectors)], vectors)


@pytest.mark.parametrize("largest", [20.0, 60.0])
def test_sizes_do_not_depend_on_what_was_asked_before(largest: float) -> None:
    fresh, used = (library_of(model_of("cuboctahedron", "bond", 1.0, 20.0, 2.0)) for _ in range(2))
    used.size(largest, 2.0)
    assert used.size(25.0, 2.0) == fresh.size(25.0, 2.0)


def test_growth_is_counted_anew_only_where_the_last_one_does_not_serve() -> None:
    library = library_of(model_of("sphere", "cation", 1.0, 20.0, 0.0))
    grown = library.grown(15.0, 25.0, 0.05, 1.1, 100.0)
    assert grown.smallest < 15.0
    assert grown.largest > 25.0
    assert library.grown(14.0, 26.0, 0.1, 1.1, 100.0) is grown
    assert library.grown(14.0, 26.0, 0.05 / 2, 1.1, 100.0) is not grown
    wider = library.grown(14.0, 40.0, 0.05, 1.1, 41.0)
    assert wider is not grown
    assert wider.largest == 41.0
