"""A strain series of real CP2K results checked by patterns that were made from it, and from other distortions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ExitCode, WorkChain, run_get_node
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from ase.build import bulk

from qdsim.analysis.concentrated_vacancies import EquilibriumConcentration, FavourableLimit, VacancySeries
from qdsim.analysis.consistency_results import CheckSettings, Consistency, Row, SampleCheck
from qdsim.analysis.dipole import DEBYE, OffsetResponse
from qdsim.analysis.dipole_analysis import DipoleAnalysis, DipoleModels
from qdsim.analysis.lattice_series import LatticeSeries
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononRow
from qdsim.analysis.scattering_fit import ScatteringFits
from qdsim.analysis.strain_results import StrainResults
from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.campaign.check import check_node
from qdsim.campaign.schema import ScatteringSection
from qdsim.debye import FitSettings, FormFactorTable, ModelPattern, NanocrystalModel, intensity
from qdsim.debye.fit_file import FitFile
from qdsim.debye.scans import Chi2Map
from qdsim.errors import QdsimError
from qdsim.provenance import CAMPAIGN_PROCESS, STRAIN_PROCESS
from qdsim.report.collect import collect_check
from qdsim.report.collect_scattering import curve_of
from qdsim.structures import RhombohedralState, Shape, cut_rocksalt, supercell_matrix
from qdsim.workflows import campaign as campaigns
from qdsim.workflows.campaign import CampaignWorkChain
from qdsim.workflows.documents import Cut, Lattice, MeasuredPattern, PatternSettings
from qdsim.workflows.fit import FitCalculation, fit_pattern, opened_fit, read_result, takes_long
from qdsim.workflows.hypotheses import LABELS
from qdsim.workflows.patterns import compute_pattern
from qdsim.workflows.scattering import ScatteringWorkChain
from qdsim.workflows.vacancy_documents import HostSettings, VacancySettings

BULK = 5.936
STRAIN = 0.0137  # in the middle of the series
GOOD, POOR = 1e5, 60.0  # photons a point
Q = np.linspace(1.0, 13.0, 500)
VARIED = ("lattice_constant", "diameter", "diameter_sd", "b_iso_cation", "b_iso_anion")
RECORDED = Path(__file__).parents[1] / "analysis" / "recorded" / "onset_precise.json"
# of CP2K 2023.1, examples/onset.yaml

pytestmark = pytest.mark.usefixtures("aiida_profile")


@pytest.fixture(scope="module")
def series() -> StrainResults:
    return StrainResults(**json.loads(RECORDED.read_text(encoding="utf-8")))


def truth(series: StrainResults, alpha: float = 0.0, offset: float = 0.0) -> NanocrystalModel:
    """Nanocrystals of the computed lattice at one strain, or of one that differs from it in angle or offset."""
    lattice = LatticeSeries(series).at_strain(STRAIN)
    scale = BULK / series.equation_of_state.lattice_constant
    return NanocrystalModel(
        compound="PbS",
        diameter=32.0,
        diameter_sd=2.5,
        lattice_constant=BULK * (1 + STRAIN),
        alpha_rh=lattice.alpha_rh + alpha,
        pb_offset=scale * lattice.pb_offset + offset,
        b_iso_cation=1.2,
        b_iso_anion=1.0,
    )


def pattern_file(model: NanocrystalModel, counts: float) -> orm.SinglefileData:
    return data_file(ModelPattern(model, Q).intensity({}), counts)


def data_file(scattered: Any, counts: float) -> orm.SinglefileData:
    expected = counts * (scattered / scattered.mean() + 0.3 - 0.1 * (Q - 7) / 6)
    photons = np.random.default_rng(5).poisson(expected).astype(float)
    lines = [f"{q!r} {n!r} {max(n, 1.0) ** 0.5!r}\n" for q, n in zip(Q.tolist(), photons.tolist(), strict=True)]
    return orm.SinglefileData.from_string("# q_A^-1 I sigma\n" + "".join(lines), filename="pattern.xye")


def fit_file(**changes: Any) -> dict[str, Any]:
    begin = NanocrystalModel(
        compound="PbS", diameter=33, diameter_sd=3, lattice_constant=6.0, b_iso_cation=1, b_iso_anion=1
    )
    fit = FitFile(model=begin, vary=dict.fromkeys(VARIED), background=4)
    return fit.model_copy(update=changes).model_dump(mode="json", exclude={"origin"})


def measured(name: str, pattern: orm.SinglefileData, **changes: Any) -> dict[str, orm.Data]:
    document = MeasuredPattern(sample=name, file="pattern.xye", fit=fit_file(**changes))
    return {"measured": orm.Dict(document.model_dump(mode="json")), "pattern": pattern}


def inputs_of(series: StrainResults, **data: dict[str, orm.Data]) -> dict[str, Any]:
    settings = CheckSettings(compound="PbS", bulk_lattice_constant=BULK)
    return {
        "results": orm.Dict(series.model_dump(mode="json")),
        "settings": orm.Dict(settings.model_dump(mode="json")),
        "data": data,
    }


def verdicts_of(sample: SampleCheck) -> dict[str, str]:
    rows = {row.quantity: row.verdict for row in sample.rows if row.condition == "measured volume"}
    assert sample.pattern is not None
    return {
        "pattern": sample.pattern.verdict,
        **{name: rows[name] for name in ("alpha_rh", "pb_offset") if name in rows},
    }


def test_a_sample_made_from_the_computed_lattice_is_found_consistent_and_others_are_not(series: StrainResults) -> None:
    samples = {
        "same": measured("same", pattern_file(truth(series), GOOD)),
        "angle": measured("angle", pattern_file(truth(series, alpha=0.5), GOOD)),
        "offset": measured("offset", pattern_file(truth(series, offset=-0.1), GOOD)),
        "poor": measured("poor", pattern_file(truth(series), POOR)),
    }
    outputs, node = run_get_node(ScatteringWorkChain, **inputs_of(series, **samples))
    assert node.is_finished_ok, node.exit_message
    consistency = Consistency(**outputs["consistency"].get_dict())
    found = {sample.name: verdicts_of(sample) for sample in consistency.samples}
    assert found["same"] == {"pattern": "agrees", "alpha_rh": "agrees", "pb_offset": "agrees"}
    assert found["angle"]["pattern"] == found["angle"]["alpha_rh"] == "disagrees"
    assert found["offset"]["pattern"] == found["offset"]["pb_offset"] == "disagrees"
    assert set(found["poor"].values()) == {"cannot say"}
    for label in samples:
        chi2 = Chi2Map(**outputs["fits"][label]["map"].get_dict())
        assert chi2.x[0] < chi2.best[0] < chi2.x[-1]
    check_that_nothing_comes_from_nowhere(node)


def check_that_nothing_comes_from_nowhere(process: orm.ProcessNode) -> None:
    given = {node.uuid for node in process.base.links.get_incoming(orm.Data).all_nodes()}
    for called in process.called_descendants:
        for data in called.base.links.get_incoming(orm.Data).all_nodes():
            assert data.creator is not None or data.uuid in given, f"{called.process_label} got <{data.pk}>"


def test_a_pattern_of_another_compound_leaves_the_others(series: StrainResults) -> None:
    gold = bulk("Au", a=4.08, cubic=True).repeat(4)
    samples = {
        "gold": measured("gold", data_file(intensity(gold, Q, b_iso=0.6), GOOD)),
        "same": measured("same", pattern_file(truth(series), GOOD)),
    }
    outputs, node = run_get_node(ScatteringWorkChain, **inputs_of(series, **samples))
    assert node.exit_status == 451
    assert "gold: " in str(node.exit_message)
    assert "PbS" in str(node.exit_message)
    assert [sample.name for sample in Consistency(**outputs["consistency"].get_dict()).samples] == ["same"]
    assert set(outputs["fits"]) == {"same"}


def test_a_stated_value_goes_before_a_fitted_one(series: StrainResults) -> None:
    fits = ScatteringFits(
        compound="PbS",
        samples=[{"name": "same", "alpha_rh": {"value": 58.0, "error": 0.05}}, {"name": "b", "alpha_rh": 59}],
    )
    inputs = inputs_of(series, same=measured("same", pattern_file(truth(series), GOOD)))
    outputs, node = run_get_node(ScatteringWorkChain, **inputs, fits=orm.Dict(fits.model_dump(mode="json")))
    assert node.is_finished_ok, node.exit_message
    same, other = Consistency(**outputs["consistency"].get_dict()).samples
    assert verdicts_of(same) == {"pattern": "agrees", "alpha_rh": "disagrees", "pb_offset": "agrees"}
    assert other.pattern is None


def test_one_crystal_is_compared_as_it_is(series: StrainResults) -> None:
    model = truth(series)
    state = RhombohedralState.from_lattice_constant(model.lattice_constant, model.alpha_rh, model.pb_offset)
    inputs = inputs_of(series, same=measured("same", pattern_file(model, GOOD)))
    del inputs["results"]
    structure = orm.StructureData(ase=state.to_atoms("Pb", "S", "conventional"))
    outputs, node = run_get_node(ScatteringWorkChain, **inputs, structure=structure)
    assert node.is_finished_ok, node.exit_message
    (same,) = Consistency(**outputs["consistency"].get_dict()).samples
    assert same.verdict == "agrees"
    assert {row.condition for row in same.rows} == {"given structure"}


def test_a_long_fit_as_a_job_gives_what_a_short_one_gives(series: StrainResults, qdsim_code: orm.InstalledCode) -> None:
    pattern = pattern_file(truth(series), GOOD)
    fit = orm.Dict(fit_file(starts=2))
    here, _ = run_get_node(fit_pattern, fit=fit, pattern=pattern)
    there, job = run_get_node(FitCalculation, code=qdsim_code, fit=fit, pattern=pattern)
    assert job.is_finished_ok, job.exit_message
    first, second = read_result(here["result"], here["curves"]), read_result(there["result"], there["curves"])
    assert second.chi2 == pytest.approx(first.chi2, rel=1e-9)
    assert second.model.lattice_constant == pytest.approx(first.model.lattice_constant, rel=1e-9)


def test_a_job_says_why_its_data_cannot_be_used(qdsim_code: orm.InstalledCode) -> None:
    pattern = orm.SinglefileData.from_string("1 2 3\n2 nan 1\n", filename="broken.xye")
    _, job = run_get_node(FitCalculation, code=qdsim_code, fit=orm.Dict(fit_file()), pattern=pattern)
    assert job.exit_status == 360
    assert "drop the point" in str(job.exit_message)


def test_only_long_fits_run_as_jobs(
    series: StrainResults, qdsim_code: orm.InstalledCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert takes_long(fit_file(starts=200))
    assert not takes_long(fit_file())
    inputs = inputs_of(series, same=measured("same", pattern_file(truth(series), GOOD)))
    monkeypatch.setattr("qdsim.workflows.fit.LONG", 0.0)
    _, node = run_get_node(ScatteringWorkChain, **inputs, code=qdsim_code)
    assert node.is_finished_ok, node.exit_message
    jobs = [called for called in node.called if isinstance(called, orm.CalcJobNode)]
    assert len(jobs) >= len(LABELS) - 1


def test_patterns_of_crystals_and_of_clusters() -> None:
    state = RhombohedralState.from_lattice_constant(6.0, 59.3, 0.15)
    settings = orm.Dict(
        PatternSettings(cut=Cut(cation="Pb", anion="S", diameter=20.0), points=50).model_dump(mode="json")
    )
    crystal, cluster = state.to_atoms("Pb", "S"), state.to_atoms("Pb", "S", "conventional")
    cluster.pbc = False
    of_crystal = compute_pattern(orm.StructureData(ase=crystal), settings)
    of_cluster = compute_pattern(orm.StructureData(ase=cluster), settings)
    q = np.linspace(1, 13, 50)
    np.testing.assert_allclose(of_cluster.get_y()[0][1], intensity(cluster, q, b_iso=1.0), rtol=1e-8)
    model = NanocrystalModel(
        compound="PbS", diameter=20, lattice_constant=6.0, alpha_rh=59.3, pb_offset=0.15, b_iso_cation=1, b_iso_anion=1
    )
    np.testing.assert_allclose(of_crystal.get_y()[0][1], ModelPattern(model, q).intensity({}), rtol=1e-7)
    assert of_crystal.get_x()[2] == "1/angstrom"


def test_patterns_keep_the_form_factors_that_they_were_computed_with() -> None:
    cluster = RhombohedralState.from_lattice_constant(6.0, 59.3, 0.15).to_atoms("Pb", "S", "conventional")
    cluster.pbc = False
    q = np.linspace(0, 14, 29)
    tables = {
        "Pb": FormFactorTable(source="own.txt", q=tuple(q), f0=tuple(82 * np.exp(-q / 20))),
        "Cl": FormFactorTable(source="own.txt", q=tuple(q), f0=tuple(17 * np.exp(-q / 20))),
    }
    settings = PatternSettings(
        points=50,
        energy_kev=22.0,
        form_factors={symbol: table.model_dump(mode="json") for symbol, table in tables.items()},
        dispersion={"Pb": (-4, 8), "S": (0, 1), "Cl": (0, 1)},
    )
    pattern = compute_pattern(orm.StructureData(ase=cluster), orm.Dict(settings.model_dump(mode="json")))
    expected = intensity(
        cluster,
        np.linspace(1, 13, 50),
        b_iso=1.0,
        form_factors={"Pb": tables["Pb"]},
        dispersion={"Pb": (-4, 8), "S": (0, 1)},
    )
    np.testing.assert_allclose(pattern.get_y()[0][1], expected, rtol=1e-10)
    assert curve_of(pattern).amplitudes["Pb"].form_factor == "f0 of own.txt"
    assert curve_of(pattern).amplitudes["S"].f2 == 1.0


@pytest.mark.parametrize(
    ("name", "refusal"), [("PbS.iq", ""), ("PbS.GR", r"holds G\(r\)"), ("PbS.sq", r"holds S\(Q\)")]
)
def test_the_kind_of_a_file_is_known_where_a_profile_keeps_it(name: str, refusal: str) -> None:
    pattern = orm.SinglefileData.from_string("1 10 1\n2 20 1\n3 15 1\n", filename=name)
    if refusal:
        with pytest.raises(QdsimError, match=refusal), opened_fit(fit_file(), pattern):
            pass
        return
    with opened_fit(fit_file(), pattern, pattern) as (_, data, blank):
        assert "assumed" not in data.metadata
        np.testing.assert_array_equal(data.q, [1, 2, 3])
        assert blank is not None


def test_samples_scatter_with_the_b_of_their_fit_and_with_that_of_the_phonons(series: StrainResults) -> None:
    fits = ScatteringFits.model_validate(
        {
            "compound": "PbS",
            "samples": [
                {"name": "a", "diameter": 24, "lattice_constant": 5.99, "b_iso_cation": 1.7},
                {"name": "b", "diameter": 50, "lattice_constant": 5.95},
            ],
        }
    )
    crystal = PhononRow(
        label="crystal", lattice_constant=6.0, centred=True, transverse_optical=60, b_iso={"Pb": 1.3, "S": 1.1}
    )
    settings = PatternSettings(cut=Cut(cation="Pb", anion="S", diameter=32, shape="sphere"), points=50)
    outputs, node = run_get_node(
        ScatteringWorkChain,
        **inputs_of(series),
        fits=orm.Dict(fits.model_dump(mode="json")),
        phonons=orm.Dict(PhononAnalysis(temperature=300, rows=(crystal,)).model_dump(mode="json")),
        pattern_settings=orm.Dict(settings.model_dump(mode="json")),
    )
    assert node.is_finished_ok, node.exit_message
    assert set(outputs["displacement_patterns"]) == {"sample_0"}
    check_that_nothing_comes_from_nowhere(node)
    (pattern,) = collect_check(node).displacement_patterns
    assert (pattern.compared.sample, pattern.compared.crystal) == ("a", "crystal")
    assert pattern.compared.fitted == {"Pb": 1.7, "S": 1.1}
    lattice = Consistency(**outputs["consistency"].get_dict()).samples[0].conditions[0].lattice
    state = RhombohedralState(lattice.volume, lattice.alpha_rh, lattice.pb_offset)
    particle = cut_rocksalt("Pb", "S", state, Shape.from_name("sphere"), 24)
    for curve, b_iso in ((pattern.fitted, pattern.compared.fitted), (pattern.phonons, crystal.b_iso)):
        np.testing.assert_allclose(curve.y, intensity(particle, curve.x, b_iso=b_iso), rtol=1e-9)


USUAL = ["lattice_constant", "b_iso_cation", "b_iso_anion"]


def test_settings_of_a_fit_reach_it(series: StrainResults) -> None:
    pattern = pattern_file(truth(series), GOOD)
    result, _ = run_get_node(fit_pattern, fit=orm.Dict(fit_file(background=7, vary={}, fix=USUAL)), pattern=pattern)
    found = read_result(result["result"], result["curves"])
    assert len(found.background) == 7
    assert found.parameters == {}
    assert FitSettings.model_fields.keys() <= FitFile.model_fields.keys()


CORE = {"occupancy_cation_core": {"value": 0.9, "error": 0.01}}
FITS = {"compound": "PbS", "samples": [{"name": "dot", **CORE}]}
NO_ENERGIES = "the campaign has no formation energies of vacancies to compare with"


def analysis_of(host: str = "rhombohedral", share: float = 0.1) -> orm.Dict:
    """Return vacancies with such a share in equilibrium, the crystal of the host being the campaign's."""
    limit = FavourableLimit(criterion="free energy", largest=0.15, at_least=True, message="made up")
    numbers = dict.fromkeys(("mean", "weighted_mean", "lowest", "highest", "entropy", "free_energy"), -0.1)
    nothing = dict.fromkeys(("deviation", "gap", "gap_lowest", "gap_highest"))
    series = VacancySeries(
        host=host,
        sublattice="Pb",
        reservoir="S-rich",
        temperature=300,
        average="weighted",
        points=tuple({"concentration": x, "orderings": (), **numbers, **nothing} for x in (0.05, 0.15)),
        energy_limit=limit,
        free_energy_limit=limit,
        equilibrium=EquilibriumConcentration(concentration=share, free_energy=-0.1, at_bound=False),
    )
    return orm.Dict(VacancyAnalysis(window=None, temperature=300, series=(series,)).model_dump(mode="json"))


