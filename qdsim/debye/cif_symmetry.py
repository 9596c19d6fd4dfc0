"""The symmetry that a CIF states: operations, number, Hermann-Mauguin and Hall symbol, which may contradict each other.

Settings of space groups are those of spglib's table, by their Hall numbers from 1 to 530.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import spglib

from qdsim.debye.cif_block import CifBlock
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SAME_METRIC = 5e-3
"""By which the metric of a cell may differ from one that has the symmetry, in parts of it: 0.25 % of an edge."""

_SETTINGS = range(1, 531)
_MONOCLINIC = range(3, 16)
_FIRST_CUBIC = 195
_STANDARD = {"", "1", "2", "H", "R", "b", "b1"}  # choices of International Tables where a number alone is given
_OLD_NAMES = {"abm2": "aem2", "aba2": "aea2", "cmca": "cmce", "cmma": "cmme", "ccca": "ccce"}
_CHOICES = {"s": "1", "z": "2"}  # of the origin, as ICSD writes them after a symbol
_PART = r"\s*[-+]?\s*(?:[xyz]|\d+\s*/\s*\d+|\d*\.?\d+)(?:\s*[-+]\s*(?:[xyz]|\d+\s*/\s*\d+|\d*\.?\d+))*\s*"
_ROUNDED = 1e-2  # of a translation that is written with two digits, as 0.33 for 1/3
_OPERATION = re.compile(rf"{_PART},{_PART},{_PART}", re.I)
_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_OTHER_OPERATIONS = ("_space_group_symop_magn", "_space_group_symop_ssg")
_SYMBOLS = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full")
_HALL_SYMBOLS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_CODES = ("_space_group_it_coordinate_system_code", "_symmetry_space_group_setting")


class Operations(NamedTuple):
    """Symmetry operations x' = R x + t, in units of the cell.

    Attributes
    ----------
    rotations
        R, shape (n, 3, 3).
    translations
        t, shape (n, 3).
    """

    rotations: IntArray
    translations: FloatArray

    def images(self, fractions: FloatArray) -> FloatArray:
        """Return the images of points, shape (n, 3), within 0 to 1, shape (n, operations, 3)."""
        images = np.einsum("oij,aj->aoi", self.rotations, fractions) + self.translations
        return np.asarray(images % 1.0 % 1.0)  # twice, for -1e-17 % 1.0 is 1.0


class NamedGroup(NamedTuple):
    """A space group as it is named.

    Attributes
    ----------
    name
        As the file writes it, with its number.
    number
        Of International Tables.
    settings
        Those that the name leaves open, of which the cell has the symmetry; not empty.
    """

    name: str
    number: int
    settings: tuple[Operations, ...]


def stated_operations(block: CifBlock, cell: FloatArray) -> Operations | None:
    """Return the operations that a CIF lists, None if it lists none.

    Raises
    ------
    QdsimError
        If they are garbled, no group, of a magnetic or modulated structure, or the cell has not their symmetry.
    """
    from ase.spacegroup.spacegroup import parse_sitesym

    others = [name for name in block.names if name.startswith(_OTHER_OPERATIONS)]
    if others:
        raise QdsimError(f"The symmetry is that of a magnetic or modulated structure ({others[0]}), which is not read.")
    listed = [entry.strip("'\"") for entry in block.column(*_OPERATIONS)]
    if not listed:
        return None
    for entry in listed:
        if not _OPERATION.fullmatch(entry):  # ASE passes over what it does not understand
            raise QdsimError(f"The symmetry operation {entry!r} is not understood: write it as 'x, y, z'.")
    rotations, translations = (np.array(part) for part in parse_sitesym(listed))
    operations = Operations(rotations.astype(np.int64), np.round(translations * 24) / 24 % 1.0)
    if (np.abs(translations - np.round(translations * 24) / 24) > _ROUNDED).any():
        raise QdsimError("A symmetry operation has a translation that no space group has: correct it.")
    distinct = set(_keys(operations.rotations, operations.translations))
    products = Operations(
        np.einsum("aij,bjk->abik", operations.rotations, operations.rotations).reshape(-1, 3, 3),
        (
            np.einsum("aij,bj->abi", operations.rotations, operations.translations) + operations.translations[:, None]
        ).reshape(-1, 3),
    )
    closed = set(_keys(products.rotations, products.translations))
    if closed != distinct:
        raise QdsimError(
            f"The {len(listed)} symmetry operations are no group, others follow from them: write all of them."
        )
    if not _fits(operations, cell):
        raise QdsimError(f"The cell, {_edges(cell)}, has not the symmetry of the operations: correct one of them.")
    return operations


def number_of(operations: Operations) -> int:
    """Return the number of the space group, in whichever setting, that operations are of.

    Raises
    ------
    QdsimError
        If there is none.
    """
    with _quiet():
        kind = spglib.get_spacegroup_type_from_symmetry(operations.rotations, operations.translations)
    if kind is None:
        raise QdsimError("No space group has the symmetry operations: correct them.")
    return int(kind.number)


def named_group(block: CifBlock, cell: FloatArray, *, needed: bool) -> NamedGroup | None:
    """Return the space group that a CIF names, None if it names none.

    Parameters
    ----------
    block
        The data items.
    cell
        Rows are vectors, Å, shape (3, 3).
    needed
        Whether a name that is in no table is an error; else it is as if there were none.

    Raises
    ------
    QdsimError
        If its names contradict each other, or the cell has not the symmetry.
    """
    symbol, hall, number = (block.word(*names) for names in (_SYMBOLS, _HALL_SYMBOLS, _NUMBERS))
    named: dict[str, frozenset[int]] = {}
    if symbol is not None:
        named[f"symbol {symbol!r}"] = _of_symbol(symbol)
    if hall is not None:
        named[f"Hall symbol {hall!r}"] = frozenset(
            one for one in _SETTINGS if _hall(_type(one).hall_symbol) == _hall(hall)
        )
    if number is not None:
        named[f"number {number}"] = frozenset(one for one in _SETTINGS if str(_type(one).number) == number)
    unknown = [name for name, settings in named.items() if not settings]
    if unknown and needed and not (hall is not None and named[f"Hall symbol {hall!r}"]):
        raise QdsimError(f"There is no space group with the {unknown[0]} in the tables: list the symmetry operations.")
    known = {name: settings for name, settings in named.items() if settings}
    if not known:
        return None
    common = frozenset.intersection(*known.values())
    if not common:
        told = ", ".join(f"{name} ({_type(min(settings)).number})" for name, settings in known.items())
        raise QdsimError(f"The names of the space group contradict each other: {told}; correct one of them.")
    if symbol is None and hall is None:
        common = frozenset(one for one in common if _type(one).choice in _STANDARD)
    code = (block.word(*_CODES) or "").lower()
    common = frozenset(one for one in common if _type(one).choice.lower() == code) or common
    possible = [one for one in sorted(common) if _fits(_operations(one), cell)]
    usual = [one for one in possible if _type(one).choice.startswith("b")]  # the unique axis of a short symbol is b
    fitting = [_operations(one) for one in usual or possible]
    name = " and ".join(known)
    if not fitting:
        raise QdsimError(
            f"The cell, {_edges(cell)}, has not the symmetry of the space group with the {name}: correct one of them."
        )
    return NamedGroup(name, int(_type(min(common)).number), tuple(fitting))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # spglib announces exceptions in place of None
        yield


@lru_cache(maxsize=len(_SETTINGS))
def _type(setting: int) -> Any:
    with _quiet():
        return spglib.get_spacegroup_type(setting)


def _operations(setting: int) -> Operations:
    with _quiet():
        found: Any = spglib.get_symmetry_from_database(setting)
    return Operations(found["rotations"].astype(np.int64), found["translations"])


def _of_symbol(symbol: str) -> frozenset[int]:
    """Return the settings that a Hermann-Mauguin symbol may mean; a choice may follow it, as in 'R -3 m :H'."""
    found = re.fullmatch(r"(.*?)(?:\s*:\s*(\w+)|\s*([HhRrSsZz]))?", symbol.strip())
    bare, choice = (found[1], found[2] or found[3]) if found else (symbol, None)
    names = _settings_by_name()
    settings = names.get(_plain(bare), frozenset())
    if choice is not None:
        wanted = _CHOICES.get(choice.lower(), choice).lower()
        return frozenset(one for one in settings if _type(one).choice.lower() == wanted) or settings
    return settings


@lru_cache(maxsize=1)
def _settings_by_name() -> dict[str, frozenset[int]]:
    """Return settings by symbols in small letters without spaces: full, short, and of cubic groups without bars."""
    names: dict[str, set[int]] = {}
    for setting in _SETTINGS:
        kind = _type(setting)
        fields = [field.strip() for field in kind.international.split("=")]
        written = {fields[-1], kind.international_full}
        if kind.number in _MONOCLINIC:  # P 21/n for P 1 21/n 1; elsewhere a 1 has a meaning: P 3 1 2 is not P 32
            written.add(" ".join(word for word in fields[-1].split() if word != "1"))
        if kind.choice in _STANDARD:
            written |= {fields[0], kind.international_short}
        for name in map(_plain, written):
            names.setdefault(name, set()).add(setting)
            if kind.number >= _FIRST_CUBIC:
                names.setdefault(name.replace("-3", "3"), set()).add(setting)
    names |= {old: names[new] for old, new in _OLD_NAMES.items() if new in names and old not in names}
    return {name: frozenset(settings) for name, settings in names.items()}


def _plain(symbol: str) -> str:
    return re.sub(r"[\s_()]", "", symbol).lower()


def _hall(symbol: str) -> str:
    return re.sub(r"[\s_]+", " ", symbol).strip().lower()


def _keys(rotations: IntArray, translations: FloatArray) -> list[bytes]:
    """Return what equal operations have in common."""
    grid = np.round(translations * 24).astype(np.int64) % 24
    return [row.tobytes() for row in np.concatenate([rotations.reshape(-1, 9), grid], axis=1)]


def _fits(operations: Operations, cell: FloatArray) -> bool:
    """Tell whether operations leave the lengths and angles of a cell as they are."""
    metric = cell @ cell.T
    edges = np.sqrt(np.diag(metric))
    turned = np.einsum("oji,jk,okl->oil", operations.rotations, metric, operations.rotations)
    return bool((np.abs(turned - metric) <= SAME_METRIC * np.outer(edges, edges)).all())


def _edges(cell: FloatArray) -> str:
    from ase.cell import Cell

    a, b, c, alpha, beta, gamma = Cell(cell).cellpar()
    return f"{a:g} {b:g} {c:g} Å, {alpha:g} {beta:g} {gamma:g}°"
