"""Whether the computed lattice agrees with what scattering fits say, parameter by parameter."""

from collections.abc import Iterator, Mapping, Sequence
from math import floor, log10
from typing import cast

from qdsim.analysis.consistency_results import (
    CheckSettings,
    Condition,
    Consistency,
    PatternCheck,
    Row,
    SampleCheck,
)
from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.lattice_series import ALPHA_TOLERANCE, OFFSET_TOLERANCE, LatticeEstimate, LatticeSeries
from qdsim.analysis.sample_values import (
    Known,
    displacement_of_offset,
    known_values,
    laplace_pressure,
    linear_from_volumetric,
    measured_strain,
    volumetric_from_linear,
    with_tolerance,
)
from qdsim.analysis.scattering_fit import QUANTITIES, Quantity, Sample, ScatteringFits
from qdsim.analysis.strain_results import Onset, StrainResults
from qdsim.analysis.verdict import AGREES_BELOW, DISAGREES_ABOVE, Judgement, Verdict, judge
from qdsim.errors import QdsimError
from qdsim.structures import Distortion

Computed = StrainResults | Distortion
"""What can be compared with fits."""
LATTICE = ("alpha_rh", "pb_offset", "bond_short", "bond_long")
"""What is compared at every condition."""
ONSET = "onset_pressure"
COMPARED: dict[str, Quantity] = {**QUANTITIES, ONSET: Quantity("pressure at the onset", "GPa", -30.0, 30.0, 0.5)}
"""Everything that a row may be about; of the onset, the measured value is the Laplace pressure."""

_NOT_COMPUTED = {
    "occupancy": "the campaign has no formation energies of vacancies to compare with",
    "dipole": "the campaign has no clusters to compare with",
}


def check_consistency(
    computed: Computed,
    fits: ScatteringFits,
    settings: CheckSettings,
    patterns: Mapping[str, PatternCheck] | None = None,
) -> Consistency:
    """Compare what was computed with scattering fits.

    Parameters
    ----------
    computed
        A strain series, or what was measured of one computed crystal, which is compared as it is.
    fits
        The fits of one or more samples of the same compound.
    settings
        How to compare.
    patterns
        What the raw data say, by sample.

    Returns
    -------
    Consistency
        A row for every quantity that a sample states: with a series, at the strain of its measured volume and at its
        Laplace tension, as far as these are known.

    Raises
    ------
    QdsimError
        If the compounds differ, or the series has fewer than two relaxed lattices.
    """
    check_compound(fits, settings.compound)
    series = LatticeSeries(computed) if isinstance(computed, StrainResults) else None
    bulk = _bulk(fits, settings)
    tolerances = fits.tolerances | settings.tolerances
    samples = []
    for sample in fits.samples:
        known = known_values(sample, tolerances)
        conditions = sample_conditions(sample, computed, fits, settings)
        rows = [row for condition in conditions for row in _rows_at(condition, known, bulk)]
        tension = _tension(fits, known, tolerances)
        if series is not None and series.onset is not None and tension is not None:
            rows.append(_onset_row(series.onset, series.equation_of_state, tension, known))
        samples.append(
            SampleCheck(
                name=sample.name,
                diameter=None if sample.diameter is None else sample.diameter.value,
                conditions=conditions,
                rows=[*rows, *_rows_of_nothing(known)],
                pattern=(patterns or {}).get(sample.name),
                sentences=[*_sentences(conditions), *(_reached(known, series) if series is not None else ())],
            )
        )
    own = None if series is None else series.equation_of_state.lattice_constant
    return Consistency(
        compound=settings.compound,
        reference="absolute" if series is None else settings.reference,
        source=fits.source,
        computed_lattice_constant=own,
        bulk_lattice_constant=bulk.value,
        bulk_source=bulk.source,
        samples=samples,
        notes=[*_notes(settings, bulk, own), *settings.reservations],
    )


