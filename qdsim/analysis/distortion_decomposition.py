"""How a distortion of the lattice changes formation energies: volume, angle, off-centring and relaxation."""

from collections.abc import Sequence
from math import isclose

from pydantic import Field

from qdsim.analysis.chemical_potentials import Reservoir
from qdsim.analysis.formation_energy import formation_energy, hosts_by_label, is_at, name_of
from qdsim.analysis.host_stability import SAME_OFFSET, host_gain
from qdsim.analysis.model import ResultModel
from qdsim.analysis.vacancy_results import DefectState, HostState, VacancyResults
from qdsim.structures import CUBIC_ANGLE

SAME_ENERGY = 1e-6
"""Energies (eV per formula unit) this near are of one crystal."""


class Decomposition(ResultModel):
    """What the parts of a distortion contribute to a formation energy, eV; a reservoir cancels.

    `volume`, `angle` and `off_centring` are of the unrelaxed energies along undistorted -> strained -> angle ->
    rhombohedral. With `relaxation`, what relaxing gains in the rhombohedral minus in the undistorted host, they sum to
    `total`. A charged vacancy has its Fermi level at the same distance from each host's valence band maximum.
    """

    defect: str
    charge: int
    undistorted: str | None = Field(description="Label of the host (V0, 60°, 0).")
    strained: str | None = Field(description="Label of the host (V, 60°, 0).")
    angle_only: str | None = Field(description="Label of the host (V, alpha, 0).")
    rhombohedral: str = Field(description="Label of the host (V, alpha, u).")
    volume: float | None
    angle: float | None
    off_centring: float | None
    relaxation: float | None
    total: float | None = Field(description="Relaxed formation energy in the rhombohedral minus undistorted host.")
    equal_volume_unrelaxed: float | None = Field(description="Unrelaxed, rhombohedral minus strained host.")
    equal_volume_relaxed: float | None = Field(description="Relaxed, rhombohedral minus strained host.")
    strained_gain: float | None = Field(
        None,
        description="What the strained host itself gains by distorting, eV a supercell: its relaxed vacancies, and so "
        "`equal_volume_relaxed`, may hold as much of it.",
    )
    missing: tuple[str, ...] = Field((), description="One sentence for each thing that a missing part needs.")


def decompose_distortion(
    results: VacancyResults, fermi_level: float = 0.0, undistorted_volume: float | None = None
) -> tuple[Decomposition, ...]:
    """Split what the distortion does to the formation energies into volume, angle, off-centring and relaxation.

    Hosts are found by volume, angle and offset, whatever their labels, within `SAME_VOLUME`, `SAME_ANGLE` and
    `SAME_OFFSET`. Defects are found by what is taken away and by their label; pairs with a `separation` by their shell
    of neighbours, since distances differ between hosts. Orderings are left out: their numbers mean different ones in
    different hosts.

    Parameters
    ----------
    fermi_level
        Above each host's valence band maximum, eV.
    undistorted_volume
        V0, Å^3 per formula unit. By default that of the cubic host that has the energy of the compound.

    Returns
    -------
    tuple of Decomposition
        One for each defect and charge in each off-centred host.

    Raises
    ------
    QdsimError
        If a defect's host is missing.
    """
    hosts = hosts_by_label(results)
    return tuple(
        _decompose(results, defect, hosts[defect.host], fermi_level, undistorted_volume)
        for defect in results.defects
        if defect.concentration is None and abs(hosts[defect.host].pb_offset) > SAME_OFFSET
    )


