"""The distances between the atoms of a particle and how much each counts: what every kind of pattern is made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Species:
    """A kind of pair: two chemical symbols and the sum of their B.

    Attributes
    ----------
    symbols
        Chemical symbols of the two atoms.
    b_sum
        Sum of the isotropic displacement parameters B of the two atoms, Å^2.
    """

    symbols: tuple[str, str]
    b_sum: float


@dataclass(frozen=True)
class PairGroup:
    """Pairs that share a list of distances.

    Attributes
    ----------
    distances
        Å, shape (k,).
    species
        One for each row of `weights`.
    weights
        Sum of occupancy products over ordered pairs, shape (len(species), k).
    """

    distances: FloatArray
    species: tuple[Species, ...]
    weights: FloatArray


@dataclass(frozen=True)
class Pairs:
    """All pairs of distinct atoms of a particle, and the sums over single atoms that go with them.

    Attributes
    ----------
    groups
        The pairs.
    occupancy
        Sum of the occupancies of each element.
    squared_occupancy
        Sum of their squares.
    """

    groups: tuple[PairGroup, ...]
    occupancy: Mapping[str, float]
    squared_occupancy: Mapping[str, float]

    @property
    def largest_distance(self) -> float:
        """Largest distance, Å; 0 for a single atom."""
        return max((float(group.distances.max()) for group in self.groups if group.distances.size), default=0.0)
