"""A calculation of about a second that tells whether CP2K works on this machine."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from qdsim.errors import QdsimError
from qdsim.machine.installation import Cp2kInstallation, make_environment

HYDROGEN_ENERGY = -1.1642
"""Total energy (Ha) of H2 at 0.74 Å in trial.inp, as CP2K 2023.1 gives it."""
_ENERGY_TOLERANCE = 0.001
_TIMEOUT = 120.0


def run_trial(installation: Cp2kInstallation, launcher: Sequence[str] = ()) -> float:
    """Calculate the hydrogen molecule with CP2K's own data files in a temporary folder.

    Parameters
    ----------
    installation : Cp2kInstallation
        The CP2K to try.
    launcher : sequence of str
        Command that starts MPI programs, with its number of ranks; empty to start CP2K by itself.

    Returns
    -------
    float
        Seconds it took.

    Raises
    ------
    QdsimError
        If CP2K does not end normally, or with another energy.
    """
    environment = make_environment() | {"CP2K_DATA_DIR": str(installation.data_directory)}
    with tempfile.TemporaryDirectory(prefix="qdsim-trial-") as folder:
        (Path(folder) / "trial.inp").write_bytes((files("qdsim.machine") / "trial.inp").read_bytes())
        start = time.perf_counter()
        try:
            run = subprocess.run(  # noqa: S603 (the user's own CP2K, without a shell)
                [*launcher, installation.executable, "-i", "trial.inp"],
                cwd=folder,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise QdsimError(f"CP2K could not calculate the hydrogen molecule: {error}.") from error
        seconds = time.perf_counter() - start
    _check_energy(run, installation.version)
    return seconds


def _check_energy(run: subprocess.CompletedProcess[str], version: str) -> None:
    from ase.units import Hartree

    from qdsim.cp2k.output import parse_output

    output = parse_output(run.stdout)
    if run.returncode != 0 or not output.finished:
        last = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:]
        raise QdsimError(f"CP2K failed on the hydrogen molecule with exit code {run.returncode}: {last}.")
    if output.energy is None:
        raise QdsimError(
            f"CP2K {version} calculated the hydrogen molecule, but prints its energy in words that this version of "
            "qdsim does not know; upgrade qdsim."
        )
    energy = output.energy / Hartree
    if abs(energy - HYDROGEN_ENERGY) > _ENERGY_TOLERANCE:
        raise QdsimError(f"CP2K gives {energy:.4f} Ha for the hydrogen molecule instead of {HYDROGEN_ENERGY} Ha.")
