"""Text files of numbers in columns, as diffractometers and integration programs write them."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FIRST_BYTES = 1 << 16
"""The beginning of a file, read line by line, since it holds the header; small files are read so altogether."""
CHUNK_BYTES = 1 << 20
"""A file is read in pieces of this size, so that the memory needed is that of its numbers."""
FIT2D_HEADER = 4
"""Lines before the numbers in a file of FIT2D: title, two axis labels, number of points."""

_START = re.compile(r"^#+ *start data\b.*\n", re.M)
_COMMENT = re.compile(r"^\s*;|[#!%']|//|;(?!\s*[-+.\d])")
_MARKERS = "#!%;'/ \t"
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
_DECIMAL_COMMAS = re.compile(r"[-+]?\d+(?:,\d+)?(?:[eEdD][-+]?\d+)?")


@dataclass(frozen=True, eq=False)
class Columns:
    """Numbers of a text file and what it says before them.

    Parameters
    ----------
    path
        The file.
    header
        Lines before the first number, without the marks of a comment.
    fit2d
        Whether `header` is the one of FIT2D: title, label of x, label of y, number of points.
    values
        Shape (rows, columns).
    lines
        Line of the file that a row is on, counted from 1, shape (rows,).
    """

    path: Path
    header: tuple[str, ...]
    fit2d: bool
    values: FloatArray
    lines: IntArray

    def place(self, row: int) -> str:
        """Say where a row is, for a message."""
        return f"{self.path}, line {self.lines[row]}"


@dataclass
class _Reader:
    """State of reading one file."""

    path: Path
    header: list[str] = field(default_factory=list)
    fit2d: bool = False
    width: int = 0
    first_line: int = 0
    start: int = 0
    separator: str | None = None
    values: list[FloatArray] = field(default_factory=list)
    lines: list[IntArray] = field(default_factory=list)

    def read_lines(self, text: Sequence[str], before: int) -> None:
        """Read lines one by one; `before` lines of the file came earlier."""
        rows: list[list[float]] = []
        numbers: list[int] = []
        for number, line in enumerate(text, before + 1):
            if self.fit2d and number <= FIT2D_HEADER:
                continue
            if number <= self.start:
                self.header += [line.strip().lstrip(_MARKERS)] if line.strip() else []
                continue
            row = self._row(line, number)
            if row:
                rows.append(row)
                numbers.append(number)
        if rows:
            self.values.append(np.array(rows))
            self.lines.append(np.array(numbers))

    def read_block(self, text: str, before: int) -> bool:
        """Read lines that are nothing but rows of numbers, quickly; return False if they are anything else."""
        if self.separator is None or not self.width:
            return False
        import pandas as pd

        try:
            values = pd.read_csv(
                StringIO(text.replace("D", "E").replace("d", "e")),
                header=None,
                sep=self.separator,
                skipinitialspace=True,
                quoting=csv.QUOTE_NONE,
                dtype=np.float64,
            ).to_numpy()
        except (ValueError, OverflowError):  # pandas' own errors are ValueErrors
            return False
        rows = text.rstrip("\n").count("\n") + 1
        if values.shape != (rows, self.width) or not np.isfinite(values).all():
            return False
        self.values.append(values)
        self.lines.append(np.arange(before + 1, before + 1 + rows))
        return True

    def _row(self, line: str, number: int) -> list[float]:
        """Return the numbers of a line; none if it is blank, a comment, or belongs to the header."""
        comment = _COMMENT.search(line)
        body = (line[: comment.start()] if comment else line).strip()
        if not body:
            if line.strip() and not self.width:
                self.header.append(line.strip().lstrip(_MARKERS))
            return []
        words = _words(body)
        numbers = [_number(word) for word in words]
        row = [value for value in numbers if value is not None]
        if not self.width and len(row) < len(words) and (numbers[0] is None or 2 * len(row) < len(words)):
            self.header.append(line.strip())
            return []
        if len(row) < len(words):
            culprit = words[numbers.index(None)]
            found = f"{culprit!r} stands" if culprit else "nothing stands between two separators"
            raise QdsimError(
                f"{self.path}, line {number}: {found} where a number should be; correct the line, or mark it as "
                "a comment with #."
            )
        if not self.width:
            self.width, self.first_line = len(row), number
            marks = [mark for mark in ",;" if mark in body]
            if not marks:
                self.separator = r"\s+"
            elif len(marks) == 1 and len(body.split(marks[0])) == len(row):
                self.separator = marks[0]
        if len(row) != self.width:
            raise QdsimError(
                f"{self.path}, line {number}: {len(row)} columns where line {self.first_line} has {self.width}; "
                "complete the row, or remove it."
            )
        return row


def read_columns(path: Path) -> Columns:
    """Read a text file of numbers in columns.

    Columns are separated by blanks, tabs, commas or semicolons; with commas inside the numbers (``1,5; 2,7``)
    these are decimal commas. ``#``, ``!``, ``%``, ``'``, ``//`` and ``;`` (unless a number follows) begin a
    comment, anywhere. Lines of text may precede the numbers; all lines up to ``##### start data``, as the programs
    for pair distribution functions write it, are text. Exponents may be those of Fortran (``1.0D+03``).
    Line ends are those of Linux, Windows or old Macs; the encoding is UTF-8 or Latin-1.

    Parameters
    ----------
    path
        The file. A file of 200 MB takes a few seconds, and a memory of four times its numbers.

    Raises
    ------
    QdsimError
        If the file cannot be opened, is not text, has no numbers, has text where a number should be, or rows
        of different lengths.
    """
    reader = _Reader(path)
    before = 0
    try:
        with path.open("rb") as file:
            size = FIRST_BYTES
            while chunk := file.read(size) + file.readline():
                text = _text(path, chunk)
                if not text.endswith("\n"):
                    text += "\n"
                if before == 0:
                    reader.fit2d = _is_fit2d(text.split("\n", FIT2D_HEADER + 1))
                    reader.header += text.split("\n", FIT2D_HEADER)[:FIT2D_HEADER] if reader.fit2d else []
                    if start := _START.search(text):
                        reader.start = text.count("\n", 0, start.end())
                if not reader.read_block(text, before):
                    reader.read_lines(text.split("\n"), before)
                before += text.count("\n")
                size = CHUNK_BYTES
    except OSError as error:
        raise cannot_open(path, error) from error
    if before == 0:
        raise QdsimError(f"{path} is empty: give a file with columns of numbers.")
    if not reader.values:
        raise QdsimError(f"{path} has no numbers, only text or comments: give a file with columns of numbers.")
    values, lines = np.concatenate(reader.values), np.concatenate(reader.lines)
    return Columns(path, tuple(reader.header), reader.fit2d, values, lines)


def cannot_open(path: Path, error: OSError) -> QdsimError:
    """Say why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return QdsimError(f"There is no file {path}: check the name.")
    if isinstance(error, IsADirectoryError):
        return QdsimError(f"{path} is a folder: give the name of a file in it.")
    return QdsimError(f"{path} cannot be read ({error.strerror}): check its permissions.")


