"""Numbers as a reader wants them: significant digits, true minus signs, units."""

import math

MISSING = "–"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
EXTRA_DECIMALS = 2
_TWO_DIGIT_LIMIT = 35  # errors are given with two digits up to 35, then with one (Particle Data Group)


def decimals_for(error: float) -> int:
    """Return how many decimals a value with this error deserves (two digits of the error up to 35, else one)."""
    exponent = math.floor(math.log10(error))
    leading = round(error / 10.0 ** (exponent - 1))
    return max(0, 1 - exponent if leading <= _TWO_DIGIT_LIMIT else -exponent)


def fixed(value: float | None, decimals: int, unit: str = "", *, signed: bool = False) -> str:
    """Write a value with fixed decimals, a true minus sign and its unit; a dash where there is no value."""
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, decimals) + 0.0  # adding zero turns -0.0 into 0.0
    text = f"{rounded:{'+' if signed and rounded else ''}.{decimals}f}".replace("-", "−")
    return with_unit(text, unit)


def with_error(value: float, error: float | None, unit: str, decimals: int, *, signed: bool = False) -> str:
    """Write "value ± error unit" to the digits the error allows, or to `decimals` where there is no error.

    More than two digits beyond `decimals` are never given: an error of a fit that is that small is not the error.
    """
    if error is None or not math.isfinite(error) or error <= 0:
        return fixed(value, decimals, unit, signed=signed)
    digits = min(decimals_for(error), decimals + EXTRA_DECIMALS)
    if round(error, digits) == 0:
        return fixed(value, digits, unit, signed=signed)
    return with_unit(
        f"{fixed(value, digits, signed=signed)}{NO_BREAK_SPACE}±{NO_BREAK_SPACE}{fixed(error, digits)}", unit
    )


def with_unit(text: str, unit: str) -> str:
    """Join number and unit; the degree sign stands without a space."""
    return text + ("" if unit in {"", "°"} else NO_BREAK_SPACE) + unit


def duration(seconds: float | None) -> str:
    """Write a time in the units a person would use: "48 s", "3 min 20 s", "2 h 05 min"."""
    if seconds is None:
        return MISSING
    total = round(seconds)
    hours, rest = divmod(total, 3600)
    minutes, seconds_left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds_left:02d} s" if minutes else f"{seconds_left} s"
