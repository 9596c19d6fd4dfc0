"""From the vacancy section of a campaign to what will run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ase import Atoms

from qdsim.analysis.vacancy_analysis import CarrierSettings, MeasuredHeat, ReservoirSettings
from qdsim.campaign.nodes import crystal_node
from qdsim.campaign.points import planned_point, value_of_point
from qdsim.campaign.schema import ReservoirSection, StrainSection, VacancySection
from qdsim.campaign.tasks import Task
from qdsim.cp2k.compounds import Compound
from qdsim.cp2k.elements import ReferencePhase, load_reference_phase
from qdsim.cp2k.inputs import RunType, Settings, build_parameters, load_protocol
from qdsim.cp2k.requests import POTENTIAL_FILES
from qdsim.cp2k.settings import with_walltime
from qdsim.errors import QdsimError
from qdsim.structures import CUBIC_ANGLE, RhombohedralState, supercell_matrix
from qdsim.structures.supercells import advise_supercell, check_image_distance
from qdsim.structures.vacancies import guess_charges, remove_sites, sites_of
from qdsim.workflows.documents import Lattice, strain_label
from qdsim.workflows.vacancy_documents import (
    BAND_EDGE_CELL,
    BAND_EDGE_MESH,
    ORDINARY_OPTIMISATION,
    DielectricConstants,
    HostSettings,
    Level,
    PairSettings,
    RattleSettings,
    SeriesSettings,
    VacancySettings,
    planned_tasks,
    run_kind,
)

if TYPE_CHECKING:
    from aiida.orm import Code

SAME_VOLUME = 1e-4
"""Relative difference of volumes below which two hosts count as equally large."""


@dataclass(frozen=True)
class VacancyPlan:
    """A vacancy series, with every choice made."""

    settings: Settings
    lattice: Lattice
    vacancy: VacancySettings
    parameters: dict[str, dict[str, Any]]
    elements: dict[str, tuple[ReferencePhase, dict[str, Any]]]
    crystals: dict[str, str]
    tasks: tuple[Task, ...]
    advice: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        return {
            "parameters": self.parameters,
            "lattice": self.lattice.model_dump(mode="json"),
            "vacancy": self.vacancy.model_dump(mode="json"),
            "elements": {
                element: [phase.model_dump(mode="json"), parameters]
                for element, (phase, parameters) in self.elements.items()
            },
            "crystals": self.crystals,
        }

    def inputs(self, code: "Code", options: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of the work chain; an AiiDA profile is loaded."""
        from aiida import orm

        files = {"additional_retrieve_list": [POTENTIAL_FILES]}
        retrieval = {"settings": orm.Dict(files)} if self.vacancy.all_charges else {}
        return {
            "cp2k": {"code": code, "metadata": {"options": options}, **retrieval},
            "lattice": orm.Dict(self.lattice.model_dump(mode="json")),
            "settings": orm.Dict(self.vacancy.model_dump(mode="json")),
            "parameters": {kind: orm.Dict(parameters) for kind, parameters in self.parameters.items()},
            "elements": {
                element: {"structure": orm.StructureData(ase=phase.to_atoms()), "parameters": orm.Dict(parameters)}
                for element, (phase, parameters) in self.elements.items()
            },
            "crystals": {label: orm.load_node(uuid) for label, uuid in self.crystals.items()},
        }


