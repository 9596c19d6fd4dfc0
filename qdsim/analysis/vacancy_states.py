"""From computed supercells to the documents of `qdsim.analysis.vacancy_results`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, HostState
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, measure_distortion
from qdsim.structures.supercells import image_distance
from qdsim.structures.vacancies import remove_sites

SAME_LATTICE = 0.05
"""Change of the mean offset (Å) above which the crystal around a vacancy is no longer the host's."""

Output = Mapping[str, Any]


def describe_host(
    label: str,
    atoms: Atoms,
    cation: str,
    output: Output | None = None,
    band_edges: Output | None = None,
    *,
    is_step: bool = False,
    ions_held: bool = False,
) -> HostState:
    """Describe a host.

    Parameters
    ----------
    label
        Its name.
    atoms
        The supercell, its ions relaxed.
    cation
        Symbol of the cation.
    output
        Of CP2K, see `qdsim.cp2k.output.Cp2kOutput`; None where the calculation failed.
    band_edges
        Output of a calculation of the same crystal with the band edges on its mesh.
    is_step
        Whether it stands between two hosts for the decomposition only.
    ions_held
        Whether its vacancies keep all atoms where the host has them.
    """
    state = RhombohedralState.from_atoms(atoms, cation)
    edges = band_edges or {}
    return HostState(
        label=label,
        volume=state.volume,
        alpha_rh=state.alpha,
        pb_offset=state.offset,
        formula_units=int((atoms.symbols == cation).sum()),
        image_distance=image_distance(atoms.cell),
        energy=None if output is None else output["energy"],
        vbm=edges.get("homo"),
        cbm=edges.get("lumo"),
        is_step=is_step,
        ions_held=ions_held,
    )


def describe_defect(
    host: HostState,
    crystal: Atoms,
    label: str,
    name: str,
    sites: Sequence[int],
    cation: str,
    unrelaxed: Output | None,
    relaxed: Output | None,
    relaxed_atoms: Atoms | None,
    charge: int = 0,
    multiplicity: int = 1,
    separation: float | None = None,
    concentration: float | None = None,
    unrelaxed_correction: ChargeCorrection | None = None,
    correction: ChargeCorrection | None = None,
) -> DefectState:
    """Describe a supercell with vacant sites.

    Parameters
    ----------
    host
        The host.
    crystal
        The host's atoms.
    label
        Link label of the defect's process.
    name
        Of the defect.
    sites
        Indices in the host of the atoms that were taken away.
    cation
        Symbol of the cation.
    unrelaxed, relaxed
        Outputs of CP2K with the ions where the host has them, and relaxed; None where there is none.
    relaxed_atoms
        The relaxed structure, its atoms in the host's order.
    charge
        Of the supercell.
    multiplicity
        Equivalent choices of the sites.
    separation
        Of the two sites of a pair, Å.
    concentration
        Vacant share of the sublattice, of a series.
    unrelaxed_correction, correction
        Finite-size corrections of the two energies.
    """
    symbols = [crystal.symbols[site] for site in sites]
    changes: dict[str, Any] = {}
    if relaxed is not None and relaxed_atoms is not None:
        start = remove_sites(crystal, sites)
        moved = find_mic(relaxed_atoms.positions - start.positions, crystal.cell)[1]
        offset, reservations = _offset(relaxed_atoms, cation, host)
        changes = {
            "energy": relaxed["energy"],
            "largest_displacement": float(np.max(moved)),
            "pb_offset": offset,
            "reservations": reservations,
        }
    found = relaxed or unrelaxed or {}
    return DefectState(
        host=host.label,
        label=label,
        defect=name,
        charge=charge,
        removed={element: symbols.count(element) for element in sorted(set(symbols))},
        vacant_sites=tuple(map(tuple, crystal.get_scaled_positions()[list(sites)].tolist())),
        concentration=concentration,
        multiplicity=multiplicity,
        separation=separation,
        unrelaxed_energy=None if unrelaxed is None else unrelaxed["energy"],
        unrelaxed_correction=unrelaxed_correction,
        correction=correction,
        gap=found.get("gap"),
        **changes,
    )


def _offset(atoms: Atoms, cation: str, host: HostState) -> tuple[float | None, tuple[str, ...]]:
    """Return the mean offset of the cations, and what is to be said of it."""
    try:
        offset = measure_distortion(atoms, cation).offset
    except QdsimError as error:
        return None, (f"The relaxed crystal can no longer be told apart as rock salt: {error}",)
    if abs(offset - abs(host.pb_offset)) > SAME_LATTICE:
        return offset, (
            f"The cations around the vacancy moved off-centre by {offset:.3f} Å on average, where the host has "
            f"{abs(host.pb_offset):.3f} Å: its energy is that of another lattice than the host's, with what the "
            "crystal gains by it. Compare the energy with the ions held.",
        )
    return offset, ()
