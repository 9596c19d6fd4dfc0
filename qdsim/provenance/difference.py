"""What differs between two campaigns: in their settings, and in their results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qdsim.analysis.units import Unit
from qdsim.provenance.campaigns import FINGERPRINT
from qdsim.provenance.choice import find_campaign
from qdsim.provenance.documents import CampaignRecord, read_campaigns
from qdsim.provenance.query import CampaignRow, rows_of_campaigns
from qdsim.provenance.runs import code_versions

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode

    from qdsim.analysis.result_rows import Number

NO_SETTINGS = {FINGERPRINT, "description"}
SAME = 1e-9
"""Relative difference below which numbers are equal: the same calculation read twice, or summed in another order."""
ABSENT = "–"


@dataclass(frozen=True)
class Setting:
    """A setting that two campaigns do not share; None where one does not have it."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Comparison:
    """A number of the same name in two campaigns; None where one does not have it.

    Attributes
    ----------
    kind, label, host, charge, quantity
        What it is of.
    first, second, difference
        In the unit's `symbol`; the second minus the first.
    unit
        Of all three.
    headline
        It stands for its row.
    """

    kind: str
    label: str
    host: str | None
    charge: int | None
    quantity: str
    first: float | None
    second: float | None
    difference: float | None
    unit: Unit
    headline: bool


@dataclass(frozen=True)
class Difference:
    """What two campaigns do not have in common.

    Attributes
    ----------
    names, uuids
        Of the campaigns.
    settings
        That differ.
    results
        That differ, or that one has alone.
    equal
        How many numbers are equal.
    """

    names: tuple[str, str]
    uuids: tuple[str, str]
    settings: tuple[Setting, ...]
    results: tuple[Comparison, ...]
    equal: int


def compare_campaigns(first: str | WorkChainNode, second: str | WorkChainNode) -> Difference:
    """Compare two campaigns.

    Parameters
    ----------
    first, second
        The campaigns, or what `qdsim.provenance.find_campaign` finds them by.

    Raises
    ------
    QdsimError
        If there is no such campaign (the nearest name is offered), or a name stands for several.
    """
    nodes = [find_campaign(one) if isinstance(one, str) else one for one in (first, second)]
    known = {campaign.pk: campaign for campaign in read_campaigns()}
    one, other = (known[node.pk] for node in nodes if node.pk is not None)
    settings = tuple(_settings(one, other))
    numbers = [_numbers(campaign) for campaign in (one, other)]
    compared = [_comparison(key, *(found.get(key) for found in numbers)) for key in {**numbers[0], **numbers[1]}]
    different = tuple(one for one in compared if not _equal(one.first, one.second))
    names, uuids = (one.name, other.name), (one.process.uuid, other.process.uuid)
    return Difference(names, uuids, settings, different, len(compared) - len(different))


def _settings(one: CampaignRecord, other: CampaignRecord) -> Iterator[Setting]:
    versions = code_versions([one.pk, other.pk])
    first, second = (
        {"CP2K": ", ".join(versions.get(campaign.pk, ())) or None, **flat(campaign.document)}
        for campaign in (one, other)
    )
    for name in {**first, **second}:
        if first.get(name) != second.get(name):
            yield Setting(name, first.get(name), second.get(name))


def flat(document: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the settings of a document by the names that lead to them, joined by dots; lists stay whole."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in NO_SETTINGS:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        elif value is not None:
            found[before + name] = value
    return found


_Key = tuple[str, str, str | None, int | None, str]


def _numbers(campaign: CampaignRecord) -> dict[_Key, tuple[CampaignRow, Number]]:
    return {
        (row.row.kind, row.row.label, row.row.host, row.row.charge, path): (row, number)
        for row in rows_of_campaigns([campaign])
        for path, number in row.row.numbers.items()
        if path != "charge"
    }


def _comparison(
    key: _Key, one: tuple[CampaignRow, Number] | None, other: tuple[CampaignRow, Number] | None
) -> Comparison:
    row, number = one or other or (None, None)
    if row is None or number is None:
        raise ValueError(f"{key} is in neither campaign")
    first, second = (None if found is None else found[1].value for found in (one, other))
    difference = None if first is None or second is None else second - first
    return Comparison(*key, first, second, difference, number.unit, row.row.headline == key[-1])


def _equal(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return False
    return abs(first - second) <= SAME * max(abs(first), abs(second), 1e-3)
