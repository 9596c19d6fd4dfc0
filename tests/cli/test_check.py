"""Relaxed lattices of a real campaign checked by scattering, from the command line."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.io import write

from qdsim.debye import ModelPattern, NanocrystalModel, ScatteringData, intensity, write_data
from qdsim.structures import RhombohedralState, cut_rocksalt

if TYPE_CHECKING:
    from tests.machines import Machine

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
FITS = """\
compound: PbS
surface_tension: -0.0386
tolerances: {alpha_rh: 0.1, diameter: 1, surface_tension: 0.0001}
samples:
  - name: "[red]dots"
    diameter: 32
    alpha_rh: 59.1
    volumetric_strain: {value: 0.03, error: 0.002}
"""


@pytest.fixture(scope="session")
def checked(machine: "Machine", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a campaign that was run with a check by scattering."""
    folder = tmp_path_factory.mktemp("checked")
    (folder / "fits.yaml").write_text(FITS, encoding="utf-8")
    text = CAMPAIGN.format(name="checked", values=[6.0, 6.12]) + "scattering: {fits: fits.yaml}\n"
    (folder / "checked.yaml").write_text(text, encoding="utf-8")
    run = machine.qdsim("run", str(folder / "checked.yaml"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "[red]dots" in run.stdout
    assert "at the Laplace tension" in run.stdout
    assert "4×4×4 is too coarse" in run.stdout
    return folder


def refused(machine: "Machine", *arguments: str) -> str:
    answer = machine.qdsim(*arguments)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    (sentence,) = answer.stderr.strip().splitlines()
    return sentence


def scattering_processes(machine: "Machine") -> int:
    count: int = machine.python(
        "from aiida import orm\n"
        "found = {'process_type': 'aiida.workflows:qdsim.scattering'}\n"
        "answer = orm.QueryBuilder().append(orm.WorkChainNode, filters=found).count()"
    )
    return count


@pytest.mark.usefixtures("checked")
def test_the_verdicts_of_a_campaign_are_kept_and_shown_again(machine: "Machine") -> None:
    before = scattering_processes(machine)
    shown = machine.qdsim("check", "checked", "--json")
    assert shown.returncode == 0, shown.stderr
    verdicts = json.loads(shown.stdout)
    (sample,) = verdicts["samples"]
    rows = {(row["quantity"], row["condition"]): row for row in sample["rows"]}
    at_tension = rows["alpha_rh", "Laplace tension"]
    assert at_tension["verdict"] == "disagrees"
    assert at_tension["assumed"]
    assert at_tension["points"] == ["lattice_constant_p6p0000", "lattice_constant_p6p1200"]
    results = json.loads(machine.qdsim("results", "checked", "--json").stdout)
    assert results["consistency"] == verdicts
    assert scattering_processes(machine) == before


def test_the_same_check_again_computes_nothing(machine: "Machine", checked: Path) -> None:
    arguments = ("check", "checked", "--fits", str(checked / "fits.yaml"), "--reference", "absolute", "--json")
    first = machine.qdsim(*arguments)
    assert first.returncode == 0, first.stderr
    before = scattering_processes(machine)
    assert machine.qdsim(*arguments).stdout == first.stdout
    assert scattering_processes(machine) == before
    other = machine.qdsim(*arguments, "--tolerance", "alpha_rh=1.0")
    rows = json.loads(other.stdout)["samples"][0]["rows"]
    assert {row["verdict"] for row in rows if row["quantity"] == "alpha_rh"} == {"cannot say"}
    assert scattering_processes(machine) == before + 1


@pytest.mark.usefixtures("checked")
def test_one_command_leads_from_a_verdict_to_the_output_of_cp2k(machine: "Machine") -> None:
    traced = machine.qdsim("trace", "checked", "--sample", "[red]dots", "--quantity", "alpha_rh")
    assert traced.returncode == 0, traced.stderr
    assert "result ← check <" in traced.stdout
    tree = json.loads(machine.qdsim("trace", "checked", "--json").stdout)
    calculations: set[int] = set()

    def walk(node: dict[str, Any]) -> None:
        if node["kind"] == "Cp2kCalculation":
            calculations.add(node["pk"])
        for parent in node["parents"]:
            walk(parent)

    walk(tree)
    pks = sorted(calculations)
    outputs = machine.python(
        "from aiida.orm import load_node\n"
        f"nodes = [load_node(pk) for pk in {pks}]\n"
        "answer = ['ENERGY|' in node.outputs.retrieved.base.repository.get_object_content('aiida.out')\n"
        "          for node in nodes]"
    )
    assert len(outputs) > 8
    assert all(outputs)


def test_a_single_structure_is_checked_as_it_is(machine: "Machine", checked: Path) -> None:
    nodes = json.loads(machine.qdsim("results", "checked", "--json").stdout)["nodes"]
    relaxed = nodes["points.lattice_constant_p6p1200.relaxed.structure"]
    answer = machine.qdsim("check", relaxed, "--fits", str(checked / "fits.yaml"), "--json")
    assert answer.returncode == 0, answer.stderr
    (sample,) = json.loads(answer.stdout)["samples"]
    assert {row["condition"] for row in sample["rows"]} == {"given structure"}


def test_the_report_has_the_verdicts(machine: "Machine", checked: Path, tmp_path: Path) -> None:
    report, page = tmp_path / "report.html", tmp_path / "check.html"
    assert machine.qdsim("report", "checked", "-o", str(report)).returncode == 0
    drawn = machine.qdsim("check", "checked", "--fits", str(checked / "fits.yaml"), "-o", str(page))
    assert drawn.returncode == 0, drawn.stderr
    for file in (report, page):
        text = file.read_text(encoding="utf-8")
        assert "DFT against scattering" in text
        assert "falls short of the onset" in text or "beyond the onset" in text


def test_data_without_a_name_are_of_the_only_sample(machine: "Machine", checked: Path, tmp_path: Path) -> None:
    q = np.linspace(1, 12, 200)
    model = NanocrystalModel(compound="PbS", diameter=32, diameter_sd=2.5, lattice_constant=6.0, alpha_rh=59.6)
    scattered = ModelPattern(model, q).intensity({})
    write_data(tmp_path / "dots.xye", ScatteringData(q, scattered, 0.01 * scattered))
    arguments = (
        "check",
        "checked",
        "--fits",
        str(checked / "fits.yaml"),
        "--data",
        str(tmp_path / "dots.xye"),
        "--json",
    )
    answer = machine.qdsim(*arguments)
    assert answer.returncode == 0, answer.stderr
    (sample,) = json.loads(answer.stdout)["samples"]
    assert sample["name"] == "[red]dots"
    assert sample["pattern"]["source"] == "dots.xye"
    offsets = [row for row in sample["rows"] if row["quantity"] == "pb_offset"]
    assert all(row["source"] == "fit of dots.xye" for row in offsets)


def test_a_cluster_is_compared_with_a_pattern_atom_by_atom(machine: "Machine", tmp_path: Path) -> None:
    particle = cut_rocksalt("Pb", "S", RhombohedralState.from_lattice_constant(5.98, 59.5, 0.1), "sphere", 18.0)
    atoms = particle.to_atoms()
    atoms.rattle(0.05, seed=1)
    q = np.linspace(1, 13, 200)
    photons = np.random.default_rng(2).poisson(2e4 * (0.2 + (i := intensity(atoms, q, b_iso=1.4)) / i.mean()))
    write_data(tmp_path / "cluster.xye", ScatteringData(q, photons.astype(float), np.sqrt(photons)))
    write(tmp_path / "cluster.xyz", atoms)
    fit = "model: {compound: PbS, diameter: 18, diameter_sd: 1, lattice_constant: 5.98}\n"
    fit += "vary: [lattice_constant, diameter, b_iso_cation, b_iso_anion]\nbackground: 3\ndata: {file: cluster.xye}\n"
    (tmp_path / "fit.yaml").write_text(fit, encoding="utf-8")
    uuid = machine.python(
        "from aiida import orm\nfrom ase.io import read\n"
        f"answer = orm.StructureData(ase=read({str(tmp_path / 'cluster.xyz')!r})).store().uuid"
    )
    page = tmp_path / "cluster.html"
    answer = machine.qdsim("check", uuid, "--data", str(tmp_path / "fit.yaml"), "--json", "-o", str(page))
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["cluster"]["chi2_reduced"] == pytest.approx(1, abs=0.3)
    for element in ("Pb", "S"):
        parameter = found["cluster"]["parameters"][element]
        assert abs(parameter["value"] - 1.4) < 4 * parameter["error"]
    assert found["model"]["chi2_reduced"] > 1.5 * found["cluster"]["chi2_reduced"]
    assert page.stat().st_size > 1_000_000
    shown = machine.qdsim("check", uuid, "--data", str(tmp_path / "cluster.xye"))
    assert "B of Pb = 1." in shown.stdout
    assert "give --data FILE once" in refused(machine, "check", uuid, "--fits", str(tmp_path / "fits.yaml"))


def test_what_cannot_be_checked_is_told_in_one_sentence(machine: "Machine", checked: Path, tmp_path: Path) -> None:
    fits = str(checked / "fits.yaml")
    nodes = json.loads(machine.qdsim("results", "checked", "--json").stdout)["nodes"]
    (tmp_path / "single.yaml").write_text(CAMPAIGN.format(name="single", values=[6.12]), encoding="utf-8")
    assert machine.qdsim("run", str(tmp_path / "single.yaml")).returncode == 0
    before = scattering_processes(machine)
    assert "nothing to compare with: give --fits or --data" in refused(machine, "check", "single")
    assert "needs at least 2" in refused(machine, "check", "single", "--fits", fits)
    assert "give a campaign, a strain series or a structure" in refused(
        machine, "check", nodes["equation_of_state"], "--fits", fits
    )
    assert "did you mean 'checked'?" in refused(machine, "check", "cheked", "--fits", fits)
    assert "absent.yaml" in refused(machine, "check", "checked", "--fits", "absent.yaml")
    assert "did you mean 'alpha_rh'?" in refused(machine, "check", "checked", "--fits", fits, "--tolerance", "alpha=1")
    assert "finite number" in refused(machine, "check", "checked", "--fits", fits, "--tolerance", "alpha_rh=x")
    assert "go with --fits or --data" in refused(machine, "check", "checked", "--tolerance", "alpha_rh=1")
    assert "There is no such verdict" in refused(machine, "trace", "checked", "--sample", "other")
    assert "verdicts of a check" in refused(machine, "trace", nodes["equation_of_state"], "--sample", "[red]dots")
    assert scattering_processes(machine) == before
