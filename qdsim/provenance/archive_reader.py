"""Campaigns in an AiiDA archive of any origin: read where they lie, nothing imported, unpacked or executed."""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import campaigns

if TYPE_CHECKING:
    from aiida.storage.sqlite_zip.backend import SqliteZipBackend

SUFFIX = ".aiida"
LARGEST_UNPACKED = 1_000_000_000
"""Bytes of a part of an archive from which on it is refused if it was packed more tightly than any honest data."""
LARGEST_RATIO = 100
_METADATA = "metadata.json"
_DATABASE = "db.sqlite3"
_LARGEST_METADATA = 10_000_000
_LONGEST_LIST = 10


def is_archive(identifier: str) -> bool:
    """Tell whether what was named is an archive, not a campaign of a profile."""
    return identifier.endswith(SUFFIX)


@contextmanager
def open_archive(path: Path) -> Iterator[None]:
    """Make an archive the profile that nodes are read from; the profile that was loaded before comes back in the end.

    The archive stays as it is: AiiDA's storage reads it without unpacking more than the database, to a temporary file.

    Raises
    ------
    QdsimError
        If there is no such file, it is no archive or a damaged one, was written by another version of AiiDA, or holds
        anything that an archive has no use for. While it is open: if what is read in it is not what it should be.
    """
    if not path.is_file():
        raise QdsimError(f"There is no file {path}: give an archive that 'qdsim archive' has written.")
    _check_parts(path)
    from aiida.common.exceptions import AiidaException
    from aiida.common.log import override_log_level
    from aiida.manage import get_manager
    from aiida.storage.sqlite_zip.backend import SqliteZipBackend
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    damaged = (
        *(AiidaException, SQLAlchemyError, BadZipFile, zlib.error, ValidationError),
        *(KeyError, ValueError, FileNotFoundError, MemoryError),
    )
    manager = get_manager()
    before = manager.get_profile()
    try:
        with override_log_level():
            _check_version(path)
            profile = SqliteZipBackend.create_profile(path.resolve())
            _check_database(SqliteZipBackend(profile), path)
            manager.load_profile(profile, allow_switch=True)
            manager.get_profile_storage()
        yield
    except damaged as error:
        sentence = " ".join(str(error).split()) or type(error).__name__
        raise QdsimError(f"{path} cannot be read, it is damaged or of another version of qdsim: {sentence}") from error
    finally:
        manager.unload_profile()
        if before is not None:
            manager.load_profile(before, allow_switch=True)


def only_campaign(path: Path) -> str:
    """Return the UUID of the only campaign of the archive that is open, or of the one that the archive was made of.

    Parameters
    ----------
    path
        The archive.

    Raises
    ------
    QdsimError
        If there is none, or there are several: they are listed.
    """
    from aiida.storage.sqlite_zip.utils import extract_metadata

    found = campaigns()
    if not found:
        raise QdsimError(f"{path} holds no campaign of qdsim; it has {_kinds()}.")
    made = extract_metadata(path, search_limit=None).get("creation_parameters") or {}
    starts = (made.get("entities_starting_set") or {}).get("node") or []
    chosen = [one for one in found if one.uuid in starts] or found
    if len(chosen) > 1:
        listed = [f"{one.label} ({one.uuid[:8]}, {one.ctime:%Y-%m-%d %H:%M})" for one in found[:_LONGEST_LIST]]
        more = f" and {len(found) - _LONGEST_LIST} more" if len(found) > _LONGEST_LIST else ""
        raise QdsimError(f"{path} holds {len(found)} campaigns, {', '.join(listed)}{more}: say which one you mean.")
    return chosen[0].uuid


def _kinds() -> str:
    """Return what kinds of nodes there are, the most frequent first."""
    from collections import Counter

    from aiida import orm

    query = orm.QueryBuilder().append(orm.Node, project=["node_type", "attributes.process_label"])
    kinds = Counter(label or node_type.strip(".").rpartition(".")[2] for node_type, label in query.iterall())
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(_LONGEST_LIST)) or "no nodes at all"


def _check_parts(path: Path) -> None:
    """Refuse what is no archive, and parts that are out of proportion: they are there to fill memory or disk."""
    try:
        with ZipFile(path) as archive:
            parts = archive.infolist()
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise QdsimError(f"{path} is no AiiDA archive, or only a piece of one ({error}).") from error
    except OSError as error:
        raise QdsimError(f"{path} cannot be read: {error.strerror or error}.") from error
    sizes = {part.filename: part.file_size for part in parts}
    if not {_METADATA, _DATABASE} <= sizes.keys():
        raise QdsimError(f"{path} is no AiiDA archive: it lacks {_METADATA} or {_DATABASE}.")
    tight = [part.filename for part in parts if part.file_size > LARGEST_UNPACKED + LARGEST_RATIO * part.compress_size]
    if tight or sizes[_METADATA] > _LARGEST_METADATA:
        raise QdsimError(f"{path} is refused: {(tight or [_METADATA])[0]} would unpack to more than any honest data.")


def _check_version(path: Path) -> None:
    from aiida import __version__
    from aiida.storage.sqlite_zip.migrator import get_schema_version_head, list_versions
    from aiida.storage.sqlite_zip.utils import read_version

    version = read_version(path)
    if version == get_schema_version_head():
        return
    if version in list_versions():
        raise QdsimError(
            f"{path} was written by an older AiiDA: 'verdi archive migrate {shlex.quote(str(path))} NEW{SUFFIX}' "
            "makes one that can be read."
        )
    raise QdsimError(
        f"{path} has the format {version!r}, which AiiDA {__version__} does not know: it was written by a newer one, "
        "upgrade with 'pip install --upgrade aiida-core'."
    )


def _check_database(storage: SqliteZipBackend, path: Path) -> None:
    """Refuse a database with anything but AiiDA's tables, such as a view or a trigger, which is a program."""
    from aiida.storage.sqlite_zip.models import SqliteBase
    from sqlalchemy import text

    try:
        for kind, name in storage.get_session().execute(text("SELECT type, name FROM sqlite_master")):
            if kind != "index" and (kind, name) not in {("table", known) for known in SqliteBase.metadata.tables}:
                raise QdsimError(f"{path} is refused: its database has a {kind} {name!r}, which AiiDA does not write.")
    finally:
        storage.close()
