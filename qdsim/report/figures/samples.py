"""Computed lattices along the strain, with the samples that scattering fits describe beside them."""

from typing import TYPE_CHECKING, Any

from qdsim.analysis.consistency_results import Condition, Consistency, Row, SampleCheck
from qdsim.analysis.lattice_series import LatticeSeries
from qdsim.analysis.scattering_fit import QUANTITIES
from qdsim.analysis.strain_results import StrainResults
from qdsim.report.figures import style
from qdsim.report.formatting import fixed, with_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLOURS = (style.BLUE, style.GREEN, style.ORANGE, style.PURPLE, style.SKY, style.VERMILLION)
_SYMBOLS = {"measured volume": "circle", "Laplace tension": "square-open", "given structure": "diamond"}
_DECIMALS = {"alpha_rh": 2, "pb_offset": 3}


def samples_and_strain(results: StrainResults, consistency: Consistency, quantity: str) -> "Figure":
    """Draw a computed quantity against the linear strain, and the values of the samples where they belong.

    Parameters
    ----------
    results
        The strain series.
    consistency
        The check by scattering.
    quantity
        "alpha_rh" or "pb_offset".

    Returns
    -------
    plotly.graph_objects.Figure
        Each sample at the strain of its measured volume (filled) and of its Laplace tension (open), with error bars.
    """
    from plotly.graph_objects import Figure

    label, unit = QUANTITIES[quantity].label, QUANTITIES[quantity].unit
    figure = Figure(
        layout=style.layout(
            xaxis=style.axis(style.STRAIN_TITLE), yaxis=style.axis(f"{label} ({unit})"), height=420, hovermode="closest"
        )
    )
    series = LatticeSeries(results)
    own = results.equation_of_state.lattice_constant
    scale = consistency.bulk_lattice_constant / own if _scaled(consistency, quantity) else 1.0
    strains, states = series.curve()
    values = [scale * state.offset if quantity == "pb_offset" else state.alpha for state in states]
    figure.add_trace(style.curve(list(map(style.percent, strains)), values, "DFT", style.INK))
    figure.add_trace(_computed_points(results, quantity, scale))
    if series.onset is not None:
        figure.add_vline(
            style.percent(series.onset.linear_strain), line={"color": style.MUTED, "width": 1, "dash": "dot"}
        )
    for index, sample in enumerate(consistency.samples):
        for trace in _sample_points(sample, quantity, _COLOURS[index % len(_COLOURS)]):
            figure.add_trace(trace)
    return figure


def _scaled(consistency: Consistency, quantity: str) -> bool:
    return quantity == "pb_offset" and consistency.reference == "relative"


def _computed_points(results: StrainResults, quantity: str, scale: float) -> dict[str, Any]:
    found = [
        (style.percent(point.linear_strain), scale * float(getattr(point.relaxed, quantity)))
        for point in results.points
        if point.relaxed is not None
    ]
    unit, decimals = QUANTITIES[quantity].unit, _DECIMALS[quantity]
    hovers = [
        style.label("DFT", [("ε", fixed(x, 2, "%", signed=True)), (quantity, fixed(y, decimals, unit))])
        for x, y in found
    ]
    return style.markers(
        [x for x, _ in found], [y for _, y in found], "DFT", style.INK, hovers, size=7, showlegend=False
    )


def _sample_points(sample: SampleCheck, quantity: str, colour: str) -> list[dict[str, Any]]:
    by_condition: dict[str, Condition] = {condition.name: condition for condition in sample.conditions}
    traces: list[dict[str, Any]] = []
    for row in sample.rows:
        condition = by_condition.get(row.condition)
        if row.quantity != quantity or condition is None or condition.linear_strain is None or row.measured is None:
            continue
        drawn = _sample_point(sample, condition, row, colour)
        traces.append(drawn | {"showlegend": not traces, "legendgroup": sample.name})
    return traces


def _sample_point(sample: SampleCheck, condition: Condition, row: Row, colour: str) -> dict[str, Any]:
    unit, decimals = QUANTITIES[row.quantity].unit, _DECIMALS[row.quantity]
    x = style.percent(condition.linear_strain or 0.0)
    x_error = None if condition.linear_strain_error is None else style.percent(condition.linear_strain_error)
    hover = style.label(
        f"{sample.name}, {condition.name}",
        [
            ("ε", with_error(x, x_error, "%", 2, signed=True)),
            ("scattering", with_error(row.measured or 0.0, row.measured_error, unit, decimals)),
            ("DFT", with_error(row.computed or 0.0, row.computed_error, unit, decimals)),
            ("verdict", row.verdict),
        ],
    )
    drawn = style.markers(
        [x], [row.measured or 0.0], style.text(sample.name), colour, [hover], symbol=_SYMBOLS[condition.name]
    )
    look = {"color": colour, "thickness": 1.2, "width": 4}
    return drawn | {
        "error_x": {"type": "data", "array": [x_error or 0.0], **look},
        "error_y": {"type": "data", "array": [row.measured_error or 0.0], **look},
    }
