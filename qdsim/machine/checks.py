"""`qdsim doctor`: what must work on this machine, checked for real, and what mends it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from qdsim.errors import QdsimError
from qdsim.machine import codes, computers, daemon, probe, profile
from qdsim.machine.aiida_folder import refusal
from qdsim.machine.computers import LOCALHOST
from qdsim.machine.installation import HOW_TO_INSTALL, Cp2kInstallation, find_cp2k, find_mpirun, find_reference_blas
from qdsim.machine.localhost import describe_localhost, missing_program
from qdsim.machine.processors import Layout
from qdsim.machine.services import check_rabbitmq
from qdsim.machine.setup import Request, read_layout, set_up
from qdsim.machine.trial import run_trial

if TYPE_CHECKING:
    from aiida.orm import Computer, ProcessNode

_GIGABYTE = 1e9
_LEAST_SPACE = 1.0
_COMFORTABLE_SPACE = 5.0
_CONNECTION_TIMEOUT = 15.0
_INSTALL_CP2K = f"{HOW_TO_INSTALL}; then `qdsim init`"
_MEND = "qdsim doctor --fix"


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Repair(StrEnum):
    """What `qdsim doctor --fix` can safely do: none of it loses data or repeats a finished calculation."""

    SET_UP = "set up this machine again (qdsim init)"
    START_DAEMON = "start the daemon"
    RESTART_DAEMON = "restart the daemon and give unfinished processes back to it"
    RESUME = "resume the processes that could not reach their computer"


class Check(BaseModel):
    """One row of the doctor's table.

    Attributes
    ----------
    name : str
        What was checked.
    status : Status
        "skipped" if something it needs has failed.
    detail : str
        What was found.
    fix : str or None
        What the user can do about it.
    repair : Repair or None
        What `repair_machine` would do about it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    status: Status
    detail: str
    fix: str | None = None
    repair: Repair | None = None


def check_machine(profile_name: str) -> list[Check]:
    """Run every check; one that needs something that has failed is skipped.

    Parameters
    ----------
    profile_name : str
        AiiDA profile to check; it is loaded if it can be.
    """
    opened = check_profile(profile_name)
    works = opened.status is Status.OK
    if works and computers.find_computer(LOCALHOST) is None and computers.other_computers():
        return [opened, *_daemon_checks(), *check_other_computers(), check_disk_space()]
    installation, found = check_cp2k(use_code=works)
    layout = read_layout() if works else None
    checks = [found, check_data_files(installation), check_linear_algebra(installation)]
    checks += [check_mpi(installation, layout), check_calculation(installation, layout), opened]
    for name, check in _profile_checks(profile_name, installation):
        checks.append(check() if works else _skipped(name, f"needs the profile {profile_name!r}"))
    return [*checks, *(check_other_computers() if works else []), check_disk_space()]


def _profile_checks(profile_name: str, installation: Cp2kInstallation | None) -> list[tuple[str, Callable[[], Check]]]:
    return [
        ("computer", lambda: check_computer(profile_name, installation)),
        ("code", lambda: check_code(installation)),
        ("daemon", check_daemon),
        ("broker", check_broker),
        ("stuck processes", check_stuck_processes),
        ("interrupted processes", check_interrupted_processes),
    ]


def _daemon_checks() -> list[Check]:
    return [check_daemon(), check_broker(), check_stuck_processes()]


def repair_machine(profile_name: str, checks: Iterable[Check]) -> list[Repair]:
    """Do what the failed checks ask for, and return what was done.

    Raises
    ------
    QdsimError
        If a repair fails.
    """
    wanted = {check.repair for check in checks if check.repair is not None}
    done = []
    if Repair.SET_UP in wanted:
        set_up(Request(profile=profile_name))
        done.append(Repair.SET_UP)
    if Repair.RESTART_DAEMON in wanted:
        with daemon.exclusively():
            daemon.restart_cleanly()
        done.append(Repair.RESTART_DAEMON)
    elif Repair.START_DAEMON in wanted:
        with daemon.exclusively():
            daemon.ensure_daemon_running()
        done.append(Repair.START_DAEMON)
    if done:
        daemon.wait_for_connection()
    if Repair.RESUME in wanted:
        daemon.resume_interrupted()
        done.append(Repair.RESUME)
    return done


