"""What a vacancy series computes: hosts, vacant sites, charges, and the calculations that follow from them."""

import re
from collections.abc import Iterator
from typing import Literal

from ase import Atoms
from pydantic import Field, PositiveFloat

from qdsim.analysis.model import ResultModel
from qdsim.analysis.vacancy_analysis import CarrierSettings, MeasuredHeat, ReservoirSettings
from qdsim.structures import RhombohedralState
from qdsim.structures.orderings import vacancy_orderings
from qdsim.structures.vacancies import VacantSites, inequivalent_pairs, inequivalent_vacancies
from qdsim.workflows.documents import Lattice

ORDINARY_OPTIMISATION = 12
"""Geometry steps that the relaxation of a supercell usually takes."""

BAND_EDGE_CELL = ((2, 0, 0), (0, 2, 0), (0, 0, 2))
BAND_EDGE_MESH = (3, 3, 3)
"""Supercell whose Gamma point holds the L points, where the band edges of lead chalcogenides are, and a mesh with it.

In CP2K every crystal's mean potential is zero, so that levels of one crystal compare between supercells."""

Level = Literal["host", "unrelaxed", "relaxed"]
"""How far a host is followed: its own energy, its vacancies with the ions held, and with the ions relaxed."""


class HostSettings(ResultModel):
    """A crystal that vacancies are made in."""

    label: str
    level: Level = "relaxed"
    volume: PositiveFloat = Field(description="Å^3 per formula unit; of a given crystal, as planned.")
    alpha_rh: float = 60.0
    pb_offset: float = 0.0
    crystal: bool = Field(False, description="Whether a structure is given, that the supercell is made of.")
    point: str | None = Field(None, description="Strain point of the same campaign that the crystal is of.")
    phase: str | None = Field(None, description="Which crystal of that point.")
    cubic_of: str | None = Field(None, description="The host whose volume this cubic crystal has.")
    centred_of: str | None = Field(None, description="The host whose cell this crystal has, its cations centred.")

    @property
    def is_step(self) -> bool:
        """Whether it is there for the decomposition only."""
        return self.cubic_of is not None or self.centred_of is not None

    @property
    def state(self) -> RhombohedralState:
        """The state that plans reckon with."""
        return RhombohedralState(self.volume, self.alpha_rh, self.pb_offset)

    @property
    def relaxes(self) -> bool:
        """Whether its ions are relaxed: at the centre, symmetry holds them."""
        return self.level == "relaxed" and self.pb_offset != 0


class PairSettings(ResultModel):
    """Pairs of vacancies up to a distance."""

    first: str
    second: str
    largest_distance: PositiveFloat = Field(description="Å.")


class SeriesSettings(ResultModel):
    """Orderings of vacancies at several concentrations."""

    elements: tuple[str, ...]
    concentrations: tuple[float, ...] = Field(description="Share of the sublattice's sites that are vacant.")
    most: int = Field(description="Orderings at one concentration at most.")
    seed: int


class RattleSettings(ResultModel):
    """Displacements that take a start off its symmetry."""

    amplitude: PositiveFloat = Field(description="Standard deviation of the displacements, Å.")
    bond_factor: PositiveFloat = Field(description="Distance of the neighbours to the vacancy, relative to before.")
    seed: int


class DielectricConstants(ResultModel):
    """Relative permittivities that charged supercells are corrected with."""

    eps_inf: PositiveFloat = Field(description="Of the electrons alone, for ions held still.")
    eps_0: PositiveFloat = Field(description="With the ions, for relaxed geometries.")


class VacancySettings(ResultModel):
    """A vacancy series with every choice made."""

    protocol: str
    k_points: tuple[int, int, int] | None
    hosts: tuple[HostSettings, ...]
    reference: str = Field(description="Label of the undistorted host that the compound's energy is taken from.")
    phases: dict[str, str] = Field(description="Reference phase of each element.")
    elements: tuple[str, ...] = Field((), description="Of which single sites are emptied.")
    pairs: tuple[PairSettings, ...] = ()
    charges: dict[str, tuple[int, ...]] = Field({}, description="Beside 0, by element or pair such as Pb or Pb+S.")
    dielectric: DielectricConstants | None = None
    series: SeriesSettings | None = None
    rattle: RattleSettings | None = None
    reservoirs: tuple[ReservoirSettings, ...] = ()
    temperature: PositiveFloat = Field(300.0, description="Of mixing, K.")
    measured_heat: MeasuredHeat | None = Field(None, description="Heat of formation to compare with.")
    carriers: CarrierSettings | None = Field(None, description="Bands that charged vacancies are in equilibrium with.")

    @property
    def all_charges(self) -> tuple[int, ...]:
        """Every charge of any vacancy, beside 0."""
        return tuple(sorted({charge for charges in self.charges.values() for charge in charges} - {0}))


