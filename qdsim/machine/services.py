"""PostgreSQL and RabbitMQ for a profile that many processes or people use: where they are, and whether they answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from qdsim.errors import QdsimError

if TYPE_CHECKING:
    import psycopg

POSTGRES_PASSWORD = "QDSIM_POSTGRES_PASSWORD"  # noqa: S105 (the name of a variable)
RABBITMQ_PASSWORD = "QDSIM_RABBITMQ_PASSWORD"  # noqa: S105 (the name of a variable)
_POSTGRES_FORM = "postgresql://USER@HOST:5432/DATABASE"
_RABBITMQ_FORM = "amqp://USER@HOST:5672"
_TIMEOUT = 10
_LOCALES = frozenset({"C.UTF-8", "C.UTF8", "C"})


@dataclass(frozen=True)
class Postgres:
    """A database of a PostgreSQL server.

    Attributes
    ----------
    host, port, user, database
    password : str
        Empty where libpq is to find it, in ``~/.pgpass`` or ``PGPASSWORD``; then AiiDA keeps none.
    """

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)

    @property
    def where(self) -> str:
        """The server and database, without the password."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def storage(self, repository_uri: str) -> dict[str, Any]:
        """Return it as AiiDA's storage takes it."""
        return {
            "database_hostname": self.host,
            "database_port": self.port,
            "database_username": self.user,
            "database_password": self.password,
            "database_name": self.database,
            "repository_uri": repository_uri,
        }


@dataclass(frozen=True)
class RabbitMQ:
    """A RabbitMQ server.

    Attributes
    ----------
    protocol : str
        "amqp" or "amqps".
    host, port, user, virtual_host
    password : str
    """

    protocol: str
    host: str
    port: int
    user: str
    virtual_host: str
    password: str = field(repr=False)

    @property
    def where(self) -> str:
        """The server, without the password."""
        return f"{self.user}@{self.host}:{self.port}/{self.virtual_host}".rstrip("/")

    def broker(self) -> dict[str, Any]:
        """Return it as AiiDA's broker takes it."""
        return {
            "broker_protocol": self.protocol,
            "broker_username": self.user,
            "broker_password": self.password,
            "broker_host": self.host,
            "broker_port": self.port,
            "broker_virtual_host": self.virtual_host,
        }


def read_postgres(url: str) -> Postgres:
    """Read ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.

    The password may be left out: it is taken from ``$QDSIM_POSTGRES_PASSWORD``, else left to libpq (``~/.pgpass``).

    Raises
    ------
    QdsimError
        If it is no such URL; the URL is not repeated, since it may hold the password.
    """
    parts, port = _split(url, {"postgresql", "postgres"}, "--postgres", _POSTGRES_FORM)
    database = unquote(parts.path.strip("/"))
    if not (parts.username and database):
        raise QdsimError(f"--postgres names no {'database' if parts.username else 'user'}: write {_POSTGRES_FORM}.")
    return Postgres(
        host=parts.hostname or "",
        port=port or 5432,
        user=unquote(parts.username),
        database=database,
        password=unquote(parts.password or "") or os.environ.get(POSTGRES_PASSWORD, ""),
    )


def read_rabbitmq(url: str) -> RabbitMQ:
    """Read ``amqp://USER:PASSWORD@HOST:PORT/VIRTUAL_HOST`` (or ``amqps:``).

    The password may be left out: it is taken from ``$QDSIM_RABBITMQ_PASSWORD``, else it is the server's "guest".

    Raises
    ------
    QdsimError
        If it is no such URL; the URL is not repeated, since it may hold the password.
    """
    parts, port = _split(url, {"amqp", "amqps"}, "--rabbitmq", _RABBITMQ_FORM)
    return RabbitMQ(
        protocol=parts.scheme,
        host=parts.hostname or "",
        port=port or (5671 if parts.scheme == "amqps" else 5672),
        user=unquote(parts.username or "guest"),
        virtual_host=unquote(parts.path.removeprefix("/")).removeprefix("/"),  # "/" is the default one
        password=unquote(parts.password or "") or os.environ.get(RABBITMQ_PASSWORD, "guest"),
    )


