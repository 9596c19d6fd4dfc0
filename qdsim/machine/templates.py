"""The computer and code files that come with the package, for a user to copy and change."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from qdsim.errors import QdsimError

SCHEDULERS = ("slurm", "pbspro", "lsf")
_CODES = ("cp2k.yaml", "cp2k-gpu.yaml")


def copy_templates(scheduler: str, folder: Path) -> list[Path]:
    """Write the computer file of a scheduler, and the code files, into a folder.

    Parameters
    ----------
    scheduler : str
        One of `SCHEDULERS`.
    folder : Path
        Made where it does not exist.

    Raises
    ------
    QdsimError
        If one of the files is there already: it may have been changed.
    """
    templates = files("qdsim.templates")
    sources = [templates / "computers" / f"{scheduler}.yaml"] + [templates / "codes" / name for name in _CODES]
    targets = [folder / source.name for source in sources]
    for target in targets:
        if target.exists():
            raise QdsimError(f"{target} exists already; choose another folder with --output, or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in zip(sources, targets, strict=True):
        text = source.read_text(encoding="utf-8")
        target.write_text(text.replace("--computer slurm.yaml", f"--computer {scheduler}.yaml"), encoding="utf-8")
    return targets
