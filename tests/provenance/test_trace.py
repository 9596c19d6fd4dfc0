"""From results back to calculations, on a small graph made like a real one."""

from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import calcfunction

from qdsim.errors import QdsimError
from qdsim.provenance import CP2K_PROCESS
from qdsim.provenance.trace import Relative, descendants, points_behind, processes, shortened, trace, verdict_node

pytestmark = pytest.mark.usefixtures("aiida_profile")


@calcfunction
def summarise(settings: orm.Dict, **points: orm.Dict) -> orm.Dict:
    return orm.Dict({"sum": sum(point["energy"] for point in points.values()), "of": settings["of"]})


@calcfunction
def state(result: orm.Dict) -> orm.Dict:
    return orm.Dict(dict(result.get_dict()))


def cp2k_result(energy: float) -> orm.Dict:
    """A finished calculation with what its parser has made; a stored record, for nothing is computed here."""
    job = orm.CalcJobNode(process_type=CP2K_PROCESS, computer=None)
    job.set_process_label("Cp2kCalculation")
    job.store()
    output = orm.Dict({"energy": energy, "cp2k_version": "2023.1"})
    output.base.links.add_incoming(job, LinkType.CREATE, "output_parameters")
    output.store()
    return output


@pytest.fixture
def summary() -> orm.Dict:
    one, two = cp2k_result(-1.0), cp2k_result(-2.0)
    points = {"linear_p0p0000": state(one), "linear_p0p0100": state(two), "again": one}
    found: orm.Dict = summarise(orm.Dict({"of": "three"}), **points)
    return found


def kinds(relative: Relative) -> list[str]:
    return [relative.kind, *(kind for one in relative.relatives for kind in kinds(one))]


def test_everything_behind_a_result_is_found_once(summary: orm.Dict) -> None:
    found = trace(summary)
    assert found.uuid == summary.uuid
    energies = sorted(one.detail.split("energy ")[1].split(" eV")[0] for one in found.calculations())
    assert energies == ["-1.000000", "-2.000000"]
    (process,) = found.relatives
    assert [one.link for one in process.relatives] == ["again", "linear_p0p0000", "linear_p0p0100", "settings"]
    assert all(f"verdi calcjob outputcat {one.uuid[:8]}" in one.detail for one in found.calculations())


def test_only_the_points_asked_for_are_followed(summary: orm.Dict) -> None:
    found = trace(summary, ["linear_p0p0100"])
    links = [one.link for one in found.relatives[0].relatives]
    assert links == ["again", "linear_p0p0100", "settings"]


def test_a_shortened_trace_has_the_same_calculations_and_no_data(summary: orm.Dict) -> None:
    found = trace(summary)
    short = shortened(found)
    assert {one.pk for one in short.calculations()} == {one.pk for one in found.calculations()}
    (process,) = short.relatives
    assert (process.link, process.kind) == ("result", "summarise")
    assert set(kinds(process)) == {"summarise", "state", "Cp2kCalculation"}


def test_a_process_stands_for_its_results(summary: orm.Dict) -> None:
    chain = orm.WorkChainNode().store()
    with pytest.raises(QdsimError, match="has no results to trace"):
        verdict_node(chain)
    other = orm.WorkChainNode().store()
    summary.base.links.add_incoming(other, LinkType.RETURN, "results")
    assert verdict_node(other).uuid == summary.uuid


@pytest.mark.parametrize("asked", [("dots", None), (None, "alpha_rh")])
def test_rows_are_those_of_verdicts_only(summary: orm.Dict, asked: tuple[Any, Any]) -> None:
    assert points_behind(summary, None, None) is None
    with pytest.raises(QdsimError, match="verdicts of a check"):
        points_behind(summary, *asked)


def test_everything_made_of_a_node_is_found_once(summary: orm.Dict) -> None:
    (function,) = trace(summary).relatives
    point = next(one for one in function.relatives if one.link == "linear_p0p0000")
    found = descendants(orm.load_node(point.uuid))
    assert kinds(found) == ["Dict", "summarise", "Dict"]
    assert found.relatives[0].link == "linear_p0p0000"
    assert found.relatives[0].relatives[0].uuid == summary.uuid
    assert kinds(processes(found)) == ["Dict", "summarise"]


def test_of_a_calculation_all_that_it_made_is_followed(summary: orm.Dict) -> None:
    run = next(trace(summary).calculations())
    found = descendants(orm.load_node(run.uuid))
    assert found.is_cp2k
    assert kinds(processes(found)).count("state") == 1
    assert descendants(summary).relatives == []
