from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from ruamel.yaml import YAML

from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import Plan, plan_campaign
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

LATTICE = {"lattice_constant": 5.98, "alpha_rh": 59.1}


def plan(tmp_path: Path, memory: float | None = None, **dipole: Any) -> Plan:
    section = {"lattice": LATTICE, "particles": {"d12": {"diameter": 12}}, **dipole}
    document: dict[str, Any] = {"name": "a", "compound": "PbS", "dipole": section}
    if memory is not None:
        document["resources"] = {"memory": memory}
    path = tmp_path / "campaign.yaml"
    YAML().dump(document, path)
    return plan_campaign(load_campaign(path))


def test_every_particle_is_computed_undistorted_and_at_each_offset(tmp_path: Path) -> None:
    made = plan(tmp_path, offsets=[0.06, 0.12], particles={"d12": {"diameter": 12}, "d14": {"diameter": 14}})
    states = ("undistorted", "offset_p0p0600", "offset_p0p1200")
    assert [task.label for task in made.tasks] == [
        f"{particle}__{state}__{kind}"
        for particle in ("d12", "d14")
        for state in states
        for kind in ("coarse", "single_point")
    ]
    assert all(not task.atoms.pbc.any() for task in made.tasks)
    assert len({task.atoms.cell.lengths()[0] for task in made.tasks[:6]}) == 1
    assert made.dipole is not None
    point = made.dipole.parameters["d12"]["single_point"]["FORCE_EVAL"]["DFT"]["PRINT"]["MOMENTS"]["REFERENCE_POINT"]
    middle = made.tasks[0].atoms.cell.lengths()[0] / 2
    assert [float(x) * 0.529177 for x in point.split()] == pytest.approx([middle] * 3, rel=1e-5)


def test_a_coarse_start_costs_little_and_is_left_out_where_it_saves_nothing(tmp_path: Path) -> None:
    coarse, fine = plan(tmp_path, offsets=[0.1], undistorted=False).tasks
    assert coarse.parameters["FORCE_EVAL"]["DFT"]["MGRID"]["CUTOFF"] == 80
    assert fine.parameters["FORCE_EVAL"]["DFT"]["MGRID"]["CUTOFF"] == 300
    (alone,) = plan(tmp_path, offsets=[0.1], undistorted=False, coarse_start=None).tasks
    assert alone.parameters == fine.parameters
    assert coarse.core_hours + fine.core_hours < 0.6 * alone.core_hours
    for section in ({"overrides": {"cutoff": 70}}, {"relax": True}):
        made = plan(tmp_path, offsets=[0.1], **section)
        assert "coarse" not in {task.label.rpartition("__")[2] for task in made.tasks}


def test_a_relaxed_series_relaxes_first(tmp_path: Path) -> None:
    made = plan(tmp_path, offsets=[0.12], relax=True)
    assert [task.label.rpartition("__")[2] for task in made.tasks] == ["relaxation", "single_point"] * 2
    assert made.tasks[0].parameters["GLOBAL"]["RUN_TYPE"] == "GEO_OPT"


def test_the_solver_suits_the_box(tmp_path: Path) -> None:
    def solver(**dipole: Any) -> str:
        made = plan(tmp_path, **dipole)
        assert made.dipole is not None
        return made.dipole.dipole.particles[0].solver

    assert solver() == "WAVELET"
    assert solver(particles={"d12": {"diameter": 12, "box": 40}}) == "MT"
    assert solver(particles={"d12": {"diameter": 12, "box": 40}}, solver="WAVELET") == "WAVELET"


def test_the_lattice_of_a_fit_brings_its_offset(tmp_path: Path) -> None:
    fits = tmp_path / "fits.yaml"
    fits.write_text(
        "compound: PbS\nsamples:\n"
        "- {name: small, lattice_constant: 5.96, alpha_rh: 59.1, pb_offset: 0.12}\n"
        "- {name: b, diameter: 50}\n"
    )
    made = plan(tmp_path, lattice={"fits": str(fits), "sample": "small"})
    assert made.dipole is not None
    assert made.dipole.dipole.offsets == (0.06, 0.12)
    assert made.dipole.dipole.alpha_rh == 59.1
    assert made.dipole.dipole.volume == pytest.approx(5.96**3 / 4)
    with pytest.raises(QdsimError, match=r"no sample 'large'; there are small, b"):
        plan(tmp_path, lattice={"fits": str(fits), "sample": "large"})
    with pytest.raises(QdsimError, match="states no volume, lattice constant or bonds: give lattice_constant"):
        plan(tmp_path, lattice={"fits": str(fits), "sample": "b"})


