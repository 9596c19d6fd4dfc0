"""Strain campaigns as CP2K would have left them: stored records, for nothing is computed here."""

from copy import deepcopy
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from ase import Atoms

from qdsim.analysis.equation_of_state import fit_birch_murnaghan
from qdsim.analysis.ferroelectric import ComputedStrain, Phase, summarise_strain
from qdsim.provenance import CAMPAIGN_PROCESS, CP2K_PROCESS, STRAIN_PROCESS
from qdsim.provenance.campaigns import CP2K_CHAIN, VACANCY_PROCESS
from qdsim.structures import RhombohedralState

LATTICE = 6.0
STRAINS = {"linear_p0p0100": 0.01, "linear_p0p0200": 0.02}
PARAMETERS: dict[str, Any] = {
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


def store_structures(name: str) -> dict[str, orm.StructureData]:
    """Store a campaign of structures that were computed with different settings; return them by what they are.

    A point of a strain series at 300 Ry on a mesh, a cluster at 150 Ry after a coarse start, a charged vacancy that was
    relaxed on a coarser mesh than its energy is of, and a crystal that CP2K has not computed.
    """
    campaign = _process(CAMPAIGN_PROCESS, label=name)
    protocols = {"protocol": "fast", "vacancy": {"protocol": "defects"}, "dipole": {"protocol": "cluster"}}
    settings = {"protocol": "fast", "cutoff": 999.0, "k_points": [10, 10, 10]}
    documents = {"campaign": {"campaign": {"name": name, **protocols}, "settings": settings}}
    for label, content in documents.items():
        campaign.base.links.add_incoming(orm.Dict(content).store(), LinkType.INPUT_WORK, label)
    campaign.store()
    sections = {section: _process(f"a {section}", campaign, section) for section in ("strain", "vacancy", "dipole")}
    crystal = RhombohedralState(57.0, 59.5, 0.1).to_atoms("Pb", "S")
    supercell = RhombohedralState(54.0).to_atoms("Pb", "S", "conventional")
    cluster = Atoms("PbS", [[7, 7, 7], [10, 7, 7]], cell=[17, 17, 17])
    found = {
        "strained": orm.StructureData(ase=crystal).store(),
        "cluster": orm.StructureData(ase=cluster).store(),
        "start": orm.StructureData(ase=supercell[1:]).store(),
        "lost": orm.StructureData(ase=supercell).store(),
    }
    code = _code()
    run: dict[str, Any] = {"code": code, "energy": -1.0, "failed": False}
    _cp2k(sections["strain"], **run, structure=found["strained"])
    _cp2k(sections["dipole"], **run, structure=found["cluster"], parameters=_input(80.0))
    _cp2k(sections["dipole"], **run, structure=found["cluster"], parameters=_input(150.0))
    _cp2k(sections["dipole"], **run | {"failed": True}, structure=found["cluster"], parameters=_input(900.0))
    stranger = _process("another campaign")
    stranger.store()
    _cp2k(stranger, **run, structure=found["strained"], parameters=_input(800.0))
    relaxation = _input(280.0, run_type="GEO_OPT", mesh="MONKHORST-PACK 2 2 2", charge=-2)
    _cp2k(sections["vacancy"], **run, structure=found["lost"], parameters=relaxation)
    output = _cp2k(sections["vacancy"], **run, structure=found["start"], parameters=relaxation)
    found["vacancy"] = orm.StructureData(ase=supercell[1:])
    found["vacancy"].base.links.add_incoming(output.creator, LinkType.CREATE, "output_structure")
    found["vacancy"].store()
    _cp2k(sections["vacancy"], **run, structure=found["vacancy"], parameters=_input(280.0, mesh="MONKHORST-PACK 3 3 3"))
    for label, structure in (
        ("strain__structures__linear_p0p0200__relaxed", found["strained"]),
        ("dipole__structures__d9__undistorted", found["cluster"]),
        ("vacancy__structures__plain__V_Pb", found["vacancy"]),
        ("vacancy__hosts__plain", found["lost"]),
    ):
        structure.base.links.add_incoming(campaign, LinkType.RETURN, label)
    return found


def _input(
    cutoff: float, run_type: str = "ENERGY_FORCE", mesh: str | None = None, charge: int | None = None
) -> dict[str, Any]:
    """Return an input of CP2K, of a cluster where no mesh is given."""
    parameters = deepcopy(PARAMETERS)
    parameters["GLOBAL"]["RUN_TYPE"] = run_type
    dft = parameters["FORCE_EVAL"]["DFT"]
    dft["MGRID"]["CUTOFF"] = cutoff
    if charge is not None:
        dft["CHARGE"] = charge
    if mesh is None:
        del dft["KPOINTS"]
        dft["POISSON"] = {"PERIODIC": "NONE", "POISSON_SOLVER": "WAVELET"}
    else:
        dft["KPOINTS"] = {"SCHEME": mesh}
    return parameters


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


def _cp2k(
    caller: orm.WorkChainNode,
    code: orm.InstalledCode,
    energy: float,
    *,
    failed: bool,
    structure: orm.StructureData | None = None,
    parameters: dict[str, Any] = PARAMETERS,
) -> orm.Dict:
    chain = _process(CP2K_CHAIN, caller, "centred", status=411 if failed else 0)
    run = orm.CalcJobNode(process_type=CP2K_PROCESS, computer=code.computer)
    run.set_process_label("Cp2kCalculation")
    _finish(run, 300 if failed else 0)
    run.base.links.add_incoming(code, LinkType.INPUT_CALC, "code")
    run.base.links.add_incoming(orm.Dict(parameters).store(), LinkType.INPUT_CALC, "parameters")
    if structure is not None:
        run.base.links.add_incoming(structure, LinkType.INPUT_CALC, "structure")
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
