from collections.abc import Callable

import numpy as np
import pytest
from ase.units import Debye

from qdsim.analysis.dipole import (
    AXIS,
    SphereInputs,
    dielectric_sphere_dipole,
    offset_response,
    point_charge_dipole,
    potential_drop,
    project,
)
from qdsim.analysis.dipole_analysis import DipoleModels, DipoleRow, Target, analyse_dipoles, with_spheres
from qdsim.analysis.dipole_results import ClusterState, DipoleResults
from qdsim.cp2k.compounds import load_compound
from qdsim.errors import QdsimError


def test_a_dipole_is_split_along_the_axis() -> None:
    across = np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    along, angle = project(-3 * AXIS + 4 * across)
    assert along == pytest.approx(-3)
    assert angle == pytest.approx(np.degrees(np.arctan2(4, 3)))
    assert project([0, 0, 0]) == (0.0, 0.0)


def test_models_of_the_particle_of_the_paper() -> None:
    """325 formula units, u = 0.12 Å: 1 e per cation comes near the paper's 190 D, spheres lie on either side."""
    assert point_charge_dipole(325, 0.12) == pytest.approx(187.3, abs=0.1)
    measured, computed = load_compound("PbS").spheres
    assert dielectric_sphere_dipole(325, 0.12, measured.born_charge, measured.eps_inf) == pytest.approx(128.8, abs=0.1)
    assert dielectric_sphere_dipole(325, 0.12, computed.born_charge, computed.eps_inf) == pytest.approx(233.3, abs=0.1)
    assert dielectric_sphere_dipole(10, 0.1, 2.0, 1.0) == pytest.approx(point_charge_dipole(10, 0.1, 2.0))


def test_a_sphere_of_discrete_dipoles_has_the_potential_of_its_moment() -> None:
    drop = potential_drop(190, 32)
    assert drop == pytest.approx(2 * 14.3996 * 190 * Debye / 16**2, rel=1e-5)
    assert potential_drop(-190, 32) == drop


def test_the_response_is_the_slope_of_a_line() -> None:
    offsets = np.array([0.0, 0.05, 0.1, 0.2])
    dipoles = np.outer(1.5 + 80 * offsets, AXIS) + np.outer(np.ones(4), [1, -1, 0])
    response = offset_response(offsets, dipoles, 16)
    assert response.slope == pytest.approx(80)
    assert response.intercept == pytest.approx(1.5)
    assert response.slope_error == pytest.approx(0, abs=1e-9)
    assert response.effective_charge == pytest.approx(80 * Debye / 16)
    assert offset_response([0, 0.1], np.outer([0, 2], AXIS), 1).slope_error is None


def test_the_error_of_the_slope_is_that_of_least_squares() -> None:
    from scipy.stats import linregress

    x, y = np.array([0.0, 0.1, 0.2, 0.3]), np.array([0.1, 0.9, 2.2, 2.9])
    response = offset_response(x, np.outer(y, AXIS), 4)
    assert response.slope_error == pytest.approx(linregress(x, y).stderr)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: offset_response([0.1, 0.1], np.zeros((2, 3)), 3), "two different offsets"),
        (lambda: offset_response([0.0, 0.1], np.zeros((2, 3)), 0), "no cations"),
        (lambda: dielectric_sphere_dipole(1, 0.1, 2, 0.5), "1 or more"),
        (lambda: potential_drop(1, 0), "positive"),
    ],
)
def test_what_has_no_meaning_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        call()


def cluster(particle: str, n: int, offset: float, projection: float | None, **changes: object) -> ClusterState:
    fields: dict[str, object] = {
        "label": f"{particle}__{offset}",
        "particle": particle,
        "diameter": 12.0,
        "composition": {"Pb": n, "S": n},
        "n_atoms": 2 * n,
        "n_cations": n,
        "extent": 10.0,
        "volume": 53.0,
        "alpha_rh": 59.4 if offset else 60.0,
        "pb_offset": offset,
        "formal_dipole": tuple(2 * n * offset / Debye * AXIS),
        "box": 24.0,
        "solver": "WAVELET",
        "dipole": None if projection is None else tuple(projection * AXIS),
        "homo": -5.0,
        "lumo": -4.0,
    }
    return ClusterState.model_validate(fields | changes)


