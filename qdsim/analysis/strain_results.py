"""The results document of a strain series: phases, double wells, strain points and onsets."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from qdsim.analysis.equation_of_state import EquationOfState
from qdsim.analysis.model import ResultModel
from qdsim.analysis.relaxation import RelaxationStep

FloatArray = npt.NDArray[np.float64]


class Phase(ResultModel):
    """One computed state of the crystal at a fixed volume.

    Attributes
    ----------
    volume, lattice_constant
        Volume per formula unit, Å^3, and (4 volume)^(1/3), Å.
    alpha_rh
        Rhombohedral angle, degrees.
    pb_offset
        Length of the cation's offset along <111>, Å.
    energy
        In eV per formula unit.
    pressure
        From the stress tensor, GPa; negative under tension.
    gap
        Band gap, eV, where known.
    space_group
        Symbol and number.
    bond_short, bond_long
        Means of the three short and the three long bonds, Å.
    single_points
        Number of calculations this phase took.
    """

    volume: float
    lattice_constant: float
    alpha_rh: float
    pb_offset: float
    energy: float
    pressure: float
    gap: float | None
    space_group: str
    bond_short: float
    bond_long: float
    single_points: int


class DoubleWell(ResultModel):
    """The energy along the cation's offset at 60 degrees and a fixed volume, and its even polynomial.

    Attributes
    ----------
    offsets, energies
        Å and eV per formula unit against the centred structure, which is included.
    quadratic, quadratic_error
        Coefficient of offset^2, eV/Å^2, and its standard error (None if no degree of freedom is left).
    quartic
        Coefficient of offset^4, eV/Å^4.
    sextic
        Coefficient of offset^6, eV/Å^6; 0 unless there are data enough to fit it.
    octic
        Coefficient of offset^8, eV/Å^8; 0 unless there are data enough to fit it.
    """

    offsets: list[float]
    energies: list[float]
    quadratic: float
    quadratic_error: float | None
    quartic: float
    sextic: float = 0.0
    octic: float = 0.0

    def energy_at(self, offset: FloatArray) -> FloatArray:
        """Return the polynomial, eV per formula unit, at offsets (Å) of any shape."""
        squared = offset**2
        return ((self.octic * squared + self.sextic) * squared + self.quartic) * squared**2 + self.quadratic * squared


class StrainPoint(ResultModel):
    """Everything computed at one strain.

    Attributes
    ----------
    label
        Link label, such as ``p0p0200`` for a linear strain of +0.0200.
    linear_strain, volumetric_strain
        Against the equation of state's own equilibrium.
    lattice_constant, volume
        Å, and Å^3 per formula unit.
    eos_pressure
        Pressure of the centred phase by the equation of state, GPa.
    centred, relaxed
        The cubic phase, and the phase relaxed in angle and offset; None where the calculation failed.
    double_well
        Energy along the offset at 60 degrees; None where no energy off the centre is known.
    energy_gain
        Energy of `relaxed` minus `centred`, eV per formula unit.
    path
        The steps of the relaxation.
    failures
        One sentence a calculation that failed.
    """

    label: str
    linear_strain: float
    volumetric_strain: float
    lattice_constant: float
    volume: float
    eos_pressure: float
    centred: Phase | None = None
    relaxed: Phase | None = None
    double_well: DoubleWell | None = None
    energy_gain: float | None = None
    path: list[RelaxationStep] = Field(default_factory=list)
    failures: list[str] = Field(default_factory=list)


class Onset(ResultModel):
    """Where the centred crystal becomes unstable against the ferroelectric distortion.

    Attributes
    ----------
    method
        ``energy curvature``: the energy's curvature in the offset vanishes, the centred phase becomes
        unstable; ``order parameter``: the squared offset of the relaxed phase, linear in strain, vanishes.
    linear_strain, linear_strain_error
        Against the equation of state's equilibrium; the standard error where known.
    lattice_constant, volume
        Å, and Å^3 per formula unit.
    pressure
        By the equation of state of the centred phase, GPa.
    note
        What the value rests on.
    """

    method: Literal["energy curvature", "order parameter"]
    linear_strain: float
    linear_strain_error: float | None
    lattice_constant: float
    volume: float
    pressure: float
    note: str


class StrainResults(ResultModel):
    """The results document of a strain series."""

    compound: str
    protocol: str
    equation_of_state: EquationOfState
    points: list[StrainPoint]
    onset_curvature: Onset | None
    onset_order_parameter: Onset | None
    onset_messages: list[str]
    schema_version: int = 1
