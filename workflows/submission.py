"""Submission that is not repeated when a step is."""

from typing import Any, cast

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import Process, ProcessState, WorkChain

ABANDONED = "It was left behind in the middle of its submission: no worker can begin with it."


def abandon(process: orm.ProcessNode) -> None:
    """End a process without a checkpoint: the one that submitted it was killed before any worker could have begun."""
    process.set_exception(ABANDONED)
    process.set_process_state(ProcessState.EXCEPTED)
    process.seal()


def is_abandoned(process: orm.ProcessNode) -> bool:
    """Return whether a process was ended by :func:`abandon`."""
    return process.exception == ABANDONED


class SubmitOnce(WorkChain):
    """A work chain that does not submit the same child again.

    AiiDA keeps where a work chain is between steps. A worker that is killed in the middle of a step leaves children
    behind, and the worker that goes on begins the step anew: without this, it would compute them twice. Children are
    told apart by their ``call_link_label``, which must be their own within the work chain.
    """

    def init(self) -> None:
        """Begin, or go on, without forgetting every node that is loaded at each commit.

        AiiDA reads a field anew whenever it is asked for it. That SQLAlchemy besides forgets all that is loaded, of all
        processes of a worker, at each of their hundred commits, takes a third of a worker's time with fifty of them.
        """
        super().init()
        storage: Any = self.node.backend  # SQLite or PostgreSQL, both with a session of SQLAlchemy
        storage.get_session().expire_on_commit = False

    def submit(self, process: type[Process], inputs: dict[str, Any] | None = None, **kwargs: Any) -> orm.ProcessNode:
        """Submit a process, or return the child of that label that has been submitted already."""
        label = {**(inputs or {}), **kwargs}.get("metadata", {}).get("call_link_label")
        there = self._children(label)
        for child in there:
            if not child.is_terminated and child.checkpoint is None:
                abandon(child)
        there = [child for child in there if not is_abandoned(child)]
        return there[0] if there else super().submit(process, inputs, **kwargs)

    def run_once(self, function: Any, label: str, **inputs: Any) -> orm.ProcessNode:
        """Run a calcfunction, or return its run of that label that has finished already."""
        there = [child for child in self._children(label) if child.is_terminated]
        if there:
            return there[0]
        _, process = function.run_get_node(**inputs, metadata={"call_link_label": label})
        return cast(orm.ProcessNode, process)

    def _children(self, label: str | None) -> list[orm.ProcessNode]:
        links = self.node.base.links.get_outgoing(link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK)).all()
        return [cast(orm.ProcessNode, link.node) for link in links if link.link_label == label]
