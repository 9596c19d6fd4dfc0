"""From computed clusters to the documents of `qdsim.analysis.dipole_results`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.units import Debye

from qdsim.analysis.dipole_results import ClusterState, Vector
from qdsim.structures import RhombohedralState
from qdsim.structures.cluster import Cluster
from qdsim.structures.isolation import extent
from qdsim.structures.offset_sign import sign_matters


def describe_cluster(
    label: str,
    particle: str,
    diameter: float,
    cluster: Cluster,
    state: RhombohedralState,
    output: Mapping[str, Any] | None,
    smeared: bool,
    *,
    box: float,
    solver: str,
    reference_point: Vector | None = None,
    relaxed: bool = False,
) -> ClusterState:
    """Describe a cluster.

    Parameters
    ----------
    label, particle, diameter
        Of the cluster, of its particle, and the diameter that was asked for (Å).
    cluster
        The atoms, on any lattice.
    state
        Of the lattice in this calculation, before any relaxation.
    output
        Of CP2K, see `qdsim.cp2k.output.Cp2kOutput`; None where the calculation failed.
    smeared
        Whether its occupations were smeared.
    box, solver, reference_point, relaxed
        See `ClusterState`.
    """
    placed = cluster.with_state(state)
    atoms = placed.to_atoms()
    found = output or {}
    dipole = found.get("dipole")
    x, y, z = (placed.formal_dipole / Debye).tolist()
    return ClusterState(
        label=label,
        particle=particle,
        diameter=diameter,
        composition=placed.composition,
        n_atoms=len(atoms),
        n_cations=int((placed.particle.points.sites == 0).sum()),
        extent=extent(atoms),
        volume=state.volume,
        alpha_rh=state.alpha,
        pb_offset=state.offset,
        sign_matters=sign_matters(cluster.with_state(RhombohedralState(state.volume))),
        formal_charge=placed.formal_charge,
        formal_dipole=(x, y, z),
        relaxed=relaxed,
        box=box,
        solver=solver,
        reference_point=reference_point,
        energy=found.get("energy"),
        dipole=None if dipole is None else tuple(np.asarray(dipole, dtype=float).tolist()),
        homo=found.get("homo"),
        lumo=found.get("lumo"),
        smeared=smeared,
    )
