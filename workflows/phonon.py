"""The lattice dynamics of one crystal: forces of displaced supercells, and everything that follows from them."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.phonon_results import Nonanalytic, PhononSettings
from qdsim.analysis.phonons import check_relaxed, describe_phonons, displaced_supercells
from qdsim.errors import QdsimError
from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs, failure_of
from qdsim.workflows.finite_field import FiniteFieldWorkChain
from qdsim.workflows.submission import SubmitOnce

UNDISPLACED, FINITE_FIELD = "undisplaced", "finite_field"
PARAMETER_FILE = "phonopy_params.yaml"
UNUSABLE = 463


@calcfunction
def phonon_structures(crystal: orm.StructureData, phonons: orm.Dict) -> dict[str, orm.StructureData]:
    """Wrap :func:`qdsim.analysis.phonons.displaced_supercells`."""
    at_rest, moved = displaced_supercells(crystal.get_ase(), PhononSettings(**phonons.get_dict()))
    found = {UNDISPLACED: at_rest, **{f"displaced_{i:02d}": one for i, one in enumerate(moved)}}
    return {label: orm.StructureData(ase=atoms) for label, atoms in found.items()}


@calcfunction
def analyse_forces(
    crystal: orm.StructureData, phonons: orm.Dict, nonanalytic: orm.Dict | None = None, **forces: orm.ArrayData
) -> dict[str, orm.Data] | ExitCode:
    """Wrap :func:`qdsim.analysis.phonons.describe_phonons`.

    `forces` are CP2K's arrays of every supercell, and `nonanalytic` takes the place of what the settings give.
    """
    settings = PhononSettings(**phonons.get_dict())
    if nonanalytic is not None:
        settings = settings.model_copy(update={"nonanalytic": Nonanalytic(**nonanalytic.get_dict())})
    arrays = {name: node.get_array("forces") for name, node in forces.items()}
    residual = arrays.pop(UNDISPLACED)
    try:
        state, text = describe_phonons(
            crystal.get_ase(),
            settings,
            residual,
            [arrays[name] for name in sorted(arrays)],
        )
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    return {
        "results": orm.Dict(state.model_dump(mode="json")),
        "parameter_file": orm.SinglefileData.from_string(text, filename=PARAMETER_FILE),
    }


class PhononWorkChain(SubmitOnce):
    """Compute the forces of a crystal's displaced supercells side by side, once it has proved to be relaxed.

    Beside them, where that is asked for, its Born charges: their failure leaves the phonons without the splitting of
    longitudinal modes, and with an exit code.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parent_calc_folder"))
        spec.input("crystal", valid_type=orm.StructureData, help="Any cell of the relaxed crystal.")
        spec.input("phonons", valid_type=orm.Dict, help="See `qdsim.analysis.phonon_results.PhononSettings`.")
        spec.input_namespace(
            FINITE_FIELD,
            required=False,
            help="To compute Born charges: `parameters` of CP2K in a field, and `settings`, see `FiniteFieldSettings`.",
        )
        for name in ("parameters", "settings"):
            spec.input(f"{FINITE_FIELD}.{name}", valid_type=orm.Dict)
        spec.output("results", valid_type=orm.Dict, required=False, help="See `PhononState`.")
        spec.output("parameter_file", valid_type=orm.SinglefileData, required=False, help="phonopy_params.yaml.")
        spec.outline(cls.run_undisplaced, cls.run_displaced, cls.finish)
        spec.exit_code(461, "ERROR_CRYSTAL_FAILED", message="The crystal itself: {reason}")
        spec.exit_code(462, "ERROR_DISPLACEMENTS_FAILED", message="{count} of {total} displacements failed: {reasons}")
        spec.exit_code(465, "ERROR_BORN_CHARGES_FAILED", message="Without Born charges, and LO-TO splitting: {reason}")
        spec.exit_code(UNUSABLE, "ERROR_UNUSABLE", message="{reason}")

    def run_undisplaced(self) -> None:
        """Submit the supercell as it is."""
        self.ctx.structures = phonon_structures(self.inputs.crystal, self.inputs.phonons)
        self._submit(UNDISPLACED)

    def run_displaced(self) -> ExitCode | None:
        """Submit the others from its wavefunction, and the fields, where the crystal has no forces of its own."""
        process = self.ctx[UNDISPLACED]
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_CRYSTAL_FAILED.format(reason=failure_of(process))
        settings = PhononSettings(**self.inputs.phonons.get_dict())
        try:
            check_relaxed(process.outputs.output_arrays.get_array("forces"), settings)
        except QdsimError as error:
            return self.exit_codes.ERROR_UNUSABLE.format(reason=str(error))
        for name in self.ctx.structures:
            if name != UNDISPLACED:
                self._submit(name, process.outputs.remote_folder)
        self._submit_fields()
        return None

    def finish(self) -> ExitCode | None:
        """Hand out what follows from the forces, or say which are missing."""
        failures, forces = [], {}
        for name in self.ctx.structures:
            process = self.ctx[name]
            if process.is_finished_ok:
                forces[name] = process.outputs.output_arrays
            else:
                failures.append(f"{name}: {failure_of(process)}")
        if failures:
            return self.exit_codes.ERROR_DISPLACEMENTS_FAILED.format(
                count=len(failures), total=len(self.ctx.structures) - 1, reasons=" ".join(failures)
            )
        given = {"crystal": self.inputs.crystal, "phonons": self.inputs.phonons}
        fields = self.ctx.get(FINITE_FIELD)
        if fields is not None and fields.is_finished_ok:
            given["nonanalytic"] = fields.outputs.results
        process = self.run_once(analyse_forces, "analysis", **given, **forces)
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_UNUSABLE.format(reason=process.exit_message)
        self.out_many({name: process.outputs[name] for name in ("results", "parameter_file")})
        if fields is not None and not fields.is_finished_ok:
            return self.exit_codes.ERROR_BORN_CHARGES_FAILED.format(reason=failure_of(fields))
        return None

    def _submit_fields(self) -> None:
        given = self.inputs.get(FINITE_FIELD)
        if not given:
            return
        inputs: dict[str, Any] = {**self.exposed_inputs(Cp2kWorkChain), "crystal": self.inputs.crystal}
        inputs |= {
            "cp2k": {**self.inputs.cp2k, "parameters": given.parameters},
            "settings": given.settings,
            "metadata": {"call_link_label": FINITE_FIELD},
        }
        self.to_context(**{FINITE_FIELD: self.submit(FiniteFieldWorkChain, **inputs)})

    def _submit(self, name: str, parent: orm.RemoteData | None = None) -> None:
        inputs = cp2k_inputs(self.inputs, self.ctx.structures[name], parent)
        inputs["metadata"] = {"call_link_label": name}
        self.to_context(**{name: self.submit(Cp2kWorkChain, **inputs)})
