from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdsim.analysis.chemical_potentials import (
    StabilityWindow,
    limiting_reservoirs,
    reservoir_at,
    reservoir_between,
    stability_window,
)
from qdsim.analysis.distortion_decomposition import Decomposition, decompose_distortion
from qdsim.analysis.formation_energy import (
    FormationEnergy,
    formation_energy,
    formation_terms,
    tabulate_formation_energies,
)
from qdsim.analysis.vacancy_results import ChargeCorrection, DefectState, ElementState, HostState, VacancyResults
from qdsim.errors import QdsimError

N = 32
PER_UNIT = -376.0
ELEMENTS = (
    ElementState(element="Pb", phase="fcc", energy=-100.0),
    ElementState(element="S", phase="S8 molecule", energy=-275.0),
)
V0, V, ALPHA, U = 54.2, 56.0, 59.3, 0.12
EPS_0 = ChargeCorrection(method="eFNV", dielectric=100, dielectric_kind="eps_0", electrostatic=0.05, alignment=-0.02)
EPS_INF = ChargeCorrection(method="FNV", dielectric=15, dielectric_kind="eps_inf", electrostatic=0.30, alignment=0.01)
numbers = st.floats(-3, 3)


def window() -> StabilityWindow:
    return stability_window("PbS", "Pb", "S", PER_UNIT, ELEMENTS)


def host(label: str = "undistorted", **changes: Any) -> HostState:
    fields: dict[str, Any] = {
        "volume": V0,
        "alpha_rh": 60.0,
        "pb_offset": 0.0,
        "formula_units": N,
        "image_distance": 12.0,
        "energy": N * PER_UNIT,
        "vbm": 5.0,
        "cbm": 5.4,
    }
    return HostState(label=label, **{**fields, **changes})


def vacancy(element: str = "Pb", where: str = "undistorted", **changes: Any) -> DefectState:
    mu = {"Pb": -100.0, "S": -275.0}[element]
    fields: dict[str, Any] = {
        "defect": f"V_{element}",
        "removed": {element: 1},
        "multiplicity": N,
        "unrelaxed_energy": N * PER_UNIT - mu + 2.5,
        "energy": N * PER_UNIT - mu + 2.1,
        "gap": 0.3,
    }
    return DefectState(host=where, **{**fields, **changes})


def results(hosts: list[HostState], defects: list[DefectState], **changes: Any) -> VacancyResults:
    fields: dict[str, Any] = {"compound_energy": PER_UNIT, "k_points": (2, 2, 2), "protocol": "moderate"}
    return VacancyResults(
        compound="PbS",
        cation="Pb",
        anion="S",
        elements=ELEMENTS,
        hosts=tuple(hosts),
        defects=tuple(defects),
        **{**fields, **changes},
    )


def total(row: FormationEnergy) -> float:
    assert row.relaxed is not None
    return row.relaxed.total


def test_a_neutral_vacancy_term_by_term() -> None:
    _, sulphur_rich = limiting_reservoirs(window())
    row = formation_energy(vacancy(), host(), sulphur_rich, fermi_level=0.2)
    assert row.relaxed is not None
    assert row.unrelaxed is not None
    assert row.relaxed.supercell_difference == pytest.approx(102.1)
    assert row.relaxed.chemical == pytest.approx({"Pb": -101.0})
    assert (row.relaxed.electron, row.relaxed.electrostatic, row.relaxed.alignment) == (0, 0, 0)
    assert row.relaxed.total == pytest.approx(1.1)
    assert row.unrelaxed.total == pytest.approx(1.5)
    assert (row.host, row.defect, row.charge, row.reservoir) == ("undistorted", "V_Pb", 0, "S-rich")
    assert row.sites_per_formula_unit == 1
    assert row.failure is None
    assert FormationEnergy.model_validate_json(row.model_dump_json()) == row


def test_a_charged_vacancy_term_by_term() -> None:
    charged = vacancy(charge=-2, correction=EPS_0, unrelaxed_correction=EPS_INF)
    terms = formation_terms(charged, host(), limiting_reservoirs(window())[0], fermi_level=0.1)
    assert terms.electron == pytest.approx(-2 * 5.1)
    assert (terms.electrostatic, terms.alignment) == (0.05, -0.02)
    assert terms.total == pytest.approx(102.1 - 100.0 - 10.2 + 0.03)
    unrelaxed = formation_terms(charged, host(), limiting_reservoirs(window())[0], relaxed=False)
    assert unrelaxed.total == pytest.approx(102.5 - 100.0 - 10.0 + 0.31)


