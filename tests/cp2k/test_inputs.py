import json
import re
from io import StringIO
from pathlib import Path
from subprocess import run
from typing import Any, get_args

import numpy as np
import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase import Atoms
from ase.build import bulk
from cp2k_input_tools.parser import CP2KInputParser

from qdsim.cp2k.calculation import TRAJECTORY_FILE, Cp2kCalculation
from qdsim.cp2k.compounds import compounds
from qdsim.cp2k.inputs import (
    Isolation,
    build_parameters,
    known_elements,
    load_protocol,
    protocol_names,
    render,
    wavefunction_file,
)
from qdsim.cp2k.settings import RunType
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

REFERENCE = RhombohedralState.from_lattice_constant(6.008).cell


@pytest.fixture(scope="module")
def schema() -> CP2KInputParser:
    return CP2KInputParser()


@pytest.mark.parametrize("compound", ["PbS", "PbSe", "PbTe"])
@pytest.mark.parametrize("protocol", protocol_names())
@pytest.mark.parametrize("run_type", get_args(RunType))
def test_cp2k_itself_accepts_every_input(
    protocol: str, compound: str, run_type: RunType, cp2k_executable: Path, tmp_path: Path, schema: CP2KInputParser
) -> None:
    known = compounds()[compound]
    settings = load_protocol(protocol)
    reference = RhombohedralState.from_lattice_constant(known.reference_lattice_constant)
    atoms = reference.to_atoms(known.cation, known.anion, settings.cell)
    if settings.template == "cluster.inp":
        parameters = build_parameters(settings, atoms, run_type=run_type, isolation=Isolation("MT", (6.0, 6.0, 6.5)))
    else:
        parameters = build_parameters(settings, atoms, reference.cell, run_type)
    text = render(parameters, atoms)
    schema.parse(StringIO(text))
    (tmp_path / "aiida.inp").write_text(text)
    checked = run(
        [cp2k_executable, "--check", "-i", "aiida.inp"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "SUCCESS, the input could be parsed correctly" in checked.stdout
    assert checked.returncode == 0


def test_parameters_are_plain_json(pbs: Atoms) -> None:
    parameters = build_parameters(load_protocol("fast"), pbs, REFERENCE)
    assert json.loads(json.dumps(parameters)) == parameters


@pytest.mark.parametrize("solver", ["WAVELET", "MT"])
def test_an_isolated_cluster_is_periodic_nowhere(pbs: Atoms, solver: str) -> None:
    parameters = build_parameters(load_protocol("cluster"), pbs, isolation=Isolation(solver, (5.0, 5.0, 6.5)))
    dft = parameters["FORCE_EVAL"]["DFT"]
    assert parameters["FORCE_EVAL"]["SUBSYS"]["CELL"]["PERIODIC"] == "NONE"
    assert (dft["POISSON"]["PERIODIC"], dft["POISSON"]["POISSON_SOLVER"]) == ("NONE", solver)
    moments = dft["PRINT"]["MOMENTS"]
    assert moments["PERIODIC"] is False
    assert moments["REFERENCE"] == "USER_DEFINED"
    assert "KPOINTS" not in dft


def test_a_cluster_without_a_point_of_reference_has_no_dipole(pbs: Atoms) -> None:
    parameters = build_parameters(load_protocol("cluster"), pbs)
    assert "MOMENTS" not in parameters["FORCE_EVAL"]["DFT"]["PRINT"]


def test_kinds_of_absent_elements_are_dropped(pbs: Atoms) -> None:
    parameters = build_parameters(load_protocol("fast"), pbs)
    assert [kind["_"] for kind in parameters["FORCE_EVAL"]["SUBSYS"]["KIND"]] == ["Pb", "S"]


def test_reference_cell_is_written_in_full(pbs: Atoms) -> None:
    reference = REFERENCE + 0.1 / 3
    cell = build_parameters(load_protocol("fast"), pbs, reference)["FORCE_EVAL"]["SUBSYS"]["CELL"]["CELL_REF"]
    assert [[float(x) for x in cell[axis].split()] for axis in "ABC"] == reference.tolist()
    assert build_parameters(load_protocol("fast"), pbs)["FORCE_EVAL"]["SUBSYS"]["CELL"] == {}


def test_wavefunction_is_read_from_where_it_is_said_to_be(pbs: Atoms) -> None:
    settings = load_protocol("fast")
    dft = build_parameters(settings, pbs, wavefunction="./parent_calc/aiida-RESTART.kp")["FORCE_EVAL"]["DFT"]
    assert dft["WFN_RESTART_FILE_NAME"] == "./parent_calc/aiida-RESTART.kp"
    assert dft["SCF"]["SCF_GUESS"] == "RESTART"
    assert build_parameters(settings, pbs)["FORCE_EVAL"]["DFT"]["SCF"]["SCF_GUESS"] == "ATOMIC"


def test_name_of_the_wavefunction_file_follows_the_sampling(pbs: Atoms) -> None:
    assert wavefunction_file(build_parameters(load_protocol("fast"), pbs)) == "aiida-RESTART.kp"
    assert wavefunction_file(build_parameters(load_protocol("paper"), pbs)) == "aiida-RESTART.wfn"


def test_gamma_point_can_be_diagonalised_with_smearing(pbs: Atoms) -> None:
    settings = load_protocol("fast", {"k_points": None, "smearing_temperature": 300})
    dft = build_parameters(settings, pbs)["FORCE_EVAL"]["DFT"]
    assert "KPOINTS" not in dft
    assert dft["SCF"]["SMEAR"]["ELECTRONIC_TEMPERATURE"] == 300
    assert "MO_CUBES" in dft["PRINT"]


def test_a_cluster_can_be_diagonalised_with_smearing(pbs: Atoms) -> None:
    settings = load_protocol("cluster", {"solver": "DIAGONALIZATION", "smearing_temperature": 300, "max_scf": 200})
    scf = build_parameters(settings, pbs, isolation=Isolation("MT", (6.0, 6.0, 6.5)))["FORCE_EVAL"]["DFT"]["SCF"]
    assert scf["ADDED_MOS"] > 0
    assert scf["MIXING"]["METHOD"] == "BROYDEN_MIXING"
    assert not {"OT", "OUTER_SCF"} & set(scf)


def test_element_without_pseudopotential_is_refused() -> None:
    atoms = bulk("SnS", "rocksalt", a=5.8)
    with pytest.raises(QdsimError, match=r"There is no pseudopotential for Sn in crystal\.inp.*Pb, S, Se, Te"):
        build_parameters(load_protocol("fast"), atoms)
    assert known_elements("crystal.inp") == ["Pb", "S", "Se", "Te"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    &CELL\n", "    &CELL\n A 1 2 3\n"), "has its own SUBSYS/CELL/A; take it out"),
        (("    &KIND Pb", "    &COORD\n Pb 0 0 0\n &END\n    &KIND Pb"), "has its own SUBSYS/COORD; take it out"),
        (("RUN_TYPE ${RUN_TYPE}\n", "RUN_TYPE MD\n"), "asks for RUN_TYPE MD where ENERGY_FORCE is needed"),
        (("EPS_SCF ${EPS_SCF}", "EPS_SFC ${EPS_SCF}"), "did you mean 'EPS_SCF'?"),
        (("&CELL_REF\n", "&CELL_REF\n PERIODIC ${RUN_TIPE}\n"), "variable ${RUN_TIPE} has no value"),
        (("${REFERENCE_CELL-NONE} == FROZEN", "1 == 2"), "The value of REFERENCE_CELL is read nowhere"),
    ],
)
def test_unfit_template_is_refused(tmp_path: Path, pbs: Atoms, change: tuple[str, str], message: str) -> None:
    ours = (Path(__file__).parents[2] / "templates" / "cp2k" / "crystal.inp").read_text()
    assert change[0] in ours
    own = tmp_path / "own.inp"
    own.write_text(ours.replace(*change))
    with pytest.raises(QdsimError) as refusal:
        build_parameters(load_protocol("fast", {"template": str(own)}), pbs, REFERENCE)
    assert message in str(refusal.value)


def test_wrong_reference_cell_is_a_programming_error(pbs: Atoms) -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        build_parameters(load_protocol("fast"), pbs, [6, 6, 6])


def _submitted(code: orm.InstalledCode, parameters: dict[str, object], atoms: Atoms, folder: Path) -> None:
    """Write the files that AiiDA would submit."""
    process: Any = instantiate_process(
        get_manager().get_runner(),
        Cp2kCalculation,
        code=code,
        parameters=orm.Dict(dict=parameters),
        structure=orm.StructureData(ase=atoms),
        metadata={"options": {"resources": {"num_machines": 1}}},
    )
    with SandboxFolder() as sandbox:
        job = process.prepare_for_submission(sandbox)
        assert job.retrieve_list.count(TRAJECTORY_FILE) == 1
        for name in sandbox.get_content_list():
            (folder / name).write_text(Path(sandbox.get_abs_path(name)).read_text())


def test_rendered_input_is_what_aiida_submits(
    cp2k_code: orm.InstalledCode, pbs: Atoms, tmp_path: Path, schema: CP2KInputParser
) -> None:
    parameters = build_parameters(load_protocol("fast"), pbs, REFERENCE)
    _submitted(cp2k_code, parameters, pbs, tmp_path)
    theirs = schema.parse(StringIO((tmp_path / "aiida.inp").read_text()))
    assert " ENERGIES " not in (tmp_path / "aiida.inp").read_text()  # which CP2K 8.1 does not know
    assert " EIGENVALUES " in (tmp_path / "aiida.inp").read_text()
    ours = schema.parse(StringIO(render(parameters, pbs)))
    lines = (tmp_path / "aiida.coords.xyz").read_text().splitlines()[2:]
    coordinates = ours["+force_eval"][0]["+subsys"].pop("+coord")["*"]
    theirs["+force_eval"][0]["+subsys"].pop("+topology")
    cells = [document["+force_eval"][0]["+subsys"]["+cell"] for document in (ours, theirs)]
    vectors = [[cell.pop(axis) for axis in "abc"] for cell in cells]
    assert ours == theirs
    # AiiDA rounds what it stores to 14 digits.
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(vectors[0], np.asarray(pbs.cell))
    assert [line.split()[0] for line in coordinates] == [line.split()[0] for line in lines] == ["Pb", "S"]
    positions = [[[float(x) for x in line.split()[1:]] for line in text] for text in (coordinates, lines)]
    np.testing.assert_allclose(positions[0], positions[1], rtol=1e-13)
    np.testing.assert_allclose(positions[0], pbs.positions, rtol=0, atol=1e-16)


@pytest.mark.cp2k
def test_run_by_hand_gives_the_energy_of_the_submitted_files(
    cp2k_code: orm.InstalledCode, cp2k_executable: Path, pbs: Atoms, tmp_path: Path
) -> None:
    coarse = {"k_points": [2, 2, 2], "cutoff": 60, "eps_default": 1e-6, "max_scf": 40}
    parameters = build_parameters(load_protocol("fast", coarse), pbs, REFERENCE)
    _submitted(cp2k_code, parameters, pbs, tmp_path)
    (tmp_path / "hand.inp").write_text(render(parameters, pbs))
    energies = []
    for name in ("aiida.inp", "hand.inp"):
        done = run([cp2k_executable, "-i", name], cwd=tmp_path, capture_output=True, text=True, check=True)
        energies += re.findall(r"ENERGY\| Total FORCE_EVAL .*[\]:] +(-\S+)$", done.stdout, re.MULTILINE)
    assert len(energies) == 2
    assert float(energies[0]) == pytest.approx(float(energies[1]), rel=0, abs=1e-10)
