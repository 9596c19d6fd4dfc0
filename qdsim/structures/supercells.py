"""Supercells that suit vacancies: how far the images are, and what the k points miss."""

from collections.abc import Iterable, Sequence
from itertools import product
from math import pi

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.geometry import minkowski_reduce

from qdsim.errors import QdsimError
from qdsim.structures.rocksalt import Supercell, supercell_matrix

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SMALLEST_IMAGE_DISTANCE = 6.0
"""Å; about one lattice constant of PbS, at which a vacancy and its image have a neighbour in common."""
L_POINTS: IntArray = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
"""Twice the four L points in units of the reciprocal vectors of the primitive rhombohedral cell, shape (4, 3)."""
COARSEST_SPACING = 0.4
"""Å^-1, 2 pi included; coarser k meshes do not converge energies of lead chalcogenides to meV per atom."""
LARGEST_UNEVENNESS = 1.5
"""Ratio of the largest to the smallest spacing of k points along the axes of the reciprocal cell."""
LARGEST_MESH = 15
"""Of k points along one axis that is advised."""


def with_reduced_cell(atoms: Atoms) -> Atoms:
    """Span the lattice by its shortest vectors; in other cells the nearest images that ASE finds may not be."""
    reduced: Atoms = atoms.copy()
    reduced.set_cell(minkowski_reduce(atoms.cell, atoms.pbc)[0])
    return reduced


def image_distance(cell: npt.ArrayLike) -> float:
    """Return the length of the shortest lattice vector, which separates a vacancy from its nearest image, Å.

    It is exact for any cell: the first vector of a Minkowski-reduced basis (Nguyen and Stehlé, ACM Trans.
    Algorithms 5, 46 (2009)).

    Parameters
    ----------
    cell
        Rows are vectors, Å, shape (3, 3).

    Raises
    ------
    QdsimError
        If the cell has no volume.
    """
    vectors = np.asarray(cell, dtype=float)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all() or np.linalg.matrix_rank(vectors) < len(vectors):
        raise QdsimError("The cell is not three independent vectors: give the cell of a periodic crystal.")
    return float(np.linalg.norm(minkowski_reduce(vectors)[0], axis=1).min())


def check_image_distance(
    cell: npt.ArrayLike, *, forced: bool = False, smallest: float = SMALLEST_IMAGE_DISTANCE
) -> None:
    """Refuse a supercell in which a vacancy is too near to its own periodic images.

    Parameters
    ----------
    cell
        Rows are vectors, Å, shape (3, 3).
    forced
        Take any supercell.
    smallest
        Distance that is allowed, Å.

    Raises
    ------
    QdsimError
        If the nearest image is nearer and that is not forced, or the cell has no volume.
    """
    distance = image_distance(cell)
    if distance < smallest and not forced:
        raise QdsimError(
            f"A vacancy in this supercell is {distance:.2f} Å from its nearest periodic image, less than "
            f"{smallest:g} Å: take a larger supercell, or force this one."
        )


def advise_supercell(supercell: Supercell, k_points: Sequence[int], primitive_cell: npt.ArrayLike) -> list[str]:
    """Say what is poor about a supercell and its k points for vacancies in a rock-salt semiconductor.

    The band edges of lead chalcogenides are at the four L points. A point k of the primitive cell is
    ``matrix @ k`` in the supercell; so L falls on Gamma where ``matrix @ L`` is integer and on the zone
    boundary otherwise, where it has a component 1/2. A Monkhorst-Pack mesh has the components
    (2 r - n - 1)/(2 n), r = 1..n (Phys. Rev. B 13, 5188 (1976); as in CP2K, not shifted): 0 where n is odd,
    1/2 never. So L is a point of the mesh only where it falls on Gamma and all three n are odd.

    Parameters
    ----------
    supercell
        See `supercell_matrix`.
    k_points
        Numbers of k points of the Monkhorst-Pack mesh along the three axes; 1, 1, 1 is the Gamma point.
    primitive_cell
        Rows are the vectors of the primitive rhombohedral cell, Å, shape (3, 3).

    Returns
    -------
    list of str
        Sentences; empty if there is nothing to say.

    Raises
    ------
    QdsimError
        If the k points are not three positive integers, or the supercell is not one.
    """
    mesh = np.asarray(k_points)
    if mesh.shape != (3,) or mesh.dtype.kind not in "iu" or mesh.min() < 1:
        raise QdsimError(f"The k points {list(k_points)} are not three positive integers: give such as [2, 2, 2].")
    matrix = supercell_matrix(supercell)
    lengths = 2 * pi * np.linalg.norm(np.linalg.inv(matrix @ np.asarray(primitive_cell, dtype=float)), axis=0)
    n_folded = int((matrix @ L_POINTS.T % 2 == 0).all(axis=0).sum())
    folds_all = n_folded == len(L_POINTS)
    return [*_advise_band_edges(n_folded, mesh), *_advise_spacing(lengths, mesh, odd=folds_all)]


def _advise_band_edges(n_folded: int, mesh: IntArray) -> list[str]:
    """Say how many L points are missed, of which `n_folded` fall on Gamma."""
    has_gamma = (mesh % 2 == 1).all()
    n_sampled = n_folded if has_gamma else 0
    if n_sampled == len(L_POINTS):
        return []
    remedies = []
    if n_folded < len(L_POINTS):
        remedies.append("take even repeats of the conventional cell such as [2, 2, 2], which fold all four on Gamma")
    if not has_gamma:
        remedies.append("take odd numbers of k points, which include Gamma")
    return [
        f"{'Gamma alone' if mesh.max() == 1 else f'The {_times(mesh)} mesh of k points'} samples {n_sampled or 'none'} "
        f"of the four L points, where the band edges of lead chalcogenides are: {', and '.join(remedies)}."
    ]


def _advise_spacing(lengths: FloatArray, mesh: IntArray, *, odd: bool) -> list[str]:
    """Say where k points are too sparse or unevenly so; `lengths` are those of the reciprocal vectors, Å^-1."""
    spacing = lengths / mesh
    faults = []
    if spacing.max() > COARSEST_SPACING:
        faults.append(f"up to {spacing.max():.2f} Å⁻¹ apart, more than {COARSEST_SPACING:g} Å⁻¹")
    if spacing.max() > LARGEST_UNEVENNESS * spacing.min():
        faults.append(f"unequally spaced ({', '.join(f'{step:.2f}' for step in spacing)} Å⁻¹) along the three axes")
    if not faults:
        return []
    better = _better_mesh(lengths, odd=odd)
    remedy = f"take a {_times(better)} mesh" if better else "take a more compact supercell"
    return [f"The k points are {' and '.join(faults)}: {remedy}."]


def _better_mesh(lengths: FloatArray, *, odd: bool) -> tuple[int, ...] | None:
    """Find the smallest mesh that is dense enough and about equally spaced."""

    def is_good(mesh: tuple[int, ...]) -> bool:
        spacing = lengths / mesh
        return bool(spacing.max() <= min(COARSEST_SPACING, LARGEST_UNEVENNESS * spacing.min()))

    meshes = product(range(1, LARGEST_MESH + 1, 2 if odd else 1), repeat=3)
    return min(filter(is_good, meshes), key=lambda mesh: int(np.prod(mesh)), default=None)


def _times(mesh: Iterable[int]) -> str:
    return "×".join(str(n) for n in mesh)
