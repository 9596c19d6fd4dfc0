from itertools import permutations, product
from math import acos, atanh, pi, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdsim.errors import QdsimError
from qdsim.structures import SHAPES, Shape

# Volume, area and circumscribed radius of the solids with edges of length 1.
SOLIDS = {
    "cube": (1.0, 6.0, sqrt(3) / 2),
    "octahedron": (sqrt(2) / 3, 2 * sqrt(3), sqrt(2) / 2),
    "cuboctahedron": (5 * sqrt(2) / 3, 6 + 2 * sqrt(3), 1.0),
    "truncated_octahedron": (8 * sqrt(2), 6 + 12 * sqrt(3), sqrt(10) / 2),
    "rhombic_dodecahedron": (16 * sqrt(3) / 9, 8 * sqrt(2), 2 / sqrt(3)),
    "rhombicuboctahedron": (4 + 10 * sqrt(2) / 3, 18 + 2 * sqrt(3), sqrt(5 + 2 * sqrt(2)) / 2),
}
CUBIC_GROUP = [
    np.diag(signs) @ np.eye(3)[list(order)] for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]

names = st.sampled_from(sorted(SHAPES))
factors = st.floats(0.3, 3.0)
axes = st.sampled_from([(0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (0.2, -3.0, 1.7)])
shapes = st.builds(lambda name, factor, axis: Shape.from_name(name).elongated(factor, axis), names, factors, axes)


def some_points(n: int, side: float, seed: int = 1) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-side / 2, side / 2, (n, 3))


def facet_normals(facet: str) -> npt.NDArray[np.float64]:
    indices = np.array([int(index) for index in facet])
    members = np.unique(np.array([indices @ operation for operation in CUBIC_GROUP]), axis=0)
    return np.asarray(members / np.linalg.norm(indices))


@pytest.mark.parametrize("name", SOLIDS)
def test_the_named_polyhedra_are_the_regular_ones(name: str) -> None:
    volume, area, radius = SOLIDS[name]
    diameter = (6 * volume / pi) ** (1 / 3)
    shape = Shape.from_name(name)
    assert shape.volume(diameter) == pytest.approx(volume, rel=1e-12)
    assert shape.surface_area(diameter) == pytest.approx(area, rel=1e-12)
    assert shape.extent * diameter == pytest.approx(radius, rel=1e-12)


def test_every_named_polyhedron_is_compared_with_its_solid() -> None:
    assert SOLIDS.keys() | {"sphere"} == SHAPES.keys()


@settings(deadline=None)
@given(shapes)
def test_the_diameter_is_that_of_the_sphere_of_equal_volume(shape: Shape) -> None:
    side = 2 * shape.extent
    share = shape.contains(some_points(40_000, side), 1.0).mean()
    expected = pi / 6 / side**3
    assert share == pytest.approx(expected, abs=6 * sqrt(expected / 40_000))


@settings(deadline=None)
@given(names, st.floats(1.0, 500.0))
def test_bodies_have_the_symmetry_of_the_cube(name: str, diameter: float) -> None:
    shape = Shape.from_name(name)
    points = some_points(500, 1.2 * diameter)
    inside = shape.contains(points, diameter)
    assert 0 < inside.sum() < len(points)
    for operation in CUBIC_GROUP:
        np.testing.assert_array_equal(shape.contains(points @ operation, diameter), inside)


@settings(deadline=None)
@given(names, factors)
def test_elongation_stretches_along_the_axis_only(name: str, factor: float) -> None:
    shape = Shape.from_name(name)
    ratios = shape.elongated(factor).reach(np.eye(3)) / shape.reach(np.eye(3))
    np.testing.assert_allclose(ratios, factor ** np.array([-1 / 3, -1 / 3, 2 / 3]), rtol=1e-12)


@settings(deadline=None)
@given(names, factors, axes)
def test_an_elongated_body_is_the_stretched_one(name: str, factor: float, axis: tuple[float, float, float]) -> None:
    direction = np.array(axis) / np.linalg.norm(axis)
    points = some_points(2_000, 1.5)
    stretched = (points + (factor - 1) * np.outer(points @ direction, direction)) * factor ** (-1 / 3)
    shape = Shape.from_name(name)
    np.testing.assert_array_equal(
        shape.elongated(factor, axis).contains(stretched, 1.0),
        shape.contains(points, 1.0),
    )


