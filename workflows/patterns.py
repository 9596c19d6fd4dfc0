"""What computed structures scatter."""

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase import Atoms

from qdsim.debye.intensity import intensity
from qdsim.errors import QdsimError
from qdsim.structures import LatticeParticle, RhombohedralState, cut_rocksalt
from qdsim.workflows.documents import PatternSettings


@calcfunction
def compute_pattern(structure: orm.StructureData, settings: orm.Dict) -> orm.XyData:
    """Compute the pattern of a cluster as it is, or of a particle cut from a crystal: see `PatternSettings`."""
    wanted = PatternSettings(**settings.get_dict())
    atoms = structure.get_ase()
    particle: Atoms | LatticeParticle = atoms[atoms.get_tags() == 0]  # pseudo-hydrogens are no atoms to X-rays
    if atoms.pbc.all():
        cut = wanted.cut
        if cut is None:
            raise QdsimError("A crystal scatters as a particle that is cut from it: say which.")
        state = RhombohedralState.from_atoms(atoms, cut.cation)
        particle = cut_rocksalt(cut.cation, cut.anion, state, cut.shape, cut.diameter)
    q = np.linspace(wanted.q_min, wanted.q_max, wanted.points)
    pattern = orm.XyData()
    pattern.set_x(q, "q", "1/angstrom")
    scattered = intensity(particle, q, b_iso=wanted.b_iso, energy_kev=wanted.energy_kev)
    pattern.set_y(scattered, "intensity", "electrons^2 per particle")
    return pattern
