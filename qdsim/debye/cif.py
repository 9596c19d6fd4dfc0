"""Crystals and molecules from CIFs."""

import re
import warnings
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.cell import Cell
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from qdsim.debye.atoms import ROUNDED_OCCUPANCY, nuclide
from qdsim.debye.cif_block import LABELS, UNKNOWN, CifBlock, read_block
from qdsim.debye.cif_displacements import displacements
from qdsim.debye.cif_symmetry import Operations, named_group, number_of, stated_operations
from qdsim.debye.displacements import B_PER_U
from qdsim.errors import QdsimError, QdsimWarning

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ONE_IMAGE = 0.05
"""Symmetry-equivalent atoms nearer than this (Å) are one atom, rounded off its special position or spread about it."""
COARSEST_THIRD = 1e-3
"""0.333 is a third, 0.33 need not be."""

_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_WRITABLE = 1e-3  # of the last digit


class _Sites(NamedTuple):
    """Sites as a CIF lists them: N of each, coordinates as fractions of the cell, and the last digit of these."""

    labels: list[str]
    symbols: list[str]
    masses: IntArray
    coordinates: FloatArray
    occupancies: FloatArray
    b_iso: FloatArray
    digit: float


def read_cif(path: Path) -> Atoms:
    """Read the atoms of a CIF, site by site, so that occupancies and displacements of all sites survive.

    Of a crystal the whole cell is made, by the operations that are listed, or else by the space group that is named.
    Images of a site that lie within `ONE_IMAGE` are one atom. If the coordinates are rounded, it has the site's
    occupancy; if they are not, and the occupancies of the images add up to 1 at most, it is an atom spread over them:
    it stands in their middle, has all their occupancy, and their spread is added to its B.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ase.Atoms
        With the arrays ``occupancy``, ``b_iso`` (Å^2) and ``isotope``; periodic if there is a cell.

    Raises
    ------
    QdsimError
        If it has no atoms, several structures, an unknown element, incomplete coordinates, or statements on symmetry or
        displacements that contradict each other.
    Exception
        Whatever ASE raises at contents that it does not understand.

    Warns
    -----
    QdsimWarning
        If something is missing that has to be guessed.
    """
    block = read_block(path)
    cell = _cell(block)
    labels = block.column(*LABELS)
    symbols, masses = _elements(block, labels)
    fractional = "_atom_site_fract_x" in block
    system = "fract" if fractional else "cartn"
    coordinates = np.stack([block.numbers(f"_atom_site_{system}_{axis}", len(labels)) for axis in "xyz"], axis=1)
    if np.isnan(coordinates).any() or (fractional and not cell.rank):
        raise QdsimError("The coordinates or the cell are incomplete: complete them.")
    occupancies = np.nan_to_num(block.numbers("_atom_site_occupancy", len(labels)), nan=1.0)
    b_iso = displacements(block, cell.array)
    if not cell.rank:
        return _with_arrays(Atoms(symbols, coordinates), masses, occupancies, b_iso)
    digit = _last_digit(coordinates)
    if fractional:
        coordinates = _with_thirds(coordinates, digit)
    else:
        coordinates, digit = cell.scaled_positions(coordinates), digit / float(cell.lengths().min())
    return _crystal(block, _Sites(labels, symbols, masses, coordinates, occupancies, b_iso, digit), cell)


def _last_digit(numbers: FloatArray) -> float:
    """Return what one in the last digit is of the number that is written with most digits."""
    return float(10.0 ** min(int(Decimal(repr(x)).as_tuple().exponent) for x in numbers.ravel().tolist()))


def _with_thirds(fractions: FloatArray, digit: float) -> FloatArray:
    """Return fractions with those thirds, sixths and twelfths exact that are written as 0.3333 or 0.1666."""
    nearest = np.round(12 * fractions) / 12
    third = np.round(12 * fractions) % 3 != 0
    near = (np.abs(fractions - nearest) < digit) & (digit <= COARSEST_THIRD)
    return np.where(third & near, nearest, fractions)


def _with_arrays(atoms: Atoms, masses: IntArray, occupancies: FloatArray, b_iso: FloatArray) -> Atoms:
    for name, values in (("isotope", masses), ("occupancy", occupancies), ("b_iso", b_iso)):
        atoms.set_array(name, values)
    return atoms


def _cell(block: CifBlock) -> Cell:
    parameters = np.array([block.numbers(f"_cell_{name}", 1)[0] for name in _CELL])
    missing = np.isnan(parameters)
    if missing.any() and not missing.all():
        raise QdsimError("The coordinates or the cell are incomplete: complete them.")
    return cast(Cell, Cell.new([0, 0, 0] if missing.all() else parameters))


