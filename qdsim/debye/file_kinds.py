"""What a data file is a function of: told by its labels, its header and the end of its name."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from qdsim.debye.axis_labels import Axis
from qdsim.errors import QdsimError

SUFFIXES = {".iq": "I(Q)", ".sq": "S(Q)", ".fq": "F(Q)", ".gr": "G(r)", ".fgr": "G(r)"}
"""Kinds of files that the programs for pair distribution functions (PDFgetX3, PDFgetX2, PDFgetN, PDFgui) write."""
_OUTPUTS = {suffix[1:]: kind for suffix, kind in SUFFIXES.items()}
_OWN = {"S": "S(Q)", "F": "F(Q)"}
_COLUMNS = {"S": "S(Q)", "F": "F(Q)", "G": "G(r)"}
_BANK = re.compile(r"^BANK\s+\d+\s+(\d+)\s+\d+\s+(\w+)\b.*?(?:\s([A-Z]+))?\s*$")
_CONSTANT_STEPS = {"CONS", "CONST"}
_IN_COLUMNS = {"FXYE", "FXY"}


def function_of(path: Path, metadata: Mapping[str, str], labels: Sequence[str]) -> str:
    """Tell whether a file holds I(Q), S(Q), F(Q) or G(r); empty if nothing tells.

    Parameters
    ----------
    path
        The file. The end of its name counts where nothing in it tells.
    metadata
        Entries of the header: `outputtype` of PDFgetX3, `kind` of what `qdsim pattern` writes.
    labels
        Of the columns.
    """
    second = re.sub(r"\(.*", "", labels[1]).strip() if len(labels) > 1 else ""
    told = _COLUMNS.get(second) or _OUTPUTS.get(metadata.get("outputtype", "")) or _OWN.get(metadata.get("kind", ""))
    return told or SUFFIXES.get(path.suffix.lower(), "")


def check_function(path: Path, found: str, wanted: str) -> None:
    """Refuse a file that holds another function than the one wanted.

    Raises
    ------
    QdsimError
        If it does.
    """
    if found not in {"", wanted}:
        raise QdsimError(
            f"{path} holds {found} by its name or header, and {wanted} is wanted: give a file of that, or correct the "
            "name and header."
        )


def axis_of_function(kind: str, path: Path) -> list[Axis]:
    """Return what the kind of a file says of x: what these programs write as a function of Q is in Å^-1."""
    return [Axis("q", "Å^-1", path.name)] if kind.endswith("(Q)") else []


def gsas_bank(header: Sequence[str], path: Path) -> tuple[Axis, int] | None:
    """Return what x is in a file of GSAS, and how many points it promises; None if the file is none.

    See A. C. Larson & R. B. Von Dreele, General Structure Analysis System (GSAS), LAUR 86-748 (2004).

    Raises
    ------
    QdsimError
        If the file is one of neutrons' times of flight, or has not x, intensity and uncertainty in columns.
    """
    for line in header:
        if not (bank := _BANK.match(line)):
            continue
        if bank[2] not in _CONSTANT_STEPS:
            raise QdsimError(f"{path}: x is a time of flight ('{bank[2]}' in its line BANK): convert it to Q in Å^-1.")
        if bank[3] not in _IN_COLUMNS:
            raise QdsimError(f"{path}: a file of GSAS without x ('{bank[3] or 'STD'}'): save it in the form FXYE.")
        return Axis("two_theta", "hundredths of a degree", line), int(bank[1])
    return None
