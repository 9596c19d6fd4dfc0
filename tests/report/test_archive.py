"""Archives of a campaign that is stored as CP2K would have left it, and reports from them on other machines."""

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage.configuration import Profile
from aiida.tools.archive import create_archive
from click.testing import CliRunner, Result
from plumpy import ProcessState

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.cli import cli
from qdsim.provenance import (
    CAMPAIGN_PROCESS,
    CP2K_PROCESS,
    STRAIN_PROCESS,
    archive_reader,
    archive_writer,
    find_campaign,
)
from qdsim.structures import RhombohedralState

TIMEOUT = 300  # s, of one command: something that hangs ends
CONFIDENTIAL = "of-this-user-alone"
HOSTILE = (
    "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>\"'&{{ 7 * 7 }}"
    "$(touch evil)`touch evil`'; touch evil; ' [/red] \x1b]0;evil\x07 \N{RIGHT-TO-LEFT OVERRIDE}"
)

Invoke = Callable[..., Result]


def links(node: orm.Node, source: orm.Node, kind: LinkType, label: str) -> None:
    node.base.links.add_incoming(source, kind, label)


def store(results: StrainResults, label: str, *, text: str = "", ended: bool = True) -> orm.WorkChainNode:
    """Store a campaign: of each strain a relaxation by one run; `text` stands where text of any origin can stand."""
    campaign = orm.WorkChainNode(process_type=CAMPAIGN_PROCESS, label=label, description=text)
    document = {"campaign": {"name": label}, "settings": {"protocol": text or "fast"}, "fingerprint": label}
    links(campaign, orm.Dict(document, label=text).store(), LinkType.INPUT_WORK, "campaign")
    links(campaign, orm.Dict({"compound": "PbS"}).store(), LinkType.INPUT_WORK, "strain__lattice")
    campaign.store()
    computer = orm.load_computer("cluster")
    strain = orm.WorkChainNode(process_type=STRAIN_PROCESS)
    links(strain, campaign, LinkType.CALL_WORK, "strain")
    strain.store()
    processes: list[orm.ProcessNode] = [campaign, strain]
    for point in reversed(results.points):
        task = orm.WorkChainNode(process_type="aiida.workflows:qdsim.relax")
        links(task, strain, LinkType.CALL_WORK, f"{point.label}__relaxed")
        task.store()
        run = orm.CalcJobNode(process_type=CP2K_PROCESS, computer=computer)
        links(run, task, LinkType.CALL_CALC, "iteration_01")
        run.store()
        retrieved = orm.FolderData()
        retrieved.base.repository.put_object_from_bytes(f"ENERGY| {point.label}".encode(), "aiida.out")
        state = RhombohedralState.from_lattice_constant(point.lattice_constant, offset=0.1)
        outputs = {
            "retrieved": retrieved,
            "output_parameters": orm.Dict({"energy": -1.0, "wall_time": 2.0, "cp2k_version": "2023.1"}),
            "output_structure": orm.StructureData(ase=state.to_atoms("Pb", "S")),
        }
        for name, output in outputs.items():
            links(output, run, LinkType.CREATE, name)
            output.store()
        links(outputs["output_structure"], strain, LinkType.RETURN, f"structures__{point.label}__relaxed")
        processes += [task, run]
    if text:
        for failed in (campaign, task):
            failed.set_exit_message(text)
    made = orm.Dict(results.model_dump(mode="json")).store()
    links(made, strain, LinkType.RETURN, "results")
    for process in processes:
        process.set_process_state(ProcessState.FINISHED if ended else ProcessState.RUNNING)
        if ended:
            process.set_exit_status(1 if process.exit_message else 0)
            process.seal()
        else:
            process.set_checkpoint(CONFIDENTIAL)
    return campaign


@pytest.fixture(scope="module", autouse=True)
def computer(aiida_profile: Profile) -> None:
    """Make a computer that its owner reaches with a key and a password."""
    assert aiida_profile.is_test_profile
    found = orm.Computer("cluster", "cluster", HOSTILE, "core.ssh", "core.slurm", "/scratch").store()
    proxy = f"sshpass -p {CONFIDENTIAL} ssh jump"
    found.configure(username=CONFIDENTIAL, key_filename=f"/{CONFIDENTIAL}", proxy_command=proxy)


@pytest.fixture(scope="module")
def campaign(results: StrainResults) -> str:
    """UUID of a campaign: nodes are lost to whoever has opened an archive."""
    return store(results, "tension").uuid


@pytest.fixture
def invoke(aiida_profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a runner of commands in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *arguments: object) -> Result:
        words = [command, *map(str, arguments), "--profile", aiida_profile.name]
        return CliRunner().invoke(cli, words, env={"COLUMNS": "200"})

    return run


