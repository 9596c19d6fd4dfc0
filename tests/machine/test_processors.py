import subprocess
import sys
from pathlib import Path

import pytest

from qdsim.errors import QdsimError
from qdsim.machine.processors import Layout, choose_layout, count_cores


@pytest.mark.parametrize(
    ("cores", "slots", "ranks", "expected"),
    [
        (1, None, None, Layout(1, 1)),
        (2, None, None, Layout(2, 1)),
        (8, None, None, Layout(8, 1)),
        (12, None, None, Layout(8, 1)),
        (32, None, None, Layout(8, 4)),
        (32, 2, None, Layout(2, 16)),
        (32, None, 8, Layout(4, 8)),
        (2, 5, None, Layout(5, 1)),
        (4, 3, 4, Layout(3, 4)),
    ],
)
def test_cores_are_shared_out(cores: int, slots: int | None, ranks: int | None, expected: Layout) -> None:
    assert choose_layout(cores, slots, ranks) == expected


@pytest.mark.parametrize(
    ("slots", "ranks", "words"),
    [(0, None, "--slots is 0"), (None, -1, "--ranks is -1"), (None, 5, "has 4 physical core")],
)
def test_impossible_choices_are_refused(slots: int | None, ranks: int | None, words: str) -> None:
    with pytest.raises(QdsimError, match=words):
        choose_layout(4, slots, ranks)


def test_affinity_limits_the_cores() -> None:
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from qdsim.machine.processors import count_cores; print(count_cores())"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "1"
    assert count_cores() >= 1


@pytest.mark.parametrize(("content", "cores"), [("150000 100000", 1), ("50000 100000", 1), ("max 100000", None)])
def test_container_quota_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, cores: int | None
) -> None:
    unlimited = count_cores()
    quota = tmp_path / "cpu.max"
    quota.write_text(content)
    monkeypatch.setattr("qdsim.machine.processors._CGROUP_V2", quota)
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 64)  # noqa: ARG005 (psutil's signature)
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(64)))
    assert count_cores() == (cores or 64)
    assert unlimited >= 1
