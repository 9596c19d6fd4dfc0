"""The commands where homes and disks cannot be written, users have no name, and the locale knows ASCII alone."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

import qdsim
from qdsim.debye import ModelPattern, NanocrystalModel, ScatteringData, write_data
from qdsim.structures import cut_crystal
from tests.namespaces import full, nameless, read_only, unprivileged

INSTALLATION = Path(qdsim.__file__).parent
QDSIM = Path(sys.executable).with_name("qdsim")
CAMPAIGN = """\
name: tension
compound: PbS
protocol: fast
strain:
  linear: [0 %]
"""
FIT = """\
model: {compound: PbS, diameter: 15, lattice_constant: 5.93, b_iso_cation: 1.5, b_iso_anion: 1.2}
vary: {lattice_constant: null}
background: 1
data: {file: pbs.xye}
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class Hostile:
    """Runs `qdsim` in a folder of its own with a home, a folder for temporary files, and little else."""

    def __init__(self, folder: Path):
        self.folder, self.home, self.temporary = folder, folder / "home", folder / "tmp"
        self.home.mkdir()
        self.temporary.mkdir()
        crystal = bulk("PbS", "rocksalt", a=5.936, cubic=True)
        write(folder / "cluster.xyz", cut_crystal(crystal, "cube", 12).to_atoms())
        (folder / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")
        (folder / "fit.yaml").write_text(FIT, encoding="utf-8")
        q = np.linspace(2, 8, 60)
        counts = 1e-2 * ModelPattern(NanocrystalModel(diameter=15, lattice_constant=5.95), q).intensity({}) + 10
        write_data(folder / "pbs.xye", ScatteringData(q, counts, np.sqrt(counts)))

    def qdsim(
        self, *arguments: str | bytes, inside: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        left_out = {"AIIDA_PATH", "QDSIM_PROFILE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LANG", "LC_ALL"}
        inherited = {name: value for name, value in os.environ.items() if name not in left_out}
        own = {"HOME": str(self.home), "TMPDIR": str(self.temporary), "COLUMNS": "200"}
        return subprocess.run(
            [*inside, str(QDSIM), *arguments],
            check=False,
            cwd=self.folder,
            env={**inherited, **own, **environment},
            capture_output=True,
            encoding="utf-8",
        )

    def pattern(
        self, inside: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        return self.qdsim("pattern", "cluster.xyz", "--q", "1:5:3", inside=inside, environment=environment)

    @property
    def kept(self) -> list[Path]:
        """What temporary files are left."""
        return sorted(self.temporary.rglob("*"))


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path)


def sentence(run: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence of a command that refuses."""
    assert run.returncode == 2, run.stdout + run.stderr
    (line,) = run.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_a_pattern_needs_no_folder_of_its_own(hostile: Hostile) -> None:
    inside = read_only(INSTALLATION, hostile.home)
    first = hostile.pattern(inside)
    assert first.stdout == hostile.pattern().stdout, first.stderr
    assert first.stderr == ""
    cache, *files = hostile.kept
    assert (cache.name, cache.stat().st_mode & 0o777) == (f"qdsim-{os.getuid()}", 0o700)
    machine_code = {path: path.stat().st_mtime_ns for path in files if path.suffix == ".nbc"}
    assert machine_code
    assert hostile.pattern(inside).stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in hostile.kept if path.suffix == ".nbc"} == machine_code


def test_machine_code_of_others_is_not_executed(hostile: Hostile) -> None:
    taken = hostile.temporary / f"qdsim-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    run = hostile.pattern(read_only(INSTALLATION, hostile.home))
    assert run.stdout == hostile.pattern().stdout
    (note,) = run.stderr.splitlines()
    assert note.startswith("note machine code cannot be kept")
    assert "set NUMBA_CACHE_DIR" in note
    assert list(taken.iterdir()) == []


def test_a_full_disk_has_no_place_for_machine_code_but_for_a_pattern(hostile: Hostile) -> None:
    inside = [*read_only(INSTALLATION), *full(hostile.home)]
    run = hostile.pattern(inside)
    assert run.stdout == hostile.pattern().stdout, run.stderr
    assert "(No space left on device); set AIIDA_PATH" in sentence(hostile.qdsim("init", inside=inside))


def test_a_dry_run_needs_no_profile_and_leaves_no_trace(hostile: Hostile) -> None:
    run = hostile.qdsim("run", "campaign.yaml", "--dry-run", inside=read_only(hostile.home))
    assert (run.returncode, run.stderr) == (0, "")
    assert list((hostile.folder / "tension-inputs").rglob("*.inp"))
    assert hostile.qdsim("campaign", "check", "campaign.yaml").returncode == 0
    assert hostile.qdsim("campaign", "schema").returncode == 0
    assert list(hostile.home.iterdir()) == []
    assert hostile.kept == []


def test_setting_up_where_nothing_can_be_written_is_refused_by_name(hostile: Hostile) -> None:
    inside = read_only(hostile.home)
    told = sentence(hostile.qdsim("init", inside=inside))
    assert told.startswith(f"Error: AiiDA's folder {hostile.home}/.aiida cannot be written (Read-only file system);")
    assert "set AIIDA_PATH" in told
    document = json.loads(hostile.qdsim("doctor", "--json", inside=inside).stdout)
    (profile,) = [check for check in document["checks"] if check["name"] == "profile"]
    assert (profile["status"], profile["repair"]) == ("failed", None)
    assert "set AIIDA_PATH" in profile["fix"]


@pytest.mark.parametrize(
    "arguments", [["run", "campaign.yaml"], ["status"], ["cancel", "tension"], ["pause", "tension"], ["report"]]
)
def test_a_command_that_needs_a_profile_says_so_and_makes_none(hostile: Hostile, arguments: list[str]) -> None:
    assert "make it with `qdsim init`" in sentence(hostile.qdsim(*arguments))
    assert list(hostile.home.iterdir()) == []


@pytest.mark.parametrize("path", ["what?", "fifty%20percent"])
def test_a_path_that_aiida_misreads_is_refused(hostile: Hostile, path: str) -> None:
    folder = hostile.folder / path
    folder.mkdir()
    assert "for the '?' or '%' in its path" in sentence(hostile.qdsim("init", environment={"AIIDA_PATH": str(folder)}))
    assert list(folder.iterdir()) == []


def test_a_user_without_name_and_home_computes(hostile: Hostile) -> None:
    assert hostile.pattern(nameless()).stdout == hostile.pattern().stdout
    assert hostile.qdsim("run", "campaign.yaml", "--dry-run", inside=nameless()).returncode == 0


def test_a_closed_home_does_not_matter_to_what_needs_none(hostile: Hostile) -> None:
    hostile.home.chmod(0)
    try:
        assert hostile.pattern(unprivileged()).returncode == 0
        assert hostile.qdsim("run", "campaign.yaml", "--dry-run", inside=unprivileged()).returncode == 0
        assert "cannot be written (Permission denied)" in sentence(hostile.qdsim("init", inside=unprivileged()))
    finally:
        hostile.home.chmod(0o700)


def test_everything_is_printed_where_the_locale_knows_ascii_alone(hostile: Hostile) -> None:
    fit = hostile.qdsim("fit", "fit.yaml", environment=ASCII)
    assert (fit.returncode, fit.stderr) == (0, "")
    assert "±" in fit.stdout
    plan = hostile.qdsim("run", "campaign.yaml", "--dry-run", environment=ASCII)
    assert (plan.returncode, plan.stderr) == (0, "")
    assert "4×4×4" in plan.stdout


def test_what_a_terminal_does_not_know_is_a_mark(hostile: Hostile) -> None:
    run = hostile.qdsim("run", "campaign.yaml", "--dry-run", environment={"PYTHONIOENCODING": "koi8-r"})
    assert (run.returncode, run.stderr) == (0, "")
    assert "4?4?4" in run.stdout


@pytest.mark.parametrize(
    ("name", "environment"),
    [("ein Würfel #1 'a'@2.xyz".encode(), ASCII), (b"caf\xe9.xyz", {}), (b"caf\xe9.xyz", ASCII)],
    ids=["UTF-8 in ASCII", "Latin-1 in UTF-8", "Latin-1 in ASCII"],
)
def test_files_have_names_of_any_kind(hostile: Hostile, name: bytes, environment: dict[str, str]) -> None:
    written, drawn = b"the " + name + b".xye", b"the " + name + b".html"
    (hostile.folder / "cluster.xyz").rename(hostile.folder / os.fsdecode(name))
    run = hostile.qdsim("pattern", name, "--q", "1:5:3", "-o", written, "--html", drawn, environment=environment)
    assert run.returncode == 0, run.stderr
    assert "# source: " in (hostile.folder / os.fsdecode(written)).read_text(encoding="utf-8")
    assert (hostile.folder / os.fsdecode(drawn)).is_file()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_structures_are_read_in_any_locale(hostile: Hostile, encoding: str) -> None:
    expected = hostile.pattern().stdout
    path = hostile.folder / "cluster.xyz"
    number, comment, *atoms = path.read_text(encoding="utf-8").splitlines()
    assert "Properties=" in comment
    path.write_text("\n".join([number, f'{comment} edge="12 Å"', *atoms, ""]), encoding=encoding)
    run = hostile.pattern(environment=ASCII)
    assert run.stdout == expected, run.stderr
