"""`qdsim init`: make everything that running a campaign on this machine needs, once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError
from qdsim.machine import codes, computers, daemon, probe, profile
from qdsim.machine.aiida_folder import refusal
from qdsim.machine.computers import LOCALHOST
from qdsim.machine.files import CodeFile, ComputerFile, read_code_file, read_computer_file
from qdsim.machine.installation import Cp2kInstallation, find_cp2k, find_mpirun
from qdsim.machine.localhost import describe_localhost, missing_program
from qdsim.machine.processors import Layout, choose_layout, count_cores
from qdsim.machine.services import check_postgres, check_rabbitmq, read_postgres, read_rabbitmq

if TYPE_CHECKING:
    from aiida.orm import Computer

_LAYOUT_KEY = "qdsim_layout"


@dataclass(frozen=True)
class Request:
    """What the user asks of `qdsim init`.

    Attributes
    ----------
    profile : str
        Name of the AiiDA profile.
    slots, ranks : int or None
        Calculations at once on this machine, and MPI ranks of each; None keeps what an earlier call chose, or
        takes what suits the machine.
    cp2k : Path or None
        CP2K's executable; None keeps what an earlier call found, or looks in ``PATH``.
    computer_file, code_file : Path or None
        Descriptions of another machine and of the CP2K on it.
    postgres, rabbitmq : str or None
        URLs of servers that a new profile is to use.
    """

    profile: str = "qdsim"
    slots: int | None = None
    ranks: int | None = None
    cp2k: Path | None = None
    computer_file: Path | None = None
    code_file: Path | None = None
    postgres: str | None = None
    rabbitmq: str | None = None


@dataclass(frozen=True)
class Step:
    """One thing that `qdsim init` has seen to.

    Attributes
    ----------
    subject : str
        What it is about, for example "computer localhost".
    state : str
        "created", "updated", "replaced", "started", "restarted", "skipped" or "unchanged".
    detail : str
        The facts, for a person to read.
    """

    subject: str
    state: str
    detail: str


def set_up(request: Request) -> list[Step]:
    """Make or bring up to date the profile, the computers, the codes and the daemon.

    Everything the user gave is checked before anything is made, and a profile that was made by this call is
    deleted again when a later step fails.

    Raises
    ------
    QdsimError
        If CP2K or its data folder is missing, AiiDA's folder or a file cannot be used, or AiiDA refuses something.
    """
    refused = refusal()
    if refused is not None:
        raise QdsimError(refused)
    daemon.check_temporary_folder()
    computer_file = read_computer_file(request.computer_file) if request.computer_file else None
    code_file = read_code_file(request.code_file) if request.code_file else None
    choose_layout(count_cores(), request.slots, request.ranks)
    services = profile.Services(
        postgres=read_postgres(request.postgres) if request.postgres else None,
        rabbitmq=read_rabbitmq(request.rabbitmq) if request.rabbitmq else None,
    )
    existed = profile.profile_exists(request.profile)
    if existed:
        _refuse_other_services(request.profile, services)
        server = profile.rabbitmq_of(request.profile)
        if server is not None:
            check_rabbitmq(server)
    if existed:
        profile.open_profile(request.profile)
    _refuse_unknown_computer(code_file, computer_file, existed=existed)
    optional = (computer_file or code_file) is not None and request.cp2k is None
    installation = _find_installation(request, existed=existed, optional=optional)
    missing = missing_program() if installation is not None else None
    if missing is not None:
        raise QdsimError(f"{missing[0]}; install it ({missing[1]}), and try again.")
    notes = ""
    if not existed:
        notes = _check_services(services)
        profile.create_profile(request.profile, services)
    finished = False
    try:
        steps = _set_up_profile(request, notes, existed=existed)
        if installation is None:
            steps.append(Step(f"computer {LOCALHOST}", "skipped", "there is no CP2K on this machine"))
        else:
            steps += _set_up_localhost(request, installation)
        steps += _set_up_elsewhere(computer_file, code_file)
        steps.append(_set_up_daemon())
        finished = True
    finally:
        if not existed and not finished:
            profile.delete_profile(request.profile, services)
    return steps


def _check_services(services: profile.Services) -> str:
    """Check that the servers can be used, and return what there is to be said of them."""
    if services.postgres is not None:
        check_postgres(services.postgres)
    if services.rabbitmq is None:
        return ""
    version = check_rabbitmq(services.rabbitmq)
    return (
        f"; RabbitMQ {version} must let a message wait for as long as a calculation takes: "
        "`[{rabbit,[{consumer_timeout,undefined}]}].` in its advanced.config"
    )


def _refuse_other_services(name: str, services: profile.Services) -> None:
    """Refuse servers that an existing profile does not use: its data would have to move."""
    used = profile.services_of(name)
    for kind, server in (("postgres", services.postgres), ("rabbitmq", services.rabbitmq)):
        if server is not None and used.get(kind) != server.where:
            raise QdsimError(
                f"the AiiDA profile {name!r} exists and uses {used.get(kind, 'no such server')}, not {server.where}; "
                "choose another name with --profile."
            )


def _refuse_unknown_computer(code_file: CodeFile | None, computer_file: ComputerFile | None, *, existed: bool) -> None:
    if code_file is None or (computer_file is None and code_file.computer == LOCALHOST):
        return
    if computer_file is not None:
        if code_file.computer != computer_file.label:
            raise QdsimError(
                f"the code {code_file.label!r} is for the computer {code_file.computer!r}, and the computer file "
                f"describes {computer_file.label!r}; give the two of one computer, or one at a time."
            )
        return
    if not existed or computers.find_computer(code_file.computer) is None:
        raise QdsimError(
            f"the code {code_file.label!r} is for the computer {code_file.computer!r}, which does not exist; "
            "describe it with --computer FILE."
        )


def _find_installation(request: Request, *, existed: bool, optional: bool) -> Cp2kInstallation | None:
    """Find CP2K: the one the user names, else the one in use, else the one in ``PATH``."""
    executable = request.cp2k
    if executable is None and existed:
        executable = _executable_in_use()
    try:
        return find_cp2k(executable)
    except QdsimError:
        if optional:
            return None
        raise


def _executable_in_use() -> Path | None:
    computer = computers.find_computer(LOCALHOST)
    code = codes.find_code("cp2k", computer) if computer is not None else None
    if code is None:
        return None
    executable = Path(str(code.filepath_executable))
    return executable if os.access(executable, os.X_OK) else None


def _set_up_profile(request: Request, notes: str, *, existed: bool) -> list[Step]:
    added = profile.set_options(request.profile)
    loaded = profile.open_profile(request.profile)
    state = "created" if not existed else "updated" if added else "unchanged"
    detail = profile.describe(loaded) + notes
    return [Step(f"profile {request.profile}", state, detail)]


def _set_up_localhost(request: Request, installation: Cp2kInstallation) -> list[Step]:
    existing = computers.find_computer(LOCALHOST)
    kept = _kept_layout(existing, request)
    layout = choose_layout(count_cores(), request.slots or kept[0], request.ranks or kept[1])
    description = describe_localhost(
        layout, profile.work_directory(request.profile), find_mpirun(installation.executable)
    )
    computer, state = computers.set_up_computer(description)
    if kept != (layout.slots, layout.ranks):
        computer.set_property(_LAYOUT_KEY, [layout.slots, layout.ranks])
        computer.store()
    own, own_state = codes.set_up_code(codes.describe_qdsim(), computer)
    code, code_state = codes.set_up_code(
        codes.describe_local_cp2k(installation),
        computer,
        {
            codes.VERSION_KEY: installation.version,
            codes.DATA_DIRECTORY_KEY: str(installation.data_directory),
        },
    )
    return [
        Step(f"computer {LOCALHOST}", state, _describe_layout(layout)),
        Step(f"code {code.full_label}", code_state, f"{code.description}, {code.filepath_executable}"),
        Step(f"code {own.full_label}", own_state, f"{own.description}, {own.filepath_executable}"),
    ]


def _kept_layout(computer: Computer | None, request: Request) -> tuple[int | None, int | None]:
    """Return the slots and ranks of an earlier call.

    Raises
    ------
    QdsimError
        If there is a computer `localhost` that this program has not made.
    """
    if computer is None:
        return None, None
    kept = computer.get_property(_LAYOUT_KEY, None)
    if kept is None:
        raise QdsimError(
            f"the AiiDA profile {request.profile!r} has a computer {LOCALHOST!r} of its own, which qdsim leaves "
            "alone; choose another profile with --profile."
        )
    return kept[0], kept[1]


def read_layout() -> Layout | None:
    """Return how the loaded profile shares out this machine's cores; None if it does not use this machine."""
    computer = computers.find_computer(LOCALHOST)
    kept = computer.get_property(_LAYOUT_KEY, None) if computer is not None else None
    return None if kept is None else Layout(slots=kept[0], ranks=kept[1])


