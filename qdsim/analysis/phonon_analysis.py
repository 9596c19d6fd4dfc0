"""From the lattice dynamics of a series of crystals to what they say together, and beside the energies."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from qdsim.analysis.model import ResultModel
from qdsim.analysis.phonon_results import PhononState
from qdsim.analysis.quasi_harmonic import ThermalExpansion, thermal_expansion
from qdsim.analysis.soft_mode import AnharmonicMode, anharmonic_mode, frequency_of_curvature, softening_strain
from qdsim.analysis.strain import linear_strain
from qdsim.analysis.strain_results import StrainPoint, StrainResults
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

SAME_VOLUME = 1e-6
"""Relative difference of volumes that are equal."""


class PhononResults(ResultModel):
    """The lattice dynamics of every crystal that could be computed."""

    compound: str
    cation: str
    anion: str
    protocol: str
    states: tuple[PhononState, ...]


class PhononRow(ResultModel):
    """The soft mode of one crystal, from forces and from energies."""

    label: str
    linear_strain: float | None = Field(None, description="Against the strain series' own equilibrium.")
    lattice_constant: float = Field(description="Å.")
    centred: bool
    transverse_optical: float = Field(description="From forces, cm^-1.")
    from_energies: float | None = Field(None, description="From the curvature of the double well, cm^-1.")
    deviation: float | None = Field(None, description="Of the squares, against that of the energies, a fraction.")
    b_iso: dict[str, float] | None = Field(None, description="By element at the temperature, Å^2; none if unstable.")
    well: AnharmonicMode | None = Field(None, description="The soft mode by itself, in a single or a double well.")
    message: str | None = None


class Softening(ResultModel):
    """Where the transverse optical mode of the centred crystal softens to zero."""

    linear_strain: float
    onset: float | None = Field(None, description="Strain at which the energy's curvature vanishes.")


class PhononAnalysis(ResultModel):
    """Everything that follows from a series of phonons."""

    temperature: float = Field(description="Of displacement parameters and averages over double wells, K.")
    rows: tuple[PhononRow, ...]
    softening: Softening | None = None
    expansion: ThermalExpansion | None = Field(None, description="None without a strain series.")
    messages: tuple[str, ...] = ()


def analyse_phonons(
    results: PhononResults, strain: StrainResults | None = None, temperature: float = 300.0
) -> PhononAnalysis:
    """Compare the soft mode of a series with the energies of the same crystals.

    Parameters
    ----------
    results
        The phonons.
    strain
        The strain series that the crystals are of; without it nothing is compared.
    temperature
        K, of displacement parameters and averages over double wells.
    """
    rows = tuple(_row(state, results, strain, temperature) for state in results.states)
    centred = [row for row in rows if row.centred and row.linear_strain is not None]
    strains = [row.linear_strain for row in centred if row.linear_strain is not None]
    vanishes = softening_strain(strains, [row.transverse_optical for row in centred])
    softening = None
    if vanishes is not None:
        onset = None if strain is None or strain.onset_curvature is None else strain.onset_curvature.linear_strain
        softening = Softening(linear_strain=vanishes, onset=onset)
    expansion = None
    if strain is not None:
        cubic = [state for state, row in zip(results.states, rows, strict=True) if row.centred]
        expansion = thermal_expansion(strain.equation_of_state, cubic, vanishes)
    return PhononAnalysis(
        temperature=temperature,
        rows=rows,
        softening=softening,
        expansion=expansion,
        messages=(*_messages(centred, softening, expansion), *_reservations(results)),
    )


def _messages(
    centred: Sequence[PhononRow], softening: Softening | None, expansion: ThermalExpansion | None
) -> Iterator[str]:
    if expansion is not None and expansion.message is not None:
        yield expansion.message
    if softening is not None:
        return
    if len(centred) <= 1:
        yield "Phonons of the centred crystal at two strains at least are needed to see where it softens."
    else:
        yield "The transverse optical mode of the centred crystal keeps its sign at all strains computed."


def _reservations(results: PhononResults) -> Iterator[str]:
    """Yield what is to be known of Born charges that are computed."""
    if any(state.nonanalytic is not None and state.nonanalytic.charge_sum is not None for state in results.states):
        yield (
            "Computed Born charges and eps_inf are those of one k-point, and converge slowly with the cell: compare a "
            "larger or longer one (phonon.nonanalytic.finite_field.overrides.cell) before trusting the LO frequency."
        )


def _row(state: PhononState, results: PhononResults, strain: StrainResults | None, temperature: float) -> PhononRow:
    cation, anion = results.cation, results.anion
    centred = RhombohedralState(state.volume, state.alpha_rh, state.pb_offset).centred
    point = None if strain is None else _point(state, strain)
    found = state.gamma.transverse_optical
    energies = deviation = well = message = None
    if centred and point is not None and point.double_well is not None:
        energies = frequency_of_curvature(point.double_well.quadratic, cation, anion)
        deviation = found * abs(found) / (energies * abs(energies)) - 1
        if found < 0 or state.thermal:
            try:
                well = anharmonic_mode(point.double_well, cation, anion, temperature)
            except QdsimError as error:
                message = str(error) if found < 0 else None
    return PhononRow(
        label=state.label,
        linear_strain=None if strain is None else linear_strain(state.volume, strain.equation_of_state.volume),
        lattice_constant=(4 * state.volume) ** (1 / 3),
        centred=centred,
        transverse_optical=found,
        from_energies=energies,
        deviation=deviation,
        b_iso=next((one.b_iso for one in state.thermal if one.temperature == temperature), None),
        well=well,
        message=" ".join(filter(None, (state.message, message))) or None,
    )


def _point(state: PhononState, strain: StrainResults) -> StrainPoint | None:
    return next((one for one in strain.points if abs(one.volume / state.volume - 1) < SAME_VOLUME), None)
