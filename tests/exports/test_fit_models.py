"""JSON of `qdsim export`: a structure, and a fit file that begins with it."""

import json
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from qdsim.debye import Fit, ModelPattern, ScatteringData, read_structure
from qdsim.debye.fit_file import FitFile, load_fit_file
from qdsim.debye.origin import Origin
from qdsim.errors import QdsimError
from qdsim.exports import format_json
from qdsim.structures import RhombohedralState


def test_it_is_a_fit_file_with_what_was_computed(crystal: Atoms, described: Any, saved: Any) -> None:
    origin = described(crystal)
    fit = load_fit_file(saved("a.json", format_json(origin, "cuboctahedron", 32)))
    assert fit.origin == origin
    model = fit.model
    assert (model.compound, model.shape, model.diameter) == ("PbS", "cuboctahedron", 32)
    assert model.lattice_constant == pytest.approx(6.1277, abs=1e-9)
    assert model.alpha_rh == pytest.approx(59.03, abs=1e-9)
    assert model.pb_offset == pytest.approx(0.257, abs=1e-9)
    assert (model.b_iso_cation, model.occupancy_cation_core) == (1, 1)
    assert set(fit.vary) >= {"lattice_constant", "alpha_rh", "pb_offset", "diameter", "b_iso_cation", "b_iso_anion"}
    assert set(fit.vary.values()) == {None}
    assert list(json.loads(format_json(origin))) == ["origin", "vary", "model"]


def test_the_structure_is_read_back_exactly(crystal: Atoms, cluster: Atoms, described: Any, saved: Any) -> None:
    for atoms in (crystal, cluster, bulk("Si")):
        back = read_structure(saved("a.json", format_json(described(atoms, "ünï"))))
        assert back.get_chemical_symbols() == atoms.get_chemical_symbols()
        np.testing.assert_array_equal(back.positions, atoms.positions)
        np.testing.assert_array_equal(back.cell.array, atoms.cell.array)
        np.testing.assert_array_equal(back.pbc, atoms.pbc)
        np.testing.assert_array_equal(back.arrays["occupancy"], 1)


def test_a_fit_begins_there_and_finds_a_sample_nearby(crystal: Atoms, described: Any, saved: Any) -> None:
    fit = load_fit_file(saved("a.json", format_json(described(crystal), diameter=22)))
    truth = fit.model.with_values({"alpha_rh": 59.4, "lattice_constant": 6.10, "pb_offset": 0.2, "b_iso_cation": 1.4})
    q = np.linspace(1, 13, 400)
    data = ScatteringData(q, 2 * ModelPattern(truth, q).intensity({}) + 30, np.full(q.size, 10.0))
    assert Fit(fit.model, data, fit.settings()).names == tuple(fit.vary)
    result = Fit(fit.model, data, fit.settings()).run()
    assert result.converged
    assert result.model.alpha_rh == pytest.approx(59.4, abs=1e-3)
    assert result.model.lattice_constant == pytest.approx(6.10, abs=1e-4)
    assert result.model.pb_offset == pytest.approx(0.2, abs=2e-3)


def test_a_crystal_that_is_rock_salt_is_fitted_as_such(described: Any, saved: Any) -> None:
    for name, edge, chosen in (("CdSe", 5.54, True), ("MgO", 4.21, False)):
        fit = load_fit_file(saved("a.json", format_json(described(bulk(name, "rocksalt", a=edge)), diameter=30)))
        assert (fit.model.compound, fit.model.as_rocksalt) == (name, chosen)
        assert fit.model.lattice_constant == pytest.approx(edge)


def test_vacancies_become_occupancies(described: Any) -> None:
    crystal = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")
    del crystal[int(np.flatnonzero(crystal.symbols == "S")[0])]
    model = FitFile.model_validate(json.loads(format_json(described(crystal)))).model
    assert (model.occupancy_anion_core, model.occupancy_anion_shell) == (0.75, 0.75)
    assert (model.occupancy_cation_core, model.occupancy_cation_shell) == (1, 1)


def test_what_no_fit_may_vary_is_held(described: Any) -> None:
    flat = RhombohedralState.from_lattice_constant(6.0, 56.0).to_atoms("Pb", "S")
    fit = FitFile.model_validate(json.loads(format_json(described(flat), diameter=500)))
    assert fit.model.alpha_rh == pytest.approx(56)
    assert not {"alpha_rh", "diameter"} & set(fit.vary)


def test_a_structure_without_a_model_is_no_fit_file(cluster: Atoms, described: Any, saved: Any) -> None:
    text = format_json(described(cluster))
    assert list(json.loads(text)) == ["origin"]
    with pytest.raises(QdsimError, match="model: this key is required"):
        load_fit_file(saved("a.json", text))
    for shape, diameter in (("cube", None), (None, 20.0)):
        with pytest.raises(QdsimError, match="its json holds no model: leave out --shape and --diameter"):
            format_json(described(cluster), shape, diameter)


@pytest.mark.parametrize(
    ("shape", "diameter", "message"),
    [
        (None, 3.0, "There is no such particle of linear_p0p0200 relaxed: a diameter of 3 Å is less than one cell"),
        ("cub", None, "Unknown shape 'cub'"),
        (None, -1.0, "greater than 0"),
        (None, float("inf"), "finite"),
    ],
)
def test_impossible_particles_are_told(
    crystal: Atoms, described: Any, shape: str | None, diameter: float | None, message: str
) -> None:
    with pytest.raises(QdsimError, match=message):
        format_json(described(crystal), shape, diameter)


def changed(origin: Origin, **structure: object) -> str:
    document = {"origin": origin.model_dump(mode="json")}
    document["origin"]["structure"] |= structure
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": ["Pb", "Xx"]}, r"origin\.structure: 'Xx' is no chemical symbol; correct it"),
        ({"symbols": ["Pb"]}, "1 symbols have 2 positions"),
        ({"symbols": []}, r"origin\.structure\.symbols"),
        ({"positions": [[0, 0, 0], [0, 0, "a"]]}, r"origin\.structure\.positions\.1\.2"),
        ({"positions": [[0, 0, 0], [0, 0, float("nan")]]}, "finite"),
        ({"cell": None}, "needs a cell"),
        ({"cell": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "linearly independent"),
        ({"extra": 1}, r"origin\.structure\.extra"),
    ],
)
def test_mistakes_in_a_structure_are_told(described: Any, saved: Any, change: dict[str, object], message: str) -> None:
    crystal = RhombohedralState(55.0).to_atoms("Pb", "S")
    path = saved("a.json", changed(described(crystal), **change))
    with pytest.raises(QdsimError, match=message) as refused:
        read_structure(path)
    assert str(refused.value).count("\n") == 0
    assert str(refused.value).startswith(str(path))


def test_other_json_is_left_to_ase(crystal: Atoms, saved: Any) -> None:
    path = saved("a.json", "")
    write(path, crystal)
    np.testing.assert_allclose(read_structure(path).positions, crystal.positions)
    for text in ("[1, 2]", '{"origin": 3}', '{"model": {}}', "{", "3"):
        with pytest.raises(QdsimError, match="cannot be understood as a structure"):
            read_structure(saved("b.json", text))
