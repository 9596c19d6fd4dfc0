import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from qdsim.cli import COMMANDS, QdsimGroup, Session, cli
from qdsim.errors import QdsimError

QDSIM = Path(sys.executable).with_name("qdsim")


@pytest.mark.parametrize("arguments", [["--help"], ["pattern", "--help"], ["fit", "--help"], ["compare", "--help"]])
def test_help_is_fast_and_imports_nothing_heavy(arguments: list[str]) -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([QDSIM, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5
    script = f"import sys; from qdsim.cli import cli; cli.main({arguments!r})"
    run = subprocess.run([sys.executable, "-X", "importtime", "-c", script], check=True, capture_output=True, text=True)
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in run.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"aiida", "numpy", "pandas", "pydantic", "rich", "scipy", "ase"}


def test_every_command_is_listed() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output
    for name, summary in COMMANDS.items():
        assert name in text
        assert summary in text
    assert "Examples:" in text


@pytest.mark.parametrize("name", ["init", "doctor", "completion", "pattern", "fit", "scan", "compare"])
def test_command_has_help_with_examples_and_takes_the_profile(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert f"qdsim {name}" in result.output
    assert "Examples:" in result.output
    assert "--profile NAME" in result.output


def test_version_is_printed() -> None:
    from qdsim import __version__

    assert __version__ in CliRunner().invoke(cli, ["--version"]).output


def test_misspelt_command_gets_the_nearest_name() -> None:
    result = CliRunner().invoke(cli, ["docter"])
    assert result.exit_code == 2
    assert "did you mean 'doctor'?" in result.output


class FakeGroup(QdsimGroup):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        return self.commands.get(cmd_name)


def run_raising(error: BaseException | None, *arguments: str, **options: Any) -> Result:
    """Run a group of one command, `run`, that prints its profile and raises."""
    group = FakeGroup(params=cli.params)

    @group.command(name="run")
    @click.pass_obj
    def run(session: Session) -> None:
        click.echo(f"profile {session.profile}")
        if error is not None:
            raise error

    return CliRunner().invoke(group, [*arguments, "run"], **options)


def wrapped(error: Exception) -> Exception:
    """Return what a library makes of an error."""
    outer = RuntimeError("something went wrong")
    outer.__cause__ = error
    return outer


def database_error() -> sqlite3.Error:
    """Return what SQLite says of a full disk."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as caught:
            database.execute("CREATE TABLE numbers (number)")
    return caught.value


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (QdsimError("strain.yaml: no good."), 2, "Error: strain.yaml: no good."),
        (OSError(28, "No space left on device", "out.html"), 2, "Error: out.html: no space is left on the disk"),
        (PermissionError(13, "Permission denied", "out.html"), 2, "Error: out.html: permission was denied"),
        (OSError(30, "Read-only file system"), 2, "Error: the file system is read-only"),
        (NotADirectoryError(20, "Not a directory", "out/x"), 2, "Error: out/x: a part of this path is a file"),
        (wrapped(OSError(28, "No space left on device", "data")), 2, "Error: data: no space is left on the disk"),
        (wrapped(database_error()), 2, "Error: database or disk is full; see whether AiiDA's folder"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_error_is_one_sentence_and_an_exit_code(error: BaseException, code: int, words: str) -> None:
    result = run_raising(error)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) <= 1


def test_error_is_red_on_a_terminal() -> None:
    assert "\x1b[31mError: no good." in run_raising(QdsimError("no good."), color=True).stderr


def test_programming_error_keeps_its_traceback() -> None:
    assert isinstance(run_raising(ValueError("a mistake")).exception, ValueError)
    assert isinstance(run_raising(FileNotFoundError(2, "gone", "x")).exception, FileNotFoundError)


def test_profile_comes_from_option_environment_or_default() -> None:
    assert "profile qdsim\n" in run_raising(None).output
    assert "profile other\n" in run_raising(None, env={"QDSIM_PROFILE": "other"}).output
    assert "profile mine\n" in run_raising(None, "--profile", "mine", env={"QDSIM_PROFILE": "other"}).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_QDSIM_COMPLETE" in result.output


def test_commands_are_completed() -> None:
    run = subprocess.run(
        [QDSIM],
        env={"_QDSIM_COMPLETE": "bash_complete", "COMP_WORDS": "qdsim do", "COMP_CWORD": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["plain,doctor"]
