"""How strongly an atom scatters X-rays or neutrons."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, pi
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import xraydb
from ase.data import atomic_numbers

from qdsim.debye.atoms import nuclide
from qdsim.debye.form_factor_tables import FormFactorTable
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
Radiation = Literal["xray", "neutron"]
Dispersion = Literal["chantler", "none"] | Mapping[str, tuple[float, float]]
"""f' and f'': tabulated ones where the energy is known, none, or those of each element by its symbol, electrons."""

ENERGIES = (0.1, 400.0)
"""keV; Chantler's tables of f' and f'' are used between these."""

MOST_CHARGED = 5.0
"""Electrons by which a table of form factors may differ from the atomic number at Q = 0; ions have up to four."""

_NEAR_ZERO = 0.05  # Å^-1, where the form factor is the number of electrons to a thousandth
_TABLES = xraydb.XrayDB()  # opened with the module: it takes as long as a hundred patterns


@dataclass(frozen=True)
class Scattering:
    """What scatters, and how self-scattering counts vacancies; see `qdsim.debye.intensity`.

    Mappings are pairs of key and value.
    """

    energy_kev: float | None = None
    radiation: Radiation = "xray"
    ions: tuple[tuple[str, str], ...] = ()
    self_term: Literal["linear", "squared"] = "linear"
    form_factors: tuple[tuple[str, FormFactorTable], ...] = ()
    dispersion: Literal["chantler", "none"] | tuple[tuple[str, tuple[float, float]], ...] = "chantler"


def element_amplitudes(
    elements: Sequence[str], q: FloatArray, scattering: Scattering, owner: str
) -> dict[str, ComplexArray]:
    """Return the scattering amplitude of each element.

    Parameters
    ----------
    elements
        Chemical symbols.
    q
        Q, Å^-1, shape (n,).
    scattering
        Radiation, energy and form factors.
    owner
        What has these elements, for messages, such as "the model has Pb and S".

    Raises
    ------
    QdsimError
        If something is given for an element that is not there, twice, or not for all that need it, or as for
        `scattering_amplitude`.
    """
    ions, tables = dict(scattering.ions), dict(scattering.form_factors)
    numbers = {} if isinstance(scattering.dispersion, str) else dict(scattering.dispersion)
    by_element: dict[str, Mapping[str, object]] = {"ions": ions, "form_factors": tables, "dispersion": numbers}
    for name, given in by_element.items():
        if absent := ", ".join(map(str, sorted(set(given) - set(elements)))):
            raise QdsimError(f"{name} is given for {absent}: {owner} only.")
    if twice := ", ".join(sorted(set(ions) & set(tables))):
        raise QdsimError(f"ions and form_factors are both given for {twice}: leave out one of the two.")
    if not isinstance(scattering.dispersion, str) and (missing := ", ".join(sorted(set(elements) - set(numbers)))):
        raise QdsimError(f"dispersion is not given for {missing}: give f' and f'' of every element.")
    return {
        symbol: scattering_amplitude(
            ions.get(symbol, symbol),
            q,
            scattering.energy_kev,
            scattering.radiation,
            tables.get(symbol),
            scattering.dispersion if isinstance(scattering.dispersion, str) else numbers[symbol],
        )
        for symbol in elements
    }


