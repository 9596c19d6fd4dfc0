"""Lattice dynamics: results, with the reasons why some are missing, and phonopy's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.provenance.campaigns import called, section

if TYPE_CHECKING:
    from aiida.orm import SinglefileData, WorkChainNode


def phonon_results(campaign: WorkChainNode) -> PhononResults | None:
    """Return the phonons of a campaign, or None where there are none yet."""
    process = section(campaign, "phonon")
    if process is None or "results" not in process.outputs:
        return None
    return PhononResults(**process.outputs.results.get_dict())


def phonon_analysis(campaign: WorkChainNode) -> PhononAnalysis | None:
    """Return what follows from a campaign's phonons, or None where there is nothing yet.

    Why a crystal is missing is added: the graph knows, the results document does not.
    """
    process = section(campaign, "phonon")
    if process is None or "analysis" not in process.outputs:
        return None
    analysis = PhononAnalysis(**process.outputs.analysis.get_dict())
    reasons = tuple(
        f"{label}: {one.exit_message or 'it was killed or raised an exception.'}"
        for label, one in called(process)
        if one.is_terminated and not one.is_finished_ok
    )
    return analysis.model_copy(update={"messages": (*analysis.messages, *reasons)})


def phonopy_files(campaign: WorkChainNode) -> dict[str, SinglefileData]:
    """Return `phonopy_params.yaml` of each crystal as nodes, by its label."""
    process = section(campaign, "phonon")
    return {} if process is None or "parameter_files" not in process.outputs else dict(process.outputs.parameter_files)
