"""Vacancies: elements and hosts, then every vacancy of every host in the host's cell and with its settings."""

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from qdsim.workflows.host import HostWorkChain
from qdsim.workflows.relax import FixedCellRelaxWorkChain
from qdsim.workflows.run_inputs import expose_cp2k, run_inputs
from qdsim.workflows.submission import SubmitOnce
from qdsim.workflows.vacancy_documents import VacancySettings
from qdsim.workflows.vacancy_functions import analyse, host_structures, summarise_vacancies


class VacancyWorkChain(SubmitOnce):
    """Compute elements, hosts and vacancies, all at the settings of one protocol.

    A host that fails takes its own vacancies with it and leaves the rest.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        expose_cp2k(spec)
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
            inputs = run_inputs(self, given["structure"], given["parameters"])
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
