"""One cluster alone in its cell."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.cp2k.remedies import uses_smearing
from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of, smear_occupations
from qdsim.workflows.relax import FixedCellRelaxWorkChain
from qdsim.workflows.run_inputs import inputs_after, relaxation_inputs, run_inputs
from qdsim.workflows.submission import SubmitOnce


class IsolatedClusterWorkChain(SubmitOnce):
    """Compute a cluster, as it is given or relaxed.

    A first stage on coarser grids, where its input is given, finds most of the wavefunction for a fraction of the time;
    occupations that it had to smear are smeared after it, too. One that fails costs no more than its own time.

    What is handed out is always of the single point with the full settings.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parameters", "cp2k.parent_calc_folder"))
        spec.input("structure", valid_type=orm.StructureData, help="The cluster in its cell.")
        spec.input("single_point", valid_type=orm.Dict, help="CP2K's input.")
        spec.input("coarse", valid_type=orm.Dict, required=False, help="CP2K's input on coarser grids.")
        spec.input("relaxation", valid_type=orm.Dict, required=False, help="CP2K's input that relaxes the ions.")
        spec.expose_outputs(Cp2kWorkChain, include=("output_parameters", "output_arrays"))
        spec.output("parameters", valid_type=orm.Dict, required=False, help="CP2K's input that led to the result.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="The relaxed cluster.")
        spec.outline(cls.run_first, cls.run_single_point, cls.finish)
        spec.exit_code(451, "ERROR_CLUSTER_FAILED", message="{role}: {reason}")

    def run_first(self) -> None:
        """Submit what comes before the single point: the relaxation, or the stage on coarser grids."""
        if "relaxation" in self.inputs:
            inputs = relaxation_inputs(self, self.inputs.structure, self.inputs.relaxation)
            self.to_context(relaxation=self.submit(FixedCellRelaxWorkChain, **inputs))
        elif "coarse" in self.inputs:
            inputs = run_inputs(self, self.inputs.structure, self.inputs.coarse)
            inputs["metadata"] = {"call_link_label": "coarse"}
            self.to_context(coarse=self.submit(Cp2kWorkChain, **inputs))

    def run_single_point(self) -> ExitCode | None:
        """Submit the calculation that the dipole is taken from."""
        if "relaxation" in self.ctx:
            relaxation = self.ctx.relaxation
            if not relaxation.is_finished_ok:
                return self.exit_codes.ERROR_CLUSTER_FAILED.format(role="relaxation", reason=failure_of(relaxation))
            inputs = inputs_after(self, relaxation, self.inputs.relaxation, self.inputs.single_point)
        elif "coarse" in self.ctx and self.ctx.coarse.is_finished_ok:
            inputs = self._inputs_after_coarse(self.ctx.coarse)
        else:
            inputs = run_inputs(self, self.inputs.structure, self.inputs.single_point)
        inputs["metadata"] = {"call_link_label": "single_point"}
        self.to_context(single_point=self.submit(Cp2kWorkChain, **inputs))
        return None

    def _inputs_after_coarse(self, coarse: orm.WorkChainNode) -> dict[str, Any]:
        """Go on from the wavefunction, with occupations as they were needed for it."""
        parameters = self.inputs.single_point
        if uses_smearing(_last_parameters(coarse).get_dict()):
            parameters = smear_occupations(parameters)
        inputs = run_inputs(self, self.inputs.structure, parameters)
        inputs["cp2k"]["parent_calc_folder"] = coarse.outputs.remote_folder
        return inputs

    def finish(self) -> ExitCode | None:
        """Hand out the result."""
        process = self.ctx.single_point
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_CLUSTER_FAILED.format(role="single point", reason=failure_of(process))
        self.out_many({name: process.outputs[name] for name in ("output_parameters", "output_arrays")})
        self.out("parameters", _last_parameters(process))
        if "relaxation" in self.ctx:
            self.out("structure", self.ctx.relaxation.outputs.structure)
        return None


def _last_parameters(process: orm.WorkChainNode) -> orm.Dict:
    """Return CP2K's input that led to the result."""
    last = [child for child in process.called if isinstance(child, orm.CalcJobNode)][-1]
    parameters: orm.Dict = last.inputs.parameters
    return parameters