def check_cp2k(*, use_code: bool) -> tuple[Cp2kInstallation | None, Check]:
    """Look for CP2K where `cp2k@localhost` says it is (if the profile is open), else in ``PATH``."""
    executable = None
    if use_code:
        computer = computers.find_computer(LOCALHOST)
        code = codes.find_code("cp2k", computer) if computer is not None else None
        executable = Path(str(code.filepath_executable)) if code is not None else None
    try:
        installation = find_cp2k(executable)
    except QdsimError as error:
        return None, Check(name="CP2K", status=Status.FAILED, detail=str(error), fix=_INSTALL_CP2K)
    detail = f"CP2K {installation.version}, {installation.executable}"
    return installation, Check(name="CP2K", status=Status.OK, detail=detail)


def check_data_files(installation: Cp2kInstallation | None) -> Check:
    """Tell where the basis sets and pseudopotentials are; `find_cp2k` has seen the files."""
    if installation is None:
        return _skipped("data files", "needs CP2K")
    return Check(name="data files", status=Status.OK, detail=str(installation.data_directory))


def check_linear_algebra(installation: Cp2kInstallation | None) -> Check:
    """Tell whether CP2K computes with the slow reference BLAS."""
    if installation is None:
        return _skipped("linear algebra", "needs CP2K")
    reference = find_reference_blas(installation.executable)
    if reference is None:
        return Check(name="linear algebra", status=Status.OK, detail="not the reference BLAS")
    detail = f"CP2K computes with the reference BLAS, {reference}, several times slower on cells of 50 atoms and more"
    fix = "apt-get install libopenblas0-openmp"
    return Check(name="linear algebra", status=Status.WARNING, detail=detail, fix=fix)


def check_mpi(installation: Cp2kInstallation | None, layout: Layout | None) -> Check:
    """Ask ``mpirun`` for its version; `check_calculation` starts CP2K with it where there are several ranks."""
    needed = layout is not None and layout.ranks > 1
    mpirun = find_mpirun(installation.executable) if installation is not None else None
    if mpirun is None:
        if needed:
            return Check(
                name="MPI",
                status=Status.FAILED,
                detail="mpirun was not found",
                fix="apt-get install openmpi-bin, or qdsim init --ranks 1",
            )
        return Check(name="MPI", status=Status.OK, detail="no mpirun, and calculations of one rank need none")
    answer = subprocess.run([mpirun, "--version"], capture_output=True, encoding="utf-8", errors="replace", check=False)  # noqa: S603 (mpirun itself)
    ranks = layout.ranks if layout is not None else 1
    if answer.returncode != 0:
        detail = f"{mpirun} --version ended with exit code {answer.returncode}"
        fix = "apt-get install --reinstall openmpi-bin" + (", or qdsim init --ranks 1" if needed else "")
        return Check(name="MPI", status=Status.FAILED if needed else Status.WARNING, detail=detail, fix=fix)
    version = answer.stdout.strip().splitlines()[0]
    return Check(name="MPI", status=Status.OK, detail=f"{version}, {ranks} rank(s) a calculation")


def check_calculation(installation: Cp2kInstallation | None, layout: Layout | None) -> Check:
    """Calculate the hydrogen molecule, with as many ranks as calculations have."""
    if installation is None:
        return _skipped("calculation", "needs CP2K")
    launcher: list[str] = []
    if layout is not None and layout.ranks > 1:
        mpirun = find_mpirun(installation.executable)
        if mpirun is None:
            return _skipped("calculation", "needs mpirun")
        launcher = [str(mpirun), "--bind-to", "none", "-np", str(layout.ranks)]
    try:
        seconds = run_trial(installation, launcher)
    except QdsimError as error:
        fix = "apt-get install --reinstall cp2k cp2k-data, or qdsim init --cp2k with another CP2K"
        return Check(name="calculation", status=Status.FAILED, detail=str(error), fix=fix)
    return Check(name="calculation", status=Status.OK, detail=f"hydrogen molecule in {seconds:.1f} s")


def check_profile(profile_name: str) -> Check:
    """Load the AiiDA profile and open its data."""
    refused = refusal()
    if refused is not None:
        detail, _, fix = refused.partition("; ")
        return Check(name="profile", status=Status.FAILED, detail=detail, fix=fix.rstrip("."))
    exists = profile.profile_exists(profile_name)
    try:
        loaded = profile.open_profile(profile_name)
    except QdsimError as error:
        return Check(
            name="profile",
            status=Status.FAILED,
            detail=str(error),
            fix=_profile_fix(profile_name, error) if exists else "qdsim init",
            repair=None if exists else Repair.SET_UP,
        )
    detail = f"{loaded.name}: {profile.describe(loaded)}"
    return Check(name="profile", status=Status.OK, detail=detail)