def results(*clusters: ClusterState) -> DipoleResults:
    return DipoleResults(compound="PbS", cation="Pb", anion="S", protocol="cluster", clusters=clusters)


def test_rows_hold_models_and_responses_are_of_the_distorted_lattice() -> None:
    series = [cluster("d12", 16, offset, 5 + 100 * offset) for offset in (0.06, 0.12)]
    found = analyse_dipoles(results(cluster("d12", 16, 0.0, 0.0), *series), DipoleModels())
    undistorted, _, last = found.rows
    assert undistorted.norm == 0
    assert undistorted.angle is None
    assert undistorted.message is None
    assert last.projection == pytest.approx(17)
    assert last.angle == pytest.approx(0, abs=1e-6)
    assert last.one_electron == pytest.approx(16 * 0.12 / Debye)
    assert last.formal == pytest.approx(2 * last.one_electron)
    assert last.surface == pytest.approx(0, abs=1e-9)
    assert found.responses["d12"].slope == pytest.approx(100)
    assert found.responses["d12"].intercept == pytest.approx(5)


def test_spheres_are_shown_from_the_smallest_to_the_largest_by_their_sources() -> None:
    clusters = results(cluster("d32", 325, 0.12, 190.0))
    alone = analyse_dipoles(clusters, DipoleModels())
    assert (alone.rows[0].dielectric_sphere_lowest, alone.rows[0].dielectric_sphere_highest) == (None, None)
    known = DipoleModels(spheres=(SphereInputs(born_charge=4.4, eps_inf=17.2, source="measured"),))
    (row,) = analyse_dipoles(clusters, known).rows
    assert row.dielectric_sphere_lowest == row.dielectric_sphere_highest == pytest.approx(128.8, abs=0.1)
    own = SphereInputs(born_charge=4.65, eps_inf=9.2, source="computed")
    found = with_spheres(analyse_dipoles(clusters, known), [own])
    assert [one.source for one in found.models.spheres] == ["measured", "computed"]
    assert found.rows[0].dielectric_sphere_lowest == pytest.approx(128.8, abs=0.1)
    assert found.rows[0].dielectric_sphere_highest == pytest.approx(233.3, abs=0.1)


def test_the_two_clusters_of_a_particle_without_inversion_are_told_apart() -> None:
    plus = cluster("d7", 4, 0.12, 1.581, sign_matters=True, energy=-100.0)
    minus = cluster("d7", 4, -0.12, -1.595, sign_matters=True, energy=-100.0048)
    found = analyse_dipoles(results(plus, minus), DipoleModels())
    assert found.messages == (
        "d7: offsets of +0.12 and -0.12 Å make two clusters, of 1.581 and 1.595 D, 4.8 meV apart.",
    )
    assert found.responses["d7"].slope == pytest.approx((1.581 + 1.595) / 0.24)
    half = cluster("d7", 4, 0.06, 0.8, sign_matters=True)
    (alone,) = analyse_dipoles(results(half, plus), DipoleModels()).messages
    assert "-0.06, -0.12 Å make other clusters" in alone
    assert not analyse_dipoles(results(half.model_copy(update={"sign_matters": False})), DipoleModels()).messages[1:]


def test_documents_of_one_sphere_are_read() -> None:
    models = DipoleModels.model_validate({"born_charge": 4.43, "eps_inf": 11.3})
    assert models.spheres == (SphereInputs(born_charge=4.43, eps_inf=11.3, source="not stated"),)
    (row,) = analyse_dipoles(results(cluster("d12", 16, 0.12, 9.0)), models).rows
    document = row.model_dump()
    sphere = document.pop("dielectric_sphere_lowest")
    del document["dielectric_sphere_highest"]
    assert DipoleRow.model_validate({**document, "born": 40.0, "dielectric_sphere": sphere}) == row


