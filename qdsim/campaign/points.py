"""Crystals that a campaign file names by a point of its own strain series."""

from math import isclose

from pydantic import ValidationError

from qdsim.analysis.strain import strained_volume
from qdsim.campaign.schema import StrainSection
from qdsim.campaign.strain import assumed_equation_of_state
from qdsim.cp2k.compounds import Compound
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

PLANNED_ANGLE, PLANNED_OFFSET = 59.7, 0.1
"""Degrees and Å; plans reckon with them for a crystal that is yet to be relaxed, whose symmetry alone they need."""
SAME = 1e-9
"""Relative difference of one value that is written in two ways, as 0.007 and 0.7 %."""


def value_of_point(field: str, point: float | str, strain: StrainSection) -> float:
    """Return the value of a strain series that a point names, in the quantity of the series.

    Parameters
    ----------
    field
        Of the campaign file, for messages.
    point
        As it is written there: a number, or a percentage.
    strain
        The series.

    Raises
    ------
    QdsimError
        If it is no value of that quantity, or the series has no such value.
    """
    try:
        (value,) = StrainSection.model_validate({strain.quantity: [point]}).values
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"'{point}' is no value of strain.{strain.quantity}."
        if first["type"] == "value_error":
            message = first["msg"].removeprefix("Value error, ")
            reason = message if message.endswith("?") else f"{message}."
        raise QdsimError(f"{field}: {reason}") from error
    for one in strain.values:
        if isclose(one, value, rel_tol=SAME):
            return one
    there = ", ".join(f"{one:g}" for one in strain.values)
    raise QdsimError(f"{field}: {value:g} is no value of strain.{strain.quantity}; there are {there}.")


def planned_point(
    value: float, phase: str, strain: StrainSection, compound: Compound, lattice_constant: float
) -> RhombohedralState:
    """Return the state that is reckoned with for a point of the campaign's own strain series.

    Parameters
    ----------
    value
        Of the strain, in the quantity of the series.
    phase
        "centred" or "relaxed".
    strain
        The series.
    compound
        With the bulk modulus that is reckoned with.
    lattice_constant
        Of the undistorted crystal, Å.
    """
    volume = strained_volume(strain.quantity, value, assumed_equation_of_state(lattice_constant, compound.bulk_modulus))
    if phase == "centred":
        return RhombohedralState(volume)
    return RhombohedralState(volume, PLANNED_ANGLE, PLANNED_OFFSET)