def occupancy_row(check: orm.Node) -> Row:
    (sample,) = Consistency(**check.outputs.consistency.get_dict()).samples
    (row,) = sample.rows
    return row


@pytest.mark.parametrize(
    ("vacancies", "verdict", "condition"),
    [(True, "agrees", "rhombohedral, S-rich, 300 K"), (False, "cannot say", "")],
)
def test_vacancies_are_for_occupancies(series: StrainResults, vacancies: bool, verdict: str, condition: str) -> None:
    inputs = {**inputs_of(series), "fits": orm.Dict(ScatteringFits.model_validate(FITS).model_dump(mode="json"))}
    _, node = run_get_node(ScatteringWorkChain, **inputs, **({"vacancies": analysis_of()} if vacancies else {}))
    assert node.is_finished_ok, node.exit_message
    row = occupancy_row(node)
    assert (row.verdict, row.condition) == (verdict, condition)
    assert row.computed == (pytest.approx(0.9) if vacancies else None)
    check_that_nothing_comes_from_nowhere(node)


class MadeStrain(WorkChain):
    """Stands for a strain series: gives what it is given."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.input("results", valid_type=orm.Dict)
        spec.input("structure", valid_type=orm.StructureData)
        spec.output("results", valid_type=orm.Dict)
        spec.output_namespace("structures", dynamic=True)
        spec.outline(cls.give)

    def give(self) -> None:
        self.out("results", self.inputs.results)
        self.out("structures", {"p0": {"relaxed": self.inputs.structure}})


class MadeVacancies(WorkChain):
    """Stands for vacancies: gives what it is given, if anything, and may fail."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.input("settings", valid_type=orm.Dict)
        spec.input("analysis", valid_type=orm.Dict, required=False)
        spec.input("fails", valid_type=orm.Bool)
        spec.input_namespace("crystals", valid_type=orm.StructureData, dynamic=True)
        spec.output("analysis", valid_type=orm.Dict, required=False)
        spec.outline(cls.wait, cls.give)

    def wait(self) -> None:
        pass

    def give(self) -> ExitCode | None:
        hosts = VacancySettings(**self.inputs.settings.get_dict()).hosts
        assert set(self.inputs.get("crystals", {})) == {host.label for host in hosts if host.point}
        if "analysis" in self.inputs:
            self.out("analysis", self.inputs.analysis)
        return ExitCode(435, "a part failed") if self.inputs.fails.value else None


