"""One CP2K calculation, carried to its end: failures that have a remedy are restarted, the others are reported."""

from typing import Any

import psutil
from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import (
    BaseRestartWorkChain,
    ExitCode,
    ProcessHandlerReport,
    calcfunction,
    process_handler,
    while_,
)
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.cp2k import remedies, walltime
from qdsim.cp2k.calculation import Cp2kCalculation as PlainCalculation
from qdsim.cp2k.cost import input_core_seconds
from qdsim.cp2k.diagnosis import Failure
from qdsim.cp2k.endings import Ending
from qdsim.cp2k.field import has_field
from qdsim.cp2k.sizes import measure_size, next_larger
from qdsim.workflows.queue import QueuedCalcJob
from qdsim.workflows.submission import SubmitOnce


class Cp2kCalculation(QueuedCalcJob, PlainCalculation):
    """The calculation of `qdsim.cp2k.calculation`, except for when it is submitted."""

    def estimated_cost(self) -> float:
        """Estimate the cost from the CP2K input."""
        if "structure" not in self.inputs:
            return 0.0
        return input_core_seconds(self.inputs.parameters.get_dict(), self.inputs.structure.get_ase())

    async def run(self) -> Any:
        """Go on as AiiDA does, but read an output again that an earlier version of qdsim could not."""
        if self.node.exit_status == self.exit_codes.ERROR_OUTPUT_READ.status:
            return self._read_again()
        return await super().run()

    def _read_again(self) -> ExitCode:
        """Parse the files of the finished calculation that the cache gave back; it is kept from giving them again."""
        self.node.base.attributes.delete(self.node.EXIT_MESSAGE_KEY)
        exit_code = self.parse_retrieved_output() or ExitCode(0)
        source = self.node.base.caching.get_cache_source()
        if exit_code.status == 0 and source is not None:
            orm.load_node(source).base.caching.is_valid_cache = False
        return exit_code


EXIT = Cp2kCalculation.exit_codes
GB_OF_KB = 1.024e-6
"""AiiDA counts memory in units of 1024 bytes."""


