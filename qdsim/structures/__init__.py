"""Geometry of rock-salt crystals and of nanocrystals: no AiiDA, no CP2K."""

from qdsim.structures.distortion import Distortion, measure_distortion
from qdsim.structures.ligands import ligand_coverage
from qdsim.structures.nanocrystal import CENTRES, LatticeParticle, LatticePoints, cut_crystal, cut_rocksalt
from qdsim.structures.rocksalt import POLAR_AXIS, SUPERCELLS, RhombohedralState, supercell_matrix
from qdsim.structures.shapes import SHAPES, Shape
from qdsim.structures.sites import check_sites, coincident_atoms

__all__ = [
    "CENTRES",
    "POLAR_AXIS",
    "SHAPES",
    "SUPERCELLS",
    "Distortion",
    "LatticeParticle",
    "LatticePoints",
    "RhombohedralState",
    "Shape",
    "check_sites",
    "coincident_atoms",
    "cut_crystal",
    "cut_rocksalt",
    "ligand_coverage",
    "measure_distortion",
    "supercell_matrix",
]
