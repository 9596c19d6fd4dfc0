"""Vacant sites of a crystal: single vacancies and pairs that symmetry does not make equal, and their charges."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import copysign

import numpy as np
import numpy.typing as npt
from ase import Atoms

from qdsim.errors import QdsimError
from qdsim.structures.site_symmetry import find_permutations, inequivalent_choices
from qdsim.structures.supercells import with_reduced_cell

FloatArray = npt.NDArray[np.float64]

DECIMALS = 4
"""Of a distance (Å) that are compared; the others may be rounding errors."""


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
    check_vacant(host, sites)
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


def check_vacant(host: Atoms, sites: Collection[int]) -> None:
    """Refuse sites that are not there, named twice, or all there are."""
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

    check_vacant(host, sites)
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
