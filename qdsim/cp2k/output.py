"""What a CP2K output says, in Å, eV, GPa, debye and seconds.

Written for and tested with the output of CP2K 2023.1 at print level MEDIUM.
"""

from __future__ import annotations

import re
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Cp2kOutput", "Failure", "diagnose", "explain", "parse_output"]

_REAL = r"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[EeDd][+-]?\d+)?"
_N_ROUTINES = 10
_DIGITS = 1e-5  # of the Fermi energy, eV

_ATOMS = r"^ +- Atoms: +(\d+)"
_ENERGY = rf"^ ENERGY\| Total FORCE_EVAL .*: +({_REAL})$"
_FORCES = (
    r"^ ATOMIC FORCES in \[a\.u\.\]\n\n # Atom .*\n"
    rf"((?: +\d+ +\d+ +\S+(?: +{_REAL}){{3}}\n)+) SUM OF ATOMIC FORCES(?: +{_REAL}){{4}}$"
)
_STRESS = (
    r"^ STRESS\| Analytical stress tensor \[GPa\]\n STRESS\| +x +y +z\n"
    rf"((?: STRESS\| +[xyz](?: +{_REAL}){{3}}\n){{3}})"
)
_OUTER_LOOP = r"outer SCF loop (?:converged in|FAILED to converge after) +\d+ iterations or +(\d+) steps"
_INNER_LOOP = r"(?:SCF run converged in|Leaving inner SCF loop after reaching) +(\d+) steps"
_SCF_STEP = r"^ +\d+ (?:OT [A-Z]+|\S+/Diag\.) "
_ABORT_BOX = (
    r"^ \*{79}\n \*   ___ .*\n"
    r"((?: \*.*\*\n)*? \* \[ABORT\].*\n(?: \*.*\*\n)*?)"
    r" \*{79}$"
)


class Failure(StrEnum):
    """Why the results of a run cannot be used as they are."""

    EMPTY = "empty"
    GARBLED = "garbled"
    INCOMPLETE = "incomplete"
    ABORTED = "aborted"
    OUT_OF_WALLTIME = "out of walltime"
    SCF_NOT_CONVERGED = "SCF not converged"
    NOT_THE_GROUND_STATE = "not the ground state"
    GEOMETRY_NOT_CONVERGED = "geometry not converged"


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
    unreadable: list[str] = Field(
        default_factory=list,
        description="Results whose title stands in the output, but not the whole of their numbers.",
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
    return Cp2kOutput.model_validate(
        _run(text)
        | _energetics(text)
        | _levels(text)
        | _charges(text)
        | _dipole(text)
        | _scf(text)
        | _geometry(text)
        | _timings(text)
        | _ending(text)
    )


def diagnose(output: Cp2kOutput) -> Failure | None:
    """Name the failure of a run, or ``None`` for one whose results can be used.

    An SCF cycle that did not converge on the way of a geometry optimisation is no failure as long as the last did.
    """
    if not output.last_line:
        failure = Failure.EMPTY
    elif output.abort_message is not None:
        unconverged = "SCF run NOT converged" in output.abort_message
        failure = Failure.SCF_NOT_CONVERGED if unconverged else Failure.ABORTED
    elif not output.started:
        failure = Failure.GARBLED
    elif not output.finished:
        failure = Failure.INCOMPLETE
    elif output.out_of_walltime:
        failure = Failure.OUT_OF_WALLTIME
    elif output.scf_converged is False:
        failure = Failure.SCF_NOT_CONVERGED
    elif output.energy is None or output.scf_converged is None or output.unreadable:
        failure = Failure.GARBLED
    elif output.gap is not None and output.gap < 0:
        failure = Failure.NOT_THE_GROUND_STATE
    elif output.geometry_converged is False:
        failure = Failure.GEOMETRY_NOT_CONVERGED
    else:
        return None
    return failure


def explain(output: Cp2kOutput) -> str:
    """One sentence on what `diagnose` found, with CP2K's own words where it left any."""
    failure = diagnose(output)
    steps = output.scf_steps[-1] if output.scf_steps else 0
    return {
        None: "The run finished and converged.",
        Failure.EMPTY: "The output is empty: CP2K did not start.",
        Failure.GARBLED: (
            f"The output cannot be read ({', '.join(output.unreadable) or 'not as CP2K writes it'}); "
            f"its last line is {output.last_line!r}."
        ),
        Failure.INCOMPLETE: f"The output breaks off (killed, or cut short) after the line {output.last_line!r}.",
        Failure.ABORTED: f"CP2K aborted: {output.abort_message}",
        Failure.OUT_OF_WALLTIME: "CP2K stopped because its time was up, and wrote its restart.",
        Failure.SCF_NOT_CONVERGED: f"The SCF cycle did not converge in {steps} steps.",
        Failure.NOT_THE_GROUND_STATE: (
            f"The SCF cycle converged to a state that is not the ground state: its lowest empty level lies "
            f"{-(output.gap or 0):.3f} eV below its highest occupied one."
        ),
        Failure.GEOMETRY_NOT_CONVERGED: (
            f"The geometry did not converge in {output.geometry_steps} steps, the most allowed."
        ),
    }[failure]


def _last(pattern: str, text: str) -> re.Match[str] | None:
    found = deque(re.finditer(pattern, text, re.MULTILINE), maxlen=1)
    return found[0] if found else None


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
        "n_atoms": word(_ATOMS),
    }