@pytest.mark.parametrize("factor", [2.0, 5.0])
def test_the_surface_of_ellipsoids(factor: float) -> None:
    along, across = factor ** (2 / 3) / 2, factor ** (-1 / 3) / 2
    eccentricity = sqrt(1 - (across / along) ** 2)
    prolate = 2 * pi * across**2 * (1 + along / (across * eccentricity) * acos(across / along))
    assert Shape().elongated(factor, (1, 1, 1)).surface_area(1.0) == pytest.approx(prolate, rel=1e-12)
    along, across = factor ** (-2 / 3) / 2, factor ** (1 / 3) / 2
    oblate = 2 * pi * across**2 * (1 + (1 - eccentricity**2) / eccentricity * atanh(eccentricity))
    assert Shape().elongated(1 / factor).surface_area(1.0) == pytest.approx(oblate, rel=1e-12)


def test_a_square_prism_is_an_elongated_cube() -> None:
    prism = Shape.from_name("cube").elongated(8.0)
    diameter = (6 * 8 / pi) ** (1 / 3)  # 1 x 1 x 8
    assert prism.surface_area(diameter) == pytest.approx(2 + 4 * 8, rel=1e-12)
    np.testing.assert_allclose(prism.reach(2 * np.eye(3)) * diameter, [1, 1, 8], rtol=1e-12)


@settings(deadline=None)
@given(shapes)
def test_no_body_has_less_surface_than_the_sphere(shape: Shape) -> None:
    assert shape.surface_area(3.0) >= Shape().surface_area(3.0) * (1 - 1e-12)
    assert Shape().surface_area(3.0) == pytest.approx(9 * pi, rel=1e-12)


@settings(deadline=None)
@given(shapes)
def test_reach_and_extent_bound_the_body(shape: Shape) -> None:
    directions = some_points(20, 2.0, seed=2)
    points = some_points(20_000, 2 * shape.extent)
    inside = points[shape.contains(points, 1.0)]
    highest = (inside @ directions.T).max(axis=0)
    assert (highest <= shape.reach(directions) * (1 + 1e-9)).all()
    assert np.linalg.norm(inside, axis=1).max() <= shape.extent * (1 + 1e-9)
    assert (shape.reach(directions) <= shape.extent * np.linalg.norm(directions, axis=1) * (1 + 1e-9)).all()


@settings(deadline=None)
@given(st.sampled_from(sorted(SOLIDS)), factors, axes, st.floats(0.0, 0.2))
def test_what_is_inside_an_inset_polyhedron_is_that_far_from_its_facets(
    name: str, factor: float, axis: tuple[float, float, float], inset: float
) -> None:
    shape = Shape.from_name(name).elongated(factor, axis)
    points = some_points(300, 2 * shape.extent)
    directions = some_points(200, 1.0, seed=2)
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    inner = points[shape.contains(points, 1.0, inset)]
    around = (inner[:, None] + inset * directions).reshape(-1, 3)
    assert shape.contains(around, 1.0).all()


@settings(deadline=None)
@given(st.sampled_from(["sphere", "cube", "rhombic_dodecahedron"]), st.floats(0.0, 0.5))
def test_the_inset_of_a_body_with_an_inscribed_sphere_is_a_smaller_one(name: str, inset: float) -> None:
    """Its facets are all at the distance 3 V / A from the centre."""
    shape = Shape.from_name(name)
    inradius = 3 * shape.volume(1.0) / shape.surface_area(1.0)
    points = some_points(2_000, 1.5)
    smaller = shape.contains(points, 1 - inset / inradius) if inset < inradius else np.zeros(2_000, dtype=bool)
    np.testing.assert_array_equal(shape.contains(points, 1.0, inset), smaller)


def test_the_inset_shortens_the_semi_axes_of_an_ellipsoid() -> None:
    shape = Shape().elongated(8.0)  # semi-axes 2, 1/4, 1/4 in diameters of 1
    ends = np.array([[0, 0, 1.9], [0, 0.15, 0]])
    assert shape.contains(ends, 1.0, 0.1).all()
    assert not shape.contains(ends * (1 + 1e-7), 1.0, 0.1).any()


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_is_inside_what_is_gone(name: str) -> None:
    shape = Shape.from_name(name)
    inradius = 3 * shape.volume(10.0) / shape.surface_area(10.0)
    for inset in (1.2 * inradius, 10.0, np.inf):
        assert not shape.contains(np.zeros((1, 3)), 10.0, inset).any()
    assert not Shape().contains(np.zeros((1, 3)), 10.0, 5.0).any()


@settings(deadline=None)
@given(
    st.sampled_from([("sphere", "321"), ("cube", "100"), ("octahedron", "111"), ("rhombic_dodecahedron", "110")]),
    st.floats(1.0, 500.0),
    st.integers(0, 2**32 - 1),
)
def test_points_on_the_boundary_are_inside_however_they_were_rounded(
    body: tuple[str, str], diameter: float, seed: int
) -> None:
    shape = Shape.from_name(body[0])
    inradius = 3 * shape.volume(diameter) / shape.surface_area(diameter)
    touching = inradius * facet_normals(body[1])
    rounding = np.random.default_rng(seed).uniform(-1e-12, 1e-12, touching.shape) * diameter
    assert shape.contains(touching + rounding, diameter).all()
    assert not shape.contains(touching * (1 + 1e-8) + rounding, diameter).any()


