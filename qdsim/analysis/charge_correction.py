"""Finite-size correction of a charged vacancy: what its periodic images and the background change in the energy.

Two schemes, each the sum of an electrostatic term and an alignment, both to be added to the formation energy:

    E_f = E(vacancy) - E(host) + sum n_i mu_i + q (E_VBM + E_F) + electrostatic + alignment,

with E_VBM the host's highest occupied level in the host's own supercell. Charges q count positive where electrons are
missing, in e. All potentials are potential energies of an electron (eV), as CP2K gives them, with any constant: the
alignment finds by how much the levels far from the vacancy are shifted against the host's.

FNV: Freysoldt, Neugebauer and Van de Walle, Phys. Rev. Lett. 102, 016402 (2009), from planar averages.
eFNV: Kumagai and Oba, Phys. Rev. B 89, 195205 (2014), from averages at the atoms; meant for relaxed atoms and for
anisotropic screening.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ase.geometry import find_mic, minkowski_reduce
from ase.units import Bohr, Hartree
from scipy.special import erfc

from qdsim.analysis.vacancy_results import ChargeCorrection
from qdsim.errors import QdsimError

__all__ = ["efnv_correction", "electrostatic_correction", "fnv_correction", "point_charge_potential"]

FloatArray = npt.NDArray[np.float64]
Dielectric = float | npt.ArrayLike

COULOMB = Hartree * Bohr
"""e^2 / (4 pi eps_0), eV Å."""
SAME_CELL = 1e-3
"""Cells whose vectors (Å) differ less than this are equal, since a cube file rounds them."""


def fnv_correction(
    charge: int,
    dielectric: Dielectric | None,
    dielectric_kind: str,
    *,
    cell: npt.ArrayLike,
    host_cell: npt.ArrayLike,
    host_averages: Sequence[npt.ArrayLike],
    defect_averages: Sequence[npt.ArrayLike],
    vacant_site: npt.ArrayLike,
) -> ChargeCorrection:
    """Correct by the scheme of Freysoldt, Neugebauer and Van de Walle.

    The alignment is the mean over the three axes of what the planar averages differ by, beyond the field of a Gaussian
    charge 1 bohr wide, within 0.5 Å of the plane midway between the vacancy and its image.

    Parameters
    ----------
    charge
        Of the supercell, e; positive where electrons are missing.
    dielectric
        Scalar or symmetric tensor (3, 3); eps_inf for ions held still, eps_0 for relaxed ones.
    dielectric_kind
        Name of that constant, kept with the result.
    cell, host_cell
        Rows are the supercell's vectors with and without the vacancy, (3, 3), Å.
    host_averages, defect_averages
        Planar averages of the potential energy of an electron along each cell vector, three arrays, eV.
    vacant_site
        Fractional coordinates of the charge's centre, (3,).

    Returns
    -------
    ChargeCorrection
        Electrostatic term and alignment; of a tensor, the isotropic constant with the same electrostatic term.

    Raises
    ------
    QdsimError
        When there is no usable dielectric constant, or when the two cells or grids differ.
    """
    from pymatgen.analysis.defects.corrections.freysoldt import get_freysoldt_correction
    from pymatgen.core.lattice import Lattice

    tensor = _tensor(charge, dielectric)
    vectors = _common_cell(cell, host_cell)
    host, defect = ([np.asarray(axis, dtype=float) for axis in side] for side in (host_averages, defect_averages))
    grids = [tuple(len(axis) for axis in side) for side in (host, defect)]
    if grids[0] != grids[1]:
        raise QdsimError(
            f"The potentials of host and vacancy are on different grids, {grids[0]} and {grids[1]}; "
            "compute both with the same cutoff and cell."
        )
    of_defect: Any = dict(enumerate(defect))  # which it takes in place of VASP's LOCPOT
    of_host: Any = dict(enumerate(host))
    result = get_freysoldt_correction(
        charge,
        tensor,
        of_defect,
        of_host,
        np.asarray(vacant_site, dtype=float) % 1,
        lattice=Lattice(vectors),
    )
    return ChargeCorrection(
        method="FNV",
        dielectric=_isotropic(vectors, tensor),
        dielectric_kind=dielectric_kind,
        electrostatic=float(result.metadata["electrostatic"]),
        alignment=float(result.metadata["potential"]),
    )


def efnv_correction(
    charge: int,
    dielectric: Dielectric | None,
    dielectric_kind: str,
    *,
    cell: npt.ArrayLike,
    host_cell: npt.ArrayLike,
    positions: npt.ArrayLike,
    host_potentials: npt.ArrayLike,
    defect_potentials: npt.ArrayLike,
    vacant_site: npt.ArrayLike,
) -> ChargeCorrection:
    """Correct by the scheme of Kumagai and Oba.

    The alignment is the mean of what the potentials differ by, beyond the field of a point charge, over the atoms
    outside the sphere that touches the Wigner-Seitz cell of the supercell from within.

    Parameters
    ----------
    charge, dielectric, dielectric_kind, cell, host_cell, vacant_site
        As for `fnv_correction`.
    positions
        Cartesian coordinates of the atoms that host and vacancy have in common, as the vacancy leaves them, (N, 3), Å.
    host_potentials, defect_potentials
        Potential energy of an electron at these atoms, averaged over equal spheres around where the atoms are in host
        and vacancy, (N,), eV.

    Returns
    -------
    ChargeCorrection
        Electrostatic term and alignment; of a tensor, the isotropic constant with the same electrostatic term.

    Raises
    ------
    QdsimError
        When there is no usable dielectric constant, when the two cells differ, or when no atom is far enough away.
    """
    tensor = _tensor(charge, dielectric)
    vectors = _common_cell(cell, host_cell)
    from_vacancy = np.asarray(positions, dtype=float) - np.asarray(vacant_site, dtype=float) @ vectors
    difference = np.asarray(defect_potentials, dtype=float) - np.asarray(host_potentials, dtype=float)
    if from_vacancy.shape != (difference.size, 3):
        raise ValueError(f"{difference.shape} potentials for positions of shape {from_vacancy.shape}")
    radius = np.linalg.norm(minkowski_reduce(vectors)[0][0]) / 2
    far = find_mic(from_vacancy, vectors)[1] > radius
    if not far.any():
        raise QdsimError(f"No atom is further than {radius:.2f} Å from the vacancy; take a larger supercell.")
    of_charge = -charge * point_charge_potential(from_vacancy[far], vectors, tensor)
    return ChargeCorrection(
        method="eFNV",
        dielectric=_isotropic(vectors, tensor),
        dielectric_kind=dielectric_kind,
        electrostatic=electrostatic_correction(charge, vectors, tensor),
        alignment=charge * float(np.mean(difference[far] - of_charge)),
    )


def electrostatic_correction(charge: int, cell: npt.ArrayLike, dielectric: Dielectric) -> float:
    """Minus the energy of a point charge among its periodic images in a neutralising background, eV.

    Parameters
    ----------
    charge
        In e.
    cell
        Rows are cell vectors, (3, 3), Å.
    dielectric
        Scalar or tensor (3, 3).
    """
    return -(charge**2) / 2 * float(point_charge_potential(np.zeros((1, 3)), cell, dielectric, itself=False)[0])


def point_charge_potential(
    displacements: npt.ArrayLike, cell: npt.ArrayLike, dielectric: Dielectric, *, itself: bool = True
) -> FloatArray:
    """Potential of a lattice of unit charges in a neutralising background, by Ewald's method.

    For a tensor, space is stretched by the root of its inverse, so that the charge's field becomes isotropic.

    Parameters
    ----------
    displacements
        From the charge, Cartesian, (N, 3), Å.
    cell
        Rows are cell vectors, (3, 3), Å.
    dielectric
        Scalar or symmetric tensor (3, 3).
    itself
        Whether to count the charge at the origin, or its images only.

    Returns
    -------
    numpy.ndarray
        Electrostatic potential with zero mean over the cell, (N,), V.
    """
    root = np.linalg.cholesky(np.asarray(dielectric, dtype=float) * (np.eye(3) if np.ndim(dielectric) == 0 else 1))
    stretch = np.linalg.inv(root).T
    vectors = np.asarray(cell, dtype=float) @ stretch
    points = np.asarray(displacements, dtype=float).reshape(-1, 3) @ stretch
    volume = abs(np.linalg.det(vectors))
    # Both sums fall off equally fast, and end where their terms are below 1e-16 of the first.
    width = np.sqrt(np.pi) / np.cbrt(volume)
    reach = 6.5

    waves = _lattice_points(2 * np.pi * np.linalg.inv(vectors).T, 2 * width * reach)
    waves = waves[np.linalg.norm(waves, axis=1) > 0]
    squares = np.sum(waves**2, axis=1)
    total = np.cos(points @ waves.T) @ (4 * np.pi / volume * np.exp(-squares / (4 * width**2)) / squares)
    total -= np.pi / (volume * width**2)

    wrapped = find_mic(points, vectors)[0]
    images = _lattice_points(vectors, reach / width + np.linalg.norm(wrapped, axis=1).max(initial=0))
    distances = np.linalg.norm(wrapped[:, None] - images, axis=2)
    if not itself:
        home = distances < 1e-9 * np.cbrt(volume)
        distances[home] = np.inf
        total -= 2 * width / np.sqrt(np.pi) * home.any(axis=1)
    with np.errstate(divide="ignore"):
        total += np.sum(erfc(width * distances) / distances, axis=1)
    return np.asarray(COULOMB * total / np.linalg.det(root))


def _lattice_points(vectors: FloatArray, radius: float) -> FloatArray:
    """All points of a lattice within a radius of the origin, (N, 3)."""
    bounds = np.floor(radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int)
    orders = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in bounds), indexing="ij"), axis=-1).reshape(-1, 3)
    points = orders @ vectors
    return np.asarray(points[np.linalg.norm(points, axis=1) <= radius])


def _tensor(charge: int, dielectric: Dielectric | None) -> FloatArray:
    if charge == 0:
        raise ValueError("a neutral supercell needs no correction of its charge")
    if dielectric is None:
        raise QdsimError(
            f"A vacancy of charge {charge:+d} needs the dielectric constant of its crystal, to be corrected for its "
            "periodic images: give eps_inf where the ions are held still, eps_0 where they are relaxed."
        )
    tensor = np.asarray(dielectric, dtype=float)
    if tensor.ndim == 0:
        tensor = tensor * np.eye(3)
    if tensor.shape != (3, 3) or not np.allclose(tensor, tensor.T) or np.linalg.eigvalsh(tensor).min() <= 0:
        raise QdsimError(
            f"The dielectric constant {np.asarray(dielectric).tolist()} is neither a positive number nor a symmetric, "
            "positive 3 x 3 tensor."
        )
    return tensor


def _isotropic(cell: FloatArray, tensor: FloatArray) -> float:
    """Find the scalar that gives the electrostatic term of a tensor."""
    if np.array_equal(tensor, tensor[0, 0] * np.eye(3)):
        return float(tensor[0, 0])
    return electrostatic_correction(1, cell, 1.0) / electrostatic_correction(1, cell, tensor)


def _common_cell(cell: npt.ArrayLike, host_cell: npt.ArrayLike) -> FloatArray:
    vectors, host = np.asarray(cell, dtype=float), np.asarray(host_cell, dtype=float)
    if vectors.shape != (3, 3) or host.shape != (3, 3):
        raise ValueError(f"cells have shapes {vectors.shape} and {host.shape}, not (3, 3)")
    if np.abs(vectors - host).max() > SAME_CELL:
        lengths = [np.linalg.norm(rows, axis=1).round(3).tolist() for rows in (vectors, host)]
        raise QdsimError(
            f"Vacancy and host have different cells (lengths {lengths[0]} and {lengths[1]} Å): "
            "their potentials compare only in the same one."
        )
    return vectors
