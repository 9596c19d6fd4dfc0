"""A strain series with real CP2K, its results, and the provenance of every one of them."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.analysis.relaxation import RelaxationSettings
from qdsim.provenance import restarts, tasks
from qdsim.workflows.campaign import CampaignWorkChain
from qdsim.workflows.documents import StrainSettings
from qdsim.workflows.strain import StrainWorkChain

VOLUMES = tuple((6.008 * (1 + step / 100)) ** 3 / 4 for step in (-3, -1.5, 0, 1.5, 3))


@pytest.fixture
def strain_inputs(cp2k_inputs: dict[str, Any], lattice: orm.Dict) -> dict[str, Any]:
    settings = StrainSettings(
        protocol="fast",
        equation_of_state_volumes=VOLUMES,
        quantity="lattice_constant",
        values=(6.12,),
        double_well=(0.1, 0.2),
        start_offset=0.2,
    )
    return {
        "cp2k": cp2k_inputs,
        "lattice": lattice,
        "settings": orm.Dict(settings.model_dump(mode="json")),
        "relaxation": orm.Dict(RelaxationSettings().model_dump(mode="json")),
    }


def test_campaign_of_one_strain(strain_inputs: dict[str, Any], killed_code: Callable[[int], orm.InstalledCode]) -> None:
    strain_inputs["cp2k"]["code"] = killed_code(1)
    campaign = orm.Dict({"campaign": {"name": "test"}, "settings": {}})
    outputs, node = run_get_node(CampaignWorkChain, campaign=campaign, strain=strain_inputs)
    assert node.is_finished_ok, node.exit_message
    results = StrainResults(**outputs["strain"]["results"].get_dict())
    (point,) = results.points
    assert point.label == "lattice_constant_p6p1200"
    assert point.lattice_constant == pytest.approx(6.12)
    assert point.centred is not None
    assert point.relaxed is not None
    assert point.double_well is not None
    assert point.energy_gain is not None
    assert point.energy_gain < -0.005
    assert point.relaxed.pb_offset > 0.1
    assert point.relaxed.alpha_rh < 60
    assert point.centred.space_group.startswith("Fm-3m")
    assert point.relaxed.space_group.startswith("R3m")
    assert point.double_well.offsets == pytest.approx([0, 0.1, 0.2])
    assert point.double_well.quadratic < 0
    # Two ways to the same pressure: the stress of the centred phase, and the slope of the equation of state.
    assert point.centred.pressure == pytest.approx(point.eos_pressure, abs=0.5)
    check_provenance(node)
    assert isinstance(node, orm.WorkChainNode)
    (restart,) = restarts(node)
    assert "1 calculation(s) failed before the result" in restart
    done = {task.label: task for task in tasks(node)}
    assert {task.state for task in done.values()} == {"done"}
    relaxation = done["lattice_constant_p6p1200__relaxed"]
    assert len(relaxation.calculations) >= point.relaxed.single_points


def check_provenance(campaign: orm.ProcessNode) -> None:
    """Every Data node under a campaign was given to it or made by a calculation."""
    for process in [campaign, *campaign.called_descendants]:
        for link in process.base.links.get_incoming(orm.Data).all():
            data = link.node
            handed_in = campaign.base.links.get_incoming(orm.Data).all_nodes()
            orphan = data.creator is None and data.uuid not in {node.uuid for node in handed_in}
            assert not orphan, f"{process.process_label} got {link.link_label} <{data.pk}> from nowhere"
        for data in process.base.links.get_outgoing(orm.Data).all_nodes():
            assert data.creator is not None, f"{process.process_label} returned <{data.pk}> made by nobody"


def test_failed_point_leaves_the_equation_of_state(strain_inputs: dict[str, Any]) -> None:
    settings = strain_inputs["settings"].get_dict()
    strain_inputs["settings"] = orm.Dict({**settings, "double_well": [0.1]})
    strain_inputs["relaxation"] = orm.Dict(RelaxationSettings(max_steps=1).model_dump(mode="json"))
    outputs, node = run_get_node(StrainWorkChain, **strain_inputs)
    assert node.exit_status == 431
    assert "1 of 6" in str(node.exit_message)
    results = StrainResults(**outputs["results"].get_dict())
    (point,) = results.points
    assert point.relaxed is None
    assert point.energy_gain is None
    assert point.centred is not None
    assert point.double_well is not None  # from the relaxation's first step
    assert len(point.path) == 1
    assert results.equation_of_state.bulk_modulus > 0


def test_no_equation_of_state_without_a_minimum(strain_inputs: dict[str, Any]) -> None:
    settings = strain_inputs["settings"].get_dict()
    volumes = [volume * 1.4 for volume in VOLUMES]
    strain_inputs["settings"] = orm.Dict({**settings, "equation_of_state_volumes": volumes})
    outputs, node = run_get_node(StrainWorkChain, **strain_inputs)
    assert node.exit_status == 430
    assert "no minimum" in str(node.exit_message)
    assert "results" not in outputs
