from typing import Any

import numpy as np
import pytest

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.report import Reference, figures
from qdsim.report.figures.guides import guide
from qdsim.report.formatting import NO_BREAK_SPACE

ALL_OF_STRAIN = [
    figures.energy_volume,
    figures.offset,
    figures.alpha_rh,
    figures.bond_lengths,
    figures.pressure,
    figures.gap,
    figures.double_wells,
]


def trace(figure: Any, name: str, mode: str = "markers") -> Any:
    (found,) = (one for one in figure.data if one.name == name and one.mode == mode)
    return found


def hover_lines(found: Any, index: int) -> list[str]:
    return [line.replace(NO_BREAK_SPACE, " ") for line in found.hovertext[index].split("<br>")]


@pytest.mark.parametrize("draw", ALL_OF_STRAIN)
def test_every_axis_title_has_a_unit(draw: Any, results: StrainResults) -> None:
    layout = draw(results).to_dict()["layout"]
    titles = [axis["title"]["text"] for name, axis in layout.items() if name[1:5] == "axis" and axis["title"]["text"]]
    assert len(titles) >= 2
    assert all(title.endswith(")") and "(" in title for title in titles)


@pytest.mark.parametrize("draw", ALL_OF_STRAIN)
def test_every_marker_tells_its_node(draw: Any, results: StrainResults, nodes: dict[str, str]) -> None:
    markers = [one for one in draw(results, nodes).data if one.mode == "markers"]
    short = {uuid[:8] for uuid in nodes.values()}
    texts = [text for one in markers for text in one.hovertext]
    assert texts
    assert all(text.split("node ")[1].split("<")[0] in short for text in texts)
    assert all("no node recorded" in text for one in draw(results).data for text in one.hovertext or ())


@pytest.mark.parametrize("draw", ALL_OF_STRAIN)
def test_points_without_phases_are_left_out(draw: Any, results: StrainResults) -> None:
    bare = [
        point.model_copy(update={"centred": None, "relaxed": None, "double_well": None, "energy_gain": None})
        for point in results.points
    ]
    empty = results.model_copy(update={"points": bare, "onset_curvature": None, "onset_order_parameter": None})
    drawn = draw(empty)
    assert {one.name for one in drawn.data} <= {"Birch–Murnaghan fit", "fitted points", "equation of state"}


def test_energies_are_above_the_minimum_of_the_curve(results: StrainResults) -> None:
    state = results.equation_of_state
    figure = figures.energy_volume(results)
    curve = trace(figure, "Birch–Murnaghan fit", "lines")
    assert min(curve.y) == pytest.approx(0, abs=0.05)
    assert list(trace(figure, "fitted points").x) == state.volumes
    relaxed = trace(figure, "relaxed")
    last = results.points[-1]
    assert last.relaxed is not None
    assert relaxed.y[-1] == pytest.approx(1000 * (last.relaxed.energy - state.energy))
    gains = trace(figure, "energy gain", "lines+markers")
    assert list(gains.y) == pytest.approx([1000 * (point.energy_gain or 0) for point in results.points])


def test_the_offset_is_drawn_with_its_onsets(results: StrainResults, nodes: dict[str, str]) -> None:
    figure = figures.offset(results, nodes)
    relaxed = trace(figure, "relaxed")
    assert list(relaxed.x) == pytest.approx([-0.5, 0, 0.5, 1, 1.5, 2])
    assert relaxed.y[-1] == pytest.approx(0.2038, abs=1e-4)
    assert hover_lines(relaxed, 5)[:3] == ["<b>relaxed, ε = +2.00 %</b>", "u = 0.2038 Å", "a = 6.1282 Å"]
    assert nodes["points.p0p0200.relaxed"][:8] in hover_lines(relaxed, 5)[3]
    onset = trace(figure, "onset, energy curvature")
    assert onset.x[0] == pytest.approx(0.649, abs=2e-3)
    assert hover_lines(onset, 0)[1:4] == ["ε = +0.65 ± 0.06 %", "a = 6.0470 Å", "P = −0.99 GPa"]
    assert nodes["onset_curvature"][:8] in hover_lines(onset, 0)[4]
    lines = [shape.x0 for shape in figure.layout.shapes if shape.type == "line"]
    assert lines == pytest.approx([onset.x[0], onset.x[0] + 0.07])


