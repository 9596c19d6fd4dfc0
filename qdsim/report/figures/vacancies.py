"""Formation energies of vacancies against reservoir and Fermi level, and what a distortion does to them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from qdsim.analysis.chemical_potentials import Reservoir
from qdsim.analysis.defect_thermodynamics import FormationEnergyDiagram, Transition
from qdsim.analysis.distortion_decomposition import Decomposition
from qdsim.analysis.formation_energy import FormationEnergy
from qdsim.report.figures import style
from qdsim.report.formatting import MISSING, fixed
from qdsim.report.vacancy_view import WHOLE, VacancyView, named, signed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PARTS = {"volume": "volume", "angle": "angle", "off_centring": "off-centring", "relaxation": "relaxation"}
"""Parts of a distortion by their fields, as they are called."""
PANELS_IN_A_ROW = 4
"""Of a figure that takes the whole width of the page."""
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.INK)

_NO_NODES: Mapping[str, str] = MappingProxyType({})
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "star")
_PART_COLOURS = {
    "volume": style.BLUE,
    "angle": style.SKY,
    "off_centring": style.GREEN,
    "relaxation": style.ORANGE,
    "total": style.INK,
}
_EDGE = 0.04  # of the drawn range of potentials, beyond its ends
_HEADROOM = 0.22  # of the drawn range of energies, for the names of reservoirs
_SHADE = "rgba(95,107,122,0.10)"
_PANEL_HEIGHT, _PANEL_EXTRA = 270, 130
_FOOT = 0.14  # of the drawn range of a bar chart, for the values written outside the bars


def formation_energies(view: VacancyView, nodes: Mapping[str, str] = _NO_NODES) -> "Figure":
    """Draw the formation energies of neutral vacancies (eV) against the cation's chemical potential (eV).

    Each vacancy has a line in each host, since in equilibrium with the compound its energy is linear in the potential;
    markers are at the reservoirs. Open markers and thin lines are of ions held still. Potentials at which the compound
    is not stable are shaded. A reservoir out of equilibrium has no place on the axis and is left out.

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
    from plotly.graph_objects import Figure

    cation = view.results.cation
    window = view.analysis.window
    places = {one.name: one.delta_mu[cation] for one in view.analysis.reservoirs if one.out_of_equilibrium == 0}
    lines = _lines(view, places)
    figure = Figure(
        layout=style.layout(
            height=430,
            margin={"l": 64, "r": 18, "t": 24, "b": 56},
            xaxis=style.axis(f"chemical potential of {style.text(cation)}, Δμ (eV)"),
            yaxis=style.axis("formation energy, neutral (eV)"),
            legend={"x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top", "font": {"size": 12}},
        )
    )
    if window is None or not lines:
        return figure
    limits = (window.heat_of_formation, 0.0)
    low, high = min([*places.values(), limits[0]]), max([*places.values(), limits[1]])
    edge = _EDGE * (high - low)
    span = (low - edge, high + edge)
    values: list[float] = []
    for index, ((host, defect), rows) in enumerate(lines.items()):
        colour = COLOURS[list(dict.fromkeys(name for name, _ in lines)).index(host) % len(COLOURS)]
        kind = list(dict.fromkeys(name for _, name in lines)).index(defect)
        for trace in _line(view, rows, places, span, colour, kind, nodes):
            figure.add_trace(trace | {"legendgroup": str(index)})
            values += trace["y"]
    for start, end in ((span[0], limits[0]), (limits[1], span[1])):
        figure.add_vrect(start, end, fillcolor=_SHADE, line_width=0, layer="below")
    for name, x in places.items():
        figure.add_vline(x, line={"color": style.MUTED, "width": 1, "dash": "dot"}, layer="below")
        figure.add_annotation(
            text=style.text(name),
            x=x,
            y=1,
            yref="y domain",
            xanchor="right",
            yanchor="top",
            textangle=-90,
            showarrow=False,
            font={"size": 11, "color": style.MUTED},
        )
    bottom, top = min([*values, 0.0]), max(values)
    figure.update_xaxes(range=span)
    figure.update_yaxes(range=(bottom - 0.05 * (top - bottom), top + _HEADROOM * (top - bottom)))
    figure.add_hline(0.0, line={"color": style.AXIS, "width": 1}, layer="below")
    return figure


