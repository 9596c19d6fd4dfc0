"""From the phonon section of a campaign to what will run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.analysis.phonon_results import Nonanalytic, PhononSettings
from qdsim.analysis.phonons import displaced_supercells
from qdsim.campaign.nodes import crystal_node
from qdsim.campaign.points import planned_point
from qdsim.campaign.schema import CrystalSection, PhononSection, StrainSection
from qdsim.campaign.tasks import Task
from qdsim.cp2k.compounds import Compound
from qdsim.cp2k.inputs import Settings, build_parameters, load_protocol
from qdsim.cp2k.settings import with_walltime
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, supercell_matrix
from qdsim.workflows.documents import strain_label
from qdsim.workflows.phonon import UNDISPLACED
from qdsim.workflows.phonon_documents import CrystalSettings, PhononSeriesSettings

if TYPE_CHECKING:
    from aiida.orm import Code


@dataclass(frozen=True)
class PhononPlan:
    """Lattice dynamics of a series of crystals, with every choice made."""

    settings: Settings
    parameters: dict[str, Any]
    series: PhononSeriesSettings
    phonons: PhononSettings
    crystals: dict[str, str]
    tasks: tuple[Task, ...]

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        return {
            "parameters": self.parameters,
            "series": self.series.model_dump(mode="json"),
            "phonons": self.phonons.model_dump(mode="json"),
            "crystals": self.crystals,
        }

    def inputs(self, code: "Code", options: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of the work chain; an AiiDA profile is loaded."""
        from aiida import orm

        return {
            "cp2k": {"code": code, "parameters": orm.Dict(self.parameters), "metadata": {"options": options}},
            "settings": orm.Dict(self.series.model_dump(mode="json")),
            "phonons": orm.Dict(self.phonons.model_dump(mode="json")),
            "crystals": {label: orm.load_node(uuid) for label, uuid in self.crystals.items()},
        }


def plan_phonons(
    section: PhononSection, strain: StrainSection | None, compound: Compound, lattice_constant: float, walltime: int
) -> PhononPlan:
    """Make every choice that the phonon section leaves open.

    Parameters
    ----------
    section
        Of the campaign.
    strain
        The campaign's strain series, whose points may be crystals; the schema asks for it where they are.
    compound
        What vibrates.
    lattice_constant
        Of the undistorted crystal, Å.
    walltime
        Seconds after which CP2K stops by itself.

    Raises
    ------
    QdsimError
        If the supercell folds badly, or a node or protocol cannot be used.
    """
    settings = with_walltime(load_protocol(section.protocol, section.overrides), walltime)
    phonons = PhononSettings(
        cation=compound.cation,
        anion=compound.anion,
        supercell=_repeats(settings),
        distance=section.displacement,
        largest_force=section.largest_force,
        mesh=section.mesh,
        temperatures=tuple(sorted({*section.temperatures, section.temperature})),
        nonanalytic=_nonanalytic(section, compound),
    )
    crystals, given = _crystals(section, strain, compound, lattice_constant)
    reference, _ = displaced_supercells(
        RhombohedralState.from_lattice_constant(lattice_constant).to_atoms(compound.cation, compound.anion), phonons
    )
    parameters = build_parameters(settings, reference, reference_cell=np.asarray(reference.cell))
    series = PhononSeriesSettings(
        protocol=section.protocol,
        compound=compound.name,
        crystals=crystals,
        temperature=section.temperature,
    )
    tasks = tuple(_tasks(series, phonons, settings, parameters))
    return PhononPlan(settings, parameters, series, phonons, given, tasks)


def planned_supercells(series: PhononSeriesSettings, phonons: PhononSettings) -> Iterator[tuple[str, str, Any]]:
    """Yield crystal, label and atoms of every calculation, as far as is known beforehand."""
    for crystal in series.crystals:
        at_rest, moved = displaced_supercells(crystal.state.to_atoms(phonons.cation, phonons.anion), phonons)
        yield crystal.label, UNDISPLACED, at_rest
        for i, atoms in enumerate(moved):
            yield crystal.label, f"displaced_{i:02d}", atoms


def _repeats(settings: Settings) -> tuple[int, int, int]:
    """Return how often the primitive cell is repeated; alike along all three axes, or it would fold badly."""
    matrix = supercell_matrix(settings.cell)
    n = int(matrix[0, 0])
    if not np.array_equal(matrix, n * np.eye(3, dtype=int)):
        raise QdsimError(
            f"phonon.overrides.cell: the supercell {matrix.tolist()} is not as many primitive cells along each axis, "
            "which keep the threefold axis of the crystal: take such as [[2, 0, 0], [0, 2, 0], [0, 0, 2]]."
        )
    mesh = settings.k_points or (1, 1, 1)
    if len(set(mesh)) > 1:
        raise QdsimError(
            f"phonon.overrides.k_points: a mesh of {'x'.join(map(str, mesh))} lacks the threefold axis of the crystal: "
            "take as many points along each axis."
        )
    if mesh[0] % 2 == 0:
        raise QdsimError(
            f"phonon.overrides.k_points: an even mesh of {'x'.join(map(str, mesh))} lacks the symmetry of a cubic "
            "crystal, and so would the phonons: take odd numbers."
        )
    return n, n, n


def _nonanalytic(section: PhononSection, compound: Compound) -> Nonanalytic | None:
    given = section.nonanalytic
    if given is None:
        return None
    charges = {compound.cation: given.born_charge, compound.anion: -given.born_charge}
    return Nonanalytic(born_charges=charges, eps_inf=given.eps_inf, source=given.source)


def _crystals(
    section: PhononSection, strain: StrainSection | None, compound: Compound, lattice_constant: float
) -> tuple[tuple[CrystalSettings, ...], dict[str, str]]:
    """Return the crystals, and the UUIDs of those that are nodes."""
    wanted, given = [], {}
    chosen = dict(section.crystals)
    if not chosen and strain is not None:
        chosen = {strain_label(strain.quantity, value): CrystalSection(point=value) for value in strain.values}
    for label, crystal in chosen.items():
        field = f"phonon.crystals.{label}"
        point = phase = None
        if crystal.node is not None:
            state, given[label] = crystal_node(f"{field}.node", crystal.node, compound)
        elif crystal.point is not None and strain is not None:
            point, phase = strain_label(strain.quantity, crystal.point), crystal.phase
            state = planned_point(f"{field}.point", crystal.point, phase, strain, compound, lattice_constant)
        else:
            edge = crystal.lattice_constant or lattice_constant * (1 + (crystal.linear_strain or 0.0))
            state = RhombohedralState.from_lattice_constant(edge)
        wanted.append(
            CrystalSettings(
                label=label,
                volume=state.volume,
                alpha_rh=state.alpha,
                pb_offset=state.offset,
                crystal=crystal.node is not None or point is not None,
                point=point,
                phase=phase,
            )
        )
    return tuple(wanted), given


def _tasks(
    series: PhononSeriesSettings, phonons: PhononSettings, settings: Settings, parameters: dict[str, Any]
) -> Iterator[Task]:
    for crystal, label, atoms in planned_supercells(series, phonons):
        yield Task(f"{crystal}__{label}", "phonon", atoms, settings, parameters)
