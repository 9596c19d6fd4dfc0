"""Why the results of a run cannot be used, in one word and in one sentence."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from qdsim.cp2k.output import Cp2kOutput

__all__ = ["Failure", "diagnose", "explain"]


class Failure(StrEnum):
    """Why the results of a run cannot be used as they are."""

    EMPTY = "empty"
    GARBLED = "garbled"
    INCOMPLETE = "incomplete"
    ABORTED = "aborted"
    OUT_OF_WALLTIME = "out of walltime"
    SCF_NOT_CONVERGED = "SCF not converged"
    UNREADABLE = "unreadable"
    NOT_THE_GROUND_STATE = "not the ground state"
    GEOMETRY_NOT_CONVERGED = "geometry not converged"


def diagnose(output: Cp2kOutput, requested: Collection[str] = ("energy",)) -> Failure | None:
    """Name the failure of a run, or ``None`` for one whose results can be used.

    An SCF cycle that did not converge on the way of a geometry optimisation is no failure as long as the last did.

    Parameters
    ----------
    output
        What the run wrote.
    requested
        Fields of the output that the input asks for, from `qdsim.cp2k.requests.requested_values`.
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
    elif missing_values(output, requested):
        failure = Failure.UNREADABLE
    elif output.gap is not None and output.gap < 0:
        failure = Failure.NOT_THE_GROUND_STATE
    elif output.geometry_converged is False:
        failure = Failure.GEOMETRY_NOT_CONVERGED
    else:
        return None
    return failure


def missing_values(output: Cp2kOutput, requested: Collection[str] = ("energy",)) -> dict[str, str]:
    """Return what a finished run was asked for and its output does not say, or not in full, with the reason."""
    missing = dict(output.unreadable)
    if output.scf_converged is None:
        missing["end of the SCF cycle"] = "not found"
    for field in requested:
        if getattr(output, field) is None:
            missing.setdefault(_NAMES.get(field, field), "not found")
    return missing


_NAMES = {
    "homo": "levels",
    "lumo": "empty levels",
    "gap": "empty levels",
    "dipole": "dipole moment",
    "mulliken_charges": "Mulliken charges",
    "hirshfeld_charges": "Hirshfeld charges",
}
"""What is read, as messages call it, where that is not the name of the field."""


def explain(output: Cp2kOutput, requested: Collection[str] = ("energy",)) -> str:
    """One sentence on what `diagnose` found, with CP2K's own words where it left any."""
    steps = output.scf_steps[-1] if output.scf_steps else 0
    return {
        None: "The run finished and converged.",
        Failure.EMPTY: "The output is empty: CP2K did not start.",
        Failure.GARBLED: f"The output is not as CP2K writes it; its last line is {output.last_line!r}.",
        Failure.INCOMPLETE: f"The output breaks off (killed, or cut short) after the line {output.last_line!r}.",
        Failure.ABORTED: f"CP2K aborted: {output.abort_message}",
        Failure.OUT_OF_WALLTIME: "CP2K stopped because its time was up, and wrote its restart.",
        Failure.SCF_NOT_CONVERGED: f"The SCF cycle did not converge in {steps} steps.",
        Failure.UNREADABLE: (
            f"CP2K {output.cp2k_version or 'of unknown version'} finished, but its output could not be read: "
            + ", ".join(f"{name} ({reason})" for name, reason in missing_values(output, requested).items())
            + "."
        ),
        Failure.NOT_THE_GROUND_STATE: (
            f"The SCF cycle converged to a state that is not the ground state: its lowest empty level lies "
            f"{-(output.gap or 0):.3f} eV below its highest occupied one."
        ),
        Failure.GEOMETRY_NOT_CONVERGED: (
            f"The geometry did not converge in {output.geometry_steps} steps, the most allowed."
        ),
    }[diagnose(output, requested)]
