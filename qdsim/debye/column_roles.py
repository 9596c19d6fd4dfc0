"""Which columns of a file are the function, its uncertainty, and what else stands beside them, told by their labels."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from qdsim.errors import QdsimError

Role = Literal["value", "sigma", "x", "calculated", "difference", "aside"]

_DEVIATION = r"(?:d|delta|δ|sigma|sig|σ|std(?:[-_ ]?dev)?|s\.?d\.?|e\.?s\.?d\.?|err(?:or)?|unc(?:ertainty)?)"
_X = r"(?:q|r|x|2\s?-?th\w*|tth\w*|two[-_ ]?theta)(?![a-z])"
_ROLES: dict[Role, re.Pattern[str]] = {
    "x": re.compile(
        rf"{_DEVIATION}[\s_.]*(?:(?:of|in)\s+)?{_X}|(?:sigma|err(?:or)?|esd)\({_X}|{_X}[\s_.-]*(?:err|sig|unc|res|std)|resol"
    ),
    "difference": re.compile(r".*(?:diff|resid)"),
    "calculated": re.compile(r".*(?:calc|fit|model)"),
    "aside": re.compile(r"(?:i[\s_]*)?(?:(?:back\w*|bkg|bgr?)(?![a-z]|\W*(?:sub|corr))|mask|weight)|(?:w|n)(?![a-z])"),
    "sigma": re.compile(
        rf"(?:{_DEVIATION}|e)(?![a-zδσ])|(?:d|delta|δ|σ)[\s_]*(?:i|g|y|gr|iq|int\w*|counts?|[iyg]?obs)(?![a-z])"
        r"|.*(?:sigma|sigi|err|(?<!f)unc|esd|std|standard dev)"
    ),
}


class Columns(NamedTuple):
    """The places of columns, counted from 0; None where there is none.

    Parameters
    ----------
    value, sigma
        The function, and its uncertainty.
    difference
        Measured less calculated function, in the file of a fit that has no column of its own for the measured one, or
        none for the calculated one.
    assumed
        What was guessed.
    """

    value: int
    sigma: int | None = None
    difference: int | None = None
    assumed: str = ""


def role_of(label: str) -> Role:
    """Tell what a column beside x is.

    Examples
    --------
    >>> [role_of(label) for label in ("I(Q)", "dI", "d_r", "Gcalc", "Gdiff", "background")]
    ['value', 'sigma', 'x', 'calculated', 'difference', 'aside']
    """
    text = label.strip().lower()
    return next((role for role, pattern in _ROLES.items() if pattern.match(text)), "value")


def columns_by_label(path: Path, labels: Sequence[str]) -> Columns:
    """Return the columns that labels tell.

    Parameters
    ----------
    path
        The file.
    labels
        Of all columns, that of x first.

    Raises
    ------
    QdsimError
        If more than one column may be the function, or its uncertainty.
    """
    roles = {role: [i for i, label in enumerate(labels) if i and role_of(label) == role] for role in ("value", *_ROLES)}
    values, sigmas, calculated, differences = (roles[one] for one in ("value", "sigma", "calculated", "difference"))
    assumed = ""
    if values == [1, 2] == list(range(1, len(labels))):
        values, sigmas = [1], [2]
        assumed = f"the column {labels[2]!r} is taken for the uncertainty of {labels[1]!r}"
    for found, what in ((values or calculated, "the function"), (sigmas, "its uncertainty")):
        if len(found) > 1:
            several = ", ".join(labels[i] for i in found)
            raise QdsimError(f"{path}: which of the columns {several} is {what} is not certain: keep one of them.")
    if not values and not calculated:
        raise QdsimError(f"{path}: none of the columns {', '.join(labels)} is a function of x: correct the labels.")
    value = (values or calculated)[0]
    if not values:
        assumed = f"the column {labels[value]!r} is taken for measured"
    alone = not (values and calculated)
    difference = differences[0] if differences and alone else None
    return Columns(value, sigmas[0] if sigmas else None, difference, assumed)


def columns_by_place(path: Path, number: int, sigmas: Mapping[int, int]) -> Columns:
    """Return the columns of a file without labels.

    Parameters
    ----------
    path
        The file.
    number
        Of its columns.
    sigmas
        Which column is the uncertainty in a file of so many.

    Raises
    ------
    QdsimError
        If there is a single column, or more than anyone writes without labels.
    """
    if number > max(sigmas):
        raise QdsimError(
            f"{path} has {number} columns, and which of them are x, the function and its uncertainty is not certain: "
            "keep those three, or label the columns in the line before the numbers."
        )
    return Columns(1, sigmas.get(number))