def sample_conditions(
    sample: Sample, computed: Computed, fits: ScatteringFits, settings: CheckSettings
) -> list[Condition]:
    """Return where what was computed is to be compared with a sample, the measured volume first.

    Parameters
    ----------
    sample
        The sample; it need not be one of the fits.
    computed, fits, settings
        As for `check_consistency`.

    Raises
    ------
    QdsimError
        As for `check_consistency`.
    """
    if isinstance(computed, Distortion):
        return [_structure_condition(computed)]
    tolerances = fits.tolerances | settings.tolerances
    known = known_values(sample, tolerances)
    tension = _tension(fits, known, tolerances)
    return list(_conditions(known, tension, LatticeSeries(computed), _bulk(fits, settings), settings))


def _structure_condition(distortion: Distortion) -> Condition:
    """Return one computed crystal, as it is, as what samples are compared with."""
    lattice = LatticeEstimate(
        linear_strain=None,
        linear_strain_error=None,
        pressure=None,
        volume=distortion.volume,
        alpha_rh=distortion.alpha_rh,
        alpha_rh_error=ALPHA_TOLERANCE,
        pb_offset=distortion.offset,
        pb_offset_error=OFFSET_TOLERANCE,
        bond_short=distortion.bond_short,
        bond_short_error=OFFSET_TOLERANCE,
        bond_long=distortion.bond_long,
        bond_long_error=OFFSET_TOLERANCE,
        extrapolated=False,
        points=[],
    )
    return Condition(
        name="given structure",
        description=f"a lattice constant of {distortion.lattice_constant:.4f} Å, as it was computed",
        linear_strain=None,
        linear_strain_error=None,
        pressure=None,
        lattice=lattice,
    )


def check_compound(fits: ScatteringFits, compound: str) -> None:
    """Refuse fits of another compound.

    Raises
    ------
    QdsimError
        If they are.
    """
    if fits.compound != compound:
        raise QdsimError(
            f"The scattering fits are of {fits.compound}, and what was computed is {compound}: give fits of {compound}."
        )


def _bulk(fits: ScatteringFits, settings: CheckSettings) -> Known:
    stated = fits.bulk_lattice_constant
    if stated is not None:
        return with_tolerance(stated, fits.tolerances.get("lattice_constant"))
    return Known(settings.bulk_lattice_constant, None, source=settings.bulk_source)


def _tension(fits: ScatteringFits, known: Mapping[str, Known], tolerances: Mapping[str, float]) -> Known | None:
    if fits.surface_tension is None or "diameter" not in known:
        return None
    return laplace_pressure(with_tolerance(fits.surface_tension, tolerances.get("surface_tension")), known["diameter"])


def _strain(known: Mapping[str, Known], bulk: Known) -> Known | None:
    """Return the linear strain of a sample against the bulk; that of a limit only where there is no better."""
    measured = [measured_strain(known["volume"], bulk)] if "volume" in known else []
    if "volumetric_strain" in known:
        measured.append(linear_from_volumetric(known["volumetric_strain"]))
    return min(measured, key=lambda strain: strain.limit is not None, default=None)


def _expansion(known: Mapping[str, Known], bulk: Known) -> Known | None:
    """Return the volumetric strain of a sample, as it is stated or from its volume."""
    if "volumetric_strain" in known:
        return known["volumetric_strain"]
    return volumetric_from_linear(measured_strain(known["volume"], bulk)) if "volume" in known else None


def _conditions(
    known: Mapping[str, Known],
    tension: Known | None,
    series: LatticeSeries,
    bulk: Known,
    settings: CheckSettings,
) -> Iterator[Condition]:
    strain = _strain(known, bulk)
    own = series.equation_of_state.lattice_constant
    scale = bulk.value / own if settings.reference == "relative" else 1.0
    if strain is not None:
        error = strain.error or 0.0
        used = strain.value if settings.reference == "relative" else bulk.value * (1 + strain.value) / own - 1
        lattice = series.at_strain(used, error)
        bound = f"{strain.limit} limit, " if strain.limit else ""
        yield Condition(
            name="measured volume",
            description=f"{_percent(strain)} against the bulk of {bulk.value:.4g} Å ({bound}{strain.source})".replace(
                " ()", ""
            ),
            linear_strain=used,
            linear_strain_error=error,
            pressure=lattice.pressure,
            limit=strain.limit,
            lattice=_scaled(lattice, scale),
        )
    if tension is not None:
        lattice = series.at_pressure(tension.value, tension.error or 0.0)
        yield Condition(
            name="Laplace tension",
            description=f"{_value(tension)} GPa, {tension.source}",
            linear_strain=lattice.linear_strain,
            linear_strain_error=lattice.linear_strain_error,
            pressure=tension.value,
            pressure_error=tension.error,
            lattice=_scaled(lattice, scale),
        )


