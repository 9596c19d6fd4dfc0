"""Everything that follows from computed vacancies, in one document: potentials, formation energies, what makes them."""

from collections.abc import Sequence

from pydantic import Field, PositiveFloat, PositiveInt

from qdsim.analysis.chemical_potentials import (
    HeatOfFormationComparison,
    Reservoir,
    StabilityWindow,
    compare_heat_of_formation,
    limiting_reservoirs,
    reservoir_at,
    reservoir_between,
    reservoir_from_source,
    stability_window,
)
from qdsim.analysis.concentrated_vacancies import VacancySeries, vacancy_series
from qdsim.analysis.defect_thermodynamics import DefectEquilibrium, defect_equilibrium, parabolic_dos
from qdsim.analysis.distortion_decomposition import Decomposition, decompose_distortion
from qdsim.analysis.formation_energy import FormationEnergy, tabulate_formation_energies
from qdsim.analysis.model import ResultModel
from qdsim.analysis.vacancy_results import VacancyResults
from qdsim.errors import QdsimError


class ReservoirSettings(ResultModel):
    """A reservoir by one of three descriptions."""

    name: str
    delta_mu: dict[str, float] = Field({}, description="eV against the reference phase, by element.")
    richness: float | None = Field(None, description="Between anion-rich (0) and cation-rich (1).")
    element: str | None = Field(None, description="Which element a source supplies.")
    source_energy: float | None = Field(None, description="Of the source against the element, eV per atom.")


class CarrierSettings(ResultModel):
    """Parabolic bands at the edges, for the carriers that charged vacancies are in equilibrium with."""

    electron_mass: PositiveFloat = Field(description="Density-of-states mass of one valley, electron masses.")
    hole_mass: PositiveFloat = Field(description="Density-of-states mass of one valley, electron masses.")
    valleys: PositiveInt = Field(4, description="Equivalent band edges; 4 at the L points.")


class MeasuredHeat(ResultModel):
    """A measured heat of formation."""

    value: float = Field(lt=0, description="eV per formula unit.")
    source: str


class VacancyAnalysis(ResultModel):
    """Formation energies and what they are made of."""

    window: StabilityWindow | None = Field(
        description="None where the energy of an element or the compound is missing."
    )
    heat_of_formation: HeatOfFormationComparison | None = None
    reservoirs: tuple[Reservoir, ...] = ()
    temperature: PositiveFloat = Field(description="Of mixing, K.")
    formation_energies: tuple[FormationEnergy, ...] = ()
    decompositions: tuple[Decomposition, ...] = ()
    equilibria: tuple[DefectEquilibrium, ...] = Field((), description="Fermi level, carriers and charged vacancies.")
    series: tuple[VacancySeries, ...] = ()
    messages: tuple[str, ...] = Field((), description="Why parts are missing.")


def analyse_vacancies(
    results: VacancyResults,
    reservoirs: Sequence[ReservoirSettings] = (),
    temperature: float = 300.0,
    measured_heat: MeasuredHeat | None = None,
    carriers: CarrierSettings | None = None,
) -> VacancyAnalysis:
    """Draw every conclusion from computed vacancies.

    Parameters
    ----------
    results
        What was computed.
    reservoirs
        Beside the limits of the compound's stability window.
    temperature
        Of mixing, K.
    measured_heat
        To compare the computed heat of formation with.
    carriers
        Of the bands; without it Fermi level and concentrations are not solved for.

    Returns
    -------
    VacancyAnalysis
        What cannot be had for want of an energy is absent, with a message.
    """
    decompositions = decompose_distortion(results)
    try:
        window = stability_window(
            results.compound, results.cation, results.anion, results.compound_energy, results.elements
        )
    except QdsimError as error:
        return VacancyAnalysis(
            window=None, temperature=temperature, decompositions=decompositions, messages=(str(error),)
        )
    found = (*limiting_reservoirs(window), *(_reservoir(window, one) for one in reservoirs))
    formation_energies = tabulate_formation_energies(results, found)
    equilibria, problems = _equilibria(results, formation_energies, temperature, carriers)
    return VacancyAnalysis(
        window=window,
        heat_of_formation=None
        if measured_heat is None
        else compare_heat_of_formation(window, measured_heat.value, measured_heat.source),
        reservoirs=found,
        temperature=temperature,
        formation_energies=formation_energies,
        decompositions=decompositions,
        equilibria=equilibria,
        series=vacancy_series(results, found, temperature, relaxed=not all(host.ions_held for host in results.hosts)),
        messages=problems,
    )


def _equilibria(
    results: VacancyResults,
    energies: Sequence[FormationEnergy],
    temperature: float,
    carriers: CarrierSettings | None,
) -> tuple[tuple[DefectEquilibrium, ...], tuple[str, ...]]:
    """Solve for the Fermi level of each host with charged vacancies in each reservoir, and say where there is none."""
    if carriers is None:
        return (), ()
    hosts = {host.label: host for host in results.hosts}
    groups: dict[tuple[str, str], list[FormationEnergy]] = {}
    for row in energies:
        groups.setdefault((row.host, row.reservoir), []).append(row)
    found, problems = [], []
    for (label, reservoir), rows in groups.items():
        host = hosts[label]
        if host.vbm is None or host.cbm is None or not any(row.charge for row in rows):
            continue
        relaxed = any(row.relaxed is not None for row in rows)
        try:
            bands = parabolic_dos(
                host.cbm - host.vbm,
                carriers.electron_mass,
                carriers.hole_mass,
                host.volume,
                electron_valleys=carriers.valleys,
                hole_valleys=carriers.valleys,
            )
            found.append(defect_equilibrium(rows, bands, host.volume, temperature, relaxed=relaxed))
        except QdsimError as error:
            problems.append(f"No equilibrium of {label} with {reservoir}: {error}")
    return tuple(found), tuple(problems)


def _reservoir(window: StabilityWindow, settings: ReservoirSettings) -> Reservoir:
    if settings.richness is not None:
        return reservoir_between(window, settings.richness, settings.name)
    if settings.element is not None and settings.source_energy is not None:
        return reservoir_from_source(window, settings.name, settings.element, settings.source_energy)
    return reservoir_at(window, settings.name, settings.delta_mu)
