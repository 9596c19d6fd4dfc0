"""What the tests of faults share: the table of what they found is shown at the end."""

from collections.abc import Iterator

import pytest

from tests.hpc import fault_table


@pytest.fixture(scope="session", autouse=True)
def _written_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the table as JSON where the tests' files are."""
    yield
    fault_table.write(tmp_path_factory.getbasetemp() / "faults.json")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    table = fault_table.lines()
    if table:
        terminalreporter.section("faults")
        for line in table:
            terminalreporter.write_line(line)
