"""From a campaign to what will run: the inputs of the work chains, and every calculation with its cost."""

import warnings
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from shutil import rmtree
from typing import Any

from qdsim.campaign.crystals import check_complete, check_whole
from qdsim.campaign.dipole import DipolePlan, plan_dipoles
from qdsim.campaign.load import files_of
from qdsim.campaign.phonon import PhononPlan, plan_phonons
from qdsim.campaign.resources import allotment_of
from qdsim.campaign.scattering import ScatteringPlan, mesh_reservations, plan_scattering
from qdsim.campaign.schema import Campaign
from qdsim.campaign.strain import StrainPlan, plan_strain
from qdsim.campaign.tasks import Task
from qdsim.campaign.vacancy import VacancyPlan, plan_vacancies
from qdsim.cp2k.compounds import Compound, compound_of, load_compound
from qdsim.cp2k.inputs import load_protocol, render
from qdsim.cp2k.settings import Settings, with_walltime
from qdsim.cp2k.walltime import cp2k_walltime, limit_walltime
from qdsim.errors import QdsimError, QdsimWarning
from qdsim.structures import CUBIC_ANGLE, measure_distortion

NOTICED_ANGLE, NOTICED_OFFSET = 0.05, 0.01
"""Degrees and Å, beyond which it is said that a campaign takes nothing but the lattice constant of a structure."""


@dataclass(frozen=True)
class Plan:
    """What a campaign computes, with every choice made."""

    campaign: Campaign
    compound: Compound
    strain: StrainPlan | None = None
    phonon: PhononPlan | None = None
    vacancy: VacancyPlan | None = None
    dipole: DipolePlan | None = None
    scattering: ScatteringPlan | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides the results; equal fingerprints need no second run."""
        document: dict[str, Any] = {"name": self.campaign.name, "code": self.campaign.code}
        if self.strain is not None:
            document |= self.strain.document()
        if self.phonon is not None:
            document["phonon"] = self.phonon.document()
        if self.vacancy is not None:
            document["vacancy"] = self.vacancy.document()
        if self.dipole is not None:
            document["dipole"] = self.dipole.document()
        if self.scattering is not None:
            document["scattering"] = self.scattering.document()
        return sha256(dumps(document, sort_keys=True).encode()).hexdigest()

    @property
    def settings(self) -> dict[str, Settings]:
        """What CP2K computes with, by the name that the document of a campaign keeps it under."""
        found: dict[str, Settings] = {}
        if self.strain is not None:
            found["settings"] = self.strain.settings
        if self.phonon is not None:
            found["phonon_settings"] = self.phonon.settings
            if self.phonon.fields is not None:
                found["finite_field_settings"] = self.phonon.fields.settings
        if self.vacancy is not None:
            found["vacancy_settings"] = self.vacancy.settings
        if self.dipole is not None:
            found["dipole_settings"] = self.dipole.stages["single_point"]
            if "coarse" in self.dipole.stages:
                found["dipole_coarse_settings"] = self.dipole.stages["coarse"]
        return found

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the plan was made from, beside the campaign file itself."""
        measured = () if self.scattering is None else self.scattering.data
        data = [path for one in measured for path in (one.file, one.blank) if path is not None]
        return tuple(dict.fromkeys([*files_of(self.campaign), *data]))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every calculation, in the order of submission."""
        sections = (self.strain, self.phonon, self.vacancy, self.dipole)
        return tuple(task for section in sections if section is not None for task in section.tasks)

    @property
    def advice(self) -> tuple[str, ...]:
        """What could be chosen better."""
        sections = (self.vacancy, self.dipole)
        return tuple(sentence for section in sections if section is not None for sentence in section.advice)

    @property
    def single_points(self) -> int:
        """How many single points the campaign usually takes."""
        return sum(task.single_points for task in self.tasks)

    @property
    def core_hours(self) -> float:
        """Rough cost of the whole campaign."""
        return sum(task.core_hours for task in self.tasks)


def plan_campaign(campaign: Campaign) -> Plan:
    """Make every choice that a campaign leaves to its protocols and compound.

    Raises
    ------
    QdsimError
        If compound, structure, protocol, overrides, template, nodes, scattering fits or data cannot be used.
    """
    compound, reference = _crystal(campaign)
    walltime = cp2k_walltime(campaign.resources.walltime)
    strain = phonon = vacancy = dipole = scattering = None
    if campaign.strain is not None:
        settings = with_walltime(load_protocol(campaign.protocol, campaign.overrides), walltime)
        strain = plan_strain(campaign.strain, campaign.protocol, settings, compound, reference)
    if campaign.phonon is not None:
        phonon = plan_phonons(campaign.phonon, campaign.strain, compound, reference, walltime)
    if campaign.vacancy is not None:
        vacancy = plan_vacancies(campaign.vacancy, campaign.strain, compound, reference, walltime)
    if campaign.dipole is not None:
        dipole = plan_dipoles(campaign.dipole, compound, reference, walltime, campaign.resources.memory)
    if campaign.scattering is not None and strain is not None:
        reservations = mesh_reservations(compound.name, strain.settings, strain.lattice)
        scattering = plan_scattering(campaign.scattering, compound, reservations)
    return Plan(campaign, compound, strain, phonon, vacancy, dipole, scattering)


def write_inputs(plan: Plan, folder: Path) -> list[Path]:
    """Write the CP2K input of every calculation that is known beforehand.

    The strains refer to the equation of state that the campaign is to compute; here the compound's reference stands in
    for it. Of a relaxation the first step is written.

    Raises
    ------
    QdsimError
        If the folder holds anything already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise QdsimError(f"{folder} is not empty: remove it or choose another folder with --output.")
    names = [Path(task.part) / f"{task.label}.inp" for task in plan.tasks]
    partial = folder.with_name(f".{folder.name}.part")
    try:
        for name, task in zip(names, plan.tasks, strict=True):
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            parameters = limit_walltime(task.parameters, allotment_of(task, plan.campaign.resources).walltime)
            path.write_text(render(parameters, task.atoms), encoding="utf-8")
        partial.replace(folder)
    finally:
        rmtree(partial, ignore_errors=True)
    return [folder / name for name in names]


def _crystal(campaign: Campaign) -> tuple[Compound, float]:
    """Return the compound and the lattice constant that the equation of state is centred on."""
    if campaign.structure is None:
        compound = load_compound(str(campaign.compound))
        return compound, compound.reference_lattice_constant
    from qdsim.debye.structure_files import read_structure

    atoms = read_structure(campaign.structure)
    try:
        check_whole(atoms)
        distortion = measure_distortion(atoms)
        check_complete(distortion)
    except QdsimError as error:
        raise QdsimError(f"{campaign.structure}: {error}") from error
    if abs(distortion.alpha_rh - CUBIC_ANGLE) > NOTICED_ANGLE or distortion.offset > NOTICED_OFFSET:
        warnings.warn(
            f"{campaign.structure} is distorted (angle {distortion.alpha_rh:.2f}°, offset {distortion.offset:.3f} Å): "
            f"its lattice constant of {distortion.lattice_constant:.4f} Å is taken, and no more of it.",
            QdsimWarning,
            stacklevel=2,
        )
    return compound_of(atoms.symbols), distortion.lattice_constant