def _lines(view: VacancyView, places: Mapping[str, float]) -> dict[tuple[str, str], list[FormationEnergy]]:
    """Return the neutral rows that have a number and a place, by host and vacancy."""
    found: dict[tuple[str, str], list[FormationEnergy]] = {}
    for row in view.single:
        if row.charge == 0 and row.reservoir in places and view.shown(row)[0] is not None:
            found.setdefault((row.host, row.defect), []).append(row)
    return found


def _line(
    view: VacancyView,
    rows: Sequence[FormationEnergy],
    places: Mapping[str, float],
    span: tuple[float, float],
    colour: str,
    kind: int,
    nodes: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the line of a vacancy in a host over the drawn potentials, and its markers at the reservoirs."""
    points: list[tuple[float, float]] = []
    hovers = []
    relaxed = False
    for row in rows:
        terms, relaxed = view.shown(row)
        if terms is None:
            continue
        points.append((places[row.reservoir], terms.total))
        how = "formation energy" if relaxed else "formation energy, ions held"
        values = [
            (how, fixed(terms.total, 3, "eV")),
            ("reservoir", row.reservoir),
            (f"Δμ({view.results.cation})", fixed(places[row.reservoir], 3, "eV")),
        ]
        path = view.path(row.host, row.defect, relaxed=relaxed)
        hovers.append(style.hover(f"{row.defect} in {row.host}", values, nodes, path))
    (x0, y0), (x1, y1) = min(points), max(points)
    slope = (y1 - y0) / (x1 - x0) if x1 > x0 else 0.0
    name = style.text(f"{rows[0].defect} in {rows[0].host}{'' if relaxed else ', ions held'}")
    look = {"color": colour, "width": 2 if relaxed else 1.2, "dash": _DASHES[kind % len(_DASHES)]}
    symbol = _SYMBOLS[kind % len(_SYMBOLS)] + ("" if relaxed else "-open")
    x, y = [point[0] for point in points], [point[1] for point in points]
    return [
        style.curve(span, [y0 + slope * (end - x0) for end in span], name, colour, line=look, showlegend=False),
        style.markers(x, y, name, colour, hovers, symbol=symbol) | {"mode": "lines+markers", "line": look},
    ]


def fermi_level_diagram(
    view: VacancyView, diagrams: Sequence[FormationEnergyDiagram], nodes: Mapping[str, str] = _NO_NODES
) -> "Figure":
    """Draw the formation energies of one host (eV) against the Fermi level (eV), a panel for each reservoir.

    Thick lines are the lowest charge states, thin ones all that there are; circles mark the levels between them.

    Parameters
    ----------
    view
        Results and what follows from them.
    diagrams
        Of one host.
    nodes
        UUIDs by path, shown in the hover texts.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    reservoirs = list(dict.fromkeys(one.reservoir for one in diagrams))
    defects = list(dict.fromkeys(one.defect for one in diagrams))
    figure = panels(reservoirs, shared_y=True)
    drawn: set[str] = set()
    for diagram in diagrams:
        place = panel_at(reservoirs.index(diagram.reservoir), len(reservoirs))
        colour = COLOURS[defects.index(diagram.defect) % len(COLOURS)]
        for charge, energy in diagram.at_vbm.items():
            ends = (0.0, diagram.gap)
            figure.add_trace(
                style.curve(
                    ends,
                    [energy + charge * end for end in ends],
                    signed(charge),
                    colour,
                    line={"color": colour, "width": 1, "dash": "dot"},
                    showlegend=False,
                    legendgroup=style.text(diagram.defect),
                ),
                **place,
            )
        figure.add_trace(
            style.curve(
                [x for x, _ in diagram.corners],
                [y for _, y in diagram.corners],
                style.text(diagram.defect),
                colour,
                hovers=[
                    style.hover(
                        f"{diagram.defect} in {diagram.host}",
                        [("E_F − VBM", fixed(x, 3, "eV")), ("formation energy", fixed(y, 3, "eV"))],
                        nodes,
                        WHOLE,
                    )
                    for x, y in diagram.corners
                ],
                line={"color": colour, "width": 2.5},
                showlegend=diagram.defect not in drawn,
                legendgroup=style.text(diagram.defect),
            ),
            **place,
        )
        drawn.add(diagram.defect)
        inside = [one for one in diagram.transitions if one.in_gap]
        if inside:
            figure.add_trace(
                style.markers(
                    [one.fermi_level for one in inside],
                    [one.formation_energy for one in inside],
                    style.text(diagram.defect),
                    colour,
                    [_level_hover(view, diagram, one, nodes) for one in inside],
                    size=10,
                    showlegend=False,
                    mode="markers+text",
                    text=[f"{signed(one.charges[0])}/{signed(one.charges[1])}" for one in inside],
                    textposition="top center",
                    textfont={"size": 11, "color": colour},
                    legendgroup=style.text(diagram.defect),
                ),
                **place,
            )
    figure.update_xaxes(range=(0, max((one.gap for one in diagrams), default=1.0)))
    return label_panels(figure, len(reservoirs), "E_F above VBM (eV)", "formation energy (eV)")


def _level_hover(
    view: VacancyView, diagram: FormationEnergyDiagram, level: Transition, nodes: Mapping[str, str]
) -> str:
    charges = "/".join(map(signed, level.charges))
    rows = [
        ("level above VBM", fixed(level.fermi_level, 3, "eV")),
        ("formation energy there", fixed(level.formation_energy, 3, "eV")),
    ]
    path = view.path(diagram.host, diagram.defect, level.charges[1])
    return style.hover(f"{diagram.defect} {charges} in {diagram.host}", rows, nodes, path)


def distortion_parts(
    decompositions: Sequence[Decomposition], nodes: Mapping[str, str] = _NO_NODES, most: int = PANELS_IN_A_ROW
) -> "Figure":
    """Draw what each part of a distortion adds to a formation energy (eV), a panel for each vacancy and host.

    Each bar starts where the one before ends; hatched ones, of which one before is missing, start at zero. A part
    without a number is named where its bar would be.

    Parameters
    ----------
    decompositions
        What the distortion does to the formation energies.
    nodes
        UUIDs by path, shown in the hover texts.
    most
        Panels in a row.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    titles = [f"{named(one.defect, one.charge)} in {one.rhombohedral}" for one in decompositions]
    figure = panels(titles, most, shared_y=True)
    ends = [0.0]
    for index, one in enumerate(decompositions):
        place = panel_at(index, len(decompositions), most)
        axis = str(index + 1) if index else ""
        for part, (start, value) in _bars(one).items():
            label = PARTS.get(part, part)
            if value is None:
                figure.add_annotation(
                    text="missing",
                    x=label,
                    xref=f"x{axis}",
                    y=0.5,
                    yref=f"y{axis} domain",
                    textangle=-90,
                    showarrow=False,
                    font={"size": 12, "color": style.MUTED},
                )
            else:
                figure.add_trace(_bar(part, label, start, value, titles[index], nodes), **place)
                ends += [start or 0.0, (start or 0.0) + value]
        for (part, (start, value)), (following, (next_start, _)) in pairwise(_bars(one).items()):
            if value is not None and start is not None and next_start is not None and following != "total":
                step = style.curve([], [start + value] * 2, "step", style.AXIS, line={"color": style.AXIS, "width": 1})
                figure.add_trace(step | {"x": [PARTS[part], PARTS[following]], "showlegend": False}, **place)
    low, high = min(ends), max(ends)
    room = _FOOT * (high - low)
    order = [*PARTS.values(), "total"]
    figure.update_layout(bargap=0.25, showlegend=False)
    label_panels(figure, len(decompositions), "", "change of E_f (eV)", most)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=order, range=(-0.6, 4.6), tickangle=-35)
    if high > low:
        figure.update_yaxes(range=(low - room, high + room))
    figure.add_hline(0.0, line={"color": style.AXIS, "width": 1})
    return figure


def _bars(one: Decomposition) -> dict[str, tuple[float | None, float | None]]:
    """Return where the bar of each part starts, where that is known, and its height, where there is one."""
    found: dict[str, tuple[float | None, float | None]] = {}
    reached: float | None = 0.0
    for part in PARTS:
        value: float | None = getattr(one, part)
        if part == "relaxation" and reached is None and value is not None and one.total is not None:
            reached = one.total - value
        found[part] = (reached, value)
        reached = None if reached is None or value is None else reached + value
    found["total"] = (0.0, one.total)
    return found


def _bar(
    part: str,
    label: str,
    start: float | None,
    value: float,
    title: str,
    nodes: Mapping[str, str],
) -> dict[str, Any]:
    written = fixed(value, 3, "eV", signed=True)
    rows = [(label, written), ("starts at", MISSING if start is None else fixed(start, 3, "eV", signed=True))]
    marker: dict[str, Any] = {"color": _PART_COLOURS[part]}
    if start is None:
        marker["pattern"] = {"shape": "/", "fillmode": "replace", "fgcolor": _PART_COLOURS[part]}
    return {
        "type": "bar",
        "x": [label],
        "y": [value],
        "base": [start or 0.0],
        "name": label,
        "marker": marker,
        "text": [fixed(value, 3, signed=True)],
        "textposition": "outside",
        "textfont": {"size": 11, "color": style.INK},
        "cliponaxis": False,
        "constraintext": "none",
        "hoverinfo": "text",
        "hovertext": [style.hover(title, rows, nodes, WHOLE)],
        "showlegend": False,
    }


def panels(titles: Sequence[str], most: int = PANELS_IN_A_ROW, *, shared_y: bool = False) -> "Figure":
    """Return a figure of panels with their titles, at most so many in a row."""
    from plotly.subplots import make_subplots

    columns = _columns(len(titles), most)
    rows = max(1, -(-len(titles) // columns))
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes="all" if shared_y else False,
        subplot_titles=[style.text(title) for title in titles] if len(titles) > 1 else None,
        horizontal_spacing=0.03 if shared_y else 0.09,
        vertical_spacing=0.34 / rows if rows > 1 else 0.1,
    )
    figure.update_annotations(font={"size": 13, "color": style.INK, "family": style.FONT})
    figure.update_layout(style.layout(height=rows * _PANEL_HEIGHT + _PANEL_EXTRA))
    if len(titles) > 1:  # the legend makes room for the titles
        figure.update_layout(legend={"y": 1, "yref": "container", "yanchor": "top"}, margin={"t": 76})
    return figure


def panel_at(index: int, count: int, most: int = PANELS_IN_A_ROW) -> dict[str, int]:
    """Return row and column, from 1, of one of so many panels."""
    columns = _columns(count, most)
    return {"row": index // columns + 1, "col": index % columns + 1}


def label_panels(figure: "Figure", count: int, x_title: str, y_title: str, most: int = PANELS_IN_A_ROW) -> "Figure":
    """Put the common axes on all panels, the title of the vertical ones on the first of each row."""
    figure.update_xaxes(style.axis(x_title))
    figure.update_yaxes(style.axis(""))
    for index in range(0, count, _columns(count, most)):
        figure.update_yaxes(style.axis(y_title), **panel_at(index, count, most))
    return figure


def _columns(count: int, most: int) -> int:
    """Return how many panels stand in a row, so that the rows are as even as can be."""
    rows = -(-count // most)
    return -(-count // rows) if rows else 1


def reservoir_colours(reservoirs: Sequence[Reservoir]) -> dict[str, str]:
    """Return a colour for each reservoir."""
    return {one.name: COLOURS[index % len(COLOURS)] for index, one in enumerate(reservoirs)}
