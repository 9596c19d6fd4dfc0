"""Lattice dynamics: results, with the reasons why some are missing, and phonopy's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import called, section

if TYPE_CHECKING:
    from aiida.orm import Dict, SinglefileData, WorkChainNode


def phonon_results(campaign: WorkChainNode) -> PhononResults | None:
    """Return the phonons of a campaign, or None where there are none yet."""
    document = _document(campaign)
    return None if document is None else PhononResults(**document.get_dict())


def _document(campaign: WorkChainNode) -> Dict | None:
    process = section(campaign, "phonon")
    return None if process is None or "results" not in process.outputs else process.outputs.results


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


class ThermalB(NamedTuple):
    """Displacement parameters of a harmonic crystal, and where they are from."""

    b_iso: dict[str, float]
    origin: str


def thermal_b_iso(campaign: WorkChainNode, crystal: str | None, temperature: float) -> ThermalB:
    """Return B of each element (Å^2) of one of a campaign's harmonic crystals, the only one where none is named.

    Its origin names the campaign, the crystal, the temperature and the node of the results.

    Raises
    ------
    QdsimError
        If there is no such crystal, none is named of several, a mode of it is unstable, or the temperature (K) was not
        computed.
    """
    document = _document(campaign)
    states = {} if document is None else {one.label: one for one in PhononResults(**document.get_dict()).states}
    if document is None or not states:
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
    origin = f"phonons of {crystal} at {temperature:g} K, campaign {campaign.label}, node {document.uuid}"
    return ThermalB(thermal[temperature], origin)


def phonopy_files(campaign: WorkChainNode) -> dict[str, SinglefileData]:
    """Return `phonopy_params.yaml` of each crystal as nodes, by its label."""
    process = section(campaign, "phonon")
    if process is None or "parameter_files" not in process.outputs:
        return {}
    return dict(sorted(process.outputs.parameter_files.items()))
