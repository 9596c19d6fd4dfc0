"""Pair distribution functions and their files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from warnings import warn

import numpy as np
import numpy.typing as npt

from qdsim.debye.axis_labels import Axis, axes_of_header, column_labels
from qdsim.debye.column_roles import columns_by_label, columns_by_place
from qdsim.debye.columns import entries, read_columns
from qdsim.debye.data import check_curve, freeze_curve
from qdsim.debye.data_files import write_columns
from qdsim.debye.file_kinds import check_function, function_of, gsas_bank
from qdsim.errors import QdsimError, QdsimWarning

FloatArray = npt.NDArray[np.float64]

_SIGMAS = {3: 2, 4: 3}  # r, G, dG and r, G, dr, dG
_UNKNOWN = (0.0, 1.0)  # PDFgui and DiffPy-CMI write these where uncertainties are not known
_MEASURED = re.compile(r"\w*(?:obs|exp|meas)", re.I)
_OTHER_FUNCTIONS = re.compile(r"(?:g|[TDRN]|RDF|rho)\(r\)")  # a capital tells G(r) from g(r)


@dataclass(frozen=True, eq=False)
class PairDistributionData:
    """A measured reduced pair distribution function G(r).

    The arrays are copied and cannot be written to.

    Parameters
    ----------
    r
        Distance, Å, not negative, strictly increasing, shape (n,).
    g
        G(r) = 4 pi r (rho(r) - rho_0), Å^-2, shape (n,).
    sigma
        Standard uncertainties of `g`, positive, shape (n,); None if they are not known.
    source
        Name of the file; empty if there is none.
    metadata
        Entries of the file's header, such as ``qmin``, ``qmax`` (Å^-1) and ``composition``.

    Raises
    ------
    QdsimError
        If lengths differ, there are fewer than two points, a number is not finite, r is negative, unsorted or
        repeated, or an uncertainty is not positive.
    """

    r: FloatArray
    g: FloatArray
    sigma: FloatArray | None = None
    source: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take copies, and refuse what is no function of r."""
        freeze_curve(self, ("r", "g", "sigma"))
        object.__setattr__(self, "metadata", dict(self.metadata))
        name = self.source or "The data"
        check_curve(self.r, self.g, self.sigma, name, lambda i: f"{name}, point {i + 1}", ("r", "G"))

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.r)


def read_pdf(path: str | Path) -> PairDistributionData:
    """Read a ``.gr`` or ``.fgr`` file of PDFgetX3, PDFgetX2, PDFgetN or PDFgui.

    Labels say what the columns are. Without labels they are r and G; r, G and dG; or r, G, dr and dG. dr is not used. A
    dG that is 0 or 1 throughout, as PDFgui and DiffPy-CMI write it, says that the uncertainties are not known.

    The ``.fgr`` of PDFgui holds a fit: r, the calculated G, 0, the difference where d_Gr is written (what PDFgui labels
    so is ``getpdf_diff`` of pdffit2), and Gdiff. G is then the sum of calculated function and difference, which is the
    measured one, without uncertainties. What is guessed so is warned of, and told by the entry ``assumed`` of the
    metadata.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    QdsimError
        If the file cannot be read, is no function of r, holds another one than G, or its columns are not certain.
    """
    file = Path(path)
    columns = read_columns(file)
    header = columns.header[1:2] if columns.fit2d else columns.header
    number, metadata = columns.values.shape[1], entries(columns.header)
    labels = column_labels(header, number)
    check_function(file, function_of(file, metadata, labels), "G(r)")
    if labels and (other := next(filter(_OTHER_FUNCTIONS.match, labels[1:]), "")):
        raise QdsimError(f"{file} holds {other}, and G(r) is wanted: convert it, or correct the label.")
    bank = gsas_bank(header, file)
    _check_r(file, axes_of_header(header, number) + ([bank[0]] if bank else []))
    if number == 1:
        raise QdsimError(f"{file} has a single column: give r and G.")
    chosen = columns_by_label(file, labels) if labels else columns_by_place(file, number, _SIGMAS)
    assumed = chosen.assumed
    r, g = columns.values[:, 0], columns.values[:, chosen.value]
    sigma = None if chosen.sigma is None else columns.values[:, chosen.sigma]
    if chosen.difference is not None and not _MEASURED.match(labels[chosen.value]):
        g, sigma = g + columns.values[:, chosen.difference], None
        assumed = f"G, measured, is the sum of the columns {labels[chosen.value]!r} and {labels[chosen.difference]!r}"
    elif sigma is not None and (sigma == sigma[0]).all() and sigma[0] in _UNKNOWN:
        sigma = None
    elif sigma is not None and not labels:
        assumed = f"column {number}, which has no label, is taken for the uncertainty of G"
    if assumed:
        metadata["assumed"] = assumed
    check_curve(r, g, sigma, str(file), columns.place, ("r", "G"))
    if assumed:
        warn(f"{file}: {assumed}.", QdsimWarning, stacklevel=2)
    return PairDistributionData(r, g, sigma, file.name, metadata)


def _check_r(file: Path, axes: Sequence[Axis]) -> None:
    """Refuse a first column that is labelled as another quantity than r in Å."""
    for axis in axes:
        r = axis.name == "other" and re.match(r"r(?:adius)?(?![a-z])", axis.text, re.I)
        if axis.certain and not r:
            raise QdsimError(f"{file}: x is {axis.text!r}, and r in Å is wanted: give G(r), or correct the label.")
        if re.search(r"(?<![a-z])(?:nm|mm|pm|m)(?![a-z])", axis.text):
            raise QdsimError(f"{file}: x is {axis.text!r}, and r in Å is wanted: convert r and G.")


def write_pdf(path: str | Path, data: PairDistributionData) -> None:
    """Write a ``.gr`` file in the manner of PDFgetX3, which `read_pdf` reads unchanged.

    Raises
    ------
    QdsimError
        If the file cannot be written, or an entry of the metadata does not fit into a line ``key = value``.
    """
    settings = [f"{key}{':' if '=' in value else ' ='} {value}" for key, value in data.metadata.items()]
    if entries(settings) != data.metadata:
        raise QdsimError(f"The metadata cannot be written to {path}: keep to single lines 'key = value'.")
    columns, labels = [data.r, data.g], r"r($\AA$)  G($\AA^{-2}$)"
    if data.sigma is not None:
        columns += [np.zeros(len(data)), data.sigma]
        labels += "  dr  dG"
    write_columns(Path(path), [*(f"# {line}" for line in settings), "#### start data", "#S 1", f"#L {labels}"], columns)
