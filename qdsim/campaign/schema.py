"""What a campaign file may say."""

import re
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    model_validator,
)

from qdsim.analysis.consistency_results import Reference
from qdsim.analysis.relaxation import RelaxationSettings
from qdsim.analysis.scattering_fit import Tolerances
from qdsim.analysis.strain import Quantity

LARGEST_STRAIN = 0.30
LARGEST_PRESSURE = 30.0
"""GPa; rock-salt lead chalcogenides transform or fall apart long before."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PERCENT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*%\s*")


def _read_fraction(value: Any) -> Any:
    """Read `2 %` as 0.02. A bare number is a fraction; one that cannot be meant as such is asked about."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)):
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= abs(value) <= 100 * LARGEST_STRAIN:
        raise ValueError(f"{value:g} would be {100 * value:g} %; was {value / 100:g}, that is '{value:g} %', meant?")
    return value


def _check_strain(value: float) -> float:
    if abs(value) > LARGEST_STRAIN:
        raise ValueError(f"{100 * value:g} % is beyond ±{100 * LARGEST_STRAIN:g} %, where rock salt does not exist")
    return value


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"'{value}' is no name; use up to 64 letters, digits and _ . - and begin with a letter or digit"
        )
    return value


def _check_pressure(value: float) -> float:
    if abs(value) > LARGEST_PRESSURE:
        raise ValueError(f"{value:g} GPa is beyond ±{LARGEST_PRESSURE:g} GPa")
    return value


Strain = Annotated[float, BeforeValidator(_read_fraction), AfterValidator(_check_strain)]
Pressure = Annotated[float, AfterValidator(_check_pressure)]
Offset = Annotated[float, Field(gt=0, le=0.8)]


class Section(BaseModel):
    """A part of a campaign file: no unknown keys, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EquationOfStateSection(Section):
    """Which volumes the equation of state is fitted to."""

    span: Strain = Field(0.03, gt=0, description="Linear strain to either side of the reference lattice constant.")
    points: int = Field(7, ge=5, le=51, description="Number of volumes, equally spaced in the lattice constant.")


class StrainSection(Section):
    """A series of hydrostatic strains, in one quantity."""

    linear: list[Strain] | None = Field(None, description="Strains of the edge, as 0.02 or '2 %'.")
    volumetric: list[Strain] | None = Field(None, description="Strains of the volume, as 0.06 or '6 %'.")
    pressure: list[Pressure] | None = Field(None, description="GPa; negative is tension.")
    lattice_constant: list[Annotated[float, Field(gt=0)]] | None = Field(None, description="Cubic edge in Å.")
    equation_of_state: EquationOfStateSection = EquationOfStateSection()
    double_well: list[Offset] = Field(
        [0.1, 0.2, 0.3], min_length=1, description="Offsets in Å whose energy is computed at alpha_rh = 60 deg."
    )
    relaxation: RelaxationSettings = RelaxationSettings()

    @model_validator(mode="after")
    def _one_quantity(self) -> Self:
        given = [name for name in QUANTITIES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of linear, volumetric, pressure, lattice_constant; found {' and '.join(given) or 'none'}"
            )
        values = self.values
        if not values:
            raise ValueError(f"{given[0]} lists no values; give at least one")
        if len(set(values)) < len(values):
            raise ValueError(f"{given[0]} lists the same value twice")
        return self

    @property
    def quantity(self) -> Quantity:
        """The quantity in which the strains are given."""
        return next(name for name in QUANTITIES if getattr(self, name) is not None)

    @property
    def values(self) -> list[float]:
        """The strains in that quantity."""
        found: list[float] = getattr(self, self.quantity)
        return found


class PatternsSection(Section):
    """Which scattering of the relaxed lattices is computed: that of a particle cut from each."""

    diameter: float = Field(32.0, ge=8, le=400, description="Å.")
    shape: str = Field("sphere", description="Such as sphere, cube, octahedron, rhombic_dodecahedron.")
    b_iso: float = Field(1.0, ge=0, description="Isotropic displacement parameter B of all atoms, Å^2.")
    energy_kev: float | None = Field(None, gt=0, description="Of the photons, for f' and f''.")


class ScatteringSection(Section):
    """What the relaxed lattices are compared with."""

    fits: Path | None = Field(None, description="File of scattering fits: values of samples with their uncertainties.")
    data: dict[str, Path] = Field(
        {}, description="By sample, a fit file that names a measured pattern, or the pattern."
    )
    reference: Reference = Field(
        "relative", description="relative: each lattice against its own bulk; absolute: volumes as they are."
    )
    tolerances: Tolerances = Field({}, description="Standard errors, by quantity, of values that have none.")
    patterns: PatternsSection = PatternsSection()
    code: str | None = Field(
        None,
        description="AiiDA code of the qdsim command, for fits that take long; qdsim@localhost where there is one.",
    )

    @model_validator(mode="after")
    def _something_to_compare(self) -> Self:
        if self.fits is None and not self.data:
            raise ValueError("there is nothing to compare with; give fits, data or both")
        return self


class ResourcesSection(Section):
    """What one calculation gets from its computer."""

    ranks: PositiveInt | None = Field(None, description="MPI ranks; the computer's default where not given.")
    walltime: Annotated[int, Field(gt=60)] = Field(86_400, description="Seconds until a calculation is stopped.")
    queue: str | None = Field(None, description="Partition or queue of the scheduler.")
    account: str | None = Field(None, description="Account that the scheduler charges.")


class Campaign(Section):
    """A campaign: one compound, one protocol, and what is to be computed."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(description="Letters, digits and _ . - only.")
    compound: str | None = Field(None, description="A rock-salt compound that qdsim knows, such as PbS.")
    structure: Path | None = Field(
        None,
        description="CIF, XYZ or POSCAR file of a rock-salt crystal, in place of the compound's own lattice.",
    )
    protocol: str = Field("moderate", description="fast, moderate, precise or paper.")
    overrides: dict[str, Any] = Field({}, description="Settings of the protocol that are to be different.")
    code: str = Field("cp2k@localhost", description="AiiDA code that runs CP2K.")
    resources: ResourcesSection = ResourcesSection()
    strain: StrainSection = Field(description="The strain series.")
    scattering: ScatteringSection | None = Field(None, description="Scattering that the strain series is checked by.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.compound is None) == (self.structure is None):
            raise ValueError("give either compound or structure")
        return self
