from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.analysis.ferroelectric import (
    ComputedStrain,
    DoubleWell,
    Onset,
    Phase,
    StrainPoint,
    StrainResults,
    fit_double_well,
    summarise_strain,
)
from qdsim.analysis.onset import (
    explain_missing_onset_from_curvature,
    explain_missing_onset_from_order_parameter,
    locate_onset_from_curvature,
    locate_onset_from_order_parameter,
)
from qdsim.analysis.relaxation import RelaxationStep
from qdsim.errors import QdsimError

Offset = TypeVar("Offset", float, npt.NDArray[np.float64])

A0 = 6.008
COMPUTED = {6.00: (1.29e-3, 7.89e-3), 6.06: (-0.11e-3, 2.19e-3), 6.12: (-1.40e-3, -3.05e-3)}
"""PBE, PbS, k = 10^3: energies (eV) at offsets of 0.1 and 0.2 Å against the centred crystal, by lattice constant."""


@pytest.fixture(scope="module")
def eos() -> EquationOfState:
    volumes = A0**3 / 4 * np.linspace(0.94, 1.08, 8)
    energies = -376.2 + 0.0033 * (volumes - A0**3 / 4) ** 2
    return fit_birch_murnaghan(volumes.tolist(), energies.tolist())


def phase(a: float, offset: float = 0.0, energy: float = -376.1) -> Phase:
    return Phase(
        volume=a**3 / 4,
        lattice_constant=a,
        alpha_rh=60 - 15 * offset**2,
        pb_offset=offset,
        energy=energy,
        pressure=-1.0,
        gap=0.3,
        space_group="R3m (160)" if offset else "Fm-3m (225)",
        bond_short=a / 2 - offset / 2,
        bond_long=a / 2 + offset / 2,
        single_points=4,
    )


def step(offset: float, energy: float, alpha: float = 60.0, gradient: float = 0.0) -> RelaxationStep:
    return RelaxationStep(
        alpha=alpha, offset=offset, energy=-376.1 + energy, gradient_alpha=0.0, gradient_offset=gradient
    )


def polynomial(u: Offset, a: float, b: float, c: float = 0.0) -> Offset:
    return a * u**2 + b * u**4 + c * u**6


def slope(u: float, a: float, b: float, c: float = 0.0) -> float:
    return 2 * a * u + 4 * b * u**3 + 6 * c * u**5


def computed(a: float, offset: float, a_scale: float = -2.2, onset: float = 6.046) -> ComputedStrain:
    """A strain with a quadratic coefficient that vanishes at the onset."""
    quadratic = a_scale * (a - onset)
    offsets = (0.1, 0.15, 0.2)
    wells = [step(u, polynomial(u, quadratic, 2.2), gradient=slope(u, quadratic, 2.2)) for u in offsets]
    return ComputedStrain(
        label=f"a{round(a * 1000)}",
        volume=a**3 / 4,
        centred=phase(a),
        relaxed=phase(a, offset, energy=-376.1 - offset**2 / 10),
        wells=wells,
    )


def test_three_energies_determine_the_quartic() -> None:
    well = fit_double_well([0, 0.1, 0.2], [-376.0, -376.0 + 1.29e-3, -376.0 + 7.89e-3])
    assert well.quadratic == pytest.approx((16 * 1.29e-3 - 7.89e-3) / 0.12, abs=1e-9)
    assert well.quartic == pytest.approx(2.275, abs=1e-3)
    assert well.sextic == 0
    assert well.quadratic_error is None
    assert well.energies == pytest.approx([0, 1.29e-3, 7.89e-3], abs=1e-10)


def test_energies_and_gradients_in_any_order_and_sign_of_the_offset() -> None:
    a, b, c = -0.16, 2.1, 1.5
    offsets = [0.2, -0.1, 0.0, 0.3]
    energies = [polynomial(u, a, b, c) - 5.0 for u in offsets]
    well = fit_double_well(offsets, energies, [slope(0.2, a, b, c), slope(-0.1, a, b, c), None, None])
    assert (well.quadratic, well.quartic, well.sextic) == pytest.approx((a, b, c), abs=1e-9)
    assert well.offsets == [0.0, 0.1, 0.2, 0.3]
    assert well.quadratic_error == pytest.approx(0, abs=1e-9)


def test_five_offsets_determine_the_octic() -> None:
    offsets = np.linspace(0, 0.5, 6)
    well = fit_double_well(offsets.tolist(), (polynomial(offsets, -0.1, 2.2, -3.0) + 2.5 * offsets**8).tolist())
    assert (well.quadratic, well.quartic, well.sextic, well.octic) == pytest.approx((-0.1, 2.2, -3.0, 2.5), abs=1e-8)
    assert well.energy_at(offsets) == pytest.approx(well.energies, abs=1e-12)


def test_one_energy_and_its_gradient_suffice() -> None:
    well = fit_double_well([0.0, 0.2], [0.0, polynomial(0.2, -0.1, 2.0)], [0.0, slope(0.2, -0.1, 2.0)])
    assert (well.quadratic, well.quartic) == pytest.approx((-0.1, 2.0), abs=1e-10)


