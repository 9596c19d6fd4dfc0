"""How long queries take in a profile of 100,000 nodes, on SQLite and on PostgreSQL, beyond opening the profile.

The nodes are made by this script, in the shape of strain campaigns: what one CP2K calculation leaves, the work chains
that call it, and the results documents. PostgreSQL is started from Debian's binaries in a private folder; where there
are none, SQLite alone is measured. Below 1 s is the aim.
"""

import argparse
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

NODES = 100_000
BATCH = 10_000  # rows inserted at once
QDSIM = Path(sys.executable).with_name("qdsim")
STRAINS = (-0.01, -0.005, 0.0, 0.005, 0.01, 0.015, 0.02)
VOLUMES = 7
STEPS = 4  # of a relaxation
WELLS = 3
FAILED = 5  # of so many campaigns one fails
COMPOUNDS = ("PbS", "PbSe", "PbTe")
OPENING = "from qdsim.machine.profile import open_profile; open_profile('qdsim'); import qdsim.provenance"


class Graph:
    """Rows of nodes and links as AiiDA's `bulk_insert` takes them."""

    def __init__(self, user: int):
        self.user = user
        self.nodes: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        self.time = datetime(2020, 1, 1, tzinfo=UTC)

    def node(self, kind: str, attributes: Mapping[str, Any] | None = None, process: str = "", label: str = "") -> int:
        """Add a node, and return its place."""
        self.time += timedelta(seconds=10)
        place = len(self.nodes)
        self.nodes.append(
            {
                "uuid": str(uuid4()),
                "node_type": kind,
                "process_type": process or None,
                "label": label,
                "description": "",
                "ctime": self.time,
                "mtime": self.time,
                "attributes": dict(attributes or {}),
                "extras": {},
                "repository_metadata": {},
                "dbcomputer_id": None,
                "user_id": self.user,
            }
        )
        return place

    def link(self, source: int, target: int, kind: str, label: str) -> None:
        """Add a link."""
        self.links.append({"input_id": source, "output_id": target, "type": kind, "label": label})

    def process(self, kind: str, plugin: str, label: str, caller: int | None = None, exit_status: int = 0) -> int:
        """Add a process that has finished, and the link that calls it."""
        attributes = {
            "process_state": "finished",
            "exit_status": exit_status,
            "process_label": plugin.rpartition(".")[2],
        }
        place = self.node(f"process.{kind}.", attributes, plugin, label if caller is None else "")
        if caller is not None:
            self.link(caller, place, "call_work" if kind.startswith("workflow") else "call_calc", label)
        return place


CHAIN, JOB, FUNCTION = (
    "workflow.workchain.WorkChainNode",
    "calculation.calcjob.CalcJobNode",
    "calculation.calcfunction.CalcFunctionNode",
)
DICT, STRUCTURE = "data.core.dict.Dict.", "data.core.structure.StructureData."


def add_run(graph: Graph, caller: int, label: str, parameters: int, structure: int, energy: float) -> int:
    """Add a CP2K calculation with the work chain around it; return its parsed output."""
    chain = graph.process(CHAIN, "aiida.workflows:qdsim.cp2k", label, caller)
    run = graph.process(JOB, "aiida.calculations:cp2k", "iteration_01", chain)
    graph.link(parameters, run, "input_calc", "parameters")
    graph.link(structure, run, "input_calc", "structure")
    for kind, name in (("remote.RemoteData", "remote_folder"), ("folder.FolderData", "retrieved")):
        graph.link(run, graph.node(f"data.core.{kind}."), "create", name)
    graph.link(run, graph.node("data.core.array.ArrayData."), "create", "output_arrays")
    output = graph.node(DICT, {"energy": energy, "cp2k_version": "2023.1", "wall_time": 12.5, "scf_converged": True})
    graph.link(run, output, "create", "output_parameters")
    graph.link(chain, output, "return", "output_parameters")
    return output


def call(graph: Graph, caller: int, name: str, inputs: Mapping[str, int], content: Mapping[str, Any]) -> int:
    """Add a calcfunction that makes a document; return the document."""
    function = graph.process(FUNCTION, f"qdsim.workflows.{name}", "CALL", caller)
    for label, source in inputs.items():
        graph.link(source, function, "input_calc", label)
    made = graph.node(DICT, content)
    graph.link(function, made, "create", "result")
    return made