def test_a_target_is_reached_with_the_charge_of_the_largest_particle() -> None:
    small = [cluster("d12", 16, offset, 100 * offset) for offset in (0.06, 0.12)]
    large = [cluster("d20", 80, offset, 700 * offset) for offset in (0.06, 0.12)]
    target = Target(diameter=32, pb_offset=0.12, formula_units=320, reported_dipole=190)
    found = analyse_dipoles(results(*small, *large), DipoleModels(), target).extrapolation
    assert found is not None
    assert found.particle == "d20"
    assert found.dipole == pytest.approx(4 * 700 * 0.12)
    assert found.lowest == pytest.approx(20 * 100 * 0.12)
    assert found.highest == pytest.approx(4 * 700 * 0.12)


def test_a_charged_particle_tells_nothing_of_a_neutral_one() -> None:
    neutral = [cluster("d12", 16, offset, 100 * offset) for offset in (0.06, 0.12)]
    charged = [cluster("d20", 80, offset, 7000 * offset, formal_charge=-10) for offset in (0.06, 0.12)]
    target = Target(diameter=32, pb_offset=0.12, formula_units=320)
    found = analyse_dipoles(results(*neutral, *charged), DipoleModels(), target)
    assert set(found.responses) == {"d12", "d20"}
    assert found.extrapolation is not None
    assert found.extrapolation.particle == "d12"
    assert found.extrapolation.highest == pytest.approx(20 * 100 * 0.12)
    assert analyse_dipoles(results(*charged), DipoleModels(), target).extrapolation is None


@pytest.mark.parametrize("changes", [{"lumo": -4.95}, {"smeared": True}])
def test_metallic_states_are_left_out_of_the_slope_where_others_give_one(changes: dict[str, object]) -> None:
    stays_open = [cluster("d20", 80, offset, 200 * offset) for offset in (0.03, 0.06)]
    screened = cluster("d20", 80, 0.12, 15.0, **changes)
    found = analyse_dipoles(results(*stays_open, screened), DipoleModels())
    assert found.responses["d20"].slope == pytest.approx(200)
    assert found.messages == ("d20: its slope leaves out 0.12 Å, where it did not stay an insulator.",)
    found = analyse_dipoles(results(stays_open[1], screened), DipoleModels())
    assert found.responses["d20"].slope == pytest.approx(50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lumo": -4.95}, "gap is closed"),
        ({"homo": None}, "told no gap"),
        ({"dipole": (40.0, 40.0, 40.0)}, "more than its gap"),
        ({"smeared": True}, "smeared occupations"),
        ({"formal_charge": 4}, "depends on the point"),
        ({"pb_offset": 0.0}, "Without an offset it has 1.0 D already"),
        ({"dipole": None, "failure": "The SCF did not converge."}, "did not converge"),
    ],
)
def test_doubts_are_told(changes: dict[str, object], message: str) -> None:
    found = analyse_dipoles(results(cluster("d12", 16, 0.06, 1.0, **changes)), DipoleModels())
    assert message in (found.rows[0].message or "")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "open"),
        ({"lumo": -4.95}, "closed"),
        ({"smeared": True}, "smeared"),
        ({"smeared": True, "homo": None}, "smeared"),
        ({"dipole": None, "homo": None, "lumo": None}, None),
    ],
)
def test_it_is_told_of_each_gap_whether_it_stayed_open(changes: dict[str, object], state: str | None) -> None:
    for offset in (0.0, 0.06):
        (row,) = analyse_dipoles(results(cluster("d12", 16, offset, 1.0, **changes)), DipoleModels()).rows
        assert row.gap_state == state


def test_a_particle_of_one_state_has_no_response_and_says_so() -> None:
    found = analyse_dipoles(results(cluster("d12", 16, 0.1, 1.0), cluster("d12", 16, 0.2, None)), DipoleModels())
    assert found.responses == {}
    assert "two different offsets" in found.messages[0]


def test_one_distorted_state_is_compared_with_the_undistorted_one_and_that_is_said() -> None:
    found = analyse_dipoles(results(cluster("d12", 16, 0.0, 0.0), cluster("d12", 16, 0.1, 4.0)), DipoleModels())
    assert found.responses["d12"].slope == pytest.approx(40)
    assert "one distorted state alone" in found.messages[0]
