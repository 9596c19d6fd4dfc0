"""Vacancies with real CP2K: the numbers by hand, what fails, and where every node comes from."""

import re
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.units import Hartree

from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.campaign.schema import VacancySection
from qdsim.campaign.vacancy import VacancyPlan, plan_vacancies
from qdsim.cp2k.compounds import load_compound
from qdsim.provenance import failures, tasks, vacancy_analysis, vacancy_results, vacancy_structures
from qdsim.workflows.campaign import CampaignWorkChain

# Physics is not asked for here: the smallest cell whose images are 6 Å apart, the smallest basis, coarse grids, and
# relaxations that are content with what a first step leaves.
OVERRIDES = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "cutoff": 100,
    "rel_cutoff": 30,
    "max_force": 1.0,
    "rms_force": 1.0,
    "max_displacement": 10.0,
    "rms_displacement": 10.0,
}
SECTION = {
    "supercell": [1, 1, 1],
    "k_points": "gamma",
    "overrides": OVERRIDES,
    "hosts": {
        "undistorted": {"linear_strain": 0},
        "polar": {"linear_strain": "2 %", "alpha_rh": 59.4, "pb_offset": 0.2},
    },
    "reservoirs": {"halfway": {"rich": 0.5}, "oleate": {"reaction_energy": 0.3, "element": "Pb"}},
}
IMPATIENT = {"max_geo_steps": 1, "max_force": 1e-6}


def plan(**changes: Any) -> VacancyPlan:
    section = VacancySection.model_validate({**SECTION, **changes})
    return plan_vacancies(section, None, load_compound("PbS"), 6.008, 600)


def run(made: VacancyPlan, code: orm.InstalledCode, **changes: Any) -> orm.WorkChainNode:
    options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}
    inputs = {**made.inputs(code, options), "max_iterations": orm.Int(1), **changes}
    _, node = run_get_node(
        CampaignWorkChain, campaign=orm.Dict({"campaign": {"name": "test"}, "settings": {}}), vacancy=inputs
    )
    assert isinstance(node, orm.WorkChainNode)
    return node


def energy_by_hand(campaign: orm.WorkChainNode, label: str) -> float:
    """Read a total energy from what CP2K itself wrote, eV."""
    (task,) = [task for task in tasks(campaign) if task.label == label]
    calculation = orm.load_node(task.calculations[-1].uuid)
    text = calculation.outputs.retrieved.base.repository.get_object_content("aiida.out")
    return float(re.findall(r"ENERGY\| Total FORCE_EVAL .*[\]:] +(-\S+)$", text, re.MULTILINE)[-1]) * Hartree


def test_formation_energies_are_those_of_the_outputs(cp2k_code: orm.InstalledCode) -> None:
    node = run(plan(), cp2k_code)
    assert node.is_finished_ok, node.exit_message
    results, analysis = vacancy_results(node), vacancy_analysis(node)
    assert results is not None
    assert analysis is not None
    check_by_hand(node, analysis)
    check_identities(analysis)
    (lead, sulphur) = analysis.decompositions
    assert (lead.undistorted, lead.strained, lead.angle_only) == ("undistorted", "polar_cubic", "polar_centred")
    for one in (lead, sulphur):
        parts = (one.volume, one.angle, one.off_centring, one.relaxation)
        assert None not in parts
        assert sum(part for part in parts if part is not None) == pytest.approx(one.total, abs=1e-9)
    assert set(vacancy_structures(node)["polar"]) == {"host", "V_Pb", "V_S"}
    assert len(vacancy_structures(node)["polar"]["V_Pb"].sites) == 7
    check_provenance(node)


def check_by_hand(campaign: orm.WorkChainNode, analysis: VacancyAnalysis) -> None:
    """Compute every formation energy from what CP2K itself wrote."""
    lead = energy_by_hand(campaign, "element_Pb")
    sulphur = energy_by_hand(campaign, "element_S") / 8
    compound = energy_by_hand(campaign, "undistorted__host") / 4
    heat = compound - lead - sulphur
    potentials = {
        "Pb-rich": {"Pb": lead, "S": sulphur + heat},
        "S-rich": {"Pb": lead + heat, "S": sulphur},
        "halfway": {"Pb": lead + heat / 2, "S": sulphur + heat / 2},
        "oleate": {"Pb": lead - 0.3, "S": sulphur + heat + 0.3},
    }
    assert analysis.heat_of_formation is not None
    assert analysis.heat_of_formation.computed == pytest.approx(heat, abs=1e-6)
    assert len(analysis.formation_energies) == len(potentials) * 2 * 4
    for row in analysis.formation_energies:
        element = row.defect.removeprefix("V_")
        host = energy_by_hand(campaign, f"{row.host}__host")
        for kind, terms in (("unrelaxed", row.unrelaxed), ("relaxed", row.relaxed)):
            if terms is None:
                assert kind == "relaxed"
                assert row.host in {"polar_cubic", "polar_centred"}
                continue
            vacancy = energy_by_hand(campaign, f"{row.host}__{row.defect}__{kind}")
            assert terms.total == pytest.approx(vacancy - host + potentials[row.reservoir][element], abs=1e-6)


