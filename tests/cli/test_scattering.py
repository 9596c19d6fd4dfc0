"""The commands on scattering, on small particles and made-up data of known origin."""

import csv
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from ase.build import bulk
from ase.io import write
from click.testing import CliRunner, Result

from qdsim.cli import cli
from qdsim.debye import (
    ModelPattern,
    NanocrystalModel,
    ScatteringData,
    intensity,
    pair_distribution,
    read_data,
    read_form_factors,
    read_pdf,
    reduced_structure_factor,
    structure_factor,
    write_data,
)
from qdsim.debye.fit_file import load_fit_file
from qdsim.structures import cut_crystal

TRUTH = NanocrystalModel(
    diameter=20, diameter_sd=2, lattice_constant=5.95, alpha_rh=59.4, b_iso_cation=1.5, b_iso_anion=1.2
)
FIT = """\
model: {compound: PbS, diameter: 20, diameter_sd: 2, lattice_constant: 5.94, alpha_rh: 59.6,
  b_iso_cation: 1.5, b_iso_anion: 1.2}
vary:
  lattice_constant: [5.9, 6.0]
  alpha_rh: [58.5, 60.2]
background: 2
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def refused(*arguments: object) -> str:
    """Return the one sentence on standard error of a command that does not take its input."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    *notes, sentence = result.stderr.strip().splitlines()
    assert all(note.startswith("note ") for note in notes)
    assert sentence.startswith("Error: ")
    return sentence


def columns(text: str) -> dict[str, npt.NDArray[np.float64]]:
    rows = list(csv.DictReader(StringIO(text)))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crystal, a cluster, a model's pattern with noise, and a fit file for it."""
    folder = tmp_path_factory.mktemp("scattering")
    crystal = bulk("PbS", "rocksalt", a=5.936, cubic=True)
    write(folder / "pbs.cif", crystal)
    write(folder / "cluster.xyz", cut_crystal(crystal, "cube", 16).to_atoms())
    q = np.linspace(1, 13, 300)
    exact = ModelPattern(TRUTH, q).intensity({})
    expected = 1e-3 * exact + 40
    sigma = np.sqrt(expected)
    noise = np.random.default_rng(3).normal(0, sigma)
    write_data(folder / "pbs.xye", ScatteringData(q, expected + noise, sigma))
    (folder / "fit.yaml").write_text(FIT + "data: {file: pbs.xye}\n", encoding="utf-8")
    (folder / "model.yaml").write_text(FIT, encoding="utf-8")
    return folder


def test_a_pattern_is_that_of_the_debye_equation(folder: Path) -> None:
    result = run("pattern", folder / "cluster.xyz", "--q", "1:13:25", "--b-iso", "1.0", "--energy", "22")
    assert result.exit_code == 0, result.stderr
    table = columns(result.stdout)
    q = np.linspace(1, 13, 25)
    np.testing.assert_allclose(table["q"], q, rtol=1e-14)
    expected = intensity(folder / "cluster.xyz", q, b_iso=1.0, energy_kev=22.0)
    np.testing.assert_allclose(table["intensity"], expected, rtol=1e-8)
    assert result.stderr == ""