def plan_vacancies(
    section: VacancySection, strain: StrainSection | None, compound: Compound, lattice_constant: float, walltime: int
) -> VacancyPlan:
    """Make every choice that the vacancy section leaves open.

    Parameters
    ----------
    section
        Of the campaign.
    strain
        The campaign's strain series, whose points may be hosts; the schema asks for it where they are.
    compound
        What the vacancies are in.
    lattice_constant
        Of the undistorted crystal, Å.
    walltime
        Seconds after which CP2K stops by itself.

    Raises
    ------
    QdsimError
        If an element is not of the compound, images are too near, or a node or protocol cannot be used.
    """
    settings = _settings(section, walltime)
    matrix = supercell_matrix(settings.cell)
    lattice = Lattice(compound=compound.name, cation=compound.cation, anion=compound.anion, supercell=matrix.tolist())
    _check_elements(section, compound)
    undistorted = RhombohedralState.from_lattice_constant(lattice_constant)
    atoms = undistorted.to_atoms(compound.cation, compound.anion, matrix)
    hosts, crystals = _hosts(section, strain, compound, lattice_constant)
    reference = next(host.label for host in hosts if _is_undistorted(host, lattice_constant))
    vacancy = VacancySettings(
        protocol=section.protocol,
        k_points=settings.k_points,
        hosts=hosts,
        reference=reference,
        phases={element: load_reference_phase(element).phase for element in (compound.cation, compound.anion)},
        elements=tuple(section.elements if section.elements is not None else (compound.cation, compound.anion)),
        pairs=tuple(
            PairSettings(first=pair.elements[0], second=pair.elements[1], largest_distance=pair.largest_distance)
            for pair in section.pairs
        ),
        charges={key: _charges(atoms, key, charges) for key, charges in section.charges.items()},
        dielectric=None if section.dielectric is None else DielectricConstants(**section.dielectric.model_dump()),
        series=None
        if section.concentrations is None
        else SeriesSettings(
            elements=tuple(section.concentrations.elements),
            concentrations=tuple(section.concentrations.values),
            most=section.concentrations.orderings,
            seed=section.concentrations.seed,
        ),
        rattle=None if section.rattle is None else RattleSettings(**section.rattle.model_dump()),
        reservoirs=tuple(_reservoir(name, reservoir) for name, reservoir in section.reservoirs.items()),
        temperature=section.temperature,
        carriers=None if section.carriers is None else CarrierSettings(**section.carriers.model_dump()),
        measured_heat=MeasuredHeat(value=compound.heat_of_formation, source=compound.heat_of_formation_source),
    )
    for host in hosts:
        cell = host.state.to_atoms(compound.cation, compound.anion, matrix).cell
        check_image_distance(cell, forced=section.allow_near_images)
    coarser = {} if section.relaxation_k_points is None else {"k_points": section.relaxation_k_points}
    relaxation = settings.model_copy(update=coarser)
    parameters = {}
    for charge in (0, *vacancy.all_charges):
        parameters[run_kind("single_point", charge)] = build_parameters(
            settings, atoms, charge=charge, potential=charge != 0
        )
        parameters[run_kind("relaxation", charge)] = build_parameters(
            relaxation, atoms, run_type="GEO_OPT", charge=charge
        )
    if vacancy.all_charges:
        parameters["potential"] = build_parameters(settings, atoms, potential=True)
        parameters["band_edges"] = build_parameters(_band_edge_settings(settings), atoms)
    elements = {}
    for element in (compound.cation, compound.anion):
        phase = load_reference_phase(element)
        own = phase.adapt(settings)
        run_type: RunType = "GEO_OPT" if phase.relaxes else "ENERGY_FORCE"
        elements[element] = (phase, build_parameters(own, phase.to_atoms(), run_type=run_type))
    tasks = tuple(_tasks(vacancy, lattice, settings, relaxation, parameters, elements))
    advice = tuple(advise_supercell(matrix, settings.k_points or (1, 1, 1), undistorted.cell))
    return VacancyPlan(settings, lattice, vacancy, parameters, elements, crystals, tasks, advice)


def _settings(section: VacancySection, walltime: int) -> Settings:
    """Return the protocol with the section's changes."""
    changes = dict(section.overrides)
    if section.supercell is not None:
        changes["cell"] = section.supercell
    if section.k_points is not None:
        changes["k_points"] = None if section.k_points == "gamma" else section.k_points
    return with_walltime(load_protocol(section.protocol, changes), walltime)


def _band_edge_settings(settings: Settings) -> Settings:
    """Return the settings of a supercell for the small one that has the band edges on its mesh."""
    return load_reference_phase("Pb").adapt(settings).model_copy(update={"k_points": BAND_EDGE_MESH})


def _check_elements(section: VacancySection, compound: Compound) -> None:
    """Refuse an element that is not there, and name the field."""
    there = (compound.cation, compound.anion)
    named = [("elements", element) for element in section.elements or ()]
    named += [("pairs", element) for pair in section.pairs for element in pair.elements]
    named += [("concentrations", e) for e in (section.concentrations.elements if section.concentrations else ())]
    named += [("charges", element) for key in section.charges for element in key.split("+")]
    named += [("reservoirs", e) for reservoir in section.reservoirs.values() for e in reservoir.delta_mu]
    named += [("reservoirs", r.element) for r in section.reservoirs.values() if r.element is not None]
    for field, element in named:
        if element not in there:
            raise QdsimError(f"vacancy.{field}: there is no {element} in {compound.name}; name {' or '.join(there)}.")


def _reservoir(name: str, section: ReservoirSection) -> ReservoirSettings:
    return ReservoirSettings(
        name=name,
        delta_mu=section.delta_mu,
        richness=section.rich,
        element=section.element,
        source_energy=None if section.reaction_energy is None else -section.reaction_energy,
    )


def _charges(atoms: Atoms, key: str, charges: list[int] | str) -> tuple[int, ...]:
    if charges == "guess":
        sites = [sites_of(atoms, element)[number] for number, element in enumerate(key.split("+"))]
        return tuple(charge for charge in guess_charges(atoms, sites) if charge != 0)
    return tuple(charge for charge in charges if isinstance(charge, int) and charge != 0)