def check_identities(analysis: VacancyAnalysis) -> None:
    """Both vacancies together take away a formula unit, whatever the reservoir."""
    for host in ("undistorted", "polar"):
        sums = [
            sum(
                row.relaxed.total
                for row in analysis.formation_energies
                if (row.host, row.reservoir) == (host, reservoir.name) and row.relaxed is not None
            )
            for reservoir in analysis.reservoirs
        ]
        assert sums == pytest.approx([sums[0]] * len(sums), abs=1e-6)


def test_a_host_that_fails_leaves_the_rest_and_is_named(cp2k_code: orm.InstalledCode) -> None:
    made = plan(overrides={**OVERRIDES, **IMPATIENT}, elements=["S"], rattle={"amplitude": 0.1})
    node = run(made, cp2k_code)
    assert node.exit_status == 440
    results, analysis = vacancy_results(node), vacancy_analysis(node)
    assert results is not None
    assert analysis is not None
    hosts = {host.label: host for host in results.hosts}
    assert {label for label, host in hosts.items() if host.energy is None} == {"polar"}
    assert "did not converge in 1 steps" in str(hosts["polar"].failure)
    (lost,) = [element for element in results.elements if element.energy is None]
    assert lost.element == "S"
    assert "did not converge" in str(lost.failure)
    # Its single point remains of the vacancy that did not relax either.
    (vacancy,) = [defect for defect in results.defects if defect.host == "undistorted"]
    assert vacancy.unrelaxed_energy is not None
    assert vacancy.energy is None
    assert "did not converge" in str(vacancy.failure)
    # Without sulphur there are no chemical potentials, and it is said why.
    assert analysis.window is None
    assert "The energy of S in its reference phase is missing" in analysis.messages[0]
    assert any(sentence.startswith("polar__relaxation: ") for sentence in failures(node))


def check_provenance(campaign: orm.WorkChainNode) -> None:
    handed_in = {node.uuid for node in campaign.base.links.get_incoming(orm.Data).all_nodes()}
    for process in [campaign, *campaign.called_descendants]:
        for link in process.base.links.get_incoming(orm.Data).all():
            orphan = link.node.creator is None and link.node.uuid not in handed_in
            assert not orphan, f"{process.process_label} got {link.link_label} <{link.node.pk}> from nowhere"


def test_a_charged_vacancy_is_corrected_for_its_images(cp2k_code: orm.InstalledCode) -> None:
    made = plan(
        hosts={"undistorted": {"linear_strain": 0}},
        elements=["S"],
        charges={"S": [2]},
        dielectric={"eps_inf": 17, "eps_0": 170},
        reservoirs={},
    )
    node = run(made, cp2k_code)
    assert node.is_finished_ok, node.exit_message
    results, analysis = vacancy_results(node), vacancy_analysis(node)
    assert results is not None
    assert analysis is not None
    (charged,) = [defect for defect in results.defects if defect.charge]
    (host,) = results.hosts
    assert charged.charge == 2
    assert charged.unrelaxed_correction is not None
    assert charged.correction is not None
    # A point charge in a cube of side L: q^2 2.8373 e^2 / (2 eps L); ten times less with ten times the screening.
    expected = 4 * 2.8373 * 14.3996 / (2 * 17 * 6.008)
    assert charged.unrelaxed_correction.electrostatic == pytest.approx(expected, rel=1e-4)
    assert charged.correction.electrostatic == pytest.approx(charged.unrelaxed_correction.electrostatic / 10)
    assert abs(charged.unrelaxed_correction.alignment) > 0.01
    (row,) = [row for row in analysis.formation_energies if row.charge and row.reservoir == "Pb-rich"]
    by_hand = energy_by_hand(node, "undistorted__V_S_p2__unrelaxed") - energy_by_hand(node, "undistorted__host")
    assert analysis.window is not None
    assert host.vbm is not None
    assert row.unrelaxed is not None
    by_hand += analysis.window.compound_energy - analysis.window.references["Pb"]
    by_hand += 2 * host.vbm + charged.unrelaxed_correction.energy
    assert row.unrelaxed.total == pytest.approx(by_hand, abs=1e-6)
    check_provenance(node)