def test_several_vacancies() -> None:
    _, sulphur_rich = limiting_reservoirs(window())
    three = vacancy(removed={"Pb": 2, "S": 1}, energy=N * PER_UNIT + 480.0, multiplicity=6 * N)
    row = formation_energy(three, host(), sulphur_rich)
    assert row.relaxed is not None
    assert row.relaxed.chemical == pytest.approx({"Pb": -202.0, "S": -275.0})
    assert row.relaxed.total == pytest.approx(3.0)
    assert row.sites_per_formula_unit == 6


@given(st.floats(0, 1), numbers)
def test_removing_nothing_costs_nothing(richness: float, fermi_level: float) -> None:
    nothing = DefectState(host="undistorted", defect="none", removed={}, energy=N * PER_UNIT)
    terms = formation_terms(nothing, host(), reservoir_between(window(), richness), fermi_level)
    assert terms.total == 0


@given(st.floats(0, 1), numbers, numbers)
def test_a_pair_of_vacancies_does_not_depend_on_the_reservoir(richness: float, lead: float, sulphur: float) -> None:
    energies = {"Pb": N * PER_UNIT + 100 + lead, "S": N * PER_UNIT + 275 + sulphur}
    reservoir = reservoir_between(window(), richness)
    summed = sum(formation_terms(vacancy(e, energy=energies[e]), host(), reservoir).total for e in ("Pb", "S"))
    assert summed == pytest.approx(lead + sulphur - 1.0, abs=1e-6)


@given(numbers, st.sampled_from([-2, -1, 1, 2]))
def test_the_formation_energy_is_linear_in_the_fermi_level(fermi_level: float, charge: int) -> None:
    charged = vacancy(charge=charge, correction=EPS_0)
    reservoir = limiting_reservoirs(window())[0]
    at_zero = formation_terms(charged, host(), reservoir).total
    assert formation_terms(charged, host(), reservoir, fermi_level).total == pytest.approx(
        at_zero + charge * fermi_level, abs=1e-9
    )


def test_a_charged_vacancy_needs_its_correction_and_the_band_edge() -> None:
    reservoir = limiting_reservoirs(window())[0]
    charged = vacancy(charge=-2, correction=EPS_0)
    with pytest.raises(QdsimError, match=r"charge -2 .* no finite-size correction of its unrelaxed energy"):
        formation_terms(charged, host(), reservoir, relaxed=False)
    with pytest.raises(QdsimError, match="no valence band maximum"):
        formation_terms(charged, host(vbm=None), reservoir)
    row = formation_energy(charged, host(), reservoir)
    assert row.relaxed is not None
    assert row.unrelaxed is None
    assert row.failure is not None
    assert "it needs a dielectric constant" in row.failure


def test_what_does_not_match_is_refused() -> None:
    reservoir = limiting_reservoirs(window())[0]
    with pytest.raises(QdsimError, match="is in the host strained, not in undistorted"):
        formation_energy(vacancy(where="strained"), host(), reservoir)
    with pytest.raises(QdsimError, match="no chemical potential of Pb"):
        formation_energy(vacancy(), host(), reservoir.model_copy(update={"mu": {"S": -275.0}}))
    with pytest.raises(QdsimError, match="host strained, which is not among undistorted"):
        tabulate_formation_energies(results([host()], [vacancy(where="strained")]), [reservoir])
    with pytest.raises(QdsimError, match="same label"):
        tabulate_formation_energies(results([host(), host()], []), [reservoir])


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        (vacancy(), "leaves 2 holes at the valence band edge"),
        (vacancy(charge=-1), "leaves 1 hole at"),
        (vacancy(charge=-2), None),
        (vacancy("S", gap=0.01), r"leaves 2 electrons in the conduction band (its gap closes (0.01 eV))"),
        (vacancy("S", gap=None), "may leave 2 electrons in the conduction band (its gap is not known)"),
        (vacancy("S", gap=0.3), None),
        (vacancy(removed={"Pb": 1, "S": 1}), None),
        (vacancy(removed={"Pb": 3, "S": 1}), "leaves 4 holes"),
    ],
)
def test_band_filling_is_reserved(defect: DefectState, expected: str | None) -> None:
    reservations = formation_energy(defect, host(), limiting_reservoirs(window())[0]).reservations
    if expected is None:
        assert reservations == ()
    else:
        assert expected in reservations[0]


