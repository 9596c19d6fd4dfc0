"""Campaigns and their results documents, read for many campaigns at once.

No query here filters by the type of a link, which follows from the classes of the nodes at its ends, or by a label that
most campaigns have many of: SQLite would begin with all links of that type or label, which takes minutes in a large
profile, where the nodes lead to the few that are wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qdsim.provenance.campaigns import CAMPAIGN_PROCESS, TERMINATED, TaskState, ended_state

if TYPE_CHECKING:
    from datetime import datetime

    from aiida.orm import QueryBuilder

SECTIONS = ("strain", "phonon", "vacancy", "dipole", "scattering")
COMPOUND_INPUTS = ("strain__lattice", "vacancy__lattice", "phonon__settings", "dipole__settings")
"""Inputs of a campaign that name its compound."""
STATE = ("attributes.process_state", "attributes.exit_status", "attributes.exit_message")
PROCESS = ["id", "uuid", "label", *STATE, "ctime", "mtime"]
"""What is read of a process: see `process_record`."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it is stored.

    Attributes
    ----------
    pk, uuid, label
        Of the process.
    state
        In one word.
    exit_status, message
        What it ended with; None where it has not, or was killed.
    created, changed
        When.
    """

    pk: int
    uuid: str
    label: str
    state: TaskState
    exit_status: int | None
    message: str | None
    created: datetime
    changed: datetime


@dataclass(frozen=True)
class CampaignRecord:
    """A campaign: its process, what it computes, and the document that it was made from."""

    process: ProcessRecord
    compound: str
    document: Mapping[str, Any] = field(repr=False)

    @property
    def pk(self) -> int:
        """Of the process."""
        return self.process.pk

    @property
    def name(self) -> str:
        """Of the campaign."""
        return self.process.label

    @property
    def file(self) -> Mapping[str, Any]:
        """What the campaign file says."""
        found: Mapping[str, Any] = self.document.get("campaign", {})
        return found

    def protocol(self, section: str) -> str | None:
        """Return the protocol of a section: see `protocol_of`."""
        return protocol_of(self.file, section)


def protocol_of(file: Mapping[str, Any], section: str) -> str | None:
    """Return the protocol that a campaign file gives a section: its own, or the campaign's; checks have none."""
    if section == "scattering":
        return None
    name = (file.get(section) or {}).get("protocol", file.get("protocol"))
    return None if name is None else str(name)


@dataclass(frozen=True)
class ResultDocument:
    """A results document of a section of a campaign."""

    campaign: int
    section: str
    name: str
    pk: int
    uuid: str
    created: datetime
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Part:
    """A section of a campaign, or a work chain that it has called; the label of a section is empty."""

    campaign: int
    section: str
    label: str
    process: ProcessRecord


def read_campaigns(name: str | None = None) -> list[CampaignRecord]:
    """Return all campaigns, or those of a name, the newest first."""
    from aiida import orm

    filters = {"process_type": CAMPAIGN_PROCESS} | ({} if name is None else {"label": name})
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters=filters, tag="campaign", project=PROCESS)
    query.append(
        orm.Dict, with_outgoing="campaign", edge_filters={"label": "campaign"}, project="attributes", tag="document"
    )
    query.order_by({"campaign": [{"ctime": "desc"}, {"id": "desc"}]})
    found = [(process_record(row["campaign"]), row["document"]["attributes"]) for row in query.dict()]
    compounds = _compounds([process.pk for process, _ in found])
    return [
        CampaignRecord(process, compounds.get(process.pk) or document["campaign"].get("compound") or "?", document)
        for process, document in found
    ]


def _compounds(campaigns: Sequence[int]) -> dict[int, str]:
    from aiida import orm

    if not campaigns:
        return {}
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": campaigns}}, tag="campaign", project="id")
    query.append(
        orm.Dict,
        with_outgoing="campaign",
        edge_filters={"label": {"in": list(COMPOUND_INPUTS)}},
        project="attributes.compound",
    )
    return dict(query.all())


