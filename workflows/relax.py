"""Relaxations that cannot run away: the R3m phase at fixed volume, and atoms in a fixed cell."""

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.phase import describe_phase
from qdsim.analysis.relaxation import RelaxationSettings, RelaxationStep, energy_gradient, next_state
from qdsim.structures import RhombohedralState
from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs, failure_of
from qdsim.workflows.documents import Lattice, RelaxationPath
from qdsim.workflows.submission import SubmitOnce


def structure_of(state: RhombohedralState, lattice: Lattice) -> orm.StructureData:
    """Return the node of a lattice state in the series' cell."""
    return orm.StructureData(ase=state.to_atoms(lattice.cation, lattice.anion, lattice.supercell))


def relaxation_step(
    structure: orm.StructureData, lattice: orm.Dict, output_parameters: orm.Dict, output_arrays: orm.ArrayData
) -> RelaxationStep:
    """Express a single point in the two variables of the R3m phase at fixed volume."""
    cation = lattice["cation"]
    atoms = structure.get_ase()
    state = RhombohedralState.from_atoms(atoms, cation)
    cations = np.asarray(atoms.symbols == cation)
    gradient_alpha, gradient_offset = energy_gradient(
        state, output_arrays.get_array("forces"), output_arrays.get_array("stress"), cations
    )
    return RelaxationStep(
        alpha=state.alpha,
        offset=state.offset,
        energy=output_parameters["energy"] / int(cations.sum()),
        gradient_alpha=gradient_alpha,
        gradient_offset=gradient_offset,
    )


@calcfunction
def advance(
    structure: orm.StructureData,
    lattice: orm.Dict,
    settings: orm.Dict,
    output_parameters: orm.Dict,
    output_arrays: orm.ArrayData,
    path: orm.Dict | None = None,
) -> dict[str, orm.Data]:
    """Add a computed state to the path and choose the next: see :func:`qdsim.analysis.relaxation.next_state`."""
    series = Lattice(**lattice.get_dict())
    step = relaxation_step(structure, lattice, output_parameters, output_arrays)
    steps: tuple[RelaxationStep, ...] = (step,)
    if path is None:
        volume = RhombohedralState.from_atoms(structure.get_ase(), series.cation).volume
    else:
        earlier = RelaxationPath(**path.get_dict())
        volume, steps = earlier.volume, (*earlier.steps, step)
    decision = next_state(steps, volume, RelaxationSettings(**settings.get_dict()))
    outputs: dict[str, orm.Data] = {
        "path": orm.Dict(RelaxationPath(volume=volume, steps=steps, decision=decision).model_dump(mode="json"))
    }
    if decision.status == "continue":
        outputs["structure"] = structure_of(RhombohedralState(volume, decision.alpha, decision.offset), series)
    return outputs


