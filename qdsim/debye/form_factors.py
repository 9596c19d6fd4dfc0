"""How strongly an atom scatters X-rays or neutrons."""

from functools import lru_cache
from math import isfinite, pi
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import xraydb

from qdsim.debye.atoms import nuclide
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
Radiation = Literal["xray", "neutron"]

ENERGIES = (0.1, 400.0)
"""keV; Chantler's tables of f' and f'' are used between these."""

_TABLES = xraydb.XrayDB()  # opened with the module: it takes as long as a hundred patterns


def scattering_amplitude(
    species: str, q: FloatArray, energy_kev: float | None = None, radiation: Radiation = "xray"
) -> ComplexArray:
    """Return the scattering amplitude of an atom or ion.

    Parameters
    ----------
    species
        Chemical symbol, or an ion such as "Pb2+". Nobody tabulates S2-, Se2- or Te2-: neutral atoms stand for them.
        An isotope such as "D" or "62Ni" has a scattering length of its own for neutrons; for X-rays it is its element.
    q
        Q, Å^-1, shape (n,).
    energy_kev
        Photon energy at which f' and f'' are added (Chantler, J. Phys. Chem. Ref. Data 29, 597 (2000)); None leaves
        them out. Not used for neutrons.
    radiation
        "xray": f0 after Waasmaier & Kirfel, Acta Cryst. A51, 416 (1995), in electrons. "neutron": the bound coherent
        scattering length, fm.

    Returns
    -------
    ndarray of complex, shape (n,)
        Not to be written to.

    Raises
    ------
    QdsimError
        If the species is not tabulated, the energy is outside `ENERGIES`, or there is no such radiation.
    """
    if radiation not in get_args(Radiation):
        raise QdsimError(f"The radiation is {radiation!r}: use 'xray' or 'neutron'.")
    check_energy(energy_kev)
    return _amplitude(species, np.ascontiguousarray(q, float).tobytes(), energy_kev, radiation)


def check_energy(energy_kev: float | None) -> None:
    """Refuse a photon energy for which there are no f' and f''.

    Raises
    ------
    QdsimError
        If it is outside `ENERGIES`.
    """
    low, high = ENERGIES
    if energy_kev is not None and not (isfinite(energy_kev) and low <= energy_kev <= high):
        raise QdsimError(f"The photon energy is {energy_kev} keV: give one between {low:g} and {high:g} keV.")


@lru_cache(maxsize=64)
def _amplitude(species: str, q_bytes: bytes, energy_kev: float | None, radiation: Radiation) -> ComplexArray:
    q = np.frombuffer(q_bytes)
    amplitude = np.zeros(q.size, complex)
    if radiation == "neutron":
        amplitude += _neutron_length(species)
    else:
        tabulated = _without_mass(species)
        try:
            amplitude += _TABLES.f0(tabulated, q / (4 * pi))
        except ValueError as error:
            raise QdsimError(
                f"X-ray form factors of '{species}' are not tabulated: use a chemical symbol up to Cf, or an ion such "
                "as Pb2+."
            ) from error
        if energy_kev is not None:
            amplitude += _dispersion(tabulated.rstrip("+-0123456789"), 1000 * energy_kev)
    amplitude.setflags(write=False)
    return amplitude


def _without_mass(species: str) -> str:
    """Return the element of an isotope; anything else is left to the tables, which know more than elements."""
    try:
        element, mass = nuclide(species)
    except QdsimError:
        return species
    return element if mass else species


def _dispersion(element: str, energy: float) -> complex:
    """Return f' + i f'' at an energy in eV."""
    try:
        return complex(_TABLES.f1_chantler(element, energy), _TABLES.f2_chantler(element, energy))
    except IndexError as error:
        raise QdsimError(f"f' and f'' of {element} are not tabulated: leave the energy out.") from error


def _neutron_length(species: str) -> complex:
    """Return the bound coherent scattering length, fm."""
    import periodictable

    element, mass = nuclide(species)
    known = periodictable.elements.symbol(element)
    neutron = (known[mass] if mass else known).neutron
    if neutron.b_c is None:
        raise QdsimError(f"No neutron scattering length of {species} is known: leave it out.")
    return complex(neutron.b_c, -(neutron.b_c_i or 0.0))
