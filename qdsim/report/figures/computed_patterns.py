"""The scattering of computed structures, and what the distortion does to it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from qdsim.analysis.dipole_results import DipoleResults
from qdsim.analysis.strain_results import StrainResults
from qdsim.report.data import Curve, DisplacementPattern, points_by_strain
from qdsim.report.figures import style
from qdsim.report.figures.patterns import Q_TITLE, line_of, scale_buttons

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE, style.SKY, style.INK)


class _Pair(NamedTuple):
    """A pattern, and the one that it is compared with."""

    name: str
    curve: Curve
    reference: Curve | None


def strain_patterns(results: StrainResults, patterns: Mapping[str, Curve]) -> "Figure":
    """Draw the pattern of the relaxed lattice at every strain, and below how it differs from the centred one's.

    Parameters
    ----------
    results
        The strain series.
    patterns
        Curves over Q by label, such as "linear_p0p0200_relaxed".

    Returns
    -------
    plotly.graph_objects.Figure
    """
    pairs = [
        _Pair(style.strain_label(point.linear_strain), relaxed, patterns.get(f"{point.label}_centred"))
        for point in points_by_strain(results)
        if (relaxed := patterns.get(f"{point.label}_relaxed")) is not None
    ]
    return _patterns_and_changes(pairs, "electrons² per particle", "relaxed − centred")


def cluster_patterns(results: DipoleResults, patterns: Mapping[str, Curve]) -> "Figure":
    """Draw the pattern of each cluster at its largest offset, and below how it differs from the undistorted one's.

    Parameters
    ----------
    results
        The clusters.
    patterns
        Curves over Q by label of the cluster.

    Returns
    -------
    plotly.graph_objects.Figure
        An atom's share of the intensities, so that all sizes fit into one figure.
    """
    pairs = list(_cluster_pairs(results, patterns))
    return _patterns_and_changes(pairs, "electrons² per atom", "distorted − undistorted")


def displacement_patterns(patterns: Sequence[DisplacementPattern]) -> "Figure":
    """Draw the pattern of each sample with both displacement parameters, and below how that of the phonons differs.

    Parameters
    ----------
    patterns
        Of the samples.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    pairs = []
    for one in patterns:
        pairs.append(_Pair(style.text(f"{one.compared.sample}, fitted B"), one.fitted, None))
        pairs.append(_Pair(style.text(f"{one.compared.sample}, B of phonons"), one.phonons, one.fitted))
    return _patterns_and_changes(pairs, "electrons² per particle", "phonons − fitted")


def _cluster_pairs(results: DipoleResults, patterns: Mapping[str, Curve]) -> Iterator[_Pair]:
    for particle, group in groupby(results.clusters, key=lambda cluster: cluster.particle):
        states = [cluster for cluster in group if cluster.label in patterns]
        if states:
            shown = max(states, key=lambda cluster: abs(cluster.pb_offset))
            undistorted = next((one for one in states if one.pb_offset == 0 and one is not shown), None)
            reference = None if undistorted is None else _per_atom(patterns[undistorted.label], shown.n_atoms)
            name = f"{particle}, {shown.pb_offset:.2f} Å"
            yield _Pair(style.text(name), _per_atom(patterns[shown.label], shown.n_atoms), reference)


def _per_atom(curve: Curve, n_atoms: int) -> Curve:
    return Curve(x=curve.x, y=tuple(value / n_atoms for value in curve.y))


def _patterns_and_changes(pairs: Sequence[_Pair], unit: str, change_title: str) -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.05)
    for index, (name, curve, reference) in enumerate(pairs):
        colour = _COLOURS[index % len(_COLOURS)]
        figure.add_trace(line_of(curve.x, curve.y, name, colour, legendgroup=name), row=1, col=1)
        if reference is not None:
            change = [one - other for one, other in zip(curve.y, reference.y, strict=True)]
            below = line_of(curve.x, change, name, colour, legendgroup=name, showlegend=False)
            figure.add_trace(below, row=2, col=1)
    figure.update_layout(style.layout(height=560, hovermode="x unified", updatemenus=scale_buttons("yaxis")))
    figure.update_layout(hoverlabel={"namelength": -1})
    figure.update_xaxes(style.axis("", unifiedhovertitle={"text": "Q = %{x:.4f} Å⁻¹"}))
    figure.update_xaxes(title_text=Q_TITLE, row=2, col=1)
    figure.update_yaxes(style.axis(unit, exponentformat="power"), row=1, col=1)
    figure.update_yaxes(style.axis(change_title, nticks=5, exponentformat="power"), row=2, col=1)
    return figure
