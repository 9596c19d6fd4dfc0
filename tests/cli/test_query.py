"""`qdsim query`, `why`, `diff` and `trace` on stored campaigns."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.machines import Machine

STORE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1] / "provenance")!r})
from graphs import store_campaign
answer = [store_campaign("stored"), store_campaign("wider", lattice=6.02)]
answer.append(store_campaign("broken", "PbSe", failed=True))
"""


@pytest.fixture(scope="module")
def stored(machine: "Machine") -> list[str]:
    """UUIDs of three campaigns."""
    uuids: list[str] = machine.python(STORE)
    return uuids


@pytest.mark.usefixtures("stored")
def test_results_are_printed_as_table_csv_and_json(machine: "Machine") -> None:
    arguments = ("query", "--campaign", "stored", "--strain", "0.5:2.5", "--kind", "strain")
    table = machine.qdsim(*arguments)
    assert table.returncode == 0, table.stderr
    assert "0.1234 Å" in table.stdout
    assert "+1.00 %" in table.stdout
    records = json.loads(machine.qdsim(*arguments, "--json").stdout)
    assert [record["value"] for record in records] == pytest.approx([0.1234, 0.2234])
    assert {record["unit"] for record in records} == {"Å"}
    rows = list(csv.DictReader(io.StringIO(machine.qdsim(*arguments, "--csv").stdout)))
    assert [row["label"] for row in rows] == [record["label"] for record in records]
    limited = machine.qdsim("query", "--limit", "1").stdout
    assert "--limit 0 shows all" in limited


@pytest.mark.usefixtures("stored")
def test_calculations_are_listed(machine: "Machine") -> None:
    answer = machine.qdsim("query", "--calculations", "--exit-code", "300", "--json")
    (record,) = json.loads(answer.stdout)
    assert (record["campaign"], record["state"], record["code_version"]) == ("broken", "failed", "2023.1")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "--compound", "PbSS"], "did you mean"),
        (["query", "--since", "yesterday"], "write a date such as"),
        (["query", "--strain", "2"], "write LOW:HIGH"),
        (["query", "--calculations", "--host", "x"], "A calculation has no host to filter by"),
        (["why", "0.98765"], "No result of any campaign is printed as 0.98765"),
        (["why", "much"], "is no number"),
        (["diff", "stored", "wieder"], "did you mean 'wider'?"),
        (["trace", "stored", "--graph", "x.jpg"], "it is one of .svg, .pdf, .png, .dot"),
        (["trace", "stored", "--descendants", "--sample", "x"], "leave them out with --descendants"),
    ],
)
def test_each_mistake_is_told_in_one_sentence(machine: "Machine", arguments: list[str], message: str) -> None:
    answer = machine.qdsim(*arguments)
    assert answer.returncode == 2
    assert message in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr


@pytest.mark.usefixtures("stored")
def test_a_number_is_led_back_to_pseudopotentials(machine: "Machine") -> None:
    answer = machine.qdsim("why", "0.2234", "--campaign", "stored")
    assert answer.returncode == 0, answer.stderr
    for words in ("points.linear_p0p0200.relaxed.pb_offset", "Pb GTH-PBE-q4", "protocol fast", "CP2K 2023.1"):
        assert words in answer.stdout
    found = json.loads(machine.qdsim("why", "0.2234", "--campaign", "stored", "--json").stdout)
    assert found["first"]["calculations"][0]["cutoff"] == 300
    negative = machine.qdsim("why", "-376.1", "--campaign", "stored")
    assert "-376.1 eV" in negative.stdout


@pytest.mark.usefixtures("stored")
def test_campaigns_are_compared(machine: "Machine") -> None:
    answer = machine.qdsim("diff", "stored", "wider")
    assert answer.returncode == 0, answer.stderr
    assert "campaign.name" in answer.stdout
    found = json.loads(machine.qdsim("diff", "stored", "wider", "--json").stdout)
    assert found["names"] == ["stored", "wider"]
    (constant,) = (
        one for one in found["results"] if (one["kind"], one["quantity"]) == ("equation-of-state", "lattice_constant")
    )
    assert constant["difference"] == pytest.approx(0.02, abs=1e-4)
    assert "same" in machine.qdsim("diff", "stored", "stored").stdout


def test_a_trace_is_drawn_in_both_directions(machine: "Machine", stored: list[str], tmp_path: Path) -> None:
    picture, text = tmp_path / "back.svg", tmp_path / "on.dot"
    back = machine.qdsim("trace", stored[0], "--all", "--graph", str(picture))
    assert back.returncode == 0, back.stderr
    assert "Cp2kCalculation" in picture.read_text(encoding="utf-8")
    assert picture.read_text(encoding="utf-8").rstrip().endswith("</svg>")
    run = json.loads(machine.qdsim("query", "--calculations", "--campaign", "stored", "--json").stdout)[0]
    on = machine.qdsim("trace", run["uuid"], "--descendants", "--graph", str(text))
    assert on.returncode == 0, on.stderr
    assert text.read_text(encoding="utf-8").startswith("digraph")
    tree = machine.qdsim("trace", run["uuid"], "--descendants").stdout
    assert "summarise" in tree
    assert json.loads(machine.qdsim("trace", run["uuid"], "--descendants", "--json").stdout)["children"]