def test_the_standard_error_is_the_scatter_of_repeated_fits() -> None:
    rng = np.random.default_rng(0)
    offsets = np.linspace(0, 0.3, 8)
    energies = polynomial(offsets, -0.1, 2.2, 1.0)
    wells = [fit_double_well(offsets.tolist(), [0.0, *(energies[1:] + 1e-5 * rng.normal(size=7))]) for _ in range(500)]
    scatter = np.std([well.quadratic for well in wells])
    errors = np.array([well.quadratic_error for well in wells])
    assert np.sqrt((errors**2).mean()) == pytest.approx(scatter, rel=0.1)


@pytest.mark.parametrize(
    ("offsets", "energies", "message"),
    [
        ([0.1, 0.2], [0.1, 0.2], "no energy at offset 0"),
        ([0.0], [0.1], "too few offsets"),
        ([0.0, 0.1], [0.0, 0.2], "too few offsets"),
        ([0.0, 0.1, -0.1], [0.0, 0.2, 0.2], "too few offsets"),
        ([0.0, 0.1, 0.2], [0.0, 0.2, float("nan")], "not a finite number"),
    ],
)
def test_a_well_that_is_not_known_is_refused(offsets: Sequence[float], energies: Sequence[float], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        fit_double_well(offsets, energies)


def test_unequal_lengths_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="2 offsets, 1 energies"):
        fit_double_well([0.0, 0.1], [0.0])


def test_the_onset_of_lead_sulphide(eos: EquationOfState) -> None:
    points = [
        ComputedStrain(
            label=f"a{round(100 * a)}",
            volume=a**3 / 4,
            centred=phase(a),
            wells=[step(0.1, at_01, gradient=slope(0.1, A, B)), step(0.2, at_02, gradient=slope(0.2, A, B))],
        ).strain_point(eos)
        for a, (at_01, at_02) in COMPUTED.items()
        for A, B in [((16 * at_01 - at_02) / 0.12, (at_02 - 4 * at_01) / 0.0012)]
    ]
    onset = locate_onset_from_curvature(points[::-1], eos)
    assert onset is not None
    assert onset.lattice_constant == pytest.approx(6.046, abs=5e-4)
    assert onset.linear_strain == pytest.approx(0.0064, abs=2e-4)
    assert onset.volume == pytest.approx(onset.lattice_constant**3 / 4)
    assert onset.pressure == pytest.approx(eos.pressure_at(onset.volume))
    assert onset.pressure < 0


def test_the_error_of_the_onset_comes_from_the_wells(eos: EquationOfState) -> None:
    rng = np.random.default_rng(1)
    constants, quadratics, errors = (6.02, 6.08), (0.08, -0.05), (0.004, 0.007)

    def onset(coefficients: Sequence[float] | npt.NDArray[np.float64]) -> Onset:
        wells = [
            DoubleWell(offsets=[0.0], energies=[0.0], quadratic=a, quadratic_error=error, quartic=2.0)
            for a, error in zip(coefficients, errors, strict=True)
        ]
        points = [
            computed(a, 0.0).strain_point(eos).model_copy(update={"double_well": well})
            for a, well in zip(constants, wells, strict=True)
        ]
        found = locate_onset_from_curvature(points, eos)
        assert found is not None
        return found

    scatter = np.std([onset(rng.normal(quadratics, errors)).linear_strain for _ in range(1000)])
    assert onset(quadratics).linear_strain_error == pytest.approx(scatter, rel=0.1)


def test_squared_offsets_lead_to_the_onset(eos: EquationOfState) -> None:
    onset_strain = 6.046 / eos.lattice_constant - 1
    strains = np.array([0.002, 0.005, 0.01, 0.014, 0.018, 0.03])
    offsets = np.sqrt(np.clip(4.0 * (strains - onset_strain), 0, None))
    offsets[-1] = 0.2
    points = [
        computed(eos.lattice_constant * (1 + strain), offset).strain_point(eos)
        for strain, offset in zip(strains, offsets, strict=True)
    ]
    onset = locate_onset_from_order_parameter(points[::-1], eos)
    assert onset is not None
    assert onset.linear_strain == pytest.approx(onset_strain, abs=1e-9)
    assert onset.linear_strain_error == pytest.approx(0, abs=1e-9)
    assert onset.lattice_constant == pytest.approx(6.046, abs=1e-6)
    two = locate_onset_from_order_parameter(points[:4], eos)
    assert two is not None
    assert two.linear_strain == pytest.approx(onset_strain, abs=1e-9)
    assert two.linear_strain_error is None


