"""`qdsim export` on graphs that AiiDA's engine has made: campaigns, series and relaxations without CP2K."""

# AiiDA types the steps of an outline for WorkChain itself, and narrows `define`.
# mypy: disable-error-code="arg-type, override"

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import gemmi
import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import WorkChain, calcfunction, run_get_node
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.manage.configuration import Profile
from ase import Atoms
from ase.build import bulk
from click.testing import CliRunner, Result

from qdsim.cli import cli
from qdsim.debye import ModelPattern, ScatteringData, read_structure, write_data
from qdsim.debye.fit_file import load_fit_file
from qdsim.errors import QdsimWarning
from qdsim.provenance import CAMPAIGN_PROCESS
from qdsim.provenance.origins import find_origins
from qdsim.structures import RhombohedralState

VOLUMES = {"linear_m0p0100": 53.0, "linear_p0p0200": 57.5}
RELAXED = RhombohedralState(57.5, 59.1, 0.25)

Export = Callable[..., Result]
RunCampaign = Callable[[str, list[str]], orm.WorkChainNode]


@calcfunction
def centred_structures() -> dict[str, orm.StructureData]:
    return {label: orm.StructureData(ase=RhombohedralState(v).to_atoms("Pb", "S")) for label, v in VOLUMES.items()}


@calcfunction
def relaxed_structure(structure: orm.StructureData) -> orm.StructureData:
    volume = structure.get_cell_volume()
    state = RhombohedralState(volume, 59.1, 0.25) if volume > 55 else RhombohedralState(volume)
    return orm.StructureData(ase=state.to_atoms("Pb", "S"))


class Relaxation(WorkChain):
    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.input("start", valid_type=orm.StructureData)
        spec.output("structure", valid_type=orm.StructureData)
        spec.outline(cls.relax)

    def relax(self) -> None:
        self.out("structure", relaxed_structure(self.inputs.start))


class Series(WorkChain):
    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.input("relaxes", valid_type=orm.List)
        spec.output_namespace("structures", dynamic=True)
        spec.outline(cls.relax, cls.finish)

    def relax(self) -> None:
        self.ctx.centred = centred_structures()
        for label in self.inputs.relaxes:
            child = self.submit(Relaxation, start=self.ctx.centred[label], metadata={"call_link_label": label})
            self.to_context(**{label: child})

    def finish(self) -> None:
        found = {label: {"centred": structure} for label, structure in self.ctx.centred.items()}
        for label in self.inputs.relaxes:
            found[label]["relaxed"] = self.ctx[label].outputs.structure
        self.out("structures", found)


class Campaign(WorkChain):
    @classmethod
    def build_process_type(cls) -> str:
        return CAMPAIGN_PROCESS

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.input("campaign", valid_type=orm.Dict)
        spec.expose_inputs(Series, namespace="strain")
        spec.expose_outputs(Series, namespace="strain")
        spec.outline(cls.strain, cls.finish)

    def strain(self) -> None:
        inputs = {**self.exposed_inputs(Series, "strain"), "metadata": {"call_link_label": "strain"}}
        self.to_context(strain=self.submit(Series, **inputs))

    def finish(self) -> None:
        self.out_many(self.exposed_outputs(self.ctx.strain, Series, "strain"))


@pytest.fixture(scope="module")
def run_campaign(aiida_profile: Profile) -> RunCampaign:
    """Return a function that runs a campaign of a name, in which some of the strains are relaxed."""
    assert aiida_profile.is_test_profile

    def run(label: str, relaxes: list[str]) -> orm.WorkChainNode:
        _, node = run_get_node(
            Campaign,
            campaign=orm.Dict({"campaign": {"name": label}, "settings": {"cutoff": 300.0}, "fingerprint": label}),
            strain={"relaxes": orm.List(relaxes)},
            metadata={"label": label},
        )
        assert isinstance(node, orm.WorkChainNode)
        assert node.is_finished_ok
        return node

    return run


