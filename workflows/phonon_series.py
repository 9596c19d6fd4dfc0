"""The lattice dynamics of a series of crystals."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.phonon_analysis import PhononResults, analyse_phonons
from qdsim.analysis.phonon_results import PhononState
from qdsim.analysis.strain_results import StrainResults
from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of
from qdsim.workflows.phonon import FINITE_FIELD, PhononWorkChain
from qdsim.workflows.phonon_documents import PhononSeriesSettings
from qdsim.workflows.submission import SubmitOnce


@calcfunction
def crystal_structures(settings: orm.Dict, phonons: orm.Dict) -> dict[str, orm.StructureData]:
    """Make the primitive cell of each crystal that no structure is given of."""
    wanted = PhononSeriesSettings(**settings.get_dict())
    cation, anion = phonons["cation"], phonons["anion"]
    return {
        one.label: orm.StructureData(ase=one.state.to_atoms(cation, anion))
        for one in wanted.crystals
        if not one.crystal
    }


@calcfunction
def summarise_phonons(settings: orm.Dict, phonons: orm.Dict, **states: orm.Dict) -> orm.Dict:
    """Join what was computed of each crystal: see `PhononResults`."""
    wanted = PhononSeriesSettings(**settings.get_dict())
    results = PhononResults(
        compound=wanted.compound,
        cation=phonons["cation"],
        anion=phonons["anion"],
        protocol=wanted.protocol,
        states=tuple(
            PhononState(**{**states[one.label].get_dict(), "label": one.label})
            for one in wanted.crystals
            if one.label in states
        ),
    )
    return orm.Dict(results.model_dump(mode="json"))


@calcfunction
def analyse(settings: orm.Dict, results: orm.Dict, strain: orm.Dict | None = None) -> orm.Dict:
    """Wrap :func:`qdsim.analysis.phonon_analysis.analyse_phonons`."""
    analysis = analyse_phonons(
        PhononResults(**results.get_dict()),
        None if strain is None else StrainResults(**strain.get_dict()),
        PhononSeriesSettings(**settings.get_dict()).temperature,
    )
    return orm.Dict(analysis.model_dump(mode="json"))


class PhononSeriesWorkChain(SubmitOnce):
    """Compute the phonons of several crystals side by side; one that fails leaves the others."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parent_calc_folder"))
        spec.input("settings", valid_type=orm.Dict, help="See `PhononSeriesSettings`.")
        spec.input("phonons", valid_type=orm.Dict, help="See `qdsim.analysis.phonon_results.PhononSettings`.")
        spec.input_namespace(
            "crystals", valid_type=orm.StructureData, dynamic=True, required=False, help="Given crystals, by label."
        )
        spec.expose_inputs(PhononWorkChain, include=(FINITE_FIELD,))
        spec.input("strain", valid_type=orm.Dict, required=False, help="To compare with; see `StrainResults`.")
        spec.output("results", valid_type=orm.Dict, help="See `qdsim.analysis.phonon_analysis.PhononResults`.")
        spec.output("analysis", valid_type=orm.Dict, help="See `qdsim.analysis.phonon_analysis.PhononAnalysis`.")
        spec.output_namespace(
            "parameter_files", valid_type=orm.SinglefileData, dynamic=True, help="phonopy_params.yaml, by label."
        )
        spec.outline(cls.run_crystals, cls.finish)
        spec.exit_code(
            464, "ERROR_CRYSTALS_FAILED", message="{count} of {total} crystals failed or lack something: {reasons}"
        )

    def run_crystals(self) -> None:
        """Submit every crystal."""
        wanted = PhononSeriesSettings(**self.inputs.settings.get_dict())
        planned = [one for one in wanted.crystals if not one.crystal]
        made = crystal_structures(self.inputs.settings, self.inputs.phonons) if planned else {}
        crystals = {**self.inputs.get("crystals", {}), **made}
        self.ctx.labels = [one.label for one in wanted.crystals]
        for label in self.ctx.labels:
            if label in crystals:
                inputs = {
                    **self.exposed_inputs(Cp2kWorkChain),
                    "crystal": crystals[label],
                    "phonons": self.inputs.phonons,
                    "metadata": {"call_link_label": label},
                }
                if self.inputs.get(FINITE_FIELD):
                    inputs[FINITE_FIELD] = self.inputs[FINITE_FIELD]
                self.to_context(**{label: self.submit(PhononWorkChain, **inputs)})

    def finish(self) -> ExitCode | None:
        """Join what has been computed, and say what has not."""
        states: dict[str, orm.Dict] = {}
        files, failures = {}, []
        for label in self.ctx.labels:
            if label not in self.ctx:
                failures.append(f"{label}: the strain series has no crystal for it.")
                continue
            process = self.ctx[label]
            if "results" in process.outputs:
                states[label] = process.outputs.results
                files[label] = process.outputs.parameter_file
            if not process.is_finished_ok:
                failures.append(f"{label}: {failure_of(process)}")
        self.out("parameter_files", files)
        results = summarise_phonons(self.inputs.settings, self.inputs.phonons, **states)
        self.out("results", results)
        compared: dict[str, Any] = {"strain": self.inputs.strain} if "strain" in self.inputs else {}
        self.out("analysis", analyse(self.inputs.settings, results, **compared))
        if failures:
            return self.exit_codes.ERROR_CRYSTALS_FAILED.format(
                count=len(failures), total=len(self.ctx.labels), reasons=" ".join(failures)
            )
        return None
