"""What a CIF says of displacements, in any of the ways that there are."""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qdsim.debye.cif_block import LABELS, UNKNOWN, CifBlock
from qdsim.debye.displacements import B_PER_U, b_of_beta, equivalent_u
from qdsim.errors import QdsimError, QdsimWarning

FloatArray = npt.NDArray[np.float64]

SAME_B = 0.1
"""Å^2, and in parts of B: statements that differ less are rounded, or equivalents in the sense of older programs."""

_COMPONENTS = ("11", "22", "33", "23", "13", "12")
_ISOTROPIC = {"b_iso_or_equiv": 1.0, "u_iso_or_equiv": B_PER_U}
_GEOMETRIC = {"b_equiv_geom_mean": 1.0, "u_equiv_geom_mean": B_PER_U}
_TENSORS = ("u", "b", "beta")
_DISPLACEMENT = re.compile(r"_atom_site_(?:aniso_)?((?:b|u|beta|matrix|tensor)_\w+)")
_ESTIMATE = re.compile(r"_(?:esd|su)(?:_|$)")  # uncertainties, which mmCIF has columns for


def displacements(block: CifBlock, cell: FloatArray) -> FloatArray:
    """Return B of the sites of a CIF, 0 where it says nothing.

    They may be stated as B or U, isotropic, equivalent, or as means of the principal axes, or as the tensors U, B or
    beta of all sites or some. Where a site has both a tensor and an equivalent, the tensor counts, unless
    ``_atom_site_adp_type`` says isotropic.

    Parameters
    ----------
    block
        The data items.
    cell
        Rows are vectors, Å, shape (3, 3).

    Returns
    -------
    ndarray, shape (sites,)
        Å^2.

    Raises
    ------
    QdsimError
        If statements of one kind contradict each other, a tensor is incomplete or of no site, or a column is not
        understood.

    Warns
    -----
    QdsimWarning
        If a tensor contradicts its equivalent, means of the principal axes are all that there is, or some sites have
        displacements and others have none.
    """
    labels = block.column(*LABELS)
    _check_known(block)
    isotropic = _agreed(labels, {name: scale * _of_sites(block, name) for name, scale in _ISOTROPIC.items()})
    geometric = _agreed(labels, {name: scale * _of_sites(block, name) for name, scale in _GEOMETRIC.items()})
    tensors = _agreed(labels, _tensors(block, labels, cell))
    types = block.column("_atom_site_adp_type", "_atom_site_thermal_displace_type") or [""] * len(labels)
    said_isotropic = np.array([word.lower() in {"uiso", "biso"} for word in types]) & ~np.isnan(isotropic)
    both = ~np.isnan(isotropic) & ~np.isnan(tensors) & ~said_isotropic
    for i in np.flatnonzero(both & _differ(isotropic, tensors)).tolist():
        _say(
            f"{labels[i]} has an equivalent B of {isotropic[i]:.3g} Å^2, and an anisotropic one whose mean is "
            f"{tensors[i]:.3g} Å^2, which is taken."
        )
    b = np.where(said_isotropic | np.isnan(tensors), isotropic, tensors)
    means = np.isnan(b) & ~np.isnan(geometric)
    if means.any():
        _say(
            f"B of {', '.join(_chosen(labels, means))} is a geometric mean of three axes, which is at most their mean."
        )
    b = np.where(means, geometric, b)
    silent = np.isnan(b)
    if silent.any() and not silent.all():
        _say(f"{', '.join(_chosen(labels, silent))} has no displacement parameter, as other sites have: 0 is taken.")
    return np.nan_to_num(b, nan=0.0)


def _say(sentence: str) -> None:
    warnings.warn(sentence, QdsimWarning, stacklevel=3)


def _chosen(labels: Sequence[str], mask: Any) -> list[str]:
    return [labels[i] for i in np.flatnonzero(mask).tolist()]


def _of_sites(block: CifBlock, name: str) -> FloatArray:
    return block.numbers(f"_atom_site_{name}", len(block.column(*LABELS)))


def _check_known(block: CifBlock) -> None:
    """Refuse displacements in a column that is not understood."""
    known = {*_ISOTROPIC, *_GEOMETRIC, *(f"{kind}_{ij}" for kind in _TENSORS for ij in _COMPONENTS)}
    for name in block.names:
        found = _DISPLACEMENT.fullmatch(name)
        if found and found[1] not in known and not _ESTIMATE.search(name) and set(block.column(name)) - UNKNOWN:
            raise QdsimError(f"The column {name} is about displacements and not understood: state B or U in its place.")


def _tensors(block: CifBlock, labels: Sequence[str], cell: FloatArray) -> dict[str, FloatArray]:
    """Return the mean B of the tensors of each kind, NaN at sites without one, shape (sites,) each."""
    of_rows = block.column("_atom_site_aniso_label", "_atom_site_aniso_id") or list(labels)
    found = {}
    for kind in _TENSORS:
        columns = [f"_atom_site_aniso_{kind}_{ij}" for ij in _COMPONENTS]
        if not any(name in block for name in columns):
            continue
        tensors = np.stack([block.numbers(name, len(of_rows)) for name in columns], axis=1)
        stated = ~np.isnan(tensors).all(axis=1)
        strange = ", ".join(sorted(set(_chosen(of_rows, stated)) - set(labels)))
        if strange:
            raise QdsimError(f"Anisotropic displacements are given of {strange}, which is no site: correct the label.")
        incomplete = _chosen(of_rows, stated & np.isnan(tensors).any(axis=1))
        if incomplete:
            raise QdsimError(f"_atom_site_aniso_{kind}_ij of {incomplete[0]} is incomplete: give all six components.")
        if kind != "beta":
            mean = (B_PER_U if kind == "u" else 1.0) * equivalent_u(tensors, cell if cell.any() else np.eye(3))
        elif cell.any():
            mean = b_of_beta(tensors, cell)
        else:
            raise QdsimError("Without a cell, beta_ij tell nothing: state B or U, or the cell.")
        by_label = dict(zip(_chosen(of_rows, stated), mean[stated], strict=True))
        found[f"aniso_{kind}_ij"] = np.array([by_label.get(label, np.nan) for label in labels])
    return found


def _agreed(labels: Sequence[str], statements: Mapping[str, FloatArray]) -> FloatArray:
    """Return what statements of one kind say together, NaN where none says anything, shape (sites,)."""
    agreed = np.full(len(labels), np.nan)
    for name, b in statements.items():
        apart = _differ(agreed, b)
        if apart.any():
            i = int(apart.argmax())
            raise QdsimError(
                f"The displacements of {labels[i]} contradict each other: B is {agreed[i]:.4g} Å^2, and "
                f"{b[i]:.4g} Å^2 by _atom_site_{name}; correct one of them."
            )
        agreed = np.where(np.isnan(agreed), b, agreed)
    return agreed


def _differ(first: FloatArray, second: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell where two statements differ by more than `SAME_B`; never where one of them says nothing."""
    return np.asarray(np.abs(first - second) > SAME_B * np.maximum(1.0, np.maximum(first, second)))
