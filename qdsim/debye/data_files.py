"""Files of scattering data."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from warnings import warn

import numpy as np
import numpy.typing as npt

from qdsim.debye.abscissa import (
    HIGHEST_Q,
    QUANTITIES,
    STRAIGHT_BACK,
    Quantity,
    header_quantity,
    header_wavelength,
    q_from_two_theta,
    wavelength_of,
)
from qdsim.debye.columns import Columns, entries, read_columns
from qdsim.debye.data import ScatteringData, check_curve, check_order
from qdsim.errors import QdsimError, QdsimWarning

FloatArray = npt.NDArray[np.float64]

MOST_COLUMNS = 4
"""Q, intensity, its uncertainty, and the uncertainty of Q (not used), as small-angle instruments write them."""
TITLE = "qdsim scattering data"
"""First line of the files that `write_data` writes."""
FORMS: dict[int, tuple[str, ...]] = {
    1: ("intensity",),
    2: ("2 theta", "intensity"),
    3: ("intensity", "sigma"),
    4: ("2 theta", "intensity", "sigma"),
}
"""Columns of Debussy's data files by the number of their FORM."""

_OWN_LINES = 6
_NAMES: dict[Quantity, str] = {
    "q": "Q in Å^-1",
    "q_nm": "Q in nm^-1",
    "two_theta": "2 theta in degrees",
    "two_theta_rad": "2 theta in radians",
}
_SAME_STEPS = 1e-3


@dataclass(frozen=True, eq=False)
class _Pattern:
    """Columns of a file before their first one is known to be Q or an angle."""

    columns: Columns
    x: FloatArray
    intensity: FloatArray
    sigma: FloatArray | None


def read_data(
    path: str | Path,
    *,
    quantity: Quantity | None = None,
    wavelength: float | None = None,
    energy_kev: float | None = None,
    form: int | None = None,
    two_theta_range: tuple[float, float, float] | None = None,
) -> ScatteringData:
    """Read a powder pattern.

    ==================  ============================================================================================
    File                How it is read
    ==================  ============================================================================================
    ``.xye .xy .dat``   Columns x, intensity and, if there is a third, its uncertainty, separated by blanks, tabs,
    ``.csv .tsv``       commas or semicolons, with comments or lines of text before them; see `read_columns`. A
                        fourth column (the uncertainty of Q) is not used.
    pyFAI               The same; x from ``q_nm^-1``, ``q_A^-1``, ``2th_deg`` or ``2th_rad``, and the wavelength.
    FIT2D ``.chi``      Four lines (title, label of x, label of y, number of points) and columns; x from its label.
    Debussy             Columns and no header, told by `form`: 1 intensity; 2 two theta, intensity; 3 intensity,
                        uncertainty; 4 two theta, intensity, uncertainty. 1 and 3 need `two_theta_range`.
    ==================  ============================================================================================

    Parameters
    ----------
    path
        The file. Its contents decide, not its name.
    quantity
        What x is: ``"q"`` (Å^-1), ``"q_nm"`` (nm^-1), ``"two_theta"`` (degrees) or ``"two_theta_rad"``. If not given,
        the header is asked; if it says nothing, x above 35, or above 4 pi / lambda, is taken for degrees and other
        x for Q in Å^-1, which the entry ``assumed`` of the metadata tells.
    wavelength
        Å. Goes before the one in the file's header.
    energy_kev
        Energy of the photons in place of the wavelength, keV.
    form
        FORM of a data file of Debussy, 1 to 4.
    two_theta_range
        First angle, last angle and step of FORM 1 and 3, degrees.

    Returns
    -------
    ScatteringData
        On the file's own points, converted to Å^-1.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not a powder pattern, angles come without a wavelength, or the quantity,
        header and values contradict each other.
    """
    file = Path(path)
    if quantity is not None and quantity not in QUANTITIES:
        raise QdsimError(f"The quantity {quantity!r} is not known: use {', '.join(QUANTITIES)}.")
    given = wavelength_of(wavelength, energy_kev)
    columns = read_columns(file)
    header, source, metadata = columns.header, file.name, entries(columns.header)
    if header and header[0] == TITLE:
        header, metadata = header[:_OWN_LINES], entries(header[_OWN_LINES:])
        source = entries(header).get("source", "")
    if columns.fit2d:
        metadata = {"title": columns.header[0].strip(), **metadata}
        _check_number_of_points(columns)
    in_use = given or header_wavelength(header)
    kind: Quantity
    if form is not None:
        if quantity not in {None, "two_theta"}:
            raise QdsimError(f"FORM {form} has scattering angles, not {quantity}: leave out one of the two.")
        pattern, kind = _debussy(columns, form, two_theta_range), "two_theta"
    elif two_theta_range is not None:
        raise QdsimError("A range of scattering angles goes with FORM 1 or 3: give the form, too.")
    else:
        pattern = _pattern(columns)
        check_order(pattern.x, pattern.intensity, str(file))
        kind, assumed = _quantity(pattern, quantity, header_quantity(header[1:2] if columns.fit2d else header), in_use)
        if assumed:
            metadata["assumed"] = assumed
            if given and kind == "q":
                warn(
                    f"{file}: {assumed}, although a wavelength was given; say --quantity two_theta if x is an angle.",
                    QdsimWarning,
                    stacklevel=2,
                )
    q = _to_q(pattern, kind, in_use)
    return ScatteringData(q, pattern.intensity, pattern.sigma, in_use, source, metadata)


