"""The fingerprint of a plan: an edited campaign is another one, whichever field was edited."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from aiida import orm
from ase.io import write
from pydantic import BaseModel
from ruamel.yaml import YAML

from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import plan_campaign
from qdsim.campaign.schema import Campaign
from qdsim.structures import RhombohedralState

NODES = {"NODE": 6.1, "OTHER NODE": 6.15}
"""What stands for the UUIDs of crystals, and their lattice constants, Å."""
FIT = "model: {{compound: PbS, diameter: 20, diameter_sd: {spread}}}\nvary: [alpha_rh]\ndata: {{file: dots.xye}}\n"
FITS = "compound: PbS\nsamples:\n" + "".join(
    f"  - {{name: {name}, diameter: 20, lattice_constant: {edge}, alpha_rh: {{value: 59.5, error: 0.1}}}}\n"
    for name, edge in (("small", 5.93), ("large", 5.95))
)
FILES = {
    "fits.yaml": FITS,
    "other-fits.yaml": FITS.replace("59.5", "59.4"),
    "fit.yaml": FIT.format(spread=2),
    "other-fit.yaml": FIT.format(spread=3),
    "pb.txt": "# s(1/A) Pb\n" + "".join(f"{0.1 * i} {82 / (1 + i)}\n" for i in range(20)),
    "dots.xye": "# Q(1/A) I sigma\n" + "".join(f"{1 + 0.1 * i} 100 10\n" for i in range(100)),
}
VACANCY: dict[str, Any] = {
    "hosts": {"x": {"linear_strain": 0}},
    "overrides": {"cell": [1, 1, 1]},
    "elements": ["Pb"],
    "allow_near_images": True,
}
CHARGED = VACANCY | {
    "charges": {"Pb": [-2]},
    "dielectric": {"eps_inf": 17, "eps_0": 190},
    "carriers": {"electron_mass": 0.1, "hole_mass": 0.1},
}
SERIES = VACANCY | {
    "overrides": {},
    "concentrations": {"elements": ["Pb"], "values": ["6.25 %"]},
    "rattle": {},
    "pairs": [{"elements": ["Pb", "S"], "largest_distance": 4.5}],
}
DIPOLE: dict[str, Any] = {"lattice": {"linear_strain": 0}, "particles": {"x": {"diameter": 9}}, "offsets": [0.1]}
SHELL = {"shell_thickness": 2, "shell_elements": {"S": "Se"}}
SAMPLE = {"fits": "fits.yaml", "sample": "small"}
BASES: dict[str, dict[str, Any]] = {
    "plain": {"strain": {"linear": ["1 %"]}},
    "volumetric": {"strain": {"volumetric": ["1 %"]}},
    "pressure": {"strain": {"pressure": [-1]}},
    "lattice_constant": {"strain": {"lattice_constant": [6.1]}},
    "structure": {"compound": None, "structure": "crystal.xyz", "strain": {"linear": ["1 %"]}},
    "scattering": {
        "strain": {"linear": ["1 %"]},
        "scattering": {"fits": "fits.yaml", "data": {"small": "fit.yaml"}},
    },
    "crystal": {"phonon": {"crystals": {"x": {"linear_strain": 0}}}},
    "crystal of a mesh": {
        "phonon": {
            "crystals": {"x": {"linear_strain": 0}},
            "overrides": {"cell": [[2, 0, 0], [0, 2, 0], [0, 0, 2]], "k_points": [3, 3, 3]},
        },
    },
    "crystal of an edge": {"phonon": {"crystals": {"x": {"lattice_constant": 6.0}}}},
    "crystal of a node": {"phonon": {"crystals": {"x": {"node": "NODE"}}}},
    "crystal of a point": {"strain": {"linear": ["1 %", "2 %"]}, "phonon": {"crystals": {"x": {"point": "1 %"}}}},
    "charges": {
        "phonon": {"crystals": {"x": {"linear_strain": 0}}, "nonanalytic": {"born_charge": 4, "eps_inf": 11}},
    },
    "fields": {"phonon": {"crystals": {"x": {"linear_strain": 0}}, "nonanalytic": {"finite_field": {}}}},
    "vacancy": {"vacancy": VACANCY},
    "host of an edge": {"vacancy": VACANCY | {"hosts": {"x": {"lattice_constant": 6.0}}}},
    "host of a node": {"vacancy": VACANCY | {"hosts": {"x": {"node": "NODE"}}}},
    "host of a point": {
        "strain": {"linear": ["1 %", "2 %"]},
        "vacancy": VACANCY | {"hosts": {"x": {"point": "1 %"}}},
    },
    "charged": {"vacancy": CHARGED},
    "series": {"vacancy": SERIES},
    "rich": {"vacancy": VACANCY | {"reservoirs": {"x": {"rich": 0.5}}}},
    "delta_mu": {"vacancy": VACANCY | {"reservoirs": {"x": {"delta_mu": {"Pb": -0.1}}}}},
    "reaction": {"vacancy": VACANCY | {"reservoirs": {"x": {"reaction_energy": 1.0, "element": "Pb"}}}},
    "dipole": {"dipole": DIPOLE},
    "shell": {"dipole": DIPOLE | {"particles": {"x": {"diameter": 14, **SHELL}}}},
    "empty": {"dipole": DIPOLE | {"particles": {"x": {"diameter": 14, "vacancies": {"Pb": 1, "S": 1}}}}},
    "cluster": {"dipole": DIPOLE | {"overrides": {"template": "cluster.inp"}}},
    "boxed": {"dipole": DIPOLE | {"particles": {"x": {"diameter": 14, "box": 50}}}},
    "dipole of an edge": {"dipole": DIPOLE | {"lattice": {"lattice_constant": 6.0}}},
    "dipole of a node": {"dipole": DIPOLE | {"lattice": {"node": "NODE"}}},
    "dipole of a sample": {"dipole": DIPOLE | {"lattice": SAMPLE}},
    "target": {"dipole": DIPOLE | {"target": {}}},
    "spheres": {"dipole": DIPOLE | {"models": {"spheres": [{"born_charge": 4, "eps_inf": 11, "source": "a paper"}]}}},
}  # fmt: skip
"""Campaigns that the changes are made to."""
CHANGES: dict[str, tuple[str, Any]] = {
    "name": ("plain", "other"),
    "compound": ("plain", "PbSe"),
    "structure": ("structure", "other-crystal.xyz"),
    "protocol": ("plain", "moderate"),
    "overrides": ("plain", {"cutoff": 320}),
    "code": ("plain", "other@localhost"),
    "strain.linear": ("plain", ["2 %"]),
    "strain.volumetric": ("volumetric", ["2 %"]),
    "strain.pressure": ("pressure", [-2]),
    "strain.lattice_constant": ("lattice_constant", [6.2]),
    "strain.equation_of_state.span": ("plain", 0.02),
    "strain.equation_of_state.points": ("plain", 9),
    "strain.double_well": ("plain", [0.1]),
    **{
        f"strain.relaxation.{name}": ("plain", value)
        for name, value in {
            "alpha_tolerance": 0.03,
            "offset_tolerance": 0.003,
            "gradient_noise": 1e-4,
            "max_steps": 11,
            "max_alpha_step": 0.4,
            "max_offset_step": 0.2,
            "min_alpha": 56,
            "max_alpha": 64,
            "max_offset": 0.7,
            "start_offset": 0.2,
            "shear_modulus": 25,
            "quartic": 2.1,
            "coupling": 0.1,
        }.items()
    },
    "scattering.fits": ("scattering", "other-fits.yaml"),
    "scattering.data": ("scattering", {"small": "other-fit.yaml"}),
    "scattering.reference": ("scattering", "absolute"),
    "scattering.tolerances": ("scattering", {"alpha_rh": 0.2}),
    "scattering.patterns.b_iso": ("scattering", 1.1),
    "scattering.patterns.energy_kev": ("scattering", 20),
    "scattering.patterns.form_factors": ("scattering", {"Pb": "pb.txt"}),
    "scattering.patterns.dispersion": ("scattering", "none"),
    "scattering.patterns.diameter": ("scattering", 30),
    "scattering.patterns.shape": ("scattering", "cube"),
    "phonon.protocol": ("crystal of a mesh", "moderate"),
    "phonon.overrides": ("crystal", {"cutoff": 320}),
    "phonon.crystals.x.linear_strain": ("crystal", 0.01),
    "phonon.crystals.x.lattice_constant": ("crystal of an edge", 6.1),
    "phonon.crystals.x.node": ("crystal of a node", "OTHER NODE"),
    "phonon.crystals.x.point": ("crystal of a point", "2 %"),
    "phonon.crystals.x.phase": ("crystal of a point", "relaxed"),
    "phonon.displacement": ("crystal", 0.03),
    "phonon.largest_force": ("crystal", 0.004),
    "phonon.mesh": ("crystal", 26),
    "phonon.temperatures": ("crystal", [150]),
    "phonon.temperature": ("crystal", 290),
    "phonon.nonanalytic.born_charge": ("charges", 4.1),
    "phonon.nonanalytic.eps_inf": ("charges", 12),
    "phonon.nonanalytic.source": ("charges", "a paper"),
    "phonon.nonanalytic.finite_field.protocol": ("fields", "paper"),
    "phonon.nonanalytic.finite_field.overrides": ("fields", {"cell": [1, 1, 1]}),
    "phonon.nonanalytic.finite_field.field": ("fields", 0.004),
    "vacancy.protocol": ("vacancy", "fast"),
    "vacancy.overrides": ("vacancy", {"cell": [1, 1, 1], "cutoff": 320}),
    "vacancy.supercell": ("vacancy", [1, 1, 2]),
    "vacancy.k_points": ("vacancy", [2, 2, 2]),
    "vacancy.relaxation_k_points": ("vacancy", [2, 2, 2]),
    "vacancy.hosts.x.linear_strain": ("vacancy", 0.01),
    "vacancy.hosts.x.lattice_constant": ("host of an edge", 6.1),
    "vacancy.hosts.x.alpha_rh": ("vacancy", 59.5),
    "vacancy.hosts.x.pb_offset": ("vacancy", 0.1),
    "vacancy.hosts.x.node": ("host of a node", "OTHER NODE"),
    "vacancy.hosts.x.point": ("host of a point", "2 %"),
    "vacancy.hosts.x.phase": ("host of a point", "centred"),
    "vacancy.elements": ("vacancy", ["S"]),
    "vacancy.pairs.0.elements": ("series", ["Pb", "Pb"]),
    "vacancy.pairs.0.largest_distance": ("series", 5.5),
    "vacancy.charges": ("charged", {"Pb": [-1]}),
    "vacancy.dielectric.eps_inf": ("charged", 18),
    "vacancy.dielectric.eps_0": ("charged", 180),
    "vacancy.carriers.electron_mass": ("charged", 0.2),
    "vacancy.carriers.hole_mass": ("charged", 0.2),
    "vacancy.carriers.valleys": ("charged", 1),
    "vacancy.concentrations.elements": ("series", ["S"]),
    "vacancy.concentrations.values": ("series", ["3.125 %"]),
    "vacancy.concentrations.orderings": ("series", 4),
    "vacancy.concentrations.seed": ("series", 2),
    "vacancy.rattle.amplitude": ("series", 0.04),
    "vacancy.rattle.bond_factor": ("series", 1.1),
    "vacancy.rattle.seed": ("series", 2),
    "vacancy.relax": ("vacancy", False),
    "vacancy.reservoirs.x.rich": ("rich", 0.4),
    "vacancy.reservoirs.x.delta_mu": ("delta_mu", {"Pb": -0.2}),
    "vacancy.reservoirs.x.reaction_energy": ("reaction", 1.1),
    "vacancy.reservoirs.x.element": ("reaction", "S"),
    "vacancy.temperature": ("vacancy", 290),
    "dipole.protocol": ("cluster", "finite_field"),
    "dipole.overrides": ("dipole", {"cutoff": 320}),
    "dipole.lattice.linear_strain": ("dipole", 0.01),
    "dipole.lattice.lattice_constant": ("dipole of an edge", 6.1),
    "dipole.lattice.alpha_rh": ("dipole", 59.5),
    "dipole.lattice.node": ("dipole of a node", "OTHER NODE"),
    "dipole.lattice.fits": ("dipole of a sample", "other-fits.yaml"),
    "dipole.lattice.sample": ("dipole of a sample", "large"),
    "dipole.offsets": ("dipole", [0.2]),
    "dipole.undistorted": ("dipole", False),
    "dipole.particles.x.diameter": ("dipole", 14),
    "dipole.particles.x.shape": ("dipole", "cube"),
    "dipole.particles.x.centre": ("empty", "bond"),
    "dipole.particles.x.fewest_neighbours": ("dipole", 2),
    "dipole.particles.x.surface": ("shell", "balanced"),
    "dipole.particles.x.shell_thickness": ("shell", 4),
    "dipole.particles.x.shell_elements": ("shell", {"S": "Te"}),
    "dipole.particles.x.vacancies": ("empty", {"Pb": 2, "S": 2}),
    "dipole.particles.x.seed": ("empty", 1),
    "dipole.particles.x.box": ("dipole", 30),
    "dipole.particles.x.reference_point": ("dipole", [1, 0, 0]),
    "dipole.solver": ("boxed", "WAVELET"),
    "dipole.relax": ("dipole", True),
    "dipole.coarse_start": ("dipole", None),
    "dipole.patterns.b_iso": ("dipole", 1.1),
    "dipole.patterns.energy_kev": ("dipole", 20),
    "dipole.patterns.form_factors": ("dipole", {"Pb": "pb.txt"}),
    "dipole.patterns.dispersion": ("dipole", "none"),
    "dipole.models.spheres.0.born_charge": ("spheres", 4.4),
    "dipole.models.spheres.0.eps_inf": ("spheres", 12),
    "dipole.models.spheres.0.source": ("spheres", "another paper"),
    "dipole.target.diameter": ("target", 30),
    "dipole.target.pb_offset": ("target", 0.1),
    "dipole.target.reported_dipole": ("target", 190),
    "dipole.target.source": ("target", "a paper"),
}
"""By field, the campaign that has it, and another value."""
ALIKE: dict[str, tuple[str, Any]] = {
    "resources": ("plain", {"ranks": 2, "queue": "long", "at_once": 3}),
    "scattering.code": ("scattering", "qdsim@localhost"),
    "vacancy.allow_near_images": ("large", False),
}
"""Fields that decide where and how something is computed, or whether at all, and not what comes out."""


def fields(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Yield the fields of a document at any depth; `x` stands for a name, 0 for a place in a list."""
    for name, field in model.model_fields.items():
        inner = {} if name == "resources" else dict(models_in(field.annotation))
        if not inner:
            yield before + name
        for way, found in inner.items():
            yield from fields(found, f"{before}{name}.{way}")