@pytest.fixture(scope="module")
def campaign(run_campaign: RunCampaign) -> orm.WorkChainNode:
    """A campaign of two strains."""
    return run_campaign("tension", list(VOLUMES))


@pytest.fixture
def export(aiida_profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """Return a runner of the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        words = ["export", *map(str, arguments), "--profile", aiida_profile.name]
        return CliRunner().invoke(cli, words, env={"COLUMNS": "200"})

    return run


def refused(export: Export, *arguments: object) -> str:
    """Return the one sentence of a command that does not take its input and leaves nothing behind."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    result = export(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    sentence = result.stderr.strip()
    assert sentence.startswith("Error: ")
    assert "\n" not in sentence
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    return sentence


def same_crystal(path: Path, state: RhombohedralState) -> None:
    found = read_structure(path)
    expected = state.to_atoms("Pb", "S")
    np.testing.assert_allclose(found.cell.cellpar(), expected.cell.cellpar(), atol=1e-6)
    apart = found.get_scaled_positions() - expected.get_scaled_positions()
    np.testing.assert_allclose(apart - np.round(apart), 0, atol=1e-7)


@pytest.mark.parametrize(("form", "ending"), [("xyz", ".xyz"), ("cif", ".cif"), ("diffpy", ".stru"), ("json", ".json")])
def test_a_campaign_goes_to_a_folder(campaign: orm.WorkChainNode, export: Export, form: str, ending: str) -> None:
    result = export("tension", "--format", form)
    assert result.exit_code == 0, result.stderr
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in paths] == [f"{label}_relaxed{ending}" for label in VOLUMES]
    assert sorted(Path(f"tension-{form}").resolve().iterdir()) == sorted(paths)
    same_crystal(paths[0], RhombohedralState(53.0))
    same_crystal(paths[1], RELAXED)
    text = paths[1].read_text(encoding="utf-8")
    node = campaign.outputs.strain.structures["linear_p0p0200"].relaxed
    for word in (node.uuid, campaign.uuid, "tension", "10.1038/nmat4661"):
        assert word in text
    assert "300 Ry" not in text  # CP2K has not computed it


def test_one_structure_goes_to_one_file(campaign: orm.WorkChainNode, export: Export) -> None:
    picked = export(campaign.uuid, "--format", "cif", "--strain", "linear_p0p0200")
    assert picked.stdout == f"{Path('linear_p0p0200_relaxed.cif').resolve()}\n"
    node = campaign.outputs.strain.structures["linear_p0p0200"].relaxed
    assert export(node.pk, "--format", "cif", "-o", "own.cif").stdout == f"{Path('own.cif').resolve()}\n"
    assert Path("own.cif").read_bytes() == Path("linear_p0p0200_relaxed.cif").read_bytes()
    assert gemmi.read_small_structure("own.cif").cell.alpha == pytest.approx(59.1, abs=1e-6)


def test_the_centred_phase_is_to_be_had_as_well(campaign: orm.WorkChainNode, export: Export) -> None:
    assert campaign.is_finished_ok
    options = ("--phase", "centred", "--strain", "linear_p0p0200", "--format", "xyz")
    (path,) = export("tension", *options).stdout.splitlines()
    assert Path(path).name == "linear_p0p0200_centred.xyz"
    same_crystal(Path(path), RhombohedralState(57.5))


def test_series_and_relaxations_give_what_they_returned(campaign: orm.WorkChainNode, export: Export) -> None:
    (series,) = campaign.called
    assert len(export(series.pk, "--format", "xyz").stdout.splitlines()) == 2
    relaxation = series.base.links.get_outgoing(link_label_filter="linear_p0p0200").one().node
    result = export(relaxation.uuid, "--format", "xyz", "-o", "one.xyz")
    assert result.exit_code == 0
    same_crystal(Path("one.xyz"), RELAXED)
    assert 'label="linear_p0p0200 relaxed" campaign="tension"' in Path("one.xyz").read_text(encoding="ascii")


