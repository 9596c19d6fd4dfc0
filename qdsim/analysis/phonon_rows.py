"""Displacement parameters and offsets of samples against lattice dynamics."""

from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import Field

from qdsim.analysis.consistency_results import Condition, Row, SampleCheck
from qdsim.analysis.model import ResultModel
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononRow
from qdsim.analysis.sample_values import Known
from qdsim.analysis.scattering_fit import QUANTITIES
from qdsim.analysis.verdict import Judgement, judge

DISORDER = "static disorder, which phonons know nothing of, adds to a fitted B"
NAMES = ("b_iso_cation", "b_iso_anion")
"""Of the displacement parameters that a fit states."""


class ComparedDisplacements(ResultModel):
    """Displacement parameters of one sample, fitted and of a computed crystal."""

    sample: str
    crystal: str = Field(description="Label of the one whose phonons are taken.")
    temperature: float = Field(description="K.")
    fitted: dict[str, float] = Field(description="By element, Å^2; that of the phonons where the fit states none.")
    computed: dict[str, float] = Field(description="By element, Å^2.")


def phonon_rows(
    known: Mapping[str, Known],
    elements: tuple[str, str],
    conditions: list[Condition],
    phonons: PhononAnalysis | None,
) -> Iterator[Row]:
    """Compare B with the harmonic crystal, and an offset with what a double well makes of it at a temperature.

    Parameters
    ----------
    known
        Of the sample, by quantity.
    elements
        Cation and anion.
    conditions
        Where the computed lattice is compared with the sample: the phonons nearest in strain are taken.
    phonons
        What was computed; None where nothing was.

    Yields
    ------
    Row
        For each B and the offset that the fit states, as far as there are phonons.
    """
    if phonons is None or not phonons.rows:
        return
    nearest = _nearest(phonons, conditions)
    condition = f"phonons, {nearest.label}, {phonons.temperature:g} K"
    for name, element in zip(NAMES, elements, strict=True):
        if name not in known:
            continue
        if nearest.b_iso is None:
            refused = Judgement(None, None, None, "cannot say", "a mode is unstable: there is no harmonic B")
            yield Row.judged(name, condition, None, known[name], refused)
        else:
            computed = Known(nearest.b_iso[element], 0.0)
            judgement = judge(computed, known[name], cast(float, QUANTITIES[name].matters), QUANTITIES[name].unit)
            explained = DISORDER if known[name].value > computed.value else ""
            reason = "; ".join(filter(None, [judgement.reason, explained]))
            yield Row.judged(name, condition, computed, known[name], judgement._replace(reason=reason))
    if nearest.well is not None and "pb_offset" in known:
        well = nearest.well
        kind = "static" if well.static else "dynamic"
        reason = (
            f"in the {'double' if well.double else 'single'} well of the centred crystal a formula unit by itself has "
            f"<|u|> = {well.mean_absolute:.3f} Å, and an offset is {kind}"
        )
        judgement = Judgement(None, None, None, "cannot say", reason)
        yield Row.judged("pb_offset", condition, Known(well.mean_absolute, None), known["pb_offset"], judgement)


def compared_displacements(
    sample: SampleCheck, elements: tuple[str, str], phonons: PhononAnalysis
) -> ComparedDisplacements | None:
    """Return fitted displacement parameters of a sample beside those of the phonons nearest in strain.

    Parameters
    ----------
    sample
        With its rows, of which those of B count.
    elements
        Cation and anion.
    phonons
        What was computed.

    Returns
    -------
    ComparedDisplacements or None
        None where the fit states neither B, or a mode of the crystal is unstable.
    """
    stated = {row.quantity: row.measured for row in sample.rows if row.quantity in NAMES and row.measured is not None}
    if not stated or not phonons.rows:
        return None
    nearest = _nearest(phonons, sample.conditions)
    if nearest.b_iso is None:
        return None
    computed = nearest.b_iso
    return ComparedDisplacements(
        sample=sample.name,
        crystal=nearest.label,
        temperature=phonons.temperature,
        fitted={element: stated.get(name, computed[element]) for name, element in zip(NAMES, elements, strict=True)},
        computed=dict(computed),
    )


def _nearest(phonons: PhononAnalysis, conditions: list[Condition]) -> PhononRow:
    """Return the crystal whose strain is nearest to the first condition's, or else to none."""
    wanted = conditions[0].linear_strain if conditions else None
    return min(phonons.rows, key=lambda row: abs((row.linear_strain or 0.0) - (wanted or 0.0)))
