"""The rock-salt compounds that the templates and protocols are made for."""

from collections.abc import Iterable
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from qdsim.analysis.dipole import SphereInputs
from qdsim.analysis.known_displacements import KnownDisplacements
from qdsim.cp2k.settings import load_yaml, suggestion
from qdsim.errors import QdsimError


class Compound(BaseModel):
    """A rock-salt compound AB and where to begin with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    cation: str
    anion: str
    experimental_lattice_constant: PositiveFloat = Field(description="At room temperature, Å.")
    source: str = Field(description="Of the experimental lattice constant.")
    reference_lattice_constant: PositiveFloat = Field(
        description="Of the cubic phase with the protocols' PBE set-up, Å: centre of the equation of state, and the "
        "cell that the real-space grids are laid out for."
    )
    bulk_modulus: PositiveFloat = Field(description="Of the same, GPa; plans reckon with it.")
    heat_of_formation: float = Field(lt=0, description="Measured at 298 K, eV per formula unit.")
    heat_of_formation_source: str
    spheres: tuple[SphereInputs, ...] = Field((), description="For dielectric spheres beside computed dipoles.")
    displacement_parameters: tuple[KnownDisplacements, ...] = Field(
        (), description="From elsewhere, shown beside those of phonons."
    )


def compounds() -> dict[str, Compound]:
    """Return the known compounds by name."""
    document = load_yaml(files("qdsim.templates") / "compounds.yaml")
    return {name: Compound(name=name, **entry) for name, entry in document.items()}


def load_compound(name: str) -> Compound:
    """Return a compound by its formula, such as PbS.

    Raises
    ------
    QdsimError
        If it is unknown; the nearest name is offered.
    """
    known = compounds()
    if name not in known:
        raise QdsimError(f"Unknown compound '{name}'{suggestion(name, known)}; there are {', '.join(known)}.")
    return known[name]


def compound_of(elements: Iterable[str]) -> Compound:
    """Return the compound of these two elements, whatever their order.

    Raises
    ------
    QdsimError
        If there is none.
    """
    wanted = set(elements)
    for compound in compounds().values():
        if {compound.cation, compound.anion} == wanted:
            return compound
    raise QdsimError(f"No compound of {' and '.join(sorted(wanted))} is known; there are {', '.join(compounds())}.")