def test_reservations_are_passed_on() -> None:
    outside = reservoir_at(window(), "mine", {"Pb": 0.3})
    defect = vacancy("S", reservations=("It moved.",), charge=2, correction=EPS_INF, unrelaxed_correction=EPS_INF)
    reservations = formation_energy(defect, host(), outside).reservations
    assert reservations[0] == "It moved."
    assert "Pb (fcc) would precipitate" in reservations[1]
    assert "relaxed energy is corrected with eps_inf = 15, where eps_0 belongs" in reservations[2]
    assert len(reservations) == 3


def test_the_table_has_what_failed() -> None:
    hosts = [
        host(),
        host("strained", volume=V, energy=None, failure="No SCF."),
        host("step", volume=V, is_step=True, ions_held=True),
    ]
    defects = [
        vacancy(),
        vacancy("S", energy=None, unrelaxed_energy=None, failure="The walltime was over."),
        vacancy(defect="Pb 6 % #1", concentration=1 / N),
        vacancy("S", where="strained"),
        vacancy(where="step", energy=None),
    ]
    reservoirs = limiting_reservoirs(window())
    table = tabulate_formation_energies(results(hosts, defects), reservoirs)
    found = {(row.host, row.defect, row.reservoir): row for row in table}
    assert len(found) == len(table) == 2 * 6
    failed = found["undistorted", "V_S", "Pb-rich"]
    assert failed.relaxed is None
    assert failed.unrelaxed is None
    assert failed.failure is not None
    assert failed.failure.count("The walltime was over.") == 2
    for defect in ("V_Pb", "V_S"):
        row = found["strained", defect, "S-rich"]
        assert row.relaxed is None
        assert row.failure == "Host strained has no energy: No SCF."
    step = found["step", "V_Pb", "Pb-rich"]
    assert step.relaxed is None
    assert step.unrelaxed is not None
    assert step.failure is None
    assert total(found["undistorted", "V_Pb", "Pb-rich"]) == pytest.approx(2.1)
    assert found["undistorted", "Pb 6 % #1", "Pb-rich"].concentration == 1 / N
    assert [row.host for row in table] == ["undistorted"] * 6 + ["strained"] * 4 + ["step"] * 2


# The path from the undistorted to the rhombohedral crystal


PATH = {
    "a": {"volume": V0},
    "b": {"volume": V, "is_step": True, "ions_held": True, "energy": N * (PER_UNIT + 0.02)},
    "c": {"volume": V, "alpha_rh": ALPHA, "is_step": True, "ions_held": True, "energy": N * (PER_UNIT + 0.03)},
    "d": {"volume": V, "alpha_rh": ALPHA, "pb_offset": -U, "energy": N * (PER_UNIT + 0.01)},
}
"""In no name is what the host is."""


def path_hosts() -> list[HostState]:
    return [host(label, **PATH[label]) for label in "dbca"]


def path_defects(unrelaxed: dict[str, float], relaxed: dict[str, float], **changes: Any) -> list[DefectState]:
    """V_Pb with given energies above its host's."""
    energies = {state.label: state.energy or 0.0 for state in path_hosts()}
    return [
        vacancy(
            where=label,
            unrelaxed_energy=energies[label] + unrelaxed[label],
            energy=energies[label] + relaxed[label] if label in relaxed else None,
            **changes,
        )
        for label in unrelaxed
    ]


def only(decompositions: tuple[Decomposition, ...]) -> Decomposition:
    (decomposition,) = decompositions
    return decomposition


UNRELAXED = {"a": 102.5, "b": 102.1, "c": 102.2, "d": 101.6}
RELAXED = {"a": 102.3, "b": 101.85, "d": 101.1}


