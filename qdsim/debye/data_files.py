"""Files of scattering data."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, pi
from pathlib import Path
from warnings import warn

import numpy as np
import numpy.typing as npt

from qdsim.debye.abscissa import (
    QUANTITIES,
    SAME_WAVELENGTH,
    STRAIGHT_BACK,
    Quantity,
    header_wavelength,
    q_from_two_theta,
    wavelength_of,
)
from qdsim.debye.axis_labels import column_labels
from qdsim.debye.column_roles import columns_by_label, columns_by_place
from qdsim.debye.columns import Columns, entries, read_columns
from qdsim.debye.data import ScatteringData, check_curve, check_order
from qdsim.debye.first_column import chosen_quantity, stated_axis
from qdsim.errors import QdsimError, QdsimWarning

FloatArray = npt.NDArray[np.float64]

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
_SIGMAS = {3: 2, 4: 2}  # the fourth column is the uncertainty of Q, as small-angle instruments write it
_SAME_STEPS = 1e-3
_DEGREES: dict[Quantity, float] = {"two_theta": 1.0, "two_theta_rad": 180 / pi, "two_theta_centi": 0.01}


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
                        fourth column (the uncertainty of Q) is not used. Where the last line before the numbers has
                        as many labels as there are columns, these tell which of them are intensity and uncertainty;
                        calculated curves, differences, backgrounds and the uncertainty of x are not used.
    pyFAI               The same; x from ``q_nm^-1``, ``q_A^-1``, ``2th_deg`` or ``2th_rad``, and the wavelength.
    PDFgetX3 ``.iq``    The same; x is Q in Å^-1, whatever the format of its input.
    GSAS ``.fxye``      One bank with steps of 2 theta, x in hundredths of a degree, and the wavelength.
    FIT2D ``.chi``      Four lines (title, label of x, label of y, number of points) and columns; x from its label.
    Debussy             Columns and no header, told by `form`: 1 intensity; 2 two theta, intensity; 3 intensity,
                        uncertainty; 4 two theta, intensity, uncertainty. 1 and 3 need `two_theta_range`.
    ==================  ============================================================================================

    Parameters
    ----------
    path
        The file. Its contents decide what it holds, and the end of its name: of the files that programs for pair
        distribution functions write, ``.iq`` is read, and ``.sq``, ``.fq``, ``.gr`` and ``.fgr`` are refused.
    quantity
        What x is: ``"q"`` (Å^-1), ``"q_nm"`` (nm^-1), ``"two_theta"`` (degrees), ``"two_theta_rad"`` or
        ``"two_theta_centi"`` (hundredths of a degree). If not given, the labels of the columns, other lines of the
        header and the kind of the file are asked. If they say nothing, x above 35, or above 4 pi / lambda, is taken for
        degrees and other x for Q in Å^-1; what was guessed is warned of, and told by the entry ``assumed`` of the
        metadata.
    wavelength
        Å. Goes before the one in the file's header; a warning tells where they differ.
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
        If the file cannot be read, is not a powder pattern, x is something else than Q or 2 theta (its logarithm, its
        square, r, d), angles come without a wavelength, or the quantity, header and values contradict each other.
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
    stated = stated_axis(columns, header, metadata)
    own = header_wavelength(header, str(file))
    notes = []
    if given is not None and own is not None and abs(own - given) > SAME_WAVELENGTH * given:
        notes.append(f"the wavelength {given:.6g} Å is used as given, and not the {own:.6g} Å of the header")
    in_use = given or own
    kind: Quantity
    if form is not None:
        if quantity not in {None, "two_theta"} or (stated is not None and stated.name == "q"):
            other = quantity or "Q as the header has it"
            raise QdsimError(f"FORM {form} has scattering angles, not {other}: leave out one of the two.")
        pattern, kind = _debussy(columns, form, two_theta_range), "two_theta"
    elif two_theta_range is not None:
        raise QdsimError("A range of scattering angles goes with FORM 1 or 3: give the form, too.")
    else:
        pattern, *guesses = _pattern(columns, column_labels(header, columns.values.shape[1]))
        check_order(pattern.x, pattern.intensity, str(file))
        highest = float(np.max(pattern.x, initial=0, where=np.isfinite(pattern.x)))
        kind, guess = chosen_quantity(file, highest, quantity, stated, in_use)
        if assumed := "; ".join(filter(None, (guess, *guesses))):
            metadata["assumed"] = assumed
            notes.append(f"{assumed}; if that is wrong, say what x is (--quantity), or label the columns")
    q = _to_q(pattern, kind, in_use)
    data = ScatteringData(q, pattern.intensity, pattern.sigma, in_use, source, metadata)
    for note in notes:
        warn(f"{file}: {note}.", QdsimWarning, stacklevel=2)
    return data


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


def _pattern(columns: Columns, labels: Sequence[str]) -> tuple[_Pattern, str]:
    """Return x, intensity and uncertainty, and what was guessed about them."""
    number = columns.values.shape[1]
    if number == 1:
        raise QdsimError(
            f"{columns.path} has a single column: give x and intensity, or the FORM of Debussy with the range of "
            "scattering angles."
        )
    found = columns_by_label(columns.path, labels) if labels else columns_by_place(columns.path, number, _SIGMAS)
    sigma = None if found.sigma is None else columns.values[:, found.sigma]
    return _Pattern(columns, columns.values[:, 0], columns.values[:, found.value], sigma), found.assumed


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
    degrees = x * _DEGREES[kind]
    if degrees[-1] > STRAIGHT_BACK:
        raise QdsimError(
            f"{columns.place(len(x) - 1)}: 2 theta is {degrees[-1]:g} degrees, and {STRAIGHT_BACK:g} is straight back: "
            "correct the point, or say what x is with --quantity."
        )
    return q_from_two_theta(degrees, wavelength)
