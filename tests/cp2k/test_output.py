"""Against outputs of several versions of CP2K, recorded as they wrote them; expected numbers are read off by eye."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase.units import Bohr, Hartree, kcal, mol
from cp2k_input_tools.parser import CP2KInputParserAiiDA
from pytest_regressions.data_regression import DataRegressionFixture
from pytest_regressions.num_regression import NumericRegressionFixture

from qdsim.cp2k.diagnosis import Failure, diagnose, explain
from qdsim.cp2k.output import parse_output
from qdsim.cp2k.requests import requested_values

Recorded = Callable[..., str]
RECORDED = Path(__file__).parent / "recorded"

FAILURES = {
    "scf_not_converged": Failure.SCF_NOT_CONVERGED,
    "gamma_ot_not_converged": Failure.SCF_NOT_CONVERGED,
    "geometry_scf_aborted": Failure.SCF_NOT_CONVERGED,
    "not_the_ground_state": Failure.NOT_THE_GROUND_STATE,
    "geometry_max_steps": Failure.GEOMETRY_NOT_CONVERGED,
    "walltime": Failure.OUT_OF_WALLTIME,
    "killed": Failure.INCOMPLETE,
    "missing_basis": Failure.ABORTED,
    "bad_keyword": Failure.ABORTED,
}
RUNS = sorted((output.parts[-3], output.parts[-2]) for output in RECORDED.glob("*/*/aiida.out"))
VERSIONS = sorted({version for version, _ in RUNS})


@cache
def requested_in(case: str) -> list[str]:
    """Return what the input of a case asks for, which is the same for all versions; reading it takes a second."""
    with next(RECORDED.glob(f"*/{case}/aiida.inp")).open(encoding="utf-8") as file:
        return requested_values(CP2KInputParserAiiDA().parse(file))


@pytest.mark.parametrize(("version", "case"), RUNS)
def test_each_recorded_run_is_diagnosed(version: str, case: str, recorded: Recorded) -> None:
    requested = [] if case == "bad_keyword" else requested_in(case)
    assert diagnose(parse_output(recorded(case, version)), requested) is FAILURES.get(case)


@pytest.mark.parametrize(("version", "case"), RUNS)
def test_everything_read_from_a_recorded_run(
    version: str,
    case: str,
    recorded: Recorded,
    data_regression: DataRegressionFixture,
    num_regression: NumericRegressionFixture,
) -> None:
    output = parse_output(recorded(case, version))
    document = output.model_dump(mode="json")
    arrays = {
        name: np.ravel(document.pop(name) or [])
        for name in ("forces", "stress", "mulliken_charges", "hirshfeld_charges", "dipole")
    }
    timings = document.pop("timings")
    assert list(timings.values()) == sorted(timings.values(), reverse=True)
    assert timings or output.wall_time is None
    data_regression.check({**document, "explanation": explain(output)})
    num_regression.check(
        {name: np.pad(values, (0, 24 - values.size)) for name, values in arrays.items()},
        default_tolerance={"rtol": 1e-12, "atol": 1e-14},
    )


@pytest.mark.parametrize(("version", "case"), [run for run in RUNS if run[0] != "2023.1"])
def test_versions_agree(version: str, case: str, recorded: Recorded) -> None:
    """The same input gives the same numbers, whatever the wording and the unit: 2025.1 prints stress in bar."""
    if not (RECORDED / "2023.1" / case / "aiida.out").exists():
        assert case == "geometry_scf_aborted"  # until 2023.2 an SCF cycle that does not converge is a warning
        return
    other, reference = parse_output(recorded(case, version)), parse_output(recorded(case))
    if case in FAILURES and version != "8.1":
        assert diagnose(other) is diagnose(reference)
    if reference.energy is None or other.energy is None:
        return
    assert other.energy == pytest.approx(reference.energy, abs=1e-4)
    for name, tolerance in {
        "forces": 2e-4,  # what the threshold of the SCF cycle leaves
        "stress": 1e-3,  # 5e-4 GPa where three degenerate levels share a hole
        "mulliken_charges": 1e-4,
        "hirshfeld_charges": 2e-3,
        "dipole": 1e-4,
        "homo": 1e-3,
        "gap": 2e-3,
        "fermi_energy": 1e-3,
    }.items():
        found, expected = getattr(other, name), getattr(reference, name)
        assert (found is None) == (expected is None), name
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=name)


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
    assert output.unreadable == {}


def test_levels_that_share_a_hole_leave_no_gap(recorded: Recorded) -> None:
    """Two electrons on three levels, whose degeneracy each version and mesh splits in its own way, by 1e-5 eV."""
    for version in ("8.1", "2023.1", "2025.1"):
        output = parse_output(recorded("spin_k_points", version))
        assert (output.homo, output.lumo) == pytest.approx((3.937817, 3.937834), abs=1e-4)
        output = parse_output(recorded("spin_gamma", version))
        assert output.fermi_energy == pytest.approx(3.663270, abs=1e-5)
        assert (output.homo, output.lumo) == pytest.approx((0.133964 * Hartree, 0.133964 * Hartree), abs=1e-4)
        assert output.gap is not None
        assert 0 <= output.gap < 1e-4


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


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (r"( ENERGY\| Total .*)", r"\1[warn] fd 27", "no unit or no number"),
        (r"( ENERGY\| Total .*)", r"[warn] fd 27\1", "of the last SCF cycle is not there"),
    ],
)
def test_energy_of_an_earlier_geometry_is_not_taken_for_the_last(
    pattern: str, replacement: str, reason: str, recorded: Recorded
) -> None:
    before, title, after = recorded("geometry_converged").rpartition(" ENERGY|")
    output = parse_output(before + re.sub(pattern, replacement, title + after, count=1))
    assert output.energy is None
    assert reason in output.unreadable["energy"]
    assert diagnose(output) is Failure.UNREADABLE


def test_optimisation_is_one_also_where_its_title_cannot_be_read(recorded: Recorded) -> None:
    text = recorded("geometry_converged").replace(" STARTING GEOMETRY", "[warn] fd 27")
    assert parse_output(text) == parse_output(recorded("geometry_converged"))


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


@pytest.mark.parametrize(("version", "case"), [("2023.1", "missing_basis"), ("2025.1", "geometry_scf_aborted")])
def test_abort_is_read_also_where_others_write_into_its_box(version: str, case: str, recorded: Recorded) -> None:
    text = recorded(case, version)
    whole = parse_output(text)
    lines = text.splitlines(keepends=True)
    word = next(i for i, line in enumerate(lines) if "[ABORT]" in line)
    for i in range(word - 4, word + 7):
        disturbed = parse_output("".join([*lines[:i], FOREIGN, *lines[i:]]))
        assert (disturbed.abort_message, diagnose(disturbed)) == (whole.abort_message, diagnose(whole))
    for i in range(word + 1, word + 7):
        cut = parse_output("".join(lines[:i]))
        assert diagnose(cut) in {Failure.ABORTED, Failure.SCF_NOT_CONVERGED}
        assert explain(cut)


def test_message_in_the_line_that_ends_an_output_does_not_make_it_incomplete(recorded: Recorded) -> None:
    text = recorded("k_points", "2025.1")
    jammed = re.sub(r"^(?=.*PROGRAM STOPPED IN)", "[warn] Epoll MOD(1) on fd 27 failed", text, flags=re.MULTILINE)
    assert diagnose(parse_output(jammed), requested_in("k_points")) is None


def test_lines_may_end_as_on_windows(recorded: Recorded) -> None:
    text = recorded("k_points")
    assert parse_output(text.replace("\n", "\r\n")) == parse_output(text)


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
    ("field", "missing", "pattern"),
    [
        ("energy", "energy", r"^ ENERGY\| Total.*\n"),
        ("forces", "forces", r"^ ATOMIC FORCES in .*\n"),
        ("stress", "stress", r"^ STRESS\| Analytical.*\n"),
        ("gap", "levels", r"^ MO\|.*EIGENVALUES.*\n"),
        ("mulliken_charges", "Mulliken charges", r"^ +Mulliken Population Analysis.*\n"),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_named(
    field: str, missing: str, pattern: str, recorded: Recorded
) -> None:
    output = parse_output(re.sub(pattern, "", recorded("k_points"), flags=re.MULTILINE))
    requested = requested_in("k_points")
    assert field in requested
    assert diagnose(output, requested) is Failure.UNREADABLE
    assert explain(output, requested).startswith("CP2K 2023.1 finished, but its output could not be read: ")
    assert f"{missing} (not found)" in explain(output, requested)


def test_nothing_is_missed_that_was_not_asked_for(recorded: Recorded) -> None:
    text = re.sub(r"^ STRESS\|.*\n", "", recorded("k_points"), flags=re.MULTILINE)
    assert diagnose(parse_output(text), ["energy", "forces"]) is None


FOREIGN = " |GPU 0| memory pool: 512.0 MiB in 3 blocks\n [warn] Epoll MOD(1) on fd 27 failed\n\n"


@pytest.mark.parametrize(("version", "case"), [run for run in RUNS if run[1] not in FAILURES])
def test_lines_of_others_in_between_change_nothing(version: str, case: str, recorded: Recorded) -> None:
    text = recorded(case, version)
    whole = parse_output(text)
    tables = re.compile(
        r"^ (?:FORCES\|   Atom| # Atom   Kind|STRESS\|   +x|MO\|  Index|  +Eigenvalues of|  +Lowest [Ee]igenvalues of"
        r"| #  Atom  Element| +#Atom  Element| +Dipole moment).*\n"
        r"|^(?=(?: OT\|)? +[Rr]eached convergence)|^(?= Fermi Energy)",
        re.MULTILINE,
    )
    disturbed, n = tables.subn(lambda found: found.group(0) + FOREIGN, text)
    assert n > 2
    assert parse_output(disturbed).model_dump() == whole.model_dump()


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("hartree", 1.0), ("eV", 1 / Hartree), ("kcalmol", Hartree / (kcal / mol)), ("Ry", 2.0), ("(a.u.)", 1.0)],
)
def test_energy_is_converted_by_the_unit_beside_it(unit: str, factor: float, recorded: Recorded) -> None:
    text = recorded("k_points", "2025.1")
    printed = re.search(r"energy \[hartree\] +(\S+)", text)
    assert printed
    number = float(printed.group(1)) * (1 / factor if unit == "eV" else factor)
    words = f"energy {unit}: {number}" if unit.startswith("(") else f"energy [{unit}] {number}"
    output = parse_output(text.replace(printed.group(0), words))
    assert output.energy == pytest.approx(float(printed.group(1)) * Hartree, rel=1e-12)


def test_gap_and_free_energy_are_not_taken_for_the_energy(recorded: Recorded) -> None:
    """Lines that stand behind the energy from 2024.2 on."""
    text = recorded("k_points", "2025.1")
    more = "\n\n".join(f" ENERGY| Total FORCE_EVAL ( QS ) {name} [hartree]  -1.0" for name in ("gap", "free energy"))
    line = re.search(r"^ ENERGY\|.*\n", text, re.MULTILINE)
    assert line
    disturbed = text.replace(line.group(0), f"{line.group(0)}\n{more}\n")
    assert parse_output(disturbed).energy == parse_output(text).energy


STRESS_OF_7_1 = """
 STRESS TENSOR [GPa]

            X               Y               Z
  X      -2.26550018      0.00000001      0.00000002
  Y       0.00000001     -2.26550018      0.00000003
  Z       0.00000002      0.00000003     -2.26550018

  1/3 Trace(stress tensor):   -2.26550018E+00

  Det(stress tensor)      :   -1.16278000E+01


 EIGENVECTORS AND EIGENVALUES OF THE STRESS TENSOR

        -2.26550018     -2.26550018     -2.26550018
