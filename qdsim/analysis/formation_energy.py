"""Formation energies of vacancies with all their terms."""

from collections.abc import Sequence

from pydantic import Field

from qdsim.analysis.chemical_potentials import Reservoir
from qdsim.analysis.host_stability import SAME_OFFSET, SAME_VOLUME, host_gain, host_reservations
from qdsim.analysis.model import ResultModel
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, HostState, VacancyResults
from qdsim.errors import QdsimError

SAME_ANGLE = 1e-3
"""Angles this near (degrees) are equal."""
FORMAL_VALENCE = 2
"""Electrons that a cation gives and an anion takes in a lead chalcogenide."""
CLOSED_GAP = 0.05
"""A vacancy's gap (eV) below this is closed: its electrons are in the conduction band."""


class EnergyTerms(ResultModel):
    """The terms of one formation energy, all in eV; they sum to `total`."""

    supercell_difference: float = Field(description="Energy with the vacancies minus the host's.")
    chemical: dict[str, float] = Field(description="Atoms taken away times their chemical potential, by element.")
    electron: float = Field(description="Charge times Fermi level, on the scale of the host's bands.")
    electrostatic: float = Field(description="Correction for the images of the charge; 0 where neutral.")
    alignment: float = Field(description="Correction for the potential's alignment; 0 where neutral.")
    total: float


class FormationEnergy(ResultModel):
    """The formation energy of one vacancy or group of vacancies in one host, charge state and reservoir."""

    host: str
    defect: str
    charge: int
    reservoir: str
    fermi_level: float = Field(description="Above the host's valence band maximum, eV.")
    relaxed: EnergyTerms | None = Field(description="Ions relaxed in the host's cell; none where it failed.")
    unrelaxed: EnergyTerms | None = Field(description="Atoms where the host has them; none where it failed.")
    sites_per_formula_unit: float | None = Field(None, description="Equivalent choices; none if never computed.")
    concentration: float | None = Field(None, description="Share of the sublattice that is vacant, of a series.")
    host_gain: float | None = Field(
        None,
        description="What the host's supercell gains by becoming the lowest computed crystal of its volume, eV; a "
        "relaxed vacancy may hold as much of it. None where none is lower.",
    )
    reservations: tuple[str, ...] = ()
    failure: str | None = Field(None, description="Why a number is missing.")


def formation_terms(
    defect: DefectState, host: HostState, reservoir: Reservoir, fermi_level: float = 0.0, *, relaxed: bool = True
) -> EnergyTerms:
    """Sum E(defect) - E(host) + sum n_i mu_i + q (E_VBM + E_F) + correction.

    The formula is that of Freysoldt et al., Rev. Mod. Phys. 86, 253 (2014), with n_i the atoms taken away.

    Parameters
    ----------
    defect, host
        Supercells of equal size and settings.
    reservoir
        Where the atoms go.
    fermi_level
        E_F above the host's valence band maximum, eV.
    relaxed
        Whether the ions are relaxed, or where the host has them.

    Raises
    ------
    QdsimError
        If the host is another than the defect's, an energy is missing, the reservoir does not have an element, or a
        charged supercell has no correction or the host no valence band maximum.
    """
    _check_match(defect, host, reservoir)
    kind = "relaxed" if relaxed else "unrelaxed"
    energy = defect.energy if relaxed else defect.unrelaxed_energy
    if host.energy is None:
        raise QdsimError(f"Host {host.label} has no energy: {host.failure or 'it was not computed.'}")
    if energy is None:
        reason = defect.failure or "it was not computed."
        raise QdsimError(f"{name_of(defect)} in {host.label} has no {kind} energy: {reason}")
    electron, electrostatic, alignment = 0.0, 0.0, 0.0
    if defect.charge:
        correction = _correction(defect, kind)
        if host.vbm is None:
            raise QdsimError(f"Host {host.label} has no valence band maximum: {name_of(defect)} needs it.")
        electron = defect.charge * (host.vbm + fermi_level)
        electrostatic, alignment = correction.electrostatic, correction.alignment
    chemical = {element: n * reservoir.mu[element] for element, n in defect.removed.items()}
    difference = energy - host.energy
    return EnergyTerms(
        supercell_difference=difference,
        chemical=chemical,
        electron=electron,
        electrostatic=electrostatic,
        alignment=alignment,
        total=difference + sum(chemical.values()) + electron + electrostatic + alignment,
    )


