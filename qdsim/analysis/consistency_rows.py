"""One comparison a row: the computed value, the measured one, and the verdict on both."""

from collections.abc import Iterator, Mapping
from typing import cast

from qdsim.analysis.consistency_results import Condition, Row
from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.lattice_series import LatticeEstimate
from qdsim.analysis.sample_values import Known, displacement_of_offset, measured_strain, volumetric_from_linear
from qdsim.analysis.scattering_fit import QUANTITIES, Quantity
from qdsim.analysis.strain_results import Onset
from qdsim.analysis.verdict import AGREES_BELOW, DISAGREES_ABOVE, LIMITS, Judgement, Verdict, judge

LATTICE = ("alpha_rh", "pb_offset", "bond_short", "bond_long")
"""What is compared at every condition."""
ONSET = "onset_pressure"
COMPARED: dict[str, Quantity] = {**QUANTITIES, ONSET: Quantity("pressure at the onset", "GPa", -30.0, 30.0, 0.5)}
"""Everything that a row may be about; of the onset, the measured value is the Laplace pressure."""

VOLUME_TOLERANCE = 1e-3
"""Å^3; to which the volume of a structure is kept."""


def rows_at(condition: Condition, known: Mapping[str, Known], bulk: Known) -> Iterator[Row]:
    """Yield the comparisons at a condition.

    Parameters
    ----------
    condition
        Where the computed lattice was taken.
    known
        Of the sample, by quantity.
    bulk
        Lattice constant of the measured bulk, Å.
    """
    lattice = condition.lattice
    offset_row = None
    for name in LATTICE:
        if name not in known:
            continue
        row = _judged(name, condition, Known(getattr(lattice, name), getattr(lattice, f"{name}_error")), known[name])
        offset_row = row if name == "pb_offset" else offset_row
        yield row
    if condition.name == "Laplace tension":
        expansion = _expansion(known, bulk)
        if expansion is not None:
            yield _judged("volumetric_strain", condition, _computed_expansion(lattice, bulk), expansion)
    if condition.name == "given structure" and "volume" in known:
        yield _judged("volume", condition, Known(lattice.volume, VOLUME_TOLERANCE), known["volume"])
    offset = Known(lattice.pb_offset, lattice.pb_offset_error)
    if offset.value > AGREES_BELOW * lattice.pb_offset_error and {"pb_offset", "b_iso_cation"} & set(known):
        yield _displacement_row(condition, offset, known.get("b_iso_cation"), offset_row)


def _expansion(known: Mapping[str, Known], bulk: Known) -> Known | None:
    """Return the volumetric strain of a sample, as it is stated or from its volume."""
    if "volumetric_strain" in known:
        return known["volumetric_strain"]
    return volumetric_from_linear(measured_strain(known["volume"], bulk)) if "volume" in known else None


def _computed_expansion(lattice: LatticeEstimate, bulk: Known) -> Known:
    """Return the volumetric strain of a computed lattice against the measured bulk."""
    edge = (4 * lattice.volume) ** (1 / 3)
    stretch = 1 + cast(float, lattice.linear_strain)
    error = edge / bulk.value * cast(float, lattice.linear_strain_error) / stretch
    return volumetric_from_linear(Known(edge / bulk.value - 1, error))


def _judged(name: str, condition: Condition, computed: Known, measured: Known) -> Row:
    quantity = COMPARED[name]
    nowhere = condition.linear_strain is not None and condition.linear_strain_error is None
    computed = computed._replace(error=None) if nowhere else computed
    judgement = judge(computed, measured, cast(float, quantity.matters), quantity.unit)
    if nowhere:
        judgement = judgement._replace(reason=f"the {condition.name} has no uncertainty, and no tolerance is given")
    elif condition.lattice.extrapolated:
        judgement = judgement._replace(
            verdict="cannot say", reason=f"extrapolated beyond the strains computed; {judgement.reason}"
        )
    elif condition.limit is not None and not _farther_beyond(condition.limit, name, judgement):
        bound = f"the volume is {LIMITS[condition.limit]}, and the computed lattice changes with it"
        judgement = judgement._replace(verdict="cannot say", reason=f"{bound}; {judgement.reason}")
    return _row(name, condition, computed, measured, judgement)


def _farther_beyond(limit: str, name: str, judgement: Judgement) -> bool:
    """Tell whether values that differ at a limit differ even more at all strains beyond it."""
    if judgement.difference is None or judgement.verdict not in {"tension", "disagrees"}:
        return False
    if name == "bond_short":  # grows up to the onset, and shrinks beyond
        return False
    less_strain = judgement.difference > 0 if name == "alpha_rh" else judgement.difference < 0
    return less_strain == (limit == "lower")


def _row(name: str, condition: Condition, computed: Known, measured: Known, judgement: Judgement) -> Row:
    lattice = condition.lattice
    row = Row.judged(name, condition.name, computed, measured, judgement)
    return row.model_copy(update={"extrapolated": lattice.extrapolated, "points": lattice.points})


