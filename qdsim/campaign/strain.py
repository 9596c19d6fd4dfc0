"""From the strain section of a campaign to what will run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.relaxation import RelaxationSettings
from qdsim.analysis.strain import strained_volume
from qdsim.campaign.schema import StrainSection
from qdsim.campaign.tasks import Task
from qdsim.cp2k.compounds import Compound
from qdsim.cp2k.inputs import Settings, build_parameters
from qdsim.structures import RhombohedralState, supercell_matrix
from qdsim.workflows.documents import ORDINARY_RELAXATION, Lattice, StrainSettings

if TYPE_CHECKING:
    from aiida.orm import Code


@dataclass(frozen=True)
class StrainPlan:
    """A strain series, with every choice made."""

    settings: Settings
    parameters: dict[str, Any]
    lattice: Lattice
    strain: StrainSettings
    relaxation: RelaxationSettings
    tasks: tuple[Task, ...]

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        return {
            "parameters": self.parameters,
            "lattice": self.lattice.model_dump(mode="json"),
            "strain": self.strain.model_dump(mode="json"),
            "relaxation": self.relaxation.model_dump(mode="json"),
        }

    def inputs(self, code: "Code", options: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of the work chain; an AiiDA profile is loaded."""
        from aiida import orm

        return {
            "cp2k": {"code": code, "parameters": orm.Dict(self.parameters), "metadata": {"options": options}},
            "lattice": orm.Dict(self.lattice.model_dump(mode="json")),
            "settings": orm.Dict(self.strain.model_dump(mode="json")),
            "relaxation": orm.Dict(self.relaxation.model_dump(mode="json")),
        }


def plan_strain(
    section: StrainSection, protocol: str, settings: Settings, compound: Compound, lattice_constant: float
) -> StrainPlan:
    """Make every choice that the section leaves open.

    Parameters
    ----------
    section
        Of the campaign.
    protocol
        Its protocol's name.
    settings
        The protocol with the campaign's changes.
    compound
        What is strained.
    lattice_constant
        Centre of the equation of state, Å.

    Raises
    ------
    QdsimError
        If the template cannot be used.
    """
    matrix = supercell_matrix(settings.cell)
    lattice = Lattice(compound=compound.name, cation=compound.cation, anion=compound.anion, supercell=matrix.tolist())
    cell = RhombohedralState.from_lattice_constant(lattice_constant)
    reference_atoms = cell.to_atoms(compound.cation, compound.anion, matrix)
    parameters = build_parameters(settings, reference_atoms, reference_cell=np.asarray(reference_atoms.cell))
    span = section.equation_of_state.span
    edges = lattice_constant * (1 + np.linspace(-span, span, section.equation_of_state.points))
    strain = StrainSettings(
        protocol=protocol,
        equation_of_state_volumes=tuple((edges**3 / 4).tolist()),
        quantity=section.quantity,
        values=tuple(section.values),
        double_well=tuple(section.double_well),
        start_offset=section.relaxation.start_offset,
    )
    assumed = assumed_equation_of_state(lattice_constant, compound.bulk_modulus)
    tasks = tuple(_tasks(strain, lattice, assumed, settings, parameters))
    return StrainPlan(settings, parameters, lattice, strain, section.relaxation, tasks)


def _tasks(
    strain: StrainSettings,
    lattice: Lattice,
    assumed: EquationOfState,
    settings: Settings,
    parameters: dict[str, Any],
) -> Iterator[Task]:
    for task in strain.tasks():
        known = task.part == "equation_of_state"
        volume = task.value if known else strained_volume(strain.quantity, task.value, assumed)
        state = RhombohedralState(volume, offset=task.offset)
        atoms = state.to_atoms(lattice.cation, lattice.anion, lattice.supercell)
        runs = ORDINARY_RELAXATION if task.relaxes else 1
        yield Task(task.label, task.part, atoms, settings, parameters, runs)


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
