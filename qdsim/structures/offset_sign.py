"""Whether an offset of the cations along [111] and the opposite one make the same particle."""

from itertools import permutations

import numpy as np
from scipy.spatial import cKDTree

from qdsim.structures.cluster import Cluster

SAME_PLACE = 0.01
"""Å; atoms nearer than this to where symmetry puts them are there."""
_APART = 1e4
"""Å; keeps atoms of different kinds from being taken for each other."""


def sign_matters(cluster: Cluster) -> bool:
    """Tell whether the sign of an offset along [111] makes two different clusters of a particle.

    It does unless a symmetry of the undistorted particle turns [111] round: inversion, or inversion and an exchange of
    axes. The group T_d, of particles about a tetrahedral hole, has none.

    Parameters
    ----------
    cluster
        The particle, undistorted.
    """
    atoms = cluster.to_atoms()
    kind = _APART * (atoms.numbers + 1000 * atoms.get_tags())
    places = atoms.positions - atoms.positions.mean(axis=0)
    tree = cKDTree(np.column_stack([places, kind]))
    images = (np.column_stack([-places[:, list(order)], kind]) for order in permutations(range(3)))
    return not any(tree.query(image)[0].max() < SAME_PLACE for image in images)
