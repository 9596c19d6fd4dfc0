"""Vacancies: elements and hosts, then every vacancy of every host in the host's cell and with its settings."""

from fnmatch import fnmatch
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.charge_correction import efnv_correction
from qdsim.analysis.vacancy_analysis import analyse_vacancies
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, ElementState, HostState, VacancyResults
from qdsim.analysis.vacancy_states import describe_defect, describe_host
from qdsim.cp2k.cube import ElectrostaticPotential, read_potential
from qdsim.structures import RhombohedralState
from qdsim.structures.vacancies import centre_of, distort_neighbours, rattle, remove_sites
from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs, failure_of
from qdsim.workflows.documents import Lattice
from qdsim.workflows.relax import FixedCellRelaxWorkChain, structure_of
from qdsim.workflows.submission import SubmitOnce
from qdsim.workflows.vacancy_documents import (
    BAND_EDGE_CELL,
    POTENTIAL_FILES,
    HostSettings,
    PlannedDefect,
    VacancySettings,
    planned_defects,
    run_kind,
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


def _expose_cp2k(spec: WorkChainSpec) -> None:
    """Declare what every calculation of a series shares: the code, its options, and the inputs of each kind of run."""
    spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parameters", "cp2k.parent_calc_folder"))
    spec.input_namespace(
        "parameters",
        valid_type=orm.Dict,
        dynamic=True,
        help="`single_point` and `relaxation`; `single_point_m2` and `relaxation_m2` where the charge is -2.",
    )


class DefectWorkChain(SubmitOnce):
    """Compute a supercell with vacant sites: with the ions where the host has them, then relaxed in the host's cell.

    All energies are of single points with one and the same input, also after the relaxation, which may be done on a
    coarser mesh. The relaxation starts from the wavefunction of the first calculation. That of the host would not do:
    CP2K takes a wavefunction only for the same atoms.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parameters", "cp2k.parent_calc_folder"))
        spec.input("single_point", valid_type=orm.Dict, help="CP2K's input with the ions held.")
        spec.input("relaxation", valid_type=orm.Dict, required=False, help="CP2K's input that relaxes them.")
        spec.input("structure", valid_type=orm.StructureData, help="The ions where the host has them.")
        spec.input("start", valid_type=orm.StructureData, required=False, help="Where the relaxation starts instead.")
        spec.output("unrelaxed", valid_type=orm.Dict, required=False, help="Output parameters with the ions held.")
        spec.output("relaxed", valid_type=orm.Dict, required=False, help="Output parameters, the ions relaxed.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="The relaxed structure.")
        spec.output_namespace(
            "files",
            valid_type=orm.FolderData,
            dynamic=True,
            help="Of `unrelaxed` and `relaxed`: potentials of charges.",
        )
        spec.outline(cls.run_unrelaxed, cls.run_relaxation, cls.run_relaxed, cls.finish)
        spec.exit_code(434, "ERROR_CALCULATIONS_FAILED", message="{reasons}")

    def run_unrelaxed(self) -> None:
        """Submit the calculation with the ions held."""
        inputs = _run(self, self.inputs.structure, self.inputs.single_point)
        inputs["metadata"] = {"call_link_label": "unrelaxed"}
        self.to_context(unrelaxed=self.submit(Cp2kWorkChain, **inputs))

    def run_relaxation(self) -> None:
        """Submit the relaxation, also where the first calculation failed: other positions may do better."""
        if "relaxation" in self.inputs:
            start = self.inputs.get("start", self.inputs.structure)
            inputs = _relaxation(self, start, self.inputs.relaxation)
            if self.ctx.unrelaxed.is_finished_ok and _same_mesh(self.inputs.relaxation, self.inputs.single_point):
                inputs["cp2k"]["parent_calc_folder"] = self.ctx.unrelaxed.outputs.remote_folder
            self.to_context(relaxation=self.submit(FixedCellRelaxWorkChain, **inputs))

    def run_relaxed(self) -> None:
        """Submit the calculation of the relaxed geometry."""
        if "relaxation" in self.ctx and self.ctx.relaxation.is_finished_ok:
            inputs = _after(self, self.ctx.relaxation, self.inputs.relaxation, self.inputs.single_point)
            inputs["metadata"] = {"call_link_label": "relaxed"}
            self.to_context(relaxed=self.submit(Cp2kWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Hand out what there is, and say what failed."""
        roles = [role for role in ("unrelaxed", "relaxation", "relaxed") if role in self.ctx]
        done = {role: self.ctx[role].outputs for role in roles if self.ctx[role].is_finished_ok}
        failures = [f"{role}: {failure_of(self.ctx[role])}" for role in roles if role not in done]
        energies = {role: outputs for role, outputs in done.items() if role != "relaxation"}
        self.out_many({role: outputs.output_parameters for role, outputs in energies.items()})
        self.out("files", {role: outputs.retrieved for role, outputs in energies.items()})
        if "relaxed" in done:
            self.out("structure", done["relaxation"].structure)
        if failures:
            return self.exit_codes.ERROR_CALCULATIONS_FAILED.format(reasons=" ".join(failures))
        return None


class HostWorkChain(SubmitOnce):
    """Compute one host, its ions relaxed where they can move, and then each of its vacancies side by side."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        _expose_cp2k(spec)
        spec.input("label", valid_type=str, non_db=True, help="Of the host, in the settings.")
        spec.input("structure", valid_type=orm.StructureData, help="The supercell, of exact symmetry.")
        spec.input("lattice", valid_type=orm.Dict, help="See `qdsim.workflows.documents.Lattice`.")
        spec.input("settings", valid_type=orm.Dict, help="See `VacancySettings`.")
        spec.output("host", valid_type=orm.Dict, help="See `qdsim.analysis.vacancy_results.HostState`.")
        spec.output("defects", valid_type=orm.Dict, required=False, help="`DefectState` of each defect, by label.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="The relaxed host.")
        spec.output_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="The defects, relaxed if wanted."
        )
        spec.outline(
            cls.run_relaxation, cls.run_host, cls.inspect_host, cls.run_defects, cls.inspect_band_edges, cls.finish
        )
        spec.exit_code(433, "ERROR_HOST_FAILED", message="The host itself: {reason}")
        spec.exit_code(434, "ERROR_DEFECTS_FAILED", message="{count} of {total} vacancies failed: {reasons}")

    @property
    def _host(self) -> HostSettings:
        hosts = VacancySettings(**self.inputs.settings.get_dict()).hosts
        return next(host for host in hosts if host.label == self.inputs.label)

    @property
    def _single_point(self) -> str:
        """The run of the host that charged vacancies are aligned with writes its potential."""
        return "potential" if "potential" in self.inputs.parameters else "single_point"

    def run_relaxation(self) -> None:
        """Submit the relaxation of a host whose ions can move."""
        if self._host.relaxes:
            inputs = _relaxation(self, self.inputs.structure, self.inputs.parameters["relaxation"])
            self.to_context(relaxation=self.submit(FixedCellRelaxWorkChain, **inputs))

    def run_host(self) -> ExitCode | None:
        """Submit the host."""
        single_point = self.inputs.parameters[self._single_point]
        if not self._host.relaxes:
            inputs = _run(self, self.inputs.structure, single_point)
        elif self.ctx.relaxation.is_finished_ok:
            inputs = _after(self, self.ctx.relaxation, self.inputs.parameters["relaxation"], single_point)
        else:
            return self._give_up(self.ctx.relaxation)
        inputs["metadata"] = {"call_link_label": "host"}
        self.to_context(host=self.submit(Cp2kWorkChain, **inputs))
        return None

    def inspect_host(self) -> ExitCode | None:
        """Go on with a host that has an energy."""
        if not self.ctx.host.is_finished_ok:
            return self._give_up(self.ctx.host)
        self.ctx.structure = self.ctx.relaxation.outputs.structure if self._host.relaxes else self.inputs.structure
        self.out("structure", self.ctx.structure)
        return None

    def _give_up(self, process: orm.ProcessNode) -> ExitCode:
        """Describe a host without an energy: there is nothing to count its vacancies from."""
        documents = {"lattice": self.inputs.lattice, "settings": self.inputs.settings}
        self.out("host", summarise_host(**documents, **{self.inputs.label: self.inputs.structure}))
        code: ExitCode = self.exit_codes.ERROR_HOST_FAILED.format(reason=failure_of(process))
        return code

    def run_defects(self) -> None:
        """Submit every defect, and for charged ones the host's band edges."""
        self.ctx.labels = []
        if self._host.level == "host":
            return
        if self._single_point == "potential":
            cell = band_edge_structure(self.inputs.lattice, self.ctx.structure)
            inputs = _run(self, cell, self.inputs.parameters["band_edges"])
            inputs["metadata"] = {"call_link_label": "band_edges"}
            self.to_context(band_edges=self.submit(Cp2kWorkChain, **inputs))
        made = vacancy_structures(
            self.inputs.settings, self.inputs.structure, **{self.inputs.label: self.ctx.structure}
        )
        self.ctx.made, self.ctx.plan = made, made["plan"]
        for label, document in made["plan"].get_dict().items():
            charge = PlannedDefect(**document).charge
            inputs = _run(self, made[f"defects__{label}"])
            inputs["structure"] = inputs["cp2k"].pop("structure")
            inputs["single_point"] = self.inputs.parameters[run_kind("single_point", charge)]
            if self._host.level == "relaxed":
                inputs["relaxation"] = self.inputs.parameters[run_kind("relaxation", charge)]
                if f"starts__{label}" in made:
                    inputs["start"] = made[f"starts__{label}"]
            inputs["metadata"] = {"call_link_label": label}
            self.ctx.labels.append(label)
            self.to_context(**{f"defect_{label}": self.submit(DefectWorkChain, **inputs)})

    def inspect_band_edges(self) -> None:
        """Describe the host."""
        found = {"output": self.ctx.host.outputs.output_parameters}
        if "band_edges" in self.ctx and self.ctx.band_edges.is_finished_ok:
            found["band_edges"] = self.ctx.band_edges.outputs.output_parameters
        self.ctx.state = summarise_host(
            self.inputs.lattice, self.inputs.settings, **found, **{self.inputs.label: self.ctx.structure}
        )
        self.out("host", self.ctx.state)

    def _correct(self, label: str, outputs: Any) -> dict[str, orm.Data]:
        """Return the finite-size corrections of a charged vacancy."""
        if PlannedDefect(**self.ctx.plan[label]).charge == 0 or "files" not in outputs:
            return {}
        structures = {"unrelaxed": self.ctx.made[f"defects__{label}"]}
        if "structure" in outputs:
            structures["relaxed"] = outputs.structure
        host = {"host": self.ctx.structure, "host_files": self.ctx.host.outputs.retrieved}
        return {
            f"{label}__{kind}_correction": correct_charge(
                self.inputs.settings, self.ctx.plan, **host, files=files, **{f"{label}__{kind}": structures[kind]}
            )
            for kind, files in outputs.files.items()
        }

    def finish(self) -> ExitCode | None:
        """Hand out what there is, and say what failed."""
        computed: dict[str, orm.Data] = {}
        structures, failures = {}, []
        for label in self.ctx.labels:
            process = self.ctx[f"defect_{label}"]
            outputs = process.outputs
            computed |= self._correct(label, outputs)
            computed |= {
                f"{label}__{role}": outputs[role] for role in ("unrelaxed", "relaxed", "structure") if role in outputs
            }
            if "structure" in outputs:
                structures[label] = outputs.structure
            elif self._host.level == "unrelaxed" and not self._host.is_step:
                structures[label] = self.ctx.made[f"defects__{label}"]
            if not process.is_finished_ok:
                failures.append(f"{label}: {failure_of(process)}")
        if self.ctx.labels:
            inputs = (self.inputs.lattice, self.ctx.state, self.ctx.structure, self.ctx.plan)
            self.out("defects", summarise_defects(*inputs, **computed))
            self.out("structures", structures)
        if failures:
            return self.exit_codes.ERROR_DEFECTS_FAILED.format(
                count=len(failures), total=len(self.ctx.labels), reasons=" ".join(failures)
            )
        return None


class VacancyWorkChain(SubmitOnce):
    """Compute elements, hosts and vacancies, all at the settings of one protocol.

    A host that fails takes its own vacancies with it and leaves the rest.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        _expose_cp2k(spec)
        spec.input_namespace("elements", dynamic=True, help="`structure` and `parameters` of each, by symbol.")
        spec.input_namespace(
            "crystals", valid_type=orm.StructureData, dynamic=True, required=False, help="Given hosts, by label."
        )
        spec.input("lattice", valid_type=orm.Dict, help="See `qdsim.workflows.documents.Lattice`.")
        spec.input("settings", valid_type=orm.Dict, help="See `VacancySettings`.")
        spec.output("results", valid_type=orm.Dict, required=False, help="See `VacancyResults`.")
        spec.output("analysis", valid_type=orm.Dict, required=False, help="See `VacancyAnalysis`.")
        spec.output_namespace("hosts", valid_type=orm.StructureData, dynamic=True, help="Relaxed hosts, by label.")
        spec.output_namespace("structures", dynamic=True, help="Relaxed vacancies, under each host's label.")
        spec.outline(cls.run_parts, cls.finish)
        spec.exit_code(435, "ERROR_SOME_PARTS_FAILED", message="{count} of {total} parts failed: {reasons}")

    def run_parts(self) -> None:
        """Submit elements and hosts."""
        self.ctx.elements = list(self.inputs.elements)
        for element in self.ctx.elements:
            given = self.inputs.elements[element]
            inputs = _run(self, given["structure"], given["parameters"])
            inputs["metadata"] = {"call_link_label": f"element_{element}"}
            relaxes = given["parameters"]["GLOBAL"]["RUN_TYPE"] == "GEO_OPT"
            if relaxes:
                inputs["structure"] = inputs["cp2k"].pop("structure")
            process = FixedCellRelaxWorkChain if relaxes else Cp2kWorkChain
            self.to_context(**{f"element_{element}": self.submit(process, **inputs)})
        crystals = self.inputs.get("crystals", {})
        self.ctx.hosts = host_structures(self.inputs.lattice, self.inputs.settings, **crystals)
        for label, structure in self.ctx.hosts.items():
            inputs = {
                **self.exposed_inputs(Cp2kWorkChain),
                "parameters": self.inputs.parameters,
                "label": label,
                "structure": structure,
                "lattice": self.inputs.lattice,
                "settings": self.inputs.settings,
                "metadata": {"call_link_label": label},
            }
            self.to_context(**{f"host_{label}": self.submit(HostWorkChain, **inputs)})

    def finish(self) -> ExitCode | None:
        """Join what has been computed, and say what has not."""
        computed: dict[str, orm.Data] = {}
        hosts, structures, failures = {}, {}, []
        for element in self.ctx.elements:
            process = self.ctx[f"element_{element}"]
            computed[f"{element}__structure"] = self.inputs.elements[element]["structure"]
            if process.is_finished_ok:
                computed[f"{element}__output"] = process.outputs.output_parameters
            else:
                failures.append(f"{element}: {failure_of(process)}")
        for host in VacancySettings(**self.inputs.settings.get_dict()).hosts:
            label = host.label
            if label not in self.ctx.hosts:
                failures.append(f"{label}: the strain series has no crystal for it.")
                continue
            process = self.ctx[f"host_{label}"]
            outputs = process.outputs
            computed |= {f"{label}__{name}": outputs[name] for name in ("host", "defects") if name in outputs}
            if "structure" in outputs:
                hosts[label] = outputs.structure
            if "structures" in outputs:
                structures[label] = dict(outputs.structures)
            if not process.is_finished_ok:
                failures.append(f"{label}: {failure_of(process)}")
        self.out("hosts", hosts)
        self.out("structures", structures)
        results = summarise_vacancies(self.inputs.lattice, self.inputs.settings, **computed)
        self.out("results", results)
        self.out("analysis", analyse(self.inputs.settings, results))
        if failures:
            total = len(self.ctx.elements) + len(self.ctx.hosts)
            return self.exit_codes.ERROR_SOME_PARTS_FAILED.format(
                count=len(failures), total=total, reasons=" ".join(failures)
            )
        return None


def _run(chain: SubmitOnce, structure: orm.StructureData, parameters: orm.Dict | None = None) -> dict[str, Any]:
    """Return the inputs of a CP2K run with the code and the options that a series shares."""
    inputs = cp2k_inputs(chain.inputs, structure)
    if parameters is not None:
        inputs["cp2k"]["parameters"] = parameters
    return inputs


def _relaxation(chain: SubmitOnce, structure: orm.StructureData, parameters: orm.Dict) -> dict[str, Any]:
    """Return the inputs of a relaxation."""
    inputs = _run(chain, structure, parameters)
    inputs["structure"] = inputs["cp2k"].pop("structure")
    return inputs | {"metadata": {"call_link_label": "relaxation"}}


def _after(
    chain: SubmitOnce, relaxation: orm.WorkChainNode, parameters: orm.Dict, single_point: orm.Dict
) -> dict[str, Any]:
    """Return the inputs of the single point after a relaxation that was done with `parameters`."""
    inputs = _run(chain, relaxation.outputs.structure, single_point)
    if _same_mesh(parameters, single_point):
        inputs["cp2k"]["parent_calc_folder"] = relaxation.outputs.remote_folder
    return inputs


def _same_mesh(first: orm.Dict, second: orm.Dict) -> bool:
    """Tell whether one calculation's wavefunction is of use to the other."""
    meshes = [parameters["FORCE_EVAL"]["DFT"].get("KPOINTS") for parameters in (first, second)]
    return bool(meshes[0] == meshes[1])