def test_the_error_of_the_extrapolation_is_its_scatter(eos: EquationOfState) -> None:
    rng = np.random.default_rng(2)
    strains = np.array([0.012, 0.016, 0.02])
    found = []
    for _ in range(400):
        squares = 4.0 * (strains - 0.006) + 1e-4 * rng.normal(size=3)
        points = [
            computed(eos.lattice_constant * (1 + s), np.sqrt(q)).strain_point(eos)
            for s, q in zip(strains, squares, strict=True)
        ]
        onset = locate_onset_from_order_parameter(points, eos)
        assert onset is not None
        found.append(onset)
    errors = np.array([onset.linear_strain_error for onset in found])
    values = np.array([onset.linear_strain for onset in found])
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.15)


def points_at(
    eos: EquationOfState, constants: Sequence[float], offsets: Sequence[float], onset: float = 6.046, sense: float = 1.0
) -> list[StrainPoint]:
    return [
        computed(a, u, a_scale=-2.2 * sense, onset=onset).strain_point(eos)
        for a, u in zip(constants, offsets, strict=True)
    ]


@pytest.mark.parametrize(
    ("constants", "sense", "message"),
    [
        ((6.06,), 1, "1 of 1 strains has a double well, two are needed"),
        ((6.00, 6.02), 1, "the onset is at larger strain"),
        ((6.06, 6.12), 1, "the onset is at smaller strain"),
        ((6.02, 6.06), -1, "from negative to positive"),
    ],
)
def test_why_there_is_no_onset_from_the_curvature(
    eos: EquationOfState, constants: Sequence[float], sense: float, message: str
) -> None:
    points = points_at(eos, constants, [0.1] * len(constants), sense=sense)
    assert locate_onset_from_curvature(points, eos) is None
    assert message in explain_missing_onset_from_curvature(points)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ((0.0, 0.001, 0.2), "beyond the last centred phase 1 of 3 is off-centred"),
        ((0.2, 0.1, 0.0), "beyond the last centred phase 0 of 3"),
        ((0.2, 0.15, 0.1), "does not grow with strain"),
    ],
)
def test_why_there_is_no_onset_from_the_order_parameter(
    eos: EquationOfState, offsets: Sequence[float], message: str
) -> None:
    points = points_at(eos, (6.02, 6.06, 6.12), offsets)
    assert locate_onset_from_order_parameter(points, eos) is None
    assert message in explain_missing_onset_from_order_parameter(points)


def test_a_series_is_summarised(eos: EquationOfState) -> None:
    computed_strains = [computed(a, u) for a, u in ((6.12, 0.2), (6.0, 0.0), (6.08, 0.135), (6.06, 0.085))]
    results = summarise_strain("PbS", "moderate", eos, computed_strains)
    assert [point.label for point in results.points] == ["a6000", "a6060", "a6080", "a6120"]
    last = results.points[-1]
    assert last.linear_strain == pytest.approx(6.12 / eos.lattice_constant - 1)
    assert last.volumetric_strain == pytest.approx((1 + last.linear_strain) ** 3 - 1)
    assert last.eos_pressure == eos.pressure_at(last.volume)
    assert last.energy_gain == pytest.approx(-0.004)
    assert results.onset_curvature is not None
    assert results.onset_curvature.lattice_constant == pytest.approx(6.046, abs=1e-6)
    assert results.onset_order_parameter is not None
    assert results.onset_order_parameter.lattice_constant == pytest.approx(6.046, abs=0.01)
    assert results.onset_messages == []
    assert StrainResults.model_validate_json(results.model_dump_json()) == results
    mappings = [strain.model_dump() for strain in computed_strains]
    assert summarise_strain("PbS", "moderate", eos, mappings) == results


def test_a_failed_phase_leaves_the_other(eos: EquationOfState) -> None:
    whole = [computed(a, u) for a, u in ((6.0, 0.0), (6.06, 0.085), (6.12, 0.2))]
    no_relaxed = whole[1].model_copy(update={"relaxed": None, "failures": ["SCF did not converge."]})
    no_centred = whole[2].model_copy(update={"centred": None})
    results = summarise_strain("PbS", "moderate", eos, [whole[0], no_relaxed, no_centred])
    _, second, third = results.points
    assert second.centred is not None
    assert second.double_well is not None
    assert second.energy_gain is None
    assert second.failures == ["SCF did not converge."]
    assert third.relaxed is not None
    assert third.double_well is None
    assert third.energy_gain is None
    assert results.onset_curvature is not None
    assert results.onset_order_parameter is None
    assert len(results.onset_messages) == 1
    assert results.onset_messages[0].startswith("order parameter: ")


def test_a_relaxation_adds_its_start_to_the_double_well(eos: EquationOfState) -> None:
    path = [step(0.2, polynomial(0.2, -0.1, 2.0), gradient=slope(0.2, -0.1, 2.0)), step(0.22, -0.01, alpha=59.4)]
    point = ComputedStrain(label="x", volume=56.0, centred=phase(6.07), path=path).strain_point(eos)
    assert point.double_well is not None
    assert point.double_well.offsets == [0.0, 0.2]
    assert point.double_well.quadratic == pytest.approx(-0.1, abs=1e-9)
    assert point.path == path
