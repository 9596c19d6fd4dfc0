"""Which campaign is meant: by its name in a folder, its file, PK or UUID."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, cast

from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import CAMPAIGN_PROCESS, campaigns, state_of
from qdsim.provenance.documents import read_campaigns

if TYPE_CHECKING:
    from aiida.orm import Node, WorkChainNode

FILES = "qdsim_files"
"""Extra of a campaign: the files that it was run from."""
FILE_SUFFIXES = {".yaml", ".yml"}
LONGEST_LIST = 10


def find_campaign(identifier: str | None = None) -> WorkChainNode:
    """Return the newest campaign, or the one of a name, file, PK or UUID.

    Several campaigns of a name in one folder are taken for editions of one: the newest counts. Of those in different
    folders the one of the current folder is meant, or else that of a folder in it.

    Parameters
    ----------
    identifier
        Name of a campaign, path of a campaign file (.yaml or .yml), PK or UUID; None for the newest.

    Raises
    ------
    QdsimError
        If there is none (the nearest name is offered), or the name stands for campaigns of several folders and the
        current folder does not tell which is meant: they are listed.
    """
    if identifier is None:
        newest = campaigns()
        if not newest:
            raise QdsimError("No campaign has been run in this profile; 'qdsim run FILE' starts one.")
        return newest[0]
    path = Path(identifier)
    if path.suffix in FILE_SUFFIXES and path.is_file():
        return _of_file(path)
    named = campaigns(name=identifier)
    if named:
        return _of_this_folder(identifier, named)
    node = _load(identifier)
    if node is not None and is_campaign(node):
        return cast("WorkChainNode", node)
    names = sorted({found.label for found in campaigns()})
    near = get_close_matches(identifier, names, n=1)
    hint = (
        f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(names)}." if names else "; none has run."
    )
    raise QdsimError(f"There is no campaign '{identifier}'{hint}")


def find_node(identifier: str | None = None) -> Node:
    """Return a campaign as `find_campaign` does, or any node of a PK or UUID.

    Raises
    ------
    QdsimError
        As `find_campaign`, if there is no such node either.
    """
    node = None if identifier is None or campaigns(name=identifier) else _load(identifier)
    return find_campaign(identifier) if node is None else node


def is_campaign(node: Node) -> bool:
    """Tell whether a node is the process of a campaign."""
    from aiida.orm import WorkChainNode

    return isinstance(node, WorkChainNode) and node.process_type == CAMPAIGN_PROCESS


def files_of(campaign: WorkChainNode) -> list[Path]:
    """Return the files that a campaign was run from; there are none where it was made in Python."""
    return [Path(name) for name in campaign.base.extras.get(FILES, [])]


def remember_files(campaign: WorkChainNode, files: Sequence[Path]) -> None:
    """Keep that a campaign was run from files."""
    known = [str(path) for path in (*files_of(campaign), *files)]
    campaign.base.extras.set(FILES, list(dict.fromkeys(known)))


def describe_campaign(campaign: WorkChainNode) -> str:
    """Say which campaign it is: name, PK, and the files that it was run from."""
    return f"Campaign '{campaign.label}', PK {campaign.pk}, {_whence(campaign)}"


def name_here(campaign: WorkChainNode) -> str:
    """Return what commands in the current folder call a campaign: its name, or its PK where that is another one's."""
    try:
        meant = find_campaign(campaign.label)
    except QdsimError:
        return str(campaign.pk)
    return campaign.label if meant.pk == campaign.pk else str(campaign.pk)


def _whence(campaign: WorkChainNode) -> str:
    files = files_of(campaign)
    return f"from {', '.join(map(str, files))}" if files else "from no file that is known"


def _folders(campaign: WorkChainNode) -> set[Path]:
    return {path.parent for path in files_of(campaign)}


def _of_file(path: Path) -> WorkChainNode:
    whole = path.resolve()
    for campaign in campaigns():
        if whole in files_of(campaign):
            return campaign
    raise QdsimError(f"No campaign was run from {path} in this profile; 'qdsim run {path}' starts it.")


def _of_this_folder(name: str, named: Sequence[WorkChainNode]) -> WorkChainNode:
    """Return the newest of campaigns of one name, if they are of one folder or the current one tells which is meant."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it has been deleted
        here = None
    for campaign in named:
        if here in _folders(campaign):
            return campaign
    inside = [one for one in named if any(here in folder.parents for folder in _folders(one))]
    candidates = inside or list(named)
    first, *others = (_folders(one) for one in candidates)
    if first.intersection(*others) or not any([first, *others]):
        return candidates[0]
    compounds = {record.pk: record.compound for record in read_campaigns(name)}
    listed = [
        f"PK {one.pk} ({compounds[cast('int', one.pk)]}, {state_of(one)}, {_whence(one)})"
        for one in candidates[:LONGEST_LIST]
    ]
    more = f" and {len(candidates) - LONGEST_LIST} older ones" if len(candidates) > LONGEST_LIST else ""
    raise QdsimError(
        f"There are campaigns '{name}' of several folders: {', '.join(listed)}{more}; say which by its PK or file, or "
        "go to its folder."
    )


def _load(identifier: str) -> Node | None:
    from aiida import orm
    from aiida.common import MultipleObjectsError, NotExistent

    try:
        return orm.load_node(identifier)
    except (NotExistent, MultipleObjectsError, ValueError):
        return None
