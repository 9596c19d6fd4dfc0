"""Displacement parameters from elsewhere beside those of phonons."""

import pytest

from qdsim.analysis.known_displacements import KnownDisplacements, beside_known
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononRow

ELEMENTS = ("Pb", "S")
KNOWN = KnownDisplacements(label="measured", source="A. Author (1900)", b_iso={300: {"Pb": 1.5, "S": 1.25}})


def row(label: str, strain: float | None, b_iso: dict[str, float] | None, *, centred: bool = True) -> PhononRow:
    return PhononRow(
        label=label,
        linear_strain=strain,
        lattice_constant=6.0,
        centred=centred,
        transverse_optical=40,
        b_iso=b_iso,
    )


def test_the_stable_crystal_nearest_to_rest_is_compared() -> None:
    rows = (
        row("compressed", -0.01, {"Pb": 1.0, "S": 0.9}),
        row("rest", 0.001, {"Pb": 1.2, "S": 1.0}),
        row("unstable", 0.0, None),
        row("distorted", 0.0, {"Pb": 9.0, "S": 9.0}, centred=False),
    )
    assert list(beside_known(PhononAnalysis(temperature=300, rows=rows), [KNOWN], ELEMENTS)) == [
        "B of Pb and S at 300 K: 1.20 and 1.00 Å² of rest (a = 6.000 Å), 1.50 and 1.25 Å² measured (A. Author (1900))."
    ]


@pytest.mark.parametrize(
    ("temperature", "rows"), [(200, (row("rest", None, {"Pb": 1.2, "S": 1.0}),)), (300, (row("rest", 0.0, None),))]
)
def test_nothing_is_said_where_there_is_nothing_to_compare(temperature: float, rows: tuple[PhononRow, ...]) -> None:
    assert not list(beside_known(PhononAnalysis(temperature=temperature, rows=rows), [KNOWN], ELEMENTS))
