"""Vacant sites of a crystal: inequivalent ones, starts off symmetry, and supercells that suit."""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import copysign, isfinite, pi

import numpy as np
import numpy.typing as npt
import spglib
from ase import Atoms
from ase.geometry import minkowski_reduce
from ase.neighborlist import natural_cutoffs, neighbor_list
from scipy.spatial import cKDTree

from qdsim.errors import QdsimError
from qdsim.structures.distortion import SYMMETRY_TOLERANCE
from qdsim.structures.rocksalt import Supercell, supercell_matrix

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DECIMALS = 4
"""Of a distance (Å) that are compared; the others may be rounding errors."""
SHELL = 1.2
"""The nearest neighbours of a site are up to this many nearest distances away: all six of rock salt distorted to R3m,
whose bonds differ by up to 10 %, but not the twelve like neighbours at 1.41."""
CLOSEST = 0.7
"""Atoms of a starting structure are no nearer to each other than this part of the sum of their covalent radii; bonds of
lead chalcogenides are 1.1 to 1.2 of these sums, that of a S-S pair 1.0."""
SEEDS = 2**32
"""Seeds of NumPy's generators are below this number."""
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


@dataclass(frozen=True)
class VacantSites:
    """Sites of a host crystal that are vacant together: a single vacancy or a complex of several.

    Attributes
    ----------
    name
        Such as ``V_Pb`` or ``V_Pb+V_S at 2.98 Å``; unique among those that are made together.
    sites
        Indices of the atoms in the host.
    multiplicity
        Number of symmetry-equivalent choices in the supercell.
    separation
        Distance between the two sites of a pair, of the nearest periodic images, Å.
    """

    name: str
    sites: tuple[int, ...]
    multiplicity: int
    separation: float | None = None


@dataclass(frozen=True)
class SitePermutations:
    """The space group of a supercell, its inner translations included, as permutations of the atoms.

    Every operation is one of `translations` after one of `rotations`; each moves atom i to where atom
    ``permutation[i]`` is.

    Attributes
    ----------
    rotations
        One operation for each rotational part, shape (n_rotations, n_atoms).
    translations
        Lattice translations within the supercell, shape (n_translations, n_atoms).
    """

    rotations: IntArray
    translations: IntArray

    def __len__(self) -> int:
        """Count the operations."""
        return len(self.rotations) * len(self.translations)

    def orbit(self, sites: Sequence[int]) -> set[tuple[int, ...]]:
        """Find all choices of sites that are equivalent to one, each in ascending order."""
        images = self.translations[:, self.rotations[:, list(sites)]].reshape(-1, len(sites))
        return set(map(tuple, np.sort(images, axis=1).tolist()))


def find_permutations(host: Atoms) -> SitePermutations:
    """Find the space group of a supercell by spglib, as permutations of its atoms.

    Parameters
    ----------
    host
        Periodic crystal. Displacements below `SYMMETRY_TOLERANCE` do not break its symmetry.

    Raises
    ------
    QdsimError
        If there is no space group, or its operations do not map the atoms on each other.
    """
    positions = host.get_scaled_positions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # spglib announces exceptions in place of None
        found = spglib.get_symmetry_dataset((host.cell.array, positions, host.numbers), symprec=SYMMETRY_TOLERANCE)
    if found is None:
        raise QdsimError(f"No space group was found for {host.get_chemical_formula()}: check its cell and positions.")
    _, first = np.unique(found.rotations.reshape(-1, 9), axis=0, return_index=True)
    inner = np.flatnonzero((found.rotations == np.eye(3)).all(axis=(1, 2)))
    rotations, translations = (
        _permute(positions, found.rotations[chosen], found.translations[chosen]) for chosen in (first, inner)
    )
    return SitePermutations(rotations, translations)


def _permute(positions: FloatArray, rotations: npt.NDArray[np.integer], translations: FloatArray) -> IntArray:
    """Turn operations into permutations, all in units of the cell."""
    tree = cKDTree(positions % 1.0 % 1.0, boxsize=1.0)  # once, -1e-17 becomes 1.0
    images = np.einsum("gij,nj->gni", rotations, positions) + translations[:, None]
    permutations = np.asarray(tree.query(images % 1.0 % 1.0)[1], dtype=np.int64)
    if (np.sort(permutations, axis=1) != np.arange(len(positions))).any():
        raise QdsimError(
            f"The symmetry of the host is not clear within {SYMMETRY_TOLERANCE} Å: give the ideal crystal, "
            "not a relaxed or rattled one."
        )
    return permutations


