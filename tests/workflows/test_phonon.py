"""Phonons with real CP2K: forces against energies, a crystal that is not relaxed, and one displacement that fails."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching

from qdsim.analysis.phonon_analysis import PhononResults
from qdsim.analysis.phonon_results import FiniteFieldSettings, PhononSettings
from qdsim.analysis.relaxation import RelaxationSettings
from qdsim.cp2k.inputs import build_parameters, load_protocol
from qdsim.errors import QdsimError
from qdsim.provenance import nodes_behind, phonon_analysis, phonon_results, phonopy_files, tasks
from qdsim.provenance.phonons import thermal_b_iso
from qdsim.structures import RhombohedralState
from qdsim.workflows.campaign import CampaignWorkChain
from qdsim.workflows.cp2k import Cp2kWorkChain
from qdsim.workflows.documents import StrainSettings
from qdsim.workflows.phonon import PhononWorkChain
from qdsim.workflows.phonon_documents import CrystalSettings, PhononSeriesSettings
from qdsim.workflows.phonon_series import PhononSeriesWorkChain

VOLUMES = tuple((6.008 * (1 + step / 100)) ** 3 / 4 for step in (-3, -1.5, 0, 1.5, 3))
MOST_STEPS = 2
"""Of the SCF: too few."""
PHONONS = PhononSettings(cation="Pb", anion="S", supercell=(1, 1, 1), distance=0.02, mesh=4, temperatures=(300.0,))


@pytest.fixture
def odd_mesh(cp2k_inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of CP2K on a mesh that has the symmetry of the crystal."""
    parameters = cp2k_inputs["parameters"].get_dict()
    parameters["FORCE_EVAL"]["DFT"]["KPOINTS"]["SCHEME"] = "MONKHORST-PACK 5 5 5"
    parameters["FORCE_EVAL"]["DFT"]["QS"]["EPS_DEFAULT"] = 1e-10
    return {**cp2k_inputs, "parameters": orm.Dict(parameters)}


def phonons(**changes: Any) -> orm.Dict:
    return orm.Dict(PHONONS.model_copy(update=changes).model_dump(mode="json"))


def test_the_soft_mode_of_forces_is_that_of_energies(odd_mesh: dict[str, Any], lattice: orm.Dict) -> None:
    """Both at the same volume, mesh and grid; 3 % of the frequency is 6 % of its square."""
    strain = StrainSettings(
        protocol="fast",
        equation_of_state_volumes=VOLUMES,
        quantity="lattice_constant",
        values=(6.12,),
        double_well=(0.05, 0.1, 0.3),
        start_offset=0.2,
    )
    label = "lattice_constant_p6p1200"
    crystal = CrystalSettings(label=label, volume=6.12**3 / 4, crystal=True, point=label, phase="centred")
    series = PhononSeriesSettings(protocol="fast", compound="PbS", crystals=(crystal,))
    _, node = run_get_node(
        CampaignWorkChain,
        campaign=orm.Dict({"campaign": {"name": "test"}, "settings": {}}),
        strain={
            "cp2k": odd_mesh,
            "lattice": lattice,
            "settings": orm.Dict(strain.model_dump(mode="json")),
            "relaxation": orm.Dict(RelaxationSettings().model_dump(mode="json")),
        },
        phonon={
            "cp2k": odd_mesh,
            "settings": orm.Dict(series.model_dump(mode="json")),
            "phonons": phonons(),
        },
    )
    assert node.is_finished_ok, node.exit_message
    assert isinstance(node, orm.WorkChainNode)
    results, analysis = phonon_results(node), phonon_analysis(node)
    assert results is not None
    assert analysis is not None
    (state,), (row,) = results.states, analysis.rows
    assert state.label == label
    assert not state.stable
    assert state.thermal == ()
    assert row.centred
    assert row.from_energies is not None
    assert row.transverse_optical < -20
    assert row.transverse_optical == pytest.approx(row.from_energies, rel=0.03)
    # In the smallest basis the minimum is at 0.5 Å, beyond these offsets: a polynomial through them turns down.
    assert row.well is None
    assert row.message is not None
    assert "falls without bounds: compute the double well at larger offsets" in row.message
    assert state.gamma.antiphase == pytest.approx(1, abs=1e-6)
    assert f"phonons.{label}.undisplaced" in nodes_behind(node)
    assert {task.label for task in tasks(node) if task.section == "phonon"} == {
        f"{label}__{name}" for name in ("undisplaced", "displaced_00", "displaced_01")
    }
    assert "force_constants" in phonopy_files(node)[label].get_content(mode="r")
    with pytest.raises(QdsimError, match="has no harmonic B: The crystal is unstable"):
        thermal_b_iso(node, None, 300.0)
    with pytest.raises(QdsimError, match=f"no phonons of a crystal 'other'; there are {label}"):
        thermal_b_iso(node, "other", 300.0)


def test_a_crystal_with_forces_is_refused_before_it_is_displaced(odd_mesh: dict[str, Any]) -> None:
    crystal = RhombohedralState.from_lattice_constant(6.008, offset=0.2).to_atoms("Pb", "S")
    _, node = run_get_node(PhononWorkChain, cp2k=odd_mesh, crystal=orm.StructureData(ase=crystal), phonons=phonons())
    assert node.exit_status == PhononWorkChain.exit_codes.ERROR_UNUSABLE.status
    assert "not relaxed: an atom has a force of" in str(node.exit_message)
    assert len([one for one in node.called if isinstance(one, orm.WorkChainNode)]) == 1


