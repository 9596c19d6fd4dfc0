"""Form factors that a user gives as a table."""

import re
from collections.abc import Mapping
from functools import cached_property
from math import pi
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, model_validator

from qdsim.debye.axis_labels import column_labels, read_label
from qdsim.debye.columns import read_columns
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]

FEWEST_POINTS = 4
"""Of a table; fewer make no cubic spline."""

_FOUR_PI = 4 * pi
_STOL = re.compile(r"(?:s|stol|sin\W*(?:theta|θ)\W*/\s*(?:lambda|λ)\)?)(?![a-z])(?P<rest>.*)", re.I)
_NANOMETRES = re.compile(r"nm|nanomet", re.I)
_FORM_FACTOR = re.compile(r"f_?0?|form ?factors?", re.I)
_SYMBOL = re.compile(r"(?:f_?0?[\s_(]*)?([A-Z][a-z]?(?:\d*[+-])?)\)?")
_ROUNDING = 1e-9


class FormFactorTable(BaseModel):
    """The form factor f0 of an atom or ion at some Q, between which a cubic spline interpolates.

    Parameters
    ----------
    source
        Where it is from, such as the name of a file.
    q
        Q = 4 pi sin(theta)/lambda, Å^-1, not negative, strictly increasing, at least four values.
    f0
        At these Q, electrons, not negative.

    Raises
    ------
    pydantic.ValidationError
        If they are not so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: str
    q: tuple[float, ...]
    f0: tuple[float, ...]

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        if len(self.q) != len(self.f0) or len(self.q) < FEWEST_POINTS:
            raise ValueError(
                f"{self.source}: {len(self.q)} Q and {len(self.f0)} form factors; give as many, at least "
                f"{FEWEST_POINTS}"
            )
        if self.q[0] < 0 or (np.diff(self.q) <= 0).any():
            raise ValueError(f"{self.source}: Q is negative, or not in ascending order; sort the table")
        if min(self.f0) < 0:
            raise ValueError(f"{self.source}: a form factor is {min(self.f0):g}; give f0 alone, without f' and f''")
        return self

    @cached_property
    def _spline(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.q, self.f0)

    def at(self, q: FloatArray) -> FloatArray:
        """Return f0 at Q in Å^-1, shape (n,).

        Raises
        ------
        QdsimError
            If a Q is outside the table.
        """
        low, high = self.q[0] * (1 - _ROUNDING), self.q[-1] * (1 + _ROUNDING)
        if q.min() < low or q.max() > high:
            raise QdsimError(
                f"The form factors of {self.source} run from Q = {self.q[0]:.6g} to {self.q[-1]:.6g} Å^-1, and "
                f"{q.min():.6g} to {q.max():.6g} Å^-1 are needed: give a longer table, or restrict the range of Q."
            )
        return np.asarray(self._spline(q))


def read_form_factors(path: str | Path, species: str) -> FormFactorTable:
    """Read the form factors of an element or ion.

    Parameters
    ----------
    path
        Text with columns of numbers; see `qdsim.debye.columns.read_columns`. The line before the numbers labels them:
        the first ``Q`` (4 pi sin(theta)/lambda) or ``s``, ``sin(theta)/lambda``, in Å^-1 unless it says nm^-1; another
        one with the species, such as ``Pb``, ``f0(Pb)`` or ``Pb2+``. A file with two columns may label the second
        ``f0``.
    species
        Chemical symbol or ion.

    Raises
    ------
    QdsimError
        If the file cannot be read, has no such labels, or is no table of form factors.
    """
    file = Path(path)
    columns = read_columns(file)
    labels = column_labels(columns.header, columns.values.shape[1])
    if not labels:
        raise QdsimError(
            f"{file}: nothing says what the columns are: label them in the line before the numbers, such as "
            f"'Q(1/A)  {species}' or 's(1/A)  {species}', s = sin(theta)/lambda."
        )
    column = _column_of(file, labels, species)
    try:
        return FormFactorTable(
            source=file.name,
            q=tuple((_to_q(file, labels[0]) * columns.values[:, 0]).tolist()),
            f0=tuple(columns.values[:, column].tolist()),
        )
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ").removeprefix(f"{file.name}: ")
        raise QdsimError(f"{file}: {message.rstrip('.')}.") from error


def _to_q(file: Path, label: str) -> float:
    """Return what the first column is to be multiplied by."""
    if stol := _STOL.match(label):
        return _FOUR_PI * (0.1 if _NANOMETRES.search(stol["rest"]) else 1.0)
    axis = read_label(label)
    if axis is None or axis.name != "q" or axis.unit == "?":
        raise QdsimError(
            f"{file}: the first column is labelled {label!r}: label it 'Q(1/A)', or 's(1/A)' if it is "
            "sin(theta)/lambda."
        )
    return 0.1 if axis.unit == "nm^-1" else 1.0


def _column_of(file: Path, labels: tuple[str, ...], species: str) -> int:
    named = [symbol[1] if (symbol := _SYMBOL.fullmatch(label)) else "" for label in labels]
    if named.count(species) == 1:
        return named.index(species)
    if len(labels[1:]) == 1 and _FORM_FACTOR.fullmatch(labels[1]):
        return 1
    raise QdsimError(f"{file} labels its columns {', '.join(labels)}: label one of them, and only one, {species!r}.")


def _read_tables(value: Any, info: ValidationInfo) -> Any:
    """Read the files that are named in place of tables, relative to the folder of the document."""
    if not isinstance(value, Mapping):
        return value
    folder = Path((info.context or {}).get("folder", ""))
    try:
        return {
            species: read_form_factors(folder / table, str(species)) if isinstance(table, str | Path) else table
            for species, table in value.items()
        }
    except QdsimError as error:
        raise ValueError(str(error)) from error


FormFactors = Annotated[dict[str, FormFactorTable], BeforeValidator(_read_tables)]
"""By chemical symbol, a table or the name of a file to be read; see `read_form_factors`."""