def _displacement_row(condition: Condition, offset: Known, measured: Known | None, offset_row: Row | None) -> Row:
    """Ask whether an offset that the fit does not show could be dynamic: then B has to have room for it."""
    needed = displacement_of_offset(offset)
    if measured is None:
        nothing = Judgement(None, None, None, "cannot say", "the fit states no B of the cation")
        return _row("b_iso_cation", condition, needed, Known(0.0, None), nothing).model_copy(
            update={"measured": None, "measured_error": None}
        )
    judgement = judge(needed, measured, cast(float, COMPARED["b_iso_cation"].matters), "Å²")
    room = judgement.standard_errors is not None and judgement.standard_errors > -AGREES_BELOW
    dynamic = f"a dynamic offset of {offset.value:.3f} Å would need B of at least {needed.value:.2f} Å²"
    verdict: Verdict
    if offset_row is not None and offset_row.verdict == "agrees":
        verdict, reason = "agrees", f"the fit shows the offset as a static one; {dynamic}"
    elif offset_row is not None and offset_row.difference is not None and offset_row.difference > 0:
        verdict, reason = "cannot say", f"the fit shows more than the computed offset; {dynamic}"
    elif judgement.standard_errors is None:
        verdict, reason = "cannot say", f"{dynamic}; {judgement.reason}"
    elif room:
        verdict, reason = "cannot say", f"the offset may be dynamic: {dynamic}, and the fit has room for it"
    elif offset_row is None:
        verdict, reason = "cannot say", f"the fit states no offset, and its B has no room for a dynamic one: {dynamic}"
    elif offset_row.verdict == "cannot say":
        verdict, reason = "cannot say", f"B has no room for a dynamic offset, but there may be a static one: {dynamic}"
    else:
        verdict = "tension" if "tension" in {offset_row.verdict, judgement.verdict} else "disagrees"
        reason = f"neither static nor dynamic: {dynamic}"
    return _row("b_iso_cation", condition, needed, measured, judgement._replace(verdict=verdict, reason=reason))


def onset_row(onset: Onset, state: EquationOfState, tension: Known, known: Mapping[str, Known]) -> Row:
    """Compare the tension of a sample with the one at which the computed crystal distorts.

    A distorted sample is to have at least this tension, another one no more.

    Parameters
    ----------
    onset, state
        Of the computed series.
    tension
        Laplace pressure of the sample, GPa.
    known
        Of the sample, by quantity.
    """
    computed = Known(onset.pressure, None)
    if onset.linear_strain_error is not None:
        strains = [onset.linear_strain + sign * onset.linear_strain_error for sign in (1, -1)]
        ends = [state.pressure_at(state.volume * (1 + strain) ** 3) for strain in strains]
        computed = computed._replace(error=abs(ends[0] - ends[1]) / 2)
    distorted = is_distorted(known)
    bound = tension._replace(limit="lower" if distorted else "upper")
    judgement = judge(computed, bound, cast(float, COMPARED[ONSET].matters), "GPa")
    short_by = tension.value - onset.pressure
    ratio = None if judgement.error is None else short_by / judgement.error
    sample = "the sample is distorted" if distorted else "the sample is not distorted"
    verdict: Verdict = judgement.verdict
    if distorted is None:
        verdict, reason = "cannot say", "the fit does not tell whether the sample is distorted"
    else:
        sense = "and" if distorted == (short_by < 0) else "but"
        more = judgement.reason.removeprefix(f"the measured value is {LIMITS[bound.limit]}").removeprefix(", ")
        reason = f"{sample}, {sense} its tension {_against_onset(short_by)}" + (f", {more}" if more else "")
    judgement = judgement._replace(difference=short_by, standard_errors=ratio, verdict=verdict, reason=reason)
    return Row(
        quantity=ONSET,
        condition="Laplace tension",
        computed=computed.value,
        computed_error=computed.error,
        measured=tension.value,
        measured_error=tension.error,
        assumed=tension.assumed,
        difference=judgement.difference,
        error=judgement.error,
        standard_errors=judgement.standard_errors,
        verdict=judgement.verdict,
        reason=judgement.reason,
        source=tension.source,
    )


def _against_onset(short_by: float) -> str:
    kept = "falls short of" if short_by > 0 else "goes beyond"
    return f"{kept} the onset by {abs(short_by):.2f} GPa"


def is_distorted(known: Mapping[str, Known]) -> bool | None:
    """Tell whether a sample is rhombohedral beyond its uncertainties; None where the fit does not say."""
    undistorted = None
    for name, cubic, at_least in (("alpha_rh", 60.0, "upper"), ("pb_offset", 0.0, "lower")):
        found = known.get(name)
        if found is None or found.error is None:
            continue
        beyond = cubic - found.value if at_least == "upper" else found.value - cubic
        beyond = abs(beyond) if found.limit is None else beyond
        if found.limit in {None, at_least} and beyond > AGREES_BELOW * found.error:
            return True
        most = DISAGREES_ABOVE * found.error + (0.0 if found.limit is None else max(beyond, 0.0))
        if found.limit != at_least and most <= cast(float, COMPARED[name].matters):
            undistorted = False
    return undistorted
