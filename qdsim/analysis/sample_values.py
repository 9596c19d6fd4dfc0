"""What follows from the values of a scattering fit: volumes, offsets, strains and tensions."""

from collections.abc import Callable, Mapping
from math import hypot, pi, sqrt
from typing import NamedTuple

from ase.units import GPa

from qdsim.analysis.dipole import point_charge_dipole
from qdsim.analysis.scattering_fit import Measured, Sample
from qdsim.structures import RhombohedralState, Shape

_STEP = 1e-4  # of a standard error, for derivatives
_SMALLEST_STEP = 1e-9
_UNIT = RhombohedralState.from_lattice_constant(1.0)


class Known(NamedTuple):
    """A value with its standard error.

    Attributes
    ----------
    value, error
        In the unit of the quantity; the error is None where nobody has stated it.
    limit
        "lower" or "upper" where the value is only a bound.
    source
        Where it is stated, or what it follows from.
    assumed
        The error, or that of a value it follows from, is a tolerance that was chosen.
    """

    value: float
    error: float | None
    limit: str | None = None
    source: str = ""
    assumed: bool = False


def known_values(sample: Sample, tolerances: Mapping[str, float]) -> dict[str, Known]:
    """Return what a sample states and what follows from it.

    Parameters
    ----------
    sample
        The sample.
    tolerances
        Standard errors, by quantity, of values that have none.

    Returns
    -------
    dict
        By quantity; `volume` also where only a lattice constant, or both bonds, are stated, and `pb_offset` also where
        only the bonds are.
    """
    stated = sample.stated()
    known = {name: with_tolerance(found, tolerances.get(name)) for name, found in stated.items()}
    if "volume" not in known and "lattice_constant" in known:
        edge = known["lattice_constant"]
        volume = _propagate(lambda a: a**3 / 4, edge)
        known["volume"] = volume._replace(limit=edge.limit, source=_said("from the lattice constant", edge.source))
    both = {"bond_short", "bond_long"} <= known.keys()
    if both and not (known["bond_short"].limit or known["bond_long"].limit):
        bonds = known["bond_short"], known["bond_long"]
        alpha = known.get("alpha_rh", Known(60.0, 0.0))
        words = f"from the bonds of {bonds[0].value:g} and {bonds[1].value:g} Å"
        for name, place in (("volume", 0), ("pb_offset", 1)):
            if name not in known:
                found = _propagate(lambda *values, i=place: _state_of_bonds(*values)[i], *bonds, alpha)
                known[name] = found._replace(source=_said(words, bonds[0].source))
    return known


def with_tolerance(measured: Measured, tolerance: float | None) -> Known:
    """Return a stated value, with a tolerance for its error where it has none."""
    assumed = measured.error is None and tolerance is not None
    error = tolerance if measured.error is None else measured.error
    return Known(measured.value, error, measured.limit, measured.source, assumed)


def measured_strain(volume: Known, bulk: Known) -> Known:
    """Return the linear strain of a volume against that of the bulk.

    Parameters
    ----------
    volume
        Per formula unit, Å^3.
    bulk
        Lattice constant of the bulk, Å.
    """
    strain = _propagate(lambda v, a: (4 * v) ** (1 / 3) / a - 1, volume, bulk._replace(error=bulk.error or 0.0))
    return strain._replace(limit=volume.limit, source=volume.source)


def linear_from_volumetric(strain: Known) -> Known:
    """Return the linear strain of a volumetric one, both fractions."""
    found = _propagate(lambda change: (1 + change) ** (1 / 3) - 1, strain)
    return found._replace(limit=strain.limit, source=strain.source)


def volumetric_from_linear(strain: Known) -> Known:
    """Return the volumetric strain of a linear one, both fractions."""
    found = _propagate(lambda change: (1 + change) ** 3 - 1, strain)
    return found._replace(limit=strain.limit, source=strain.source)


def laplace_pressure(surface_tension: Known, diameter: Known) -> Known:
    """Return the Laplace pressure 4 gamma/D of a sphere, GPa; negative is tension.

    Parameters
    ----------
    surface_tension
        gamma, eV/Å^2.
    diameter
        D, Å.
    """
    found = _propagate(lambda gamma, d: 4 * gamma / d / GPa, surface_tension, diameter)
    words = f"4γ/D with γ = {100 * surface_tension.value:.3g} eV/nm² and D = {diameter.value:.4g} Å"
    return found._replace(source=_said(words, surface_tension.source))


def displacement_of_offset(offset: Known, share: float) -> Known:
    """Return the B that an offset u would add to an ion if it pointed along every <111> in turn, Å^2.

    It is 8 pi^2 <u_x^2> with <u_x^2> = (share u)^2/3.

    Parameters
    ----------
    offset
        Of the cation against the anion sublattice, Å.
    share
        How much of it the ion moves, see `qdsim.analysis.soft_mode.offset_shares`.
    """
    return _propagate(lambda u: 8 * pi**2 * (share * u) ** 2 / 3, offset)


def dipole_of_offset(charge: Known, diameter: Known, volume: Known, offset: Known) -> Known:
    """Return the dipole of a sphere whose cations are displaced against its anions, D.

    Parameters
    ----------
    charge
        Of each cation, e.
    diameter
        Å.
    volume
        Per formula unit, Å^3.
    offset
        Å.
    """
    return _propagate(
        lambda z, d, v, u: point_charge_dipole(Shape().volume(d) / v, u, z), charge, diameter, volume, offset
    )


def _state_of_bonds(short: float, long: float, alpha: float) -> tuple[float, float]:
    """Return volume (Å^3) and offset (Å) of a lattice with these bonds (Å) and this angle (degrees).

    With the vector t from a cation's site to an anion, of component h along [111], the squared bonds are
    t^2 + u^2 -/+ 2 u h; t and h are in proportion to the edge.
    """
    unit = RhombohedralState(_UNIT.volume, alpha)
    squared = unit.bond_lengths[0] ** 2
    along = float(sum(unit.cell.sum(axis=0)) / sqrt(3)) / 6
    mean, split = (long**2 + short**2) / 2, (long**2 - short**2) / (4 * along)
    edge_squared = (mean + sqrt(mean**2 - 4 * squared * split**2)) / (2 * squared)
    return edge_squared**1.5 / 4, split / sqrt(edge_squared)


def _propagate(function: Callable[..., float], *arguments: Known) -> Known:
    """Evaluate a function and its standard error, the arguments being independent."""
    values = [argument.value for argument in arguments]
    errors = [argument.error for argument in arguments if argument.error is not None]
    changes = []
    for i, error in enumerate(errors if len(errors) == len(arguments) else []):
        step = max(_STEP * error, _SMALLEST_STEP)
        ahead, behind = (function(*values[:i], values[i] + sign * step, *values[i + 1 :]) for sign in (1, -1))
        changes.append((ahead - behind) / (2 * step) * error)
    return Known(
        function(*values),
        hypot(*changes) if changes else None,
        assumed=any(argument.assumed for argument in arguments),
    )


def _said(words: str, source: str) -> str:
    return f"{words}; {source}" if source else words