def _elements(block: CifBlock, labels: list[str]) -> tuple[list[str], IntArray]:
    """Return elements and mass numbers of the sites, by their types or else their labels."""
    types = block.column("_atom_site_type_symbol")
    if types and not UNKNOWN & set(types):
        found = list(map(nuclide, types))
    else:
        formula = re.findall(r"[A-Z][a-z]?", block.word("_chemical_formula_sum") or "")
        there = {name for word in [*formula, *block.column("_atom_type_symbol")] if (name := _known(word))}
        found = [_labelled(label, there) for label in labels]
    return [name for name, _ in found], np.array([mass for _, mass in found])


def _known(word: str) -> str | None:
    try:
        return nuclide(word)[0]
    except QdsimError:
        return None


def _labelled(label: str, there: set[str]) -> tuple[str, int]:
    """Return the nuclide that the label of a site begins with, of the elements of the structure if they are known."""
    letters = re.match(r"[A-Za-z]*", label)
    name = letters[0][:2] if letters else ""
    readings = {word: element for word in (name, name[:1]) if (element := _known(word))}
    possible = [word for word, element in readings.items() if element in there] or list(readings)
    if len(possible) > 1 and name.isupper():
        raise QdsimError(
            f"The site {label} may be {' or '.join(readings.values())}: give its element in _atom_site_type_symbol."
        )
    return nuclide(possible[0] if possible else name[:1])


def _crystal(block: CifBlock, sites: _Sites, cell: Cell) -> Atoms:
    """Make the whole cell, and compare what the CIF says of its symmetry."""
    stated = stated_operations(block, cell.array)
    named = named_group(block, cell.array, needed=stated is None)
    if stated is None:
        if named is None:
            _say("The CIF states no symmetry: its atoms are taken for all of the cell.")
            return _expanded(sites, cell, Operations(np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))))
        first, *others = [_expanded(sites, cell, setting) for setting in named.settings]
        if any(not _same(first, other) for other in others):
            raise QdsimError(
                f"The space group with the {named.name} has {len(named.settings)} settings in this cell, of which each "
                "makes other atoms: list the symmetry operations, or write the origin after the symbol, as in "
                "'F d -3 m :2'."
            )
        return first
    atoms = _expanded(sites, cell, stated)
    alike = named is None or number_of(stated) == named.number or any(_has(atoms, one) for one in named.settings)
    if named is not None and not alike:
        raise QdsimError(
            f"The symmetry operations are those of space group {number_of(stated)}, and the {named.name} is of "
            f"{named.number}, which would make other atoms: correct or remove one of them."
        )
    return atoms


def _expanded(sites: _Sites, cell: Cell, operations: Operations) -> Atoms:
    """Make the atoms of a cell."""
    atoms = [(i, *one) for i in range(len(sites.labels)) for one in _images(sites, i, cell.array, operations)]
    which, places, amounts, displaced = zip(*atoms, strict=True)
    site_of, fractions, occupancies, b_iso = np.array(which), np.array(places), np.array(amounts), np.array(displaced)
    kept = _distinct(sites, site_of, fractions, occupancies, cell.array)
    symbols = [sites.symbols[i] for i in site_of[kept]]
    made = Atoms(symbols, scaled_positions=fractions[kept] % 1.0 % 1.0, cell=cell, pbc=True)
    return _with_arrays(made, sites.masses[site_of[kept]], occupancies[kept], b_iso[kept])


def _images(sites: _Sites, i: int, cell: FloatArray, operations: Operations) -> list[tuple[FloatArray, float, float]]:
    """Return the fractions, the occupancy and the B of each atom of site i."""
    listed, occupancy, b = sites.coordinates[i], float(sites.occupancies[i]), float(sites.b_iso[i])
    images = operations.images(listed[None])[0]
    own_group, *others = _near(np.vstack([listed, images]), cell).tolist()
    groups = np.array(others)
    own = _unwrapped(images[groups == own_group], listed)
    middle = own.mean(axis=0)
    if not _rounded(listed, middle, sites.digit):
        counts = [_places(own, one) for one in (_WRITABLE * sites.digit, 1.5 * sites.digit)]
        places = next((count for count in counts if count * occupancy <= 1 + ROUNDED_OCCUPANCY), counts[-1])
        if places * occupancy <= 1 + ROUNDED_OCCUPANCY:
            occupancy = min(places * occupancy, 1.0)
            b += B_PER_U * float((((own - middle) @ cell) ** 2).sum(axis=1).mean()) / 3
        elif places > 1:
            _say(
                f"{sites.labels[i]} has {places} places within {ONE_IMAGE:g} Å, whose occupancies add up to "
                f"{places * occupancy:g}: one atom of occupancy {occupancy:g} is put in their middle."
            )
    by_group = (images[groups == group] for group in range(groups.max() + 1))
    return [(_unwrapped(one, one[0]).mean(axis=0), occupancy, b) for one in by_group]