class PlannedDefect(ResultModel):
    """Vacant sites in one charge state."""

    label: str = Field(description="Link label.")
    name: str
    sites: tuple[int, ...] = Field(description="Indices in the host.")
    charge: int = 0
    multiplicity: int = 1
    separation: float | None = Field(None, description="Of a pair, Å.")
    concentration: float | None = None


class VacancyTask(ResultModel):
    """One CP2K run of a vacancy series."""

    label: str
    host: str
    kind: Literal["single_point", "relaxation", "band_edges"] = "single_point"
    charge: int = 0
    sites: tuple[int, ...] = ()
    element: str | None = None


def planned_defects(host: Atoms, settings: VacancySettings, is_step: bool = False) -> list[PlannedDefect]:
    """Return every defect of a host: single sites, pairs and orderings, in each charge state.

    Parameters
    ----------
    host
        The supercell before its relaxation, so that its symmetry is exact.
    settings
        What is wanted.
    is_step
        Whether the host is there for the decomposition only, which takes no orderings.

    Raises
    ------
    QdsimError
        If an element is not there, or a concentration leaves no site or none vacant.
    """
    found = [
        one
        for vacancy in inequivalent_vacancies(host, settings.elements)
        for one in _charged(vacancy, settings, host.symbols[vacancy.sites[0]])
    ]
    for pair in settings.pairs:
        for vacancy in inequivalent_pairs(host, pair.first, pair.second, pair.largest_distance):
            found += _charged(vacancy, settings, f"{pair.first}+{pair.second}")
    if settings.series is not None and not is_step:
        for ordering in vacancy_orderings(
            host,
            settings.series.elements,
            settings.series.concentrations,
            most=settings.series.most,
            seed=settings.series.seed,
        ):
            found.append(
                PlannedDefect(
                    label=_identifier(ordering.label),
                    name=ordering.label,
                    sites=ordering.sites,
                    multiplicity=ordering.multiplicity,
                    concentration=ordering.concentration,
                )
            )
    return found


def planned_tasks(settings: VacancySettings, lattice: Lattice) -> Iterator[VacancyTask]:
    """Yield every CP2K run in the order of submission, labelled as the provenance graph labels it."""
    for element in (lattice.cation, lattice.anion):
        yield VacancyTask(label=f"element_{element}", host="elements", element=element)
    for host in settings.hosts:
        own = {"host": host.label}
        if host.relaxes:
            yield VacancyTask(label=f"{host.label}__relaxation", kind="relaxation", **own)
        yield VacancyTask(label=f"{host.label}__host", **own)
        if host.level == "host":
            continue
        if settings.all_charges:
            yield VacancyTask(label=f"{host.label}__band_edges", kind="band_edges", **own)
        atoms = host.state.to_atoms(lattice.cation, lattice.anion, lattice.supercell)
        for defect in planned_defects(atoms, settings, host.is_step):
            label = f"{host.label}__{defect.label}"
            shared = {**own, "charge": defect.charge, "sites": defect.sites}
            yield VacancyTask(label=f"{label}__unrelaxed", **shared)
            if host.level == "relaxed":
                yield VacancyTask(label=f"{label}__relaxation", kind="relaxation", **shared)
                yield VacancyTask(label=f"{label}__relaxed", **shared)


def run_kind(kind: str, charge: int = 0) -> str:
    """Return the name of a run, or of a defect, in a charge state.

    Examples
    --------
    >>> run_kind("relaxation", -2)
    'relaxation_m2'
    """
    return kind if charge == 0 else f"{kind}_{'m' if charge < 0 else 'p'}{abs(charge)}"


def _charged(vacancy: VacantSites, settings: VacancySettings, key: str) -> Iterator[PlannedDefect]:
    for charge in sorted({0, *settings.charges.get(key, ())}, key=abs):
        yield PlannedDefect(
            label=run_kind(_identifier(vacancy.name), charge),
            name=vacancy.name,
            sites=vacancy.sites,
            charge=charge,
            multiplicity=vacancy.multiplicity,
            separation=vacancy.separation,
        )


def _identifier(name: str) -> str:
    """Return a name as AiiDA takes it for a link: letters, digits and single underscores.

    Examples
    --------
    >>> _identifier("V_Pb+V_S at 3.00 Å")
    'V_Pb_V_S_at_3p00_A'
    """
    plain = name.replace(".", "p").replace("Å", "A").replace("%", "percent")
    return re.sub(r"_+", "_", re.sub(r"\W", "_", plain, flags=re.ASCII)).strip("_")
