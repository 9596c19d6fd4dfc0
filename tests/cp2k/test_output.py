"""Against outputs of CP2K 2023.1, recorded as it wrote them; expected numbers are read off them by eye."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from ase.units import Bohr, Hartree
from pytest_regressions.data_regression import DataRegressionFixture
from pytest_regressions.num_regression import NumericRegressionFixture

from qdsim.cp2k.output import Failure, diagnose, explain, parse_output

Recorded = Callable[[str], str]

CASES = {
    "k_points": None,
    "gamma_ot": None,
    "field": None,
    "molecule": None,
    "spin_k_points": None,
    "spin_gamma": None,
    "geometry_converged": None,
    "geometry_scf_recovered": None,
    "scf_not_converged": Failure.SCF_NOT_CONVERGED,
    "gamma_ot_not_converged": Failure.SCF_NOT_CONVERGED,
    "not_the_ground_state": Failure.NOT_THE_GROUND_STATE,
    "geometry_max_steps": Failure.GEOMETRY_NOT_CONVERGED,
    "walltime": Failure.OUT_OF_WALLTIME,
    "killed": Failure.INCOMPLETE,
    "missing_basis": Failure.ABORTED,
    "bad_keyword": Failure.ABORTED,
}


@pytest.mark.parametrize(("case", "failure"), CASES.items())
def test_each_recorded_run_is_diagnosed(case: str, failure: Failure | None, recorded: Recorded) -> None:
    assert diagnose(parse_output(recorded(case))) is failure


@pytest.mark.parametrize("case", CASES)
def test_everything_read_from_a_recorded_run(
    case: str, recorded: Recorded, data_regression: DataRegressionFixture, num_regression: NumericRegressionFixture
) -> None:
    output = parse_output(recorded(case))
    document = output.model_dump(mode="json")
    arrays = {
        name: np.ravel(document.pop(name) or [])
        for name in ("forces", "stress", "mulliken_charges", "hirshfeld_charges", "dipole")
    }
    timings = document.pop("timings")
    assert list(timings.values()) == sorted(timings.values(), reverse=True)
    data_regression.check({**document, "explanation": explain(output)})
    num_regression.check(
        {name: np.pad(values, (0, 24 - values.size)) for name, values in arrays.items()},
        default_tolerance={"rtol": 1e-12, "atol": 1e-14},
    )


def test_units_and_signs(recorded: Recorded) -> None:
    text = recorded("k_points")
    output = parse_output(text)
    energy = re.search(r"ENERGY\|.*: +(\S+)", text)
    force = re.search(r"      1      1      Pb +(\S+)", text)
    trace = re.search(r"1/3 Trace +(\S+)", text)
    assert energy
    assert force
    assert trace
    assert output.energy is not None
    assert output.energy / Hartree == pytest.approx(float(energy.group(1)), rel=0, abs=1e-13)
    assert output.forces is not None
    assert output.forces[0][0] * Bohr / Hartree == pytest.approx(float(force.group(1)), rel=1e-14)
    # Stretched beyond its equilibrium the crystal pulls: a positive stress, a negative pressure.
    assert output.pressure == pytest.approx(float(trace.group(1)), rel=1e-10)
    assert output.pressure is not None
    assert output.pressure < 0
    assert output.stress is not None
    assert np.trace(output.stress) == pytest.approx(-3 * output.pressure)


def test_a_crystal_in_a_field_has_the_dipole_of_its_berry_phase_and_no_stress(recorded: Recorded) -> None:
    text = recorded("field")
    axes = re.search(r"Dipole moment \[Debye\]\n +X= +(\S+) Y= +(\S+)", text)
    output = parse_output(text)
    assert axes
    assert output.dipole is not None
    assert output.dipole[:2] == [float(axes.group(1)), float(axes.group(2))]
    assert output.stress is None
    assert output.forces is not None
    assert output.unreadable == []


def test_both_spins_give_the_band_edges(recorded: Recorded) -> None:
    output = parse_output(recorded("spin_k_points"))
    assert (output.homo, output.lumo) == pytest.approx((3.937817, 3.937834))
    # At the Gamma point, the levels of spin 1 that hold a part of an electron are listed as occupied.
    output = parse_output(recorded("spin_gamma"))
    assert output.fermi_energy == pytest.approx(3.663270)
    assert (output.homo, output.lumo) == pytest.approx((0.13396461 * Hartree, 0.32166916 * Hartree))


def test_gap_at_gamma_is_cp2ks_own(recorded: Recorded) -> None:
    text = recorded("gamma_ot")
    printed = re.search(r"HOMO - LUMO gap \[eV\] : +(\S+)", text)
    assert printed
    output = parse_output(text)
    assert output.gap == pytest.approx(float(printed.group(1)), abs=2e-6)
    assert output.homo == pytest.approx(output.fermi_energy, abs=2e-6)


def test_empty_level_below_an_occupied_one_is_not_the_ground_state(recorded: Recorded) -> None:
    output = parse_output(recorded("not_the_ground_state"))
    assert output.scf_converged is True
    assert (output.homo, output.lumo) == pytest.approx((-0.04656420 * Hartree, -0.07642836 * Hartree))
    assert output.gap == pytest.approx(-0.812645, abs=2e-6)
    assert diagnose(output) is Failure.NOT_THE_GROUND_STATE
    assert "lies 0.813 eV below" in explain(output)


def test_gap_on_a_mesh_is_between_the_edges_of_all_k_points(recorded: Recorded) -> None:
    text = recorded("k_points")
    output = parse_output(text)
    direct = [float(gap) for gap in re.findall(r"MO\| Band gap:.* (\S+) eV", text)]
    assert len(direct) == 32
    assert output.gap is not None
    assert 0 < output.gap <= min(direct)
    assert output.homo is not None
    assert output.lumo is not None
    assert output.fermi_energy is not None
    assert output.homo < output.fermi_energy < output.lumo


def test_smeared_levels_are_split_at_half_occupation(recorded: Recorded) -> None:
    text = recorded("k_points")
    smeared = text.replace("2.000000", "1.900000").replace("0.000000\n MO| Sum", "0.100000\n MO| Sum")
    assert parse_output(smeared).gap == parse_output(text).gap


def test_values_are_those_of_the_last_geometry(recorded: Recorded) -> None:
    text = recorded("geometry_scf_recovered")
    energies = [float(e) * Hartree for e in re.findall(r"ENERGY\|.*: +(\S+)", text)]
    output = parse_output(text)
    assert len(energies) > 2
    assert output.energy == pytest.approx(energies[-1], rel=1e-14)
    assert len(output.scf_steps) == len(energies)
    assert output.geometry_converged is True


def test_scf_that_failed_on_the_way_only_is_a_warning(recorded: Recorded) -> None:
    output = parse_output(recorded("geometry_scf_recovered"))
    assert output.scf_unconverged_cycles > 0
    assert output.scf_converged is True
    assert "SCF run NOT converged" in output.warnings
    assert diagnose(output) is None


def test_cp2ks_own_words_are_quoted(recorded: Recorded) -> None:
    assert explain(parse_output(recorded("missing_basis"))) == (
        "CP2K aborted: The requested basis set <DZVP-MOLOPT-XX-GTH-q4> for element <Pb> was not found in the basis "
        "set files <BASIS_MOLOPT><BASIS_MOLOPT_UZH> (aobasis/basis_set_types.F:1509)"
    )


def test_abort_of_later_versions_for_want_of_convergence_is_no_abort(recorded: Recorded) -> None:
    message = "SCF run NOT converged. To continue the calculation regardless, please set IGNORE_CONVERGENCE_FAILURE."
    text = recorded("bad_keyword").replace("found an unknown keyword EPS_SFC in section SCF", message)
    assert diagnose(parse_output(text)) is Failure.SCF_NOT_CONVERGED


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_output_cut_anywhere_is_incomplete(share: float, recorded: Recorded) -> None:
    text = recorded("k_points")
    cut = parse_output(text[: int(share * len(text))])
    assert diagnose(cut) is Failure.INCOMPLETE
    assert cut.last_line in explain(cut)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_empty_output(text: str) -> None:
    assert diagnose(parse_output(text)) is Failure.EMPTY


@pytest.mark.parametrize("text", ["mpirun: command not found\n", "\ufffd\x00\x01\n"])
def test_output_that_is_not_cp2ks(text: str) -> None:
    output = parse_output(text)
    assert diagnose(output) is Failure.GARBLED
    assert "not as CP2K writes it" in explain(output)


@pytest.mark.parametrize(
    ("pattern", "replacement", "named"),
    [
        (r"(ENERGY\| Total FORCE_EVAL .*: +)\S+", r"\1*********", "energy"),
        (r"(ENERGY\| Total FORCE_EVAL .*: +)\S+", r"\1NaN", "energy"),
        (r"(      2      2      S +\S+ +)\S+", r"\1-0.00x40", "forces"),
        (r"\n      2      2      S .*(?=\n SUM OF)", "", "forces"),
        (r"( STRESS\| +y +)\S+", r"\1Infinity", "stress"),
    ],
)
def test_numbers_that_cannot_be_read_are_named(pattern: str, replacement: str, named: str, recorded: Recorded) -> None:
    text, n = re.subn(pattern, replacement, recorded("k_points"), count=1)
    assert n == 1
    output = parse_output(text)
    assert output.unreadable == [named]
    assert diagnose(output) is Failure.GARBLED
    assert named in explain(output)


def test_dipole_of_a_molecule(recorded: Recorded) -> None:
    text = recorded("molecule")
    printed = re.search(r"Dipole moment \[Debye\]\n.*Total= +(\S+)", text)
    assert printed
    output = parse_output(text)
    assert output.dipole_norm == pytest.approx(float(printed.group(1)), abs=1e-7)
    assert 1.7 < float(printed.group(1)) < 2.0  # measured: 1.85 D
