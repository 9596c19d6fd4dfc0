"""Whether the calculations of a campaign fit into the memory of the machine that runs them side by side."""

from collections.abc import Iterable

from qdsim.campaign.tasks import Task
from qdsim.errors import QdsimError


def check_memory(tasks: Iterable[Task], slots: int, available: float) -> None:
    """Refuse a campaign whose largest calculations do not fit at once.

    Parameters
    ----------
    tasks
        Of the campaign.
    slots
        How many calculations run at once.
    available
        Memory of the machine, GB.

    Raises
    ------
    QdsimError
        If one calculation alone, or as many as there are slots, take more memory than there is.
    """
    needs = sorted(((task.memory, task.label) for task in tasks if task.memory is not None), reverse=True)
    if not needs:
        return
    largest, label = needs[0]
    if largest > available:
        raise QdsimError(
            f"{label} takes about {largest:.0f} GB, and this machine has {available:.0f} GB: take a smaller box, a "
            "lower cutoff or a smaller particle, or run it on another computer."
        )
    together = sum(memory for memory, _ in needs[:slots])
    if together > available:
        fitting = max(n for n in range(1, slots + 1) if sum(memory for memory, _ in needs[:n]) <= available)
        raise QdsimError(
            f"{min(slots, len(needs))} calculations at once take up to {together:.0f} GB, and this machine has "
            f"{available:.0f} GB: 'qdsim init --slots {fitting}' lets so many run that fit."
        )
