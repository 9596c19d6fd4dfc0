"""What a campaign found of dipole moments, in numbers to read first and in sentences."""

from collections.abc import Iterator

from qdsim.analysis.dipole import dielectric_sphere_dipole
from qdsim.analysis.dipole_analysis import DipoleAnalysis, DipoleRow
from qdsim.report.data import ReportData, node_behind
from qdsim.report.figures.dipoles import path_of
from qdsim.report.formatting import fixed
from qdsim.report.headline import KeyNumber


def dipole_numbers(data: ReportData) -> list[KeyNumber]:
    """Return the largest dipole, the effective charge behind it, and what it would be on the target."""
    analysis = data.dipole_analysis
    row = None if analysis is None else _largest(analysis)
    if analysis is None or row is None or row.norm is None:
        return []
    numbers = [
        KeyNumber(
            "dipole moment",
            fixed(row.norm, 1, "D"),
            f"{row.particle}, offset {fixed(row.pb_offset, 2, 'Å')}",
            node_behind(data.nodes, path_of(row.label)),
        )
    ]
    response = analysis.responses.get(row.particle)
    if response is not None:
        numbers.append(
            KeyNumber(
                "effective charge",
                fixed(response.effective_charge, 2, "e"),
                f"per cation, {fixed(response.slope, 0, 'D')} per Å of offset",
                node_behind(data.nodes, "dipole_analysis"),
            )
        )
    beyond = analysis.extrapolation
    if beyond is not None:
        reported = beyond.target.reported_dipole
        numbers.append(
            KeyNumber(
                f"carried over to {fixed(beyond.target.diameter / 10, 1, 'nm')}",
                fixed(beyond.dipole, 0, "D"),
                "with the same effective charge"
                + ("" if reported is None else f"; reported {fixed(reported, 0, 'D')}"),
                node_behind(data.nodes, "dipole_analysis"),
            )
        )
    return numbers


def dipole_sentences(data: ReportData) -> Iterator[str]:
    """Yield the findings as sentences: dipoles with and without an offset, models beside them, and gaps."""
    results, analysis = data.dipoles, data.dipole_analysis
    if results is None:
        return
    if analysis is None:
        yield "Nothing has been concluded from the dipoles yet."
        return
    yield (
        f"Dipole moments of {len(results.clusters)} clusters of {results.compound}, "
        f"{'relaxed' if any(one.relaxed for one in results.clusters) else 'their ions held'}, in the set-up "
        f"“{results.protocol}”, each alone in its cell."
    )
    undistorted = [row for row in analysis.rows if row.pb_offset == 0 and row.norm is not None]
    if undistorted:
        most = max(row.norm for row in undistorted if row.norm is not None)
        yield f"Without an offset and at 60°, no dipole exceeds {fixed(most, 2, 'D')}."
    row = _largest(analysis)
    if row is not None and row.norm is not None:
        yield (
            f"{row.particle} with an offset of {fixed(row.pb_offset, 2, 'Å')} has {fixed(row.norm, 1, 'D')}; "
            f"1 e per cation gives {fixed(row.one_electron, 1, 'D')}, {_sphere(row)}"
            f"formal charges {fixed(row.formal, 1, 'D')}."
        )
    yield from _beyond(analysis)
    closed = [row.label for row in analysis.rows if row.gap_state in {"closed", "smeared"}]
    if closed:
        yield (
            f"The gap did not stay open in {', '.join(closed)}: there the dipole is that of charge which has moved "
            "across."
        )
    elif any(row.gap is not None for row in analysis.rows):
        gaps = [row.gap for row in analysis.rows if row.gap is not None]
        yield f"Every gap stayed open: {fixed(min(gaps), 2)} to {fixed(max(gaps), 2, 'eV')}."
    strained = [row for row in analysis.rows if row.gap and row.potential_drop and row.potential_drop > row.gap]
    if strained:
        yield (
            f"In {len(strained)} of {len(analysis.rows)} clusters the potential between the poles of a sphere of that "
            "dipole would drop by more than the gap: larger ones of the same polarisation cannot keep it."
        )
    yield from (f"{message.rstrip('.')}." for message in analysis.messages)
    yield from (f"{one.label}: {one.failure}" for one in results.clusters if one.failure is not None)


def _sphere(row: DipoleRow) -> str:
    low, high = row.dielectric_sphere_lowest, row.dielectric_sphere_highest
    if low is None or high is None:
        return ""
    return f"a dielectric sphere {fixed(low, 1)} to {fixed(high, 1, 'D')} by the source of its inputs, "


def _beyond(analysis: DipoleAnalysis) -> Iterator[str]:
    beyond = analysis.extrapolation
    if beyond is None:
        return
    target = beyond.target
    sentence = (
        f"On a particle of {fixed(target.diameter / 10, 1, 'nm')} with an offset of {fixed(target.pb_offset, 2, 'Å')} "
        f"the effective charge of {beyond.particle} would make {fixed(beyond.dipole, 0, 'D')}"
    )
    if beyond.lowest < beyond.highest:
        sentence += (
            f" ({fixed(beyond.lowest, 0)} to {fixed(beyond.highest, 0, 'D')} with those of the particles computed)"
        )
    if target.reported_dipole is not None:
        difference = 100 * (beyond.dipole / target.reported_dipole - 1)
        sentence += (
            f", {fixed(difference, 0, '%', signed=True)} against the {fixed(target.reported_dipole, 0, 'D')} reported"
        )
    spheres = [
        dielectric_sphere_dipole(target.formula_units, target.pb_offset, one.born_charge, one.eps_inf)
        for one in analysis.models.spheres
    ]
    if spheres:
        sentence += (
            f"; dielectric spheres of it have {fixed(min(spheres), 0)} to {fixed(max(spheres), 0, 'D')} by the source "
            "of their inputs"
        )
    yield f"{sentence}. That takes for granted that the charge per cation does not depend on the size."


def _largest(analysis: DipoleAnalysis) -> DipoleRow | None:
    found = [(row.norm, row) for row in analysis.rows if row.norm is not None]
    return max(found, key=lambda pair: pair[0])[1] if found else None
