from typing import Any

import pytest

from qdsim.cp2k.requests import requested_values

CRYSTAL: dict[str, Any] = {
    "GLOBAL": {"RUN_TYPE": "ENERGY_FORCE"},
    "FORCE_EVAL": {
        "STRESS_TENSOR": "ANALYTICAL",
        "DFT": {
            "KPOINTS": {"SCHEME": "MONKHORST-PACK 4 4 4"},
            "SCF": {"ADDED_MOS": 1},
            "PRINT": {"MO": {"ENERGIES": True, "OCCUPATION_NUMBERS": True}, "MULLIKEN": {"_": "ON"}},
        },
        "PRINT": {"FORCES": {"_": "ON"}, "STRESS_TENSOR": {"_": "ON"}},
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the crystal's input with a section or keyword changed, or taken out by None."""

    def change(section: dict[str, Any], names: list[str]) -> dict[str, Any]:
        name, *rest = names
        new = change(section.get(name, {}), rest) if rest else value
        return {key: one for key, one in {**section, name: new}.items() if one is not None}

    return change(CRYSTAL, path.split("/"))


def test_a_crystal_on_a_mesh() -> None:
    assert requested_values(CRYSTAL) == ["energy", "forces", "stress", "mulliken_charges", "homo", "lumo", "gap"]


@pytest.mark.parametrize(
    ("path", "value", "without"),
    [
        ("GLOBAL/RUN_TYPE", "ENERGY", {"forces", "stress"}),
        ("FORCE_EVAL/STRESS_TENSOR", None, {"stress"}),
        ("FORCE_EVAL/PRINT/FORCES", {"_": "OFF"}, {"forces"}),
        ("FORCE_EVAL/DFT/PRINT/MULLIKEN", None, {"mulliken_charges"}),
        ("FORCE_EVAL/DFT/SCF/ADDED_MOS", 0, {"lumo", "gap"}),
        ("FORCE_EVAL/DFT/PRINT/MO/ENERGIES", False, {"homo", "lumo", "gap"}),
        ("FORCE_EVAL/DFT/KPOINTS", None, {"homo", "lumo", "gap"}),
    ],
)
def test_what_the_input_leaves_out_is_not_missed(path: str, value: Any, without: set[str]) -> None:
    assert set(requested_values(CRYSTAL)) - set(requested_values(changed(path, value))) == without


def test_levels_at_gamma() -> None:
    dft: dict[str, Any] = {
        "SCF": {"OT": {}},
        "PRINT": {"MO_CUBES": {"NHOMO": 1, "NLUMO": 1}, "MOMENTS": {"PERIODIC": False}},
    }
    assert requested_values(changed("FORCE_EVAL/DFT", dft))[-4:] == ["dipole", "homo", "lumo", "gap"]
    dft["PRINT"]["MO_CUBES"] = {"NHOMO": 1, "NLUMO": 0}
    assert requested_values(changed("FORCE_EVAL/DFT", dft))[-2:] == ["dipole", "homo"]


def test_an_input_that_says_nothing_asks_for_the_energy() -> None:
    assert requested_values({}) == ["energy"]
