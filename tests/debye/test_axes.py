"""What the first column of a file is, told by its labels, its header, its kind and its numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdsim.debye.axis_labels import column_labels, read_label
from qdsim.debye.column_roles import role_of
from qdsim.debye.data_files import read_data, write_data
from qdsim.errors import QdsimError, QdsimWarning

ROWS = "1.0 10\n2.0 20\n3.0 15\n"
WITH_SIGMA = "1.0 10 1\n2.0 20 2\n3.0 15 3\n"
PDFGETX3 = r"""[DEFAULT]
version = pdfgetx-2.1.1
dataformat = {dataformat}
inputfile = PbS.chi
outputtype = {kind}
wavelength = 0.2128
composition = PbS
#### start data
#S 1
#L {label}
"""


def written(folder: Path, text: str, name: str = "a.dat") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("label", "name", "unit"),
    [
        ("q_nm^-1 I sigma", "q", "nm^-1"),
        ("q_A^-1 I", "q", "Å^-1"),
        ("Q (Inverse Nanometres)", "q", "nm^-1"),
        ("Q (Inverse Angstroms)", "q", "Å^-1"),
        ("q [Å⁻¹], I(q)", "q", "Å^-1"),
        (r"Q($\AA^{-1}$) S", "q", "Å^-1"),
        ("Scattering vector $q$ ($nm^{-1}$)", "q", "nm^-1"),
        ("Momentum transfer Q (nm−1)", "q", "nm^-1"),
        ("Q, 1/nm", "q", "nm^-1"),
        ("Q/nm^-1", "q", "nm^-1"),
        ("Qnm", "q", "nm^-1"),
        ("QA", "q", "Å^-1"),
        ("q (Ångström^-1)", "q", "Å^-1"),
        ("q-values [A-1]", "q", "Å^-1"),
        ("nm^-1", "q", "nm^-1"),
        ("1/A", "q", "Å^-1"),
        ("qspace", "q", ""),
        ("Q I (2theta step 0.01)", "q", ""),
        ("Q  I (nm^-1)", "q", ""),
        ("q(A^-1) I(nm^-2)", "q", "Å^-1"),
        ("q_m^-1", "q", "?"),
        ("q (cm^-1) I", "q", "?"),
        ("q (deg)", "q", "?"),
        ("2th_deg I", "two_theta", "degrees"),
        ("2th_rad I", "two_theta", "radians"),
        ("2th_mrad I", "two_theta", "?"),
        (r"Scattering angle $2\theta$ ($rad$)", "two_theta", "radians"),
        ("2-Theta Angle (Degrees)", "two_theta", "degrees"),
        ("2θ (°) I", "two_theta", "degrees"),
        ("2Theta(centideg)", "two_theta", "hundredths of a degree"),
        ("degrees", "two_theta", "degrees"),
        ("tth yobs", "two_theta", ""),
        ("TwoTheta counts", "two_theta", ""),
        ("Angle,PSD", "two_theta", ""),
        *((label, "other", "") for label in ("log(1+q.nm)_None   I", "log(1+q.A)_None", "log(q.nm)_None", "lg q  I")),
        *((label, "other", "") for label in ("log10(q.m)_None", "arcsinh(q.nm)_None", "arcsinh(q.A)_None", "ln(Q)")),
        *((label, "other", "") for label in ("q^2 (1/A^2)   I", "Q² I", "Q**2", "q2 I", "q*d", "1/q", "qx_nm^-1")),
        *((label, "other", "") for label in ("r_mm", r"r($\AA$)  G($\AA^{-2}$)", "Radius $r$ ($mm$)", "d_nm", "d (Å)")),
        *(
            (label, "other", "")
            for label in ("d*2_A^-2", r"Recip. spacing sq. $d^{*2}$", "1/d (1/A)", "sin(theta)/lambda")
        ),
        *((label, "other", "") for label in ("theta (deg)", "chi_deg", "(2theta)^2", "2theta (1/nm)", "energy (keV)")),
        *((label, "other", "") for label in ("s (1/A) I", "k (1/Å)", "channel counts", "time (s)")),
    ],
)
def test_labels_name_the_quantity_and_its_unit(label: str, name: str, unit: str) -> None:
    axis = read_label(label)
    assert axis is not None
    assert (axis.name, axis.unit, axis.certain) == (name, unit, True)


@pytest.mark.parametrize("label", ["PbS QDs, batch 12 the second", "annealed at 300 °C for 2 things", "x y e", ""])
def test_titles_name_no_quantity(label: str) -> None:
    assert read_label(label) is None


def test_a_line_is_one_of_labels_if_it_has_as_many_as_there_are_columns() -> None:
    assert column_labels(["title", "Q (1/Å) I(Q) dI"], 3) == ("Q (1/Å)", "I(Q)", "dI")
    assert column_labels([r"L r($\AA$)  G($\AA^{-2}$)"], 2) == (r"r($\AA$)", r"G($\AA^{-2}$)")
    assert column_labels(["2 theta,I obs,error"], 3) == ("2 theta", "I obs", "error")
    assert column_labels(["time resolved scans"], 2) == ()


@pytest.mark.parametrize(("dataformat", "name"), [("twotheta", "a.iq"), ("Qnm", "a.iq"), ("QA", "a.dat")])
@pytest.mark.parametrize("label", [r"Q($\AA^{-1}$)  I", ""])
def test_the_format_of_the_input_of_pdfgetx3_is_not_that_of_its_output(
    tmp_path: Path, dataformat: str, name: str, label: str
) -> None:
    header = PDFGETX3.format(dataformat=dataformat, kind="iq", label=label)
    data = read_data(written(tmp_path, header + ROWS, name))
    np.testing.assert_array_equal(data.q, [1, 2, 3])
    assert data.wavelength == 0.2128
    assert "assumed" not in data.metadata


def test_the_end_of_the_name_tells_the_quantity_where_nothing_else_does(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_data(written(tmp_path, ROWS, "a.iq"), wavelength=1.0).q, [1, 2, 3])
    with pytest.raises(QdsimError, match=r"'2theta' and 'a\.iq' in the header contradict each other about x"):
        read_data(written(tmp_path, "# 2theta I\n" + ROWS, "a.iq"), wavelength=1.0)


@pytest.mark.parametrize(
    ("name", "header", "kind"),
    [
        ("a.gr", "", "G(r)"),
        ("a.GR", "# Q I\n", "G(r)"),
        ("a.fgr", "#L r G(r)\n", "G(r)"),
        ("a.dat", PDFGETX3.format(dataformat="Qnm", kind="gr", label=""), "G(r)"),
        ("a.dat", r"#L r($\AA$)  G($\AA^{-2}$)" + "\n", "G(r)"),
        ("a.sq", "", "S(Q)"),
        ("a.dat", r"#L Q($\AA^{-1}$)  S" + "\n", "S(Q)"),
        ("a.fq", "# Q I\n", "F(Q)"),
        ("a.dat", "# Q (1/Å)  F(Q)\n", "F(Q)"),
    ],
)
@pytest.mark.parametrize("arguments", [{}, {"wavelength": 0.1836}, {"quantity": "q"}])
def test_other_functions_are_no_intensities(
    tmp_path: Path, name: str, header: str, kind: str, arguments: dict[str, Any]
) -> None:
    path = written(tmp_path, header + ROWS, name)
    with pytest.raises(QdsimError) as error:
        read_data(path, **arguments)
    assert f"{path} holds {kind} by its name or header, and I(Q) is wanted" in str(error.value)


def test_what_is_written_of_a_structure_factor_is_no_pattern(tmp_path: Path) -> None:
    data = read_data(written(tmp_path, "# q_A^-1 I\n" + ROWS))
    path = tmp_path / "s.xye"
    write_data(path, type(data)(data.q, data.intensity, metadata={"kind": "S"}))
    with pytest.raises(QdsimError, match=r"holds S\(Q\)"):
        read_data(path)


@pytest.mark.parametrize(
    "label", ["log(1+q.nm)_None", "arcsinh(q.nm)_None", "log10(q.m)_None", "q^2 (1/A^2)", "d_A", "r_mm"]
)
@pytest.mark.parametrize("arguments", [{}, {"quantity": "q"}, {"wavelength": 1.0, "quantity": "two_theta"}])
def test_an_axis_that_is_neither_q_nor_an_angle_is_refused(
    tmp_path: Path, label: str, arguments: dict[str, Any]
) -> None:
    path = written(tmp_path, f"# pyFAI\n# {label}   I\n{ROWS}")
    with pytest.raises(QdsimError) as error:
        read_data(path, **arguments)
    assert f"{path}: x is {label!r}, which is neither Q nor 2 theta" in str(error.value)


@pytest.mark.parametrize(
    "label", ["log10(q.m)_None", "D-Spacing (Angstroms)", "Radial Distance (mm)", "Azimuth (Degrees)"]
)
def test_an_axis_of_fit2d_that_is_neither_q_nor_an_angle_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(QdsimError, match="which is neither Q nor 2 theta"):
        read_data(written(tmp_path, f"title\n{label}\nIntensity\n 3\n{ROWS}", "a.chi"))


@pytest.mark.parametrize(
    ("header", "arguments", "message"),
    [
        ("# quantity: q\n# unit: 1/nm\n# Q (1/Å)  I\n", {}, r"'1/nm' in the header contradict each other about x"),
        ("# integrationspace = twotheta\n# Q  I\n", {}, "'Q' and 'twotheta' in the header contradict each other"),
        ("# Q (1/Å)  I\n", {"quantity": "q_nm"}, r"says that x is Q in Å\^-1, not Q in nm\^-1 as asked for"),
        ("# q_nm^-1  I\n", {"quantity": "q"}, r"says that x is Q in nm\^-1, not Q in Å\^-1 as asked for"),
        ("# 2th_deg  I\n", {"quantity": "two_theta_rad"}, "x is 2 theta in degrees, not 2 theta in radians as asked"),
        ("# q_m^-1  I\n", {}, r"the unit in 'q_m\^-1' is not understood: correct it, or say --quantity q"),
        ("# Wavelength: 0.56 m\n# Q I\n", {}, "a.dat: 'Wavelength: 0.56 m' is a wavelength of 5.6e.09 Å"),
        ("# wavelength: 5.6e-11 Angstrom\n# Q I\n", {}, "is a wavelength of 5.6e-11 Å: correct number and unit"),
        ("# Q (1/Å)  I\n", {"form": 2, "wavelength": 1.0}, "FORM 2 has scattering angles, not Q as the header has it"),
    ],
)
def test_what_contradicts_itself_is_refused(
    tmp_path: Path, header: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(QdsimError, match=message):
        read_data(written(tmp_path, header + ROWS), **arguments)


@pytest.mark.parametrize(
    ("label", "rows", "message"),
    [
        (
            "Q (1/Å)  I",
            "10 1\n120 2\n",
            r"x runs to 120, which no diffractometer reaches in Å\^-1 .* correct the header",
        ),
        ("q_nm^-1  I", "10 1\n500 2\n", r"x runs to 500, which no diffractometer reaches in nm\^-1"),
        ("2th_rad  I", "1 1\n60 2\n", "2 theta is 3437.75 degrees, and 180 is straight back"),
    ],
)
def test_numbers_that_their_label_does_not_allow_are_refused(
    tmp_path: Path, label: str, rows: str, message: str
) -> None:
    with pytest.raises(QdsimError, match=message):
        read_data(written(tmp_path, f"# {label}\n{rows}"), wavelength=0.1)


def test_name_and_unit_may_stand_in_two_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "# quantity: q\n# unit: 1/nm\n" + ROWS)
    np.testing.assert_allclose(read_data(path).q, [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("", r"a\.dat: x, which runs to 3, is taken for Q in Å\^-1; if that is wrong, say what x is \(--quantity\)"),
        ("# Q  I\n", r"is taken for Q in Å\^-1, for its label has no unit"),
        ("# scan over Q (nm^-1) of PbS\n", r"x is taken for Q in nm\^-1, for the header has the line 'scan over Q"),
    ],
)
def test_what_is_guessed_is_told(tmp_path: Path, header: str, told: str) -> None:
    with pytest.warns(QdsimWarning, match=told):
        data = read_data(written(tmp_path, header + ROWS))
    assert data.metadata["assumed"].startswith("x")


def test_another_wavelength_than_that_of_the_header_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "# Wavelength: 5.6e-11 m\n# 2th_deg  I\n" + ROWS)
    with pytest.warns(QdsimWarning, match=r"the wavelength 0\.5 Å is used as given, and not the 0\.56 Å of the header"):
        assert read_data(path, wavelength=0.5).wavelength == 0.5
    assert read_data(path, wavelength=0.56).wavelength == 0.56


@pytest.mark.parametrize(
    ("labels", "row", "sigma"),
    [
        ("Q(1/A)  I  sigma", "5 2", 2),
        ("Q(1/A)  dQ  I  dI", "0.1 5 2", 2),
        ("Q(1/A)  I  dI  dQ", "5 2 0.1", 2),
        ("2th_deg,I_obs,I_calc,background", "5 4 1", None),
        ("Q(1/A)  I  difference", "5 1", None),
        ("Q(1/A)  I  dI  dQ  mask", "5 2 0.1 1", 2),
    ],
)
def test_labels_tell_intensity_and_uncertainty(tmp_path: Path, labels: str, row: str, sigma: float | None) -> None:
    path = written(tmp_path, f"# {labels}\n" + "".join(f"{x} {row}\n" for x in (1, 2)))
    data = read_data(path, wavelength=1.0)
    np.testing.assert_array_equal(data.intensity, [5, 5])
    if sigma is None:
        assert data.sigma is None
    else:
        np.testing.assert_array_equal(data.sigma, [sigma, sigma])


def test_columns_that_labels_leave_open_are_told_or_refused(tmp_path: Path) -> None:
    with pytest.warns(QdsimWarning, match="the column 'B' is taken for the uncertainty of 'A'"):
        read_data(written(tmp_path, "# Q(1/A)  A  B\n" + WITH_SIGMA))
    with pytest.warns(QdsimWarning, match="the column 'Icalc' is taken for measured"):
        read_data(written(tmp_path, "# Q(1/A)  Icalc\n" + ROWS))
    with pytest.raises(QdsimError, match="which of the columns det1, det2 is the function is not certain: keep one"):
        read_data(written(tmp_path, "# Q(1/A)  det1  det2  dI\n1 1 1 1\n2 1 1 1\n"))


def test_roles_of_columns() -> None:
    for role, labels in {
        "value": "I I(Q) Intensity counts yobs Gobs signal data det function",
        "sigma": "dI d_I sigma sig err error e esd I_err δI d_Gr dG(r) dy s.d. std_dev uncertainty sigma(I) delta_I",
        "x": "dr d_r dQ sigma_q Q_err err_Q sigma(Q) resolution dx d2theta",
        "calculated": "Icalc ycalc Gfit model",
        "difference": "Gdiff difference residual",
        "aside": "background bkg bg weight mask w n",
    }.items():
        assert {label: role_of(label) for label in labels.split()} == dict.fromkeys(labels.split(), role)
    assert role_of("I (background subtracted)") == "value"


def test_files_of_gsas_are_in_hundredths_of_a_degree(tmp_path: Path) -> None:
    head = "PbS at 300 K\n# Calibrated wavelength = 0.413259\nBANK 1 {number} 3 {steps} 100.0 100.0 0 0 {form}\n"
    rows = "100.0 10 1\n200.0 20 2\n300.0 15 3\n"
    text = head.format(number=3, steps="CONS", form="FXYE") + rows
    data = read_data(written(tmp_path, text, "a.fxye"))
    np.testing.assert_allclose(data.two_theta, [1, 2, 3], rtol=1e-12)
    assert "assumed" not in data.metadata
    for changes, message in {
        ("49493", "CONS", "FXYE"): "its line BANK: the header promises 49493 points and 3 follow",
        ("3", "SLOG", "FXYE"): "x is a time of flight",
        ("3", "CONST", "ESD"): r"a file of GSAS without x \('ESD'\): save it in the form FXYE",
    }.items():
        number, steps, form = changes
        with pytest.raises(QdsimError, match=message):
            read_data(written(tmp_path, head.format(number=number, steps=steps, form=form) + rows))
