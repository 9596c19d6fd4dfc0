"""Relaxations with real CP2K on the smallest cells."""

from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node

from qdsim.analysis.relaxation import RelaxationSettings
from qdsim.cp2k.inputs import build_parameters, load_protocol
from qdsim.structures import RhombohedralState, measure_distortion
from qdsim.workflows.relax import FixedCellRelaxWorkChain, RhombohedralRelaxWorkChain


@pytest.fixture
def relax_inputs(cp2k_inputs: dict[str, Any], lattice: orm.Dict) -> dict[str, Any]:
    return {
        "cp2k": cp2k_inputs,
        "lattice": lattice,
        "settings": orm.Dict(RelaxationSettings().model_dump(mode="json")),
    }


def test_stretched_lattice_finds_its_distortion(relax_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    outputs, node = run_get_node(RhombohedralRelaxWorkChain, structure=stretched, **relax_inputs)
    assert node.is_finished_ok, node.exit_message
    phase = outputs["results"]
    path = outputs["path"]
    assert len(path["steps"]) <= 8
    assert phase["single_points"] == len(path["steps"])
    assert phase["space_group"].startswith("R3m")
    assert 58 < phase["alpha_rh"] < 59.9
    assert 0.15 < phase["pb_offset"] < 0.5
    assert phase["energy"] == pytest.approx(min(step["energy"] for step in path["steps"]), abs=1e-4)
    start = measure_distortion(stretched.get_ase())
    relaxed = measure_distortion(outputs["structure"].get_ase())
    assert relaxed.volume == pytest.approx(start.volume, rel=1e-10)


def test_compressed_lattice_ends_centred(relax_inputs: dict[str, Any]) -> None:
    state = RhombohedralState.from_lattice_constant(5.8, offset=0.1)
    structure = orm.StructureData(ase=state.to_atoms("Pb", "S"))
    outputs, node = run_get_node(RhombohedralRelaxWorkChain, structure=structure, **relax_inputs)
    assert node.is_finished_ok, node.exit_message
    assert outputs["results"]["pb_offset"] < 0.01
    assert outputs["results"]["alpha_rh"] == pytest.approx(60, abs=0.05)


def test_steps_run_out_without_a_result(relax_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    relax_inputs["settings"] = orm.Dict(RelaxationSettings(max_steps=1).model_dump(mode="json"))
    outputs, node = run_get_node(RhombohedralRelaxWorkChain, structure=stretched, **relax_inputs)
    assert node.exit_status == 421
    assert "results" not in outputs
    assert len(outputs["path"]["steps"]) == 1


def test_failed_single_point_names_the_step(relax_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    parameters = relax_inputs["cp2k"]["parameters"].get_dict()
    parameters["FORCE_EVAL"]["SUBSYS"]["KIND"][0]["BASIS_SET"] = "NO-SUCH-BASIS"
    relax_inputs["cp2k"]["parameters"] = orm.Dict(parameters)
    _, node = run_get_node(RhombohedralRelaxWorkChain, structure=stretched, **relax_inputs)
    assert node.exit_status == 420
    assert "Step 1" in str(node.exit_message)
    assert "NO-SUCH-BASIS" in str(node.exit_message)


def test_fixed_cell_refuses_a_single_point(relax_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    with pytest.raises(ValueError, match="GEO_OPT"):
        run_get_node(FixedCellRelaxWorkChain, structure=stretched, cp2k=relax_inputs["cp2k"])


def test_fixed_cell_continues_until_the_atoms_rest(relax_inputs: dict[str, Any], stretched: orm.StructureData) -> None:
    settings = load_protocol("fast", {"k_points": [2, 2, 2], "basis_set": "SZV-MOLOPT-SR-GTH", "max_geo_steps": 3})
    parameters = build_parameters(settings, stretched.get_ase(), run_type="GEO_OPT")
    inputs = {**relax_inputs["cp2k"], "parameters": orm.Dict(parameters)}
    outputs, node = run_get_node(FixedCellRelaxWorkChain, structure=stretched, cp2k=inputs)
    assert node.is_finished_ok, node.exit_message
    runs = [called for called in node.called_descendants if isinstance(called, orm.CalcJobNode)]
    assert [run.exit_status for run in runs][:1] == [501]
    assert runs[-1].exit_status == 0
    assert outputs["output_parameters"]["geometry_converged"]
    forces = outputs["output_arrays"].get_array("forces")
    assert abs(forces).max() < 0.03  # eV/Å; CP2K's own criterion is 4.5e-4 hartree/bohr
    relaxed = outputs["structure"].get_ase()
    assert relaxed.cell[:] == pytest.approx(stretched.get_ase().cell[:], abs=1e-6)
    assert measure_distortion(relaxed).offset != pytest.approx(0.2, abs=0.01)