def test_scattering_needs_no_aiida(folder: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from qdsim.cli import cli
try:
    cli.main(["fit", {str(folder / "fit.yaml")!r}, "-o", {str(tmp_path / "fit.html")!r}])
finally:
    print(sorted(name for name in sys.modules if name.partition(".")[0] in ("aiida", "aiida_cp2k")))
"""
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_wavelength_and_energy_say_the_same(folder: Path) -> None:
    by_energy = run("pattern", folder / "cluster.xyz", "--q", "1:13:5", "--energy", "13.1")
    by_wavelength = run("pattern", folder / "cluster.xyz", "--q", "1:13:5", "--wavelength", str(12.398419843 / 13.1))
    np.testing.assert_allclose(
        columns(by_wavelength.stdout)["intensity"], columns(by_energy.stdout)["intensity"], rtol=1e-7
    )
    without = run("pattern", folder / "cluster.xyz", "--q", "1:13:5")
    assert without.stdout != by_energy.stdout


def test_other_functions_and_radiations(folder: Path) -> None:
    cluster, q, r = folder / "cluster.xyz", np.linspace(0, 10, 6), np.linspace(0, 20, 5)
    reduced = json.loads(run("pattern", cluster, "--q", "0:10:6", "--kind", "F", "--format", "json").stdout)
    np.testing.assert_allclose(reduced["F"], reduced_structure_factor(cluster, q), rtol=1e-10, atol=1e-12)
    neutrons = columns(run("pattern", cluster, "--q", "0:10:6", "--kind", "S", "--neutrons").stdout)
    np.testing.assert_allclose(neutrons["S"], structure_factor(cluster, q, radiation="neutron"), rtol=1e-10)
    pdf = columns(run("pattern", cluster, "--q", "1:20:2", "--kind", "G", "--r", "0:20:5").stdout)
    np.testing.assert_allclose(pdf["G"], pair_distribution(cluster, r, q_min=1, q_max=20), rtol=1e-10, atol=1e-12)
    ions = columns(run("pattern", cluster, "--q", "0:10:6", "--ion", "Pb=Pb2+").stdout)
    np.testing.assert_allclose(ions["intensity"], intensity(cluster, q, ions={"Pb": "Pb2+"}), rtol=1e-10)


def test_form_factors_and_dispersion_are_given_and_told(folder: Path, tmp_path: Path) -> None:
    cluster, q = folder / "cluster.xyz", np.linspace(1, 10, 6)
    table = tmp_path / "f0.txt"
    s = np.linspace(0, 1, 60)
    np.savetxt(table, np.column_stack([s, 82 * np.exp(-s), 16 * np.exp(-s)]), header="s(1/A)  Pb  S")
    tables = {symbol: read_form_factors(table, symbol) for symbol in ("Pb", "S")}
    base = ("pattern", cluster, "--q", "1:10:6", "--energy", "22", "--format", "json")
    both = ("--form-factors", f"Pb={table}", "--form-factors", f"S={table}")
    found = json.loads(run(*base, *both, "--dispersion", "none").stdout)
    np.testing.assert_allclose(found["intensity"], intensity(cluster, q, form_factors=tables), rtol=1e-10)
    assert found["scattering_amplitudes"].startswith("Pb: f0 of f0.txt, f' and f'' switched off; S: f0 of f0.txt")
    numbers = json.loads(run(*base, "--dispersion", "Pb=-4,8", "--dispersion", "S=0.25,0.5").stdout)
    expected = intensity(cluster, q, dispersion={"Pb": (-4, 8), "S": (0.25, 0.5)})
    np.testing.assert_allclose(numbers["intensity"], expected, rtol=1e-10)
    assert "f' = -4 and f'' = 8 as given" in numbers["scattering_amplitudes"]
    assert "by Chantler (2000) at 22 keV" in json.loads(run(*base).stdout)["scattering_amplitudes"]
    written = tmp_path / "a.xye"
    assert run(*base[:-2], "--dispersion", "none", "-o", written).exit_code == 0
    assert "f' and f'' switched off" in read_data(written).metadata["scattering_amplitudes"]
    assert "write none, or ELEMENT=F1,F2" in refused(*base, "--dispersion", "off")
    assert "goes alone" in refused(*base, "--dispersion", "none", "--dispersion", "Pb=1,2")
    assert "run from Q = 0 to 12.5664" in refused(*base[:3], "1:13:6", *both)


def test_a_fit_tells_what_its_elements_scatter_with(folder: Path) -> None:
    shown = run("fit", folder / "model.yaml", folder / "pbs.xye", "--energy", "22")
    assert "scattering: Pb: f0 of Pb by Waasmaier & Kirfel (1995), f' = " in shown.stdout
    assert "by Chantler (2000) at 22 keV; S: f0 of S" in shown.stdout


def test_a_particle_is_cut_from_a_crystal(folder: Path) -> None:
    q = np.linspace(1, 13, 7)
    options = ("--diameter", "18", "--shape", "octahedron", "--occupancy", "S=0.8", "--self-term", "squared")
    result = run("pattern", folder / "pbs.cif", "--q", "1:13:7", *options)
    assert result.stderr == ""
    particle = cut_crystal(bulk("PbS", "rocksalt", a=5.936, cubic=True), "octahedron", 18)
    expected = intensity(particle, q, occupancies={"Pb": 1.0, "S": 0.8}, self_term="squared")
    np.testing.assert_allclose(columns(result.stdout)["intensity"], expected, rtol=1e-8)


def test_a_crystal_without_a_size_is_taken_as_it_is_with_a_notice(folder: Path) -> None:
    result = run("pattern", folder / "pbs.cif", "--q", "1:13:5")
    assert result.exit_code == 0
    assert "is a crystal" in result.stderr
    assert "--diameter" in result.stderr
    assert len(columns(result.stdout)["q"]) == 5


def test_the_pattern_of_a_model_is_averaged_over_its_sizes(folder: Path, tmp_path: Path) -> None:
    model = TRUTH.model_copy(update={"diameter_sd": 1.5})
    file = tmp_path / "sizes.yaml"
    file.write_text(json.dumps({"model": model.model_dump(exclude_none=True)}), encoding="utf-8")
    q = np.linspace(1, 13, 9)
    table = columns(run("pattern", file, "--q", "1:13:9").stdout)
    np.testing.assert_allclose(table["intensity"], ModelPattern(model, q).intensity({}), rtol=1e-12)
    file.write_text("model: {diameter: 20, diameter_sd: 2}", encoding="utf-8")  # a fit of it begins at the usual B
    assert "B of Pb = 1 Å², B of S = 1 Å²" in run("pattern", file, "--q", "1:13:9").stderr
    assert "numbers of its own" in refused("pattern", folder / "model.yaml", "--b-iso", "1")
    assert "a model has an intensity" in refused("pattern", folder / "model.yaml", "--kind", "S")


def test_patterns_are_written_to_files_that_are_read_again(folder: Path, tmp_path: Path) -> None:
    q = np.linspace(1, 13, 8)
    expected = intensity(folder / "cluster.xyz", q)
    file = tmp_path / "pattern.xye"
    assert run("pattern", folder / "cluster.xyz", "--q", "1:13:8", "-o", file).exit_code == 0
    np.testing.assert_allclose(read_data(file).intensity, expected, rtol=1e-12)
    assert "exists" in refused("pattern", folder / "cluster.xyz", "-o", file)
    assert run("pattern", folder / "cluster.xyz", "--q", "1:13:9", "-o", file, "--force").exit_code == 0
    assert len(read_data(file)) == 9
    pdf = tmp_path / "pattern.gr"
    assert run("pattern", folder / "cluster.xyz", "--kind", "G", "--r", "1:20:30", "-o", pdf).exit_code == 0
    assert len(read_pdf(pdf)) == 30
    page = tmp_path / "pattern.html"
    assert run("pattern", folder / "cluster.xyz", "--q", "1:13:9", "--html", page).exit_code == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["pattern.gr", "pattern.html", "pattern.xye"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.xyz"], "absent.xyz"),
        (["cluster.xyz", "--q", "1:13"], "--q '1:13' "),
        (["cluster.xyz", "--q", "13:1:10"], "LOW below HIGH"),
        (["cluster.xyz", "--q", "1:nan:10"], "is not understood: write LOW:HIGH:N"),
        (["cluster.xyz", "--q", "1:13:1"], "N from 2"),
        (["cluster.xyz", "--q", "1:13:1e9"], "N from 2"),
        (["cluster.xyz", "--q", "-1:13:10"], "0 or more"),
        (["cluster.xyz", "--b-iso", "-1"], "out of range"),
        (["cluster.xyz", "--occupancy", "Au=0.5"], "has no Au"),
        (["cluster.xyz", "--occupancy", "Pb=1.5"], "from 0 to 1"),
        (["cluster.xyz", "--occupancy", "Pb=much"], "finite number"),
        (["cluster.xyz", "--occupancy", "0.5"], "write ELEMENT=OCCUPANCY"),
        (["cluster.xyz", "--energy", "22", "--wavelength", "1"], "contradict each other"),
        (["cluster.xyz", "--energy", "1e9"], "keV"),
        (["cluster.xyz", "--shape", "cube"], "give --diameter"),
        (["cluster.xyz", "--diameter", "20"], "not periodic"),
        (["cluster.xyz", "--rtol", "0"], "tolerance"),
        (["cluster.xyz", "--kind", "G"], "go together"),
        (["cluster.xyz", "--kind", "S", "--self-term", "linear"], "--self-term is for the intensity"),
        (["cluster.xyz", "--format", "gr"], "does not suit intensity"),
        (["pbs.cif", "--diameter", "20", "--shape", "spere"], "use sphere, cube"),
        (["pbs.cif", "--diameter", "nan"], "nan"),
        (["fit.yaml", "--ion", "Pb=Pb9+"], "Pb9+"),
    ],
)
def test_patterns_that_cannot_be_computed(folder: Path, arguments: list[str], words: str) -> None:
    file, *options = arguments
    assert words in refused("pattern", folder / file, *options)


def test_a_fit_finds_the_truth_and_tells_it(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "fit.html"
    result = run("fit", folder / "fit.yaml", "-o", page)
    assert result.exit_code == 0, result.stderr
    for word in ("lattice_constant", "alpha_rh", "±", "Å", "5.9 … 6", "reduced chi2", "R_wp", "composition", "ligands"):
        assert word in result.stdout
    document = json.loads(run("fit", folder / "fit.yaml", "--json").stdout)
    for name, true in (("lattice_constant", 5.95), ("alpha_rh", 59.4)):
        parameter = document["parameters"][name]
        assert abs(parameter["value"] - true) < 4 * parameter["error"]
    assert document["chi2_reduced"] == pytest.approx(1, abs=0.3)
    assert len(document["calculated"]) == 300
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "exists" in refused("fit", folder / "fit.yaml", "-o", page)


def test_options_go_before_the_file(folder: Path) -> None:
    options = ("--q-range", "2:8", "--background", "5", "--energy", "22", "--starts", "2", "--json")
    document = json.loads(run("fit", folder / "model.yaml", folder / "pbs.xye", *options).stdout)
    assert document["q"][0] >= 2
    assert document["q"][-1] <= 8
    assert len(document["background"]) == 5
    other = json.loads(run("fit", folder / "model.yaml", folder / "pbs.xye", *options[:4], "--json").stdout)
    assert other["scale"] != document["scale"]
    with_blank = json.loads(run("fit", folder / "fit.yaml", "--blank", folder / "pbs.xye", "--json").stdout)
    assert with_blank["blank_factor"] is not None


def test_angles_are_told_from_q(folder: Path, tmp_path: Path) -> None:
    data = read_data(folder / "pbs.xye")
    assert data.sigma is not None
    angles = np.degrees(2 * np.arcsin(data.q * 0.5 / (4 * np.pi)))
    file = tmp_path / "angles.xy"
    np.savetxt(file, np.column_stack([angles, data.intensity, data.sigma]))
    model = folder / "model.yaml"
    assert "give the wavelength" in refused("fit", model, file)
    converted = json.loads(run("fit", model, file, "--wavelength", "0.5", "--json").stdout)
    np.testing.assert_allclose(converted["q"], data.q, rtol=1e-12)
    contradicted = refused("fit", model, folder / "pbs.xye", "--quantity", "two_theta", "--wavelength", "0.5")
    assert "the header says that x is Q" in contradicted


def test_what_is_assumed_of_the_data_is_told(folder: Path, tmp_path: Path) -> None:
    data = read_data(folder / "pbs.xye")
    file = tmp_path / "bare.xy"
    np.savetxt(file, np.column_stack([data.q, data.intensity]))
    told = run("fit", folder / "model.yaml", file, "--wavelength", "0.5", "--json")
    assert told.exit_code == 0
    (note,) = told.stderr.splitlines()
    assert note.startswith("note ")
    assert "is taken for Q in Å^-1" in note
    stored = json.loads(told.stdout)["messages"]
    assert any("leaves open what its columns are: x, which runs to" in message for message in stored)
    assert run("fit", folder / "model.yaml", file, "--wavelength", "0.5", "--quantity", "q", "--json").stderr == ""
    assert "no uncertainties" in run("fit", folder / "model.yaml", file).stdout


def test_the_readme_has_a_fit_file_that_is_one(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    text = readme[readme.index("```yaml\nmodel:") :].split("```")[1].removeprefix("yaml\n")
    file = tmp_path / "fit.yaml"
    file.write_text(text, encoding="utf-8")
    usual = dict.fromkeys(["lattice_constant", "b_iso_cation", "b_iso_anion"])
    assert load_fit_file(file).vary == {"alpha_rh": (58.5, 60.2), "pb_offset": None, "diameter": None, **usual}


def test_names_are_not_taken_for_markup(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "[red]sample.yaml"
    file.write_text(FIT, encoding="utf-8")
    assert "[red]sample: pbs.xye" in run("fit", file, folder / "pbs.xye").stdout
    other = tmp_path / "other.yaml"
    other.write_text(FIT.replace("PbS,", "PbS, shape: cube,"), encoding="utf-8")
    compared = run("compare", file, other, folder / "pbs.xye").stdout
    assert "[red]sample, other: pbs.xye" in compared
    assert "preferred: [red]sample" in compared


def test_reservations_are_told_and_do_not_fail(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "narrow.yaml"
    text = FIT.replace("[58.5, 60.2]", "[59.5, 59.7]") + f"data: {{file: {folder / 'pbs.xye'}}}\n"
    file.write_text(text, encoding="utf-8")
    result = run("fit", file)
    assert result.exit_code == 0
    assert "at bound" in result.stdout
    assert "note alpha_rh stopped at its bound" in result.stdout


def test_a_search_that_does_not_converge_is_shown_and_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdsim.debye.fitting.MOST_EVALUATIONS", 1)
    result = run("fit", folder / "fit.yaml")
    assert result.exit_code == 1
    assert "reduced chi2" in result.stdout
    assert "did not converge" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.yaml"], "No such file"),
        (["model.yaml"], "The fit has no data"),
        (["fit.yaml", "absent.xye"], "absent.xye"),
        (["fit.yaml", "--q-range", "20:30"], "keep at least 2"),
        (["fit.yaml", "--q-range", "8:2"], "write LOW:HIGH"),
        (["fit.yaml", "--q-range", "5:5.1"], "cannot determine"),
        (["fit.yaml", "--wavelength", "-1"], "positive number"),
        (["fit.yaml", "-o", "absent/fit.html"], "does not exist"),
    ],
)
def test_fits_that_cannot_be_made(
    folder: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert words in refused("fit", *arguments)


def test_a_profile_has_its_minimum_at_the_fit(folder: Path, tmp_path: Path) -> None:
    fitted = json.loads(run("fit", folder / "fit.yaml", "--json").stdout)["parameters"]["alpha_rh"]
    page = tmp_path / "scan.html"
    result = run("scan", folder / "fit.yaml", "--x", "alpha_rh=58:61:13", "--json", "-o", page)
    assert result.exit_code == 0, result.stderr
    profile = json.loads(result.stdout)
    assert profile["refitted"] == ["lattice_constant", "b_iso_cation", "b_iso_anion"]
    assert profile["best"] == pytest.approx(fitted["value"], abs=fitted["error"])
    assert profile["low"] < profile["best"] < profile["high"]
    assert page.exists()
    table = columns(run("scan", folder / "fit.yaml", "--x", "alpha_rh=58:61:13", "--csv").stdout)
    np.testing.assert_allclose(table["alpha_rh"], np.linspace(58, 61, 13))
    np.testing.assert_allclose(table["chi2_reduced"], profile["chi2_reduced"], rtol=1e-9)
    shown = run("scan", folder / "fit.yaml", "--x", "alpha_rh=58:61:13").stdout
    assert "68 % interval" in shown
    held = json.loads(run("scan", folder / "fit.yaml", "--x", "alpha_rh=58:61:13", "--hold", "--json").stdout)
    assert (np.array(held["chi2"]) > np.array(profile["chi2"]) - 1e-6).all()
    assert held["best"] == pytest.approx(fitted["value"], abs=0.1 * fitted["error"])


def test_a_map_has_a_row_for_each_point(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    axes = ("--x", "alpha_rh=59:60:6", "--y", "lattice_constant=5.93:5.97:5")
    table = columns(run("scan", folder / "fit.yaml", *axes, "--csv", "-o", page).stdout)
    assert len(table["chi2_reduced"]) == 30
    lowest = table["chi2_reduced"].argmin()
    assert table["lattice_constant"][lowest] == pytest.approx(5.95, abs=0.011)
    assert f"alpha_rh = {table['alpha_rh'][lowest]:.4f}" in run("scan", folder / "fit.yaml", *axes).stdout
    assert page.exists()


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (["--x", "alpha=59:60:3"], "no parameter of a model"),
        (["--x", "alpha_rh"], "write NAME=LOW:HIGH:N"),
        (["--x", "alpha_rh=60:59:3"], "LOW below HIGH"),
        (["--x", "alpha_rh=10:60:3"], "alpha_rh may vary"),
        (["--x", "alpha_rh=59:60:3", "--y", "alpha_rh=59:60:3"], "two different parameters"),
    ],
)
def test_scans_that_cannot_be_made(folder: Path, axes: list[str], words: str) -> None:
    assert words in refused("scan", folder / "fit.yaml", *axes)


def test_stoichiometries_are_compared(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "models.html"
    result = run("compare", folder / "fit.yaml", "-o", page)
    assert result.exit_code == 0, result.stderr
    for word in ("stoichiometric", "S-deficient shell", "core-shell", "ΔAIC", "ΔBIC", "weight"):
        assert word in result.stdout
    assert "preferred: sphere, stoichiometric" in result.stdout
    assert "rhombic_dodecahedron" in result.stdout
    assert page.exists()


def test_fit_files_are_compared_on_the_same_data(folder: Path, tmp_path: Path) -> None:
    cube = tmp_path / "cube.yaml"
    cube.write_text(FIT.replace("{compound: PbS,", "{compound: PbS, shape: cube,"), encoding="utf-8")
    result = run("compare", folder / "fit.yaml", cube, "--json")
    assert result.exit_code == 0, result.stderr
    first, second = json.loads(result.stdout)["models"]
    assert (first["name"], second["name"]) == ("fit", "cube")
    assert first["weight"] > 0.99
    assert second["delta_bic"] > 100
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(FIT + "data: {file: other.xye}\n", encoding="utf-8")
    assert "given twice" in refused("compare", cube, cube)
    assert "--no-shapes goes with one fit file" in refused("compare", folder / "fit.yaml", cube, "--no-shapes")
    assert "differ in their data" in refused("compare", folder / "fit.yaml", elsewhere)
    assert run("compare", folder / "fit.yaml", elsewhere, folder / "pbs.xye").exit_code == 0
