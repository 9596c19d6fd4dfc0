"""Pages and figures of patterns, fits, scans and comparisons."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from qdsim.debye import (
    Chi2Map,
    Chi2Profile,
    Comparison,
    Fit,
    FitResult,
    FitSettings,
    ModelPattern,
    NanocrystalModel,
    ScanAxis,
    ScatteringData,
    chi2_map,
    chi2_profile,
    compare,
    stoichiometry_models,
)
from qdsim.debye.models import PARAMETERS
from qdsim.report import figures
from qdsim.report.figures.chi2_maps import NAMES
from qdsim.report.formatting import fixed
from qdsim.report.scattering_page import render_comparison, render_fit, render_pattern, render_scan

HOSTILE = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>\"'&{{ 7 * 7 }}"
MODEL = NanocrystalModel(diameter=20, diameter_sd=2, lattice_constant=5.95, b_iso_cation=1.5, b_iso_anion=1.2)
SETTINGS = FitSettings(vary={"alpha_rh": (58.5, 61.5), "lattice_constant": (5.9, 6.0)}, background=2)


class Page(HTMLParser):
    """The tags of a page before plotly.js, and the data of its figures."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.figures: dict[str, Any] = {}
        self.text = ""
        self._data = ""
        self.feed(document[: document.index("<script>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._data = str(dict(attrs)["id"]) if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._data:
            self.figures[self._data.removeprefix("data-")] = json.loads(data)
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 (the parser's signature)
        self._data = ""


@pytest.fixture(scope="module")
def fit() -> Fit:
    q = np.linspace(1, 13, 200)
    exact = 1e-3 * ModelPattern(MODEL, q).intensity({}) + 30
    noise = np.random.default_rng(5).normal(size=q.size)
    data = ScatteringData(q, exact + noise * np.sqrt(exact), np.sqrt(exact), source="pbs.xye")
    return Fit(MODEL, data, SETTINGS)


@pytest.fixture(scope="module")
def result(fit: Fit) -> FitResult:
    return fit.run()


@pytest.fixture(scope="module")
def profile(fit: Fit) -> Chi2Profile:
    return chi2_profile(fit, ScanAxis("alpha_rh", tuple(np.linspace(59, 61, 9).tolist())))


@pytest.fixture(scope="module")
def scan(fit: Fit) -> Chi2Map:
    return chi2_map(fit, ScanAxis("alpha_rh", (59.0, 59.5, 60.0, 60.5)), ScanAxis("pb_offset", (0.0, 0.1, 0.2)))


@pytest.fixture(scope="module")
def comparison(fit: Fit) -> Comparison:
    return compare(stoichiometry_models(MODEL, SETTINGS), fit.data)


@pytest.fixture(scope="module")
def documents(result: FitResult, profile: Chi2Profile, scan: Chi2Map, comparison: Comparison) -> dict[str, str]:
    return {
        "pattern": render_pattern("pbs.cif", [1.0, 2.0, 3.0], [5.0, 7.0, 6.0], "Q (Å⁻¹)", "intensity"),
        "fit": render_fit("fit", "pbs.xye", result),
        "profile": render_scan("scan", "pbs.xye", MODEL, {"pbs.xye": profile}),
        "map": render_scan("scan", "pbs.xye", MODEL, scan),
        "comparison": render_comparison("models", "pbs.xye", comparison),
    }


def test_every_page_stands_alone(documents: dict[str, str]) -> None:
    for document in documents.values():
        page = Page(document)
        attributes = [found for _, found in page.tags]
        assert not any("src" in found for found in attributes)
        assert all(str(found["href"]).startswith(("#", "data:")) for found in attributes if "href" in found)
        (policy,) = (str(found["content"]) for found in attributes if "http-equiv" in found)
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        identifiers = [found["id"] for found in attributes if "id" in found]
        assert len(identifiers) == len(set(identifiers))


def test_every_page_has_its_figures(documents: dict[str, str]) -> None:
    drawn = {name: list(Page(document).figures) for name, document in documents.items()}
    assert drawn == {
        "pattern": ["pattern"],
        "fit": ["pattern", "sizes", "correlation"],
        "profile": ["chi2"],
        "map": ["chi2"],
        "comparison": [f"{name}_{index}" for index in range(3) for name in ("pattern", "sizes", "correlation")],
    }


def test_text_from_outside_is_escaped(result: FitResult, profile: Chi2Profile) -> None:
    told = result.model_copy(update={"messages": [HOSTILE]})
    pages = [
        render_fit(HOSTILE, HOSTILE, told),
        render_scan(HOSTILE, HOSTILE, MODEL, {HOSTILE: profile}),
        render_pattern(HOSTILE, [1.0, 2.0], [1.0, 2.0], "Q", "intensity"),
    ]
    for document in pages:
        page = Page(document)
        assert not any(tag == "img" for tag, _ in page.tags)
        assert HOSTILE in page.text
        assert "<" not in "".join(trace.get("name", "") for figure in page.figures.values() for trace in figure["data"])


def test_a_fit_shows_numbers_and_reservations(result: FitResult) -> None:
    told = result.model_copy(update={"messages": ["alpha_rh stopped at its bound."], "converged": False})
    document = render_fit("fit", "pbs.xye", told)
    text = Page(document).text
    assert "alpha_rh stopped at its bound." in text
    assert "not converged" in text
    assert 'class="status troubled"' in document
    assert f"{result.chi2_reduced:.4g}" in text
    assert fixed(result.coverage, 2, "nm⁻²") in text
    alpha = result.parameters["alpha_rh"]
    assert re.search(rf'title="{alpha.value!r} ± {alpha.error!r} °"', document)
    for name in PARAMETERS:
        assert NAMES[name] in text


def test_the_fitted_pattern_is_data_fit_background_and_difference(result: FitResult) -> None:
    drawn = {trace.name: trace for trace in figures.fitted_pattern(result).data}
    assert list(drawn["data"].y) == result.observed
    assert list(drawn["fit"].y) == result.calculated
    assert list(drawn["background"].y) == result.background_curve
    difference = np.subtract(result.observed, result.calculated)
    np.testing.assert_allclose(drawn["data − fit"].y, difference)
    assert result.sigma is not None
    np.testing.assert_allclose(drawn["data − fit"].customdata, difference / result.sigma)
    without = figures.fitted_pattern(result.model_copy(update={"sigma": None}))
    assert without.data[-1].customdata is None


def test_sizes_are_densities_whose_volume_mean_is_larger() -> None:
    by_number, by_volume = figures.sizes(MODEL).data
    step = by_number.x[1] - by_number.x[0]
    for trace in (by_number, by_volume):
        assert sum(trace.y) * step == pytest.approx(1, abs=1e-6)
    mean = float(np.dot(by_number.x, by_number.y) * step)
    assert mean == pytest.approx(MODEL.diameter, abs=0.01)
    relative = (MODEL.diameter_sd / MODEL.diameter) ** 2
    # the moments of a lognormal distribution are m^k (1 + sd^2/m^2)^(k (k - 1)/2)
    assert np.dot(by_volume.x, by_volume.y) * step == pytest.approx(MODEL.diameter * (1 + relative) ** 3, abs=0.01)


def test_the_map_marks_its_lowest_point(scan: Chi2Map) -> None:
    heatmap, contours, marker = figures.chi2_map(scan).data
    assert (marker.x[0], marker.y[0]) == scan.best
    assert heatmap.z[scan.y.index(marker.y[0])][scan.x.index(marker.x[0])] == np.min(scan.chi2_reduced)
    assert contours.type == "contour"
    assert fixed(np.min(scan.chi2_reduced), 3)[:4] in marker.hovertext[0]


def test_profiles_of_several_samples_share_a_figure(profile: Chi2Profile) -> None:
    other = profile.model_copy(update={"chi2_reduced": [2 * one for one in profile.chi2_reduced]})
    figure = figures.chi2_profiles({"3.2 nm": profile, "5.0 nm": other})
    assert [trace.name for trace in figure.data] == ["3.2 nm", "5.0 nm"]
    assert list(figure.data[0].y) == profile.chi2_reduced
    relative = figures.chi2_profiles({"3.2 nm": profile, "5.0 nm": other}, relative=True)
    np.testing.assert_allclose(relative.data[0].y, relative.data[1].y)
    assert relative.data[0].y[0] == 1
    assert relative.layout.yaxis.title.text == "χ² / χ²(59.00°)"


def test_negative_curves_are_not_offered_a_logarithmic_axis() -> None:
    assert figures.pattern([1, 2], [3, 4], "Q (Å⁻¹)", "intensity").layout.updatemenus
    assert not figures.pattern([1, 2], [3, -4], "r (Å)", "G(r) (Å⁻²)").layout.updatemenus


def test_every_parameter_has_a_name_for_readers() -> None:
    assert set(NAMES) == set(PARAMETERS)


def test_a_model_that_does_not_describe_the_data_is_told_in_the_head(fit: Fit) -> None:
    cube = MODEL.model_copy(update={"shape": "cube", "lattice_constant": 5.93})
    none = SETTINGS.model_copy(update={"vary": {}})
    result = Fit(cube, fit.data, none).run()
    assert result.misfit is not None
    assert not result.misfit.described
    document = render_fit("fit", "pbs.xye", result)
    assert "does not describe the data" in document.split("<main")[0]
    assert result.messages[0].split(" (")[0] in document
    compared = render_comparison("models", "pbs.xye", compare({"cube": (cube, none)}, fit.data))
    assert "none describes the data" in compared.split("<main")[0]
    assert "least wrong: cube" in compared.split("<main")[0]
    assert "Over all models" not in compared
