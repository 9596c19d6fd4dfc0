"""From the phonon section of a campaign to every calculation it takes, and what is refused."""

from typing import Any

import pytest

from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononRow
from qdsim.campaign import phonon_table
from qdsim.campaign.phonon import PhononPlan
from qdsim.campaign.plan import plan_campaign
from qdsim.campaign.schema import Campaign
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

STRAIN = {"linear": ["0 %", "2 %"]}


def plan(strain: dict[str, Any] | None = None, **section: Any) -> PhononPlan:
    document = {"name": "phonons", "compound": "PbS", "strain": strain, "phonon": section}
    made = plan_campaign(Campaign.model_validate(document)).phonon
    assert made is not None
    return made


def test_every_centred_crystal_of_the_series_is_planned() -> None:
    made = plan(STRAIN)
    assert [(one.point, one.phase) for one in made.series.crystals] == [
        ("linear_p0p0000", "centred"),
        ("linear_p0p0200", "centred"),
    ]
    labels = [task.label for task in made.tasks]
    assert labels == [
        f"{crystal}__{name}"
        for crystal in ("linear_p0p0000", "linear_p0p0200")
        for name in ("undisplaced", "displaced_00", "displaced_01")
    ]
    assert {len(task.atoms) for task in made.tasks} == {16}


def test_a_crystal_has_a_lattice_constant_or_is_one_of_the_series() -> None:
    made = plan(STRAIN, crystals={"free": {"lattice_constant": 6.1}, "distorted": {"point": "2 %", "phase": "relaxed"}})
    free, distorted = made.series.crystals
    assert free.volume == pytest.approx(6.1**3 / 4)
    assert not free.crystal
    assert distorted.crystal
    assert (distorted.point, distorted.phase) == ("linear_p0p0200", "relaxed")
    # The threefold axis alone leaves more displacements than the cube.
    assert sum(task.label.startswith("distorted__") for task in made.tasks) > 3


@pytest.mark.usefixtures("aiida_profile_clean")
def test_a_crystal_is_a_node_by_its_number() -> None:
    from aiida import orm

    state = RhombohedralState.from_lattice_constant(6.12, 59.5, 0.15)
    node = orm.StructureData(ase=state.to_atoms("Pb", "S")).store()
    made = plan(crystals={"relaxed": {"node": node.pk}})
    assert made.crystals == {"relaxed": node.uuid}
    (crystal,) = made.series.crystals
    assert (crystal.volume, crystal.alpha_rh, crystal.pb_offset) == pytest.approx((state.volume, 59.5, 0.15))
    with pytest.raises(QdsimError, match=r"phonon\.crystals\.relaxed\.node: there is no node '999999'"):
        plan(crystals={"relaxed": {"node": 999999}})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"overrides": {"cell": [[2, 0, 0], [0, 2, 0], [0, 0, 3]]}}, "as many primitive cells along each axis"),
        ({"overrides": {"cell": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]}}, "as many primitive cells along each axis"),
        ({"overrides": {"k_points": [4, 4, 4]}}, "even mesh of 4x4x4 lacks the symmetry"),
        ({"overrides": {"k_points": [5, 5, 3]}}, "mesh of 5x5x3 lacks the threefold axis"),
        ({"crystals": {"one": {"point": "3 %"}}}, r"0\.03 is no value of strain\.linear; there are 0, 0\.02"),
        ({"protocol": "phonon"}, "did you mean 'phonons'"),
    ],
)
def test_what_cannot_be_computed_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        plan(STRAIN, **section)


def test_a_table_has_columns_of_numbers_only() -> None:
    stable = PhononRow(
        label="stable",
        lattice_constant=6.0,
        centred=True,
        transverse_optical=40,
        b_iso={"Pb": 1.2, "S": 1.0},
    )
    unstable = stable.model_copy(update={"label": "unstable", "transverse_optical": -40, "b_iso": None})
    table = phonon_table(PhononAnalysis(temperature=300, rows=(stable, unstable)))
    assert table.loc["stable", "b_iso.Pb"] == 1.2
    assert {"b_iso", "well"}.isdisjoint(table.columns)