def _energetics(text: str) -> dict[str, Any]:
    from ase.units import Bohr, Hartree

    found: dict[str, Any] = {}
    if energy := _last(_ENERGY, text):
        found["energy"] = float(energy.group(1)) * Hartree
    if forces := _last(_FORCES, text):
        rows = [line.split()[3:] for line in forces.group(1).splitlines()]
        found["forces"] = (np.array(rows, dtype=float) * (Hartree / Bohr)).tolist()
    if stress := _last(_STRESS, text):
        # What CP2K prints under this name is positive under compression: the pressure tensor.
        tensor = -np.array([line.split()[2:] for line in stress.group(1).splitlines()], dtype=float)
        found |= {"stress": tensor.tolist(), "pressure": float(-np.trace(tensor) / 3)}
    announced = {"energy": ("^ ENERGY\\|", _ENERGY), "forces": ("^ ATOMIC FORCES in", _FORCES)}
    announced["stress"] = ("^ STRESS\\| Analytical stress tensor", _STRESS)
    found["unreadable"] = [
        name
        for name, (title, whole) in announced.items()
        if len(re.findall(title, text, re.MULTILINE)) != len(re.findall(whole, text, re.MULTILINE))
    ]
    atoms = re.search(_ATOMS, text, re.MULTILINE)
    if "forces" in found and atoms and len(found["forces"]) != int(atoms.group(1)):
        found["unreadable"].append("forces")
    return found


def _levels(text: str) -> dict[str, Any]:
    """Band edges: from the occupations at every k-point, or from the levels listed at the Gamma point."""
    if table := _last(r"^ MO\| (?!BETA).*EIGENVALUES AND OCCUPATION NUMBERS.* K POINT 1$", text):
        return _levels_on_mesh(text[table.start() :])
    if table := _last(r"^ +Eigenvalues of the occupied subspace spin +1$", text):
        return _levels_at_gamma(text[table.start() :])
    return {}


def _levels_on_mesh(block: str) -> dict[str, Any]:
    level = rf"^ MO\| +\d+ +{_REAL} +({_REAL}) +({_REAL})$"
    table = np.array(re.findall(level, block, re.MULTILINE), dtype=float).reshape(-1, 2)
    occupied = table[:, 1] > table[:, 1].max(initial=0) / 2
    fermi = re.search(rf"^ MO\| E\(Fermi\): +{_REAL} a\.u\. +({_REAL}) eV", block, re.MULTILINE)
    return _edges(table[occupied, 0], table[~occupied, 0]) | ({"fermi_energy": float(fermi.group(1))} if fermi else {})


