"""A campaign on a cluster gives what it gives on one machine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.machines import Machine

HARTREE = 27.211386  # eV; for differences that are to vanish
CAMPAIGN = """\
name: strained
compound: PbS
protocol: fast
overrides: {{k_points: [2, 2, 2], cutoff: 60, basis_set: SZV-MOLOPT-SR-GTH, eps_default: 1.0e-6}}
code: {code}
strain:
  lattice_constant: [6.15, 6.2, 6.25]
  double_well: [0.3]
  relaxation: {{start_offset: 0.45, alpha_tolerance: 1, offset_tolerance: 0.1}}
  equation_of_state: {{span: 6 %, points: 5}}
"""


def run_campaign(machine: Machine, code: str, folder: Path) -> dict[str, Any]:
    path = folder / f"{code}.yaml"
    path.write_text(CAMPAIGN.format(code=code), encoding="utf-8")
    run = machine.qdsim("run", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    document: dict[str, Any] = json.loads(machine.qdsim("results", "strained", "--json").stdout)
    return document


def test_energies_through_slurm_and_ssh_are_those_of_one_machine(
    production: Machine, embedded: Machine, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    cluster = run_campaign(production, "cp2k@cluster", tmp_path)["strain"]["points"]
    local = run_campaign(embedded, "cp2k@localhost", tmp_path)["strain"]["points"]
    assert [point["label"] for point in cluster] == [point["label"] for point in local]
    assert len(cluster) == 3
    largest = max(
        abs(there[phase]["energy"] - here[phase]["energy"]) / HARTREE
        for there, here in zip(cluster, local, strict=True)
        for phase in ("centred", "relaxed")
    )
    record_property("largest difference of an energy between the cluster and one machine (Ha)", f"{largest:.1e}")
    assert largest <= 1e-8
    (computer,) = production.python(
        "from aiida import orm\n"
        "query = orm.QueryBuilder().append(orm.CalcJobNode, tag='job').append(orm.Computer, with_node='job',"
        " project=['label', 'transport_type', 'scheduler_type']).distinct()\n"
        "answer = query.all()"
    )
    assert computer == ["cluster", "core.ssh_async", "core.slurm"]
