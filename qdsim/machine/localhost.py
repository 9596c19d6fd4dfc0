"""The computer `localhost`: jobs wait in line for a slot, so that at most so many run at once."""

from __future__ import annotations

import os
import shlex
import shutil
from importlib.resources import files
from pathlib import Path

import jinja2
import yaml

from qdsim.errors import QdsimError
from qdsim.machine.files import ComputerFile, parse
from qdsim.machine.processors import Layout

#: What a job and AiiDA call: what for, and Debian's package of it. Containers may lack either.
_PROGRAMS = {
    "flock": ("which makes calculations wait for a slot", "util-linux"),
    "ps": ("without which AiiDA takes every calculation for ended", "procps"),
}
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def missing_program() -> tuple[str, str] | None:
    """Tell which program calculations on this machine lack, and how to install it."""
    for name, (reason, package) in _PROGRAMS.items():
        if shutil.which(name) is None:
            return f"{name}, {reason}, was not found in PATH", f"apt-get install {package}"
    return None


def describe_localhost(layout: Layout, work_dir: Path, mpirun: Path | None) -> ComputerFile:
    """Fill in `templates/computers/localhost.yaml` for this machine.

    Parameters
    ----------
    layout : Layout
        Slots, and ranks of each.
    work_dir : Path
        Folder the calculations run in; the slot files lie in its subfolder ``.slots``.
    mpirun : Path or None
        MPI launcher; needed for more than one rank only.

    Raises
    ------
    QdsimError
        If several ranks are wanted and there is no ``mpirun``.
    """
    if layout.ranks > 1 and mpirun is None:
        raise QdsimError(
            f"{layout.ranks} MPI ranks need mpirun, which was not found in PATH; install it with "
            "`apt-get install openmpi-bin`, or use --ranks 1."
        )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 (shell, not HTML)
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    values = {
        "slots": layout.slots,
        "ranks": layout.ranks,
        "work_dir": work_dir,
        "slots_folder": work_dir / ".slots",
        "mpirun": mpirun,
        "root": os.geteuid() == 0,
        "container": any(mark.exists() for mark in _CONTAINER_MARKS),
    }
    template = files("qdsim.templates") / "computers" / "localhost.yaml"
    content = {
        key: environment.from_string(value).render(values) if isinstance(value, str) else value
        for key, value in yaml.safe_load(template.read_text(encoding="utf-8")).items()
    }
    return parse(ComputerFile, content, str(template))
