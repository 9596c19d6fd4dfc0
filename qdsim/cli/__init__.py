"""The `qdsim` command: a thin click group that imports a command only when it is called."""

from __future__ import annotations

import codecs
import errno
import importlib
import io
import os
import sys
import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from qdsim import __version__
from qdsim.errors import QdsimError, QdsimWarning
from qdsim.machine.aiida_folder import aiida_folder, folder_of_its_own, is_configured, refusal_of

__all__ = ["COMMANDS", "Session", "cli", "main"]

COMMANDS = {
    "init": "Set up this machine: profile, computer, CP2K code and daemon.",
    "doctor": "Check this machine, and repair what can safely be repaired.",
    "run": "Run a campaign file, and watch it.",
    "status": "Show what runs, what is done and what is left.",
    "pause": "Submit nothing new of a campaign for the time being.",
    "resume": "Let a paused or failed campaign go on.",
    "cancel": "End a campaign, and take what it has in a queue out of it.",
    "results": "Print the results of a campaign.",
    "check": "Check relaxed crystals by scattering fits and data.",
    "query": "Look for results over all campaigns.",
    "trace": "Follow a result back to CP2K's outputs, or onwards.",
    "why": "Tell where a printed number comes from.",
    "diff": "Tell what differs between two campaigns.",
    "report": "Write a campaign's results as one HTML file.",
    "archive": "Write a campaign as one file for other machines.",
    "export": "Write relaxed structures as starting models of scattering fits.",
    "campaign": "Check campaign files and print their schema.",
    "pattern": "Compute the scattering of a structure or a model.",
    "fit": "Fit a nanocrystal model to scattering data.",
    "scan": "Scan chi^2 along one or two parameters of a fit.",
    "compare": "Tell which of several models scattering data prefer.",
    "completion": "Print the completion script of a shell.",
}
"""Every command and its one-line help; the command itself is `qdsim.cli.<name>.command`."""

_SET_UP = {"init", "doctor"}
"""Commands that may make AiiDA's folder; the others leave no trace on a machine that is not set up."""

_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130
_formatwarning = warnings.formatwarning

_DISK_ERRORS = {
    errno.ENOSPC: "no space is left on the disk; free some and run the command again",
    errno.EDQUOT: "your disk quota is used up; free some space and run the command again",
    errno.EACCES: "permission was denied; choose a place you may write to",
    errno.EPERM: "permission was denied; choose a place you may write to",
    errno.EROFS: "the file system is read-only; choose a place you may write to",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


_DATABASE_ERRORS = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")


@dataclass
class Session:
    """What all commands share; click hands it to commands decorated with `click.pass_obj`.

    Attributes
    ----------
    profile : str
        Name of the AiiDA profile to work in.
    """

    profile: str = "qdsim"


def _keep_profile(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    session = context.ensure_object(Session)
    if value is not None:
        session.profile = value


def _profile_option(*, from_environment: bool) -> click.Option:
    return click.Option(
        ["--profile"],
        metavar="NAME",
        envvar="QDSIM_PROFILE" if from_environment else None,
        expose_value=False,
        is_eager=True,
        callback=_keep_profile,
        help="AiiDA profile to work in. [default: qdsim, or $QDSIM_PROFILE]",
    )


class QdsimGroup(click.Group):
    """A group whose commands are imported when called, and whose errors are one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the command names in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        """Import and return a command, which accepts `--profile` too; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{__name__}.{cmd_name}.command is not a click command")
        if not any("--profile" in parameter.opts for parameter in command.params):
            command.params.append(_profile_option(from_environment=False))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, offering the nearest name for one that does not exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            nearest = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"No such command {args[0]!r}; {hint}", ctx)
        found = super().resolve_command(ctx, args)
        if found[0] not in _SET_UP and not is_configured():
            ctx.with_resource(folder_of_its_own())
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's signature)
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing any."""
        names = [
            CompletionItem(name, help=summary) for name, summary in COMMANDS.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line and leave with its exit code: 2 for unusable input, 130 on Ctrl-C."""
        kwargs["standalone_mode"] = False
        try:
            status = super().main(*args, **kwargs)
        except click.Abort:
            sys.exit(_EXIT_INTERRUPTED)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except QdsimError as error:
            _fail(str(error))
        except Exception as error:
            sentence = _explain(error)
            if sentence is None:
                raise
            _fail(sentence)
        sys.exit(status if isinstance(status, int) else 0)


def _explain(error: BaseException | None) -> str | None:
    """Return what the machine has refused, also where a library has wrapped it; None if it was something else."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return _explain_refusal(error, _DISK_ERRORS[error.errno])
        if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding() != "utf-8":
            name = f"{error.object!r} cannot be a name in this locale, whose encoding is {error.encoding}"
            return f"{name}; set LC_ALL=C.UTF-8."
        if getattr(error, "sqlite_errorname", "").startswith(_DATABASE_ERRORS):
            return f"{error}; see whether AiiDA's folder {aiida_folder()} can be written, and its disk has space left."
        error = error.__cause__
    return None


def _explain_refusal(error: OSError, reason: str) -> str:
    if error.filename is None:
        return f"{reason}."
    place, folder = Path(os.fsdecode(error.filename)), aiida_folder()
    if place.is_relative_to(folder) or folder.is_relative_to(place):
        return refusal_of(error)
    return f"{place}: {reason}."


def _fail(sentence: str) -> NoReturn:
    click.secho(f"Error: {sentence}", fg="red", err=True)
    sys.exit(_EXIT_BAD_INPUT)


_EXAMPLES = """\b
Examples:
  qdsim init                          set up this machine
  qdsim doctor --fix                  check it, and repair it
  qdsim run examples/quickstart.yaml  run a campaign
  qdsim report -o report.html         write its report
"""


@click.group(
    epilog=_EXAMPLES,
    cls=QdsimGroup,
    params=[_profile_option(from_environment=True)],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="qdsim")
def cli() -> None:
    """Simulate lead chalcogenide quantum dots with CP2K, driven by AiiDA."""


def main() -> NoReturn:
    """Run `qdsim`, the console script, on any machine.

    The folder of this interpreter is put first in PATH, so that AiiDA finds the `verdi` of the same environment
    also when that environment is not activated.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        Path.home()
    except RuntimeError:  # a container's user without a name: libraries look for their settings at home
        os.environ["HOME"] = os.path.sep
    for stream in (sys.stdout, sys.stderr):
        _print_anything(stream)
    warnings.formatwarning = _format_warning
    cli.main()


def _print_anything(stream: object) -> None:
    """Let a stream put a mark in place of what it cannot print; ASCII is what is said where nothing is known."""
    if isinstance(stream, io.TextIOWrapper):
        unknown = codecs.lookup(stream.encoding).name == "ascii"
        stream.reconfigure(encoding="utf-8" if unknown else None, errors="replace")


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Print a reservation as `qdsim.cli.progress.notice` does, and any other warning as ever."""
    if issubclass(category, QdsimWarning):
        return f"note {message}\n"
    return _formatwarning(message, category, filename, lineno, line)
