"""A strain series: the equation of state of the centred phase, then both phases at every strain."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, WorkChain, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.analysis.ferroelectric import Phase, summarise_strain
from qdsim.analysis.relaxation import RelaxationStep
from qdsim.analysis.strain import strained_volume
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState
from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs, failure_of
from qdsim.workflows.documents import Lattice, RelaxationPath, StrainSettings, strain_label
from qdsim.workflows.relax import (
    RhombohedralRelaxWorkChain,
    describe,
    relaxation_step,
    structure_of,
)

SMALLEST_EQUATION_OF_STATE = 5


@calcfunction
def equation_of_state_structures(lattice: orm.Dict, settings: orm.Dict) -> dict[str, orm.StructureData]:
    """Make the centred cell at each volume of the equation of state."""
    series = Lattice(**lattice.get_dict())
    return {
        task.label: structure_of(RhombohedralState(task.value), series)
        for task in StrainSettings(**settings.get_dict()).tasks()
        if task.part == "equation_of_state"
    }


@calcfunction
def fit_equation_of_state(lattice: orm.Dict, **computed: Any) -> orm.Dict | ExitCode:
    """Wrap :func:`qdsim.analysis.equation_of_state.fit_birch_murnaghan`; structures and energies come in pairs."""
    cation = lattice["cation"]
    volumes, energies = [], []
    for label in sorted(key for key in computed if not key.endswith("_output")):
        atoms = computed[label].get_ase()
        formula_units = int((atoms.symbols == cation).sum())
        volumes.append(atoms.get_volume() / formula_units)
        energies.append(computed[f"{label}_output"]["energy"] / formula_units)
    try:
        return orm.Dict(fit_birch_murnaghan(volumes, energies).model_dump(mode="json"))
    except QdsimError as error:
        return ExitCode(StrainWorkChain.exit_codes.ERROR_NO_EQUATION_OF_STATE.status, str(error))


@calcfunction
def strain_structures(
    lattice: orm.Dict, settings: orm.Dict, equation_of_state: orm.Dict
) -> dict[str, orm.StructureData]:
    """Make the cell of each calculation at the strains; of a relaxation, its start."""
    series = Lattice(**lattice.get_dict())
    wanted = StrainSettings(**settings.get_dict())
    eos = EquationOfState(**equation_of_state.get_dict())
    return {
        task.label: structure_of(
            RhombohedralState(strained_volume(wanted.quantity, task.value, eos), offset=task.offset), series
        )
        for task in wanted.tasks()
        if task.part == "strain"
    }


@calcfunction
def well_point(
    structure: orm.StructureData, lattice: orm.Dict, output_parameters: orm.Dict, output_arrays: orm.ArrayData
) -> orm.Dict:
    """Express a single point as a step in alpha_rh and offset."""
    step = relaxation_step(structure, lattice, output_parameters, output_arrays)
    return orm.Dict(step.model_dump(mode="json"))


@calcfunction
def summarise(lattice: orm.Dict, settings: orm.Dict, equation_of_state: orm.Dict, **computed: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.ferroelectric.summarise_strain`; what failed is absent from `computed`."""
    wanted = StrainSettings(**settings.get_dict())
    eos = EquationOfState(**equation_of_state.get_dict())
    points = []
    for value in wanted.values:
        label = strain_label(wanted.quantity, value)
        own = {key.removeprefix(f"{label}__"): node for key, node in computed.items() if key.startswith(f"{label}__")}
        points.append(
            {
                "label": label,
                "volume": strained_volume(wanted.quantity, value, eos),
                "centred": Phase(**own["centred"].get_dict()) if "centred" in own else None,
                "relaxed": Phase(**own["relaxed"].get_dict()) if "relaxed" in own else None,
                "wells": [RelaxationStep(**own[key].get_dict()) for key in sorted(own) if key.startswith("well_")],
                "path": RelaxationPath(**own["path"].get_dict()).steps if "path" in own else (),
            }
        )
    results = summarise_strain(lattice["compound"], wanted.protocol, eos, points)
    return orm.Dict(results.model_dump(mode="json"))


