"""Measure the rhombohedral distortion of any supercell of a rock-salt crystal."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import spglib
from ase import Atoms
from ase.cell import Cell

from qdsim.errors import QdsimError
from qdsim.structures.lattice import (
    LARGEST_DEVIATION,
    SETTINGS,
    Sublattice,
    assign_sites,
    exact_basis,
    site_keys,
)
from qdsim.structures.sites import check_sites

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SYMMETRY_TOLERANCE = 5e-3
"""Tolerance of the space group search, Å: above the 0.002 Å to which offsets are relaxed."""
CENTRED = 1e-6
"""Below this offset along the axis (Å) its sense is the Cartesian one, not that of the offset."""
N_ELEMENTS = 2
"""Of a crystal AB."""
NON_METALS = frozenset(["H", "N", "P", "As", "O", "S", "Se", "Te", "Po", "F", "Cl", "Br", "I", "At"])
"""Elements that are the anion beside any other."""
STEPS_FORWARD: IntArray = 1 - np.eye(3, dtype=np.int64)
"""From a cation's cell to its three anions towards the sum of the basis vectors; shape (3, 3)."""
STEPS_BACKWARD: IntArray = np.eye(3, dtype=np.int64)
"""From a cation's cell to its three anions away from the sum of the basis vectors; shape (3, 3)."""


@dataclass(frozen=True)
class Distortion:
    """What distinguishes a crystal AB from ideal rock salt.

    Attributes
    ----------
    volume
        Volume per formula unit (vacant sites count as sites), Å^3.
    lattice_constant
        Lattice constant of the cubic crystal of the same volume, Å.
    alpha_rh
        Mean of the three angles of the primitive rhombohedral cell, degrees.
    alpha_rh_spread
        Largest minus smallest of the three angles, degrees.
    offset_vector
        Mean position of the cation sublattice minus the midpoint of the anion sublattice, Å, shape (3,).
    offset
        Norm of `offset_vector`, Å.
    offset_spread
        Root mean square over the cations of the deviation from the mean offset, Å.
    axis
        Unit vector of the polar <111> axis, shape (3,); points the way the cations are displaced.
    bond_short, bond_long
        Means of the three bonds of each cation towards `axis` and of the three away from it, Å.
    bond_short_spread, bond_long_spread
        Standard deviations of these bonds, Å.
    space_group_number, space_group_symbol
        International number and symbol by spglib.
    n_formula_sites
        Number of formula units the cell would hold without vacancies.
    vacancies
        Number of empty sublattice sites by element.
    """

    volume: float
    lattice_constant: float
    alpha_rh: float
    alpha_rh_spread: float
    offset_vector: FloatArray
    offset: float
    offset_spread: float
    axis: FloatArray
    bond_short: float
    bond_long: float
    bond_short_spread: float
    bond_long_spread: float
    space_group_number: int
    space_group_symbol: str
    n_formula_sites: int
    vacancies: dict[str, int]

    @property
    def space_group(self) -> str:
        """Symbol and number in one string, such as ``R3m (160)``."""
        return f"{self.space_group_symbol} ({self.space_group_number})"


def measure_distortion(atoms: Atoms, cation: str | None = None) -> Distortion:
    """Measure the distortion of any supercell of a rock-salt crystal AB.

    The supercell may be any integer multiple of the primitive cell, rotated as a whole, its atoms in any
    order, wrapped or not, moderately displaced, and with vacancies in both sublattices: then offsets and
    bonds are averages over the atoms that are there. Among the four <111> axes the polar one is chosen
    such that the part of the cell's metric that is not rhombohedral about it and the part of the offset
    across it are smallest together.

    Parameters
    ----------
    atoms
        Periodic structure of two elements.
    cation
        Symbol of the cation; by default the element that is not a non-metal (groups 15 to 17).

    Returns
    -------
    Distortion
        Space group with the tolerance `SYMMETRY_TOLERANCE`.

    Raises
    ------
    QdsimError
        If the structure is not periodic, has not exactly two elements, two atoms share a site, or the
        atoms do not sit on the sites of a rock-salt lattice.
    """
    check_sites(atoms)
    if not atoms.pbc.all():
        raise QdsimError("The structure is not periodic in three directions: give a crystal with its cell.")
    cation, anion = _elements(atoms, cation)
    symbols = np.array(atoms.get_chemical_symbols())
    positions = {element: atoms.positions[symbols == element] for element in (cation, anion)}
    first_basis, first_matrix = exact_basis(atoms)

    cations = assign_sites(positions[cation], first_basis, cation)
    anions = assign_sites(positions[anion], first_basis, anion)
    offset_vector = _wrap(cations.origin - anions.origin - 0.5) @ first_basis
    volume = float(np.linalg.det(first_basis))
    lattice_constant = (4 * volume) ** (1 / 3)
    if np.linalg.norm(offset_vector) > LARGEST_DEVIATION * lattice_constant:
        raise QdsimError(
            f"The structure is not rock salt: {cation} is {np.linalg.norm(offset_vector):.2f} Å from "
            f"the midpoint between {anion} atoms; give a supercell of a crystal AB."
        )

    setting = min(SETTINGS, key=lambda s: _misfit(s @ first_basis, offset_vector))
    basis = setting @ first_basis
    matrix = np.round(atoms.cell.array @ np.linalg.inv(basis)).astype(np.int64)
    cations = assign_sites(positions[cation], basis, cation)
    anions = assign_sites(positions[anion], basis, anion)
    axis = basis.sum(axis=0) / np.linalg.norm(basis.sum(axis=0))
    along = float(offset_vector @ axis)
    forward = along > 0 if abs(along) > CENTRED else axis.sum() >= 0

    n_sites = abs(round(float(np.linalg.det(first_matrix))))
    vacancies = {
        cation: n_sites - _count_sites(cations, matrix, cation),
        anion: n_sites - _count_sites(anions, matrix, anion),
    }
    towards, away = (_bonds(cations, anions, basis, matrix, steps=steps) for steps in (STEPS_FORWARD, STEPS_BACKWARD))
    short, long = (towards, away) if forward else (away, towards)
    angles = Cell(basis).angles()
    number, symbol = _space_group(atoms)
    return Distortion(
        volume=volume,
        lattice_constant=lattice_constant,
        alpha_rh=float(angles.mean()),
        alpha_rh_spread=float(np.ptp(angles)),
        offset_vector=offset_vector,
        offset=float(np.linalg.norm(offset_vector)),
        offset_spread=float(np.sqrt(((cations.deviations @ basis) ** 2).sum(axis=1).mean())),
        axis=axis if forward else -axis,
        bond_short=float(short.mean()),
        bond_long=float(long.mean()),
        bond_short_spread=float(short.std()),
        bond_long_spread=float(long.std()),
        space_group_number=number,
        space_group_symbol=symbol,
        n_formula_sites=n_sites,
        vacancies=vacancies,
    )