def test_the_lattice_of_a_fit_beside_the_campaign_follows_from_its_bonds(tmp_path: Path) -> None:
    sample = "{name: small, alpha_rh: 59.1, bond_short: 2.91, bond_long: 3.05}"
    (tmp_path / "fits.yaml").write_text(f"compound: PbS\nsamples:\n- {sample}\n")
    made = plan(tmp_path, lattice={"fits": "fits.yaml", "sample": "small"})
    assert made.dipole is not None
    chosen = made.dipole.dipole
    state = RhombohedralState(chosen.volume, chosen.alpha_rh, chosen.offsets[-1])
    assert state.bond_lengths == pytest.approx((2.91, 3.05), abs=1e-3)


@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize("sign", [1, -1])
def test_the_lattice_of_a_relaxed_crystal_brings_its_offset_unless_others_are_asked_for(
    tmp_path: Path, sign: int
) -> None:
    crystal = RhombohedralState.from_lattice_constant(5.98, 59.1, sign * 0.1).to_atoms("Pb", "S")
    lattice = {"node": orm.StructureData(ase=crystal).store().pk}
    own = (sign * 0.05, sign * 0.1)
    cases: list[tuple[dict[str, Any], tuple[float, ...]]] = [({}, own), ({"offsets": [0.2]}, (0.2,))]
    for asked, expected in cases:
        made = plan(tmp_path, lattice=lattice, **asked).dipole
        assert made is not None
        assert made.dipole.offsets == expected
        assert made.dipole.alpha_rh == pytest.approx(59.1)
        assert made.dipole.volume == pytest.approx(5.98**3 / 4)


def test_facets_and_nodes_may_be_given_as_numbers_and_centres_as_elements(tmp_path: Path) -> None:
    def composition(**particle: Any) -> dict[str, int]:
        made = plan(tmp_path, particles={"d": {"diameter": 16, "surface": "balanced", **particle}})
        assert made.dipole is not None
        return made.dipole.clusters["d"].composition

    assert composition(shape={100: 1, 111: 1.1}) == composition(shape={"100": 1, "111": 1.1})
    for element, centre in (("Pb", "cation"), ("S", "anion")):
        assert composition(centre=element) == composition(centre=centre)
    document = {
        "name": "a",
        "compound": "PbS",
        "dipole": {"lattice": {"node": 12}, "particles": {"d": {"diameter": 9}}},
    }
    YAML().dump(document, tmp_path / "node.yaml")
    read = load_campaign(tmp_path / "node.yaml").dipole
    assert read is not None
    assert read.lattice.node == "12"


def test_what_is_doubtful_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    both: dict[str, Any] = {"offsets": [-0.12, 0.12]}
    assert plan(tmp_path, **both).advice == ()
    (sentence,) = plan(tmp_path, particles={"d": {"diameter": 14, "centre": "bond"}}, **both).advice
    assert "172 D without any offset, an asymmetry of the facets" in sentence
    (sentence,) = plan(tmp_path, particles={"d": {"diameter": 14, "box": 14}}, **both).advice
    assert "2.5 Å from the box" in sentence


def test_a_charged_particle_needs_a_point_of_reference(tmp_path: Path) -> None:
    charged = {"diameter": 16, "centre": "cation"}
    with pytest.raises(
        QdsimError,
        match=r"dipole.particles.c: the particle is charged, 2·43 \(Pb\) − 2·38 \(S\) = \+10, .*"
        "take centre: tetrahedral, or surface: Cl, formate, balanced or pseudohydrogen, or state a reference_point",
    ):
        plan(tmp_path, particles={"c": charged})
    with pytest.raises(QdsimError, match="take as many vacancies of the other ions, or surface: balanced or pseudohyd"):
        plan(tmp_path, particles={"c": {"diameter": 16, "vacancies": {"Pb": 1}}})
    made = plan(tmp_path, particles={"c": {**charged, "reference_point": [0, 0, 0]}})
    assert made.tasks[0].parameters["FORCE_EVAL"]["DFT"]["CHARGE"] == 10
    neutral = plan(tmp_path, particles={"c": {**charged, "surface": "Cl"}})
    assert "CHARGE" not in neutral.tasks[0].parameters["FORCE_EVAL"]["DFT"]