def test_the_parts_of_a_distortion() -> None:
    found = only(decompose_distortion(results(path_hosts(), path_defects(UNRELAXED, RELAXED))))
    assert (found.undistorted, found.strained, found.angle_only, found.rhombohedral) == ("a", "b", "c", "d")
    assert found.volume == pytest.approx(-0.4)
    assert found.angle == pytest.approx(0.1)
    assert found.off_centring == pytest.approx(-0.6)
    assert found.relaxation == pytest.approx(-0.5 + 0.2)
    assert found.total == pytest.approx(-1.2)
    assert found.equal_volume_unrelaxed == pytest.approx(-0.5)
    assert found.equal_volume_relaxed == pytest.approx(-0.75)
    assert found.missing == ()
    assert Decomposition.model_validate_json(found.model_dump_json()) == found


@given(st.tuples(*[numbers] * 7), st.sampled_from([0, -2]), numbers)
def test_the_parts_sum_to_the_difference(changes: tuple[float, ...], charge: int, fermi_level: float) -> None:
    unrelaxed = {label: 100 + change for label, change in zip("abcd", changes[:4], strict=True)}
    relaxed = {label: 100 + change for label, change in zip("abd", changes[4:], strict=True)}
    hosts = [state.model_copy(update={"vbm": 5 + state.volume / 100}) for state in path_hosts()]
    defects = path_defects(unrelaxed, relaxed, charge=charge, correction=EPS_0, unrelaxed_correction=EPS_INF)
    computed = results(hosts, defects)
    found = only(decompose_distortion(computed, fermi_level))
    table = tabulate_formation_energies(computed, [limiting_reservoirs(window())[1]], fermi_level)
    energies = {row.host: row for row in table}
    assert found.volume is not None
    assert found.angle is not None
    assert found.off_centring is not None
    assert found.relaxation is not None
    difference = total(energies["d"]) - total(energies["a"])
    assert found.total == pytest.approx(difference, abs=1e-8)
    assert found.volume + found.angle + found.off_centring + found.relaxation == pytest.approx(difference, abs=1e-8)
    assert found.equal_volume_relaxed == pytest.approx(total(energies["d"]) - total(energies["b"]), abs=1e-8)


def test_a_missing_host_takes_its_parts_along() -> None:
    hosts = [state for state in path_hosts() if state.label != "c"]
    defects = path_defects({k: v for k, v in UNRELAXED.items() if k != "c"}, RELAXED)
    found = only(decompose_distortion(results(hosts, defects)))
    assert found.angle is None
    assert found.off_centring is None
    assert found.volume == pytest.approx(-0.4)
    assert found.relaxation == pytest.approx(-0.3)
    assert found.missing == ("There is no angle host: with the cell of the distorted one, not off-centred.",)


def test_a_missing_energy_takes_its_parts_along() -> None:
    defects = path_defects(UNRELAXED, {"a": 102.3, "d": 101.1})
    failed = defects[0].model_copy(update={"unrelaxed_energy": None, "failure": "No SCF."})
    found = only(decompose_distortion(results(path_hosts(), [failed, *defects[1:]])))
    assert found.volume is None
    assert found.relaxation is None
    assert found.equal_volume_relaxed is None
    assert found.total == pytest.approx(-1.2)
    assert found.missing == (
        "V_Pb in a has no unrelaxed energy: No SCF.",
        "The ions in b are held.",
    )


def test_a_host_without_the_defect_says_why() -> None:
    hosts = [*path_hosts()[:-1], host("a", energy=None, failure="It stopped.")]
    found = only(decompose_distortion(results(hosts, path_defects(UNRELAXED, RELAXED)[1:]), undistorted_volume=V0))
    assert found.total is None
    assert found.missing == ("The undistorted host a lacks V_Pb: It stopped.",)
    found = only(decompose_distortion(results(path_hosts(), path_defects(UNRELAXED, RELAXED)[1:])))
    assert found.missing == ("The undistorted host a lacks V_Pb: it was not made there.",)


def test_the_undistorted_host_has_the_energy_of_the_compound() -> None:
    compressed = host("e", volume=50.0, energy=N * (PER_UNIT + 0.1))
    computed = results([compressed, *path_hosts()], [vacancy(where="e"), *path_defects(UNRELAXED, RELAXED)])
    assert only(decompose_distortion(computed)).undistorted == "a"
    assert only(decompose_distortion(computed, undistorted_volume=50.0)).undistorted == "e"
    assert only(decompose_distortion(computed, undistorted_volume=V)).volume == 0
    unknown = only(decompose_distortion(computed.model_copy(update={"compound_energy": None})))
    assert unknown.undistorted is None
    assert unknown.missing == (
        "There is no undistorted host: cubic, with the compound's energy or the volume that is given.",
    )


