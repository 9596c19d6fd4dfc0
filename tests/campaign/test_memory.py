import pytest
from ase import Atoms

from qdsim.campaign.memory import check_memory
from qdsim.campaign.tasks import Task
from qdsim.cp2k.memory import estimate_memory
from qdsim.cp2k.settings import load_protocol
from qdsim.errors import QdsimError


def task(label: str, box: float) -> Task:
    atoms = Atoms("PbS", positions=[[0, 0, 0], [0, 0, 3]], cell=[box] * 3)
    return Task(label, "dipole", atoms, load_protocol("cluster"), {})


TASKS = [task("small", 15.0), task("large", 40.0), task("other", 38.0)]
LARGE, OTHER = (estimate_memory(one.atoms, one.atoms.cell[0, 0], one.settings) / 1e9 for one in TASKS[1:])


def test_what_fits_side_by_side_passes() -> None:
    check_memory(TASKS, 2, LARGE + OTHER)
    check_memory(TASKS, 1, LARGE)
    check_memory([], 2, 0.1)


def test_one_that_is_too_large_is_named() -> None:
    with pytest.raises(QdsimError, match=rf"large takes about {LARGE:.0f} GB, and this machine has 10 GB"):
        check_memory(TASKS, 1, 10.0)


def test_several_that_are_too_large_together_are_told_how_many_fit() -> None:
    with pytest.raises(QdsimError, match=r"3 calculations at once take up to \d+ GB.* 'qdsim init --slots 2'"):
        check_memory(TASKS, 3, LARGE + OTHER)


def test_crystals_count_for_nothing() -> None:
    crystal = Task("bulk", "strain", Atoms("Pb", cell=[5, 5, 5], pbc=True), load_protocol("precise"), {})
    assert crystal.memory is None
    check_memory([crystal], 8, 0.1)