def in_field(strength: float, **changes: Any) -> dict[str, orm.Dict]:
    """Return what Born charges are computed with: eight atoms in the smallest basis."""
    small = {"cell": "conventional", "basis_set": "SZV-MOLOPT-SR-GTH", "cutoff": 120, "rel_cutoff": 30, "walltime": 300}
    atoms = RhombohedralState.from_lattice_constant(5.9).to_atoms("Pb", "S", "conventional")
    parameters = build_parameters(load_protocol("finite_field", small | changes), atoms, field=strength)
    settings = FiniteFieldSettings(cation="Pb", anion="S", repeats=(1, 1, 1), field=strength)
    return {"parameters": orm.Dict(parameters), "settings": orm.Dict(settings.model_dump(mode="json"))}


def test_the_crystal_at_rest_vibrates_and_its_ions_answer_a_field(odd_mesh: dict[str, Any]) -> None:
    """The second time all runs come from the cache, and the field is one that would close the gap."""
    crystal = CrystalSettings(label="rest", volume=5.9**3 / 4)
    series = PhononSeriesSettings(protocol="fast", compound="PbS", crystals=(crystal,))
    given = {"cp2k": odd_mesh, "phonons": phonons(), "settings": orm.Dict(series.model_dump(mode="json"))}
    outputs, node = run_get_node(PhononSeriesWorkChain, **given, finite_field=in_field(0.02))
    assert node.is_finished_ok, node.exit_message
    (state,) = PhononResults(**outputs["results"].get_dict()).states
    found, gamma = state.nonanalytic, state.gamma
    assert found is not None
    # In so small a cell and basis the charges miss zero by 0.07 e.
    assert found.born_charges["Pb"] == pytest.approx(4.067, abs=0.01)
    assert found.eps_inf == pytest.approx(4.51, abs=0.01)
    assert gamma.transverse_optical > 20
    assert gamma.longitudinal_optical is not None
    assert gamma.longitudinal_optical > gamma.transverse_optical + 100
    assert abs(gamma.acoustic) < 1
    assert state.residual_force < 1e-3
    assert "born_effective_charge" in outputs["parameter_files"]["rest"].get_content(mode="r")

    with enable_caching():
        outputs, node = run_get_node(PhononSeriesWorkChain, **given, finite_field=in_field(10.0))
    assert node.exit_status == PhononSeriesWorkChain.exit_codes.ERROR_CRYSTALS_FAILED.status
    assert "Without Born charges, and LO-TO splitting" in str(node.exit_message)
    assert "eV across the cell, and the gap is 7.5" in str(node.exit_message)
    (state,) = PhononResults(**outputs["results"].get_dict()).states
    assert state.nonanalytic is None
    assert state.gamma.transverse_optical == pytest.approx(gamma.transverse_optical)
    assert state.gamma.longitudinal_optical is None


def test_occupations_are_not_smeared_in_a_field(odd_mesh: dict[str, Any]) -> None:
    given = in_field(0.02, max_scf=1, max_outer_scf=1)
    crystal = orm.StructureData(ase=RhombohedralState.from_lattice_constant(5.9).to_atoms("Pb", "S", "conventional"))
    inputs = {**odd_mesh, "parameters": given["parameters"], "structure": crystal}
    _, node = run_get_node(Cp2kWorkChain, cp2k=inputs)
    assert node.exit_status == Cp2kWorkChain.exit_codes.ERROR_SCF_NOT_CONVERGED.status
    assert "in 2 attempts" in str(node.exit_message)


def test_a_displacement_that_fails_is_named_and_it_alone_is_run_again(
    odd_mesh: dict[str, Any], killed_code: Callable[..., orm.InstalledCode]
) -> None:
    crystal = orm.StructureData(ase=RhombohedralState.from_lattice_constant(5.9).to_atoms("Pb", "S"))
    inputs = {
        "cp2k": {**odd_mesh, "code": killed_code(1, text="SCF_GUESS *RESTART")},  # displaced ones begin from a file
        "crystal": crystal,
        "phonons": phonons(),
        "max_iterations": orm.Int(1),
    }
    with enable_caching(identifier="aiida.calculations:cp2k"):
        _, node = run_get_node(PhononWorkChain, **inputs)
        assert node.exit_status == PhononWorkChain.exit_codes.ERROR_DISPLACEMENTS_FAILED.status
        assert re.match(r"1 of 2 displacements failed: displaced_0\d: ", str(node.exit_message))
        _, again = run_get_node(PhononWorkChain, **inputs)
    assert again.is_finished_ok, again.exit_message
    runs = [run for run in again.called_descendants if isinstance(run, orm.CalcJobNode)]
    assert sorted(run.base.caching.is_created_from_cache for run in runs) == [False, True, True]


def test_a_crystal_that_fails_is_named(odd_mesh: dict[str, Any]) -> None:
    crystal = orm.StructureData(ase=RhombohedralState.from_lattice_constant(5.9).to_atoms("Pb", "S"))
    parameters = odd_mesh["parameters"].get_dict()
    parameters["FORCE_EVAL"]["DFT"]["SCF"]["MAX_SCF"] = MOST_STEPS
    given = {**odd_mesh, "parameters": orm.Dict(parameters)}
    _, node = run_get_node(PhononWorkChain, cp2k=given, crystal=crystal, phonons=phonons(), max_iterations=orm.Int(1))
    assert node.exit_status == PhononWorkChain.exit_codes.ERROR_CRYSTAL_FAILED.status
    assert "did not converge" in str(node.exit_message)
