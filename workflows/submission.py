"""Submission that is not repeated when a step is."""

from typing import Any, cast

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import Process, WorkChain


class SubmitOnce(WorkChain):
    """A work chain that does not submit the same child again.

    AiiDA keeps where a work chain is between steps. A worker that is killed in the middle of a step leaves children
    behind, and the worker that goes on begins the step anew: without this, it would compute them twice. Children are
    told apart by their ``call_link_label``, which must be their own within the work chain.
    """

    def submit(self, process: type[Process], inputs: dict[str, Any] | None = None, **kwargs: Any) -> orm.ProcessNode:
        """Submit a process, or return the child of that label that has been submitted already."""
        label = {**(inputs or {}), **kwargs}.get("metadata", {}).get("call_link_label")
        # A child without a checkpoint was left behind before any worker could have begun with it.
        there = [child for child in self._children(label) if child.is_terminated or child.checkpoint is not None]
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
