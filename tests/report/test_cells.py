from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.report import PointStructures, ReportData, Structure
from qdsim.report.figures import cells
from qdsim.report.figures.solids import Solid, rod, unit_sphere
from qdsim.structures import RhombohedralState


def shown(figure: Any, name: str) -> Any:
    (found,) = (one for one in figure.data if one.visible and str(one.name).startswith(name))
    return found


def count(trace: Any, per_solid: int) -> int:
    return len(trace.x) // per_solid


def area_and_volume(solid: Solid) -> tuple[float, float]:
    first, second, third = (solid.vertices[solid.triangles[:, corner]] for corner in range(3))
    normals: npt.NDArray[np.float64] = np.cross(second - first, third - first)
    return float(np.linalg.norm(normals, axis=1).sum() / 2), float((normals * first).sum() / 6)


def test_a_sphere_is_closed_and_seen_from_outside() -> None:
    area, volume = area_and_volume(unit_sphere(400))
    assert area == pytest.approx(4 * np.pi, rel=0.02)
    assert volume == pytest.approx(4 * np.pi / 3, rel=0.03)


def test_a_rod_joins_its_ends_and_is_seen_from_outside() -> None:
    start, end = np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 5.0])
    tube = rod(start, end, 0.2, 0.1)
    distance = np.linalg.norm(tube.vertices[:12] - start, axis=1)
    assert distance == pytest.approx(np.full(12, 0.2))
    first, second, third = (tube.vertices[tube.triangles[:, corner]] for corner in range(3))
    centre = (start + end) / 2
    assert ((np.cross(second - first, third - first) * (first - centre)).sum(axis=1) > 0).all()


def test_a_primitive_cell_is_drawn_as_a_cube_with_all_atoms_on_its_faces(data: ReportData) -> None:
    assert data.strain is not None
    figure = cells(data.strain, data.structures, data.nodes)
    assert count(shown(figure, "Pb"), 150) == 13
    assert count(shown(figure, "S"), 150) == 14
    assert count(shown(figure, "short bonds"), 24) + count(shown(figure, "long bonds"), 24) == 54
    assert len(shown(figure, "cell").x) == 36


def test_the_slider_shows_one_strain_at_a_time(data: ReportData) -> None:
    assert data.strain is not None
    figure = cells(data.strain, data.structures, data.nodes)
    (slider,) = figure.layout.sliders
    masks = np.array([step.args[0]["visible"] for step in slider.steps])
    assert masks.shape == (6, len(figure.data))
    assert (masks.sum(axis=0) == 1).all()
    assert slider.active == 5
    assert [bool(one.visible) for one in figure.data] == masks[5].tolist()
    assert figure.layout.title.text == slider.steps[5].args[1]["title.text"]
    assert "offset 0.204" in figure.layout.title.text
    assert "arrow" not in slider.steps[0].args[1]["title.text"]


def test_a_centred_cell_has_equal_bonds_and_no_arrow(data: ReportData, results: StrainResults) -> None:
    figure = cells(results.model_copy(update={"points": results.points[:1]}), data.structures)
    assert {str(one.name).split("\N{NO-BREAK SPACE}")[0] for one in figure.data} == {"cell", "Pb", "S", "bonds 2.989"}


def test_the_arrow_has_the_direction_and_magnified_length_of_the_offset(data: ReportData) -> None:
    assert data.strain is not None
    figure = cells(data.strain, data.structures, data.nodes)
    arrow = shown(figure, "offset ×20")
    vertices = np.column_stack([arrow.x, arrow.y, arrow.z])
    along = vertices @ np.ones(3) / np.sqrt(3)
    assert along.max() - along.min() == pytest.approx(20 * 0.2038, abs=0.01)
    assert "length = 0.2038" in arrow.hovertext
    assert data.nodes["points.p0p0200.relaxed.structure"][:8] in arrow.hovertext


def test_bonds_tell_their_lengths(data: ReportData) -> None:
    assert data.strain is not None
    figure = cells(data.strain, data.structures, data.nodes)
    relaxed = data.strain.points[-1].relaxed
    assert relaxed is not None
    assert f"d = {relaxed.bond_short:.4f}\N{NO-BREAK SPACE}Å" in shown(figure, "short bonds").hovertext
    assert f"d = {relaxed.bond_long:.4f}\N{NO-BREAK SPACE}Å" in shown(figure, "long bonds").hovertext


@pytest.mark.parametrize("supercell", ["conventional", (2, 2, 2)])
def test_supercells_are_drawn_as_one_conventional_cell(supercell: Any, results: StrainResults) -> None:
    point = results.points[-1]
    atoms = RhombohedralState(point.volume, 59.4, 0.2).to_atoms("Pb", "S", supercell)
    structure = Structure(
        symbols=tuple(atoms.symbols), positions=atoms.positions.tolist(), cell=atoms.cell.array.tolist()
    )
    figure = cells(results.model_copy(update={"points": [point]}), {point.label: PointStructures(relaxed=structure)})
    assert count(shown(figure, "Pb"), 150) == 13
    assert count(shown(figure, "S"), 150) == 14


def test_without_structures_nothing_is_drawn(results: StrainResults) -> None:
    assert len(cells(results, {}).data) == 0
