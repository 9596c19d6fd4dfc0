"""One supercell with vacant sites."""

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from qdsim.workflows.relax import FixedCellRelaxWorkChain
from qdsim.workflows.run_inputs import inputs_after, relaxation_inputs, run_inputs, same_mesh
from qdsim.workflows.submission import SubmitOnce


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
        inputs = run_inputs(self, self.inputs.structure, self.inputs.single_point)
        inputs["metadata"] = {"call_link_label": "unrelaxed"}
        self.to_context(unrelaxed=self.submit(Cp2kWorkChain, **inputs))

    def run_relaxation(self) -> None:
        """Submit the relaxation, also where the first calculation failed: other positions may do better."""
        if "relaxation" in self.inputs:
            start = self.inputs.get("start", self.inputs.structure)
            inputs = relaxation_inputs(self, start, self.inputs.relaxation)
            if self.ctx.unrelaxed.is_finished_ok and same_mesh(self.inputs.relaxation, self.inputs.single_point):
                inputs["cp2k"]["parent_calc_folder"] = self.ctx.unrelaxed.outputs.remote_folder
            self.to_context(relaxation=self.submit(FixedCellRelaxWorkChain, **inputs))

    def run_relaxed(self) -> None:
        """Submit the calculation of the relaxed geometry."""
        if "relaxation" in self.ctx and self.ctx.relaxation.is_finished_ok:
            inputs = inputs_after(self, self.ctx.relaxation, self.inputs.relaxation, self.inputs.single_point)
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
