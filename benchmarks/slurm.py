"""Utilisation of two slots of a real SLURM, reached through SSH, and what orchestration costs a calculation.

Single points of the primitive cell of PbS, about five seconds each: 200 on a computer as `qdsim init --computer` tunes
it, then 20 on one with AiiDA's defaults (15 s between connections, 10 s between questions to the scheduler). The aim is
that the slots are in use 90 % of the time. Give other numbers as arguments: `python benchmarks/slurm.py 50 5`.
"""

import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hpc import production
from hpc.stack import SLOTS, Stack
from machines import Machine

_STARTED = re.compile(r"PROGRAM STARTED AT\s+(.+?)\s*$", re.MULTILINE)
_ENDED = re.compile(r"PROGRAM ENDED AT\s+(.+?)\s*$", re.MULTILINE)

_DEFAULTS = """
from aiida import orm
computer = orm.Computer(label="untuned", hostname="cluster", transport_type="core.ssh_async",
                        scheduler_type="core.slurm", workdir={work!r})
computer.set_mpirun_command([])
computer.set_default_mpiprocs_per_machine(1)
computer.set_prepend_text(orm.load_computer("cluster").get_prepend_text())
computer.store()
computer.configure()
orm.InstalledCode(label="cp2k", computer=computer, filepath_executable={cp2k!r}, with_mpi=False).store()
answer = None
"""

_RUN = """
import time
from aiida import orm
from aiida.engine import submit
from qdsim.cp2k.inputs import build_parameters, load_protocol
from qdsim.cp2k.settings import with_walltime
from qdsim.cp2k.walltime import cp2k_walltime
from qdsim.structures import RhombohedralState
from qdsim.workflows.cp2k import Cp2kWorkChain, failure_of

settings = with_walltime(load_protocol("fast"), cp2k_walltime(3600))
code = orm.load_code("cp2k@{computer}")
options = dict(resources=dict(num_machines=1, num_mpiprocs_per_machine=1), max_wallclock_seconds=3600, withmpi=False)
submitted = []
for number in range({number}):
    state = RhombohedralState(52.0 + {offset} + 0.01 * number)
    atoms = state.to_atoms("Pb", "S", "primitive")
    inputs = dict(code=code, structure=orm.StructureData(ase=atoms),
                  parameters=orm.Dict(build_parameters(settings, atoms)), metadata=dict(options=options))
    submitted.append(submit(Cp2kWorkChain, cp2k=inputs))
while not all(node.is_terminated for node in submitted):
    time.sleep(1)
failed = [failure_of(node) for node in submitted if not node.is_finished_ok]
assert not failed, failed[0]
jobs = [job for node in submitted for job in node.called if isinstance(job, orm.CalcJobNode)]
answer = [[job.pk, job.get_remote_workdir(), job.ctime.timestamp(), job.mtime.timestamp()] for job in jobs]
"""


@dataclass(frozen=True)
class Calculation:
    """Seconds since the epoch: AiiDA's node, SLURM's job, and CP2K itself."""

    created: float
    queued: float
    job_began: float
    job_ended: float
    began: float
    ended: float
    finished: float


def main(tuned: int, untuned: int) -> None:
    """Run both series and print a line for each, and the ratio of what they lose."""
    stack = Stack()
    machine = Machine(Path(tempfile.mkdtemp(prefix="qdsim-slurm-")), timeout=None)
    try:
        stack.start()
        production.set_up(stack, machine)
        values = {"work": str(stack.folder / "untuned"), "cp2k": shutil.which("cp2k.psmp")}
        machine.python(_DEFAULTS.format(**values))
        print(f"{SLOTS} slots, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
        lost = [
            report("tuned", run(stack, machine, "cluster", tuned, 0.0)),
            report("AiiDA's defaults", run(stack, machine, "untuned", untuned, 5.0)),
        ]
        print(
            f"AiiDA's defaults lose {lost[1] / lost[0]:.1f} times as much a calculation; load {os.getloadavg()[0]:.1f}"
        )
    finally:
        machine.stop_daemons()
        stack.stop()
        shutil.rmtree(machine.folder)


def run(stack: Stack, machine: Machine, computer: str, number: int, offset: float) -> list[Calculation]:
    """Compute so many crystals, all submitted at once, and return when what happened."""
    nodes = machine.python(_RUN.format(computer=computer, number=number, offset=offset))
    jobs = {job.name: job for job in stack.ended_jobs()}
    found = []
    for pk, folder, created, finished in nodes:
        job = jobs[f"aiida-{pk}"]
        output = Path(folder, "aiida.out").read_text(encoding="utf-8")
        times = (job.submit, job.start, job.end, _STARTED.findall(output)[0], _ENDED.findall(output)[0])
        found.append(Calculation(created, *(datetime.fromisoformat(time).timestamp() for time in times), finished))
    return found


def report(name: str, calculations: list[Calculation]) -> float:
    """Print what became of a series, and return the slot seconds that each calculation took beyond CP2K's own."""
    number = len(calculations)
    window = max(one.job_ended for one in calculations) - min(one.job_began for one in calculations)
    whole = max(one.finished for one in calculations) - min(one.created for one in calculations)
    held = sum(one.job_ended - one.job_began for one in calculations)  # whole seconds, on average right
    computed = sum(one.ended - one.began for one in calculations)
    lost = (SLOTS * whole - computed) / number
    print(f"{name}: {number} calculations in {whole:.0f} s, CP2K {computed / number:.2f} s each")
    print(f"  slots held by jobs {held / (SLOTS * window):.1%} of the time, by CP2K {computed / (SLOTS * window):.1%}")
    print(f"  slot seconds beyond CP2K's own, a calculation: {lost:.2f}")
    print(
        f"  from the end of a job to its result: {median(one.finished - one.job_ended for one in calculations):.1f} s"
    )
    return lost


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:] or (200, 20)))
