"""AiiDA's daemon and its embedded ZeroMQ broker: starting them, and noticing when they have lost each other.

The broker makes a new socket every time it starts. Daemon workers and clients that were connected to the old
one never reconnect by themselves; what a client submits in that state stays `Created` for ever. The functions
here work on the loaded profile (see `qdsim.machine.profile.open_profile`).
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, NoReturn

import psutil

from qdsim.errors import QdsimError
from qdsim.machine.profile import rabbitmq_of

if TYPE_CHECKING:
    from aiida.engine.daemon.client import DaemonClient
    from aiida.orm import ProcessNode

    from qdsim.machine.services import RabbitMQ

_STATUS_INTERVAL = 5.0  # aiida.brokers.zeromq.defaults.STATUS_INTERVAL: how often the broker writes its status
_POLL_INTERVAL = 0.1
_START_TIMEOUT = 60
_WORKER_TIMEOUT = 10
_LONGEST_SOCKET = 107  # bytes in the path of a Unix socket
_WORKER_ROOMS = ("structures", "analysis", "cp2k", "workflows", "templates")  # what daemon workers import
_STOP_TIMEOUT = 60
_PLAY_TIMEOUT = 20
_INTERRUPTED = "Pausing after failed transport task"  # what AiiDA says of processes that it pauses itself
_ORPHAN_TIMEOUT = 10


@dataclass(frozen=True)
class Connection:
    """What is known about the broker and those it should be connected with.

    Attributes
    ----------
    broker_pid : int or None
        Process id of the broker; None if it does not run.
    workers : int
        Daemon workers that run.
    subscribed : int
        Workers that have told this broker that they take work.
    strayed : tuple of int
        Process ids of workers older than the broker: they still hold the socket of its predecessor.
    answers : bool
        Whether a message sent to the broker came back.
    """

    broker_pid: int | None
    workers: int
    subscribed: int
    strayed: tuple[int, ...]
    answers: bool

    @property
    def works(self) -> bool:
        """Whether what is submitted now will be taken up by every worker."""
        return self.answers and self.workers > 0 and self.subscribed >= self.workers and not self.strayed


def _client() -> DaemonClient:
    """Return a client for the daemon of the loaded profile."""
    from aiida.manage import get_manager

    from qdsim.machine.daemon_client import OwnDaemonClient

    profile = get_manager().get_profile()
    if profile is None:
        raise RuntimeError("no AiiDA profile is loaded; call qdsim.machine.profile.open_profile first")
    if profile.process_control_backend is None:
        raise QdsimError(
            f"the AiiDA profile {profile.name!r} has no broker, so it cannot run anything; use another one "
            "(`qdsim init` makes the profile 'qdsim')."
        )
    return OwnDaemonClient(profile)


def rabbitmq() -> RabbitMQ | None:
    """Return the RabbitMQ server of the loaded profile, or None if it has another broker."""
    return rabbitmq_of(_client().profile.name)


def worker_processes() -> list[psutil.Process]:
    """Return the daemon's worker processes; an empty list if the daemon does not run."""
    if not daemon_is_running():
        return []
    info: dict[str, Any] = _client().get_worker_info().get("info", {})
    processes = []
    for pid in info:
        try:
            processes.append(psutil.Process(int(pid)))
        except psutil.NoSuchProcess:
            continue
    return processes


def daemon_is_running() -> bool:
    """Tell whether the daemon answers (its process id file alone proves nothing)."""
    from aiida.engine.daemon.client import DaemonException

    client = _client()
    pid = client.get_daemon_pid()
    if pid is None or not psutil.pid_exists(pid):
        return False
    try:
        client.get_status()
    except DaemonException:
        return False
    return True


def daemon_has_died() -> bool:
    """Tell whether the daemon was killed; one that was stopped by a person leaves nothing that names its process."""
    pid = _client().get_daemon_pid()
    return pid is not None and not psutil.pid_exists(pid)


