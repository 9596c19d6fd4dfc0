"""Campaigns from the command line, on a real profile, with a real daemon and real CP2K."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qdsim.debye import read_structure
from qdsim.structures import RhombohedralState

if TYPE_CHECKING:
    from tests.machines import Machine

WriteCampaign = Callable[[str, list[float]], Path]

HARTREE = 27.211386  # eV; for a difference that is to vanish
CAMPAIGN = """\
name: {name}
compound: PbS
protocol: fast
overrides: {{max_scf: 40}}
strain:
  lattice_constant: {values}
  double_well: [0.2]
  relaxation: {{start_offset: 0.2}}
  equation_of_state: {{span: 3 %, points: 5}}
"""


@pytest.fixture
def campaign_file(tmp_path: Path) -> WriteCampaign:
    def write(name: str, values: list[float]) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(CAMPAIGN.format(name=name, values=values), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def finished(machine: "Machine", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign that has been run."""
    path = tmp_path_factory.mktemp("finished") / "finished.yaml"
    path.write_text(CAMPAIGN.format(name="finished", values=[6.12]), encoding="utf-8")
    run = machine.qdsim("run", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "R3m" in run.stdout
    return path


def runs(machine: "Machine") -> dict[str, int]:
    """Return how many CP2K runs the profile holds that were computed, and how many of these have equal inputs."""
    counts: dict[str, int] = machine.python(
        "from aiida import orm\n"
        "from collections import Counter\n"
        "jobs = orm.QueryBuilder().append(orm.CalcJobNode, filters={'attributes.process_label': 'Cp2kCalculation'})\n"
        "jobs = [job for job in jobs.all(flat=True) if not job.base.caching.is_created_from_cache]\n"
        "hashes = Counter(job.base.caching.compute_hash() for job in jobs if job.is_finished_ok)\n"
        "answer = {'computed': len(jobs), 'repeated': sum(count - 1 for count in hashes.values())}"
    )
    return counts


@pytest.mark.usefixtures("finished")
def test_results_as_table_csv_and_json(machine: "Machine") -> None:
    shown = machine.qdsim("results", "finished").stdout
    assert "a0 = " in shown
    assert "own P: of the relaxed one" in shown
    lines = machine.qdsim("results", "finished", "--csv").stdout.splitlines()
    assert lines[0].startswith("label,linear_strain,lattice_constant")
    assert len(lines) == 2
    document = json.loads(machine.qdsim("results", "finished", "--json").stdout)
    (point,) = document["strain"]["points"]
    assert point["relaxed"]["pb_offset"] > 0.1
    nodes = document["nodes"]
    assert {"results", "equation_of_state", f"points.{point['label']}.relaxed"} <= set(nodes)
    classes = machine.python(
        f"from aiida.orm import load_node\nanswer = [load_node(u).pk for u in {list(nodes.values())}]"
    )
    assert len(classes) == len(nodes)


def test_same_file_again_computes_nothing(machine: "Machine", finished: Path) -> None:
    before = runs(machine)
    again = machine.qdsim("run", str(finished))
    assert again.returncode == 0
    assert "has finished already" in again.stdout
    assert runs(machine) == before
    status = json.loads(machine.qdsim("status", "finished", "--json").stdout)
    assert status["state"] == "done"
    assert status["files"] == [str(finished)]
    assert f"Campaign 'finished', PK {status['pk']}, from {finished}" in again.stdout
    by_file = machine.qdsim("results", str(finished), "--csv")
    assert by_file.stdout == machine.qdsim("results", "finished", "--csv").stdout
    assert f"PK {status['pk']}, from {finished}" in by_file.stderr
    assert {line["state"] for line in status["lines"]} == {"done"}


@pytest.mark.usefixtures("finished")
def test_one_more_strain_reuses_the_others(machine: "Machine", campaign_file: WriteCampaign) -> None:
    before = runs(machine)
    run = machine.qdsim("run", str(campaign_file("more", [6.12, 6.15])))
    assert run.returncode == 0, run.stdout + run.stderr
    after = runs(machine)
    progress = json.loads(machine.qdsim("status", "more", "--json").stdout)
    new = sum(line["single_points"] for line in progress["lines"] if "6p1500" in line["label"])
    assert after["computed"] - before["computed"] == new
    assert after["repeated"] == before["repeated"]  # other tests may compute on this machine


@pytest.mark.usefixtures("finished")
def test_report_is_kept_unless_forced(machine: "Machine", tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    assert machine.qdsim("report", "finished", "-o", str(report)).returncode == 0
    text = report.read_text(encoding="utf-8")
    results = json.loads(machine.qdsim("results", "finished", "--json").stdout)
    assert results["nodes"]["equation_of_state"] in text
    kept = machine.qdsim("report", "finished", "-o", str(report))
    assert kept.returncode == 2
    assert "--force" in kept.stderr
    assert machine.qdsim("report", "finished", "-o", str(report), "--force").returncode == 0


@pytest.mark.usefixtures("finished")
def test_relaxed_structures_are_exported(machine: "Machine", tmp_path: Path) -> None:
    path = tmp_path / "relaxed.cif"
    run = machine.qdsim("export", "finished", "--format", "cif", "-o", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads(machine.qdsim("results", "finished", "--json").stdout)
    (point,) = results["strain"]["points"]
    state = RhombohedralState.from_atoms(read_structure(path))
    assert state.lattice_constant == pytest.approx(point["lattice_constant"], abs=1e-6)
    assert state.alpha == pytest.approx(point["relaxed"]["alpha_rh"], abs=1e-6)
    assert abs(state.offset) == pytest.approx(point["relaxed"]["pb_offset"], abs=1e-6)
    text = path.read_text(encoding="ascii")
    for word in (
        results["nodes"][f"points.{point['label']}.relaxed.structure"],
        results["uuid"],
        "PBE",
        "CP2K",
        "300 Ry",
        "4 4 4",
    ):
        assert word in text


def test_numbers_are_those_of_cp2k_by_hand(machine: "Machine", finished: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    dry = machine.qdsim("run", str(finished), "--dry-run", "--output", str(inputs))
    assert dry.returncode == 0, dry.stderr
    name = "lattice_constant_p6p1200__centred"
    folder = tmp_path / "by_hand"
    folder.mkdir()
    with (folder / "out").open("w") as out:
        command = ["cp2k.psmp", "-i", str(inputs / "strain" / f"{name}.inp")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=folder, stdout=out, env=environment, check=True)
    printed = re.search(r"ENERGY\|.*[\]:]\s+(-\S+)", (folder / "out").read_text())
    assert printed
    by_hand = float(printed[1])
    results = json.loads(machine.qdsim("results", "finished", "--json").stdout)
    assert results["strain"]["points"][0]["centred"]["energy"] / HARTREE == pytest.approx(by_hand, abs=1e-6)
    log = machine.python(
        "from aiida.orm import load_node\nimport re\n"
        f"task = load_node({results['nodes']['points.lattice_constant_p6p1200.centred']!r})\n"
        "text = task.called[-1].outputs.retrieved.base.repository.get_object_content('aiida.out')\n"
        "answer = float(re.search(r'ENERGY\\|.*[]:]\\s+(-\\S+)', text)[1])"
    )
    assert log == pytest.approx(by_hand, abs=1e-8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("PbS", "PbO"), "PbO"),
        (("protocol: fast", "protocol: quick"), "fast, moderate, precise"),
        (("max_scf", "max_scff"), "did you mean 'max_scf'?"),
        (("compound: PbS", "compound: PbS\ncode: cp2j@localhost"), "cp2k@localhost"),
        (("max_scf: 40", "template: own.inp"), "line 3"),
        (("compound: PbS", "structure: twice.xyz"), "on one site"),
    ],
    ids=["compound", "protocol", "override", "code", "template", "structure"],
)
def test_bad_input_is_one_sentence_and_nothing_is_left(
    machine: "Machine", tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    (tmp_path / "own.inp").write_text(
        "&GLOBAL\n  RUN_TYPE ${RUN_TYPE}\n  PRINT_LEVL LOW\n&END GLOBAL\n", encoding="utf-8"
    )
    cell = 'Lattice="0 3 3 3 0 3 3 3 0" Properties=species:S:1:pos:R:3 pbc="T T T"'
    (tmp_path / "twice.xyz").write_text(f"3\n{cell}\nPb 0 0 0\nPb 0 0 0.01\nS 3 3 3\n", encoding="utf-8")
    path = tmp_path / "campaign.yaml"
    path.write_text(CAMPAIGN.format(name="bad", values=[6.2]).replace(*change), encoding="utf-8")
    files = set(tmp_path.iterdir())
    answer = machine.qdsim("run", str(path))
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert set(tmp_path.iterdir()) == files
    assert "bad" not in {row["name"] for row in json.loads(machine.qdsim("status", "--json").stdout)}


@pytest.mark.usefixtures("finished")
def test_unknown_campaign_offers_the_nearest(machine: "Machine") -> None:
    answer = machine.qdsim("results", "finishd")
    assert answer.returncode == 2
    assert "did you mean 'finished'?" in answer.stderr


def test_schema_knows_every_key(machine: "Machine") -> None:
    schema = json.loads(machine.qdsim("campaign", "schema").stdout)
    assert {
        "name",
        "compound",
        "structure",
        "protocol",
        "overrides",
        "code",
        "resources",
        "strain",
        "vacancy",
        "dipole",
        "phonon",
        "scattering",
    } == set(schema["properties"])
    fits = json.loads(machine.qdsim("campaign", "schema", "--fits").stdout)
    assert {"compound", "surface_tension", "tolerances", "samples"} <= set(fits["properties"])
