"""What the lattice dynamics of a series of crystals computes."""

from pydantic import Field, PositiveFloat

from qdsim.analysis.model import ResultModel
from qdsim.structures import RhombohedralState


class CrystalSettings(ResultModel):
    """A crystal whose lattice dynamics is computed."""

    label: str
    volume: PositiveFloat = Field(description="Å^3 per formula unit; of a given crystal, as planned.")
    alpha_rh: float = 60.0
    pb_offset: float = 0.0
    crystal: bool = Field(False, description="Whether a structure is given.")
    point: str | None = Field(None, description="Strain point of the same campaign that the crystal is of.")
    phase: str | None = Field(None, description="Which crystal of that point.")

    @property
    def state(self) -> RhombohedralState:
        """The state that plans reckon with."""
        return RhombohedralState(self.volume, self.alpha_rh, self.pb_offset)


class PhononSeriesSettings(ResultModel):
    """Lattice dynamics of several crystals, with every choice made."""

    protocol: str
    compound: str
    crystals: tuple[CrystalSettings, ...]
    temperature: PositiveFloat = Field(300.0, description="K, of the averages over the double wells.")
