"""From the dipole section of a campaign to what will run."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from qdsim.analysis.dipole import DEBYE
from qdsim.analysis.dipole_analysis import Target
from qdsim.analysis.sample_values import known_values
from qdsim.analysis.scattering_fit import load_fits
from qdsim.analysis.strain import strained_volume
from qdsim.campaign.nodes import crystal_node
from qdsim.campaign.scattering import pattern_settings
from qdsim.campaign.schema import DipoleLatticeSection, DipoleSection, ParticleSection
from qdsim.campaign.strain import assumed_equation_of_state
from qdsim.campaign.tasks import GIGABYTE, REFINING_STEPS, Task
from qdsim.cp2k.compounds import Compound
from qdsim.cp2k.cost import CUTOFF
from qdsim.cp2k.inputs import Isolation, RunType, Settings, build_parameters, load_protocol
from qdsim.cp2k.memory import estimate_memory
from qdsim.cp2k.settings import with_walltime
from qdsim.errors import QdsimError
from qdsim.structures import CUBIC_ANGLE, RhombohedralState, Shape
from qdsim.structures.cluster import Cluster, check_overlap, explain_charge
from qdsim.structures.isolation import COMFORTABLE_MARGIN, TAIL, extent, isolate, suits_mt
from qdsim.structures.offset_sign import sign_matters
from qdsim.workflows.dipole_documents import (
    DipoleSettings,
    Particle,
    ParticleSettings,
    RunKind,
    Solver,
    make_cluster,
    planned_states,
)
from qdsim.workflows.documents import PatternSettings

if TYPE_CHECKING:
    from aiida.orm import Code


LOWEST_CUTOFF = 150
"""Ry; at less the dipole is no longer within 0.1 % of what 300 Ry give."""
SMALLEST_OFFSET = 0.01
"""Å; a lattice whose cations are shifted less is taken to be undistorted."""
LARGEST_SURFACE_DIPOLE = 1.0
"""D, of formal charges without an offset; more than that is an asymmetry of the facets."""


@dataclass(frozen=True)
class DipolePlan:
    """A series of dipole moments, with every choice made.

    `stages` are the settings of each kind of calculation, `clusters` the particles, undistorted.
    """

    stages: dict[RunKind, Settings]
    dipole: DipoleSettings
    clusters: dict[str, Cluster]
    parameters: dict[str, dict[str, dict[str, Any]]]
    models: dict[str, Any]
    patterns: PatternSettings
    crystal: str | None
    tasks: tuple[Task, ...]

    @property
    def advice(self) -> tuple[str, ...]:
        """What could be chosen better."""
        return tuple(
            sentence
            for one in self.dipole.particles
            for sentence in _advise(one, self.clusters[one.label], self.dipole.offsets)
        )

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        return {
            "parameters": self.parameters,
            "dipole": self.dipole.model_dump(mode="json"),
            "models": self.models,
            "patterns": self.patterns.model_dump(mode="json"),
            "crystal": self.crystal,
        }

    def inputs(self, code: "Code", options: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of the work chain; an AiiDA profile is loaded."""
        from aiida import orm

        crystal = {} if self.crystal is None else {"crystal": orm.load_node(self.crystal)}
        return {
            "cp2k": {"code": code, "metadata": {"options": options}},
            "settings": orm.Dict(self.dipole.model_dump(mode="json")),
            "models": orm.Dict(self.models),
            "pattern_settings": orm.Dict(self.patterns.model_dump(mode="json")),
            "parameters": {
                particle: {kind: orm.Dict(document) for kind, document in kinds.items()}
                for particle, kinds in self.parameters.items()
            },
            **crystal,
        }


