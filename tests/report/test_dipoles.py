from datetime import UTC, datetime

import numpy as np
import pytest

from qdsim.analysis.dipole import AXIS, DEBYE
from qdsim.analysis.dipole_analysis import DipoleModels, Target, analyse_dipoles
from qdsim.analysis.dipole_results import ClusterState, DipoleResults
from qdsim.report.data import Curve, ReportData, Structure
from qdsim.report.dipole_headline import dipole_numbers, dipole_sentences
from qdsim.report.figures.computed_patterns import cluster_patterns
from qdsim.report.figures.dipoles import dipole_clusters, dipole_diameters, dipole_offsets
from qdsim.report.formatting import MISSING
from qdsim.report.page import render_report
from qdsim.report.sections.dipoles import dipoles
from qdsim.structures import RhombohedralState
from qdsim.structures.cluster import build_cluster
from qdsim.structures.isolation import isolate

VOLUME = 5.98**3 / 4
CHARGE = 1.3
TARGET = Target(diameter=32, pb_offset=0.12, formula_units=336, reported_dipole=190, source="a paper")


def make(diameter: float, offset: float, *, failed: bool = False) -> tuple[ClusterState, Structure]:
    state = RhombohedralState(VOLUME, 59.1 if offset else 60.0, offset)
    cluster = build_cluster("Pb", "S", state, "sphere", diameter)
    atoms = isolate(cluster.to_atoms(), diameter + 14)
    n = cluster.composition["Pb"]
    dipole = tuple(n * CHARGE * offset / DEBYE * AXIS)
    label = f"d{diameter:.0f}__offset_{offset:.2f}".replace(".", "p")
    described = ClusterState(
        label=label,
        particle=f"d{diameter:.0f}",
        diameter=diameter,
        composition=cluster.composition,
        n_atoms=len(atoms),
        n_cations=n,
        extent=diameter,
        volume=VOLUME,
        alpha_rh=state.alpha,
        pb_offset=offset,
        formal_dipole=tuple(cluster.formal_dipole / DEBYE),
        box=diameter + 14,
        solver="WAVELET",
        energy=None if failed else -100.0,
        dipole=None if failed else dipole,
        homo=None if failed else -5.0,
        lumo=None if failed else -4.2,
        failure="single point: the SCF did not converge." if failed else None,
    )
    structure = Structure(
        symbols=tuple(atoms.get_chemical_symbols()),
        positions=tuple(map(tuple, atoms.positions.tolist())),
        cell=tuple(map(tuple, atoms.cell.tolist())),
    )
    return described, structure


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def data() -> ReportData:
    made = [make(d, u) for d in (10.0, 12.0) for u in (0.0, 0.06, 0.12)] + [make(14.0, 0.12, failed=True)]
    results = DipoleResults(
        compound="PbS", cation="Pb", anion="S", protocol="cluster", clusters=tuple(state for state, _ in made)
    )
    return ReportData(
        title="Dipoles",
        campaign="dipoles",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        qdsim_version="1",
        status="finished",
        nodes={"dipoles": "aaaa", "dipole_analysis": "bbbb"},
        settings={"campaign": {"name": "dipoles"}},
        dipoles=results,
        dipole_analysis=analyse_dipoles(results, DipoleModels(), TARGET),
        cluster_structures={state.label: structure for state, structure in made},
        cluster_patterns={state.label: scattered(state) for state, _ in made},
    )


def scattered(state: ClusterState) -> Curve:
    """Return a pattern that grows with the number of atoms and with the offset."""
    return Curve(x=(1.0, 2.0), y=(state.n_atoms * 3.0, state.n_atoms * (3.0 + state.pb_offset)))


def test_patterns_are_an_atoms_share_and_compared_with_the_undistorted_cluster(data: ReportData) -> None:
    assert data.dipoles is not None
    figure = cluster_patterns(data.dipoles, data.cluster_patterns)
    curves = [(trace.name, trace.yaxis, list(trace.y)) for trace in figure.data]
    assert [name for name, axis, _ in curves if axis == "y"] == ["d10, 0.12 Å", "d12, 0.12 Å", "d14, 0.12 Å"]
    for _, axis, y in curves:
        assert y == pytest.approx([3.0, 3.12] if axis == "y" else [0.0, 0.12])
    assert sum(axis == "y2" for _, axis, _ in curves) == 2


