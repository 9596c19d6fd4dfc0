"""From what a calculation is to get to the options that AiiDA hands to the scheduler."""

from __future__ import annotations

from typing import Any

from qdsim.errors import QdsimError
from qdsim.machine.resources import Allotment

_KILOBYTES = 1e6 / 1.024
"""In a gigabyte, as AiiDA counts them (1024 bytes)."""
_GPU_LINES = {"core.slurm": "#SBATCH --gpus-per-node={gpus}", "core.lsf": '#BSUB -gpu "num={gpus}"'}


def scheduler_options(allotment: Allotment, scheduler: str, default_ranks: int | None) -> dict[str, Any]:
    """Return the options of a calculation.

    Parameters
    ----------
    allotment : Allotment
        What it gets.
    scheduler : str
        AiiDA's scheduler of the computer.
    default_ranks : int or None
        MPI ranks of each node where the allotment gives none.

    Raises
    ------
    QdsimError
        If neither says how many ranks, or the scheduler cannot be asked for GPUs.
    """
    options: dict[str, Any] = {
        "resources": _resources(allotment, scheduler, default_ranks),
        "max_wallclock_seconds": allotment.walltime,
    }
    if allotment.queue is not None:
        options["queue_name"] = allotment.queue
    if allotment.account is not None:
        options["account"] = allotment.account
    if allotment.memory is not None and scheduler != "core.direct":
        options["max_memory_kb"] = round(allotment.memory * _KILOBYTES / (allotment.nodes or 1))
    if allotment.threads is not None:
        # The last of all prepended texts: a module that sets the variable comes before it.
        options["prepend_text"] = f"export OMP_NUM_THREADS={allotment.threads}"
    lines = _header_lines(allotment, scheduler)
    if lines:
        options["custom_scheduler_commands"] = "\n".join(lines)
    return options


def _resources(allotment: Allotment, scheduler: str, default_ranks: int | None) -> dict[str, Any]:
    nodes = allotment.nodes or 1
    if allotment.ranks is None and default_ranks is None:
        raise QdsimError(
            "resources.ranks: neither the campaign nor the computer says how many MPI ranks a calculation has; give "
            "a number."
        )
    if scheduler == "core.lsf":
        return {"tot_num_mpiprocs": allotment.ranks or nodes * (default_ranks or 1)}
    resources: dict[str, Any] = {"num_machines": nodes}
    if allotment.ranks is not None:
        resources["num_mpiprocs_per_machine"] = allotment.ranks // nodes
    if allotment.threads is not None and scheduler != "core.direct":
        resources["num_cores_per_mpiproc"] = allotment.threads
    return resources


def _header_lines(allotment: Allotment, scheduler: str) -> list[str]:
    """Return what AiiDA has no option for."""
    lines = []
    if scheduler == "core.lsf":
        if allotment.threads is not None:
            lines.append(f'#BSUB -R "affinity[core({allotment.threads})]"')
        if allotment.nodes is not None and allotment.ranks is not None:
            lines.append(f'#BSUB -R "span[ptile={allotment.ranks // allotment.nodes}]"')
    if allotment.gpus is not None and scheduler != "core.direct":
        if scheduler not in _GPU_LINES:
            raise QdsimError(
                f"resources.gpus: AiiDA's {scheduler} cannot be asked for GPUs; take a queue whose nodes have them "
                "(`queue`), and leave out `gpus`."
            )
        lines.append(_GPU_LINES[scheduler].format(gpus=allotment.gpus))
    return lines
