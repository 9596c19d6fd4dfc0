"""What each calculation of a campaign gets."""

from pathlib import Path
from typing import Any

import pytest
from aiida import orm

from qdsim.campaign.plan import plan_campaign, write_inputs
from qdsim.campaign.resources import allotment_of, on_its_computer, options
from qdsim.campaign.schema import Campaign
from qdsim.errors import QdsimError
from qdsim.machine.computers import read_resources, set_up_computer
from qdsim.machine.files import ComputerFile

RESOURCES = {
    "queue": "long",
    "walltime": 7200,
    "sizes": [{"up_to": {"basis_functions": 60}, "ranks": 2, "walltime": 600}, {"ranks": 4, "threads": 2}],
}


def campaign(**changes: Any) -> Campaign:
    document = {
        "name": "sized",
        "compound": "PbS",
        "protocol": "fast",
        "code": "cp2k@cluster",
        "strain": {"linear": [0]},
    }
    return Campaign.model_validate({**document, **changes})


def cluster(**changes: Any) -> ComputerFile:
    document = {
        "label": "cluster",
        "hostname": "localhost",
        "transport": "core.local",
        "scheduler": "core.slurm",
        "work_dir": "/tmp/qdsim",  # noqa: S108 (nothing is written there)
        "resources": RESOURCES,
    }
    return ComputerFile.model_validate(document | changes)


@pytest.fixture
def code(aiida_profile_clean: object, cp2k_executable: Path) -> orm.InstalledCode:  # noqa: ARG001 (computers are new)
    computer, state = set_up_computer(cluster())
    assert state == "created"
    return orm.InstalledCode(label="cp2k", computer=computer, filepath_executable=str(cp2k_executable)).store()


def test_computer_keeps_its_resources(code: orm.InstalledCode) -> None:
    assert read_resources(code.computer).queue == "long"
    assert set_up_computer(cluster())[1] == "unchanged"
    computer, state = set_up_computer(cluster(resources={}))
    assert (state, read_resources(computer).sizes) == ("updated", ())


def test_each_calculation_gets_what_its_size_asks_for(code: orm.InstalledCode) -> None:
    large = {"overrides": {"cell": "conventional"}}  # 8 atoms, 104 basis functions
    for changes, expected in (({}, (2, None, 600)), (large, (4, 2, 7200))):
        plan = plan_campaign(on_its_computer(campaign(**changes)))
        got = allotment_of(plan.tasks[0], plan.campaign.resources)
        assert (got.ranks, got.threads, got.walltime) == expected
        assert got.queue == "long"
    common, rows = options(on_its_computer(campaign()).resources, code)
    assert [row["up_to"] for row in rows] == [{"basis_functions": 60}, {}]
    assert [row["options"]["max_wallclock_seconds"] for row in rows] == [600, 7200]
    assert rows[1]["options"]["resources"] == {
        "num_machines": 1,
        "num_mpiprocs_per_machine": 4,
        "num_cores_per_mpiproc": 2,
    }
    assert common == rows[1]["options"]


def test_rows_tell_how_much_memory_they_ask_the_scheduler_for(code: orm.InstalledCode) -> None:
    sizes = [{"up_to": {"atoms": 2}, "memory": 4}, {"up_to": {"atoms": 8}, "memory": 16}, {}]

    def memories(**own: Any) -> list[float | None]:
        _, rows = options(campaign(resources={"ranks": 1, "sizes": sizes, **own}).resources, code)
        return [row.get("memory") for row in rows]

    assert memories() == [4, 16, None]
    assert memories(memory=8) == [4, 16, 8]
    local = orm.Computer("here", "localhost", transport_type="core.local", scheduler_type="core.direct").store()
    code = orm.InstalledCode(label="cp2k", computer=local, filepath_executable=str(code.filepath_executable)).store()
    assert memories() == [None, None, None]  # nothing enforces it


@pytest.mark.usefixtures("code")
def test_campaign_goes_before_its_computer() -> None:
    own = on_its_computer(campaign(resources={"ranks": 1, "queue": "short"})).resources
    assert [own.for_row(row).ranks for row in own.sizes] == [1, 1]
    assert {own.for_row(row).queue for row in own.sizes} == {"short"}
    with pytest.raises(QdsimError, match=r"computer 'cluster': 2 ranks cannot be shared out evenly among 3 nodes\.$"):
        on_its_computer(campaign(resources={"nodes": 3}))


@pytest.mark.usefixtures("code")
def test_written_inputs_stop_before_the_scheduler(tmp_path: Path) -> None:
    plan = plan_campaign(on_its_computer(campaign()))
    written = write_inputs(plan, tmp_path / "inputs")
    assert all("WALLTIME 540\n" in path.read_text() for path in written)


@pytest.mark.usefixtures("code")
def test_resources_do_not_decide_the_results() -> None:
    plain = campaign(resources={"walltime": 7200})
    assert plan_campaign(plain).fingerprint == plan_campaign(on_its_computer(plain)).fingerprint


def test_this_machine_needs_no_profile() -> None:
    mine = campaign(code="cp2k@localhost")
    assert on_its_computer(mine) is mine
    plan = plan_campaign(mine)
    assert allotment_of(plan.tasks[0], plan.campaign.resources).describe() == ""
