"""One comparison a row: the computed value, the measured one, and the verdict on both."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from qdsim.analysis.consistency_results import Condition, Row
from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.lattice_series import LatticeEstimate
from qdsim.analysis.sample_values import Known, displacement_of_offset, measured_strain, volumetric_from_linear
from qdsim.analysis.scattering_fit import QUANTITIES, Quantity
from qdsim.analysis.soft_mode import offset_shares
from qdsim.analysis.strain_results import Onset
from qdsim.analysis.verdict import AGREES_BELOW, DISAGREES_ABOVE, LIMITS, Judgement, Verdict, judge

LATTICE = ("alpha_rh", "pb_offset", "bond_short", "bond_long")
"""What is compared at every condition."""
ONSET = "onset_pressure"
DYNAMIC = {"dynamic_b_cation": "b_iso_cation", "dynamic_b_anion": "b_iso_anion"}
"""The B that a dynamic offset needs of each ion, and the B that a fit states of it."""
COMPARED: dict[str, Quantity] = {
    **QUANTITIES,
    ONSET: Quantity("pressure at the onset", "GPa", -30.0, 30.0, 0.5),
    **{
        name: QUANTITIES[stated]._replace(label=f"{QUANTITIES[stated].label}, dynamic offset")
        for name, stated in DYNAMIC.items()
    },
}
"""Everything that a row may be about; of the onset, the measured value is the Laplace pressure."""

VOLUME_TOLERANCE = 1e-3
"""Å^3; to which the volume of a structure is kept."""


def rows_at(condition: Condition, known: Mapping[str, Known], bulk: Known, elements: tuple[str, str]) -> Iterator[Row]:
    """Yield the comparisons at a condition.

    Parameters
    ----------
    condition
        Where the computed lattice was taken.
    known
        Of the sample, by quantity.
    bulk
        Lattice constant of the measured bulk, Å.
    elements
        Cation and anion.
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
    if offset.value > AGREES_BELOW * lattice.pb_offset_error and {"pb_offset", *DYNAMIC.values()} & set(known):
        yield from _displacement_rows(condition, offset, known, elements, offset_row)


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


def _row(name: str, condition: Condition, computed: Known, measured: Known | None, judgement: Judgement) -> Row:
    lattice = condition.lattice
    row = Row.judged(name, condition.name, computed, measured, judgement)
    return row.model_copy(update={"extrapolated": lattice.extrapolated, "points": lattice.points})


def _displacement_rows(
    condition: Condition, offset: Known, known: Mapping[str, Known], elements: tuple[str, str], static: Row | None
) -> Iterator[Row]:
    """Ask whether an offset that the fit does not show could be dynamic: then the B of both ions have room for it."""
    shares = offset_shares(*elements)
    needed, judgements = {}, {}
    for (name, stated), element in zip(DYNAMIC.items(), elements, strict=True):
        needed[name] = displacement_of_offset(offset, shares[element])
        judgements[name] = Judgement(None, None, None, "cannot say", f"the fit states no {COMPARED[stated].label}")
        if stated in known:
            matters = cast(float, COMPARED[stated].matters)
            judgements[name] = judge(needed[name], known[stated], matters, COMPARED[stated].unit)
    full = {name for name, one in judgements.items() if one.standard_errors is not None and not _has_room(one)}
    for name, judgement in judgements.items():
        others = [COMPARED[DYNAMIC[one]].label for one in sorted(full - {name})]
        verdict, reason = _dynamic(judgement, others, static)
        words = f"a dynamic offset of {offset.value:.3f} Å needs at least {needed[name].value:.2g} Å²"
        judged = judgement._replace(verdict=verdict, reason=f"{reason}; {words}")
        row = _row(name, condition, needed[name], known.get(DYNAMIC[name]), judged)
        yield row.model_copy(update={"computed_limit": "lower"})


def _has_room(judgement: Judgement) -> bool:
    return judgement.standard_errors is not None and judgement.standard_errors > -AGREES_BELOW


def _dynamic(judgement: Judgement, others: Sequence[str], static: Row | None) -> tuple[Verdict, str]:
    """Return the verdict on one ion's B, and the reason.

    Parameters
    ----------
    judgement
        On that B against what a dynamic offset needs.
    others
        The B of the other ion, where that has no room for it.
    static
        The row of the fitted offset, which is a static one.
    """
    verdict: Verdict = "cannot say"
    if judgement.standard_errors is None:
        reason = judgement.reason
    elif static is not None and static.verdict == "agrees":
        verdict, reason = "agrees", "the fit shows the offset as a static one"
    elif static is not None and static.difference is not None and static.difference > 0:
        reason = "the fit shows more than the computed offset"
    elif _has_room(judgement) and others:
        reason = f"this B has room for a dynamic offset, but {others[0]} has none"
    elif _has_room(judgement):
        reason = "the offset may be dynamic, and this B has room for it"
    elif static is None:
        reason = "the fit states no offset, and this B has no room for a dynamic one"
    elif static.verdict == "cannot say":
        reason = "this B has no room for a dynamic offset, but there may be a static one"
    else:
        verdict = "tension" if "tension" in {static.verdict, judgement.verdict} else "disagrees"
        reason = "neither static nor dynamic"
    return verdict, reason


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
