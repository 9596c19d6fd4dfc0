"""Clusters that quantum chemistry can compute: particles with their electrons counted and their surface seen to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.neighborlist import natural_cutoffs, neighbor_list

from qdsim.errors import QdsimError
from qdsim.structures.nanocrystal import LatticeParticle, LatticePoints, cut_rocksalt
from qdsim.structures.rocksalt import RhombohedralState
from qdsim.structures.shapes import Shape
from qdsim.structures.surfaces import ANION, CATION, balanced_choice, coordination, trim, vacant_neighbours

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Halide = Literal["F", "Cl", "Br", "I"]
Surface = Literal["bare", "balanced", "formate"] | Halide

FORMAL_CHARGES: dict[str, int] = {
    "Pb": 2, "Sn": 2, "Ge": 2, "S": -2, "Se": -2, "Te": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1,
}  # fmt: skip
"""Of ions with closed shells, in elementary charges."""
FORMATE = "HCOO"
FORMATE_CHARGE = -1
_FORMATE: dict[str, tuple[tuple[float, float], ...]] = {
    "C": ((0.0, 0.0),),
    "O": ((-0.52, 1.12), (-0.52, -1.12)),
    "H": ((1.10, 0.0),),
}
"""Places of formate's atoms from its carbon, along the axis that leads away from the cation and across it, Å: C-O 1.24,
C-H 1.10, O-C-O 130 degrees, as in the free ion."""
_CATION_TO_CARBON = 2.85
"""Å; the two oxygens are then 2.6 Å from the cation, as in lead carboxylates."""
CLOSEST = 0.6
"""Atoms of different ligands are no nearer to each other than this part of the sum of their covalent radii."""


@dataclass(frozen=True)
class Molecule:
    """A ligand of several atoms on a cation, which it moves with.

    Attributes
    ----------
    anchor
        Index of the cation in the particle.
    symbols
        Of its atoms.
    places
        From the cation, Å, shape (n, 3).
    """

    anchor: int
    symbols: tuple[str, ...]
    places: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, eq=False)
class Cluster:
    """A rock-salt particle with the ligands at its surface.

    Attributes
    ----------
    particle
        The crystal; ligands of one atom are on sites of its lattice and move with them.
    elements
        Of each atom of the particle, shape (N,).
    molecules
        Ligands of several atoms.
    """

    particle: LatticeParticle
    elements: tuple[str, ...]
    molecules: tuple[Molecule, ...] = ()

    def with_state(self, state: RhombohedralState) -> Self:
        """Put the same atoms on the lattice of another state."""
        return replace(self, particle=self.particle.with_state(state))

    def to_atoms(self) -> Atoms:
        """Return the atoms without a cell, around the centre that the particle was cut about."""
        positions = self.particle.positions
        atoms = Atoms(self.elements, positions=positions)
        for molecule in self.molecules:
            atoms += Atoms(molecule.symbols, positions=positions[molecule.anchor] + np.array(molecule.places))
        return atoms

    @property
    def composition(self) -> dict[str, int]:
        """Number of ions by element; molecules go by their formula."""
        return dict(Counter(self.elements) + Counter({FORMATE: len(self.molecules)}))

    @property
    def formal_charge(self) -> int:
        """What ions with closed shells add up to, in elementary charges: 2 N(Pb) - 2 N(S) - N(ligands)."""
        return formal_charge(self.composition)

    @property
    def formal_dipole(self) -> FloatArray:
        """Of the ions as point charges, about the centre of the particle, e Å, shape (3,)."""
        positions = self.particle.positions
        charges = np.array([FORMAL_CHARGES[element] for element in self.elements])
        total = charges @ positions
        for molecule in self.molecules:
            total = total + FORMATE_CHARGE * (positions[molecule.anchor] + np.mean(_oxygens(molecule), axis=0))
        return np.asarray(total)


def build_cluster(
    cation: str,
    anion: str,
    state: RhombohedralState,
    shape: Shape | str,
    diameter: float,
    *,
    centre: str | Sequence[float] = "tetrahedral",
    fewest_neighbours: int = 3,
    surface: Surface = "bare",
    shell_thickness: float = 0.0,
    shell_elements: Mapping[str, str] | None = None,
) -> Cluster:
    """Cut a particle, trim it, and see to its surface.

    Parameters
    ----------
    cation, anion
        Chemical symbols.
    state
        Volume, angle and offset of the crystal. Which atoms there are is decided on the undistorted crystal of the same
        volume.
    shape, diameter, centre, shell_thickness
        See `cut_rocksalt`. About the centre of a cube of four cations and four anions ("tetrahedral") every shape is
        stoichiometric, and without a dipole as long as the crystal has none.
    fewest_neighbours
        Atoms with fewer nearest neighbours are taken away.
    surface
        "bare" leaves it as it is cut. "balanced" takes away ions that are in excess, those with the fewest neighbours
        first. A halide takes empty anion sites, those with the most cations around first, until the charges are even;
        "formate" does so as a stand-in of oleate, on the cations with the fewest neighbours. All are spread so that
        they make little dipole.
    shell_elements
        Elements of the shell in place of those of the core, such as ``{"Se": "S"}``.

    Raises
    ------
    QdsimError
        If the particle cannot be cut, the surface cannot be seen to in that way, ligands overlap, or an element has no
        formal charge.
    """
    for symbol in (cation, anion, *(shell_elements or {}).values()):
        if symbol not in FORMAL_CHARGES:
            raise QdsimError(f"{symbol} has no formal charge here: use {', '.join(FORMAL_CHARGES)}.")
    cut = cut_rocksalt(cation, anion, state, shape, diameter, centre=centre, shell_thickness=shell_thickness)
    particle = trim(cut, fewest_neighbours)
    charge = formal_charge(Counter(particle.atom_symbols))
    if surface == "balanced":
        particle = _without_excess(particle, charge)
    elements = _elements(particle, shell_elements or {})
    if surface in {"bare", "balanced"}:
        return Cluster(particle, elements)
    if charge <= 0:
        found, remedy = ("no formal charge", "bare") if charge == 0 else ("anions in excess", "balanced")
        raise QdsimError(
            f"{_formula(Counter(elements))} has {found}, so there is nothing that {surface} could balance: "
            f"take another centre (cation or anion), or surface: {remedy}."
        )
    cluster = Cluster(particle, elements)
    if surface == "formate":
        return _with_formate(cluster, charge)
    return _with_halides(cluster, surface, charge)


def formal_charge(composition: Mapping[str, int]) -> int:
    """Add up the formal charges of ions, in elementary charges.

    Raises
    ------
    QdsimError
        If one of the elements has none.
    """
    charges = FORMAL_CHARGES | {FORMATE: FORMATE_CHARGE}
    for symbol in composition:
        if symbol not in charges:
            raise QdsimError(f"{symbol} has no formal charge here: use {', '.join(charges)}.")
    return sum(charges[symbol] * number for symbol, number in composition.items())


def explain_charge(composition: Mapping[str, int]) -> str:
    """Write out how the formal charge is counted: "2·16 (Pb) − 2·16 (S) = 0"."""
    charges = FORMAL_CHARGES | {FORMATE: FORMATE_CHARGE}
    terms = [
        ("−" if charges[symbol] < 0 else "+") + f" {abs(charges[symbol])}·{number} ({symbol})"
        for symbol, number in sorted(composition.items(), key=lambda item: -charges[item[0]])
    ]
    return f"{' '.join(terms).removeprefix('+ ')} = {formal_charge(composition):+d}".replace("= +0", "= 0").replace(
        "-", "−"
    )


def _formula(composition: Mapping[str, int]) -> str:
    return "".join(f"{symbol}{number}" for symbol, number in composition.items())


def _elements(particle: LatticeParticle, shell: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        shell.get(symbol, symbol) if region else symbol
        for symbol, region in zip(particle.atom_symbols, particle.points.regions, strict=True)
    )


def _without_excess(particle: LatticeParticle, charge: int) -> LatticeParticle:
    """Take away ions of the kind there are too many of."""
    site = CATION if charge > 0 else ANION
    ion = FORMAL_CHARGES[particle.symbols[site]]
    candidates = np.flatnonzero(particle.points.sites == site)
    positions = particle.positions
    charges = np.array([FORMAL_CHARGES[symbol] for symbol in particle.atom_symbols])
    neighbours = coordination(particle.points)[candidates]
    chosen = balanced_choice(positions[candidates], -ion, charges @ positions, neighbours, abs(charge // ion))
    keep = np.ones(len(particle), dtype=bool)
    keep[candidates[chosen]] = False
    return particle.with_points(particle.points.keep(keep))


def _with_halides(cluster: Cluster, halide: str, charge: int) -> Cluster:
    """Put halides on empty anion sites."""
    particle = cluster.particle
    sites, neighbours = vacant_neighbours(particle.points, ANION)
    positions = particle.with_points(sites).positions
    chosen = np.array(balanced_choice(positions, -1, cluster.formal_dipole, -neighbours, charge))
    added = LatticePoints(sites.cells[chosen], sites.sites[chosen], sites.regions[chosen])
    points = particle.points.join(added)
    return Cluster(particle.with_points(points), (*cluster.elements, *[halide] * charge))


def _with_formate(cluster: Cluster, charge: int) -> Cluster:
    """Put formate on cations, towards their empty neighbouring sites."""
    particle = cluster.particle
    sites, _ = vacant_neighbours(particle.points, ANION)
    empty = particle.with_points(sites).positions
    positions, counts = particle.positions, coordination(particle.points)
    bond = (np.abs(np.linalg.det(particle.cell)) / 4) ** (1 / 3) * 2 ** (1 / 3)
    offers: list[Molecule] = []
    for anchor in np.flatnonzero(particle.points.sites == CATION):
        steps = empty - positions[anchor]
        directions = steps[np.linalg.norm(steps, axis=1) < 1.2 * bond]
        if len(directions):
            offers.append(_formate(int(anchor), positions[anchor], directions.sum(axis=0)))
    ends = np.array([positions[one.anchor] + np.mean(_oxygens(one), axis=0) for one in offers]).reshape(-1, 3)
    ranks = np.array([counts[one.anchor] for one in offers], dtype=np.int64)
    chosen = balanced_choice(ends, FORMATE_CHARGE, cluster.formal_dipole, ranks, charge)
    dressed = replace(cluster, molecules=tuple(offers[index] for index in chosen))
    _check_overlap(dressed)
    return dressed


def _formate(anchor: int, position: FloatArray, direction: FloatArray) -> Molecule:
    """Point formate away from the particle."""
    along = direction / np.linalg.norm(direction)
    # Any direction across will do; along an axis of the crystal there is none of its own.
    across = np.cross(along, position + np.array([0.03, 0.05, 0.08]))
    across /= np.linalg.norm(across)
    symbols, places = [], []
    for symbol, atoms in _FORMATE.items():
        for height, side in atoms:
            symbols.append(symbol)
            places.append(tuple(((_CATION_TO_CARBON + height) * along + side * across).tolist()))
    return Molecule(anchor, tuple(symbols), tuple(places))


def _oxygens(molecule: Molecule) -> FloatArray:
    return np.array([place for symbol, place in zip(molecule.symbols, molecule.places, strict=True) if symbol == "O"])


def _check_overlap(cluster: Cluster) -> None:
    """Refuse ligands that are in one another, or in atoms of the particle other than their own cation."""
    atoms = cluster.to_atoms()
    owners = np.arange(len(atoms))
    for number, molecule in enumerate(cluster.molecules):
        start = len(cluster.elements) + number * len(molecule.symbols)
        owners[start : start + len(molecule.symbols)] = molecule.anchor
    first, second, distances = neighbor_list("ijd", atoms, natural_cutoffs(atoms, mult=CLOSEST))
    apart = owners[first] != owners[second]
    if apart.any():
        worst = np.flatnonzero(apart)[np.argmin(distances[apart])]
        names = " and ".join(f"{atoms.symbols[k]} (atom {k + 1})" for k in (first[worst], second[worst]))
        raise QdsimError(
            f"Ligands overlap: {names} are {distances[worst]:.2f} Å apart; take a larger particle, halides, or "
            "surface: balanced."
        )
