"""Triangulated spheres, rods and arrows for the drawing of cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_ROD_SIDES = 12
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True)
class Solid:
    """A triangulated surface: vertices (n, 3) in Å and triangles (m, 3) of vertex indices, seen from outside."""

    vertices: FloatArray
    triangles: IntArray


def merge(solids: Iterable[Solid]) -> Solid:
    """Join surfaces into one; an empty surface for none."""
    vertices: list[FloatArray] = [np.empty((0, 3))]
    triangles: list[IntArray] = [np.empty((0, 3), dtype=np.int64)]
    count = 0
    for solid in solids:
        vertices.append(solid.vertices)
        triangles.append(solid.triangles + count)
        count += len(solid.vertices)
    return Solid(np.vstack(vertices), np.vstack(triangles))


def unit_sphere(points: int) -> Solid:
    """Return a unit sphere of evenly spread vertices (a Fibonacci lattice and its convex hull)."""
    index = np.arange(points)
    height = 1 - (2 * index + 1) / points
    angle = _GOLDEN_ANGLE * index
    ring = np.sqrt(1 - height**2)
    vertices = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])
    triangles = ConvexHull(vertices).simplices.astype(np.int64)
    first, second, third = (vertices[triangles[:, corner]] for corner in range(3))
    inward = np.einsum("ij,ij->i", np.cross(second - first, third - first), first) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    return Solid(vertices, triangles)


def spheres(centres: FloatArray, radius: float, points: int) -> Solid:
    """Return spheres of one radius (Å) at the centres, shape (n, 3)."""
    sphere = unit_sphere(points)
    return merge(Solid(radius * sphere.vertices + centre, sphere.triangles) for centre in centres)


def rod(start: FloatArray, end: FloatArray, start_radius: float, end_radius: float) -> Solid:
    """Return an open tube between two points; a cone when one radius is zero."""
    along = (end - start) / np.linalg.norm(end - start)
    across = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    across /= np.linalg.norm(across)
    angles = 2 * np.pi * np.arange(_ROD_SIDES) / _ROD_SIDES
    ring = np.outer(np.cos(angles), across) + np.outer(np.sin(angles), np.cross(along, across))
    vertices = np.vstack([start + start_radius * ring, end + end_radius * ring])
    near = np.arange(_ROD_SIDES)
    following = (near + 1) % _ROD_SIDES
    triangles = np.vstack(
        [
            np.column_stack([near, following, near + _ROD_SIDES]),
            np.column_stack([following, following + _ROD_SIDES, near + _ROD_SIDES]),
        ]
    )
    return Solid(vertices, triangles.astype(np.int64))


def rods(ends: Sequence[tuple[FloatArray, FloatArray]], radius: float) -> Solid:
    """Return tubes of one radius (Å) between pairs of points."""
    return merge(rod(start, end, radius, radius) for start, end in ends)


def arrow(start: FloatArray, end: FloatArray, radius: float) -> Solid:
    """Return an arrow whose shaft has the given radius (Å); the head takes up to 40 % of its length."""
    length = float(np.linalg.norm(end - start))
    head = min(6 * radius, 0.4 * length)
    neck = end - head * (end - start) / length
    return merge(
        [
            rod(start, neck, radius, radius),
            rod(neck, neck + 1e-3 * (end - start), radius, 2.6 * radius),
            rod(neck, end, 2.6 * radius, 0.0),
        ]
    )