def formation_energy(
    defect: DefectState, host: HostState, reservoir: Reservoir, fermi_level: float = 0.0
) -> FormationEnergy:
    """Give both formation energies of a vacancy, or say why one is missing.

    Parameters
    ----------
    fermi_level
        Above the host's valence band maximum, eV.

    Raises
    ------
    QdsimError
        If the host is another than the defect's, or the reservoir does not have an element.
    """
    _check_match(defect, host, reservoir)
    terms: dict[bool, EnergyTerms | None] = {True: None, False: None}
    failures = []
    for relaxed in terms:
        if relaxed and never_relaxed(defect, host):
            continue
        try:
            terms[relaxed] = formation_terms(defect, host, reservoir, fermi_level, relaxed=relaxed)
        except QdsimError as error:
            failures.append(str(error))
    return FormationEnergy(
        host=host.label,
        defect=defect.defect,
        charge=defect.charge,
        reservoir=reservoir.name,
        fermi_level=fermi_level,
        relaxed=terms[True],
        unrelaxed=terms[False],
        sites_per_formula_unit=defect.multiplicity / host.formula_units,
        concentration=defect.concentration,
        reservations=_reservations(defect, reservoir),
        failure=" ".join(dict.fromkeys(failures)) or None,
    )


def tabulate_formation_energies(
    results: VacancyResults, reservoirs: Sequence[Reservoir], fermi_level: float = 0.0
) -> tuple[FormationEnergy, ...]:
    """Give the formation energies of all hosts, defects, charges and reservoirs.

    A failed host has a row for each single defect that the others have, even if none was tried in it.

    Parameters
    ----------
    fermi_level
        Above each host's valence band maximum, eV.

    Raises
    ------
    QdsimError
        If a defect's host is missing, or a reservoir does not have an element.
    """
    hosts = hosts_by_label(results)
    rows = [
        with_host_gain(results, defect, formation_energy(defect, hosts[defect.host], reservoir, fermi_level))
        for defect in results.defects
        for reservoir in reservoirs
    ]
    tried = {(defect.host, defect.defect, defect.charge) for defect in results.defects}
    single = dict.fromkeys((d.defect, d.charge) for d in results.defects if d.concentration is None)
    rows += [
        FormationEnergy(
            host=host.label,
            defect=defect,
            charge=charge,
            reservoir=reservoir.name,
            fermi_level=fermi_level,
            relaxed=None,
            unrelaxed=None,
            failure=f"Host {host.label} has no energy: {host.failure or 'it was not computed.'}",
        )
        for host in results.hosts
        if host.energy is None
        for defect, charge in single
        if (host.label, defect, charge) not in tried
        for reservoir in reservoirs
    ]
    order = {host.label: i for i, host in enumerate(results.hosts)}
    return tuple(sorted(rows, key=lambda row: order[row.host]))


def with_host_gain(results: VacancyResults, defect: DefectState, row: FormationEnergy) -> FormationEnergy:
    """Return a formation energy with what of it may be the host's own gain from distorting."""
    host = hosts_by_label(results)[defect.host]
    found = host_gain(results, host)
    return row.model_copy(
        update={
            "host_gain": None if found is None else found.energy,
            "reservations": (*row.reservations, *host_reservations(results, host, defect)),
        }
    )


