"""Folders of text files that are there as a whole or not at all."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from qdsim.debye.origin import ascii_text
from qdsim.errors import QdsimError

LONGEST_NAME = 64
"""Characters; the name of a block of a CIF may have 75."""


def safe_name(text: str) -> str:
    """Make the name of a file, without an ending, from any text.

    Examples
    --------
    >>> safe_name("linear_p0p0200 relaxed"), safe_name("../é"), safe_name("")
    ('linear_p0p0200_relaxed', 'e', 'structure')
    """
    words = re.sub(r"[^A-Za-z0-9_.-]+", "_", ascii_text(text))[:LONGEST_NAME]
    return words.strip("_.-") or "structure"


def check_folder(folder: Path, force: bool = False) -> None:
    """Refuse a folder that cannot be written to, before the work whose result is to go there.

    Raises
    ------
    QdsimError
        If it is a file, holds anything and `force` is not set, or its own folder does not exist.
    """
    if folder.exists() and not folder.is_dir():
        raise QdsimError(f"{folder} is a file: give the name of a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise QdsimError(f"{folder} is not empty: give another name, or --force to replace files in it.")
    if not folder.absolute().parent.is_dir():
        raise QdsimError(f"The folder {folder.parent} does not exist: make it first, or give another path.")


def write_folder(folder: Path, files: Mapping[str, str], force: bool = False) -> list[Path]:
    """Write files into a folder, which is made if need be; on any failure nothing is left behind.

    Parameters
    ----------
    folder
        Where to write.
    files
        Texts by their paths in the folder.
    force
        Replace files that are there already; other files in the folder stay.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    QdsimError
        If the folder cannot be used, see `check_folder`, or written to.
    """
    try:
        check_folder(folder, force)
        _check_obstacles(folder, files)
        with _partial(folder) as partial:
            for name, text in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", errors="replace")
            if folder.is_dir():
                for name in files:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (partial / name).replace(folder / name)
            else:
                partial.replace(folder)
    except OSError as error:
        raise QdsimError(
            f"Cannot write {folder}: {error.strerror or error}. Give another path with --output."
        ) from error
    return [folder / name for name in files]


def _check_obstacles(folder: Path, names: Iterable[str]) -> None:
    """Refuse to begin where a file could not be replaced in the end."""
    for path in (folder / name for name in names):
        if path.is_dir():
            raise QdsimError(f"{path} is a folder, where a file is to go: remove it, or give another name.")
        if path.parent.exists() and not path.parent.is_dir():
            raise QdsimError(f"{path.parent} is a file, where a folder is to go: remove it, or give another name.")


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    """Give a new folder, inside the one that it is to fill or else beside it, that vanishes in the end."""
    place = folder if folder.is_dir() else folder.absolute().parent
    partial = place / f".{folder.absolute().name}.{os.getpid()}.part"
    try:
        partial.mkdir()
        yield partial
    finally:
        rmtree(partial, ignore_errors=True)