def _scaled(lattice: LatticeEstimate, scale: float) -> LatticeEstimate:
    """Return a lattice with its lengths in the measure of the measured bulk."""
    lengths = [name for name in LATTICE if name != "alpha_rh"]
    changes = {name: scale * getattr(lattice, name) for one in lengths for name in (one, f"{one}_error")}
    return lattice.model_copy(update={**changes, "volume": scale**3 * lattice.volume})


def _rows_at(condition: Condition, known: Mapping[str, Known], bulk: Known) -> Iterator[Row]:
    """Compare everything that has a computed value at a condition."""
    lattice = condition.lattice
    offset_row = None
    for name in LATTICE:
        if name not in known:
            continue
        computed = Known(getattr(lattice, name), getattr(lattice, f"{name}_error"))
        row = _judged(name, condition, computed, known[name])
        offset_row = row if name == "pb_offset" else offset_row
        yield row
    if condition.name == "Laplace tension":
        expansion = _expansion(known, bulk)
        if expansion is not None:
            strain = Known(cast(float, lattice.linear_strain), lattice.linear_strain_error)
            yield _judged("volumetric_strain", condition, volumetric_from_linear(strain), expansion)
    if condition.name == "given structure" and "volume" in known:
        yield _judged("volume", condition, Known(lattice.volume, 1e-3), known["volume"])
    offset = Known(lattice.pb_offset, lattice.pb_offset_error)
    if offset.value > AGREES_BELOW * lattice.pb_offset_error and {"pb_offset", "b_iso_cation"} & set(known):
        yield _displacement_row(condition, offset, known.get("b_iso_cation"), offset_row)


def _judged(name: str, condition: Condition, computed: Known, measured: Known) -> Row:
    quantity = COMPARED[name]
    judgement = judge(computed, measured, cast(float, quantity.matters), quantity.unit)
    if condition.lattice.extrapolated:
        judgement = judgement._replace(
            verdict="cannot say", reason=f"extrapolated beyond the strains computed; {judgement.reason}"
        )
    elif condition.limit == "lower" and _grows(name, judgement):
        judgement = judgement._replace(
            verdict="cannot say",
            reason=f"the volume is a lower limit, and the computed distortion grows with it; {judgement.reason}",
        )
    return _row(name, condition, computed, measured, judgement)


def _grows(name: str, judgement: Judgement) -> bool:
    """Tell whether a larger strain would bring a computed value nearer to the measured one."""
    if judgement.difference is None or judgement.verdict not in {"tension", "disagrees"}:
        return False
    falls = name in {"alpha_rh", "bond_short"}
    return (judgement.difference < 0) == falls


def _row(name: str, condition: Condition, computed: Known, measured: Known, judgement: Judgement) -> Row:
    return Row(
        quantity=name,
        condition=condition.name,
        computed=computed.value,
        computed_error=computed.error,
        measured=measured.value,
        measured_error=measured.error,
        limit=measured.limit,
        assumed=measured.assumed,
        difference=judgement.difference,
        error=judgement.error,
        standard_errors=judgement.standard_errors,
        verdict=judgement.verdict,
        reason=judgement.reason,
        extrapolated=condition.lattice.extrapolated,
        points=condition.lattice.points,
        source=measured.source,
    )


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
    else:
        verdict, reason = "disagrees", f"neither static nor dynamic: {dynamic}"
    return _row("b_iso_cation", condition, needed, measured, judgement._replace(verdict=verdict, reason=reason))


