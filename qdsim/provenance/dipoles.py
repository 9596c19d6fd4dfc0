"""Dipole moments: their results, with the reasons why some are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qdsim.analysis.dipole import SphereInputs
from qdsim.analysis.dipole_analysis import DipoleAnalysis, with_spheres
from qdsim.analysis.dipole_results import DipoleResults
from qdsim.provenance.campaigns import called, section
from qdsim.provenance.phonons import phonon_results

if TYPE_CHECKING:
    from aiida.orm import StructureData, WorkChainNode, XyData

NEVER_RUN = "it was not computed."


def dipole_results(campaign: WorkChainNode) -> DipoleResults | None:
    """Return the results of a campaign's dipoles, or None where there are none yet.

    Why one is missing is added: the graph knows, the results document does not.
    """
    process = section(campaign, "dipole")
    if process is None or "results" not in process.outputs:
        return None
    results = DipoleResults(**process.outputs.results.get_dict())
    reasons = {
        label: one.exit_message or "it was killed or raised an exception."
        for label, one in called(process)
        if one.is_terminated and not one.is_finished_ok
    }
    clusters = tuple(
        cluster
        if cluster.dipole is not None
        else cluster.model_copy(update={"failure": reasons.get(cluster.label, NEVER_RUN)})
        for cluster in results.clusters
    )
    return results.model_copy(update={"clusters": clusters})


def dipole_analysis(campaign: WorkChainNode) -> DipoleAnalysis | None:
    """Return what follows from a campaign's dipoles, or None where there is nothing yet.

    Dielectric spheres of Born charges that the campaign has computed are added: its phonons know them.
    """
    process = section(campaign, "dipole")
    results = dipole_results(campaign)
    if process is None or results is None or "analysis" not in process.outputs:
        return None
    analysis = DipoleAnalysis(**process.outputs.analysis.get_dict())
    failures = {cluster.label: cluster.failure for cluster in results.clusters}
    rows = tuple(
        row if failures.get(row.label) is None else row.model_copy(update={"message": failures[row.label]})
        for row in analysis.rows
    )
    return with_spheres(analysis.model_copy(update={"rows": rows}), _computed_spheres(campaign))


def _computed_spheres(campaign: WorkChainNode) -> list[SphereInputs]:
    """Return Born charges and eps_inf that the same campaign has computed by finite fields."""
    phonons = phonon_results(campaign)
    states = () if phonons is None else phonons.states
    return [
        SphereInputs(
            born_charge=state.nonanalytic.born_charges[phonons.cation],
            eps_inf=state.nonanalytic.eps_inf,
            source=f"{state.label} of this campaign, {state.nonanalytic.source}",
        )
        for state in states
        if phonons is not None and state.nonanalytic is not None and state.nonanalytic.charge_sum is not None
    ]


def dipole_structures(campaign: WorkChainNode) -> dict[str, StructureData]:
    """Return the clusters as nodes by their label."""
    process = section(campaign, "dipole")
    if process is None or "structures" not in process.outputs:
        return {}
    return _by_label(process.outputs.structures)


def dipole_patterns(campaign: WorkChainNode) -> dict[str, XyData]:
    """Return what the clusters scatter as nodes by their label."""
    process = section(campaign, "dipole")
    return {} if process is None or "patterns" not in process.outputs else _by_label(process.outputs.patterns)


def _by_label(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Join what AiiDA has put apart at the double underscore."""
    found = {f"{particle}__{state}": node for particle, states in outputs.items() for state, node in states.items()}
    return dict(sorted(found.items()))
