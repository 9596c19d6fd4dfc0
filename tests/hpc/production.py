"""The production profile on a stack: PostgreSQL and RabbitMQ, and calculations on SLURM through SSH."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from tests.hpc.stack import Stack
    from tests.machines import Machine

RETRIES = {"transport.task_retry_initial_interval": 1, "transport.task_maximum_attempts": 5}
"""Seconds before the second attempt of what needs the cluster, doubled each time; after the last, a process pauses."""


def set_up(stack: Stack, machine: Machine) -> None:
    """Make the profile `qdsim`, whose code `cp2k@cluster` runs in the slots of the stack."""
    machine.environment |= stack.client_environment
    computer, code = write_files(stack)
    services = ("--postgres", stack.postgres_url, "--rabbitmq", stack.rabbitmq_url)
    machine.first = machine.qdsim("init", *services, "--computer", str(computer), "--code", str(code))
    assert machine.first.returncode == 0, machine.first.stdout + machine.first.stderr
    for option, value in RETRIES.items():
        machine.verdi("config", "set", option, str(value))
    machine.verdi("daemon", "restart")


def write_files(stack: Stack) -> tuple[Path, Path]:
    """Write the computer file and the code file for the slots of a stack, and return where they are."""
    computer, code = stack.folder / "computer.yaml", stack.folder / "code.yaml"
    computer.write_text(yaml.safe_dump(describe_computer(stack)), encoding="utf-8")
    code.write_text(yaml.safe_dump(describe_code()), encoding="utf-8")
    return computer, code


def describe_computer(stack: Stack) -> dict[str, Any]:
    """Return the computer, as `qdsim init --computer` takes it."""
    return {
        "label": "cluster",
        "hostname": "cluster",
        "transport": "core.ssh_async",
        "scheduler": "core.slurm",
        "work_dir": str(stack.work),
        "mpirun_command": "",
        "mpiprocs_per_machine": 1,
        "prepend_text": "export OMP_NUM_THREADS=1 OMPI_MCA_ess_singleton_isolated=1",
        "configure": {"safe_interval": 0, "use_login_shell": False, "minimum_job_poll_interval": 1},
    }


def describe_code() -> dict[str, Any]:
    """Return CP2K on it, as `qdsim init --code` takes it."""
    executable = shutil.which("cp2k.psmp")
    assert executable is not None, "cp2k.psmp is not in PATH"
    return {
        "label": "cp2k",
        "computer": "cluster",
        "filepath_executable": executable,
        "default_calc_job_plugin": "cp2k",
        "with_mpi": False,
    }
