"""Computed structures with their origins, read from the provenance graph. Needs a loaded AiiDA profile."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from qdsim.debye.origin import Origin, single_line
from qdsim.documents import nearest
from qdsim.errors import QdsimError, QdsimWarning
from qdsim.provenance.campaigns import CAMPAIGN_PROCESS, calculations, find_node, strain_structures

if TYPE_CHECKING:
    from aiida.orm import Node, ProcessNode, StructureData, WorkChainNode

Phase = Literal["relaxed", "centred"]
PHASES: tuple[Phase, ...] = get_args(Phase)

_NO_SETTINGS = {"description", "walltime"}
_UNITS = {
    "cutoff": "Ry",
    "rel_cutoff": "Ry",
    "smearing_temperature": "K",
    "max_force": "hartree/bohr",
    "rms_force": "hartree/bohr",
    "max_displacement": "bohr",
    "rms_displacement": "bohr",
}


def find_origins(
    identifier: str | None = None, phase: Phase | None = None, strains: Sequence[str] = ()
) -> list[Origin]:
    """Return the structures of a campaign, or of a node, with their origins.

    Parameters
    ----------
    identifier
        Name, PK or UUID of a campaign, by default the newest; or PK or UUID of a structure, or of a work chain that
        returned structures, such as a strain series or a relaxation.
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

    node = find_node(identifier)
    if isinstance(node, orm.StructureData):
        if phase is not None or strains:
            raise QdsimError(f"Node {node.pk} is one structure: leave out --phase and --strain.")
        return [_origin(node, _context(node))]
    if not isinstance(node, orm.WorkChainNode):
        raise QdsimError(
            f"Node {node.pk} is of type {type(node).__name__}: give a campaign, a work chain that returned structures, "
            "or a StructureData."
        )
    context = _context(node)
    return [_origin(found.node, context) for found in _chosen(node, phase or "relaxed", strains)]


class _Returned(NamedTuple):
    """A structure that a work chain returned; `strain` is empty where it belongs to no strain."""

    strain: str
    phase: str
    node: StructureData


def _chosen(process: WorkChainNode, phase: Phase, strains: Sequence[str]) -> list[_Returned]:
    """Return the structures of a phase that a work chain has returned, or those of some strains."""
    returned = _returned(process)
    label = single_line(process.label)
    name = f"Campaign '{label}'" if _is_campaign(process) else f"{process.process_label} {process.pk}"
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
        more = f"qdsim status {label}" if _is_campaign(process) else f"verdi process report {process.pk}"
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
        *before, last = link.link_label.split("__")
        strain = before[-1] if before and last in PHASES else ""
        found.append(_Returned(strain, last if last in PHASES else "relaxed", cast("StructureData", link.node)))
    return sorted(found, key=lambda one: one.strain)


@dataclass(frozen=True)
class _Context:
    """What the structures of a campaign have in common, and their names by UUID."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def _context(node: Node) -> _Context:
    """Find the campaign that a node was made in, and describe it."""
    from aiida import orm

    process: ProcessNode | None = node if isinstance(node, orm.ProcessNode) else node.creator
    while process is not None and not _is_campaign(process):
        process = process.caller
    if process is None:
        return _Context()
    campaign = cast("WorkChainNode", process)
    versions = sorted({run.version for run in calculations(campaign) if run.version})
    names = {
        structure.uuid: f"{point} {phase}"
        for point, phases in strain_structures(campaign).items()
        for phase, structure in phases.items()
    }
    facts = {
        "campaign": campaign.label,
        "campaign_uuid": campaign.uuid,
        "code": ", ".join(f"CP2K {version}" for version in versions) or None,
        "settings": _settings(campaign),
    }
    return _Context(facts, names)


def _is_campaign(process: ProcessNode) -> bool:
    return process.process_type == CAMPAIGN_PROCESS


def _origin(node: StructureData, context: _Context) -> Origin:
    label = context.names.get(node.uuid) or single_line(node.label) or f"structure {node.pk}"
    try:
        atoms = node.get_ase()
    except ValueError as error:  # AiiDA's, for kinds that are alloys or have vacancies
        raise QdsimError(f"{label} has sites that are shared or partly empty, which no export here keeps.") from error
    return Origin.of(atoms, uuid=node.uuid, label=label, **context.facts)


def _settings(campaign: WorkChainNode) -> dict[str, str | int | float]:
    """Return how a campaign computed, flat, with units."""
    document = campaign.inputs.campaign.get_dict()
    settings = {name: value for name, value in document.get("settings", {}).items() if name not in _NO_SETTINGS}
    functional = _functional(campaign)
    return ({} if functional is None else {"functional": functional}) | _flat(settings)


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            found[before + name] = " ".join(map(str, value))
        elif name in _UNITS:
            found[before + name] = f"{value:g} {_UNITS[name]}"
        elif value is not None:
            found[before + name] = value
    return found


def _functional(campaign: WorkChainNode) -> str | None:
    """Return the name of the functional in the input of CP2K, or None where it has none of that kind."""
    try:
        section = campaign.inputs.strain.cp2k.parameters["FORCE_EVAL"]["DFT"]["XC"]["XC_FUNCTIONAL"]
    except (AttributeError, KeyError, TypeError):
        return None
    if isinstance(section, Mapping):
        return str(section["_"]) if "_" in section else " + ".join(section)
    return str(section)
