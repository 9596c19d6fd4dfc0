import subprocess
import sys

import pytest
from pydantic import ValidationError

from qdsim.report import ReportData, Structure, node_behind

NODES = {
    "results": "whole",
    "points.p0p0200": "point",
    "points.p0p0200.relaxed": "relaxed",
    "points.p0p0200.relaxed.structure": "cell",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("points.p0p0200.relaxed.structure", "cell"),
        ("points.p0p0200.relaxed.alpha_rh", "relaxed"),
        ("points.p0p0200.energy_gain", "point"),
        ("points.p0p0100.relaxed", "whole"),
        ("points.p0p02001.relaxed", "whole"),
    ],
)
def test_a_value_belongs_to_the_nearest_enclosing_node(path: str, expected: str) -> None:
    assert node_behind(NODES, path) == expected


def test_a_value_without_any_node_has_none() -> None:
    assert node_behind({"equation_of_state": "x"}, "points.p0p0200.relaxed") is None


def test_a_structure_has_one_position_an_atom() -> None:
    with pytest.raises(ValidationError, match="2 symbols but 1 positions"):
        Structure(symbols=("Pb", "S"), positions=((0, 0, 0),), cell=((1, 0, 0), (0, 1, 0), (0, 0, 1)))


def test_the_data_survive_json(data: ReportData) -> None:
    assert ReportData.model_validate_json(data.model_dump_json()) == data


def test_the_import_leaves_plotly_and_jinja_alone() -> None:
    check = "import sys, qdsim.report; print(sorted({'plotly', 'jinja2', 'aiida'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
