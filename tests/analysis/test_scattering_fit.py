"""Files of scattering fits: what is read, what cannot be, and what the shipped one says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from qdsim.analysis.scattering_fit import QUANTITIES, Measured, Sample, ScatteringFits, load_fits, stated_volume
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

EXAMPLE = Path(__file__).parents[2] / "examples" / "fits" / "bertolotti_2016.yaml"
HEAD = "compound: PbS\n"
WHOLE = (
    HEAD
    + """\
source: nobody
bulk_lattice_constant: {value: 5.936, error: 0.001, source: a textbook}
surface_tension: -0.0386
tolerances: {diameter: 1, surface_tension: 0.001}
samples:
  - name: small
    diameter: 32
    alpha_rh: {value: 59.1, error: 0.1, source: "Fig. 1"}
    volumetric_strain: {value: 0.011, limit: lower}
"""
)
STATE = RhombohedralState(52.87, 59.1, 0.12)


def load(folder: Path, text: str) -> ScatteringFits:
    path = folder / "fits.yaml"
    path.write_text(text, encoding="utf-8")
    return load_fits(path)


def one(folder: Path, fields: str, head: str = HEAD) -> Sample:
    return load(folder, f"{head}samples:\n  - name: dot\n    {fields}\n").samples[0]


def sample(**values: float | Mapping[str, Any]) -> Sample:
    return Sample.model_validate({"name": "dot", **values})


def test_a_number_by_itself_is_a_value_without_error_and_source(tmp_path: Path) -> None:
    fits = load(tmp_path, WHOLE)
    (small,) = fits.samples
    assert small.diameter == Measured(value=32)
    assert small.alpha_rh == Measured(value=59.1, error=0.1, source="Fig. 1")
    assert small.volumetric_strain == Measured(value=0.011, limit="lower")
    assert fits.surface_tension == Measured(value=-0.0386)
    assert fits.bulk_lattice_constant == Measured(value=5.936, error=0.001, source="a textbook")
    assert fits.tolerances == {"diameter": 1, "surface_tension": 0.001}


def test_what_is_not_stated_is_left_out(tmp_path: Path) -> None:
    (small,) = load(tmp_path, WHOLE).samples
    assert list(small.stated()) == ["diameter", "volumetric_strain", "alpha_rh"]
    assert one(tmp_path, "alpha_rh: 59\n    pb_offset:").stated() == {"alpha_rh": Measured(value=59)}


def test_a_file_survives_json(tmp_path: Path) -> None:
    fits = load(tmp_path, WHOLE)
    assert ScatteringFits.model_validate(fits.model_dump(mode="json")) == fits


def test_every_quantity_can_be_stated() -> None:
    for name, quantity in QUANTITIES.items():
        for value in (quantity.low, quantity.high):
            assert sample(**{name: value}).stated()[name].value == value


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("diameter: 3.2", "diameter is 3.2 Å, outside 5 to 1000"),
        ("lattice_constant: 0.5936", "lattice_constant is 0.5936 Å, outside 4 to 8"),
        ("volume: 0.053", "volume is 0.053 Å³, outside 16 to 128"),
        ("volume: 211.5", "volume is 211.5 Å³, outside 16 to 128"),
        ("volumetric_strain: 1.1", "volumetric_strain is 1.1, outside -0.3 to 0.3"),
        ("alpha_rh: 1.031", "alpha_rh is 1.031 °, outside 50 to 70"),
        ("alpha_rh: 90", "alpha_rh is 90 °, outside 50 to 70"),
        ("pb_offset: 12", "pb_offset is 12 Å, outside 0 to 0.8"),
        ("pb_offset: -0.1", "pb_offset is -0.1 Å, outside 0 to 0.8"),
        ("bond_short: 0.291", "bond_short is 0.291 Å, outside 2 to 4"),
        ("occupancy_cation_core: 95", "occupancy_cation_core is 95, outside 0 to 1"),
        ("b_iso_cation: 150", "b_iso_cation is 150 Å², outside 0 to 30"),
    ],
)
def test_a_value_out_of_range_or_in_another_unit_is_named(tmp_path: Path, fields: str, words: str) -> None:
    with pytest.raises(QdsimError) as caught:
        one(tmp_path, fields)
    assert f"fits.yaml, line 3: samples.0: sample 'dot': {words}; correct it or its unit." in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("samples:\n  - {name: dot, alpha_rh: 59}\n", 1, "compound: this key is required"),
        (HEAD, 1, "samples: this key is required"),
        (HEAD + "samples: []\n", 2, "samples: List should have at least 1 item"),
        (HEAD + "samples: {dot: {alpha_rh: 59}}\n", 2, "samples: Input should be a valid list"),
        (HEAD + "samples:\n  - name: dot\n", 3, "sample 'dot' states nothing; give at least one of diameter, "),
        (HEAD + "samples:\n  - alpha_rh: 59\n", 3, "samples.0.name: this key is required"),
        (HEAD + "samples:\n  - name: ''\n    alpha_rh: 59\n", 3, "samples.0.name: "),
        (
            HEAD + "samples:\n  - name: dot\n    alpha: 59\n",
            4,
            "samples.0.alpha: unknown key; did you mean 'alpha_rh'?",
        ),
        (
            HEAD + "samples:\n  - name: dot\n    alpha_rh: '59'\n",
            4,
            "samples.0.alpha_rh: '59' is no value; give a number",
        ),
        (
            HEAD + "samples:\n  - name: dot\n    alpha_rh: [59, 60]\n",
            4,
            "[59, 60] is no value; give a number, or {value:",
        ),
        (HEAD + "samples:\n  - name: dot\n    alpha_rh: true\n", 4, "True is no value"),
        (HEAD + "samples:\n  - name: dot\n    alpha_rh: .nan\n", 4, "nan is no finite number"),
        (
            HEAD + "samples:\n  - name: dot\n    alpha_rh: {error: 1}\n",
            4,
            "samples.0.alpha_rh.value: this key is required",
        ),
        (
            HEAD + "samples:\n  - name: dot\n    alpha_rh:\n      value: 59\n      eror: 1\n",
            6,
            "samples.0.alpha_rh.eror: unknown key; did you mean 'error'?",
        ),
        (
            HEAD + "samples:\n  - name: dot\n    alpha_rh: {value: 59, error: 0}\n",
            4,
            "alpha_rh.error: Input should be gre",
        ),
        (HEAD + "samples:\n  - name: dot\n    alpha_rh: {value: 59, limit: more}\n", 4, "'lower' or 'upper'"),
        (
            HEAD + "samples:\n  - {name: a, alpha_rh: 59}\n  - {name: b, alpha_rh: 59}\n  - {name: a, pb_offset: 0}\n",
            2,
            "samples: two samples are called 'a'; give each a name of its own",
        ),
        (
            HEAD + "surface_tension: -3.86\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            2,
            "-3.86 eV/Å^2, outside -0.5 to 0.5",
        ),
        (
            HEAD + "bulk_lattice_constant: 0.5936\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            2,
            "0.5936 Å, outside 4 to 8",
        ),
        (
            HEAD + "tolerances:\n  alpha_rh: 0.1\n  pb_ofset: 0.01\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            4,
            "tolerances.pb_ofset: 'pb_ofset' is no quantity of a sample; did you mean 'pb_offset'?",
        ),
        (
            HEAD + "tolerances: {gamma: 1}\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            2,
            "known are diameter, lattice_con",
        ),
        (HEAD + "tolerances: {alpha_rh: 0}\nsamples:\n  - {name: dot, alpha_rh: 59}\n", 2, "greater than 0"),
        (
            HEAD + "tolerances: 0.1\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            2,
            "tolerances: Input should be a valid dict",
        ),
        (
            HEAD + "tolerances:\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            2,
            "tolerances: Input should be a valid dict",
        ),
        (
            HEAD + "tolerances: [alpha_rh]\nsamples:\n  - {name: dot, alpha_rh: 59}\n",
            2,
            "tolerances: Input should be a val",
        ),
    ],
)
def test_mistakes_are_named_with_file_line_and_field(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(QdsimError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'fits.yaml'}, line {line}: ")
    assert words in message
    assert "\n" not in message


def test_a_file_of_fits_is_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match="a file of scattering fits is a mapping that starts with 'compound:'"):
        load(tmp_path, "- PbS\n")


def test_a_volume_that_is_not_that_of_the_lattice_constant_is_refused() -> None:
    volume = 5.936**3 / 4
    assert sample(lattice_constant=5.936, volume=volume * 1.0049).volume is not None
    for wrong in (volume * 1.0051, volume * 0.9949, 4 * volume / 2):
        with pytest.raises(ValidationError, match=r"contradicts a lattice constant of 5\.936 Å, which is 52\.29 Å\^3"):
            sample(lattice_constant=5.936, volume=wrong)


def test_a_large_error_excuses_a_volume_and_a_limit_does() -> None:
    wrong = 5.936**3 / 4 * 1.03
    assert sample(lattice_constant=5.936, volume={"value": wrong, "error": 0.6}).volume is not None
    assert sample(lattice_constant={"value": 5.936, "error": 0.025}, volume=wrong).volume is not None
    assert sample(lattice_constant=5.936, volume={"value": wrong, "limit": "upper"}).volume is not None
    with pytest.raises(ValidationError, match="contradicts a lattice constant"):
        sample(lattice_constant=5.936, volume={"value": wrong, "error": 0.5})


def test_an_expansion_contradicts_a_volume_only_where_the_bulk_is_known(tmp_path: Path) -> None:
    text = "samples:\n  - {name: dot, lattice_constant: 5.966, volumetric_strain: 0.03}\n"
    assert load(tmp_path, HEAD + text).samples[0].volumetric_strain == Measured(value=0.03)
    with pytest.raises(QdsimError) as caught:
        load(tmp_path, f"{HEAD}bulk_lattice_constant: 5.936\n{text}")
    message = str(caught.value)
    assert "line 3: samples: sample 'dot': a volumetric_strain of 3.00% contradicts a volume of 53.09" in message
    assert "+1.52% against the bulk's; correct one of them." in message


@pytest.mark.parametrize("strain", ["0.0201", "0.0103", "{value: 0.03, error: 0.005}", "{value: 0.03, limit: upper}"])
def test_an_expansion_at_the_edge_of_its_volume_is_accepted(tmp_path: Path, strain: str) -> None:
    text = (
        f"{HEAD}bulk_lattice_constant: 5.936\nsamples:\n  - {{name: dot, lattice_constant: 5.966, volumetric_strain: "
    )
    assert load(tmp_path, f"{text}{strain}}}\n").samples


def test_short_bonds_are_not_longer_than_the_long_ones() -> None:
    assert sample(bond_short=2.97, bond_long=2.97).bond_short == Measured(value=2.97)
    with pytest.raises(ValidationError, match=r"the short bonds are 3\.05 Å, longer than the long ones of 2\.91 Å"):
        sample(bond_short=3.05, bond_long=2.91)


def test_bonds_of_no_rock_salt_are_refused() -> None:
    with pytest.raises(ValidationError, match="bonds of 2 and 4 Å are those of no rock-salt crystal"):
        sample(bond_short=2.0, bond_long=4.0)


def test_bonds_are_those_of_volume_angle_and_offset() -> None:
    short, long = STATE.bond_lengths
    lattice = {"volume": STATE.volume, "alpha_rh": STATE.alpha, "pb_offset": STATE.offset}
    assert sample(**lattice, bond_short=short + 0.019, bond_long=long - 0.019).bond_short is not None
    for wrong in ({"bond_short": short + 0.021}, {"bond_long": long - 0.021}, {"bond_short": short - 0.021}):
        with pytest.raises(ValidationError, match=r"which give bonds of 2\.911 and 3\.051 Å; correct one of them"):
            sample(**lattice, **wrong)
    with pytest.raises(ValidationError, match="contradicts alpha_rh, pb_offset and volume"):
        sample(lattice_constant=STATE.lattice_constant, pb_offset=0.0, bond_long=long)


@pytest.mark.parametrize(
    "values",
    [
        {"volume": 52.87, "pb_offset": 0.12, "bond_long": {"value": 3.01, "error": 0.014}},
        {"volume": 52.87, "pb_offset": {"value": 0.05, "error": 0.014}, "bond_long": 3.05},
        {"volume": {"value": 52.87, "error": 1.0}, "pb_offset": 0.12, "bond_long": 3.10},
        {"volume": 52.87, "pb_offset": {"value": 0.12, "limit": "upper"}, "bond_long": 2.98},
        {"volume": {"value": 52.87, "limit": "lower"}, "pb_offset": 0.12, "bond_long": 3.10},
        {"volume": 52.87, "pb_offset": 0.12, "bond_long": {"value": 3.0, "limit": "lower"}},
        {"pb_offset": 0.12, "bond_long": 2.98},
    ],
)
def test_errors_and_limits_excuse_bonds(values: dict[str, Any]) -> None:
    assert sample(**values).bond_long is not None


def test_a_lattice_constant_gives_a_volume_with_its_error_and_limit() -> None:
    found = stated_volume({"lattice_constant": Measured(value=6.0, error=0.01, limit="lower", source="somewhere")})
    assert found is not None
    assert found.error == pytest.approx(0.27)
    assert found == Measured(value=54.0, error=found.error, limit="lower", source="somewhere")
    assert stated_volume({"volume": Measured(value=53), "lattice_constant": Measured(value=5.96)}) == Measured(value=53)
    assert stated_volume({"alpha_rh": Measured(value=59)}) is None


def test_the_shipped_file_says_what_the_text_of_the_paper_says() -> None:
    fits = load_fits(EXAMPLE)
    assert fits.compound == "PbS"
    assert "10.1038/nmat4661" in fits.source
    assert fits.surface_tension is not None
    assert fits.surface_tension.value == pytest.approx(-3.86 / 100)  # eV/nm^2
    assert [(s.name, s.diameter and s.diameter.value, s.alpha_rh and s.alpha_rh.value) for s in fits.samples] == [
        ("3.2 nm", 32, 59.1),
        ("5.0 nm", 50, 59.5),
        ("7.7 nm", 77, 59.7),
    ]
    smallest, *others = fits.samples
    assert (smallest.bond_short, smallest.bond_long) == (
        Measured(value=2.91, source="p. 3 and Fig. 1d, smallest QDs"),
        Measured(value=3.05, source="p. 3 and Fig. 1d, smallest QDs"),
    )
    assert smallest.volumetric_strain is not None
    assert (smallest.volumetric_strain.value, smallest.volumetric_strain.limit) == (0.011, "lower")
    assert all(list(sample.stated()) == ["diameter", "alpha_rh"] for sample in others)
    assert all(found.source and found.error is None for s in fits.samples for found in s.stated().values())
    stated = {name for s in fits.samples for name in s.stated()}
    assert set(fits.tolerances) == {*stated, "surface_tension"}