@pytest.fixture(scope="module")
def good(campaign: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the campaign."""
    path = tmp_path_factory.mktemp("archive") / "tension.aiida"
    archive_writer.write_archive(find_campaign(campaign), path)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return a runner of `qdsim` on a machine without a profile, CP2K, or anything in PATH; nothing is left behind."""
    home = tmp_path / "home"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if name not in {"AIIDA_PATH", "QDSIM_PROFILE"}}

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("qdsim"), *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=tmp_path,
            env=inherited | {"HOME": str(home), "PATH": "", "COLUMNS": "200"} | environment,
        )

    yield run
    assert list(home.iterdir()) == []


def without_time(path: Path) -> str:
    document, number = re.subn(r"<span>\d{4}-\d\d-\d\d \d\d:\d\d UTC</span>", "", path.read_text(encoding="utf-8"))
    assert number == 1
    return document


def altered(good: Path, path: Path, sql: str = "", **metadata: str) -> Path:
    """Copy an archive with changes in its database or its metadata."""
    with ZipFile(good) as before, ZipFile(path, "w", ZIP_DEFLATED) as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "metadata.json":
                content = json.dumps(json.loads(content) | metadata).encode()
            elif name == "db.sqlite3" and sql:
                file = path.with_suffix(".sqlite3")
                file.write_bytes(content)
                with closing(sqlite3.connect(file)) as database, database:
                    database.executescript(sql)
                content = file.read_bytes()
                file.unlink()
            after.writestr(name, content)
    return path


def refused(result: Result) -> str:
    """Return the one sentence that a command ends with."""
    assert result.exit_code == 2, result.output
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    assert list(Path.cwd().glob("*.html")) == []
    return result.output


