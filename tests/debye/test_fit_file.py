"""Fit files: what is read, and the one sentence that each mistake gets."""

from pathlib import Path

import numpy as np
import pytest

from qdsim.debye import (
    Fit,
    FitSettings,
    ModelPattern,
    NanocrystalModel,
    ScatteringData,
    polarisation_factor,
    write_data,
)
from qdsim.debye.abscissa import HC
from qdsim.debye.fit_file import FitFile, load_fit_file
from qdsim.errors import QdsimError

HEAD = "model: {compound: PbS, diameter: 30, diameter_sd: 3, shell_thickness: 5}\n"
WHOLE = (
    HEAD
    + """\
vary:
  alpha_rh: [58.5, 60.2]
  pb_offset:
background: 6
starts: 4
seed: 7
ions: {Pb: Pb2+}
self_term: squared
data:
  file: data/pbs.xye
  blank: hexane.xye
  wavelength: 0.563
  q_range: [1, 13]
  mask: [[5.1, 5.2]]
"""
)


USUAL = dict.fromkeys(["lattice_constant", "b_iso_cation", "b_iso_anion"])


def load(folder: Path, text: str) -> FitFile:
    path = folder / "fit.yaml"
    path.write_text(text, encoding="utf-8")
    return load_fit_file(path)


def test_a_fit_file_gives_model_settings_and_data(tmp_path: Path) -> None:
    fit = load(tmp_path, WHOLE)
    assert (fit.model.compound, fit.model.diameter, fit.model.shell_thickness) == ("PbS", 30, 5)
    assert fit.settings() == FitSettings(
        vary={"alpha_rh": (58.5, 60.2), "pb_offset": None, **USUAL},
        background=6,
        starts=4,
        seed=7,
        ions={"Pb": "Pb2+"},
        self_term="squared",
    )
    assert fit.data.file == tmp_path / "data" / "pbs.xye"
    assert fit.data.blank == tmp_path / "hexane.xye"
    assert fit.data.mask == [(5.1, 5.2)]


def test_what_is_left_out_has_the_defaults_of_a_fit(tmp_path: Path) -> None:
    fit = load(tmp_path, HEAD)
    assert fit.settings() == FitSettings(vary=USUAL)
    assert fit.data.file is None


def test_facets_may_be_written_as_numbers(tmp_path: Path) -> None:
    model = load(tmp_path, "model: {compound: PbS, diameter: 30, shape: {100: 1.0, 111: 1.1}}\n").model
    assert model.shape == {"100": 1.0, "111": 1.1}


def test_parameters_may_be_a_list_of_names(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD + "vary: [alpha_rh, diameter]\n").vary == {"alpha_rh": None, "diameter": None, **USUAL}


def test_the_photon_energy_is_that_of_the_data_unless_it_is_given(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD).settings(0.5).energy_kev == pytest.approx(HC / 0.5)
    assert load(tmp_path, HEAD + "energy_kev: 13.1\n").settings(0.5).energy_kev == pytest.approx(13.1)
    assert load(tmp_path, HEAD + "data: {energy_kev: 22}\n").data.stated_wavelength == pytest.approx(HC / 22)


def test_data_are_cut_and_masked_and_the_blank_is_not(tmp_path: Path) -> None:
    q = np.linspace(0.5, 14, 136)
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data" / "pbs.xye", ScatteringData(q, 1 + q, 0.1 + q))
    write_data(tmp_path / "hexane.xye", ScatteringData(q, 2 + q))
    data, blank = load(tmp_path, WHOLE).data.read()
    assert blank is not None
    assert len(blank) == 136
    assert data.q[0] >= 1
    assert data.q[-1] <= 13
    assert not ((data.q >= 5.1) & (data.q <= 5.2)).any()
    assert len(data) == np.count_nonzero((q >= 1) & (q <= 13) & ~((q >= 5.1) & (q <= 5.2)))
    assert data.wavelength == pytest.approx(0.563)
    assert data.source == "pbs.xye"


def test_data_are_rebinned_and_corrected_if_asked_for(tmp_path: Path) -> None:
    q = np.linspace(1, 13, 120)
    write_data(tmp_path / "pbs.xye", ScatteringData(q, 1 + q, 0.1 + q))
    plain = "data: {file: pbs.xye, wavelength: 0.563"
    data, _ = load(tmp_path, HEAD + plain + ", rebin: 60}").data.read()
    assert len(data) == 60
    polarised, _ = load(tmp_path, HEAD + plain + ", polarisation: 0.0}").data.read()
    factor = polarisation_factor(polarised.two_theta)
    np.testing.assert_allclose(polarised.intensity, (1 + q) / factor, rtol=1e-12)
    np.testing.assert_array_equal(load(tmp_path, HEAD + plain + "}").data.read()[0].intensity, 1 + q)


