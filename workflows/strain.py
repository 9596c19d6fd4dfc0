"""A strain series: the equation of state of the centred phase, then both phases at every strain."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.equation_of_state import MINIMUM_POINTS, EquationOfState, fit_birch_murnaghan
from qdsim.analysis.ferroelectric import ComputedStrain, Phase, summarise_strain
from qdsim.analysis.phase import describe_phase
from qdsim.analysis.strain import strained_volume
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState
from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs, failure_of
from qdsim.workflows.documents import Lattice, RelaxationPath, StrainSettings, strain_label
from qdsim.workflows.relax import (
    RhombohedralRelaxWorkChain,
    relaxation_step,
    structure_of,
)
from qdsim.workflows.submission import SubmitOnce


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
def summarise_point(lattice: orm.Dict, **computed: Any) -> orm.Dict:
    """Join what was computed at one strain: see :class:`qdsim.analysis.ferroelectric.ComputedStrain`."""
    cation = lattice["cation"]
    structures = {role: node for role, node in computed.items() if isinstance(node, orm.StructureData)}
    found: dict[str, Any] = {
        "volume": RhombohedralState.from_atoms(next(iter(structures.values())).get_ase(), cation).volume
    }
    if "centred_output" in computed:
        atoms = structures["centred"].get_ase()
        found["centred"] = describe_phase(atoms, cation, computed["centred_output"].get_dict())
    if "phase" in computed:
        found["relaxed"] = Phase(**computed["phase"].get_dict())
    if "path" in computed:
        found["path"] = RelaxationPath(**computed["path"].get_dict()).steps
    found["wells"] = [
        relaxation_step(structures[role], lattice, computed[f"{role}_output"], computed[f"{role}_arrays"])
        for role in sorted(structures)
        if role.startswith("well") and f"{role}_output" in computed
    ]
    return orm.Dict(ComputedStrain(label="", **found).model_dump(mode="json"))


@calcfunction
def summarise(lattice: orm.Dict, settings: orm.Dict, equation_of_state: orm.Dict, **points: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.ferroelectric.summarise_strain`."""
    wanted = StrainSettings(**settings.get_dict())
    labels = [strain_label(wanted.quantity, value) for value in wanted.values]
    computed = [ComputedStrain(**{**points[label].get_dict(), "label": label}) for label in labels if label in points]
    eos = EquationOfState(**equation_of_state.get_dict())
    results = summarise_strain(lattice["compound"], wanted.protocol, eos, computed)
    return orm.Dict(results.model_dump(mode="json"))