def test_a_report_from_an_archive_is_that_of_the_profile(
    campaign: str, invoke: Invoke, elsewhere: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    written = invoke("archive", "tension")
    assert written.exit_code == 0, written.output
    assert written.stdout == f"{tmp_path / 'tension.aiida'}\n"
    assert "35 nodes and 6 files" in written.stderr
    assert invoke("report", campaign, "-o", "profile.html").exit_code == 0
    answer = elsewhere("report", "tension.aiida", "-o", "archive.html")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert without_time(tmp_path / "archive.html") == without_time(tmp_path / "profile.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.html", "home", "profile.html", "tension.aiida"]


@pytest.mark.parametrize("arguments", [["results", "--json"], ["results"], ["trace", "--all", "--json"]])
def test_results_and_traces_are_those_of_the_profile(good: Path, invoke: Invoke, arguments: list[str]) -> None:
    command, *options = arguments
    from_profile, from_archive = invoke(command, "tension", *options), invoke(command, good, *options)
    assert from_archive.exit_code == 0, from_archive.output
    assert from_archive.stdout == from_profile.stdout
    assert from_archive.stdout


def test_any_node_of_an_archive_is_traced(good: Path, campaign: str, invoke: Invoke) -> None:
    run = orm.load_node(campaign).called[0].called[0].called[0]
    uuid, made = run.uuid, run.outputs.output_structure.uuid
    answer = invoke("trace", good, "--node", made)
    assert answer.exit_code == 0, answer.output
    assert uuid[:8] in answer.output
    assert "CP2K 2023.1" in answer.output


def test_the_profile_is_open_again_afterwards(good: Path, campaign: str) -> None:
    with archive_reader.open_archive(good):
        assert orm.QueryBuilder().append(orm.AuthInfo).count() == 0
    assert orm.QueryBuilder().append(orm.AuthInfo).count() > 0
    assert orm.load_node(campaign).label == "tension"


def test_no_secret_is_archived(results: StrainResults, tmp_path: Path) -> None:
    running = store(results, "secretive", ended=False)
    assert running.checkpoint == CONFIDENTIAL
    path = tmp_path / "secretive.aiida"
    archive_writer.write_archive(running, path)
    with ZipFile(path) as archive:
        contents = b"".join(archive.read(name) for name in archive.namelist())
    assert b"cluster" in contents
    assert CONFIDENTIAL.encode() not in contents


def test_a_small_archive_lacks_only_files_that_nothing_was_made_of(
    results: StrainResults, tmp_path: Path, invoke: Invoke
) -> None:
    small = store(results, "small", ended=False)
    used = small.called[0].called[0].called[0].outputs.retrieved
    kept = used.uuid
    correction = orm.CalcFunctionNode()
    links(correction, used, LinkType.INPUT_CALC, "files")
    links(correction, small.called[0], LinkType.CALL_CALC, "correction")
    correction.store()
    correction.seal()
    path = tmp_path / "small.aiida"
    whole = archive_writer.write_archive(small, tmp_path / "whole.aiida")
    assert archive_writer.write_archive(small, path, small=True) == (whole.nodes - 5, whole.files - 5)
    with archive_reader.open_archive(path):
        folders = orm.QueryBuilder().append(orm.FolderData, project="uuid").all(flat=True)
    assert folders == [kept]
    for name, source in {"profile.html": "small", "archive.html": path}.items():
        assert invoke("report", source, "-o", name).exit_code == 0
    assert without_time(tmp_path / "archive.html") == without_time(tmp_path / "profile.html")


@pytest.mark.parametrize(
    ("label", "ended", "said"), [("unfinished", False, "still running"), ("broken", True, "has failed")]
)
def test_what_is_there_is_archived(
    results: StrainResults, invoke: Invoke, tmp_path: Path, label: str, ended: bool, said: str
) -> None:
    store(results, label, text="out of memory" if ended else "", ended=ended)
    answer = invoke("archive", label)
    assert answer.exit_code == 0, answer.output
    assert f"{label} {said}" in answer.stderr or f"{label} is {said}" in answer.stderr
    for name, source in {"profile.html": label, "archive.html": tmp_path / f"{label}.aiida"}.items():
        assert invoke("report", source, "-o", name).exit_code == 0
    document = without_time(tmp_path / "archive.html")
    assert document == without_time(tmp_path / "profile.html")
    assert ("out of memory" in document) == ended


def test_an_existing_file_is_kept(invoke: Invoke, campaign: str, good: Path) -> None:
    Path("there.aiida").write_text("mine", encoding="utf-8")
    assert "there.aiida exists" in refused(invoke("archive", campaign, "-o", "there.aiida"))
    assert Path("there.aiida").read_text(encoding="utf-8") == "mine"
    assert invoke("archive", campaign, "-o", "there.aiida", "--force").exit_code == 0
    assert Path("there.aiida").stat().st_size == pytest.approx(good.stat().st_size, rel=0.1)


def test_a_full_disk_leaves_nothing(invoke: Invoke, campaign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive_writer, "_write_files", fail)
    assert "No space left on device" in refused(invoke("archive", campaign))
    assert list(Path.cwd().iterdir()) == []


def test_what_is_no_archive_is_told(invoke: Invoke, good: Path) -> None:
    assert "There is no file absent.aiida" in refused(invoke("report", "absent.aiida"))
    Path("folder.aiida").mkdir()
    assert "There is no file folder.aiida" in refused(invoke("report", "folder.aiida"))
    Path("text.aiida").write_text("just words", encoding="utf-8")
    assert "text.aiida is no AiiDA archive" in refused(invoke("report", "text.aiida"))
    content = good.read_bytes()
    Path("cut.aiida").write_bytes(content[: len(content) // 2])
    assert "cut.aiida is no AiiDA archive, or only a piece" in refused(invoke("results", "cut.aiida"))
    with ZipFile("zip.aiida", "w") as archive:
        archive.writestr("photo.jpg", "no archive")
    assert "lacks metadata.json or db.sqlite3" in refused(invoke("trace", "zip.aiida"))
    assert "name FILE.aiida, too" in refused(invoke("report", "tension", "--campaign", "tension"))


def test_a_damaged_database_is_told(invoke: Invoke, good: Path) -> None:
    with ZipFile(good) as before, ZipFile("damaged.aiida", "w") as after:
        after.writestr("metadata.json", before.read("metadata.json"))
        after.writestr("db.sqlite3", b"SQLite format 3\0" + b"\1" * 5000)
    assert "damaged.aiida cannot be read" in refused(invoke("report", "damaged.aiida"))
    other = altered(good, Path("other.aiida"), "UPDATE db_dbnode SET attributes = '{}' WHERE node_type LIKE '%dict%'")
    assert "other.aiida" in refused(invoke("report", other))


@pytest.mark.parametrize(
    ("version", "said"), [("main_0099", "written by a newer one"), ("main_0000", "verdi archive migrate")]
)
def test_other_versions_are_told(invoke: Invoke, good: Path, version: str, said: str) -> None:
    assert said in refused(invoke("report", altered(good, Path("other.aiida"), export_version=version)))


def test_the_campaign_is_found_or_chosen(invoke: Invoke, campaign: str, results: StrainResults) -> None:
    other = store(results, "compression").uuid
    create_archive([orm.Dict({"a": 1}).store()], filename="none.aiida")
    create_archive([orm.load_node(campaign), orm.load_node(other)], filename="two.aiida")
    assert "none.aiida holds no campaign of qdsim; it has 1 Dict" in refused(invoke("report", "none.aiida"))
    told = refused(invoke("report", "two.aiida"))
    assert f"holds 2 campaigns, compression ({other[:8]}" in told
    assert f"tension ({campaign[:8]}" in told
    answer = invoke("results", "two.aiida", "--campaign", "tension", "--json")
    assert json.loads(answer.output)["uuid"] == campaign
    assert "did you mean 'tension'?" in refused(invoke("results", "two.aiida", "--campaign", "tensoin"))


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ("CREATE TRIGGER spy AFTER UPDATE ON db_dbnode BEGIN DELETE FROM db_dblink; END", "trigger 'spy'"),
        ("ALTER TABLE db_dbnode RENAME TO x; CREATE VIEW db_dbnode AS SELECT * FROM x", "'x'"),
        ("CREATE VIRTUAL TABLE spy USING fts5(words)", "table 'spy'"),
    ],
)
def test_a_database_that_is_more_than_tables_is_refused(invoke: Invoke, good: Path, program: str, named: str) -> None:
    told = refused(invoke("report", altered(good, Path("program.aiida"), program)))
    assert "is refused: its database has a" in told
    assert named in told


def test_what_would_fill_the_disk_is_refused(invoke: Invoke, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(good, "bomb.aiida")
    with ZipFile("bomb.aiida", "a", ZIP_DEFLATED) as archive:
        archive.writestr("repo/bomb", bytes(3_000_000))
    assert invoke("results", "bomb.aiida").exit_code == 0
    monkeypatch.setattr(archive_reader, "LARGEST_UNPACKED", 2_000_000)
    assert "repo/bomb would unpack to more" in refused(invoke("results", "bomb.aiida"))


class Tags(HTMLParser):
    """What a page has of elements and attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_archive_of_unknown_origin_does_nothing_but_be_read(
    results: StrainResults,
    elsewhere: Callable[..., subprocess.CompletedProcess[str]],
    invoke: Invoke,
    tmp_path: Path,
) -> None:
    first, *others = results.points
    assert first.relaxed is not None
    marked = first.model_copy(update={"relaxed": first.relaxed.model_copy(update={"space_group": HOSTILE})})
    texts = {"protocol": HOSTILE, "onset_messages": [HOSTILE], "points": [marked, *others]}
    node = store(results.model_copy(update=texts), HOSTILE, text=HOSTILE)
    written = invoke("archive", node.uuid)
    assert written.exit_code == 0, written.output
    (path,) = tmp_path.glob("*.aiida")
    assert re.fullmatch(r"[\w.-]+\.aiida", path.name, re.ASCII)
    module = tmp_path / "modules" / "evil.py"
    module.parent.mkdir()
    module.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nclass Evil: pass\n", encoding="utf-8")
    executing = "UPDATE db_dbnode SET process_type = 'evil.Evil' WHERE process_type LIKE '%relax'"
    attack = altered(path, tmp_path / "attack.aiida", executing)
    link = ZipInfo("repo/link")
    link.external_attr = 0o120777 << 16
    with ZipFile(attack, "a") as archive:
        archive.writestr("../escaped", "out of the folder")
        archive.writestr(str(tmp_path / "absolute"), "anywhere")
        archive.writestr(link, "/etc/passwd")
    before = {found for found in tmp_path.rglob("*") if "__pycache__" not in str(found)}

    answer = elsewhere("report", "attack.aiida", PYTHONPATH=os.pathsep.join([*sys.path[1:], str(module.parent)]))

    assert answer.returncode == 0, answer.stderr
    after = {found for found in tmp_path.rglob("*") if "__pycache__" not in str(found)}
    assert after - before == {tmp_path / "report.html"}
    assert not (tmp_path.parent / "escaped").exists()
    document = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Tags(document[: document.index("<script>")])
    assert "window.broken = true" in page.text
    assert not {"img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    assert all(
        attributes == {"type": "application/json", "id": attributes["id"]}
        for tag, attributes in page.tags
        if tag == "script"
    )
    assert not any(name.startswith("on") or name == "src" for _, attributes in page.tags for name in attributes)
    assert all((attributes.get("href") or "#").startswith(("#", "data:")) for _, attributes in page.tags)
    assert not {"\x1b", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(document[: document.index("<script>")])
    assert CONFIDENTIAL not in document


@pytest.mark.parametrize("command", ["results", "trace", "archive", "status"])
def test_no_text_steers_the_terminal(results: StrainResults, invoke: Invoke, command: str) -> None:
    texts = {"protocol": HOSTILE, "onset_messages": [HOSTILE]}
    ended = command != "archive"
    node = store(results.model_copy(update=texts), f"{command} {HOSTILE}", text=HOSTILE, ended=ended)
    answer = invoke(command, *[node.uuid] * (command != "status"))
    assert answer.exit_code == 0, answer.output
    assert not {"\x1b", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(answer.output)
    assert command == "trace" or "[/red]" in answer.output
    told = invoke(command, f"{HOSTILE} that is not there")
    assert told.exit_code == 2
    assert not {"\x1b", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(told.output)
    assert told.output.startswith("Error: There is no campaign")
