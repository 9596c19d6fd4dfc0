"""Clusters that quantum chemistry can compute: particles with their electrons counted and their surface seen to."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.neighborlist import natural_cutoffs, neighbor_list

from qdsim.errors import QdsimError
from qdsim.structures.nanocrystal import LatticeParticle, LatticePoints, cut_rocksalt
from qdsim.structures.rocksalt import RhombohedralState
from qdsim.structures.shapes import Shape
from qdsim.structures.surfaces import (
    ANION,
    CATION,
    COORDINATION,
    balanced_choice,
    coordination,
    dangling_bonds,
    trim,
    vacant_neighbours,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Halide = Literal["F", "Cl", "Br", "I"]
Surface = Literal["bare", "balanced", "formate", "pseudohydrogen", Halide]

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


@dataclass(frozen=True)
class Pseudohydrogen:
    """A hydrogen atom whose nucleus has a fraction of a charge, so that it closes one bond of rock salt.

    A cation with two electrons to give, and six bonds, gives a third of one to each. What takes its place on an anion
    has this third and no more; what takes an anion's place keeps two electrons, and has a third less of charge, so that
    all shells are closed.

    Attributes
    ----------
    nuclear_charge, formal_charge
        In elementary charges.
    tag
        Of its atoms, which tells CP2K's kinds apart.
    bond
        To its ion, Å: as in PbH4 and in H2S.
    """

    nuclear_charge: Fraction
    formal_charge: Fraction
    tag: int
    bond: float

    @property
    def formula(self) -> str:
        """Name in a composition."""
        return f"H({self.nuclear_charge})"


PSEUDOHYDROGENS = {
    CATION: Pseudohydrogen(Fraction(5, 3), Fraction(-1, 3), 1, 1.75),
    ANION: Pseudohydrogen(Fraction(1, 3), Fraction(1, 3), 2, 1.34),
}
"""By the site whose bonds they close."""
CLOSEST = 1.0
"""Atoms of different ligands are no nearer to each other than this part of the sum of their covalent radii; nearer they
would be bonded."""
_ELEMENT = re.compile(r"[A-Z][a-z]?")

_CHARGES: dict[str, int | Fraction] = {
    **FORMAL_CHARGES,
    FORMATE: FORMATE_CHARGE,
    **{one.formula: one.formal_charge for one in PSEUDOHYDROGENS.values()},
}


@dataclass(frozen=True)
class Molecule:
    """A ligand on an ion, which it moves with.

    Attributes
    ----------
    formula
        Its name in a composition.
    anchor
        Index of the ion in the particle.
    symbols
        Of its atoms.
    places
        From the ion, Å, shape (n, 3).
    tag
        Of its atoms, which tells CP2K's kinds apart.
    """

    formula: str
    anchor: int
    symbols: tuple[str, ...]
    places: tuple[tuple[float, float, float], ...]
    tag: int = 0

    @property
    def charge_centre(self) -> FloatArray:
        """Where its formal charge is, from the ion, Å: among the oxygens, if it has any."""
        bearers = [place for place, symbol in zip(self.places, self.symbols, strict=True) if symbol == "O"]
        return np.asarray(np.mean(bearers or self.places, axis=0))


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
        Ligands that are on no site of the lattice.
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
            places = positions[molecule.anchor] + np.array(molecule.places)
            atoms += Atoms(molecule.symbols, positions=places, tags=[molecule.tag] * len(places))
        return atoms

    @property
    def composition(self) -> dict[str, int]:
        """Number of ions by element; molecules go by their formula."""
        return dict(Counter(self.elements) + Counter(molecule.formula for molecule in self.molecules))

    @property
    def formal_charge(self) -> int:
        """What ions with closed shells add up to, in elementary charges: 2 N(Pb) - 2 N(S) - N(ligands)."""
        return formal_charge(self.composition)

    @property
    def supernumerary_electrons(self) -> int:
        """How many electrons pseudo-hydrogens would have as hydrogen, beyond those that they bring."""
        charges = {one.formula: one.nuclear_charge for one in PSEUDOHYDROGENS.values()}
        return int(sum(1 - charges[one.formula] for one in self.molecules if one.formula in charges))

    @property
    def formal_dipole(self) -> FloatArray:
        """Of the ions as point charges, about the centre of the particle, e Å, shape (3,)."""
        positions = self.particle.positions
        charges = np.array([FORMAL_CHARGES[element] for element in self.elements])
        total = charges @ positions
        for molecule in self.molecules:
            charge = float(_CHARGES[molecule.formula])
            total = total + charge * (positions[molecule.anchor] + molecule.charge_centre)
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
    vacancies: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Cluster:
    """Cut a particle, trim it, take atoms out, and see to its surface.

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
        they make little dipole. "pseudohydrogen" closes each missing bond by a hydrogen with a fraction of its charge,
        which leaves every particle neutral.
    shell_elements
        Elements of the shell in place of those of the core, such as ``{"Se": "S"}``.
    vacancies
        How many atoms of cation or anion are missing, of those inside with all their neighbours.
    seed
        Of the draw of these.

    Raises
    ------
    QdsimError
        If the particle cannot be cut, has not so many atoms inside, the surface cannot be seen to in that way, ligands
        overlap, or an element has no formal charge.
    """
    for symbol in (cation, anion, *(shell_elements or {}).values()):
        if symbol not in FORMAL_CHARGES:
            raise QdsimError(f"{symbol} has no formal charge here: use {', '.join(FORMAL_CHARGES)}.")
    _check_shell(cation, anion, shell_thickness, shell_elements or {})
    cut = cut_rocksalt(cation, anion, state, shape, diameter, centre=centre, shell_thickness=shell_thickness)
    particle = _with_vacancies(trim(cut, fewest_neighbours), vacancies or {}, seed)
    if shell_thickness and np.ptp(particle.points.regions) == 0:
        found = "nothing but shell" if particle.points.regions.all() else "no atom in its shell"
        raise QdsimError(f"With a shell of {shell_thickness:g} Å the particle has {found}: take another thickness.")
    charge = formal_charge(Counter(particle.atom_symbols))
    if surface == "balanced":
        particle = _without_excess(particle, charge)
    elements = _elements(particle, shell_elements or {})
    if surface in {"bare", "balanced"}:
        return Cluster(particle, elements)
    if surface == "pseudohydrogen":
        closed = Cluster(particle, elements, tuple(_pseudohydrogens(particle)))
        check_overlap(closed)
        return closed
    if charge <= 0:
        found, remedy = ("no formal charge", "bare") if charge == 0 else ("anions in excess", "balanced")
        raise QdsimError(
            f"{write_formula(Counter(elements))} has {found}, so there is nothing that {surface} could balance: "
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
    for symbol in composition:
        if symbol not in _CHARGES:
            raise QdsimError(f"{symbol} has no formal charge here: use {', '.join(_CHARGES)}.")
    return int(sum(_CHARGES[symbol] * number for symbol, number in composition.items()))


def explain_charge(composition: Mapping[str, int]) -> str:
    """Write out how the formal charge is counted: "2·16 (Pb) − 2·16 (S) = 0"."""
    terms = [
        ("−" if _CHARGES[symbol] < 0 else "+") + f" {abs(_CHARGES[symbol])}·{number} ({symbol})"
        for symbol, number in sorted(composition.items(), key=lambda item: -_CHARGES[item[0]])
    ]
    return f"{' '.join(terms).removeprefix('+ ')} = {formal_charge(composition):+d}".replace("= +0", "= 0").replace(
        "-", "−"
    )


def _check_shell(cation: str, anion: str, thickness: float, elements: Mapping[str, str]) -> None:
    """Refuse a shell that would be none."""
    for symbol in elements:
        if symbol not in {cation, anion}:
            raise QdsimError(
                f"The core has no {symbol} that the shell could replace: give {cation} or {anion}, such as "
                f"{{{anion}: {elements[symbol]}}}."
            )
    if thickness and not elements:
        raise QdsimError(f"The shell of {thickness:g} Å is of nothing else: give shell_elements such as {{Se: S}}.")
    if elements and not thickness:
        raise QdsimError("The shell has no thickness: give shell_thickness in Å, beside shell_elements.")


def write_formula(composition: Mapping[str, int], number: str = "{}") -> str:
    """Write a composition as a formula, molecules in brackets: "Pb14S13(HCOO)2".

    Parameters
    ----------
    composition
        Number of ions by element; molecules go by their formula.
    number
        How a number is written, such as ``<sub>{}</sub>``.
    """
    return "".join(_bracketed(symbol) + number.format(count) for symbol, count in composition.items())


def _bracketed(symbol: str) -> str:
    if _ELEMENT.fullmatch(symbol):
        return symbol
    return f"[{symbol}]" if "(" in symbol else f"({symbol})"


def _elements(particle: LatticeParticle, shell: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        shell.get(symbol, symbol) if region else symbol
        for symbol, region in zip(particle.atom_symbols, particle.points.regions, strict=True)
    )


def _with_vacancies(particle: LatticeParticle, vacancies: Mapping[str, int], seed: int) -> LatticeParticle:
    """Take away atoms that have all their neighbours, drawn at random."""
    generator = np.random.default_rng(seed)
    inside = coordination(particle.points) == COORDINATION
    keep = np.ones(len(particle), dtype=bool)
    for symbol, number in sorted(vacancies.items()):
        if symbol not in particle.symbols:
            raise QdsimError(f"The particle has no {symbol} that could be missing: {' or '.join(particle.symbols)}.")
        candidates = np.flatnonzero(inside & (particle.points.sites == particle.symbols.index(symbol)))
        if number > len(candidates):
            raise QdsimError(
                f"{number} vacancies of {symbol} are asked for, and {len(candidates)} of its atoms have all their "
                "neighbours: ask for fewer, or enlarge the particle."
            )
        keep[generator.choice(candidates, number, replace=False)] = False
    return particle.with_points(particle.points.keep(keep))


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
    ends = np.array([positions[one.anchor] + one.charge_centre for one in offers]).reshape(-1, 3)
    ranks = np.array([counts[one.anchor] for one in offers], dtype=np.int64)
    chosen = balanced_choice(ends, FORMATE_CHARGE, cluster.formal_dipole, ranks, charge)
    dressed = replace(cluster, molecules=tuple(offers[index] for index in chosen))
    check_overlap(dressed)
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
    return Molecule(FORMATE, anchor, tuple(symbols), tuple(places))


def _pseudohydrogens(particle: LatticeParticle) -> Iterator[Molecule]:
    """Close each bond that the particle lacks."""
    for atom, direction in zip(*dangling_bonds(particle.points), strict=True):
        hydrogen = PSEUDOHYDROGENS[int(particle.points.sites[atom])]
        x, y, z = (hydrogen.bond * direction).tolist()
        yield Molecule(hydrogen.formula, int(atom), ("H",), ((x, y, z),), hydrogen.tag)


def check_overlap(cluster: Cluster) -> None:
    """Refuse ligands that are in one another, or in atoms of the particle other than their own ion.

    Raises
    ------
    QdsimError
        If there are any: the nearest two atoms are named.
    """
    atoms = cluster.to_atoms()
    owners = np.arange(len(atoms))
    start = len(cluster.elements)
    for molecule in cluster.molecules:
        owners[start : start + len(molecule.symbols)] = molecule.anchor
        start += len(molecule.symbols)
    first, second, distances = neighbor_list("ijd", atoms, natural_cutoffs(atoms, mult=CLOSEST))
    apart = owners[first] != owners[second]
    if apart.any():
        worst = np.flatnonzero(apart)[np.argmin(distances[apart])]
        names = " and ".join(f"{atoms.symbols[k]} (atom {k + 1})" for k in (first[worst], second[worst]))
        raise QdsimError(
            f"Ligands overlap: {names} are {distances[worst]:.2f} Å apart; take another particle or lattice, "
            "halides, or surface: balanced."
        )
