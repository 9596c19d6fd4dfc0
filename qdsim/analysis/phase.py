"""One computed lattice in the terms that a scattering fit uses."""

from collections.abc import Mapping
from typing import Any

from ase import Atoms

from qdsim.analysis.ferroelectric import Phase
from qdsim.structures import measure_distortion


def describe_phase(atoms: Atoms, cation: str, output: Mapping[str, Any], single_points: int = 1) -> Phase:
    """Join the geometry of a lattice with what CP2K found for it.

    Parameters
    ----------
    atoms
        The computed cell.
    cation
        Element whose sublattice moves.
    output
        Parsed output with `energy` in eV for the cell, `pressure` in GPa and `gap` in eV or absent.
    single_points
        How many single points it took to find this lattice.

    Returns
    -------
    Phase
        Energy per formula unit in eV; geometry in Å and degrees.
    """
    distortion = measure_distortion(atoms, cation)
    return Phase(
        volume=distortion.volume,
        lattice_constant=distortion.lattice_constant,
        alpha_rh=distortion.alpha_rh,
        pb_offset=distortion.offset,
        energy=output["energy"] / int((atoms.symbols == cation).sum()),
        pressure=output["pressure"],
        gap=output.get("gap"),
        space_group=f"{distortion.space_group_symbol} ({distortion.space_group_number})",
        bond_short=distortion.bond_short,
        bond_long=distortion.bond_long,
        single_points=single_points,
    )
