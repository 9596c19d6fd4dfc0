from pathlib import Path

import numpy as np
import pytest

from qdsim.debye.pdf_files import PairDistributionData, read_pdf, write_pdf
from qdsim.errors import QdsimError

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


def test_files_of_pdfgui_are_read(file: Path) -> None:
    file.write_text(PDFGUI.format("0"))
    data = read_pdf(file)
    np.testing.assert_array_equal(data.g, [-0.25, -0.5])
    assert data.sigma is None
    assert {key: data.metadata[key] for key in ("stype", "qmax", "qdamp")} == {
        "stype": "X",
        "qmax": "26.0",
        "qdamp": "0.05",
    }
    file.write_text(PDFGUI.format("0.2"))
    np.testing.assert_array_equal(read_pdf(file).sigma, [0.2, 0.2])


@pytest.mark.parametrize("columns", ["{r} {g} {s}", "{r} {g} 0 {s}"])
def test_uncertainties_are_found(file: Path, columns: str) -> None:
    file.write_text("\n".join(columns.format(r=r, g=r * r, s=r + 1) for r in range(4)))
    np.testing.assert_array_equal(read_pdf(file).sigma, [1, 2, 3, 4])


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