def hosts_by_label(results: VacancyResults) -> dict[str, HostState]:
    """Find the hosts by label.

    Raises
    ------
    QdsimError
        If two hosts have one label, or a defect's host is missing.
    """
    hosts = {host.label: host for host in results.hosts}
    if len(hosts) < len(results.hosts):
        raise QdsimError("Two hosts have the same label: give each its own.")
    for defect in results.defects:
        if defect.host not in hosts:
            raise QdsimError(f"{name_of(defect)} has the host {defect.host}, which is not among {', '.join(hosts)}.")
    return hosts


def never_relaxed(defect: DefectState, host: HostState) -> bool:
    """Whether a defect has no relaxed energy because none was wanted."""
    return host.ions_held and defect.energy is None and defect.failure is None


def same_crystal(one: HostState, other: HostState) -> bool:
    """Whether two hosts are the same crystal, maybe in different supercells."""
    return is_at(one, other.volume, other.alpha_rh, other.pb_offset)


def is_at(host: HostState, volume: float, alpha: float, offset: float) -> bool:
    """Whether a host has a volume (Å^3 per formula unit), an angle (degrees) and an offset (Å) of either sign."""
    return (
        abs(host.volume / volume - 1) < SAME_VOLUME
        and abs(host.alpha_rh - alpha) < SAME_ANGLE
        and abs(abs(host.pb_offset) - abs(offset)) < SAME_OFFSET
    )


def _check_match(defect: DefectState, host: HostState, reservoir: Reservoir) -> None:
    if defect.host != host.label:
        raise QdsimError(f"{name_of(defect)} is in the host {defect.host}, not in {host.label}.")
    for element in defect.removed:
        if element not in reservoir.mu:
            raise QdsimError(f"Reservoir {reservoir.name} has no chemical potential of {element}, which is taken away.")


def _correction(defect: DefectState, kind: str) -> ChargeCorrection:
    correction = defect.correction if kind == "relaxed" else defect.unrelaxed_correction
    if correction is None:
        raise QdsimError(
            f"{name_of(defect)} in {defect.host} has no finite-size correction of its {kind} energy: it needs a "
            "dielectric constant, without which a charged supercell's energy means nothing."
        )
    return correction


def _reservations(defect: DefectState, reservoir: Reservoir) -> tuple[str, ...]:
    found = list(defect.reservations)
    if reservoir.message:
        found.append(reservoir.message)
    for kind, correction, right in (
        ("relaxed", defect.correction, "eps_0"),
        ("unrelaxed", defect.unrelaxed_correction, "eps_inf"),
    ):
        if defect.charge and correction and not correction.dielectric_kind.startswith(right):
            found.append(
                f"The {kind} energy is corrected with {correction.dielectric_kind} = {correction.dielectric:g}, "
                f"where {right} belongs."
            )
    filling = _band_filling(defect, reservoir.cation, reservoir.anion)
    return tuple(dict.fromkeys([*found, *([filling] if filling else [])]))


def _band_filling(defect: DefectState, cation: str, anion: str) -> str | None:
    """Carriers that ionic counting leaves in a band, where a small cell smears them."""
    excess = defect.removed.get(cation, 0) - defect.removed.get(anion, 0)
    carriers = FORMAL_VALENCE * excess + defect.charge
    if carriers > 0:
        return (
            f"Ionic counting leaves {_count(carriers, 'hole')} at the valence band edge, which a small cell smears "
            "over the band: the energy contains band filling."
        )
    if carriers < 0 and (defect.gap is None or defect.gap < CLOSED_GAP):
        state = "its gap is not known" if defect.gap is None else f"its gap closes ({defect.gap:.2f} eV)"
        may = "may leave" if defect.gap is None else "leaves"
        return (
            f"Ionic counting {may} {_count(-carriers, 'electron')} in the conduction band ({state}), "
            "which a small cell smears over the band: the energy contains band filling then."
        )
    return None


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def name_of(defect: DefectState) -> str:
    """Name a vacancy with its charge."""
    return f"{defect.defect} with charge {defect.charge:+}" if defect.charge else defect.defect
