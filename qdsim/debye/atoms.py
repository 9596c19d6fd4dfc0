"""A finite set of atoms, as the Debye equation needs it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from scipy.spatial import cKDTree

from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

ONE_SITE = 0.01
"""Atoms nearer than this (Å) share a site."""
ROUNDED_OCCUPANCY = 1e-3
"""The occupancies of a site may exceed 1 by this much, as 0.3333 + 0.6668 do."""

ONE_ATOM = 0.5
"""Atoms nearer than this (Å) whose occupancies add up to 1 at most are places of one atom, which is on one of them at a
time: no bond is shorter than that of H2, 0.74 Å."""

_SYMBOL = re.compile(r"([A-Za-z]{1,2})\d*(?:\d?[-+]|[-+][1-4])?")
_ISOTOPE = re.compile(r"(?P<before>\d{1,3})-?(?P<name>[A-Za-z]{1,2})|(?P<symbol>[A-Za-z]{1,2})-(?P<after>\d{1,3})")
_NAMED = {"D": ("H", 2), "T": ("H", 3)}
_LARGEST_CHARGE = 4  # that of ions: Pb-4 is one, Ni-62 is an isotope
_OCCUPANCY_NAMES = ("occupancy", "occupancies")
_B_ISO_NAMES = ("b_iso", "B")


@dataclass(frozen=True, eq=False)
class AtomicCluster:
    """A finite set of atoms with what scattering needs to know of each.

    The arrays are copied and cannot be written to.

    Parameters
    ----------
    symbols
        Chemical symbols, N of them, as `species` writes them; see `nuclide` for what is accepted.
    positions
        Å, shape (N, 3).
    occupancies
        Mean number of atoms on the site, 0 to 1, shape (N,).
    b_iso
        Isotropic displacement parameters B = 8 pi^2 <u^2>, <u^2> along one direction, Å^2, shape (N,).

    Raises
    ------
    QdsimError
        If there is no atom, an element is unknown, shapes differ, a number is not finite or out of its range, or atoms
        on one site (within 0.01 Å) have occupancies that add up to more than 1.
    """

    symbols: tuple[str, ...]
    positions: FloatArray
    occupancies: FloatArray
    b_iso: FloatArray

    def __post_init__(self) -> None:
        """Take copies, and refuse atoms that no sample has."""
        object.__setattr__(self, "symbols", tuple(map(species, self.symbols)))
        number = len(self.symbols)
        if number == 0:
            raise QdsimError("The structure has no atoms: give at least one.")
        for name, shape in {"positions": (number, 3), "occupancies": (number,), "b_iso": (number,)}.items():
            try:
                array = np.array(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise QdsimError(f"The {name} are not an array of numbers: give shape {shape}.") from error
            if array.shape != shape:
                raise QdsimError(f"The {name} have the shape {array.shape}: give {shape} for {number} atoms.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name, bad, right in (
            ("position", ~np.isfinite(self.positions).all(axis=1), "finite"),
            ("occupancy", ~((self.occupancies >= 0) & (self.occupancies <= 1)), "from 0 to 1"),
            ("B", ~((self.b_iso >= 0) & np.isfinite(self.b_iso)), "finite and not negative"),
        ):
            if bad.any():
                raise QdsimError(f"The {name} of {self._name(int(bad.argmax()))} is out of range: make it {right}.")
        self._check_sites()

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.symbols)

    def _name(self, i: int) -> str:
        return f"{self.symbols[i]} (atom {i + 1})"

    def _check_sites(self) -> None:
        pairs = cKDTree(self.positions).query_pairs(ONE_SITE, output_type="ndarray")
        first, second = pairs.T
        total = self.occupancies.copy()
        np.add.at(total, first, self.occupancies[second])
        np.add.at(total, second, self.occupancies[first])
        crowded = np.flatnonzero(total[first] > 1 + ROUNDED_OCCUPANCY)
        if len(crowded):
            i, j = sorted(map(int, min(pairs[crowded].tolist())))
            raise QdsimError(
                f"{self._name(i)} and {self._name(j)} are on one site, whose occupancies add up to {total[i]:.4g}: "
                "remove one of them, or let the occupancies add up to 1 at most."
            )


def element(symbol: object) -> str:
    """Return the chemical symbol of an element.

    Parameters
    ----------
    symbol
        Symbol in any case, also that of an ion (``"Pb2+"``), of a numbered atom (``"S12"``) or of an isotope, see
        `nuclide`, of which the element is kept; or the atomic number.

    Raises
    ------
    QdsimError
        If there is no such element or isotope.
    """
    return nuclide(symbol)[0]


def nuclide(symbol: object) -> tuple[str, int]:
    """Return the element and the mass number of an isotope, 0 for the natural mixture.

    Parameters
    ----------
    symbol
        As for `element`; an isotope is ``"D"``, ``"T"``, ``"62Ni"``, ``"62-Ni"`` or ``"Ni-62"``.

    Raises
    ------
    QdsimError
        If there is no such element or isotope, or it may as well be an ion, as H-2 may.
    """
    if isinstance(symbol, int | np.integer) or (isinstance(symbol, str) and symbol.isdecimal()):
        if 0 < int(symbol) < len(chemical_symbols):
            return str(chemical_symbols[int(symbol)]), 0
    elif isinstance(symbol, str):
        text = symbol.strip()
        if found := _ISOTOPE.fullmatch(text):
            name = (found["name"] or found["symbol"]).capitalize()
            mass = int(found["before"] or found["after"])
            if found["before"] or mass > _LARGEST_CHARGE:
                return _known_isotope(text, name, mass)
            if name in {"H", "He"}:
                raise QdsimError(
                    f"{text!r} may be an ion or an isotope of {name}: write {mass}{name} or {name}{mass}-."
                )
        if found := _SYMBOL.fullmatch(text):
            name = found[1].capitalize()
            if name in _NAMED:
                return _NAMED[name]
            if atomic_numbers.get(name, 0) > 0:
                return name, 0
    raise QdsimError(f"{symbol!r} is no chemical element: give a symbol such as Pb, or the atomic number.")


def _known_isotope(text: str, name: str, mass: int) -> tuple[str, int]:
    if atomic_numbers.get(name, 0) > 0:
        import periodictable

        if mass in periodictable.elements.symbol(name).isotopes:
            return name, mass
    raise QdsimError(f"{text!r} is no isotope that is known: give a symbol such as 62Ni, or the element.")


def species(symbol: object) -> str:
    """Return the symbol of an element, with the mass number before it where it is an isotope, such as ``"62Ni"``.

    Raises
    ------
    QdsimError
        As for `nuclide`.
    """
    name, mass = nuclide(symbol)
    return f"{mass}{name}" if mass else name


def as_cluster(structure: object) -> AtomicCluster:
    """Make a cluster of whatever describes atoms.

    Of a periodic structure, the atoms of the cell are taken as they are, without images.

    Parameters
    ----------
    structure
        - an `AtomicCluster`, which is returned itself;
        - an ``ase.Atoms``; occupancies from its array ``occupancy`` or ``occupancies``, else from
          ``info["occupancy"]``, where ASE keeps those of a CIF (an atom for each element of a mixed site); displacement
          parameters from its array ``b_iso`` or ``B``, Å^2; mass numbers of isotopes from its array ``isotope``, 0 for
          the natural mixture;
        - a ``Structure`` or ``Molecule`` of pymatgen, a disordered site as an atom for each of its elements, and the
          site property ``b_iso`` if there is one;
        - a pair of symbols (or atomic numbers) and positions (Å, shape (N, 3));
        - the path of a file, see `read_structure`.

        Where they say nothing, occupancies are 1 and displacement parameters 0.

    Raises
    ------
    QdsimError
        If it is none of these, or no cluster, see `AtomicCluster`.
    """
    if isinstance(structure, AtomicCluster):
        return structure
    if isinstance(structure, str | Path):
        from qdsim.debye.structure_files import read_structure  # which needs this module

        return _from_ase(read_structure(structure))
    if isinstance(structure, Atoms):
        return _from_ase(structure)
    if hasattr(structure, "sites") and hasattr(structure, "composition"):
        return _from_pymatgen(structure)
    if isinstance(structure, tuple | list) and len(structure) == 2 and not isinstance(structure[0], str):  # noqa: PLR2004 - a pair
        symbols, positions = structure
        if isinstance(symbols, Sequence | np.ndarray):
            count = len(symbols)
            return AtomicCluster(tuple(symbols), positions, np.ones(count), np.zeros(count))
    raise QdsimError(
        f"{type(structure).__name__} is no structure that is understood: give a file, ase.Atoms, a pymatgen structure, "
        "or a pair of symbols and positions."
    )


def _from_ase(atoms: Atoms) -> AtomicCluster:
    b_iso = next((atoms.arrays[name] for name in _B_ISO_NAMES if name in atoms.arrays), np.zeros(len(atoms)))
    occupancies = next((atoms.arrays[name] for name in _OCCUPANCY_NAMES if name in atoms.arrays), None)
    masses = atoms.arrays.get("isotope", np.zeros(len(atoms), int)).tolist()
    symbols = [f"{mass or ''}{name}" for name, mass in zip(atoms.get_chemical_symbols(), masses, strict=True)]
    of_kinds = {str(kind): mixture for kind, mixture in atoms.info.get("occupancy", {}).items()}
    if occupancies is not None or not of_kinds:
        occupancies = np.ones(len(atoms)) if occupancies is None else occupancies
        return AtomicCluster(tuple(symbols), atoms.positions, occupancies, b_iso)
    kinds = atoms.arrays.get("spacegroup_kinds", np.arange(len(atoms)))
    unknown = [kind for kind in kinds if str(kind) not in of_kinds]
    if unknown:
        raise QdsimError(
            f"The occupancies of the structure do not tell those of its kind of atom {unknown[0]}: set the array "
            "'occupancy' of the atoms."
        )
    parts = [(name, i, amount) for i, kind in enumerate(kinds) for name, amount in of_kinds[str(kind)].items()]
    names, sites, amounts = zip(*parts, strict=True)
    return AtomicCluster(names, atoms.positions[list(sites)], np.array(amounts), b_iso[list(sites)])


def _from_pymatgen(structure: Any) -> AtomicCluster:
    parts = [
        (getattr(species, "symbol", str(species)), site.coords, amount, (site.properties or {}).get("b_iso", 0.0))
        for site in structure.sites
        for species, amount in site.species.items()
    ]
    symbols, positions, occupancies, b_iso = zip(*parts, strict=True) if parts else ((), (), (), ())
    return AtomicCluster(symbols, np.array(positions), np.array(occupancies), np.array(b_iso))
