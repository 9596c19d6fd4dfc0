"""Making AiiDA's computers from their descriptions, and keeping them up to date."""

from __future__ import annotations

import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from qdsim.errors import QdsimError
from qdsim.machine.files import ComputerFile
from qdsim.workflows.places import MAX_JOBS

if TYPE_CHECKING:
    from aiida.orm import Computer


def find_computer(label: str) -> Computer | None:
    """Return the computer of that label in the loaded profile, or None."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer

    try:
        return Computer.collection.get(label=label)
    except NotExistent:
        return None


def set_up_computer(description: ComputerFile) -> tuple[Computer, str]:
    """Make a computer in the loaded profile, or bring an existing one up to date.

    Returns
    -------
    computer : aiida.orm.Computer
        Stored and configured for the profile's user.
    state : str
        "created", "updated" or "unchanged".

    Raises
    ------
    QdsimError
        If the description is not valid, or a computer of that label exists for another host, transport or
        scheduler: past calculations refer to it.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.orm import Computer

    existing = find_computer(description.label)
    if existing is None:
        computer = Computer(
            label=description.label,
            hostname=description.hostname,
            transport_type=description.transport,
            scheduler_type=description.scheduler,
        )
    else:
        _refuse_another_machine(existing, description)
        computer = existing
    before = None if existing is None else _state(existing)
    try:
        _refuse_unknown_options(computer, description)
        _apply(computer, description)
        if existing is None or _state(computer) != before:
            computer.store()
        reconfigured = _configure(computer, description)
    except (AiidaException, ValueError) as error:
        raise QdsimError(f"the computer {description.label!r} cannot be set up: {error}") from error
    if existing is None:
        return computer, "created"
    return computer, "updated" if reconfigured or _state(computer) != before else "unchanged"


def _refuse_another_machine(computer: Computer, description: ComputerFile) -> None:
    for what, old, new in (
        ("host", computer.hostname, description.hostname),
        ("transport", computer.transport_type, description.transport),
        ("scheduler", computer.scheduler_type, description.scheduler),
    ):
        if old != new:
            raise QdsimError(
                f"the computer {description.label!r} exists with the {what} {old!r}, not {new!r}; give the new one "
                "another label, since past calculations refer to the old one."
            )


def _refuse_unknown_options(computer: Computer, description: ComputerFile) -> None:
    valid = computer.get_transport_class().get_valid_auth_params()
    for option in description.configure.transport_options():
        if option not in valid:
            nearest = get_close_matches(option, valid, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(valid)}."
            raise QdsimError(
                f"the computer {description.label!r}: the transport {description.transport!r} has no option "
                f"{option!r}; {hint}"
            )


def _state(computer: Computer) -> tuple[Any, ...]:
    return (computer.description, computer.get_workdir(), dict(computer.metadata))


def _apply(computer: Computer, description: ComputerFile) -> None:
    computer.description = description.description
    computer.set_workdir(description.work_dir)
    computer.set_shebang(description.shebang)
    computer.set_mpirun_command(shlex.split(description.mpirun_command))
    computer.set_default_mpiprocs_per_machine(description.mpiprocs_per_machine)
    computer.set_default_memory_per_machine(description.default_memory_per_machine)
    computer.set_use_double_quotes(description.use_double_quotes)
    computer.set_prepend_text(description.prepend_text)
    computer.set_append_text(description.append_text)
    computer.set_minimum_job_poll_interval(description.configure.minimum_job_poll_interval)
    if description.max_jobs is None:
        computer.delete_property(MAX_JOBS, raise_exception=False)
    else:
        computer.set_property(MAX_JOBS, description.max_jobs)


def _configure(computer: Computer, description: ComputerFile) -> bool:
    """Set the transport's options for the profile's user; tell whether that changed anything."""
    options = description.configure.transport_options()
    if computer.is_configured and options.items() <= computer.get_configuration().items():
        return False
    computer.configure(**options)
    return True