class StrainWorkChain(WorkChain):
    """Strain a rock-salt crystal hydrostatically and follow its centred and its off-centred phase.

    The k-mesh and the real-space grid are those of the shared `cp2k.parameters` throughout, so that energies can be
    compared. Everything at the strains runs side by side once the equation of state has given the reference volume.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parent_calc_folder", "clean_workdir"))
        spec.input("lattice", valid_type=orm.Dict, help="See `qdsim.workflows.documents.Lattice`.")
        spec.input("settings", valid_type=orm.Dict, help="See `qdsim.workflows.documents.StrainSettings`.")
        spec.input("relaxation", valid_type=orm.Dict, help="See `qdsim.analysis.relaxation.RelaxationSettings`.")
        spec.output("equation_of_state", valid_type=orm.Dict, required=False, help="See `EquationOfState`.")
        spec.output("results", valid_type=orm.Dict, required=False, help="See `StrainResults`.")
        spec.output_namespace("structures", valid_type=orm.StructureData, dynamic=True, help="Both phases, by strain.")
        spec.outline(
            cls.run_equation_of_state,
            cls.inspect_equation_of_state,
            cls.run_strains,
            cls.finish,
        )
        spec.exit_code(430, "ERROR_NO_EQUATION_OF_STATE", message="No equation of state: {reason}")
        spec.exit_code(431, "ERROR_SOME_POINTS_FAILED", message="{count} of {total} calculations failed: {reasons}")

    def _single_point(self, label: str, structure: orm.StructureData) -> None:
        inputs = cp2k_inputs(self.inputs, structure)
        inputs["metadata"] = {"call_link_label": label}
        self.to_context(**{label: self.submit(Cp2kWorkChain, **inputs)})

    def run_equation_of_state(self) -> None:
        """Submit the centred phase at every volume."""
        self.ctx.volumes = equation_of_state_structures(self.inputs.lattice, self.inputs.settings)
        for label, structure in self.ctx.volumes.items():
            self._single_point(label, structure)

    def inspect_equation_of_state(self) -> ExitCode | None:
        """Fit what has been computed."""
        computed: dict[str, orm.Data] = {}
        failures = []
        for label, structure in self.ctx.volumes.items():
            process = self.ctx[label]
            if process.is_finished_ok:
                computed |= {label: structure, f"{label}_output": process.outputs.output_parameters}
            else:
                failures.append(failure_of(process))
        self.ctx.failures = failures
        if len(computed) // 2 < SMALLEST_EQUATION_OF_STATE:
            return self.exit_codes.ERROR_NO_EQUATION_OF_STATE.format(reason=" ".join(failures))
        fitted, process = fit_equation_of_state.run_get_node(lattice=self.inputs.lattice, **computed)
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_NO_EQUATION_OF_STATE.format(reason=process.exit_message)
        self.ctx.equation_of_state = fitted
        self.out("equation_of_state", fitted)
        return None

    def run_strains(self) -> None:
        """Submit both phases at every strain."""
        self.ctx.structures = strain_structures(self.inputs.lattice, self.inputs.settings, self.ctx.equation_of_state)
        for label, structure in self.ctx.structures.items():
            if label.endswith("__relaxed"):
                self._relaxation(label, structure)
            else:
                self._single_point(label, structure)

    def _relaxation(self, label: str, start: orm.StructureData) -> None:
        inputs = {
            **self.exposed_inputs(Cp2kWorkChain),
            "structure": start,
            "lattice": self.inputs.lattice,
            "settings": self.inputs.relaxation,
            "metadata": {"call_link_label": label},
        }
        self.to_context(**{label: self.submit(RhombohedralRelaxWorkChain, **inputs)})

    def finish(self) -> ExitCode | None:
        """Summarise what has been computed, and say what has not."""
        computed: dict[str, orm.Dict] = {}
        relaxed: dict[str, orm.StructureData] = {}
        failures = list(self.ctx.failures)
        for label in self.ctx.structures:
            process = self.ctx[label]
            if not process.is_finished_ok:
                failures.append(failure_of(process))
            computed |= self._outcome(label, process)
            if label.endswith("__relaxed") and process.is_finished_ok:
                relaxed[label] = process.outputs.structure
        self.out(
            "results",
            summarise(self.inputs.lattice, self.inputs.settings, self.ctx.equation_of_state, **computed),
        )
        centred = {label: node for label, node in self.ctx.structures.items() if label.endswith("__centred")}
        self.out("structures", {**centred, **relaxed})
        if failures:
            total = len(self.ctx.volumes) + len(self.ctx.structures)
            reasons = " ".join(failures)
            return self.exit_codes.ERROR_SOME_POINTS_FAILED.format(count=len(failures), total=total, reasons=reasons)
        return None

    def _outcome(self, name: str, process: orm.ProcessNode) -> dict[str, Any]:
        """Return the documents of one calculation: a failed relaxation still has its path."""
        outputs = process.outputs
        if name.endswith("__relaxed"):
            found = {"relaxed": outputs.results} if process.is_finished_ok else {}
            path = {"path": outputs.path} if "path" in outputs else {}
            return {name.replace("__relaxed", f"__{role}"): node for role, node in {**found, **path}.items()}
        if not process.is_finished_ok:
            return {}
        structure, lattice = self.ctx.structures[name], self.inputs.lattice
        if name.endswith("__centred"):
            return {name: describe(structure, lattice, outputs.output_parameters)}
        return {name: well_point(structure, lattice, outputs.output_parameters, outputs.output_arrays)}
