"""AiiDA's calculation with CP2K: that of aiida-cp2k, the same with each release of it that qdsim runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine.processes.process_spec import CalcJobProcessSpec
from aiida_cp2k.calculations import Cp2kCalculation as PluginCalculation

from qdsim.cp2k.keywords import in_words_of_all

__all__ = ["TRAJECTORY_FILE", "Cp2kCalculation"]

#: Where CP2K writes the geometries that an optimisation goes through.
TRAJECTORY_FILE = f"{PluginCalculation._DEFAULT_PROJECT_NAME}-pos-1.xyz"


class Cp2kCalculation(PluginCalculation):  # type: ignore[misc]  # aiida-cp2k is not typed
    """The calculation of aiida-cp2k 2.1, also where 2.0 is installed.

    aiida-cp2k 2.1 needs aiida-pseudo, which refuses the Pint that cp2k-input-tools needs on Python 3.12 and newer. 2.0
    runs there, but knows no trajectory and no failure of the SCF.

    To the database it is one of aiida-cp2k: it takes and gives the same, the cache finds its results whichever of the
    two computed them, and an archive can be read without qdsim.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare what aiida-cp2k 2.1 declares and qdsim uses."""
        super().define(spec)
        spec.exit_code(
            321, "ERROR_COORDINATES_TRAJECTORY_READ", message="The coordinates trajectory file could not be read."
        )
        spec.exit_code(450, "ERROR_SCF_NOT_CONVERGED", message="SCF cycle did not converge for the given threshold.")
        spec.output("output_trajectory", valid_type=orm.TrajectoryData, required=False, help="The output trajectory.")

    @classmethod
    def build_process_type(cls) -> str:
        """Return the process type of aiida-cp2k's calculation."""
        return str(PluginCalculation.build_process_type())

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input in words that every version of CP2K knows, and have the trajectory brought back."""
        calcinfo: CalcInfo = super().prepare_for_submission(folder)
        path = Path(folder.get_abs_path(self._DEFAULT_INPUT_FILE))
        path.write_text(in_words_of_all(path.read_text(encoding="utf-8")), encoding="utf-8")
        files = calcinfo.retrieve_list or []
        calcinfo.retrieve_list = files if TRAJECTORY_FILE in files else [*files, TRAJECTORY_FILE]
        return calcinfo

    def _setup_version_info(self) -> dict[str, Any]:
        super()._setup_version_info()
        version: dict[str, Any] = self.runner.plugin_version_provider.get_version_info(PluginCalculation)
        self.node.base.attributes.set_many(version)
        return version
