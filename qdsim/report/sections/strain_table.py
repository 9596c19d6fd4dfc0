"""Everything along the strain series as one table."""

from qdsim.analysis.ferroelectric import StrainPoint
from qdsim.report.content import Cell, Table, number, words
from qdsim.report.data import ReportData, points_by_strain
from qdsim.report.sections import Context, section

_HEADS = (
    ("linear strain", "%"),
    ("volumetric", "%"),
    ("a", "Å"),
    ("P, eq. of state", "GPa"),
    ("P, stress", "GPa"),
    ("α", "°"),
    ("offset", "Å"),
    ("3 short bonds", "Å"),
    ("3 long bonds", "Å"),
    ("energy gain", "meV / f.u."),
    ("gap centred", "eV"),
    ("gap relaxed", "eV"),
    ("space group", ""),
    ("single points", ""),
)


@section("Strain series", order=50)
def strain_table(data: ReportData) -> Context | None:
    """Return the table of the strain series."""
    if data.strain is None or not data.strain.points:
        return None
    caption = (
        "Relaxed phase at each strain. Each number shows its exact value and node on hover; a click copies the UUID."
    )
    rows = [_row(data, point) for point in points_by_strain(data.strain)]
    return {"tables": [Table(caption, _HEADS, rows)]}


def _row(data: ReportData, point: StrainPoint) -> list[Cell]:
    path = f"points.{point.label}"
    relaxed, centred = point.relaxed, point.centred
    gain = None if point.energy_gain is None else 1000 * point.energy_gain

    def of_relaxed(name: str, decimals: int, unit: str) -> Cell:
        value = None if relaxed is None else getattr(relaxed, name)
        return number(data, f"{path}.relaxed.{name}", value, decimals, unit)

    return [
        number(data, f"{path}.linear_strain", 100 * point.linear_strain, 2, "%", signed=True),
        number(data, f"{path}.volumetric_strain", 100 * point.volumetric_strain, 2, "%", signed=True),
        number(data, f"{path}.lattice_constant", point.lattice_constant, 4, "Å"),
        number(data, f"{path}.eos_pressure", point.eos_pressure, 2, "GPa"),
        of_relaxed("pressure", 2, "GPa"),
        of_relaxed("alpha_rh", 2, "°"),
        of_relaxed("pb_offset", 3, "Å"),
        of_relaxed("bond_short", 3, "Å"),
        of_relaxed("bond_long", 3, "Å"),
        number(data, f"{path}.energy_gain", gain, 2, "meV / f.u.", signed=True),
        number(data, f"{path}.centred.gap", None if centred is None else centred.gap, 3, "eV"),
        of_relaxed("gap", 3, "eV"),
        words(data, f"{path}.relaxed.space_group", None if relaxed is None else relaxed.space_group),
        of_relaxed("single_points", 0, ""),
    ]