@pytest.mark.parametrize(
    ("dipole", "message"),
    [
        ({"particles": {"d": {"diameter": 12, "box": 11}}}, r"dipole.particles.d: The box of 11 Å is too small"),
        ({"particles": {"d": {"diameter": 4}}}, "dipole.particles.d: .*below one cell"),
        ({"particles": {"d": {"diameter": 12, "shape": {"abc": 1}}}}, "no family of facets"),
        ({"particles": {"d": {"diameter": 12, "shape": "dodecahedron"}}}, "Unknown shape"),
        ({"particles": {"d": {"diameter": 12, "surface": "Cl"}}}, "nothing that Cl could balance"),
        ({"particles": {"d": {"diameter": 12, "shape": {100: -1}}}}, r"line \d+: dipole.particles.d.shape.100: Input"),
        ({"particles": {"d": {"diameter": 12, "centre": "hole"}}}, "Unknown centre 'hole': use .*tetrahedral, Pb, S,"),
        ({"particles": {"d": {"diameter": 12, "surface": "oleate"}}}, r"d.surface: .*'formate'.*'Cl', 'Br' or 'I'.$"),
        ({"particles": {}}, "particles"),
        ({"particles": {"d 1": {"diameter": 12}}}, "no name of a particle"),
        ({"solver": "MT"}, "the solver MT needs a box of twice"),
        ({"offsets": [0.1, 0.1]}, "the same offset is given twice"),
        ({"lattice": {}}, "give one of linear_strain, lattice_constant, node, fits"),
        ({"lattice": {"fits": "x.yaml"}}, "fits and sample go together"),
        ({"overrides": {"k_points": [2, 2, 2]}}, "OT works at the Gamma point only"),
        ({"protocol": "clustr"}, "did you mean 'cluster'"),
        ({"coarse_start": {"cutof": 80}}, "dipole.coarse_start: Unknown setting 'cutof'"),
        ({"coarse_start": {"basis_set": "SZV-MOLOPT-SR-GTH"}}, "a wavefunction is of use to calculations of its basis"),
    ],
)
def test_bad_input_is_told_with_its_place(tmp_path: Path, dipole: dict[str, Any], message: str) -> None:
    with pytest.raises(QdsimError, match=message):
        plan(tmp_path, **dipole)


def test_what_cannot_fit_is_refused_with_what_would(tmp_path: Path) -> None:
    large = {"d32": {"diameter": 32, "box": 60}}
    with pytest.raises(
        QdsimError, match=r"about \d+ GB, and resources.memory is 8 GB: take a smaller particle, or a n"
    ):
        plan(tmp_path, memory=8, particles=large)
    with pytest.raises(QdsimError, match=r"is 24 GB: take box: 39 and overrides: {cutoff: 290}, or a node with 71 GB"):
        plan(tmp_path, memory=24, particles=large)
    assert plan(tmp_path, memory=71, particles=large).tasks
    assert plan(tmp_path, memory=24, particles={"d32": {"diameter": 32, "box": 39}}, overrides={"cutoff": 290}).tasks
    roomy = {"d20": {"diameter": 20, "box": 60}}
    with pytest.raises(QdsimError, match=r"take box: 27, or a node"):
        plan(tmp_path, memory=24, particles=roomy)


def test_it_is_said_where_the_sign_of_an_offset_makes_another_cluster(tmp_path: Path) -> None:
    chloride = {"diameter": 16, "centre": "cation", "surface": "Cl"}
    particles = {"hole": {"diameter": 12}, "chloride": chloride}
    one = " ".join(plan(tmp_path, offsets=[0.12], particles=particles).advice)
    assert "dipole.particles.hole: it has no centre of inversion" in one
    assert "give the offset -0.12 too" in one
    assert "chloride: symmetry" not in one
    both = " ".join(plan(tmp_path, offsets=[-0.12, 0.12], particles=particles).advice)
    assert "inversion" not in both
    assert "dipole.particles.chloride: symmetry makes an offset and the opposite one the same cluster" in both


def test_dielectric_spheres_are_those_of_the_compound_or_given_with_a_source(tmp_path: Path) -> None:
    made = plan(tmp_path).dipole
    assert made is not None
    assert [(one["born_charge"], one["eps_inf"]) for one in made.models["spheres"]] == [(4.4, 17.2), (4.65, 9.2)]
    mine = {"born_charge": 4.0, "eps_inf": 15.0, "source": "a paper"}
    given = plan(tmp_path, models={"spheres": [mine]}).dipole
    assert given is not None
    assert given.models == {"spheres": [mine]}
    with pytest.raises(QdsimError, match="source"):
        plan(tmp_path, models={"spheres": [{"born_charge": 4.0, "eps_inf": 15.0}]})
