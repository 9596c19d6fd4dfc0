"""Where a structure comes from: its node, the settings it was computed with, and what is measured of it."""

from typing import Annotated, Any, Self
from unicodedata import combining, normalize

import numpy as np
from ase import Atoms
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, model_validator

from qdsim import __version__
from qdsim.debye.atoms import element
from qdsim.errors import QdsimError
from qdsim.structures import measure_distortion

SET_UP = "10.1038/nmat4661"
"""DOI of Bertolotti et al., Nature Materials (2016), whose computational set-up the campaigns follow."""

Vector = tuple[float, float, float]


def single_line(text: Any) -> Any:
    """Put a text on one line, and leave out of it what cannot be printed; anything else is returned as it is."""
    if not isinstance(text, str):
        return text
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def ascii_text(text: str) -> str:
    """Write a text in ASCII: letters without their accents, a question mark for what ASCII has nothing like."""
    plain = "".join(character for character in normalize("NFKD", text) if not combining(character))
    return plain.encode("ascii", "replace").decode("ascii")


Text = Annotated[str, BeforeValidator(single_line)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class StoredStructure(_Part):
    """Atoms as a document keeps them.

    Attributes
    ----------
    symbols
        Chemical symbols, N of them.
    positions
        Å, N of them.
    cell
        Three vectors, Å; None if there is no cell.
    pbc
        Along which of the vectors the structure is periodic.
    """

    symbols: Annotated[tuple[str, ...], Field(min_length=1)]
    positions: tuple[Vector, ...]
    cell: tuple[Vector, Vector, Vector] | None = None
    pbc: tuple[bool, bool, bool] = (False, False, False)

    @model_validator(mode="after")
    def _possible_atoms(self) -> Self:
        if len(self.positions) != len(self.symbols):
            raise ValueError(f"{len(self.symbols)} symbols have {len(self.positions)} positions; give one for each")
        for symbol in set(self.symbols):
            try:
                known = element(symbol) == symbol
            except QdsimError:
                known = False
            if not known:
                raise ValueError(f"{symbol!r} is no chemical symbol")
        if any(self.pbc) and (self.cell is None or np.linalg.matrix_rank(np.array(self.cell)) < len(self.cell)):
            raise ValueError("a periodic structure needs a cell of three vectors that are linearly independent")
        return self

    @classmethod
    def from_atoms(cls, atoms: Atoms) -> Self:
        """Keep atoms; the cell only where it is a period of them."""
        periodic = bool(atoms.pbc.any())
        return cls(
            symbols=tuple(atoms.get_chemical_symbols()),
            positions=tuple(map(tuple, atoms.positions.tolist())),
            cell=tuple(map(tuple, atoms.cell.tolist())) if periodic else None,
            pbc=tuple(atoms.pbc.tolist()),
        )

    def to_atoms(self) -> Atoms:
        """Return the atoms."""
        return Atoms(list(self.symbols), positions=list(self.positions), cell=self.cell, pbc=self.pbc)


class RocksaltNumbers(_Part):
    """What distinguishes a crystal AB from ideal rock salt; `qdsim.structures.Distortion` tells what each number is.

    Attributes
    ----------
    cation, anion
        Chemical symbols.
    volume
        Volume per formula unit, Å^3.
    lattice_constant
        Lattice constant of the cubic crystal of the same volume, Å.
    alpha_rh
        Angle of the primitive rhombohedral cell, degrees.
    pb_offset
        Displacement of the cations against the anions, Å.
    bond_short, bond_long
        Means of the three short and the three long bonds of a cation, Å.
    space_group
        Symbol and number.
    occupancy_cation, occupancy_anion
        Parts of the sites that are not vacant.
    """

    cation: str
    anion: str
    volume: PositiveFloat
    lattice_constant: PositiveFloat
    alpha_rh: PositiveFloat
    pb_offset: float
    bond_short: PositiveFloat
    bond_long: PositiveFloat
    space_group: Text
    occupancy_cation: float = 1.0
    occupancy_anion: float = 1.0

    @classmethod
    def measure(cls, atoms: Atoms) -> Self | None:
        """Measure a structure; None if it is no rock-salt crystal."""
        try:
            found = measure_distortion(atoms)
        except QdsimError:
            return None
        (cation, no_cations), (anion, no_anions) = found.vacancies.items()
        return cls(
            cation=cation,
            anion=anion,
            volume=found.volume,
            lattice_constant=found.lattice_constant,
            alpha_rh=found.alpha_rh,
            pb_offset=found.offset,
            bond_short=found.bond_short,
            bond_long=found.bond_long,
            space_group=found.space_group,
            occupancy_cation=1 - no_cations / found.n_formula_sites,
            occupancy_anion=1 - no_anions / found.n_formula_sites,
        )


_UNITS = {
    "volume": "A^3",
    "lattice_constant": "A",
    "alpha_rh": "deg",
    "pb_offset": "A",
    "bond_short": "A",
    "bond_long": "A",
}


class Origin(_Part):
    """Where a structure comes from.

    Attributes
    ----------
    uuid
        Of the node that holds the structure.
    label
        What the structure is, such as "linear_p0p0200 relaxed".
    campaign, campaign_uuid
        Name and UUID of the campaign that it was computed in.
    code
        Program and version that computed it.
    doi
        Of the paper whose set-up the computation follows.
    made_by
        Program that wrote this document.
    settings
        How it was computed; flat, with units where a value has one.
    rocksalt
        Distortion, where the structure is a rock-salt crystal.
    structure
        The atoms themselves.
    """

    uuid: Text
    label: Text
    campaign: Text | None = None
    campaign_uuid: Text | None = None
    code: Text | None = None
    doi: Text = SET_UP
    made_by: Text = f"qdsim {__version__}"
    settings: dict[Text, Text | int | float] = {}
    rocksalt: RocksaltNumbers | None = None
    structure: StoredStructure

    @classmethod
    def of(cls, atoms: Atoms, *, uuid: str, label: str, **facts: Any) -> Self:
        """Describe atoms: the structure and its distortion are taken from them, the other fields from `facts`."""
        structure = StoredStructure.from_atoms(atoms)
        return cls(
            uuid=uuid, label=label, rocksalt=RocksaltNumbers.measure(structure.to_atoms()), structure=structure, **facts
        )

    @property
    def is_crystal(self) -> bool:
        """Whether the structure is periodic in three directions."""
        return all(self.structure.pbc)

    @property
    def summary(self) -> str:
        """The origin in one line."""
        campaign = f" of campaign {self.campaign}" if self.campaign else ""
        return f"{self.label}{campaign}, node {self.uuid}, set-up of doi:{self.doi}"

    def header(self) -> dict[str, str]:
        """Return everything but the atoms as short texts by name, in ASCII, each on one line."""
        facts = self.model_dump(exclude={"settings", "rocksalt", "structure"}, exclude_none=True)
        facts |= {f"settings.{name}": value for name, value in self.settings.items()}
        if self.rocksalt is not None:
            facts |= {f"rocksalt.{name}": _with_unit(name, value) for name, value in self.rocksalt}
        return {ascii_text(name): ascii_text(str(value)) for name, value in facts.items()}

    def header_lines(self, mark: str = "") -> list[str]:
        """Return the header as lines ``name: value``, each after a mark that makes it a comment."""
        return [f"{mark}{name}: {value}" for name, value in self.header().items()]


def _with_unit(name: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.6f} {_UNITS.get(name, '')}".rstrip()