def models_in(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    container = {dict: "x.", list: "0."}.get(get_origin(annotation), "")
    for choice in get_args(annotation):
        for way, found in models_in(choice):
            yield container + way, found


@pytest.fixture(scope="module")
def folder(aiida_profile: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 (loads the profile)
    folder = tmp_path_factory.mktemp("fingerprint")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, edge in (("crystal.xyz", 6.0), ("other-crystal.xyz", 6.1)):
        cell = RhombohedralState.from_lattice_constant(edge).to_atoms("Pb", "S", "conventional")
        write(folder / name, cell, format="extxyz")
    return folder


@pytest.fixture(scope="module")
def uuids(folder: Path) -> dict[str, str]:  # noqa: ARG001 (loads the profile)
    crystals = {name: RhombohedralState.from_lattice_constant(edge, 59.5, 0.1) for name, edge in NODES.items()}
    return {name: orm.StructureData(ase=one.to_atoms("Pb", "S")).store().uuid for name, one in crystals.items()}


@pytest.fixture(scope="module")
def fingerprint(folder: Path, uuids: dict[str, str]) -> Any:
    """Return a function that plans one of the campaigns, in which a field may have another value."""
    bases = BASES | {"large": {"vacancy": VACANCY | {"overrides": {}}}}

    @cache
    def of_text(text: str) -> str:
        path = folder / "campaign.yaml"
        path.write_text(text, encoding="utf-8")
        return plan_campaign(load_campaign(path)).fingerprint

    def plan(base: str, field: str | None = None, value: Any = None) -> str:
        document = deepcopy({"name": "one", "compound": "PbS", "protocol": "fast", **bases[base]})
        if document["compound"] is None:
            del document["compound"]
        if field is not None:
            *way, last = field.split(".")
            inner: Any = document
            for name in way:
                inner = inner[int(name)] if name.isdecimal() else inner.setdefault(name, {})
            inner[last] = value
        path = folder / "document.yaml"
        YAML(typ="safe").dump(document, path)
        text = path.read_text(encoding="utf-8")
        for name, uuid in sorted(uuids.items(), reverse=True):
            text = text.replace(name, uuid)
        return of_text(text)

    return plan


def test_every_field_of_a_campaign_file_is_looked_at() -> None:
    assert sorted(fields(Campaign)) == sorted([*CHANGES, *ALIKE])


@pytest.mark.parametrize("field", CHANGES)
def test_a_campaign_with_another_value_is_another_one(fingerprint: Any, field: str) -> None:
    base, value = CHANGES[field]
    assert fingerprint(base, field, value) != fingerprint(base)


@pytest.mark.parametrize("field", ALIKE)
def test_what_does_not_decide_the_results_is_not_in_it(fingerprint: Any, field: str) -> None:
    base, value = ALIKE[field]
    assert fingerprint(base, field, value) == fingerprint(base)
