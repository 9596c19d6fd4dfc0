"""CP2K stops before the scheduler does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdsim.cp2k.walltime import cp2k_walltime, fits, limit_walltime


@pytest.mark.parametrize(("limit", "own"), [(86_400, 82_080), (3600, 3420), (600, 540), (61, 31)])
def test_margin(limit: int, own: int) -> None:
    assert cp2k_walltime(limit) == own


@given(st.integers(61, 10_000_000))
def test_always_below_the_scheduler_and_never_nothing(limit: int) -> None:
    own = cp2k_walltime(limit)
    assert 0 < own < limit
    assert limit - own >= min(60, limit // 2)


@pytest.mark.parametrize("stated", [None, 3600, "3600", "01:00:00", "3421", "soon"])
def test_input_is_lowered_to_the_limit(stated: Any) -> None:
    parameters: dict[str, Any] = {"GLOBAL": {"RUN_TYPE": "ENERGY"} | ({} if stated is None else {"WALLTIME": stated})}
    limited = limit_walltime(parameters, 3600)
    assert limited["GLOBAL"] == {"RUN_TYPE": "ENERGY", "WALLTIME": 3420}
    assert parameters["GLOBAL"].get("WALLTIME") == stated


@pytest.mark.parametrize("stated", [3420, "100", "00:57:00"])
def test_input_that_stops_early_enough_stays(stated: Any) -> None:
    parameters = {"GLOBAL": {"WALLTIME": stated}}
    assert fits(parameters, 3600)
    assert limit_walltime(parameters, 3600) is parameters
