"""The settings of the campaign, versions and reference values."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from qdsim.report.content import Cell, Table
from qdsim.report.data import Reference, ReportData
from qdsim.report.formatting import fixed, with_error
from qdsim.report.sections import Context, section

_REFERENCE_UNITS = {"lattice_constant": "Å", "pb_offset": "Å", "alpha_rh": "°"}


@section("Settings", order=80)
def settings(data: ReportData) -> Context:
    """Return the settings as rows of a name and a value, nested names joined by arrows."""
    versions: dict[str, JsonValue] = {"qdsim": data.qdsim_version}
    if data.code_version:
        versions["code"] = data.code_version
    rows = [[Cell(name), Cell(value)] for name, value in flatten({**versions, **data.settings})]
    tables = [Table("Set-up", [("setting", ""), ("value", "")], rows)]
    if data.references:
        tables.append(
            Table(
                "Reference values, not computed here",
                [("quantity", ""), ("value", ""), ("label", ""), ("source", "")],
                [_reference_row(reference) for reference in data.references],
            )
        )
    return {"tables": tables}


def flatten(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and value of each setting, depth first; lists of plain values stay on one line."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name} › ")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield from flatten({str(place): item for place, item in enumerate(value, 1)}, f"{name} › ")
        else:
            yield name, _plain(value)


def _plain(value: JsonValue) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        separator = " × " if all(isinstance(item, int) for item in value) else ", "
        return separator.join(_plain(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _reference_row(reference: Reference) -> list[Cell]:
    unit = _REFERENCE_UNITS[reference.quantity]
    value = (
        fixed(reference.value, 3, unit)
        if reference.error is None
        else with_error(reference.value, reference.error, unit, 3)
    )
    return [
        Cell(reference.quantity.replace("_", " ")),
        Cell(value, f"{reference.value!r} {unit}"),
        Cell(reference.label),
        Cell(reference.source),
    ]
