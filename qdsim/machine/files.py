"""The YAML files that describe computers and codes, with the keys that `verdi` takes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qdsim.documents import check_depth, check_size, read_text
from qdsim.errors import QdsimError
from qdsim.machine.resources import Resources

_Model = TypeVar("_Model", bound=BaseModel)


class TransportFile(BaseModel):
    """The ``configure`` mapping of a computer file: the options of its transport.

    Keys other than these two are the transport's own, for example ``username``, ``key_filename`` or
    ``use_login_shell`` of ``core.ssh``.
    """

    model_config = ConfigDict(extra="allow")

    safe_interval: float = Field(1.0, ge=0)
    """Seconds between two connections; AiiDA's own 15 to 30 are most of what a small calculation takes."""
    minimum_job_poll_interval: float = Field(2.0, ge=0)
    """Seconds between two questions to the scheduler; one question is for all calculations together."""

    def transport_options(self) -> dict[str, Any]:
        """Return the options that are the transport's own."""
        return self.model_dump(exclude={"minimum_job_poll_interval"})


class ComputerFile(BaseModel):
    """A computer, as ``verdi computer setup --config`` takes it, the options of its transport, and the resources."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(min_length=1)
    hostname: str = Field(min_length=1)
    description: str = ""
    transport: str
    scheduler: str
    work_dir: str
    shebang: str = "#!/bin/bash"
    mpirun_command: str = "mpirun -np {tot_num_mpiprocs}"
    mpiprocs_per_machine: int | None = Field(None, ge=1)
    default_memory_per_machine: int | None = Field(None, ge=1)
    max_jobs: int | None = Field(None, ge=1)
    """Jobs in its queue at most, of all campaigns together; the others wait in AiiDA, and the expensive go first."""
    use_double_quotes: bool = False
    prepend_text: str = ""
    append_text: str = ""
    configure: TransportFile = Field(default_factory=TransportFile)
    resources: Resources = Field(default_factory=Resources)
    """What calculations get there, where a campaign does not say otherwise."""


class CodeFile(BaseModel):
    """A code on a computer, as ``verdi code create core.code.installed --config`` takes it."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(min_length=1)
    computer: str = Field(min_length=1)
    filepath_executable: str
    description: str = ""
    default_calc_job_plugin: str = "cp2k"
    version: str | None = None
    """Of CP2K, where it does not start on the login node and cannot be asked."""
    use_double_quotes: bool = False
    with_mpi: bool | None = None
    prepend_text: str = ""
    append_text: str = ""


def read_computer_file(path: Path) -> ComputerFile:
    """Read a computer from a YAML file.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not describe a computer.
    """
    return parse(ComputerFile, _read_mapping(path), str(path))


def read_code_file(path: Path) -> CodeFile:
    """Read a code from a YAML file.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not describe a code.
    """
    return parse(CodeFile, _read_mapping(path), str(path))


def _read_mapping(path: Path) -> Mapping[str, Any]:
    try:
        text = read_text(path)
        check_depth(path, text)
        content = yaml.safe_load(text)
    except OSError as error:
        raise QdsimError(f"{path} cannot be read: {error}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise QdsimError(f"{path}{line}: the YAML cannot be read ({problem}).") from error
    check_size(path, content)
    if not isinstance(content, dict):
        raise QdsimError(f"{path} must hold `key: value` lines, as `verdi computer setup --config` takes them.")
    return content


def parse(model: type[_Model], content: Mapping[str, Any], source: str) -> _Model:
    """Turn a mapping into a model, telling the first thing that is wrong in one sentence.

    Raises
    ------
    QdsimError
        If a key is unknown (with the nearest valid one), missing, or has a value of the wrong kind.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # A misspelt key is also a missing one; the misspelling is what there is to tell.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            nearest = get_close_matches(key, model.model_fields, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(model.model_fields)}."
            raise QdsimError(f"{source}: unknown key {key!r}; {hint}") from error
        if first["type"] == "missing":
            raise QdsimError(f"{source}: the key {key!r} is missing.") from error
        raise QdsimError(f"{source}: {key}: {first['msg'].lower()}, not {first['input']!r}.") from error
