"""A real cluster for the tests of this folder, profiles that compute on it, and the table of faults at the end."""

import signal
from collections.abc import Iterator

import pytest

from tests.hpc import fault_table
from tests.hpc import production as production_profile
from tests.hpc.stack import Stack
from tests.machines import Machine


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """SLURM behind SSH, PostgreSQL and RabbitMQ; a test run that is asked to end stops them as one that ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    stack = Stack()
    stack.start()
    yield stack
    stack.stop()
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def production(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose profile keeps its data in PostgreSQL, and computes on the cluster."""
    machine = Machine(tmp_path_factory.mktemp("production"))
    try:
        production_profile.set_up(stack, machine)
        yield machine
    finally:
        machine.stop_daemons()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine as `qdsim init` sets it up: SQLite, ZeroMQ, and calculations on this machine."""
    machine = Machine(tmp_path_factory.mktemp("embedded"))
    machine.first = machine.qdsim("init", "--slots", "2", "--ranks", "1")
    yield machine
    machine.stop_daemons()


@pytest.fixture(scope="session", autouse=True)
def _written_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the table as JSON where the tests' files are."""
    yield
    fault_table.write(tmp_path_factory.getbasetemp() / "faults.json")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
    table = fault_table.lines()
    if table:
        terminalreporter.section("faults")
        for line in table:
            terminalreporter.write_line(line)
