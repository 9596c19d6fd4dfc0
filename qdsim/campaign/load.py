"""From a YAML file to a checked campaign, with errors that name the line."""

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from qdsim.campaign.schema import Campaign
from qdsim.errors import QdsimError


def load_campaign(path: str | Path) -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    path
        YAML file; paths in it are relative to its folder.

    Returns
    -------
    Campaign
        The checked campaign, `structure` and `overrides.template` resolved to existing absolute paths.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not follow the schema: file, line and field are named.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(path)
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise QdsimError(f"{path}: cannot be read ({reason}).") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise QdsimError(f"{path}, line {line}: not valid YAML: {error.problem or error.context}.") from error
    except YAMLError as error:
        raise QdsimError(f"{path}: not valid YAML: {error}.") from error
    if not isinstance(document, dict):
        raise QdsimError(f"{path}: a campaign is a mapping that starts with 'name:', this is not.")
    try:
        campaign = Campaign.model_validate(document)
    except ValidationError as error:
        raise QdsimError(_explain(path, document, error)) from error
    return _resolve_paths(campaign, path.parent.resolve())


def _resolve_paths(campaign: Campaign, folder: Path) -> Campaign:
    changes: dict[str, Any] = {}
    if campaign.structure is not None:
        changes["structure"] = folder / campaign.structure
    template = campaign.overrides.get("template")
    if isinstance(template, str) and (folder / template).is_file():
        changes["overrides"] = {**campaign.overrides, "template": str(folder / template)}
    return campaign.model_copy(update=changes)


def _explain(path: Path, document: Any, error: ValidationError) -> str:
    """Tell the first error as one sentence with its line and field, and the others as a count."""
    errors = error.errors()
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"])
    line = _line_of(document, first["loc"])
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        valid = _fields_at(first["loc"][:-1])
        near = difflib.get_close_matches(name, valid, n=1)
        message = f"unknown key; did you mean '{near[0]}'?" if near else f"unknown key; known are {', '.join(valid)}"
    elif first["type"] == "missing":
        message = "this key is required"
    elif first["type"] in {"finite_number", "float_parsing", "float_type"}:
        message = f"{first['input']!r} is no finite number"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    place = f"{field}: " if field else ""
    return f"{path}, line {line}: {place}{message}{'' if message.endswith('?') else '.'}{more}"


def _line_of(document: Any, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of `location` that the document has."""
    line = 1
    for part in location:
        marks = getattr(document, "lc", None)
        if marks is None or not _has(document, part):
            break
        line = (marks.item(part)[0] if isinstance(part, int) else marks.key(part)[0]) + 1
        document = document[part]
    return line


def _has(document: Any, part: int | str) -> bool:
    if isinstance(document, dict):
        return part in document
    return isinstance(document, list) and isinstance(part, int) and part < len(document)


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Campaign
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        choices = (annotation, *get_args(annotation))
        model = next(kind for kind in choices if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)
