"""What a plan consists of: calculations with their inputs and their cost."""

from dataclasses import dataclass
from typing import Any

from ase import Atoms

from qdsim.cp2k import cost
from qdsim.cp2k.memory import estimate_memory
from qdsim.cp2k.settings import Settings

GIGABYTE = 1e9
REFINING_STEPS = 12
"""SCF steps that a cluster takes from the wavefunction on coarser grids."""


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
    """Estimate what one single point costs: see :func:`qdsim.cp2k.cost.core_seconds`."""
    return cost.core_seconds(atoms, settings.cutoff, settings.k_points, settings.solver, scf_steps)