def _levels_at_gamma(block: str) -> dict[str, Any]:
    from ase.units import Hartree

    def levels(kind: str) -> list[float]:
        lists = (
            rf"^ +(?:Lowest )?[Ee]igenvalues of the {kind} subspace spin +\d$\n -+\n"
            rf"(?: OT\|.*\n)*((?:(?: +{_REAL})+\n)+)"
        )
        return [float(x) * Hartree for found in re.findall(lists, block, re.MULTILINE) for x in found.split()]

    fermi = re.search(rf"^ +Fermi Energy \[eV\] : +({_REAL})", block, re.MULTILINE)
    if not fermi:
        return _edges(levels("occupied"), levels("unoccupied"))
    energy = float(fermi.group(1))
    if re.search(r"^ OT\| Eigensolver", block, re.MULTILINE):
        # Whole electrons stay in their orbitals, also where an empty one has come to lie below.
        return _edges(levels("occupied"), levels("unoccupied")) | {"fermi_energy": energy}
    # With smearing, CP2K lists every level that holds a trace of an electron as occupied; without, the highest occupied
    # level is the Fermi energy, but for the digits it is printed with.
    found = np.array(levels("occupied") + levels("unoccupied"))
    occupied = found <= energy + _DIGITS
    return _edges(found[occupied], found[~occupied]) | {"fermi_energy": energy}


def _edges(occupied: ArrayLike, empty: ArrayLike) -> dict[str, float]:
    filled, unfilled = np.asarray(occupied), np.asarray(empty)
    found = {}
    if filled.size:
        found["homo"] = float(filled.max())
    if unfilled.size:
        found["lumo"] = float(unfilled.min())
    if filled.size and unfilled.size:
        found["gap"] = found["lumo"] - found["homo"]
    return found


def _charges(text: str) -> dict[str, Any]:
    from cp2k_output_tools.blocks.mulliken import match_mulliken_population_analysis

    found: dict[str, Any] = {}
    if title := _last(r"^ *Mulliken Population Analysis *$", text):
        mulliken = match_mulliken_population_analysis(text[title.start() :])
        if mulliken:
            atoms = mulliken["mulliken population analysis"]["per atom"]
            found["mulliken_charges"] = [atom["charge"] for atom in atoms]
    hirshfeld = _last(rf"^ +Hirshfeld Charges\n\n +#Atom .*\n((?: +\d+ +\S+ +\d+(?: +{_REAL})+\n)+)\n +Total", text)
    if hirshfeld:
        found["hirshfeld_charges"] = [float(line.split()[-1]) for line in hirshfeld.group(1).splitlines()]
    return found


def _dipole(text: str) -> dict[str, Any]:
    axes = rf" +X= +({_REAL}) +Y= +({_REAL}) +Z= +({_REAL}) +Total= +({_REAL})"
    dipole = _last(rf"^ +Dipole moment \[Debye\]\n{axes}", text)
    if not dipole:
        return {}
    vector = [float(value) for value in dipole.groups()[:3]]
    return {"dipole": vector, "dipole_norm": float(np.linalg.norm(vector))}


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
    if not re.search(r"^ \*\*\* +STARTING (GEOMETRY|CELL) +OPTIMIZATION", text, re.MULTILINE):
        return {}
    done = re.search(r"^ \*\*\* +(GEOMETRY|CELL) OPTIMIZATION COMPLETED", text, re.MULTILINE)
    steps = [int(number) for number in re.findall(r"^ OPTIMIZATION STEP: +(\d+)", text, re.MULTILINE)]
    return {"geometry_converged": done is not None, "geometry_steps": max(steps, default=0)}


def _timings(text: str) -> dict[str, Any]:
    _, _, table = text.partition(" -                                T I M I N G ")
    row = re.compile(rf"^ (\S+) +\d+ +{_REAL} +{_REAL} +({_REAL}) +{_REAL} +({_REAL})$", re.MULTILINE)
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
    messages = [warning["message"] for warning in warnings["warnings"]]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return {
        "warnings": list(dict.fromkeys(messages)),
        "n_warnings": warnings.get("nwarnings"),
        "out_of_walltime": "exceeded requested execution time" in text,
        "finished": re.search(r"^[ *]+ PROGRAM STOPPED IN ", text, re.MULTILINE) is not None,
        "abort_message": _abort_message(text),
        "last_line": lines[-1] if lines else "",
    }


def _abort_message(text: str) -> str | None:
    """CP2K's message from the box that it draws when it aborts, with the place in its source."""
    box = re.search(_ABORT_BOX, text, re.MULTILINE)
    if box is None:
        return None
    drawing = 10
    words = [line[drawing:-1].strip() for line in box.group(1).splitlines()]
    *message, place = [line for line in words if line]
    return f"{' '.join(message)} ({place})"