def scattering_amplitude(
    species: str,
    q: FloatArray,
    energy_kev: float | None = None,
    radiation: Radiation = "xray",
    table: FormFactorTable | None = None,
    dispersion: Literal["chantler", "none"] | tuple[float, float] = "chantler",
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
    table
        f0 in place of that.
    dispersion
        "none" leaves f' and f'' out though the energy is known; two numbers are f' and f'' themselves, electrons.

    Returns
    -------
    ndarray of complex, shape (n,)
        Not to be written to.

    Raises
    ------
    QdsimError
        If the species is not tabulated, the energy is outside `ENERGIES`, there is no such radiation or dispersion, a
        table does not cover Q or is of another element, or one is given for neutrons.
    """
    if radiation not in get_args(Radiation):
        raise QdsimError(f"The radiation is {radiation!r}: use 'xray' or 'neutron'.")
    if dispersion not in ("chantler", "none") and not _are_two_numbers(dispersion):
        raise QdsimError(f"The dispersion is {dispersion!r}: use 'chantler', 'none', or f' and f'' of each element.")
    if radiation == "neutron" and (table is not None or dispersion != "chantler"):
        raise QdsimError("form_factors and dispersion are of X-rays: leave them out for neutrons.")
    check_energy(energy_kev)
    if table is not None:
        _check_electrons(species, table)
    return _amplitude(species, np.ascontiguousarray(q, float).tobytes(), energy_kev, radiation, table, dispersion)


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


def _are_two_numbers(given: object) -> bool:
    try:
        return isinstance(given, Iterable) and [isfinite(number) for number in given] == [True, True]
    except TypeError:
        return False


def _check_electrons(species: str, table: FormFactorTable) -> None:
    element = element_of(species)
    number = atomic_numbers.get(element)
    if number is None:
        raise QdsimError(f"There is no element '{element}': use a chemical symbol.")
    most = max(table.f0)
    if most > number + MOST_CHARGED or (table.q[0] <= _NEAR_ZERO and table.f0[0] < number - MOST_CHARGED):
        raise QdsimError(
            f"The form factors of {table.source} begin at {table.f0[0]:.4g} electrons, and {element} has {number}: "
            f"give those of {species}."
        )


def element_of(species: str) -> str:
    """Return the chemical symbol of an atom, ion or isotope."""
    return _without_mass(species.rstrip("+-0123456789"))


@lru_cache(maxsize=64)
def _amplitude(
    species: str,
    q_bytes: bytes,
    energy_kev: float | None,
    radiation: Radiation,
    table: FormFactorTable | None,
    dispersion: Literal["chantler", "none"] | tuple[float, float],
) -> ComplexArray:
    q = np.frombuffer(q_bytes)
    amplitude = np.zeros(q.size, complex)
    if radiation == "neutron":
        amplitude += _neutron_length(_neutral(species))
    else:
        amplitude += _f0(species, q) if table is None else table.at(q)
        amplitude += complex(*dispersion_of(species, energy_kev, dispersion) or (0.0, 0.0))
    amplitude.setflags(write=False)
    return amplitude


def _neutral(species: str) -> str:
    """Return an ion without its charge."""
    return re.sub(r"\d*[+-]$", "", species)


def _without_mass(species: str) -> str:
    """Return the element of an isotope; anything else is left to the tables, which know more than elements."""
    try:
        element, mass = nuclide(species)
    except QdsimError:
        return species
    return element if mass else species


def _f0(species: str, q: FloatArray) -> FloatArray:
    try:
        return np.asarray(_TABLES.f0(_without_mass(species), q / (4 * pi)))
    except ValueError as error:
        raise QdsimError(
            f"X-ray form factors of '{species}' are not tabulated: use a chemical symbol up to Cf, or an ion such as "
            "Pb2+, or give a table (form_factors)."
        ) from error


def dispersion_of(
    species: str, energy_kev: float | None, dispersion: Literal["chantler", "none"] | tuple[float, float]
) -> tuple[float, float] | None:
    """Return f' and f'' in electrons, None where there are none; see `scattering_amplitude`."""
    if not isinstance(dispersion, str):
        first, second = dispersion
        return float(first), float(second)
    if dispersion == "none" or energy_kev is None:
        return None
    element = element_of(species)
    try:
        return (
            float(_TABLES.f1_chantler(element, 1000 * energy_kev)),
            float(_TABLES.f2_chantler(element, 1000 * energy_kev)),
        )
    except IndexError as error:
        raise QdsimError(
            f"f' and f'' of {element} are not tabulated: leave the energy out, or give them (dispersion)."
        ) from error


def _neutron_length(species: str) -> complex:
    """Return the bound coherent scattering length, fm."""
    import periodictable

    element, mass = nuclide(species)
    known = periodictable.elements.symbol(element)
    neutron = (known[mass] if mass else known).neutron
    if neutron.b_c is None:
        raise QdsimError(f"No neutron scattering length of {species} is known: leave it out.")
    return complex(neutron.b_c, -(neutron.b_c_i or 0.0))
