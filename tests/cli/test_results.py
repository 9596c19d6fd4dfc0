"""`qdsim results`: what stands in which column, and tables that scripts can read."""

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage.configuration import Profile
from click.testing import CliRunner, Result
from rich.console import Console

from qdsim.analysis.dipole_analysis import DipoleModels, analyse_dipoles
from qdsim.analysis.dipole_results import ClusterState, DipoleResults
from qdsim.analysis.ferroelectric import StrainResults
from qdsim.cli import cli
from qdsim.cli.display import strain_results_table
from tests.provenance.graphs import STRAINS, store_campaign

Run = Callable[..., Result]
DIPOLES = DipoleResults(
    compound="PbS",
    cation="Pb",
    anion="S",
    protocol="cluster",
    clusters=(
        ClusterState(
            label="d9__undistorted",
            particle="d9",
            diameter=9,
            composition={"Pb": 4, "S": 4},
            n_atoms=8,
            n_cations=4,
            extent=9,
            volume=54.0,
            formal_dipole=(0, 0, 0),
            box=21,
            solver="WAVELET",
            energy=-1.0,
            dipole=(0, 0, 1),
            homo=-5.0,
            lumo=-4.0,
        ),
    ),
)


@pytest.fixture(scope="module")
def campaigns(aiida_profile: Profile) -> tuple[str, str]:
    """A campaign of strains, and one of strains and clusters."""
    assert aiida_profile.is_test_profile
    both = store_campaign("both")
    section = orm.WorkChainNode()
    section.base.links.add_incoming(orm.load_node(both), LinkType.CALL_WORK, "dipole")
    section.store()
    for name, document in (("results", DIPOLES), ("analysis", analyse_dipoles(DIPOLES, DipoleModels(), None))):
        stored = orm.Dict(document.model_dump(mode="json")).store()
        stored.base.links.add_incoming(section, LinkType.RETURN, name)
    return store_campaign("alone"), both


@pytest.fixture
def run(aiida_profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def results(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["results", *arguments, "--profile", aiida_profile.name])

    return results


def test_a_relaxed_crystal_has_its_own_pressure() -> None:
    recorded = Path(__file__).parents[1] / "analysis" / "recorded" / "onset_precise.json"
    results = StrainResults.model_validate_json(recorded.read_text(encoding="utf-8"))
    output = StringIO()
    Console(file=output, width=80).print(strain_results_table(results))
    lines = output.getvalue().splitlines()
    heading = next(line for line in lines if "cubic" in line)
    assert heading.index("cubic") < heading.index("own")
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in output.getvalue()
    for point in results.points:
        (row,) = [line.split() for line in lines if line.split()[:2] == [
            f"{100 * point.linear_strain:+.2f}", f"{point.lattice_constant:.4f}"
        ]]  # fmt: skip
        assert point.relaxed is not None
        assert row[2:4] == [f"{point.eos_pressure:+.2f}", f"{point.relaxed.pressure:+.2f}"]


def test_one_table_is_printed_with_units_in_its_one_header(campaigns: tuple[str, str], run: Run) -> None:
    result = run(campaigns[0], "--csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.reader(StringIO(result.stdout)))
    assert [len(row) for row in rows] == [len(rows[0])] * 3
    assert {
        "linear_strain",
        "lattice_constant [Å]",
        "volume [Å^3]",
        "pressure_equation_of_state [GPa]",
        "pressure_relaxed [GPa]",
        "energy_gain [eV]",
        "alpha_rh [°]",
        "double_well_quadratic [eV/Å^2]",
        "gap_centred [eV]",
        "single_points",
    } <= set(rows[0])
    table = pd.read_csv(StringIO(result.stdout), index_col="label")
    assert list(table.index) == list(STRAINS)
    assert table.loc["linear_p0p0200", "pb_offset [Å]"] == pytest.approx(0.2234)


def test_of_several_tables_one_is_chosen_or_each_has_a_file(campaigns: tuple[str, str], run: Run) -> None:
    _, both = campaigns
    refused = run(both, "--csv")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "has several tables: choose one with --table (strain, dipole), or give a folder" in refused.stderr
    dipoles = run(both, "--csv", "--table", "dipole")
    (row,) = csv.DictReader(StringIO(dipoles.stdout))
    assert (row["label"], float(row["norm [D]"]), row["gap [eV]"]) == ("d9__undistorted", 1.0, "1.0")
    written = run(both, "--csv", "-o", "tables")
    assert [Path(line).name for line in written.stdout.splitlines()] == ["strain.csv", "dipole.csv"]
    assert Path("tables/dipole.csv").read_text(encoding="utf-8") == dipoles.stdout
    assert len(Path("tables/strain.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(STRAINS)


def test_what_cannot_be_given_is_told(campaigns: tuple[str, str], run: Run) -> None:
    alone, _ = campaigns
    for arguments, words in (
        ((alone, "--csv", "--table", "vacancy"), "has no table of that section; there are: strain."),
        ((alone, "--table", "strain"), "--table and --output go with --csv"),
        ((alone, "--json", "-o", "tables"), "--table and --output go with --csv"),
        ((alone, "--csv", "-o", "out.csv"), "give a folder"),
        ((alone, "--csv", "-o", "absent/tables"), "The folder absent does not exist"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
    assert not list(Path().iterdir())
