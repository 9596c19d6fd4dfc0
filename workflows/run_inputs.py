"""Inputs of the CP2K runs that work chains of supercells and clusters share."""

from typing import Any

from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import Cp2kWorkChain, cp2k_inputs
from qdsim.workflows.submission import SubmitOnce


def expose_cp2k(spec: WorkChainSpec) -> None:
    """Declare what every calculation of a series shares: the code, its options, and the inputs of each kind of run."""
    spec.expose_inputs(Cp2kWorkChain, exclude=("cp2k.structure", "cp2k.parameters", "cp2k.parent_calc_folder"))
    spec.input_namespace(
        "parameters",
        valid_type=orm.Dict,
        dynamic=True,
        help="`single_point` and `relaxation`; `single_point_m2` and `relaxation_m2` where the charge is -2.",
    )


def run_inputs(chain: SubmitOnce, structure: orm.StructureData, parameters: orm.Dict | None = None) -> dict[str, Any]:
    """Return the inputs of a CP2K run with the code and the options that a series shares."""
    inputs = cp2k_inputs(chain.inputs, structure)
    if parameters is not None:
        inputs["cp2k"]["parameters"] = parameters
    return inputs


def relaxation_inputs(chain: SubmitOnce, structure: orm.StructureData, parameters: orm.Dict) -> dict[str, Any]:
    """Return the inputs of a relaxation."""
    inputs = run_inputs(chain, structure, parameters)
    inputs["structure"] = inputs["cp2k"].pop("structure")
    return inputs | {"metadata": {"call_link_label": "relaxation"}}


def inputs_after(
    chain: SubmitOnce, relaxation: orm.WorkChainNode, parameters: orm.Dict, single_point: orm.Dict
) -> dict[str, Any]:
    """Return the inputs of the single point after a relaxation that was done with `parameters`."""
    inputs = run_inputs(chain, relaxation.outputs.structure, single_point)
    if same_mesh(parameters, single_point):
        inputs["cp2k"]["parent_calc_folder"] = relaxation.outputs.remote_folder
    return inputs


def same_mesh(first: orm.Dict, second: orm.Dict) -> bool:
    """Tell whether one calculation's wavefunction is of use to the other."""
    meshes = [parameters["FORCE_EVAL"]["DFT"].get("KPOINTS") for parameters in (first, second)]
    return bool(meshes[0] == meshes[1])
