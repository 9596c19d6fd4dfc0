"""What a plan consists of: calculations with their inputs and their cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from qdsim.cp2k.memory import estimate_memory, grid_points
from qdsim.cp2k.settings import Settings

GIGABYTE = 1e9
SMALL_CELL = 2
"""Atoms of the cell that the cost of the grids was measured on; pairs of an atom with its own images cost more."""


CLUSTER_STEPS = 45
"""SCF steps that a cluster takes with OT from free atoms."""
REFINING_STEPS = 12
"""SCF steps that it takes from the wavefunction on coarser grids."""
POINT = 1e-6
"""Seconds an SCF step and grid point of a cluster alone in its cell: functional, transforms, Poisson equation."""


@dataclass(frozen=True)
class Task:
    """One calculation, or one relaxation of several."""

    label: str
    part: str
    atoms: Atoms
    settings: Settings
    parameters: dict[str, Any]
    single_points: int = 1
    scf_steps: int | None = None
    """Of a single point, where they are not the usual ones."""

    @property
    def core_hours(self) -> float:
        """Rough cost."""
        return self.single_points * core_seconds(self.atoms, self.settings, self.scf_steps) / 3600

    @property
    def memory(self) -> float | None:
        """Rough memory of a cluster alone in its cell, GB; None for crystals, which take little."""
        if self.atoms.pbc.any():
            return None
        return estimate_memory(self.atoms, float(self.atoms.cell.lengths()[0]), self.settings) / GIGABYTE


def core_seconds(atoms: Atoms, settings: Settings, scf_steps: int | None = None) -> float:
    """Estimate what one single point costs.

    Measured on PbS with DZVP-MOLOPT-SR-GTH at 300 Ry on one core of a current server with OpenBLAS, in seconds an SCF
    step: the grids take 0.25 for each atom of the primitive cell and 0.05 for each further atom of a supercell,
    whatever the k-mesh; diagonalisation takes, a k-point, 3 ms for the 26 basis functions of a formula unit, and for n
    of them 3 n + 0.02 n^3 ms; OT needs a tenth of that. Within a factor of three elsewhere.
    """
    if scf_steps is None:
        scf_steps = 14 if atoms.pbc.any() else CLUSTER_STEPS
    grids = 0.25 * min(len(atoms), SMALL_CELL) + 0.05 * max(len(atoms) - SMALL_CELL, 0)
    grids *= ((settings.cutoff or 300) / 300) ** 1.5
    if not atoms.pbc.any():
        grids += POINT * grid_points(float(atoms.cell.lengths()[0]), settings.cutoff or 300)
    k_points = int(np.prod(settings.k_points)) / 2 if settings.k_points else 1
    formula_units = len(atoms) / 2
    diagonalisation = k_points * (3e-3 * formula_units + 2e-5 * formula_units**3)
    return float(scf_steps * (grids + diagonalisation * (0.1 if settings.solver == "OT" else 1.0)))