def test_a_lone_structure_says_what_is_known_of_it(export: Export) -> None:
    node = orm.StructureData(ase=bulk("Si"), label="../sili\"con'; \n").store()
    (path,) = export(node.pk, "--format", "cif").stdout.splitlines()
    assert Path(path).parent == Path().resolve()
    assert Path(path).name == "sili_con.cif"
    assert node.uuid in Path(path).read_text(encoding="ascii")
    (path,) = export(orm.StructureData(ase=bulk("Si")).store().pk, "--format", "xyz").stdout.splitlines()
    assert Path(path).name.startswith("structure_")


def test_nasty_names_of_campaigns_stay_in_their_folder(run_campaign: RunCampaign, export: Export) -> None:
    node = run_campaign("../../\"ev'il \\ ü", list(VOLUMES))
    lines = export(node.pk, "--format", "cif").stdout.splitlines()
    assert {Path(line).parent for line in lines} == {Path("ev_il_u-cif").resolve()}
    assert [path.name for path in Path().iterdir()] == ["ev_il_u-cif"]
    same_crystal(Path(lines[1]), RELAXED)


@calcfunction
def twin_structures() -> dict[str, orm.StructureData]:
    return {name: orm.StructureData(ase=bulk(name), label="twin") for name in ("Si", "Ge")}


class Twins(WorkChain):
    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.outputs.dynamic = True
        spec.outline(cls.make)

    def make(self) -> None:
        self.out_many(twin_structures())


def test_structures_of_one_label_have_files_of_their_own(export: Export) -> None:
    _, node = run_get_node(Twins)
    paths = [Path(line) for line in export(node.pk, "--format", "cif").stdout.splitlines()]
    assert {path.parent.name for path in paths} == {f"{node.pk}-cif"}
    assert paths[0].name == "twin.cif"
    assert paths[1].name.startswith("twin_")
    assert {str(read_structure(path).symbols) for path in paths} == {"Si2", "Ge2"}


@pytest.mark.usefixtures("campaign")
def test_debussy_takes_a_folder_for_each_structure(export: Export) -> None:
    result = export("tension", "--format", "debussy", "--diameter", "18", "--shape", "cube", "--energy", "20")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in Path("tension-debussy").iterdir()} == {f"{label}_relaxed" for label in VOLUMES}
    assert len(result.stdout.splitlines()) == 14
    assert all(Path(line).stat().st_size > 0 for line in result.stdout.splitlines())
    assert "wave    0.61992" in Path("tension-debussy/linear_p0p0200_relaxed/cluster.dwa").read_text(encoding="ascii")
    one = export("tension", "--format", "debussy", "--strain", "linear_p0p0200", "-o", "one")
    assert {Path(line).parent for line in one.stdout.splitlines()} == {Path("one").resolve()}
    assert len(read_structure("one/cluster.xyz")) > 1000


