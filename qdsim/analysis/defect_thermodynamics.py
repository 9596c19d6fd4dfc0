"""Charge transition levels of vacancies, and their concentrations at the Fermi level that keeps the crystal neutral."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.units import Bohr, Hartree
from pydantic import Field, PositiveFloat, PositiveInt

from qdsim.analysis.formation_energy import FormationEnergy
from qdsim.analysis.model import ResultModel
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from py_sc_fermi.defect_species import DefectSpecies
    from py_sc_fermi.dos import DOS

HBAR2_OVER_2M = Bohr**2 * Hartree / 2
"""hbar^2 / (2 electron mass), eV Å^2."""
PER_CM3 = 1e24
"""Å^3 in a cm^3."""
DILUTE = 0.05
"""Above this share of the sites, vacancies are no longer independent of each other."""
WHOLE = 1e-6
"""Numbers this near to a whole one are."""
STEP = "its host is a step, where nothing is relaxed."
"""Why a row has no relaxed energy, if nothing failed."""
GAP_POINTS = 11
"""Of a parabolic density of states, band edges included."""


class Transition(ResultModel):
    """The Fermi level at which two charge states cost the same: epsilon(q/q')."""

    charges: tuple[int, int] = Field(description="Stable below and above the level.")
    fermi_level: float = Field(description="Above the valence band maximum, eV.")
    formation_energy: float = Field(description="There, eV.")
    in_gap: bool


class FormationEnergyDiagram(ResultModel):
    """The formation energy of one defect against the Fermi level."""

    host: str
    defect: str
    reservoir: str
    gap: PositiveFloat = Field(description="eV.")
    at_vbm: dict[int, float] = Field(description="Formation energy at the valence band maximum, by charge, eV.")
    corners: tuple[tuple[float, float], ...] = Field(
        description="Fermi level above the valence band maximum and lowest formation energy, eV, from edge to edge."
    )
    transitions: tuple[Transition, ...] = Field(description="Between the charges that are stable somewhere.")
    missing_charges: tuple[int, ...] = Field((), description="Charges without a formation energy.")


class DensityOfStates(ResultModel):
    """The electronic states of the crystal without vacancies."""

    energies: tuple[float, ...] = Field(description="Against the valence band maximum, rising, eV.")
    densities: tuple[tuple[float, ...], ...] = Field(
        description="States per eV in the cell: one row with both spins together, or one for each spin."
    )
    gap: PositiveFloat = Field(description="eV.")
    electrons: PositiveFloat = Field(description="In the cell; the states below the gap are scaled to hold them.")
    formula_units: PositiveInt = Field(1, description="In the cell.")


class DefectConcentration(ResultModel):
    """How many of one defect in one charge state there are in equilibrium."""

    defect: str
    charge: int
    formation_energy: float = Field(description="At the Fermi level, eV.")
    concentration: float = Field(description="cm^-3.")
    site_share: float = Field(description="Of its sites.")
    degeneracy: PositiveInt = Field(1, description="States of one energy that it counts: 2 for a free spin.")


class DefectEquilibrium(ResultModel):
    """Fermi level, carriers and defects of the neutral crystal in equilibrium with a reservoir."""

    host: str
    reservoir: str
    temperature: PositiveFloat = Field(description="K.")
    fermi_level: float = Field(description="Above the valence band maximum, eV.")
    holes: float = Field(description="cm^-3.")
    electrons: float = Field(description="cm^-3.")
    defects: tuple[DefectConcentration, ...]
    residual_charge: float = Field(description="What is left of the net charge, elementary charges per cm^3.")
    reservations: tuple[str, ...] = ()


def formation_energy_diagram(
    energies: Sequence[FormationEnergy], gap: float, *, relaxed: bool = True
) -> FormationEnergyDiagram:
    """Find the stable charge states of one defect and the levels between them.

    With relaxed energies the levels are thermodynamic ones. Unrelaxed energies have each charge in the host's geometry.

    Parameters
    ----------
    energies
        All charge states of one defect in one host and reservoir, at any Fermi levels.
    gap
        Of the host, eV.
    relaxed
        Which energies.

    Raises
    ------
    QdsimError
        If there is no gap or no energy, a charge is there twice, or host, defect or reservoir are not the same.
    """
    if not gap > 0:
        raise QdsimError(f"The host has no gap ({gap:.3f} eV): there is no range of Fermi levels to draw.")
    first = _the_same(energies, ("host", "defect", "reservoir"))
    at_vbm = _at_vbm(energies, relaxed)[first.defect]
    if not at_vbm:
        raise QdsimError(f"{first.defect} in {first.host} has no formation energy in any charge state.")
    stable = _lower_envelope(at_vbm)
    transitions = []
    for below, above in pairwise(stable):
        level = transition_level(below, at_vbm[below], above, at_vbm[above])
        transitions.append(
            Transition(
                charges=(below, above),
                fermi_level=level,
                formation_energy=at_vbm[below] + below * level,
                in_gap=0 <= level <= gap,
            )
        )
    from pymatgen.analysis.defects.thermo import get_transitions

    corners = get_transitions([(charge, at_vbm[charge]) for charge in stable], 0.0, gap)
    return FormationEnergyDiagram(
        host=first.host,
        defect=first.defect,
        reservoir=first.reservoir,
        gap=gap,
        at_vbm=at_vbm,
        corners=tuple((float(x), float(y)) for x, y in corners),
        transitions=tuple(transitions),
        missing_charges=tuple(row.charge for row in energies if row.charge not in at_vbm),
    )


def transition_level(charge: int, energy: float, other_charge: int, other_energy: float) -> float:
    """Give the Fermi level at which two charge states cost the same.

    Parameters
    ----------
    charge, other_charge
        Different ones.
    energy, other_energy
        Formation energies at the valence band maximum, eV.

    Returns
    -------
    float
        epsilon(q/q') = (E_q' - E_q)/(q - q') above the valence band maximum, eV.
    """
    return (other_energy - energy) / (charge - other_charge)


def parabolic_dos(
    gap: float,
    electron_mass: float,
    hole_mass: float,
    volume: float,
    *,
    electron_valleys: int = 1,
    hole_valleys: int = 1,
    width: float = 1.0,
    points: int = 2001,
) -> DensityOfStates:
    """Give the density of states of parabolic bands, per formula unit.

    g(E) = valleys * volume / (2 pi^2) * (2 m/hbar^2)^(3/2) * sqrt(E) from each band edge, both spins together. Bands
    of narrow-gap crystals are less curved than this away from the edge (Kane), so it holds for carriers near it.

    Parameters
    ----------
    gap
        eV.
    electron_mass, hole_mass
        Density-of-states masses of one valley, (m_par m_perp^2)^(1/3), in electron masses.
    volume
        Of a formula unit, Å^3.
    electron_valleys, hole_valleys
        Equivalent band edges: 4 for the L points of a lead chalcogenide.
    width
        How far each band reaches, eV: many times the temperature.
    points
        In each band, denser towards the edge.

    Raises
    ------
    QdsimError
        If one of them is not positive.
    """
    if not min(gap, electron_mass, hole_mass, volume, electron_valleys, hole_valleys, width) > 0:
        raise QdsimError("Gap, masses, valleys, volume and width of a parabolic density of states are positive.")
    depth = width * np.linspace(0, 1, points) ** 2
    prefactor = volume / (2 * np.pi**2) * np.sqrt(depth) / HBAR2_OVER_2M**1.5
    valence = (hole_valleys * hole_mass**1.5 * prefactor)[::-1]
    conduction = electron_valleys * electron_mass**1.5 * prefactor
    inside = np.linspace(0, gap, GAP_POINTS)[1:-1]
    energies = np.concatenate([-depth[::-1], inside, gap + depth])
    densities = np.concatenate([valence, np.zeros_like(inside), conduction])
    return DensityOfStates(
        energies=tuple(energies.tolist()),
        densities=(tuple(densities.tolist()),),
        gap=gap,
        electrons=float(np.trapezoid(valence, -depth[::-1])),
    )


def spin_degeneracy(charge: int) -> int:
    """Return how many spin states a vacancy has: 2 with an unpaired electron, 1 without.

    The crystal is a closed shell, and Pb, S, Se and Te have an even number of electrons each: whatever is taken out,
    the number that is left is odd where the charge is. Odd charges make doublets, even ones are taken for singlets.
    """
    return 2 if charge % 2 else 1


def defect_equilibrium(
    energies: Sequence[FormationEnergy],
    density_of_states: DensityOfStates,
    volume: float,
    temperature: float,
    *,
    relaxed: bool = True,
    degeneracies: Mapping[tuple[str, int], int] | None = None,
) -> DefectEquilibrium:
    """Solve for the Fermi level at which carriers and charged defects are neutral together.

    Solved by py-sc-fermi (Squires, Scanlon and Morgan, J. Open Source Softw. 8, 4962 (2023)), with concentrations
    sites * degeneracy * exp(-E_f/kT), independent of each other.

    Parameters
    ----------
    energies
        All defects and charge states in one host and reservoir. Those without an energy are left out and named; those
        of a series of concentrations are left out, as they are not single ones.
    density_of_states
        Of the host.
    volume
        Of the host, Å^3 per formula unit.
    temperature
        K.
    relaxed
        Which energies.
    degeneracies
        Of spin and orientation, by defect and charge; by default `spin_degeneracy`.

    Raises
    ------
    QdsimError
        If hosts or reservoirs differ, a charge or its sites are ambiguous, the temperature is not positive, the density
        of states cannot be used, or no Fermi level inside it keeps the crystal neutral.
    """
    from py_sc_fermi.defect_system import DefectSystem

    if not temperature > 0:
        raise QdsimError(f"The temperature is positive, not {temperature} K.")
    energies = [row for row in energies if row.concentration is None]
    first = _the_same(energies, ("host", "reservoir"))
    at_vbm = {name: charges for name, charges in _at_vbm(energies, relaxed).items() if charges}
    sites = {name: _whole_sites(energies, name) for name in at_vbm}
    species = [_species(name, sites[name], charges, degeneracies or {}) for name, charges in at_vbm.items()]
    dos = _py_sc_fermi_dos(density_of_states)
    if not species:
        raise QdsimError(f"No defect in {first.host} has a formation energy.")
    system = DefectSystem(species, dos, volume, temperature)
    try:
        fermi_level, residual = system.get_sc_fermi()
    except RuntimeError as error:
        raise QdsimError(
            f"No Fermi level from {dos.emin():.2f} to {dos.emax():.2f} eV keeps {first.host} neutral at "
            f"{temperature:g} K: give a wider density of states, or look for a formation energy that is negative."
        ) from error
    holes, electrons = dos.carrier_concentrations(fermi_level, temperature)
    per_cm3 = PER_CM3 / volume
    defects = tuple(
        DefectConcentration(
            defect=one.name,
            charge=charge,
            formation_energy=at_vbm[one.name][charge] + charge * fermi_level,
            concentration=amount * per_cm3,
            site_share=amount / one.nsites,
            degeneracy=one.charge_states[charge].degeneracy,
        )
        for one in species
        for charge, amount in one.charge_state_concentrations(fermi_level, temperature).items()
    )
    return DefectEquilibrium(
        host=first.host,
        reservoir=first.reservoir,
        temperature=temperature,
        fermi_level=fermi_level,
        holes=holes * per_cm3,
        electrons=electrons * per_cm3,
        defects=defects,
        residual_charge=residual * per_cm3,
        reservations=_reservations(energies, relaxed, defects),
    )


def _the_same(energies: Sequence[FormationEnergy], names: Sequence[str]) -> FormationEnergy:
    """Refuse energies that do not belong together."""
    if not energies:
        raise QdsimError("There are no formation energies.")
    for name in names:
        found = dict.fromkeys(getattr(row, name) for row in energies)
        if len(found) > 1:
            raise QdsimError(f"The formation energies belong to more than one {name}: {', '.join(found)}.")
    return energies[0]


def _at_vbm(energies: Sequence[FormationEnergy], relaxed: bool) -> dict[str, dict[int, float]]:
    """Energies at the valence band maximum by defect and charge."""
    found: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for row in energies:
        terms = row.relaxed if relaxed else row.unrelaxed
        charges = found[row.defect]
        if row.charge in charges:
            raise QdsimError(
                f"{row.defect} has the charge {row.charge:+} twice in {row.host}: give each its own label."
            )
        if terms is not None:
            charges[row.charge] = terms.total - row.charge * row.fermi_level
    return found


def _lower_envelope(at_vbm: Mapping[int, float]) -> list[int]:
    """Find the charges that are lowest at some Fermi level, falling."""
    from pymatgen.analysis.defects.thermo import get_lower_envelope
    from scipy.spatial import QhullError

    try:
        stable = [int(charge) for charge, _ in get_lower_envelope(list(at_vbm.items()))]
    except QhullError:  # all lines meet in one point, where the outermost charges take turns
        stable = [min(at_vbm), max(at_vbm)]
    return sorted(stable, reverse=True)


def _whole_sites(energies: Sequence[FormationEnergy], defect: str) -> int:
    """Sites of a defect per formula unit."""
    found = {row.sites_per_formula_unit for row in energies if row.defect == defect}
    sites = found.pop() if len(found) == 1 else None
    if sites is None or round(sites) < 1 or abs(sites - round(sites)) > WHOLE:
        raise QdsimError(
            f"{defect} has {sites} sites per formula unit, not a whole number: its multiplicity is that of all "
            "equivalent choices in the supercell, such as the number of cations for a cation vacancy."
        )
    return round(sites)


def _species(
    name: str, sites: int, at_vbm: Mapping[int, float], degeneracies: Mapping[tuple[str, int], int]
) -> "DefectSpecies":
    from py_sc_fermi.defect_charge_state import DefectChargeState
    from py_sc_fermi.defect_species import DefectSpecies

    states = {}
    for charge, energy in at_vbm.items():
        degeneracy = degeneracies.get((name, charge), spin_degeneracy(charge))
        states[charge] = DefectChargeState(charge=charge, degeneracy=degeneracy, energy=energy)
    return DefectSpecies(name, sites, states)


def _py_sc_fermi_dos(states: DensityOfStates) -> "DOS":
    """Give the density of states of both spins together, which py-sc-fermi scales to the electrons it is told."""
    from py_sc_fermi.dos import DOS

    energies = np.asarray(states.energies)
    if any(len(row) != len(energies) for row in states.densities) or len(states.densities) not in {1, 2}:
        raise QdsimError("The density of states has one row, or one for each spin, with a value for each energy.")
    if np.any(np.diff(energies) <= 0) or not (energies[0] < 0 < states.gap < energies[-1]):
        raise QdsimError(
            f"The energies of the density of states rise from below 0 to above the gap ({states.gap} eV), against the "
            "valence band maximum."
        )
    total = np.sum(states.densities, axis=0)
    electrons: Any = states.electrons / states.formula_units  # a factor: it need not be whole, as py-sc-fermi says
    return DOS(total, energies, states.gap, electrons)


def _reservations(
    energies: Sequence[FormationEnergy], relaxed: bool, defects: Sequence[DefectConcentration]
) -> tuple[str, ...]:
    found = [reservation for row in energies for reservation in row.reservations]
    found += [
        f"{row.defect} with charge {row.charge:+} is left out: {row.failure or STEP}"
        for row in energies
        if (row.relaxed if relaxed else row.unrelaxed) is None
    ]
    shares: defaultdict[str, float] = defaultdict(float)
    for defect in defects:
        shares[defect.defect] += defect.site_share
    found += [
        f"{name} takes {share:.2g} of its sites: it is not dilute, its concentration is not meant literally."
        for name, share in shares.items()
        if share > DILUTE
    ]
    return tuple(dict.fromkeys(found))
