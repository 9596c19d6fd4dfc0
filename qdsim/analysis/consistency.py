"""Whether the computed lattice agrees with what scattering fits say, parameter by parameter."""

from collections.abc import Iterator, Mapping, Sequence
from math import floor, log10

from ase.symbols import string2symbols

from qdsim.analysis.concentrated_vacancies import VacancySeries
from qdsim.analysis.consistency_results import CheckSettings, Condition, Consistency, PatternCheck, SampleCheck
from qdsim.analysis.consistency_rows import LATTICE, is_distorted, onset_row, rows_at
from qdsim.analysis.dipole_analysis import DipoleAnalysis
from qdsim.analysis.dipole_rows import dipole_rows
from qdsim.analysis.lattice_series import ALPHA_TOLERANCE, OFFSET_TOLERANCE, LatticeEstimate, LatticeSeries
from qdsim.analysis.occupancy_rows import occupancy_notes, occupancy_rows
from qdsim.analysis.phonon_analysis import PhononAnalysis
from qdsim.analysis.phonon_rows import phonon_rows
from qdsim.analysis.sample_values import (
    Known,
    known_values,
    laplace_pressure,
    linear_from_volumetric,
    measured_strain,
    with_tolerance,
)
from qdsim.analysis.scattering_fit import Sample, ScatteringFits
from qdsim.analysis.strain_results import StrainResults
from qdsim.errors import QdsimError
from qdsim.structures import Distortion

Computed = StrainResults | Distortion
"""What can be compared with fits."""


def check_consistency(
    computed: Computed,
    fits: ScatteringFits,
    settings: CheckSettings,
    patterns: Mapping[str, PatternCheck] | None = None,
    vacancies: Sequence[VacancySeries] | None = None,
    dipoles: DipoleAnalysis | None = None,
    phonons: PhononAnalysis | None = None,
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
    vacancies
        Against their concentration, to compare occupancies with; None where no formation energies are computed.
    dipoles
        Of clusters, to compare dipoles with; None where none are computed.
    phonons
        To compare displacement parameters with; None where none are computed.

    Returns
    -------
    Consistency
        A row for every quantity that a sample states: with a series, at the strain of its measured volume and at its
        Laplace tension, as far as these are known. Each occupancy has a row for every series of its vacancies, and the
        dipole one at the sample's size and offset.

    Raises
    ------
    QdsimError
        If the compounds differ, or the series has fewer than two relaxed lattices.
    """
    check_compound(fits, settings.compound)
    series = LatticeSeries(computed) if isinstance(computed, StrainResults) else None
    bulk = _bulk(fits, settings)
    tolerances = fits.tolerances | settings.tolerances
    cation, anion = string2symbols(settings.compound)
    elements = (cation, anion)
    bulk_volume = Known(bulk.value**3 / 4, 0.0)
    samples = []
    for sample in fits.samples:
        known = known_values(sample, tolerances)
        conditions = sample_conditions(sample, computed, fits, settings)
        rows = [row for condition in conditions for row in rows_at(condition, known, bulk, elements)]
        tension = _tension(fits, known, tolerances)
        if series is not None and series.onset is not None and tension is not None:
            rows.append(onset_row(series.onset, series.equation_of_state, tension, known))
        samples.append(
            SampleCheck(
                name=sample.name,
                diameter=None if sample.diameter is None else sample.diameter.value,
                conditions=conditions,
                rows=[
                    *rows,
                    *occupancy_rows(known, settings.compound, vacancies),
                    *dipole_rows(known, bulk_volume, dipoles),
                    *phonon_rows(known, elements, conditions, phonons),
                ],
                pattern=(patterns or {}).get(sample.name),
                sentences=[*_sentences(conditions, tension), *(_reached(known, series) if series is not None else ())],
            )
        )
    own = None if series is None else series.equation_of_state.lattice_constant
    about_occupancies = occupancy_notes((row for sample in samples for row in sample.rows), vacancies)
    return Consistency(
        compound=settings.compound,
        reference="absolute" if series is None else settings.reference,
        source=fits.source,
        computed_lattice_constant=own,
        bulk_lattice_constant=bulk.value,
        bulk_source=bulk.source,
        samples=samples,
        notes=[
            *_notes(settings, bulk, own),
            *(_tension_notes(fits) if series is not None else ()),
            *about_occupancies,
            *settings.reservations,
        ],
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
        return with_tolerance(stated, (fits.tolerances | settings.tolerances).get("lattice_constant"))
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
        used = strain.value if settings.reference == "relative" else bulk.value * (1 + strain.value) / own - 1
        lattice = series.at_strain(used, strain.error or 0.0)
        words = ", ".join(word for word in (strain.limit and f"{strain.limit} limit", strain.source) if word)
        yield Condition(
            name="measured volume",
            description=f"{_percent(strain)} against the bulk of {bulk.value:.4g} Å" + (f" ({words})" if words else ""),
            linear_strain=used,
            linear_strain_error=strain.error,
            pressure=lattice.pressure,
            limit=strain.limit,
            lattice=_scaled(lattice, scale),
        )
    if tension is not None and series.reaches(tension.value):
        lattice = series.at_pressure(tension.value, tension.error or 0.0)
        yield Condition(
            name="Laplace tension",
            description=f"{_value(tension)} GPa, {tension.source}",
            linear_strain=lattice.linear_strain,
            linear_strain_error=lattice.linear_strain_error if tension.error is not None else None,
            pressure=tension.value,
            pressure_error=tension.error,
            lattice=_scaled(lattice, scale),
        )


def _scaled(lattice: LatticeEstimate, scale: float) -> LatticeEstimate:
    """Return a lattice with its lengths in the measure of the measured bulk."""
    lengths = [name for name in LATTICE if name != "alpha_rh"]
    changes = {name: scale * getattr(lattice, name) for one in lengths for name in (one, f"{one}_error")}
    return lattice.model_copy(update={**changes, "volume": scale**3 * lattice.volume})


def _sentences(conditions: Sequence[Condition], tension: Known | None) -> Iterator[str]:
    if tension is not None and all(condition.name == "measured volume" for condition in conditions):
        yield f"No strain near those computed has the Laplace pressure of {_value(tension)} GPa."
    elif not conditions:
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
        where = f"linear strains of {100 * low:+.2f} to {100 * high:+.2f} %"
        yield f"The computed crystal has no α_rh of {alpha.value:.2f}° at {where}."
    else:
        where = f"a linear strain of {100 * strain:+.2f} %, {series.pressure(strain):+.2f} GPa"
        yield f"The computed crystal reaches the fitted α_rh of {alpha.value:.2f}° at {where}."


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


def _tension_notes(fits: ScatteringFits) -> Iterator[str]:
    if fits.surface_tension is not None:
        yield (
            "A surface tension that follows from lattice constants against size, a = a₀(1 − Ω/D), is γ = 3BΩ/4: it and "
            "the Laplace tension are in proportion to the bulk modulus B that it was reckoned with. An error of that B "
            "is in no error bar unless the fits’ error of γ holds it."
        )


def _percent(strain: Known) -> str:
    return f"{_value(Known(100 * strain.value, strain.error and 100 * strain.error))} % linear strain"


def _value(known: Known) -> str:
    """Write a value to two digits of its error."""
    if not known.error:
        return f"{known.value:+.2f}"
    decimals = max(0, 1 - floor(log10(known.error)))
    return f"{known.value:+.{decimals}f} ± {known.error:.{decimals}f}"
