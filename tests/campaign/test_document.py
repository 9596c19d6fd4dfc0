"""What a campaign keeps of how it was computed: in its document, for the report and for comparisons."""

from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType

from qdsim.campaign.launch import _document
from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import plan_campaign
from qdsim.cp2k.inputs import load_protocol
from qdsim.provenance import CAMPAIGN_PROCESS
from qdsim.provenance.difference import compare_campaigns
from qdsim.report.collect import collect

CAMPAIGN = """\
name: all
compound: PbS
protocol: fast
strain: {linear: [0.01]}
phonon:
  crystals: {a: {linear_strain: 0}}
  nonanalytic: {finite_field: {overrides: {cell: [1, 1, 1], cutoff: 280}}}
vacancy: {overrides: {cutoff: 260}}
dipole:
  overrides: {template: own.inp, cutoff: 150}
  coarse_start: {cutoff: 80}
  lattice: {linear_strain: 0}
  particles: {d9: {diameter: 9}}
"""

pytestmark = pytest.mark.usefixtures("aiida_profile")


def store(folder: Path, text: str) -> orm.WorkChainNode:
    """Store the campaign of a file as it would have been submitted."""
    path = folder / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    plan = plan_campaign(load_campaign(path))
    assert plan.dipole is not None
    node = orm.WorkChainNode(process_type=CAMPAIGN_PROCESS, label="all")
    settings = orm.Dict(plan.dipole.dipole.model_dump(mode="json"))
    for label, document in (("campaign", _document(plan)), ("dipole__settings", settings)):
        node.base.links.add_incoming(document.store(), LinkType.INPUT_WORK, label)
    return node.store()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    template = Path(__file__).parents[2] / "templates" / "cp2k" / "cluster.inp"
    (tmp_path / "own.inp").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_the_settings_of_every_section_are_kept_and_shown(folder: Path) -> None:
    shown: dict[str, Any] = dict(collect(store(folder, CAMPAIGN)).settings)
    assert {name: shown[name]["cutoff"] for name in shown if name.endswith("settings")} == {
        "settings": load_protocol("fast").cutoff,
        "phonon_settings": load_protocol("phonons").cutoff,
        "finite_field_settings": 280,
        "vacancy_settings": 260,
        "dipole_settings": 150,
        "dipole_coarse_settings": 80,
    }
    assert "fingerprint" not in shown


def test_what_differs_in_dipoles_and_in_files_is_told(folder: Path) -> None:
    first = store(folder, CAMPAIGN)
    second = store(folder, CAMPAIGN.replace("cutoff: 150", "cutoff: 160").replace("cutoff: 80", "rel_cutoff: 30"))
    found = {one.name: (one.first, one.second) for one in compare_campaigns(first.uuid, second.uuid).settings}
    assert found["dipole_settings.cutoff"] == (150, 160)
    assert found["dipole_coarse_settings.cutoff"] == (80, None)  # the second is not computed on coarser grids at first
    same = store(folder, CAMPAIGN)
    assert compare_campaigns(first.uuid, same.uuid).settings == ()
    template = folder / "own.inp"
    template.write_text(template.read_text(encoding="utf-8").replace("MAX_MOMENT 1", "MAX_MOMENT 2"), encoding="utf-8")
    (edited,) = compare_campaigns(first.uuid, store(folder, CAMPAIGN).uuid).settings
    assert edited.name == f"files.{template}"
