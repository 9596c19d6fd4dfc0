"""One crystal and its vacancies."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from qdsim.workflows.defect import DefectWorkChain
from qdsim.workflows.relax import FixedCellRelaxWorkChain
from qdsim.workflows.run_inputs import expose_cp2k, inputs_after, relaxation_inputs, run_inputs
from qdsim.workflows.submission import SubmitOnce
from qdsim.workflows.vacancy_documents import HostSettings, PlannedDefect, VacancySettings, run_kind
from qdsim.workflows.vacancy_functions import (
    band_edge_structure,
    correct_charge,
    summarise_defects,
    summarise_host,
    vacancy_structures,
)


class HostWorkChain(SubmitOnce):
    """Compute one host, its ions relaxed where they can move, and then each of its vacancies side by side."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        expose_cp2k(spec)
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
            inputs = relaxation_inputs(self, self.inputs.structure, self.inputs.parameters["relaxation"])
            self.to_context(relaxation=self.submit(FixedCellRelaxWorkChain, **inputs))

    def run_host(self) -> ExitCode | None:
        """Submit the host."""
        single_point = self.inputs.parameters[self._single_point]
        if not self._host.relaxes:
            inputs = run_inputs(self, self.inputs.structure, single_point)
        elif self.ctx.relaxation.is_finished_ok:
            inputs = inputs_after(self, self.ctx.relaxation, self.inputs.parameters["relaxation"], single_point)
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
            inputs = run_inputs(self, cell, self.inputs.parameters["band_edges"])
            inputs["metadata"] = {"call_link_label": "band_edges"}
            self.to_context(band_edges=self.submit(Cp2kWorkChain, **inputs))
        made = vacancy_structures(
            self.inputs.settings, self.inputs.structure, **{self.inputs.label: self.ctx.structure}
        )
        self.ctx.made, self.ctx.plan = made, made["plan"]
        for label, document in made["plan"].get_dict().items():
            charge = PlannedDefect(**document).charge
            inputs = run_inputs(self, made[f"defects__{label}"])
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