@contextmanager
def exclusively() -> Iterator[None]:
    """Keep others that use the same profile from submitting the same campaign, or mending the daemon, meanwhile."""
    from aiida.manage.configuration import get_config, get_profile

    profile = get_profile()
    if profile is None:
        raise QdsimError("No AiiDA profile is loaded; run 'qdsim init' first.")
    with (Path(get_config().dirpath) / f"qdsim-{profile.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def mend_daemon() -> None:
    """Start the daemon unless it runs; restart it where it has no workers, or they have lost broker or database.

    Raises
    ------
    QdsimError
        If it cannot be started.
    """
    if not daemon_is_running():
        ensure_daemon_running()
    elif not worker_processes() or strayed_workers() or workers_without_database():
        restart_cleanly()


def needs_mending() -> bool:
    """Tell whether `mend_daemon` has something to do that a person did not ask for."""
    return daemon_has_died() or bool(strayed_workers()) or bool(workers_without_database())


def ensure_daemon_running(workers: int | None = None) -> bool:
    """Start the daemon unless it runs.

    Parameters
    ----------
    workers : int, optional
        Workers of a daemon that is started; the profile's own number (`daemon.default_workers`) where not given. That
        is one where the data are in SQLite: it carries some thirty calculations a minute through, and never waits for
        another to write.

    Returns
    -------
    bool
        True if it had to be started; then a client that was connected before is reconnected.

    Raises
    ------
    QdsimError
        If it cannot be started, or has no workers then.
    """
    from aiida.common.exceptions import AiidaException

    if daemon_is_running():
        return False
    check_temporary_folder()
    _end_orphans()
    _forget_killed_broker()
    try:
        _client().start_daemon(number_workers=workers or _usual_workers(), timeout=_START_TIMEOUT)
    except (AiidaException, OSError) as error:
        *_, last = str(error).strip().splitlines() or [type(error).__name__]
        raise QdsimError(
            f"the AiiDA daemon could not be started ({last}); `verdi daemon logshow` may tell why."
        ) from error
    if not _gets_workers():
        _give_up("has no workers")
    reconnect()
    return True


def verify_workers() -> None:
    """Wait until the workers of a daemon that was just started take up work; stop it if they do not.

    Raises
    ------
    QdsimError
        If they do not.
    """
    if not wait_for_connection(_START_TIMEOUT).works:
        _give_up("has no workers that take up work")


def _give_up(reason: str) -> NoReturn:
    """Stop a daemon that is of no use, and say so."""
    client = _client()
    folder = Path(client.daemon_log_file).parent
    stop_daemon()
    _end_orphans()  # circus puts off to stop while it replaces workers that end at once
    raise QdsimError(f"the AiiDA daemon was started, but {reason}; the files in {folder} may tell why.")


def check_temporary_folder() -> None:
    """Refuse a temporary folder in which the sockets of daemon and broker would have names that are too long.

    Raises
    ------
    QdsimError
        If they would.
    """
    folder = gettempdir()
    if len(os.fsencode(folder)) > _LONGEST_SOCKET - len("/aiida_zeromq_12345678/router.sock"):
        raise QdsimError(
            f"the path of the temporary folder {folder} is too long for the sockets of AiiDA's daemon; set TMPDIR to a "
            "shorter one."
        )


def _gets_workers() -> bool:
    """Wait for the first worker; circus starts it after it has told that it runs, and gives up after some attempts."""
    deadline = time.monotonic() + _WORKER_TIMEOUT
    while not (found := worker_processes()) and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
    return bool(found)


def _usual_workers() -> int:
    from aiida.manage import get_manager

    return int(get_manager().get_option("daemon.default_workers") or 1)


def _end_orphans() -> None:
    """End what is left of a daemon that was killed, or that no longer answers.

    Its workers would go on beside those of the next daemon, and what that is given once more would be done twice.
    """
    client = _client()
    folder = client.get_env()["AIIDA_PATH"]
    commands = [f"-p {client.profile.name} daemon {role}" for role in ("start-circus", "broker", "worker")]
    with suppress(OSError):  # written by a daemon that was killed: where its statistics are served
        commands.append(
            f"circus import stats; stats.main() --endpoint ipc://{Path(client.circus_socket_file).read_text(encoding='utf-8')}"
        )
    orphans = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if any(command in line for command in commands) and process.environ().get("AIIDA_PATH") == folder:
                orphans.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for orphan in orphans:
            with suppress(psutil.NoSuchProcess):
                end(orphan)
        _, orphans = psutil.wait_procs(orphans, timeout=_ORPHAN_TIMEOUT)


def _forget_killed_broker() -> None:
    """Remove the address of a broker that was killed.

    Daemon and broker start side by side: a worker that is the first would connect to the address that is there.
    """
    from aiida.brokers.zeromq import ZeromqBroker
    from aiida.brokers.zeromq.service import ZeromqBrokerService
    from aiida.manage import get_manager
    from aiida.manage.configuration import get_config

    broker, profile = get_manager().get_broker(), get_manager().get_profile()
    if isinstance(broker, ZeromqBroker) and profile is not None and not broker.check_service_reachable():
        layout = ZeromqBrokerService.FilepathLayout(get_config().filepaths(profile)["broker_service"]["dir"])
        layout.sockets_file.unlink(missing_ok=True)


def stop_daemon() -> None:
    """Stop the daemon and its broker, if they run; processes go on when it is started again.

    Raises
    ------
    QdsimError
        If the daemon runs but cannot be stopped.
    """
    from aiida.common.log import override_log_level
    from aiida.engine.daemon.client import (
        DaemonException,
        DaemonNotRunningException,
        DaemonStalePidException,
    )

    client = _client()
    pid = client.get_daemon_pid()
    try:
        with override_log_level():
            client.stop_daemon(wait=True, timeout=_STOP_TIMEOUT)
    except (DaemonNotRunningException, DaemonStalePidException):
        return
    except DaemonException as error:
        raise QdsimError(
            f"the AiiDA daemon (process {pid}) does not stop ({error}); end that process yourself, then run "
            "`qdsim doctor --fix`."
        ) from error


def restart_cleanly(workers: int | None = None) -> None:
    """Stop the daemon, give every unfinished process back to the queue, start the daemon, and reconnect.

    This brings back processes that were submitted while the broker and the workers had lost each other.

    Raises
    ------
    QdsimError
        If one of the steps fails.
    """
    client = _client()
    stop_daemon()
    repair = subprocess.run(  # noqa: S603 (AiiDA's own command, without a shell)
        [sys.executable, "-P", "-m", "aiida", "-p", client.profile.name, "process", "repair", "--force"],
        env=client.get_env(),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if repair.returncode != 0:
        ensure_daemon_running(workers)
        last = repair.stderr.strip().splitlines()[-1:]
        raise QdsimError(
            f"`verdi -p {client.profile.name} process repair` failed with exit code {repair.returncode}: {last}."
        )
    ensure_daemon_running(workers)


def reconnect() -> None:
    """Drop this Python client's connection to the broker; the next submission makes a new one.

    Nodes that are already loaded stay usable.
    """
    from aiida.manage import get_manager

    manager = get_manager()
    manager.reset_runner()
    manager.reset_broker()


def client_is_connected(timeout: float = 2.0) -> bool:
    """Tell whether a message that this client sends to the broker comes back within ``timeout`` seconds."""
    from aiida.manage import get_manager

    name = f"qdsim-{uuid.uuid4().hex}"
    try:
        communicator = get_manager().get_communicator()
        communicator.add_rpc_subscriber(lambda _communicator, message: message, name)
        try:
            return bool(communicator.rpc_send(name, "echo").result(timeout=timeout) == "echo")
        finally:
            communicator.remove_rpc_subscriber(name)
    except (ConnectionError, TimeoutError, FutureTimeoutError):
        return False


def probe_connection() -> Connection:
    """Look at the broker, the workers, and whether they are connected, as they are at this moment."""
    from aiida.brokers.zeromq import ZeromqBroker
    from aiida.manage import get_manager

    broker = get_manager().get_broker()
    workers = worker_processes()
    if not isinstance(broker, ZeromqBroker):
        answers = client_is_connected()
        return Connection(None, len(workers), len(workers) if answers else 0, (), answers)
    if not broker.check_service_reachable():
        return Connection(None, len(workers), 0, (), answers=False)
    status: dict[str, Any] = dict(broker.probe_service_status())
    pid = status.get("pid")
    if not isinstance(pid, int) or not psutil.pid_exists(pid):
        return Connection(None, len(workers), 0, (), answers=False)
    return Connection(
        broker_pid=pid,
        workers=len(workers),
        subscribed=int(status.get("task_subscribers", 0)),
        strayed=strayed_workers(),
        answers=client_is_connected(),
    )


def strayed_workers() -> tuple[int, ...]:
    """Return the process ids of workers older than the broker: they still hold the socket of its predecessor."""
    from aiida.brokers.zeromq import ZeromqBroker
    from aiida.manage import get_manager

    broker = get_manager().get_broker()
    if not isinstance(broker, ZeromqBroker) or not broker.check_service_reachable():
        return ()
    pid = broker.probe_service_status().get("pid")
    if not isinstance(pid, int) or not psutil.pid_exists(pid):
        return ()
    born = psutil.Process(pid).create_time()
    return tuple(worker.pid for worker in worker_processes() if worker.create_time() < born)


def workers_without_database() -> tuple[int, ...]:
    """Return the process ids of workers older than the PostgreSQL server.

    They were connected with it before it was restarted. AiiDA's workers never leave the transaction that ended there,
    and what they do fails from then on, in silence.
    """
    from aiida.manage import get_manager
    from sqlalchemy import text

    manager = get_manager()
    profile = manager.get_profile()
    if profile is None or profile.storage_backend != "core.psql_dos":
        return ()
    storage: Any = manager.get_profile_storage()
    # An age, not a time: the server's clock need not be that of this machine.
    age = storage.get_session().scalar(
        text("SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float")
    )
    return tuple(worker.pid for worker in worker_processes() if time.time() - worker.create_time() > age)


def wait_for_connection(timeout: float = 30.0) -> Connection:
    """Wait until broker and workers are connected, and return what is found then or at the end of ``timeout``.

    A worker needs a few seconds to start, and the broker tells of it only every five seconds. What waiting
    cannot mend (no daemon, workers that hold the socket of a broker that is gone) is returned at once.
    """
    deadline = time.monotonic() + timeout
    while True:
        connection = probe_connection()
        hopeless = bool(connection.strayed) or not connection.workers
        if connection.works or hopeless or time.monotonic() > deadline:
            return connection
        time.sleep(_POLL_INTERVAL)


def broker_is_connected() -> bool:
    """Tell whether what is submitted now will be taken up: the broker answers, and every worker listens to it.

    Takes up to two of the broker's status intervals (10 s) to say no.
    """
    return wait_for_connection(2 * _STATUS_INTERVAL).works


def stuck_processes(older_than: timedelta = timedelta(minutes=1)) -> list[ProcessNode]:
    """Return the processes that were submitted but that no worker has taken up.

    Parameters
    ----------
    older_than : timedelta
        How long a process may wait before it counts as stuck; a worker takes one up within seconds.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(
        ProcessNode,
        filters={
            "attributes.process_state": "created",
            "ctime": {"<": datetime.now().astimezone() - older_than},
        },
    )
    return list(query.all(flat=True))


def interrupted_processes() -> list[ProcessNode]:
    """Return the processes that AiiDA has paused, since their computer could not be reached several times over.

    What a person has paused is not among them.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(
        ProcessNode,
        filters={
            "attributes.paused": True,
            "attributes.process_status": {"like": f"{_INTERRUPTED}%"},
            "attributes.process_state": {"in": ["created", "waiting", "running"]},
        },
    )
    return list(query.all(flat=True))


def resume_interrupted() -> int:
    """Let the processes that AiiDA has paused try again, and return how many there are.

    What was submitted is not submitted again. Where the computer still cannot be reached, they pause once more.

    Raises
    ------
    QdsimError
        If the daemon does not answer.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.common.log import override_log_level
    from aiida.engine.processes.control import play_processes

    interrupted = interrupted_processes()
    if interrupted:
        try:
            with override_log_level():
                play_processes(interrupted, timeout=_PLAY_TIMEOUT)
        except AiidaException as error:
            raise QdsimError(f"the paused processes could not be resumed: {error}; try `qdsim doctor`.") from error
    return len(interrupted)


def daemon_is_outdated() -> bool:
    """Tell whether the daemon's workers started before the code and data that they use were changed."""
    package = Path(__file__).resolve().parents[1]
    changed = max(
        path.stat().st_mtime
        for room in _WORKER_ROOMS
        for path in (package / room).glob("**/*")
        if path.suffix in {".py", ".yaml", ".inp"}
    )
    return any(worker.create_time() < changed for worker in worker_processes())
