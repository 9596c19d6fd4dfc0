"""From the phonon section of a campaign to what will run."""

from pathlib import Path
from typing import Any

import pytest

from qdsim.campaign.plan import plan_campaign, write_inputs
from qdsim.campaign.schema import Campaign
from qdsim.errors import QdsimError

CRYSTALS = {"rest": {"lattice_constant": 6.0}}


def campaign(nonanalytic: dict[str, Any] | None, **changes: Any) -> Campaign:
    section = {"crystals": CRYSTALS, "nonanalytic": nonanalytic}
    return Campaign.model_validate({"name": "plan", "compound": "PbS", "phonon": section, **changes})


def test_fields_are_planned_beside_the_displacements(tmp_path: Path) -> None:
    plan = plan_campaign(campaign({"finite_field": {"overrides": {"cell": [4, 2, 2]}}}))
    assert {task.label: len(task.atoms) for task in plan.tasks} == {
        "rest__undisplaced": 16,
        "rest__displaced_00": 16,
        "rest__displaced_01": 16,
        "rest__finite_field__no_field": 128,
        "rest__finite_field__along": 128,
        "rest__finite_field__against": 128,
    }
    written = {path.stem: path.read_text() for path in write_inputs(plan, tmp_path / "inputs")}
    strengths = [
        float(written[f"rest__finite_field__{name}"].split("INTENSITY")[1].split()[0])
        for name in ("no_field", "along", "against")
    ]
    assert strengths == pytest.approx([0.0, 0.005 / 51.422067, -0.005 / 51.422067])
    assert "PERIODIC_EFIELD" not in written["rest__displaced_00"]
    assert plan.phonon is not None
    assert plan.phonon.phonons.nonanalytic is None


def test_charges_that_are_given_are_not_computed() -> None:
    plan = plan_campaign(campaign({"born_charge": 4.4, "eps_inf": 17.0, "source": "a paper"}))
    assert len(plan.tasks) == 3
    assert plan.phonon is not None
    known = plan.phonon.phonons.nonanalytic
    assert known is not None
    assert (known.born_charges, known.source) == ({"Pb": 4.4, "S": -4.4}, "a paper")


def test_the_fingerprint_knows_of_the_field() -> None:
    without = plan_campaign(campaign(None)).fingerprint
    weak, strong = (plan_campaign(campaign({"finite_field": {"field": x}})).fingerprint for x in (0.005, 0.01))
    assert len({without, weak, strong}) == 3


@pytest.mark.parametrize(
    ("nonanalytic", "message"),
    [
        ({}, "give born_charge and eps_inf, or finite_field to compute both"),
        ({"born_charge": 4.4}, "give born_charge and eps_inf, or finite_field to compute both"),
        ({"finite_field": {}, "eps_inf": 17}, "finite_field computes both charges and eps_inf; take out eps_inf"),
        ({"finite_field": {}, "source": "me"}, "finite_field computes both charges and eps_inf; take out source"),
    ],
)
def test_what_is_given_and_computed_is_refused(nonanalytic: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        campaign(nonanalytic)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cell": "primitive"}, r"the supercell \[\[1, 0, 0\].* has not the axes of the cubic crystal"),
        ({"solver": "DIAGONALIZATION"}, "at the Gamma point with OT only"),
        ({"solver": "DIAGONALIZATION", "k_points": [2, 2, 2]}, "at the Gamma point with OT only"),
    ],
)
def test_settings_that_no_field_goes_with_are_refused(overrides: dict[str, Any], message: str) -> None:
    if overrides.get("solver") == "DIAGONALIZATION":
        overrides |= {"mixing_alpha": 0.4, "nbroyden": 8, "added_mos": 4, "max_outer_scf": None}
    with pytest.raises(QdsimError, match=message):
        plan_campaign(campaign({"finite_field": {"overrides": overrides}}))


def test_born_charges_of_a_distorted_crystal_are_refused() -> None:
    crystals = {"rest": {"point": 0.0}, "polar": {"point": 0.02, "phase": "relaxed"}}
    section = {"crystals": crystals, "nonanalytic": {"finite_field": {}}}
    with pytest.raises(
        QdsimError, match="the crystal polar is distorted, and Born charges are computed of undistorted"
    ):
        plan_campaign(campaign(None, phonon=section, strain={"linear": ["0 %", "2 %"]}))
