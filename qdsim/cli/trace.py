"""`qdsim trace`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from qdsim.cli import Session
from qdsim.cli.source import opened

if TYPE_CHECKING:
    from rich.tree import Tree

    from qdsim.provenance.trace import Ancestor

_WIDTH = 200  # of what is piped

EXAMPLES = """
\b
Examples:
  qdsim trace quickstart                                            all verdicts, back to every CP2K output
  qdsim trace quickstart --sample '3.2 nm' --quantity alpha_rh      one verdict
  qdsim trace 0d3a81c2                                              any node
  qdsim trace quickstart --all                                      with all data on the way
  qdsim trace quickstart.aiida --node 0d3a81c2                      any node of an archive
"""


@click.command(epilog=EXAMPLES)
@click.argument("node", metavar="[CAMPAIGN|NODE|FILE.aiida]", required=False)
@click.option("--node", "archived", metavar="CAMPAIGN|NODE", help="What to follow in FILE.aiida.")
@click.option("--sample", help="Only what the verdicts on this sample rest on.")
@click.option("--quantity", help="Only what the verdicts on this quantity rest on, such as alpha_rh.")
@click.option("--all", "everything", is_flag=True, help="Show data, too, and every way that leads to a calculation.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def command(
    session: Session,
    node: str | None,
    archived: str | None,
    sample: str | None,
    quantity: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Follow a result back to the CP2K calculations that it was made from.

    CAMPAIGN is a name, PK or UUID, the newest one where none is given: its verdicts, or else its results, are followed.
    NODE is any node of the provenance graph. FILE.aiida is what qdsim archive has written.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.provenance import find_node
    from qdsim.provenance.trace import points_behind, shortened, trace, verdict_node

    with opened(session, node, archived, find_node) as start:
        data = verdict_node(start)
        found = trace(data, points_behind(data, sample, quantity))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    console = Terminal(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(_tree(found if everything else shortened(found)))
    console.print(f"{sum(1 for _ in found.calculations())} CP2K calculations.", highlight=False)


def _tree(ancestor: Ancestor, branch: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    words = Text.assemble(
        (f"{ancestor.link} ← " if ancestor.link else "", "dim"),
        (f"{ancestor.kind} ", "bold" if ancestor.is_cp2k else ""),
        (f"<{ancestor.pk}> {ancestor.uuid[:8]} ", "cyan"),
        ancestor.detail,
        ("  (as above)" if ancestor.again else "", "dim"),
    )
    added = Tree(words) if branch is None else branch.add(words)
    for parent in ancestor.parents:
        _tree(parent, added)
    return added
