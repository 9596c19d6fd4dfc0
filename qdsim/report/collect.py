"""Gather what a report shows from the provenance graph."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qdsim import __version__
from qdsim.analysis.strain_results import StrainResults
from qdsim.cp2k.compounds import load_compound
from qdsim.provenance import (
    calculations,
    compound_of_campaign,
    failures,
    nodes_behind,
    nodes_of_check,
    restarts,
    section,
    state_of,
    strain_results,
    strain_structures,
)
from qdsim.provenance.campaigns import FINGERPRINT
from qdsim.provenance.dipoles import dipole_analysis, dipole_patterns, dipole_results, dipole_structures
from qdsim.provenance.phonons import phonon_analysis, phonon_results
from qdsim.provenance.vacancies import vacancy_analysis, vacancy_results, vacancy_structures
from qdsim.report.collect_scattering import curve_of, scattering_of
from qdsim.report.data import Effort, PointStructures, Reference, ReportData, Structure

if TYPE_CHECKING:
    from aiida.orm import StructureData, WorkChainNode

STATES = {
    "waiting": "waiting; the figures show nothing yet",
    "running": "still running; the figures show what is finished",
    "paused": "paused; the figures show what is finished",
    "done": "finished",
    "failed": "finished with failures",
    "cancelled": "cancelled; the figures show what is finished",
}


def collect(campaign: WorkChainNode) -> ReportData:
    """Return everything a report shows of a campaign, finished or not."""
    stored = campaign.inputs.campaign.get_dict()
    compound = compound_of_campaign(campaign)
    runs = calculations(campaign)
    check = section(campaign, "scattering")
    times = [run.wall_time for run in runs if run.wall_time is not None and not run.reused]
    return ReportData(
        title=_title(campaign, compound),
        campaign=campaign.label,
        created=datetime.now(UTC),
        qdsim_version=__version__,
        code_version=_code_version(runs),
        status=STATES[state_of(campaign)],
        failures=(*failures(campaign), *restarts(campaign)),
        settings={name: value for name, value in stored.items() if name != FINGERPRINT},
        strain=strain_results(campaign),
        structures=_structures(campaign),
        nodes={"campaign": campaign.uuid, **nodes_behind(campaign)},
        references=_references(compound),
        effort=Effort(
            computed=sum(run.finished and not run.reused for run in runs),
            reused=sum(run.reused for run in runs),
            wall_time=(campaign.mtime - campaign.ctime).total_seconds() if campaign.is_terminated else None,
            cpu_time=sum(times) if times else None,
        ),
        vacancies=vacancy_results(campaign),
        vacancy_analysis=vacancy_analysis(campaign),
        vacancy_structures={
            host: {label: _structure(node) for label, node in found.items()}
            for host, found in vacancy_structures(campaign).items()
        },
        dipoles=dipole_results(campaign),
        dipole_analysis=dipole_analysis(campaign),
        cluster_structures={label: _structure(node) for label, node in dipole_structures(campaign).items()},
        cluster_patterns={label: curve_of(node) for label, node in dipole_patterns(campaign).items()},
        phonons=phonon_results(campaign),
        phonon_analysis=phonon_analysis(campaign),
        known_displacements=load_compound(compound).displacement_parameters,
        **scattering_of(check),
    )


def collect_check(check: WorkChainNode) -> ReportData:
    """Return everything a report shows of a check by scattering that was made by itself."""
    settings = check.inputs.settings.get_dict()
    series = check.inputs.results if "results" in check.inputs else None
    return ReportData(
        title=f"{settings['compound']}: density functional theory against scattering",
        campaign=f"check {check.uuid[:8]}",
        created=datetime.now(UTC),
        qdsim_version=__version__,
        status=STATES[state_of(check)],
        settings={"check": settings},
        strain=None if series is None else StrainResults(**series.get_dict()),
        nodes={**({} if series is None else {"results": series.uuid}), **nodes_of_check(check)},
        references=_references(settings["compound"]),
        **scattering_of(check),
    )


def _title(campaign: WorkChainNode, compound: str) -> str:
    titles = {
        "strain": "{} under hydrostatic strain",
        "phonon": "phonons of {}",
        "vacancy": "vacancies in {}",
        "dipole": "dipole moments of {} nanocrystals",
    }
    first, *others = (title.format(compound) for name, title in titles.items() if name in campaign.inputs)
    return ", ".join([first[0].upper() + first[1:], *others])


def _code_version(runs: list[Any]) -> str | None:
    versions = sorted({run.version for run in runs if run.version})
    return ", ".join(f"CP2K {version}" for version in versions) or None


def _references(compound: str) -> tuple[Reference, ...]:
    known = load_compound(compound)
    return (
        Reference(
            quantity="lattice_constant",
            value=known.experimental_lattice_constant,
            label="experiment, 300 K",
            source=known.source,
        ),
    )


def _structures(campaign: WorkChainNode) -> dict[str, PointStructures]:
    return {
        point: PointStructures(**{phase: _structure(node) for phase, node in phases.items()})
        for point, phases in strain_structures(campaign).items()
    }


def _structure(node: StructureData) -> Structure:
    atoms = node.get_ase()
    return Structure(
        symbols=tuple(atoms.get_chemical_symbols()),
        positions=tuple(map(tuple, atoms.positions.tolist())),
        cell=tuple(map(tuple, atoms.cell.tolist())),
    )
