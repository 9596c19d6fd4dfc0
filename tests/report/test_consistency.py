"""The sections on scattering: every verdict with its numbers, its reason and its node, and the figures beside them."""

import json
import re

import numpy as np
import pytest

from qdsim.analysis.consistency import check_consistency
from qdsim.analysis.consistency_results import CheckSettings, Consistency, PatternCheck, PatternFit
from qdsim.analysis.scattering_fit import ScatteringFits
from qdsim.analysis.strain_results import StrainResults
from qdsim.debye import Fit, FitResult, FitSettings, ModelPattern, NanocrystalModel, ScanAxis, ScatteringData, chi2_map
from qdsim.debye.hypotheses import DFT, FREE, UNDISTORTED
from qdsim.report import ReportData, render_report
from qdsim.report.data import Curve, SampleFits
from qdsim.report.figures import Mark, hypothesis_patterns, samples_and_strain, strain_patterns
from qdsim.report.figures import chi2_map as draw_map
from qdsim.report.verdicts import remarks, row_text

FITS = {
    "compound": "PbS",
    "source": "made up <b>for a test</b>",
    "surface_tension": {"value": -0.0386, "error": 0.0005},
    "tolerances": {"bond_short": 0.01},
    "samples": [
        {
            "name": "<i>dots</i>",
            "diameter": {"value": 32, "error": 1},
            "lattice_constant": {"value": 5.99, "error": 0.004},
            "alpha_rh": {"value": 59.1, "error": 0.1},
            "pb_offset": {"value": 0.12, "error": 0.01},
            "bond_short": 2.93,
            "occupancy_cation_core": {"value": 0.9, "error": 0.02},
        }
    ],
}
Q = np.linspace(1.0, 12.0, 120)


@pytest.fixture(scope="module")
def fits() -> dict[str, FitResult]:
    """One pattern, fitted with three distortions."""
    model = NanocrystalModel(compound="PbS", diameter=24, alpha_rh=59.3, pb_offset=0.1, lattice_constant=5.95)
    scattered = ModelPattern(model, Q).intensity({})
    data = ScatteringData(Q, scattered, 0.01 * scattered, source="dots.xye")
    models = {FREE: (59.3, 0.1), DFT: (59.6, 0.1), UNDISTORTED: (60.0, 0.0)}
    settings = FitSettings(vary={"lattice_constant": None}, background=2)
    return {
        name: Fit(model.with_values({"alpha_rh": alpha, "pb_offset": offset}), data, settings).run()
        for name, (alpha, offset) in models.items()
    }


@pytest.fixture(scope="module")
def consistency(results: StrainResults, fits: dict[str, FitResult]) -> Consistency:
    compared = [
        PatternFit(
            name=name,
            alpha_rh=fit.model.alpha_rh,
            pb_offset=fit.model.pb_offset,
            chi2=fit.chi2,
            chi2_reduced=fit.chi2_reduced,
            gof=fit.gof,
            r_wp=fit.r_wp,
            chi2_difference=fit.chi2,
            standard_errors=7.5,
            converged=True,
        )
        for name, fit in fits.items()
    ]
    pattern = PatternCheck(
        source="dots.xye",
        condition="measured volume",
        fits=compared,
        verdict="disagrees",
        reason="worse",
        messages=["odd"],
    )
    settings = CheckSettings(compound="PbS", bulk_lattice_constant=5.936, reservations=["a coarse mesh"])
    return check_consistency(results, ScatteringFits.model_validate(FITS), settings, {"<i>dots</i>": pattern})


@pytest.fixture(scope="module")
def checked(data: ReportData, consistency: Consistency, fits: dict[str, FitResult]) -> ReportData:
    axes = ScanAxis("alpha_rh", (59.0, 59.5, 60.0)), ScanAxis("pb_offset", (0.0, 0.1, 0.2))
    measured = ScatteringData(Q, np.array(fits[FREE].observed), np.array(fits[FREE].sigma))
    held = Fit(fits[FREE].model, measured, FitSettings(background=2))
    curve = Curve(x=(1.0, 2.0, 3.0), y=(5.0, 9.0, 2.0))
    sample = SampleFits(source="dots.xye", fits=fits, chi2_map=chi2_map(held, *axes))
    return data.model_copy(
        update={
            "consistency": consistency,
            "patterns": {"p0p0200_relaxed": curve, "p0p0200_centred": curve, "p0p0000_relaxed": curve},
            "sample_fits": {"<i>dots</i>": sample},
            "nodes": {**data.nodes, "consistency": "c0ffee00-0000-4000-8000-000000000000"},
        }
    )


