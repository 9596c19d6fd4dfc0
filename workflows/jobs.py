"""What a scheduler says of jobs: over is only what it has left out twice in a row.

To AiiDA a job is over as soon as one answer of the scheduler does not have it. Schedulers leave out jobs that run, for
a moment and without an error, while they are restarted or have too much to do: AiiDA would retrieve half an output, and
the work chain submit the job again beside the one that runs.
"""

from typing import Any, cast

from aiida import orm
from aiida.engine.processes.calcjobs.manager import JobsList
from aiida.engine.runners import Runner
from aiida.schedulers.datastructures import JobInfo


class CarefulJobsList(JobsList):
    """AiiDA's list of the jobs on a computer, in which one that is missing is asked for again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._missing: frozenset[str] = frozenset()

    async def _get_jobs_from_scheduler(self) -> dict[str, JobInfo]:
        found = await super()._get_jobs_from_scheduler()
        missing = self._polling_jobs - found.keys()
        # AiiDA answers for these jobs alone. The request for any other stays, and with it the next question.
        self._polling_jobs -= missing - self._missing
        self._missing = missing
        return found


def ask_carefully(runner: Runner, node: orm.CalcJobNode) -> None:
    """Have a worker ask in this way about the jobs on the computer of a calculation."""
    authinfo = node.get_authinfo()
    if authinfo.computer.scheduler_type == "core.direct":  # which lists the machine's own processes, and all of them
        return
    lists, pk = runner.job_manager._job_lists, cast(int, authinfo.pk)
    if not isinstance(lists.get(pk), CarefulJobsList):
        lists[pk] = CarefulJobsList(authinfo, runner.transport)
