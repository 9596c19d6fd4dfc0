"""Pair distribution functions and their files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qdsim.debye.columns import entries, read_columns
from qdsim.debye.data import check_curve, freeze_curve
from qdsim.debye.data_files import write_columns
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]


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

    Columns are r and G; r, G and dG; or r, G, dr and dG, where dr and columns after dG are not used. A dG that is
    0 throughout, as PDFgui writes it, says that the uncertainties are not known.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    QdsimError
        If the file cannot be read or is no function of r.
    """
    file = Path(path)
    columns = read_columns(file)
    if columns.values.shape[1] == 1:
        raise QdsimError(f"{file} has a single column: give r and G.")
    r, g, *more = columns.values.T
    sigma = more[min(len(more) - 1, 1)] if more else None
    if sigma is not None and not sigma.any():
        sigma = None
    check_curve(r, g, sigma, str(file), columns.place, ("r", "G"))
    return PairDistributionData(r, g, sigma, file.name, entries(columns.header))


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
