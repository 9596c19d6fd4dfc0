"""The electrostatic potential that CP2K writes to a cube file, in Å and eV."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from qdsim.errors import QdsimError

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

__all__ = ["ElectrostaticPotential", "read_potential"]

_TITLES = ("-Quickstep-", "HARTREE POTENTIAL")


@dataclass(frozen=True, eq=False)
class ElectrostaticPotential:
    """Potential energy of an electron in the field of the electrons and of the smeared cores, on a periodic grid.

    Attributes
    ----------
    cell
        Rows are cell vectors, (3, 3), Å. A cube file rounds them to some 1e-4 Å.
    values
        Value ``[i, j, k]`` is at the fractional coordinates ``(i/n1, j/n2, k/n3)``, (n1, n2, n3), eV. Low where
        electrons are attracted; the mean over the cell is zero whatever the charge.
    """

    cell: FloatArray
    values: FloatArray

    def planar_averages(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Average over lattice planes along each cell vector, three arrays of length n1, n2 and n3, eV."""
        first, second, third = (self.values.mean(axis=axes) for axes in ((1, 2), (0, 2), (0, 1)))
        return first, second, third

    def site_averages(self, positions: npt.ArrayLike, radius: float) -> FloatArray:
        """Average over the sphere around each of the sites.

        Exact for the potential between the grid points too: its Fourier components are averaged, not its values.

        Parameters
        ----------
        positions
            Cartesian coordinates of the sites, (N, 3), Å; in any periodic image of the cell.
        radius
            Of the spheres, Å; 0 gives the value at the site.

        Returns
        -------
        numpy.ndarray
            Averages, (N,), eV.
        """
        from scipy.special import spherical_jn

        sites = np.asarray(positions, dtype=float).reshape(-1, 3)
        inverse = np.linalg.inv(self.cell)
        n1, n2, n3 = self.values.shape
        orders = (np.fft.fftfreq(n1, 1 / n1), np.fft.fftfreq(n2, 1 / n2), np.arange(n3 // 2 + 1.0))
        phases = [np.exp(2j * np.pi * np.outer(x, order)) for x, order in zip((sites @ inverse).T, orders, strict=True)]
        # Half of the third axis' components stand for their conjugates too.
        phases[2][:, 1 : (n3 + 1) // 2] *= 2

        components = np.fft.rfftn(self.values) / self.values.size
        wave_vectors = 2 * np.pi * (orders[1][:, None, None] * inverse[:, 1] + orders[2][:, None] * inverse[:, 2])
        averages = np.zeros(len(sites))
        for order, plane, phase in zip(orders[0], components, phases[0].T, strict=True):
            x = radius * np.linalg.norm(wave_vectors + 2 * np.pi * order * inverse[:, 0], axis=-1)
            over_sphere = np.where(x > 0, 3 * spherical_jn(1, x) / np.where(x > 0, x, 1), 1)
            averages += np.einsum("s,sk,sk->s", phase, phases[1] @ (plane * over_sphere), phases[2]).real
        return averages


def read_potential(file: str | Path | TextIO) -> ElectrostaticPotential:
    """Read what ``&V_HARTREE_CUBE`` wrote.

    ``ase`` and ``pymatgen`` read cube files too, but see neither which quantity a file holds nor whether it is whole.
    200 x 200 x 200 values take 3 s and 0.25 GB here, 7 s and 1 GB with ``ase``; ``pymatgen`` takes no open file.

    Parameters
    ----------
    file
        Path, or the file opened for text at its beginning.

    Returns
    -------
    ElectrostaticPotential
        In Å and eV. CP2K's sign, the potential energy of an electron, is kept.

    Raises
    ------
    QdsimError
        When the file holds another quantity, is no cube file, or breaks off.
    """
    from ase.units import Bohr, Hartree

    name = str(file) if isinstance(file, (str, Path)) else str(getattr(file, "name", "The cube file"))
    with Path(file).open(encoding="utf-8") if isinstance(file, (str, Path)) else nullcontext(file) as cube:
        titles = (cube.readline().strip(), cube.readline().strip())
        if titles != _TITLES:
            raise QdsimError(
                f"{name} is not an electrostatic potential of CP2K: it begins with {' / '.join(titles)[:80]!r} "
                f"where {' / '.join(_TITLES)!r} is expected; give the cube that &V_HARTREE_CUBE writes."
            )
        try:
            n_atoms = int(cube.readline().split()[0])
            axes = [cube.readline().split() for _ in range(3)]
            shape = tuple(int(axis[0]) for axis in axes)
            voxel = np.array([axis[1:4] for axis in axes], dtype=float).reshape(3, 3)
            for _ in range(n_atoms):
                cube.readline()
            text = cube.read()
            values = np.fromstring(text, sep=" ", dtype=float)
        except (ValueError, IndexError) as error:
            raise QdsimError(
                f"{name} breaks off, or holds something that is no number; run CP2K again to write it."
            ) from error
    if min(shape) < 1 or values.size != np.prod(shape) or not text.endswith("\n"):
        size = " x ".join(map(str, shape))
        raise QdsimError(
            f"{name} breaks off: it has {values.size} values where {size} are announced; run CP2K again to write it."
        )
    cell = voxel * np.array(shape, dtype=float)[:, None] * Bohr
    return ElectrostaticPotential(cell, values.reshape(shape) * Hartree)
