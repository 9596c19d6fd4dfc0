"""Examples run as they stand."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_curves_of_figure_1_have_their_minima_where_the_paper_has_them(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, EXAMPLES / "figure1.py"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    lines = [line.split("│") for line in run.stdout.splitlines() if " nm " in line]
    rows = {cells[1].strip(): [float(cell) for cell in cells[2:-1]] for cells in lines}
    assert {name: values[1] for name, values in rows.items()} == {"3.2 nm": 59.1, "5.0 nm": 59.5, "7.7 nm": 59.7}
    depths = [values[4] for values in rows.values()]
    assert depths == sorted(depths)
    assert max(depths) < 1
    for name in ("figure_1c.html", "figure_1d.html"):
        assert (tmp_path / name).stat().st_size > 1_000_000