def add_campaign(
    graph: Graph, number: int, content: Mapping[str, Any], eos: Mapping[str, Any], *, failed: bool
) -> None:
    """Add a strain campaign; of one that failed, a strain did."""
    compound = COMPOUNDS[number % len(COMPOUNDS)]
    name = f"campaign-{number}"
    file = {"name": name, "compound": compound, "protocol": "moderate", "strain": {"linear": list(STRAINS)}}
    document = graph.node(DICT, {"campaign": file, "settings": {"protocol": "moderate", "cutoff": 300.0}})
    lattice = graph.node(DICT, {"compound": compound, "cation": "Pb", "anion": compound[2:]})
    parameters = graph.node(DICT, {"FORCE_EVAL": {"DFT": {"MGRID": {"CUTOFF": 300.0}}}})
    campaign = graph.process(CHAIN, "aiida.workflows:qdsim.campaign", name, exit_status=440 if failed else 0)
    graph.link(document, campaign, "input_work", "campaign")
    graph.link(lattice, campaign, "input_work", "strain__lattice")
    series = graph.process(CHAIN, "aiida.workflows:qdsim.strain", "strain", campaign, 431 if failed else 0)
    volumes = {
        f"volume_{i:02d}_output": add_run(graph, series, f"volume_{i:02d}", parameters, graph.node(STRUCTURE), -376.0)
        for i in range(VOLUMES)
    }
    fitted = call(graph, series, "strain.fit_equation_of_state", {"lattice": lattice, **volumes}, eos)
    points = {}
    for point in content["points"]:
        chain = graph.process(
            CHAIN,
            "aiida.workflows:qdsim.strain.point",
            point["label"],
            series,
            432 if failed and point is content["points"][-1] else 0,
        )
        relaxation = graph.process(CHAIN, "aiida.workflows:qdsim.relax", "relaxed", chain)
        outputs = {}
        for i in range(STEPS):
            outputs[f"step_{i}"] = add_run(graph, relaxation, f"step_{i}", parameters, graph.node(STRUCTURE), -376.1)
        for role in ("centred", *(f"well_{i}" for i in range(WELLS))):
            outputs[role] = add_run(graph, chain, role, parameters, graph.node(STRUCTURE), -376.0)
        points[point["label"]] = call(graph, chain, "strain.summarise_point", {"lattice": lattice, **outputs}, point)
    inputs = {"lattice": lattice, "equation_of_state": fitted, **points}
    results = call(graph, series, "strain.summarise", inputs, {**content, "compound": compound})
    graph.link(series, results, "return", "results")
    graph.link(campaign, results, "return", "strain__results")


