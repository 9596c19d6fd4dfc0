"""What scattering fits say about samples: the schema of a file of fits, each value with its uncertainty and source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveFloat,
    ValidationInfo,
    field_validator,
    model_validator,
)

from qdsim.analysis.model import ResultModel
from qdsim.documents import load_document, nearest
from qdsim.structures import RhombohedralState


class Quantity(NamedTuple):
    """What can be compared.

    Attributes
    ----------
    label, unit
        As a reader wants them.
    low, high
        Range outside of which a value is a mistake.
    matters
        Smallest difference that would matter to a reader: data that cannot tell so much apart do not decide. None
        where nothing is compared.
    """

    label: str
    unit: str
    low: float
    high: float
    matters: float | None = None


QUANTITIES: dict[str, Quantity] = {
    "diameter": Quantity("diameter", "Å", 5.0, 1000.0),
    "lattice_constant": Quantity("lattice constant (4V)^(1/3)", "Å", 4.0, 8.0),
    "volume": Quantity("volume per formula unit", "Å³", 16.0, 128.0, 0.5),
    "volumetric_strain": Quantity("volume expansion", "", -0.3, 0.3, 0.01),
    "alpha_rh": Quantity("α_rh", "°", 50.0, 70.0, 0.5),
    "pb_offset": Quantity("cation offset", "Å", 0.0, 0.8, 0.1),
    "bond_short": Quantity("short bonds", "Å", 2.0, 4.0, 0.1),
    "bond_long": Quantity("long bonds", "Å", 2.0, 4.0, 0.1),
    "occupancy_cation_core": Quantity("cation occupancy, core", "", 0.0, 1.0, 0.1),
    "occupancy_cation_shell": Quantity("cation occupancy, shell", "", 0.0, 1.0, 0.1),
    "occupancy_anion_core": Quantity("anion occupancy, core", "", 0.0, 1.0, 0.1),
    "occupancy_anion_shell": Quantity("anion occupancy, shell", "", 0.0, 1.0, 0.1),
    "b_iso_cation": Quantity("B of the cation", "Å²", 0.0, 30.0, 1.0),
    "b_iso_anion": Quantity("B of the anion", "Å²", 0.0, 30.0, 1.0),
    "dipole": Quantity("dipole moment", "D", 0.0, 1e6, 50.0),
    "chi2_reduced": Quantity("reduced χ²", "", 0.0, 1e12),
}
"""Everything that a sample may state."""
SURFACE_TENSION = Quantity("surface tension", "eV/Å^2", -0.5, 0.5)
"""What turns diameters into pressures."""

SAME_LENGTH = 0.02
"""Å; bonds that differ more than this, and by more than three standard errors, contradict each other."""
SAME_VOLUME = 0.005
"""Fraction; volumes that differ more than this, and by more than three standard errors, contradict each other."""
LARGEST_SPLIT = 1.0
"""Å; bonds that differ more belong to no rock-salt crystal."""
CERTAIN = 3.0
"""Standard errors beyond which a difference is no accident."""


def _bare_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"value": value}
    if not isinstance(value, Mapping | Measured):
        raise ValueError(f"{value!r} is no value; give a number, or {{value: ..., error: ...}}")
    return value


class Measured(ResultModel):
    """A value of a fit.

    Attributes
    ----------
    value, error
        Value and standard error, in the unit of its quantity.
    limit
        "lower" or "upper" where the source says "more than" or "less than" this value.
    source
        Where it is stated.
    """

    value: float
    error: PositiveFloat | None = None
    limit: Literal["lower", "upper"] | None = None
    source: str = ""


Value = Annotated[Measured, BeforeValidator(_bare_number)]


def _known_quantity(name: str) -> str:
    known = [*QUANTITIES, "surface_tension"]
    if name not in known:
        raise ValueError(f"'{name}' is no quantity of a sample; {nearest(name, known)}")
    return name


Tolerances = dict[Annotated[str, AfterValidator(_known_quantity)], PositiveFloat]


class Sample(ResultModel):
    """One sample as a fit describes it; what the fit does not tell is left out.

    Attributes
    ----------
    name
        Of the sample.
    diameter
        Mean diameter, Å.
    lattice_constant, volume, volumetric_strain
        Edge of the cubic cell of the same volume, Å; volume per formula unit, Å^3; expansion against the bulk, a
        fraction. One of them is enough.
    alpha_rh, pb_offset
        Degrees; displacement of the cation along [111], Å.
    bond_short, bond_long
        The three short and the three long bonds of a cation, Å.
    occupancy_cation_core, occupancy_cation_shell, occupancy_anion_core, occupancy_anion_shell
        By site and region.
    b_iso_cation, b_iso_anion
        Isotropic displacement parameters B, Å^2.
    dipole
        Dipole moment of a particle, D.
    chi2_reduced
        Of the fit.

    Raises
    ------
    ValueError
        If a value is out of its range, or values contradict each other.
    """

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\n\r\t]+$")]
    diameter: Value | None = None
    lattice_constant: Value | None = None
    volume: Value | None = None
    volumetric_strain: Value | None = None
    alpha_rh: Value | None = None
    pb_offset: Value | None = None
    bond_short: Value | None = None
    bond_long: Value | None = None
    occupancy_cation_core: Value | None = None
    occupancy_cation_shell: Value | None = None
    occupancy_anion_core: Value | None = None
    occupancy_anion_shell: Value | None = None
    b_iso_cation: Value | None = None
    b_iso_anion: Value | None = None
    dipole: Value | None = None
    chi2_reduced: Value | None = None

    def stated(self) -> dict[str, Measured]:
        """Return every value that the fit gives, by the name of its quantity."""
        return {name: found for name in QUANTITIES if (found := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        stated = self.stated()
        if not stated:
            raise ValueError(f"sample '{self.name}' states nothing; give at least one of {', '.join(QUANTITIES)}")
        for name, found in stated.items():
            try:
                _check_range(name, found, QUANTITIES[name])
            except ValueError as error:
                raise ValueError(f"sample '{self.name}': {error}") from error
        self._check_volume(stated)
        self._check_bonds(stated)
        return self

    def _check_volume(self, stated: Mapping[str, Measured]) -> None:
        if not {"volume", "lattice_constant"} <= set(stated):
            return
        volume, edge = stated["volume"], stated["lattice_constant"]
        if volume.limit or edge.limit:
            return
        expected = edge.value**3 / 4
        error = (volume.error or 0.0) + 3 * expected / edge.value * (edge.error or 0.0)
        if abs(volume.value - expected) > max(SAME_VOLUME * expected, CERTAIN * error):
            raise ValueError(
                f"sample '{self.name}': a volume of {volume.value:g} Å^3 per formula unit contradicts a lattice "
                f"constant of {edge.value:g} Å, which is {expected:.2f} Å^3; correct one of them"
            )

    def _check_split(self, short: float, long: float) -> None:
        if short > long:
            raise ValueError(
                f"sample '{self.name}': the short bonds are {short:g} Å, longer than the long ones of {long:g} Å; "
                f"exchange them"
            )
        if long - short > LARGEST_SPLIT:
            raise ValueError(
                f"sample '{self.name}': bonds of {short:g} and {long:g} Å are those of no rock-salt crystal; "
                f"correct one of them"
            )

    def _check_bonds(self, stated: Mapping[str, Measured]) -> None:
        bonds = {name: stated[name] for name in ("bond_short", "bond_long") if name in stated}
        if bonds.keys() == {"bond_short", "bond_long"}:
            self._check_split(bonds["bond_short"].value, bonds["bond_long"].value)
        volume, offset = stated_volume(stated), stated.get("pb_offset")
        alpha = stated.get("alpha_rh", Measured(value=60.0))
        if volume is None or offset is None or volume.limit or offset.limit or alpha.limit:
            return
        expected = RhombohedralState(volume.value, alpha.value, offset.value).bond_lengths
        slack = (offset.error or 0.0) + (volume.error or 0.0) / volume.value
        for name, length in zip(("bond_short", "bond_long"), expected, strict=True):
            if name not in bonds or bonds[name].limit:
                continue
            error = (bonds[name].error or 0.0) + slack
            if abs(bonds[name].value - length) > max(SAME_LENGTH, CERTAIN * error):
                raise ValueError(
                    f"sample '{self.name}': {name} of {bonds[name].value:g} Å contradicts alpha_rh, pb_offset and "
                    f"volume, which give bonds of {expected[0]:.3f} and {expected[1]:.3f} Å; correct one of them"
                )


class ScatteringFits(ResultModel):
    """A file of scattering fits.

    Attributes
    ----------
    compound
        Such as "PbS".
    source
        Citation of the fits.
    bulk_lattice_constant
        Of the bulk crystal that volumes are compared with, Å; by default that of the compound.
    surface_tension
        gamma of the Laplace pressure 4 gamma/D, eV/Å^2; negative where small particles expand. As 3 B Omega/4 of a
        fitted Omega it is in proportion to the bulk modulus B, whose error is to be in its own.
    tolerances
        By quantity, what stands for the standard error of values that have none. Without it such values decide nothing.
    samples
        The samples.

    Raises
    ------
    ValueError
        If two samples have one name, or a volume contradicts an expansion.
    """

    compound: str
    source: str = ""
    bulk_lattice_constant: Value | None = None
    surface_tension: Value | None = None
    tolerances: Tolerances = Field(default_factory=dict)
    samples: list[Sample] = Field(min_length=1)

    @field_validator("bulk_lattice_constant")
    @classmethod
    def _possible_bulk(cls, bulk: Measured | None) -> Measured | None:
        if bulk is not None:
            _check_range("bulk_lattice_constant", bulk, QUANTITIES["lattice_constant"])
        return bulk

    @field_validator("surface_tension")
    @classmethod
    def _possible_tension(cls, tension: Measured | None) -> Measured | None:
        if tension is not None:
            _check_range("surface_tension", tension, SURFACE_TENSION)
        return tension

    @field_validator("samples")
    @classmethod
    def _distinct(cls, samples: list[Sample], info: ValidationInfo) -> list[Sample]:
        names = [sample.name for sample in samples]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two samples are called '{twice}'; give each a name of its own")
        bulk = info.data.get("bulk_lattice_constant")
        if bulk is not None:
            for sample in samples:
                _check_expansion(sample, bulk)
        return samples


def stated_volume(stated: Mapping[str, Measured]) -> Measured | None:
    """Return the volume per formula unit, Å^3, that is stated as such or as a lattice constant."""
    if "volume" in stated:
        return stated["volume"]
    edge = stated.get("lattice_constant")
    if edge is None:
        return None
    volume = edge.value**3 / 4
    error = None if edge.error is None else 3 * volume / edge.value * edge.error
    return Measured(value=volume, error=error, limit=edge.limit, source=edge.source)


def load_fits(path: str | Path) -> ScatteringFits:
    """Read a file of scattering fits.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not follow the schema: file, line and field are named.
    """
    return load_document(Path(path), ScatteringFits, "a file of scattering fits")


def _check_range(name: str, found: Measured, quantity: Quantity) -> None:
    if not quantity.low <= found.value <= quantity.high:
        raise ValueError(
            f"{name} is {found.value:g} {quantity.unit}".rstrip()
            + f", outside {quantity.low:g} to {quantity.high:g}; correct it or its unit"
        )


def _check_expansion(sample: Sample, bulk: Measured) -> None:
    volume, strain = stated_volume(sample.stated()), sample.volumetric_strain
    if volume is None or strain is None or strain.limit or volume.limit:
        return
    expected = volume.value / (bulk.value**3 / 4) - 1
    error = (strain.error or 0.0) + (volume.error or 0.0) / volume.value + 3 * (bulk.error or 0.0) / bulk.value
    if abs(strain.value - expected) > max(SAME_VOLUME, CERTAIN * error):
        raise ValueError(
            f"sample '{sample.name}': a volumetric_strain of {strain.value:.2%} contradicts a volume of "
            f"{volume.value:.2f} Å^3 per formula unit, {expected:+.2%} against the bulk's; correct one of them"
        )