def test_pairs_are_told_apart_by_their_shell() -> None:
    """Nearest pairs at 3.00 Å, next at 5.20 Å; the distortion splits the nearest."""
    distances = {"a": (3.0, 5.2), "b": (3.04, 5.26), "c": (3.04, 5.2), "d": (2.92, 3.16, 5.3)}
    pairs = [
        vacancy(
            where=label,
            defect=f"V_Pb+V_S at {distance:.2f} Å",
            removed={"Pb": 1, "S": 1},
            separation=distance,
            unrelaxed_energy=PATH[label].get("energy", N * PER_UNIT) + 10 * distance,
        )
        for label, found in distances.items()
        for distance in found
    ]
    found = decompose_distortion(results(path_hosts(), pairs))
    assert [one.defect for one in found] == [f"V_Pb+V_S at {distance:.2f} Å" for distance in distances["d"]]
    assert [one.volume for one in found] == pytest.approx([0.4, 0.4, 0.6], abs=1e-9)
    assert [one.off_centring for one in found] == pytest.approx([-1.2, 1.2, 1.0], abs=1e-9)


def test_two_that_are_alike_are_not_chosen_between() -> None:
    defects = path_defects(UNRELAXED, RELAXED)
    found = only(decompose_distortion(results(path_hosts(), [*defects, defects[1]])))
    assert found.strained is None
    assert found.missing == ("2 defects of strained hosts are like V_Pb: none of them is preferred.",)


def test_orderings_are_not_decomposed() -> None:
    defects = path_defects(UNRELAXED, RELAXED, concentration=1 / N)
    assert decompose_distortion(results(path_hosts(), defects)) == ()
    single = path_defects(UNRELAXED, RELAXED)
    assert only(decompose_distortion(results(path_hosts(), [*single, *defects]))).missing == ()


def test_what_a_host_gains_by_itself_is_told_apart_from_what_its_vacancy_gains() -> None:
    """Cubic PbS stretched beyond its onset is 8 meV a formula unit above R3m: 0.256 eV in 32 units, of 0.4 eV."""
    hosts = [
        host(),
        host("strained", volume=V, energy=N * (PER_UNIT + 0.100)),
        host("distorted", volume=V, alpha_rh=ALPHA, pb_offset=U, energy=N * (PER_UNIT + 0.092)),
    ]
    defects = [vacancy(where=one.label) for one in hosts]
    computed = results(hosts, defects)
    rows = {row.host: row for row in tabulate_formation_energies(computed, limiting_reservoirs(window())[:1])}
    assert rows["undistorted"].host_gain is None
    assert rows["distorted"].host_gain is None
    assert rows["strained"].host_gain == pytest.approx(0.256)
    assert not rows["undistorted"].reservations or "gain" not in " ".join(rows["undistorted"].reservations)
    assert (
        "strained is not the lowest crystal of its volume: distorted is 0.256 eV lower in a supercell as large. Up to "
        "as much of the 0.400 eV of relaxing here may be the host's own gain from distorting, and not the vacancy's: "
        "compare the energies with the ions held."
    ) in rows["strained"].reservations
    (parts,) = decompose_distortion(computed)
    assert parts.strained_gain == pytest.approx(0.256)


def test_a_stretched_host_that_nobody_has_distorted_is_said_to_be_untested() -> None:
    hosts = [host(), host("strained", volume=V, energy=N * (PER_UNIT + 0.100))]
    rows = tabulate_formation_energies(
        results(hosts, [vacancy(), vacancy(where="strained")]), limiting_reservoirs(window())[:1]
    )
    told = {row.host: " ".join(row.reservations) for row in rows}
    assert "Whether strained, stretched and centred, gains by distorting has not been computed" in told["strained"]
    assert "has not been computed" not in told["undistorted"]
    held = [vacancy(where="strained", energy=None)]
    (row,) = tabulate_formation_energies(results(hosts, held), limiting_reservoirs(window())[:1])
    assert "gains by distorting" not in " ".join(row.reservations)
