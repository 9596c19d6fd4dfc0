"""Every results document as rows: what a result is called, at which strain or in which host, and its numbers.

Documents are read as they are stored, without their models, so that those of an earlier version can be read too: what
is absent is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from qdsim.analysis.units import Unit, unit_of

Document = Mapping[str, Any]

NAMES_OF_ITEMS = ("label", "name")
"""Fields by which the items of a list go in a path; others go by their place."""
CURVES = {"bands", "density_of_states", "vacant_sites"}
"""What is shown as a figure only."""
COMPARED = {"computed", "computed_error", "measured", "measured_error", "difference", "error"}
"""Fields whose unit is that of the `quantity` beside them."""


class Number(NamedTuple):
    """A number of a document.

    Attributes
    ----------
    path
        Names of the fields that lead to it, items of a list by their label, such as `points.linear_p0p0100.volume`.
    value
        In the unit's `symbol`.
    unit
        Of the value.
    labels
        Labels of the items on the way.
    """

    path: str
    value: float
    unit: Unit
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ResultRow:
    """One result.

    Attributes
    ----------
    kind
        One of `KINDS`.
    label
        What it is called in its document.
    path
        Of what it stands for in the document.
    content
        Of that part.
    headline
        Path, in the row, of the number that stands for it; None where it is missing.
    strain
        Linear strain, a fraction, where known.
    host, charge
        Of a vacancy.
    verdict
        Of a comparison.
    message
        What the document says of it, such as why a number is missing.
    """

    kind: str
    label: str
    path: str
    content: Document = field(repr=False)
    headline: str | None
    strain: float | None = None
    host: str | None = None
    charge: int | None = None
    verdict: str | None = None
    message: str | None = None

    @cached_property
    def numbers(self) -> dict[str, Number]:
        """Its numbers, lists left out, by their path in the row."""
        return {number.path: number for number in numbers(self.content, lists=False)}

    def number(self, path: str) -> Number | None:
        """Return the number of a path in the row, None where there is none."""
        names = path.split(".")
        value: Any = self.content
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return Number(path, float(value), _unit(names, self.content.get("quantity")), ())


def numbers(value: Any, *, lists: bool = True) -> Iterator[Number]:
    """Yield every number of a document, except truth values and curves.

    Parameters
    ----------
    value
        The document.
    lists
        Look into lists, too.
    """
    yield from _numbers(value, lists, (), (), (), None)


def _numbers(
    value: Any,
    lists: bool,
    path: tuple[str, ...],
    fields: tuple[str, ...],
    labels: tuple[str, ...],
    quantity: str | None,
) -> Iterator[Number]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield Number(".".join(path), float(value), _unit(fields, quantity), labels)
    elif isinstance(value, Mapping):
        quantity = value["quantity"] if isinstance(value.get("quantity"), str) else quantity
        for name, inner in value.items():
            if name not in CURVES:
                yield from _numbers(inner, lists, (*path, name), (*fields, name), labels, quantity)
    elif isinstance(value, list | tuple) and lists:
        for place, item in enumerate(value):
            label = _label(item)
            inside = labels if label is None else (*labels, label)
            yield from _numbers(item, lists, (*path, label or str(place)), fields, inside, quantity)


def _unit(fields: Sequence[str], quantity: str | None) -> Unit:
    return unit_of([quantity] if quantity is not None and fields[-1] in COMPARED else fields)


def _label(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    return next((item[name] for name in NAMES_OF_ITEMS if isinstance(item.get(name), str) and item[name]), None)


def rows_of(section: str, name: str, document: Document) -> Iterator[ResultRow]:
    """Yield the rows of a document.

    Parameters
    ----------
    section
        Of the campaign: strain, phonon, vacancy, dipole or scattering.
    name
        Of the section's output: results, analysis or consistency.
    document
        Its content.
    """
    reader = _READERS.get((section, name))
    if reader is not None:
        yield from reader(document)


def _row(kind: str, label: str, path: str, item: Document, headlines: tuple[str, ...], **more: Any) -> ResultRow:
    message = item.get("message") or item.get("failure") or item.get("reason")
    row = ResultRow(kind, label, path, item, None, message=message, **more)
    return replace(row, headline=next((name for name in headlines if row.number(name) is not None), None))


def _strain_rows(document: Document) -> Iterator[ResultRow]:
    if document.get("equation_of_state"):
        path = "equation_of_state"
        yield _row("equation-of-state", path, path, document[path], ("lattice_constant",), strain=0.0)
    for path in ("onset_curvature", "onset_order_parameter"):
        onset = document.get(path)
        if onset:
            yield _row("onset", onset["method"], path, onset, ("linear_strain",), strain=onset["linear_strain"])
    for point in document.get("points", ()):
        path = f"points.{point['label']}"
        headlines = ("relaxed.pb_offset", "centred.energy")
        yield _row("strain", point["label"], path, point, headlines, strain=point["linear_strain"])


def _phonon_rows(document: Document) -> Iterator[ResultRow]:
    for row in document.get("rows", ()):
        strain = row.get("linear_strain")
        yield _row("phonon", row["label"], f"rows.{row['label']}", row, ("transverse_optical",), strain=strain)
    softening = document.get("softening")
    if softening:
        strain = softening["linear_strain"]
        yield _row("softening", "softening", "softening", softening, ("linear_strain",), strain=strain)
    for place, state in enumerate((document.get("expansion") or {}).get("states", ())):
        label, strain = f"{state['temperature']:g} K", state["linear_strain"]
        yield _row("expansion", label, f"expansion.states.{place}", state, ("lattice_constant",), strain=strain)


def _vacancy_rows(document: Document) -> Iterator[ResultRow]:
    for place, energy in enumerate(document.get("formation_energies", ())):
        yield _row(
            "vacancy",
            f"{energy['defect']}, {energy['reservoir']}",
            f"formation_energies.{place}",
            energy,
            ("relaxed.total", "unrelaxed.total"),
            host=energy["host"],
            charge=energy["charge"],
        )
    for place, equilibrium in enumerate(document.get("equilibria", ())):
        path, host = f"equilibria.{place}", equilibrium["host"]
        yield _row("equilibrium", equilibrium["reservoir"], path, equilibrium, ("fermi_level",), host=host)


def _dipole_rows(document: Document) -> Iterator[ResultRow]:
    for row in document.get("rows", ()):
        yield _row("dipole", row["label"], f"rows.{row['label']}", row, ("norm",))
    for particle, response in document.get("responses", {}).items():
        yield _row("effective-charge", particle, f"responses.{particle}", response, ("effective_charge",))


def _verdict_rows(document: Document) -> Iterator[ResultRow]:
    for sample in document.get("samples", ()):
        strains = {condition["name"]: condition["linear_strain"] for condition in sample["conditions"]}
        for place, row in enumerate(sample["rows"]):
            yield _row(
                "verdict",
                ", ".join(filter(None, (sample["name"], row["quantity"], row["condition"]))),
                f"samples.{sample['name']}.rows.{place}",
                row,
                ("computed", "measured"),
                strain=strains.get(row["condition"]),
                verdict=row["verdict"],
            )
        pattern = sample.get("pattern")
        if pattern:
            path = f"samples.{sample['name']}.pattern"
            yield _row("verdict", f"{sample['name']}, pattern", path, pattern, (), verdict=pattern["verdict"])


_READERS: dict[tuple[str, str], Callable[[Document], Iterator[ResultRow]]] = {
    ("strain", "results"): _strain_rows,
    ("phonon", "analysis"): _phonon_rows,
    ("vacancy", "analysis"): _vacancy_rows,
    ("dipole", "analysis"): _dipole_rows,
    ("scattering", "consistency"): _verdict_rows,
}
DOCUMENTS = tuple(_READERS)
"""Section and name of the documents that have rows."""
KINDS = (
    "strain",
    "equation-of-state",
    "onset",
    "phonon",
    "softening",
    "expansion",
    "vacancy",
    "equilibrium",
    "dipole",
    "effective-charge",
    "verdict",
)
"""What a row can be."""
