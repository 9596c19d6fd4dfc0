"""What is not seen in a text, and what would steer an HTML page, in every part of a report."""

from html.parser import HTMLParser

import pytest

from qdsim.printable import REPLACEMENT
from qdsim.report import ReportData, render_report
from qdsim.report.document import _environment
from qdsim.report.figures.style import hover, label, text

HIDDEN = ["\x00", "\x1b", "\x7f", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{LEFT-TO-RIGHT ISOLATE}", "\N{LINE SEPARATOR}"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_is_not_seen_is_marked(data: ReportData, hidden: str) -> None:
    assert data.strain is not None
    first, *others = data.strain.points
    word = f"abc{hidden}def"
    failed = first.model_copy(update={"failures": [word], "label": word})
    attacked = data.model_copy(
        update={
            "title": word,
            "campaign": word,
            "settings": {word: word},
            "failures": (word,),
            "nodes": {**data.nodes, word: word},
            "strain": data.strain.model_copy(update={"points": [failed, *others], "protocol": word}),
        }
    )
    document = render_report(attacked)
    page = document[: document.index("<script>")]
    assert hidden not in page
    assert page.count(f"abc{REPLACEMENT}def") >= 6
    for drawn in (text(word), label(word, [(word, word)]), hover(word, [], {"a": word}, "a")):
        assert hidden not in drawn


class Elements(HTMLParser):
    """Names of the elements of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 (the signature)
        self.names.append(tag)


@pytest.mark.parametrize(
    "attack",
    ["</script><b>", "<!--<script>", "]]><b>", "\u2028</script ><b>", "<\x00script>", "</SCRIPT\n><b>"],
)
def test_no_text_in_a_figure_ends_its_data(attack: str) -> None:
    from plotly.graph_objects import Figure

    figure = Figure(layout={"title": {"text": attack}, "meta": {attack: attack}})
    block = {"name": "a", "figure": figure}
    body = _with_script(block)
    assert Elements(body).names == ["script", "p"]
    assert body.count("</script>") == 1
    assert "<!--" not in body


def _with_script(block: dict[str, object]) -> str:
    template = _environment().from_string("<script>{{ block.figure|figure_json }}</script><p>{{ block.name }}</p>")
    return template.render(block=block)