def _hosts(
    section: VacancySection, strain: StrainSection | None, compound: Compound, lattice_constant: float
) -> tuple[tuple[HostSettings, ...], dict[str, str]]:
    """Return every host, those among them that no one asked for but the analysis needs, and the nodes of crystals."""
    level: Level = "relaxed" if section.relax else "unrelaxed"
    crystals: dict[str, str] = {}
    wanted: list[HostSettings] = []
    for label, host in section.hosts.items():
        point = phase = None
        if host.node is not None:
            state, crystals[label] = crystal_node(f"vacancy.hosts.{label}.node", host.node, compound)
        elif host.point is not None and strain is not None:
            value = value_of_point(f"vacancy.hosts.{label}.point", host.point, strain)
            point, phase = strain_label(strain.quantity, value), host.phase
            state = planned_point(value, phase, strain, compound, lattice_constant)
        else:
            edge = host.lattice_constant or lattice_constant * (1 + (host.linear_strain or 0.0))
            state = RhombohedralState.from_lattice_constant(edge, host.alpha_rh, host.pb_offset)
        wanted.append(
            HostSettings(
                label=label,
                level=level,
                volume=state.volume,
                alpha_rh=state.alpha,
                pb_offset=state.offset,
                crystal=host.node is not None or point is not None,
                point=point,
                phase=phase,
            )
        )
    steps = list(_steps(wanted, lattice_constant))
    if clash := sorted({host.label for host in wanted} & {step.label for step in steps}):
        raise QdsimError(f"vacancy.hosts.{clash[0]}: the decomposition needs a host of that name; give it another one.")
    return (*wanted, *steps), crystals


def _steps(wanted: list[HostSettings], lattice_constant: float) -> Iterator[HostSettings]:
    """Yield what stands between the undistorted and a rhombohedral host: the same volume, then the same cell."""
    cubic = [host for host in wanted if _is_cubic(host)]
    for host in wanted:
        if _is_cubic(host):
            continue
        if not any(_same_volume(host, other) for other in cubic):
            step = HostSettings(label=f"{host.label}_cubic", level="unrelaxed", volume=host.volume, cubic_of=host.label)
            cubic.append(step)
            yield step
        if host.alpha_rh != CUBIC_ANGLE:
            yield HostSettings(
                label=f"{host.label}_centred",
                level="unrelaxed",
                volume=host.volume,
                alpha_rh=host.alpha_rh,
                centred_of=host.label,
            )
    if not any(_is_undistorted(host, lattice_constant) for host in cubic):
        yield HostSettings(label="reference", level="host", volume=lattice_constant**3 / 4)


def _is_cubic(host: HostSettings) -> bool:
    return host.alpha_rh == CUBIC_ANGLE and host.pb_offset == 0


def _same_volume(first: HostSettings, second: HostSettings) -> bool:
    return abs(first.volume / second.volume - 1) < SAME_VOLUME


def _is_undistorted(host: HostSettings, lattice_constant: float) -> bool:
    return _is_cubic(host) and not host.crystal and abs(4 * host.volume / lattice_constant**3 - 1) < SAME_VOLUME


def _tasks(
    vacancy: VacancySettings,
    lattice: Lattice,
    settings: Settings,
    relaxation: Settings,
    parameters: dict[str, dict[str, Any]],
    elements: dict[str, tuple[ReferencePhase, dict[str, Any]]],
) -> Iterator[Task]:
    hosts = {
        host.label: host.state.to_atoms(lattice.cation, lattice.anion, lattice.supercell) for host in vacancy.hosts
    }
    for task in planned_tasks(vacancy, lattice):
        if task.element is not None:
            phase, own = elements[task.element]
            runs = ORDINARY_OPTIMISATION if phase.relaxes else 1
            yield Task(task.label, "vacancy", phase.to_atoms(), phase.adapt(settings), own, runs)
            continue
        if task.kind == "band_edges":
            state = next(host.state for host in vacancy.hosts if host.label == task.host)
            cell = state.to_atoms(lattice.cation, lattice.anion, BAND_EDGE_CELL)
            yield Task(task.label, "vacancy", cell, _band_edge_settings(settings), parameters["band_edges"])
            continue
        atoms = remove_sites(hosts[task.host], task.sites)
        relaxes = task.kind == "relaxation"
        own_settings, runs = (relaxation, ORDINARY_OPTIMISATION) if relaxes else (settings, 1)
        yield Task(task.label, "vacancy", atoms, own_settings, parameters[run_kind(task.kind, task.charge)], runs)