def test_atoms_exactly_on_the_boundary_belong_to_the_body() -> None:
    cube = Shape.from_name("cube")
    side = 0.1 * 3
    corners = np.array(list(product((-0.15, 0.15), repeat=3)))
    assert cube.contains(corners, (6 / pi) ** (1 / 3) * side).all()
    assert not cube.contains(corners * (1 + 1e-7), (6 / pi) ** (1 / 3) * side).any()


def test_the_wulff_construction() -> None:
    shape = Shape.from_facets({"100": 2.0, "111": 2.0 * 2 / sqrt(3)})
    assert shape.surface_area(1.0) == pytest.approx(Shape.from_name("cuboctahedron").surface_area(1.0), rel=1e-12)
    hidden = Shape.from_facets({"100": 1.0, "311": 7.0})
    assert hidden.surface_area(1.0) == pytest.approx(Shape.from_name("cube").surface_area(1.0), rel=1e-12)
    assert hidden.extent == pytest.approx(Shape.from_name("cube").extent, rel=1e-12)


@pytest.mark.parametrize(
    ("facet", "members"), [("100", 6), ("111", 8), ("110", 12), ("210", 24), ("211", 24), ("221", 24), ("321", 48)]
)
def test_a_family_has_all_its_members(facet: str, members: int) -> None:
    """The inscribed sphere touches each facet once: its normals are the directions of least reach."""
    shape = Shape.from_facets({facet: 1.0})
    normals = facet_normals(facet)
    assert len(normals) == members
    reach = shape.reach(normals)
    np.testing.assert_allclose(reach, 3 * shape.volume(1.0) / shape.surface_area(1.0), rtol=1e-12)


@pytest.mark.parametrize("facet", ["110", "-110", "0-1 1", "{110}", "220"])
def test_any_member_names_its_family(facet: str) -> None:
    points = some_points(500, 1.0)
    expected = Shape.from_name("rhombic_dodecahedron").contains(points, 1.0)
    np.testing.assert_array_equal(Shape.from_facets({facet: 3.0}).contains(points, 1.0), expected)


def test_shapes_with_the_same_numbers_are_equal() -> None:
    assert Shape.from_name("cube") == Shape.from_facets({"100": 1.0})
    assert len({Shape.from_name("cube"), Shape.from_facets({"100": 1.0}), Shape()}) == 2


@pytest.mark.parametrize(
    ("facets", "message"),
    [
        ({}, "has no facets"),
        ({"1000": 1.0}, "'1000' is no family of facets"),
        ({"abc": 1.0}, "'abc' is no family of facets"),
        ({"000": 1.0}, "'000' is no family of facets"),
        ({"100": 0.0}, "distance of the facets 100 is 0.0"),
        ({"100": float("nan")}, "distance of the facets 100 is nan"),
        ({"111": float("inf")}, "distance of the facets 111 is inf"),
        ({"100": 1.0, "0-10": 2.0}, "twice"),
    ],
)
def test_what_is_no_polyhedron_is_refused(facets: dict[str, float], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        Shape.from_facets(facets)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_elongation_is_refused(factor: float) -> None:
    with pytest.raises(QdsimError, match="elongation is"):
        Shape().elongated(factor)


@pytest.mark.parametrize("axis", [(0.0, 0.0, 0.0), (float("nan"), 0.0, 1.0), (float("inf"), 0.0, 1.0)])
def test_what_is_no_direction_is_refused(axis: tuple[float, float, float]) -> None:
    with pytest.raises(QdsimError, match="axis of elongation"):
        Shape().elongated(2.0, axis)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(QdsimError, match="'ball': use sphere, cube, octahedron, "):
        Shape.from_name("ball")


@pytest.mark.parametrize("diameter", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_diameter_is_refused(diameter: float) -> None:
    shape = Shape.from_name("cube")
    for measure in (shape.volume, shape.surface_area, lambda d: shape.contains(np.zeros((1, 3)), d)):
        with pytest.raises(QdsimError, match="diameter is"):
            measure(diameter)


@pytest.mark.parametrize("inset", [-0.1, float("nan")])
def test_an_impossible_inset_is_refused(inset: float) -> None:
    with pytest.raises(QdsimError, match="inset is"):
        Shape().contains(np.zeros((1, 3)), 10.0, inset)
