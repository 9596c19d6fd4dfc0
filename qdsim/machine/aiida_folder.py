"""The folder that AiiDA keeps its profiles in. Importing AiiDA makes one, and none but `qdsim init` is to do so."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BYTES = 100_000  # on a full disk a file can be made, but not filled


def aiida_folder() -> Path:
    """Return the folder that AiiDA uses or would make: ``.aiida`` in ``AIIDA_PATH``, or else in the home folder."""
    places = [place for place in os.environ.get("AIIDA_PATH", "").split(os.pathsep) if place] or ["~"]
    paths = [Path(place).expanduser() for place in places]
    folders = [path if path.name == ".aiida" else path / ".aiida" for path in paths]
    return next((folder for folder in folders if _is_there(folder)), folders[-1])


def is_configured() -> bool:
    """Tell whether AiiDA has a configuration, without importing it."""
    return _is_there(aiida_folder() / "config.json")


def refusal() -> str | None:
    """Return why AiiDA's folder cannot be used, as a sentence for its owner; None if it can."""
    from tempfile import TemporaryFile

    from sqlalchemy import make_url

    folder = aiida_folder()
    if make_url(f"sqlite:///{folder}").database != str(folder):  # as AiiDA writes the places of its databases
        return f"AiiDA's folder {folder} cannot hold data, for the '?' or '%' in its path; set AIIDA_PATH to another."
    place = next(path for path in (folder, *folder.parents) if _is_there(path))
    try:
        with TemporaryFile(dir=place) as file:
            file.write(bytes(_BYTES))
    except OSError as error:
        return refusal_of(error)
    return None


def refusal_of(error: OSError) -> str:
    """Return the sentence for an error of writing AiiDA's folder."""
    return f"AiiDA's folder {aiida_folder()} cannot be written ({error.strerror}); set AIIDA_PATH to one that can."


def _is_there(path: Path) -> bool:
    """Tell whether there is such a file or folder; `Path.exists` raises where a folder on the way is closed."""
    return os.path.lexists(path)


@contextmanager
def folder_of_its_own() -> Iterator[None]:
    """Let AiiDA, where it is imported from now on, write to a folder that is removed in the end."""
    if "aiida" in sys.modules:  # it has chosen its folder
        yield
        return
    import shutil
    from tempfile import gettempdir
    from uuid import uuid4

    before = os.environ.get("AIIDA_PATH")
    folder = Path(gettempdir()) / f"qdsim-{uuid4()}"
    os.environ["AIIDA_PATH"] = str(folder)
    try:
        with quietly_made():
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ["AIIDA_PATH"]
        else:
            os.environ["AIIDA_PATH"] = before


@contextmanager
def quietly_made() -> Iterator[None]:
    """Let AiiDA make its folder without a warning that it does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")
        yield
