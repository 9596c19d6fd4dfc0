"""Points of a campaign's own strain series: each is a value of that series, in its quantity."""

from pathlib import Path
from typing import Any

import pytest

from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import plan_campaign
from qdsim.campaign.schema import Campaign
from qdsim.cp2k.compounds import load_compound
from qdsim.errors import QdsimError

PBS = load_compound("PbS")
VOLUME = PBS.reference_lattice_constant**3 / 4


def campaign(quantity: str, values: list[Any], point: Any) -> Campaign:
    document = {
        "name": "points",
        "compound": "PbS",
        "strain": {quantity: values},
        "vacancy": {"hosts": {"flat": {"linear_strain": 0}, "stretched": {"point": point, "phase": "centred"}}},
        "phonon": {"crystals": {"stretched": {"point": point}}},
    }
    return Campaign.model_validate(document)


def test_a_point_is_in_the_quantity_of_its_series() -> None:
    # The volumes by hand; that of a pressure from Birch and Murnaghan's equation, B' = 4, to the second order.
    compressed = VOLUME * (1 + 0.5 / PBS.bulk_modulus + 0.5 * 5 * (0.5 / PBS.bulk_modulus) ** 2)
    for quantity, values, point, label, volume in (
        ("linear", ["0.7 %", 0.02], 0.007, "linear_p0p0070", VOLUME * 1.007**3),
        ("linear", [0.007, 0.02], "0.7 %", "linear_p0p0070", VOLUME * 1.007**3),
        ("volumetric", ["3 %"], "3 %", "volumetric_p0p0300", VOLUME * 1.03),
        ("pressure", [-0.5, -2.0], -0.5, "pressure_m0p5000", compressed),
        ("pressure", [-0.5, -2.0], -2, "pressure_m2p0000", None),
        ("lattice_constant", [6.0, 6.1], 6.1, "lattice_constant_p6p1000", 6.1**3 / 4),
    ):
        plan = plan_campaign(campaign(quantity, values, point))
        assert plan.vacancy is not None
        assert plan.phonon is not None
        (crystal,) = plan.phonon.series.crystals
        host = next(host for host in plan.vacancy.vacancy.hosts if host.label == "stretched")
        assert plan.strain is not None
        assert label in {task.label.partition("__")[0] for task in plan.strain.tasks}
        assert (host.point, crystal.point) == (label, label)
        assert host.volume == pytest.approx(volume or host.volume, rel=2e-5)
        assert crystal.volume == host.volume


@pytest.mark.parametrize(
    ("quantity", "values", "point", "message"),
    [
        ("linear", ["2 %"], 2, r"stretched\.point: 2 would be 200 %; was 0\.02, that is '2 %', meant\?"),
        ("linear", ["2 %"], "3 %", r"0\.03 is no value of strain\.linear; there are 0\.02\."),
        ("pressure", [-0.5], 0.5, r"0\.5 is no value of strain\.pressure; there are -0\.5\."),
        ("pressure", [-0.5], "-50 %", r"stretched\.point: '-50 %' is no value of strain\.pressure\."),
        ("pressure", [-0.5], 50, r"50 GPa is beyond ±30 GPa"),
        ("lattice_constant", [6.1], "2 %", r"'2 %' is no value of strain\.lattice_constant"),
    ],
)
def test_what_is_no_point_of_the_series_is_refused(quantity: str, values: list[Any], point: Any, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        plan_campaign(campaign(quantity, values, point))


def test_a_point_that_is_no_number_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text("name: a\ncompound: PbS\nstrain: {linear: [0.01]}\nphonon:\n  crystals:\n    a: {point: one}\n")
    with pytest.raises(QdsimError, match=r"line 6: phonon\.crystals\.a\.point: 'one' is no value of a strain series"):
        load_campaign(path)


def test_values_that_would_share_a_label_are_the_same() -> None:
    with pytest.raises(ValueError, match=r"linear lists the same value twice; values are told apart by 0\.0001"):
        campaign("linear", [0.01001, 0.01002], 0.01001)
