"""From a campaign to what will run: the inputs of the work chain, and every calculation with its cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from shutil import rmtree
from typing import Any, cast

import numpy as np
from ase import Atoms

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.strain import strained_volume
from qdsim.campaign.scattering import ScatteringPlan, mesh_reservations, plan_scattering
from qdsim.campaign.schema import Campaign
from qdsim.cp2k.compounds import Compound, compound_of, load_compound
from qdsim.cp2k.inputs import Settings, build_parameters, load_protocol, render
from qdsim.cp2k.template import Template
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, measure_distortion, supercell_matrix
from qdsim.workflows.documents import ORDINARY_RELAXATION, Lattice, StrainSettings

WALLTIME_SHARE = 0.95
"""CP2K stops itself at this share of the scheduler's limit, so that it always writes its restart."""


@dataclass(frozen=True)
class Task:
    """One calculation, or one relaxation of several."""

    label: str
    part: str
    atoms: Atoms
    single_points: int = 1


@dataclass(frozen=True)
class Plan:
    """What a campaign computes, with every choice made."""

    campaign: Campaign
    settings: Settings
    parameters: dict[str, Any]
    lattice: Lattice
    strain: StrainSettings
    tasks: tuple[Task, ...]
    scattering: ScatteringPlan | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides the results; equal fingerprints need no second run."""
        document = {
            "name": self.campaign.name,
            "code": self.campaign.code,
            "parameters": self.parameters,
            "lattice": self.lattice.model_dump(mode="json"),
            "strain": self.strain.model_dump(mode="json"),
            "relaxation": self.campaign.strain.relaxation.model_dump(mode="json"),
        }
        if self.scattering is not None:
            document["scattering"] = self.scattering.document()
        return sha256(dumps(document, sort_keys=True).encode()).hexdigest()

    @property
    def single_points(self) -> int:
        """How many CP2K runs the campaign usually takes."""
        return sum(task.single_points for task in self.tasks)

    @property
    def core_hours(self) -> float:
        """Rough cost of the whole campaign."""
        return sum(task.single_points * core_seconds(task.atoms, self.settings) for task in self.tasks) / 3600


def core_seconds(atoms: Atoms, settings: Settings) -> float:
    """Estimate what one single point costs.

    Measured on PbS with DZVP-MOLOPT-SR-GTH at 300 Ry on one core of a current server: the grids take 0.25 s per atom
    and SCF step whatever the k-mesh, and diagonalisation 3 ms per k-point for 26 basis functions, growing with the
    third power of their number; OT needs a tenth of that. Within a factor of three elsewhere.
    """
    scf_steps = 14
    grids = 0.25 * len(atoms) * ((settings.cutoff or 300) / 300) ** 1.5
    k_points = int(np.prod(settings.k_points)) / 2 if settings.k_points else 1
    diagonalisation = 3e-3 * k_points * (len(atoms) / 2) ** 3 * (0.1 if settings.solver == "OT" else 1.0)
    return float(scf_steps * (grids + diagonalisation))


def plan_campaign(campaign: Campaign) -> Plan:
    """Make every choice that a campaign leaves to its protocol and compound.

    Raises
    ------
    QdsimError
        If compound, structure, protocol, overrides, template, scattering fits or data cannot be used.
    """
    compound, reference = _crystal(campaign)
    settings = load_protocol(campaign.protocol, campaign.overrides)
    if settings.walltime is None and "${WALLTIME" in Template.load(settings.template).text:
        settings = settings.model_copy(update={"walltime": int(WALLTIME_SHARE * campaign.resources.walltime)})
    matrix = supercell_matrix(settings.cell)
    lattice = Lattice(compound=compound.name, cation=compound.cation, anion=compound.anion, supercell=matrix.tolist())
    cell = RhombohedralState.from_lattice_constant(reference)
    reference_atoms = cell.to_atoms(compound.cation, compound.anion, matrix)
    parameters = build_parameters(settings, reference_atoms, reference_cell=np.asarray(reference_atoms.cell))
    section = campaign.strain
    span = section.equation_of_state.span
    edges = reference * (1 + np.linspace(-span, span, section.equation_of_state.points))
    strain = StrainSettings(
        protocol=campaign.protocol,
        equation_of_state_volumes=tuple((edges**3 / 4).tolist()),
        quantity=section.quantity,
        values=tuple(section.values),
        double_well=tuple(section.double_well),
        start_offset=section.relaxation.start_offset,
    )
    tasks = tuple(_tasks(strain, lattice, assumed_equation_of_state(reference, compound.bulk_modulus)))
    scattering = None
    if campaign.scattering is not None:
        reservations = mesh_reservations(compound.name, settings, lattice)
        scattering = plan_scattering(campaign.scattering, compound, reservations)
    return Plan(campaign, settings, parameters, lattice, strain, tasks, scattering)


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
            path.write_text(render(plan.parameters, task.atoms), encoding="utf-8")
        partial.replace(folder)
    finally:
        rmtree(partial, ignore_errors=True)
    return [folder / name for name in names]


def _crystal(campaign: Campaign) -> tuple[Compound, float]:
    """Return the compound and the lattice constant that the equation of state is centred on."""
    if campaign.structure is None:
        compound = load_compound(str(campaign.compound))
        return compound, compound.reference_lattice_constant
    from ase.io import read

    try:
        atoms = cast("Atoms", read(campaign.structure, index=-1))
    except (OSError, ValueError, KeyError, IndexError, SyntaxError, AssertionError) as error:
        raise QdsimError(f"{campaign.structure}: not a structure that ASE can read ({error}).") from error
    try:
        distortion = measure_distortion(atoms)
    except QdsimError as error:
        raise QdsimError(f"{campaign.structure}: {error}") from error
    return compound_of(atoms.symbols), distortion.lattice_constant


def _tasks(strain: StrainSettings, lattice: Lattice, assumed: EquationOfState) -> Iterator[Task]:
    for task in strain.tasks():
        known = task.part == "equation_of_state"
        volume = task.value if known else strained_volume(strain.quantity, task.value, assumed)
        state = RhombohedralState(volume, offset=task.offset)
        atoms = state.to_atoms(lattice.cation, lattice.anion, lattice.supercell)
        yield Task(task.label, task.part, atoms, ORDINARY_RELAXATION if task.relaxes else 1)


def assumed_equation_of_state(lattice_constant: float, bulk_modulus: float) -> EquationOfState:
    """Return the equation of state a plan reckons with before there is a computed one; B' = 4."""
    return EquationOfState(
        volumes=[],
        energies=[],
        volume=lattice_constant**3 / 4,
        volume_error=0.0,
        lattice_constant=lattice_constant,
        lattice_constant_error=0.0,
        energy=0.0,
        bulk_modulus=bulk_modulus,
        bulk_modulus_error=0.0,
        bulk_modulus_derivative=4.0,
        bulk_modulus_derivative_error=0.0,
        rms_residual=0.0,
    )
