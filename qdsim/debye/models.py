"""Nanocrystal models: a shape cut from rock salt, a size distribution, and what stands on its sites."""

import re
from collections.abc import Mapping
from math import exp, log, pi, sqrt
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from scipy.special import ndtr, ndtri

from qdsim.errors import QdsimError
from qdsim.structures import (
    CENTRES,
    LatticeParticle,
    RhombohedralState,
    Shape,
    cut_rocksalt,
    ligand_coverage,
    rocksalt_compounds,
)

FloatArray = npt.NDArray[np.float64]
Occupancy = Annotated[float, Field(ge=0, le=1)]
Displacement = Annotated[float, Field(ge=0)]

_COMPOUND = re.compile(r"([A-Z][a-z]?)([A-Z][a-z]?)")

PARAMETERS: dict[str, tuple[str, float, float]] = {
    "lattice_constant": ("Å", 3.0, 9.0),
    "size_strain": ("Å", -2.0, 2.0),
    "alpha_rh": ("°", 57.0, 63.0),
    "pb_offset": ("Å", 0.0, 0.6),
    "diameter": ("Å", 8.0, 400.0),
    "diameter_sd": ("Å", 0.0, 100.0),
    "shell_thickness": ("Å", 0.0, 60.0),
    "occupancy_cation_core": ("", 0.0, 1.0),
    "occupancy_cation_shell": ("", 0.0, 1.0),
    "occupancy_anion_core": ("", 0.0, 1.0),
    "occupancy_anion_shell": ("", 0.0, 1.0),
    "b_iso_cation": ("Å²", 0.0, 12.0),
    "b_iso_anion": ("Å²", 0.0, 12.0),
}
"""Unit and widest sensible range of every number of a model that a fit may vary."""
USUAL_B = 1.0
"""Å^2; the displacement parameter of lead chalcogenides at room temperature, where a search for it begins."""


