"""Geometry of rock-salt crystals: no AiiDA, no CP2K."""

from qdsim.structures.distortion import Distortion, measure_distortion
from qdsim.structures.rocksalt import POLAR_AXIS, SUPERCELLS, RhombohedralState, supercell_matrix
from qdsim.structures.shapes import SHAPES, Shape
from qdsim.structures.sites import check_sites, coincident_atoms

__all__ = [
    "POLAR_AXIS",
    "SHAPES",
    "SUPERCELLS",
    "Distortion",
    "RhombohedralState",
    "Shape",
    "check_sites",
    "coincident_atoms",
    "measure_distortion",
    "supercell_matrix",
]
