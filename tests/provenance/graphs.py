"""Strain campaigns as CP2K would have left them: stored records, for nothing is computed here."""

from typing import Any

from aiida import orm
from aiida.common.links import LinkType

from qdsim.analysis.equation_of_state import fit_birch_murnaghan
from qdsim.analysis.ferroelectric import ComputedStrain, Phase, summarise_strain
from qdsim.provenance import CAMPAIGN_PROCESS, CP2K_PROCESS, STRAIN_PROCESS
from qdsim.provenance.campaigns import CP2K_CHAIN, VACANCY_PROCESS

LATTICE = 6.0
STRAINS = {"linear_p0p0100": 0.01, "linear_p0p0200": 0.02}
PARAMETERS = {
    "GLOBAL": {"RUN_TYPE": "ENERGY_FORCE"},
    "FORCE_EVAL": {
        "DFT": {
            "MGRID": {"CUTOFF": 300.0, "REL_CUTOFF": 40.0},
            "KPOINTS": {"SCHEME": "MONKHORST-PACK 4 4 4"},
            "XC": {"XC_FUNCTIONAL": {"_": "PBE"}},
            "BASIS_SET_FILE_NAME": ["BASIS_MOLOPT"],
            "POTENTIAL_FILE_NAME": "GTH_POTENTIALS",
        },
        "SUBSYS": {"KIND": [{"_": "Pb", "BASIS_SET": "DZVP-MOLOPT-SR-GTH-q4", "POTENTIAL": "GTH-PBE-q4"}]},
    },
}


def store_campaign(name: str, compound: str = "PbS", lattice: float = LATTICE, failed: bool = False) -> str:
    """Store a campaign of two strains; return its UUID. Of one that failed, the second strain is missing."""
    code = _code()
    file = {"name": name, "compound": compound, "protocol": "fast", "overrides": {"cutoff": 300}}
    campaign = _process(CAMPAIGN_PROCESS, status=440 if failed else 0, label=name)
    for label, content in (("campaign", {"campaign": file}), ("strain__lattice", {"compound": compound})):
        document = orm.Dict(content).store()
        campaign.base.links.add_incoming(document, LinkType.INPUT_WORK, label)
    campaign.store()
    series = _process(STRAIN_PROCESS, campaign, "strain", status=431 if failed else 0)
    volume = lattice**3 / 4
    volumes = [volume * (1 + 0.02 * (i - 3)) for i in range(7)]
    eos = fit_birch_murnaghan(volumes, [-376.0 + 4e-3 * (one - volume) ** 2 for one in volumes])
    fitted = orm.Dict(eos.model_dump(mode="json")).store()
    points, computed = {}, []
    for i, (label, strain) in enumerate(STRAINS.items()):
        lost = failed and i == 1
        chain = _process("aiida.workflows:qdsim.strain.point", series, label, status=432 if lost else 0)
        run = _cp2k(chain, code, -376.0 - i, failed=lost)
        if lost:
            continue
        a = lattice * (1 + strain)
        phase = Phase(
            volume=a**3 / 4, lattice_constant=a, alpha_rh=59.5 - i, pb_offset=0.1234 + i / 10, energy=-376.1,
            pressure=-1.0, gap=0.4, space_group="R3m (160)", bond_short=2.9, bond_long=3.1, single_points=3,
        )  # fmt: skip
        one = ComputedStrain(label=label, volume=a**3 / 4, centred=phase, relaxed=phase)
        computed.append(one)
        points[label] = _made(chain, {"output": run}, one.model_dump(mode="json"))
    content = summarise_strain(compound, "fast", eos, computed).model_dump(mode="json")
    results = _made(series, {"equation_of_state": fitted, **points}, content)
    results.base.links.add_incoming(series, LinkType.RETURN, "results")
    return campaign.uuid


