"""Geometry of rock-salt crystals and of nanocrystals: no AiiDA, no CP2K."""

from qdsim.structures.cluster import Cluster, build_cluster
from qdsim.structures.distortion import Distortion, measure_distortion
from qdsim.structures.ligands import ligand_coverage
from qdsim.structures.nanocrystal import CENTRES, LatticeParticle, LatticePoints, cut_crystal, cut_rocksalt
from qdsim.structures.orderings import Ordering, count_vacant, vacancy_orderings
from qdsim.structures.rocksalt import CUBIC_ANGLE, POLAR_AXIS, SUPERCELLS, RhombohedralState, supercell_matrix
from qdsim.structures.rocksalt_compounds import rocksalt_compounds
from qdsim.structures.shapes import SHAPES, Shape
from qdsim.structures.sites import check_sites, coincident_atoms
from qdsim.structures.starts import distort_neighbours, rattle
from qdsim.structures.supercells import advise_supercell, check_image_distance, image_distance
from qdsim.structures.vacancies import (
    VacantSites,
    guess_charges,
    inequivalent_pairs,
    inequivalent_vacancies,
    remove_sites,
)

__all__ = [
    "CENTRES",
    "CUBIC_ANGLE",
    "POLAR_AXIS",
    "SHAPES",
    "SUPERCELLS",
    "Cluster",
    "Distortion",
    "LatticeParticle",
    "LatticePoints",
    "Ordering",
    "RhombohedralState",
    "Shape",
    "VacantSites",
    "advise_supercell",
    "build_cluster",
    "check_image_distance",
    "check_sites",
    "coincident_atoms",
    "count_vacant",
    "cut_crystal",
    "cut_rocksalt",
    "distort_neighbours",
    "guess_charges",
    "image_distance",
    "inequivalent_pairs",
    "inequivalent_vacancies",
    "ligand_coverage",
    "measure_distortion",
    "rattle",
    "remove_sites",
    "rocksalt_compounds",
    "supercell_matrix",
    "vacancy_orderings",
]
