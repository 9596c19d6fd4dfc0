"""AiiDA parser of CP2K calculations."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import Any

import numpy as np
from aiida import orm
from aiida.common import NotExistent
from aiida.engine import ExitCode, ExitCodesNamespace
from aiida_cp2k.parsers import Cp2kBaseParser
from aiida_cp2k.utils import parse_cp2k_trajectory
from ase import Atoms

from qdsim.cp2k.calculation import TRAJECTORY_FILE, Cp2kCalculation
from qdsim.cp2k.diagnosis import Failure, diagnose, explain
from qdsim.cp2k.endings import End, Ending, find_ending
from qdsim.cp2k.output import Cp2kOutput, parse_output
from qdsim.cp2k.requests import requested_files, requested_values

__all__ = ["ENDING_EXIT_CODES", "EXIT_CODES", "Cp2kParser"]

#: Label of ``Cp2kCalculation``'s exit code for each failure.
EXIT_CODES = {
    Failure.EMPTY: "ERROR_OUTPUT_INCOMPLETE",
    Failure.GARBLED: "ERROR_OUTPUT_PARSE",
    Failure.INCOMPLETE: "ERROR_OUTPUT_INCOMPLETE",
    Failure.ABORTED: "ERROR_OUTPUT_CONTAINS_ABORT",
    Failure.OUT_OF_WALLTIME: "ERROR_OUT_OF_WALLTIME",
    Failure.SCF_NOT_CONVERGED: "ERROR_SCF_NOT_CONVERGED",
    Failure.UNREADABLE: "ERROR_OUTPUT_READ",
    Failure.NOT_THE_GROUND_STATE: "ERROR_SCF_NOT_CONVERGED",
    Failure.GEOMETRY_NOT_CONVERGED: "ERROR_MAXIMUM_NUMBER_OPTIMIZATION_STEPS_REACHED",
}

#: Likewise for what ended a run from outside; where nothing else is said, its output is incomplete.
ENDING_EXIT_CODES = {
    Ending.OUT_OF_MEMORY: "ERROR_SCHEDULER_OUT_OF_MEMORY",
    Ending.ILLEGAL_INSTRUCTION: "ERROR_OUTPUT_CONTAINS_ABORT",
    Ending.FLOATING_POINT_EXCEPTION: "ERROR_OUTPUT_CONTAINS_ABORT",
}

#: Failures that come from the input alone, and would come again; whatever else went wrong is worth another try.
_REPRODUCIBLE = frozenset({Failure.SCF_NOT_CONVERGED, Failure.NOT_THE_GROUND_STATE, Failure.GEOMETRY_NOT_CONVERGED})
_ARRAYS = ("forces", "stress", "mulliken_charges", "hirshfeld_charges", "dipole")


class Cp2kParser(Cp2kBaseParser):  # type: ignore[misc]  # aiida-cp2k carries no types
    """Store what `qdsim.cp2k.output` reads, and name each failure by an exit code of ``Cp2kCalculation``.

    Outputs
    -------
    output_parameters : Dict
        `Cp2kOutput` without its arrays, ``failure`` (``None`` or a `Failure`) and ``ending`` (``None`` or an `Ending`).
    output_arrays : ArrayData
        Those of forces, stress, mulliken_charges, hirshfeld_charges and dipole that the output holds.
    output_structure, output_trajectory
        Where the geometry was optimised, as far as it got.

    An output that CP2K finished, and that this version cannot read, leaves no outputs: a later version reads it again,
    from the cache (`qdsim.workflows.cp2k.Cp2kCalculation`).

    A failure that another try may not meet again (killed, out of time, aborted by the machine's state ...) is marked on
    the node as unfit for caching: ``invalidates_cache`` of a returned exit code is not looked at by AiiDA, which asks
    the calculation class's own specification.
    """

    @property
    def exit_codes(self) -> ExitCodesNamespace:
        """Those of qdsim's own calculation; that of aiida-cp2k 2.0 lacks some."""
        codes: ExitCodesNamespace = Cp2kCalculation.exit_codes
        return codes

    def parse(self, **_: Any) -> ExitCode:
        """Parse the retrieved files.

        Returns
        -------
        ExitCode
            0, or the exit code of the failure, with one sentence that says what happened.
        """
        try:
            files = self.retrieved.base.repository
        except NotExistent:
            return self._transient(self.exit_codes.ERROR_NO_RETRIEVED_FOLDER)
        name = self.node.base.attributes.get("output_filename")
        if name not in files.list_object_names():
            return self._transient(self._named(self._end(), "ERROR_OUTPUT_MISSING"))
        text = files.get_object_content(name, mode="rb").decode("utf-8", errors="replace")
        output = parse_output(text)
        requested = self._requested()
        failure = diagnose(output, requested)
        if failure is Failure.UNREADABLE:
            return ExitCode(self.exit_codes[EXIT_CODES[failure]].status, explain(output, requested))
        end = None if output.finished else self._end(text)
        if output.abort_message is not None and end is not None and end.ending != Ending.OUT_OF_MEMORY:
            end = None  # MPI kills the other ranks of one that has aborted
        self._store(output, failure, end)
        broken = self._store_geometry() if output.geometry_steps is not None else None
        if failure is None and broken is None:
            broken = self._missing_file(files.list_object_names())
        if failure is None:
            return self._transient(broken) if broken else ExitCode(0)
        if end is not None:
            return self._transient(self._named(end, "ERROR_OUTPUT_INCOMPLETE"))
        exit_code: ExitCode = self.exit_codes[EXIT_CODES[failure]]
        exit_code = ExitCode(exit_code.status, explain(output, requested))
        return exit_code if failure in _REPRODUCIBLE else self._transient(exit_code)

    def _missing_file(self, names: list[str]) -> ExitCode | None:
        """Name a file, such as that of the electrostatic potential, that was to come back and was not written."""
        # One list of files to bring back serves all calculations of a series; the input says which of them writes any.
        retrieved = self._input("settings").get("additional_retrieve_list", [])
        for pattern in requested_files(self._input("parameters")):
            if pattern in retrieved and not any(fnmatch(name, pattern) for name in names):
                return ExitCode(self.exit_codes.ERROR_OUTPUT_MISSING.status, f"CP2K finished, but left no {pattern}.")
        return None

    def _input(self, name: str) -> dict[str, Any]:
        nodes = self.node.base.links.get_incoming(orm.Dict, link_label_filter=name).all_nodes()
        return nodes[0].get_dict() if nodes else {}

    def _requested(self) -> list[str]:
        return requested_values(self._input("parameters"))

    def _end(self, output: str = "") -> End | None:
        """Find out how the run ended, from all that was written of it."""
        files = self.retrieved.base.repository
        names = (self.node.get_option(option) for option in ("scheduler_stderr", "scheduler_stdout"))
        there = [name for name in names if name in files.list_object_names()]
        texts = [files.get_object_content(name, mode="rb").decode("utf-8", errors="replace") for name in there]
        accounting = (self.node.get_detailed_job_info() or {}).get("stdout", "")
        return find_ending([*texts, output], accounting, self.node.exit_status)

    def _named(self, end: End | None, otherwise: str) -> ExitCode:
        if end is None:
            exit_code: ExitCode = self.exit_codes[otherwise]
            return exit_code
        return ExitCode(self.exit_codes[ENDING_EXIT_CODES.get(end.ending, otherwise)].status, end.explain())

    def _store(self, output: Cp2kOutput, failure: Failure | None, end: End | None) -> None:
        parameters = output.model_dump(mode="json", exclude=set(_ARRAYS))
        named = {"failure": failure and failure.value, "ending": end and end.ending.value}
        self.out("output_parameters", orm.Dict({**parameters, **named}))
        arrays = {name: np.array(value) for name in _ARRAYS if (value := getattr(output, name)) is not None}
        if arrays:
            self.out("output_arrays", orm.ArrayData(arrays))

    def _store_geometry(self) -> ExitCode | None:
        """Store where the atoms ended and how they got there; name the file that is missing or broken off."""
        missing: ExitCode
        name = Cp2kCalculation._DEFAULT_RESTART_FILE_NAME
        try:
            restart = self.retrieved.base.repository.get_object_content(name)
            # The rows of a reference cell would pass for rows of the cell.
            restart = re.sub(r"\n *&CELL_REF\n.*?\n *&END CELL_REF(?=\n)", "", restart, flags=re.DOTALL)
            structure = orm.StructureData(ase=Atoms(**parse_cp2k_trajectory(restart)))
        except (FileNotFoundError, AttributeError, ValueError):
            missing = self.exit_codes.ERROR_STRUCTURE_PARSE
            return missing
        self.out("output_structure", structure)
        try:
            trajectory = _read_trajectory(self.retrieved.base.repository.get_object_content(TRAJECTORY_FILE), structure)
        except (FileNotFoundError, TypeError, ValueError, IndexError):
            missing = self.exit_codes.ERROR_COORDINATES_TRAJECTORY_READ
            return missing
        self.out("output_trajectory", trajectory)
        return None

    def _transient(self, exit_code: ExitCode) -> ExitCode:
        self.node.base.caching.is_valid_cache = False
        return exit_code


def _read_trajectory(text: str, structure: orm.StructureData) -> orm.TrajectoryData:
    """Read positions (Å) and energies (Ha) of each step; ValueError, TypeError or IndexError for a broken file."""
    from cp2k_output_tools.trajectories.xyz import parse

    frames = parse(text)
    told = [re.findall(r"\b[iE] =\s*([^\s,]+)", frame["comment"]) for frame in frames]  # of " i = 3, E = -13.8"
    steps, energies = np.array(told, dtype=float).T
    trajectory = orm.TrajectoryData()
    trajectory.set_trajectory(
        symbols=[structure.get_kind(site.kind_name).symbol for site in structure.sites],
        positions=np.array([[position for _, position in frame["atoms"]] for frame in frames]),
        stepids=steps.astype(int),
    )
    trajectory.set_array("energies", energies)
    return trajectory
