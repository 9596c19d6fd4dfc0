"""What a series of dipole moments computes: particles, states of their lattice, and the calculations of both."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, PositiveFloat

from qdsim.analysis.model import ResultModel
from qdsim.structures import CUBIC_ANGLE, RhombohedralState, Shape
from qdsim.structures.cluster import Cluster, Surface, build_cluster

Solver = Literal["WAVELET", "MT"]
ORDINARY_OPTIMISATION = 40
"""Geometry steps that the relaxation of a cluster usually takes."""
RunKind = Literal["coarse", "relaxation", "single_point"]
UNDISTORTED = "undistorted"
"""Label of the cubic state without an offset, whose dipole is that of the surface alone."""


class Particle(ResultModel):
    """A particle: how it is cut, and what its surface is."""

    diameter: PositiveFloat = Field(description="Of the sphere of the same volume, Å.")
    shape: str | dict[str, float] = Field("sphere", description="Name of a shape, or distances of facets.")
    centre: str | tuple[float, float, float] = "tetrahedral"
    fewest_neighbours: int = 3
    surface: Surface = "bare"
    shell_thickness: float = 0.0
    shell_elements: dict[str, str] = Field({}, description="Of the shell, by those of the core.")
    vacancies: dict[str, int] = Field({}, description="Missing atoms inside, by element.")
    seed: int = Field(0, description="Of the draw of these.")


class ParticleSettings(Particle):
    """A particle, and the isolated cell that it is computed in."""

    label: str
    box: PositiveFloat = Field(description="Edge of the cell, Å.")
    solver: Solver
    reference_point: tuple[float, float, float] | None = Field(
        None, description="From the particle's centre, Å; of a charged one."
    )


class DipoleSettings(ResultModel):
    """A series of dipole moments with every choice made."""

    protocol: str
    compound: str
    cation: str
    anion: str
    volume: PositiveFloat = Field(description="Of the crystal, Å^3 per formula unit; of a given one, as planned.")
    alpha_rh: float = Field(description="Of the distorted states, degrees.")
    offsets: tuple[float, ...] = Field(description="Of the cations along [111], Å.")
    particles: tuple[ParticleSettings, ...]
    undistorted: bool = True
    relax: bool = False
    coarse_start: bool = Field(False, description="Whether single points start from those on coarser grids.")

    @property
    def runs(self) -> dict[RunKind, int]:
        """What runs for each cluster, in this order, and how many single points each usually takes."""
        first: dict[RunKind, int] = {}
        if self.relax:
            first["relaxation"] = ORDINARY_OPTIMISATION
        elif self.coarse_start:
            first["coarse"] = 1
        return first | {"single_point": 1}


class DipoleTask(ResultModel):
    """One cluster to compute."""

    particle: str
    state: str = Field(description="Label of the state.")
    alpha_rh: float
    pb_offset: float

    @property
    def label(self) -> str:
        """Of the process and of the structure."""
        return f"{self.particle}__{self.state}"


def planned_states(settings: DipoleSettings) -> Iterator[DipoleTask]:
    """Yield every cluster of a series: of each particle the undistorted state where it is wanted, then the offsets."""
    for particle in settings.particles:
        if settings.undistorted:
            yield DipoleTask(particle=particle.label, state=UNDISTORTED, alpha_rh=CUBIC_ANGLE, pb_offset=0.0)
        for offset in settings.offsets:
            yield DipoleTask(
                particle=particle.label, state=offset_label(offset), alpha_rh=settings.alpha_rh, pb_offset=offset
            )


def offset_label(offset: float) -> str:
    """Return an identifier for an offset (Å) that can stand in a link label.

    Examples
    --------
    >>> offset_label(0.12), offset_label(-0.06)
    ('offset_p0p1200', 'offset_m0p0600')
    """
    return f"offset_{'m' if offset < 0 else 'p'}{abs(offset):.4f}".replace(".", "p")


def make_cluster(cation: str, anion: str, particle: Particle, volume: float) -> Cluster:
    """Build a particle, undistorted.

    Parameters
    ----------
    cation, anion
        Chemical symbols.
    particle
        What is wanted.
    volume
        Of the crystal, Å^3 per formula unit.

    Raises
    ------
    QdsimError
        As `build_cluster`.
    """
    shape = Shape.from_name(particle.shape) if isinstance(particle.shape, str) else Shape.from_facets(particle.shape)
    return build_cluster(
        cation,
        anion,
        RhombohedralState(volume),
        shape,
        particle.diameter,
        centre=particle.centre,
        fewest_neighbours=particle.fewest_neighbours,
        surface=particle.surface,
        shell_thickness=particle.shell_thickness,
        shell_elements=particle.shell_elements,
        vacancies=particle.vacancies,
        seed=particle.seed,
    )