MADE = {"strain": MadeStrain, "vacancy": MadeVacancies, "scattering": ScatteringWorkChain}


class MadeCampaign(CampaignWorkChain):
    """Has the sections that were made for a test."""


@pytest.mark.parametrize("point", [None, "p0"], ids=["by themselves", "of the series"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_campaign_checks_strain_and_vacancies_when_both_are_done(
    series: StrainResults, monkeypatch: pytest.MonkeyPatch, point: str | None, fails: bool, known: bool
) -> None:
    monkeypatch.setattr(campaigns, "SECTIONS", MADE)
    host = HostSettings(label="rhombohedral", volume=54, point=point, phase=point and "relaxed")
    settings = VacancySettings(protocol="defects", k_points=None, hosts=(host,), reference="x", phases={})
    vacancy: dict[str, Any] = {"settings": orm.Dict(settings.model_dump(mode="json")), "fails": orm.Bool(fails)}
    given = inputs_of(series)
    atoms = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S")
    patterns = PatternSettings(cut=Cut(cation="Pb", anion="S", diameter=15.0), points=20)
    scattering = {
        "settings": given["settings"],
        "fits": orm.Dict(ScatteringFits.model_validate(FITS).model_dump(mode="json")),
        "pattern_settings": orm.Dict(patterns.model_dump(mode="json")),
    }
    _, node = run_get_node(
        MadeCampaign,
        campaign=orm.Dict({}),
        strain={"results": given["results"], "structure": orm.StructureData(ase=atoms)},
        vacancy={**vacancy, "analysis": analysis_of()} if known else vacancy,
        scattering=scattering,
    )
    assert node.exit_status == (440 if fails else 0), node.exit_message
    check = node.base.links.get_outgoing(link_label_filter="scattering").one().node
    assert check.is_finished_ok, check.exit_message
    row = occupancy_row(check)
    assert row.condition == ("rhombohedral, S-rich, 300 K" if known else "")
    assert known or row.reason == NO_ENERGIES
    assert len(node.called) == 3


def graph_of_campaign(
    series: StrainResults, analysis: orm.Dict | None, dipoles: orm.Dict | None = None
) -> orm.WorkChainNode:
    campaign = orm.WorkChainNode(process_type=CAMPAIGN_PROCESS).store()
    lattice = Lattice(
        compound="PbS", cation="Pb", anion="S", supercell=supercell_matrix("primitive").tolist()
    ).model_dump(mode="json")
    strain = orm.WorkChainNode(process_type=STRAIN_PROCESS)
    strain.base.links.add_incoming(campaign, LinkType.CALL_WORK, "strain")
    strain.base.links.add_incoming(orm.Dict(lattice).store(), LinkType.INPUT_WORK, "lattice")
    vacancy = orm.WorkChainNode(process_type="aiida.workflows:qdsim.vacancy")
    vacancy.base.links.add_incoming(campaign, LinkType.CALL_WORK, "vacancy")
    results = orm.Dict(series.model_dump(mode="json")).store()
    dipole = orm.WorkChainNode(process_type="aiida.workflows:qdsim.dipole")
    dipole.base.links.add_incoming(campaign, LinkType.CALL_WORK, "dipole")
    for process, name, output in (
        (strain.store(), "results", results),
        (vacancy.store(), "analysis", analysis),
        (dipole.store(), "analysis", dipoles),
    ):
        if output is not None:
            output.store().base.links.add_incoming(process, LinkType.RETURN, name)
    return campaign


def test_a_campaign_is_checked_with_its_dipoles(series: StrainResults, tmp_path: Path) -> None:
    sample = {"name": "a", "lattice_constant": 5.98, "diameter": 32, "pb_offset": 0.12}
    (tmp_path / "fits.yaml").write_text(json.dumps({"compound": "PbS", "samples": [sample]}), encoding="utf-8")
    response = OffsetResponse(slope=100, slope_error=None, intercept=0, effective_charge=1.3, n_cations=16)
    analysis = DipoleAnalysis(models=DipoleModels(), rows=(), responses={"d12": response})
    dipoles = orm.Dict(analysis.model_dump(mode="json"))
    checked = check_node(graph_of_campaign(series, None, dipoles), ScatteringSection(fits=tmp_path / "fits.yaml"))
    assert checked.inputs.dipoles.uuid == dipoles.uuid
    consistency = Consistency(**checked.outputs.consistency.get_dict())
    (row,) = (row for row in consistency.samples[0].rows if row.quantity == "dipole")
    assert row.computed == pytest.approx(1.3 * np.pi / 6 * 32**3 / (5.98**3 / 4) * 0.12 / DEBYE)


def test_a_campaign_is_checked_with_its_vacancies_and_anew_when_they_change(
    series: StrainResults, tmp_path: Path
) -> None:
    (tmp_path / "fits.yaml").write_text(json.dumps(FITS), encoding="utf-8")
    section = ScatteringSection(fits=tmp_path / "fits.yaml")
    analysis = analysis_of()
    campaign, bare = graph_of_campaign(series, analysis), graph_of_campaign(series, None)
    checked = check_node(campaign, section)
    assert checked.inputs.vacancies.uuid == analysis.uuid
    assert occupancy_row(checked).verdict == "agrees"
    assert check_node(campaign, section).uuid == checked.uuid
    without = check_node(bare, section)
    assert "vacancies" not in without.inputs
    assert occupancy_row(without).reason == NO_ENERGIES
    strain = campaign.base.links.get_outgoing(link_label_filter="strain").one().node
    alone = check_node(strain, section)
    assert alone.uuid != checked.uuid
    assert occupancy_row(alone).reason == NO_ENERGIES
