from typing import Any

import numpy as np
import pytest

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.debye import Chi2Map, Fit, FitResult, FitSettings, ModelPattern, NanocrystalModel, ScatteringData
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


@pytest.fixture(scope="module")
def fits() -> dict[str, FitResult]:
    q = np.linspace(1.0, 10.0, 120)
    model = NanocrystalModel(diameter=20, alpha_rh=59.2, b_iso_cation=1.0)
    intensity = ModelPattern(model, q).intensity({})
    data = ScatteringData(q, intensity, np.full(q.size, 0.01 * intensity.mean()))
    settings = FitSettings(vary={"lattice_constant": None}, background=1)
    shapes = {"free": 59.2, "DFT <b>": 59.3, "undistorted": 60.0}
    return {name: Fit(model.with_values({"alpha_rh": alpha}), data, settings).run() for name, alpha in shapes.items()}


class TestHypotheses:
    def test_chi2_rises_to_its_difference(self, fits: dict[str, FitResult]) -> None:
        figure = figures.hypothesis_patterns(fits)
        below = {one.name: one for one in figure.data if one.yaxis == "y3"}
        assert list(below) == ["DFT &lt;b&gt;", "undistorted"]
        for name, one in zip(list(fits)[1:], below.values(), strict=True):
            assert one.y[-1] == pytest.approx(fits[name].chi2 - fits["free"].chi2)
            assert list(one.x) == fits[name].q
        place = int(np.searchsorted(fits["free"].q, 5.0))
        cut = [
            sum(
                ((y - c) / s) ** 2
                for y, c, s in list(zip(fit.observed, fit.calculated, fit.sigma or (), strict=True))[: place + 1]
            )
            for fit in (fits["undistorted"], fits["free"])
        ]
        assert below["undistorted"].y[place] == pytest.approx(cut[0] - cut[1])

    def test_curves_and_differences_are_those_of_the_fits(self, fits: dict[str, FitResult]) -> None:
        figure = figures.hypothesis_patterns(fits)
        data, *above = (one for one in figure.data if one.yaxis == "y")
        assert (list(data.x), list(data.y)) == (fits["free"].q, fits["free"].observed)
        differences = [one for one in figure.data if one.yaxis == "y2"]
        for fit, drawn, difference in zip(fits.values(), above, differences, strict=True):
            assert list(drawn.y) == fit.calculated
            assert drawn.line.color == difference.line.color
            expected = (np.array(fit.observed) - fit.calculated) / np.array(fit.sigma)
            np.testing.assert_allclose(difference.y, expected)
        assert len({drawn.line.color for drawn in above}) == 3
        rise = fits["undistorted"].chi2 - fits["free"].chi2
        assert [drawn.name.replace(NO_BREAK_SPACE, " ") for drawn in above][0::2] == [
            "free",
            f"undistorted, Δχ² = +{rise:.1f}",
        ]

    def test_what_is_drawn_is_said_with_its_unit(self, fits: dict[str, FitResult]) -> None:
        layout = figures.hypothesis_patterns(fits).layout
        assert layout.xaxis3.title.text == "Q (Å⁻¹)"
        assert layout.yaxis2.title.text == "data − fit (σ)"
        bare = {name: fit.model_copy(update={"sigma": None}) for name, fit in fits.items()}
        assert figures.hypothesis_patterns(bare).layout.yaxis2.title.text == "data − fit (unit of the data)"

    def test_one_fit_alone_can_be_drawn(self, fits: dict[str, FitResult]) -> None:
        figure = figures.hypothesis_patterns({"free": fits["free"]})
        assert {one.yaxis for one in figure.data} == {"y", "y2"}


class TestMarksOnMaps:
    scan = Chi2Map(
        x_name="alpha_rh",
        x_unit="°",
        x=[59.0, 59.5, 60.0],
        y_name="pb_offset",
        y_unit="Å",
        y=[0.0, 0.1, 0.2],
        chi2_reduced=[[3.0, 2.0, 4.0], [2.5, 1.2, 3.5], [2.8, 1.6, 3.9]],
        best=(59.5, 0.1),
        refitted=[],
    )

    def test_they_are_drawn_under_the_lowest_point(self) -> None:
        figure = figures.chi2_map(self.scan, [figures.Mark("DFT", 59.5, 0.1), figures.Mark("DFT, tension", 59.2, 0.15)])
        points = [one for one in figure.data if one.type == "scatter"]
        assert [one.name for one in points] == ["DFT", "DFT, tension", "lowest"]
        assert [(one.x[0], one.y[0]) for one in points] == [(59.5, 0.1), (59.2, 0.15), (59.5, 0.1)]
        assert len({one.marker.symbol for one in points}) == len({one.marker.line.color for one in points[:2]}) + 1 == 3
        assert points[0].marker.size > points[2].marker.size
        assert points[0].marker.color == "#ffffff"
        assert hover_lines(points[1], 0) == [
            "<b>DFT, tension</b>",
            "α_rh = 59.2000°",
            "Pb offset along [111] = 0.1500 Å",
        ]
        assert figure.layout.showlegend

    def test_without_any_there_is_no_legend(self) -> None:
        figure = figures.chi2_map(self.scan)
        assert not figure.layout.showlegend
        assert [one.name for one in figure.data if one.type == "scatter"] == ["lowest"]

    @pytest.mark.parametrize(
        ("mark", "inside"),
        [((58.76, 0.0), True), ((58.74, 0.0), False), ((59.5, 0.249), True), ((59.5, 0.26), False)],
    )
    def test_those_outside_are_told_and_extend_nothing(self, mark: tuple[float, float], inside: bool) -> None:
        figure = figures.chi2_map(self.scan, [figures.Mark("<DFT>", *mark)])
        assert list(figure.layout.xaxis.range) == [58.75, 60.25]
        assert list(figure.layout.yaxis.range) == pytest.approx([-0.05, 0.25])
        drawn = next(one for one in figure.data if one.type == "scatter")
        name = drawn.name.replace(NO_BREAK_SPACE, " ")
        if inside:
            assert (name, drawn.x[0], drawn.y[0]) == ("&lt;DFT&gt;", *mark)
        else:
            assert name == f"&lt;DFT&gt; (outside: {mark[0]:.2f}°, {mark[1]:.3f} Å)"
            assert (drawn.x[0], drawn.y[0]) == (None, None)