class TestWhatEveryFitVaries:
    """A wrong lattice constant or B would be made up for by size, angle and offset."""

    text = """\
model: {compound: PbS, shape: sphere, diameter: 26, diameter_sd: 2, alpha_rh: 59.5}
vary:
  alpha_rh: [58.5, 60.2]
  pb_offset:
  diameter:
background: 6
"""

    @staticmethod
    def undistorted(seed: int) -> ScatteringData:
        truth = NanocrystalModel(diameter=25, diameter_sd=2, lattice_constant=5.95, b_iso_cation=1.2, b_iso_anion=0.9)
        curve = ModelPattern(truth, np.linspace(1, 13, 600)).intensity({})
        expected = 3e4 * (curve + 0.2 * curve.mean()) / curve.max()
        counts = np.random.default_rng(seed).poisson(expected).astype(float)
        return ScatteringData(np.linspace(1, 13, 600), counts, np.sqrt(counts))

    @pytest.mark.parametrize("seed", range(4))
    def test_an_undistorted_sample_is_found_undistorted(self, tmp_path: Path, seed: int) -> None:
        fit = load(tmp_path, self.text)
        assert set(fit.vary) == {"alpha_rh", "pb_offset", "diameter", *USUAL}
        result = Fit(fit.model, self.undistorted(seed), fit.settings()).run()
        for name, value in {"alpha_rh": 60.0, "pb_offset": 0.0}.items():
            found = result.parameters[name]
            near = any(message.startswith(f"{name} lies") for message in result.messages)
            assert near or found.at_bound or abs(found.value - value) < 3 * (found.error or 0)
        assert result.misfit is not None
        assert result.misfit.described

    def test_what_is_fixed_on_purpose_and_wrong_is_told_before_anything_else(self, tmp_path: Path) -> None:
        fit = load(tmp_path, self.text + "fix: [lattice_constant, b_iso_cation, b_iso_anion]\n")
        assert set(fit.vary) == {"alpha_rh", "pb_offset", "diameter"}
        assert (fit.model.b_iso_cation, fit.model.b_iso_anion) == (0, 0)
        result = Fit(fit.model, self.undistorted(0), fit.settings()).run()
        assert result.messages[0].startswith("The model does not describe the data (reduced chi^2")

    def test_a_b_that_is_not_given_begins_where_it_usually_is(self, tmp_path: Path) -> None:
        model = load(tmp_path, HEAD + "vary: {b_iso_anion: [0.1, 0.6]}\n").model
        assert (model.b_iso_cation, model.b_iso_anion) == (1.0, 0.6)
        given = load(tmp_path, HEAD.replace("diameter: 30", "diameter: 30, b_iso_cation: 0")).model
        assert (given.b_iso_cation, given.b_iso_anion) == (0, 1)

    def test_a_document_of_a_fit_file_is_one(self, tmp_path: Path) -> None:
        fit = load(tmp_path, self.text + "fix: [b_iso_anion]\n")
        assert FitFile.model_validate(fit.model_dump(mode="json")) == fit


def test_data_that_are_not_named_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match=r"no data: name the file after the fit file, or in it under 'data: {file:"):
        load(tmp_path, HEAD).data.read()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("vary: [alpha_rh]\n", 1, "model: this key is required"),
        (HEAD + "bakground: 3\n", 2, "did you mean 'background'?"),
        (HEAD.replace("diameter_sd", "diameter_std"), 1, "did you mean 'diameter_sd'?"),
        (
            HEAD + "vary:\n  alpha_rh:\n  pb_ofset: [0, 0.1]\n",
            4,
            "vary.pb_ofset: no parameter of a model; did you mean",
        ),
        (HEAD + "fix: [b_iso]\n", 2, "fix.0: no parameter of a model; did you mean"),
        (HEAD + "vary: [alpha_rh]\nfix: [alpha_rh]\n", 1, "alpha_rh is both varied and fixed; leave it out of one"),
        (HEAD + "vary: [alpharh]\n", 2, "did you mean 'alpha_rh'?"),
        (HEAD + "vary:\n  alpha_rh: [60, 59]\n", 3, "60 is not below 59; give the lower end first"),
        (HEAD + "vary:\n  alpha_rh: [59]\n", 3, "give two numbers, [low, high]"),
        (HEAD + "vary:\n  alpha_rh: 59\n", 3, "give two numbers, [low, high]"),
        (HEAD + "vary:\n  alpha_rh: [59, .nan]\n", 3, "no finite number"),
        (HEAD + "starts: 0\n", 2, "greater than or equal to 1"),
        (HEAD + "radiation: electrons\n", 2, "'xray' or 'neutron'"),
        (HEAD + "data:\n  q_range: [13, 1]\n", 3, "13 is not below 1"),
        (HEAD + "data:\n  mask: [5, 6]\n", 3, "give two numbers"),
        (HEAD + "data:\n  wavelenght: 0.5\n", 3, "did you mean 'wavelength'?"),
        (HEAD + "data: {wavelength: 0.5, energy_kev: 2}\n", 2, "contradict each other"),
        (HEAD.replace("30", "-30"), 1, "greater than 0"),
        (HEAD.replace("30", "3"), 1, "less than one cell"),
    ],
)
def test_mistakes_are_named_with_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(QdsimError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert words in message
    assert f"fit.yaml, line {line}:" in message
    assert "\n" not in message


def test_a_fit_file_is_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match="a fit file is a mapping that starts with 'model:'"):
        load(tmp_path, "- model\n")