"""
"""Known from the source of 6.1 and 7.1 alone."""


def test_stress_of_old_versions(recorded: Recorded) -> None:
    text = recorded("k_points")
    block = re.search(r"^ STRESS\| Analytical(?:.*\n)+?(?=\n -{79})", text, re.MULTILINE)
    assert block
    old = text.replace(block.group(0), STRESS_OF_7_1)
    output, reference = parse_output(old), parse_output(text)
    assert output.pressure == pytest.approx(-2.26550018)
    assert reference.pressure == pytest.approx(output.pressure, abs=1e-3)
    assert output.stress is not None
    assert output.stress[0][2] == -0.00000002


def test_each_spin_is_parted_by_a_fermi_energy_of_its_own(recorded: Recorded) -> None:
    """Nitrogen dioxide: diagonalised and by orbital transformation, with the gaps that CP2K prints for each spin."""
    text = recorded("spin_ot")
    printed = [float(gap) for gap in re.findall(r"HOMO - LUMO gap \[eV\] : +(\S+)", text)]
    assert printed == pytest.approx([3.061613, 3.483744])
    for case in ("spin_ot", "spin_diagonalised"):
        output = parse_output(recorded(case))
        # The one electron that has no partner lies highest; the lowest empty level is its partner's.
        assert output.homo == pytest.approx(-0.23558641 * Hartree, abs=1e-4)
        assert output.lumo == pytest.approx(-0.17557515 * Hartree, abs=1e-4)
        assert output.gap == pytest.approx(1.633, abs=1e-3)
    # Moved up as a whole, the second spin's empty level lies above the Fermi energy of the first, and stays empty.
    shifted = recorded("spin_diagonalised").replace("-0.17557515", "-0.23600000")
    assert parse_output(shifted).gap == pytest.approx((-0.236 + 0.23558641) * Hartree, abs=1e-4)


def test_spin_without_electrons_has_no_highest_level(recorded: Recorded) -> None:
    text = recorded("spin_empty")
    printed = re.findall(r"HOMO - LUMO gap \[eV\] : +(\S+)", text)
    output = parse_output(text)
    assert output.gap == pytest.approx(float(printed[0]), abs=1e-5)
    assert output.fermi_energy == pytest.approx(-4.874932)


@pytest.mark.parametrize(
    ("pattern", "replacement", "named"),
    [
        (r"(ENERGY\| Total FORCE_EVAL .*: +)\S+", r"\1*********", "energy"),
        (r"(ENERGY\| Total FORCE_EVAL .*: +)\S+", r"\1NaN", "energy"),
        (r"(      2      2      S +\S+ +)\S+", r"\1-0.00x40", "forces"),
        (r"\n      2      2      S .*(?=\n SUM OF)", "", "forces"),
        (r"( STRESS\| +y +)\S+", r"\1Infinity", "stress"),
        (r"(Analytical stress tensor) \[GPa\]", r"\1 [psi]", "stress"),
        (r"( +2 +S +2 +6\.000 +)\S+", r"\1*****", "Hirshfeld charges"),
    ],
)
def test_numbers_that_cannot_be_read_are_named(pattern: str, replacement: str, named: str, recorded: Recorded) -> None:
    text, n = re.subn(pattern, replacement, recorded("k_points"), count=1)
    assert n == 1
    output = parse_output(text)
    assert list(output.unreadable) == [named]
    assert diagnose(output) is Failure.UNREADABLE
    assert named in explain(output)


@pytest.mark.parametrize(
    ("version", "case", "pattern", "replacement"),
    [
        ("2023.1", "gamma_ot", r"(0\.01149055 .*)", r"\1[warn] fd 27"),
        ("2023.1", "gamma_ot", r"0\.05366168", "***********"),
        ("2023.1", "gamma_ot", r"      0\.05366168", "NaN"),
        ("2025.1", "spin_diagonalised", r"     -1\.19357675", "NaN"),
        ("2023.1", "spin_ot", r"( -0\.17557504)", r"[warn] fd 27\1"),
        ("2023.1", "spin_ot", r"Fermi Energy \[eV\] :   -6", "Fermi Energy [eV] : *"),
        ("2023.1", "smeared", r"( MO\|      5 .*)", r"\1[warn] fd 27"),
        ("2025.1", "k_points", r"( MO\|      6 .*)", r"\1[warn] fd 27"),
        ("2025.1", "k_points", r"(.*OCCUPATION NUMBERS FOR K POINT 7)", r"[warn] fd 27\1"),
        ("2025.1", "spin_k_points", r"(.*BETA.* FOR K POINT 1\n)", r"[warn] fd 27\1"),
        ("8.1", "k_points", r"(\n +5 +0.\d+ +2.000000)", r"\1[warn] fd 27"),
    ],
)
def test_level_that_cannot_be_read_is_not_passed_over(
    version: str, case: str, pattern: str, replacement: str, recorded: Recorded
) -> None:
    """The edges of the other levels would be those of no crystal."""
    text, n = re.subn(pattern, replacement, recorded(case, version), count=1)
    assert n == 1
    output = parse_output(text)
    assert list(output.unreadable) == ["levels"]
    assert output.gap is None
    assert diagnose(output) is Failure.UNREADABLE


def test_dipole_of_a_molecule(recorded: Recorded) -> None:
    text = recorded("molecule")
    printed = re.search(r"Dipole moment \[Debye\]\n.*Total= +(\S+)", text)
    assert printed
    output = parse_output(text)
    assert output.dipole_norm == pytest.approx(float(printed.group(1)), abs=1e-7)
    assert 1.7 < float(printed.group(1)) < 2.0  # measured: 1.85 D
