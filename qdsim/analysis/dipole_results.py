"""What is computed of clusters and their dipole moments, as documents: one model for the writer and for all readers."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from qdsim.analysis.model import ResultModel

Vector = tuple[float, float, float]


class ClusterState(ResultModel):
    """One cluster in one state of its lattice."""

    label: str = Field(description="Link label of its process.")
    particle: str = Field(description="Which particle: clusters of one particle have the same atoms.")
    diameter: PositiveFloat = Field(description="Of the sphere of the same volume, asked for, Å.")
    composition: dict[str, PositiveInt] = Field(description="Ions by element; ligands of several atoms by formula.")
    n_atoms: PositiveInt
    n_cations: NonNegativeInt
    extent: PositiveFloat = Field(description="Twice the largest coordinate of an atom from the centre, Å.")
    volume: PositiveFloat = Field(description="Of the crystal it was cut from, Å^3 per formula unit.")
    alpha_rh: float = Field(60.0, description="Degrees.")
    pb_offset: float = Field(0.0, description="Offset of the cation sublattice along [111], Å.")
    formal_charge: int = Field(0, description="Of the ions, e.")
    formal_dipole: Vector = Field(description="Of the ions as point charges, D; about the cluster's centre if charged.")
    sign_matters: bool | None = Field(
        None, description="Whether the opposite offset makes another cluster; none where that was not looked at."
    )
    relaxed: bool = Field(False, description="Whether its ions were relaxed.")
    box: PositiveFloat = Field(description="Edge of the isolated cell, Å.")
    solver: str = Field(description="Of the Poisson equation: WAVELET or MT.")
    reference_point: Vector | None = Field(
        None, description="About which a charged cluster's dipole is, from its centre, Å."
    )
    energy: float | None = Field(None, description="eV; none where the calculation failed.")
    dipole: Vector | None = Field(None, description="D; none where the calculation failed.")
    homo: float | None = Field(None, description="eV.")
    lumo: float | None = Field(None, description="eV.")
    smeared: bool = Field(False, description="Whether it converged with smeared occupations only, as metals do.")
    failure: str | None = Field(None, description="Why there is no dipole.")

    @property
    def gap(self) -> float | None:
        """Highest occupied to lowest empty level, eV."""
        return None if self.homo is None or self.lumo is None else self.lumo - self.homo


class DipoleResults(ResultModel):
    """Everything a dipole campaign computed; what follows from it is in `qdsim.analysis.dipole`."""

    compound: str
    cation: str
    anion: str
    protocol: str
    clusters: tuple[ClusterState, ...]
