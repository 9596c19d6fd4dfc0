"""The production profile on a stack: PostgreSQL and RabbitMQ, and calculations on SLURM through SSH."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from tests.hpc.stack import Stack
    from tests.machines import Machine

TUNED = {"safe_interval": 0, "use_login_shell": False, "minimum_job_poll_interval": 1}
RETRIES = {"transport.task_retry_initial_interval": 1, "transport.task_maximum_attempts": 5}
"""Seconds before the second attempt of what needs the cluster, doubled each time; after the last, a process pauses."""
_MAKE_PROFILE = """
from aiida.manage.configuration import create_profile, get_config
config = get_config(create=True)
create_profile(config, name="qdsim", email="qdsim@localhost", storage_backend="core.psql_dos",
               storage_config={storage!r}, broker_backend="core.rabbitmq", broker_config={broker!r})
config.set_default_profile("qdsim")
config.store()
"""


def set_up(stack: Stack, machine: Machine) -> None:
    """Make the profile `qdsim`, whose code `cp2k@cluster` runs in the slots of the stack."""
    machine.environment |= stack.client_environment
    computer, code = stack.folder / "computer.yaml", stack.folder / "code.yaml"
    computer.write_text(yaml.safe_dump(describe_computer(stack)), encoding="utf-8")
    code.write_text(yaml.safe_dump(describe_code()), encoding="utf-8")
    _make_profile(stack, machine)
    machine.first = machine.qdsim("init", "--computer", str(computer), "--code", str(code))
    assert machine.first.returncode == 0, machine.first.stdout + machine.first.stderr
    for option, value in RETRIES.items():
        machine.verdi("config", "set", option, str(value))
    machine.verdi("daemon", "restart")


def describe_computer(stack: Stack, label: str = "cluster") -> dict[str, Any]:
    """Return the computer, as `qdsim init --computer` takes it."""
    return {
        "label": label,
        "hostname": "cluster",
        "transport": "core.ssh_async",
        "scheduler": "core.slurm",
        "work_dir": str(stack.work / label),
        "mpirun_command": "",
        "mpiprocs_per_machine": 1,
        "prepend_text": "export OMP_NUM_THREADS=1 OMPI_MCA_ess_singleton_isolated=1",
        "configure": TUNED,
    }


def describe_code(computer: str = "cluster") -> dict[str, Any]:
    """Return CP2K on it, as `qdsim init --code` takes it."""
    executable = shutil.which("cp2k.psmp")
    assert executable is not None, "cp2k.psmp is not in PATH"
    return {
        "label": "cp2k",
        "computer": computer,
        "filepath_executable": executable,
        "default_calc_job_plugin": "cp2k",
        "with_mpi": False,
    }


def _make_profile(stack: Stack, machine: Machine) -> None:
    postgres, rabbitmq = urlsplit(stack.postgres_url), urlsplit(stack.rabbitmq_url)
    storage = {
        "database_hostname": postgres.hostname,
        "database_port": postgres.port,
        "database_username": postgres.username,
        "database_password": postgres.password,
        "database_name": postgres.path[1:],
        "repository_uri": Path(machine.folder, "repository").as_uri(),
    }
    broker = {
        "broker_protocol": rabbitmq.scheme,
        "broker_username": rabbitmq.username,
        "broker_password": rabbitmq.password,
        "broker_host": rabbitmq.hostname,
        "broker_port": rabbitmq.port,
        "broker_virtual_host": "",
    }
    made = machine.run(sys.executable, "-c", _MAKE_PROFILE.format(storage=storage, broker=broker))
    assert made.returncode == 0, made.stderr
