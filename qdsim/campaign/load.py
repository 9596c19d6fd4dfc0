"""From a YAML file to a checked campaign, with paths that exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qdsim.campaign.schema import Campaign, Section
from qdsim.documents import load_document

TEMPLATE = "template"
"""Among overrides, a file that may be one of the package."""


def load_campaign(path: str | Path) -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    path
        YAML file; paths in it are relative to its folder.

    Returns
    -------
    Campaign
        The checked campaign, its paths absolute.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not follow the schema: file, line and field are named.
    """
    path = Path(path)
    campaign = load_document(path, Campaign, "a campaign")
    resolved: Campaign = _resolve_paths(campaign, path.parent.resolve())
    return resolved


def files_of(part: Any) -> Iterator[Path]:
    """Yield the files that a campaign, or a part of it, names, as they are found; those of the package are left out."""
    if isinstance(part, Path):
        yield part
    elif isinstance(part, Section | dict):
        for name, value in part if isinstance(part, Section) else part.items():
            if name == TEMPLATE and isinstance(value, str):
                yield from (path for path in [Path(value)] if path.is_absolute())
            else:
                yield from files_of(value)


def _resolve_paths(section: Section, folder: Path) -> Any:
    """Return a section whose paths begin at a folder, those of the sections in it too."""
    resolved = {name: _resolve(name, value, folder) for name, value in section}
    changes = {name: value for name, value in resolved.items() if value != getattr(section, name)}
    return section.model_copy(update=changes)  # what is not changed stays as it was given, or not given


def _resolve(name: str, value: Any, folder: Path) -> Any:
    """Return what a field says with its paths resolved; a template is one of the folder, or else of the package."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, Section):
        return _resolve_paths(value, folder)
    if isinstance(value, dict):
        return {key: _resolve(key, inner, folder) for key, inner in value.items()}
    if name == TEMPLATE and isinstance(value, str) and (folder / value).is_file():
        return str(folder / value)
    return value
