"""Fixtures shared by all tests: a real AiiDA profile, and the real CP2K of this machine."""

import shutil
from pathlib import Path

import pytest
from aiida import orm
from hypothesis import settings

settings.register_profile("qdsim")  # how long an example takes says nothing on a machine that is shared
settings.load_profile("qdsim")

pytest_plugins = ["aiida.tools.pytest_fixtures"]


#: Marks of tests that use a fixture, so that other Pythons can be tested without them.
MARKS = {"cp2k_executable": "cp2k", "browser": "browser"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run CP2K or a browser."""
    for item in items:
        for name in MARKS.keys() & getattr(item, "fixturenames", ()):
            item.add_marker(MARKS[name])


@pytest.fixture(scope="session")
def cp2k_executable() -> Path:
    """Return CP2K; there is nothing to test without it."""
    found = shutil.which("cp2k.psmp")
    assert found, "cp2k.psmp is not in PATH; install the Debian package cp2k, as `make test` does"
    return Path(found)


@pytest.fixture
def cp2k_code(aiida_localhost: orm.Computer, cp2k_executable: Path) -> orm.InstalledCode:
    """Return a code on the test profile's own computer, one rank and one thread."""
    if not aiida_localhost.get_prepend_text():
        aiida_localhost.set_prepend_text(
            "export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
        )
    return orm.InstalledCode(
        label="cp2k",
        computer=aiida_localhost,
        filepath_executable=str(cp2k_executable),
        default_calc_job_plugin="cp2k",
        with_mpi=False,
    ).store()