def undistorted_volumes(campaigns: Sequence[int]) -> dict[int, float]:
    """Return the volume of the undistorted crystal that vacancies of campaigns are counted from, Å^3 a formula unit."""
    from aiida import orm

    if not campaigns:
        return {}
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": campaigns}}, tag="campaign", project="id")
    query.append(
        orm.Dict,
        with_outgoing="campaign",
        edge_filters={"label": "vacancy__settings"},
        project=["attributes.reference", "attributes.hosts"],
    )
    return {
        campaign: host["volume"]
        for campaign, reference, hosts in query.all()
        for host in hosts
        if host["label"] == reference
    }


def read_documents(campaigns: Sequence[int], wanted: Collection[tuple[str, str]] | None = None) -> list[ResultDocument]:
    """Return results documents of campaigns.

    Parameters
    ----------
    campaigns
        PKs.
    wanted
        Section and name of the documents; None for all but maps of chi^2.
    """
    from aiida import orm

    if not campaigns:
        return []
    names = {"in": sorted({name for _, name in wanted})} if wanted is not None else {"!like": r"%\_\_map"}
    sections = SECTIONS if wanted is None else sorted({section for section, _ in wanted})
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": campaigns}}, tag="campaign", project="id")
    query.append(
        orm.WorkChainNode,
        with_incoming="campaign",
        edge_filters={"label": {"in": list(sections)}},
        edge_project="label",
        tag="section",
    )
    query.append(
        orm.Dict,
        with_incoming="section",
        edge_filters={"label": names},
        edge_project="label",
        project=["id", "uuid", "ctime", "attributes"],
        tag="document",
    )
    query.order_by({"document": "id"})
    return [
        ResultDocument(
            campaign=row["campaign"]["id"],
            section=row["campaign--section"]["label"],
            name=row["section--document"]["label"],
            pk=row["document"]["id"],
            uuid=row["document"]["uuid"],
            created=row["document"]["ctime"],
            content=row["document"]["attributes"],
        )
        for row in query.dict()
    ]


def read_parts(campaigns: Sequence[int]) -> list[Part]:
    """Return the sections of campaigns, and the work chains that these have called."""
    if not campaigns:
        return []
    found = []
    for depth in (1, 2):
        query = _calls_of(campaigns, depth)
        query.add_projection(str(depth), PROCESS)
        for row in query.dict():
            section, label = row["0--1"]["label"], row["1--2"]["label"] if depth > 1 else ""
            found.append(Part(row["0"]["id"], section, label, process_record(row[str(depth)])))
    return found


def _calls_of(campaigns: Sequence[int], depth: int) -> QueryBuilder:
    """Return a query for the work chains so many calls below campaigns.

    It gives the campaign's PK, whose tag is `"0"`, and the labels of the calls; the work chains' tags are `"1"`, `"2"`
    and so on.
    """
    from aiida import orm

    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": campaigns}}, tag="0", project="id")
    for level in range(1, depth + 1):
        query.append(
            orm.WorkChainNode,
            with_incoming=str(level - 1),
            edge_project="label",
            tag=str(level),
        )
    return query


def process_record(columns: Mapping[str, Any]) -> ProcessRecord:
    """Return a process of its columns `PROCESS` in a query."""
    state, exit_status, message = (columns[name] for name in STATE)
    return ProcessRecord(
        pk=columns["id"],
        uuid=columns["uuid"],
        label=columns["label"],
        state=state_of_record(state, exit_status),
        exit_status=exit_status,
        message=message,
        created=columns["ctime"],
        changed=columns["mtime"],
    )


def state_of_record(state: str | None, exit_status: int | None) -> TaskState:
    """Return the state of a process in one word, of what is stored of it."""
    if state is not None and state in TERMINATED:
        return ended_state(state, exit_status)
    return "waiting" if state in {None, "created"} else "running"
