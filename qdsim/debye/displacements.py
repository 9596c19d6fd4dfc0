"""Displacement parameters: how B, U and beta, isotropic and anisotropic, follow from each other."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

B_PER_U = 8 * np.pi**2
"""B = 8 pi^2 U."""


def equivalent_u(u: FloatArray, cell: FloatArray) -> FloatArray:
    """Return U_eq = 1/3 sum_ij U_ij a*_i a*_j (a_i . a_j) (Trueblood et al., Acta Cryst. A 52, 770 (1996)).

    Parameters
    ----------
    u
        U11, U22, U33, U23, U13, U12, Å^2, shape (n, 6).
    cell
        Rows are vectors, Å, shape (3, 3).

    Returns
    -------
    ndarray, shape (n,)
    """
    reciprocal = np.linalg.norm(np.linalg.inv(cell), axis=0)
    return _contracted(u, np.outer(reciprocal, reciprocal) * (cell @ cell.T)) / 3


def b_of_beta(beta: FloatArray, cell: FloatArray) -> FloatArray:
    """Return the equivalent isotropic B = 4/3 sum_ij beta_ij (a_i . a_j), Å^2, from beta_ij = 2 pi^2 a*_i a*_j U_ij.

    Parameters
    ----------
    beta
        beta11, beta22, beta33, beta23, beta13, beta12 of T = exp(-sum_ij beta_ij h_i h_j), shape (n, 6); the source is
        that of `equivalent_u`.
    cell
        Rows are vectors, Å, shape (3, 3).

    Returns
    -------
    ndarray, shape (n,)
    """
    return 4 / 3 * _contracted(beta, cell @ cell.T)


def _contracted(tensors: FloatArray, weights: FloatArray) -> FloatArray:
    """Return sum_ij t_ij w_ij of symmetric tensors in the order 11, 22, 33, 23, 13, 12, shape (n,)."""
    off_diagonal = 2 * np.array([weights[1, 2], weights[0, 2], weights[0, 1]])
    return np.asarray(tensors[:, :3] @ np.diag(weights) + tensors[:, 3:] @ off_diagonal)