def test_reference_values_are_marked_where_they_belong(results: StrainResults) -> None:
    references = [
        Reference(quantity="alpha_rh", value=59.5, label="<b>dots</b> & co"),
        Reference(quantity="lattice_constant", value=5.936, label="experiment"),
    ]
    angle = figures.alpha_rh(results, references=references)
    labels = {note.text for note in angle.layout.annotations}
    assert labels == {"cubic, 60°", "&lt;b&gt;dots&lt;/b&gt; &amp; co"}
    energy = figures.energy_volume(results, references=references)
    assert [note.text for note in energy.layout.annotations] == ["experiment"]
    assert energy.layout.annotations[0].x == pytest.approx(5.936**3 / 4)
    assert figures.offset(results, references=references).layout.annotations == ()


def test_the_bonds_split(results: StrainResults) -> None:
    figure = figures.bond_lengths(results)
    short, long = trace(figure, "3 short bonds"), trace(figure, "3 long bonds")
    assert (short.y[-1], long.y[-1]) == pytest.approx((2.950, 3.187), abs=1e-3)
    assert short.y[0] == pytest.approx(long.y[0])
    guide_line = trace(figure, "3 long bonds", "lines")
    centred = np.interp(guide_line.x, short.x, [point.lattice_constant / 2 for point in results.points])
    split = np.array(guide_line.y) - centred
    assert np.abs(split[np.array(guide_line.x) < 0.7]).max() < 1e-9
    assert (split[np.array(guide_line.x) > 0.73] > 0.005).all()


def test_pressures_come_from_curve_and_stress(results: StrainResults) -> None:
    figure = figures.pressure(results)
    curve = trace(figure, "equation of state", "lines")
    assert np.interp(0.0, curve.x, curve.y) == pytest.approx(0.0, abs=2e-3)
    assert np.interp(2.0, curve.x, curve.y) == pytest.approx(results.points[-1].eos_pressure, abs=1e-6)
    assert hover_lines(trace(figure, "stress, centred"), 5)[
        1
    ] == f"P = {results.points[-1].eos_pressure + 0.03:.3f} GPa".replace("-", "−")


def test_double_wells_show_points_and_polynomial(results: StrainResults) -> None:
    figure = figures.double_wells(results)
    curves = [one for one in figure.data if one.mode == "lines"]
    points = [one for one in figure.data if one.mode == "markers"]
    assert len(curves) == len(points) == 6
    for curve, computed in zip(curves, points, strict=True):
        assert np.interp(computed.x, curve.x, curve.y) == pytest.approx(np.array(computed.y), abs=0.02)
        assert curve.y[0] == pytest.approx(curve.y[-1])
        assert curve.line.color == computed.marker.color
    assert len({curve.line.color for curve in curves}) == 6
    low, high = figure.layout.yaxis.range
    assert low < min(y for one in points for y in one.y) < 0 < high


def test_single_wells_are_not_cut(results: StrainResults) -> None:
    figure = figures.double_wells(results.model_copy(update={"points": results.points[:3]}))
    assert figure.layout.yaxis.range is None


def test_the_guide_passes_through_points_and_onset() -> None:
    strains, offsets = [0.0, 0.01, 0.02], [0.0, 0.1, np.sqrt(0.03)]
    x, y = guide(strains, offsets, [0, 0, 0], offsets, 0.005, 0.5)
    assert np.interp([0.0, 0.005, 0.01, 0.02], x, y) == pytest.approx([0, 0, 0.1, np.sqrt(0.03)])
    assert np.interp(0.015, x, y) == pytest.approx(np.sqrt(0.02), rel=1e-4)


@pytest.mark.parametrize("onset", [None, 0.015])
def test_the_guide_is_broken_where_the_onset_is_unknown(onset: float | None) -> None:
    strains, offsets = [0.0, 0.01, 0.02], [0.0, 0.1, np.sqrt(0.03)]
    x, y = guide(strains, offsets, [0, 0, 0], offsets, onset, 0.5)
    assert [place for place, value in zip(x, y, strict=True) if np.isnan(value)] == [
        place for place in x if 0.0 < place < 0.01
    ]
    assert y[x.index(0.015)] == pytest.approx(np.sqrt(0.02))


def test_the_order_of_the_points_does_not_matter(results: StrainResults) -> None:
    shuffled = results.model_copy(update={"points": results.points[::-1]})
    for draw in (figures.offset, figures.gap, figures.double_wells):
        assert draw(shuffled) == draw(results)
