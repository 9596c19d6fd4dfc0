"""Form factors and dispersion that a user gives."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from qdsim.debye import FormFactorTable, intensity, pair_distribution, read_form_factors
from qdsim.debye.amplitude_sources import amplitude_sources, say_sources
from qdsim.debye.cluster_fit import ClusterSettings, fit_cluster
from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_file import load_fit_file
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit
from qdsim.debye.form_factors import Scattering, element_amplitudes, scattering_amplitude
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.patterns import ModelPattern
from qdsim.errors import QdsimError

Q = np.linspace(1.0, 12.0, 45)
STATE = np.linspace(0.0, 15.0, 151)
PAIR = Atoms("PbS", positions=[[0, 0, 0], [0, 0, 2.97]])


def gaussian(z: float, width: float, q: np.ndarray) -> np.ndarray:
    """Return a form factor whose every value is known."""
    return np.asarray(z * np.exp(-width * q**2))


def table(z: float, width: float, source: str = "own.txt") -> FormFactorTable:
    return FormFactorTable(source=source, q=tuple(STATE), f0=tuple(gaussian(z, width, STATE)))


TABLES = {"Pb": table(82, 0.01), "S": table(16, 0.02)}


def of_pair(f_pb: Any, f_s: Any) -> np.ndarray:
    """Return the Debye sum of two atoms, written out."""
    return np.asarray(np.abs(f_pb) ** 2 + np.abs(f_s) ** 2 + 2 * (f_pb * np.conj(f_s)).real * np.sinc(Q * 2.97 / np.pi))


def written(folder: Path, text: str, name: str = "pb.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_pair_scatters_by_its_tables() -> None:
    expected = of_pair(gaussian(82, 0.01, Q), gaussian(16, 0.02, Q))
    np.testing.assert_allclose(intensity(PAIR, Q, form_factors=TABLES), expected, rtol=1e-6)


def test_one_element_may_have_a_table_and_the_other_none() -> None:
    expected = of_pair(gaussian(82, 0.01, Q), scattering_amplitude("S", Q))
    np.testing.assert_allclose(intensity(PAIR, Q, form_factors={"Pb": TABLES["Pb"]}), expected, rtol=1e-6)


def test_dispersion_is_switched_off_or_given_by_number() -> None:
    plain = of_pair(scattering_amplitude("Pb", Q), scattering_amplitude("S", Q))
    np.testing.assert_allclose(intensity(PAIR, Q, energy_kev=17.4, dispersion="none"), plain, rtol=1e-8)
    numbers = {"Pb": (-4.0, 8.0), "S": (0.25, 0.5)}
    expected = of_pair(scattering_amplitude("Pb", Q) - 4 + 8j, scattering_amplitude("S", Q) + 0.25 + 0.5j)
    for energy in (None, 17.4):
        found = intensity(PAIR, Q, energy_kev=energy, dispersion=numbers)
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    tabulated = intensity(PAIR, Q, energy_kev=17.4)
    assert np.abs(tabulated / plain - 1).max() > 0.05


def test_the_functions_of_structures_take_them_too() -> None:
    r = np.linspace(2, 5, 7)
    ours, own = (pair_distribution(PAIR, r, q_max=12.0, form_factors=one) for one in (None, TABLES))
    assert np.abs(own - ours).max() > 1e-3
    np.testing.assert_array_equal(
        pair_distribution(PAIR, r, q_max=12.0, energy_kev=17.4, dispersion="none"),
        pair_distribution(PAIR, r, q_max=12.0),
    )


def test_tabulated_form_factors_given_back_as_a_table_change_nothing() -> None:
    s = np.arange(0.0, 1.3, 0.02)
    q = 4 * np.pi * s
    ours = {
        one: FormFactorTable(source="ours", q=tuple(q), f0=tuple(scattering_amplitude(one, q).real))
        for one in ("Pb", "S")
    }
    np.testing.assert_allclose(intensity(PAIR, Q, form_factors=ours), intensity(PAIR, Q), rtol=2e-5)


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("# Q(1/A)  f0\n{rows}", 1.0),
        ("Q (1/Å)  Pb\n{rows}", 1.0),
        ("# q_nm^-1  f0(Pb)\n{rows}", 0.1),
        ("# s(1/A)  f_Pb\n{rows}", 4 * np.pi),
        ("# sin(theta)/lambda  Pb\n{rows}", 4 * np.pi),
        ("# sin(theta)/lambda(1/nm),Pb\n{rows}", 0.4 * np.pi),
        ("# s  S  Pb  Pb2+\n{four}", 4 * np.pi),
    ],
)
def test_labels_say_what_the_columns_of_a_table_are(tmp_path: Path, text: str, scale: float) -> None:
    x, f0 = [0.0, 0.5, 1.0, 1.5], [82.0, 70.0, 60.0, 52.0]
    separator = "," if "," in text else " "
    rows = "\n".join(separator.join(map(str, row)) for row in zip(x, f0, strict=True))
    four = "\n".join(f"{one} 16 {value} 80" for one, value in zip(x, f0, strict=True))
    found = read_form_factors(written(tmp_path, text.format(rows=rows, four=four)), "Pb")
    np.testing.assert_allclose(found.q, scale * np.array(x), rtol=1e-14)
    assert found.f0 == tuple(f0)
    assert found.source == "pb.txt"


ROWS = "0 82\n1 70\n2 60\n3 50\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS, r"pb\.txt: nothing says what the columns are: label them .* 'Q\(1/A\)  Pb' or 's\(1/A\)  Pb'"),
        ("# r  f0\n" + ROWS, "the first column is labelled 'r': label it"),
        ("# q_m^-1  f0\n" + ROWS, "the first column is labelled 'q_m"),
        ("# Q  S\n" + ROWS, "labels its columns Q, S: label one of them, and only one, 'Pb'"),
        ("# Q  Pb2+\n" + ROWS, r"labels its columns Q, Pb2\+: label one of them"),
        ("# Q  Pb\n0 82\n1 70\n2 60\n", "3 Q and 3 form factors; give as many, at least 4"),
        ("# Q  Pb\n0 82\n1 70\n1 60\n3 50\n", "not in ascending order; sort the table"),
        ("# Q  Pb\n0 82\n1 70\n2 60\n3 -5\n", "a form factor is -5; give f0 alone"),
        ("# Q  Pb\n0 82\n1 nan\n2 60\n3 5\n", "finite number"),
    ],
)
def test_files_that_are_no_table_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        read_form_factors(written(tmp_path, text), "Pb")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form_factors": {"Se": table(34, 0.01)}}, "form_factors is given for Se: the structure has Pb, S only"),
        (
            {"dispersion": {"Pb": (0.0, 0.0), "Se": (0.0, 0.0)}},
            "dispersion is given for Se: the structure has Pb, S only",
        ),
        ({"dispersion": {"Pb": (0.0, 0.0)}}, "dispersion is not given for S: give f' and f'' of every element"),
        ({"dispersion": {}}, "dispersion is not given for Pb, S: give f' and f'' of every element"),
        ({"dispersion": "off"}, "The dispersion is 'off': use 'chantler', 'none', or"),
        ({"dispersion": {"Pb": (1.0,), "S": (0.0, 0.0)}}, r"The dispersion is \(1.0,\)"),
        (
            {"form_factors": TABLES, "ions": {"Pb": "Pb2+"}},
            "ions and form_factors are both given for Pb: leave out one",
        ),
        ({"form_factors": TABLES, "radiation": "neutron"}, "are of X-rays: leave them out for neutrons"),
        ({"dispersion": "none", "radiation": "neutron"}, "are of X-rays: leave them out for neutrons"),
        ({"form_factors": {"Pb": TABLES["S"]}}, "begin at 16 electrons, and Pb has 82: give those of Pb"),
        ({"form_factors": {"S": TABLES["Pb"]}}, "begin at 82 electrons, and S has 16"),
    ],
)
def test_what_does_not_fit_the_structure_is_refused(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        intensity(PAIR, Q, **changes)


def test_a_table_that_does_not_cover_the_data_is_refused() -> None:
    with pytest.raises(QdsimError, match=r"of own\.txt run from Q = 0 to 15 Å\^-1, and 1 to 16 Å\^-1 are needed"):
        intensity(PAIR, np.linspace(1, 16, 5), form_factors=TABLES)
    later = FormFactorTable(source="later", q=(2.0, 3.0, 4.0, 13.0), f0=(70.0, 60.0, 50.0, 10.0))
    with pytest.raises(QdsimError, match=r"of later run from Q = 2 to 13 Å\^-1, and 1 to 12 Å\^-1 are needed"):
        intensity(PAIR, Q, form_factors={"Pb": later})


def test_models_and_clusters_scatter_by_tables() -> None:
    model = NanocrystalModel(compound="PbS", diameter=14)
    scattering = Scattering(17.4, form_factors=tuple(TABLES.items()), dispersion="none")
    expected = intensity(model.particle(), Q, form_factors=TABLES)
    np.testing.assert_allclose(ModelPattern(model, Q, scattering=scattering).intensity({}), expected, rtol=1e-6)
    found = fit_cluster(
        model.particle(),
        ScatteringData(Q, 3 * expected),
        ClusterSettings(background=0, energy_kev=17.4, form_factors=TABLES, dispersion="none", vary=[]),
    )
    assert found.scale == pytest.approx(3, rel=1e-6)
    assert found.r_wp < 1e-6
    assert str(found.amplitudes["S"]) == "f0 of own.txt, f' and f'' switched off"


def test_what_was_used_is_told() -> None:
    scattering = Scattering(17.4, ions=(("Pb", "Pb2+"),), form_factors=(("S", TABLES["S"]),))
    found = amplitude_sources(("Pb", "S"), scattering)
    amplitudes = element_amplitudes(("Pb", "S"), Q, scattering, "the model has Pb and S")
    for symbol, f0 in {"Pb": scattering_amplitude("Pb2+", Q), "S": gaussian(16, 0.02, Q)}.items():
        f1, f2 = found[symbol].f1, found[symbol].f2
        assert f1 is not None
        assert f2 is not None
        np.testing.assert_allclose(amplitudes[symbol] - f0, f1 + 1j * f2, atol=1e-5)
    assert say_sources(found).startswith("Pb: f0 of Pb2+ by Waasmaier & Kirfel (1995), f' = -")
    assert "S: f0 of own.txt, f' = " in say_sources(found)
    assert "by Chantler (2000) at 17.4 keV" in say_sources(found)
    given = Scattering(dispersion=(("Pb", (-4.0, 8.0)),))
    assert str(amplitude_sources(["Pb"], given)["Pb"]).endswith("f' = -4 and f'' = 8 as given")
    unknown = amplitude_sources(["Pb"], Scattering())["Pb"]
    assert str(unknown).endswith("f' and f'' left out, for no energy is known")
    assert str(amplitude_sources(["Pb"], Scattering(radiation="neutron"))["Pb"]) == "bound coherent scattering length"


FIT = """\
model: {compound: PbS, shape: sphere, diameter: 14, b_iso_cation: 1, b_iso_anion: 1}
background: 0
form_factors: {Pb: tables.txt, S: tables.txt}
dispersion: none
data: {file: data.xye, wavelength: 0.7}
"""


def test_a_fit_file_names_tables_and_its_result_says_so(tmp_path: Path) -> None:
    rows = "".join(f"{q} {gaussian(82, 0.01, q)} {gaussian(16, 0.02, q)}\n" for q in STATE)
    written(tmp_path, "# Q(1/A)  Pb  S\n" + rows, "tables.txt")
    model = NanocrystalModel(compound="PbS", diameter=14, b_iso_cation=1, b_iso_anion=1)
    counts = 2 * intensity(model.particle(), Q, b_iso=1.0, form_factors=TABLES)
    written(tmp_path, "# Q(1/A)  I\n" + "".join(f"{q} {i}\n" for q, i in zip(Q, counts, strict=True)), "data.xye")
    fit = load_fit_file(written(tmp_path, FIT, "fit.yaml"))
    data, _ = fit.data.read()
    result = Fit(fit.model, data, fit.settings(data.wavelength)).run()
    assert result.scale == pytest.approx(2, rel=1e-6)
    assert result.r_wp < 1e-6
    assert str(result.amplitudes["Pb"]) == "f0 of tables.txt, f' and f'' switched off"
    again = type(fit).model_validate(fit.model_dump(mode="json", exclude={"data", "origin"}))
    assert again.form_factors == fit.form_factors
    earlier = result.model_dump(mode="json", exclude={"amplitudes"})
    assert FitResult.model_validate(earlier).amplitudes == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("form_factors: {Pb: none.txt}", r"fit\.yaml, line 3: form_factors: There is no file .*none\.txt"),
        ("form_factors: {Pb: bad.txt}", r"bad\.txt: nothing says what the columns are"),
        ("dispersion: off", "line 3: dispersion"),
        ("dispersion: {Pb: [1]}", "line 3: dispersion"),
    ],
)
def test_a_fit_file_with_other_tables_is_told(tmp_path: Path, line: str, message: str) -> None:
    written(tmp_path, ROWS, "bad.txt")
    text = "\n".join(FIT.splitlines()[:2]) + f"\n{line}\n"
    with pytest.raises(QdsimError, match=message):
        load_fit_file(written(tmp_path, text, "fit.yaml"))
