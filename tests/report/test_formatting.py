import pytest

from qdsim.report.formatting import MISSING, NO_BREAK_SPACE, duration, fixed, with_error


def spaced(text: str) -> str:
    return text.replace(NO_BREAK_SPACE, " ")


@pytest.mark.parametrize(
    ("value", "decimals", "unit", "signed", "expected"),
    [
        (6.00812, 3, "Å", False, "6.008 Å"),
        (-0.994, 2, "GPa", False, "−0.99 GPa"),
        (-0.0004, 2, "%", True, "0.00 %"),
        (0.65, 2, "%", True, "+0.65 %"),
        (59.364, 2, "°", False, "59.36°"),
        (None, 2, "eV", False, MISSING),
        (float("nan"), 2, "eV", False, MISSING),
    ],
)
def test_fixed(value: float | None, decimals: int, unit: str, signed: bool, expected: str) -> None:
    assert spaced(fixed(value, decimals, unit, signed=signed)) == expected


@pytest.mark.parametrize(
    ("value", "error", "unit", "expected"),
    [
        (6.00812, 0.0021, "Å", "6.0081 ± 0.0021 Å"),
        (6.00812, 0.0071, "Å", "6.008 ± 0.007 Å"),
        (53.112, 1.46, "GPa", "53.1 ± 1.5 GPa"),
        (53.112, 12.0, "GPa", "53 ± 12 GPa"),
        (53.112, 0.96, "GPa", "53.1 ± 1.0 GPa"),
        (53.112, None, "GPa", "53.11 GPa"),
        (53.112, 0.0, "GPa", "53.11 GPa"),
    ],
)
def test_with_error_keeps_the_digits_the_error_allows(
    value: float, error: float | None, unit: str, expected: str
) -> None:
    assert spaced(with_error(value, error, unit, 2)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, MISSING), (48.4, "48 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (3599.7, "1 h 00 min")],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected
