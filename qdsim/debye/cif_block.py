"""The data items of a CIF, whichever dictionary their names are from."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

UNKNOWN = {".", "?", ""}
"""Entries that say nothing."""

_UNCERTAINTY = re.compile(r"\(\d+\)$")


class CifBlock:
    """Data items by their names in the core dictionary (small letters, underscores), as ``_atom_site_fract_x``.

    Names of DDLm and mmCIF, such as ``_atom_site.fract_x`` or ``_atom_site_anisotrop.U[1][1]``, are put that way.

    Parameters
    ----------
    items
        Values by name: single ones, or lists from loops.
    """

    def __init__(self, items: Mapping[str, Any]):
        self._items: dict[str, Any] = {}
        for name, value in items.items():
            self._items.setdefault(_core_name(name), value)

    def __contains__(self, name: str) -> bool:
        """Tell whether there is such an item."""
        return name in self._items

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all items."""
        return tuple(self._items)

    def column(self, *names: str) -> list[str]:
        """Return the entries under the first of some names that there is, in a loop or not; none without it."""
        entries: Any = next((self._items[name] for name in names if name in self._items), [])
        return [str(entry).strip() for entry in (entries if isinstance(entries, list) else [entries])]

    def word(self, *names: str) -> str | None:
        """Return the one entry under the first of some names that says something."""
        entries = (self.column(name) for name in names)
        return next((column[0] for column in entries if column and column[0] not in UNKNOWN), None)

    def numbers(self, name: str, count: int) -> FloatArray:
        """Return a column without uncertainties, NaN where it says nothing, shape (count,).

        Raises
        ------
        QdsimError
            If an entry is no number, or there are more or fewer than `count`.
        """
        column = self.column(name)
        if column and len(column) != count:
            raise QdsimError(f"The column {name} has {len(column)} entries for {count} atoms: correct it.")
        return np.array([self._number(name, entry) for entry in column] or np.full(count, np.nan))

    @staticmethod
    def _number(name: str, entry: str) -> float:
        try:
            return np.nan if entry in UNKNOWN else float(_UNCERTAINTY.sub("", entry))
        except ValueError as error:
            raise QdsimError(f"The column {name} has an entry that is not a number, {entry!r}: correct it.") from error


def read_block(path: Path) -> CifBlock:
    """Read the one block of a CIF that has atoms.

    Raises
    ------
    QdsimError
        If there is none, or several.
    Exception
        Whatever ASE raises at contents that it does not understand.
    """
    from ase.io.cif import parse_cif

    with warnings.catch_warnings(), path.open("rb") as file:
        # ASE leaves out a row of too many or too few entries, and the second of two columns of one name.
        warnings.filterwarnings("error", "Wrong number|Duplicated loop tags")
        warnings.filterwarnings("ignore", "CIF v2.0")
        found = {block.name: CifBlock(block) for block in parse_cif(file)}
    structures = {name: block for name, block in found.items() if block.column(*LABELS)}
    if not structures:
        raise QdsimError(f"{path} has no atom sites: give a CIF with the atoms of a structure.")
    if len(structures) > 1:
        raise QdsimError(
            f"{path} has {len(structures)} structures ({', '.join(structures)}): give a file with one of them."
        )
    return next(iter(structures.values()))


LABELS = ("_atom_site_label", "_atom_site_id")
"""Names of a site; the second one is mmCIF's."""


def _core_name(name: str) -> str:
    plain = re.sub(r"\[(\d)\]\[(\d)\]", r"_\1\2", name.lower()).replace(".", "_")
    return plain.replace("_atom_site_anisotrop_", "_atom_site_aniso_")
