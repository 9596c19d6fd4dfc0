"""When values agree, disagree, or leave it open."""

from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qdsim.analysis.sample_values import Known
from qdsim.analysis.verdict import VERDICTS, Verdict, judge, judge_patterns, worst

EXACT = Known(0.0, 0.0)
"""A computed value whose error adds nothing, so that thresholds can be met exactly."""
values = st.floats(-100, 100)
errors = st.floats(0.01, 10)
shifts = st.floats(-50, 50)


@pytest.mark.parametrize(
    ("measured", "verdict", "words"),
    [
        (0.0, "agrees", "0.0 standard errors apart"),
        (2.0, "agrees", "2.0 standard errors apart"),
        (-2.0, "agrees", "2.0 standard errors apart"),
        (2.0000001, "tension", "2.0 standard errors apart"),
        (3.0, "tension", "3.0 standard errors apart"),
        (-3.0, "tension", "3.0 standard errors apart"),
        (3.0000001, "disagrees", "3.0 standard errors apart"),
        (-8.0, "disagrees", "8.0 standard errors apart"),
    ],
)
def test_two_and_three_standard_errors_are_the_thresholds(measured: float, verdict: Verdict, words: str) -> None:
    found = judge(EXACT, Known(measured, 1.0), matters=3.0)
    assert (found.verdict, found.reason) == (verdict, words)
    assert (found.difference, found.error, found.standard_errors) == (measured, 1.0, measured)


def test_both_errors_count_in_quadrature() -> None:
    found = judge(Known(59.5, 0.03), Known(59.6, 0.04), matters=0.5)
    assert found.error == pytest.approx(0.05)
    assert found.difference == pytest.approx(0.1)
    assert found.standard_errors == pytest.approx(2.0)


def test_values_agree_only_if_a_difference_that_matters_could_have_been_seen() -> None:
    assert judge(EXACT, Known(0.5, 1.0), matters=3.0).verdict == "agrees"
    blind = judge(EXACT, Known(0.5, 1.0), matters=2.9999, unit="Å")
    assert blind.verdict == "cannot say"
    assert blind.reason == "0.5 standard errors apart, but differences below 3 Å could not be seen"


def test_a_difference_that_is_seen_counts_however_large_the_error() -> None:
    assert judge(EXACT, Known(2.5, 1.0), matters=0.1).verdict == "tension"
    assert judge(EXACT, Known(3.5, 1.0), matters=0.1).verdict == "disagrees"


@pytest.mark.parametrize("limit", [None, "lower", "upper"])
@pytest.mark.parametrize(
    ("computed", "measured", "words"),
    [
        (None, None, "the fit states no uncertainty, and no tolerance is given"),
        (0.1, None, "the fit states no uncertainty, and no tolerance is given"),
        (None, 0.1, "the error of the computed value is not known"),
    ],
)
def test_nothing_is_decided_without_both_errors(
    computed: float | None, measured: float | None, words: str, limit: str | None
) -> None:
    found = judge(Known(1.0, computed), Known(5.0, measured, limit), matters=0.5)
    assert (found.verdict, found.reason) == ("cannot say", words)
    assert (found.error, found.standard_errors) == (None, None)


@pytest.mark.parametrize(
    ("limit", "words", "kept", "broken"),
    [("lower", "a lower limit", 1.5, 0.5), ("upper", "an upper limit", 0.5, 1.5)],
)
def test_a_limit_is_broken_on_one_side_only(limit: str, words: str, kept: float, broken: float) -> None:
    bound = Known(1.0, 0.1, limit)
    within = judge(Known(kept, 0.0), bound, matters=0.4)
    assert (within.verdict, within.reason) == ("agrees", f"the measured value is {words}")
    assert (within.difference, within.standard_errors) == (0.0, 0.0)
    at = judge(Known(1.0, 0.0), bound, matters=0.4)
    assert at.verdict == "agrees"
    beyond = judge(Known(broken, 0.0), bound, matters=0.4)
    assert (beyond.verdict, beyond.reason) == ("disagrees", "5.0 standard errors apart")
    assert beyond.difference == pytest.approx(1.0 - broken)
    slightly = judge(Known((1.0 + broken) / 2, 0.0), bound, matters=0.4)
    assert slightly.verdict == "tension"