def _profile_fix(profile_name: str, error: QdsimError) -> str:
    from aiida.common.exceptions import UnreachableStorage

    if isinstance(error.__cause__, UnreachableStorage):
        return "start its PostgreSQL server"
    return f"verdi -p {profile_name} storage migrate"


def check_computer(profile_name: str, installation: Cp2kInstallation | None) -> Check:
    """Compare the computer `localhost` with what `qdsim init` would make of it."""
    computer, layout = computers.find_computer(LOCALHOST), read_layout()
    if computer is None or layout is None or not computer.is_configured:
        detail = f"{LOCALHOST} is not set up"
        return Check(name="computer", status=Status.FAILED, detail=detail, fix="qdsim init", repair=Repair.SET_UP)
    missing = missing_program()
    if missing is not None:
        return Check(name="computer", status=Status.FAILED, detail=missing[0], fix=missing[1])
    detail = f"{LOCALHOST}: {layout.slots} calculation(s) at once, {layout.ranks} rank(s) each"
    if installation is not None:
        mpirun = find_mpirun(installation.executable)
        if mpirun is None and layout.ranks > 1:
            return _skipped("computer", "needs mpirun")
        wanted = describe_localhost(layout, profile.work_directory(profile_name), mpirun)
        if wanted.prepend_text != computer.get_prepend_text():
            detail += ", but its job script is not the one this version of qdsim makes"
            return Check(name="computer", status=Status.WARNING, detail=detail, fix="qdsim init", repair=Repair.SET_UP)
    return Check(name="computer", status=Status.OK, detail=detail)


def check_code(installation: Cp2kInstallation | None) -> Check:
    """Compare the code `cp2k@localhost` with the CP2K that is on this machine."""
    computer = computers.find_computer(LOCALHOST)
    code = codes.find_code("cp2k", computer) if computer is not None else None
    if code is None:
        detail = f"cp2k@{LOCALHOST} is not set up"
        return Check(name="code", status=Status.FAILED, detail=detail, fix="qdsim init", repair=Repair.SET_UP)
    if installation is None:
        return Check(
            name="code",
            status=Status.FAILED,
            detail=f"{code.full_label} points to {code.filepath_executable}, which does not work",
            fix="qdsim init, or qdsim init --cp2k PATH",
        )
    known = code.base.extras.get(codes.VERSION_KEY, None)
    if known != installation.version:
        return Check(
            name="code",
            status=Status.FAILED,
            detail=f"{code.full_label} was CP2K {known} and is now {installation.version}",
            fix="qdsim init",
            repair=Repair.SET_UP,
        )
    return Check(name="code", status=Status.OK, detail=f"{code.full_label}: {code.description}")


def check_other_computers() -> list[Check]:
    """Connect with every other computer, and ask it for its queue."""
    return [check_other_computer(computer) for computer in computers.other_computers()]


def check_other_computer(computer: Computer) -> Check:
    """Connect with a computer and ask for its queue; where calculations wait for it, its absence is a failure."""
    name = f"computer {computer.label}"
    try:
        place = probe.place_of_computer(computer)
        with probe.connect(place):
            probe.check_connection(place)
            jobs = probe.count_jobs(place)
    except QdsimError as error:
        waiting = computers.unfinished_jobs(computer)
        return Check(
            name=name,
            status=Status.FAILED if waiting else Status.WARNING,
            detail=f"{error}" + (f" {waiting} calculation(s) wait for it." if waiting else ""),
            fix="`verdi process play -a` once it is back; if it is gone for good, "
            f"`verdi computer disable {computer.label} {computers.user_email()}`",
        )
    return Check(name=name, status=Status.OK, detail=f"{place.host} answers, {jobs} job(s) in its queue")


