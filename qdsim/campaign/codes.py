"""The AiiDA codes that a campaign runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.orm import Code


def load_code(label: str) -> Code:
    """Return an AiiDA code.

    Raises
    ------
    QdsimError
        If there is none of that label; the known ones are named.
    """
    from aiida import orm
    from aiida.common import MultipleObjectsError, NotExistent

    try:
        return orm.load_code(label)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        known = sorted(code.full_label for code in orm.QueryBuilder().append(orm.Code).all(flat=True))
        names = f"there are {', '.join(known)}" if known else "there are none; run 'qdsim init' first"
        raise QdsimError(f"code: there is no code '{label}' in this profile; {names}.") from error


def check_installation(code: Code) -> None:
    """Check that a code of this machine is still where it was found.

    Raises
    ------
    QdsimError
        If the program or its data folder is gone.
    """
    from aiida.orm import InstalledCode

    from qdsim.machine.codes import DATA_DIRECTORY_KEY

    if not isinstance(code, InstalledCode) or code.computer.transport_type != "core.local":
        return
    for path in (str(code.filepath_executable), code.base.extras.get(DATA_DIRECTORY_KEY, None)):
        if path is not None and not Path(path).exists():
            raise QdsimError(
                f"code: '{code.full_label}' needs {path}, which does not exist (any more); install CP2K "
                "('apt-get install cp2k', or from conda-forge) and run 'qdsim init'."
            )
