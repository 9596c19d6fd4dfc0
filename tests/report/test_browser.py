"""The report as a reader sees it: opened in Chromium without a network."""

import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdsim.debye import Fit, FitSettings, ModelPattern, NanocrystalModel, ScatteringData
from qdsim.report import ReportData, write_report
from qdsim.report.scattering_page import render_fit

WIDE, NARROW = 1400, 800
DRAWN_WITHIN = 60  # seconds, with WebGL in software
VERMILLION = (213, 94, 0)

selenium = pytest.importorskip("selenium", reason="needs the Python package selenium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Chromium: install the Debian packages chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--use-gl=angle",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--force-prefers-reduced-motion",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--window-size={WIDE},1000",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened: Any = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        opened.execute_cdp_cmd("Network.enable", {})
        opened.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        opened.get("about:blank")
        opened.get_log("performance")  # what Chromium's own first page has loaded
        yield opened
    finally:
        opened.quit()


def resize(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def show(browser: Any, path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    resize(browser, WIDE)
    browser.get(path.as_uri())
    drawn = "return document.documentElement.getAttribute('data-drawn')"
    WebDriverWait(browser, DRAWN_WITHIN).until(lambda page: page.execute_script(drawn))


@pytest.fixture(scope="module")
def page(browser: Any, data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Any:
    show(browser, write_report(data, tmp_path_factory.mktemp("report") / "report.html"))
    return browser


def hovered(page: Any, figure: str, curve: int, point: int) -> str:
    """Return the text of the label that plotly shows over a point."""
    script = """
        const div = document.getElementById(arguments[0]);
        div.scrollIntoView();
        const subplot = div.data[arguments[1]].yaxis === "y2" ? "xy2" : "xy";
        Plotly.Fx.hover(div, [{curveNumber: arguments[1], pointNumber: arguments[2]}], subplot);
        return [...div.querySelectorAll(".hoverlayer .hovertext text.nums tspan.line")].map((l) => l.textContent)
            .join("\\n") || div.querySelector(".hoverlayer .hovertext").textContent;
    """
    text = page.execute_script(script, figure, curve, point)
    page.execute_script("Plotly.Fx.unhover(document.getElementById(arguments[0]))", figure)
    return str(text).replace("\N{NO-BREAK SPACE}", " ")


def curve_named(page: Any, figure: str, name: str) -> int:
    script = """return document.getElementById(arguments[0]).data
        .findIndex((one) => one.name === arguments[1] && one.mode !== "lines")"""
    found = int(page.execute_script(script, figure, name))
    assert found >= 0
    return found


def test_every_figure_is_drawn(page: Any) -> None:
    script = """return [...document.querySelectorAll("[data-figure]")].map((div) => {
        const drawing = div.querySelector("svg.main-svg").getBoundingClientRect();
        const canvas = div.querySelector(".gl-container canvas");
        return {
            id: div.id, width: drawing.width, height: drawing.height, traces: div.data.length,
            marks: div.querySelectorAll(".scatterlayer .trace").length,
            flat: Boolean(div._fullLayout._has("cartesian")),
            canvas: canvas ? canvas.width * canvas.height : 0,
            error: div.textContent.includes("WebGL is not supported"),
        };
    })"""
    drawn = page.execute_script(script)
    assert len(drawn) == 8
    for figure in drawn:
        assert figure["width"] > 400, figure
        assert figure["height"] > 300, figure
        assert figure["traces"] > 0, figure
        assert not figure["error"], figure
        if figure["flat"]:
            assert figure["marks"] == figure["traces"], figure
        else:
            assert figure["canvas"] > 0, figure
    assert sum(not figure["flat"] for figure in drawn) == 1


def test_the_cell_is_seen(page: Any) -> None:
    from PIL import Image

    element = page.find_element("id", "figure-cells")
    page.execute_script("arguments[0].scrollIntoView()", element)
    pixels = np.asarray(Image.open(BytesIO(element.screenshot_as_png)).convert("RGB"), dtype=int)
    short_bonds = np.abs(pixels - VERMILLION).sum(axis=2) < 60
    assert short_bonds.mean() > 0.01
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def test_hovering_tells_value_unit_and_node(page: Any, data: ReportData) -> None:
    offset = hovered(page, "figure-offset", curve_named(page, "figure-offset", "relaxed"), 5)
    assert offset.splitlines() == [
        "relaxed, ε = +2.00 %",
        "u = 0.2038 Å",
        "a = 6.1282 Å",
        f"node {data.nodes['points.p0p0200.relaxed'][:8]}",
    ]
    fitted = hovered(page, "figure-energy_volume", curve_named(page, "figure-energy_volume", "fitted points"), 0)
    assert "V = 50.4057 Å³ / f.u." in fitted
    assert f"node {data.nodes['equation_of_state'][:8]}" in fitted
    well = hovered(page, "figure-double_wells", curve_named(page, "figure-double_wells", "+2.00\N{NO-BREAK SPACE}%"), 3)
    assert "u = 0.2000 Å" in well
    assert "E(u) − E(0) = −3.7" in well


def test_the_slider_changes_the_cell(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    script = "return document.querySelector('#figure-cells .gtitle').textContent"
    assert "offset 0.204" in page.execute_script(script)
    rail = page.find_element("css selector", "#figure-cells .slider-rail-touch-rect")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", rail)
    ActionChains(page).move_to_element_with_offset(rail, 2 - rail.size["width"] // 2, 0).click().perform()
    WebDriverWait(page, 10).until(lambda shown: "offset 0.000" in shown.execute_script(script))


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page_fits_the_window(page: Any, width: int) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    fits = f"""return document.documentElement.scrollWidth <= {width} && [...document.querySelectorAll("[data-figure]")]
        .every((div) => div._fullLayout.width <= div.closest("figure").clientWidth)"""
    resize(page, width)
    try:
        WebDriverWait(page, 10).until(lambda shown: shown.execute_script(fits))
    finally:
        resize(page, WIDE)


def test_a_click_on_a_number_names_its_node(page: Any, data: ReportData) -> None:
    node = data.nodes["points.p0p0200.relaxed"]
    page.find_elements("css selector", f"td[data-uuid='{node}']")[0].click()
    told = page.execute_script(
        """return new Promise((done) => {
            const notice = document.getElementById("copied");
            const look = () => notice.textContent ? done(notice.textContent) : requestAnimationFrame(look);
            look();
        })"""
    )
    assert node in told


def test_printing_and_coming_back_keeps_the_figures(page: Any) -> None:
    sizes = """return [...document.querySelectorAll("[data-figure]")].map((div) => div._fullLayout.width)"""
    before = page.execute_script(sizes)
    page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert page.execute_script(sizes) == before


def test_text_from_outside_does_not_become_code(browser: Any, data: ReportData, tmp_path: Path) -> None:
    attack = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>"
    assert data.strain is not None
    attacked = data.model_copy(
        update={
            "title": attack,
            "campaign": attack,
            "strain": data.strain.model_copy(update={"protocol": attack}),
            "nodes": {"results": attack},
            "settings": {attack: attack},
        }
    )
    show(browser, write_report(attacked, tmp_path / "attack.html"))
    assert browser.execute_script("return window.broken") is None
    assert browser.find_element("tag name", "h1").text == attack
    hovered_text = hovered(browser, "figure-offset", curve_named(browser, "figure-offset", "relaxed"), 0)
    assert "node </script" in hovered_text


def test_a_fit_is_drawn_and_its_axis_can_be_logarithmic(browser: Any, tmp_path: Path) -> None:
    model = NanocrystalModel(diameter=20, diameter_sd=2)
    q = np.linspace(1, 13, 100)
    data = ScatteringData(q, ModelPattern(model, q).intensity({}) + 1e4, np.full(100, 1e4))
    result = Fit(model, data, FitSettings(vary={"alpha_rh": None, "lattice_constant": None})).run()
    path = tmp_path / "fit.html"
    path.write_text(render_fit("fit", "pbs.xye", result), encoding="utf-8")
    show(browser, path)
    drawn = browser.execute_script(
        """return [...document.querySelectorAll("[data-figure]")].map((div) =>
            [div.id, div.querySelectorAll(".scatterlayer .trace, .heatmaplayer .hm").length])"""
    )
    assert drawn == [["figure-pattern", 4], ["figure-sizes", 2], ["figure-correlation", 1]]
    told = browser.execute_script(
        """const div = document.getElementById("figure-pattern");
        div.scrollIntoView();
        Plotly.Fx.hover(div, {xval: 6.0}, "xy");
        return div.querySelector(".hoverlayer").textContent"""
    )
    for words in ("Q = ", "data = ", "fit = ", "background = "):
        assert words in told
    browser.find_elements("css selector", "#figure-pattern .updatemenu-button")[1].click()
    assert browser.execute_script("return document.getElementById('figure-pattern').layout.yaxis.type") == "log"


@pytest.fixture(scope="module", autouse=True)
def quiet(browser: Any) -> Iterator[None]:
    """After all else: nothing was asked of the network and no error was written to the console."""
    yield
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
