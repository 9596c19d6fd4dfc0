import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import JsonValue

from qdsim.analysis.ferroelectric import StrainResults
from qdsim.errors import QdsimError
from qdsim.report import PointStructures, Reference, ReportData, render_report, write_report
from qdsim.report.sections import all_sections
from qdsim.report.sections.settings import flatten

HOSTILE = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>\"'&{{ 7 * 7 }}"


class Page(HTMLParser):
    """The elements of a page: their attributes, and the text of scripts and of everything else."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.inside_script = False
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self.inside_script:
            self.scripts.append(data)
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.inside_script = False

    def having(self, attribute: str) -> list[str]:
        return [value for _, found in self.elements if (value := found.get(attribute)) is not None]


def without_libraries(document: str) -> str:
    """Leave out plotly.js and our own script: the last two script elements."""
    return document[: document.index("<script>")]


@pytest.fixture(scope="module")
def document(data: ReportData) -> str:
    return render_report(data)


def hostile(data: ReportData) -> ReportData:
    assert data.strain is not None
    first, *others = data.strain.points
    broken = first.model_copy(update={"failures": [HOSTILE]})
    assert first.relaxed is not None
    marked = first.model_copy(update={"relaxed": first.relaxed.model_copy(update={"space_group": HOSTILE})})
    results = data.strain.model_copy(
        update={"protocol": HOSTILE, "points": [broken, marked, *others], "onset_messages": [HOSTILE]}
    )
    return data.model_copy(
        update={
            "title": HOSTILE,
            "campaign": HOSTILE,
            "status": HOSTILE,
            "code_version": HOSTILE,
            "failures": (HOSTILE,),
            "settings": {HOSTILE: {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}},
            "strain": results,
            "nodes": dict.fromkeys([*data.nodes, HOSTILE], HOSTILE),
            "references": (
                Reference(quantity="alpha_rh", value=59.1, label=HOSTILE, source=HOSTILE),
                Reference(quantity="lattice_constant", value=5.9, label=HOSTILE),
            ),
        }
    )


def test_every_section_has_its_template_and_place() -> None:
    sections = all_sections()
    assert [found.name for found in sections] == [
        "summary",
        "consistency",
        "distortion",
        "patterns",
        "equation_of_state",
        "gap",
        "strain_table",
        "phonons",
        "vacancies",
        "vacancy_series",
        "vacancy_table",
        "dipoles",
        "settings",
        "provenance",
    ]
    folder = Path(all_sections.__code__.co_filename).parent
    assert {path.name for path in folder.glob("*.jinja")} == {found.template for found in sections}


def test_the_page_refers_to_nothing_outside_itself(document: str) -> None:
    page = Page(without_libraries(document))
    assert page.having("src") == []
    assert all(target.startswith(("#", "data:")) for target in page.having("href"))
    assert not re.search(r"@import|url\(", without_libraries(document))
    (policy,) = (
        attributes["content"] for tag, attributes in page.elements if tag == "meta" and "http-equiv" in attributes
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_every_figure_has_its_data_and_caption(document: str) -> None:
    page = Page(without_libraries(document))
    wanted = page.having("data-figure")
    assert wanted == [
        f"data-{name}"
        for name in (
            "cells",
            "offset",
            "alpha_rh",
            "bond_lengths",
            "double_wells",
            "energy_volume",
            "pressure",
            "gap",
        )
    ]
    drawings = [json.loads(script) for script in page.scripts]
    assert len(drawings) == len(wanted)
    assert all(drawing["data"] for drawing in drawings)


def test_table_cells_have_the_exact_value_and_the_node(document: str, data: ReportData) -> None:
    assert data.strain is not None
    relaxed = data.strain.points[-1].relaxed
    assert relaxed is not None
    node = data.nodes["points.p0p0200.relaxed"]
    cell = re.search(rf'<td title="{relaxed.alpha_rh!r} °\nnode {node}" data-uuid="{node}">59.36</td>', document)
    assert cell is not None


def test_every_node_is_in_the_provenance_table(document: str, data: ReportData) -> None:
    table = document[document.index('<table class="provenance">') :]
    for path, uuid in data.nodes.items():
        assert f"<code>{path}</code>" in table
        assert f'data-uuid="{uuid}">{uuid}</button>' in table
    assert "strain +2.00\N{NO-BREAK SPACE}% › relaxed › structure" in table


def test_settings_are_read_as_rows() -> None:
    nested: dict[str, JsonValue] = {
        "k": [4, 4, 4],
        "basis": {"Pb": "DZVP", "none": None},
        "list": [{"a": 1.5e-7}, {"a": True}],
    }
    assert list(flatten(nested)) == [
        ("k", "4 × 4 × 4"),
        ("basis › Pb", "DZVP"),
        ("basis › none", "not set"),
        ("list › 1 › a", "1.5e-07"),
        ("list › 2 › a", "yes"),
    ]


def test_all_text_is_escaped(data: ReportData, document: str) -> None:
    attacked = render_report(hostile(data))
    page, clean = Page(without_libraries(attacked)), Page(without_libraries(document))
    assert [tag for tag, _ in page.elements].count("script") == [tag for tag, _ in clean.elements].count("script")
    assert [tag for tag, _ in page.elements].count("img") == 0
    assert page.having("onerror") == []
    assert HOSTILE in page.text
    assert "49" not in page.having("title")
    for script in page.scripts:
        assert "<" not in script
    labels = [note["text"] for script in page.scripts for note in json.loads(script)["layout"].get("annotations", [])]
    assert all("<" not in label for label in labels)


def test_a_campaign_without_results_still_has_a_report(data: ReportData) -> None:
    empty = data.model_copy(
        update={"strain": None, "structures": {}, "nodes": {}, "failures": ("CP2K was killed",), "status": "failed"}
    )
    page = Page(without_libraries(render_report(empty)))
    assert "CP2K was killed" in page.text
    assert "There is no equation of state" in page.text
    assert page.having("data-figure") == []


def test_a_failed_point_leaves_the_others(data: ReportData, results: StrainResults) -> None:
    bare = results.points[2].model_copy(
        update={"centred": None, "relaxed": None, "double_well": None, "energy_gain": None, "failures": ["killed"]}
    )
    points = [*results.points[:2], bare, *results.points[3:]]
    partial = data.model_copy(
        update={
            "strain": results.model_copy(update={"points": points}),
            "structures": {**data.structures, bare.label: PointStructures()},
        }
    )
    page = Page(without_libraries(render_report(partial)))
    assert len(page.having("data-figure")) == 8
    assert "1 failure" in page.text
    assert "killed" in page.text


def test_an_existing_report_is_kept_unless_forced(data: ReportData, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(QdsimError, match=r"report\.html exists: give another name, or --force"):
        write_report(data, path)
    assert path.read_text() == "mine"
    assert write_report(data, path, force=True) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (".", "is a folder"),
        ("missing/report.html", "does not exist"),
        ("file/report.html", "does not exist"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_place_that_is_none_is_refused(data: ReportData, tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QdsimError, match=message):
        write_report(data, tmp_path / place)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def _full(path: Path, text: str, **_: object) -> int:
    """Write the half that still fits."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text[: len(text) // 2])
    raise OSError(28, os.strerror(28), str(path))


def _refused(path: Path, _text: str, **_: object) -> int:
    raise PermissionError(13, os.strerror(13), str(path))


@pytest.mark.parametrize(("write", "message"), [(_full, "No space left on device"), (_refused, "Permission denied")])
def test_what_cannot_be_written_leaves_nothing_behind(
    data: ReportData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[..., int],
    message: str,
) -> None:
    path = tmp_path / "report.html"
    path.write_text("mine")
    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(QdsimError, match=f"Cannot write .*report.html: {message}"):
        write_report(data, path, force=True)
    assert path.read_text() == "mine"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]