def _decompose(
    results: VacancyResults, defect: DefectState, distorted: HostState, fermi_level: float, volume0: float | None
) -> Decomposition:
    volume, alpha = distorted.volume, distorted.alpha_rh
    path = {
        "undistorted": _undistorted(results, volume0),
        "strained": [host for host in results.hosts if is_at(host, volume, CUBIC_ANGLE, 0.0)],
        "angle": [host for host in results.hosts if is_at(host, volume, alpha, 0.0)],
        "rhombohedral": [distorted],
    }
    reservoir = Reservoir(
        name="any",
        cation=results.cation,
        anion=results.anion,
        mu=dict.fromkeys(defect.removed, 0.0),
        delta_mu={},
        within_window=True,
    )
    labels: dict[str, str | None] = {}
    relaxed: dict[str, float | None] = {}
    unrelaxed: dict[str, float | None] = {}
    missing: list[str] = []
    for name, hosts in path.items():
        candidates = [(host, other) for host in hosts for other in _alike(results, host, defect, distorted)]
        labels[name], relaxed[name], unrelaxed[name] = None, None, None
        if len(candidates) != 1:
            missing.append(_why_none(name, hosts, defect, len(candidates)))
            continue
        host, other = candidates[0]
        row = formation_energy(other, host, reservoir, fermi_level)
        labels[name] = host.label
        relaxed[name] = row.relaxed.total if row.relaxed else None
        unrelaxed[name] = row.unrelaxed.total if row.unrelaxed else None
        if unrelaxed[name] is None or (relaxed[name] is None and name != "angle"):
            missing.append(row.failure or f"The ions in {host.label} are held.")
    total = _minus(relaxed["rhombohedral"], relaxed["undistorted"])
    gain = next((host_gain(results, host) for host in results.hosts if host.label == labels["strained"]), None)
    return Decomposition(
        defect=defect.defect,
        charge=defect.charge,
        undistorted=labels["undistorted"],
        strained=labels["strained"],
        angle_only=labels["angle"],
        rhombohedral=distorted.label,
        volume=_minus(unrelaxed["strained"], unrelaxed["undistorted"]),
        angle=_minus(unrelaxed["angle"], unrelaxed["strained"]),
        off_centring=_minus(unrelaxed["rhombohedral"], unrelaxed["angle"]),
        relaxation=_minus(total, _minus(unrelaxed["rhombohedral"], unrelaxed["undistorted"])),
        total=total,
        equal_volume_unrelaxed=_minus(unrelaxed["rhombohedral"], unrelaxed["strained"]),
        equal_volume_relaxed=_minus(relaxed["rhombohedral"], relaxed["strained"]),
        strained_gain=None if gain is None else gain.energy,
        missing=tuple(dict.fromkeys(missing)),
    )


def _undistorted(results: VacancyResults, volume: float | None) -> list[HostState]:
    """Find the cubic hosts of a volume, or of the compound's energy."""
    cubic = [host for host in results.hosts if is_at(host, host.volume, CUBIC_ANGLE, 0.0)]
    if volume is not None:
        return [host for host in cubic if is_at(host, volume, CUBIC_ANGLE, 0.0)]
    energy = results.compound_energy
    if energy is None:
        return []
    return [
        host
        for host in cubic
        if host.energy is not None and isclose(host.energy / host.formula_units, energy, rel_tol=0, abs_tol=SAME_ENERGY)
    ]


def _alike(results: VacancyResults, host: HostState, defect: DefectState, distorted: HostState) -> list[DefectState]:
    """Find the defects of a host that become a given one of a distorted host; in that host, the defect itself."""
    if host is distorted:
        return [defect]

    def same_arrangement(other: DefectState) -> bool:
        if other.separation is None or defect.separation is None:
            return other.defect == defect.defect
        return _shell(other, host) == _shell(defect, distorted)

    return [
        other
        for other in results.defects
        if other.host == host.label
        and other.concentration is None
        and (other.removed, other.charge) == (defect.removed, defect.charge)
        and same_arrangement(other)
    ]


def _shell(defect: DefectState, host: HostState) -> int:
    """Which neighbours a pair of rock salt are: the squared distance in units of the half lattice constant's.

    It is odd between a cation and an anion and even between two of a kind, so a distortion may change it by up to one.
    """
    odd = len(defect.removed) > 1
    square: float = ((defect.separation or 0.0) / ((4 * host.volume) ** (1 / 3) / 2)) ** 2
    return 2 * round((square - odd) / 2) + odd


def _why_none(name: str, hosts: Sequence[HostState], defect: DefectState, found: int) -> str:
    if found > 1:
        return f"{found} defects of {name} hosts are like {name_of(defect)}: none of them is preferred."
    if not hosts:
        which = {
            "undistorted": "cubic, with the compound's energy or the volume that is given",
            "strained": "cubic, at the volume of the distorted one",
            "angle": "with the cell of the distorted one, not off-centred",
        }[name]
        return f"There is no {name} host: {which}."
    failure = hosts[0].failure or ("its energy is missing." if hosts[0].energy is None else "it was not made there.")
    return f"The {name} host {hosts[0].label} lacks {name_of(defect)}: {failure}"


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
