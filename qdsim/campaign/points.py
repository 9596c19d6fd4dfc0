"""Crystals that a campaign file names by a point of its own strain series."""

from qdsim.analysis.strain import strained_volume
from qdsim.campaign.schema import StrainSection
from qdsim.campaign.strain import assumed_equation_of_state
from qdsim.cp2k.compounds import Compound
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

PLANNED_ANGLE, PLANNED_OFFSET = 59.7, 0.1
"""Degrees and Å; plans reckon with them for a crystal that is yet to be relaxed, whose symmetry alone they need."""


def planned_point(
    field: str, value: float, phase: str, strain: StrainSection, compound: Compound, lattice_constant: float
) -> RhombohedralState:
    """Return the state that is reckoned with for a point of the campaign's own strain series.

    Parameters
    ----------
    field
        Of the campaign file, for messages.
    value
        Of the strain.
    phase
        "centred" or "relaxed".
    strain
        The series.
    compound
        With the bulk modulus that is reckoned with.
    lattice_constant
        Of the undistorted crystal, Å.

    Raises
    ------
    QdsimError
        If the series has no such value.
    """
    if value not in strain.values:
        raise QdsimError(
            f"{field}: {value} is no value of strain.{strain.quantity}; "
            f"there are {', '.join(f'{one:g}' for one in strain.values)}."
        )
    volume = strained_volume(strain.quantity, value, assumed_equation_of_state(lattice_constant, compound.bulk_modulus))
    if phase == "centred":
        return RhombohedralState(volume)
    return RhombohedralState(volume, PLANNED_ANGLE, PLANNED_OFFSET)