def plan_dipoles(
    section: DipoleSection, compound: Compound, lattice_constant: float, walltime: int, memory: float | None = None
) -> DipolePlan:
    """Make every choice that the dipole section leaves open.

    Parameters
    ----------
    section
        Of the campaign.
    compound
        What the particles are of.
    lattice_constant
        Of the undistorted crystal, Å.
    walltime
        Seconds after which CP2K stops by itself.
    memory
        GB that a calculation may take.

    Raises
    ------
    QdsimError
        If a particle cannot be built, is charged without a point of reference, does not fit its box or the memory, or a
        node, fit or protocol cannot be used.
    """
    settings = _settings(section, {}, walltime)
    coarse = _coarse(section, settings, walltime)
    state, offsets, crystal = _lattice(section, compound, lattice_constant)
    particles = []
    clusters: dict[str, Cluster] = {}
    for label, particle in section.particles.items():
        field = f"dipole.particles.{label}"
        try:
            wanted = Particle(**particle.model_dump(exclude={"box", "reference_point"}))
            clusters[label] = make_cluster(compound.cation, compound.anion, wanted, state.volume)
            particles.append(_particle(label, particle, clusters[label], state, max(offsets, key=abs), section.solver))
        except QdsimError as error:
            raise QdsimError(f"{field}: {error}") from error
        _check_memory(field, clusters[label], particles[-1].box, settings, memory)
    dipole = DipoleSettings(
        protocol=section.protocol,
        compound=compound.name,
        cation=compound.cation,
        anion=compound.anion,
        volume=state.volume,
        alpha_rh=state.alpha,
        offsets=offsets,
        particles=tuple(particles),
        undistorted=section.undistorted,
        relax=section.relax,
        coarse_start=coarse is not None,
    )
    stages = {kind: coarse if kind == "coarse" and coarse is not None else settings for kind in dipole.runs}
    parameters = {particle.label: _parameters(stages, particle, clusters[particle.label]) for particle in particles}
    target = section.target
    spheres = compound.spheres if section.models.spheres is None else section.models.spheres
    models: dict[str, Any] = {"spheres": [one.model_dump(mode="json") for one in spheres]}
    if target is not None:
        formula_units = Shape().volume(target.diameter) / state.volume
        models["target"] = Target(formula_units=formula_units, **target.model_dump()).model_dump(mode="json")
    tasks = tuple(_tasks(dipole, stages, parameters))
    elements = {atom.symbol for cluster in clusters.values() for atom in cluster.to_atoms() if atom.tag == 0}
    patterns = pattern_settings(section.patterns, elements)
    return DipolePlan(stages, dipole, clusters, parameters, models, patterns, crystal, tasks)


def _settings(section: DipoleSection, changes: dict[str, Any], walltime: int) -> Settings:
    settings = load_protocol(section.protocol, {**section.overrides, **changes})
    if settings.k_points is not None:
        raise QdsimError("dipole.overrides.k_points: a cluster alone in its cell has the Gamma point only.")
    return with_walltime(settings, walltime)


def _coarse(section: DipoleSection, settings: Settings, walltime: int) -> Settings | None:
    """Return the settings of the first stage, or None where it saves nothing."""
    if not section.coarse_start or section.relax:
        return None
    try:
        coarse = _settings(section, section.coarse_start, walltime)
    except QdsimError as error:
        raise QdsimError(f"dipole.coarse_start: {error}") from error
    if coarse.basis_set != settings.basis_set:
        raise QdsimError("dipole.coarse_start.basis_set: a wavefunction is of use to calculations of its basis only.")
    return coarse if (coarse.cutoff or 0) < (settings.cutoff or 0) else None


def _lattice(
    section: DipoleSection, compound: Compound, lattice_constant: float
) -> tuple[RhombohedralState, tuple[float, ...], str | None]:
    """Return volume and angle of the lattice, the offsets, and the UUID of the crystal where one is given."""
    lattice = section.lattice
    offsets = tuple(section.offsets)
    if lattice.node is not None:
        state, uuid = crystal_node("dipole.lattice.node", lattice.node, compound)
        return RhombohedralState(state.volume, state.alpha), _offsets(section, state.offset), uuid
    alpha = CUBIC_ANGLE if lattice.alpha_rh is None else lattice.alpha_rh
    if lattice.fits is not None:
        return *_fitted(section, lattice, compound), None
    if lattice.lattice_constant is not None:
        return RhombohedralState.from_lattice_constant(lattice.lattice_constant, alpha), offsets, None
    assumed = assumed_equation_of_state(lattice_constant, compound.bulk_modulus)
    volume = strained_volume("linear", lattice.linear_strain or 0.0, assumed)
    return RhombohedralState(volume, alpha), offsets, None


