"""What is computed of the lattice dynamics of a crystal, as documents: one model for the writer and for all readers."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from qdsim.analysis.model import ResultModel

NEUTRAL = 1e-6
"""e; Born charges may miss zero by so much."""


class Nonanalytic(ResultModel):
    """What splits longitudinal from transverse modes: charges and screening, both isotropic."""

    born_charges: dict[str, float] = Field(description="By element, e; they add up to zero over the primitive cell.")
    eps_inf: float = Field(ge=1, description="Dielectric constant of the electrons.")
    source: str = Field("given", description="Where both are from.")
    charge_sum: float | None = Field(
        None, description="What the charges of a formula unit, as computed, add up to before they are made neutral, e."
    )

    @model_validator(mode="after")
    def _neutral(self) -> "Nonanalytic":
        total = sum(self.born_charges.values())
        if abs(total) > NEUTRAL:
            raise ValueError(f"the Born charges of a formula unit add up to {total:g} e, and must add up to 0")
        return self


class FiniteFieldSettings(ResultModel):
    """How Born charges and the dielectric constant of a crystal are computed."""

    cation: str
    anion: str
    repeats: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="Of the conventional cell along its axes."
    )
    field: PositiveFloat = Field(description="That is turned on along the first axis and against it, V/Å.")


class PhononSettings(ResultModel):
    """How force constants are computed, and what is made of them."""

    cation: str
    anion: str
    supercell: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(description="Repeats of the primitive cell.")
    distance: PositiveFloat = Field(0.01, description="That an atom is displaced, Å.")
    largest_force: PositiveFloat = Field(0.005, description="On an atom of the crystal itself, eV/Å.")
    mesh: PositiveInt = Field(24, description="q points along each axis, for sums over the Brillouin zone.")
    temperatures: tuple[NonNegativeFloat, ...] = Field((100.0, 200.0, 300.0, 400.0), description="K.")
    nonanalytic: Nonanalytic | None = None


class GammaModes(ResultModel):
    """Vibrations in which all cells move alike, cm^-1; imaginary frequencies are negative."""

    frequencies: list[float] = Field(description="Of all modes, ascending.")
    transverse_optical: float
    longitudinal_optical: float | None = Field(None, description="Along [111]; none without Born charges.")
    antiphase: float = Field(description="Share of that mode in which cations and anions move against each other.")
    acoustic: float = Field(description="Of the three modes that should not cost anything, the one farthest from 0.")
    sum_rule: float = Field(
        description="By how much the computed force constants miss the acoustic sum rule, of the largest, a fraction."
    )


class BandSegment(ResultModel):
    """Frequencies along one straight line of the Brillouin zone."""

    start: str
    end: str
    distances: list[float] = Field(description="From the beginning of the path, Å^-1.")
    frequencies: list[list[float]] = Field(description="By branch, cm^-1.")


class DensityOfStates(ResultModel):
    """How many modes there are: per cm^-1 and primitive cell."""

    frequencies: list[float] = Field(description="cm^-1.")
    total: list[float]
    by_element: dict[str, list[float]]


class ThermalState(ResultModel):
    """A harmonic crystal at one temperature."""

    temperature: NonNegativeFloat = Field(description="K.")
    free_energy: float = Field(description="Of the vibrations, eV per formula unit.")
    entropy: float = Field(description="meV/K per formula unit.")
    heat_capacity: float = Field(description="At constant volume, meV/K per formula unit.")
    u_iso: dict[str, float] = Field(description="Mean square displacement along one direction, by element, Å^2.")
    b_iso: dict[str, float] = Field(description="8 pi^2 times that, Å^2.")


class PhononState(ResultModel):
    """The lattice dynamics of one crystal."""

    label: str = ""
    volume: PositiveFloat = Field(description="Å^3 per formula unit.")
    alpha_rh: float = Field(description="Degrees.")
    pb_offset: float = Field(description="Å.")
    supercell: tuple[PositiveInt, PositiveInt, PositiveInt]
    distance: PositiveFloat = Field(description="Å.")
    residual_force: float = Field(description="Largest on an atom without displacement, eV/Å.")
    gamma: GammaModes
    lowest: float = Field(description="Lowest frequency of the mesh and the path, cm^-1.")
    lowest_where: str = Field(description="Where it is.")
    bands: tuple[BandSegment, ...]
    density_of_states: DensityOfStates
    nonanalytic: Nonanalytic | None = Field(None, description="Given or computed; none without.")
    thermal: tuple[ThermalState, ...] = Field(description="Empty where a mode is unstable.")
    message: str | None = Field(None, description="Why something is missing.")

    @property
    def stable(self) -> bool:
        """Whether all frequencies are real."""
        return bool(self.thermal) or self.message is None
