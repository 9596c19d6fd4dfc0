import numpy as np
import pytest
from ase import Atoms

from qdsim.errors import QdsimError
from qdsim.structures.isolation import extent, isolate, suits_mt

DIMER = Atoms("PbS", positions=[[0, 0, -1.5], [0, 0, 1.0]])


def test_the_centre_becomes_the_middle_of_the_box() -> None:
    isolated = isolate(DIMER, 10.0)
    np.testing.assert_allclose(isolated.positions, [[5, 5, 3.5], [5, 5, 6.0]])
    assert not isolated.pbc.any()
    assert isolated.cell.lengths().tolist() == [10, 10, 10]
    assert extent(DIMER) == 3.0


@pytest.mark.parametrize(("box", "message"), [(5.9, r"1\.45 Å from it"), (2.0, "outside the box")])
def test_a_box_that_is_too_small_is_refused(box: float, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        isolate(DIMER, box)
    assert len(isolate(DIMER, 6.0)) == 2


def test_martyna_and_tuckerman_need_twice_the_density() -> None:
    assert not suits_mt(DIMER, 17.9)
    assert suits_mt(DIMER, 18.0)