def _fitted(
    section: DipoleSection, lattice: DipoleLatticeSection, compound: Compound
) -> tuple[RhombohedralState, tuple[float, ...]]:
    """Return the lattice that a scattering fit has found, and its offset where no others are asked for."""
    if lattice.fits is None:
        raise QdsimError("dipole.lattice.fits: give a file of fits.")
    fits = load_fits(lattice.fits)
    if fits.compound != compound.name:
        raise QdsimError(f"dipole.lattice.fits: {lattice.fits} is of {fits.compound}, the campaign of {compound.name}.")
    names = [sample.name for sample in fits.samples]
    if lattice.sample not in names:
        raise QdsimError(
            f"dipole.lattice.sample: {lattice.fits} has no sample {lattice.sample!r}; there are {', '.join(names)}."
        )
    known = known_values(fits.samples[names.index(lattice.sample)], {})
    volume, angle, offset = known.get("volume"), known.get("alpha_rh"), known.get("pb_offset")
    if volume is None or volume.limit is not None:
        raise QdsimError(
            f"dipole.lattice.sample: the fit of {lattice.sample!r} states no volume, lattice constant or bonds: give "
            "lattice_constant in place of fits and sample."
        )
    alpha = lattice.alpha_rh if lattice.alpha_rh is not None else CUBIC_ANGLE if angle is None else angle.value
    return RhombohedralState(volume.value, alpha), _offsets(section, None if offset is None else offset.value)


def _offsets(section: DipoleSection, found: float | None) -> tuple[float, ...]:
    """Return the offsets that are asked for, else that of the lattice, if it has one, and half of it."""
    if found is None or abs(found) < SMALLEST_OFFSET or "offsets" in section.model_fields_set:
        return tuple(section.offsets)
    return round(found / 2, 4), round(found, 4)


def _particle(
    label: str,
    particle: ParticleSection,
    cluster: Cluster,
    state: RhombohedralState,
    largest_offset: float,
    solver: str,
) -> ParticleSettings:
    """Choose cell and Poisson solver, which are the same for all offsets."""
    if cluster.formal_charge and particle.reference_point is None:
        raise QdsimError(
            f"the particle is charged, {explain_charge(cluster.composition)}, and the dipole of a charged cluster "
            f"depends on the point it is taken about: {_ways_to_balance(particle, cluster.formal_charge)}, or state a "
            "reference_point such as [0, 0, 0]."
        )
    distorted = cluster.with_state(RhombohedralState(state.volume, state.alpha, largest_offset))
    check_overlap(distorted)
    atoms = max((cluster.to_atoms(), distorted.to_atoms()), key=extent)
    box = particle.box if particle.box is not None else round(extent(atoms) + 2 * COMFORTABLE_MARGIN, 1)
    isolate(atoms, box)
    chosen: Solver = "MT" if solver == "MT" or (solver == "auto" and suits_mt(atoms, box)) else "WAVELET"
    if chosen == "MT" and not suits_mt(atoms, box):
        raise QdsimError(
            f"the solver MT needs a box of twice the density's extent, and {box:g} Å is less: take solver: WAVELET, "
            "or a larger box."
        )
    return ParticleSettings(
        **particle.model_dump(exclude={"box"}),
        label=label,
        box=box,
        solver=chosen,
    )


def _ways_to_balance(particle: ParticleSection, charge: int) -> str:
    surfaces = "Cl, formate, balanced or pseudohydrogen" if charge > 0 else "balanced or pseudohydrogen"
    if particle.vacancies:
        return f"take as many vacancies of the other ions, or surface: {surfaces}"
    return f"take centre: tetrahedral, or surface: {surfaces}"


