"""What a CP2K output says, in Å, eV, GPa, debye and seconds.

Read by what is printed, not by version. The wordings that are known, with the versions each was seen in, stand in
docs/cp2k_versions.md; tests/cp2k/recorded has outputs of several versions.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from qdsim.cp2k.blocks import REAL
from qdsim.cp2k.levels import read_levels
from qdsim.cp2k.values import (
    read_dipole,
    read_energy,
    read_forces,
    read_hirshfeld_charges,
    read_mulliken_charges,
    read_stress,
)

__all__ = ["Cp2kOutput", "parse_output"]

_N_ROUTINES = 10

_READERS = {
    "energy": read_energy,
    "forces": read_forces,
    "stress": read_stress,
    "levels": read_levels,
    "Mulliken charges": read_mulliken_charges,
    "Hirshfeld charges": read_hirshfeld_charges,
    "dipole moment": read_dipole,
}
_ATOMS = r"^ +- Atoms: +(\d+)"
_OUTER_LOOP = r"outer SCF loop (?:converged in|FAILED to converge after) +\d+ iterations or +(\d+) steps"
_INNER_LOOP = r"(?:SCF run converged in|Leaving inner SCF loop after reaching) +(\d+) steps"
_SCF_STEP = r"^ +\d+ (?:OT [A-Z]+|\S+/Diag\.) "
_BOX_EDGE = r"^ \*{79}$"
_BOX_ROW = r"^ \* .{7}(.*)\*$"


class Cp2kOutput(BaseModel):
    """Parsed output of one run; ``None`` stands for what the output does not say.

    The values of the last geometry are given where there is more than one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cp2k_version: str | None = Field(None, description="Such as 2023.1.")
    run_type: str | None = Field(None, description="ENERGY_FORCE, GEO_OPT, ...")
    n_atoms: int | None = None
    n_processes: int | None = Field(None, description="MPI processes.")
    n_threads: int | None = Field(None, description="OpenMP threads of each process.")
    energy: float | None = Field(None, description="Total energy of the cell, eV.")
    forces: list[list[float]] | None = Field(None, description="Forces on the atoms, (N, 3), eV/Å.")
    stress: list[list[float]] | None = Field(
        None,
        description="Stress (1/V) dE/dstrain at fixed fractional coordinates, (3, 3), GPa; positive under tension.",
    )
    pressure: float | None = Field(None, description="Minus a third of the stress's trace, GPa.")
    homo: float | None = Field(None, description="Highest occupied level (on the k-point mesh), eV.")
    lumo: float | None = Field(None, description="Lowest empty level (on the k-point mesh), eV.")
    gap: float | None = Field(None, description="lumo - homo, eV.")
    fermi_energy: float | None = Field(None, description="Fermi energy, eV.")
    mulliken_charges: list[float] | None = Field(None, description="One an atom, e.")
    hirshfeld_charges: list[float] | None = Field(None, description="One an atom, e.")
    dipole: list[float] | None = Field(None, description="Dipole moment, (3,), debye.")
    dipole_norm: float | None = Field(None, description="Length of the dipole moment, debye.")
    scf_converged: bool | None = Field(None, description="Whether the last SCF cycle converged; None without one.")
    scf_steps: list[int] = Field(default_factory=list, description="Steps of each SCF cycle.")
    scf_unconverged_cycles: int = Field(0, description="SCF cycles that ended without convergence.")
    scf_steps_broken_off: int = Field(0, description="Steps of an SCF cycle that the output breaks off in.")
    geometry_converged: bool | None = Field(None, description="None where no geometry was optimised.")
    geometry_steps: int | None = Field(None, description="Steps of the geometry optimisation.")
    wall_time: float | None = Field(None, description="CP2K's own wall time, s.")
    timings: dict[str, float] = Field(
        default_factory=dict, description="Wall times of the costliest routines themselves, s."
    )
    warnings: list[str] = Field(default_factory=list, description="CP2K's warnings, each once.")
    n_warnings: int | None = Field(None, description="CP2K's count of its warnings.")
    out_of_walltime: bool = Field(False, description="Whether CP2K stopped because its time was up.")
    started: bool = Field(False, description="Whether the output begins as CP2K begins it.")
    finished: bool = Field(False, description="Whether the output ends as CP2K ends it.")
    abort_message: str | None = Field(None, description="CP2K's own words when it aborted.")
    unreadable: dict[str, str] = Field(
        default_factory=dict,
        description="Results whose title stands in the output, but not the whole of their numbers, with the reason.",
    )
    last_line: str = Field("", description="Last line that is not blank, for outputs that break off.")