def test_sentences_compare_with_models_and_with_what_is_reported(data: ReportData) -> None:
    text = plain(" ".join(dipole_sentences(data)))
    expected = CHARGE * 336 * 0.12 / DEBYE
    assert f"would make {expected:.0f} D" in text
    assert f"{100 * (expected / 190 - 1):+.0f} %" in text
    assert "no dipole exceeds 0.00" in text
    assert "Every gap stayed open" in text
    assert "In 4 of 7 clusters the potential" in text
    assert "the SCF did not converge" in text


def test_gaps_that_did_not_stay_open_are_named(data: ReportData) -> None:
    assert data.dipoles is not None
    first, second, *others = data.dipoles.clusters
    changed = (first.model_copy(update={"lumo": -4.98}), second.model_copy(update={"smeared": True}), *others)
    results = data.dipoles.model_copy(update={"clusters": changed})
    analysis = analyse_dipoles(results, DipoleModels())
    text = " ".join(dipole_sentences(data.model_copy(update={"dipoles": results, "dipole_analysis": analysis})))
    assert f"The gap did not stay open in {first.label}, {second.label}:" in text


def test_numbers_at_the_head(data: ReportData) -> None:
    values = {plain(number.label): plain(number.value) for number in dipole_numbers(data)}
    assert values["effective charge"] == "1.30 e"
    assert values["carried over to 3.2 nm"] == f"{CHARGE * 336 * 0.12 / DEBYE:.0f} D"


def test_figures_draw_every_computed_point(data: ReportData) -> None:
    assert data.dipole_analysis is not None
    assert data.dipoles is not None
    offsets = dipole_offsets(data.dipole_analysis)
    points = [trace for trace in offsets.data if trace.mode == "markers"]
    assert [len(trace.x) for trace in points] == [3, 3, 0]
    np.testing.assert_allclose(points[0].y[2], 2 * points[0].y[1])
    diameters = dipole_diameters(data.dipole_analysis)
    assert diameters.data[0].x == (10.0, 12.0)
    reported = next(trace for trace in diameters.data if trace.name == "reported")
    assert reported.y == (190.0,)
    model = next(trace for trace in diameters.data if trace.name == "1 e per cation")
    at_target = np.interp(32.0, model.x, model.y)
    assert at_target == pytest.approx(336 * 0.12 / DEBYE, rel=0.01)


def test_the_arrow_points_along_the_dipole(data: ReportData) -> None:
    assert data.dipoles is not None
    figure = dipole_clusters(data.dipoles, data.cluster_structures)
    arrows = [trace for trace in figure.data if trace.name == "dipole"]
    assert len(arrows) == 4
    tip = np.array([arrows[0].x, arrows[0].y, arrows[0].z]).T
    farthest = tip[np.argmax(tip @ AXIS)]
    assert farthest @ AXIS == pytest.approx(np.linalg.norm(farthest), rel=1e-3)
    assert len(figure.layout.updatemenus[0].buttons) == 7
    shown = {trace.name for trace in figure.data if trace.visible}
    assert {"Pb", "S", "bonds"} <= shown
    assert figure.layout.title.text.startswith("<b>d14, offset 0.12")


def test_the_section_tells_of_failures_and_of_the_response(data: ReportData) -> None:
    context = dipoles(data)
    assert context is not None
    rows, particles = context["tables"]
    assert len(rows.rows) == 7
    assert rows.rows[-1][3].text == MISSING
    states = [head for head, _ in rows.heads].index("which is")
    assert [row[states].text for row in rows.rows] == ["open"] * 6 + [MISSING]
    assert particles.rows[0][1].text == "Pb16S16"
    assert particles.rows[0][7].text == "1.300"
    assert any("did not converge" in note for note in context["notes"])


def test_a_campaign_of_dipoles_alone_has_its_page(data: ReportData) -> None:
    page = render_report(data)
    assert "Dipole moments" in page
    assert "figure-dipole_clusters" in page
    assert "no equation of state" not in page


def test_nothing_is_shown_without_dipoles(data: ReportData) -> None:
    empty = data.model_copy(update={"dipoles": None, "dipole_analysis": None})
    assert dipoles(empty) is None
    assert list(dipole_sentences(empty)) == []
    assert dipole_numbers(empty) == []
