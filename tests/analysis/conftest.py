"""A crystal with a Landau energy, whose distortion and pressure are known at every strain, and series made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
import pytest
from ase.eos import birchmurnaghan
from ase.units import GPa

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.analysis.strain_results import Onset, Phase, StrainPoint, StrainResults
from qdsim.structures import RhombohedralState

A0, BULK_MODULUS, DERIVATIVE, E0 = 6.008, 53.1, 4.3, -376.14
V0 = A0**3 / 4
STRESS_ERROR = 0.03
"""GPa; of the stress tensor against the equation of state, as of a finite basis."""
STRAINS = (-0.0013, 0.0037, 0.0087, 0.0137, 0.0187)
"""Those of examples/onset.yaml."""


@cache
def equation_of_state() -> EquationOfState:
    volumes = V0 * np.linspace(0.92, 1.12, 9)
    energies = birchmurnaghan(volumes, E0, BULK_MODULUS * GPa, DERIVATIVE, V0)
    return fit_birch_murnaghan(volumes.tolist(), energies.tolist())


@dataclass(frozen=True)
class Landau:
    """E = E(V) + A s + B s^2 + C s^3 + K eta^2/2 + D s eta, with s = offset^2, eta = alpha - 60, A = -k x + q x^2.

    x is the linear strain beyond the onset. The standard values are about those of lead sulphide.
    """

    onset: float = 0.0063
    k: float = 13.6
    q: float = 20.0
    b: float = 2.3
    c: float = -1.0
    stiffness: float = 0.005
    coupling: float = 0.076

    def quadratic(self, strain: float) -> float:
        beyond = strain - self.onset
        return -self.k * beyond + self.q * beyond**2

    def energy(self, volume: float, alpha: float, offset: float) -> float:
        strain, s, eta = (4 * volume) ** (1 / 3) / equation_of_state().lattice_constant - 1, offset**2, alpha - 60
        well = self.quadratic(strain) * s + self.b * s**2 + self.c * s**3
        return equation_of_state().energy_at(volume) + well + self.stiffness * eta**2 / 2 + self.coupling * s * eta

    def state(self, strain: float) -> RhombohedralState:
        """Return the lattice of least energy."""
        a, b, s = self.quadratic(strain), self.b - self.coupling**2 / (2 * self.stiffness), 0.0
        if a < 0:
            s = (sqrt(b**2 - 3 * self.c * a) - b) / (3 * self.c)
        volume = equation_of_state().volume * (1 + strain) ** 3
        return RhombohedralState(volume, 60 - self.coupling * s / self.stiffness, sqrt(s))

    def pressure(self, strain: float) -> float:
        """Return the pressure of that lattice, GPa: only A depends on the volume."""
        state = self.state(strain)
        slope = (-self.k + 2 * self.q * (strain - self.onset)) / (3 * state.volume / (1 + strain))
        return equation_of_state().pressure_at(state.volume) - slope * state.offset**2 / GPa

    def point(self, strain: float, state: RhombohedralState) -> StrainPoint:
        volume = state.volume
        centred = equation_of_state().pressure_at(volume)
        return StrainPoint(
            label=f"strain_{strain:+.4f}",
            linear_strain=strain,
            volumetric_strain=(1 + strain) ** 3 - 1,
            lattice_constant=state.lattice_constant,
            volume=volume,
            eos_pressure=centred,
            centred=phase(RhombohedralState(volume), centred + STRESS_ERROR),
            relaxed=phase(state, self.pressure(strain) + STRESS_ERROR),
            double_well=None,
            energy_gain=None,
        )

    def series(
        self, strains: Sequence[float] = STRAINS, onset: float | None = None, onset_error: float | None = 1e-5
    ) -> StrainResults:
        """Return what a strain series would find; the onset may be given."""
        return StrainResults(
            compound="PbS",
            protocol="made up",
            equation_of_state=equation_of_state(),
            points=[self.point(strain, self.state(strain)) for strain in strains],
            onset_curvature=onset_at(self.onset if onset is None else onset, onset_error),
            onset_order_parameter=None,
            onset_messages=[],
        )

    def noisy_series(self, strains: Sequence[float], onset_error: float, rng: np.random.Generator) -> StrainResults:
        """Return a series whose distorted lattices are relaxed to 0.02 degrees and 0.002 Å only."""
        found = self.series(strains, self.onset + onset_error * rng.normal(), onset_error)
        states = [self.state(strain) for strain in strains]
        points = [
            self.point(
                strain,
                RhombohedralState(state.volume, state.alpha + 0.02 * rng.normal(), state.offset + 0.002 * rng.normal()),
            )
            if state.offset > 0
            else self.point(strain, state)
            for strain, state in zip(strains, states, strict=True)
        ]
        return found.model_copy(update={"points": points})


def onset_at(strain: float, error: float | None) -> Onset:
    a = equation_of_state().lattice_constant * (1 + strain)
    return Onset(
        method="energy curvature",
        linear_strain=strain,
        linear_strain_error=error,
        lattice_constant=a,
        volume=a**3 / 4,
        pressure=equation_of_state().pressure_at(a**3 / 4),
        note="made up for a test",
    )


def phase(state: RhombohedralState, pressure: float) -> Phase:
    short, long = state.bond_lengths
    return Phase(
        volume=state.volume,
        lattice_constant=state.lattice_constant,
        alpha_rh=state.alpha,
        pb_offset=abs(state.offset),
        energy=E0,
        pressure=pressure,
        gap=None,
        space_group="R3m (160)" if state.offset else "Fm-3m (225)",
        bond_short=short,
        bond_long=long,
        single_points=1,
    )


@pytest.fixture(scope="session")
def lead_sulphide() -> Landau:
    """Return a crystal like lead sulphide."""
    return Landau()


@pytest.fixture(scope="session")
def landau() -> type[Landau]:
    """Return the class, for other crystals."""
    return Landau


@pytest.fixture(scope="session")
def random_landau() -> Callable[[np.random.Generator], Landau]:
    """Return a function that draws crystals with a continuous transition."""

    def draw(rng: np.random.Generator) -> Landau:
        return Landau(
            onset=rng.uniform(0.001, 0.012),
            k=rng.uniform(9, 17),
            q=rng.uniform(-60, 60),
            b=rng.uniform(2.2, 2.6),
            c=rng.uniform(-1, 4),
            stiffness=rng.uniform(0.005, 0.007),
            coupling=rng.uniform(0.06, 0.08),
        )

    return draw
