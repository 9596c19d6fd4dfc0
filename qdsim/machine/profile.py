"""The AiiDA profile: SQLite for the data, ZeroMQ for the messages, no service to install."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.manage.configuration import Profile
    from aiida.manage.configuration.config import Config

EMAIL = "qdsim@localhost"

OPTIONS: dict[str, object] = {
    "runner.poll.interval": 1,
    "caching.enabled_for": ["aiida.calculations:cp2k"],
    "daemon.timeout": 20,
    "broker.task_timeout": 60,
    # A work chain keeps its place in the worker while it waits for its calculations: with too few places
    # a wide campaign would wait for calculations that cannot begin.
    "daemon.worker_process_slots": 1000,
}
"""Options of the profile, where its owner has not set them: finished CP2K calculations are never repeated,
a client hears of finished processes within a second, and a busy machine has time to start the daemon and to answer."""


def profile_exists(name: str) -> bool:
    """Tell whether there is a profile of that name, without making AiiDA's configuration folder."""
    if not _configuration_exists():
        return False
    return name in _configuration().profile_names


def _configuration_exists() -> bool:
    """Tell whether AiiDA has been configured; merely importing AiiDA makes its folder."""
    places = [place for place in os.environ.get("AIIDA_PATH", "").split(os.pathsep) if place] or ["~"]
    folders = [Path(place).expanduser() for place in places]
    return any(
        ((folder if folder.name == ".aiida" else folder / ".aiida") / "config.json").is_file() for folder in folders
    )


def _configuration(*, create: bool = False) -> Config:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")
        from aiida.manage.configuration import get_config

    return get_config(create=create)


def create_profile(name: str) -> None:
    """Make a profile with SQLite and the ZeroMQ broker; it becomes the default only where there is none.

    Raises
    ------
    QdsimError
        If the storage cannot be made.
    """
    config = _configuration(create=True)
    from aiida.common.exceptions import AiidaException
    from aiida.common.log import override_log_level
    from aiida.manage.configuration import create_profile as create
    from aiida.plugins import BrokerFactory

    broker = "core.zeromq"
    try:
        with override_log_level():
            create(
                config,
                name=name,
                email=EMAIL,
                storage_backend="core.sqlite_dos",
                storage_config={},
                broker_backend=broker,
                broker_config=BrokerFactory(broker).get_default_config(),
            )
    except AiidaException as error:
        raise QdsimError(f"the AiiDA profile {name!r} could not be made: {error}.") from error
    _let_readers_and_writer_coexist(Path(config.get_profile(name).storage_config["filepath"]))
    config.set_default_profile(name, overwrite=False)
    config.store()


def _let_readers_and_writer_coexist(storage: Path) -> None:
    """Give the database a write-ahead log, for good: whoever looks at it no longer blocks the daemon's commits."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(storage / "database.sqlite")) as database:
        database.execute("PRAGMA journal_mode=WAL")


def delete_profile(name: str) -> None:
    """Delete a profile and all its data."""
    from aiida.common.log import override_log_level
    from aiida.manage import get_manager

    get_manager().unload_profile()
    with override_log_level():
        _configuration().delete_profile(name, delete_storage=True)


def set_options(name: str) -> list[str]:
    """Set the `OPTIONS` that the profile's owner has not set, and return their names."""
    config = _configuration()
    missing = [option for option in OPTIONS if config.get_option(option, scope=name, default=False) is None]
    for option in missing:
        config.set_option(option, OPTIONS[option], scope=name)
    if missing:
        config.store()
    return missing


def work_directory(name: str) -> Path:
    """Return the folder that a profile's calculations on this machine run in."""
    return Path(_configuration().dirpath) / "scratch" / name


def data_directory() -> Path:
    """Return the folder of all AiiDA profiles; the home folder where AiiDA has not been configured."""
    return Path(_configuration().dirpath) if _configuration_exists() else Path.home()


def open_profile(name: str) -> Profile:
    """Load a profile made by `qdsim init`, or any other AiiDA profile.

    Raises
    ------
    QdsimError
        If there is no such profile, or its data cannot be opened.
    """
    if not profile_exists(name):
        raise QdsimError(f"there is no AiiDA profile {name!r} yet; make it with {_init_command(name)}.")
    from aiida.common.exceptions import AiidaException
    from aiida.manage import get_manager
    from aiida.manage.configuration import load_profile

    try:
        profile = load_profile(name, allow_switch=True)
        get_manager().get_profile_storage()
    except AiidaException as error:
        raise QdsimError(f"the AiiDA profile {name!r} cannot be opened: {error}.") from error
    return profile


def _init_command(name: str) -> str:
    return "`qdsim init`" if name == "qdsim" else f"`qdsim --profile {name} init`"
