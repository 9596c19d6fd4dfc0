"""Convex bodies that crystals are cut to: spheres, polyhedra of cubic facets, and what they become when elongated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations, product
from math import gcd, inf, isfinite, pi, sqrt
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BOUNDARY = 1e-9
"""A point further outside than this (in diameters) is outside: atoms on a facet belong to the body however their
coordinates were rounded."""

SHAPES: dict[str, tuple[tuple[str, float], ...]] = {
    "sphere": (),
    "cube": (("100", 1.0),),
    "octahedron": (("111", 1.0),),
    "cuboctahedron": (("100", 1.0), ("111", 2 / sqrt(3))),
    "truncated_octahedron": (("100", 1.0), ("111", sqrt(3) / 2)),
    "rhombic_dodecahedron": (("110", 1.0),),
    "rhombicuboctahedron": (("100", 1.0), ("110", 1.0), ("111", (3 + sqrt(2)) / (sqrt(3) * (1 + sqrt(2))))),
}
"""Named bodies: families of facets and the relative distances of their planes from the centre. The polyhedra with
facets of two or three kinds are the Archimedean solids, whose edges are all of one length."""


class _Polyhedron(NamedTuple):
    """A polyhedron of diameter 1.

    Attributes
    ----------
    normals
        Unit normals of its planes, one of each pair of opposite ones, shape (n, 3).
    distances
        Distances of these planes from the centre, shape (n,).
    vertices
        Shape (v, 3).
    triangles
        Indices of the vertices of triangles that make up the surface, shape (t, 3).
    """

    normals: FloatArray
    distances: FloatArray
    vertices: FloatArray
    triangles: npt.NDArray[np.int32]


def _family(facet: str) -> tuple[int, int, int]:
    """Read the Miller indices of a family of facets, in the one order and sign that stands for all its members."""
    match = re.fullmatch(r"\{?(-?\d) ?(-?\d) ?(-?\d)\}?", facet)
    indices = sorted((abs(int(index)) for index in match.groups()), reverse=True) if match else [0, 0, 0]
    if indices == [0, 0, 0]:
        raise QdsimError(f"{facet!r} is no family of facets: give three Miller indices such as '100' or '311'.")
    first, second, third = (index // gcd(*indices) for index in indices)
    return first, second, third


def _normals(facet: str) -> FloatArray:
    """Return the unit normals of a family under m-3m, one of each pair of opposite ones, shape (n, 3)."""
    members = {
        tuple(sign * index for sign, index in zip(signs, indices, strict=True))
        for indices in permutations(_family(facet))
        for signs in product((1, -1), repeat=3)
    }
    half = np.array(sorted(member for member in members if member > (0, 0, 0)), dtype=float)
    return np.asarray(half / np.linalg.norm(half[0]))


@dataclass(frozen=True)
class Shape:
    """A convex body around the origin of the Cartesian frame, of any size.

    Facets are named by Miller indices in the cubic axes x, y, z: the conventional cell of a cubic crystal has its
    rows along them. Each family stands for all its members under m-3m. All sizes are told by the `diameter`: that
    of the sphere of the same volume, Å.

    Parameters
    ----------
    facets
        Families such as ``("100", 1.0), ("111", 1.1)`` and the distances of their planes from the centre, or
        their surface energies (Wulff): only the ratios matter. Planes too far out to be facets are ignored. Without
        any, the body is a sphere.
    elongation
        Factor by which the body is longer along `axis`, relative to its extent across it; below 1 it is flattened.
        The volume stays: the body is scaled by elongation^(2/3) along the axis and elongation^(-1/3) across it.
        Facets then keep their Miller indices only along the axis and across it.
    axis
        Direction of the elongation, Cartesian.

    Raises
    ------
    QdsimError
        If a family is not three Miller indices or named twice, or a number is not positive and finite.
    """

    facets: tuple[tuple[str, float], ...] = ()
    elongation: float = 1.0
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse what is no body."""
        families = [_family(facet) for facet, _ in self.facets]
        for (facet, distance), family in zip(self.facets, families, strict=True):
            if not (isfinite(distance) and distance > 0):
                raise QdsimError(f"The distance of the facets {facet} is {distance}: give a positive number.")
            if families.count(family) > 1:
                raise QdsimError(f"The facets {facet} are among the facets of the shape twice: name each family once.")
        if not (isfinite(self.elongation) and self.elongation > 0):
            raise QdsimError(f"The elongation is {self.elongation}: give a positive number, 1 for none.")
        if np.shape(self.axis) != (3,) or not 0 < np.linalg.norm(self.axis) < inf:
            raise QdsimError(f"The axis of elongation is {self.axis}: give a direction such as (0, 0, 1).")

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Make one of the bodies in `SHAPES`.

        Raises
        ------
        QdsimError
            If there is none of that name.
        """
        if name not in SHAPES:
            raise QdsimError(f"Unknown shape {name!r}: use {', '.join(SHAPES)}, or give families of facets.")
        return cls(SHAPES[name])

    @classmethod
    def from_facets(cls, facets: Mapping[str, float]) -> Self:
        """Make the polyhedron of families of facets, such as ``{"100": 1.0, "111": 1.1}``.

        Raises
        ------
        QdsimError
            If there are none, or as for `Shape`.
        """
        if not facets:
            raise QdsimError("The shape has no facets: give at least one family such as {'100': 1.0}.")
        return cls(tuple(facets.items()))

    def elongated(self, factor: float, axis: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Self:
        """Return the body with another `elongation` and `axis`."""
        return replace(self, elongation=factor, axis=axis)

    @cached_property
    def _axis(self) -> FloatArray:
        return np.asarray(np.array(self.axis) / np.linalg.norm(self.axis))

    @cached_property
    def _stretch(self) -> FloatArray:
        """Symmetric matrix of the elongation, determinant 1, shape (3, 3)."""
        along = np.outer(self._axis, self._axis)
        return np.asarray(self.elongation ** (-1 / 3) * (np.eye(3) + (self.elongation - 1) * along))

    @cached_property
    def _semi_axes(self) -> tuple[float, float]:
        """Of the ellipsoid of diameter 1: along the axis and across it."""
        return self.elongation ** (2 / 3) / 2, self.elongation ** (-1 / 3) / 2

    @cached_property
    def _polyhedron(self) -> _Polyhedron:
        from scipy.spatial import ConvexHull, HalfspaceIntersection

        nearest = min(distance for _, distance in self.facets)
        families = [(_normals(facet), distance / nearest) for facet, distance in self.facets]
        normals = np.concatenate([members for members, _ in families])
        distances = np.concatenate([np.full(len(members), distance) for members, distance in families])
        planes = np.column_stack([np.concatenate([normals, -normals]), -np.tile(distances, 2)])
        vertices = HalfspaceIntersection(planes, np.zeros(3)).intersections
        hull = ConvexHull(vertices)
        scale = (pi / 6 / hull.volume) ** (1 / 3)
        # A plane n·x = d becomes the plane n·T⁻¹·x = d under the stretch T.
        stretched = normals @ np.linalg.inv(self._stretch)
        lengths = np.linalg.norm(stretched, axis=1)
        return _Polyhedron(
            normals=stretched / lengths[:, None],
            distances=scale * distances / lengths,
            vertices=scale * vertices @ self._stretch,
            triangles=hull.simplices,
        )

    @cached_property
    def extent(self) -> float:
        """Radius of the circumscribed sphere around the centre, in diameters (1/2 for the sphere)."""
        if not self.facets:
            return max(self._semi_axes)
        return float(np.linalg.norm(self._polyhedron.vertices, axis=1).max())

    def reach(self, directions: npt.ArrayLike) -> FloatArray:
        """Largest projections of the body of diameter 1 on vectors: its support function.

        Parameters
        ----------
        directions
            Vectors of any length, shape (n, 3).

        Returns
        -------
        ndarray, shape (n,)
            max over the body of the scalar product x·direction.
        """
        directions = np.asarray(directions, dtype=float)
        if not self.facets:
            return np.asarray(np.linalg.norm(directions @ self._stretch, axis=1) / 2)
        return np.asarray((directions @ self._polyhedron.vertices.T).max(axis=1))

    def volume(self, diameter: float) -> float:
        """Volume, Å^3: that of the sphere of this diameter (Å)."""
        _check_diameter(diameter)
        return pi / 6 * diameter**3

    def surface_area(self, diameter: float) -> float:
        """Area of the surface, Å^2.

        That of the ellipsoid is 4 pi R_G(a²b², a²c², b²c²) with Carlson's symmetric integral R_G (DLMF 19.33.1).

        Parameters
        ----------
        diameter
            Of the sphere of the same volume, Å.

        Raises
        ------
        QdsimError
            If the diameter is not positive and finite.
        """
        from scipy.special import elliprg

        _check_diameter(diameter)
        if not self.facets:
            along, across = self._semi_axes
            return float(4 * pi * elliprg((along * across) ** 2, (along * across) ** 2, across**4)) * diameter**2
        first, second, third = np.moveaxis(self._polyhedron.vertices[self._polyhedron.triangles], 1, 0)
        doubled = np.linalg.norm(np.cross(second - first, third - first), axis=1)
        return float(doubled.sum()) / 2 * diameter**2

    def contains(self, points: npt.ArrayLike, diameter: float, inset: float = 0.0) -> BoolArray:
        """Tell which points are inside the body or on its boundary.

        A point counts as on the boundary up to `BOUNDARY` diameters outside, so that it does not depend on rounding
        whether an atom on a facet belongs to the body.

        Parameters
        ----------
        points
            Cartesian, from the centre of the body, Å, shape (n, 3).
        diameter
            Of the sphere of the same volume, Å.
        inset
            Distance by which all facets are moved inwards, Å; the semi-axes of an ellipsoid are shortened by it.
            When nothing of the body is left there is nothing inside.

        Returns
        -------
        ndarray of bool, shape (n,)

        Raises
        ------
        QdsimError
            If the diameter is not positive and finite, or the inset negative or not a number.
        """
        _check_diameter(diameter)
        if not inset >= 0:
            raise QdsimError(f"The inset is {inset} Å: give a number that is not negative.")
        points = np.asarray(points, dtype=float)
        tolerance = BOUNDARY * diameter
        inner = diameter * (self._polyhedron.distances if self.facets else np.array(self._semi_axes)) - inset
        if inner.min() <= tolerance:
            return np.zeros(len(points), dtype=bool)
        limits = inner + tolerance
        if self.facets:
            return np.asarray((np.abs(self._polyhedron.normals @ points.T) <= limits[:, None]).all(axis=0))
        along = points @ self._axis
        across_squared = np.einsum("ij,ij->i", points, points) - along**2
        return np.asarray((along / limits[0]) ** 2 + across_squared / limits[1] ** 2 <= 1)

    @property
    def is_similar_inside(self) -> bool:
        """Whether the body is of the same shape when its facets are moved inwards."""
        if not self.facets:
            return self.elongation == 1
        return bool(np.ptp(self._polyhedron.distances) < BOUNDARY)

    def smallest_diameters(self, points: npt.ArrayLike, inset: float = 0.0) -> FloatArray:
        """Return the diameters from which on points are inside: `contains` as a function of the diameter.

        Parameters
        ----------
        points
            Cartesian, from the centre of the body, Å, shape (n, 3).
        inset
            Distance by which all facets are moved inwards, Å, see `contains`.

        Returns
        -------
        ndarray, shape (n,)
            Å.
        """
        points = np.asarray(points, dtype=float)
        if self.facets:
            polyhedron = self._polyhedron
            depths = (np.abs(polyhedron.normals @ points.T) + inset) / polyhedron.distances[:, None]
            return np.asarray(depths.max(axis=0))
        if self.elongation == 1:
            return np.asarray(2 * (np.linalg.norm(points, axis=1) + inset))
        from scipy.optimize.elementwise import find_root

        semi_axes = np.array(self._semi_axes)
        distances = np.linalg.norm(points, axis=1)
        along = np.abs(points @ self._axis)
        across = np.sqrt(np.maximum(distances**2 - along**2, 0))

        def outside(diameter: FloatArray, along: FloatArray, across: FloatArray) -> FloatArray:
            inner = np.maximum(diameter * semi_axes[:, None] - inset, 1e-12)
            return np.asarray(np.hypot(along / inner[0], across / inner[1]) - 1)

        nearest = inset / semi_axes.min() + 0 * distances
        bracket = (nearest, (distances + inset) / semi_axes.min() + 1e-9)
        found = find_root(outside, bracket, args=(along, across))
        return np.asarray(
            np.where(found.success, found.x, nearest)
        )  # at the centre, and on the axis, points are inside at once


def _check_diameter(diameter: float) -> None:
    if not (isfinite(diameter) and diameter > 0):
        raise QdsimError(f"The diameter is {diameter} Å: give a positive number.")
