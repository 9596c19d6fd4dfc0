"""Trying a computer for real, before anything of it is made: connection, queue, files, and CP2K."""

from __future__ import annotations

import re
import shlex
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from qdsim.errors import QdsimError
from qdsim.machine.computers import LOCALHOST
from qdsim.machine.files import CodeFile, ComputerFile

if TYPE_CHECKING:
    from aiida.orm import Computer
    from aiida.schedulers import Scheduler
    from aiida.transports import Transport

_NOT_FOUND = 127


@dataclass(frozen=True)
class Place:
    """A computer as calculations will see it.

    Attributes
    ----------
    label : str
        Of the computer.
    host : str
        What the transport connects to.
    work_dir : str
        Folder of the calculations; may hold ``{username}``.
    shebang, prepend_text : str
        How its job scripts begin.
    transport : aiida.transports.Transport
        Not yet open.
    scheduler : aiida.schedulers.Scheduler
    """

    label: str
    host: str
    work_dir: str
    shebang: str
    prepend_text: str
    transport: Transport
    scheduler: Scheduler


def place_of_file(description: ComputerFile) -> Place:
    """Return the place that a computer file describes; a profile is loaded.

    Raises
    ------
    QdsimError
        If AiiDA has no such transport or scheduler, or refuses their options.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.plugins import SchedulerFactory, TransportFactory

    options = description.configure.transport_options()
    try:
        transport = TransportFactory(description.transport)(machine=description.hostname, **options)
        scheduler = SchedulerFactory(description.scheduler)()
    except (AiidaException, ValueError, TypeError) as error:
        raise QdsimError(f"the computer {description.label!r} cannot be set up: {error}") from error
    return Place(
        label=description.label,
        host=str(options.get("host", description.hostname)),
        work_dir=description.work_dir,
        shebang=description.shebang,
        prepend_text=description.prepend_text,
        transport=transport,
        scheduler=scheduler,
    )


def place_of_computer(computer: Computer) -> Place:
    """Return the place that is set up as a computer."""
    return Place(
        label=computer.label,
        host=str(computer.get_configuration().get("host", computer.hostname)),
        work_dir=computer.get_workdir(),
        shebang=computer.get_shebang(),
        prepend_text=computer.get_prepend_text(),
        transport=computer.get_transport(),
        scheduler=computer.get_scheduler(),
    )


@contextmanager
def connect(place: Place) -> Iterator[None]:
    """Open the connection for a few tests.

    Raises
    ------
    QdsimError
        If it cannot be opened.
    """
    from aiida.common.log import override_log_level
    from aiida.manage import get_manager

    how = "" if _is_local(place) else f"; `ssh {place.host}` must work without a password and know the host's key"
    manager = get_manager()
    manager.reset_runner()
    # A transport borrows the runner's event loop. This runner has no broker: the daemon may not run yet.
    manager.get_runner(communicator=None, with_persistence=False)
    try:
        with override_log_level(), ExitStack() as connection:
            with _explained(f"{place.label}: no connection to {place.host}", how):
                connection.enter_context(place.transport)
            yield
    finally:
        manager.reset_runner()


def check_connection(place: Place) -> None:
    """Check that commands print what they print, and nothing else; the connection is open.

    Raises
    ------
    QdsimError
        If a command cannot be run, or something is printed on connecting.
    """
    with _explained(f"{place.label}: a command could not be run on {place.host}", "; is the login shell there usable?"):
        status, output, errors = place.transport.exec_command_wait("echo -n")
    if status != 0:
        raise QdsimError(f"{place.label}: `echo -n` ended with exit code {status} on {place.host}.")
    printed = (output or errors).strip()
    if printed:
        raise QdsimError(
            f"{place.label}: {place.host} prints {printed.splitlines()[0]!r} on connecting, which would be taken for "
            "answers; have ~/.bashrc and ~/.bash_profile there print for interactive shells only, or set "
            "`use_login_shell: false`."
        )


def count_jobs(place: Place) -> int:
    """Ask the scheduler for its queue, and return how many jobs are in it; the connection is open.

    Raises
    ------
    QdsimError
        If it does not answer.
    """
    advice = (
        "; is `scheduler` the right one, and are its commands found? Where only a login shell finds them, set "
        "`use_login_shell: true`"
    )
    scheduler = place.scheduler
    scheduler.set_transport(place.transport)
    with _explained(f"{place.label}: the queue on {place.host} could not be read", advice):
        return len(scheduler.get_jobs())


def check_files(place: Place) -> None:
    """Write a file into the work folder and read it back; the connection is open.

    Raises
    ------
    QdsimError
        If that does not work, or gives back something else.
    """
    with _scratch_file(place, f"written by qdsim {uuid.uuid4()}\n") as (remote, content):
        advice = "; give a `work_dir` that you may write to"
        with (
            _explained(f"{place.label}: {remote} could not be read", advice),
            tempfile.TemporaryDirectory() as folder,
        ):
            back = Path(folder) / "back"
            place.transport.getfile(str(remote), str(back))
            same = back.read_text(encoding="utf-8") == content
        if not same:
            raise QdsimError(f"{place.label}: {remote} reads otherwise than it was written; is its disk full?")


def find_version(place: Place, code: CodeFile) -> str | None:
    """Start a program as a job would, ask it for its version, and return that; the connection is open.

    Parameters
    ----------
    place : Place
        Where.
    code : CodeFile
        The program; only CP2K is asked, and only where the file does not tell the version.

    Raises
    ------
    QdsimError
        If it is not there, cannot be run, or does not answer as CP2K does.
    """
    asks = code.default_calc_job_plugin == "cp2k" and code.version is None
    executable = shlex.quote(code.filepath_executable)
    lines = [
        place.shebang,
        # The computer's own text may take what only a job has, such as a slot of this machine.
        place.prepend_text if place.label != LOCALHOST else "",
        code.prepend_text,
        f"command -v {executable} > /dev/null || exit {_NOT_FOUND}",
        f"OMP_NUM_THREADS=1 {executable} --version" if asks else "",
    ]
    with _scratch_file(place, "\n".join(lines) + "\n") as (remote, _):
        interpreter = place.shebang.removeprefix("#!").strip() or "/bin/bash"
        with _explained(f"{place.label}: {code.filepath_executable} could not be run", ""):
            status, output, errors = place.transport.exec_command_wait(f"{interpreter} {shlex.quote(str(remote))}")
    last = (errors.strip() or output.strip()).splitlines()[-1:]
    said = f" ({last[0]})" if last else ""
    if status == _NOT_FOUND:
        raise QdsimError(
            f"the code {code.label}@{place.label}: {code.filepath_executable} is no program on {place.host}{said}; "
            "correct `filepath_executable`, or the modules in `prepend_text`."
        )
    if not asks:
        return code.version
    version = re.search(r"CP2K version (\S+)", output)
    if status != 0 or version is None:
        raise QdsimError(
            f"the code {code.label}@{place.label}: `{code.filepath_executable} --version` fails on {place.host} with "
            f"exit code {status}{said}; correct `prepend_text`, or, if CP2K starts on compute nodes only, write its "
            "`version` into the code file."
        )
    return version.group(1)


@contextmanager
def _scratch_file(place: Place, content: str) -> Iterator[tuple[PurePosixPath, str]]:
    """Have a file in the work folder for a while."""
    transport: Any = place.transport
    with _explained(f"{place.label}: no file could be written to {place.work_dir}", "; give a `work_dir` of your own"):
        folder = PurePosixPath(place.work_dir.format(username=transport.whoami()))
        transport.makedirs(str(folder), ignore_existing=True)
        remote = folder / f".qdsim-{uuid.uuid4().hex}"
        with tempfile.TemporaryDirectory() as local:
            written = Path(local) / "file"
            written.write_text(content, encoding="utf-8")
            transport.putfile(str(written), str(remote))
    try:
        yield remote, content
    finally:
        with suppress(OSError):
            transport.remove(str(remote))


@contextmanager
def _explained(what: str, advice: str) -> Iterator[None]:
    """Turn whatever transports, schedulers and their libraries raise into one sentence."""
    try:
        yield
    except QdsimError:
        raise
    except Exception as error:
        # asyncssh and AiiDA wrap each other's errors, often with an empty message: the innermost has the reason.
        causes = [error]
        while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and isinstance(cause, Exception):
            causes.append(cause)
        reason = next((text for one in causes if (text := " ".join(str(one).split()))), type(error).__name__)
        raise QdsimError(f"{what} ({reason.rstrip('.')}){advice}.") from error


def _is_local(place: Place) -> bool:
    from aiida.transports.plugins.local import LocalTransport

    return isinstance(place.transport, LocalTransport)