def _describe_layout(layout: Layout) -> str:
    return f"{layout.slots} calculation(s) at once, {layout.ranks} MPI rank(s) each, on {count_cores()} core(s)"


def _set_up_elsewhere(computer_file: ComputerFile | None, code_file: CodeFile | None) -> list[Step]:
    """Try what the files describe; only then make it."""
    steps: list[Step] = []
    place = _describe_place(computer_file, code_file)
    if place is None:
        return steps
    with probe.connect(place):
        probe.check_connection(place)
        jobs = probe.count_jobs(place)
        probe.check_files(place)
        version = probe.find_version(place, code_file) if code_file is not None else None
    tested = f"tested: {jobs} job(s) in the queue, files go there and back"
    state = "unchanged"
    if computer_file is not None:
        computer, state = computers.set_up_computer(computer_file)
        detail = f"{place.host}, {computer.transport_type}, {computer.scheduler_type}; {tested}"
        steps.append(Step(f"computer {computer.label}", state, detail))
    if code_file is not None:
        try:
            steps.append(_set_up_code_file(code_file, version))
        except QdsimError:
            made = computers.find_computer(code_file.computer)
            if state == "created" and made is not None:
                computers.remove_computer(made)
            raise
    return steps


def _describe_place(computer_file: ComputerFile | None, code_file: CodeFile | None) -> probe.Place | None:
    if computer_file is not None:
        computers.check_description(computer_file)
        return probe.place_of_file(computer_file)
    if code_file is None:
        return None
    computer = computers.find_computer(code_file.computer)
    if computer is None:
        raise QdsimError(f"there is no CP2K on this machine to make the computer {code_file.computer!r} for.")
    return probe.place_of_computer(computer)


def _set_up_code_file(description: CodeFile, version: str | None) -> Step:
    computer = computers.find_computer(description.computer)
    if computer is None:
        raise QdsimError(f"the code {description.label!r} is for the computer {description.computer!r}, which is gone.")
    facts = {codes.VERSION_KEY: version} if version is not None else {}
    code, state = codes.set_up_code(description, computer, facts)
    named = f"CP2K {version}, " if version is not None else ""
    return Step(f"code {code.full_label}", state, f"{named}{code.filepath_executable}")


def _set_up_daemon() -> Step:
    if daemon.ensure_daemon_running():
        daemon.verify_workers()
        return Step("daemon", "started", _count_workers())
    reason = "it ran an older version of qdsim" if daemon.daemon_is_outdated() else None
    if not daemon.worker_processes():
        reason = "it had no workers"
    if reason is not None:
        daemon.stop_daemon()
        daemon.ensure_daemon_running()
        daemon.verify_workers()
        return Step("daemon", "restarted", f"{_count_workers()}; {reason}")
    return Step("daemon", "unchanged", _count_workers())


def _count_workers() -> str:
    return f"{len(daemon.worker_processes())} worker(s)"
