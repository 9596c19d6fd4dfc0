"""Computed structures with their origins, read from the provenance graph. Needs a loaded AiiDA profile."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from qdsim.debye.origin import Origin, single_line
from qdsim.documents import nearest
from qdsim.errors import QdsimError, QdsimWarning
from qdsim.provenance.choice import find_node, is_campaign, name_here
from qdsim.provenance.cp2k_inputs import OwnCalculation, own_calculations
from qdsim.provenance.documents import protocol_of

if TYPE_CHECKING:
    from aiida.orm import Node, ProcessNode, StructureData, WorkChainNode

Phase = Literal["relaxed", "centred"]
PHASES: tuple[Phase, ...] = get_args(Phase)

_NO_SETTINGS = {"run_type", "files"}
"""Of the input of a calculation, what says nothing of its structure."""
_UNITS = {"cutoff": "Ry", "rel_cutoff": "Ry", "smearing_temperature": "K"}


def find_origins(
    identifier: str | Node | None = None, phase: Phase | None = None, strains: Sequence[str] = ()
) -> list[Origin]:
    """Return the structures of a campaign, or of a node, with their origins.

    Parameters
    ----------
    identifier
        What `qdsim.provenance.find_node` finds a campaign by, by default the newest, or PK or UUID of a structure, or
        of a work chain that returned structures, such as a strain series or a relaxation; or any of these nodes.
    phase
        Which of the structures of each strain; by default the relaxed ones.
    strains
        Labels of strains, where not all are wanted.

    Warns
    -----
    QdsimWarning
        If structures of some strains are missing, and no strains are asked for by name.

    Raises
    ------
    QdsimError
        If there is no such node, campaign, structure or strain (the nearest one is offered), or a structure cannot be
        exported.
    """
    from aiida import orm

    node = identifier if isinstance(identifier, orm.Node) else find_node(identifier)
    if isinstance(node, orm.StructureData):
        if phase is not None or strains:
            raise QdsimError(f"Node {node.pk} is one structure: leave out --phase and --strain.")
        return _origins([node], _context(node))
    if not isinstance(node, orm.WorkChainNode):
        raise QdsimError(
            f"Node {node.pk} is of type {type(node).__name__}: give a campaign, a work chain that returned structures, "
            "or a StructureData."
        )
    chosen = _chosen(node, phase or "relaxed", strains)
    return _origins([found.node for found in chosen], _context(node))


class _Returned(NamedTuple):
    """A structure that a work chain returned; `strain` is empty where it belongs to no strain."""

    name: str
    strain: str
    phase: str
    node: StructureData


def _chosen(process: WorkChainNode, phase: Phase, strains: Sequence[str]) -> list[_Returned]:
    """Return the structures of a phase that a work chain has returned, or those of some strains."""
    returned = _returned(process)
    label = single_line(process.label)
    name = f"Campaign '{label}'" if is_campaign(process) else f"{process.process_label} {process.pk}"
    of_phase = [found for found in returned if found.phase == phase]
    known = sorted({found.strain for found in returned} - {""})
    for strain in strains:
        if strain not in known:
            hint = nearest(strain, known) if known else "it has none"
            raise QdsimError(f"{name} has no strain '{strain}'; {hint}{'' if hint.endswith('?') else '.'}")
    there = {found.strain for found in of_phase}
    missing = [strain for strain in strains or known if strain not in there]
    if not of_phase or (strains and missing):
        where = f" of {', '.join(missing)}" if strains else ""
        more = f"qdsim status {name_here(process)}" if is_campaign(process) else f"verdi process report {process.pk}"
        raise QdsimError(f"{name} has no {phase} structure{where}: '{more}' tells why.")
    if missing:
        sentence = f"{name} has no {phase} structure of {', '.join(missing)}, which are left out."
        warnings.warn(sentence, QdsimWarning, stacklevel=3)
    return [found for found in of_phase if not strains or found.strain in strains]


def _returned(process: WorkChainNode) -> list[_Returned]:
    """Return all structures that a work chain has returned; one without a phase in its name is a relaxed one."""
    from aiida import orm
    from aiida.common.links import LinkType

    found = []
    for link in process.base.links.get_outgoing(orm.StructureData, link_type=LinkType.RETURN).all():
        *before, last = parts = link.link_label.split("__")
        strain = before[-1] if before and last in PHASES else ""
        phase = last if last in PHASES else "relaxed"
        name = _name(parts[1:] if is_campaign(process) else parts)
        found.append(_Returned(name, strain, phase, cast("StructureData", link.node)))
    return sorted(found, key=lambda one: (one.strain, one.name))


def _name(parts: Sequence[str]) -> str:
    """Return what a structure is called of the names that lead to it in the outputs of a section."""
    first, *rest = parts
    return " ".join([*rest, "host"] if first == "hosts" else rest)


@dataclass(frozen=True)
class _Context:
    """The campaign that structures are of, where they are of one, and their names by UUID."""

    campaign: WorkChainNode | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def _context(node: Node) -> _Context:
    """Find the campaign that a node was made in."""
    from aiida import orm

    process: ProcessNode | None = node if isinstance(node, orm.ProcessNode) else node.creator
    while process is not None and not is_campaign(process):
        process = process.caller
    if process is None:
        return _Context()
    campaign = cast("WorkChainNode", process)
    return _Context(campaign, {found.node.uuid: found.name for found in _returned(campaign)})


def _origins(structures: Sequence[StructureData], context: _Context) -> list[Origin]:
    """Describe structures: each with the settings of the calculation that it is of, and no others."""
    campaign = context.campaign
    pks = [cast("int", structure.pk) for structure in structures]
    runs = own_calculations(pks, None if campaign is None else campaign.pk)
    facts = {} if campaign is None else {"campaign": campaign.label, "campaign_uuid": campaign.uuid}
    file = {} if campaign is None else campaign.inputs.campaign.get_dict().get("campaign", {})
    return [
        _origin(structure, context.names, {**facts, **(_computed(runs[pk], file) if pk in runs else {})})
        for pk, structure in zip(pks, structures, strict=True)
    ]


def _origin(node: StructureData, names: Mapping[str, str], facts: Mapping[str, Any]) -> Origin:
    label = names.get(node.uuid) or single_line(node.label) or f"structure {node.pk}"
    try:
        atoms = node.get_ase()
    except ValueError as error:  # AiiDA's, for kinds that are alloys or have vacancies
        raise QdsimError(f"{label} has sites that are shared or partly empty, which no export here keeps.") from error
    return Origin.of(atoms, uuid=node.uuid, label=label, **facts)


def _computed(run: OwnCalculation, file: Mapping[str, Any]) -> dict[str, Any]:
    """Return with what a structure was computed, and how: flat, with units."""
    protocol = protocol_of(file, run.section)
    settings: dict[str, Any] = {} if protocol is None else {"protocol": protocol}
    settings |= {name: value for name, value in run.settings.items() if value and name not in _NO_SETTINGS}
    settings["k_points"] = run.settings["k_points"] or "none, the Gamma point alone"
    code = None if run.version is None else f"CP2K {run.version}"
    return {"code": code, "settings": {"calculation": run.uuid} | _flat(settings)}


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif name in _UNITS:
            found[before + name] = f"{value:g} {_UNITS[name]}"
        else:
            found[before + name] = value
    return found
