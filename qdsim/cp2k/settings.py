"""Protocols: named sets of numerical settings, with a campaign's changes laid over them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from qdsim.errors import QdsimError

__all__ = ["RunType", "Settings", "load_protocol", "load_yaml", "protocol_names", "suggestion", "with_walltime"]

RunType = Literal["ENERGY_FORCE", "GEO_OPT"]
Row = tuple[int, int, int]
CellChoice = Literal["primitive", "conventional"] | tuple[PositiveInt, PositiveInt, PositiveInt] | tuple[Row, Row, Row]

TEMPLATES = files("qdsim.templates")
_NOT_VARIABLES = frozenset({"protocol", "description", "template", "cell", "k_points", "variables"})


class Settings(BaseModel):
    """Everything a calculation's input needs besides the structure.

    A field that is not ``None`` becomes the template's ``${FIELD}`` in capitals, with two exceptions: ``k_points``
    becomes ``${K_POINTS}`` only when a mesh is given, and ``variables`` holds whatever else a template reads.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    protocol: str = Field(description="Name of the protocol these settings come from.")
    description: str = Field(description="What the protocol is for, in one paragraph.")
    template: str = Field("crystal.inp", description="Name of a template of the package, or path of your own.")
    cell: CellChoice = Field(
        "primitive", description="primitive, conventional, three repeats of the conventional cell, or a 3x3 matrix."
    )
    k_points: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None, description="Monkhorst-Pack mesh of that cell; none for the Gamma point."
    )
    basis_set: str | None = Field(None, description="Basis set family, without the valence charge (-q4).")
    cutoff: PositiveFloat | None = Field(None, description="Plane-wave cutoff of the finest grid, Ry.")
    rel_cutoff: PositiveFloat | None = Field(
        None, description="Cutoff of the grid that carries a Gaussian of unit exponent, Ry."
    )
    ngrids: PositiveInt | None = Field(None, description="Number of grids.")
    progression_factor: Annotated[float, Field(gt=1)] | None = Field(
        None, description="Ratio of the cutoffs of one grid and the next coarser one."
    )
    eps_default: PositiveFloat | None = Field(None, description="Precision Quickstep sets its thresholds from.")
    eps_scf: PositiveFloat | None = Field(None, description="SCF convergence threshold.")
    max_scf: PositiveInt | None = Field(None, description="SCF steps at most.")
    max_outer_scf: PositiveInt | None = Field(None, description="Restarts of OT's inner loop at most.")
    solver: Literal["OT", "DIAGONALIZATION"] | None = Field(None, description="How the orbitals are found.")
    preconditioner: Literal["FULL_SINGLE_INVERSE", "FULL_ALL", "FULL_KINETIC"] | None = Field(
        None, description="Of OT."
    )
    energy_gap: PositiveFloat | None = Field(
        None, description="Least gap that OT's preconditioner reckons with, hartree."
    )
    added_mos: PositiveInt | None = Field(None, description="Empty orbitals kept (diagonalisation).")
    mixing_alpha: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Share of the new density mixed in (diagonalisation)."
    )
    nbroyden: PositiveInt | None = Field(None, description="Densities Broyden mixing remembers.")
    smearing_temperature: PositiveFloat | None = Field(
        None, description="Fermi-Dirac smearing, K (diagonalisation); none for fixed occupation."
    )
    walltime: PositiveInt | None = Field(
        None, description="Seconds after which CP2K stops by itself and writes its restart."
    )
    optimizer: Literal["BFGS", "LBFGS", "CG"] | None = Field(None, description="Geometry optimiser.")
    max_geo_steps: PositiveInt | None = Field(None, description="Geometry steps at most.")
    max_force: PositiveFloat | None = Field(None, description="Largest force at convergence, hartree/bohr.")
    rms_force: PositiveFloat | None = Field(None, description="Root mean square force at convergence, hartree/bohr.")
    max_displacement: PositiveFloat | None = Field(None, description="Largest step at convergence, bohr.")
    rms_displacement: PositiveFloat | None = Field(None, description="Root mean square step at convergence, bohr.")
    variables: dict[str, str | int | float] = Field(
        default_factory=dict, description="Further ${VARIABLES} that your own template reads."
    )

    @model_validator(mode="after")
    def _solver_suits_k_points(self) -> Settings:
        if self.k_points is not None and self.solver == "OT":
            raise ValueError("OT works at the Gamma point only; with k_points set solver to DIAGONALIZATION")
        if self.solver == "OT" and self.smearing_temperature is not None:
            raise ValueError("OT knows no smearing; set solver to DIAGONALIZATION or drop smearing_temperature")
        return self

    def template_variables(self) -> dict[str, str]:
        """Return the template's variables with their values as text.

        Returns
        -------
        dict
            Names in capitals; fields that are ``None`` are left out.
        """
        given = {
            name.upper(): str(value)
            for name, value in self.model_dump(exclude=set(_NOT_VARIABLES)).items()
            if value is not None
        }
        if self.k_points is not None:
            given["K_POINTS"] = " ".join(map(str, self.k_points))
        return given | {name.upper(): str(value) for name, value in self.variables.items()}


