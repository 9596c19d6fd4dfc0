import sys
from pathlib import Path
from subprocess import run

import pytest

from qdsim.cp2k.settings import load_protocol, protocol_names
from qdsim.errors import QdsimError


def test_protocols_are_listed_cheapest_first() -> None:
    assert protocol_names() == ["fast", "moderate", "precise", "phonons", "finite_field", "defects", "cluster", "paper"]


@pytest.mark.parametrize(
    ("name", "cell", "k_points"),
    [
        ("fast", "primitive", (4, 4, 4)),
        ("moderate", "primitive", (6, 6, 6)),
        ("precise", "primitive", (10, 10, 10)),
        ("paper", (5, 5, 5), None),
    ],
)
def test_protocols_share_their_physics(name: str, cell: object, k_points: tuple[int, int, int] | None) -> None:
    settings = load_protocol(name)
    assert settings.cell == cell
    assert settings.k_points == k_points
    assert settings.cutoff == 300
    assert settings.basis_set == "DZVP-MOLOPT-SR-GTH"
    assert len(settings.description) > 100


def test_overrides_are_laid_over_the_protocol() -> None:
    settings = load_protocol("fast", {"k_points": [6, 6, 6], "cutoff": 400})
    assert settings.k_points == (6, 6, 6)
    assert settings.template_variables()["CUTOFF"] == "400.0"
    assert settings.eps_scf == load_protocol("fast").eps_scf


def test_another_solver_drops_what_only_the_first_reads() -> None:
    settings = load_protocol("cluster", {"solver": "DIAGONALIZATION", "smearing_temperature": 300, "max_scf": 200})
    assert settings.max_outer_scf is None
    assert settings.max_scf == 200


def test_settings_survive_json() -> None:
    settings = load_protocol("paper")
    assert type(settings).model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("protocol", "overrides", "message"),
    [
        ("fats", {}, "There is no protocol 'fats' (did you mean 'fast'?)"),
        ("fast", {"cutof": 300}, "Unknown setting 'cutof' laid over protocol 'fast' (did you mean 'cutoff'?)"),
        ("fast", {"description": "mine"}, "Unknown setting 'description'"),
        ("fast", {"cutoff": -1}, "setting 'cutoff': Input should be greater than 0"),
        ("fast", {"cutoff": float("nan")}, "setting 'cutoff': Input should be a finite number"),
        ("fast", {"cutoff": "high"}, "setting 'cutoff': Input should be a valid number"),
        ("fast", {"k_points": [4, 4]}, "setting 'k_points"),
        ("fast", {"solver": "OT"}, "OT works at the Gamma point only"),
        ("paper", {"smearing_temperature": 300}, "OT knows no smearing"),
        ("fast", {"max_outer_scf": 3}, "Setting 'max_outer_scf' of protocol 'fast' is read nowhere"),
        ("fast", {"variables": {"COLOUR": "red"}}, "Setting 'colour' of protocol 'fast' is read nowhere"),
        ("fast", {"eps_scf": None}, "variable ${EPS_SCF} has no value"),
        ("fast", {"template": "/nowhere/my.inp"}, "Cannot read the CP2K template '/nowhere/my.inp'"),
    ],
)
def test_bad_settings_are_refused(protocol: str, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(QdsimError) as refusal:
        load_protocol(protocol, overrides)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_own_template_reads_what_it_likes_of_the_protocol(tmp_path: Path) -> None:
    own = tmp_path / "own.inp"
    own.write_text("&GLOBAL\n RUN_TYPE ${RUN_TYPE}\n&END\n&FORCE_EVAL\n &DFT\n  CHARGE ${CHARGE}\n &END\n&END\n")
    settings = load_protocol("fast", {"template": str(own), "variables": {"charge": 1}})
    assert settings.template_variables() == {"CHARGE": "1"}
    with pytest.raises(QdsimError, match=r"'cutoff' .* is read nowhere in .*own\.inp"):
        load_protocol("fast", {"template": str(own), "variables": {"charge": 1}, "cutoff": 300})


def test_import_is_light() -> None:
    code = (
        "import sys, qdsim.cp2k.inputs; heavy = {'aiida', 'aiida_cp2k', 'cp2k_input_tools', 'ase', 'pint'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
