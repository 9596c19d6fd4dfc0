"""Schemas of the documents that work chains take and give: one model for the writer and the reader."""

from typing import Any, Literal

from pydantic import Field, PositiveFloat

from qdsim.analysis.model import ResultModel
from qdsim.analysis.relaxation import Decision, RelaxationStep
from qdsim.analysis.strain import Quantity

Dispersion = Literal["chantler", "none"] | dict[str, tuple[float, float]]
"""f' and f'': Chantler's where the energy is given, none although it is, or those of every element, electrons."""

ORDINARY_RELAXATION = 5
"""Single points that a relaxation of the R3m phase usually takes."""


class Lattice(ResultModel):
    """What is the same in every structure of a series."""

    compound: str
    cation: str
    anion: str
    supercell: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]] = Field(
        description="Integer matrix from the primitive rhombohedral cell to the calculated one."
    )


class StrainTask(ResultModel):
    """One calculation of a strain series, or one relaxation."""

    label: str = Field(description="Link label of its process.")
    part: Literal["equation_of_state", "strain"]
    value: float = Field(description="Volume in Å^3 per formula unit for the equation of state; the strain otherwise.")
    offset: float = 0.0
    relaxes: bool = False


class StrainSettings(ResultModel):
    """What a strain series computes."""

    protocol: str
    equation_of_state_volumes: tuple[float, ...] = Field(description="Å^3 per formula unit.")
    quantity: Quantity
    values: tuple[float, ...] = Field(description="Fractions, GPa or Å, as `quantity` says.")
    double_well: tuple[float, ...] = Field(description="Offsets in Å at alpha_rh = 60 deg.")
    start_offset: float = Field(description="Offset in Å where the relaxation starts.")

    def tasks(self) -> list[StrainTask]:
        """Return every calculation of the series, in the order of submission.

        At each strain the relaxations come first, because they take the longest; the double well leaves out the offset
        where the relaxation starts, whose energy is known from there.
        """
        wells = [offset for offset in self.double_well if offset != self.start_offset]
        points = [(value, strain_label(self.quantity, value)) for value in self.values]
        return [
            *(
                StrainTask(label=f"volume_{index:02d}", part="equation_of_state", value=volume)
                for index, volume in enumerate(self.equation_of_state_volumes)
            ),
            *(
                StrainTask(
                    label=f"{label}__relaxed",
                    part="strain",
                    value=value,
                    offset=self.start_offset,
                    relaxes=True,
                )
                for value, label in points
            ),
            *(StrainTask(label=f"{label}__centred", part="strain", value=value) for value, label in points),
            *(
                StrainTask(label=f"{label}__well_{index}", part="strain", value=value, offset=offset)
                for value, label in points
                for index, offset in enumerate(wells)
            ),
        ]


class MeasuredPattern(ResultModel):
    """A measured pattern of a sample, and how it is fitted."""

    sample: str = Field(description="Name of the sample.")
    file: str = Field(description="Name of the data file.")
    fit: dict[str, Any] = Field(description="A `qdsim.debye.fit_file.FitFile` without the names of files.")


class Cut(ResultModel):
    """A particle that is cut from a crystal of rock salt."""

    cation: str
    anion: str
    diameter: PositiveFloat = Field(description="Å.")
    shape: str = "sphere"


class PatternSettings(ResultModel):
    """Which scattering of computed structures is computed."""

    cut: Cut | None = Field(None, description="From crystals; clusters scatter as they are.")
    b_iso: float = Field(1.0, ge=0, description="Isotropic displacement parameter B of all atoms, Å^2.")
    energy_kev: PositiveFloat | None = Field(None, description="Of the photons, for f' and f''.")
    form_factors: dict[str, dict[str, Any]] = Field(
        {}, description="By element, a `qdsim.debye.FormFactorTable` in place of Waasmaier & Kirfel's f0."
    )
    dispersion: Dispersion = Field("chantler", description="Where f' and f'' are from.")
    q_min: float = Field(1.0, ge=0, description="Å^-1.")
    q_max: PositiveFloat = Field(13.0, description="Å^-1.")
    points: int = Field(1200, ge=2)


class RelaxationPath(ResultModel):
    """The states a relaxation has computed, and what follows from them."""

    volume: float
    steps: tuple[RelaxationStep, ...]
    decision: Decision


def strain_label(quantity: Quantity, value: float) -> str:
    """Return an identifier for a strain that can stand in a link label.

    Examples
    --------
    >>> strain_label("linear", 0.02), strain_label("pressure", -1.5)
    ('linear_p0p0200', 'pressure_m1p5000')
    """
    sign = "m" if value < 0 else "p"
    return f"{quantity}_{sign}{abs(value):.4f}".replace(".", "p")


def strain_title(quantity: Quantity, value: float) -> str:
    """Return a strain as a person writes it.

    Examples
    --------
    >>> strain_title("linear", 0.02), strain_title("pressure", -1.5)
    ('strain +2.00 %', 'P = -1.50 GPa')
    """
    match quantity:
        case "linear":
            return f"strain {100 * value:+.2f} %"
        case "volumetric":
            return f"volume {100 * value:+.2f} %"
        case "pressure":
            return f"P = {value:+.2f} GPa"
        case "lattice_constant":
            return f"a = {value:.4f} Å"
