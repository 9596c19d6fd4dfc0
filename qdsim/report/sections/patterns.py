"""Scattering of the relaxed lattices, and fits of measured patterns with and without the computed distortion."""

from collections.abc import Iterator

from qdsim.analysis.consistency_results import PatternCheck, SampleCheck
from qdsim.debye.hypotheses import DFT, FREE, UNDISTORTED
from qdsim.report.captions import scattering_caption
from qdsim.report.content import Cell, FigureBlock, Table
from qdsim.report.data import ReportData, SampleFits, node_behind
from qdsim.report.figures import Mark, chi2_map, hypothesis_patterns, strain_patterns
from qdsim.report.formatting import fixed
from qdsim.report.sections import Context, section

_HEADS = (
    ("model", ""),
    ("α", "°"),
    ("offset", "Å"),
    ("reduced χ²", ""),
    ("goodness of fit", ""),
    ("R_wp", "%"),
    ("Δχ²", ""),
    ("σ", ""),
)


@section("Scattering", order=20)
def patterns(data: ReportData) -> Context | None:
    """Return patterns, fits and maps, as far as there are any."""
    blocks: list[FigureBlock | Table] = []
    if data.strain is not None and any(label.endswith("_relaxed") for label in data.patterns):
        caption = (
            "Computed scattering of particles cut from the relaxed crystal at each strain, and below, how it differs "
            "from that of the centred crystal of the same volume."
            f"{scattering_caption(next(iter(data.patterns.values())).amplitudes)}"
        )
        blocks.append(FigureBlock("strain_patterns", strain_patterns(data.strain, data.patterns), caption, "wide"))
    samples = data.consistency.samples if data.consistency is not None else []
    for index, sample in enumerate(samples):
        fitted = data.sample_fits.get(sample.name)
        if fitted is not None and sample.pattern is not None:
            blocks += _blocks(data, index, sample, sample.pattern, fitted)
    return {"blocks": blocks} if blocks else None


def _blocks(
    data: ReportData, index: int, sample: SampleCheck, pattern: PatternCheck, fitted: SampleFits
) -> Iterator[FigureBlock | Table]:
    shown = {name: fitted.fits[name] for name in (FREE, DFT, UNDISTORTED) if name in fitted.fits}
    caption = (
        f"{sample.name}, data {fitted.source}: the model with a free distortion, with the computed one imposed, and "
        f"without any, all else fitted anew.{scattering_caption(shown[FREE].amplitudes if FREE in shown else {})}"
    )
    yield FigureBlock(f"hypotheses_{index}", hypothesis_patterns(shown), caption, "wide")
    if fitted.chi2_map is not None:
        marks = [
            Mark(f"DFT, {condition.name}", condition.lattice.alpha_rh, condition.lattice.pb_offset)
            for condition in sample.conditions
        ]
        words = (
            f"{sample.name}: reduced χ² over angle and offset, the other parameters held, with the computed lattices."
        )
        yield FigureBlock(f"chi2_map_{index}", chi2_map(fitted.chi2_map, marks), words)
    rows = [
        [
            Cell(fit.name, "", node_behind(data.nodes, f"fits.{sample.name}")),
            Cell(fixed(fit.alpha_rh, 3), repr(fit.alpha_rh)),
            Cell(fixed(fit.pb_offset, 4), repr(fit.pb_offset)),
            Cell(f"{fit.chi2_reduced:.5g}", repr(fit.chi2_reduced)),
            Cell(f"{fit.gof:.4g}", repr(fit.gof)),
            Cell(fixed(100 * fit.r_wp, 3), repr(fit.r_wp)),
            Cell(fixed(fit.chi2_difference, 1), repr(fit.chi2_difference)),
            Cell(fixed(fit.standard_errors, 1), repr(fit.standard_errors)),
        ]
        for fit in pattern.fits
    ]
    told = f"{sample.name}: {pattern.verdict}; {pattern.reason}."
    yield Table(told, _HEADS, rows)