@calcfunction
def describe(
    structure: orm.StructureData, lattice: orm.Dict, output_parameters: orm.Dict, path: orm.Dict | None = None
) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.phase.describe_phase`."""
    phase = describe_phase(
        structure.get_ase(),
        lattice["cation"],
        output_parameters.get_dict(),
        single_points=len(path["steps"]) if path else 1,
    )
    return orm.Dict(phase.model_dump(mode="json"))


class RhombohedralRelaxWorkChain(SubmitOnce):
    """Relax alpha_rh and the offset of the cations at fixed volume, on CP2K's forces and stress.

    The result is a computed state, not an extrapolated one: the last single point is within the tolerances of the
    minimum. Each single point starts from the wavefunction of the one before.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parent_calc_folder"))
        spec.input("structure", valid_type=orm.StructureData, help="Off-centre start; its volume is kept.")
        spec.input("parent_folder", valid_type=orm.RemoteData, required=False, help="A wavefunction to start from.")
        spec.input("lattice", valid_type=orm.Dict, help="See `qdsim.workflows.documents.Lattice`.")
        spec.input("settings", valid_type=orm.Dict, help="See `qdsim.analysis.relaxation.RelaxationSettings`.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="The relaxed structure.")
        spec.output("results", valid_type=orm.Dict, required=False, help="See `qdsim.analysis.phase.Phase`.")
        spec.output("path", valid_type=orm.Dict, required=False, help="See `RelaxationPath`.")
        spec.output("remote_folder", valid_type=orm.RemoteData, required=False, help="The last single point's.")
        spec.outline(cls.setup, while_(cls.is_unfinished)(cls.run_cp2k, cls.inspect_cp2k), cls.finish)
        spec.exit_code(420, "ERROR_SINGLE_POINT_FAILED", message="Step {step}: {reason}")
        spec.exit_code(421, "ERROR_NOT_CONVERGED", message="Not converged in the steps allowed: {reason}")
        spec.exit_code(422, "ERROR_UNBOUND", message="{reason}")

    def setup(self) -> None:
        """Start at the given structure."""
        self.ctx.structure = self.inputs.structure
        self.ctx.parent = self.inputs.get("parent_folder")
        self.ctx.path = None
        self.ctx.step = 0

    def is_unfinished(self) -> bool:
        """Return whether another single point is needed."""
        return self.ctx.path is None or self.ctx.path["decision"]["status"] == "continue"

    def run_cp2k(self) -> None:
        """Compute the current state."""
        self.ctx.step += 1
        inputs = cp2k_inputs(self.inputs, self.ctx.structure, self.ctx.parent)
        inputs["metadata"] = {"call_link_label": f"step_{self.ctx.step:02d}"}
        self.to_context(child=self.submit(Cp2kWorkChain, **inputs))

    def inspect_cp2k(self) -> ExitCode | None:
        """Let the path decide what comes next."""
        child = self.ctx.child
        if not child.is_finished_ok:
            if self.ctx.path is not None:
                self.out("path", self.ctx.path)
            return self.exit_codes.ERROR_SINGLE_POINT_FAILED.format(step=self.ctx.step, reason=failure_of(child))
        inputs = {"path": self.ctx.path} if self.ctx.path is not None else {}
        outcome = advance(
            structure=self.ctx.structure,
            lattice=self.inputs.lattice,
            settings=self.inputs.settings,
            output_parameters=child.outputs.output_parameters,
            output_arrays=child.outputs.output_arrays,
            **inputs,
        )
        self.ctx.path = outcome["path"]
        self.ctx.structure = outcome.get("structure", self.ctx.structure)
        self.ctx.parent = child.outputs.remote_folder
        self.report(f"Step {self.ctx.step}: {self.ctx.path['decision']['message']}")
        return None

    def finish(self) -> ExitCode | None:
        """Hand out the relaxed state, or only the path with the reason why there is none."""
        self.out("path", self.ctx.path)
        decision = self.ctx.path["decision"]
        if decision["status"] == "unbound":
            return self.exit_codes.ERROR_UNBOUND.format(reason=decision["message"])
        if decision["status"] != "converged":
            return self.exit_codes.ERROR_NOT_CONVERGED.format(reason=decision["message"])
        outputs = self.ctx.child.outputs
        self.out("structure", self.ctx.structure)
        self.out("remote_folder", outputs.remote_folder)
        self.out(
            "results",
            describe(self.ctx.structure, self.inputs.lattice, outputs.output_parameters, self.ctx.path),
        )
        return None


class FixedCellRelaxWorkChain(SubmitOnce):
    """Relax the atoms of any cell, held fixed, by CP2K's own optimiser; the inputs ask for `GEO_OPT`."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure",))
        spec.input("cp2k.parameters", valid_type=orm.Dict, validator=_must_optimise_geometry)
        spec.input("structure", valid_type=orm.StructureData)
        spec.expose_outputs(Cp2kWorkChain, include=("output_parameters", "output_arrays", "remote_folder"))
        spec.output("structure", valid_type=orm.StructureData, required=False, help="The relaxed structure.")
        spec.outline(cls.run_cp2k, cls.finish)
        spec.exit_code(420, "ERROR_OPTIMISATION_FAILED", message="{reason}")

    def run_cp2k(self) -> None:
        """Run the optimisation, restarted as often as it needs."""
        inputs = cp2k_inputs(self.inputs, self.inputs.structure)
        inputs["metadata"] = {"call_link_label": "optimisation"}
        self.to_context(child=self.submit(Cp2kWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Hand out the relaxed structure."""
        child = self.ctx.child
        if not child.is_finished_ok:
            return self.exit_codes.ERROR_OPTIMISATION_FAILED.format(reason=failure_of(child))
        self.out_many(self.exposed_outputs(child, Cp2kWorkChain))
        self.out("structure", child.outputs.output_structure)
        return None


def _must_optimise_geometry(parameters: orm.Dict | None, _: Any) -> str | None:
    if parameters is not None and parameters.get_dict().get("GLOBAL", {}).get("RUN_TYPE") != "GEO_OPT":
        return "GLOBAL/RUN_TYPE must be GEO_OPT to relax the atoms of a fixed cell"
    return None
