"""Lattice dynamics: results, with the reasons why some are missing, and phonopy's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.errors import QdsimError
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


def thermal_b_iso(campaign: WorkChainNode, crystal: str | None, temperature: float) -> dict[str, float]:
    """Return B of each element (Å^2) of one of a campaign's harmonic crystals, the only one where none is named.

    Raises
    ------
    QdsimError
        If there is no such crystal, none is named of several, a mode of it is unstable, or the temperature (K) was not
        computed.
    """
    results = phonon_results(campaign)
    states = {} if results is None else {state.label: state for state in results.states}
    if not states:
        raise QdsimError(f"{campaign.label} has no phonons.")
    if crystal is None and len(states) == 1:
        (crystal,) = states
    if crystal is None:
        raise QdsimError(f"{campaign.label} has phonons of {', '.join(states)}: name one of these crystals.")
    if crystal not in states:
        raise QdsimError(f"{campaign.label} has no phonons of a crystal '{crystal}'; there are {', '.join(states)}.")
    thermal = {one.temperature: one.b_iso for one in states[crystal].thermal}
    if not thermal:
        raise QdsimError(f"{crystal} has no harmonic B: {states[crystal].message}")
    if temperature not in thermal:
        known = ", ".join(f"{one:g}" for one in thermal)
        raise QdsimError(
            f"B of {crystal} was not computed at {temperature:g} K, but at {known} K: take one of these, or add it to "
            "phonon.temperatures."
        )
    return thermal[temperature]


def phonopy_files(campaign: WorkChainNode) -> dict[str, SinglefileData]:
    """Return `phonopy_params.yaml` of each crystal as nodes, by its label."""
    process = section(campaign, "phonon")
    if process is None or "parameter_files" not in process.outputs:
        return {}
    return dict(sorted(process.outputs.parameter_files.items()))
