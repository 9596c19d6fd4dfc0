"""What each calculation of a campaign gets: the campaign's own word, else that of the computer, by size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from qdsim.campaign.codes import load_code
from qdsim.campaign.schema import Campaign, ResourcesSection
from qdsim.campaign.tasks import Task
from qdsim.cp2k.sizes import measure_size
from qdsim.errors import QdsimError
from qdsim.machine.resources import Allotment, Resources
from qdsim.machine.scheduler import scheduler_options

if TYPE_CHECKING:
    from aiida.orm import Code


def on_its_computer(campaign: Campaign) -> Campaign:
    """Return a campaign with what it leaves open of its resources taken from its computer.

    A profile is loaded where the campaign needs one.

    Raises
    ------
    QdsimError
        If there is no such code, or campaign and computer contradict each other.
    """
    if not campaign.needs_profile:
        return campaign
    from qdsim.machine.computers import read_resources

    computer = load_code(campaign.code).computer
    if computer is None:
        return campaign
    try:
        resources = campaign.resources.over(read_resources(computer))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise QdsimError(f"resources: with those of the computer {computer.label!r}: {reason}.") from error
    return campaign.model_copy(update={"resources": resources})


def allotment_of(task: Task, resources: Resources) -> Allotment:
    """Return what a planned calculation gets."""
    size = measure_size(task.parameters, task.atoms.symbols)
    for row in resources.sizes:
        if size.within(row.up_to.model_dump()):
            return resources.for_row(row)
    return resources.for_all()


def options(resources: ResourcesSection, code: Code) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return AiiDA's options of any calculation, and those that depend on its size, as `Cp2kWorkChain` takes them.

    Raises
    ------
    QdsimError
        If the computer cannot give what is asked for.
    """
    rows: list[dict[str, Any]] = []
    for row in resources.sizes:
        given, limits = resources.for_row(row), row.up_to.model_dump(exclude_none=True)
        made = _options(given, code)
        # A machine without a scheduler gives no more to who asks for more.
        memory = {"memory": given.memory} if "max_memory_kb" in made else {}
        rows.append({"up_to": limits, "options": made, **memory})
    return (rows[-1]["options"] if rows else _options(resources.for_all(), code)), rows


def _options(allotment: Allotment, code: Code) -> dict[str, Any]:
    computer = code.computer
    if computer is None:
        raise QdsimError(f"code: '{code.full_label}' is on no computer; take one that is installed on a computer.")
    if (allotment.ranks or 1) > 1 and not computer.get_mpirun_command():
        raise QdsimError(
            f"resources.ranks: computer '{computer.label}' starts every calculation with one rank; "
            f"'qdsim init --ranks {allotment.ranks}' changes that."
        )
    made = scheduler_options(allotment, computer.scheduler_type, computer.get_default_mpiprocs_per_machine())
    return made if code.with_mpi is None else made | {"withmpi": code.with_mpi}
