"""From the vacancy section of a campaign to every calculation it takes, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import plan_campaign, write_inputs
from qdsim.campaign.schema import Campaign
from qdsim.campaign.vacancy import VacancyPlan
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

HOSTS = {
    "undistorted": {"linear_strain": "0 %"},
    "strained": {"linear_strain": "2 %"},
    "rhombohedral": {"linear_strain": "2 %", "alpha_rh": 59.4, "pb_offset": 0.2},
}


def campaign(**section: Any) -> Campaign:
    return Campaign.model_validate({"name": "vacancies", "compound": "PbS", "vacancy": {"hosts": HOSTS, **section}})


def plan(**section: Any) -> VacancyPlan:
    made = plan_campaign(campaign(**section)).vacancy
    assert made is not None
    return made


def test_every_calculation_is_planned() -> None:
    labels = [task.label for task in plan().tasks]
    kinds = ("unrelaxed", "relaxation", "relaxed")
    defects = [f"{element}__{kind}" for element in ("V_Pb", "V_S") for kind in kinds]
    assert labels == [
        "element_Pb",
        "element_S",
        *(f"undistorted__{what}" for what in ("host", *defects)),
        *(f"strained__{what}" for what in ("host", *defects)),
        *(f"rhombohedral__{what}" for what in ("relaxation", "host", *defects)),
        # What the decomposition needs beside the hosts that were asked for: the cell of the distorted one, centred.
        "rhombohedral_centred__host",
        "rhombohedral_centred__V_Pb__unrelaxed",
        "rhombohedral_centred__V_S__unrelaxed",
    ]


def test_steps_are_added_where_they_are_missing() -> None:
    made = plan(hosts={"rhombohedral": HOSTS["rhombohedral"]})
    levels = {host.label: host.level for host in made.vacancy.hosts}
    assert levels == {
        "rhombohedral": "relaxed",
        "rhombohedral_cubic": "unrelaxed",
        "rhombohedral_centred": "unrelaxed",
        "reference": "host",
    }
    assert made.vacancy.reference == "reference"


def test_host_and_vacancy_have_the_same_settings_and_cell() -> None:
    made = plan(charges={"S": [2]}, dielectric={"eps_inf": 17, "eps_0": 170})
    single_point, relaxation = made.parameters["single_point"], made.parameters["relaxation"]
    assert relaxation.pop("MOTION")["GEO_OPT"]["MAX_FORCE"] == 1e-3
    relaxation["GLOBAL"]["RUN_TYPE"] = "ENERGY_FORCE"
    assert relaxation == single_point
    charged = made.parameters["single_point_p2"]
    assert charged["FORCE_EVAL"]["DFT"].pop("CHARGE") == 2
    assert charged["FORCE_EVAL"]["DFT"]["PRINT"].pop("V_HARTREE_CUBE")
    assert charged == single_point
    tasks = {task.label: task for task in made.tasks}
    host, vacancy = tasks["strained__host"].atoms, tasks["strained__V_S_p2__relaxed"].atoms
    np.testing.assert_array_equal(host.cell, vacancy.cell)
    assert (len(host), len(vacancy)) == (64, 63)
    assert list(vacancy.symbols).count("S") == 31


def test_geometries_may_be_relaxed_on_a_coarser_mesh() -> None:
    made = plan(k_points=[3, 3, 3], relaxation_k_points=[2, 2, 2])
    meshes = {
        kind: made.parameters[kind]["FORCE_EVAL"]["DFT"]["KPOINTS"]["SCHEME"] for kind in ("single_point", "relaxation")
    }
    assert meshes == {"single_point": "MONKHORST-PACK 3 3 3", "relaxation": "MONKHORST-PACK 2 2 2"}


def test_inputs_are_written(tmp_path: Path) -> None:
    made = plan_campaign(campaign())
    written = write_inputs(made, tmp_path / "inputs")
    assert len(written) == len(made.tasks)
    text = (tmp_path / "inputs" / "vacancy" / "element_S.inp").read_text()
    assert "KPOINTS" not in text
    assert sum(line.split()[:1] == ["S"] for line in text.splitlines()) == 8
    assert "GEO_OPT" in text


def test_only_what_decides_the_results_changes_the_fingerprint() -> None:
    reference = plan_campaign(campaign()).fingerprint
    assert plan_campaign(campaign()).fingerprint == reference
    assert plan_campaign(campaign(k_points=[2, 2, 2])).fingerprint != reference
    assert plan_campaign(campaign(rattle={"seed": 2})).fingerprint != reference
    assert plan_campaign(campaign(reservoirs={"oleate": {"delta_mu": {"Pb": -0.5}}})).fingerprint != reference


def test_any_supercell_and_the_papers() -> None:
    fcc = plan(supercell=[[3, 0, 0], [0, 3, 0], [0, 0, 3]], hosts={"undistorted": HOSTS["undistorted"]})
    assert {len(task.atoms) for task in fcc.tasks if task.label.endswith("host")} == {54}
    paper = plan(protocol="paper", hosts={"undistorted": HOSTS["undistorted"]})
    assert {len(task.atoms) for task in paper.tasks if task.label.endswith("host")} == {1000}
    assert any("L" in sentence for sentence in paper.advice)
    elements = {task.label: task.parameters for task in paper.tasks if task.label.startswith("element")}
    assert "OT" not in elements["element_Pb"]["FORCE_EVAL"]["DFT"]["SCF"]


def test_points_of_the_strain_series_are_hosts() -> None:
    document = {
        "name": "both",
        "compound": "PbS",
        "strain": {"linear": ["0 %", "2 %"]},
        "vacancy": {"hosts": {"cubic": {"point": "2 %", "phase": "centred"}, "polar": {"point": "2 %"}}},
    }
    made = plan_campaign(Campaign.model_validate(document)).vacancy
    assert made is not None
    hosts = {host.label: host for host in made.vacancy.hosts}
    assert (hosts["polar"].point, hosts["polar"].phase) == ("linear_p0p0200", "relaxed")
    assert not hosts["cubic"].relaxes
    assert hosts["polar"].relaxes
    # The cubic one has the volume of the polar one already; its cell is not known yet, but it will not be cubic.
    assert set(hosts) == {"cubic", "polar", "polar_centred", "reference"}
    document["vacancy"] = {"hosts": {"polar": {"point": "1 %"}}}
    with pytest.raises(QdsimError, match=r"polar\.point: 0\.01 is no value of strain\.linear; there are 0, 0\.02"):
        plan_campaign(Campaign.model_validate(document))


def test_steps_take_no_orderings() -> None:
    series = {"elements": ["Pb"], "values": ["6.25 %"]}
    made = plan(hosts={"rhombohedral": HOSTS["rhombohedral"]}, elements=[], concentrations=series)
    hosts = {task.label.partition("__")[0] for task in made.tasks if task.label.endswith("__unrelaxed")}
    assert hosts == {"rhombohedral"}


def test_concentrations_and_pairs_are_planned() -> None:
    made = plan(
        hosts={"undistorted": HOSTS["undistorted"]},
        elements=[],
        pairs=[{"elements": ["Pb", "S"], "largest_distance": 5.5}],
        concentrations={"elements": ["Pb"], "values": ["6.25 %"]},
    )
    labels = {task.label.split("__")[1] for task in made.tasks if task.label.startswith("undistorted__")}
    pairs = {label for label in labels if label.startswith("V_Pb_V_S")}
    assert pairs == {"V_Pb_V_S_at_3p00_A", "V_Pb_V_S_at_5p20_A"}
    orderings = labels - pairs - {"host", "relaxation"}
    assert len(orderings) >= 3
    assert all(
        len(task.atoms) == 62
        for task in made.tasks
        if task.label.startswith("undistorted") and "host" not in task.label
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"elements": ["Se"]}, "vacancy.elements: there is no Se in PbS; name Pb or S"),
        ({"pairs": [{"elements": ["Pb", "O"]}]}, "vacancy.pairs: there is no O in PbS"),
        ({"reservoirs": {"x": {"delta_mu": {"Cl": -1}}}}, "vacancy.reservoirs: there is no Cl in PbS"),
        ({"supercell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "less than 6 Å"),
        ({"hosts": {"one": {"node": "999999"}}}, r"vacancy\.hosts\.one\.node: there is no node '999999'"),
        ({"hosts": {**HOSTS, "rhombohedral_centred": HOSTS["rhombohedral"]}}, "give it another one"),
        ({"protocol": "defect"}, "did you mean 'defects'"),
        ({"concentrations": {"elements": ["Pb"], "values": ["0.5 %"]}}, "give another one, or a larger supercell"),
    ],
)
@pytest.mark.usefixtures("aiida_profile")
def test_what_cannot_be_used_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        plan(**section)


def test_near_images_can_be_forced() -> None:
    assert plan(supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]], allow_near_images=True, elements=["Pb"])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"charges": {"Pb": [-2]}}, "charges need dielectric with eps_inf and eps_0"),
        ({"concentrations": {"elements": ["Pb"], "values": [0]}}, "leaves nothing to compute"),
        ({"concentrations": {"elements": ["Pb"], "values": ["100 %"]}}, "leaves nothing to compute"),
        ({"hosts": {"one": {}}}, "give one of linear_strain, lattice_constant, node, point; found none"),
        ({"hosts": {"one": {"node": "1", "alpha_rh": 59}}}, "alpha_rh and pb_offset come from the node"),
        ({"hosts": {"output": {"linear_strain": 0}}}, "'output' means something else"),
        ({"hosts": {"a b": {"linear_strain": 0}}}, "'a b' is no name of a host"),
        ({"hosts": {"a__b": {"linear_strain": 0}}}, "'a__b' is no name of a host"),
        ({"hosts": {"one": {"point": "2 %"}}}, "hosts.one is a point of the strain series; give strain too"),
        ({"reservoirs": {"x": {"delta_mu": {"Pb": -1}, "rich": 0.5}}}, "give one of delta_mu, rich, reaction_energy"),
        ({"reservoirs": {"x": {"reaction_energy": 1}}}, "reaction_energy and element go together"),
    ],
)
def test_what_makes_no_sense_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        campaign(**section)


def test_a_campaign_needs_something_to_compute(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("name: empty\ncompound: PbS\n")
    with pytest.raises(QdsimError, match="there is nothing to compute; give strain, phonon, vacancy or dipole"):
        load_campaign(path)


@pytest.mark.usefixtures("aiida_profile_clean")
def test_a_crystal_of_the_profile_is_a_host() -> None:
    from aiida import orm

    state = RhombohedralState.from_lattice_constant(6.12, 59.5, 0.15)
    node = orm.StructureData(ase=state.to_atoms("Pb", "S")).store()
    made = plan(hosts={"relaxed": {"node": node.uuid}}, elements=["Pb"])
    assert made.crystals == {"relaxed": node.uuid}
    host = next(host for host in made.vacancy.hosts if host.label == "relaxed")
    assert (host.volume, host.alpha_rh, host.pb_offset) == pytest.approx((state.volume, 59.5, 0.15))
    foreign = orm.StructureData(ase=state.to_atoms("Pb", "Te")).store()
    with pytest.raises(QdsimError, match="not PbS"):
        plan(hosts={"relaxed": {"node": foreign.uuid}})
    number = orm.Int(1).store()
    with pytest.raises(QdsimError, match="is a Int; give a structure"):
        plan(hosts={"relaxed": {"node": number.uuid}})
    holed = state.to_atoms("Pb", "S", "conventional")
    del holed[0]
    node = orm.StructureData(ase=holed).store()
    with pytest.raises(QdsimError, match=r"has vacancies \(1 of Pb among 4 formula units\)"):
        plan(hosts={"relaxed": {"node": node.uuid}})
    alloy = orm.StructureData(cell=state.cell)
    alloy.append_atom(position=state.cell.sum(axis=0) / 2, symbols=["Pb", "Sn"], weights=[0.6, 0.4])
    alloy.append_atom(position=(0, 0, 0), symbols="S")
    with pytest.raises(
        QdsimError, match=r"hosts\.relaxed\.node: Node .* sites that are occupied in part .*Pb0.60Sn0.40"
    ):
        plan(hosts={"relaxed": {"node": alloy.store().uuid}})
