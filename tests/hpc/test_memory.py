"""A cluster that enforces the memory its jobs ask for: what runs out of it gets more, or an explanation."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hpc import production as production_profile
from tests.hpc.stack import Stack
from tests.machines import Machine

pytestmark = pytest.mark.cp2k

TOO_LITTLE, ENOUGH = 0.9, 2
"""GB of address space: CP2K itself takes 0.65, and with the grids of the campaign more than 1."""
CAMPAIGN = """\
name: {name}
compound: PbS
code: cp2k@strict
resources: {{walltime: 3600{resources}}}
dipole:
  lattice: {{lattice_constant: 5.98}}
  offsets: [{offset}]
  undistorted: false
  coarse_start: null
  overrides: {{cutoff: 188, rel_cutoff: 30, basis_set: SZV-MOLOPT-SR-GTH, eps_scf: 1.0e-2}}
  particles: {{d8: {{diameter: 8, box: 12}}}}
"""
CALCULATIONS = """
from aiida import orm
from qdsim.provenance import find_campaign
found = find_campaign({name!r}).called_descendants
runs = sorted((node for node in found if isinstance(node, orm.CalcJobNode)), key=lambda node: node.pk)
answer = [[run.exit_status, run.get_option("max_memory_kb")] for run in runs]
"""


@pytest.fixture(scope="module")
def strict(stack: Stack, production: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The production profile with a computer whose jobs get no more memory than they ask for."""
    folder = tmp_path_factory.mktemp("strict")
    computer = production_profile.describe_computer(stack)
    computer |= {
        "label": "strict",
        "prepend_text": f"{computer['prepend_text']}\nulimit -v $((${{SLURM_MEM_PER_NODE:-8000}} * 1024))",
        "resources": {"sizes": [{"up_to": {"atoms": 8}, "memory": TOO_LITTLE}, {"memory": ENOUGH}]},
    }
    code = production_profile.describe_code() | {"computer": "strict"}
    options = []
    for option, described in (("--computer", computer), ("--code", code)):
        path = folder / f"{option[2:]}.yaml"
        path.write_text(yaml.safe_dump(described), encoding="utf-8")
        options += [option, str(path)]
    made = production.qdsim("init", *options)
    assert made.returncode == 0, made.stdout + made.stderr
    return production


def calculations(machine: Machine, name: str) -> list[Any]:
    found: list[Any] = machine.python(CALCULATIONS.format(name=name))
    return [(status, round(memory * 1.024e-6, 1)) for status, memory in found]


def write(folder: Path, name: str, offset: float, resources: str = "") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(CAMPAIGN.format(name=name, offset=offset, resources=resources), encoding="utf-8")
    return str(path)


def test_out_of_memory_is_tried_with_the_next_larger_row(strict: Machine, tmp_path: Path) -> None:
    run = strict.qdsim("run", write(tmp_path, "larger", 0.1))
    assert run.returncode == 0, run.stdout + run.stderr
    assert calculations(strict, "larger") == [(110, TOO_LITTLE), (0, ENOUGH)]


def test_no_more_memory_is_explained_and_given_by_the_campaign(strict: Machine, tmp_path: Path) -> None:
    run = strict.qdsim("run", write(tmp_path, "given", 0.15, f", memory: {TOO_LITTLE}"))
    assert run.returncode == 1, run.stdout + run.stderr
    assert calculations(strict, "given") == [(110, TOO_LITTLE)]
    for told in (run.stdout + run.stderr, strict.qdsim("status", "given").stdout):
        sentence = " ".join(told.split())
        assert "CP2K ran out of memory" in sentence
        assert f"It had asked for {TOO_LITTLE} GB" in sentence
        assert "set `resources: {memory: ...}` (GB) in the campaign" in sentence
    again = strict.qdsim("run", write(tmp_path, "given", 0.15, f", memory: {ENOUGH}"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert calculations(strict, "given") == [(0, ENOUGH)]
