"""Examples run as they stand."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qdsim.campaign import load_campaign, plan_campaign
from qdsim.debye import read_data

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


def test_the_pattern_beside_the_fits_is_the_one_that_its_script_makes(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    kept = read_data(EXAMPLES / "fits" / "pbs32.xye")
    (folder / "fits" / "pbs32.xye").unlink()
    subprocess.run([sys.executable, folder / "make_pattern.py"], check=True, capture_output=True)
    made = read_data(folder / "fits" / "pbs32.xye")
    assert made.source == kept.source == "computed, not measured: see examples/make_pattern.py"
    np.testing.assert_allclose(made.intensity, kept.intensity, atol=2.0)  # photons, of about 1e5


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_campaign_files_are_planned(path: Path) -> None:
    assert plan_campaign(load_campaign(path)).single_points > 0


def test_the_quickstart_ends_with_the_samples_of_the_paper() -> None:
    plan = plan_campaign(load_campaign(EXAMPLES / "quickstart.yaml"))
    assert plan.scattering is not None
    assert plan.scattering.fits is not None
    assert [sample.name for sample in plan.scattering.fits.samples] == ["3.2 nm", "5.0 nm", "7.7 nm"]
    assert plan.scattering.settings.reservations == []
