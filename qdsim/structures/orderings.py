"""Orderings of many vacancies in a supercell: a series of concentrations, several arrangements of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice, product
from math import comb, floor, prod
from typing import Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms

from qdsim.errors import QdsimError
from qdsim.structures.distortion import SYMMETRY_TOLERANCE
from qdsim.structures.site_symmetry import SitePermutations, find_permutations, inequivalent_choices
from qdsim.structures.starts import check_seed
from qdsim.structures.supercells import with_reduced_cell
from qdsim.structures.vacancies import sites_of

FloatArray = npt.NDArray[np.float64]
Kind = Literal["enumerated", "quasi-random", "far apart"]

MOST = 10
"""Of the orderings of one concentration when all are taken."""
N_SAMPLES = 3
"""Of the orderings of one concentration when not all are taken."""
LARGEST_ENUMERATION = 1_000_000
"""Choices of sites among which inequivalent ones are looked for; they take seconds and some 100 MB."""
PAIR_CUTOFF, TRIPLET_CUTOFF = 1.8, 1.2
"""Of the clusters of a quasi-random ordering, in nearest distances of the vacated sublattice: three shells of pairs
and the triangles of nearest neighbours of a face-centred lattice."""
STEPS_PER_SITE = 30
"""Monte Carlo steps of the longest search for a quasi-random ordering."""
N_SEARCHES = 50
"""For quasi-random orderings at most; the last ones are a step from a random ordering, and so end somewhere new."""
STAND_INS = ("He", "Ne", "Ar", "Kr", "Xe", "Rn")
"""Symbols of vacant sites for icet, which wants another one for each sublattice."""
REPULSION_POWER = 6
"""Of 1/distance between vacancies that are far apart: so steep that the nearest ones count, but not these alone."""
SHORTEST_SEARCH = 2
"""Steps; the temperature of fewer is not defined."""
N_STARTS = 20
"""Random starts of the search for the ordering whose vacancies are far apart."""
IMPROVEMENT = 1e-9
"""Of the repulsion in units of that of nearest neighbours; below it two orderings are as good."""


@dataclass(frozen=True)
class Ordering:
    """An arrangement of vacancies in a supercell.

    Attributes
    ----------
    label
        Such as ``Pb 6.2 % #2``; unique in a series of one host and its elements.
    sites
        Indices of the vacant sites in the host, in ascending order.
    multiplicity
        Number of symmetry-equivalent choices in the supercell.
    kind
        One of all that there are, a special quasi-random one, or the one whose vacancies are far apart.
    concentration
        Vacant sites in each sublattice that has vacancies, over its sites: what the number of sites allows.
    """

    label: str
    sites: tuple[int, ...]
    multiplicity: int
    kind: Kind
    concentration: float


def count_vacant(n_sites: int, concentration: float) -> int:
    """Round a concentration of vacancies to a number of sites.

    Parameters
    ----------
    n_sites
        Of the sublattice in the supercell.
    concentration
        Vacant sites over all sites of the sublattice, between 0 and 1.

    Raises
    ------
    QdsimError
        If the concentration is not between 0 and 1, or none or all of the sites would be vacant.
    """
    if not 0 < concentration < 1:
        raise QdsimError(
            f"The concentration of vacancies is {concentration:g}: give a share of the sites between 0 and 1, "
            "both excluded."
        )
    n_vacant = floor(n_sites * concentration + 0.5)
    if not 0 < n_vacant < n_sites:
        raise QdsimError(
            f"A concentration of {100 * concentration:g} % is {'none' if n_vacant == 0 else 'all'} of the {n_sites} "
            f"sites in the supercell, where one is {100 / n_sites:.3g} %: give another one, or a larger supercell."
        )
    return n_vacant


def vacancy_orderings(
    host: Atoms, elements: Sequence[str], concentrations: Sequence[float], most: int = MOST, seed: int = 0
) -> list[Ordering]:
    """Arrange vacancies at several concentrations.

    Where there are at most `most` symmetry-inequivalent orderings of a concentration, all of them are given.
    Otherwise `N_SAMPLES` inequivalent ones are: special quasi-random ones (Zunger et al., Phys. Rev. Lett. 65,
    353 (1990), by icet) and the one whose vacancies repel each other least with 1/distance^6 of their nearest
    images. The first quasi-random one is the best that was found; in small supercells the next one is poorer,
    because the best is unique. Of equivalent orderings the one with the lowest indices of sites is given.

    Parameters
    ----------
    host
        Supercell of the crystal without vacancies. Displacements below `SYMMETRY_TOLERANCE` do not break its
        symmetry.
    elements
        Symbols of those to take away. Of several, equal numbers are, which keeps a crystal AB of ions with
        opposite charges neutral.
    concentrations
        Vacant sites over all sites of a sublattice; rounded to whole numbers of sites, and those that become
        equal are taken once.
    most
        Largest number of orderings of one concentration.
    seed
        The same one gives the same orderings.

    Returns
    -------
    list of Ordering
        In the order of the concentrations.

    Raises
    ------
    QdsimError
        If the host has none of an element or different numbers of sites of them, its symmetry is not clear,
        or a concentration, `most` or the seed is out of range.
    """
    if most < N_SAMPLES:
        raise QdsimError(f"The largest number of orderings is {most}: give {N_SAMPLES} or more.")
    check_seed(seed)
    sublattices = [sites_of(host, element) for element in elements]
    sizes = [len(sublattice) for sublattice in sublattices]
    if len(set(elements)) < len(elements) or len(set(sizes)) != 1:
        raise QdsimError(
            f"The elements {', '.join(elements)} with {', '.join(map(str, sizes))} sites cannot lose equal shares of "
            "them: name one element, or different ones with as many sites."
        )
    permutations = find_permutations(host)
    series = []
    for n_vacant in dict.fromkeys(count_vacant(sizes[0], concentration) for concentration in concentrations):
        share = n_vacant / sizes[0]
        name = f"{'+'.join(elements)} {100 * share:.1f} %"
        arranged = _enumerate(sublattices, n_vacant, permutations, most) or _sample(
            host, sublattices, n_vacant, permutations, seed
        )
        series += [
            Ordering(f"{name} #{number}", sites, len(permutations.orbit(sites)), kind, share)
            for number, (sites, kind) in enumerate(arranged, start=1)
        ]
    return series


def _enumerate(
    sublattices: Sequence[Sequence[int]], n_vacant: int, permutations: SitePermutations, most: int
) -> list[tuple[tuple[int, ...], Kind]]:
    """Find all inequivalent orderings, or none if there are too many.

    An ordering has at most as many equivalent ones as there are operations, which bounds their number from
    below before any is made.
    """
    n_choices = prod(comb(len(sublattice), n_vacant) for sublattice in sublattices)
    if n_choices > min(most * len(permutations), LARGEST_ENUMERATION):
        return []
    parts = product(*(combinations(sublattice, n_vacant) for sublattice in sublattices))
    choices = (tuple(chain.from_iterable(part)) for part in parts)
    found = list(islice(inequivalent_choices(choices, permutations), most + 1))
    return [] if len(found) > most else [(min(permutations.orbit(sites)), "enumerated") for sites, _ in found]


def _sample(
    host: Atoms, sublattices: Sequence[Sequence[int]], n_vacant: int, permutations: SitePermutations, seed: int
) -> list[tuple[tuple[int, ...], Kind]]:
    """Find quasi-random orderings and one whose vacancies are far apart, all inequivalent."""
    far_apart = min(permutations.orbit(_far_apart(host, sublattices, n_vacant, seed)))
    found: dict[tuple[int, ...], Kind] = {}
    for sites in _quasi_random(host, sublattices, n_vacant, seed):
        lowest = min(permutations.orbit(sites))
        if lowest != far_apart:
            found[lowest] = "quasi-random"
        if len(found) == N_SAMPLES - 1:
            break
    return [*found.items(), (far_apart, "far apart")]


def _quasi_random(
    host: Atoms, sublattices: Sequence[Sequence[int]], n_vacant: int, seed: int
) -> Iterator[tuple[int, ...]]:
    """Find special quasi-random orderings by simulated annealing, each search half as long as the one before.

    A short search ends in a poorer ordering where a long one would find the best one again.
    """
    from icet import ClusterSpace
    from icet.tools.structure_generation import generate_sqs_from_supercells

    elements = [host.symbols[sublattice[0]] for sublattice in sublattices]
    vacant = dict(zip(elements, STAND_INS, strict=False))
    allowed = [[symbol, vacant[symbol]] if symbol in vacant else [symbol] for symbol in host.get_chemical_symbols()]
    nearest = min(_distances(host, sublattice).min() for sublattice in sublattices)
    cluster_space = ClusterSpace(
        host, [PAIR_CUTOFF * nearest, TRIPLET_CUTOFF * nearest], allowed, symprec=SYMMETRY_TOLERANCE
    )
    share = n_vacant / len(sublattices[0])
    targets = {
        sublattice.symbol: {symbol: 1 - share if symbol in vacant else share for symbol in sublattice.chemical_symbols}
        for sublattice in cluster_space.get_sublattices(host).active_sublattices
    }
    longest = STEPS_PER_SITE * sum(map(len, sublattices))
    for search in range(N_SEARCHES):
        found = generate_sqs_from_supercells(
            cluster_space, [host], targets, n_steps=max(longest >> search, SHORTEST_SEARCH), random_seed=seed + search
        )
        yield tuple(np.flatnonzero(found.numbers != host.numbers).tolist())


def _far_apart(host: Atoms, sublattices: Sequence[Sequence[int]], n_vacant: int, seed: int) -> tuple[int, ...]:
    """Find the ordering of least repulsion by moving vacancies to where it falls most, from random starts."""
    sites = np.concatenate([np.array(sublattice) for sublattice in sublattices])
    group = np.repeat(np.arange(len(sublattices)), [len(sublattice) for sublattice in sublattices])
    distances = _distances(host, sites.tolist())
    repulsion = (distances / distances.min()) ** -REPULSION_POWER
    rng = np.random.default_rng(seed)
    best, lowest = np.empty(0, dtype=bool), np.inf
    for _ in range(N_STARTS):
        vacant = np.zeros(len(sites), dtype=bool)
        for number in range(len(sublattices)):
            vacant[rng.choice(np.flatnonzero(group == number), n_vacant, replace=False)] = True
        energy = _settle(vacant, repulsion, group)
        if energy < lowest - IMPROVEMENT:
            best, lowest = vacant, energy
    return tuple(sorted(sites[best].tolist()))


def _settle(vacant: npt.NDArray[np.bool_], repulsion: FloatArray, group: npt.NDArray[np.int64]) -> float:
    """Move vacancies within their sublattices until no single move lowers the repulsion, which is returned."""
    forbidden = group[:, None] != group
    while True:
        field = repulsion @ vacant
        changes = field - repulsion - field[:, None]
        changes[forbidden | ~vacant[:, None] | vacant] = np.inf
        source, target = np.unravel_index(changes.argmin(), changes.shape)
        if changes[source, target] > -IMPROVEMENT:
            return float(field @ vacant) / 2
        vacant[source], vacant[target] = False, True


def _distances(host: Atoms, sites: Sequence[int]) -> FloatArray:
    """Distances between the nearest images of sites, infinite to themselves, Å, shape (n, n)."""
    distances: FloatArray = with_reduced_cell(host[list(sites)]).get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    return distances
