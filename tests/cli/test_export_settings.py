"""Each exported structure tells the settings of its own calculation, and what a format cannot hold is left out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.manage.configuration import Profile
from click.testing import CliRunner, Result

from qdsim.cli import cli
from qdsim.debye import read_structure
from qdsim.provenance.origins import find_origins
from tests.provenance.graphs import store_structures

Export = Callable[..., Result]


@pytest.fixture(scope="module")
def structures(aiida_profile: Profile) -> dict[str, orm.StructureData]:
    assert aiida_profile.is_test_profile
    return store_structures("mixed")


@pytest.fixture
def export(aiida_profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        words = ["export", *map(str, arguments), "--profile", aiida_profile.name]
        return CliRunner().invoke(cli, words, env={"COLUMNS": "200"})

    return run


@pytest.mark.usefixtures("structures")
def test_each_structure_has_the_settings_of_its_own_calculation() -> None:
    found: dict[str, dict[str, Any]] = {origin.label: origin.settings for origin in find_origins("mixed")}
    assert {label: (one.get("protocol"), one.get("cutoff"), one.get("k_points")) for label, one in found.items()} == {
        "linear_p0p0200 relaxed": ("fast", "300 Ry", "MONKHORST-PACK 4 4 4"),
        "d9 undistorted": ("cluster", "150 Ry", "none, the Gamma point alone"),
        "plain V_Pb": ("defects", "280 Ry", "MONKHORST-PACK 2 2 2"),
        "plain host": (None, None, None),
    }
    assert found["plain V_Pb"]["charge"] == -2
    assert found["d9 undistorted"]["poisson_solver"] == "WAVELET"
    assert found["plain host"] == {}
    for label in ("linear_p0p0200 relaxed", "d9 undistorted", "plain V_Pb"):
        assert found[label]["functional"] == "PBE"
        assert found[label]["basis_sets.Pb"] == "DZVP-MOLOPT-SR-GTH-q4"
        assert isinstance(orm.load_node(found[label]["calculation"]), orm.CalcJobNode)


def test_a_structure_by_itself_tells_the_same(structures: dict[str, orm.StructureData]) -> None:
    of_campaign = {origin.uuid: origin for origin in find_origins("mixed")}
    for node in structures.values():
        (origin,) = find_origins(str(node.pk))
        if node.creator is not None:
            assert origin == of_campaign[node.uuid]
    (origin,) = find_origins(structures["cluster"].uuid)  # nothing says which campaign has made it
    assert (origin.campaign, origin.settings["cutoff"]) == (None, "150 Ry")


@pytest.mark.usefixtures("structures")
def test_what_is_no_crystal_is_left_out_of_crystal_files_and_told(export: Export) -> None:
    for form, ending in (("cif", ".cif"), ("diffpy", ".stru")):
        result = export("mixed", "--format", form)
        assert result.exit_code == 0, result.stderr
        names = {Path(line).name for line in result.stdout.splitlines()}
        assert names == {f"{name}{ending}" for name in ("linear_p0p0200_relaxed", "plain_V_Pb", "plain_host")}
        assert "note left out: d9 undistorted is not periodic in three directions" in result.stderr
        assert "use xyz, debussy or json" in result.stderr
    result = export("mixed", "--format", "xyz")
    assert len(result.stdout.splitlines()) == 4
    assert "left out" not in result.stderr
    text = Path("mixed-xyz/d9_undistorted.xyz").read_text(encoding="ascii")
    assert 'settings_cutoff="150 Ry"' in text
    assert "999" not in text
    assert "10 10 10" not in text
    assert len(read_structure("mixed-xyz/d9_undistorted.xyz")) == 2


@pytest.mark.usefixtures("structures")
def test_options_of_particles_leave_out_what_is_none(export: Export) -> None:
    result = export("mixed", "--format", "json", "--diameter", "20")
    assert result.exit_code == 0, result.stderr
    assert "note left out: d9 undistorted is no rock-salt crystal, so its json holds no model" in result.stderr
    assert "model" in json.loads(Path("mixed-json/linear_p0p0200_relaxed.json").read_text(encoding="utf-8"))
    result = export("mixed", "--format", "debussy", "--diameter", "20")
    assert result.exit_code == 0, result.stderr
    assert "note left out: d9 undistorted is a cluster already" in result.stderr
    wrong = export("mixed", "--format", "json", "--shape", "blob", "-o", "none")
    assert wrong.exit_code == 2
    assert not Path("none").exists()
