"""The phases of the elements that chemical potentials are counted from."""

from importlib.resources import files
from typing import Any

from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from qdsim.cp2k.settings import Settings, load_yaml
from qdsim.errors import QdsimError

Vector = tuple[float, float, float]


class ReferencePhase(BaseModel):
    """An element in its reference phase."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    element: str
    phase: str = Field(description="Such as fcc.")
    cell: tuple[Vector, Vector, Vector] = Field(description="Rows are vectors, Å.")
    positions: tuple[Vector, ...] = Field(description="Å.")
    k_points: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    instead_of_ot: dict[str, Any] = Field({}, description="Settings where OT cannot be used.")

    @property
    def relaxes(self) -> bool:
        """Whether the atoms can move against each other."""
        return len(self.positions) > 1

    def adapt(self, settings: Settings) -> Settings:
        """Return the settings of a supercell with what is the element's own: k-points, and what OT cannot do."""
        changes = self.instead_of_ot if settings.solver == "OT" else {}
        return settings.model_copy(update={**changes, "k_points": self.k_points})

    def to_atoms(self) -> Atoms:
        """Build the structure, periodic also where a molecule is alone in its cell."""
        return Atoms([self.element] * len(self.positions), positions=self.positions, cell=self.cell, pbc=True)


def load_reference_phase(element: str) -> ReferencePhase:
    """Return an element's reference phase.

    Raises
    ------
    QdsimError
        If none is known.
    """
    document = load_yaml(files("qdsim.templates") / "elements.yaml")
    if element not in document:
        raise QdsimError(f"No reference phase of {element} is known; there are {', '.join(document)}.")
    return ReferencePhase(element=element, **document[element])
