"""Structures and CP2K's own outputs for the tests of the CP2K dialect."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms

from qdsim.structures import RhombohedralState

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def pbs() -> Atoms:
    """Two atoms of stretched PbS, off-centre, in a cell without round numbers."""
    return RhombohedralState.from_lattice_constant(6.12, alpha=59.4, offset=0.2).to_atoms("Pb", "S")


@pytest.fixture
def recorded() -> Callable[..., str]:
    """Return the output that a version of CP2K wrote in a recorded case."""

    def read(case: str, version: str = "2023.1") -> str:
        return (RECORDED / version / case / "aiida.out").read_text(encoding="utf-8")

    return read
