"""What a campaign is checked by: read beforehand, refused in one sentence, and part of what decides the results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import Plan, plan_campaign
from qdsim.campaign.scattering import data_labels
from qdsim.debye import ModelPattern, NanocrystalModel, ScatteringData, write_data
from qdsim.errors import QdsimError

FITS = "compound: PbS\nsamples:\n  - {name: dots, diameter: 20, alpha_rh: {value: 59.5, error: 0.1}}\n"
FIT = "model: {compound: PbS, diameter: 20, diameter_sd: 2}\nvary: [alpha_rh]\ndata: {file: dots.xye}\n"
SELENIDE = FIT.replace("PbS", "PbSe, lattice_constant: 6.124")
CAMPAIGN = "name: tension\ncompound: PbS\nprotocol: fast\nstrain: {linear: [0.01]}\nscattering:\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    q = np.linspace(1, 13, 60)
    scattered = ModelPattern(NanocrystalModel(compound="PbS", diameter=20), q).intensity({})
    write_data(tmp_path / "dots.xye", ScatteringData(q, scattered, np.sqrt(scattered)))
    (tmp_path / "fits.yaml").write_text(FITS, encoding="utf-8")
    (tmp_path / "fit.yaml").write_text(FIT, encoding="utf-8")
    return tmp_path


def plan(folder: Path, section: str) -> Plan:
    path = folder / "campaign.yaml"
    path.write_text(CAMPAIGN + section, encoding="utf-8")
    return plan_campaign(load_campaign(path))


def test_fits_and_data_are_read_from_beside_the_campaign(folder: Path) -> None:
    found = plan(folder, "  fits: fits.yaml\n  data: {dots: fit.yaml, again: fit.yaml}\n").scattering
    assert found is not None
    assert found.fits is not None
    assert found.fits.samples[0].name == "dots"
    assert [one.measured.sample for one in found.data] == ["dots", "again"]
    assert found.data[0].file == folder / "dots.xye"
    assert found.data[0].measured.fit["vary"] == dict.fromkeys(
        ["alpha_rh", "lattice_constant", "b_iso_cation", "b_iso_anion"]
    )
    assert "file" not in found.data[0].measured.fit["data"]
    assert found.settings.bulk_lattice_constant == 5.936


def test_data_without_a_fit_file_begin_at_what_the_fits_state(folder: Path) -> None:
    found = plan(folder, "  fits: fits.yaml\n  data: {dots: dots.xye}\n").scattering
    assert found is not None
    model = found.data[0].measured.fit["model"]
    assert (model["diameter"], model["alpha_rh"]) == (20, 59.5)
    assert {"alpha_rh", "pb_offset", "lattice_constant"} <= set(found.data[0].measured.fit["vary"])


def test_what_is_compared_with_decides_the_results(folder: Path) -> None:
    section = "  fits: fits.yaml\n  data: {dots: fit.yaml}\n"
    first = plan(folder, section).fingerprint
    assert plan(folder, section).fingerprint == first
    assert plan(folder, section + "  reference: absolute\n").fingerprint != first
    assert plan(folder, section + "  tolerances: {alpha_rh: 0.2}\n").fingerprint != first
    data = folder / "dots.xye"
    data.write_text(data.read_text(encoding="utf-8") + "13.5 1.0 1.0\n", encoding="utf-8")
    assert plan(folder, section).fingerprint != first


def test_form_factors_of_patterns_are_read_from_beside_the_campaign(folder: Path) -> None:
    section = (
        "  fits: fits.yaml\n  data: {dots: dots.xye}\n  patterns: {form_factors: {Pb: f0.txt}, dispersion: none}\n"
    )
    table = folder / "f0.txt"
    table.write_text("# Q(1/A)  Pb\n0 82\n5 50\n10 30\n13 25\n", encoding="utf-8")
    planned = plan(folder, section)
    found = planned.scattering
    assert found is not None
    assert found.patterns.form_factors == {
        "Pb": {"source": "f0.txt", "q": [0.0, 5.0, 10.0, 13.0], "f0": [82.0, 50.0, 30.0, 25.0]}
    }
    fit = found.data[0].measured.fit
    assert (fit["form_factors"], fit["dispersion"]) == (found.patterns.form_factors, "none")
    table.write_text("# Q(1/A)  Pb\n0 82\n5 50\n10 31\n13 25\n", encoding="utf-8")
    assert plan(folder, section).fingerprint != planned.fingerprint


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("{form_factors: {Pb: f0.txt}}", r"of f0\.txt run from Q = 0 to 12 Å\^-1, and 1 to 13 Å\^-1 are needed"),
        ("{form_factors: {Se: f0.txt}}", "labels its columns Q.1/A., Pb: label one of them, and only one, 'Se'"),
        ("{dispersion: {Pb: [-4, 8]}}", "dispersion is not given for S"),
        ("{dispersion: {Pb: [-4, 8], Te: [0, 1]}}", "dispersion is given for Te: what is computed has Pb, S only"),
        ("{dispersion: off}", r"campaign\.yaml, line 8: scattering\.patterns\.dispersion"),
    ],
)
def test_form_factors_that_do_not_fit_are_refused_before_anything_runs(
    folder: Path, patterns: str, message: str
) -> None:
    (folder / "f0.txt").write_text("# Q(1/A)  Pb\n0 82\n5 50\n10 30\n12 25\n", encoding="utf-8")
    with pytest.raises(QdsimError, match=message):
        plan(folder, f"  fits: fits.yaml\n  data: {{dots: dots.xye}}\n  patterns: {patterns}\n")


def test_a_coarse_mesh_is_told_and_a_fine_one_is_not(folder: Path) -> None:
    coarse, fine = plan(folder, "  fits: fits.yaml\n").scattering, None
    path = folder / "campaign.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("fast", "precise"), encoding="utf-8")
    fine = plan_campaign(load_campaign(path)).scattering
    assert coarse is not None
    assert fine is not None
    assert "4×4×4 is too coarse" in coarse.settings.reservations[0]
    assert fine.settings.reservations == []


def test_samples_of_any_name_have_labels_of_their_own(folder: Path) -> None:
    names = ["3.2 nm", "3.2-nm", "$(rm -rf /)", "Größe ½", ""]
    found = plan(folder, "  data: {" + ", ".join(f"{name!r}: fit.yaml" for name in names) + "}\n").scattering
    assert found is not None
    labels = data_labels(found.data)
    assert len(set(labels)) == len(names)
    assert all(label.isidentifier() and "__" not in label for label in labels)


@pytest.mark.parametrize(
    ("section", "files", "words"),
    [
        ("  reference: relative\n", {}, "nothing to compare with"),
        ("  fits: absent.yaml\n", {}, "absent.yaml"),
        (
            "  fits: fits.yaml\n",
            {"fits.yaml": FITS.replace("PbS", "PbTe")},
            "are of PbTe",
        ),
        ("  fits: fits.yaml\n", {"fits.yaml": FITS.replace("alpha_rh", "alpha")}, "did you mean 'alpha_rh'?"),
        ("  fits: fits.yaml\n", {"fits.yaml": FITS.replace("59.5", "5.95")}, "line 3"),
        ("  fits: fits.yaml\n  tolerances: {alpha: 0.1}\n", {}, "did you mean 'alpha_rh'?"),
        ("  fits: fits.yaml\n  tolerances: {alpha_rh: -0.1}\n", {}, "greater than 0"),
        ("  fits: fits.yaml\n  reference: own\n", {}, "'relative' or 'absolute'"),
        (
            "  data: {dots: fit.yaml}\n",
            {"fit.yaml": SELENIDE},
            "the model is of PbSe",
        ),
        ("  data: {dots: fit.yaml}\n", {"fit.yaml": FIT.replace("dots.xye", "absent.xye")}, "absent.xye"),
        ("  data: {dots: fit.yaml}\n", {"fit.yaml": FIT.split("data:", maxsplit=1)[0]}, "names no data"),
        ("  data: {dots: fit.yaml}\n", {"dots.xye": "1 2 1\n2 nan 1\n"}, "drop the point"),
        ("  data: {other: dots.xye}\n", {}, "state the diameter of sample 'other'"),
        ("  fits: fits.yaml\n  patterns: {shape: spere}\n", {}, "sphere"),
        ("  fits: fits.yaml\n  patterns: {diameter: 2}\n", {}, "greater than or equal to 8"),
    ],
)
def test_what_cannot_be_compared_with_is_told_in_one_sentence(
    folder: Path, section: str, files: dict[str, Any], words: str
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(QdsimError) as caught:
        plan(folder, section)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
