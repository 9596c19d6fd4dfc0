"""Dipole moments of clusters: each particle undistorted and with its cations shifted, alone in its cell."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.dipole_analysis import DipoleModels, Target, analyse_dipoles
from qdsim.analysis.dipole_results import ClusterState, DipoleResults
from qdsim.analysis.dipole_states import describe_cluster
from qdsim.cp2k.remedies import uses_smearing
from qdsim.structures import RhombohedralState
from qdsim.structures.isolation import isolate
from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from qdsim.workflows.dipole_documents import DipoleSettings, make_cluster, planned_states
from qdsim.workflows.isolated_cluster import IsolatedClusterWorkChain
from qdsim.workflows.patterns import compute_pattern
from qdsim.workflows.submission import SubmitOnce


@calcfunction
def cluster_structures(settings: orm.Dict, **crystal: orm.StructureData) -> dict[str, orm.StructureData]:
    """Cut every particle from the crystal, in each state of its lattice, and put it into its cell."""
    wanted = DipoleSettings(**settings.get_dict())
    volume, alpha = _lattice(wanted, **crystal)
    clusters = {one.label: make_cluster(wanted.cation, wanted.anion, one, volume) for one in wanted.particles}
    boxes = {one.label: one.box for one in wanted.particles}
    found = {}
    for task in planned_states(wanted.model_copy(update={"alpha_rh": alpha})):
        state = RhombohedralState(volume, task.alpha_rh, task.pb_offset)
        atoms = clusters[task.particle].with_state(state).to_atoms()
        found[task.label] = orm.StructureData(ase=isolate(atoms, boxes[task.particle]))
    return found


@calcfunction
def summarise_dipoles(settings: orm.Dict, **nodes: Any) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.dipole_states.describe_cluster` for every cluster."""
    wanted = DipoleSettings(**settings.get_dict())
    volume, alpha = _lattice(wanted, **{name: node for name, node in nodes.items() if name == "crystal"})
    particles = {one.label: one for one in wanted.particles}
    clusters: list[ClusterState] = []
    for task in planned_states(wanted.model_copy(update={"alpha_rh": alpha})):
        particle = particles[task.particle]
        clusters.append(
            describe_cluster(
                task.label,
                task.particle,
                particle.diameter,
                make_cluster(wanted.cation, wanted.anion, particle, volume),
                RhombohedralState(volume, task.alpha_rh, task.pb_offset),
                *_computed(task.label, nodes),
                box=particle.box,
                solver=particle.solver,
                reference_point=particle.reference_point,
                relaxed=wanted.relax,
            )
        )
    results = DipoleResults(
        compound=wanted.compound,
        cation=wanted.cation,
        anion=wanted.anion,
        protocol=wanted.protocol,
        clusters=tuple(clusters),
    )
    return orm.Dict(results.model_dump(mode="json"))


@calcfunction
def analyse(models: orm.Dict, results: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.dipole_analysis.analyse_dipoles`; `models` may hold a `target`."""
    given = models.get_dict()
    target = given.pop("target", None)
    analysis = analyse_dipoles(
        DipoleResults(**results.get_dict()), DipoleModels(**given), None if target is None else Target(**target)
    )
    return orm.Dict(analysis.model_dump(mode="json"))


def _computed(label: str, nodes: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """Return what CP2K said of a cluster, its dipole with it, and whether its occupations were smeared."""
    if label not in nodes:
        return None, False
    output = nodes[label].get_dict() | {"dipole": nodes[f"{label}__arrays"].get_array("dipole").tolist()}
    return output, uses_smearing(nodes[f"{label}__parameters"].get_dict())


def _lattice(settings: DipoleSettings, crystal: orm.StructureData | None = None) -> tuple[float, float]:
    """Return volume (Å^3 per formula unit) and angle (degrees): those of the given crystal, if there is one."""
    if crystal is None:
        return settings.volume, settings.alpha_rh
    state = RhombohedralState.from_atoms(crystal.get_ase(), settings.cation)
    return state.volume, state.alpha


class DipoleWorkChain(SubmitOnce):
    """Compute the dipole moments of a series of clusters; one that fails leaves the others."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parameters", "cp2k.parent_calc_folder"))
        spec.input_namespace(
            "parameters",
            dynamic=True,
            help="By particle: `single_point`; `coarse` or `relaxation` before it.",
        )
        spec.input("settings", valid_type=orm.Dict, help="See `DipoleSettings`.")
        spec.input("models", valid_type=orm.Dict, help="See `qdsim.analysis.dipole_analysis.DipoleModels`.")
        spec.input("pattern_settings", valid_type=orm.Dict, help="See `qdsim.workflows.documents.PatternSettings`.")
        spec.input("crystal", valid_type=orm.StructureData, required=False, help="That the particles are cut from.")
        spec.output("results", valid_type=orm.Dict, help="See `qdsim.analysis.dipole_results.DipoleResults`.")
        spec.output("analysis", valid_type=orm.Dict, help="See `qdsim.analysis.dipole_analysis.DipoleAnalysis`.")
        spec.output_namespace("structures", valid_type=orm.StructureData, dynamic=True, help="The clusters, by label.")
        spec.output_namespace("patterns", valid_type=orm.XyData, dynamic=True, help="What they scatter, by label.")
        spec.outline(cls.run_clusters, cls.finish)
        spec.exit_code(450, "ERROR_CLUSTERS_FAILED", message="{count} of {total} clusters failed: {reasons}")

    @property
    def _crystal(self) -> dict[str, orm.StructureData]:
        return {"crystal": self.inputs.crystal} if "crystal" in self.inputs else {}

    def run_clusters(self) -> None:
        """Submit every cluster."""
        self.ctx.structures = cluster_structures(self.inputs.settings, **self._crystal)
        for label, structure in self.ctx.structures.items():
            particle = label.split("__")[0]
            inputs = {
                **self.exposed_inputs(Cp2kWorkChain),
                **self.inputs.parameters[particle],
                "structure": structure,
                "metadata": {"call_link_label": label},
            }
            self.to_context(**{label: self.submit(IsolatedClusterWorkChain, **inputs)})

    def finish(self) -> ExitCode | None:
        """Join what has been computed, and say what has not."""
        done: dict[str, orm.Data] = {}
        structures, failures = {}, []
        for label, structure in self.ctx.structures.items():
            process = self.ctx[label]
            structures[label] = process.outputs.structure if "structure" in process.outputs else structure
            if process.is_finished_ok:
                done[label] = process.outputs.output_parameters
                done[f"{label}__arrays"] = process.outputs.output_arrays
                done[f"{label}__parameters"] = process.outputs.parameters
            else:
                failures.append(f"{label}: {failure_of(process)}")
        self.out("structures", structures)
        for label, structure in structures.items():
            scattered = self.run_once(
                compute_pattern, f"pattern_{label}", structure=structure, settings=self.inputs.pattern_settings
            )
            self.out(f"patterns.{label}", scattered.outputs.result)
        results = summarise_dipoles(self.inputs.settings, **self._crystal, **done)
        self.out("results", results)
        self.out("analysis", analyse(self.inputs.models, results))
        if failures:
            return self.exit_codes.ERROR_CLUSTERS_FAILED.format(
                count=len(failures), total=len(self.ctx.structures), reasons=" ".join(failures)
            )
        return None