def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the results document of a strain series, and its equation of state."""
    from qdsim.analysis.equation_of_state import fit_birch_murnaghan
    from qdsim.analysis.ferroelectric import ComputedStrain, Phase, summarise_strain
    from qdsim.analysis.relaxation import RelaxationStep
    from qdsim.workflows.documents import strain_label

    volume = 6.008**3 / 4
    volumes = [volume * (1 + 0.03 * (i - 3)) for i in range(VOLUMES)]
    eos = fit_birch_murnaghan(volumes, [-376.1 + 8e-3 * (v - volume) ** 2 / 2 for v in volumes])

    def phase(strain: float, offset: float) -> Phase:
        a = 6.008 * (1 + strain)
        energy = -376.1 + 0.3 * strain**2 - offset**2 / 10
        return Phase(
            volume=a**3 / 4,
            lattice_constant=a,
            alpha_rh=60 - offset,
            pb_offset=offset,
            energy=energy,
            pressure=-strain,
            gap=0.4,
            space_group="R3m (160)",
            bond_short=a / 2 - offset,
            bond_long=a / 2 + offset,
            single_points=STEPS,
        )

    def step(strain: float, offset: float) -> RelaxationStep:
        energy = -376.1 + 0.3 * strain**2 - offset**2 + 2 * offset**4
        return RelaxationStep(
            alpha=60.0, offset=offset, energy=energy, gradient_alpha=0.0, gradient_offset=8 * offset**3 - 2 * offset
        )

    computed = [
        ComputedStrain(
            label=strain_label("linear", strain),
            volume=(6.008 * (1 + strain)) ** 3 / 4,
            centred=phase(strain, 0.0),
            relaxed=phase(strain, math.sqrt(max(0.0, strain))),
            wells=[step(strain, 0.1 * (i + 1)) for i in range(WELLS)],
        )
        for strain in STRAINS
    ]
    return summarise_strain("PbS", "moderate", eos, computed).model_dump(mode="json"), eos.model_dump(mode="json")


def fill(nodes: int) -> None:
    """Put campaigns into the profile until it has so many nodes."""
    from aiida import orm
    from aiida.manage import get_manager
    from aiida.orm.entities import EntityTypes
    from sqlalchemy import text

    from qdsim.machine.profile import open_profile

    open_profile("qdsim")
    backend = get_manager().get_profile_storage()
    results, eos = documents()
    graph = Graph(orm.User.collection.get_default().pk)
    number = 0
    while len(graph.nodes) < nodes:
        add_campaign(graph, number, results, eos, failed=number % FAILED == 0)
        number += 1
    with backend.transaction():
        pks = [
            pk
            for start in range(0, len(graph.nodes), BATCH)
            for pk in backend.bulk_insert(EntityTypes.NODE, graph.nodes[start : start + BATCH], allow_defaults=True)
        ]
        ends = ("input_id", "output_id")
        links = [link | {end: pks[link[end]] for end in ends} for link in graph.links]
        for start in range(0, len(links), BATCH):
            backend.bulk_insert(EntityTypes.LINK, links[start : start + BATCH], allow_defaults=True)
    if backend.profile.storage_backend == "core.psql_dos":
        backend.get_session().execute(text("ANALYZE"))  # which PostgreSQL does by itself about a minute later
        backend.get_session().commit()
    runs = orm.QueryBuilder().append(orm.CalcJobNode).count()
    print(f"{len(graph.nodes)} nodes, {len(graph.links)} links, {number} campaigns, {runs} CP2K calculations")


def make_profile(server: Mapping[str, Any] | None) -> None:
    """Make the profile: with SQLite, or in a PostgreSQL server."""
    from qdsim.machine.profile import EMAIL, create_profile

    if server is None:
        create_profile("qdsim")
        return
    from aiida.manage.configuration import create_profile as create
    from aiida.manage.configuration import get_config

    config = get_config(create=True)
    create(
        config,
        name="qdsim",
        email=EMAIL,
        storage_backend="core.psql_dos",
        storage_config=dict(server),
        broker_backend=None,
        broker_config=None,
    )
    config.set_default_profile("qdsim", overwrite=True)
    config.store()


@contextmanager
def postgres(folder: Path) -> Iterator[dict[str, Any] | None]:
    """Start a private PostgreSQL on loopback, and stop it; None where there are no binaries."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        yield None
        return
    bin_folder, data, port = found[-1], folder / "data", 54329
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(bin_folder / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run("initdb", "-D", str(data), "-A", "trust", "-U", "qdsim", "-E", "UTF8", "--locale=C.UTF-8")
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "qdsim", "qdsim")
        yield {
            "database_engine": "postgresql_psycopg",
            "database_hostname": "127.0.0.1",
            "database_port": port,
            "database_username": "qdsim",
            "database_password": "",
            "database_name": "qdsim",
            "repository_uri": (folder.parent / "repository").as_uri(),
        }
    finally:
        run("pg_ctl", "-D", str(data), "-m", "fast", "-w", "stop")


def seconds(command: list[str], environment: Mapping[str, str], repeats: int) -> tuple[float, float]:
    """Return the shortest of several runs, by the clock and of the processor, which others on the machine slow less."""
    wall, busy = [], []
    for _ in range(repeats):
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - begin)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(wall), min(busy)


def measure(backend: str, folder: Path, nodes: int, repeats: int, server: Mapping[str, Any] | None) -> None:
    """Fill a profile, and print how long each command takes beyond opening it."""
    environment = {**os.environ, "AIIDA_PATH": str(folder), "QDSIM_PROFILE": "qdsim", "COLUMNS": "200"}
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import query; "
        f"query.make_profile({server!r}); query.fill({nodes})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    wall, busy = seconds([sys.executable, "-c", OPENING], environment, repeats)
    print(f"{backend}: opening the profile takes {wall:.2f} s ({busy:.2f} s of the processor); beyond that take")
    for arguments in (
        ["query"],
        ["query", "--compound", "PbSe", "--strain", "1:2"],
        ["query", "--cp2k", "2023.1", "--csv"],
        ["query", "--calculations", "--exit-code", "0"],
        ["trace", "campaign-100"],
        ["trace", "campaign-100", "--all"],
        ["trace", "campaign-100", "--descendants"],
        ["why", "6.00800", "--campaign", "campaign-100"],
        ["diff", "campaign-100", "campaign-101"],
    ):
        taken, worked = seconds([str(QDSIM), *arguments], environment, repeats)
        print(f"  {taken - wall:6.2f} s ({worked - busy:5.2f} s)  qdsim {' '.join(arguments)}", flush=True)


def main() -> None:
    """Measure on SQLite, and on PostgreSQL where it is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qdsim-query-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("sqlite", "postgresql", "server"):
            (folder / part).mkdir()
        measure("SQLite", folder / "sqlite", given.nodes, given.repeats, None)
        with postgres(folder / "server") as server:
            if server is None:
                print("PostgreSQL: not measured, there are no binaries in /usr/lib/postgresql")
            else:
                measure("PostgreSQL", folder / "postgresql", given.nodes, given.repeats, server)


if __name__ == "__main__":
    main()
