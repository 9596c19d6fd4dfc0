from pathlib import Path

import numpy as np
import pytest

from qdsim.debye.pdf_files import PairDistributionData, read_pdf, write_pdf
from qdsim.errors import QdsimError, QdsimWarning

PDFGETX3 = r"""[DEFAULT]

version = pdfgetx-2.1.1

# input and output specifications
dataformat = QA
inputfile = PbS.chi
outputtype = gr

# PDF calculation setup
mode = xray
wavelength = 0.1839
composition = PbS
qmin = 0.8
qmax = 24.0
rmin = 0.0

# End of config --------------------------------------------------------------
#### start data

#S 1
#L r($\AA$)  G($\AA^{-2}$)
0.0 0.0
0.01 -0.25
0.02 -0.5
"""
PDFGUI = """History written: Mon May  2 10:00:00 2016
Initial data from file
stype=X  qmax=26.0  qdamp=0.05
##### start data
#F PbS.fgr
#L r G(r) d_r d_Gr Gdiff
0.01 -0.25 0 {0} 0.1
0.02 -0.5 0 {0} 0.1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.gr"


def test_files_of_pdfgetx3_are_read(file: Path) -> None:
    file.write_text(PDFGETX3)
    data = read_pdf(file)
    np.testing.assert_array_equal(data.r, [0, 0.01, 0.02])
    np.testing.assert_array_equal(data.g, [0, -0.25, -0.5])
    assert data.sigma is None
    assert (data.metadata["composition"], data.metadata["qmin"], data.metadata["qmax"]) == ("PbS", "0.8", "24.0")
    assert data.source == "a.gr"


@pytest.mark.parametrize("written_as_sigma", ["0.1", "0.2", "-0.1"])
def test_the_difference_in_a_fit_of_pdfgui_is_no_uncertainty(file: Path, written_as_sigma: str) -> None:
    file.write_text(PDFGUI.format(written_as_sigma))
    with pytest.warns(QdsimWarning, match="G, measured, is the sum of the columns 'G.r.' and 'Gdiff'"):
        data = read_pdf(file)
    np.testing.assert_allclose(data.g, [-0.15, -0.4], rtol=1e-14)
    assert data.sigma is None
    assert {key: data.metadata[key] for key in ("stype", "qmax", "qdamp")} == {
        "stype": "X",
        "qmax": "26.0",
        "qdamp": "0.05",
    }
    assert data.metadata["assumed"] == "G, measured, is the sum of the columns 'G(r)' and 'Gdiff'"


@pytest.mark.parametrize(
    ("labels", "rows", "g", "sigma"),
    [
        ("r(A) G(r) d_r d_Gr", "{r} 5 0 2", 5, 2),
        ("r(A) G(r) d_r d_Gr", "{r} 5 0 0", 5, None),
        ("r G(r) dr dG(r)", "{r} 5 0.1 2", 5, 2),
        ("r  Gobs  Gcalc  Gdiff", "{r} 5 4 1", 5, None),
        ("r  Gobs  Gdiff", "{r} 5 1", 5, None),
        ("x  ycalc  y  dy", "{r} 4 5 2", 5, 2),
        ("x  ycalc  y  dy", "{r} 4 5 1", 5, None),
        ("r  G  dG  dr  Gfit", "{r} 5 2 0 4", 5, 2),
    ],
)
def test_labels_say_what_the_columns_are(file: Path, labels: str, rows: str, g: float, sigma: float | None) -> None:
    file.write_text(f"#L {labels}\n" + "".join(rows.format(r=r) + "\n" for r in (1, 2)))
    data = read_pdf(file)
    np.testing.assert_array_equal(data.g, [g, g])
    if sigma is None:
        assert data.sigma is None
    else:
        np.testing.assert_array_equal(data.sigma, [sigma, sigma])


def test_the_difference_is_added_to_a_calculated_function(file: Path) -> None:
    file.write_text("#L r Gcalc Gdiff\n1 4 1\n2 4 2\n")
    with pytest.warns(QdsimWarning, match="is the sum of the columns 'Gcalc' and 'Gdiff'"):
        np.testing.assert_array_equal(read_pdf(file).g, [5, 6])
    file.write_text("#L r Gcalc\n1 4\n2 4\n")
    with pytest.warns(QdsimWarning, match="the column 'Gcalc' is taken for measured"):
        np.testing.assert_array_equal(read_pdf(file).g, [4, 4])


@pytest.mark.parametrize("columns", ["{r} {g} {s}", "{r} {g} 0 {s}"])
def test_uncertainties_are_found_and_told_where_nothing_labels_them(file: Path, columns: str) -> None:
    file.write_text("\n".join(columns.format(r=r, g=r * r, s=r + 1) for r in range(4)))
    with pytest.warns(QdsimWarning, match="which has no label, is taken for the uncertainty of G"):
        data = read_pdf(file)
    np.testing.assert_array_equal(data.sigma, [1, 2, 3, 4])
    assert "uncertainty of G" in data.metadata["assumed"]


def test_settings_before_the_start_of_the_data_are_no_data(file: Path) -> None:
    file.write_text(
        "title=PbS\nnumRpoints=2000 maxR=20.0\n 1 90.0 1.62 29.42\n#L symbol z\nPb 82\n##### start data\n"
        "#S 1 - PDF from PDFgetN\n#P0 -4.1 0.4\n#L r G(r) dr dG(r)\n 0.01 0.086 0.0 0.04\n 0.02 0.149 0.0 0.08\n"
    )
    data = read_pdf(file)
    np.testing.assert_array_equal([data.r, data.g, data.sigma], [[0.01, 0.02], [0.086, 0.149], [0.04, 0.08]])


@pytest.mark.parametrize("sigma", [None, np.array([0.1, 0.2, 0.3])])
def test_what_is_written_is_read_unchanged(file: Path, sigma: np.ndarray | None) -> None:
    metadata = {"composition": "PbS", "qmax": "24.0", "stype": "X", "settings": "a=1 b=2", "file": "c:PbS.chi"}
    data = PairDistributionData(
        np.array([0.1, 0.2, 0.30000000000000004]), np.array([1 / 3, -1e-17, 5]), sigma, "", metadata
    )
    write_pdf(file, data)
    copy = read_pdf(file)
    np.testing.assert_array_equal(copy.r, data.r)
    np.testing.assert_array_equal(copy.g, data.g)
    assert copy.metadata == metadata
    assert (copy.sigma is None) == (sigma is None)
    if sigma is not None:
        np.testing.assert_array_equal(copy.sigma, sigma)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n2\n", "has a single column: give r and G"),
        ("1 0\n2 nan\n", "a.gr, line 2: the G is nan"),
        ("2 1\n1 0\n", "a.gr, line 2: the r falls from 2.0 to 1.0"),
        ("#L Q G\n1 0\n2 0\n", r"x is 'Q', and r in Å is wanted: give G\(r\)"),
        ("#L r(nm) G\n1 0\n2 0\n", "x is 'r.nm.', and r in Å is wanted: convert r and G"),
        ("#L r g(r)\n1 0\n2 0\n", r"holds g\(r\), and G\(r\) is wanted: convert it"),
        ("#L Q S(Q)\n1 0\n2 0\n", r"holds S\(Q\) by its name or header, and G\(r\) is wanted"),
        ("BANK 1 2 2 CONS 50 0.1 0 0 FXYE\n1 0 1\n2 0 1\n", "x is 'BANK 1"),
        ("#L r Ga Gb Gc\n1 0 0 0\n2 0 0 0\n", "which of the columns Ga, Gb, Gc is the function is not certain"),
        ("#L r dr\n1 0\n2 0\n", "none of the columns r, dr is a function of x"),
        ("1 0 0 1 2\n2 0 0 1 2\n", "has 5 columns, and which of them"),
        ("1 0 1\n2 0 0\n", "a.gr, line 2: the uncertainty is 0.0"),
        ("-1 0\n2 0\n", "a.gr, line 1: the r is -1.0"),
    ],
)
def test_bad_files_are_told(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(QdsimError, match=message):
        read_pdf(file)


def test_bad_arrays_and_metadata_are_told(file: Path) -> None:
    with pytest.raises(QdsimError, match="The data, point 1: the r is -1"):
        PairDistributionData(np.array([-1.0, 1.0]), np.ones(2))
    with pytest.raises(QdsimError, match="keep to single lines"):
        write_pdf(file, PairDistributionData(np.arange(2.0), np.ones(2), metadata={"a": "b\nc"}))