def _places(images: FloatArray, apart: float) -> int:
    """Return how many places images are on, two of which differ in a fraction by more than `apart`."""
    distances = np.abs(images[:, None] - images).max(axis=2)
    return int(connected_components(distances < apart, directed=False)[0])


def _rounded(listed: FloatArray, middle: FloatArray, digit: float) -> bool:
    """Tell whether fractions are those of a special position, rounded, or cut off where digits cannot write it."""
    units = middle / digit
    writable = np.abs(units - np.round(units)) < _WRITABLE
    return bool((np.abs(listed - middle) <= digit * (np.where(writable, 0.5, 1.0) + _WRITABLE)).all())


def _unwrapped(fractions: FloatArray, near: FloatArray) -> FloatArray:
    return np.asarray(fractions - np.round(fractions - near))


def _pairs(fractions: FloatArray, cell: FloatArray) -> IntArray:
    """Return pairs of points less than `ONE_IMAGE` apart, periodic images included, shape (n, 2)."""
    wrapped = fractions % 1.0 % 1.0
    reach = ONE_IMAGE * float(np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    pairs = cKDTree(wrapped, boxsize=1.0).query_pairs(min(reach, 0.5), output_type="ndarray")
    apart = wrapped[pairs[:, 0]] - wrapped[pairs[:, 1]]
    near = np.linalg.norm((apart - np.round(apart)) @ cell, axis=1) < ONE_IMAGE
    return np.asarray(pairs[near], dtype=np.int64)


def _near(fractions: FloatArray, cell: FloatArray) -> IntArray:
    """Return the group of each point, where points less than `ONE_IMAGE` apart are in one, shape (n,)."""
    pairs, count = _pairs(fractions, cell), len(fractions)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _distinct(
    sites: _Sites, site_of: IntArray, fractions: FloatArray, occupancies: FloatArray, cell: FloatArray
) -> npt.NDArray[np.bool_]:
    """Tell which atoms to keep of those of one element on one place.

    All where sites are listed there and their occupancies allow it, as of Pb2+ and Pb4+; else one. A site that symmetry
    brings there from elsewhere is the other one, listed again.
    """
    kept = np.ones(len(fractions), dtype=bool)
    for i, j in sorted(map(sorted, _pairs(fractions, cell).tolist())):
        first, second = site_of[i], site_of[j]
        if not kept[i] or sites.symbols[first] != sites.symbols[second]:
            continue
        apart = sites.coordinates[first] - sites.coordinates[second]
        elsewhere = np.linalg.norm((apart - np.round(apart)) @ cell) > ONE_IMAGE
        full = occupancies[i] + occupancies[j] > 1 + ROUNDED_OCCUPANCY
        if elsewhere and abs(occupancies[i] - occupancies[j]) > ROUNDED_OCCUPANCY:
            raise QdsimError(
                f"Symmetry brings {sites.labels[second]} onto {sites.labels[first]}, which has another occupancy: list "
                "one of them."
            )
        if elsewhere or full:
            kept[j] = False
    return kept


def _same(first: Atoms, second: Atoms) -> bool:
    """Tell whether two sets of atoms in one cell are the same."""
    ours, theirs = _by_kind(first), _by_kind(second)
    cell = first.cell.array
    return ours.keys() == theirs.keys() and all(
        len(ours[kind]) == len(theirs[kind]) and _on(ours[kind], theirs[kind], cell) for kind in ours
    )


def _has(atoms: Atoms, operations: Operations) -> bool:
    """Tell whether operations bring all atoms onto atoms like them."""
    cell = atoms.cell.array
    return all(_on(operations.images(one).reshape(-1, 3), one, cell) for one in _by_kind(atoms).values())


def _by_kind(atoms: Atoms) -> dict[tuple[float, ...], FloatArray]:
    """Return the fractions of atoms that are alike in element, isotope, occupancy and B."""
    names = ("numbers", "isotope", "occupancy", "b_iso")
    table = np.round(np.stack([atoms.arrays[name] for name in names], axis=1), 6)
    kinds, kind_of = np.unique(table, axis=0, return_inverse=True)
    fractions = atoms.get_scaled_positions()
    return {tuple(kind): fractions[kind_of == i] for i, kind in enumerate(kinds.tolist())}


def _on(points: FloatArray, others: FloatArray, cell: FloatArray) -> bool:
    """Tell whether each point is on one of others, all as fractions of a cell."""
    _, nearest = cKDTree(others % 1.0 % 1.0, boxsize=1.0).query(points % 1.0 % 1.0)
    apart = points - others[nearest]
    return bool((np.linalg.norm((apart - np.round(apart)) @ cell, axis=1) < ONE_IMAGE).all())


def _say(sentence: str) -> None:
    warnings.warn(sentence, QdsimWarning, stacklevel=2)
