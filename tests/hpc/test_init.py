"""`qdsim init` and `qdsim doctor` against real servers: SLURM over SSH, PostgreSQL, RabbitMQ."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.hpc import production
from tests.hpc.stack import PASSWORD, Stack

pytestmark = pytest.mark.long

Qdsim = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def qdsim(stack: Stack, tmp_path: Path) -> Iterator[Qdsim]:
    """Run `qdsim` in an AiiDA folder of its own."""
    environment = {**os.environ, **stack.client_environment, "AIIDA_PATH": str(tmp_path / "aiida"), "COLUMNS": "300"}
    programs = Path(sys.executable).parent

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs / "qdsim", *arguments],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    yield run
    configuration = tmp_path / "aiida" / ".aiida" / "config.json"
    for profile in json.loads(configuration.read_text())["profiles"] if configuration.exists() else ():
        subprocess.run([programs / "verdi", "-p", profile, "daemon", "stop"], env=environment, check=False)


def checks(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(run.stdout)["checks"]}


def without_password(url: str) -> str:
    return re.sub(r"//([^:@]+):[^@]*@", r"//\1@", url)


@pytest.fixture
def empty_database(stack: Stack) -> Iterator[str]:
    """The URL of a database of its own, in C.UTF-8."""
    url: str = stack.postgres_url
    administrator = stack.postgres_administrator_url
    with psycopg.connect(administrator, autocommit=True) as server:
        owner = psycopg.conninfo.conninfo_to_dict(url)["user"]
        server.execute(
            f"create database trial owner {owner} encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8' "
            "template template0"
        )
    yield re.sub(r"/[^/]+$", "/trial", url)
    with psycopg.connect(administrator, autocommit=True) as server:
        server.execute("drop database trial with (force)")


def tables(url: str) -> int:
    with psycopg.connect(url) as database:
        counted = database.execute("select count(*) from pg_tables where schemaname = current_schema()").fetchone()
    assert counted is not None
    return int(counted[0])


def test_slurm_over_ssh_is_tried_and_made(stack: Stack, qdsim: Qdsim, tmp_path: Path) -> None:
    computer, code = production.write_files(stack)
    made = qdsim("init", "--slots", "1", "--computer", str(computer), "--code", str(code))
    assert made.returncode == 0, made.stderr
    assert "job(s) in the queue" in made.stdout
    assert re.search(r"created +code \S+@\S+ +CP2K \d{4}\.\d", made.stdout)
    label = re.search(r"created +computer (?!localhost)(\S+)", made.stdout)
    assert label is not None
    row = checks(qdsim("doctor", "--json"))[f"computer {label.group(1)}"]
    assert (row["status"], "in its queue" in row["detail"]) == ("ok", True)

    closed = tmp_path / "closed.yaml"
    described = production.describe_computer(stack) | {"label": "closed", "hostname": "nowhere.invalid"}
    closed.write_text(yaml.safe_dump(described))
    refused = qdsim("init", "--computer", str(closed))
    assert refused.returncode == 2
    assert "no connection to nowhere.invalid" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "closed" not in qdsim("doctor", "--json").stdout


def test_production_profile(stack: Stack, qdsim: Qdsim, empty_database: str, tmp_path: Path) -> None:
    urls = ("--postgres", without_password(empty_database), "--rabbitmq", stack.rabbitmq_url)
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(production.describe_computer(stack) | {"scheduler": "core.pbspro"}))
    failed = qdsim("init", "--slots", "1", *urls, "--computer", str(broken), QDSIM_POSTGRES_PASSWORD=PASSWORD)
    assert failed.returncode == 2
    assert "the queue" in failed.stderr
    assert tables(empty_database) == 0  # the profile is gone, the database as empty as it was

    made = qdsim("init", "--slots", "1", *urls, QDSIM_POSTGRES_PASSWORD=PASSWORD)
    assert made.returncode == 0, made.stderr
    assert "core.psql_dos" in made.stdout
    assert "core.rabbitmq" in made.stdout
    assert tables(empty_database) > 0
    assert "unchanged" in qdsim("init", *urls).stdout
    found = qdsim("doctor", "--json")
    assert found.returncode == 0, found.stdout
    rows = checks(found)
    assert all(rows[name]["status"] == "ok" for name in ("profile", "daemon", "broker"))
    for run in (failed, made, found):
        assert PASSWORD not in run.stdout + run.stderr
    configuration = tmp_path / "aiida" / ".aiida" / "config.json"
    assert configuration.stat().st_mode & 0o077 == 0

    second = qdsim("--profile", "second", "init", *urls, QDSIM_POSTGRES_PASSWORD=PASSWORD)
    assert second.returncode == 2
    assert "holds" in second.stderr
    assert "tables already" in second.stderr


@pytest.mark.parametrize(
    ("option", "change", "words"),
    [
        ("--postgres", lambda url: re.sub(r"/[^/]+$", "/absent", url), "there is no such database"),
        ("--postgres", lambda url: re.sub(r"//[^@]+@", "//qdsim:wrong@", url), "the user or the password is wrong"),
        ("--postgres", without_password, "the user or the password is wrong"),
        ("--rabbitmq", lambda url: re.sub(r"//([^@/]*@)?", "//guest:wrong@", url), "the user or the password is wrong"),
        ("--rabbitmq", lambda url: url.rstrip("/") + "/absent", "there is no such virtual host"),
    ],
)
def test_servers_that_refuse_are_told_in_one_sentence(
    stack: Stack, qdsim: Qdsim, option: str, change: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    url = stack.postgres_url if option == "--postgres" else stack.rabbitmq_url
    run = qdsim("init", option, change(url))
    assert run.returncode == 2
    assert words in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    configuration = tmp_path / "aiida" / ".aiida" / "config.json"
    assert not configuration.exists()


def test_database_of_another_locale_is_refused(stack: Stack, qdsim: Qdsim) -> None:
    with psycopg.connect(stack.postgres_administrator_url, autocommit=True) as server:
        server.execute("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    try:
        run = qdsim("init", "--postgres", re.sub(r"/[^/]+$", "/latin", stack.postgres_url))
    finally:
        with psycopg.connect(stack.postgres_administrator_url, autocommit=True) as server:
            server.execute("drop database latin")
    assert run.returncode == 2
    assert "the database is in LATIN1, C, and AiiDA needs UTF8, C.UTF-8" in run.stderr
