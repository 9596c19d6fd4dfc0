"""Finding CP2K on this machine: its executable, version, data files and MPI launcher."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from qdsim.errors import QdsimError

EXECUTABLE = "cp2k.psmp"
DATA_FILES = ("BASIS_MOLOPT", "GTH_POTENTIALS")
"""The files of CP2K's data folder that the templates read."""

HOW_TO_INSTALL = (
    "install it with `apt-get install cp2k openmpi-bin libopenblas0-openmp` (Debian, Ubuntu) or "
    "`conda install -c conda-forge 'cp2k=*=*openmpi*'` (conda-forge)"
)
_ANSWER_TIMEOUT = 60.0


@dataclass(frozen=True)
class Cp2kInstallation:
    """A CP2K that answers.

    Attributes
    ----------
    executable : Path
        Absolute path of the executable.
    version : str
        As CP2K prints it, for example "2023.1".
    data_directory : Path
        Folder of the basis sets and pseudopotentials.
    """

    executable: Path
    version: str
    data_directory: Path


def find_cp2k(executable: Path | None = None) -> Cp2kInstallation:
    """Find CP2K, ask it for its version, and find its data folder.

    Parameters
    ----------
    executable : Path, optional
        The executable; looked for in ``PATH`` by default.

    Raises
    ------
    QdsimError
        If there is no CP2K, it does not answer as CP2K does, or its data folder is missing.
    """
    found = _locate(executable)
    text = _ask_version(found)
    version = re.search(r"CP2K version (\S+)", text)
    if version is None:
        raise QdsimError(
            f"{found} does not answer `--version` as CP2K does; give the path of {EXECUTABLE} with --cp2k."
        )
    return Cp2kInstallation(found, version.group(1), find_data_directory(found, text))


def _locate(executable: Path | None) -> Path:
    if executable is None:
        in_path = shutil.which(EXECUTABLE)
        if in_path is None:
            raise QdsimError(
                f"CP2K ({EXECUTABLE}) was not found in PATH; {HOW_TO_INSTALL}, or give its path with --cp2k."
            )
        return Path(in_path).absolute()
    if not executable.is_file() or not os.access(executable, os.X_OK):
        raise QdsimError(f"{executable} is not an executable file; give the path of {EXECUTABLE}, or {HOW_TO_INSTALL}.")
    return executable.absolute()


def _ask_version(executable: Path) -> str:
    """Return what ``cp2k.psmp --version`` prints, its wrapped lines joined."""
    try:
        answer = _ask(executable, "--version")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QdsimError(f"{executable} could not be run: {error}; {HOW_TO_INSTALL}.") from error
    if answer.returncode != 0:
        last = (answer.stderr.strip() or answer.stdout.strip()).splitlines()[-1:]
        raise QdsimError(f"{executable} --version failed with exit code {answer.returncode} {last}; {HOW_TO_INSTALL}.")
    return answer.stdout


def _ask(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine in CP2K's environment, and keep what it prints."""
    return subprocess.run(  # noqa: S603 (the user's own CP2K, or ldd on it, without a shell)
        command,
        env=make_environment(),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_ANSWER_TIMEOUT,
        check=False,
    )


def make_environment() -> dict[str, str]:
    """Return this process's environment with what `templates/computers/localhost.yaml` sets for a calculation.

    Open MPI then starts a one-rank CP2K without its daemon and without looking for a network, and starts as root.
    """
    own = {"OMP_NUM_THREADS": "1", "OMPI_MCA_pml": "ob1", "OMPI_MCA_ess_singleton_isolated": "1"}
    if os.geteuid() == 0:
        own |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {**os.environ, **own}


def find_data_directory(executable: Path, version_text: str) -> Path:
    """Return CP2K's data folder: ``CP2K_DATA_DIR``, the one compiled in, or the one beside the executable.

    Parameters
    ----------
    executable : Path
        CP2K's executable.
    version_text : str
        What ``cp2k.psmp --version`` printed; it wraps the compiler options at any column.

    Raises
    ------
    QdsimError
        If no folder holds the files of `DATA_FILES`.
    """
    chosen = os.environ.get("CP2K_DATA_DIR")
    compiled_in = re.search(r'__DATA_DIR="([^"]+)"', version_text.replace("\n   ", ""))
    share = executable.resolve().parent.parent / "share" / "cp2k"
    candidates = [Path(chosen)] if chosen else []
    if compiled_in:
        candidates.append(Path(compiled_in.group(1)))
    candidates += [share, share / "data"]
    for candidate in candidates:
        if all((candidate / name).is_file() for name in DATA_FILES):
            return candidate.absolute()
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise QdsimError(
        f"the data folder of CP2K ({' and '.join(DATA_FILES)}) was not found in {looked}; set CP2K_DATA_DIR to it, "
        f"or {HOW_TO_INSTALL}."
    )


def find_reference_blas(executable: Path) -> Path | None:
    """Return the reference BLAS that a CP2K is linked with, or None if it has a tuned one (or one within itself).

    CP2K asks for any ``libblas.so.3``; Debian keeps the reference implementation, which comes with its CP2K, in a
    folder of the name ``blas``, and gives way to OpenBLAS as soon as that is installed.

    Parameters
    ----------
    executable : Path
        CP2K's executable.
    """
    ldd = shutil.which("ldd")
    if ldd is None:
        return None
    try:
        answer = _ask(ldd, executable)
    except (OSError, subprocess.TimeoutExpired):
        return None
    linked = re.search(r"libblas\.so\.3 => (\S+)", answer.stdout)
    if linked is None:
        return None
    library = Path(linked.group(1)).resolve()
    return library if library.parent.name == "blas" else None


def find_mpirun(executable: Path) -> Path | None:
    """Return the ``mpirun`` that belongs to a CP2K: the one beside it, else the one in ``PATH``, else None."""
    found = shutil.which("mpirun", path=str(executable.parent)) or shutil.which("mpirun")
    return Path(found).absolute() if found else None
