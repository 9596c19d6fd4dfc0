"""A machine that `qdsim init` has set up for real, and one that it has not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines import Machine


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine after `qdsim init`; what that printed is in `machine.first`."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    machine.first = machine.qdsim("init", "--slots", "2")
    yield machine
    machine.stop_daemons()


@pytest.fixture
def bare_machine(tmp_path: Path) -> Machine:
    """A machine that nothing has been set up on."""
    return Machine(tmp_path / "bare")
