"""The AiiDA profile: SQLite and ZeroMQ, which need no service, or PostgreSQL and RabbitMQ where they are given."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError
from qdsim.machine.aiida_folder import is_configured, quietly_made
from qdsim.machine.services import Postgres, RabbitMQ, empty_postgres

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


SERVICE_OPTIONS: dict[str, object] = {
    # One worker: RabbitMQ hands out again what is in work when it is restarted. A worker knows what it is at already;
    # with several, another would take it up as well, and what two carry out is computed twice, or lost.
    "daemon.default_workers": 1,
    # `qdsim init` and `qdsim doctor` say what RabbitMQ needs; AiiDA would say it at every command.
    "warnings.rabbitmq_version": False,
}
"""Options of a profile with PostgreSQL and RabbitMQ, beside `OPTIONS`."""


@dataclass(frozen=True)
class Services:
    """The servers of a profile; without one of them it uses SQLite, or ZeroMQ, instead.

    Attributes
    ----------
    postgres : Postgres or None
    rabbitmq : RabbitMQ or None
    """

    postgres: Postgres | None = None
    rabbitmq: RabbitMQ | None = None


def profile_exists(name: str) -> bool:
    """Tell whether there is a profile of that name, without making AiiDA's configuration folder."""
    if not is_configured():
        return False
    return name in _configuration().profile_names


def _configuration(*, create: bool = False) -> Config:
    with quietly_made():
        from aiida.manage.configuration import get_config

    return get_config(create=create)


def create_profile(name: str, services: Services = Services()) -> None:
    """Make a profile; it becomes the default only where there is none.

    Parameters
    ----------
    name : str
        Of the profile.
    services : Services
        Servers that it uses; they have been checked.

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

    postgres, rabbitmq = services.postgres, services.rabbitmq
    repository = Path(config.dirpath) / "repository" / name
    broker = "core.zeromq" if rabbitmq is None else "core.rabbitmq"
    try:
        with override_log_level():
            create(
                config,
                name=name,
                email=EMAIL,
                storage_backend="core.sqlite_dos" if postgres is None else "core.psql_dos",
                storage_config={} if postgres is None else postgres.storage(repository.as_uri()),
                broker_backend=broker,
                broker_config=BrokerFactory(broker).get_default_config() if rabbitmq is None else rabbitmq.broker(),
            )
    except AiidaException as error:
        if postgres is not None:
            _remove_storage(postgres, repository)
        raise QdsimError(f"the AiiDA profile {name!r} could not be made: {error}.") from error
    if postgres is None:
        _let_readers_and_writer_coexist(Path(config.get_profile(name).storage_config["filepath"]))
    config.set_default_profile(name, overwrite=False)
    config.store()
    Path(config.filepath).chmod(0o600)  # it holds the passwords of the services


def _remove_storage(postgres: Postgres, repository: Path) -> None:
    """Undo what a profile has made of an empty database; AiiDA itself would drop the database."""
    empty_postgres(postgres)
    shutil.rmtree(repository, ignore_errors=True)


def services_of(name: str) -> dict[str, object]:
    """Return where a profile keeps its data and its messages, without passwords."""
    profile = _configuration().get_profile(name)
    storage, broker = profile.storage_config, profile.process_control_config
    found: dict[str, object] = {}
    if profile.storage_backend == "core.psql_dos":
        host, port = storage["database_hostname"], storage["database_port"]
        found["postgres"] = f"{storage['database_username']}@{host}:{port}/{storage['database_name']}"
    if profile.process_control_backend == "core.rabbitmq":
        host, port = broker["broker_host"], broker["broker_port"]
        found["rabbitmq"] = f"{broker['broker_username']}@{host}:{port}/{broker['broker_virtual_host']}".rstrip("/")
    return found


def _let_readers_and_writer_coexist(storage: Path) -> None:
    """Give the database a write-ahead log, for good: whoever looks at it no longer blocks the daemon's commits."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(storage / "database.sqlite")) as database:
        database.execute("PRAGMA journal_mode=WAL")


def rabbitmq_of(name: str) -> RabbitMQ | None:
    """Return the RabbitMQ server of a profile, or None if it has another broker."""
    profile = _configuration().get_profile(name)
    if profile.process_control_backend != "core.rabbitmq":
        return None
    broker = profile.process_control_config
    return RabbitMQ(
        protocol=broker["broker_protocol"],
        host=broker["broker_host"],
        port=int(broker["broker_port"]),
        user=broker["broker_username"],
        virtual_host=broker["broker_virtual_host"],
        password=broker["broker_password"],
    )


def describe(profile: Profile) -> str:
    """Return where a profile keeps its data and its messages, for a person to read."""
    used = services_of(profile.name)
    data, messages = used.get("postgres"), used.get("rabbitmq")
    return (
        f"{profile.storage_backend}{f' ({data})' if data else ''}, "
        f"broker {profile.process_control_backend}{f' ({messages})' if messages else ''}"
    )


def delete_profile(name: str, services: Services = Services()) -> None:
    """Delete a profile and all its data; a database stays, as empty as it was before."""
    from aiida.common.log import override_log_level
    from aiida.manage import get_manager

    get_manager().unload_profile()
    with override_log_level():
        config = _configuration()
        config.delete_profile(name, delete_storage=services.postgres is None)
        if services.postgres is not None:
            _remove_storage(services.postgres, Path(config.dirpath) / "repository" / name)


def set_options(name: str) -> list[str]:
    """Set the options that suit the profile and that its owner has not set, and return their names."""
    config = _configuration()
    served = len(services_of(name)) == len(Services.__dataclass_fields__)
    options = OPTIONS | (SERVICE_OPTIONS if served else {})
    missing = [option for option in options if config.get_option(option, scope=name, default=False) is None]
    for option in missing:
        config.set_option(option, options[option], scope=name)
    if missing:
        config.store()
    return missing


def work_directory(name: str) -> Path:
    """Return the folder that a profile's calculations on this machine run in."""
    return Path(_configuration().dirpath) / "scratch" / name


def data_directory() -> Path:
    """Return the folder of all AiiDA profiles; the home folder where AiiDA has not been configured."""
    return Path(_configuration().dirpath) if is_configured() else Path.home()


def open_profile(name: str) -> Profile:
    """Load a profile made by `qdsim init`, or any other AiiDA profile.

    Raises
    ------
    QdsimError
        If there is no such profile, or its data cannot be opened.
    """
    if not profile_exists(name):
        raise QdsimError(f"there is no AiiDA profile {name!r} yet; make it with {_init_command(name)}.")
    from aiida.common.exceptions import AiidaException, UnreachableStorage
    from aiida.manage import get_manager
    from aiida.manage.configuration import load_profile

    try:
        profile = load_profile(name, allow_switch=True)
        get_manager().get_profile_storage()
    except UnreachableStorage as error:
        where = services_of(name).get("postgres", "its storage")
        raise QdsimError(
            f"the AiiDA profile {name!r} cannot be opened: {where} cannot be reached; is PostgreSQL running, and "
            "are user and password still right?"
        ) from error
    except AiidaException as error:
        raise QdsimError(f"the AiiDA profile {name!r} cannot be opened: {' '.join(str(error).split())}.") from error
    return profile


def _init_command(name: str) -> str:
    return "`qdsim init`" if name == "qdsim" else f"`qdsim --profile {name} init`"
