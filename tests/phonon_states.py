"""Crystals whose phonons are made up, for tests of what is said of them."""

from collections.abc import Mapping

from qdsim.analysis.phonon_results import DensityOfStates, GammaModes, PhononState, ThermalState


def thermal_state(b_iso: Mapping[str, float], u_iso: Mapping[str, float] | None = None) -> ThermalState:
    """Return the displacements of a harmonic crystal at 300 K."""
    return ThermalState(
        temperature=300,
        free_energy=0,
        entropy=0,
        heat_capacity=0,
        u_iso=dict(u_iso or dict.fromkeys(b_iso, 0.0)),
        b_iso=dict(b_iso),
    )


def phonon_state(
    label: str,
    frequency: float,
    *,
    volume: float = 54,
    sum_rule: float = 0,
    thermal: ThermalState | None = None,
) -> PhononState:
    """Return a centred crystal with a transverse optical mode; one without thermal displacements is unstable."""
    return PhononState(
        label=label,
        volume=volume,
        alpha_rh=60,
        pb_offset=0,
        supercell=(2, 2, 2),
        distance=0.02,
        residual_force=0,
        gamma=GammaModes(
            frequencies=[0, 0, 0, *[frequency] * 3],
            transverse_optical=frequency,
            antiphase=1,
            acoustic=0,
            sum_rule=sum_rule,
        ),
        lowest=min(0, frequency),
        lowest_where="Γ",
        bands=(),
        density_of_states=DensityOfStates(frequencies=[], total=[], by_element={}),
        thermal=() if thermal is None else (thermal,),
        message="The crystal is unstable." if thermal is None else None,
    )
