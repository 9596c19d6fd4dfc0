"""X-ray and neutron patterns of a finite set of atoms by the Debye equation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import pi
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qdsim.debye.atom_pairs import atom_pairs
from qdsim.debye.atoms import AtomicCluster, as_cluster
from qdsim.debye.form_factor_tables import FormFactorTable
from qdsim.debye.form_factors import ComplexArray, Dispersion, Radiation, Scattering, element_amplitudes
from qdsim.debye.lattice_pairs import lattice_pairs
from qdsim.debye.pairs import Pairs, Species
from qdsim.debye.transform import SincTransform
from qdsim.errors import QdsimError
from qdsim.structures import LatticeParticle

FloatArray = npt.NDArray[np.float64]
SelfTerm = Literal["linear", "squared"]
Values = float | Sequence[float] | FloatArray | Mapping[str, float]

SMALLEST_RTOL = 1e-10
"""Double precision gives no more digits of a sum of so many sines."""
LARGEST_Q = 500.0
"""Å^-1; no instrument measures beyond a tenth of it."""


def intensity(
    structure: Any,
    q: npt.ArrayLike,
    *,
    occupancies: Values | None = None,
    b_iso: Values = 0.0,
    energy_kev: float | None = None,
    self_term: SelfTerm = "linear",
    radiation: Radiation = "xray",
    ions: Mapping[str, str] | None = None,
    form_factors: Mapping[str, FormFactorTable] | None = None,
    dispersion: Dispersion = "chantler",
    rtol: float = 1e-8,
) -> FloatArray:
    """Compute the scattered intensity of randomly oriented particles.

    ``I(Q) = sum_i o_i |f_i|^2 + sum_{i != j} Re(f_i f_j*) o_i o_j T_i T_j sin(Q d_ij)/(Q d_ij)`` with
    ``T = exp(-B Q^2/(16 pi^2))``. Atoms nearer than 0.5 Å whose occupancies add up to 1 at most are places of one atom,
    so that no pairs of them count.

    Parameters
    ----------
    structure
        A `LatticeParticle` (by far the fastest), ase.Atoms, a pymatgen structure or molecule, a pair (symbols,
        positions), or a path to a file; see `as_cluster`. A periodic one is taken as it is, without its images.
    q
        Q = 4 pi sin(theta)/lambda, Å^-1, shape (n,), in any order; 0 is allowed.
    occupancies
        Of all atoms, of each atom, or by chemical symbol. None: those of the structure, or 1.
    b_iso
        Isotropic displacement parameter B = 8 pi^2 <u^2>, Å^2, of all atoms, of each, or by chemical symbol; added to
        what the structure has itself.
    energy_kev
        Photon energy for f' and f''; None leaves them out.
    self_term
        "linear", sum o f^2: the average over particles with randomly placed vacancies (Ferri et al., Acta Cryst. A79,
        587 (2023), 10.1107/S2053273323008446). "squared", sum o^2 f^2: as in equation (1) of Bertolotti et al.,
        Nature Materials 15, 987 (2016), 10.1038/nmat4661, too low by up to the number of vacancies.
    radiation
        "xray" or "neutron".
    ions
        Form factors to use for an element, such as {"Pb": "Pb2+"}.
    form_factors
        Tables of f0 to use for an element in place of Waasmaier & Kirfel's; see `read_form_factors`.
    dispersion
        "chantler": f' and f'' of Chantler's tables where the energy is given; "none": none although it is; or f' and
        f'' of every element, such as {"Pb": (-3.9, 8.1), "S": (0.1, 0.2)}, electrons.
    rtol
        Largest relative error of the sum at any Q.

    Returns
    -------
    ndarray, shape (n,)
        Electrons squared per particle (fm^2 for neutrons).

    Raises
    ------
    QdsimError
        If the structure cannot be read, q is empty, negative or above `LARGEST_Q`, an occupancy is outside 0..1, a B is
        negative, the energy or an element is not tabulated, an ion, form factors or dispersion are given of an element
        that is not there, form factors do not cover q, or `rtol` is below `SMALLEST_RTOL`.
    """
    wanted = check_q(q)
    pairs = particle_pairs(structure, float(wanted.max(initial=0.0)), occupancies, b_iso, rtol)
    amplitudes = _amplitudes(pairs, wanted, energy_kev, radiation, ions, form_factors, dispersion)
    return _self_scattering(pairs, amplitudes, self_term) + _interference(pairs, wanted, amplitudes)


def structure_factor(
    structure: Any,
    q: npt.ArrayLike,
    *,
    occupancies: Values | None = None,
    b_iso: Values = 0.0,
    energy_kev: float | None = None,
    radiation: Radiation = "xray",
    ions: Mapping[str, str] | None = None,
    form_factors: Mapping[str, FormFactorTable] | None = None,
    dispersion: Dispersion = "chantler",
    rtol: float = 1e-8,
) -> FloatArray:
    """Compute the Faber-Ziman total-scattering structure factor ``S(Q) = 1 + (I - sum o |f|^2)/(N |<f>|^2)``.

    Parameters
    ----------
    structure, q, occupancies, b_iso, energy_kev, radiation, ions, form_factors, dispersion, rtol
        As for `intensity`.

    Returns
    -------
    ndarray, shape (n,)
        Averages are weighted by occupancy: N = sum o, <f> = sum o f/N. Goes to 1 at large Q.

    Raises
    ------
    QdsimError
        As for `intensity`, or if all occupancies are zero.
    """
    wanted = check_q(q)
    pairs = particle_pairs(structure, float(wanted.max(initial=0.0)), occupancies, b_iso, rtol)
    amplitudes = _amplitudes(pairs, wanted, energy_kev, radiation, ions, form_factors, dispersion)
    return 1 + _interference(pairs, wanted, amplitudes) / _mean_square(pairs, amplitudes)


def reduced_structure_factor(structure: Any, q: npt.ArrayLike, **options: Any) -> FloatArray:
    """Compute F(Q) = Q (S(Q) - 1), Å^-1, shape (n,).

    Parameters
    ----------
    structure, q, options
        As for `structure_factor`.

    Raises
    ------
    QdsimError
        As for `intensity`.
    """
    return np.asarray(q, float) * (structure_factor(structure, q, **options) - 1)


def particle_pairs(structure: Any, q_max: float, occupancies: Values | None, b_iso: Values, rtol: float) -> Pairs:
    """Collect the pairs of any structure; the parameters are those of `intensity`.

    Raises
    ------
    QdsimError
        If the structure cannot be read, an occupancy is outside 0..1, a B negative, or `rtol` too small.
    """
    if not SMALLEST_RTOL <= rtol < 1:
        raise QdsimError(f"The relative tolerance is {rtol}: give one from {SMALLEST_RTOL:g} to below 1.")
    if isinstance(structure, LatticeParticle):
        if not len(structure):
            raise QdsimError("The particle has no atoms: give at least one.")
        own = np.array(1.0) if occupancies is None else _by_atom(occupancies, structure, "occupancies")
        own_b = _by_atom(b_iso, structure, "b_iso")
        _check_atoms(own, own_b)
        pairs = lattice_pairs(structure, own, own_b)
        if pairs is not None:
            return pairs
        n_atoms = len(structure)
        cluster = AtomicCluster(
            tuple(structure.atom_symbols),
            structure.positions,
            np.broadcast_to(own, n_atoms).copy(),
            np.broadcast_to(own_b, n_atoms).copy(),
        )
    else:
        cluster = as_cluster(structure)
        own = cluster.occupancies if occupancies is None else _by_atom(occupancies, cluster, "occupancies")
        own_b = cluster.b_iso + _by_atom(b_iso, cluster, "b_iso")
        _check_atoms(own, own_b)
        n_atoms = len(cluster.symbols)
        cluster = replace(
            cluster, occupancies=np.broadcast_to(own, n_atoms).copy(), b_iso=np.broadcast_to(own_b, n_atoms).copy()
        )
    return atom_pairs(cluster, q_max, rtol)


def _by_atom(values: Values, structure: LatticeParticle | AtomicCluster, name: str) -> FloatArray:
    """Turn values given in any way into one for all atoms, shape (), or one for each, shape (N,)."""
    if isinstance(values, int | float):
        return np.array(float(values))
    if isinstance(values, Mapping):
        sites = structure.points.sites if isinstance(structure, LatticeParticle) else np.arange(len(structure))
        elements = {structure.symbols[site] for site in np.flatnonzero(np.bincount(sites))}
        if set(values) != elements:
            found, wanted = ", ".join(map(str, values)), ", ".join(sorted(elements))
            raise QdsimError(f"{name} is given for {found or 'nothing'}: give one value for each of {wanted}.")
        return _numbers([values.get(symbol) for symbol in structure.symbols], name)[sites]
    array = _numbers(values, name)
    if array.ndim and array.shape != (len(structure),):
        raise QdsimError(
            f"{name} has the shape {array.shape}: give one value, or one for each of {len(structure)} atoms."
        )
    return array


def _numbers(values: Any, name: str) -> FloatArray:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise QdsimError(f"{name} has an entry that is not a number: give numbers only.") from error


def _check_atoms(occupancies: FloatArray, b_iso: FloatArray) -> None:
    if not ((occupancies >= 0) & (occupancies <= 1)).all():
        wrong = occupancies[~((occupancies >= 0) & (occupancies <= 1))].flat[0]
        raise QdsimError(f"An occupancy is {wrong}: give values from 0 to 1.")
    if not ((b_iso >= 0) & np.isfinite(b_iso)).all():
        wrong = b_iso[~((b_iso >= 0) & np.isfinite(b_iso))].flat[0]
        raise QdsimError(f"A displacement parameter B is {wrong} Å^2: give values of 0 or more.")


def check_q(q: npt.ArrayLike) -> FloatArray:
    """Return Q as an array, shape (n,).

    Raises
    ------
    QdsimError
        If it is empty, or a value is negative, above `LARGEST_Q` or no number.
    """
    wanted = np.ascontiguousarray(_numbers(q, "Q"))
    if wanted.ndim != 1 or not wanted.size:
        raise QdsimError(f"Q has the shape {wanted.shape}: give a list of at least one value in Å^-1.")
    if not (np.isfinite(wanted) & (wanted >= 0)).all():
        raise QdsimError("Q has a value that is negative or no number: give values of 0 or more, in Å^-1.")
    if wanted.max() > LARGEST_Q:
        raise QdsimError(f"Q runs to {wanted.max():g} Å^-1: give values up to {LARGEST_Q:g} Å^-1.")
    return wanted


def _amplitudes(
    pairs: Pairs,
    q: FloatArray,
    energy_kev: float | None,
    radiation: Radiation,
    ions: Mapping[str, str] | None,
    form_factors: Mapping[str, FormFactorTable] | None,
    dispersion: Dispersion,
) -> dict[str, ComplexArray]:
    scattering = Scattering(
        energy_kev,
        radiation,
        tuple((ions or {}).items()),
        form_factors=tuple((form_factors or {}).items()),
        dispersion=dispersion if isinstance(dispersion, str) else tuple(dispersion.items()),
    )
    elements = tuple(pairs.occupancy)
    return element_amplitudes(elements, q, scattering, f"the structure has {', '.join(elements)}")


def _self_scattering(pairs: Pairs, amplitudes: Mapping[str, ComplexArray], self_term: SelfTerm) -> FloatArray:
    if self_term not in ("linear", "squared"):
        raise QdsimError(f"The self term is {self_term!r}: use 'linear' or 'squared'.")
    counted = pairs.occupancy if self_term == "linear" else pairs.squared_occupancy
    return np.asarray(sum(counted[symbol] * np.abs(f) ** 2 for symbol, f in amplitudes.items()), float)


def _mean_square(pairs: Pairs, amplitudes: Mapping[str, ComplexArray]) -> FloatArray:
    """Return N |<f>|^2."""
    total = sum(pairs.occupancy.values())
    if total == 0:
        raise QdsimError("All occupancies are zero: S(Q) needs at least one atom.")
    return np.asarray(np.abs(sum(pairs.occupancy[symbol] * f for symbol, f in amplitudes.items())) ** 2 / total)


def _interference(pairs: Pairs, q: FloatArray, amplitudes: Mapping[str, ComplexArray]) -> FloatArray:
    """Return the sum over pairs, shape (n,)."""
    if not pairs.groups:
        return np.zeros(q.size)
    transform = SincTransform(q, pairs.largest_distance)
    species = [one for group in pairs.groups for one in group.species]
    grid, row = transform.grid(len(species)), 0
    for group in pairs.groups:
        transform.spread(group.distances, group.weights, grid[row : row + len(group.species)])
        row += len(group.species)
    factors = np.array([pair_factor(one, q, amplitudes) for one in species])
    return np.asarray(np.einsum("ij,ij->j", factors, transform(grid)))


def pair_factor(species: Species, q: FloatArray, amplitudes: Mapping[str, ComplexArray]) -> FloatArray:
    """Return Re(f_a f_b*) T_a T_b, shape (n,)."""
    first, second = (amplitudes[symbol] for symbol in species.symbols)
    return np.asarray((first * second.conj()).real * np.exp(-species.b_sum / (16 * pi**2) * q**2))
