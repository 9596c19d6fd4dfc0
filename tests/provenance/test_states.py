"""The words for what became of a process, and that each is understood wherever one is shown."""

from typing import get_args

import pytest

from qdsim.cli import archive, display
from qdsim.provenance import TaskState, query
from qdsim.provenance.campaigns import ended_state
from qdsim.report import collect


@pytest.mark.parametrize(
    ("state", "exit_status", "word"),
    [
        ("finished", 0, "done"),
        ("finished", 410, "failed"),
        ("excepted", None, "failed"),
        ("killed", None, "cancelled"),
    ],
)
def test_end_in_one_word(state: str, exit_status: int | None, word: str) -> None:
    assert ended_state(state, exit_status) == word


def test_every_state_is_shown() -> None:
    states = set(get_args(TaskState))
    assert set(collect.STATES) == states
    assert set(display.MARKS) == states
    assert set(archive.STATES) == states - {"done"}
    assert set(query.STATES) == states - {"paused"}  # a mark of a campaign, which is not looked for