@pytest.mark.parametrize(("limit", "sense"), [("lower", 1), ("upper", -1)])
def test_keeping_to_a_limit_is_agreement_only_if_breaking_it_could_have_been_seen(limit: str, sense: int) -> None:
    bound = Known(0.0, 1.0, limit)
    assert judge(Known(sense * 3.0, 0.0), bound, matters=0.5).verdict == "agrees"
    assert judge(Known(sense * 0.1, 0.0), bound, matters=3.0).verdict == "agrees"
    blind = judge(Known(sense * 2.9, 0.0), bound, matters=0.5, unit="Å")
    assert blind.verdict == "cannot say"
    assert blind.reason.startswith("the measured value is a")
    assert blind.reason.endswith("limit, but differences below 3 Å could not be seen")


@given(values, errors, values, errors, errors)
def test_the_order_of_the_two_values_does_not_matter(
    computed: float, computed_error: float, measured: float, measured_error: float, matters: float
) -> None:
    one, other = Known(computed, computed_error), Known(measured, measured_error)
    there, back = judge(one, other, matters), judge(other, one, matters)
    assert (there.verdict, there.reason, there.error) == (back.verdict, back.reason, back.error)
    assert there.difference == pytest.approx(-(back.difference or 0.0))


@given(values, errors, values, errors, errors, st.sampled_from([2.0**i for i in (-10, -1, 1, 10)]))
def test_the_unit_does_not_matter(
    computed: float, computed_error: float, measured: float, measured_error: float, matters: float, unit: float
) -> None:
    one = judge(Known(computed, computed_error), Known(measured, measured_error), matters)
    other = judge(
        Known(unit * computed, unit * computed_error), Known(unit * measured, unit * measured_error), unit * matters
    )
    assert one.standard_errors is not None
    assume(min(abs(abs(one.standard_errors) - threshold) for threshold in (2, 3)) > 1e-9)
    assert one.verdict == other.verdict
    assert one.standard_errors == pytest.approx(other.standard_errors)


@given(values, errors, st.one_of(values), st.sampled_from([None, "lower", "upper"]), errors)
def test_larger_errors_never_turn_a_doubt_into_an_agreement(
    computed: float, error: float, measured: float, limit: str | None, matters: float
) -> None:
    sure, unsure = (judge(Known(computed, 0.0), Known(measured, k * error, limit), matters) for k in (1, 2))
    if unsure.verdict == "agrees":
        assert 3 * 2 * error <= max(matters, abs(measured - computed) if limit else 0.0)
    if sure.verdict == "cannot say":
        assert unsure.verdict == "cannot say"


@pytest.mark.parametrize(
    ("computed", "probes", "verdict"),
    [
        (3.1, {"a": 9.0}, "disagrees"),
        (3.1, {"a": 0.0}, "disagrees"),
        (3.0, {"a": 9.0}, "tension"),
        (2.1, {"a": 0.0}, "tension"),
        (2.0, {"a": 3.0, "b": 5.0}, "agrees"),
        (0.0, {"a": 3.0}, "agrees"),
        (0.0, {"a": 2.9}, "cannot say"),
        (1.0, {"a": 9.0, "b": 0.1}, "cannot say"),
    ],
)
def test_a_pattern_decides_if_it_would_notice_another_distortion(
    computed: float, probes: dict[str, float], verdict: Verdict
) -> None:
    found, reason = judge_patterns(computed, 7.0, probes)
    assert found == verdict
    assert reason.startswith(
        f"imposed, the computed distortion is {computed:.1f} standard errors worse than the free fit"
    )


def test_the_reason_of_a_pattern_names_what_is_not_noticed_and_tells_of_no_distortion() -> None:
    _, seen = judge_patterns(0.5, 7.25, {"an angle": 5.0})
    assert seen.endswith("; without distortion it is 7.2")
    _, unseen = judge_patterns(0.5, 7.25, {"an angle": 1.0, "an offset": 2.0, "both": 4.0})
    assert unseen.endswith(", but the data would not notice an angle or an offset")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], "cannot say"),
        (["cannot say", "agrees"], "agrees"),
        (["agrees", "tension", "cannot say"], "tension"),
        (["agrees", "disagrees", "tension"], "disagrees"),
    ],
)
def test_the_worst_verdict_is_that_of_the_whole(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst(verdicts) == expected
    assert worst(reversed(verdicts)) == expected
    assert set(verdicts) <= set(VERDICTS) == set(get_args(Verdict))


def test_a_chosen_tolerance_is_called_one() -> None:
    computed = Known(1.0, 0.0)
    stated, chosen = (judge(computed, Known(1.5, 0.1, assumed=assumed), 1.0) for assumed in (False, True))
    assert stated.reason == "5.0 standard errors apart"
    assert chosen.reason == "5.0 chosen tolerances apart"
    assert (chosen.verdict, chosen.standard_errors) == (stated.verdict, stated.standard_errors)