def _elements(atoms: Atoms, cation: str | None) -> tuple[str, str]:
    """Tell cation and anion."""
    elements = sorted(set(atoms.get_chemical_symbols()))
    if len(elements) != N_ELEMENTS:
        raise QdsimError(
            f"The structure has the elements {', '.join(elements)}: a rock-salt crystal AB has exactly two; "
            "give such a structure."
        )
    if cation is None:
        candidates = [element for element in elements if element not in NON_METALS]
        if len(candidates) != 1:
            raise QdsimError(f"It is not clear which of {' and '.join(elements)} is the cation: name it.")
        cation = candidates[0]
    if cation not in elements:
        raise QdsimError(f"The structure has no {cation}: name {' or '.join(elements)} as the cation.")
    return cation, elements[1 - elements.index(cation)]


def _wrap(fractional: FloatArray) -> FloatArray:
    return np.asarray(fractional - np.round(fractional))


def _misfit(basis: FloatArray, offset_vector: FloatArray) -> float:
    """Distance from a crystal that is rhombohedral and polar along the sum of the basis vectors, Å^2."""
    metric = basis @ basis.T
    upper = metric[np.triu_indices(3, 1)]
    length = np.sqrt(metric.diagonal().mean())
    strain = ((metric.diagonal() - length**2) ** 2).sum() + 2 * ((upper - upper.mean()) ** 2).sum()
    axis = basis.sum(axis=0) / np.linalg.norm(basis.sum(axis=0))
    across = offset_vector - (offset_vector @ axis) * axis
    return float(strain / (4 * length**2) + across @ across)


def _count_sites(sublattice: Sublattice, matrix: IntArray, element: str) -> int:
    """Count the occupied sites."""
    occupied = len(set(site_keys(sublattice.sites, matrix)))
    if occupied < len(sublattice.sites):
        raise QdsimError(
            f"The structure is not a rock-salt crystal: two atoms of {element} share one site of their "
            "sublattice; remove one or place it on a free site."
        )
    return occupied


def _bonds(
    cations: Sublattice,
    anions: Sublattice,
    basis: FloatArray,
    matrix: IntArray,
    *,
    steps: IntArray,
) -> FloatArray:
    """Lengths of the bonds from every cation to the anions `steps` away, vacant ones left out, Å."""
    anion_at = {key: atom for atom, key in enumerate(site_keys(anions.sites, matrix))}
    between = anions.origin - cations.origin
    shift = np.round(cations.origin - anions.origin - 0.5).astype(np.int64)
    lengths = []
    for step in steps + shift:
        for atom, key in enumerate(site_keys(cations.sites + step, matrix)):
            partner = anion_at.get(key)
            if partner is not None:
                vector = step + between + anions.deviations[partner] - cations.deviations[atom]
                lengths.append(float(np.linalg.norm(vector @ basis)))
    if not lengths:
        raise QdsimError("The structure has no bond between its two elements: give a crystal with fewer vacancies.")
    return np.array(lengths)


def _space_group(atoms: Atoms) -> tuple[int, str]:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # spglib announces exceptions in place of None
        dataset = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_TOLERANCE)
    if dataset is None:
        raise QdsimError(f"No space group was found for {atoms.get_chemical_formula()}: check its cell and positions.")
    return int(dataset.number), str(dataset.international)
