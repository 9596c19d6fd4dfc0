"""Computed patterns, fits, scans and comparisons of models, each as one HTML document."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypedDict

from qdsim import __version__
from qdsim.debye.cluster_fit import ClusterFit
from qdsim.debye.comparison import Comparison
from qdsim.debye.fit_result import FitResult, FittedCurve, FittedParameter
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.origin import Origin
from qdsim.debye.scans import Chi2Map, Chi2Profile
from qdsim.report import figures
from qdsim.report.captions import scattering_caption
from qdsim.report.content import Cell, FigureBlock, Table
from qdsim.report.document import DocumentSection, render_body, render_document
from qdsim.report.figures.chi2_maps import NAMES
from qdsim.report.formatting import MISSING, fixed, with_error, with_unit
from qdsim.report.headline import KeyNumber

DECIMALS = 4
"""Of a parameter without an error."""


class _State(TypedDict):
    status: str
    troubled: bool


def render_pattern(
    title: str, x: Sequence[float], values: Sequence[float], x_title: str, y_title: str, amplitudes: str = ""
) -> str:
    """Return a computed curve as an HTML document.

    Parameters
    ----------
    title
        Heading.
    x, values
        The curve, shape (n,).
    x_title, y_title
        What is drawn, with the units.
    amplitudes
        What the elements were taken to scatter with; empty if it is not known.
    """
    used = f" Scattering amplitudes: {amplitudes}." if amplitudes else ""
    caption = f"Computed from {title} by the Debye equation.{used}"
    drawn = FigureBlock("pattern", figures.pattern(x, values, x_title, y_title), caption, "wide")
    return render_document(title, _facts(f"{len(x)} points"), [_section("pattern", "", blocks=[drawn])])


def render_fit(title: str, source: str, result: FitResult, origin: Origin | None = None) -> str:
    """Return a fit as an HTML document.

    Parameters
    ----------
    title
        Heading.
    source
        Name of the data.
    result
        The fit.
    origin
        Where the model comes from that the fit began with.
    """
    sections = [
        _section("summary", "", messages=result.messages, numbers=_key_numbers(result)),
        _fit_section("Fit", result),
    ]
    began = f"model from {origin.summary}" if origin is not None else ""
    return render_document(title, _facts(source, _what(result.model), began), sections, **_state(result))


def render_scan(
    title: str,
    source: str,
    model: NanocrystalModel,
    scan: Chi2Map | Mapping[str, Chi2Profile],
    *,
    relative: bool = False,
) -> str:
    """Return a map over two parameters, or profiles along one, as an HTML document.

    Parameters
    ----------
    title
        Heading.
    source
        Name of the data.
    model
        The model whose parameters are scanned.
    scan
        A map, or profiles by the name of the sample.
    relative
        Draw profiles relative to their first value.
    """
    if isinstance(scan, Chi2Map):
        drawn = figures.chi2_map(scan)
        axes = f"{NAMES[scan.x_name]} and {NAMES[scan.y_name]}"
        numbers = [
            KeyNumber("lowest reduced χ²", f"{min(map(min, scan.chi2_reduced)):.5g}", "on the grid"),
            KeyNumber(NAMES[scan.x_name], fixed(scan.best[0], DECIMALS, scan.x_unit), "where it is lowest"),
            KeyNumber(NAMES[scan.y_name], fixed(scan.best[1], DECIMALS, scan.y_unit), "where it is lowest"),
        ]
        refitted = scan.refitted
    else:
        drawn = figures.chi2_profiles(scan, relative=relative)
        profiles = list(scan.values())
        axes, refitted = NAMES[profiles[0].name], profiles[0].refitted
        numbers = [_interval(sample, profile) for sample, profile in scan.items()]
    kept = f"At each point {', '.join(NAMES[name] for name in refitted)} were fitted anew" if refitted else ""
    caption = f"Reduced χ² along {axes}. {kept or 'The other parameters of the model were held'}; scale and background "
    block = FigureBlock("chi2", drawn, f"{caption}are always fitted.", "wide")
    sections = [
        _section("summary", "", numbers=numbers, blocks=[block]),
        _section("model", "Model", blocks=[_model_table(model)]),
    ]
    return render_document(title, _facts(source, _what(model)), sections)


def render_comparison(title: str, source: str, comparison: Comparison) -> str:
    """Return fits of several models to the same data as an HTML document.

    Parameters
    ----------
    title
        Heading.
    source
        Name of the data.
    comparison
        The fits.
    """
    rows = [
        [
            Cell(one.name),
            Cell(f"{one.result.chi2_reduced:.4g}", repr(one.result.chi2_reduced)),
            Cell(str(one.result.n_parameters)),
            Cell(fixed(100 * one.result.r_wp, 3), repr(one.result.r_wp)),
            Cell(fixed(one.delta_aic, 1), repr(one.delta_aic)),
            Cell(fixed(one.delta_bic, 1), repr(one.delta_bic)),
            Cell(fixed(one.weight, 3), repr(one.weight)),
        ]
        for one in comparison.models
    ]
    heads = ("model", ""), ("reduced χ²", ""), ("numbers fitted", ""), ("R_wp", "%"), ("ΔAIC", ""), ("ΔBIC", "")
    table = Table(
        "Models by their Bayesian information criterion: χ², in units of what a standard error costs, and ln N for "
        "each fitted number. The weight ranks them; it is a probability only if one of them is right.",
        [*heads, ("weight", "")],
        rows,
    )
    averaged = Table(
        "Parameters over all models, by weight; the error holds that of each model and how they differ",
        [("parameter", ""), ("value", ""), ("from", ""), ("to", "")],
        [
            [
                Cell(NAMES[name], name),
                Cell(with_error(one.value, one.error, one.unit, DECIMALS), f"{one.value!r} ± {one.error!r} {one.unit}"),
                Cell(_short(one.lowest)),
                Cell(_short(one.highest)),
            ]
            for name, one in comparison.averaged.items()
        ],
    )
    sections = [_section("models", "", messages=comparison.messages, blocks=[table])]
    if averaged.rows:
        sections.append(_section("averaged", "Over all models", blocks=[averaged]))
    sections += [
        _fit_section(one.name, one.result, f"_{index}", one.result.messages)
        for index, one in enumerate(comparison.models)
    ]
    preferred = comparison.preferred
    return render_document(
        title,
        _facts(
            source, f"{len(rows)} models", f"{'preferred' if comparison.described else 'least wrong'}: {preferred.name}"
        ),
        sections,
        **_comparison_state(comparison),
    )


def render_cluster(title: str, source: str, cluster: ClusterFit, model: FitResult | None) -> str:
    """Return the comparison of a cluster with a pattern as an HTML document.

    Parameters
    ----------
    title
        Heading.
    source
        Name of the data.
    cluster, model
        Fit of the cluster, and of a nanocrystal model to the same data, if there is one.
    """
    fits: dict[str, FittedCurve] = {"cluster": cluster}
    if model is not None:
        fits["nanocrystal model"] = model
    rows = [
        [
            Cell(name),
            Cell(f"{fit.chi2_reduced:.4g}", repr(fit.chi2_reduced)),
            Cell(f"{fit.gof:.4g}", repr(fit.gof)),
            Cell(fixed(100 * fit.r_wp, 3), repr(fit.r_wp)),
            Cell(str(fit.n_parameters)),
        ]
        for name, fit in fits.items()
    ]
    heads = ("model", ""), ("reduced χ²", ""), ("goodness of fit", ""), ("R_wp", "%"), ("numbers fitted", "")
    parameters = [
        [
            Cell(f"B of {element}"),
            _value_cell(cluster.parameters[element]) if element in cluster.parameters else Cell(_short(b)),
        ]
        for element, b in cluster.b_iso.items()
    ]
    blocks: list[FigureBlock | Table] = [Table("The atoms of the cluster stand where they were computed.", heads, rows)]
    for index, (name, fit) in enumerate(fits.items()):
        caption = f"{name}: data, fit and background; below, their difference."
        blocks.append(FigureBlock(f"pattern_{index}", figures.fitted_pattern(fit), caption, "wide"))
    blocks.append(Table("Displacement parameters", [("parameter", ""), ("value", "")], parameters))
    section = _section("cluster", "", messages=cluster.messages, blocks=blocks)
    return render_document(
        title,
        _facts(source),
        [section],
        **_state(cluster),
    )


def _comparison_state(comparison: Comparison) -> _State:
    if not all(one.result.converged for one in comparison.models):
        return _State(status="not all converged", troubled=True)
    if not comparison.described:
        return _State(status="none describes the data", troubled=True)
    return _State(status="all converged", troubled=False)


def _state(fit: FittedCurve) -> _State:
    """Return how a document says in its head how a fit ended."""
    if not fit.converged:
        return _State(status="not converged", troubled=True)
    if fit.misfit is not None and not fit.misfit.described:
        return _State(status="does not describe the data", troubled=True)
    return _State(status="converged", troubled=False)


def _fit_section(title: str, result: FitResult, suffix: str = "", messages: Sequence[str] = ()) -> DocumentSection:
    """Return pattern, parameters, sizes and model of a fit; `suffix` tells it from others of the document."""
    caption = (
        f"Data, fit and background; below, their difference. R_wp = {fixed(100 * result.r_wp, 2, '%')}, "
        f"reduced χ² = {result.chi2_reduced:.4g}, {result.n_points} points.{scattering_caption(result.amplitudes)}"
    )
    drawn = FigureBlock(f"pattern{suffix}", figures.fitted_pattern(result), caption, "wide")
    blocks: list[FigureBlock | Table] = [drawn]
    if result.parameters:
        blocks.append(_parameter_table(result))
    if result.model.diameter_sd > 0:
        sized = figures.sizes(result.model)
        blocks.append(FigureBlock(f"sizes{suffix}", sized, "Distribution of the diameters of the model."))
    if len(result.parameters) > 1:
        matrix = figures.correlation(list(result.parameters), result.correlation)
        blocks.append(FigureBlock(f"correlation{suffix}", matrix, "Correlation coefficients of the parameters."))
    blocks.append(_model_table(result.model))
    return _section(f"fit{suffix}", title, messages=messages, blocks=blocks)


def _section(
    name: str,
    title: str,
    *,
    messages: Sequence[str] = (),
    numbers: Sequence[KeyNumber] = (),
    blocks: Sequence[FigureBlock | Table] = (),
) -> DocumentSection:
    body = render_body("scattering.jinja", messages=messages, numbers=numbers, blocks=blocks)
    return DocumentSection(name, title, body)


def _facts(*words: str) -> list[str]:
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [*(word for word in words if word), created, f"qdsim {__version__}"]


def _what(model: NanocrystalModel) -> str:
    shape = model.shape if isinstance(model.shape, str) else " ".join(f"{{{facet}}}" for facet in model.shape)
    return f"{model.compound}, {shape.replace('_', ' ')}"


def _key_numbers(result: FitResult) -> list[KeyNumber]:
    cations, anions = result.composition
    model = result.model
    return [
        KeyNumber("reduced χ²", f"{result.chi2_reduced:.4g}", f"goodness of fit {result.gof:.4g}"),
        KeyNumber(
            "R_wp", fixed(100 * result.r_wp, 2, "%"), f"{result.n_points} points, {result.n_parameters} numbers fitted"
        ),
        KeyNumber(
            f"{model.cation} : {model.anion}",
            f"{cations / anions:.3f}" if anions else MISSING,
            f"{cations:.1f} {model.cation} and {anions:.1f} {model.anion} in a particle on average",
        ),
        KeyNumber("ligands", fixed(result.coverage, 2, "nm⁻²"), "monovalent, to balance the charge of such a particle"),
    ]


def _interval(sample: str, profile: Chi2Profile) -> KeyNumber:
    ends = [MISSING if end is None else fixed(end, DECIMALS) for end in (profile.low, profile.high)]
    return KeyNumber(
        f"{NAMES[profile.name]}, {sample}",
        fixed(profile.best, DECIMALS, profile.unit),
        f"68 % interval {ends[0]} to {ends[1]}; lowest reduced χ² {min(profile.chi2_reduced):.5g}",
    )


def _parameter_table(result: FitResult) -> Table:
    rows = [
        [
            Cell(NAMES[name], name),
            _value_cell(parameter),
            Cell(_short(parameter.start)),
            Cell(f"{_short(parameter.low)} to {_short(parameter.high)}"),
            Cell("at a bound" if parameter.at_bound else ""),
        ]
        for name, parameter in result.parameters.items()
    ]
    return Table(
        "Fitted parameters, with standard errors",
        [("parameter", ""), ("value", ""), ("start", ""), ("bounds", ""), ("", "")],
        rows,
    )


def _value_cell(parameter: FittedParameter) -> Cell:
    exact = f"{parameter.value!r} ± {parameter.error!r} {parameter.unit}".strip()
    return Cell(with_error(parameter.value, parameter.error, parameter.unit, DECIMALS), exact)


def _model_table(model: NanocrystalModel) -> Table:
    rows = []
    for name, value in model.model_dump(exclude_none=True).items():
        if name in PARAMETERS:
            rows.append([Cell(NAMES[name], name), Cell(with_unit(_short(value), PARAMETERS[name][0]), repr(value))])
        else:
            rows.append([Cell(name.replace("_", " "), name), Cell(str(value))])
    return Table("The model with all its numbers", [("quantity", ""), ("value", "")], rows)


def _short(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")
