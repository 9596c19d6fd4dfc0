"""The calcfunctions of vacancies: structures made, outputs summed up."""

from fnmatch import fnmatch
from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from qdsim.analysis.charge_correction import efnv_correction
from qdsim.analysis.vacancy_analysis import analyse_vacancies
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, ElementState, HostState, VacancyResults
from qdsim.analysis.vacancy_states import describe_defect, describe_host
from qdsim.cp2k.cube import ElectrostaticPotential, read_potential
from qdsim.cp2k.requests import POTENTIAL_FILES
from qdsim.structures import RhombohedralState, distort_neighbours, rattle, remove_sites
from qdsim.structures.vacancies import centre_of
from qdsim.workflows.documents import Lattice
from qdsim.workflows.relax import structure_of
from qdsim.workflows.vacancy_documents import (
    BAND_EDGE_CELL,
    HostSettings,
    PlannedDefect,
    VacancySettings,
    planned_defects,
)

SITE_RADIUS = 1.0
"""Of the spheres around atoms in which potentials are averaged, Å."""


@calcfunction
def host_structures(
    lattice: orm.Dict, settings: orm.Dict, **crystals: orm.StructureData
) -> dict[str, orm.StructureData]:
    """Make the supercell of each host: of the state of its crystal where one is given, else of its own."""
    series = Lattice(**lattice.get_dict())
    hosts = {host.label: host for host in VacancySettings(**settings.get_dict()).hosts}

    def state(host: HostSettings) -> RhombohedralState:
        if host.crystal:
            return RhombohedralState.from_atoms(crystals[host.label].get_ase(), series.cation)
        if host.cubic_of is not None:
            return RhombohedralState(state(hosts[host.cubic_of]).volume)
        if host.centred_of is not None:
            original = state(hosts[host.centred_of])
            return RhombohedralState(original.volume, original.alpha)
        return host.state

    missing = {label for label, host in hosts.items() if host.crystal and label not in crystals}
    return {
        label: structure_of(state(host), series)
        for label, host in hosts.items()
        if not missing & {label, host.cubic_of, host.centred_of}
    }


@calcfunction
def band_edge_structure(lattice: orm.Dict, structure: orm.StructureData) -> orm.StructureData:
    """Make the small supercell of a host's crystal that has the band edges on its mesh."""
    series = Lattice(**lattice.get_dict())
    state = RhombohedralState.from_atoms(structure.get_ase(), series.cation)
    return structure_of(state, series.model_copy(update={"supercell": BAND_EDGE_CELL}))


@calcfunction
def vacancy_structures(
    settings: orm.Dict, ideal: orm.StructureData, **relaxed: orm.StructureData
) -> dict[str, orm.Data]:
    """Make every defect of a host, which goes by its label, and a start off its symmetry where one is wanted.

    The vacant sites are told apart in the host as it was before its relaxation, whose symmetry is exact.
    """
    wanted = VacancySettings(**settings.get_dict())
    ((label, structure),) = relaxed.items()
    host = structure.get_ase()
    is_step = next(host.is_step for host in wanted.hosts if host.label == label)
    defects = planned_defects(ideal.get_ase(), wanted, is_step)
    found: dict[str, orm.Data] = {"plan": orm.Dict({one.label: one.model_dump(mode="json") for one in defects})}
    for defect in defects:
        found[f"defects__{defect.label}"] = orm.StructureData(ase=remove_sites(host, defect.sites))
        if wanted.rattle is not None:
            distorted = distort_neighbours(host, defect.sites, wanted.rattle.bond_factor)
            start = rattle(distorted, wanted.rattle.amplitude, wanted.rattle.seed)
            found[f"starts__{defect.label}"] = orm.StructureData(ase=start)
    return found


