"""Relax angle and offset of a rhombohedral crystal at fixed volume with few calculations."""

from typing import Literal

from pydantic import Field

from qdsim.analysis.model import ResultModel


class RelaxationStep(ResultModel):
    """One calculation of a relaxation.

    Attributes
    ----------
    alpha
        Rhombohedral angle, degrees.
    offset
        Cation offset along [111], Å.
    energy
        In eV per formula unit.
    gradient_alpha
        dE/d alpha at fixed volume and offset, eV per degree and formula unit.
    gradient_offset
        dE/d offset at fixed cell, eV/Å per formula unit.
    """

    alpha: float
    offset: float
    energy: float
    gradient_alpha: float
    gradient_offset: float


class Decision(ResultModel):
    """What to do after the calculations made so far.

    Attributes
    ----------
    status
        ``continue``: compute the state (alpha, offset) next; ``converged``: that state, the last computed one, is
        the minimum; ``unbound``: the energy falls up to the bounds of the search; ``exhausted``: no step is left.
    alpha, offset
        The next state to compute, or the last computed one; degrees and Å.
    predicted_alpha_change, predicted_offset_change
        Step from the last computed state to the predicted minimum, degrees and Å.
    message
        One sentence for people.
    """

    status: Literal["continue", "converged", "unbound", "exhausted"]
    alpha: float
    offset: float
    predicted_alpha_change: float
    predicted_offset_change: float
    message: str


class RelaxationSettings(ResultModel):
    """How a relaxation searches.

    The initial Hessian is that of E/f.u. = A s + B s^2 + C eta^2/2 + D s eta in s = offset^2 and eta = alpha - 60.
    It is 2B, D and C = (4/3) V c44 g^2, where g is the shear per degree (the change of alpha at constant volume is a
    trigonal shear, which only c44 resists). The first step depends on it; later steps learn the true one.

    Attributes
    ----------
    alpha_tolerance, offset_tolerance
        Converged when the step to the predicted minimum is below both, degrees and Å.
    max_steps
        Largest number of calculations.
    max_alpha_step, max_offset_step
        Longest single step, degrees and Å.
    min_alpha, max_alpha, max_offset
        Bounds of the search; a minimum beyond them is no state of the crystal.
    start_offset
        Offset to try after a start at the centred crystal, where the gradient vanishes by symmetry, Å.
    shear_modulus
        c44, GPa; measured for PbS 25, PbSe 16, PbTe 13.
    quartic
        B, eV/Å^4; PBE for PbS between a = 6.00 and 6.12 Å: 2.1 to 2.3 at 60 degrees.
    coupling
        D, eV/(Å^2 degree); PBE for PbS: the best angle at an offset of 0.2 Å is 59.4 degrees.
    """

    alpha_tolerance: float = Field(default=0.02, gt=0)
    offset_tolerance: float = Field(default=0.002, gt=0)
    max_steps: int = Field(default=12, gt=0)
    max_alpha_step: float = Field(default=0.5, gt=0)
    max_offset_step: float = Field(default=0.1, gt=0)
    min_alpha: float = Field(default=55.0, gt=0, lt=60)
    max_alpha: float = Field(default=65.0, gt=60, lt=120)
    max_offset: float = Field(default=0.8, gt=0)
    start_offset: float = Field(default=0.1, gt=0)
    shear_modulus: float = Field(default=24.0, gt=0)
    quartic: float = Field(default=2.2, gt=0)
    coupling: float = 0.085
