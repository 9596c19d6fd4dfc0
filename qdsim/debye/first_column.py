"""What the first column of a pattern is: as its file states it, as it is asked for, or as its numbers look."""

from collections.abc import Mapping, Sequence
from math import inf, pi
from pathlib import Path

from qdsim.debye.abscissa import HIGHEST_Q, QUANTITY_NAMES, Quantity
from qdsim.debye.axis_labels import Axis, agreed_axis, axes_of_header, column_labels
from qdsim.debye.columns import Columns
from qdsim.debye.file_kinds import axis_of_function, check_function, function_of, gsas_bank
from qdsim.errors import QdsimError

_OF_UNITS: dict[str, Quantity] = {
    "Å^-1": "q",
    "nm^-1": "q_nm",
    "degrees": "two_theta",
    "radians": "two_theta_rad",
    "hundredths of a degree": "two_theta_centi",
}
_USUAL: dict[str, Quantity] = {"q": "q", "two_theta": "two_theta"}
_PER_ANGSTROM = {"q": 1.0, "q_nm": 10.0}


def stated_axis(columns: Columns, header: Sequence[str], metadata: Mapping[str, str]) -> Axis | None:
    """Return what labels, header and kind of a file say of x; None if they say nothing.

    Parameters
    ----------
    columns
        The file.
    header
        Those of its lines that describe the columns.
    metadata
        Entries of the header.

    Raises
    ------
    QdsimError
        If x is something else than Q or 2 theta, the file holds something else than intensities, it is not whole, or
        its labels contradict each other.
    """
    path, number = columns.path, columns.values.shape[1]
    labels = header[1:2] if columns.fit2d else header
    kind = function_of(path, metadata, column_labels(labels, number))
    check_function(path, kind, "I(Q)")
    axes = [*axes_of_header(labels, 1 if columns.fit2d else number), *axis_of_function(kind, path)]
    if bank := gsas_bank(header, path):
        axis, promised = bank
        check_number_of_points(columns, "its line BANK", promised)
        axes.append(axis)
    elif columns.fit2d:
        check_number_of_points(columns, f"line {len(columns.header)}", int(columns.header[-1]))
    return agreed_axis(axes, str(path))


def check_number_of_points(columns: Columns, place: str, promised: int) -> None:
    """Refuse a file that has not as many points as it promises.

    Raises
    ------
    QdsimError
        If it has more or fewer.
    """
    found = len(columns.values)
    if promised != found:
        raise QdsimError(
            f"{columns.path}, {place}: the header promises {promised} points and {found} follow; get the whole file, "
            "or correct the number."
        )


def chosen_quantity(
    path: Path, highest: float, said: Quantity | None, stated: Axis | None, wavelength: float | None
) -> tuple[Quantity, str]:
    """Return what x is, and how it was guessed if nobody said it.

    Parameters
    ----------
    path
        The file.
    highest
        The largest x.
    said
        What the user says.
    stated
        What the file states.
    wavelength
        Å; None if it is not known.

    Raises
    ------
    QdsimError
        If user, file and numbers contradict each other, or x may be degrees and there is no wavelength.
    """
    if said is not None:
        return _as_asked(path, said, stated), ""
    if stated is None:
        return _guessed(path, highest, wavelength)
    if stated.unit == "?":
        raise QdsimError(
            f"{path}: the unit in {stated.text!r} is not understood: correct it, or say --quantity q (Å^-1), q_nm, "
            "two_theta (degrees) or two_theta_rad."
        )
    kind = _OF_UNITS.get(stated.unit, _USUAL[stated.name])
    if highest > HIGHEST_Q * _PER_ANGSTROM.get(kind, inf):
        remedy = "correct the header, or" if stated.unit else "say --quantity q_nm, or"
        raise QdsimError(
            f"{path}: x runs to {highest:g}, which no diffractometer reaches in {QUANTITY_NAMES[kind][5:]} as the "
            f"header has it: {remedy} --quantity {kind} if it is right."
        )
    if not stated.certain:
        return kind, f"x is taken for {QUANTITY_NAMES[kind]}, for the header has the line {stated.text!r}"
    if kind == "q" and not stated.unit:
        return (
            kind,
            f"x, which runs to {highest:g}, is taken for Q in Å^-1, for its label has no unit",
        )
    return kind, ""


def _as_asked(path: Path, said: Quantity, stated: Axis | None) -> Quantity:
    if stated is None:
        return said
    named = _OF_UNITS.get(stated.unit)
    differs = named not in {None, said} and said != "two_theta"
    if differs or said.startswith("two_theta") != (stated.name == "two_theta"):
        raise QdsimError(
            f"{path}: the header says that x is {QUANTITY_NAMES[named or _USUAL[stated.name]]}, not "
            f"{QUANTITY_NAMES[said]} as asked for: correct the quantity, or the header."
        )
    return named or said


def _guessed(path: Path, highest: float, wavelength: float | None) -> tuple[Quantity, str]:
    """Return what numbers that nothing describes are taken for."""
    if wavelength is not None and highest > min(HIGHEST_Q, 4 * pi / wavelength):
        return (
            "two_theta",
            f"x, which runs to {highest:g}, is taken for 2 theta in degrees",
        )
    if highest > HIGHEST_Q:
        raise QdsimError(
            f"{path}: x runs to {highest:g}, which are degrees 2theta rather than Å^-1: give the wavelength "
            "(--wavelength, Å) or the energy (--energy, keV), or say --quantity q."
        )
    return "q", f"x, which runs to {highest:g}, is taken for Q in Å^-1"
