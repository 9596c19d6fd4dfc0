"""Born charges and the dielectric constant of the electrons: a crystal in two opposite electric fields."""

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.phonon_results import FiniteFieldSettings
from qdsim.analysis.polarisation import Response, born_charges, check_gap, field_supercell
from qdsim.cp2k.field import with_field
from qdsim.errors import QdsimError
from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs, failure_of
from qdsim.workflows.submission import SubmitOnce

NO_FIELD, ALONG, AGAINST = "no_field", "along", "against"
FIELDS = {NO_FIELD: 0, ALONG: 1, AGAINST: -1}
"""By what the strength is multiplied in each calculation."""
UNUSABLE = 472


@calcfunction
def prepare_supercell(crystal: orm.StructureData, settings: orm.Dict) -> orm.StructureData | ExitCode:
    """Wrap :func:`qdsim.analysis.polarisation.field_supercell`."""
    try:
        return orm.StructureData(ase=field_supercell(crystal.get_ase(), FiniteFieldSettings(**settings.get_dict())))
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))


@calcfunction
def field_parameters(parameters: orm.Dict, settings: orm.Dict) -> dict[str, orm.Dict]:
    """Make the input of each field."""
    given, strength = parameters.get_dict(), settings["field"]
    return {name: orm.Dict(with_field(given, strength * factor)) for name, factor in FIELDS.items()}


@calcfunction
def analyse_fields(
    supercell: orm.StructureData, settings: orm.Dict, along: orm.ArrayData, against: orm.ArrayData
) -> orm.Dict | ExitCode:
    """Wrap :func:`qdsim.analysis.polarisation.born_charges`."""
    responses = [Response(one.get_array("forces"), one.get_array("dipole")) for one in (along, against)]
    try:
        found = born_charges(supercell.get_ase(), FiniteFieldSettings(**settings.get_dict()), *responses)
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    return orm.Dict(found.model_dump(mode="json"))


class FiniteFieldWorkChain(SubmitOnce):
    """Compute a crystal without a field, and from its wavefunction in two opposite fields side by side."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parent_calc_folder"))
        spec.input("crystal", valid_type=orm.StructureData, help="Any cell of the undistorted crystal.")
        spec.input("settings", valid_type=orm.Dict, help="See `qdsim.analysis.phonon_results.FiniteFieldSettings`.")
        spec.output("results", valid_type=orm.Dict, required=False, help="See `Nonanalytic`.")
        spec.outline(cls.run_without, cls.run_fields, cls.finish)
        spec.exit_code(471, "ERROR_FIELDS_FAILED", message="{reasons}")
        spec.exit_code(UNUSABLE, "ERROR_UNUSABLE", message="{reason}")

    def run_without(self) -> ExitCode | None:
        """Submit the crystal without a field."""
        given = {"crystal": self.inputs.crystal, "settings": self.inputs.settings}
        process = self.run_once(prepare_supercell, "supercell", **given)
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_UNUSABLE.format(reason=process.exit_message)
        self.ctx.supercell = process.outputs.result
        self.ctx.parameters = field_parameters(self.inputs.cp2k.parameters, self.inputs.settings)
        self._submit(NO_FIELD)
        return None

    def run_fields(self) -> ExitCode | None:
        """Submit both fields, where the crystal has a gap that they leave open."""
        process = self.ctx[NO_FIELD]
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_FIELDS_FAILED.format(reasons=f"{NO_FIELD}: {failure_of(process)}")
        settings = FiniteFieldSettings(**self.inputs.settings.get_dict())
        gap = process.outputs.output_parameters.get("gap")
        try:
            check_gap(gap, self.ctx.supercell.get_ase(), settings)
        except QdsimError as error:
            return self.exit_codes.ERROR_UNUSABLE.format(reason=str(error))
        for name in (ALONG, AGAINST):
            self._submit(name, process.outputs.remote_folder)
        return None

    def finish(self) -> ExitCode | None:
        """Hand out what follows from the fields, or say which is missing."""
        processes = {name: self.ctx[name] for name in (ALONG, AGAINST)}
        failures = [f"{name}: {failure_of(one)}" for name, one in processes.items() if not one.is_finished_ok]
        if failures:
            return self.exit_codes.ERROR_FIELDS_FAILED.format(reasons=" ".join(failures))
        along, against = (one.outputs.output_arrays for one in processes.values())
        given = {"supercell": self.ctx.supercell, "settings": self.inputs.settings}
        process = self.run_once(analyse_fields, "analysis", **given, along=along, against=against)
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_UNUSABLE.format(reason=process.exit_message)
        self.out("results", process.outputs.result)
        return None

    def _submit(self, name: str, parent: orm.RemoteData | None = None) -> None:
        inputs = cp2k_inputs(self.inputs, self.ctx.supercell, parent)
        inputs["cp2k"]["parameters"] = self.ctx.parameters[name]
        inputs["metadata"] = {"call_link_label": name}
        self.to_context(**{name: self.submit(Cp2kWorkChain, **inputs)})
