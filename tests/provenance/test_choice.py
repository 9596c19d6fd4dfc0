"""Which campaign a name, a file, a PK or nothing at all stands for, in which folder."""

from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from click.testing import CliRunner, Result

from qdsim.cli import cli
from qdsim.errors import QdsimError
from qdsim.provenance.choice import describe_campaign, files_of, find_campaign, find_node, name_here, remember_files
from tests.provenance.graphs import store_campaign


@pytest.fixture(scope="module")
def profile(aiida_profile: Any) -> str:
    aiida_profile.reset_storage()
    return str(aiida_profile.name)


@pytest.fixture(scope="module")
def folder(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 (loads the profile)
    """Folders with a file each; those of a and b hold campaigns of one name."""
    folder = tmp_path_factory.mktemp("campaigns")
    for name in ("a", "b", "c"):
        (folder / name).mkdir()
        (folder / name / "t.yaml").write_text("name: namesake\n", encoding="utf-8")
    return folder


def stored(name: str, compound: str = "PbS") -> orm.WorkChainNode:
    node = orm.load_node(store_campaign(name, compound))
    assert isinstance(node, orm.WorkChainNode)
    return node


@pytest.fixture(scope="module")
def nodes(folder: Path) -> dict[str, orm.WorkChainNode]:
    """Campaigns of one name: two of a, of which one is older, one of b that is the newest; one without a folder."""
    found: dict[str, orm.WorkChainNode] = {}
    for name, place, compound in (("older", "a", "PbS"), ("a", "a", "PbS"), ("b", "b", "PbSe")):
        found[name] = stored("namesake", compound)
        remember_files(found[name], [folder / place / "t.yaml"])
    found["alone"] = stored("alone")
    return found


def test_a_name_is_that_of_the_current_folder(
    nodes: dict[str, orm.WorkChainNode], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        monkeypatch.chdir(folder / place)
        assert find_campaign("namesake").pk == nodes[place].pk
        assert find_node("namesake").pk == nodes[place].pk
        assert name_here(nodes[place]) == "namesake"
        assert name_here(nodes["older"]) == str(nodes["older"].pk)
    assert name_here(nodes["a"]) == str(nodes["a"].pk)
    (folder / "a" / "deeper").mkdir()
    monkeypatch.chdir(folder / "a" / "deeper")
    with pytest.raises(QdsimError, match="several folders"):
        find_campaign("namesake")


def test_where_the_folder_does_not_tell_all_are_listed(
    nodes: dict[str, orm.WorkChainNode], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (folder, folder / "c"):
        monkeypatch.chdir(place)
        with pytest.raises(QdsimError) as caught:
            find_campaign("namesake")
        sentence = str(caught.value)
        for name, compound in (("a", "PbS"), ("b", "PbSe"), ("older", "PbS")):
            place_of = folder / name.replace("older", "a") / "t.yaml"
            assert f"PK {nodes[name].pk} ({compound}, done, from {place_of})" in sentence
        assert "say which by its PK or file, or go to its folder" in sentence
        assert name_here(nodes["b"]) == str(nodes["b"].pk)


def test_a_folder_that_holds_one_of_them_tells_which(
    nodes: dict[str, orm.WorkChainNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    other = stored("namesake", "PbTe")
    remember_files(other, [inner / "t.yaml"])
    monkeypatch.chdir(tmp_path)
    assert find_campaign("namesake").pk == other.pk
    other.base.extras.set("qdsim_files", [str(files_of(nodes["b"])[0])])  # as if it had been run there


def test_a_file_a_pk_and_a_uuid_need_no_folder(
    nodes: dict[str, orm.WorkChainNode], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert find_campaign("a/t.yaml").pk == nodes["a"].pk
    for name in ("older", "b"):
        assert find_campaign(str(nodes[name].pk)).pk == nodes[name].pk
        assert find_campaign(nodes[name].uuid).pk == nodes[name].pk
    with pytest.raises(QdsimError, match=r"No campaign was run from c/t\.yaml in this profile; 'qdsim run c/t\.yaml'"):
        find_campaign("c/t.yaml")
    with pytest.raises(QdsimError, match="did you mean 'namesake'"):
        find_campaign("namesaek")


def test_the_same_campaign_run_from_two_folders_is_of_both(
    nodes: dict[str, orm.WorkChainNode], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = nodes["alone"]
    monkeypatch.chdir(folder)
    assert describe_campaign(alone) == f"Campaign 'alone', PK {alone.pk}, from no file that is known"
    files = [folder / "a" / "alone.yaml", folder / "b" / "alone.yaml"]
    for path in (*files, files[0]):
        remember_files(alone, [path])
    assert files_of(alone) == files
    assert find_campaign("alone").pk == alone.pk
    assert describe_campaign(alone).endswith(f"from {files[0]}, {files[1]}")


def test_every_command_tells_which_campaign_it_takes(
    nodes: dict[str, orm.WorkChainNode], folder: Path, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--profile", profile])

    commands = (
        ("results", "namesake"),
        ("results", "namesake", "--json"),
        ("status", "namesake"),
        ("report", "namesake", "-o", "report.html"),
        ("cancel", "namesake", "--yes"),
        ("pause", "namesake"),
        ("resume", "namesake"),
        ("trace", "namesake"),
        ("archive", "namesake"),
        ("diff", "namesake", "alone"),
        ("why", "0.1234", "--campaign", "namesake"),
    )
    monkeypatch.chdir(folder / "a")
    for command in commands:
        result = run(*command)
        assert f"Campaign 'namesake', PK {nodes['a'].pk}, from {folder / 'a' / 't.yaml'}" in result.stderr, command
        assert "PbSe" not in result.stdout
    monkeypatch.chdir(folder)
    for command in commands:
        result = run(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "There are campaigns 'namesake' of several folders" in result.stderr
    listed = run("status").stdout
    assert all(str(node.pk) in listed for node in nodes.values())
    of_one = run("query", "--campaign", str(nodes["b"].pk), "--json").stdout
    assert '"compound": "PbSe"' in of_one
    assert '"compound": "PbS"' not in of_one
