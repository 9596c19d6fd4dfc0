import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdsim.debye import columns as columns_module
from qdsim.debye.abscissa import Quantity, header_wavelength, q_from_two_theta
from qdsim.debye.data import ScatteringData
from qdsim.debye.data_files import read_data, write_data
from qdsim.errors import QdsimError, QdsimWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*is taken for:qdsim.errors.QdsimWarning")

ROWS = "0.5 10 1\n1.0 20 2\n1.5 15 3\n"
X, Y, SIGMA = [0.5, 1.0, 1.5], [10, 20, 15], [1, 2, 3]
PYFAI = """# == pyFAI calibration ==
# Distance Sample to Detector: 0.2 m
# PONI: 1.0e-01, 2.0e-01 m
# Wavelength: 5.6e-11 m
# Mask applied: provided
#       {unit}             I            sigma
"""
FIT2D = """{title}
{x}
Intensity
       {number}
  0.5000000E+00  1.0000000E+01
  1.0000000E+00  2.0000000E+01
  1.5000000E+00  1.5000000E+01
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.xye"


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        ROWS.rstrip("\n"),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\r"),
        "\ufeff" + ROWS,
        ROWS.replace(" ", "\t"),
        ROWS.replace(" ", ", "),
        ROWS.replace(" ", ","),
        ROWS.replace(" ", ";"),
        ROWS.replace(" ", ",").replace("\n", ",\n"),
        "0,5;10;1\n1,0;20;2\n1,5;15;3\n",
        "0,5 10 1\n1,0 20 2\n1,5 15,0 3\n",
        "5.0D-01 1.0D+01 1.0d0\n10E-1 2e1 2\n+1.5 15. 3\n",
        "  0.5   10   1  \n\n1.0 20 2\n \n1.5 15 3\n\n\n",
        "# one\n! two\n; 3 three\n' four\n% five\n// six\n" + ROWS,
        "0.5 10 1 # first\n# between\n1.0 20 2 ! second\n1.5 15 3 ; third\n# end 1 2 3\n// end\n",
        "0.5 10 1 // first\n1.0 20 2 ' second\n1.5 15 3 % third\n",
        "Q I sigma\n" + ROWS,
        "Q,I,sigma\n" + ROWS.replace(" ", ","),
        "PbS in toluene\n2016-05-01 measured\nQ (1/Å) I(Q) dI\n" + ROWS,
        ROWS.replace("\n", " 0.01\n"),
    ],
)
def test_all_these_are_the_same_numbers(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    data = read_data(file)
    np.testing.assert_array_equal(data.q, X)
    np.testing.assert_array_equal(data.intensity, Y)
    assert data.sigma is not None
    np.testing.assert_array_equal(data.sigma, SIGMA)
    assert data.source == "a.xye"


def test_latin_1_in_a_header_is_understood(file: Path) -> None:
    file.write_bytes("# Q (Å^-1)  µ: 5\n# Wellenlänge: gemessen\n# q (Å^-1)  I\n".encode("latin-1") + ROWS.encode())
    data = read_data(file)
    assert data.metadata["Wellenlänge"] == "gemessen"
    assert "assumed" not in data.metadata


@pytest.mark.parametrize(
    ("line", "wavelength"),
    [
        ("Wavelength: 1.0e-10 m", 1.0),
        ("wavelength: 5.6e-11", 0.56),
        ("wavelength = 0.1", 0.1),
        ("Wavelength (A): 0.56", 0.56),
        ("Wavelength [nm] 0.056", 0.56),
        ('poni: {"dist": 0.2, "wavelength": 5.6e-11, "rot1": 0}', 0.56),
        ("lambda=1.5406 Angstrom", 1.5406),
        ("wavelength: unknown", None),
        ("wavelength: 0", None),
        ("distance: 0.2 m", None),
    ],
)
def test_headers_name_the_wavelength(line: str, wavelength: float | None) -> None:
    found = header_wavelength(["title", line])
    assert found == (None if wavelength is None else pytest.approx(wavelength, rel=1e-12))


@pytest.mark.parametrize(
    ("unit", "q"),
    [
        ("q_nm^-1", np.array(X) / 10),
        ("q_A^-1", np.array(X)),
        ("2th_deg", 4 * np.pi / 0.56 * np.sin(np.radians(X) / 2)),
        ("2th_rad", 4 * np.pi / 0.56 * np.sin(np.array(X) / 2)),
    ],
)
def test_files_of_pyfai_need_no_more(file: Path, unit: str, q: np.ndarray) -> None:
    file.write_text(PYFAI.format(unit=unit) + ROWS)
    data = read_data(file)
    np.testing.assert_allclose(data.q, q, rtol=1e-14)
    assert data.wavelength == pytest.approx(0.56)
    assert data.metadata["Mask applied"] == "provided"
    assert "assumed" not in data.metadata


@pytest.mark.parametrize("title", ["sample 3", "# a.tif", "12", ""])
def test_files_of_fit2d_need_no_more(tmp_path: Path, title: str) -> None:
    file = tmp_path / "a.chi"
    file.write_text(FIT2D.format(title=title, x="2-Theta Angle (Degrees)", number=3))
    data = read_data(file, wavelength=0.56)
    np.testing.assert_allclose(data.two_theta, X, rtol=1e-12)
    np.testing.assert_array_equal(data.intensity, Y)
    assert data.sigma is None
    assert data.metadata["title"] == title
    file.write_text(FIT2D.format(title=title, x="Q (Inverse Nanometres)", number=3))
    np.testing.assert_allclose(read_data(file).q, np.array(X) / 10)


def test_a_truncated_file_of_fit2d_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.chi"
    file.write_text(FIT2D.format(title="t", x="Q", number=1000))
    with pytest.raises(QdsimError, match="line 4: the header promises 1000 points and 3 follow"):
        read_data(file)


def test_the_forms_of_debussy_are_one_pattern(file: Path) -> None:
    angles, patterns = (10.0, 10.02, 0.01), {}
    for form, text in {1: "10\n20\n15\n", 2: "10.00 10\n10.01 20\n10.02 15\n", 3: "10 1\n20 2\n15 3\n"}.items():
        file.write_text(text)
        patterns[form] = read_data(file, form=form, wavelength=1.54, two_theta_range=None if form == 2 else angles)
    file.write_text("10.00 10 1\n10.01 20 2\n10.02 15 3\n")
    complete = read_data(file, form=4, wavelength=1.54)
    for form, pattern in patterns.items():
        np.testing.assert_allclose(pattern.q, complete.q, rtol=1e-14)
        np.testing.assert_array_equal(pattern.intensity, complete.intensity)
        assert (pattern.sigma is None) == (form < 3)
    np.testing.assert_allclose(complete.q, q_from_two_theta([10, 10.01, 10.02], 1.54))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": 5}, "FORM 5 is not known: use 1, 2, 3 or 4"),
        ({"form": 4}, "has 2 columns, and FORM 4 is 2 theta, intensity, sigma"),
        ({"form": 3}, r"FORM 3 has no scattering angles: give their range"),
        ({"form": 3, "two_theta_range": (10, 20, 1)}, r"has 3 points, and from 10 to 20 degrees .* there are 11"),
        ({"form": 3, "two_theta_range": (10, 10, 1)}, "is none: give first, last and step"),
        ({"form": 3, "two_theta_range": (10, np.inf, 1)}, "is none: give first, last and step"),
        ({"form": 2, "two_theta_range": (10, 12, 1)}, "leave out their range"),
        ({"form": 2, "quantity": "q"}, "FORM 2 has scattering angles, not q"),
        ({"two_theta_range": (10, 12, 1)}, "goes with FORM 1 or 3"),
        ({"form": 2, "wavelength": None}, "x is 2 theta and needs a wavelength"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(file: Path, arguments: dict[str, object], message: str) -> None:
    file.write_text("10 1\n20 2\n30 3\n")
    with pytest.raises(QdsimError, match=message):
        read_data(file, **({"wavelength": 1.54} | arguments))  # type: ignore[arg-type]  # bad input on purpose


def test_numbers_beyond_any_q_are_degrees(file: Path) -> None:
    file.write_text("10 1\n70 2\n130 3\n")
    message = r"x runs to 130, which are degrees 2theta rather than Å\^-1: give the wavelength .* or say --quantity q\."
    with pytest.raises(QdsimError, match=message):
        read_data(file)
    data = read_data(file, energy_kev=8.04778)
    np.testing.assert_allclose(data.two_theta, [10, 70, 130])
    assert data.metadata["assumed"] == "x, which runs to 130, is taken for 2 theta in degrees"
    np.testing.assert_array_equal(read_data(file, quantity="q").q, [10, 70, 130])


def test_numbers_beyond_what_the_wavelength_reaches_are_degrees(file: Path) -> None:
    file.write_text("2 1\n10 2\n30 3\n")
    assert read_data(file).q[-1] == 30
    np.testing.assert_allclose(read_data(file, wavelength=0.56).two_theta, [2, 10, 30])


def test_small_numbers_are_q_and_the_assumption_is_told(file: Path) -> None:
    file.write_text(ROWS)
    assert read_data(file).metadata["assumed"] == "x, which runs to 1.5, is taken for Q in Å^-1"
    with pytest.warns(
        QdsimWarning, match=r"a\.xye: x, .* is taken for Q in Å\^-1; if that is wrong, say what x is \(--quantity\)"
    ):
        data = read_data(file, wavelength=0.56)
    assert data.q[-1] == 1.5
    assert "assumed" not in read_data(file, quantity="q", wavelength=0.56).metadata
    np.testing.assert_array_equal(read_data(file, quantity="q_nm").q, np.array(X) / 10)


@pytest.mark.parametrize(
    ("header", "rows", "arguments", "message"),
    [
        ("# 2theta I", ROWS, {"quantity": "q"}, r"header says that x is 2 theta in degrees, not Q in Å\^-1 as asked"),
        ("# Q I", ROWS, {"quantity": "two_theta", "wavelength": 1.0}, r"header says that x is Q in Å\^-1, not 2 theta"),
        ("# 2theta I", ROWS, {}, "x is 2 theta and needs a wavelength"),
        ("# Q I", "10 1\n130 2\n", {}, "x runs to 130, which no diffractometer reaches .* say --quantity q_nm"),
        (
            "# 2theta I",
            "10 1\n190 2\n",
            {"wavelength": 1.0},
            "line 3: 2 theta is 190 degrees, and 180 is straight back",
        ),
        ("# q I", "1 1\n20 2\n", {"wavelength": 1.0}, r"^a.xye: Q runs to 20 Å\^-1, but a wavelength of 1 Å ends"),
        ("# q I", ROWS, {"wavelength": 1.0, "energy_kev": 8.0}, "contradict each other"),
        ("# q I", ROWS, {"quantity": "d"}, "The quantity 'd' is not known: use q, q_nm, two_theta, two_theta_rad"),
    ],
)
def test_contradictions_are_told(
    file: Path, header: str, rows: str, arguments: dict[str, object], message: str
) -> None:
    file.write_text(f"{header}\n{rows}")
    with pytest.raises(QdsimError, match=message):
        read_data(file, **arguments)  # type: ignore[arg-type]  # bad input on purpose


def test_radians_stay_radians_when_angles_are_asked_for(file: Path) -> None:
    file.write_text("# 2th_rad I sigma\n" + ROWS)
    assert read_data(file, quantity="two_theta", wavelength=0.56).two_theta[0] == pytest.approx(np.degrees(0.5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: give a file"),
        (b"\n\n", "has no numbers, only text or comments"),
        (b"# only\n! comments\n", "has no numbers, only text or comments"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a text file"),
        ("1 2\n3 4\n".encode("utf-16"), "is text in UTF-16: save it in UTF-8"),
        (b"# q I\n1 2\n2 nan\n3 4\n", "a.xye, line 3: the intensity is nan"),
        (b"1 2 1\n2 3 0\n3 4 1\n", "a.xye, line 2: the uncertainty is 0.0; drop such points"),
        (b"1 2 1\n2 3 1\n# x\n3 4 -1\n", "a.xye, line 4: the uncertainty is -1.0"),
        (b"1 2\n3 4\n2 1\n", "a.xye, line 3: the Q falls from 3.0 to 2.0; sort"),
        (b"1 2\n2 4\n\n2 1\n", "a.xye, line 4: the Q 2.0 is that of the point before it"),
        (b"9 1\n2 2\n7 3\n", "a.xye: columns look swapped"),
        (b"-1 1\n2 1\n", "a.xye, line 1: the Q is -1.0"),
        (b"1 2\n2 abc\n", "a.xye, line 2: 'abc' stands where a number should be"),
        (b"1 1O0 5\n2 3 4\n", "a.xye, line 1: '1O0' stands where a number should be"),
        (b"1 2\n2 1_0\n", "a.xye, line 2: '1_0' stands"),
        (b"1,2,1\n2,,1\n", "a.xye, line 2: nothing stands between two separators"),
        (b"1 2\n# x\n2 3 4\n", "a.xye, line 3: 3 columns where line 1 has 2"),
        (b"1 2 3\n2 3\n", "a.xye, line 2: 2 columns where line 1 has 3"),
        (b"1 2 3 4 5\n2 3 4 5 6\n", "has 5 columns, and which of them"),
        (b"1\n2\n3\n", "has a single column: give x and intensity"),
        (b"1 2\n", "1 points are no curve"),
    ],
)
def test_bad_files_are_told_in_one_sentence(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(QdsimError, match=message):
        read_data(file)


def test_files_that_cannot_be_opened_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QdsimError, match=r"There is no file .*none\.xye: check the name"):
        read_data(tmp_path / "none.xye")
    with pytest.raises(QdsimError, match="is a folder: give the name of a file in it"):
        read_data(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(QdsimError, match=r"a\.xye cannot be read \(Permission denied\)"):
        read_data(tmp_path / "a.xye")
    with pytest.raises(QdsimError, match=r"b\.xye cannot be written \(Permission denied\)"):
        write_data(tmp_path / "b.xye", ScatteringData(np.arange(2.0), np.ones(2)))


def large(rows: int, separator: str = " ") -> list[str]:
    x, (intensity, sigma) = np.arange(rows) / 8192, np.random.default_rng(1).random((2, rows))
    return [separator.join(map(repr, row)) for row in np.stack([x, intensity, sigma], axis=1).tolist()]


@pytest.mark.parametrize("separator", [" ", ",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_large_file_is_read_to_the_last_bit(file: Path, separator: str, end: str) -> None:
    lines = large(60_000, separator)
    lines.insert(50_000, "# a comment far from the beginning")
    file.write_bytes(f"# q I sigma{end}".encode() + end.join(lines).encode())
    assert file.stat().st_size > 2 * columns_module.CHUNK_BYTES
    data = read_data(file)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(data.q, np.arange(60_000) / 8192)
    np.testing.assert_array_equal([data.intensity, data.sigma], rng.random((2, 60_000)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("6.5 1 x", "'x' stands where a number should be"),
        ("6.5 1", "2 columns where line 2 has 3"),
        ("6.5 1 1 1", "4 columns where line 2 has 3"),
        ("6.5 1 True", "'True' stands"),
        ("6.5 nan 1", "the intensity is nan"),
        ("6.5 1 0", "the uncertainty is 0.0"),
        ("0.5 1 1", "the Q falls from"),
        ('6.5 "1" 1', "stands where a number should be"),
    ],
)
def test_a_bad_line_deep_in_a_large_file_is_named(file: Path, bad: str, message: str) -> None:
    lines = large(60_000)
    lines[53_248] = bad
    file.write_text("# q I sigma\n" + "\n".join(lines))
    with pytest.raises(QdsimError, match=rf"a\.xye, line 53250: .*{message}"):
        read_data(file)


FINITE = st.floats(-1e300, 1e300)


@settings(max_examples=40, deadline=None)
@given(
    q=st.lists(st.floats(0, 35), min_size=2, max_size=20, unique=True),
    seed=st.data(),
    wavelength=st.none() | st.floats(0.01, 0.3),
    metadata=st.dictionaries(
        st.from_regex(r"\A[A-Za-zÅ_][\w .-]{0,10}\w\Z"), st.from_regex(r"\A[\w(/\"'][\w =:,#!-]{0,20}[\w)]\Z")
    ),
)
def test_what_is_written_is_read_unchanged(
    tmp_path_factory: pytest.TempPathFactory,
    q: list[float],
    seed: st.DataObject,
    wavelength: float | None,
    metadata: dict[str, str],
) -> None:
    size = len(q)
    intensity = seed.draw(arrays(float, size, elements=FINITE))
    sigma = seed.draw(st.none() | arrays(float, size, elements=st.floats(1e-300, 1e300)))
    data = ScatteringData(np.sort(q), intensity, sigma, wavelength, "original.dat", metadata)
    file = tmp_path_factory.mktemp("data") / "copy.xye"
    write_data(file, data)
    copy = read_data(file)
    np.testing.assert_array_equal(copy.q, data.q)
    np.testing.assert_array_equal(copy.intensity, data.intensity)
    assert (copy.sigma is None) == (sigma is None)
    if sigma is not None:
        np.testing.assert_array_equal(copy.sigma, sigma)
    assert (copy.wavelength, copy.source, copy.metadata) == (data.wavelength, data.source, data.metadata)


def test_the_header_says_what_the_columns_are(file: Path) -> None:
    write_data(file, ScatteringData(np.array([1.0, 2.0]), np.array([0.1, 1e-9]), wavelength=0.56, source="b.dat"))
    assert file.read_text() == (
        "# qdsim scattering data\n# quantity: q\n# unit: 1/Angstrom\n# wavelength: 0.56 Angstrom\n# source: b.dat\n"
        "# columns: q intensity\n1.0 0.1\n2.0 1e-09\n"
    )


def test_the_metadata_of_a_written_file_are_not_taken_for_its_own_header(file: Path) -> None:
    metadata = {"Wavelength": "5.6e-11 m", "quantity": "2theta", "source": "elsewhere", "unit": "q_nm^-1"}
    write_data(file, ScatteringData(np.array([0.5, 2.0]), np.ones(2), metadata=metadata))
    copy = read_data(file)
    assert (copy.wavelength, copy.source, copy.metadata) == (None, "", metadata)
    np.testing.assert_array_equal(copy.q, [0.5, 2.0])


def test_metadata_that_no_line_can_hold_are_refused(file: Path) -> None:
    for metadata in ({"a": "b\nc"}, {"a:b": "c"}, {" a": "b"}, {"a": ""}):
        with pytest.raises(QdsimError, match="keep to single lines"):
            write_data(file, ScatteringData(np.arange(2.0), np.ones(2), metadata=metadata))
    assert not file.exists()


def test_every_quantity_has_a_name(file: Path) -> None:
    file.write_text(ROWS)
    choices: tuple[Quantity, ...] = ("q", "q_nm", "two_theta", "two_theta_rad")
    highest = [read_data(file, quantity=choice, wavelength=0.56).q[-1] for choice in choices]
    np.testing.assert_allclose(highest, [1.5, 0.15, *(4 * np.pi / 0.56 * np.sin([np.radians(0.75), 0.75]))], rtol=1e-14)


def test_swapped_columns_are_told_before_large_numbers_are_taken_for_angles(tmp_path: Path) -> None:
    path = tmp_path / "swapped.xye"
    path.write_text("40000 1.0 200\n70000 1.1 260\n30000 1.2 170\n")
    with pytest.raises(QdsimError, match="columns look swapped"):
        read_data(path)
