"""URLs of servers, and servers that are not there; tests/hpc has those that are."""
# ruff: noqa: S105  (passwords of nobody)

import socket

import pytest

from qdsim.errors import QdsimError
from qdsim.machine.services import check_postgres, check_rabbitmq, read_postgres, read_rabbitmq

SECRET = "s3cret"


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_parts_of_the_urls() -> None:
    postgres = read_postgres("postgresql://me:s%40fe@db.example.org/data")
    assert (postgres.host, postgres.port, postgres.user, postgres.database) == ("db.example.org", 5432, "me", "data")
    assert postgres.password == "s@fe"
    rabbitmq = read_rabbitmq("amqps://me:s%40fe@mq.example.org/lab")
    assert (rabbitmq.protocol, rabbitmq.port, rabbitmq.virtual_host) == ("amqps", 5671, "lab")
    assert rabbitmq.broker()["broker_password"] == "s@fe"


def test_passwords_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_postgres("postgresql://me@db/data").storage("file:///r")["database_password"] == ""
    assert read_rabbitmq("amqp://mq").password == "guest"
    monkeypatch.setenv("QDSIM_POSTGRES_PASSWORD", SECRET)
    monkeypatch.setenv("QDSIM_RABBITMQ_PASSWORD", SECRET)
    assert read_postgres("postgresql://me@db/data").password == SECRET
    assert read_rabbitmq("amqp://me@mq").password == SECRET


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{SECRET}@db/data",
        f"postgresql://me:{SECRET}@db",
        f"postgresql://:{SECRET}@db/data",
        f"postgresql://me:{SECRET}@db:port/data",
        f"postgresql://me:{SECRET}@/data",
        f"postgresql://me:{SECRET}/x@db/data",
    ],
)
def test_bad_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(QdsimError, match=r"--postgres .*write postgresql://USER@HOST:5432/DATABASE") as caught:
        read_postgres(url)
    assert SECRET not in str(caught.value)


def test_absent_servers_are_told_without_their_password(closed_port: int) -> None:
    postgres = read_postgres(f"postgresql://me:{SECRET}@127.0.0.1:{closed_port}/data")
    rabbitmq = read_rabbitmq(f"amqp://me:{SECRET}@127.0.0.1:{closed_port}")
    with pytest.raises(QdsimError, match=rf"me@127\.0\.0\.1:{closed_port}/data\): the server cannot be reached") as one:
        check_postgres(postgres)
    with pytest.raises(QdsimError, match=rf"me@127\.0\.0\.1:{closed_port}\): the server cannot be reached") as other:
        check_rabbitmq(rabbitmq)
    for text in (str(one.value), str(other.value), repr(postgres), repr(rabbitmq)):
        assert SECRET not in text
        assert "\n" not in text
