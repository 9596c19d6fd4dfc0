"""Making AiiDA's computers from their descriptions, and keeping them up to date."""

from __future__ import annotations

import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from qdsim.errors import QdsimError
from qdsim.machine.files import ComputerFile
from qdsim.machine.resources import Resources

if TYPE_CHECKING:
    from aiida.orm import Computer

LOCALHOST = "localhost"
"""Label of this machine."""
_RESOURCES_KEY = "qdsim_resources"


def find_computer(label: str) -> Computer | None:
    """Return the computer of that label in the loaded profile, or None."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer

    try:
        return Computer.collection.get(label=label)
    except NotExistent:
        return None


def other_computers() -> list[Computer]:
    """Return the computers beside this machine that are set up and not disabled, by label."""
    from aiida.orm import Computer, QueryBuilder, User

    user = User.collection.get_default()
    query = QueryBuilder().append(Computer, filters={"label": {"!==": LOCALHOST}})
    found = [computer for computer in query.all(flat=True) if computer.is_user_enabled(user)]
    return sorted(found, key=lambda computer: str(computer.label))


def user_email() -> str:
    """Return the name that AiiDA knows the profile's user by."""
    from aiida.orm import User

    user = User.collection.get_default()
    return "" if user is None else str(user.email)


def unfinished_jobs(computer: Computer) -> int:
    """Count the calculations on a computer that have not ended."""
    from aiida.orm import CalcJobNode, QueryBuilder
    from aiida.orm import Computer as AnyComputer

    query = QueryBuilder().append(AnyComputer, filters={"id": computer.pk}, tag="computer")
    unfinished = {"attributes.process_state": {"in": ["created", "running", "waiting"]}}
    query.append(CalcJobNode, with_computer="computer", filters=unfinished)
    return query.count()


def read_resources(computer: Computer) -> Resources:
    """Return what calculations get on a computer, as its file says."""
    return Resources.model_validate(computer.get_property(_RESOURCES_KEY, {}))


def check_description(description: ComputerFile) -> None:
    """Check what can be checked of a description without the machine that it describes.

    Raises
    ------
    QdsimError
        If the transport has no such option, or a computer of that label exists for another host, transport or
        scheduler: past calculations refer to it.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.plugins import TransportFactory

    existing = find_computer(description.label)
    if existing is not None:
        _refuse_another_machine(existing, description)
    try:
        valid = TransportFactory(description.transport).get_valid_auth_params()
    except AiidaException as error:
        raise QdsimError(f"the computer {description.label!r} cannot be set up: {error}") from error
    for option in description.configure.transport_options():
        if option not in valid:
            nearest = get_close_matches(option, valid, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(valid)}."
            raise QdsimError(
                f"the computer {description.label!r}: the transport {description.transport!r} has no option "
                f"{option!r}; {hint}"
            )


def remove_computer(computer: Computer) -> None:
    """Remove a computer that nothing refers to."""
    from aiida.orm import Computer as AnyComputer

    if computer.pk is not None:
        AnyComputer.collection.delete(computer.pk)


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
        If the description is not valid, or does not suit an existing computer: see `check_description`.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.orm import Computer

    check_description(description)
    existing = find_computer(description.label)
    if existing is None:
        computer = Computer(
            label=description.label,
            hostname=description.hostname,
            transport_type=description.transport,
            scheduler_type=description.scheduler,
        )
    else:
        computer = existing
    before = None if existing is None else _state(existing)
    try:
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
    resources = description.resources.model_dump(mode="json", exclude_unset=True)
    if resources:
        computer.set_property(_RESOURCES_KEY, resources)
    elif _RESOURCES_KEY in computer.metadata:
        computer.delete_property(_RESOURCES_KEY)


def _configure(computer: Computer, description: ComputerFile) -> bool:
    """Set the transport's options for the profile's user; tell whether that changed anything."""
    options = description.configure.transport_options()
    if computer.is_configured and options.items() <= computer.get_configuration().items():
        return False
    computer.configure(**options)
    return True
