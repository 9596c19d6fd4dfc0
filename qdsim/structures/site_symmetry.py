"""Which choices of sites symmetry makes equal."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import spglib
from ase import Atoms
from scipy.spatial import cKDTree

from qdsim.errors import QdsimError
from qdsim.structures.distortion import SYMMETRY_TOLERANCE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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
