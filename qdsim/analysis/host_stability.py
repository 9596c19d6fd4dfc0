"""Whether a host is the lowest crystal of its volume: if not, a vacancy's relaxation may hold the host's own gain."""

from typing import NamedTuple

from qdsim.analysis.vacancy_results import DefectState, HostState, VacancyResults

SAME_VOLUME = 1e-4
"""Volumes that differ by less than this fraction are equal."""
SAME_OFFSET = 1e-3
"""Offsets this near (Å) are equal, whatever their sign."""
SMALLEST_GAIN = 1e-3
"""eV for a supercell; less is noise of the energies."""


class HostGain(NamedTuple):
    """What a host gains by becoming another crystal of its volume.

    Attributes
    ----------
    energy
        For the host's supercell, eV.
    label
        Of the lower host.
    """

    energy: float
    label: str


def host_gain(results: VacancyResults, host: HostState) -> HostGain | None:
    """Compare a host with the lowest one of the same volume, angle and offset being others.

    Parameters
    ----------
    results
        With the other hosts.
    host
        One of them.

    Returns
    -------
    HostGain or None
        None where no computed crystal of its volume is lower.
    """
    if host.energy is None:
        return None
    per_unit = host.energy / host.formula_units
    others = [
        HostGain((per_unit - other.energy / other.formula_units) * host.formula_units, other.label)
        for other in results.hosts
        if other.energy is not None and abs(other.volume / host.volume - 1) < SAME_VOLUME
    ]
    best = max(others, default=None)
    return best if best is not None and best.energy > SMALLEST_GAIN else None


def is_untested(results: VacancyResults, host: HostState) -> bool:
    """Tell whether a host is centred and stretched, and no off-centred one of its volume has been computed.

    Rock salt that is stretched beyond its ferroelectric onset is unstable; at rest it is not.
    """
    if abs(host.pb_offset) > SAME_OFFSET:
        return False
    rest = [other.volume for other in results.hosts if _is_at_rest(results, other)]
    same = [other for other in results.hosts if abs(other.volume / host.volume - 1) < SAME_VOLUME]
    stretched = bool(rest) and host.volume > max(rest) * (1 + SAME_VOLUME)
    return stretched and not any(abs(one.pb_offset) > SAME_OFFSET and one.energy is not None for one in same)


def _is_at_rest(results: VacancyResults, host: HostState) -> bool:
    if host.energy is None or results.compound_energy is None or abs(host.pb_offset) > SAME_OFFSET:
        return False
    return abs(host.energy / host.formula_units - results.compound_energy) * host.formula_units < SMALLEST_GAIN


def host_reservations(results: VacancyResults, host: HostState, defect: DefectState) -> tuple[str, ...]:
    """Say what of a relaxed vacancy's energy may be the host's own.

    Parameters
    ----------
    results
        With all hosts.
    host, defect
        The vacancy and its host.
    """
    if defect.energy is None:
        return ()
    found = host_gain(results, host)
    if found is not None:
        held = defect.unrelaxed_energy
        gained = "what relaxing gains here" if held is None else f"the {held - defect.energy:.3f} eV of relaxing here"
        return (
            f"{host.label} is not the lowest crystal of its volume: {found.label} is {found.energy:.3f} eV lower in a "
            f"supercell as large. Up to as much of {gained} may be the host's own gain from distorting, and not the "
            "vacancy's: compare the energies with the ions held.",
        )
    if is_untested(results, host):
        return (
            f"Whether {host.label}, stretched and centred, gains by distorting has not been computed, and a relaxed "
            "vacancy in it may hold such a gain: compare the energies with the ions held, or add an off-centred host "
            "of its volume.",
        )
    return ()