class NanocrystalModel(BaseModel):
    """Nanocrystals of rock salt or its R3m distortion, alike but for their size.

    Attributes
    ----------
    compound
        Cation and anion, such as "PbS", of rock salt or its R3m distortion.
    as_rocksalt
        Whether the compound is so in this sample, though it is not known to be; CdSe at high pressure is an example.
    shape
        Name of a shape, or facet families and their relative distances ({"100": 1.0, "111": 1.1}).
    elongation, axis
        Stretch of the shape along a direction, at constant volume.
    centre
        Point of the crystal at the centre of the shape: "cation", "anion", "bond", or "void".
    diameter, diameter_sd
        Mean and standard deviation of the number-weighted lognormal distribution of the diameter, Å; the diameter is
        that of the sphere of the same volume, measured on the undistorted lattice of the given lattice constant.
        A standard deviation of 0 is one size.
    shell_thickness
        Depth of the shell below the surface, Å; 0 for none. The core's diameter is diameter - 2 shell_thickness.
    lattice_constant
        Edge of the cubic cell of the same volume, (4V)^(1/3), Å; with `size_strain` that of an infinite crystal. To be
        given for any compound but PbS.
    size_strain
        Omega of a(D) = a (1 - Omega/D), Å; negative where small particles expand.
    alpha_rh
        Angle of the primitive cell, degrees.
    pb_offset
        Displacement of the cation along [111], Å.
    occupancy_cation_core, occupancy_cation_shell, occupancy_anion_core, occupancy_anion_shell
        Occupancies; without a shell the core is the whole particle.
    b_iso_cation, b_iso_anion
        Isotropic displacement parameters B, Å^2.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    compound: str = "PbS"
    as_rocksalt: bool = False
    shape: str | dict[str, float] = "sphere"
    elongation: Annotated[float, Field(gt=0)] = 1.0
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    centre: str = "cation"
    diameter: Annotated[float, Field(gt=0)]
    diameter_sd: Annotated[float, Field(ge=0)] = 0.0
    shell_thickness: Annotated[float, Field(ge=0)] = 0.0
    lattice_constant: Annotated[float, Field(gt=0)] = 5.936
    size_strain: float = 0.0
    alpha_rh: Annotated[float, Field(gt=0, lt=120)] = 60.0
    pb_offset: float = 0.0
    occupancy_cation_core: Occupancy = 1.0
    occupancy_cation_shell: Occupancy = 1.0
    occupancy_anion_core: Occupancy = 1.0
    occupancy_anion_shell: Occupancy = 1.0
    b_iso_cation: Displacement = 0.0
    b_iso_anion: Displacement = 0.0

    @field_validator("compound")
    @classmethod
    def _two_elements(cls, value: str) -> str:
        matched = _COMPOUND.fullmatch(value)
        if not matched or matched[1] == matched[2] or not set(matched.groups()) <= set(chemical_symbols[1:]):
            raise ValueError(f"'{value}' is no compound AB; write two chemical symbols, such as PbS")
        return value

    @field_validator("shape", mode="before")
    @classmethod
    def _facets_by_name(cls, value: Any) -> Any:
        """Read facets that YAML takes for numbers, as in {100: 1, 111: 1.1}, as the names that they are."""
        return {str(name): distance for name, distance in value.items()} if isinstance(value, Mapping) else value

    @field_validator("centre")
    @classmethod
    def _known_centre(cls, value: str) -> str:
        if value not in CENTRES:
            raise ValueError(f"'{value}' is no centre; use {', '.join(CENTRES)}")
        return value

    @model_validator(mode="after")
    def _rocksalt_compound(self) -> Self:
        known = rocksalt_compounds()
        if self._elements[::-1] in known:
            raise ValueError(f"'{self.compound}' has the anion first; write {self.anion}{self.cation}")
        if self._elements not in known and not self.as_rocksalt:
            raise ValueError(
                f"{self.compound} is not known as rock salt, which particles are cut from; give another compound (PbS, "
                "PbSe, PbTe, SnTe, ...), say as_rocksalt: true if your sample is, or cut its own crystal with 'qdsim "
                "pattern FILE.cif --diameter'"
            )
        if self.compound != "PbS" and "lattice_constant" not in self.model_fields_set:
            raise ValueError(f"the lattice_constant of {self.compound} is missing; give it in Å")
        return self

    @model_validator(mode="after")
    def _possible_particle(self) -> Self:
        try:
            self.body()
        except QdsimError as error:
            raise ValueError(str(error).rstrip(".")) from error
        if self.diameter < self.lattice_constant:
            raise ValueError(
                f"a diameter of {self.diameter:g} Å is less than one cell of {self.lattice_constant:g} Å; a particle "
                "has at least one"
            )
        if 2 * self.shell_thickness > self.diameter:
            raise ValueError(
                f"the shell is {self.shell_thickness:g} Å thick, more than the radius of {self.diameter / 2:g} Å"
            )
        return self

    @property
    def cation(self) -> str:
        """Chemical symbol of the cation."""
        return self._elements[0]

    @property
    def anion(self) -> str:
        """Chemical symbol of the anion."""
        return self._elements[1]

    @property
    def _elements(self) -> tuple[str, str]:
        matched = _COMPOUND.fullmatch(self.compound)
        if matched is None:
            raise QdsimError(f"'{self.compound}' is no compound AB.")
        return matched[1], matched[2]

    def body(self) -> Shape:
        """Return the shape that particles are cut to.

        Raises
        ------
        QdsimError
            If it is unknown.
        """
        shape = Shape.from_name(self.shape) if isinstance(self.shape, str) else Shape.from_facets(self.shape)
        return shape if self.elongation == 1 else shape.elongated(self.elongation, self.axis)

    def particle(self, diameter: float | None = None) -> LatticeParticle:
        """Cut one particle; regions are 0 in the core and 1 in the shell.

        Parameters
        ----------
        diameter
            Å; by default the mean diameter.

        Raises
        ------
        QdsimError
            If there is no such particle.
        """
        size = self.diameter if diameter is None else diameter
        expansion = 1 - self.size_strain / size
        state = RhombohedralState.from_lattice_constant(
            self.lattice_constant * expansion, self.alpha_rh, self.pb_offset
        )
        return cut_rocksalt(
            self.cation,
            self.anion,
            state,
            self.body(),
            size * expansion,
            centre=self.centre,
            shell_thickness=self.shell_thickness * expansion,
        )

    def occupancies(self, particle: LatticeParticle) -> FloatArray:
        """Return the occupancy of each atom of a particle of this model, shape (N,)."""
        table = np.array(
            [
                [self.occupancy_cation_core, self.occupancy_cation_shell],
                [self.occupancy_anion_core, self.occupancy_anion_shell],
            ]
        )
        return np.asarray(table[particle.points.sites, particle.points.regions])

    def composition(self) -> tuple[float, float]:
        """Return the numbers of cations and anions in a particle of the mean diameter, vacancies left out."""
        particle = self.particle()
        occupancy = self.occupancies(particle)
        cations = particle.points.sites == 0
        return float(occupancy[cations].sum()), float(occupancy[~cations].sum())

    def coverage(self) -> float:
        """Return the monovalent ligands per nm^2 that balance the charge of a particle of the mean diameter."""
        return ligand_coverage(*self.composition(), self.body().surface_area(self.diameter))

    def mean_area(self) -> float:
        """Return the mean surface area of the particles, Å^2."""
        return self.body().surface_area(1.0) * (self.diameter**2 + self.diameter_sd**2)

    def with_values(self, values: Mapping[str, float]) -> Self:
        """Return the model with other values of some of its fields.

        Raises
        ------
        QdsimError
            If there is no such field, or no such model.
        """
        try:
            return type(self).model_validate(self.model_dump() | dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            message = first["msg"].removeprefix("Value error, ")
            raise QdsimError(f"There is no such model: {field and field + ': '}{message}.") from error


class Lognormal:
    """Lognormal number distribution of diameters, and how it changes with its mean and its standard deviation.

    The density is exp(-ln(D/x0)^2/(2 w^2))/(sqrt(2 pi) w D) with w^2 = ln(1 + sd^2/mean^2) and
    x0 = mean/sqrt(1 + sd^2/mean^2), as in Debussy (Cervellino et al., J. Appl. Cryst. 48, 2026 (2015)).

    Parameters
    ----------
    mean, sd
        Mean and standard deviation, above 0, in the same unit.

    Attributes
    ----------
    middle, width
        Mean and standard deviation of ln D.
    """

    def __init__(self, mean: float, sd: float):
        ratio = (sd / mean) ** 2
        variance = log(1 + ratio)
        self.middle, self.width = log(mean) - variance / 2, sqrt(variance)
        changes = 2 * ratio / (1 + ratio) * np.array([-1 / mean, 1 / sd])  # of the variance of ln D
        self._middle_changes = np.array([1 / mean, 0]) - changes / 2
        self._width_changes = changes / (2 * self.width)

    def larger(self, diameters: FloatArray) -> FloatArray:
        """Return the fraction of particles above diameters, and its changes with mean and standard deviation.

        Parameters
        ----------
        diameters
            Shape (n,).

        Returns
        -------
        ndarray, shape (3, n)
        """
        away = (np.log(diameters) - self.middle) / self.width
        density = np.exp(-(away**2) / 2) / (sqrt(2 * pi) * self.width)
        changes = density * (self._middle_changes[:, None] + np.outer(self._width_changes, away))
        return np.vstack([ndtr(-away), changes])

    def density(self, diameters: FloatArray) -> FloatArray:
        """Return the density in ln D at diameters, and its changes with mean and standard deviation, shape (3, ...)."""
        away = (np.log(diameters) - self.middle) / self.width
        density = np.exp(-(away**2) / 2) / (sqrt(2 * pi) * self.width)
        moved, widened = (
            np.multiply.outer(changes, values)
            for changes, values in ((self._middle_changes, away), (self._width_changes, away**2 - 1))
        )
        return np.concatenate([density[None], density * (moved + widened) / self.width])

    def moment_range(self, power: int, beyond: float) -> tuple[float, float]:
        """Return between which diameters all but a part of the mean of D^power is, on either side.

        Parameters
        ----------
        power
            Of the diameter.
        beyond
            Part of the mean that is beyond either end.
        """
        middle, reach = self.middle + power * self.width**2, -float(ndtri(beyond)) * self.width
        return exp(middle - reach), exp(middle + reach)
