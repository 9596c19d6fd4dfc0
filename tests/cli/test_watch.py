"""What a campaign that is watched tells a file, where nothing can be redrawn."""

from io import StringIO

from qdsim.campaign.progress import Line, Progress
from qdsim.cli.display import watch
from qdsim.cli.terminal import Terminal
from qdsim.provenance import Jobs, TaskState


def step(state: TaskState, done: int, reasons: dict[str, int]) -> Progress:
    line = Line("eos_0", "equation of state", state, done, 3, 0, 1.0, "")
    return Progress(state, (line,), Jobs(sum(reasons.values()), 0, 0, 0, reasons))


def test_only_news_are_printed() -> None:
    steps = [
        step("running", 0, {}),
        step("running", 0, {"Resources": 2}),
        step("running", 1, {"Resources": 1}),
        step("running", 1, {"PartitionTimeLimit": 1}),
        step("done", 3, {}),
    ]
    file = StringIO()
    assert watch(Terminal(file=file, width=200), "tension", steps) is steps[-1]
    assert [line.strip() for line in file.getvalue().splitlines() if line.strip()] == [
        "tension: 0 of 3 single points done",
        "2 calculation(s) not begun by the scheduler, which says Resources",
        "tension: 1 of 3 single points done",
        "1 calculation(s) not begun by the scheduler, which says PartitionTimeLimit",
        "tension: 3 of 3 single points done",
    ]