def test_an_export_is_fitted_and_the_fit_tells_its_origin(campaign: orm.WorkChainNode, export: Export) -> None:
    assert export("tension", "--format", "json", "--strain", "linear_p0p0200", "--diameter", "20").exit_code == 0
    fit = load_fit_file("linear_p0p0200_relaxed.json")
    q = np.linspace(1, 13, 200)
    expected = ModelPattern(fit.model, q).intensity({}) + 100
    write_data(Path("data.xye"), ScatteringData(q, expected, np.sqrt(expected)))
    words = ["fit", "linear_p0p0200_relaxed.json", "data.xye", "--background", "1", "-o", "fit.html"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    uuid = campaign.outputs.strain.structures["linear_p0p0200"].relaxed.uuid
    told = f"model from linear_p0p0200 relaxed of campaign tension, node {uuid}, set-up of doi:10.1038/nmat4661"
    assert told in result.stdout
    assert told in Path("fit.html").read_text(encoding="utf-8")
    printed = CliRunner().invoke(cli, [*words[:5], "--json"])
    assert told in printed.stderr
    alpha = json.loads(printed.stdout)["parameters"]["alpha_rh"]
    assert alpha["value"] == pytest.approx(59.1, abs=0.05)


def test_what_is_no_rock_salt_has_no_model_and_that_is_told(export: Export) -> None:
    result = export(orm.StructureData(ase=bulk("Si"), label="silicon").store().pk, "--format", "json")
    assert result.exit_code == 0
    assert "note silicon is no rock-salt crystal: its file holds the structure, and no model." in result.stderr
    assert len(read_structure("silicon.json")) == 2


def test_clusters_are_exported_but_not_as_crystals(export: Export) -> None:
    atoms = Atoms("PbS", [[0, 0, 0], [2.9, 0, 0]], cell=[20, 20, 20])
    pk = orm.StructureData(ase=atoms, label="pair").store().pk
    for form in ("xyz", "json"):
        assert export(pk, "--format", form).exit_code == 0
        np.testing.assert_allclose(read_structure(f"pair.{form}").positions, atoms.positions, atol=1e-6)
    assert export(pk, "--format", "debussy").exit_code == 0
    np.testing.assert_allclose(read_structure("pair-debussy/cluster.xyz").positions, atoms.positions[::-1], atol=1e-6)
    for form in ("cif", "diffpy"):
        assert "pair is not periodic in three directions" in refused(export, pk, "--format", form)
    assert "is a cluster already" in refused(export, pk, "--format", "debussy", "--diameter", 20, "-o", "other")


def test_strains_without_a_relaxed_structure_are_left_out_with_a_note(
    run_campaign: RunCampaign, export: Export
) -> None:
    node = run_campaign("partly", ["linear_p0p0200"])
    result = export("partly", "--format", "cif")
    assert [Path(line).name for line in result.stdout.splitlines()] == ["linear_p0p0200_relaxed.cif"]
    assert "note Campaign 'partly' has no relaxed structure of linear_m0p0100, which are left out." in result.stderr
    with pytest.warns(QdsimWarning, match="left out"):
        (origin,) = find_origins(node.uuid)
    assert origin.rocksalt is not None
    assert origin.rocksalt.alpha_rh == pytest.approx(59.1)
    asked = refused(export, "partly", "--format", "cif", "--strain", "linear_m0p0100", "-o", "other.cif")
    assert "has no relaxed structure of linear_m0p0100: 'qdsim status partly' tells why" in asked


def test_what_cannot_be_exported_is_told(
    campaign: orm.WorkChainNode, run_campaign: RunCampaign, export: Export
) -> None:
    structure = campaign.outputs.strain.structures["linear_p0p0200"].relaxed
    empty = run_campaign("empty", [])
    alloy = orm.StructureData(cell=np.eye(3) * 4)
    alloy.append_atom(position=(0, 0, 0), symbols=["Pb", "S"], weights=[0.5, 0.5])
    alloy.store()
    cases: list[tuple[tuple[object, ...], str]] = [
        (("tensoin",), "did you mean 'tension'?"),
        (("987654",), "There is no campaign '987654'"),
        ((campaign.inputs.campaign.pk,), f"Node {campaign.inputs.campaign.pk} is of type Dict: give a campaign"),
        ((structure.creator.pk,), "is of type CalcFunctionNode"),
        ((structure.pk, "--strain", "linear_p0p0200"), "is one structure: leave out --phase and --strain"),
        ((structure.pk, "--phase", "centred"), "leave out --phase"),
        (("tension", "--strain", "linear_p0p020"), "did you mean 'linear_p0p0200'?"),
        (("tension", "--strain", "x"), "known are linear_m0p0100, linear_p0p0200."),
        ((structure.creator.caller.pk, "--strain", "x"), "has no strain 'x'; it has none."),
        ((structure.creator.caller.pk, "--phase", "centred"), "has no centred structure: 'verdi process report"),
        ((empty.pk,), "Campaign 'empty' has no relaxed structure: 'qdsim status empty' tells why."),
        ((alloy.pk,), "shared or partly empty"),
        (("tension", "--diameter", "20"), "leave out --shape and --diameter"),
        (("tension", "--energy", "20"), "leave out --energy and --wavelength"),
        (("tension", "-o", "absent/folder"), "The folder absent does not exist"),
        ((structure.pk, "-o", "absent/file"), "The folder absent does not exist"),
        ((structure.pk, "-o", "."), "is a folder: give the name of a file"),
        (("tension", "-o", "/proc/self/new"), "Cannot write /proc/self/new"),
        ((structure.pk, "-o", "/proc/self/new"), "Cannot write /proc/self/new"),
    ]
    for arguments, words in cases:
        assert words in refused(export, *arguments, "--format", "cif")
    assert "less than one cell" in refused(export, "tension", "--format", "debussy", "--diameter", "3")
    assert "positive number" in refused(export, "tension", "--format", "debussy", "--wavelength", "-1")
    assert "contradict" in refused(export, "tension", "--format", "debussy", "--wavelength", "1", "--energy", "5")


def test_nothing_is_replaced_unless_forced(campaign: orm.WorkChainNode, export: Export) -> None:
    structure = campaign.outputs.strain.structures["linear_p0p0200"].relaxed
    for arguments, words in (
        ((structure.pk, "--format", "json", "-o", "one.json"), "one.json exists"),
        (("tension", "--format", "json", "-o", "many"), "many is not empty"),
        ((structure.pk, "--format", "debussy", "-o", "folder"), "folder is not empty"),
    ):
        first = export(*arguments)
        assert first.exit_code == 0
        assert words in refused(export, *arguments)
        forced = export(*arguments, "--force")
        assert (forced.exit_code, forced.stdout) == (0, first.stdout)
    Path("many/notes.txt").write_text("mine", encoding="utf-8")
    assert export("tension", "--format", "json", "-o", "many", "--force", "--diameter", "30").exit_code == 0
    assert Path("many/notes.txt").read_text(encoding="utf-8") == "mine"
    assert load_fit_file("many/linear_p0p0200_relaxed.json").model.diameter == 30
    assert not list(Path().rglob(".*"))


def test_the_format_must_be_given(export: Export) -> None:
    result = export("tension")
    assert result.exit_code == 2
    assert "--format" in result.stderr


def test_help_has_examples_and_takes_the_profile() -> None:
    text = CliRunner().invoke(cli, ["export", "--help"]).output
    assert "qdsim export quickstart --format cif" in text
    assert "--profile NAME" in text
    assert "starting models of scattering fits" in CliRunner().invoke(cli, ["--help"]).output


def test_the_name_of_a_stored_file_leads_nowhere_else(export: Export) -> None:
    campaign, series = orm.WorkChainNode(process_type=CAMPAIGN_PROCESS, label="../up"), orm.WorkChainNode()
    campaign.base.links.add_incoming(orm.Dict({}).store(), LinkType.INPUT_WORK, "campaign")
    campaign.store()
    series.base.links.add_incoming(campaign, LinkType.CALL_WORK, "phonon")
    series.store()
    file = orm.SinglefileData(BytesIO(b"phonopy: {}\n"), filename="kept.yaml").store()
    stored = file.backend_entity  # AiiDA makes no such node; an archive that is imported may have one
    stored.set_attribute("filename", "../../../escaped.yaml")
    content = stored.repository_metadata["o"]["kept.yaml"]
    for name in ("escaped.yaml", "..", "..", ".."):
        content = {"o": {name: content}}
    stored.repository_metadata = content
    loaded = orm.load_node(file.uuid)
    loaded.base.links.add_incoming(series, LinkType.RETURN, "parameter_files__rest")
    result = export(campaign.uuid, "--format", "phonopy")
    assert result.exit_code == 0, result.output
    written = Path("up-phonopy/rest/escaped.yaml").resolve()
    assert result.stdout == f"{written}\n"
    assert written.read_text(encoding="utf-8") == "phonopy: {}\n"
    assert [path.name for path in Path.cwd().iterdir()] == ["up-phonopy"]
