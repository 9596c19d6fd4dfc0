"""What a campaign file may say."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from qdsim.analysis.consistency_results import Reference
from qdsim.analysis.dipole import SphereInputs
from qdsim.analysis.relaxation import RelaxationSettings
from qdsim.analysis.scattering_fit import Tolerances
from qdsim.analysis.strain import Quantity
from qdsim.machine.resources import Resources
from qdsim.structures.cluster import Surface
from qdsim.workflows.documents import Dispersion

LARGEST_STRAIN = 0.30
LARGEST_PRESSURE = 30.0
"""GPa; rock-salt lead chalcogenides transform or fall apart long before."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
_TAKEN = frozenset({"elements", "output", "band_edges", "reference"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PERCENT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*%\s*")


def _check_labels(names: Iterable[str], kind: str) -> None:
    """Refuse names that cannot stand in a link label."""
    for name in names:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"'{name}' is no name of a {kind}; use letters, digits and single underscores")


def _read_fraction(value: Any) -> Any:
    """Read `2 %` as 0.02. A bare number is a fraction; one that cannot be meant as such is asked about."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)):
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= abs(value) <= 100 * LARGEST_STRAIN:
        raise ValueError(f"{value:g} would be {100 * value:g} %; was {value / 100:g}, that is '{value:g} %', meant?")
    return value


def _check_point(value: Any) -> Any:
    """Take a number or a percentage as it is: what it means depends on the quantity of the series that it is of."""
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        raise ValueError(f"'{value}' is no value of a strain series; write a number, or a percentage such as '2 %'")
    return value


def _read_name(value: Any) -> Any:
    """Read a number as the name that it is, such as a PK or the facets 100."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Node = Annotated[str, BeforeValidator(_read_name)]


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


def _check_fraction(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{100 * value:g} % leaves nothing to compute; give more than 0 and less than 100 %")
    return value


Strain = Annotated[float, BeforeValidator(_read_fraction), AfterValidator(_check_strain)]
Fraction = Annotated[float, BeforeValidator(_read_fraction), AfterValidator(_check_fraction)]
Pressure = Annotated[float, AfterValidator(_check_pressure)]
Point = Annotated[float | str, BeforeValidator(_check_point)]
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
        if len({round(value, 4) for value in values}) < len(values):
            raise ValueError(f"{given[0]} lists the same value twice; values are told apart by 0.0001")
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


class ClusterPatternsSection(Section):
    """Which scattering of clusters is computed."""

    b_iso: float = Field(1.0, ge=0, description="Isotropic displacement parameter B of all atoms, Å^2.")
    energy_kev: float | None = Field(None, gt=0, description="Of the photons, for f' and f''.")
    form_factors: dict[str, Path] = Field(
        {}, description="By element, a file with columns Q or s and f0, in place of Waasmaier & Kirfel's form factors."
    )
    dispersion: Dispersion = Field(
        "chantler", description="f' and f'': chantler, none although the energy is given, or [f', f''] by element."
    )


class PatternsSection(ClusterPatternsSection):
    """Which scattering of the relaxed lattices is computed: that of a particle cut from each."""

    diameter: float = Field(32.0, ge=8, le=400, description="Å.")
    shape: str = Field("sphere", description="Such as sphere, cube, octahedron, rhombic_dodecahedron.")


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


class HostSection(Section):
    """A crystal that vacancies are made in: by its state, by a node, or a point of this campaign's strain series."""

    linear_strain: Strain | None = Field(None, description="Of the edge, against the compound's reference.")
    lattice_constant: float | None = Field(None, gt=0, description="Cubic edge in Å of the same volume.")
    alpha_rh: float = Field(60.0, gt=50, lt=70, description="Rhombohedral angle, degrees; 60 is cubic.")
    pb_offset: float = Field(0.0, ge=0, le=0.8, description="Where the offset of the cations begins to relax, Å.")
    node: Node | None = Field(None, description="PK or UUID of a crystal, such as a relaxed one of a strain series.")
    point: Point | None = Field(
        None, description="A value of this campaign's strain series, in its quantity: 0.02 or '2 %', GPa or Å."
    )
    phase: Literal["centred", "relaxed"] = Field("relaxed", description="Which crystal of that point.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [
            name for name in ("linear_strain", "lattice_constant", "node", "point") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                f"give one of linear_strain, lattice_constant, node, point; found {' and '.join(given) or 'none'}"
            )
        if given[0] in {"node", "point"} and {"alpha_rh", "pb_offset"} & self.model_fields_set:
            raise ValueError(f"alpha_rh and pb_offset come from the {given[0]}; take them out")
        if "phase" in self.model_fields_set and self.point is None:
            raise ValueError("phase goes with point")
        return self


class PairsSection(Section):
    """Pairs of vacancies: every inequivalent one up to a distance."""

    elements: tuple[str, str] = Field(description="Such as [Pb, S] for Schottky pairs.")
    largest_distance: float = Field(5.5, gt=0, description="Å.")


class ConcentrationsSection(Section):
    """A series from dilute to concentrated."""

    elements: list[str] = Field(min_length=1, description="[Pb], or [Pb, S] for as many of both.")
    values: list[Fraction] = Field(min_length=1, description="Vacant share of the sublattice, as 0.1 or '10 %'.")
    orderings: int = Field(
        3, ge=3, le=50, description="Up to which number all orderings of a concentration are taken; of more, three are."
    )
    seed: int = Field(1, ge=0, description="Of what is chosen at random.")


class RattleSection(Section):
    """A start off the symmetry of the vacancy, so that a relaxation can leave it."""

    amplitude: float = Field(0.05, gt=0, le=0.5, description="Standard deviation of the displacements, Å.")
    bond_factor: float = Field(1.0, ge=0.7, le=1.3, description="Of the distances from the vacancy to its neighbours.")
    seed: int = Field(1, ge=0, description="Of the displacements.")


class DielectricSection(Section):
    """Relative permittivities; charged supercells are corrected with them."""

    eps_inf: float = Field(ge=1, description="Of the electrons alone, for ions held still.")
    eps_0: float = Field(ge=1, description="With the ions, for relaxed geometries.")


class CarriersSection(Section):
    """Parabolic bands that charged vacancies are in equilibrium with."""

    electron_mass: float = Field(gt=0, description="Density-of-states mass of one valley, in electron masses.")
    hole_mass: float = Field(gt=0, description="Density-of-states mass of one valley, in electron masses.")
    valleys: PositiveInt = Field(4, description="Equivalent band edges; 4 at the L points.")


class ReservoirSection(Section):
    """What takes up and gives atoms: how its chemical potentials differ from those of the elements."""

    delta_mu: dict[str, float] = Field({}, description="eV by element, against its reference phase.")
    rich: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Between anion-rich (0) and cation-rich (1)."
    )
    reaction_energy: float | None = Field(
        None, description="eV for taking one atom of `element` from the reservoir to its reference phase."
    )
    element: str | None = Field(None, description="Which element the reaction energy is of.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [bool(self.delta_mu), self.rich is not None, self.reaction_energy is not None]
        if sum(given) != 1:
            raise ValueError("give one of delta_mu, rich, reaction_energy")
        if (self.element is None) != (self.reaction_energy is None):
            raise ValueError("reaction_energy and element go together")
        return self


class VacancySection(Section):
    """Vacancies in one or more hosts."""

    protocol: str = Field("defects", description="Settings of all calculations of this section.")
    overrides: dict[str, Any] = Field({}, description="Settings of the protocol that are to be different.")
    supercell: tuple[PositiveInt, PositiveInt, PositiveInt] | list[tuple[int, int, int]] | None = Field(
        None, description="Repeats of the conventional cell, or a 3x3 matrix for the primitive one."
    )
    k_points: tuple[PositiveInt, PositiveInt, PositiveInt] | Literal["gamma"] | None = Field(
        None, description="Mesh of the supercell, or gamma."
    )
    relaxation_k_points: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None, description="Coarser mesh that geometries are relaxed on; energies are of k_points all the same."
    )
    hosts: dict[str, HostSection] = Field(
        {"undistorted": HostSection(linear_strain=0.0)}, min_length=1, description="By a name of your choice."
    )
    elements: list[str] | None = Field(None, description="Of which single sites are emptied; both where not given.")
    pairs: list[PairsSection] = []
    charges: dict[str, list[Annotated[int, Field(ge=-8, le=8)]] | Literal["guess"]] = Field(
        {}, description="Beside 0, by element or pair, such as Pb: [-2], or guess."
    )
    dielectric: DielectricSection | None = None
    carriers: CarriersSection | None = None
    concentrations: ConcentrationsSection | None = None
    rattle: RattleSection | None = None
    relax: bool = Field(True, description="Whether ions relax; else hosts and vacancies are taken as they are given.")
    reservoirs: dict[str, ReservoirSection] = Field({}, description="Beside cation-rich and anion-rich, by name.")
    temperature: float = Field(300.0, gt=0, le=3000, description="K, for concentrations and mixing.")
    allow_near_images: bool = Field(False, description="Also where images are nearer than 6 Å.")

    @field_validator("hosts")
    @classmethod
    def _names(cls, hosts: dict[str, HostSection]) -> dict[str, HostSection]:
        _check_labels(hosts, "host")
        for name in hosts:
            if name in _TAKEN or name.startswith("element_"):
                raise ValueError(f"'{name}' means something else among the calculations; give the host another name")
        return hosts

    @model_validator(mode="after")
    def _relaxes_on_a_mesh(self) -> Self:
        if self.relaxation_k_points is not None and self.k_points == "gamma":
            raise ValueError("relaxation_k_points would be finer than k_points, which is gamma")
        return self

    @model_validator(mode="after")
    def _charges_need_a_dielectric_constant(self) -> Self:
        if self.charges and self.dielectric is None:
            raise ValueError("charges need dielectric with eps_inf and eps_0, to correct for the cell's images")
        if self.carriers is not None and not self.charges:
            raise ValueError("carriers are in equilibrium with charged vacancies; give charges too")
        return self


class ParticleSection(Section):
    """A particle whose dipole is computed."""

    diameter: float = Field(gt=0, le=60, description="Of the sphere of the same volume, Å.")
    shape: str | dict[Annotated[str, BeforeValidator(_read_name)], Annotated[float, Field(gt=0)]] = Field(
        "sphere", description="Name of a shape, or distances of facets such as {100: 1, 111: 1.1}."
    )
    centre: str | tuple[float, float, float] = Field(
        "tetrahedral",
        description="tetrahedral, cation, anion, an element, bond, or a fractional point; about a tetrahedral hole "
        "every shape is stoichiometric and without a dipole.",
    )
    fewest_neighbours: int = Field(3, ge=0, le=6, description="Atoms with fewer neighbours are taken away.")
    surface: Surface = Field(
        "bare", description="bare, balanced, a halide, formate in place of oleate, or pseudohydrogen."
    )
    shell_thickness: float = Field(0.0, ge=0, description="Å, of a shell of other elements.")
    shell_elements: dict[str, str] = Field({}, description="Such as {Se: S}.")
    vacancies: dict[str, PositiveInt] = Field({}, description="Missing atoms inside, such as {S: 2}.")
    seed: int = Field(0, ge=0, description="Of the draw of the missing atoms.")
    box: float | None = Field(None, gt=0, description="Edge of the cell, Å; by default 6 Å beyond the last atom.")
    reference_point: tuple[float, float, float] | None = Field(
        None, description="From the particle's centre, Å: what a charged particle's dipole is about."
    )


class DipoleLatticeSection(Section):
    """The lattice that particles are cut from."""

    linear_strain: Strain | None = Field(None, description="Of the edge, against the compound's reference.")
    lattice_constant: float | None = Field(None, gt=0, description="Cubic edge in Å of the same volume.")
    alpha_rh: float | None = Field(None, gt=50, lt=70, description="Of the distorted states, degrees; 60 by default.")
    node: Node | None = Field(None, description="PK or UUID of a relaxed crystal.")
    fits: Path | None = Field(None, description="File of scattering fits.")
    sample: str | None = Field(None, description="Which sample of that file.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [
            name for name in ("linear_strain", "lattice_constant", "node", "fits") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                f"give one of linear_strain, lattice_constant, node, fits; found {' and '.join(given) or 'none'}"
            )
        if (self.fits is None) != (self.sample is None):
            raise ValueError("fits and sample go together")
        if self.node is not None and self.alpha_rh is not None:
            raise ValueError("alpha_rh comes from the node; take it out")
        return self


class DipoleModelsSection(Section):
    """What computed dipoles are compared with."""

    spheres: list[SphereInputs] | None = Field(
        None,
        description="Dielectric spheres: Born charge, eps_inf and their source; by default those that are known of the "
        "compound. What the campaign computes by finite fields comes beside them.",
    )


class TargetSection(Section):
    """A particle too large to compute, to which effective charges are carried over."""

    diameter: float = Field(32.0, gt=0, description="Å.")
    pb_offset: float = Field(0.12, description="Å.")
    reported_dipole: float | None = Field(None, description="D.")
    source: str | None = Field(None, description="Of the reported dipole.")


class DipoleSection(Section):
    """Dipole moments of particles, undistorted and with their cations shifted."""

    protocol: str = Field("cluster", description="Settings of all calculations of this section.")
    overrides: dict[str, Any] = Field({}, description="Settings of the protocol that are to be different.")
    lattice: DipoleLatticeSection
    offsets: list[Annotated[float, Field(ge=-0.8, le=0.8)]] = Field(
        [0.06, 0.12],
        min_length=1,
        description="Of the cations along [111], Å, of either sign; beside the undistorted state. By default, that of "
        "a lattice that has one, and half of it. A particle without inversion is another one at the opposite offset.",
    )
    undistorted: bool = Field(True, description="Whether that state is computed too; alone, one offset has no slope.")
    particles: dict[str, ParticleSection] = Field(min_length=1, description="By a name of your choice.")
    solver: Literal["auto", "WAVELET", "MT"] = Field("auto", description="Of the Poisson equation.")
    relax: bool = Field(False, description="Whether ions relax; the paper's dipole is of ions held.")
    coarse_start: dict[str, Any] | None = Field(
        {"cutoff": 80, "rel_cutoff": 30, "eps_scf": 1e-4},
        description="Settings that are different in a first stage, whose wavefunction a single point of ions held "
        "starts from where its own cutoff is higher; null for none.",
    )
    patterns: ClusterPatternsSection = ClusterPatternsSection()
    models: DipoleModelsSection = DipoleModelsSection()
    target: TargetSection | None = None

    @field_validator("particles")
    @classmethod
    def _names(cls, particles: dict[str, ParticleSection]) -> dict[str, ParticleSection]:
        _check_labels(particles, "particle")
        return particles

    @field_validator("offsets")
    @classmethod
    def _each_once(cls, offsets: list[float]) -> list[float]:
        if len({round(offset, 4) for offset in offsets}) < len(offsets):
            raise ValueError("the same offset is given twice; offsets are told apart by 0.0001 Å")
        return offsets


class CrystalSection(Section):
    """A crystal whose phonons are computed: by its volume, by a node, or a point of this campaign's strain series."""

    linear_strain: Strain | None = Field(None, description="Of the edge, against the compound's reference.")
    lattice_constant: float | None = Field(None, gt=0, description="Cubic edge in Å of the same volume.")
    node: Node | None = Field(None, description="PK or UUID of a crystal, such as a relaxed one of a strain series.")
    point: Point | None = Field(
        None, description="A value of this campaign's strain series, in its quantity: 0.02 or '2 %', GPa or Å."
    )
    phase: Literal["centred", "relaxed"] = Field("centred", description="Which crystal of that point.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = ("linear_strain", "lattice_constant", "node", "point")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(origins)}; found {' and '.join(given) or 'none'}")
        if "phase" in self.model_fields_set and self.point is None:
            raise ValueError("phase goes with point")
        return self


class FiniteFieldSection(Section):
    """Born charges and eps_inf of every crystal from its forces and Berry phases in two opposite electric fields."""

    protocol: str = Field("finite_field", description="Settings of these calculations: the Gamma point, with OT.")
    overrides: dict[str, Any] = Field(
        {},
        description="Settings of the protocol that are to be different, such as {cell: [4, 2, 2]}, the first along the "
        "field: both converge with the square of the cell's length.",
    )
    field: float = Field(0.005, gt=0, le=0.1, description="V/Å; across the cell it must leave the gap open.")


class NonanalyticSection(Section):
    """What splits longitudinal from transverse optical modes: given, or to be computed."""

    born_charge: float | None = Field(None, gt=0, description="Z* of the cation, e.")
    eps_inf: float | None = Field(None, ge=1, description="Dielectric constant of the electrons.")
    source: str = Field("given", description="Where both are from.")
    finite_field: FiniteFieldSection | None = Field(None, description="Compute both; {} takes the usual settings.")

    @model_validator(mode="after")
    def _given_or_computed(self) -> Self:
        given = [name for name in ("born_charge", "eps_inf") if getattr(self, name) is not None]
        if self.finite_field is not None and (given or "source" in self.model_fields_set):
            raise ValueError(f"finite_field computes both charges and eps_inf; take out {(*given, 'source')[0]}")
        if self.finite_field is None and (self.born_charge is None or self.eps_inf is None):
            raise ValueError("give born_charge and eps_inf, or finite_field to compute both")
        return self


class PhononSection(Section):
    """Lattice dynamics by displaced atoms."""

    protocol: str = Field("phonons", description="Settings of all calculations of this section.")
    overrides: dict[str, Any] = Field({}, description="Settings of the protocol that are to be different.")
    crystals: dict[str, CrystalSection] = Field(
        {}, description="By a name of your choice; without any, the centred crystal of every strain of the series."
    )
    displacement: float = Field(0.02, gt=0, le=0.2, description="Of an atom, Å.")
    largest_force: float = Field(0.005, gt=0, description="On an atom of the crystal itself, eV/Å.")
    mesh: Annotated[int, Field(ge=4, le=96, multiple_of=2)] = Field(
        24, description="q points along each axis, for sums over the Brillouin zone."
    )
    temperatures: list[Annotated[float, Field(ge=0, le=3000)]] = Field(
        [100.0, 200.0, 300.0, 400.0], min_length=1, description="K."
    )
    temperature: float = Field(
        300.0, gt=0, le=3000, description="K, of the B that fits are checked by, and of averages over wells."
    )
    nonanalytic: NonanalyticSection | None = None

    @field_validator("crystals")
    @classmethod
    def _names(cls, crystals: dict[str, CrystalSection]) -> dict[str, CrystalSection]:
        _check_labels(crystals, "crystal")
        return crystals


class ResourcesSection(Resources, Section):
    """What one calculation gets from its computer; what is not given here is taken from the computer's own file."""

    at_once: PositiveInt | None = Field(
        None,
        description="Calculations of this campaign in the scheduler's queue at most; the others wait in AiiDA, and the "
        "expensive go first. max_jobs in a computer's file is the same for all campaigns together.",
    )


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
    strain: StrainSection | None = Field(None, description="The strain series.")
    phonon: PhononSection | None = Field(None, description="Lattice dynamics, of the strain series or of crystals.")
    vacancy: VacancySection | None = Field(None, description="Vacancies and what they cost.")
    dipole: DipoleSection | None = Field(None, description="Dipole moments of particles.")
    scattering: ScatteringSection | None = Field(None, description="Scattering that the strain series is checked by.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.compound is None) == (self.structure is None):
            raise ValueError("give either compound or structure")
        return self

    @property
    def needs_profile(self) -> bool:
        """Whether a plan can be made with an AiiDA profile only: for its nodes, or for what its computer gives."""
        return self.refers_to_nodes or not self.code.endswith("@localhost")

    @property
    def refers_to_nodes(self) -> bool:
        """Whether any crystal is a node."""
        nodes = [host.node for host in self.vacancy.hosts.values()] if self.vacancy is not None else []
        nodes += [crystal.node for crystal in self.phonon.crystals.values()] if self.phonon is not None else []
        nodes += [self.dipole.lattice.node] if self.dipole is not None else []
        return any(node is not None for node in nodes)

    @model_validator(mode="after")
    def _something_to_compute(self) -> Self:
        if all(section is None for section in (self.strain, self.phonon, self.vacancy, self.dipole)):
            raise ValueError("there is nothing to compute; give strain, phonon, vacancy or dipole")
        if self.scattering is not None and self.strain is None:
            raise ValueError("scattering checks a strain series; give strain too")
        points: list[str] = []
        if self.vacancy is not None:
            points += [f"vacancy.hosts.{name}" for name, host in self.vacancy.hosts.items() if host.point is not None]
        if self.phonon is not None:
            crystals = self.phonon.crystals
            points += [f"phonon.crystals.{name}" for name, crystal in crystals.items() if crystal.point is not None]
        if points and self.strain is None:
            raise ValueError(f"{points[0]} is a point of the strain series; give strain too")
        if self.phonon is not None and not self.phonon.crystals and self.strain is None:
            raise ValueError("phonon needs crystals where there is no strain series; give one of both")
        return self
