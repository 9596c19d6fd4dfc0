"""Structures with an origin, and files that are read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from qdsim.debye.origin import Origin
from qdsim.structures import RhombohedralState

UUID = "34e1e9a9-a8b8-4f52-98e9-664c9c321285"

Described = Callable[..., Origin]


@pytest.fixture
def described() -> Described:
    """Return a maker of origins."""

    def describe(atoms: Atoms, label: str = "linear_p0p0200 relaxed", **facts: object) -> Origin:
        given = {
            "campaign": "quickstart",
            "code": "CP2K 2023.1",
            "settings": {"functional": "PBE", "cutoff": "300 Ry", "k_points": "6 6 6", "eps_scf": 1e-6, "ngrids": 9},
        }
        return Origin.of(atoms, uuid=UUID, label=label, **given | facts)

    return describe


@pytest.fixture
def crystal() -> Atoms:
    """PbS of the R3m phase."""
    return RhombohedralState.from_lattice_constant(6.1277, 59.03, 0.257).to_atoms("Pb", "S", "conventional")


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a file."""

    def save(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return save


@pytest.fixture
def cluster() -> Atoms:
    """Four molecules, which are no crystal."""
    positions = np.array([[0, 0, 0], [2.9, 0, 0], [0, 3.0, 0], [0, 0, 3.1], [3, 3, 3], [5.8, 0.1, 0]])
    return Atoms(["Pb", "S", "S", "Cl", "Pb", "H"], positions + 7)
