"""Making AiiDA's codes, one node for each version of a program."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError
from qdsim.machine.files import CodeFile
from qdsim.machine.installation import Cp2kInstallation

if TYPE_CHECKING:
    from aiida.orm import Computer, InstalledCode

VERSION_KEY = "cp2k_version"
DATA_DIRECTORY_KEY = "cp2k_data_directory"
QDSIM = "qdsim"
"""Label of the code that is this program itself, for fits that run as jobs."""


def describe_local_cp2k(installation: Cp2kInstallation) -> CodeFile:
    """Describe the code `cp2k@localhost` for a CP2K of this machine."""
    return CodeFile(
        label="cp2k",
        computer="localhost",
        filepath_executable=str(installation.executable),
        description=f"CP2K {installation.version}, data files in {installation.data_directory}",
        prepend_text=f"export CP2K_DATA_DIR={shlex.quote(str(installation.data_directory))}",
    )


def describe_qdsim() -> CodeFile:
    """Describe the code `qdsim@localhost`: this program, from the environment that it runs in."""
    return CodeFile(
        label=QDSIM,
        computer="localhost",
        filepath_executable=str(Path(sys.executable).with_name(QDSIM)),
        description="qdsim, for fits of scattering data",
        default_calc_job_plugin="qdsim.fit",
        with_mpi=False,
    )


def find_code(label: str, computer: Computer) -> InstalledCode | None:
    """Return the code ``label@computer`` of the loaded profile, or None; the newest if there are several."""
    from aiida.orm import Computer as AnyComputer
    from aiida.orm import InstalledCode, QueryBuilder

    query = QueryBuilder()
    query.append(AnyComputer, filters={"id": computer.pk}, tag="computer")
    query.append(InstalledCode, filters={"label": label}, with_computer="computer")
    query.order_by({InstalledCode: {"id": "desc"}})
    found = query.first(flat=True)
    return found if isinstance(found, InstalledCode) else None


def set_up_code(
    description: CodeFile, computer: Computer, extras: Mapping[str, str] | None = None
) -> tuple[InstalledCode, str]:
    """Make a code in the loaded profile, unless the same is there already.

    A stored code never changes, since past calculations refer to it. When the program has moved or has another
    version, the old code is renamed after its version and hidden, and a new one takes its label.

    Parameters
    ----------
    description : CodeFile
        The code.
    computer : aiida.orm.Computer
        The stored computer it is on.
    extras : mapping, optional
        Facts kept as the code's extras; a code whose facts differ is another version.

    Returns
    -------
    code : aiida.orm.InstalledCode
    state : str
        "created", "replaced" or "unchanged".

    Raises
    ------
    QdsimError
        If AiiDA refuses the description.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.orm import InstalledCode

    facts = dict(extras or {})
    existing = find_code(description.label, computer)
    if existing is not None and _is_same(existing, description, facts):
        return existing, "unchanged"
    options = description.model_dump(exclude={"computer", "version"})
    try:
        code = InstalledCode(computer=computer, **options)
        if existing is not None:
            _retire(existing, computer)
        code.store()
    except (AiidaException, ValueError) as error:
        raise QdsimError(f"the code {description.label}@{computer.label} cannot be set up: {error}") from error
    code.base.extras.set_many(facts)
    return code, "created" if existing is None else "replaced"


def _is_same(code: InstalledCode, description: CodeFile, facts: Mapping[str, str]) -> bool:
    return (
        str(code.filepath_executable) == description.filepath_executable
        and code.default_calc_job_plugin == description.default_calc_job_plugin
        and code.use_double_quotes == description.use_double_quotes
        and code.with_mpi == description.with_mpi
        and code.prepend_text == description.prepend_text
        and code.append_text == description.append_text
        and all(code.base.extras.get(key, None) == value for key, value in facts.items())
    )


def _retire(code: InstalledCode, computer: Computer) -> None:
    version = code.base.extras.get(VERSION_KEY, None) or "old"
    label = f"{code.label}-{version}"
    code.label = label if find_code(label, computer) is None else f"{label}-{code.pk}"
    code.is_hidden = True