def check_daemon() -> Check:
    """Ask the daemon for its workers, and whether they run this version of the package."""
    if not daemon.daemon_is_running():
        return Check(
            name="daemon",
            status=Status.FAILED,
            detail="it does not run, so nothing that is submitted is calculated",
            fix=_MEND,
            repair=Repair.START_DAEMON,
        )
    workers = len(daemon.worker_processes())
    if not workers:
        return Check(
            name="daemon",
            status=Status.FAILED,
            detail="it has no workers, so nothing that is submitted is calculated",
            fix=_MEND,
            repair=Repair.RESTART_DAEMON,
        )
    lost = len(daemon.workers_without_database())
    if lost:
        return Check(
            name="daemon",
            status=Status.FAILED,
            detail=f"{lost} of {workers} worker(s) are older than the database server, and no longer connected with it",
            fix=_MEND,
            repair=Repair.RESTART_DAEMON,
        )
    if daemon.daemon_is_outdated():
        return Check(
            name="daemon",
            status=Status.WARNING,
            detail=f"{workers} worker(s), which run an older version of qdsim",
            fix=_MEND,
            repair=Repair.RESTART_DAEMON,
        )
    return Check(name="daemon", status=Status.OK, detail=f"{workers} worker(s)")


def check_broker() -> Check:
    """Send a message through the broker, and count the workers that listen to it."""
    if not daemon.daemon_is_running():
        return _skipped("broker", "needs the daemon")
    server = daemon.rabbitmq()
    if server is not None:
        try:
            check_rabbitmq(server)
        except QdsimError as error:
            fix = "start it; the daemon connects with it again by itself"
            return Check(name="broker", status=Status.FAILED, detail=str(error), fix=fix)
    connection = daemon.wait_for_connection(_CONNECTION_TIMEOUT)
    if connection.works:
        detail = f"it answers, and {connection.workers} worker(s) listen to it"
        return Check(name="broker", status=Status.OK, detail=detail)
    return Check(
        name="broker",
        status=Status.FAILED,
        detail=_describe_lost_connection(connection),
        fix=_MEND,
        repair=Repair.RESTART_DAEMON,
    )


def _describe_lost_connection(connection: daemon.Connection) -> str:
    if connection.workers == 0:
        return "the daemon has no workers that could listen to it"
    if connection.strayed:
        return (
            f"it was started again, and {len(connection.strayed)} of {connection.workers} worker(s) still listen to "
            "the one before: what is submitted now is lost"
        )
    if not connection.answers:
        return "it does not answer"
    return f"{connection.subscribed} of {connection.workers} worker(s) listen to it"


def check_stuck_processes(older_than: timedelta = timedelta(minutes=1)) -> Check:
    """Look for processes that were submitted but never taken up."""
    stuck = daemon.stuck_processes(older_than)
    if not stuck:
        return Check(name="stuck processes", status=Status.OK, detail="none")
    return Check(
        name="stuck processes",
        status=Status.FAILED,
        detail=f"{len(stuck)} process(es) submitted but never taken up: {_name(stuck)}",
        fix=_MEND,
        repair=Repair.RESTART_DAEMON,
    )


def check_interrupted_processes() -> Check:
    """Look for processes that AiiDA has paused, since their computer could not be reached."""
    interrupted = daemon.interrupted_processes()
    if not interrupted:
        return Check(name="interrupted processes", status=Status.OK, detail="none")
    return Check(
        name="interrupted processes",
        status=Status.FAILED,
        detail=f"{len(interrupted)} process(es) paused: their computer could not be reached: {_name(interrupted)}",
        fix="once it can be: qdsim doctor --fix, or verdi process play",
        repair=Repair.RESUME,
    )


def _name(processes: Sequence[ProcessNode]) -> str:
    return ", ".join(str(process.pk) for process in processes[:5]) + (", ..." if len(processes) > 5 else "")  # noqa: PLR2004


def check_disk_space() -> Check:
    """Look at the free space where calculations run and where temporary files go."""
    places = (profile.data_directory(), Path(tempfile.gettempdir()))
    free, place = min((shutil.disk_usage(place).free / _GIGABYTE, place) for place in places)
    detail = f"{free:.1f} GB free in {place}"
    if free >= _COMFORTABLE_SPACE:
        return Check(name="disk space", status=Status.OK, detail=detail)
    return Check(
        name="disk space",
        status=Status.FAILED if free < _LEAST_SPACE else Status.WARNING,
        detail=detail,
        fix="delete what is not needed; `verdi calcjob cleanworkdir` empties the folders of finished calculations",
    )


def _skipped(name: str, reason: str) -> Check:
    return Check(name=name, status=Status.SKIPPED, detail=reason)
