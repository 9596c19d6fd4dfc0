"""What the labels and entries of a header say of the first column."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from qdsim.debye.columns import entries
from qdsim.errors import QdsimError

AxisName = Literal["q", "two_theta", "other"]
Unit = Literal["", "Å^-1", "nm^-1", "degrees", "radians", "hundredths of a degree", "?"]

_KEYS = {"quantity", "columns", "unit", "units", "x", "xlabel", "x-axis", "x axis", "xunit", "integrationspace"}
"""Of entries that describe the first column. `dataformat` is none: it is that of the input of PDFgetX3."""
_LABELS = re.compile(r"^L\s+")  # of SPEC and of the programs for pair distribution functions
_SPLIT = re.compile(r"\t+|\s*[,;]\s*|\s{2,}")
_LABEL = re.compile(r"[^\s(\[]*(?:\([^)]*\)[^\s(\[]*)*(?:\s*[(\[][^)\]]*[)\]])?")
_PLAIN = {
    "⁻¹": "^-1",
    "⁻²": "^-2",
    "²": "^2",
    "−": "-",
    "\\aa": "å",
    "å": "å",
    "ångstr": "angstr",
    "*theta": "theta",
    **dict.fromkeys("{}$\\", ""),
}
_LENGTH = r"(?:(?P<nm>nm|nano\s*met\w+)|(?P<a>å|a(?:ng\w*)?))(?![a-z])"
_MINUS_ONE = r"\s?\^?\s?\(?-\s?1\)?(?!\d)"
_PER_LENGTH = rf"(?:(?:1\s*/\s*|inverse\s+|reciprocal\s+){_LENGTH}(?!\s?\^?-?\d)"
_PER_LENGTH += rf"|{_LENGTH.replace('<nm>', '<nm2>').replace('<a>', '<a2>')}{_MINUS_ONE})"
_ANGLE = (
    r"(?:(?:scattering|diffraction) angle\s*)?(?<!\d)(?:2\s*[-_*]?\s*(?:theta|θ|th(?![a-z]))|two[-_ ]*theta"
    r"|\bt+th(?:eta)?(?![a-z]))(?:\s*angle)?|\b(?:scattering|diffraction) angle|^angle(?![a-z])"
    r"|^deg(?:rees?)?(?![a-z])|^°"
)
_Q = (
    r"(?:scattering vector|momentum transfer)(?:\s*,?\s*q(?![a-z]))?|\|q\||\bq[-_ ]?(?:space|values?|vector)"
    r"|\bq(?:(?=(?:a|nm)(?![a-z]))|(?![a-z]))"
)
_OTHER = re.compile(
    r"(?:log\d*p?|ln|lg|exp|a(?:rc?)?sinh|sinh|sqrt|cbrt|sin|cos|tan)(?![a-z]).*(?:q|θ|th)"  # of Q or an angle
    r"|1\s*/\s*(?:q|d)(?![a-z])|q(?:x|y|z|xy|r|ip|oop)(?![a-z])|d(?![a-z])|d-?spacing|recip\. spacing|stol(?![a-z])"
    r"|r(?![a-z])|radi(?:us|al)|(?:theta|θ|th|omega|chi|phi|psi|chigi|azimuth\w*)(?![a-z])"
    r"|\([^)]*\)\s*(?:\^|\*\*)|(?:pixels?|channels?|time|tof|energy|wavelength|lambda|index|point)(?![a-z])"
)
_UNCLEAR = re.compile(r"[skhg]\*?(?![a-z])")  # 1/d, 2 pi/d or 4 pi sin(theta)/lambda, as authors please
_FURTHER = re.compile(r"\^|\*\*|\*|\.[a-zå]|/\s*\d|\d")  # makes another quantity of the one before


@dataclass(frozen=True)
class Axis:
    """What a line of a header says of the first column.

    Parameters
    ----------
    name
        Scattering vector, scattering angle, or something else.
    unit
        Empty if it is not said, ``?`` if it is not understood.
    text
        The line.
    certain
        Whether the line begins with the label, rather than mentions it somewhere.
    """

    name: AxisName
    unit: Unit
    text: str
    certain: bool = True


def column_labels(header: Sequence[str], number: int) -> tuple[str, ...]:
    """Return the labels of columns in the last line of a header, or none if it does not have as many as there are.

    Parameters
    ----------
    header
        Lines before the numbers.
    number
        Of columns.
    """
    line = _label_line(header)
    for labels in ([one for one in _SPLIT.split(line) if one], [one for one in _LABEL.findall(line) if one.strip()]):
        if len(labels) == number:
            return tuple(one.strip() for one in labels)
    return ()


def axes_of_header(header: Sequence[str], number: int) -> list[Axis]:
    """Find everything that a header says of the first column.

    The line before the numbers is taken for the labels of the columns unless it is an entry ``key: value``; a line
    ``#L`` always is. Among the entries, those count whose key names a column, an axis or a unit.

    Parameters
    ----------
    header
        Lines before the numbers.
    number
        Of columns, or 1 where the only line is the label of x. A line that has not as many labels may be a title, and
        cannot tell that x is something else.
    """
    labels = column_labels(header, number)
    first = read_label(_label_line(header), others=bool(labels) or number == 1 or any(map(_LABELS.match, header)))
    found = [replace(first, text=labels[0]) if first is not None and labels else first]
    found += [read_label(value) for key, value in entries(header).items() if key.lower() in _KEYS]
    return [one for one in found if one is not None]


def agreed_axis(axes: Sequence[Axis], place: str) -> Axis | None:
    """Return what all of the lines say together.

    Raises
    ------
    QdsimError
        If they contradict each other, or x is neither Q nor an angle.
    """
    if not axes:
        return None
    for one in axes:
        if one.name == "other":
            raise QdsimError(
                f"{place}: x is {one.text!r}, which is neither Q nor 2 theta: convert it to Q in Å^-1, or correct the "
                "label."
            )
    first, units = axes[0], [one for one in axes if one.unit]
    for one in (*axes[1:], *units[1:]):
        against = first if one.name != first.name else units[0]
        if one.name != first.name or (one.unit and one.unit != against.unit):
            raise QdsimError(
                f"{place}: {against.text!r} and {one.text!r} in the header contradict each other about x: correct one "
                "of them."
            )
    certain = [one for one in axes if one.certain] or axes
    return Axis(first.name, units[0].unit if units else "", certain[0].text, certain[0].certain)


def read_label(label: str, *, others: bool = True) -> Axis | None:
    """Read a label of an axis or a line of column labels, such as ``q_nm^-1``, ``2th_deg`` or ``Q (1/Å)``.

    Parameters
    ----------
    label
        The label.
    others
        Whether it may name something else than Q and 2 theta, such as ``log(1+q.nm)``, ``q^2`` or ``r``.

    Returns
    -------
    Axis or None
        None if the label names no quantity.
    """
    text = label.lower().strip()
    for sign, plain in _PLAIN.items():
        text = text.replace(sign, plain)
    if others and (_OTHER.match(text) or _of_unclear(text)):
        return Axis("other", "", label)
    if unit := re.match(rf"[(\[]?{_PER_LENGTH}", text):
        return Axis("q", _per_length(unit), label)
    angle, q = re.search(_ANGLE, text), re.search(_Q, text)
    if angle and not (q and q.start() < angle.start()):
        return _angle(label, text[angle.end() :], angle.group(), certain=angle.start() == 0)
    if q:
        return _scattering_vector(label, text[q.end() :], certain=q.start() == 0, others=others)
    if unit := re.search(_PER_LENGTH, text):
        return Axis("q", _per_length(unit), label, certain=False)
    return None


def _label_line(header: Sequence[str]) -> str:
    for line in reversed(header):
        if _LABELS.match(line):
            return _LABELS.sub("", line)
    last = next((line for line in reversed(header) if re.search("[a-zåθ°]", line, re.I)), "")
    return "" if re.search(r"[:=]", last) else last


def _of_unclear(text: str) -> bool:
    return bool(_UNCLEAR.match(text) and re.match(rf"[^\s]*\s*[(\[]?\s*{_PER_LENGTH}", text[1:]))


def _angle(label: str, rest: str, name: str, *, certain: bool) -> Axis:
    unit = re.match(r"\W*(?:in\s+)?(?:_)?(?P<milli>m)?(?P<rad>rad)|.*?(?P<centi>centi-?deg)", rest)
    if unit and unit["milli"]:
        return Axis("two_theta", "?", label, certain)
    if certain and (rest.startswith(("^", "**")) or re.match(rf"\s*[(\[_]?\s*{_PER_LENGTH}", rest)):
        return Axis("other", "", label)
    if unit:
        return Axis("two_theta", "radians" if unit["rad"] else "hundredths of a degree", label, certain)
    stated = name.startswith(("deg", "°")) or re.match(r"[\s_(\[,]*(?:in\s+)?(?:deg|°|\^o)", rest)
    return Axis("two_theta", "degrees" if stated else "", label, certain)


def _scattering_vector(label: str, rest: str, *, certain: bool, others: bool) -> Axis:
    if not certain:
        unit = re.search(_PER_LENGTH, rest)
        return Axis("q", _per_length(unit) if unit else "", label, certain)
    if unit := re.match(rf"\s*(?:[_/,.:]|in\b)?\s*[(\[]?\s*(?:{_PER_LENGTH})", rest):
        return Axis("q", _per_length(unit), label)
    if unit := re.match(rf"\s*[_/(\[]?\s*{_LENGTH}(?!\s?\^?-?\d)", rest):  # q_nm, Qnm, Q(A), Q/A
        return Axis("q", "nm^-1" if unit["nm"] else "Å^-1", label)
    if others and _FURTHER.match(rest):
        return Axis("other", "", label)
    return Axis("q", "?" if re.match(r"\s*[(\[_/](?!\s*\)|q)", rest) else "", label)


def _per_length(unit: re.Match[str]) -> Unit:
    return "nm^-1" if unit["nm"] or unit["nm2"] else "Å^-1"
