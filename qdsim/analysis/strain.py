"""What a strain means: from the number a person gives to a volume."""

from typing import Literal

from qdsim.analysis.equation_of_state import EquationOfState

Quantity = Literal["linear", "volumetric", "pressure", "lattice_constant"]


def strained_volume(quantity: Quantity, value: float, equation_of_state: EquationOfState) -> float:
    """Return the volume of a strained lattice.

    Parameters
    ----------
    quantity
        `linear` and `volumetric` strains are fractions of the equilibrium lattice constant and volume of
        `equation_of_state`; `pressure` is in GPa, negative under tension; `lattice_constant` in Å.
    value
        The strain in that quantity.
    equation_of_state
        Of the centred phase in the same set-up.

    Returns
    -------
    float
        Volume in Å^3 per formula unit.
    """
    match quantity:
        case "linear":
            return equation_of_state.volume * (1 + value) ** 3
        case "volumetric":
            return equation_of_state.volume * (1 + value)
        case "pressure":
            return equation_of_state.volume_at_pressure(value)
        case "lattice_constant":
            return value**3 / 4


def linear_strain(volume: float, undistorted: float) -> float:
    """Return the linear strain of a volume against that of the undistorted crystal, as a fraction of the edge."""
    strain = float((volume / undistorted) ** (1 / 3) - 1)
    return round(strain, 12) + 0.0  # what the cube root leaves of zero would be shown as -0.00 %