def _advise(particle: ParticleSettings, cluster: Cluster, offsets: tuple[float, ...]) -> Iterator[str]:
    """Yield what is doubtful of a particle before anything is computed."""
    field = f"dipole.particles.{particle.label}"
    surface = surface_dipole(cluster)
    if surface > LARGEST_SURFACE_DIPOLE and not cluster.formal_charge:
        yield (
            f"{field}: as formal charges its ions have {surface:.0f} D without any offset, an asymmetry of the facets: "
            "take centre: tetrahedral and no vacancies, or look at what the offset changes only."
        )
    matters = sign_matters(cluster)
    alone = [offset for offset in offsets if offset and -offset not in offsets]
    if matters and alone:
        yield (
            f"{field}: it has no centre of inversion, so an offset and the opposite one make two clusters, whose "
            f"dipoles differ: give the offset {-alone[-1]:g} too to see by how much."
        )
    if not matters and len(alone) < sum(map(bool, offsets)):
        yield f"{field}: symmetry makes an offset and the opposite one the same cluster: one sign of each will do."
    margin = (particle.box - extent(cluster.to_atoms())) / 2
    if margin < TAIL:
        yield (
            f"{field}: the outermost atom is {margin:.1f} Å from the box, where the density of electrons has not "
            f"decayed; a box of {particle.box + 2 * (COMFORTABLE_MARGIN - margin):.0f} Å has room for it."
        )


def surface_dipole(cluster: Cluster) -> float:
    """Return the dipole of the ions as formal charges, D; of an undistorted cluster, that of its surface alone."""
    return float(np.linalg.norm(cluster.formal_dipole)) / DEBYE


def _check_memory(field: str, cluster: Cluster, box: float, settings: Settings, memory: float | None) -> None:
    """Refuse what cannot fit."""
    if memory is None:
        return
    atoms = cluster.to_atoms()
    needed = estimate_memory(atoms, box, settings) / GIGABYTE
    if needed > memory:
        raise QdsimError(
            f"{field}: a calculation takes about {needed:.0f} GB, and resources.memory is {memory:g} GB: take "
            f"{_what_fits(atoms, box, settings, memory)}, or a node with {ceil(needed)} GB."
        )


def _what_fits(atoms: Atoms, box: float, settings: Settings, memory: float) -> str:
    """Say how the same cluster fits: in the smallest comfortable box, then with a lower cutoff, too."""
    smallest = min(ceil(extent(atoms) + 2 * COMFORTABLE_MARGIN), box)
    smaller = [f"box: {smallest:g}"] if smallest < box else []
    given = int(settings.cutoff or CUTOFF)
    for cutoff in (given, *range((given - 1) // 10 * 10, LOWEST_CUTOFF - 1, -10)):
        changed = settings.model_copy(update={"cutoff": cutoff})
        if estimate_memory(atoms, smallest, changed) / GIGABYTE <= memory:
            lower = [f"overrides: {{cutoff: {cutoff}}}"] if cutoff != given else []
            return " and ".join(smaller + lower)
    return "a smaller particle"


def _parameters(
    stages: dict[RunKind, Settings], particle: ParticleSettings, cluster: Cluster
) -> dict[str, dict[str, Any]]:
    middle = particle.box / 2
    x, y, z = particle.reference_point or (0.0, 0.0, 0.0)
    isolation = Isolation(particle.solver, (middle + x, middle + y, middle + z))
    run_types: dict[RunKind, RunType] = {"relaxation": "GEO_OPT"}
    atoms, charge = cluster.to_atoms(), cluster.formal_charge + cluster.supernumerary_electrons
    return {
        kind: build_parameters(
            settings, atoms, run_type=run_types.get(kind, "ENERGY_FORCE"), charge=charge, isolation=isolation
        )
        for kind, settings in stages.items()
    }


def _tasks(
    dipole: DipoleSettings, stages: dict[RunKind, Settings], parameters: dict[str, dict[str, dict[str, Any]]]
) -> Iterator[Task]:
    particles = {one.label: one for one in dipole.particles}
    for task in planned_states(dipole):
        particle = particles[task.particle]
        state = RhombohedralState(dipole.volume, task.alpha_rh, task.pb_offset)
        atoms = isolate(
            make_cluster(dipole.cation, dipole.anion, particle, dipole.volume).with_state(state).to_atoms(),
            particle.box,
        )
        for kind, runs in dipole.runs.items():
            document = parameters[task.particle][kind]
            steps = REFINING_STEPS if kind == "single_point" and dipole.coarse_start else None
            yield Task(f"{task.label}__{kind}", "dipole", atoms, stages[kind], document, runs, steps)