def test_every_row_is_in_the_report_with_its_verdict_and_its_node(
    checked: ReportData, consistency: Consistency
) -> None:
    document = render_report(checked)
    page = document[: document.index("<script>")]
    assert "DFT against scattering" in page
    assert "c0ffee00-0000-4000-8000-000000000000" in page
    (sample,) = consistency.samples
    for row in sample.rows:
        text = row_text(row)
        assert text.quantity in page
        assert text.measured in page
        assert row.measured is None or repr(row.measured) in page
        assert f" {row.verdict}<" in page
    for sentence in (*sample.sentences, *consistency.notes):
        assert sentence.replace("'", "&#39;") in page
    assert "a coarse mesh" in page
    assert "&lt;i&gt;dots&lt;/i&gt;" in page
    assert "<i>dots</i>" not in page
    assert "<b>for a test</b>" not in page


def test_without_a_check_there_is_nothing_of_it(data: ReportData) -> None:
    page = render_report(data)
    assert "DFT against scattering" not in page
    assert 'id="patterns"' not in page


def test_figures_hold_what_was_compared(
    checked: ReportData, consistency: Consistency, results: StrainResults, fits: dict[str, FitResult]
) -> None:
    drawn = json.loads(str(samples_and_strain(results, consistency, "alpha_rh").to_json()))
    marks = [trace for trace in drawn["data"] if trace.get("legendgroup")]
    assert [trace["y"] for trace in marks] == [[59.1], [59.1]]
    assert {trace["marker"]["symbol"] for trace in marks} == {"circle", "square"}
    strains = [condition.linear_strain for condition in consistency.samples[0].conditions]
    assert [trace["x"][0] for trace in marks] == pytest.approx(
        [100 * strain for strain in strains if strain is not None]
    )
    assert marks[0]["error_y"]["array"] == [0.1]

    compared = hypothesis_patterns(fits)
    rise = next(trace for trace in compared.data if trace.name == DFT and trace.yaxis == "y3")
    assert rise.y[-1] == pytest.approx(fits[DFT].chi2 - fits[FREE].chi2, rel=1e-9)

    names = [trace.name for trace in strain_patterns(results, checked.patterns).data]
    assert len(names) == 3
    chi2 = checked.sample_fits["<i>dots</i>"].chi2_map
    assert chi2 is not None
    marked = draw_map(chi2, [Mark("inside", 59.4, 0.05), Mark("outside", 58.0, 0.05)])
    inside, outside, lowest = (trace.name for trace in marked.data if trace.type == "scatter")
    assert (inside, lowest) == ("inside", "lowest")
    assert outside.startswith("outside (outside: 58.00°")


def test_remarks_tell_of_tolerances_and_of_the_pattern(consistency: Consistency) -> None:
    told = list(remarks(consistency.samples[0]))
    assert told[0] == "chosen tolerances, no standard errors, stand for what the fit does not state: short bonds"
    assert told[1:] == ["pattern dots.xye, disagrees: worse", "odd"]


def test_numbers_are_cut_to_their_errors(consistency: Consistency) -> None:
    rows = {(row.quantity, row.condition): row_text(row) for row in consistency.samples[0].rows}
    alpha = rows["alpha_rh", "measured volume"]
    assert alpha.measured == "59.10\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.10"
    expansion = rows["volumetric_strain", "Laplace tension"]
    assert expansion.quantity == "volume expansion (%)"
    assert re.fullmatch(r"\+\d\.\d+\s±\s0\.\d+", expansion.computed)
    assert rows["occupancy_cation_core", ""].computed == "–"