@calcfunction
def restart_wavefunction(parameters: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.cp2k.remedies.restart_wavefunction`."""
    return orm.Dict(remedies.restart_wavefunction(parameters.get_dict()))


@calcfunction
def restart_geometry(parameters: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.cp2k.remedies.restart_geometry`."""
    return orm.Dict(remedies.restart_geometry(parameters.get_dict()))


@calcfunction
def forget_wavefunction(parameters: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.cp2k.remedies.forget_wavefunction`."""
    return orm.Dict(remedies.forget_wavefunction(parameters.get_dict()))


@calcfunction
def soften_scf(parameters: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.cp2k.remedies.soften_scf`."""
    return orm.Dict(remedies.soften_scf(parameters.get_dict()))


@calcfunction
def smear_occupations(parameters: orm.Dict) -> orm.Dict:
    """Wrap :func:`qdsim.cp2k.remedies.smear_occupations`."""
    return orm.Dict(remedies.smear_occupations(parameters.get_dict()))


@calcfunction
def limit_walltime(parameters: orm.Dict, limit: orm.Int) -> orm.Dict:
    """Wrap :func:`qdsim.cp2k.walltime.limit_walltime`."""
    return orm.Dict(walltime.limit_walltime(parameters.get_dict(), limit.value))


class Cp2kWorkChain(SubmitOnce, BaseRestartWorkChain):
    """Run CP2K until it has converged, or say why it cannot.

    A calculation that is given a parent folder starts from the wavefunction in it.
    """

    _process_class = Cp2kCalculation

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(Cp2kCalculation, namespace="cp2k")
        spec.input("cp2k.metadata.options.parser_name", valid_type=str, default="qdsim.cp2k", non_db=True)
        spec.input(
            "sizes",
            valid_type=(list, tuple),
            required=False,
            non_db=True,
            help="Options that depend on the size of the calculation: `up_to`, limits of "
            "`qdsim.cp2k.sizes.CalculationSize`, `options`, which take the place of those of the calculation, and "
            "`memory`, the GB that they ask for. The first that holds; the next with more memory for what runs out.",
        )
        spec.expose_outputs(Cp2kCalculation)
        spec.output("output_arrays", valid_type=orm.ArrayData, required=False, help="Forces, stress, charges.")
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(410, "ERROR_CP2K_ABORTED", message="CP2K stopped with an error: {reason}")
        spec.exit_code(411, "ERROR_SCF_NOT_CONVERGED", message="The SCF did not converge in {attempts} attempts.")
        spec.exit_code(
            412, "ERROR_ENDED_TWICE", message="CP2K ended without finishing its output, twice in a row. {reason}"
        )
        spec.exit_code(413, "ERROR_OUT_OF_MEMORY", message="{reason} {advice}")
        spec.exit_code(
            420,
            "ERROR_OUTPUT_NOT_READ",
            message="{reason} It is kept: after an upgrade of qdsim, 'qdsim resume' reads it without computing.",
        )

    def setup(self) -> None:
        """Prepare the inputs of the first calculation."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(Cp2kCalculation, "cp2k"))
        self.ctx.scf_failures = 0
        self.ctx.smeared = False
        self.ctx.incomplete = 0
        self.ctx.row = self._row_for_size()
        self.ctx.took_larger_row = False
        self._apply_row()
        if "parent_calc_folder" in self.ctx.inputs:
            self.ctx.inputs.parameters = restart_wavefunction(self.ctx.inputs.parameters)

    def _row_for_size(self) -> int | None:
        """Return which of the sizes holds for this calculation."""
        sizes = self.inputs.get("sizes", ())
        if not sizes:
            return None
        kinds = [site.kind_name for site in self.ctx.inputs.structure.sites]
        size = measure_size(self.ctx.inputs.parameters.get_dict(), kinds)
        return next((place for place, row in enumerate(sizes) if size.within(row["up_to"])), None)

    def _apply_row(self) -> None:
        """Give the calculation the options of its row, and have CP2K stop before the scheduler does it."""
        options = dict(self.inputs.cp2k.metadata.options)
        if self.ctx.row is not None:
            options |= self.inputs.sizes[self.ctx.row]["options"]
        self.ctx.inputs.metadata = AttributeDict({**self.ctx.inputs.metadata, "options": options})
        limit = options.get("max_wallclock_seconds")
        if limit is not None and not walltime.fits(self.ctx.inputs.parameters.get_dict(), limit):
            self.ctx.inputs.parameters = limit_walltime(self.ctx.inputs.parameters, orm.Int(limit))

    def _take_larger_row(self) -> bool:
        """Take the next row that asks for more memory; return whether there is one, and none was taken before."""
        # A chain that began under an earlier version of qdsim has no row.
        if self.ctx.get("row") is None or self.ctx.took_larger_row:
            return False
        sizes = self.inputs.sizes
        larger = next_larger([row.get("memory") for row in sizes], self.ctx.row)
        if larger is None:
            return False
        self.ctx.row, self.ctx.took_larger_row = larger, True
        self._apply_row()
        self.report(f"Out of memory, or perhaps so: the next calculation asks for {sizes[larger]['memory']:g} GB.")
        return True

    def results(self) -> None:
        """Hand out the last calculation's outputs, the parser's arrays among them.

        All of them, also what is attached already: a worker that is killed in this step repeats it, and the version of
        the base class then hands out nothing and ends for want of a required output.
        """
        outputs = self.ctx.children[self.ctx.iteration - 1].outputs
        self.report(f"Finished after {self.ctx.iteration} calculation(s).")
        self._keep_the_way_here()
        self.out_many({name: outputs[name] for name in self.spec().outputs if name in outputs})

    def _keep_the_way_here(self) -> None:
        """Let the cache give back failed attempts whose files later ones began with: whoever asks again is led along.

        Not those that were run once more as they were: in their place the cache gives back the later attempt. Nor those
        that ran out of memory, for who asks again may give them more.
        """
        attempts = self.ctx.children[: self.ctx.iteration]
        hashes = [attempt.base.caching.compute_hash() for attempt in attempts]
        for i, attempt in enumerate(attempts[:-1]):
            if hashes[i] not in hashes[i + 1 :] and attempt.exit_status != EXIT.ERROR_SCHEDULER_OUT_OF_MEMORY.status:
                attempt.base.caching.is_valid_cache = True

    def _continue_from(self, calculation: orm.CalcJobNode, parameters: orm.Dict, remedy: str) -> ProcessHandlerReport:
        self.report(f"{calculation.process_label}<{calculation.pk}>: {calculation.exit_message} Next: {remedy}.")
        self.ctx.inputs.parameters = parameters
        self.ctx.inputs.parent_calc_folder = calculation.outputs.remote_folder
        return ProcessHandlerReport(do_break=True)

    def _moves_atoms(self) -> bool:
        run_type: str = self.ctx.inputs.parameters["GLOBAL"]["RUN_TYPE"]
        return run_type.upper() in {"GEO_OPT", "CELL_OPT"}

    @process_handler(priority=500, exit_codes=[EXIT.ERROR_SCF_NOT_CONVERGED])
    def handle_scf(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Mix more gently first, from the wavefunction reached; then smear the occupations from scratch.

        What has converged to a state that is not the ground state is smeared at once: whole electrons have none lower.
        Nothing is smeared in a field: the Berry phase is that of occupations of two and none. CP2K 2024.1 and newer
        stop at any SCF cycle that does not converge: an optimisation goes on from the geometry that it had reached.
        """
        self.ctx.scf_failures += 1
        converged = calculation.outputs.output_parameters["failure"] == Failure.NOT_THE_GROUND_STATE
        if self.ctx.scf_failures == 1 and not converged:
            left, reached = self._what_is_left_by(calculation)
            return self._continue_from(calculation, soften_scf(left), f"gentler convergence from {reached}")
        if not self.ctx.smeared and not has_field(self.ctx.inputs.parameters.get_dict()):
            self.ctx.smeared = True
            left = self.ctx.inputs.parameters
            smeared = smear_occupations(restart_geometry(left) if self._has_moved(calculation) else left)
            return self._continue_from(calculation, smeared, "diagonalisation with Fermi-Dirac occupations")
        code = self.exit_codes.ERROR_SCF_NOT_CONVERGED.format(attempts=self.ctx.scf_failures)
        return ProcessHandlerReport(do_break=True, exit_code=code)

    @process_handler(
        priority=400,
        exit_codes=[EXIT.ERROR_OUT_OF_WALLTIME, EXIT.ERROR_MAXIMUM_NUMBER_OPTIMIZATION_STEPS_REACHED],
    )
    def handle_unfinished(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Continue from the files that CP2K wrote before it stopped in good order."""
        return self._continue_from(calculation, *self._what_is_left_by(calculation))

    @process_handler(priority=350, exit_codes=[EXIT.ERROR_SCHEDULER_OUT_OF_MEMORY])
    def handle_out_of_memory(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Ask for more memory, once: with as much as before it would end as it did."""
        if self._take_larger_row():
            return self._go_on_after(calculation)
        code = self.exit_codes.ERROR_OUT_OF_MEMORY.format(reason=calculation.exit_message, advice=self._memory_advice())
        return ProcessHandlerReport(do_break=True, exit_code=code)

    def _memory_advice(self) -> str:
        """Return what whoever started the calculation can do about its memory."""
        computer = self.ctx.inputs.code.computer
        if computer.scheduler_type == "core.direct":
            return (
                f"Let fewer calculations run at once on {computer.label} (`qdsim init --slots`), or take a computer "
                "with more memory."
            )
        options = self.ctx.inputs.metadata.options
        asked = options.get("max_memory_kb")
        nodes = options["resources"].get("num_machines", 1)
        given = "no memory of its own" if asked is None else f"{asked * GB_OF_KB:.3g} GB{' a node' * (nodes > 1)}"
        return (
            f"It had asked for {given}, and no row that is left to try gives more: set `resources: {{memory: ...}}` "
            f"(GB) in the campaign, or add a row to `sizes` in the file of the computer {computer.label}."
        )

    @process_handler(
        priority=300,
        exit_codes=[EXIT.ERROR_OUTPUT_INCOMPLETE, EXIT.ERROR_OUTPUT_PARSE, EXIT.ERROR_OUTPUT_MISSING],
    )
    def handle_incomplete(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on from what a run has left that was killed or came back truncated.

        Given up is what ends so twice in a row without getting any further, unless the machine went down under it. What
        was killed without a word may have been out of memory.
        """
        output = _output_of(calculation)
        ending = output.get("ending") and Ending(output["ending"])
        blameless = _is_older_than_this_worker(calculation) or (ending is not None and ending.is_of_the_machine)
        if remedies.got_further(output):
            self.ctx.incomplete = 0
        elif not blameless:
            self.ctx.incomplete += 1
        if self.ctx.incomplete > 1:
            code = self.exit_codes.ERROR_ENDED_TWICE.format(reason=calculation.exit_message)
            return ProcessHandlerReport(do_break=True, exit_code=code)
        if ending == Ending.KILLED and not blameless:
            self._take_larger_row()
        return self._go_on_after(calculation)

    def _go_on_after(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Begin the next calculation with what a run has left that did not come to its end."""
        output = _output_of(calculation)
        if remedies.left_wavefunction(output):
            return self._continue_from(calculation, *self._what_is_left_by(calculation))
        remedy = "once more"
        if "parent_calc_folder" in self.ctx.inputs and not remedies.reached_scf(output):
            self.ctx.inputs.parameters = forget_wavefunction(self.ctx.inputs.parameters)
            remedy = "without the wavefunction of another, which may be broken"
        self.report(f"{calculation.process_label}<{calculation.pk}>: {calculation.exit_message} Next: {remedy}.")
        return ProcessHandlerReport(do_break=True)

    def _what_is_left_by(self, calculation: orm.CalcJobNode) -> tuple[orm.Dict, str]:
        """Return the input that goes on from the files of a run, and what they hold."""
        parameters = self.ctx.inputs.parameters
        if self._has_moved(calculation):
            return restart_geometry(parameters), "the geometry reached so far"
        return restart_wavefunction(parameters), "the wavefunction reached so far"

    def _has_moved(self, calculation: orm.CalcJobNode) -> bool:
        """Return whether an optimisation has left the geometry that it reached."""
        return self._moves_atoms() and remedies.is_whole_restart(_restart_file(calculation))

    @process_handler(priority=250, exit_codes=[EXIT.ERROR_OUTPUT_READ])
    def handle_unreadable(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Say what was not found in an output that CP2K finished: it would write the same again."""
        reason = calculation.exit_message or "The output could not be read."
        return ProcessHandlerReport(
            do_break=True, exit_code=self.exit_codes.ERROR_OUTPUT_NOT_READ.format(reason=reason)
        )

    @process_handler(priority=200, exit_codes=[EXIT.ERROR_OUTPUT_CONTAINS_ABORT])
    def handle_abort(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Pass on CP2K's own message: nothing but a change by the user helps."""
        reason = calculation.exit_message or "no message"
        return ProcessHandlerReport(do_break=True, exit_code=self.exit_codes.ERROR_CP2K_ABORTED.format(reason=reason))


def _output_of(calculation: orm.CalcJobNode) -> dict[str, Any]:
    """Return what the parser made of a run; nothing where it left no output."""
    outputs = calculation.outputs
    return outputs.output_parameters.get_dict() if "output_parameters" in outputs else {}


def _restart_file(calculation: orm.CalcJobNode) -> str:
    """Return the restart file of a geometry optimisation; nothing where CP2K had not written any."""
    files = calculation.outputs.retrieved.base.repository
    there = remedies.RESTART_FILE in files.list_object_names()
    return str(files.get_object_content(remedies.RESTART_FILE)) if there else ""


def _is_older_than_this_worker(calculation: orm.CalcJobNode) -> bool:
    """Return whether the daemon was started again since a calculation began, as it is after a power cut."""
    return psutil.Process().create_time() > calculation.ctime.timestamp()


def failure_of(process: orm.ProcessNode) -> str:
    """Return one sentence on why a process has no result."""
    if process.is_excepted:
        last_line = (process.exception or "of no name").strip().splitlines()[-1]
        return f"{process.process_label}<{process.pk}> raised an exception: {last_line}"
    if process.is_killed:
        return f"{process.process_label}<{process.pk}> was killed."
    code: ExitCode | None = process.exit_code
    if code is not None and code.status == BaseRestartWorkChain.exit_codes.ERROR_MAXIMUM_ITERATIONS_EXCEEDED.status:
        last = [child for child in process.called if isinstance(child, orm.CalcJobNode)][-1]
        return f"{process.process_label}<{process.pk}>: {last.exit_message} {code.message}"
    return f"{process.process_label}<{process.pk}>: {code.message if code else 'it is not finished'}"


def cp2k_inputs(exposed: Any, structure: orm.StructureData, parent: orm.RemoteData | None = None) -> dict[str, Any]:
    """Return the inputs of a :class:`Cp2kWorkChain` for one structure from the inputs shared by a series."""
    inputs: dict[str, Any] = {"cp2k": {**exposed.cp2k, "structure": structure}}
    if parent is not None:
        inputs["cp2k"]["parent_calc_folder"] = parent
    # Handed on from the top: defaults made here would be nodes out of nowhere.
    return inputs | {name: exposed[name] for name in ("max_iterations", "clean_workdir", "sizes") if name in exposed}