def entries(header: Sequence[str]) -> dict[str, str]:
    """Find the entries ``key: value`` and ``key = value`` of a header, the first one of each key.

    A line with several ``key=value`` has that many entries. Other lines are left out.
    """
    found: dict[str, str] = {}
    for line in header:
        entry = re.fullmatch(r"([^:=]+)([:=])(.*)", line.strip())
        several = re.findall(r"(\w+)=(\S+)", line)
        if entry and entry[2] == "=" and len(several) > 1:
            pairs = several
        else:
            pairs = [(entry[1].strip(), entry[3].strip())] if entry else []
        for key, value in pairs:
            if key and value:
                found.setdefault(key, value)
    return found


def _text(path: Path, chunk: bytes) -> str:
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise QdsimError(f"{path} is text in UTF-16: save it in UTF-8.")
    if b"\0" in chunk:
        raise QdsimError(f"{path} is not a text file: export the data as columns of text.")
    return chunk.decode(encoding_of(chunk)).replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text that nothing is known of: UTF-8, or else Latin-1."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _is_fit2d(lines: Sequence[str]) -> bool:
    """Tell whether the fourth line is a number of points that the rows of numbers follow."""
    if len(lines) <= FIT2D_HEADER or not lines[FIT2D_HEADER - 1].strip().isdigit():
        return False
    labels = [_number(_words(line.strip())[0]) for line in lines[1 : FIT2D_HEADER - 1]]
    row = _words(lines[FIT2D_HEADER].strip())
    return labels == [None, None] and len(row) > 1 and None not in map(_number, row)


def _words(body: str) -> list[str]:
    plain = re.split(r"[;\s]+", body)
    if "," in body and len(plain) > 1 and all(map(_DECIMAL_COMMAS.fullmatch, plain)):
        return [word.replace(",", ".") for word in plain]
    return _SEPARATOR.split(body.rstrip(",; \t"))


def _number(word: str) -> float | None:
    try:
        return None if "_" in word else float(word.replace("D", "E").replace("d", "e"))
    except ValueError:
        return None
