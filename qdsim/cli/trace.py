"""`qdsim trace`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.source import opened
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from rich.tree import Tree

    from qdsim.provenance.trace import Relative

_WIDTH = 200  # of what is piped

EXAMPLES = """
\b
Examples:
  qdsim trace quickstart                                            all verdicts, back to every CP2K output
  qdsim trace quickstart --sample '3.2 nm' --quantity alpha_rh      one verdict
  qdsim trace 0d3a81c2                                              any node
  qdsim trace 0d3a81c2 --descendants                                what was made of it
  qdsim trace quickstart --all --graph trace.svg                    with all data on the way, as a picture
  qdsim trace quickstart.aiida --node 0d3a81c2                      any node of an archive
"""


@click.command(epilog=EXAMPLES)
@click.argument("node", metavar="[CAMPAIGN|NODE|FILE.aiida]", required=False)
@click.option("--node", "archived", metavar="CAMPAIGN|NODE", help="What to follow in FILE.aiida.")
@click.option("--sample", help="Only what the verdicts on this sample rest on.")
@click.option("--quantity", help="Only what the verdicts on this quantity rest on, such as alpha_rh.")
@click.option("--descendants", "down", is_flag=True, help="Follow what was made of the node instead.")
@click.option("--all", "everything", is_flag=True, help="Show data, too, and every way that leads to a calculation.")
@click.option("--graph", type=click.Path(path_type=Path), metavar="FILE", help="Write it as .svg, .pdf, .png or .dot.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def command(
    session: Session,
    node: str | None,
    archived: str | None,
    sample: str | None,
    quantity: str | None,
    down: bool,
    everything: bool,
    graph: Path | None,
    as_json: bool,
) -> None:
    """Follow a result back to the CP2K calculations that it was made from, or on to what was made of it.

    CAMPAIGN is a name, file, PK or UUID, the newest one where none is given: its verdicts, or else its results, are
    followed. NODE is any node of the provenance graph. FILE.aiida is what qdsim archive has written.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.cli.trace_graph import check_format, write_graph
    from qdsim.provenance import find_node
    from qdsim.provenance.trace import descendants, points_behind, processes, shortened, trace, verdict_node

    if down and (sample or quantity):
        raise QdsimError("--sample and --quantity tell what is followed back: leave them out with --descendants.")
    if graph is not None:
        check_format(graph)
    with opened(session, node, archived, find_node) as start:
        if down:
            found = descendants(start)
            shown = found if everything else processes(found)
        else:
            data = verdict_node(start)
            found = trace(data, points_behind(data, sample, quantity))
            shown = found if everything else shortened(found)
    if graph is not None:
        write_graph(graph, shown, down=down)
        click.echo(f"Wrote {graph}.", err=True)
    if as_json:
        click.echo(json.dumps(_document(found, "children" if down else "parents"), indent=2))
    elif graph is None:
        console = Terminal(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(_tree(shown, "→" if down else "←"))
        console.print(f"{sum(1 for _ in found.calculations())} CP2K calculations.")


def _document(relative: Relative, name: str) -> dict[str, Any]:
    """Return a trace as JSON has it, what follows a node under a name."""
    record = {key: getattr(relative, key) for key in ("link", "pk", "uuid", "kind", "detail", "again", "is_data")}
    return record | {name: [_document(one, name) for one in relative.relatives]}


def _tree(relative: Relative, arrow: str, branch: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    words = Text.assemble(
        (f"{relative.link} {arrow} " if relative.link else "", "dim"),
        (f"{relative.kind} ", "bold" if relative.is_cp2k else ""),
        (f"<{relative.pk}> {relative.uuid[:8]} ", "cyan"),
        relative.detail,
        ("  (as above)" if relative.again else "", "dim"),
    )
    added = Tree(words) if branch is None else branch.add(words)
    for one in relative.relatives:
        _tree(one, arrow, added)
    return added
