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
from qdsim.debye import read_structure
from qdsim.errors import QdsimError, QdsimWarning
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


CUBIC = """data_pbs
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M '{symbol}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


def planned(folder: Path, text: str, name: str = "crystal.cif") -> Plan:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return plan_campaign(campaign(compound=None, structure=path))


def edge(plan: Plan) -> float:
    volumes = strain_of(plan).strain.equation_of_state_volumes
    return float((4 * volumes[len(volumes) // 2]) ** (1 / 3))


@pytest.mark.parametrize("symbol", ["F m 3 m", "Fm3m", "F m -3 m"])
def test_a_structure_file_is_read_as_a_pattern_is(tmp_path: Path, symbol: str) -> None:
    text = CUBIC.format(a="5.936(2)", symbol=symbol) + "Pb1 Pb2+ 0 0 0 1\nS1 S2- .5 .5 .5 1\n"
    plan = planned(tmp_path, text)
    assert plan.compound.name == "PbS"
    assert edge(plan) == pytest.approx(5.936)
    assert set(read_structure(tmp_path / "crystal.cif").symbols) == {"Pb", "S"}


def test_a_structure_file_may_have_rhombohedral_axes(tmp_path: Path) -> None:
    a = 5.936 / np.sqrt(2)
    text = CUBIC.format(a=a, symbol="R 3 m").replace(" 90", " 60")
    plan = planned(tmp_path, text + "Pb1 Pb 0 0 0 1\nS1 S .5 .5 .5 1\n")
    assert plan.compound.name == "PbS"
    assert edge(plan) == pytest.approx(5.936)


def test_a_structure_file_may_be_in_any_locale(tmp_path: Path) -> None:
    crystal = RhombohedralState.from_lattice_constant(6.1).to_atoms("Pb", "S")
    write(tmp_path / "a.xyz", crystal, format="extxyz")
    text = (tmp_path / "a.xyz").read_text(encoding="utf-8").replace("pbc=", 'note="6.1 Å" pbc=')
    assert edge(planned(tmp_path, text, "b.xyz")) == pytest.approx(6.1)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ("Pb1 Pb 0 0 0 0.6\nSn1 Sn 0 0 0 0.4\nS1 S .5 .5 .5 1\n", r"occupied in part \(Pb 0\.6, Sn 0\.4\)"),
        ("Pb1 Pb 0 0 0 1\nS1 S .5 .5 .5 0.7\nSe1 Se .5 .5 .5 0.3\n", r"occupied in part \(S 0\.7, Se 0\.3\)"),
        ("Pb1 Pb 0 0 0 0.95\nS1 S .5 .5 .5 1\n", r"occupied in part \(Pb 0\.95\)"),
        ("Pb1 Pb 0 0 0 1\nS1 34S .5 .5 .5 1\n", "has isotopes"),
        ("Pb1 Pb 0 0 0 1\nS1 S .25 .25 .25 1\n", "exactly two|not rock salt|not a rock-salt"),
        ("Pb1 Pb 0 0 0 1\nSn1 Sn .25 .25 .25 1\nS1 S .5 .5 .5 1\n", "elements Pb, S, Sn"),
    ],
)
def test_a_structure_that_dft_cannot_compute_is_refused(tmp_path: Path, sites: str, message: str) -> None:
    with pytest.raises(QdsimError, match=rf"crystal\.cif: .*({message})"):
        planned(tmp_path, CUBIC.format(a="5.936", symbol="F m -3 m") + sites)


def test_vacancies_of_a_structure_are_refused(tmp_path: Path) -> None:
    crystal = RhombohedralState.from_lattice_constant(6.1).to_atoms("Pb", "S", (2, 2, 2))
    del crystal[3]
    write(tmp_path / "holed.cif", crystal)
    with pytest.raises(QdsimError, match=r"holed\.cif: .*vacancies \(1 of Pb among 32 formula units\)"):
        plan_campaign(campaign(compound=None, structure=tmp_path / "holed.cif"))


def test_what_is_not_taken_of_a_distorted_structure_is_said(tmp_path: Path) -> None:
    write(tmp_path / "r3m.cif", RhombohedralState.from_lattice_constant(6.1, 59.5, 0.2).to_atoms("Pb", "S"))
    with pytest.warns(QdsimWarning, match=r"r3m\.cif is distorted \(angle 59\.50°, offset 0\.200 Å\).* 6\.1000 Å is"):
        plan = plan_campaign(campaign(compound=None, structure=tmp_path / "r3m.cif"))
    assert edge(plan) == pytest.approx(6.1)
