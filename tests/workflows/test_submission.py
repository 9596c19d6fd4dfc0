"""A child is submitted once, however often the step that submits it begins."""

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import WorkChain, run_get_node
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.submission import SubmitOnce


class Child(WorkChain):
    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.outline(cls.nothing)

    def nothing(self) -> None:
        pass


class Parent(SubmitOnce):
    """Begins a step again, as the worker does that goes on after another was killed in it."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.outline(cls.begin, cls.begin)

    def begin(self) -> None:
        for label in ("one", "two"):
            inputs = {"metadata": {"call_link_label": label}}
            self.to_context(**{label: self.submit(Child, **inputs)})


@pytest.mark.usefixtures("aiida_profile")
def test_a_repeated_step_goes_on_with_the_children_it_has() -> None:
    _, parent = run_get_node(Parent)
    assert parent.is_finished_ok
    assert len(parent.called) == 2


class Bereft(Parent):
    """Finds a child that was stored when the worker was killed, but that no worker can go on with."""

    def begin(self) -> None:
        if not self.node.called:
            left = orm.WorkChainNode()
            left.base.links.add_incoming(self.node, LinkType.CALL_WORK, "one")
            left.store()
        super().begin()


@pytest.mark.usefixtures("aiida_profile")
def test_a_child_that_no_worker_can_go_on_with_is_submitted_anew() -> None:
    _, parent = run_get_node(Bereft)
    assert parent.is_finished_ok
    assert len(parent.called) == 3
    assert all(child.is_terminated for child in parent.called)
