"""Campaign files: what is read, and the one sentence that each mistake gets."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from qdsim.campaign.load import load_campaign
from qdsim.campaign.schema import Campaign
from qdsim.errors import QdsimError

HEAD = "name: tension\ncompound: PbS\nprotocol: fast\nstrain:\n"


def load(folder: Path, text: str) -> Campaign:
    path = folder / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    return load_campaign(path)


def test_percent_and_fraction_are_the_same(tmp_path: Path) -> None:
    campaign = load(tmp_path, HEAD + "  linear: [0.02, -1 %, '3%']\n")
    assert campaign.strain is not None
    assert campaign.strain.values == pytest.approx([0.02, -0.01, 0.03])
    assert campaign.strain.quantity == "linear"


@pytest.mark.parametrize("quantity", ["volumetric", "pressure", "lattice_constant"])
def test_other_quantities(tmp_path: Path, quantity: str) -> None:
    values = {"volumetric": [0.06], "pressure": [-1.5], "lattice_constant": [6.12]}[quantity]
    campaign = load(tmp_path, HEAD + f"  {quantity}: {values}\n")
    assert campaign.strain is not None
    assert campaign.strain.quantity == quantity
    assert campaign.strain.values == values


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "  linear: [0.0\n  - 1\n", 7, "not valid YAML"),
        (HEAD + "  liner: [0.01]\n", 5, "did you mean 'linear'?"),
        (
            HEAD + "  linear: [0.01]\n  relaxation:\n    alpha_tolerence: 0.1\n",
            7,
            "did you mean 'alpha_tolerance'?",
        ),
        ("nam: x\n" + HEAD + "  linear: [0.01]\n", 1, "did you mean 'name'?"),
        (HEAD + "  linear:\n  - 0.01\n  - 5\n", 7, "was 0.05, that is '5 %', meant?"),
        (HEAD + "  linear:\n  - .nan\n", 6, "no finite number"),
        (HEAD + "  linear:\n  - 31 %\n", 6, "beyond ±30 %"),
        (HEAD + "  linear:\n  - -0.31\n", 6, "beyond ±30 %"),
        (HEAD + "  pressure:\n  - -31\n", 6, "beyond ±30 GPa"),
        (HEAD + "  linear: [0.01]\n  pressure: [-1]\n", 4, "found linear and pressure"),
        (HEAD + "  linear: []\n", 4, "lists no values"),
        (HEAD + "  linear: [0.01, 1 %]\n", 4, "the same value twice"),
        (HEAD + "  linear: [0.01]\n  double_well: [0.1, 2.0]\n", 6, "less than or equal to 0.8"),
        ("name: a/b\ncompound: PbS\nstrain: {linear: [0.01]}\n", 1, "letters, digits"),
        ("name: a\nstrain: {linear: [0.01]}\n", 1, "either compound or structure"),
        ("name: a\ncompound: PbS\n", 1, "there is nothing to compute"),
    ],
)
def test_mistakes_are_named_with_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(QdsimError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert words in message
    assert f"campaign.yaml, line {line}:" in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "- 1\n", "just words\n"])
def test_a_campaign_is_a_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(QdsimError, match="a campaign is a mapping"):
        load(tmp_path, text)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(QdsimError, match="No such file"):
        load_campaign(tmp_path / "absent.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(QdsimError, match="not UTF-8"):
        load_campaign(binary)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "own.inp").write_text("&GLOBAL\n&END\n", encoding="utf-8")
    text = HEAD.replace("protocol: fast", "overrides: {template: own.inp}") + "  linear: [0.01]\n"
    assert load(tmp_path, text).overrides["template"] == str(tmp_path / "own.inp")


DIPOLE = "dipole: {lattice: {lattice_constant: 6}, particles: {template: {diameter: 9}}, "


@pytest.mark.parametrize(
    ("section", "way"),
    [
        ("phonon: {overrides: {template: own.inp}}", "phonon.overrides.template"),
        (
            "phonon: {nonanalytic: {finite_field: {overrides: {template: own.inp}}}}",
            "phonon.nonanalytic.finite_field.overrides.template",
        ),
        ("vacancy: {overrides: {template: own.inp}}", "vacancy.overrides.template"),
        (DIPOLE + "overrides: {template: own.inp}}", "dipole.overrides.template"),
        (DIPOLE + "coarse_start: {template: own.inp}}", "dipole.coarse_start.template"),
        (DIPOLE.replace("lattice_constant: 6", "fits: own.inp, sample: a") + "}", "dipole.lattice.fits"),
        ("scattering: {fits: own.inp}", "scattering.fits"),
        ("scattering: {data: {template: own.inp}}", "scattering.data.template"),
    ],
)
def test_paths_of_sections_are_relative_to_the_file(tmp_path: Path, section: str, way: str) -> None:
    (tmp_path / "own.inp").write_text("&GLOBAL\n&END\n", encoding="utf-8")
    campaign = load(tmp_path, f"name: a\ncompound: PbS\nstrain: {{linear: [0.01]}}\n{section}\n")
    found: Any = campaign
    for name in way.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert str(found) == str(tmp_path / "own.inp")
    first, *_ = way.split(".")
    assert getattr(campaign, first).model_fields_set == set(_keys(section))


def _keys(section: str) -> list[str]:
    """Return the keys of a section that a campaign file gives."""
    (inner,) = YAML(typ="safe").load(section).values()
    return list(inner)


def test_a_template_that_is_not_beside_the_file_is_one_of_the_package(tmp_path: Path) -> None:
    text = HEAD.replace("protocol: fast", "overrides: {template: crystal.inp}") + "  linear: [0.01]\n"
    assert load(tmp_path, text).overrides["template"] == "crystal.inp"
