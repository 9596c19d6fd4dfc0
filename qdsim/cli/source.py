"""Where a command reads a campaign from, a profile or an archive, and which one it has taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from qdsim.cli import Session
from qdsim.errors import QdsimError
from qdsim.printable import printable

if TYPE_CHECKING:
    from aiida.orm import Node, WorkChainNode

Found = TypeVar("Found", bound="Node")


def campaign_or_archive(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument `campaign`, which may be an archive, and the option `--campaign` to a command."""
    option = click.option("--campaign", "archived", metavar="NAME", help="Which of several campaigns in FILE.aiida.")
    return click.argument("campaign", metavar="[CAMPAIGN|FILE.aiida]", required=False)(option(command))


def tell(found: Node) -> None:
    """Say on standard error which campaign is taken, by its PK and the file that it was run from."""
    from qdsim.provenance import describe_campaign, is_campaign

    if is_campaign(found):
        click.echo(printable(describe_campaign(cast("WorkChainNode", found))), err=True)


def taken(session: Session, identifier: str | None) -> WorkChainNode:
    """Return a campaign of the profile, which is opened, and tell which it is.

    Raises
    ------
    QdsimError
        If the profile cannot be opened, or for the reasons of `qdsim.provenance.find_campaign`.
    """
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import find_campaign

    open_profile(session.profile)
    found = find_campaign(identifier)
    tell(found)
    return found


@contextmanager
def opened(
    session: Session, identifier: str | None, archived: str | None, find: Callable[[str | None], Found]
) -> Iterator[Found]:
    """Give what was asked for; the profile or archive that it is in is open as long as it is used.

    Of a campaign of the profile it is told in the end which it is.

    Parameters
    ----------
    session
        Tells the profile.
    identifier
        Of a campaign or node in the profile, or an archive.
    archived
        What to take of an archive; None for its only campaign.
    find
        Returns what an identifier stands for.

    Raises
    ------
    QdsimError
        If the profile or archive cannot be opened, or there is no such thing in it.
    """
    from qdsim.machine.aiida_folder import folder_of_its_own
    from qdsim.machine.profile import open_profile
    from qdsim.provenance.archive_reader import is_archive, only_campaign, open_archive

    if identifier is None or not is_archive(identifier):
        if archived is not None:
            raise QdsimError(f"{archived} is asked for in an archive, but none is given: name FILE.aiida, too.")
        open_profile(session.profile)
        found = find(identifier)
        yield found
        tell(found)
        return
    path = Path(identifier)
    with folder_of_its_own(), open_archive(path):
        yield find(archived or only_campaign(path))
