"""Results and CP2K calculations of all campaigns of the profile.

>>> find_results(Filter(compound="PbS", strain=(0.01, 0.02), kind="strain"))  # doctest: +SKIP
[Result(campaign='quickstart', kind='strain', label='linear_p0p0100', quantity='relaxed.pb_offset', ...), ...]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qdsim.analysis.result_rows import DOCUMENTS, KINDS, ResultRow, rows_of
from qdsim.analysis.strain import linear_strain
from qdsim.analysis.units import NO_UNIT, Unit
from qdsim.analysis.verdict import VERDICTS
from qdsim.documents import nearest
from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import TaskState
from qdsim.provenance.documents import (
    SECTIONS,
    CampaignRecord,
    ProcessRecord,
    ResultDocument,
    read_campaigns,
    read_documents,
    read_parts,
    undistorted_volumes,
)
from qdsim.provenance.runs import Run, code_versions, newest_runs, ways_to_roots

if TYPE_CHECKING:
    from datetime import datetime

STRAIN_TOLERANCE = 1e-6
"""By which a strain may lie outside of a range: those of documents follow from volumes."""
PAGE = 500
"""CP2K calculations that are looked at together, the newest first, where only so many are wanted."""
NEWEST = 32
"""Campaigns that are looked at first where only so many results are wanted; mostly no other is needed."""
HOSTS = ("vacancy", "results")
"""Section and name of the document that the hosts of vacancies are described in."""
STATES = ("waiting", "running", "done", "failed", "cancelled")


@dataclass(frozen=True)
class Filter:
    """What to look for; None is anything.

    Attributes
    ----------
    campaign, compound, protocol
        Names. A campaign may have been run several times under its name: its PK tells which is meant.
    code_version
        Of CP2K, such as "2023.1".
    state, exit_code
        Of the process that gave a result, or of a calculation.
    since, until
        When the result was stored, or the calculation last changed; with a time zone, both included.
    kind
        Of a result: see `qdsim.analysis.result_rows.KINDS`.
    quantity
        Of a result, such as ``relaxed.gap``; None for the headline of each kind.
    strain
        Lowest and highest linear strain, fractions, both included.
    host, charge
        Of a vacancy.
    verdict
        Of a check by scattering.
    """

    campaign: str | None = None
    compound: str | None = None
    protocol: str | None = None
    code_version: str | None = None
    state: str | None = None
    exit_code: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    quantity: str | None = None
    strain: tuple[float, float] | None = None
    host: str | None = None
    charge: int | None = None
    verdict: str | None = None


RESULTS_ONLY = ("kind", "quantity", "strain", "host", "charge", "verdict")
"""Filters for which calculations have nothing to compare."""


@dataclass(frozen=True)
class Result:
    """One number of a results document, or a part of a campaign that has none (yet).

    Attributes
    ----------
    campaign, campaign_pk, compound
        Names; a campaign of the same name may be another one.
    kind, label, quantity
        What the number is of.
    value, unit
        The number, None where it is missing, and the unit of its document, which knows how it is printed.
    strain
        Linear strain, a fraction, where known.
    host, charge
        Of a vacancy.
    verdict
        Of a check by scattering.
    protocol
        Of the campaign's section.
    code_version
        Of CP2K; several, separated by commas, where the campaign's calculations were made with several.
    date
        When it was stored.
    state, exit_code
        Of the process that gave it.
    message
        Why the number is missing, or doubtful.
    path, uuid
        Where in which node's document it is; for a part without a number, the process.
    """

    campaign: str
    campaign_pk: int
    compound: str
    kind: str
    label: str
    quantity: str | None
    value: float | None
    unit: Unit
    strain: float | None
    host: str | None
    charge: int | None
    verdict: str | None
    protocol: str | None
    code_version: str
    date: datetime
    state: TaskState
    exit_code: int | None
    message: str | None
    path: str
    uuid: str


@dataclass(frozen=True)
class CalculationRecord:
    """One CP2K calculation.

    Attributes
    ----------
    campaign, campaign_pk, compound, section, label
        Whose it is; the label joins those of the work chains that led to it.
    protocol, code_version
        The latter is None where CP2K's output was not read.
    state, exit_code, message
        Of the calculation.
    reused
        Taken from AiiDA's cache.
    energy, wall_time
        Of the cell, eV; s by CP2K's own clock.
    date
        When it last changed.
    pk, uuid
        Of the calculation.
    """

    campaign: str
    campaign_pk: int
    compound: str
    section: str
    label: str
    protocol: str | None
    code_version: str | None
    state: TaskState
    exit_code: int | None
    message: str | None
    reused: bool
    energy: float | None
    wall_time: float | None
    date: datetime
    pk: int
    uuid: str


@dataclass(frozen=True)
class CampaignRow:
    """A row of a results document, with all that is known of where it is from.

    Attributes
    ----------
    campaign, section
        Whose it is.
    row
        Of the document; without numbers for a part that has none.
    process
        That gave it.
    uuid, date
        Of the document, or of the process.
    """

    campaign: CampaignRecord
    section: str
    row: ResultRow
    process: ProcessRecord
    uuid: str
    date: datetime

    @property
    def protocol(self) -> str | None:
        """Of the section."""
        return self.campaign.protocol(self.section)


def find_results(wanted: Filter | None = None, limit: int | None = None) -> list[Result]:
    """Return results of all campaigns, the newest campaign first.

    Parameters
    ----------
    wanted
        Which; None for the headline of every result.
    limit
        How many at most; None for all.

    Raises
    ------
    QdsimError
        If a filter names what no campaign has; the nearest name is offered.
    """
    wanted = wanted or Filter()
    _check("kind", wanted.kind, KINDS)
    _check("verdict", wanted.verdict, VERDICTS)
    _check("state", wanted.state, STATES)
    campaigns = _chosen_campaigns(wanted)
    rows: list[CampaignRow] = []
    chosen: list[CampaignRow] = []
    versions: dict[int, list[str]] = {}
    for some in (campaigns,) if limit is None else (campaigns[:NEWEST], campaigns[NEWEST:]):
        found = rows_of_campaigns(some)
        matching = [row for row in found if _matches(row, wanted)]
        if wanted.code_version is not None:
            versions |= code_versions([campaign.pk for campaign in some])
            matching = [row for row in matching if wanted.code_version in versions.get(row.campaign.pk, ())]
        rows += found
        chosen += matching
        if limit is not None and len(chosen) >= limit:
            break
    if not chosen:
        _check("protocol", wanted.protocol, {row.protocol for row in rows})
        _check("host", wanted.host, {row.row.host for row in rows})
        if wanted.quantity is not None:
            _check("quantity", wanted.quantity, {name for row in rows for name in row.row.numbers})
        _check("version of CP2K", wanted.code_version, {one for found in versions.values() for one in found})
    chosen = chosen[:limit]
    if wanted.code_version is None:
        versions = code_versions(sorted({row.campaign.pk for row in chosen}))
    return [_result(row, row.row.headline if wanted.quantity is None else wanted.quantity, versions) for row in chosen]


def find_calculations(wanted: Filter | None = None, limit: int | None = None) -> list[CalculationRecord]:
    """Return CP2K calculations of all campaigns, the newest first.

    Parameters
    ----------
    wanted
        Which; None for all.
    limit
        How many at most; None for all.

    Raises
    ------
    QdsimError
        If a filter names what no campaign has (the nearest name is offered), or is one for results.
    """
    wanted = wanted or Filter()
    for name in RESULTS_ONLY:
        if getattr(wanted, name) is not None:
            raise QdsimError(f"A calculation has no {name} to filter by: leave that out, or look for results.")
    campaigns = {campaign.pk: campaign for campaign in _chosen_campaigns(wanted)}
    _check("state", wanted.state, STATES)
    _check("protocol", wanted.protocol, {one.protocol(section) for one in campaigns.values() for section in SECTIONS})
    if wanted.code_version is not None:
        known = {version for found in code_versions(list(campaigns)).values() for version in found}
        _check("version of CP2K", wanted.code_version, known)
    found: list[CalculationRecord] = []
    for runs in newest_runs(_filters_of_runs(wanted), wanted.code_version, None if limit is None else PAGE):
        found += _records(runs, wanted, campaigns)
        if limit is not None and len(found) >= limit:
            break
    return found[:limit]


def _filters_of_runs(wanted: Filter) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = []
    if wanted.since is not None:
        filters.append({"mtime": {">=": wanted.since}})
    if wanted.until is not None:
        filters.append({"mtime": {"<=": wanted.until}})
    if wanted.exit_code is not None:
        filters.append({"attributes.exit_status": wanted.exit_code})
    return filters


def _records(
    runs: Sequence[Run], wanted: Filter, campaigns: Mapping[int, CampaignRecord]
) -> Iterator[CalculationRecord]:
    """Yield those of the runs that are of the campaigns, and wanted."""
    ways = ways_to_roots([run.process.pk for run in runs])
    for run in runs:
        root, calls = ways[run.process.pk]
        campaign, process = campaigns.get(root), run.process
        if campaign is None:
            continue
        section, *labels = calls
        protocol = campaign.protocol(section)
        if wanted.state in {None, process.state} and wanted.protocol in {None, protocol}:
            yield CalculationRecord(
                campaign=campaign.name,
                campaign_pk=campaign.pk,
                compound=campaign.compound,
                section=section,
                label="__".join(labels),
                protocol=protocol,
                code_version=run.code_version,
                state=process.state,
                exit_code=process.exit_status,
                message=process.message,
                reused=run.reused,
                energy=run.energy,
                wall_time=run.wall_time,
                date=process.changed,
                pk=process.pk,
                uuid=process.uuid,
            )


def rows_of_campaigns(campaigns: Sequence[CampaignRecord]) -> list[CampaignRow]:
    """Return the rows of all results documents of campaigns, in the order of the campaigns.

    What has been called and has no row, because it failed or still runs, gets one without numbers.
    """
    pks = [campaign.pk for campaign in campaigns]
    by_pk = {campaign.pk: campaign for campaign in campaigns}
    # All parts of a campaign that succeeded have: only those of the others need to be looked at.
    unsuccessful = [campaign.pk for campaign in campaigns if campaign.process.state != "done"]
    parts = {(part.campaign, part.section, part.label): part.process for part in read_parts(unsuccessful)}
    found: dict[int, list[CampaignRow]] = {pk: [] for pk in pks}
    told: set[tuple[int, str, str]] = set()
    documents = read_documents(pks, (*DOCUMENTS, HOSTS))
    strains = _strains_of_hosts(documents, undistorted_volumes(pks))
    for document in documents:
        for found_row in rows_of(document.section, document.name, document.content):
            strain = strains.get((document.campaign, found_row.host or ""))
            row = found_row if strain is None else replace(found_row, strain=strain)
            campaign = by_pk[document.campaign]
            keys = [(document.campaign, document.section, label) for label in (row.label, row.host or "", "")]
            process = next((parts[key] for key in keys if key in parts), campaign.process)
            told.update(keys)
            found[document.campaign].append(
                CampaignRow(campaign, document.section, row, process, document.uuid, document.created)
            )
    # From the calls inwards out: a section whose parts are told, or a campaign whose sections are, needs no row.
    for (pk, section, label), process in sorted(parts.items(), key=lambda item: not item[0][2]):
        if process.state != "done" and (pk, section, label) not in told:
            told.add((pk, section, ""))
            found[pk].append(_without_numbers(by_pk[pk], section, label, process))
    for campaign in campaigns:
        if campaign.process.state != "done" and not found[campaign.pk]:
            found[campaign.pk].append(_without_numbers(campaign, "campaign", "", campaign.process))
    return [row for rows in found.values() for row in rows]


def _strains_of_hosts(
    documents: Sequence[ResultDocument], undistorted: Mapping[int, float]
) -> dict[tuple[int, str], float]:
    """Return the linear strain of each host of vacancies by the PK of its campaign and its label.

    It is that of the computed cell, against the campaign's own equation of state where there is one: strains of one
    campaign compare with each other. Else it is against the undistorted crystal that the plan begins with.
    """
    fitted = {
        document.campaign: document.content["equation_of_state"]["volume"]
        for document in documents
        if document.section == "strain" and document.content.get("equation_of_state")
    }
    zeros = {**undistorted, **fitted}
    return {
        (document.campaign, host["label"]): linear_strain(host["volume"], zeros[document.campaign])
        for document in documents
        if (document.section, document.name) == HOSTS and document.campaign in zeros
        for host in document.content.get("hosts", ())
    }


def _without_numbers(campaign: CampaignRecord, section: str, label: str, process: ProcessRecord) -> CampaignRow:
    row = ResultRow(section, label, "", {}, None, message=process.message)
    return CampaignRow(campaign, section, row, process, process.uuid, process.changed)


def _chosen_campaigns(wanted: Filter) -> list[CampaignRecord]:
    campaigns = read_campaigns()
    _check("campaign", wanted.campaign, {name for campaign in campaigns for name in (campaign.name, str(campaign.pk))})
    _check("compound", wanted.compound, {campaign.compound for campaign in campaigns})
    return [
        campaign
        for campaign in campaigns
        if wanted.campaign in {None, campaign.name, str(campaign.pk)} and wanted.compound in {None, campaign.compound}
    ]


def _check(what: str, name: str | None, known: Collection[str | None]) -> None:
    """Refuse a name that nothing has, unless there is nothing at all."""
    names = [one for one in known if one is not None]
    if name is not None and names and name not in names:
        ordered = names if isinstance(known, tuple) else sorted(names)
        hint = nearest(name, ordered)
        raise QdsimError(f"There is no {what} '{name}'; {hint}{'' if hint.endswith('?') else '.'}")


def _matches(row: CampaignRow, wanted: Filter) -> bool:
    strain = row.row.strain
    return (
        wanted.kind in {None, row.row.kind}
        and wanted.host in {None, row.row.host}
        and wanted.charge in {None, row.row.charge}
        and wanted.verdict in {None, row.row.verdict}
        and wanted.protocol in {None, row.protocol}
        and wanted.state in {None, row.process.state}
        and wanted.exit_code in {None, row.process.exit_status}
        and (wanted.quantity is None or row.row.number(wanted.quantity) is not None)
        and (wanted.since is None or row.date >= wanted.since)
        and (wanted.until is None or row.date <= wanted.until)
        and (
            wanted.strain is None
            or (
                strain is not None
                and wanted.strain[0] - STRAIN_TOLERANCE <= strain <= wanted.strain[1] + STRAIN_TOLERANCE
            )
        )
    )


def _result(row: CampaignRow, quantity: str | None, versions: dict[int, list[str]]) -> Result:
    number = None if quantity is None else row.row.number(quantity)
    return Result(
        campaign=row.campaign.name,
        campaign_pk=row.campaign.pk,
        compound=row.campaign.compound,
        kind=row.row.kind,
        label=row.row.label,
        quantity=quantity,
        value=None if number is None else number.value,
        unit=NO_UNIT if number is None else number.unit,
        strain=row.row.strain,
        host=row.row.host,
        charge=row.row.charge,
        verdict=row.row.verdict,
        protocol=row.protocol,
        code_version=", ".join(versions.get(row.campaign.pk, ())),
        date=row.date,
        state=row.process.state,
        exit_code=row.process.exit_status,
        message=row.row.message,
        path=".".join(filter(None, (row.row.path, quantity))),
        uuid=row.uuid,
    )
