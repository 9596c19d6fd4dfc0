"""Check what has been computed by scattering, at once: `qdsim check`."""

from __future__ import annotations

from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING, Any, cast

from qdsim import __version__
from qdsim.analysis.lattice_series import LatticeSeries
from qdsim.analysis.strain_results import StrainResults
from qdsim.campaign.crystals import atoms_of
from qdsim.campaign.scattering import ScatteringPlan, mesh_reservations, plan_scattering
from qdsim.campaign.schema import ScatteringSection
from qdsim.cp2k.compounds import Compound, compound_of, load_compound
from qdsim.cp2k.settings import Settings
from qdsim.errors import QdsimError
from qdsim.workflows.documents import Lattice

if TYPE_CHECKING:
    from aiida.orm import Node, StructureData, WorkChainNode

FINGERPRINT = "qdsim_fingerprint"
"""Extra of a check: a digest of everything that decides its results, the version of qdsim among it."""
ANALYSES = {"vacancy": "vacancies", "dipole": "dipoles", "phonon": "phonons"}
"""Sections of a campaign whose analyses a check uses, and what it calls them."""


def check_node(node: Node, section: ScatteringSection) -> WorkChainNode:
    """Compare a strain series or a crystal with scattering, or find the same check again.

    Parameters
    ----------
    node
        A campaign, a strain series, or a structure of a crystal.
    section
        What it is compared with, its paths absolute.

    Returns
    -------
    WorkChainNode
        The finished check.

    Raises
    ------
    QdsimError
        If the node is none of these or has no relaxed structures, or fits or data cannot be used.
    """
    from aiida.engine import run_get_node

    from qdsim.workflows.fit import UNUSABLE
    from qdsim.workflows.scattering import ScatteringWorkChain

    computed, compound, reservations = _computed(node)
    plan = plan_scattering(section, compound, reservations)
    fingerprint = _fingerprint(plan, computed)
    earlier = _find(fingerprint)
    if earlier is not None:
        return earlier
    _, process = run_get_node(ScatteringWorkChain, **plan.inputs(), **computed)
    process.base.extras.set(FINGERPRINT, fingerprint)
    if not process.is_finished_ok:
        unusable = [child for child in process.called if child.exit_status == UNUSABLE]
        reason = unusable[0].exit_message if unusable else process.exit_message or "the check raised an exception"
        raise QdsimError(str(reason))
    return cast("WorkChainNode", process)


def _computed(node: Node) -> tuple[dict[str, Any], Compound, list[str]]:
    """Return what is compared as inputs of the work chain, its compound, and reservations."""
    from aiida import orm

    from qdsim.provenance import STRAIN_PROCESS, section

    series, others = node, {}
    if isinstance(node, orm.WorkChainNode) and node.process_type != STRAIN_PROCESS:
        series = section(node, "strain") or node
        others = {name: section(node, part) for part, name in ANALYSES.items()}
    if isinstance(series, orm.WorkChainNode) and series.process_type == STRAIN_PROCESS:
        computed, compound, reservations = _series(series)
        for name, process in others.items():
            if process is not None and "analysis" in process.outputs:
                computed[name] = process.outputs.analysis
        return computed, compound, reservations
    if isinstance(node, orm.StructureData):
        return {"structure": node}, _compound(node), []
    raise QdsimError(
        f"Node {node.pk} is a {type(node).__name__}{_label(node)}: give a campaign, a strain series or a structure."
    )


def _series(series: WorkChainNode) -> tuple[dict[str, Any], Compound, list[str]]:
    from qdsim.provenance import series_structures

    if "results" not in series.outputs:
        raise QdsimError(
            f"The strain series {series.pk} has no relaxed structures to compare with scattering; "
            "'qdsim status' shows how far its campaign is, and what failed."
        )
    LatticeSeries(StrainResults(**series.outputs.results.get_dict()))
    structures = {
        f"{point}_{phase}": structure
        for point, phases in series_structures(series).items()
        for phase, structure in phases.items()
    }
    lattice = Lattice(**series.inputs.lattice.get_dict())
    reservations = []
    if series.caller is not None and "campaign" in series.caller.inputs:
        settings = Settings(**series.caller.inputs.campaign.get_dict()["settings"])
        reservations = mesh_reservations(lattice.compound, settings, lattice)
    computed = {"results": series.outputs.results, "structures": structures}
    return computed, load_compound(lattice.compound), reservations


def _compound(structure: StructureData) -> Compound:
    atoms = atoms_of(structure)
    if not atoms.pbc.all():
        raise QdsimError(f"Structure {structure.pk} is a cluster: give it with --data, to compare its pattern.")
    return compound_of(atoms.symbols)


def _label(node: Node) -> str:
    return f" ({node.process_label})" if getattr(node, "process_label", None) else ""


def _fingerprint(plan: ScatteringPlan, computed: dict[str, Any]) -> str:
    nodes = {name: node.uuid for name, node in computed.items() if name != "structures"}
    document = {
        "qdsim": __version__,
        **plan.document(),
        **nodes,
        "structures": [node.uuid for node in computed.get("structures", {}).values()],
    }
    return sha256(dumps(document, sort_keys=True).encode()).hexdigest()


def _find(fingerprint: str) -> WorkChainNode | None:
    from aiida import orm

    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={f"extras.{FINGERPRINT}": fingerprint, "attributes.exit_status": 0},
    )
    found = query.first(flat=True)
    return found if isinstance(found, orm.WorkChainNode) else None