@calcfunction
def summarise_host(lattice: orm.Dict, settings: orm.Dict, **computed: Any) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.vacancy_states.describe_host`; the structure goes by the host's label.

    Without a calculation of the band edges they are those of the supercell's own mesh.
    """
    hosts = {host.label: host for host in VacancySettings(**settings.get_dict()).hosts}
    label = next(name for name in computed if name in hosts)
    output = computed["output"].get_dict() if "output" in computed else None
    edges = computed["band_edges"].get_dict() if "band_edges" in computed else output
    host = hosts[label]
    state = describe_host(
        label,
        computed[label].get_ase(),
        lattice["cation"],
        output,
        edges,
        is_step=host.is_step,
        ions_held=host.level != "relaxed",
    )
    return orm.Dict(state.model_dump(mode="json"))


@calcfunction
def correct_charge(
    settings: orm.Dict,
    plan: orm.Dict,
    host: orm.StructureData,
    host_files: orm.FolderData,
    files: orm.FolderData,
    **defect: orm.StructureData,
) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.charge_correction.efnv_correction`; the structure goes by label and geometry."""
    ((name, structure),) = defect.items()
    label, _, kind = name.rpartition("__")
    planned = PlannedDefect(**plan[label])
    dielectric = VacancySettings(**settings.get_dict()).dielectric
    if dielectric is None:
        raise ValueError("a charged vacancy has been computed without a dielectric constant")
    name = "eps_inf" if kind == "unrelaxed" else "eps_0"
    crystal, atoms = host.get_ase(), structure.get_ase()
    ideal = remove_sites(crystal, planned.sites)
    correction = efnv_correction(
        planned.charge,
        getattr(dielectric, name),
        name,
        cell=atoms.cell.array,
        host_cell=crystal.cell.array,
        positions=atoms.positions,
        host_potentials=read_potential_of(host_files).site_averages(ideal.positions, SITE_RADIUS),
        defect_potentials=read_potential_of(files).site_averages(atoms.positions, SITE_RADIUS),
        vacant_site=centre_of(crystal, planned.sites),
    )
    return orm.Dict(correction.model_dump(mode="json"))


def read_potential_of(files: orm.FolderData) -> ElectrostaticPotential:
    """Read the potential among the files of a run."""
    (name,) = [name for name in files.base.repository.list_object_names() if fnmatch(name, POTENTIAL_FILES)]
    with files.base.repository.open(name, "r") as file:
        return read_potential(file)


@calcfunction
def summarise_defects(
    lattice: orm.Dict, host: orm.Dict, structure: orm.StructureData, plan: orm.Dict, **computed: Any
) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.vacancy_states.describe_defect` for every defect of a host; what failed is absent."""
    state = HostState(**host.get_dict())
    crystal = structure.get_ase()
    states = {}
    for label, document in plan.get_dict().items():
        defect = PlannedDefect(**document)
        unrelaxed, relaxed, atoms = (computed.get(f"{label}__{role}") for role in ("unrelaxed", "relaxed", "structure"))
        corrections = {
            field: ChargeCorrection(**computed[f"{label}__{kind}_correction"].get_dict())
            for field, kind in (("unrelaxed_correction", "unrelaxed"), ("correction", "relaxed"))
            if f"{label}__{kind}_correction" in computed
        }
        states[label] = describe_defect(
            host=state,
            crystal=crystal,
            label=label,
            name=defect.name,
            sites=defect.sites,
            cation=lattice["cation"],
            unrelaxed=None if unrelaxed is None else unrelaxed.get_dict(),
            relaxed=None if relaxed is None else relaxed.get_dict(),
            relaxed_atoms=None if atoms is None else atoms.get_ase(),
            charge=defect.charge,
            multiplicity=defect.multiplicity,
            separation=defect.separation,
            concentration=defect.concentration,
            **corrections,
        ).model_dump(mode="json")
    return orm.Dict(states)


@calcfunction
def summarise_vacancies(lattice: orm.Dict, settings: orm.Dict, **computed: Any) -> orm.Dict:
    """Join elements, hosts and defects: see :class:`qdsim.analysis.vacancy_results.VacancyResults`."""
    series = Lattice(**lattice.get_dict())
    wanted = VacancySettings(**settings.get_dict())
    hosts = [
        HostState(**computed[f"{host.label}__host"].get_dict())
        if f"{host.label}__host" in computed
        else describe_host(
            host.label,
            host.state.to_atoms(series.cation, series.anion, series.supercell),
            series.cation,
            is_step=host.is_step,
            ions_held=host.level != "relaxed",
        )
        for host in wanted.hosts
    ]
    reference = next(host for host in hosts if host.label == wanted.reference)
    elements = []
    for element, phase in wanted.phases.items():
        output = computed.get(f"{element}__output")
        atoms = computed[f"{element}__structure"].get_ase()
        energy = None if output is None else output["energy"] / len(atoms)
        elements.append(ElementState(element=element, phase=phase, energy=energy))
    results = VacancyResults(
        compound=series.compound,
        cation=series.cation,
        anion=series.anion,
        protocol=wanted.protocol,
        k_points=wanted.k_points,
        compound_energy=None if reference.energy is None else reference.energy / reference.formula_units,
        elements=tuple(elements),
        hosts=tuple(hosts),
        defects=tuple(
            DefectState(**state)
            for host in wanted.hosts
            if f"{host.label}__defects" in computed
            for state in computed[f"{host.label}__defects"].get_dict().values()
        ),
    )
    return orm.Dict(results.model_dump(mode="json"))


@calcfunction
def analyse(settings: orm.Dict, results: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.vacancy_analysis.analyse_vacancies`."""
    wanted = VacancySettings(**settings.get_dict())
    analysis = analyse_vacancies(
        VacancyResults(**results.get_dict()),
        wanted.reservoirs,
        wanted.temperature,
        wanted.measured_heat,
        wanted.carriers,
    )
    return orm.Dict(analysis.model_dump(mode="json"))
