"""From the phonon section of a campaign to what will run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.analysis.phonon_results import FiniteFieldSettings, Nonanalytic, PhononSettings
from qdsim.analysis.phonons import displaced_supercells
from qdsim.analysis.polarisation import field_supercell
from qdsim.campaign.nodes import crystal_node
from qdsim.campaign.points import planned_point, value_of_point
from qdsim.campaign.schema import CrystalSection, PhononSection, StrainSection
from qdsim.campaign.tasks import Task
from qdsim.cp2k.compounds import Compound
from qdsim.cp2k.field import with_field
from qdsim.cp2k.inputs import Settings, build_parameters, load_protocol
from qdsim.cp2k.settings import with_walltime
from qdsim.errors import QdsimError
from qdsim.structures import SUPERCELLS, RhombohedralState, supercell_matrix
from qdsim.workflows.documents import strain_label
from qdsim.workflows.finite_field import FIELDS
from qdsim.workflows.phonon import FINITE_FIELD, UNDISPLACED
from qdsim.workflows.phonon_documents import CrystalSettings, PhononSeriesSettings

if TYPE_CHECKING:
    from aiida.orm import Code


STEPS_IN_FIELD = 8
"""SCF steps that a crystal takes in a field from its wavefunction without."""
STEPS_WITHOUT_FIELD = 35
"""SCF steps that it takes with OT from free atoms."""


@dataclass(frozen=True)
class FieldPlan:
    """Crystals in an electric field, with every choice made."""

    settings: Settings
    parameters: dict[str, Any]
    fields: FiniteFieldSettings

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        return {"parameters": self.parameters, "settings": self.fields.model_dump(mode="json")}


@dataclass(frozen=True)
class PhononPlan:
    """Lattice dynamics of a series of crystals, with every choice made."""

    settings: Settings
    parameters: dict[str, Any]
    series: PhononSeriesSettings
    phonons: PhononSettings
    crystals: dict[str, str]
    tasks: tuple[Task, ...]
    fields: FieldPlan | None = None

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        document = {
            "parameters": self.parameters,
            "series": self.series.model_dump(mode="json"),
            "phonons": self.phonons.model_dump(mode="json"),
            "crystals": self.crystals,
        }
        return document if self.fields is None else document | {FINITE_FIELD: self.fields.document()}

    def inputs(self, code: "Code", options: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of the work chain; an AiiDA profile is loaded."""
        from aiida import orm

        inputs = {
            "cp2k": {"code": code, "parameters": orm.Dict(self.parameters), "metadata": {"options": options}},
            "settings": orm.Dict(self.series.model_dump(mode="json")),
            "phonons": orm.Dict(self.phonons.model_dump(mode="json")),
            "crystals": {label: orm.load_node(uuid) for label, uuid in self.crystals.items()},
        }
        if self.fields is not None:
            inputs[FINITE_FIELD] = {name: orm.Dict(one) for name, one in self.fields.document().items()}
        return inputs


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
        If a supercell folds badly, a node or protocol cannot be used, or Born charges are to be computed of a crystal
        that is distorted.
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
    fields = _plan_fields(section, series, compound, walltime)
    tasks = tuple(_tasks(series, phonons, settings, parameters, fields))
    return PhononPlan(settings, parameters, series, phonons, given, tasks, fields)


def planned_supercells(
    series: PhononSeriesSettings, phonons: PhononSettings, fields: FiniteFieldSettings | None = None
) -> Iterator[tuple[str, str, Any]]:
    """Yield crystal, label and atoms of every calculation, as far as is known beforehand."""
    for crystal in series.crystals:
        primitive = crystal.state.to_atoms(phonons.cation, phonons.anion)
        at_rest, moved = displaced_supercells(primitive, phonons)
        yield crystal.label, UNDISPLACED, at_rest
        for i, atoms in enumerate(moved):
            yield crystal.label, f"displaced_{i:02d}", atoms
        if fields is not None:
            supercell = field_supercell(primitive, fields)
            for name in FIELDS:
                yield crystal.label, f"{FINITE_FIELD}__{name}", supercell


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
    if given is None or given.born_charge is None or given.eps_inf is None:
        return None
    charges = {compound.cation: given.born_charge, compound.anion: -given.born_charge}
    return Nonanalytic(born_charges=charges, eps_inf=given.eps_inf, source=given.source)


def _plan_fields(
    section: PhononSection, series: PhononSeriesSettings, compound: Compound, walltime: int
) -> FieldPlan | None:
    """Make every choice about how Born charges are computed, where they are."""
    wanted = None if section.nonanalytic is None else section.nonanalytic.finite_field
    if wanted is None:
        return None
    place = "phonon.nonanalytic.finite_field"
    settings = with_walltime(load_protocol(wanted.protocol, wanted.overrides), walltime)
    if settings.k_points is not None or settings.solver != "OT":
        raise QdsimError(
            f"{place}: CP2K has electric fields in a crystal at the Gamma point with OT only: take a protocol such as "
            "finite_field, without k_points and with solver: OT."
        )
    matrix = supercell_matrix(settings.cell)
    x, y, z = (int(n) for n in abs(matrix).max(axis=1))
    if not np.array_equal(matrix, np.diag((x, y, z)) @ SUPERCELLS["conventional"]):
        raise QdsimError(
            f"{place}.overrides.cell: the supercell {matrix.tolist()} has not the axes of the cubic crystal: take "
            "conventional cells, such as [4, 2, 2]; the first number is along the field."
        )
    distorted = [crystal.label for crystal in series.crystals if not crystal.state.centred]
    if distorted:
        raise QdsimError(
            f"{place}: the crystal {distorted[0]} is distorted, and Born charges are computed of undistorted ones "
            "only: take it out of phonon.crystals, or give born_charge and eps_inf."
        )
    fields = FiniteFieldSettings(cation=compound.cation, anion=compound.anion, repeats=(x, y, z), field=wanted.field)
    atoms = field_supercell(series.crystals[0].state.to_atoms(compound.cation, compound.anion), fields)
    return FieldPlan(settings, build_parameters(settings, atoms, field=wanted.field), fields)


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
            value = value_of_point(f"{field}.point", crystal.point, strain)
            point, phase = strain_label(strain.quantity, value), crystal.phase
            state = planned_point(value, phase, strain, compound, lattice_constant)
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
    series: PhononSeriesSettings,
    phonons: PhononSettings,
    settings: Settings,
    parameters: dict[str, Any],
    fields: FieldPlan | None,
) -> Iterator[Task]:
    for crystal, label, atoms in planned_supercells(series, phonons, None if fields is None else fields.fields):
        name = f"{crystal}__{label}"
        kind, _, field = label.partition("__")
        if fields is not None and kind == FINITE_FIELD:
            inputs = with_field(fields.parameters, fields.fields.field * FIELDS[field])
            steps = STEPS_IN_FIELD if FIELDS[field] else STEPS_WITHOUT_FIELD
            yield Task(name, "phonon", atoms, fields.settings, inputs, scf_steps=steps)
        else:
            yield Task(name, "phonon", atoms, settings, parameters)