def store_hosts(name: str, hosts: dict[str, float], equation_of_state: float | None) -> str:
    """Store a campaign of one vacancy in each host, whose volumes (Å^3 a formula unit) are given; return its UUID.

    The first host is the undistorted one. The volume of an equation of state is that of a strain series.
    """
    first, *_ = hosts
    campaign = _process(CAMPAIGN_PROCESS, label=name)
    strain = {"hosts": {"b": {"point": -0.5}}}
    settings = {
        "compound": "PbS",
        "reference": first,
        "hosts": [{"label": label, "volume": hosts[first] if label == first else 1.0} for label in hosts],
    }
    for label, content in (
        ("campaign", {"campaign": {"name": name, "compound": "PbS", "vacancy": strain}}),
        ("vacancy__lattice", {"compound": "PbS"}),
        ("vacancy__settings", settings),
    ):
        campaign.base.links.add_incoming(orm.Dict(content).store(), LinkType.INPUT_WORK, label)
    campaign.store()
    made: dict[tuple[str, str], dict[str, Any]] = {
        ("vacancy", "results"): {"hosts": [{"label": label, "volume": volume} for label, volume in hosts.items()]},
        ("vacancy", "analysis"): {
            "formation_energies": [
                {"host": host, "defect": "V_Pb", "reservoir": "rich", "charge": 0, "relaxed": {"total": 1.0}}
                for host in hosts
            ]
        },
    }
    if equation_of_state is not None:
        fitted = {"volume": equation_of_state, "lattice_constant": (4 * equation_of_state) ** (1 / 3)}
        made["strain", "results"] = {"equation_of_state": fitted}
    sections: dict[str, orm.WorkChainNode] = {}
    for (section, document), content in made.items():
        if section not in sections:
            kind = STRAIN_PROCESS if section == "strain" else VACANCY_PROCESS
            sections[section] = _process(kind, campaign, section)
        _made(sections[section], {}, content).base.links.add_incoming(sections[section], LinkType.RETURN, document)
    return campaign.uuid


def store_lone_run() -> None:
    """Store a calculation that is of no campaign."""
    chain = orm.WorkChainNode(process_type="aiida.workflows:qdsim.relax")
    _finish(chain, 0)
    _cp2k(chain.store(), _code(), -1.0, failed=False)


def _code() -> orm.InstalledCode:
    found: list[orm.InstalledCode] = (
        orm.QueryBuilder().append(orm.InstalledCode, filters={"label": "stored"}).all(flat=True)
    )
    if found:
        return found[0]
    computer = orm.Computer("stored", "localhost", transport_type="core.local", scheduler_type="core.direct").store()
    return orm.InstalledCode(label="stored", computer=computer, filepath_executable="/bin/true").store()


def _process(
    kind: str, caller: orm.WorkChainNode | None = None, link: str = "", status: int = 0, label: str = ""
) -> orm.WorkChainNode:
    node = orm.WorkChainNode(process_type=kind)
    node.label = label
    _finish(node, status)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, link)
        node.store()
    return node


def _finish(node: orm.ProcessNode, status: int) -> None:
    node.set_process_state("finished")
    node.set_exit_status(status)
    node.set_exit_message("SCF did not converge." if status else "")


def _cp2k(caller: orm.WorkChainNode, code: orm.InstalledCode, energy: float, *, failed: bool) -> orm.Dict:
    chain = _process(CP2K_CHAIN, caller, "centred", status=411 if failed else 0)
    run = orm.CalcJobNode(process_type=CP2K_PROCESS, computer=code.computer)
    run.set_process_label("Cp2kCalculation")
    _finish(run, 300 if failed else 0)
    run.base.links.add_incoming(code, LinkType.INPUT_CALC, "code")
    run.base.links.add_incoming(orm.Dict(PARAMETERS).store(), LinkType.INPUT_CALC, "parameters")
    run.base.links.add_incoming(chain, LinkType.CALL_CALC, "iteration_01")
    run.store()
    output = orm.Dict({"energy": None if failed else energy, "cp2k_version": "2023.1", "wall_time": 2.0})
    output.base.links.add_incoming(run, LinkType.CREATE, "output_parameters")
    return output.store()


def _made(caller: orm.WorkChainNode, inputs: dict[str, orm.Dict], content: dict[str, Any]) -> orm.Dict:
    function = orm.CalcFunctionNode()
    function.set_process_label("summarise")
    for label, node in inputs.items():
        function.base.links.add_incoming(node, LinkType.INPUT_CALC, label)
    function.base.links.add_incoming(caller, LinkType.CALL_CALC, "CALL")
    function.store()
    made = orm.Dict(content)
    made.base.links.add_incoming(function, LinkType.CREATE, "result")
    return made.store()
