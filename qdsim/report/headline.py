"""What the campaign found, in numbers to read first and in sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qdsim.analysis.ferroelectric import Onset, StrainPoint, StrainResults
from qdsim.report.data import Reference, ReportData, node_behind
from qdsim.report.figures.guides import CENTRED_OFFSET
from qdsim.report.formatting import fixed, with_error


@dataclass(frozen=True)
class KeyNumber:
    """One of the numbers at the head of the report."""

    label: str
    value: str
    note: str
    uuid: str | None = None


def key_numbers(data: ReportData) -> list[KeyNumber]:
    """Return lattice constant, bulk modulus, onset and largest offset, with their errors and nodes."""
    if data.strain is None:
        return []
    state = data.strain.equation_of_state
    numbers = [
        KeyNumber(
            "lattice constant a₀",
            with_error(state.lattice_constant, state.lattice_constant_error, "Å", 3),
            _against_reference(state.lattice_constant, data.references),
            node_behind(data.nodes, "equation_of_state.lattice_constant"),
        ),
        KeyNumber(
            "bulk modulus B",
            with_error(state.bulk_modulus, state.bulk_modulus_error, "GPa", 1),
            f"B′ = {with_error(state.bulk_modulus_derivative, state.bulk_modulus_derivative_error, '', 1)}".strip(),
            node_behind(data.nodes, "equation_of_state.bulk_modulus"),
        ),
        _onset_number(data, data.strain),
    ]
    if (largest := largest_offset(data.strain)) is not None and largest.relaxed is not None:
        numbers.append(
            KeyNumber(
                "largest offset",
                fixed(largest.relaxed.pb_offset, 3, "Å"),
                f"at ε = {_percent(largest.linear_strain)}, α = {fixed(largest.relaxed.alpha_rh, 2, '°')}",
                node_behind(data.nodes, f"points.{largest.label}.relaxed.pb_offset"),
            )
        )
    return numbers


def sentences(data: ReportData) -> Iterator[str]:
    """Yield the findings as sentences: what was found, against what it is measured, and what is missing."""
    if data.strain is None:
        others = (data.phonons, data.vacancies, data.dipoles)
        if any(part is not None for part in others) and not _strain_was_asked_for(data):
            return
        yield f"There is no equation of state and no strain series to show. State of the campaign: {data.status}."
        return
    results = data.strain
    state = results.equation_of_state
    yield (
        f"{results.compound} in the set-up “{results.protocol}” has a lattice constant of "
        f"{with_error(state.lattice_constant, state.lattice_constant_error, 'Å', 3)} and a bulk modulus of "
        f"{with_error(state.bulk_modulus, state.bulk_modulus_error, 'GPa', 1)}, from a Birch–Murnaghan fit to "
        f"{len(state.volumes)} volumes of the centred phase. The errors are standard errors of the fit; they say "
        "nothing about the functional, the basis set or the k-mesh."
    )
    experiments = [
        f"{reference.label}: {fixed(reference.value, 3, 'Å')}"
        for reference in data.references
        if reference.quantity == "lattice_constant"
    ]
    beside = f" ({'; '.join(experiments)})" if experiments else ""
    yield f"All strains are relative to this computed lattice constant, not to the experimental one{beside}."
    onsets = [onset for onset in (results.onset_curvature, results.onset_order_parameter) if onset is not None]
    for onset in onsets:
        yield _onset_sentence(onset)
    yield from (f"{message.rstrip('.')}." for message in results.onset_messages)
    if not onsets and not results.onset_messages:
        yield "No onset of the off-centring was found in the strains computed."
    yield _offset_sentence(results)
    failed = [point for point in results.points if point.failures]
    if failed:
        named = ", ".join(_percent(point.linear_strain) for point in failed)
        yield (
            f"{len(failed)} of {len(results.points)} strain points had a failure ({named}); what they did not "
            "reach is left out of the figures and shown as a dash in the tables."
        )


def failures(data: ReportData) -> list[str]:
    """Return every failure once, those of the strain points with their strain."""
    points = data.strain.points if data.strain is not None else []
    of_points = [(point.linear_strain, failure) for point in points for failure in point.failures]
    named = [f"ε = {_percent(strain)}: {failure}" for strain, failure in of_points if failure not in data.failures]
    return [*data.failures, *named]


def largest_offset(results: StrainResults) -> StrainPoint | None:
    """Return the point whose relaxed phase is the most off-centre; None where no point was relaxed."""
    relaxed = [(point.relaxed.pb_offset, point) for point in results.points if point.relaxed is not None]
    return max(relaxed, key=lambda pair: pair[0])[1] if relaxed else None


def _strain_was_asked_for(data: ReportData) -> bool:
    campaign = data.settings.get("campaign")
    return isinstance(campaign, Mapping) and campaign.get("strain") is not None


def _percent(strain: float) -> str:
    return fixed(100 * strain, 2, "%", signed=True)


def _onset_strain(onset: Onset) -> str:
    error = None if onset.linear_strain_error is None else 100 * onset.linear_strain_error
    return with_error(100 * onset.linear_strain, error, "%", 2, signed=True)


def _onset_number(data: ReportData, results: StrainResults) -> KeyNumber:
    for onset, path in (
        (results.onset_curvature, "onset_curvature"),
        (results.onset_order_parameter, "onset_order_parameter"),
    ):
        if onset is not None:
            where = f"a = {fixed(onset.lattice_constant, 3, 'Å')}, P = {fixed(onset.pressure, 2, 'GPa')}"
            return KeyNumber(
                "off-centring sets in at",
                _onset_strain(onset),
                f"{where}; {onset.method}",
                node_behind(data.nodes, path),
            )
    return KeyNumber("off-centring sets in at", "not found", "see the text", node_behind(data.nodes, "onset_messages"))


def _against_reference(value: float, references: tuple[Reference, ...]) -> str:
    for reference in references:
        if reference.quantity == "lattice_constant":
            excess = fixed(100 * (value / reference.value - 1), 2, "%", signed=True)
            return f"{excess} against {reference.label} ({fixed(reference.value, 3, 'Å')})"
    return "zero of all strains"


def _onset_sentence(onset: Onset) -> str:
    what = (
        "the centred crystal becomes unstable (its energy’s curvature in the offset vanishes)"
        if onset.method == "energy curvature"
        else "the squared offset of the relaxed crystals extrapolates to zero"
    )
    return (
        f"At a linear strain of {_onset_strain(onset)} (a = {fixed(onset.lattice_constant, 3, 'Å')}, "
        f"P = {fixed(onset.pressure, 2, 'GPa')}) {what}."
    )


def _offset_sentence(results: StrainResults) -> str:
    largest = largest_offset(results)
    if largest is None or largest.relaxed is None:
        return "No strain point has a relaxed structure."
    phase = largest.relaxed
    if phase.pb_offset < CENTRED_OFFSET:
        return f"Every relaxed structure is centred: no offset exceeds {fixed(CENTRED_OFFSET, 3, 'Å')}."
    gain = (
        ""
        if largest.energy_gain is None
        else f", and it lies {fixed(-1000 * largest.energy_gain, 2, 'meV')} per formula unit below the centred crystal"
    )
    return (
        f"The largest offset computed is {fixed(phase.pb_offset, 3, 'Å')} at {_percent(largest.linear_strain)} "
        f"(a = {fixed(largest.lattice_constant, 3, 'Å')}): there α = {fixed(phase.alpha_rh, 2, '°')}, the six bonds "
        f"are split into {fixed(phase.bond_short, 3)} and {fixed(phase.bond_long, 3, 'Å')}{gain}."
    )
