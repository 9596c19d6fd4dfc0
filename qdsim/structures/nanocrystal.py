"""Nanocrystals cut from a lattice, kept as integers so that strain and offset never change which atoms there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Self

import numpy as np
import numpy.typing as npt
import spglib
from ase import Atoms
from ase.data import atomic_numbers

from qdsim.errors import QdsimError
from qdsim.structures.rocksalt import POLAR_AXIS, SUPERCELLS, RhombohedralState
from qdsim.structures.shapes import Shape
from qdsim.structures.sites import check_sites

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CENTRES: dict[str, tuple[float, float, float]] = {
    "cation": (0.5, 0.5, 0.5),
    "anion": (0.0, 0.0, 0.0),
    "bond": (0.25, 0.0, 0.0),
    "void": (0.25, 0.25, 0.25),
    "tetrahedral": (0.25, 0.25, 0.25),
}
"""Points of the conventional rock-salt cell, fractional, with an anion at the origin: an atom, the midpoint of a bond,
and the centre of a cube of four cations and four anions."""

LARGEST_BOX = 5_000_000
"""Lattice points that are looked through for one particle at most: enough for a sphere of PbS of 45 nm."""
LARGEST_STRAIN = 0.25
"""A cell that differs more than this from another one of its volume is not that cell distorted: 0.04 at an angle of
55 degrees, 0.5 or more between settings of one lattice."""
LARGEST_SHIFT = 0.2
"""In fractions of the primitive cell: sites that differ more than this from (1/2, 1/2, 1/2) are not rock salt."""
TRANSLATION_TOLERANCE = 1e-4
"""Å; atoms that deviate less than this from a shorter period are taken to have it."""


@dataclass(frozen=True, eq=False)
class LatticePoints:
    """Which sites of a lattice are occupied.

    These are integers only, so they stay the same when the lattice is strained or its sublattices are shifted. The
    arrays cannot be written to, and two objects are equal only if they are the same one: what follows from the
    points alone can be kept by them.

    Attributes
    ----------
    cells
        Lattice cell of each atom, shape (N, 3).
    sites
        Site of each atom in the basis of the cell, shape (N,).
    regions
        0 in the core (or the whole particle), 1 in the shell, shape (N,).

    Raises
    ------
    QdsimError
        If the arrays are not of these shapes.
    """

    cells: IntArray
    sites: IntArray
    regions: IntArray

    def __post_init__(self) -> None:
        """Keep copies that nobody can alter."""
        n_atoms = len(self.cells)
        for name, shape in (("cells", (n_atoms, 3)), ("sites", (n_atoms,)), ("regions", (n_atoms,))):
            values = np.array(getattr(self, name), dtype=np.int64)
            if values.shape != shape:
                raise QdsimError(f"The {name} of {n_atoms} lattice points have the shape {values.shape}: give {shape}.")
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.sites)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> "LatticePoints":
        """Return the points that are chosen by a mask of shape (N,)."""
        return LatticePoints(self.cells[chosen], self.sites[chosen], self.regions[chosen])

    def join(self, others: "LatticePoints") -> "LatticePoints":
        """Return these points and others after them."""
        return LatticePoints(
            np.concatenate([self.cells, others.cells]),
            np.concatenate([self.sites, others.sites]),
            np.concatenate([self.regions, others.regions]),
        )


@dataclass(frozen=True, eq=False)
class LatticeParticle:
    """A finite crystal: atom k is at (cells[k] + basis[sites[k]] - origin) @ cell.

    Attributes
    ----------
    points
        The occupied sites.
    cell
        Vectors of the lattice in rows, Å, shape (3, 3).
    basis
        Sites in the cell, fractional, shape (n_sites, 3).
    symbols
        Element of each site.
    origin
        Point of the lattice that is at the Cartesian origin, fractional, shape (3,); by default that of the cell.

    Raises
    ------
    QdsimError
        If an array is not of its shape or not finite, the cell has no volume, a symbol is no element, or an atom is
        on a site that the basis does not have.
    """

    points: LatticePoints
    cell: FloatArray
    basis: FloatArray
    symbols: tuple[str, ...]
    origin: FloatArray = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        """Keep copies that nobody can alter."""
        for name, shape in (("cell", (3, 3)), ("basis", (len(self.symbols), 3)), ("origin", (3,))):
            values = np.array(getattr(self, name), dtype=float)
            if values.shape != shape or not np.isfinite(values).all():
                raise QdsimError(
                    f"The {name} of the particle is {values.tolist()}: give finite numbers, shape {shape}."
                )
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if np.linalg.matrix_rank(self.cell) < len(self.cell):
            raise QdsimError(
                "The cell vectors of the particle are not linearly independent: give a cell with a volume."
            )
        for symbol in self.symbols:
            if atomic_numbers.get(symbol, 0) == 0:
                raise QdsimError(f"{symbol!r} is no element: give a chemical symbol such as 'Pb'.")
        if len(self) and not 0 <= self.points.sites.min() <= self.points.sites.max() < len(self.symbols):
            raise QdsimError(f"An atom of the particle is on a site that is not among the {len(self.symbols)} given.")

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.points)

    @property
    def positions(self) -> FloatArray:
        """Cartesian positions, Å, shape (N, 3)."""
        sites = (self.basis - self.origin) @ self.cell
        return np.asarray(self.points.cells @ self.cell + sites[self.points.sites])

    @property
    def atom_symbols(self) -> list[str]:
        """Element of each atom."""
        return [self.symbols[site] for site in self.points.sites]

    def to_atoms(self) -> Atoms:
        """Return the particle without a cell; the tags of the atoms are their regions."""
        return Atoms(self.atom_symbols, positions=self.positions, tags=self.points.regions)

    def with_points(self, points: LatticePoints) -> Self:
        """Occupy other sites of the same lattice.

        Raises
        ------
        QdsimError
            As for `LatticeParticle`.
        """
        return replace(self, points=points)

    def with_lattice(self, cell: npt.ArrayLike, basis: npt.ArrayLike) -> Self:
        """Put the same points on another lattice: strain, shear, or shifted sublattices.

        Parameters
        ----------
        cell
            Å, shape (3, 3).
        basis
            Fractional, shape (n_sites, 3).

        Returns
        -------
        LatticeParticle
            With the same `points` object.

        Raises
        ------
        QdsimError
            As for `LatticeParticle`.
        """
        return replace(self, cell=np.asarray(cell, dtype=float), basis=np.asarray(basis, dtype=float))

    def with_state(self, state: RhombohedralState) -> Self:
        """Put the same points on the lattice of a rhombohedral state.

        Raises
        ------
        QdsimError
            If the particle is not one of the primitive rock-salt cell with the cation as site 0, the anion as 1.
        """
        strain = np.linalg.solve(self.cell, state.cell)
        strain /= np.cbrt(np.linalg.det(strain))
        rocksalt = len(self.symbols) == len(ROCKSALT_BASIS) and np.abs(strain - np.eye(3)).max() < LARGEST_STRAIN
        if not rocksalt or np.abs(self.basis[0] - self.basis[1] - ROCKSALT_BASIS[0]).max() > LARGEST_SHIFT:
            raise QdsimError("The particle was not cut from the primitive rock-salt cell: make it with cut_rocksalt.")
        return self.with_lattice(state.cell, _rocksalt_basis(state))


ROCKSALT_BASIS: FloatArray = np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
"""Cation and anion in the primitive cell of undistorted rock salt, fractional."""


def _rocksalt_basis(state: RhombohedralState) -> FloatArray:
    """Return the sites of cation and anion as in `RhombohedralState.to_atoms`, fractional, shape (2, 3)."""
    offset = np.linalg.solve(state.cell.T, state.offset * POLAR_AXIS)
    return np.asarray(ROCKSALT_BASIS + np.stack([offset, np.zeros(3)]))


def cut_rocksalt(
    cation: str,
    anion: str,
    state: RhombohedralState,
    shape: Shape | str,
    diameter: float,
    *,
    centre: str | Sequence[float] = "cation",
    shell_thickness: float = 0.0,
) -> LatticeParticle:
    """Cut a particle from a rock-salt crystal and distort it.

    Which atoms belong to the particle, and which of them to its shell, is decided on the undistorted crystal of the
    same volume; then the angle and the offset of the state are applied. So they never change which atoms there are.

    Parameters
    ----------
    cation, anion
        Chemical symbols.
    state
        Volume, angle and offset of the crystal.
    shape
        In the axes of the conventional cell, or the name of a shape.
    diameter
        Of the sphere of the same volume as the shape, Å.
    centre
        Point of the crystal at the centre of the shape: one of `CENTRES`, one of the elements, or a fractional point of
        the conventional cell, with an anion at its origin. It becomes the Cartesian origin.
    shell_thickness
        Atoms less than this away from a facet are in the shell, see `Shape.contains`, Å.

    Returns
    -------
    LatticeParticle
        Site 0 is the cation, site 1 the anion; all cations first, each element in the order of its lattice cells.

    Raises
    ------
    QdsimError
        If the symbols are equal or no elements, the shape or the centre is unknown, the diameter is below one
        lattice constant, the particle has no atoms or too many, or a number is negative or not finite.
    """
    if cation == anion:
        raise QdsimError(f"Cation and anion are both {cation}: a rock-salt crystal AB has two elements.")
    centres = {**CENTRES, cation: CENTRES["cation"], anion: CENTRES["anion"]}
    if isinstance(centre, str) and centre not in centres:
        raise QdsimError(f"Unknown centre {centre!r}: use {', '.join(centres)}, or three fractional coordinates.")
    reference = RhombohedralState(state.volume)
    origin = _point(centres[centre] if isinstance(centre, str) else centre) @ SUPERCELLS["conventional"]
    points = _cut(reference.cell, ROCKSALT_BASIS, origin, shape, diameter, shell_thickness, state.lattice_constant)
    return LatticeParticle(points, state.cell, _rocksalt_basis(state), (cation, anion), origin)


def cut_crystal(
    crystal: Atoms,
    shape: Shape | str,
    diameter: float,
    *,
    centre: int | Sequence[float] = (0.0, 0.0, 0.0),
    shell_thickness: float = 0.0,
) -> LatticeParticle:
    """Cut a particle from any periodic crystal.

    The crystal is reduced to its primitive cell (by spglib) but not rotated: the shape is in the Cartesian frame of
    the crystal as it is given.

    Parameters
    ----------
    crystal
        Any cell of the crystal.
    shape
        In the Cartesian frame of the crystal, or the name of a shape.
    diameter
        Of the sphere of the same volume as the shape, Å.
    centre
        Point of the crystal at the centre of the shape: index of an atom, or a fractional point of the given cell.
        It becomes the Cartesian origin.
    shell_thickness
        Atoms less than this away from a facet are in the shell, see `Shape.contains`, Å.

    Returns
    -------
    LatticeParticle
        The atoms in the order of the sites, on each site in the order of the lattice cells.

    Raises
    ------
    QdsimError
        If the crystal is not periodic or its atoms coincide, the shape or the centre is unknown, the diameter is
        below the cube root of the volume of the primitive cell, the particle has no atoms or too many, or a number is
        negative or not finite.
    """
    check_sites(crystal)
    if not crystal.pbc.all():
        raise QdsimError("The structure is not periodic in three directions: give a crystal with its cell.")
    given = (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers)
    # Not idealised, the primitive cell is neither rotated nor shifted against the given one.
    found = spglib.standardize_cell(given, to_primitive=True, no_idealize=True, symprec=TRANSLATION_TOLERANCE)
    cell, basis = (np.asarray(array, dtype=float) for array in (found or given)[:2])
    symbols = tuple(Atoms(numbers=(found or given)[2]).get_chemical_symbols())
    if isinstance(centre, (int, np.integer)):
        if not 0 <= centre < len(crystal):
            raise QdsimError(f"The centre is atom {centre}: give an index from 0 to {len(crystal) - 1}.")
        point = crystal.positions[centre]
    else:
        point = _point(centre) @ crystal.cell.array
    origin = np.asarray(point @ np.linalg.inv(cell))
    smallest = float(np.cbrt(abs(np.linalg.det(cell))))
    points = _cut(cell, basis, origin, shape, diameter, shell_thickness, smallest)
    return LatticeParticle(points, cell, basis, symbols, origin)


def _point(centre: Sequence[float]) -> FloatArray:
    """Read three fractional coordinates, shape (3,); modulo the lattice, which keeps rounding errors small."""
    try:
        point = np.asarray(centre, dtype=float)
    except (TypeError, ValueError):
        point = np.empty(0)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise QdsimError(f"The centre {centre!r} is no point of the crystal: give three fractional coordinates.")
    return point % 1


def _cut(
    cell: FloatArray,
    basis: FloatArray,
    origin: FloatArray,
    shape: Shape | str,
    diameter: float,
    shell_thickness: float,
    smallest: float,
) -> LatticePoints:
    """Find the lattice points inside a shape around `origin`, whose diameter must not be below `smallest` (Å)."""
    if isinstance(shape, str):
        shape = Shape.from_name(shape)
    if not (isfinite(diameter) and diameter > 0):
        raise QdsimError(f"The diameter is {diameter} Å: give a positive number.")
    if diameter < smallest:
        raise QdsimError(
            f"The diameter of {diameter:g} Å is below one cell of the crystal, {smallest:.3f} Å: enlarge it."
        )
    if not shell_thickness >= 0:
        raise QdsimError(f"The shell thickness is {shell_thickness} Å: give a number that is not negative.")
    # The i-th fractional coordinate is the scalar product with the i-th column of the inverse cell.
    reach = diameter * shape.reach(np.linalg.inv(cell).T) * (1 + 1e-6)
    lowest = np.ceil(origin - basis - reach)
    sizes = np.clip(np.floor(origin - basis + reach) - lowest + 1, 0, LARGEST_BOX)
    if sizes.prod(axis=1).sum() > LARGEST_BOX:
        raise QdsimError(f"A particle of {diameter:g} Å has too many atoms: make it smaller; the diameter is in Å.")
    cells, positions = [], []
    for site, first, size in zip(basis - origin, lowest, sizes, strict=True):
        box = np.indices(size.astype(np.int64)).reshape(3, -1).T + first.astype(np.int64)
        places = (box + site) @ cell
        inside = shape.contains(places, diameter)
        cells.append(box[inside])
        positions.append(places[inside])
    sites = np.repeat(np.arange(len(basis)), [len(found) for found in cells])
    if len(sites) == 0:
        raise QdsimError(f"No atom is inside the shape of {diameter:g} Å: enlarge it or choose another centre.")
    core = shape.contains(np.concatenate(positions), diameter, shell_thickness)
    return LatticePoints(np.concatenate(cells), sites, np.where(core, 0, 1))
