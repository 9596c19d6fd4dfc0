"""From a number, as it is printed, to the quantity that it is, and to the CP2K calculations behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qdsim.analysis.result_rows import Number, numbers
from qdsim.errors import QdsimError
from qdsim.provenance.choice import find_campaign
from qdsim.provenance.cp2k_inputs import INPUT, describe_input
from qdsim.provenance.documents import CampaignRecord, ResultDocument, read_campaigns, read_documents
from qdsim.provenance.trace import trace_back

if TYPE_CHECKING:
    from datetime import datetime

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ROUNDING = 1e-6
"""Of half a unit in the last decimal, by which a match may miss: binary numbers are no decimal ones."""
ONLY_FOR_STRAIN = {"linear_strain", "volumetric_strain", "eos_pressure"}
"""What of a strain point follows from the equation of state, too; the pressure of a crystal is of its own stress."""


ITEMS = ("points", "states", "rows", "clusters", "hosts", "formation_energies", "equilibria")
"""Lists of documents whose items were computed each by itself."""


@dataclass(frozen=True)
class Match:
    """A number of a results document that is printed as the one that was asked for.

    Attributes
    ----------
    campaign
        Name.
    section, document, uuid
        Of the campaign, of the section's output, and of its node.
    number
        With its path.
    difference
        From what was asked for, in the unit that is printed.
    """

    campaign: str
    section: str
    document: str
    uuid: str
    number: Number
    difference: float
    record: CampaignRecord = field(repr=False)
    source: ResultDocument = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """What CP2K calculations had in common, and which they are.

    Attributes
    ----------
    run_type, functional, k_points
        As in CP2K's input; None for the Gamma point.
    cutoff, rel_cutoff
        Ry.
    eps_default, eps_scf
        As in the input.
    smearing_temperature
        K; None where levels are filled or empty.
    charge
        Of the cell, in elementary charges.
    poisson_solver
        Of a cluster alone in its cell.
    basis_sets, potentials
        By kind of atom.
    files
        That these are in.
    version, code, computer
        Of CP2K; the labels in AiiDA.
    first, last
        When the calculations were made.
    calculations
        UUIDs.
    """

    run_type: str | None
    functional: str | None
    k_points: str | None
    cutoff: float | None
    rel_cutoff: float | None
    eps_default: float | None
    eps_scf: float | None
    smearing_temperature: float | None
    charge: int
    poisson_solver: str | None
    basis_sets: Mapping[str, str]
    potentials: Mapping[str, str]
    files: tuple[str, ...]
    version: str | None
    code: str
    computer: str | None
    first: datetime
    last: datetime
    calculations: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """What is behind a match: protocol with overrides, and the CP2K calculations by their settings."""

    match: Match
    protocol: str | None
    overrides: Mapping[str, Any]
    settings: tuple[Settings, ...]


def find_number(text: str, campaign: str | None = None) -> list[Match]:
    """Return the numbers of results documents that are printed so, those of the newest campaign first.

    Parameters
    ----------
    text
        As in a table or a report; what follows the number, such as its error or unit, does not count. With a sign, only
        numbers of that sign are meant.
    campaign
        Name, PK or UUID of the campaign to look in; None for all.

    Raises
    ------
    QdsimError
        If that is no number, or there is no such campaign.
    """
    wanted = _Printed.of(text)
    only = None if campaign is None else find_campaign(campaign).pk
    records = {record.pk: record for record in read_campaigns() if only in {None, record.pk}}
    order = {pk: place for place, pk in enumerate(records)}
    found = []
    for document in read_documents(list(records)):
        record = records[document.campaign]
        for number in numbers(document.content):
            difference = wanted.difference(number)
            if difference is not None:
                name = document.name.replace("__", ".")
                match = (record.name, document.section, name, document.uuid, number, difference, record, document)
                found.append(Match(*match))
    return sorted(
        found, key=lambda match: (order[match.record.pk], abs(match.difference), match.number.path.count("."))
    )


@dataclass(frozen=True)
class _Printed:
    """A number as it is printed: its value, half a unit in its last decimal, and whether it has a sign."""

    value: float
    half: float
    signed: bool

    @classmethod
    def of(cls, text: str) -> _Printed:
        plain = text.strip().replace("−", "-").replace(",", "")
        found = _NUMBER.match(plain)
        if found is None:
            raise QdsimError(f"'{text}' is no number: give one as it is printed, such as 6.00727 or +0.651.")
        exponent = Decimal(found[0]).as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError(f"{found[0]} has no last decimal")
        return cls(float(found[0]), 0.5 * 10.0**exponent, found[0][0] in "+-")

    def difference(self, number: Number) -> float | None:
        """Return by how much a number, as documents or as tables have it, differs; None where by too much."""
        for factor in {number.unit.factor, 1.0}:
            for sign in (1,) if self.signed else (1, -1):
                difference = sign * factor * number.value - self.value
                if abs(difference) <= self.half * (1 + ROUNDING):
                    return difference
        return None


def origin_of(match: Match) -> Origin:
    """Return what a match was made from: the calculations that its part of the document rests on."""
    others = _others(match)
    point = match.section == "strain" and match.number.path.startswith("points.")
    if point and match.number.path.rpartition(".")[2] not in ONLY_FOR_STRAIN:
        others.add("equation_of_state")
    traced = trace_back(match.source.pk, lambda label: label.partition("__")[0] not in others)
    runs = [run.pk for run in traced.calculations()]
    if not runs:  # what a label leaves out may be all there is
        runs = [run.pk for run in trace_back(match.source.pk, lambda _: True).calculations()]
    section = match.record.file.get(match.section) or {}
    own = "protocol" in section
    overrides = section.get("overrides", {}) if own else match.record.file.get("overrides", {})
    return Origin(match, match.record.protocol(match.section), overrides, tuple(_settings(runs)))


def _others(match: Match) -> set[str]:
    """Return the labels of the strains, crystals, hosts or clusters of a document that a match is not about.

    There are none where it is about all of them.
    """
    content = match.source.content
    about = {*match.number.labels, *_hosts(content, match.number.path)}
    if not about:
        return set()
    items = [item for part in ITEMS for item in content.get(part) or () if isinstance(item, Mapping)]
    return {str(item[name]) for item in items for name in ("label", "host") if item.get(name)} - about


def _hosts(content: Any, path: str) -> Iterator[str]:
    """Yield the hosts of vacancies that a path leads through."""
    for name in path.split("."):
        if isinstance(content, list) and name.isdecimal():
            content = content[int(name)]
        elif isinstance(content, Mapping):
            content = content.get(name)
        else:  # an item that goes by its label
            return
        if isinstance(content, Mapping) and content.get("host"):
            yield str(content["host"])


def _settings(runs: Sequence[int]) -> Iterator[Settings]:
    """Yield the settings of calculations (PKs), those of most calculations first."""
    from aiida import orm

    if not runs:
        return
    query = orm.QueryBuilder()
    query.append(orm.CalcJobNode, filters={"id": {"in": list(runs)}}, tag="run", project=["uuid", "ctime"])
    query.append(
        orm.Dict,
        with_outgoing="run",
        edge_filters={"label": "parameters"},
        tag="parameters",
        project=[*INPUT],
    )
    query.append(orm.Code, with_outgoing="run", tag="code", project=["label"])
    query.append(orm.Computer, with_node="run", tag="computer", project=["label"])
    query.append(orm.Dict, with_incoming="run", tag="output", project=["attributes.cp2k_version"])
    groups: dict[str, list[tuple[str, datetime]]] = {}
    first: dict[str, dict[str, Any]] = {}
    for row in query.dict():
        described = describe_input(row["parameters"]) | {
            "version": row["output"]["attributes.cp2k_version"],
            "code": row["code"]["label"],
            "computer": row["computer"]["label"],
        }
        key = repr(described)
        first[key] = described
        groups.setdefault(key, []).append((row["run"]["uuid"], row["run"]["ctime"]))
    for key, made in sorted(groups.items(), key=lambda group: -len(group[1])):
        dates = [date for _, date in made]
        uuids = tuple(uuid for uuid, _ in sorted(made, key=lambda one: one[1]))
        yield Settings(**first[key], first=min(dates), last=max(dates), calculations=uuids)
