"""Where relaxations start: off the symmetry that they would keep."""

from collections.abc import Collection
from math import isfinite

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.neighborlist import natural_cutoffs, neighbor_list

from qdsim.errors import QdsimError
from qdsim.structures.supercells import with_reduced_cell
from qdsim.structures.vacancies import DECIMALS, check_vacant, remove_sites

FloatArray = npt.NDArray[np.float64]

SHELL = 1.2
"""The nearest neighbours of a site are up to this many nearest distances away: all six of rock salt distorted to R3m,
whose bonds differ by up to 10 %, but not the twelve like neighbours at 1.41."""
CLOSEST = 0.7
"""Atoms of a starting structure are no nearer to each other than this part of the sum of their covalent radii; bonds of
lead chalcogenides are 1.1 to 1.2 of these sums, that of a S-S pair 1.0."""
SEEDS = 2**32
"""Seeds of NumPy's generators are below this number."""


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
    check_vacant(host, sites)
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
