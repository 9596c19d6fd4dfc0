"""Crystals that a campaign file names by a node of the AiiDA profile."""

from qdsim.campaign.crystals import atoms_of, check_complete
from qdsim.cp2k.compounds import Compound
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, measure_distortion


def crystal_node(field: str, identifier: str, compound: Compound) -> tuple[RhombohedralState, str]:
    """Return the state of a crystal in the profile, and its UUID.

    Parameters
    ----------
    field
        Of the campaign file, for messages.
    identifier
        PK or UUID.
    compound
        What the crystal must be of.

    Raises
    ------
    QdsimError
        If no profile is loaded, or there is no such node, or it is no perfect rock-salt crystal of the compound.
    """
    from aiida import orm
    from aiida.common import MultipleObjectsError, NotExistent
    from aiida.manage.configuration import get_profile

    if get_profile() is None:
        raise QdsimError(f"{field}: nodes are in an AiiDA profile, and none is loaded.")
    try:
        node = orm.load_node(identifier)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise QdsimError(f"{field}: there is no node '{identifier}' in this profile ({error}).") from error
    if not isinstance(node, orm.StructureData):
        raise QdsimError(f"{field}: node {identifier} is a {type(node).__name__}; give a structure.")
    try:
        atoms = atoms_of(node)
    except QdsimError as error:
        raise QdsimError(f"{field}: {error}") from error
    if set(atoms.get_chemical_symbols()) != {compound.cation, compound.anion}:
        raise QdsimError(f"{field}: node {identifier} is {atoms.get_chemical_formula()}, not {compound.name}.")
    try:
        check_complete(measure_distortion(atoms, compound.cation))
        return RhombohedralState.from_atoms(atoms, compound.cation), node.uuid
    except QdsimError as error:
        raise QdsimError(f"{field}: {error}") from error
