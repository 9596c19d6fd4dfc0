"""When a computed and a measured value agree, and when nobody can say."""

from collections.abc import Iterable, Mapping
from math import hypot
from typing import Literal, NamedTuple, get_args

from qdsim.analysis.sample_values import Known

Verdict = Literal["agrees", "tension", "disagrees", "cannot say"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

AGREES_BELOW = 2.0
"""Combined standard errors up to which values agree."""
DISAGREES_ABOVE = 3.0
"""Combined standard errors beyond which values disagree; between the two there is tension."""
LIMITS: dict[str | None, str] = {"lower": "a lower limit", "upper": "an upper limit"}
"""How they are called, with their articles."""


class Judgement(NamedTuple):
    """A verdict on two values.

    Attributes
    ----------
    difference, error
        Measured minus computed value, and its standard error; None where one is not known. Of a value that is only a
        limit, the difference is zero where the computed one keeps to it.
    standard_errors
        Their ratio.
    verdict, reason
        In a word, and in a sentence without its full stop.
    """

    difference: float | None
    error: float | None
    standard_errors: float | None
    verdict: Verdict
    reason: str


def judge(computed: Known, measured: Known, matters: float, unit: str = "") -> Judgement:
    """Compare a computed value with a measured one.

    Parameters
    ----------
    computed, measured
        The values with their standard errors; the measured one may be a limit.
    matters
        The smallest difference that would matter. Values that are nearer than two standard errors agree only if three
        standard errors are no more than this, or than what separates a value from the limit it keeps to; else a
        difference that matters could not have been seen.
    unit
        For the reason.
    """
    apart = measured.value - computed.value
    kept = (measured.limit == "lower" and apart <= 0) or (measured.limit == "upper" and apart >= 0)
    difference = 0.0 if kept else apart
    if measured.error is None or computed.error is None:
        unknown = "the fit states no uncertainty, and no tolerance is given"
        reason = unknown if measured.error is None else "the error of the computed value is not known"
        return Judgement(difference, None, None, "cannot say", reason)
    error = hypot(measured.error, computed.error)
    ratio = difference / error
    told = _apart(ratio, assumed=measured.assumed or computed.assumed)
    verdict, words = _weigh(ratio, error, max(matters, abs(apart)) if kept else matters, unit)
    reason = told + words
    if kept:
        reason = f"the measured value is {LIMITS[measured.limit]}" + words
    return Judgement(difference, error, ratio, verdict, reason)


def _weigh(ratio: float, error: float, matters: float, unit: str) -> tuple[Verdict, str]:
    """Return the verdict, and what is to be said beyond how far the values are apart."""
    if abs(ratio) > DISAGREES_ABOVE:
        return "disagrees", ""
    if abs(ratio) > AGREES_BELOW:
        return "tension", ""
    if DISAGREES_ABOVE * error > matters:
        blind = f"{DISAGREES_ABOVE * error:.2g} {unit}".strip()
        return "cannot say", f", but differences below {blind} could not be seen"
    return "agrees", ""


def _apart(ratio: float, *, assumed: bool) -> str:
    """Count in standard errors; where one of them is a tolerance that was chosen, it is called one."""
    return f"{abs(ratio):.1f} {'chosen tolerances' if assumed else 'standard errors'} apart"


def judge_patterns(computed: float, undistorted: float, probes: Mapping[str, float]) -> tuple[Verdict, str]:
    """Judge a computed distortion by how much worse it describes a pattern than a free fit does.

    Parameters
    ----------
    computed, undistorted
        Standard errors by which the model with the computed distortion, and that without any, are worse than the free
        one.
    probes
        The same for models with a distortion that differs from the computed one by as much as would matter, by what
        they are called.

    Returns
    -------
    tuple
        A verdict, and the reason as a sentence without its full stop.
    """
    apart = f"imposed, the computed distortion is {computed:.1f} standard errors worse than the free fit"
    beside = f"; without distortion it is {undistorted:.1f}"
    if computed > DISAGREES_ABOVE:
        return "disagrees", apart + beside
    if computed > AGREES_BELOW:
        return "tension", apart + beside
    unseen = [name for name, worse in probes.items() if worse < DISAGREES_ABOVE]
    if unseen:
        return "cannot say", f"{apart}, but the data would not notice {' or '.join(unseen)}"
    return "agrees", apart + beside


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a whole: a disagreement before tension before agreement before not knowing."""
    order: tuple[Verdict, ...] = ("disagrees", "tension", "agrees", "cannot say")
    found = set(verdicts)
    return next((verdict for verdict in order if verdict in found), "cannot say")


def best(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on alternatives: agreement before not knowing before tension before a disagreement."""
    order: tuple[Verdict, ...] = ("agrees", "cannot say", "tension", "disagrees")
    return min(verdicts, key=order.index, default="cannot say")
