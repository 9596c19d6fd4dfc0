"""From a campaign to every calculation it takes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import write

from qdsim.campaign.plan import Plan, plan_campaign, write_inputs
from qdsim.campaign.schema import Campaign
from qdsim.campaign.strain import StrainPlan
from qdsim.campaign.tasks import core_seconds
from qdsim.cp2k.inputs import load_protocol
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState


def campaign(**changes: Any) -> Campaign:
    document = {"name": "plan", "compound": "PbS", "protocol": "fast", "strain": {"linear": ["1 %", "2 %"]}}
    return Campaign.model_validate({**document, **changes})


def strain_of(plan: Plan) -> StrainPlan:
    assert plan.strain is not None
    return plan.strain


def test_every_calculation_is_planned() -> None:
    plan = plan_campaign(campaign())
    labels = [task.label for task in plan.tasks]
    assert labels[:7] == [f"volume_{index:02d}" for index in range(7)]
    for point in ("linear_p0p0100", "linear_p0p0200"):
        # The relaxation starts at 0.1 Å, which is one of the double well's three offsets.
        roles = {label.partition("__")[2] for label in labels if label.startswith(point)}
        assert roles == {"centred", "relaxed", "well_0", "well_1"}
    assert len(labels) == 7 + 2 * 4
    assert plan.single_points == 7 + 2 * (3 + 5)
    assert plan.core_hours > 0


def test_grid_and_mesh_are_the_same_for_the_whole_series() -> None:
    plan = plan_campaign(campaign())
    cell_ref = strain_of(plan).parameters["FORCE_EVAL"]["SUBSYS"]["CELL"]["CELL_REF"]
    rows = np.array([[float(x) for x in str(cell_ref[axis]).split()] for axis in "ABC"])
    np.testing.assert_allclose(rows, RhombohedralState.from_lattice_constant(6.008).cell, atol=1e-9)


def test_fingerprint_tells_what_decides_the_results() -> None:
    reference = plan_campaign(campaign()).fingerprint
    assert plan_campaign(campaign()).fingerprint == reference
    assert plan_campaign(campaign(resources={"queue": "long"})).fingerprint == reference
    assert plan_campaign(campaign(overrides={"cutoff": 320})).fingerprint != reference
    assert plan_campaign(campaign(strain={"linear": ["1 %"]})).fingerprint != reference


@pytest.mark.parametrize("compound", ["PbS", "PbSe", "PbTe"])
def test_inputs_are_written_for_every_compound(compound: str, tmp_path: Path) -> None:
    plan = plan_campaign(campaign(compound=compound))
    written = write_inputs(plan, tmp_path / "inputs")
    assert len(written) == len(plan.tasks)
    text = (tmp_path / "inputs" / "strain" / "linear_p0p0200__relaxed.inp").read_text()
    assert f"&KIND {compound[2:]}" in text
    with pytest.raises(QdsimError, match="not empty"):
        write_inputs(plan, tmp_path / "inputs")


def test_inputs_that_cannot_all_be_written_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_campaign(campaign())
    write_text = Path.write_text

    def fill_up(path: Path, *arguments: Any, **options: Any) -> int:
        if path.name == "volume_02.inp":
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", fill_up)
    with pytest.raises(OSError, match="No space left"):
        write_inputs(plan, tmp_path / "inputs")
    assert list(tmp_path.iterdir()) == []


def test_paper_protocol_has_a_thousand_atoms() -> None:
    plan = plan_campaign(campaign(protocol="paper", strain={"linear": ["1 %"]}))
    assert {len(task.atoms) for task in plan.tasks} == {1000}
    assert "KPOINTS" not in strain_of(plan).parameters["FORCE_EVAL"]["DFT"]


def test_larger_cells_and_finer_meshes_cost_more() -> None:
    atoms = RhombohedralState(54.0).to_atoms("Pb", "S")
    fast, precise = load_protocol("fast"), load_protocol("precise")
    assert core_seconds(atoms.repeat(2), fast) > core_seconds(atoms, fast)
    assert core_seconds(atoms, precise) > core_seconds(atoms, fast)


def test_structure_file_gives_compound_and_lattice_constant(tmp_path: Path) -> None:
    path = tmp_path / "pbse.cif"
    write(path, RhombohedralState.from_lattice_constant(6.15).to_atoms("Pb", "Se", "conventional"))
    plan = plan_campaign(campaign(compound=None, structure=path))
    assert strain_of(plan).lattice.compound == "PbSe"
    middle = strain_of(plan).strain.equation_of_state_volumes[3]
    assert (4 * middle) ** (1 / 3) == pytest.approx(6.15, abs=1e-6)


def test_structure_of_other_elements_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nacl.xyz"
    write(path, RhombohedralState(45.0).to_atoms("Na", "Cl"), format="extxyz")
    with pytest.raises(QdsimError, match="Cl and Na"):
        plan_campaign(campaign(compound=None, structure=path))


def test_structure_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "broken.cif"
    path.write_text("this is no structure\n", encoding="utf-8")
    with pytest.raises(QdsimError, match=r"broken\.cif"):
        plan_campaign(campaign(compound=None, structure=path))
