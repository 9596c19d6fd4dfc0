from typing import Any

import pytest

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.analysis.phonon_analysis import PhononResults
from qdsim.report import ReportData
from qdsim.report.formatting import NO_BREAK_SPACE
from qdsim.report.headline import failures, key_numbers, sentences


def told(data: ReportData) -> str:
    return " ".join(sentences(data)).replace(NO_BREAK_SPACE, " ")


def changed(data: ReportData, **update: Any) -> ReportData:
    assert data.strain is not None
    return data.model_copy(update={"strain": data.strain.model_copy(update=update)})


@pytest.fixture
def failed(data: ReportData, results: StrainResults) -> ReportData:
    *others, last = results.points
    broken = last.model_copy(
        update={"relaxed": None, "energy_gain": None, "double_well": None, "failures": ["SCF did not converge"]}
    )
    return changed(data, points=[*others, broken])


def test_the_headline_gives_the_numbers_with_their_errors(data: ReportData) -> None:
    text = told(data)
    assert "lattice constant of 6.00800 ± 0.00007 Å" in text
    assert "linear strain of +0.65 ± 0.06 % (a = 6.047 Å, P = −0.99 GPa)" in text
    assert "largest offset computed is 0.204 Å at +2.00 %" in text
    assert "2.950 and 3.187 Å" in text
    assert "3.71 meV per formula unit below" in text


def test_the_headline_says_what_the_strain_is_relative_to(data: ReportData) -> None:
    assert (
        "relative to this computed lattice constant, not to the experimental one (experiment, 300 K: 5.936 Å)"
        in told(data)
    )


def test_a_missing_onset_is_explained(data: ReportData) -> None:
    reason = "No onset from the energy curvature: every curvature is positive"
    text = told(changed(data, onset_curvature=None, onset_order_parameter=None, onset_messages=[reason]))
    assert f"{reason}." in text
    assert "becomes unstable" not in text
    silent = changed(data, onset_curvature=None, onset_order_parameter=None)
    assert "No onset of the off-centring was found" in told(silent)
    assert [number.value for number in key_numbers(silent)][2] == "not found"


def test_the_order_parameter_stands_in_for_a_missing_curvature(data: ReportData) -> None:
    onset = key_numbers(changed(data, onset_curvature=None))[2]
    assert "order parameter" in onset.note
    assert onset.value.startswith("+0.72")


def test_a_failed_point_is_told(failed: ReportData) -> None:
    text = told(failed)
    assert "1 of 6 strain points had a failure (+2.00 %)" in text
    assert "largest offset computed is 0.162 Å at +1.50 %" in text
    assert failures(failed) == [f"ε = +2.00{NO_BREAK_SPACE}%: SCF did not converge"]


def test_a_failure_of_a_point_is_told_once(failed: ReportData) -> None:
    repeated = failed.model_copy(update={"failures": ("SCF did not converge", "the daemon stopped")})
    assert failures(repeated) == ["SCF did not converge", "the daemon stopped"]


def test_centred_structures_are_called_so(data: ReportData, results: StrainResults) -> None:
    text = told(changed(data, points=results.points[:3]))
    assert "Every relaxed structure is centred" in text
    assert "largest offset" not in text


def test_a_campaign_without_results_says_so(data: ReportData) -> None:
    empty = data.model_copy(update={"strain": None, "status": "failed"})
    assert told(empty) == ("There is no equation of state and no strain series to show. State of the campaign: failed.")
    assert key_numbers(empty) == []
    phonons = PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=())
    assert told(empty.model_copy(update={"phonons": phonons})) == ""


def test_key_numbers_name_their_nodes(data: ReportData) -> None:
    numbers = key_numbers(data)
    assert [number.uuid for number in numbers] == [
        data.nodes["equation_of_state"],
        data.nodes["equation_of_state"],
        data.nodes["onset_curvature"],
        data.nodes["points.p0p0200.relaxed"],
    ]