def _onset_row(onset: Onset, state: EquationOfState, tension: Known, known: Mapping[str, Known]) -> Row:
    """Compare the tension of a sample with the one at which the computed crystal distorts."""
    strain, error = onset.linear_strain, onset.linear_strain_error or 0.0
    ends = [state.pressure_at(state.volume * (1 + strain + sign * error) ** 3) for sign in (1, -1)]
    computed = Known(onset.pressure, abs(ends[0] - ends[1]) / 2)
    distorted = is_distorted(known)
    judgement = judge(computed, tension, cast(float, COMPARED[ONSET].matters), "GPa")
    short_by = tension.value - onset.pressure
    sample = "the sample is distorted" if distorted else "the sample is not distorted"
    verdict, reason = judgement.verdict, judgement.reason
    if distorted is None:
        verdict, reason = "cannot say", "the fit does not tell whether the sample is distorted"
    elif distorted == (short_by < 0):
        verdict, reason = "agrees", f"{sample}, and its tension {_against_onset(short_by)}"
    else:
        reason = f"{sample}, but its tension {_against_onset(short_by)}, {reason}"
    judgement = judgement._replace(verdict=verdict, reason=reason)
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
    for name, value, sense in (("alpha_rh", 60.0, -1), ("pb_offset", 0.0, 1)):
        found = known.get(name)
        if found is None or found.error is None:
            continue
        if sense * (found.value - value) > AGREES_BELOW * found.error:
            return True
        if DISAGREES_ABOVE * found.error <= cast(float, COMPARED[name].matters):
            undistorted = False
    return undistorted


def _rows_of_nothing(known: Mapping[str, Known]) -> Iterator[Row]:
    """Name what a fit says and the campaign does not."""
    for name, measured in known.items():
        reason = _NOT_COMPUTED.get(name.partition("_")[0])
        if reason is not None:
            yield Row(
                quantity=name,
                condition="",
                measured=measured.value,
                measured_error=measured.error,
                limit=measured.limit,
                assumed=measured.assumed,
                verdict="cannot say",
                reason=reason,
                source=measured.source,
            )


def _sentences(conditions: Sequence[Condition]) -> Iterator[str]:
    if not conditions:
        yield "The fit tells neither a volume nor a diameter with a surface tension: there is no strain to compare at."
    for condition in conditions:
        lattice = condition.lattice
        offset = f"{lattice.pb_offset:.3f} ± {lattice.pb_offset_error:.3f} Å"
        yield (
            f"At the {condition.name} ({condition.description}) the computed crystal has α_rh = "
            f"{lattice.alpha_rh:.2f} ± {lattice.alpha_rh_error:.2f}° and an offset of {offset}."
        )


def _reached(known: Mapping[str, Known], series: LatticeSeries) -> Iterator[str]:
    """Tell at which strain the computed crystal has the angle of a distorted sample."""
    alpha = known.get("alpha_rh")
    if alpha is None or not is_distorted(known):
        return
    strain = series.strain_of_alpha(alpha.value)
    if strain is None:
        low, high = series.range
        yield f"It has no α_rh of {alpha.value:.2f}° at linear strains of {100 * low:+.2f} to {100 * high:+.2f} %."
    else:
        where = f"a linear strain of {100 * strain:+.2f} %, {series.pressure(strain):+.2f} GPa"
        yield f"It reaches the fitted α_rh of {alpha.value:.2f}° at {where}."


def _notes(settings: CheckSettings, bulk: Known, own: float | None) -> Iterator[str]:
    cited = f", {bulk.source}" if bulk.source else ""
    if own is None:
        yield "Lengths are compared as they are: the functional's error in the lattice constant is in them."
    elif settings.reference == "relative":
        yield (
            f"Each lattice is compared with its own bulk: measured volumes with {bulk.value:.4g} Å{cited}, computed "
            f"ones with {own:.4f} Å; computed lengths are multiplied by {bulk.value / own:.4f}."
        )
    else:
        yield (
            f"Computed lattices are taken at the measured volume itself; against the computed {own:.4f} Å the measured "
            f"bulk of {bulk.value:.4g} Å{cited} is strained by {100 * (bulk.value / own - 1):+.2f} %."
        )
    yield (
        "Computed errors are those of interpolation, relaxation and strain. They say nothing about the functional, and "
        "the computed lattice is static, at 0 K."
    )


def _percent(strain: Known) -> str:
    return f"{_value(Known(100 * strain.value, strain.error and 100 * strain.error))} % linear strain"


def _value(known: Known) -> str:
    """Write a value to two digits of its error."""
    if not known.error:
        return f"{known.value:+.2f}"
    decimals = max(0, 1 - floor(log10(known.error)))
    return f"{known.value:+.{decimals}f} ± {known.error:.{decimals}f}"