def inequivalent_choices(
    choices: Iterable[tuple[int, ...]], permutations: SitePermutations
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Keep the first of all equivalent choices of sites.

    Yields
    ------
    tuple of int, int
        The choice, and the number of choices that are equivalent to it, itself included.
    """
    seen: set[tuple[int, ...]] = set()
    for sites in choices:
        if tuple(sorted(sites)) not in seen:
            orbit = permutations.orbit(sites)
            seen |= orbit
            yield sites, len(orbit)


def sites_of(host: Atoms, element: str) -> list[int]:
    """Find the sites of an element.

    Raises
    ------
    QdsimError
        If the host has none.
    """
    sites = [site for site, symbol in enumerate(host.get_chemical_symbols()) if symbol == element]
    if not sites:
        raise QdsimError(
            f"The crystal {host.get_chemical_formula()} has no {element} to take away: "
            f"name {' or '.join(sorted(set(host.get_chemical_symbols())))}."
        )
    return sites


def with_reduced_cell(atoms: Atoms) -> Atoms:
    """Span the lattice by its shortest vectors; in other cells the nearest images that ASE finds may not be."""
    reduced: Atoms = atoms.copy()
    reduced.set_cell(minkowski_reduce(atoms.cell, atoms.pbc)[0])
    return reduced


def remove_sites(host: Atoms, sites: Collection[int]) -> Atoms:
    """Take atoms away; the others keep their order, the cell stays.

    Parameters
    ----------
    host
        Is not changed.
    sites
        Indices of the atoms to take away.

    Raises
    ------
    QdsimError
        If there is no such atom, one is named twice, or none would be left.
    """
    _check_vacant(host, sites)
    defective: Atoms = host[[atom for atom in range(len(host)) if atom not in sites]]
    return defective


def centre_of(host: Atoms, sites: Sequence[int]) -> FloatArray:
    """Return the fractional coordinates (3,) of the middle of some sites, of the images nearest to the first.

    Parameters
    ----------
    host
        Crystal before the atoms were taken away.
    sites
        Indices of the vacant sites.
    """
    reduced = with_reduced_cell(host)
    vectors = reduced.get_distances(sites[0], list(sites), mic=True, vector=True)
    return np.asarray(host.cell.scaled_positions(host.positions[sites[0]] + vectors.mean(axis=0)))


def _check_vacant(host: Atoms, sites: Collection[int]) -> None:
    wrong = [site for site in sites if not 0 <= site < len(host)]
    if wrong:
        raise QdsimError(f"There is no site {wrong[0]}: the host has the sites 0 to {len(host) - 1}.")
    if len(set(sites)) < len(sites):
        raise QdsimError(f"The vacant sites {', '.join(map(str, sites))} name one of them twice: name each once.")
    if len(sites) == len(host):
        raise QdsimError("All atoms of the host would be taken away: leave some.")


def inequivalent_vacancies(host: Atoms, elements: Sequence[str]) -> list[VacantSites]:
    """Find the single vacancies that symmetry does not make equal.

    Parameters
    ----------
    host
        Supercell of the crystal. Displacements below `SYMMETRY_TOLERANCE` do not break its symmetry.
    elements
        Symbols of the elements to take away.

    Returns
    -------
    list of VacantSites
        In the order of `elements`; ``V_Pb``, or ``V_Pb_1``, ``V_Pb_2`` if there are several of one element.

    Raises
    ------
    QdsimError
        If the host has none of an element, or its symmetry is not clear.
    """
    permutations = find_permutations(host)
    vacancies = []
    for element in elements:
        found = list(inequivalent_choices(((site,) for site in sites_of(host, element)), permutations))
        for number, (sites, multiplicity) in enumerate(found, start=1):
            name = f"V_{element}_{number}" if len(found) > 1 else f"V_{element}"
            vacancies.append(VacantSites(name, sites, multiplicity))
    return vacancies


def inequivalent_pairs(
    host: Atoms, first: str, second: str, largest_distance: float | None = None
) -> list[VacantSites]:
    """Find the pairs of vacancies that symmetry does not make equal.

    Pairs are equivalent when an operation of the supercell's space group, its inner translations included,
    maps one on the other, whichever periodic images they are.

    Parameters
    ----------
    host
        Supercell of the crystal. Displacements below `SYMMETRY_TOLERANCE` do not break its symmetry.
    first, second
        Symbols of the elements to take away; two different ones for Schottky pairs.
    largest_distance
        Of the nearest images of the two, Å; all pairs if not given.

    Returns
    -------
    list of VacantSites
        By distance. The name has the distance, and a number where inequivalent pairs share it:
        ``V_Pb+V_S at 2.98 Å``, ``V_Pb+V_Pb at 5.95 Å #2``.

    Raises
    ------
    QdsimError
        If the host has none of an element, its symmetry is not clear, or no pair is that close.
    """
    of_first, of_second = sites_of(host, first), sites_of(host, second)
    choices = combinations(of_first, 2) if first == second else product(of_first, of_second)
    reduced = with_reduced_cell(host)
    found = [
        (float(reduced.get_distance(sites[0], sites[1], mic=True)), sites, multiplicity)
        for sites, multiplicity in inequivalent_choices(choices, find_permutations(host))
    ]
    if not found:
        raise QdsimError(f"The supercell has one {first} only and no pair of them: take a larger one.")
    found.sort(key=lambda pair: (round(pair[0], DECIMALS), pair[1]))
    reach = np.inf if largest_distance is None else largest_distance + 10**-DECIMALS
    near = [pair for pair in found if round(pair[0], DECIMALS) <= reach]
    if not near:
        raise QdsimError(
            f"No pair of {first} and {second} is within {largest_distance:g} Å: the nearest are "
            f"{found[0][0]:.2f} Å apart, so give a larger distance."
        )
    names = _number([f"V_{first}+V_{second} at {round(distance, DECIMALS):.2f} Å" for distance, *_ in found])
    return [
        VacantSites(name, sites, multiplicity, distance)
        for name, (distance, sites, multiplicity) in zip(names, near, strict=False)
    ]


def _number(names: Sequence[str]) -> list[str]:
    """Add a number to each name that occurs more than once."""
    return [f"{name} #{names[: k + 1].count(name)}" if names.count(name) > 1 else name for k, name in enumerate(names)]


def guess_charges(host: Atoms, sites: Collection[int]) -> tuple[int, ...]:
    """Guess the charge states of vacant sites from the oxidation states of the atoms taken away.

    Those of the host are guessed by pymatgen from its composition (``Composition.oxi_state_guesses``: the
    neutral combination of tabulated states that is most frequent among known compounds). A site that has
    lost an ion of oxidation state z has the charges from 0 to -z, as in pymatgen-analysis-defects without
    its padding: V_Pb of PbS 0, -1 and -2, V_S 0, +1 and +2. The charges of several sites are all sums of
    theirs: those of V_Pb+V_S go from -2 to +2.

    Parameters
    ----------
    host
        Crystal before the atoms were taken away.
    sites
        Indices of the vacant sites.

    Returns
    -------
    tuple of int
        In units of the elementary charge, from zero upwards in size.

    Raises
    ------
    QdsimError
        If no oxidation states make the host neutral, or the sites are none of its sites.
    """
    from pymatgen.core.composition import Composition

    _check_vacant(host, sites)
    formula = host.get_chemical_formula(empirical=True)
    guesses = Composition(formula).oxi_state_guesses(max_sites=-1)
    if not guesses:
        raise QdsimError(f"No oxidation states of its elements make {formula} neutral: state the charges yourself.")
    lost = [_away_from_zero(guesses[0][host.symbols[site]]) for site in sites]
    lowest = -sum(state for state in lost if state > 0)
    highest = -sum(state for state in lost if state < 0)
    return tuple(sorted(range(lowest, highest + 1), key=lambda charge: (abs(charge), charge)))


def _away_from_zero(state: float) -> int:
    return int(copysign(np.ceil(abs(state)), state))


def distort_neighbours(host: Atoms, sites: Collection[int], factor: float, neighbours: int | None = None) -> Atoms:
    """Take atoms away and move the nearest neighbours of their sites towards or away from them.

    Such starts find distortions with a lower energy that a relaxation from the ideal sites misses; the
    number of neighbours and the factor are those of ShakeNBreak (Mosquera-Lois et al., npj Comput. Mater. 9,
    25 (2023)), which takes as many neighbours as the defect has electrons too many or too few, and factors
    from 0.4 to 1.6. Rattle the result.

    Parameters
    ----------
    host
        Is not changed.
    sites
        Indices of the atoms to take away.
    factor
        Distance from the vacant site in units of what it was.
    neighbours
        How many of the first shell of each site (see `SHELL`) to move, the nearest first; all if not given.

    Returns
    -------
    ase.Atoms
        Without the atoms taken away.

    Raises
    ------
    QdsimError
        If the factor or the number of neighbours is not positive, or atoms would come too close.
    """
    if not (isfinite(factor) and factor > 0):
        raise QdsimError(f"The factor of the distances to the neighbours is {factor}: give a positive number.")
    if neighbours is not None and neighbours < 1:
        raise QdsimError(f"The number of neighbours to move is {neighbours}: give a positive number.")
    _check_vacant(host, sites)
    moved = host.copy()
    for site in sites:
        for atom, vector in _first_shell(host, site, sites)[:neighbours]:
            moved.positions[atom] += (factor - 1) * vector
    defective = remove_sites(moved, sites)
    _check_contacts(defective, "give a factor nearer to 1")
    return defective


def _first_shell(host: Atoms, site: int, vacant: Collection[int]) -> list[tuple[int, FloatArray]]:
    """Find the nearest atoms of a site and the vectors to them (Å), the nearest first."""
    left = [atom for atom in range(len(host)) if atom not in vacant]
    reduced = with_reduced_cell(host)
    nearest = reduced.get_distances(site, left, mic=True).min()
    first, second, vectors = neighbor_list("ijD", reduced, SHELL * nearest)
    shell = [
        (int(atom), vector)
        for centre, atom, vector in zip(first, second, vectors, strict=True)
        if centre == site and atom not in vacant
    ]
    return sorted(shell, key=lambda pair: (round(float(np.linalg.norm(pair[1])), DECIMALS), pair[0]))


def rattle(atoms: Atoms, amplitude: float, seed: int) -> Atoms:
    """Displace all atoms at random, so that a relaxation does not stay in the symmetry it starts with.

    Parameters
    ----------
    atoms
        Is not changed.
    amplitude
        Standard deviation of each Cartesian component of the displacements, which are normally distributed, Å.
    seed
        The same one gives the same displacements.

    Raises
    ------
    QdsimError
        If the amplitude is negative or so large that atoms come nearer than `CLOSEST`, or the seed is not one.
    """
    if not (isfinite(amplitude) and amplitude >= 0):
        raise QdsimError(f"The amplitude of the displacements is {amplitude} Å: give a number that is not negative.")
    check_seed(seed)
    rattled: Atoms = atoms.copy()
    rattled.rattle(amplitude, seed=seed)
    _check_contacts(rattled, f"displace by less than {amplitude:g} Å, or take another seed")
    return rattled


def check_seed(seed: int) -> None:
    """Refuse what is no seed of NumPy's generators."""
    if not 0 <= seed < SEEDS:
        raise QdsimError(f"The seed is {seed}: give an integer from 0 to {SEEDS - 1}.")


def _check_contacts(atoms: Atoms, remedy: str) -> None:
    """Refuse atoms nearer than `CLOSEST`."""
    first, second, distances = neighbor_list("ijd", atoms, natural_cutoffs(atoms, mult=CLOSEST))
    if len(distances):
        worst = int(distances.argmin())
        names = " and ".join(f"{atoms.symbols[atom]} (atom {atom + 1})" for atom in (first[worst], second[worst]))
        raise QdsimError(f"The displacements bring {names} within {distances[worst]:.2f} Å: {remedy}.")


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