def _split(url: str, schemes: set[str], option: str, form: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise QdsimError(f"{option} is not understood: write {form}; special signs of a password are written as %XX.")
    return parts, port


def check_postgres(server: Postgres) -> None:
    """Check that AiiDA can keep its data in a database.

    Raises
    ------
    QdsimError
        If the server or the database is not there, refuses the user, sorts otherwise than C.UTF-8, or holds tables.
    """
    import psycopg

    what = f"PostgreSQL ({server.where})"
    try:
        with _connect(server) as connection:
            found = connection.execute(
                "select pg_encoding_to_char(encoding), datcollate, datctype, "
                "has_schema_privilege(current_schema(), 'create'), "
                "(select count(*) from pg_tables where schemaname = current_schema()) "
                "from pg_database where datname = current_database()"
            ).fetchone()
    except psycopg.OperationalError as error:
        raise QdsimError(f"{what}: {_explain_postgres(server, str(error))}") from None
    except psycopg.Error as error:
        raise QdsimError(f"{what}: it answers with an error ({' '.join(str(error).split())}).") from None
    encoding, collation, character_type, may_create, tables = found or ("", "", "", False, 0)
    if encoding != "UTF8" or not {collation, character_type} <= _LOCALES:
        raise QdsimError(
            f"{what}: the database is in {encoding}, {collation}, and AiiDA needs UTF8, C.UTF-8: make another, with "
            f"{_create_database(server)}."
        )
    if not may_create:
        raise QdsimError(f"{what}: the user may not make tables; make the database with {_create_database(server)}.")
    if tables:
        raise QdsimError(
            f"{what}: the database holds {tables} tables already, perhaps another profile's data, which are left "
            f"alone; make another, with {_create_database(server)}."
        )


def _connect(server: Postgres) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg

    return psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        dbname=server.database,
        password=server.password or None,  # libpq looks for it where it is not given
        connect_timeout=_TIMEOUT,
    )


def _explain_postgres(server: Postgres, error: str) -> str:
    reason = " ".join(error.split())
    if "password authentication failed" in reason or "no password supplied" in reason:
        return (
            f"the user or the password is wrong; give the password in ${POSTGRES_PASSWORD} or ~/.pgpass, or as "
            "USER:PASSWORD in the URL."
        )
    if "database" in reason and "does not exist" in reason:
        return f"there is no such database; make it with {_create_database(server)}."
    if "role" in reason and "does not exist" in reason:
        return f"there is no such user; make it with `createuser --pwprompt {server.user}`."
    return "the server cannot be reached; is it running, and does it listen there?"


def _create_database(server: Postgres) -> str:
    return (
        f"`createdb --owner {server.user} --encoding UTF8 --locale C.UTF-8 --template template0 NAME` as an "
        "administrator of PostgreSQL"
    )


def empty_postgres(server: Postgres) -> None:
    """Remove every table from a database that `check_postgres` has found empty."""
    from psycopg import sql

    with _connect(server) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = current_schema()").fetchall()
        for (table,) in tables:
            connection.execute(sql.SQL("drop table {} cascade").format(sql.Identifier(table)))


def check_rabbitmq(server: RabbitMQ) -> str:
    """Check that a RabbitMQ server lets the user in, and return its version.

    Raises
    ------
    QdsimError
        If it is not there, or refuses the user.
    """
    from aiormq.exceptions import AMQPError, ProbableAuthenticationError
    from pamqp.exceptions import AMQPInternalError

    what = f"RabbitMQ ({server.where})"
    try:
        with _without_their_log():
            return asyncio.run(_ask_rabbitmq(server))
    except ProbableAuthenticationError:
        raise QdsimError(
            f"{what}: the user or the password is wrong, or the user may not use this virtual host; give the password "
            f"in ${RABBITMQ_PASSWORD}, or as USER:PASSWORD in the URL."
        ) from None
    except AMQPInternalError:  # the server closes the connection in answer to opening the virtual host
        raise QdsimError(
            f"{what}: there is no such virtual host, or the user may not use it; make it with `rabbitmqctl "
            f"add_vhost NAME` and `rabbitmqctl set_permissions -p NAME {server.user} '.*' '.*' '.*'`."
        ) from None
    except (AMQPError, OSError, TimeoutError):
        raise QdsimError(f"{what}: the server cannot be reached; is it running, and does it listen there?") from None


async def _ask_rabbitmq(server: RabbitMQ) -> str:
    import aiormq
    from aio_pika.connection import make_url

    url = make_url(
        host=server.host,
        port=server.port,
        login=server.user,
        password=server.password,
        virtualhost=server.virtual_host or "/",
        ssl=server.protocol == "amqps",
    )
    connection = aiormq.Connection(url)
    await asyncio.wait_for(connection.connect(), _TIMEOUT)
    try:
        version = connection.server_properties.get("version", "of unknown version")
    finally:
        await connection.close()
    return version.decode() if isinstance(version, bytes) else str(version)


@contextmanager
def _without_their_log() -> Iterator[None]:
    """Keep the connection's own library quiet: what it logs may hold the URL."""
    import logging

    loggers = [logging.getLogger(name) for name in ("aiormq.connection", "aio_pika")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