def parse_output(text: str) -> Cp2kOutput:
    """Parse the standard output of a run, whole or broken off.

    Parameters
    ----------
    text
        What CP2K wrote.

    Returns
    -------
    Cp2kOutput
        Only what stands in the text: nothing is guessed for an output that breaks off.
    """
    text = text.replace("\r\n", "\n")
    return Cp2kOutput.model_validate(
        _run(text) | _values(text) | _scf(text) | _geometry(text) | _timings(text) | _ending(text)
    )


def _values(text: str) -> dict[str, Any]:
    atoms = re.search(_ATOMS, text, re.MULTILINE)
    n_atoms = int(atoms.group(1)) if atoms else None
    found: dict[str, Any] = {"n_atoms": n_atoms, "unreadable": {}}
    for name, read in _READERS.items():
        try:
            found |= read(text, n_atoms)
        except ValueError as error:
            found["unreadable"][name] = str(error)
    return found


def _run(text: str) -> dict[str, Any]:
    def word(pattern: str) -> str | None:
        match = re.search(pattern, text, re.MULTILINE)
        return match.group(1) if match else None

    return {
        "cp2k_version": word(r"^ CP2K\| version string: +CP2K version (\S+)"),
        "run_type": word(r"^ GLOBAL\| Run type +(\S+)"),
        "n_processes": word(r"^ GLOBAL\| Total number of message passing processes +(\d+)"),
        "n_threads": word(r"^ GLOBAL\| Number of threads for this process +(\d+)"),
        "started": bool(re.search(r"^ (DBCSR|CP2K)\|", text, re.MULTILINE)),
    }


def _scf(text: str) -> dict[str, Any]:
    converged, steps = [], []
    broken_off = 0
    for cycle in text.split("SCF WAVEFUNCTION OPTIMIZATION")[1:]:
        outer = re.search(_OUTER_LOOP, cycle)
        inner = re.search(_INNER_LOOP, cycle)
        failed = "SCF run NOT converged" in cycle
        ended = failed or (inner is not None and "Total energy:" in cycle)
        broken_off = 0 if ended else len(re.findall(_SCF_STEP, cycle, re.MULTILINE))
        if not ended or inner is None:
            continue
        converged.append(not failed)
        steps.append(int((outer or inner).group(1)))
    return {
        "scf_converged": converged[-1] if converged else None,
        "scf_steps": steps,
        "scf_unconverged_cycles": converged.count(False),
        "scf_steps_broken_off": broken_off,
    }


def _geometry(text: str) -> dict[str, Any]:
    if not re.search(r"STARTING (GEOMETRY|CELL) +OPTIMIZATION|OPTIMIZATION STEP: ", text):
        return {}
    done = re.search(r"(GEOMETRY|CELL) OPTIMIZATION COMPLETED", text)
    steps = [int(number) for number in re.findall(r"OPTIMIZATION STEP: +(\d+)", text)]
    return {"geometry_converged": done is not None, "geometry_steps": max(steps, default=0)}


def _timings(text: str) -> dict[str, Any]:
    _, _, table = text.partition(" -                                T I M I N G ")
    row = re.compile(rf"^ (\S+) +\d+ +{REAL} +{REAL} +({REAL}) +{REAL} +({REAL})$", re.MULTILINE)
    own = {}
    wall_time = None
    for name, itself, total in row.findall(table):
        own[name] = float(itself)
        if name == "CP2K":
            wall_time = float(total)
    costliest = sorted(own, key=lambda name: -own[name])[:_N_ROUTINES]
    return {"wall_time": wall_time, "timings": {name: own[name] for name in costliest}}


def _ending(text: str) -> dict[str, Any]:
    from cp2k_output_tools.blocks.warnings import match_warnings

    warnings = match_warnings(text)
    messages = [" ".join(warning["message"].split()) for warning in warnings["warnings"]]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return {
        "warnings": list(dict.fromkeys(messages)),
        "n_warnings": warnings.get("nwarnings"),
        "out_of_walltime": "exceeded requested execution time" in text,
        "finished": " PROGRAM STOPPED IN " in text,
        "abort_message": _abort_message(text),
        "last_line": lines[-1] if lines else "",
    }


def _abort_message(text: str) -> str | None:
    """CP2K's message from the box that it draws when it aborts, with the place in its source.

    Other processes and MPI may write in between, and may end CP2K before the box is drawn to its end.
    """
    before, word, after = text.partition("[ABORT]")
    if not word:
        return None
    box = re.split(_BOX_EDGE, before, flags=re.MULTILINE)[-1] + word + re.split(_BOX_EDGE, after, flags=re.MULTILINE)[0]
    rows = [row.strip() for row in re.findall(_BOX_ROW, box, re.MULTILINE)]
    *message, last = [row for row in rows if row] or ["no message"]
    place = re.fullmatch(r"\S+:\d+", last)
    return f"{' '.join(message)} ({last})" if message and place else " ".join([*message, last])
