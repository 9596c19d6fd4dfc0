"""Small real cells for the work chains."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm

from qdsim.cp2k.inputs import build_parameters, load_protocol
from qdsim.structures import RhombohedralState, supercell_matrix
from qdsim.workflows.documents import Lattice

SHORT = {"walltime": 300}


@pytest.fixture
def stretched() -> orm.StructureData:
    """PbS at a = 6.12 Å with its Pb atoms off-centre."""
    state = RhombohedralState.from_lattice_constant(6.12, offset=0.2)
    return orm.StructureData(ase=state.to_atoms("Pb", "S"))


KILLER = """#!/bin/bash
# Kill CP2K with a signal in its first {times} runs whose input has some text, once it has written a line.
# Runs side by side cannot make one folder.
{cp2k} "$@" &
child=$!
for ((run = 0; run < {times}; run++)); do
  if grep -q "{text}" aiida.inp && mkdir {marks}/$run 2>/dev/null; then
    until grep -qsE "{line}" aiida.out; do kill -0 $child || exit 1; done
    kill -{signal} $child
    break
  fi
done
wait $child
"""


@pytest.fixture
def killed_code(
    tmp_path: Path, aiida_localhost: orm.Computer, cp2k_executable: Path
) -> Callable[..., orm.InstalledCode]:
    """Return a maker of codes that are real CP2K, killed in its first so many runs, once it has written a line.

    Those count whose input has some text.
    """

    def make(times: int, line: str = "Broy./Diag.", text: str = "", signal: str = "KILL") -> orm.InstalledCode:
        marks = tmp_path / "marks"
        marks.mkdir()
        script = tmp_path / "killed_cp2k.sh"
        content = KILLER.format(cp2k=cp2k_executable, marks=marks, times=times, line=line, text=text, signal=signal)
        script.write_text(content, encoding="utf-8")
        script.chmod(0o755)
        return orm.InstalledCode(
            label="killed", computer=aiida_localhost, filepath_executable=str(script), with_mpi=False
        ).store()

    return make


@pytest.fixture
def qdsim_code(aiida_localhost: orm.Computer) -> orm.InstalledCode:
    """The program itself as a code, for fits that run as jobs."""
    return orm.InstalledCode(
        label="qdsim",
        computer=aiida_localhost,
        filepath_executable=str(Path(sys.executable).with_name("qdsim")),
        default_calc_job_plugin="qdsim.fit",
        with_mpi=False,
    ).store()


@pytest.fixture
def lattice() -> orm.Dict:
    """The primitive cell of PbS."""
    matrix = supercell_matrix("primitive").tolist()
    return orm.Dict(Lattice(compound="PbS", cation="Pb", anion="S", supercell=matrix).model_dump(mode="json"))


@pytest.fixture
def basis_set() -> str:
    """The basis set; a module of tests that asks for no physics takes a smaller one."""
    return "DZVP-MOLOPT-SR-GTH"


@pytest.fixture
def cp2k_inputs(cp2k_code: orm.InstalledCode, stretched: orm.StructureData, basis_set: str) -> dict[str, Any]:
    """Inputs of the `cp2k` namespace without a structure."""
    atoms = stretched.get_ase()
    reference = RhombohedralState.from_lattice_constant(6.008).cell
    parameters = build_parameters(load_protocol("fast", {**SHORT, "basis_set": basis_set}), atoms, reference)
    options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}
    return {"code": cp2k_code, "parameters": orm.Dict(parameters), "metadata": {"options": options}}
