"""How long CP2K takes: from settings beforehand, or from an input as it will run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from ase import Atoms

from qdsim.cp2k.keywords import k_mesh, numbers, section
from qdsim.cp2k.memory import grid_points

SMALL_CELL = 2
"""Atoms of the cell that the cost of the grids was measured on; pairs of an atom with its own images cost more."""
CRYSTAL_STEPS = 14
"""SCF steps of a crystal."""
CLUSTER_STEPS = 45
"""SCF steps that a cluster takes with OT from free atoms."""
POINT = 1e-6
"""Seconds an SCF step and grid point of a cluster alone in its cell: functional, transforms, Poisson equation."""
CUTOFF = 300.0
"""Ry; of settings that have none."""
GEOMETRY_STEPS = 10
"""Single points that a geometry optimisation counts as."""


def core_seconds(
    atoms: Atoms,
    cutoff: float | None,
    k_points: tuple[int, ...] | None,
    solver: Literal["OT", "DIAGONALIZATION"] | None,
    scf_steps: int | None = None,
) -> float:
    """Estimate what one single point costs.

    Measured on PbS with DZVP-MOLOPT-SR-GTH at 300 Ry on one core of a current server with OpenBLAS, in seconds an SCF
    step: the grids take 0.25 for each atom of the primitive cell and 0.05 for each further atom of a supercell,
    whatever the k-mesh; diagonalisation takes, a k-point, 3 ms for the 26 basis functions of a formula unit, and for n
    of them 3 n + 0.02 n^3 ms; OT needs a tenth of that. Within a factor of three elsewhere.

    Parameters
    ----------
    atoms
        The structure.
    cutoff
        Of the plane waves, Ry.
    k_points
        Mesh, or its number of points; none for the Gamma point.
    solver
        How the orbitals are found.
    scf_steps
        Where they are not the usual ones.
    """
    if scf_steps is None:
        scf_steps = CRYSTAL_STEPS if atoms.pbc.any() else CLUSTER_STEPS
    grids = 0.25 * min(len(atoms), SMALL_CELL) + 0.05 * max(len(atoms) - SMALL_CELL, 0)
    grids *= ((cutoff or CUTOFF) / 300) ** 1.5
    if not atoms.pbc.any():
        grids += POINT * grid_points(float(atoms.cell.lengths()[0]), cutoff or CUTOFF)
    points = int(np.prod(k_points)) / 2 if k_points else 1
    formula_units = len(atoms) / 2
    diagonalisation = points * (3e-3 * formula_units + 2e-5 * formula_units**3)
    return float(scf_steps * (grids + diagonalisation * (0.1 if solver == "OT" else 1.0)))


def input_core_seconds(parameters: Mapping[str, Any], atoms: Atoms) -> float:
    """Estimate what a calculation costs from its CP2K input; what that leaves open counts as in `core_seconds`.

    Parameters
    ----------
    parameters
        CP2K's sections and keywords, nested.
    atoms
        The structure.
    """
    dft = section(parameters, "FORCE_EVAL", "DFT")
    cutoff = numbers(section(dft, "MGRID").get("CUTOFF"))
    run_type = str(section(parameters, "GLOBAL").get("RUN_TYPE", "")).upper()
    single_point = core_seconds(
        atoms,
        cutoff[0] if cutoff else None,
        k_mesh(parameters) or None,
        "OT" if "OT" in section(dft, "SCF") else "DIAGONALIZATION",
    )
    return single_point * (GEOMETRY_STEPS if run_type in {"GEO_OPT", "CELL_OPT"} else 1)