class StrainPointWorkChain(SubmitOnce):
    """Compute the centred phase, the double well and the relaxed phase at one strain.

    The relaxation comes first: it is a sequence, and what can run side by side fills the slots that it leaves.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(RhombohedralRelaxWorkChain, exclude=("structure",))
        spec.input_namespace(
            "structures",
            valid_type=orm.StructureData,
            dynamic=True,
            help="`relaxed` (its start), `centred`, `well_0`.",
        )
        spec.output("results", valid_type=orm.Dict, help="See `qdsim.analysis.ferroelectric.ComputedStrain`.")
        spec.output("relaxed", valid_type=orm.StructureData, required=False, help="The relaxed structure.")
        spec.outline(cls.run_relaxation, cls.run_single_points, cls.finish)
        spec.exit_code(432, "ERROR_CALCULATIONS_FAILED", message="{reasons}")

    def run_relaxation(self) -> None:
        """Submit the relaxation."""
        inputs = self.exposed_inputs(RhombohedralRelaxWorkChain)
        inputs["structure"] = self.inputs.structures["relaxed"]
        inputs["metadata"] = {"call_link_label": "relaxed"}
        self.to_context(relaxed=self.submit(RhombohedralRelaxWorkChain, **inputs))

    def run_single_points(self) -> None:
        """Submit the centred phase and the double well."""
        for role, structure in self.inputs.structures.items():
            if role != "relaxed":
                inputs = cp2k_inputs(self.inputs, structure)
                inputs["metadata"] = {"call_link_label": role}
                self.to_context(**{role: self.submit(Cp2kWorkChain, **inputs)})

    def finish(self) -> ExitCode | None:
        """Hand out what there is, and say what failed."""
        computed: dict[str, Any] = dict(self.inputs.structures)
        failures = []
        for role in self.inputs.structures:
            process = self.ctx[role]
            names = {"results": "phase", "path": "path"} if role == "relaxed" else {}
            if process.is_finished_ok:
                names |= {"output_parameters": f"{role}_output"} if role != "relaxed" else {}
                names |= {"output_arrays": f"{role}_arrays"} if role.startswith("well") else {}
            else:
                failures.append(f"{role}: {failure_of(process)}")
            computed |= {name: process.outputs[key] for key, name in names.items() if key in process.outputs}
        self.out("results", summarise_point(self.inputs.lattice, **computed))
        if self.ctx.relaxed.is_finished_ok:
            self.out("relaxed", self.ctx.relaxed.outputs.structure)
        if failures:
            return self.exit_codes.ERROR_CALCULATIONS_FAILED.format(reasons=" ".join(failures))
        return None


class StrainWorkChain(SubmitOnce):
    """Strain a rock-salt crystal hydrostatically and follow its centred and its off-centred phase.

    The k-mesh and the real-space grid are those of the shared `cp2k.parameters` throughout, so that energies can be
    compared. The strains run side by side once the equation of state has given the reference volume.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parent_calc_folder"))
        spec.input("lattice", valid_type=orm.Dict, help="See `qdsim.workflows.documents.Lattice`.")
        spec.input("settings", valid_type=orm.Dict, help="See `qdsim.workflows.documents.StrainSettings`.")
        spec.input("relaxation", valid_type=orm.Dict, help="See `qdsim.analysis.relaxation.RelaxationSettings`.")
        spec.output("equation_of_state", valid_type=orm.Dict, required=False, help="See `EquationOfState`.")
        spec.output("results", valid_type=orm.Dict, required=False, help="See `StrainResults`.")
        spec.output_namespace("structures", dynamic=True, help="`centred` and `relaxed`, under each strain's label.")
        spec.outline(cls.run_equation_of_state, cls.inspect_equation_of_state, cls.run_strains, cls.finish)
        spec.exit_code(430, "ERROR_NO_EQUATION_OF_STATE", message="No equation of state: {reason}")
        spec.exit_code(431, "ERROR_SOME_POINTS_FAILED", message="{count} of {total} points failed: {reasons}")

    def run_equation_of_state(self) -> None:
        """Submit the centred phase at every volume."""
        self.ctx.volumes = equation_of_state_structures(self.inputs.lattice, self.inputs.settings)
        for label, structure in self.ctx.volumes.items():
            inputs = cp2k_inputs(self.inputs, structure)
            inputs["metadata"] = {"call_link_label": label}
            self.to_context(**{label: self.submit(Cp2kWorkChain, **inputs)})

    def inspect_equation_of_state(self) -> ExitCode | None:
        """Fit what has been computed."""
        computed: dict[str, orm.Data] = {}
        self.ctx.failures = []
        for label, structure in self.ctx.volumes.items():
            process = self.ctx[label]
            if process.is_finished_ok:
                computed |= {label: structure, f"{label}_output": process.outputs.output_parameters}
            else:
                self.ctx.failures.append(f"{label}: {failure_of(process)}")
        if len(computed) // 2 < MINIMUM_POINTS:
            return self.exit_codes.ERROR_NO_EQUATION_OF_STATE.format(reason=" ".join(self.ctx.failures))
        fitted, process = fit_equation_of_state.run_get_node(lattice=self.inputs.lattice, **computed)
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_NO_EQUATION_OF_STATE.format(reason=process.exit_message)
        self.ctx.equation_of_state = fitted
        self.out("equation_of_state", fitted)
        return None

    def run_strains(self) -> None:
        """Submit every strain, the most stretched first: their relaxations have the furthest to go."""
        structures = strain_structures(self.inputs.lattice, self.inputs.settings, self.ctx.equation_of_state)
        self.ctx.points = {}
        for label, structure in structures.items():
            point, _, role = label.partition("__")
            self.ctx.points.setdefault(point, {})[role] = structure
        most_stretched_first = sorted(
            self.ctx.points.items(), key=lambda point: point[1]["centred"].get_cell_volume(), reverse=True
        )
        for point, roles in most_stretched_first:
            inputs = {
                **self.exposed_inputs(Cp2kWorkChain),
                "structures": roles,
                "lattice": self.inputs.lattice,
                "settings": self.inputs.relaxation,
                "metadata": {"call_link_label": point},
            }
            self.to_context(**{point: self.submit(StrainPointWorkChain, **inputs)})

    def finish(self) -> ExitCode | None:
        """Summarise what has been computed, and say what has not."""
        points, structures, failures = {}, {}, list(self.ctx.failures)
        for label, roles in self.ctx.points.items():
            process = self.ctx[label]
            if not process.is_finished_ok:
                failures.append(f"{label}: {failure_of(process)}")
            if "results" in process.outputs:
                points[label] = process.outputs.results
            structures[label] = {"centred": roles["centred"]}
            if "relaxed" in process.outputs:
                structures[label]["relaxed"] = process.outputs.relaxed
        self.out("structures", structures)
        if points:
            inputs = (self.inputs.lattice, self.inputs.settings, self.ctx.equation_of_state)
            self.out("results", summarise(*inputs, **points))
        if failures:
            total = len(self.ctx.volumes) + len(self.ctx.points)
            reasons = " ".join(failures)
            return self.exit_codes.ERROR_SOME_POINTS_FAILED.format(count=len(failures), total=total, reasons=reasons)
        return None
