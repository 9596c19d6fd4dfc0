"""What is computed of vacancies, as documents: one model for the work chain that writes and for all that read."""

from pydantic import Field, PositiveFloat, PositiveInt

from qdsim.analysis.model import ResultModel

Position = tuple[float, float, float]


class HostState(ResultModel):
    """A crystal without vacancies, in the supercell that they are made in."""

    label: str
    volume: PositiveFloat = Field(description="Å^3 per formula unit.")
    alpha_rh: float = Field(description="Degrees.")
    pb_offset: float = Field(description="Offset of the cation sublattice along [111], Å.")
    formula_units: PositiveInt = Field(description="In the supercell.")
    image_distance: PositiveFloat = Field(description="From a vacancy to its nearest periodic image, Å.")
    energy: float | None = Field(None, description="Of the supercell, eV; none where its calculation failed.")
    vbm: float | None = Field(None, description="Highest occupied band energy, eV.")
    cbm: float | None = Field(None, description="Lowest empty band energy, eV.")
    is_step: bool = Field(False, description="Stands between two hosts for the decomposition only.")
    ions_held: bool = Field(False, description="Its vacancies were to keep all atoms where the host has them.")
    failure: str | None = Field(None, description="Why there is no energy.")


class ChargeCorrection(ResultModel):
    """Finite-size correction of a charged supercell."""

    method: str = Field(description="FNV or eFNV.")
    dielectric: PositiveFloat
    dielectric_kind: str = Field(description="eps_inf for ions held still, eps_0 for relaxed ones.")
    electrostatic: float = Field(description="Interaction of the charge with its images and the background, eV.")
    alignment: float = Field(description="q times the potential far from the vacancy against the host's, eV.")

    @property
    def energy(self) -> float:
        """What is added to the formation energy, eV."""
        return self.electrostatic + self.alignment


class DefectState(ResultModel):
    """A supercell with vacant sites."""

    host: str = Field(description="Label of the `HostState` whose cell and settings it shares.")
    label: str = Field("", description="Link label of its process.")
    defect: str = Field(description="V_Pb, V_S, V_Pb+V_S at 2.97 Å, or an ordering's label.")
    charge: int = 0
    removed: dict[str, PositiveInt] = Field(description="Atoms taken away, by element.")
    vacant_sites: tuple[Position, ...] = Field((), description="Fractional coordinates in the supercell.")
    concentration: float | None = Field(None, description="Share of that sublattice that is vacant, of a series.")
    multiplicity: PositiveInt = Field(1, description="Equivalent choices in the supercell.")
    unrelaxed_energy: float | None = Field(None, description="Atoms where the host has them, eV.")
    unrelaxed_correction: ChargeCorrection | None = None
    energy: float | None = Field(None, description="Ions relaxed in the host's cell, eV; none if failed.")
    correction: ChargeCorrection | None = None
    gap: float | None = Field(None, description="Highest occupied to lowest empty band, eV.")
    largest_displacement: float | None = Field(None, description="Of an atom by the relaxation, Å.")
    pb_offset: float | None = Field(None, description="Mean offset of the cation sublattice after relaxation, Å.")
    reservations: tuple[str, ...] = ()
    failure: str | None = Field(None, description="Why an energy is missing.")
    separation: float | None = Field(None, description="Of the two sites of a pair, nearest images, Å.")


class ElementState(ResultModel):
    """An element in its reference phase."""

    element: str
    phase: str = Field(description="fcc, S8 molecule ...")
    energy: float | None = Field(None, description="eV per atom; none where its calculation failed.")
    failure: str | None = None


class VacancyResults(ResultModel):
    """Everything a vacancy campaign computed; formation energies follow from it."""

    compound: str
    cation: str
    anion: str
    protocol: str
    k_points: tuple[int, int, int] | None = Field(description="Mesh of the supercell; none for the Gamma point.")
    compound_energy: float | None = Field(None, description="Of the undistorted crystal, eV per formula unit.")
    elements: tuple[ElementState, ...]
    hosts: tuple[HostState, ...]
    defects: tuple[DefectState, ...]
