"""Whether the sign of an offset makes two clusters: against all distances of both, which need no symmetry."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from qdsim.structures import RhombohedralState
from qdsim.structures.cluster import Cluster, Surface, build_cluster
from qdsim.structures.offset_sign import sign_matters

CUBIC = RhombohedralState.from_lattice_constant(5.98)


def distances(cluster: Cluster, offset: float) -> np.ndarray:
    """Return the distances between all atoms, sorted, with those between different kinds apart."""
    atoms = cluster.with_state(RhombohedralState(CUBIC.volume, 59.1, offset)).to_atoms()
    kinds = atoms.numbers[:, None] + 1000.0 * atoms.numbers[None, :]
    pairs = np.triu_indices(len(atoms), 1)
    return np.sort(1e4 * (kinds + kinds.T)[pairs] + pdist(atoms.positions))


@pytest.mark.parametrize(
    ("shape", "diameter", "centre", "surface", "expected"),
    [
        ("cube", 7, "tetrahedral", "bare", True),
        ("sphere", 12, "tetrahedral", "bare", True),
        ("octahedron", 14, "tetrahedral", "bare", True),
        ("sphere", 16, "cation", "Cl", False),
        ("cube", 16, "anion", "pseudohydrogen", False),
    ],
)
def test_two_signs_make_two_clusters_without_inversion(
    shape: str, diameter: float, centre: str, surface: Surface, expected: bool
) -> None:
    cluster = build_cluster("Pb", "S", CUBIC, shape, diameter, centre=centre, surface=surface)
    one, other = distances(cluster, 0.12), distances(cluster, -0.12)
    assert np.allclose(one, other, atol=1e-6, rtol=0) != expected
    assert sign_matters(cluster) == expected


def test_a_vacancy_off_the_centre_takes_the_inversion_away() -> None:
    cluster = build_cluster("Pb", "S", CUBIC, "sphere", 16, centre="cation", surface="Cl", vacancies={"S": 1}, seed=1)
    assert sign_matters(cluster)
