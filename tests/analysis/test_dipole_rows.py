"""Dipoles of samples against computed effective charges, worked out by hand for the paper's smallest particle."""

from math import pi

import pytest
from ase.units import Debye

from qdsim.analysis.consistency_results import Row
from qdsim.analysis.dipole import OffsetResponse
from qdsim.analysis.dipole_analysis import DipoleAnalysis, DipoleModels
from qdsim.analysis.dipole_rows import dipole_rows
from qdsim.analysis.sample_values import Known

VOLUME = 53.5
FITTED = {"diameter": Known(32.0, 0.3), "pb_offset": Known(0.12, 0.005)}
CATIONS = pi / 6 * 32**3 / VOLUME
CHARGES = {"small": (0.7, 16), "large": (0.6, 80)}


def analysis(**charges: tuple[float, int]) -> DipoleAnalysis:
    responses = {
        name: OffsetResponse(
            slope=charge * n / Debye, slope_error=None, intercept=0.0, effective_charge=charge, n_cations=n
        )
        for name, (charge, n) in charges.items()
    }
    return DipoleAnalysis(models=DipoleModels(), rows=(), responses=responses)


def row(stated: dict[str, Known], dipoles: DipoleAnalysis | None) -> Row:
    (found,) = dipole_rows(stated, Known(VOLUME, 0.0), dipoles)
    return found


def test_the_largest_particle_decides_and_the_others_are_its_error() -> None:
    found = row(FITTED, analysis(**CHARGES))
    expected = 0.6 * CATIONS * 0.12 / Debye
    assert found.computed == pytest.approx(expected)
    spread, diameter, offset = 0.05 / 0.6, 3 * 0.3 / 32, 0.005 / 0.12
    assert found.computed_error == pytest.approx(expected * (spread**2 + diameter**2 + offset**2) ** 0.5, rel=1e-6)
    assert (found.verdict, found.measured) == ("cannot say", None)
    assert found.reason == "the fit states no dipole; the clusters carry 0.60 ± 0.05 e a cation"


@pytest.mark.parametrize(("dipole", "verdict"), [(110.0, "agrees"), (300.0, "disagrees")])
def test_a_dipole_that_is_stated_is_judged(dipole: float, verdict: str) -> None:
    found = row({**FITTED, "dipole": Known(dipole, 5.0, source="p. 4")}, analysis(**CHARGES))
    assert found.verdict == verdict
    assert found.difference == pytest.approx(dipole - 0.6 * CATIONS * 0.12 / Debye)
    assert found.source == "p. 4"


def test_the_volume_of_the_sample_goes_before_that_of_the_bulk() -> None:
    found = row({**FITTED, "volume": Known(2 * VOLUME, 0.1)}, analysis(**CHARGES))
    assert found.computed == pytest.approx(0.6 * CATIONS / 2 * 0.12 / Debye)


def test_one_particle_alone_tells_no_error() -> None:
    found = row({**FITTED, "dipole": Known(300.0, 10.0)}, analysis(large=(0.6, 80)))
    assert (found.computed_error, found.verdict) == (None, "cannot say")


@pytest.mark.parametrize(
    ("lacks", "dipoles", "reason"),
    [
        ("", None, "the campaign has no clusters to compare with"),
        ("pb_offset", analysis(**CHARGES), "the fit states no offset of the cations"),
        ("", analysis(), "no neutral particle has dipoles at two offsets"),
    ],
)
def test_what_is_missing_is_named(lacks: str, dipoles: DipoleAnalysis | None, reason: str) -> None:
    stated = {name: known for name, known in FITTED.items() if name != lacks}
    assert list(dipole_rows(stated, Known(VOLUME, 0.0), dipoles)) == []
    found = row({**stated, "dipole": Known(190.0, 10.0)}, dipoles)
    assert (found.verdict, found.reason, found.computed) == ("cannot say", reason, None)
