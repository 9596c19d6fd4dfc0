"""Where a command reads a campaign from: a profile, or an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from qdsim.cli import Session
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.orm import Node

Found = TypeVar("Found", bound="Node")


def campaign_or_archive(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument `campaign`, which may be an archive, and the option `--campaign` to a command."""
    option = click.option("--campaign", "archived", metavar="NAME", help="Which of several campaigns in FILE.aiida.")
    return click.argument("campaign", metavar="[CAMPAIGN|FILE.aiida]", required=False)(option(command))


@contextmanager
def opened(
    session: Session, identifier: str | None, archived: str | None, find: Callable[[str | None], Found]
) -> Iterator[Found]:
    """Give what was asked for; the profile or archive that it is in is open as long as it is used.

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
        yield find(identifier)
        return
    path = Path(identifier)
    with folder_of_its_own(), open_archive(path):
        yield find(archived or only_campaign(path))
