"""Born charges and the dielectric constant of the electrons, from what a crystal does in an electric field.

Fields are in V/Å, forces in eV/Å, charges in e and dipole moments in debye.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.units import Debye
from scipy import constants

from qdsim.analysis.phonon_results import FiniteFieldSettings, Nonanalytic
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

FloatArray = npt.NDArray[np.float64]

EPSILON_0 = constants.epsilon_0 / constants.e * 1e-10
"""e/(V Å)."""
LARGEST_CHARGE = 0.1
"""e; computed Born charges of a formula unit that miss zero by more are not converged."""


class Response(NamedTuple):
    """What CP2K finds in one field.

    Attributes
    ----------
    forces
        On the atoms, shape (n, 3).
    dipole
        Of the cell, shape (3,); defined but for multiples of e times a vector of the cell.
    """

    forces: npt.ArrayLike
    dipole: npt.ArrayLike


def field_supercell(crystal: Atoms, settings: FiniteFieldSettings) -> Atoms:
    """Make the cell that the field is applied to, its axes along x, y and z.

    Raises
    ------
    QdsimError
        If the crystal is no rock salt, or is distorted: one direction then does not tell its charges.
    """
    state = RhombohedralState.from_atoms(crystal, settings.cation)
    if not state.centred:
        raise QdsimError(
            f"The crystal is distorted ({state.alpha:.3f}°, offset {state.offset:.3f} Å), and Born charges and eps_inf "
            "are computed of undistorted ones only: give born_charge and eps_inf instead."
        )
    return state.to_atoms(settings.cation, settings.anion, settings.repeats)


def check_gap(gap: float | None, supercell: Atoms, settings: FiniteFieldSettings) -> None:
    """Refuse a field in which the crystal is no insulator.

    The potential of an electron must differ by less than the gap across the cell that the Berry phase is of, or there
    is no minimum of the energy in the field (Souza, Íñiguez and Vanderbilt, Phys. Rev. Lett. 89, 117602 (2002)).

    Parameters
    ----------
    gap
        At the Gamma point of the supercell, eV; None where CP2K found none.
    supercell
        From `field_supercell`.
    settings
        With the field.

    Raises
    ------
    QdsimError
        If the crystal has no gap, or one that is too small for the field.
    """
    if gap is None or gap <= 0:
        raise QdsimError("The crystal has no gap, and a metal has neither Born charges nor eps_inf.")
    drop = settings.field * float(supercell.cell.lengths()[0])
    if drop >= gap:
        raise QdsimError(
            f"The potential of a field of {settings.field:g} V/Å differs by {drop:.3f} eV across the cell, and the "
            f"gap is {gap:.3f} eV: take a field below {gap / drop * settings.field:.2g} V/Å."
        )


def born_charges(supercell: Atoms, settings: FiniteFieldSettings, along: Response, against: Response) -> Nonanalytic:
    """Compute Born charges and the dielectric constant from two opposite fields; what is even in the field cancels.

    A Born charge is the force on an ion per field, the dielectric constant ``1 + dP/dE/epsilon_0`` with the ions at
    rest. P is the Berry phase of one k-point: its error falls with the square of the length of the cell.

    Parameters
    ----------
    supercell, settings
        As for `check_gap`.
    along, against
        In the field along x, and in the opposite one.

    Raises
    ------
    QdsimError
        If the charges are far from adding up to zero, or the dielectric constant is below that of the vacuum.
    """
    field, edge = settings.field, float(supercell.cell.lengths()[0])
    charges = (np.asarray(along.forces, dtype=float) - np.asarray(against.forces, dtype=float))[:, 0] / (2 * field)
    cation, anion = (
        float(charges[np.asarray(supercell.symbols == symbol)].mean()) for symbol in (settings.cation, settings.anion)
    )
    if abs(cation + anion) > LARGEST_CHARGE:
        raise QdsimError(
            f"The Born charges of a formula unit add up to {cation + anion:.2f} e, and should to 0: the forces are not "
            "converged; take a smaller eps_scf, or a stronger field."
        )
    difference = (np.asarray(along.dipole, dtype=float) - np.asarray(against.dipole, dtype=float))[0] * Debye
    difference -= edge * np.round(difference / edge)
    eps_inf = 1 + float(difference) / (2 * field * supercell.get_volume() * EPSILON_0)
    if eps_inf < 1:
        raise QdsimError(
            f"The dipole moments in the field give eps_inf = {eps_inf:.2f}, and no crystal has less than 1: they are "
            "not converged, or the field is too strong."
        )
    charge = (cation - anion) / 2
    cells = " × ".join(map(str, settings.repeats))
    return Nonanalytic(
        born_charges={settings.cation: charge, settings.anion: -charge},
        eps_inf=eps_inf,
        source=(
            f"computed: finite field of ±{field:g} V/Å (Berry phase), {cells} conventional cells "
            f"({len(supercell)} atoms) at Γ"
        ),
        charge_sum=cation + anion,
    )
