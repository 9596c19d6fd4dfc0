"""Files of unknown origin: nothing in them is executed, and none fills the memory."""

import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qdsim.analysis.scattering_fit import load_fits
from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import plan_campaign
from qdsim.debye import read_structure
from qdsim.debye.fit_file import load_fit_file
from qdsim.errors import QdsimError
from qdsim.machine.files import read_code_file, read_computer_file

LOADERS: dict[str, Callable[[Path], Any]] = {
    "campaign": load_campaign,
    "fit file": load_fit_file,
    "scattering fits": load_fits,
    "computer": read_computer_file,
    "code": read_code_file,
}
SIXTY_BILLION = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x, x, x, x]"]
    + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 12)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)
MEMORY = 4 * 2**30  # bytes of addresses: much more than a loader takes, much less than what aliases can stand for
TIMEOUT = 120  # s: something that hangs ends

load_all = pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)


def refused(load: Callable[[Path], Any], path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(QdsimError) as caught:
        load(path)
    message = str(caught.value)
    assert path.name in message
    return message


@load_all
@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch executed']",
        "!!python/object/new:os.system ['touch executed']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object/apply:subprocess.check_output [['touch', 'executed']]",
    ],
)
def test_yaml_executes_nothing(
    load: Callable[[Path], Any], value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (value, f"name: {value}\n", f"label: x\nhostname: {value}\n"):
        refused(load, tmp_path / "attack.yaml", text)
    assert [path.name for path in tmp_path.iterdir()] == ["attack.yaml"]


@load_all
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SIXTY_BILLION, "write out what you mean"),
        ("a: &a\n  b: *a\n", ""),
        ("a: " + "[" * 20_000, "deep in each other"),
        ("- " * 20_000, "the YAML|not valid YAML"),
        ("a: " + "9" * 5000, "the YAML|not valid YAML"),
        ("a: 2020-99-99", ""),
    ],
    ids=["aliases", "itself", "brackets", "dashes", "digits", "date"],
)
def test_yaml_that_is_a_bomb_ends_with_a_sentence(
    load: Callable[[Path], Any], text: str, said: str, tmp_path: Path
) -> None:
    import re

    message = refused(load, tmp_path / "bomb.yaml", text)
    assert re.search(said, message)
    assert len(message) < 1000


def test_aliases_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    settings = "".join(f"    {line}\n" for line in SIXTY_BILLION.splitlines())
    path.write_text(
        f"name: x\ncompound: PbS\nstrain: {{linear: [0.01]}}\noverrides:\n  variables:\n{settings}", encoding="utf-8"
    )
    run = subprocess.run(
        [sys.executable, "-c", "from qdsim.cli import main; main()", "campaign", "check", str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert run.returncode == 2
    assert run.stderr == (f"Error: {path}: its aliases stand for more than 1000000 values: write out what you mean.\n")


def test_honest_aliases_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(
        "name: x\ncompound: PbS\nstrain: {linear: &values [0.02, 0.01], double_well: *values}\n", encoding="utf-8"
    )
    strain = load_campaign(path).strain
    assert strain is not None
    assert strain.values == [0.02, 0.01]


class Attack:
    """Pickled, it is a command."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return eval, ("open('executed', 'w')",)  # noqa: S307 (what must not be called)


LAUGHS = "<!DOCTYPE x [<!ENTITY a 'lol'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 12}'>" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
FOREIGN = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>"
FILES = {
    "attack.py": b"open('executed', 'w')\n",
    "attack.traj": pickle.dumps(Attack()),
    "attack.pckl": pickle.dumps(Attack()),
    "attack.json": b'{"__ase_objtype__": "cell", "array": "__import__(\'os\').system(\'touch executed\')"}',
    "vasprun.xml": f"<?xml version='1.0'?>{LAUGHS}]><modeling><a>&i;</a></modeling>".encode(),
    "attack.xml": f"<?xml version='1.0'?>{FOREIGN}]><modeling><a>&a;</a></modeling>".encode(),
    "attack.xsd": f"<?xml version='1.0'?>{LAUGHS}]><XSD>&i;</XSD>".encode(),
    "attack.xyz": b"2\nLattice=\"$(touch executed)\" Properties=__import__('os')\nPb 0 0 0\nS 0 0 `touch executed`\n",
    "attack.cif": b"data_x\n_cell_length_a '; touch executed; '\n",
}


@pytest.mark.parametrize("name", FILES)
def test_structures_execute_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(FILES[name])
    with pytest.raises(QdsimError) as caught:
        read_structure(path)
    assert name in str(caught.value)
    assert "root:" not in str(caught.value)
    campaign = tmp_path / "campaign.yaml"
    campaign.write_text(f"name: x\nstructure: {name}\nstrain: {{linear: [0.01]}}\n", encoding="utf-8")
    with pytest.raises(QdsimError) as caught:
        plan_campaign(load_campaign(campaign))
    assert name in str(caught.value)
    assert {found.name for found in tmp_path.iterdir()} == {name, "campaign.yaml"}


@pytest.mark.parametrize(
    "name", ["../escaped", "/escaped", "a/../../escaped", "$(touch escaped)", "; touch escaped", "..", ""]
)
def test_a_campaign_has_no_name_that_leads_elsewhere(name: str, tmp_path: Path) -> None:
    text = f"name: {name!r}\ncompound: PbS\nstrain: {{linear: [0.01]}}\n"
    assert "is no name" in refused(load_campaign, tmp_path / "campaign.yaml", text)
