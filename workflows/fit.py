"""One fit of a nanocrystal model to a pattern: at once as a calcfunction, or as a job on any computer."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.process_spec import CalcJobProcessSpec
from aiida.parsers import Parser
from pydantic import ValidationError

from qdsim.debye.data import ScatteringData
from qdsim.debye.file_kinds import SUFFIXES
from qdsim.debye.fit_file import FitFile
from qdsim.debye.fit_result import FitResult, FittedCurve
from qdsim.debye.fitting import Fit
from qdsim.errors import QdsimError
from qdsim.workflows.queue import QueuedCalcJob

CURVES = ("q", "observed", "sigma", "calculated", "background_curve")
"""Of a fit result, what is kept as arrays."""
UNUSABLE = 360
"""Exit status of a fit whose data cannot be used."""
ONE_CORE = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
"""What a fit that runs as a job is given."""
LONG = 20.0
"""Seconds from which on a fit is better a job: as long as it runs, a daemon worker does nothing else."""

_FIT_FILE, _OUTPUT, _ERRORS = "fit.yaml", "fit.json", "fit.err"
_OTHER_SUFFIX = ".dat"


@calcfunction
def fit_pattern(
    fit: orm.Dict, pattern: orm.SinglefileData, blank: orm.SinglefileData | None = None
) -> dict[str, orm.Data] | ExitCode:
    """Fit a model: see :class:`qdsim.debye.Fit`; what is fitted is said by a `FitFile` without the names of files."""
    try:
        with opened_fit(fit.get_dict(), pattern, blank) as (fit_file, data, blank_data):
            result = Fit(fit_file.model, data, fit_file.settings(data.wavelength), blank_data).run()
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    return result_nodes(result)


def takes_long(fit: Mapping[str, Any]) -> bool:
    """Tell whether a fit, given as a `FitFile`, takes more than `LONG` seconds.

    A search takes 2 s for particles of 7.7 nm with nine parameters and 1,200 points on one core, growing with the
    number of atoms; where the thickness of a shell is varied, it is repeated about five times.
    """
    atoms = (fit["model"]["diameter"] / 77) ** 3
    searches = fit.get("starts", 1) * (5 if "shell_thickness" in fit["vary"] else 1)
    return bool(2.0 * atoms * searches > LONG)


@contextmanager
def opened_fit(
    fit: Mapping[str, Any], pattern: orm.SinglefileData, blank: orm.SinglefileData | None = None
) -> Iterator[tuple[FitFile, ScatteringData, ScatteringData | None]]:
    """Read what a fit is made from.

    Raises
    ------
    QdsimError
        If the data cannot be used.
    """
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / named for name, named in _names(pattern, blank).items()}
        for name, node in (("file", pattern), ("blank", blank)):
            if node is not None:
                files[name].write_bytes(node.get_content(mode="rb"))
        fit_file = FitFile.model_validate(fit)
        data, blank_data = fit_file.data.model_copy(update=files).read()
        yield fit_file, data, blank_data


def _names(pattern: orm.SinglefileData, blank: orm.SinglefileData | None) -> dict[str, str]:
    """Return names for the files `file` and `blank` of a fit: their ends tell what they are functions of."""
    names = {}
    for name, node in (("file", pattern), ("blank", blank)):
        if node is not None:
            suffix = Path(node.filename).suffix.lower()
            names[name] = f"{name}{suffix if suffix in SUFFIXES else _OTHER_SUFFIX}"
    return names


def result_nodes(result: FittedCurve) -> dict[str, orm.Data]:
    """Return the nodes `result` and `curves` that keep the result of a fit."""
    document = result.model_dump(mode="json", exclude=set(CURVES))
    curves = orm.ArrayData({name: np.array(found) for name in CURVES if (found := getattr(result, name)) is not None})
    return {"result": orm.Dict(document), "curves": curves}


def read_result(result: orm.Dict, curves: orm.ArrayData) -> FitResult:
    """Return the fit result that two nodes keep."""
    return FitResult.model_validate({**result.get_dict(), **curves_of(curves)})


def curves_of(curves: orm.ArrayData) -> dict[str, Any]:
    """Return the fields of a fit's result that are kept as arrays."""
    return {name: curves.get_array(name).tolist() if name in curves.get_arraynames() else None for name in CURVES}


class FitCalculation(QueuedCalcJob):
    """Fit a model on any computer that has the `qdsim` command: what `fit_pattern` does, for fits that take long."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("fit", valid_type=orm.Dict, help="A `qdsim.debye.fit_file.FitFile` without the names of files.")
        spec.input("pattern", valid_type=orm.SinglefileData, help="The data.")
        spec.input("blank", valid_type=orm.SinglefileData, required=False, help="Pattern of solvent and container.")
        spec.input("metadata.options.parser_name", valid_type=str, default="qdsim.fit")
        spec.input("metadata.options.withmpi", valid_type=bool, default=False)
        spec.input("metadata.options.resources", valid_type=dict, default=dict(ONE_CORE))
        spec.output("result", valid_type=orm.Dict, help="See `qdsim.debye.FitResult`, without its curves.")
        spec.output("curves", valid_type=orm.ArrayData, help="q, observed, sigma, calculated, background_curve.")
        spec.exit_code(310, "ERROR_NO_OUTPUT", message="The fit wrote no result: {reason}")
        spec.exit_code(UNUSABLE, "ERROR_UNUSABLE", message="{reason}")

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write fit file and data."""
        document = self.inputs.fit.get_dict()
        nodes = {"file": self.inputs.pattern, "blank": self.inputs.get("blank")}
        names = _names(nodes["file"], nodes["blank"])
        document["data"] = {**document.get("data", {}), **names}
        copies = [(nodes[name].uuid, nodes[name].filename, named) for name, named in names.items()]
        with folder.open(_FIT_FILE, "w", encoding="utf-8") as file:
            json.dump(document, file)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = ["fit", _FIT_FILE, "--json"]
        code.stdout_name, code.stderr_name = _OUTPUT, _ERRORS
        job = CalcInfo()
        job.codes_info = [code]
        job.local_copy_list = copies
        job.retrieve_list = [_OUTPUT, _ERRORS]
        return job


class FitParser(Parser):
    """Read what `qdsim fit --json` has written."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Hand out the fit result, or say why there is none."""
        retrieved = self.retrieved.base.repository
        names = retrieved.list_object_names()
        output, errors = (
            retrieved.get_object_content(name, mode="r") if name in names else "" for name in (_OUTPUT, _ERRORS)
        )
        try:
            result = FitResult.model_validate_json(output)
        except ValidationError:
            last = (errors.strip().splitlines() or ["nothing was printed"])[-1]
            if last.startswith("Error: "):
                return self.exit_codes.ERROR_UNUSABLE.format(reason=last.removeprefix("Error: "))
            return self.exit_codes.ERROR_NO_OUTPUT.format(reason=last)
        for name, node in result_nodes(result).items():
            self.out(name, node)
        return None
