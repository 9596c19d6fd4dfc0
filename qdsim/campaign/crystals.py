"""Crystals that DFT can compute: each site holds one whole atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ase import Atoms

from qdsim.errors import QdsimError
from qdsim.structures import Distortion

if TYPE_CHECKING:
    from aiida.orm import StructureData


def check_whole(atoms: Atoms) -> None:
    """Refuse sites that are empty or of another element in a part of the sample, and isotopes.

    Parameters
    ----------
    atoms
        As `qdsim.debye.read_structure` reads them, with the arrays ``occupancy`` and perhaps ``isotope``.

    Raises
    ------
    QdsimError
        If an occupancy is not 1, or an atom is an isotope.
    """
    occupancies = atoms.arrays["occupancy"]
    partial = dict.fromkeys(
        (str(symbol), round(float(occupancy), 6))
        for symbol, occupancy in zip(atoms.symbols, occupancies, strict=True)
        if occupancy != 1
    )
    if partial:
        listed = ", ".join(f"{symbol} {occupancy:g}" for symbol, occupancy in partial)
        raise QdsimError(
            f"Sites are occupied in part ({listed}), and a calculation has whole atoms: give an ordered crystal of one "
            "cation and one anion."
        )
    if "isotope" in atoms.arrays:
        raise QdsimError("The structure has isotopes, and a calculation takes natural elements: name the elements.")


def check_complete(distortion: Distortion) -> None:
    """Refuse a crystal with vacancies where a perfect one is wanted.

    Raises
    ------
    QdsimError
        If a site is vacant.
    """
    missing = ", ".join(f"{count} of {element}" for element, count in distortion.vacancies.items() if count)
    if missing:
        raise QdsimError(
            f"The structure has vacancies ({missing} among {distortion.n_formula_sites} formula units): give the "
            "perfect crystal; the section 'vacancy' makes vacancies in it."
        )


def atoms_of(node: StructureData) -> Atoms:
    """Return the atoms of a structure in the profile.

    Raises
    ------
    QdsimError
        If its sites are occupied in part or by several elements.
    """
    mixed = [str(kind.get_symbols_string()) for kind in node.kinds if kind.is_alloy or kind.has_vacancies]
    if mixed:
        raise QdsimError(
            f"Node {node.pk} has sites that are occupied in part ({', '.join(mixed)}), and a calculation has whole "
            "atoms: give an ordered crystal."
        )
    return cast(Atoms, node.get_ase())