def write_data(path: str | Path, data: ScatteringData) -> None:
    """Write a powder pattern as columns Q, intensity and, if known, uncertainty, which `read_data` reads unchanged.

    The header tells quantity, unit, wavelength, source and columns, and the entries of the metadata.

    Raises
    ------
    QdsimError
        If the file cannot be written, or an entry of the metadata does not fit into a line ``key: value``.
    """
    columns = [data.q, data.intensity] + ([] if data.sigma is None else [data.sigma])
    header = [
        TITLE,
        "quantity: q",
        "unit: 1/Angstrom",
        f"wavelength: {'unknown' if data.wavelength is None else f'{data.wavelength!r} Angstrom'}",
        f"source: {data.source}",
        f"columns: {'q intensity sigma' if data.sigma is not None else 'q intensity'}",
        *(f"{key}: {value}" for key, value in data.metadata.items()),
    ]
    if entries(header[_OWN_LINES:]) != data.metadata:
        raise QdsimError(f"The metadata cannot be written to {path}: keep to single lines 'key: value'.")
    write_columns(Path(path), [f"# {line}" for line in header], columns)


def write_columns(path: Path, header: list[str], columns: list[FloatArray]) -> None:
    """Write lines, then columns of numbers with all their digits.

    Raises
    ------
    QdsimError
        If the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(f"{line}\n" for line in header)
            for row in zip(*columns, strict=True):
                file.write(" ".join([repr(float(number)) for number in row]) + "\n")
    except OSError as error:
        raise QdsimError(f"{path} cannot be written ({error.strerror}): choose another place.") from error


def _check_number_of_points(columns: Columns) -> None:
    promised, found = int(columns.header[-1]), len(columns.values)
    if promised != found:
        raise QdsimError(
            f"{columns.path}, line {len(columns.header)}: the header promises {promised} points and {found} follow; "
            "get the whole file, or correct the number."
        )


def _pattern(columns: Columns) -> _Pattern:
    number = columns.values.shape[1]
    if number == 1:
        raise QdsimError(
            f"{columns.path} has a single column: give x and intensity, or the FORM of Debussy with the range of "
            "scattering angles."
        )
    if number > MOST_COLUMNS:
        raise QdsimError(
            f"{columns.path} has {number} columns, and which of them are x, intensity and its uncertainty is not "
            "certain: keep those three."
        )
    x, intensity, *rest = columns.values.T
    return _Pattern(columns, x, intensity, rest[0] if rest else None)


def _debussy(columns: Columns, form: int, two_theta_range: tuple[float, float, float] | None) -> _Pattern:
    if form not in FORMS:
        raise QdsimError(f"FORM {form} is not known: use 1, 2, 3 or 4.")
    names, (rows, number) = FORMS[form], columns.values.shape
    if number != len(names):
        raise QdsimError(
            f"{columns.path} has {number} columns, and FORM {form} is {', '.join(names)}: correct the form."
        )
    by_name = dict(zip(names, columns.values.T, strict=True))
    if "2 theta" in by_name:
        if two_theta_range is not None:
            raise QdsimError(f"FORM {form} has the scattering angles in the file: leave out their range.")
        x = by_name["2 theta"]
    elif two_theta_range is None:
        raise QdsimError(f"FORM {form} has no scattering angles: give their range (first, last, step).")
    else:
        first, last, step = two_theta_range
        if not (all(map(isfinite, two_theta_range)) and step > 0 and last > first):
            raise QdsimError(f"The range of scattering angles {two_theta_range} is none: give first, last and step.")
        steps = (last - first) / step
        if abs(steps - round(steps)) > _SAME_STEPS or round(steps) + 1 != rows:
            raise QdsimError(
                f"{columns.path} has {rows} points, and from {first:g} to {last:g} degrees in steps of {step:g} there "
                f"are {steps + 1:.6g}: correct the range."
            )
        x = first + step * np.arange(rows)
    return _Pattern(columns, x, by_name["intensity"], by_name.get("sigma"))


def _quantity(
    pattern: _Pattern, said: Quantity | None, header: Quantity | None, wavelength: float | None
) -> tuple[Quantity, str]:
    """Return what x is, and how it was guessed if nobody said it."""
    path, highest = pattern.columns.path, float(np.max(pattern.x, initial=0, where=np.isfinite(pattern.x)))
    if said is not None:
        if header is not None and header.startswith("two_theta") != said.startswith("two_theta"):
            raise QdsimError(
                f"{path}: the header says that x is {_NAMES[header]}, not {_NAMES[said]} as asked for: correct the "
                "quantity, or the header."
            )
        return header if said == "two_theta" and header == "two_theta_rad" else said, ""
    if header == "q" and highest > HIGHEST_Q:
        raise QdsimError(
            f"{path}: x runs to {highest:g}, which no diffractometer reaches in Å^-1 as the header has it: say "
            "--quantity q_nm, two_theta or, if it is right, q."
        )
    if header is not None:
        return header, ""
    if wavelength is not None and highest > min(HIGHEST_Q, 4 * np.pi / wavelength):
        return "two_theta", f"x, which runs to {highest:g}, is taken for 2 theta in degrees"
    if highest > HIGHEST_Q:
        raise QdsimError(
            f"{path}: x runs to {highest:g}, which are degrees 2theta rather than Å^-1: give the wavelength "
            "(--wavelength, Å) or the energy (--energy, keV), or say --quantity q."
        )
    return "q", f"x, which runs to {highest:g}, is taken for Q in Å^-1"


def _to_q(pattern: _Pattern, kind: Quantity, wavelength: float | None) -> FloatArray:
    columns, x = pattern.columns, pattern.x
    angle = kind.startswith("two_theta")
    check_curve(
        x,
        pattern.intensity,
        pattern.sigma,
        str(columns.path),
        columns.place,
        ("2 theta" if angle else "Q", "intensity"),
    )
    if not angle:
        return x / 10 if kind == "q_nm" else x
    if wavelength is None:
        raise QdsimError(
            f"{columns.path}: x is 2 theta and needs a wavelength: give it (--wavelength, Å) or the energy "
            "(--energy, keV)."
        )
    degrees = np.degrees(x) if kind == "two_theta_rad" else x
    if degrees[-1] > STRAIGHT_BACK:
        raise QdsimError(
            f"{columns.place(len(x) - 1)}: 2 theta is {degrees[-1]:g} degrees, and {STRAIGHT_BACK:g} is straight back: "
            "correct the point, or say --quantity q_nm or q."
        )
    return q_from_two_theta(degrees, wavelength)
