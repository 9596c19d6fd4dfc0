"""Vacancies: their results, with the reasons why some are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.analysis.vacancy_results import VacancyResults
from qdsim.provenance.campaigns import called, section

if TYPE_CHECKING:
    from aiida.orm import StructureData, WorkChainNode


NEVER_RUN = "it was not computed, because what it is made of was not."


def vacancy_results(campaign: WorkChainNode) -> VacancyResults | None:
    """Return the results of a campaign's vacancies, or None where there are none yet.

    Why an energy is missing is added: the graph knows, the results document does not.
    """
    process = section(campaign, "vacancy")
    if process is None or "results" not in process.outputs:
        return None
    results = VacancyResults(**process.outputs.results.get_dict())
    reasons = _reasons(process)
    return results.model_copy(
        update={
            "elements": tuple(
                one.model_copy(update={"failure": reasons.get((f"element_{one.element}",), NEVER_RUN)})
                if one.energy is None
                else one
                for one in results.elements
            ),
            "hosts": tuple(
                host.model_copy(update={"failure": reasons.get((host.label,), NEVER_RUN)})
                if host.energy is None
                else host
                for host in results.hosts
            ),
            "defects": tuple(
                defect.model_copy(update={"failure": reasons.get((defect.host, defect.label))})
                for defect in results.defects
            ),
        }
    )


def vacancy_analysis(campaign: WorkChainNode) -> VacancyAnalysis | None:
    """Return what follows from a campaign's vacancies, or None where there is nothing yet.

    Where a number is missing, the reason that the graph knows takes the place of the one that follows from the results.
    """
    process = section(campaign, "vacancy")
    results = vacancy_results(campaign)
    if process is None or results is None or "analysis" not in process.outputs:
        return None
    analysis = VacancyAnalysis(**process.outputs.analysis.get_dict())
    hosts = {host.label: host.failure for host in results.hosts}
    defects = {(one.host, one.defect, one.charge): one.failure for one in results.defects}
    rows = tuple(
        row
        if row.failure is None
        else row.model_copy(
            update={"failure": hosts[row.host] or defects.get((row.host, row.defect, row.charge)) or row.failure}
        )
        for row in analysis.formation_energies
    )
    return analysis.model_copy(update={"formation_energies": rows})


def vacancy_structures(campaign: WorkChainNode) -> dict[str, dict[str, StructureData]]:
    """Return relaxed structures as nodes: by host, `host` itself and each of its vacancies by label."""
    process = section(campaign, "vacancy")
    if process is None or "hosts" not in process.outputs:
        return {}
    found = {label: {"host": structure} for label, structure in sorted(process.outputs.hosts.items())}
    for label, structures in sorted(process.outputs.structures.items()) if "structures" in process.outputs else ():
        found.setdefault(label, {}).update(sorted(structures.items()))
    return found


def _reasons(vacancies: WorkChainNode) -> dict[tuple[str, ...], str]:
    """Return one sentence for each process that failed, by the call labels that lead to it."""
    found: dict[tuple[str, ...], str] = {}
    for label, process in called(vacancies):
        for path, one in [((label,), process), *(((label, inner), one) for inner, one in called(process))]:
            if one.is_terminated and not one.is_finished_ok:
                found[path] = one.exit_message or "it was killed or raised an exception."
    return found