def load_protocol(name: str, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read a protocol and lay a campaign's changes over it.

    Values of the protocol that the template does not read with these changes (another solver, a template of one's own)
    are dropped; values given in ``overrides`` must be read by it.

    Parameters
    ----------
    name
        One of `protocol_names`.
    overrides
        Fields of `Settings` with their new values; ``None`` takes a value away.

    Raises
    ------
    QdsimError
        For an unknown protocol or field (the nearest name is offered), a value of the wrong kind, a template that
        does not exist, or a value that the template reads nowhere.
    """
    from qdsim.cp2k.template import Template

    overrides = dict(overrides or {})
    if name not in protocol_names():
        raise QdsimError(
            f"There is no protocol {name!r}{suggestion(name, protocol_names())}; "
            f"the protocols are {', '.join(protocol_names())}."
        )
    valid = [field for field in Settings.model_fields if field not in ("protocol", "description")]
    for key in overrides:
        if key not in valid:
            raise QdsimError(f"Unknown setting {key!r} laid over protocol {name!r}{suggestion(key, valid)}.")
    document: dict[str, Any] = load_yaml(TEMPLATES / "protocols" / f"{name}.yaml")
    settings = _validated({**document, **overrides, "protocol": name})
    template = Template.load(settings.template)
    unread = template.unread(settings.template_variables())
    fields = {("k_points" if v == "K_POINTS" else v.lower()): v for v in unread}
    for field, variable in fields.items():
        if field in overrides or field not in Settings.model_fields or not overrides:
            raise QdsimError(
                f"Setting {field!r} of protocol {name!r} is read nowhere in {template.name} with the other settings "
                f"as they are; use ${{{variable}}} in the template or drop the setting."
            )
    if not fields:
        return settings
    return settings.model_copy(update=dict.fromkeys(fields))


def with_walltime(settings: Settings, seconds: int) -> Settings:
    """Have CP2K stop by itself after some seconds, unless the settings say when, or their template cannot be told."""
    from qdsim.cp2k.template import Template

    if settings.walltime is None and "${WALLTIME" in Template.load(settings.template).text:
        return settings.model_copy(update={"walltime": seconds})
    return settings


def protocol_names() -> list[str]:
    """Names of the protocols of the package, cheapest first."""
    known = [Path(entry.name).stem for entry in (TEMPLATES / "protocols").iterdir() if entry.name.endswith(".yaml")]
    order = ["fast", "moderate", "precise", "phonons", "finite_field", "defects", "cluster", "paper"]
    return sorted(known, key=lambda name: (order.index(name) if name in order else len(order), name))


def suggestion(name: str, valid: Iterable[str]) -> str:
    """`` (did you mean ...?)`` with the nearest valid name, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def load_yaml(path: Traversable) -> Any:
    """Read a YAML 1.2 document of the package."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def _validated(document: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("tuple", "literal")))
        reason = first["msg"].removeprefix("Value error, ")
        place = f"setting {where!r}" if where else "settings"
        raise QdsimError(f"Protocol {document['protocol']!r}, {place}: {reason}.") from error
