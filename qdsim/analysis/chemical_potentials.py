"""Chemical potentials of a binary compound's elements: its stability window and the reservoirs inside and outside."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from qdsim.analysis.model import ResultModel
from qdsim.analysis.vacancy_results import ElementState
from qdsim.errors import QdsimError

SAME_ENERGY = 1e-6
"""Energies (eV) this near are equal: a limit of the window belongs to it."""


class StabilityWindow(ResultModel):
    """Within which potentials a compound of one cation and one anion is in equilibrium and its elements do not form.

    The window is mu(cation) - mu^0(cation) from `heat_of_formation` to 0, with mu(cation) + mu(anion) the energy of the
    compound (Zhang and Northrup, Phys. Rev. Lett. 67, 2339 (1991)).
    """

    compound: str
    cation: str
    anion: str
    compound_energy: float = Field(description="eV per formula unit.")
    references: dict[str, float] = Field(description="Energy of each element in its reference phase, eV per atom.")
    phases: dict[str, str] = Field(description="The reference phase of each element.")
    heat_of_formation: float = Field(lt=0, description="Of the compound from the elements, eV per formula unit.")


class Reservoir(ResultModel):
    """With what the crystal exchanges atoms."""

    name: str
    cation: str
    anion: str
    mu: dict[str, float] = Field(description="Chemical potential of each element, eV, on the scale of the energies.")
    delta_mu: dict[str, float] = Field(description="The same against the element's reference phase, eV.")
    out_of_equilibrium: float = Field(0.0, description="mu(cation) + mu(anion) minus the compound's energy, eV.")
    within_window: bool = Field(description="The compound is in equilibrium with it, and no element precipitates.")
    message: str | None = Field(None, description="How far outside the window, and what would happen there.")


class HeatOfFormationComparison(ResultModel):
    """A computed heat of formation against a measured one, both in eV per formula unit."""

    computed: float
    experimental: float
    source: str
    difference: float = Field(description="Computed minus measured, eV per formula unit.")
    ratio: float = Field(description="Computed over measured.")


def stability_window(
    compound: str, cation: str, anion: str, compound_energy: float | None, elements: Sequence[ElementState]
) -> StabilityWindow:
    """Find the window of chemical potentials from the energies of the compound and of its elements.

    Parameters
    ----------
    compound, cation, anion
        Names; the compound has one of each a formula unit.
    compound_energy
        eV per formula unit.
    elements
        Reference phases, eV per atom; others than the two are ignored.

    Raises
    ------
    QdsimError
        If an energy is missing, or the compound is unstable against its elements.
    """
    if compound_energy is None:
        raise QdsimError(f"The energy of {compound} is missing: without it there are no chemical potentials.")
    states = {state.element: state for state in elements}
    references = {}
    for element in (cation, anion):
        state = states.get(element)
        if state is None or state.energy is None:
            reason = f": {state.failure}" if state and state.failure else "."
            raise QdsimError(f"The energy of {element} in its reference phase is missing{reason}")
        references[element] = state.energy
    heat = compound_energy - sum(references.values())
    if heat >= 0:
        raise QdsimError(
            f"{compound} lies {heat:.3f} eV per formula unit above its elements: it has no window of chemical "
            "potentials; check that compound and elements are computed with the same settings."
        )
    return StabilityWindow(
        compound=compound,
        cation=cation,
        anion=anion,
        compound_energy=compound_energy,
        references=references,
        phases={element: states[element].phase for element in references},
        heat_of_formation=heat,
    )


def reservoir_at(window: StabilityWindow, name: str, delta_mu: Mapping[str, float]) -> Reservoir:
    """Define a reservoir by the potentials of one element or of both.

    Parameters
    ----------
    delta_mu
        Against the reference phase, eV. With one element given the other follows from equilibrium with the compound;
        with both given they may be out of equilibrium, which the reservoir's message says.

    Raises
    ------
    QdsimError
        If no element is given, or one that the compound does not have.
    """
    elements = (window.cation, window.anion)
    unknown = [element for element in delta_mu if element not in elements]
    if unknown or not delta_mu:
        given = ", ".join(unknown) or "nothing"
        raise QdsimError(f"Reservoir {name}: give the potential of {' or '.join(elements)}, not of {given}.")
    total = window.heat_of_formation
    delta = {
        element: delta_mu[element] if element in delta_mu else total - delta_mu[other]
        for element, other in (elements, elements[::-1])
    }
    imbalance = sum(delta.values()) - total
    in_equilibrium = abs(imbalance) <= SAME_ENERGY
    problems = []
    if not in_equilibrium:
        change = "grow" if imbalance > 0 else "dissolve"
        problems.append(
            f"out of equilibrium with {window.compound} by {imbalance:+.3f} eV, which would {change} without end"
        )
    problems += [
        f"outside the window of {window.compound} by {delta[element]:.3f} eV, "
        f"{element} ({window.phases[element]}) would precipitate"
        for element in elements
        if delta[element] > SAME_ENERGY
    ]
    return Reservoir(
        name=name,
        cation=window.cation,
        anion=window.anion,
        mu={element: window.references[element] + delta[element] for element in elements},
        delta_mu=delta,
        out_of_equilibrium=0.0 if in_equilibrium else imbalance,
        within_window=not problems,
        message=f"Reservoir {name}: {'; '.join(problems)}." if problems else None,
    )


def reservoir_between(window: StabilityWindow, richness: float, name: str | None = None) -> Reservoir:
    """Define a reservoir between the limits of the window.

    Parameters
    ----------
    richness
        In the cation: 0 at the cation-poor (anion-rich) limit, 1 at the cation-rich one.

    Raises
    ------
    QdsimError
        If the richness is not within 0 and 1.
    """
    if not 0 <= richness <= 1:
        raise QdsimError(f"The richness in {window.cation} is between 0 and 1, not {richness}.")
    name = name or f"{richness:.0%} {window.cation}-rich"
    return reservoir_at(window, name, {window.cation: (1 - richness) * window.heat_of_formation})


def limiting_reservoirs(window: StabilityWindow) -> tuple[Reservoir, Reservoir]:
    """Give both limits of the window: in equilibrium with the cation's, and with the anion's reference phase."""
    cation, anion = window.cation, window.anion
    return reservoir_at(window, f"{cation}-rich", {cation: 0.0}), reservoir_at(window, f"{anion}-rich", {anion: 0.0})


def reservoir_from_source(window: StabilityWindow, name: str, element: str, source_energy: float) -> Reservoir:
    """Define a reservoir by a source of an element, such as lead oleate for lead.

    Parameters
    ----------
    element
        What the source supplies.
    source_energy
        Energy of the source minus that of the element in its reference phase and of the remainder, eV per atom of the
        element: negative where the source is bound. It is minus the energy it takes to extract the element. What
        counts as the remainder, at which chemical potential, is the caller's to say.

    Returns
    -------
    Reservoir
        With delta mu(element) = `source_energy`; the other element from equilibrium with the compound.

    Raises
    ------
    QdsimError
        If the compound does not have the element.
    """
    return reservoir_at(window, name, {element: source_energy})


def compare_heat_of_formation(
    window: StabilityWindow, experimental: float, source: str = ""
) -> HeatOfFormationComparison:
    """Compare the computed heat of formation with a measured one.

    Parameters
    ----------
    experimental
        eV per formula unit (1 eV is 96.485 kJ/mol), negative.
    source
        Where it is from.

    Raises
    ------
    QdsimError
        If the measured one is not negative.
    """
    if not experimental < 0:
        raise QdsimError(
            f"The measured heat of formation of {window.compound} is negative, in eV per formula unit, "
            f"not {experimental}."
        )
    computed = window.heat_of_formation
    return HeatOfFormationComparison(
        computed=computed,
        experimental=experimental,
        source=source,
        difference=computed - experimental,
        ratio=computed / experimental,
    )
