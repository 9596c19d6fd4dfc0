"""Rock-salt crystals and their rhombohedral ferroelectric distortion as a state of three numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, isfinite, radians, sin, sqrt
from typing import Self

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.build import make_supercell

from qdsim.errors import QdsimError
from qdsim.structures.distortion import measure_distortion

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Supercell = str | Sequence[int] | Sequence[Sequence[int]] | npt.NDArray[np.integer]

POLAR_AXIS: FloatArray = np.ones(3) / sqrt(3.0)
"""Unit vector of the [111] axis in the Cartesian frame of `RhombohedralState.cell`."""

CUBIC_ANGLE = 60.0
"""Of the primitive cell of undistorted rock salt, degrees."""

SAME_ANGLE, SAME_OFFSET = 1e-3, 1e-3
"""Degrees and Å, within which a crystal is not distorted."""

FLAT_ANGLE = 120.0
"""Three vectors with this mutual angle (degrees) lie in a plane."""

SUPERCELLS: dict[str, IntArray] = {
    "primitive": np.eye(3, dtype=np.int64),
    "conventional": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
}
"""Named supercells as integer matrices that act on the rows of the primitive cell."""


def supercell_matrix(supercell: Supercell) -> IntArray:
    """Turn a supercell's description into the integer matrix that acts on the primitive cell.

    Parameters
    ----------
    supercell
        ``"primitive"`` (2 atoms), ``"conventional"`` (8 atoms), three integers (repeats of the conventional
        cell) or a (3, 3) integer matrix.

    Returns
    -------
    ndarray of int, shape (3, 3)
        Rows are the supercell's vectors in units of the primitive ones.

    Raises
    ------
    QdsimError
        If the description is none of these, or the supercell has no volume.
    """
    if isinstance(supercell, str):
        if supercell not in SUPERCELLS:
            raise QdsimError(
                f"Unknown supercell {supercell!r}: use {', '.join(SUPERCELLS)}, three repeats of the "
                "conventional cell, or a 3x3 integer matrix."
            )
        return SUPERCELLS[supercell].copy()
    try:
        given = np.asarray(supercell, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.shape not in {(3,), (3, 3)} or not np.array_equal(given, np.round(given)):
        raise QdsimError(
            f"The supercell {supercell!r} is neither three integers nor a 3x3 integer matrix: give "
            "repeats of the conventional cell such as [2, 2, 2], or a matrix."
        )
    integers = np.round(given).astype(np.int64)
    if integers.shape == (3,):
        if integers.min() < 1:
            raise QdsimError(f"The supercell {supercell!r} has a repeat below 1: use positive integers.")
        return np.diag(integers) @ SUPERCELLS["conventional"]
    if round(float(np.linalg.det(integers))) == 0:
        raise QdsimError(f"The supercell matrix {integers.tolist()} is singular: use linearly independent rows.")
    return integers


@dataclass(frozen=True)
class RhombohedralState:
    """A rock-salt crystal AB, or its R3m distortion along [111].

    Parameters
    ----------
    volume
        Volume per formula unit, Å^3.
    alpha
        Angle of the primitive rhombohedral cell, degrees; 60 for rock salt, below when stretched along [111].
    offset
        Displacement of the cation along +[111] from the midpoint of the anion lattice, Å. The sign is that of
        the Cartesian direction (1, 1, 1); states with opposite signs are mirror images of each other.

    Raises
    ------
    QdsimError
        If the volume is not positive, the angle not within 0..120 degrees, or a number not finite.
    """

    volume: float
    alpha: float = 60.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse states that no crystal has."""
        if not (isfinite(self.volume) and self.volume > 0):
            raise QdsimError(f"The volume per formula unit is {self.volume} Å^3: give a positive number.")
        if not 0 < self.alpha < FLAT_ANGLE:
            raise QdsimError(f"The rhombohedral angle is {self.alpha} degrees: give one between 0 and {FLAT_ANGLE:g}.")
        if not isfinite(self.offset):
            raise QdsimError(f"The cation offset is {self.offset} Å: give a finite number.")

    @classmethod
    def from_lattice_constant(cls, a: float, alpha: float = 60.0, offset: float = 0.0) -> Self:
        """Make the state whose cubic-equivalent lattice constant, (4 volume)^(1/3), is `a` (Å)."""
        return cls(a**3 / 4, alpha, offset)

    @classmethod
    def from_atoms(cls, atoms: Atoms, cation: str | None = None) -> Self:
        """Measure the state of a crystal; the inverse of `to_atoms`.

        The offset is the component of the sublattice-averaged cation offset along the structure's polar <111>
        axis. The axis is taken in the sense of the Cartesian direction (1, 1, 1) (its components add up to
        a positive number), so that the offset of a structure made by `to_atoms` keeps its sign.

        Parameters
        ----------
        atoms
            Any supercell of a rock-salt crystal AB, see `measure_distortion`.
        cation
            Symbol of the cation; found from the elements if not given.

        Raises
        ------
        QdsimError
            If the structure is not a (distorted) rock-salt crystal.
        """
        distortion = measure_distortion(atoms, cation)
        sense = 1.0 if distortion.axis.sum() >= 0 else -1.0
        offset = sense * float(distortion.offset_vector @ distortion.axis)
        return cls(distortion.volume, distortion.alpha_rh, offset)

    @property
    def lattice_constant(self) -> float:
        """Lattice constant of the cubic crystal of the same volume, Å."""
        return float((4 * self.volume) ** (1 / 3))

    @property
    def centred(self) -> bool:
        """Whether it is rock salt, undistorted."""
        return abs(self.alpha - CUBIC_ANGLE) < SAME_ANGLE and abs(self.offset) < SAME_OFFSET

    @property
    def cell(self) -> FloatArray:
        """Primitive cell, rows are vectors, Å, shape (3, 3).

        The vectors are x (1, 1, 1) + y e_i; at 60 degrees a/2 (0, 1, 1), a/2 (1, 0, 1) and a/2 (1, 1, 0).
        """
        cosine = cos(radians(self.alpha))
        length = (self.volume / ((1 - cosine) * sqrt(1 + 2 * cosine))) ** (1 / 3)
        y = -length * sqrt(1 - cosine)
        x = (length * sqrt(1 + 2 * cosine) - y) / 3
        return np.asarray(x * np.ones((3, 3)) + y * np.eye(3))

    @property
    def bond_lengths(self) -> tuple[float, float]:
        """Length of the three short and of the three long bonds of each cation, Å."""
        cell = self.cell
        to_anion = cell.sum(axis=0) / 2 - cell[0]
        shift = abs(self.offset) * POLAR_AXIS
        return float(np.linalg.norm(to_anion - shift)), float(np.linalg.norm(to_anion + shift))

    @property
    def strain_per_degree(self) -> FloatArray:
        """Strain of the cell when alpha grows by one degree at constant volume, shape (3, 3), traceless.

        It is g (n n - 1/3) with n = [111] and g = d ln(l/t)/d alpha, where the ratio of the stretches along
        and across [111] is (l/t)^2 = (1 + 2 cos alpha)/(1 - cos alpha).
        """
        angle = radians(self.alpha)
        rate = -1.5 * sin(angle) / ((1 + 2 * cos(angle)) * (1 - cos(angle))) * radians(1.0)
        return rate * (np.outer(POLAR_AXIS, POLAR_AXIS) - np.eye(3) / 3)

    @property
    def cell_alpha_derivative(self) -> FloatArray:
        """Change of `cell` with alpha at constant volume, Å per degree, shape (3, 3)."""
        return np.asarray(self.cell @ self.strain_per_degree)

    def to_atoms(self, cation: str, anion: str, supercell: Supercell = "primitive") -> Atoms:
        """Build the crystal.

        Parameters
        ----------
        cation, anion
            Chemical symbols.
        supercell
            See `supercell_matrix`.

        Returns
        -------
        ase.Atoms
            Periodic; all cations first, then all anions. One anion lies at the origin.

        Raises
        ------
        QdsimError
            If the supercell is not one, or the two symbols are equal.
        """
        if cation == anion:
            raise QdsimError(f"Cation and anion are both {cation}: a rock-salt crystal AB has two elements.")
        matrix = supercell_matrix(supercell)
        cell = self.cell
        positions = [cell.sum(axis=0) / 2 + self.offset * POLAR_AXIS, np.zeros(3)]
        primitive = Atoms([cation, anion], positions=positions, cell=cell, pbc=True)
        crystal: Atoms = make_supercell(primitive, matrix, order="atom-major")
        return crystal
