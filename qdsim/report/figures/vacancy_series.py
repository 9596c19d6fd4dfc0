"""Many vacancies: energy, free energy and gap against their concentration."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.analysis.concentrated_vacancies import ConcentrationPoint, VacancySeries, mixing_entropy
from qdsim.report.figures import style
from qdsim.report.figures.vacancies import COLOURS, label_panels, panel_at, panels, reservoir_colours
from qdsim.report.formatting import fixed
from qdsim.report.vacancy_view import WHOLE, VacancyView

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_NO_NODES: Mapping[str, str] = MappingProxyType({})
_MEV = 1000.0
_X_TITLE = "vacant share of the sites (%)"
_STEPS = 40  # of a drawn curve between two computed concentrations


def series_groups(view: VacancyView) -> dict[tuple[str, str], list[VacancySeries]]:
    """Return the series with any point by host and sublattice; those of one group differ in their reservoir."""
    found: dict[tuple[str, str], list[VacancySeries]] = {}
    for series in view.analysis.series:
        if series.points:
            found.setdefault((series.host, series.sublattice), []).append(series)
    return found


def chosen_energy(point: ConcentrationPoint, temperature: float) -> float:
    """Return the energy per vacancy (eV) that the free energy of a concentration has been made of."""
    return (point.free_energy + temperature * point.entropy) / point.concentration


def vacancy_energies(view: VacancyView, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the formation energy per vacancy (eV) against the vacant share (%), a panel for each host and sublattice.

    Each ordering is a point; the line joins their means.

    Parameters
    ----------
    view
        Results and what follows from them.
    nodes
        UUIDs by path, shown in the hover texts.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure, groups = _series_panels(view)
    for index, series in groups:
        colour = reservoir_colours(view.analysis.reservoirs)[series.reservoir]
        means = [chosen_energy(point, series.temperature) for point in series.points]
        x = [_percent(point.concentration) for point in series.points]
        orderings = [(point, one) for point in series.points for one in point.orderings]
        figure.add_trace(
            style.markers(
                [_percent(point.concentration) for point, _ in orderings],
                [one.energy for _, one in orderings],
                "orderings",
                colour,
                [
                    style.hover(
                        f"{one.label} in {one.host}",
                        [
                            ("formation energy per vacancy", fixed(one.energy, 3, "eV")),
                            ("reservoir", series.reservoir),
                            ("equivalent choices", str(one.multiplicity)),
                        ],
                        nodes,
                        view.path(one.host, one.label),
                    )
                    for _, one in orderings
                ],
                symbol="circle-open",
                size=7,
                showlegend=False,
                legendgroup=style.text(series.reservoir),
            ),
            **panel_at(index, _count(view)),
        )
        figure.add_trace(
            style.markers(
                x,
                means,
                style.text(series.reservoir),
                colour,
                [_mean_hover(series, point, nodes) for point in series.points],
                symbol="line-ew",
                size=12,
                joined=True,
                showlegend=index == 0,
                legendgroup=style.text(series.reservoir),
            )
            | {"marker": {"symbol": "line-ew", "size": 14, "line": {"color": colour, "width": 2.5}}},
            **panel_at(index, _count(view)),
        )
    figure.add_hline(0.0, line={"color": style.AXIS, "width": 1}, layer="below")
    return label_panels(figure, _count(view), _X_TITLE, "formation energy per vacancy (eV)")


def vacancy_free_energies(view: VacancyView, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the free energy of forming vacancies (meV per site) against the vacant share (%).

    Between the computed concentrations the mean energy is interpolated linearly, as the analysis does. A star is the
    lowest value, an open one where it is at an end of what was computed.

    Parameters
    ----------
    view, nodes
        As for `vacancy_energies`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure, groups = _series_panels(view)
    for index, series in groups:
        colour = reservoir_colours(view.analysis.reservoirs)[series.reservoir]
        computed = [point.concentration for point in series.points]
        figure.add_trace(_free_energy_curve(series, computed, colour), **panel_at(index, _count(view)))
        figure.add_trace(
            style.markers(
                [_percent(x) for x in computed],
                [_MEV * point.free_energy for point in series.points],
                style.text(series.reservoir),
                colour,
                [
                    style.hover(
                        f"{series.sublattice} vacancies in {series.host}",
                        [
                            ("free energy per site", fixed(_MEV * point.free_energy, 2, "meV", signed=True)),
                            (
                                "−T s of mixing",
                                fixed(-_MEV * series.temperature * point.entropy, 2, "meV", signed=True),
                            ),
                            ("vacant", fixed(_percent(point.concentration), 2, "%")),
                            ("reservoir", series.reservoir),
                        ],
                        nodes,
                        WHOLE,
                    )
                    for point in series.points
                ],
                showlegend=index == 0,
                legendgroup=style.text(series.reservoir),
            ),
            **panel_at(index, _count(view)),
        )
        if series.equilibrium is not None:
            best = series.equilibrium
            figure.add_trace(
                style.markers(
                    [_percent(best.concentration)],
                    [_MEV * best.free_energy],
                    "equilibrium",
                    colour,
                    [
                        style.hover(
                            "equilibrium, the lowest free energy"
                            + (", at the end of what was computed" if best.at_bound else ""),
                            [
                                ("free energy per site", fixed(_MEV * best.free_energy, 2, "meV", signed=True)),
                                ("vacant", fixed(_percent(best.concentration), 2, "%")),
                                ("reservoir", series.reservoir),
                            ],
                            nodes,
                            WHOLE,
                        )
                    ],
                    symbol="star-open" if best.at_bound else "star",
                    size=15,
                    showlegend=False,
                    legendgroup=style.text(series.reservoir),
                ),
                **panel_at(index, _count(view)),
            )
    figure.add_hline(0.0, line={"color": style.AXIS, "width": 1}, layer="below")
    return label_panels(figure, _count(view), _X_TITLE, "free energy (meV per site)")


def vacancy_gaps(view: VacancyView, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the gap (eV) against the vacant share (%): each ordering a point, their weighted mean a line.

    Parameters
    ----------
    view, nodes
        As for `vacancy_energies`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly.graph_objects import Figure

    figure = Figure(layout=style.layout(xaxis=style.axis(_X_TITLE), yaxis=style.axis("gap (eV)", rangemode="tozero")))
    for index, ((host, sublattice), group) in enumerate(series_groups(view).items()):
        colour = COLOURS[index % len(COLOURS)]
        name = f"{sublattice} vacancies in {host}"
        points = group[0].points
        found = [(p, one, one.gap) for p in points for one in p.orderings if one.gap is not None]
        means = [(point, point.gap) for point in points if point.gap is not None]
        if not means:
            continue
        figure.add_trace(
            style.markers(
                [_percent(point.concentration) for point, _, _ in found],
                [gap for _, _, gap in found],
                "orderings",
                colour,
                [
                    style.hover(
                        f"{one.label} in {one.host}",
                        [("gap", fixed(gap, 3, "eV")), ("equivalent choices", str(one.multiplicity))],
                        nodes,
                        view.path(one.host, one.label),
                    )
                    for _, one, gap in found
                ],
                symbol="circle-open",
                size=7,
                showlegend=False,
                legendgroup=style.text(name),
            )
        )
        figure.add_trace(
            style.curve(
                [_percent(point.concentration) for point, _ in means],
                [gap for _, gap in means],
                style.text(name),
                colour,
                hovers=[
                    style.hover(
                        name,
                        [("mean gap", fixed(gap, 3, "eV")), ("vacant", fixed(_percent(point.concentration), 2, "%"))],
                        nodes,
                        WHOLE,
                    )
                    for point, gap in means
                ],
                legendgroup=style.text(name),
            )
        )
    return figure


def _series_panels(view: VacancyView) -> tuple["Figure", list[tuple[int, VacancySeries]]]:
    """Return a panel for each host and sublattice, and each series with the number of its panel."""
    groups = series_groups(view)
    titles = [f"{sublattice} vacancies in {host}" for host, sublattice in groups]
    return panels(titles), [(index, one) for index, group in enumerate(groups.values()) for one in group]


def _count(view: VacancyView) -> int:
    return len(series_groups(view))


def _percent(share: float) -> float:
    return 100 * share


def _mean_hover(series: VacancySeries, point: ConcentrationPoint, nodes: Mapping[str, str]) -> str:
    spread = [] if point.deviation is None else [("standard deviation", fixed(point.deviation, 3, "eV"))]
    rows = [
        (f"mean ({series.average})", fixed(chosen_energy(point, series.temperature), 3, "eV")),
        *spread,
        ("from", fixed(point.lowest, 3, "eV")),
        ("to", fixed(point.highest, 3, "eV")),
        ("orderings", str(len(point.orderings))),
        ("vacant", fixed(_percent(point.concentration), 2, "%")),
        ("reservoir", series.reservoir),
    ]
    return style.hover(f"{series.sublattice} vacancies in {series.host}", rows, nodes, WHOLE)


def _free_energy_curve(series: VacancySeries, computed: Sequence[float], colour: str) -> dict[str, Any]:
    shares = sorted({*computed, *np.linspace(computed[0], computed[-1], _STEPS * len(computed)).tolist()})
    energies = np.interp(shares, computed, [chosen_energy(point, series.temperature) for point in series.points])
    values = [
        _MEV * (x * float(energy) - series.temperature * mixing_entropy(x))
        for x, energy in zip(shares, energies, strict=True)
    ]
    return style.curve(
        [_percent(x) for x in shares],
        values,
        "g(x)",
        colour,
        showlegend=False,
        legendgroup=style.text(series.reservoir),
    )
