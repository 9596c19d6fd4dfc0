"""What the inputs of CP2K calculations say, as a reader wants to know it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qdsim.provenance.campaigns import CP2K_PROCESS
from qdsim.provenance.runs import ways_to_roots

INPUT = ["attributes.GLOBAL", "attributes.FORCE_EVAL"]
"""What is read of an input: see `describe_input`."""
OPTIMISATION = "GEO_OPT"


@dataclass(frozen=True)
class OwnCalculation:
    """The CP2K calculation that a structure is of.

    Attributes
    ----------
    uuid
        Of the calculation.
    root, section
        PK of the process that it was started by in the end, and the label of the first call on the way from there.
    version
        Of CP2K.
    settings
        See `describe_input`.
    """

    uuid: str
    root: int
    section: str
    version: str | None
    settings: Mapping[str, Any] = field(repr=False)


def describe_input(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader wants to know of CP2K's input: of its columns `INPUT` in a query."""
    general, force_eval = (columns[name] or {} for name in INPUT)
    dft = force_eval.get("DFT", {})
    kinds = force_eval.get("SUBSYS", {}).get("KIND", [])
    grid, scf = dft.get("MGRID", {}), dft.get("SCF", {})
    functional = dft.get("XC", {}).get("XC_FUNCTIONAL")
    if isinstance(functional, Mapping):
        functional = functional.get("_") or " + ".join(functional)
    files = [dft.get(name) for name in ("BASIS_SET_FILE_NAME", "POTENTIAL_FILE_NAME")]
    return {
        "run_type": general.get("RUN_TYPE"),
        "functional": functional,
        "k_points": dft["KPOINTS"].get("SCHEME", "GENERAL") if "KPOINTS" in dft else None,
        "cutoff": grid.get("CUTOFF"),
        "rel_cutoff": grid.get("REL_CUTOFF"),
        "eps_default": dft.get("QS", {}).get("EPS_DEFAULT"),
        "eps_scf": scf.get("EPS_SCF"),
        "smearing_temperature": scf.get("SMEAR", {}).get("ELECTRONIC_TEMPERATURE"),
        "charge": dft.get("CHARGE", 0),
        "poisson_solver": dft.get("POISSON", {}).get("POISSON_SOLVER"),
        "basis_sets": {kind["_"]: kind.get("BASIS_SET") for kind in kinds},
        "potentials": {kind["_"]: kind.get("POTENTIAL") for kind in kinds},
        "files": tuple(name for one in files if one for name in (one if isinstance(one, list) else [one])),
    }


def own_calculations(structures: Collection[int], campaign: int | None) -> dict[int, OwnCalculation]:
    """Return the CP2K calculation that each structure (PK) is of; a structure that has none is left out.

    It is the one that put out the structure, by a relaxation of its own. Else it is the last one that computed its
    energy: that of a point on the path of a relaxation, or of a cell that is computed as it was made.

    Parameters
    ----------
    structures
        PKs.
    campaign
        PK of the campaign that the calculation must be of; None for any.
    """
    makers, users = _makers(structures), _users(structures)
    ways = ways_to_roots(sorted({*makers.values(), *(pk for pks in users.values() for pk in pks)}))
    ours = {pk for pk, (root, _) in ways.items() if campaign in {None, root}}
    inputs = _inputs(sorted(ours))
    found: dict[int, OwnCalculation] = {}
    for structure in structures:
        energies = [pk for pk in users.get(structure, ()) if pk in inputs and not _optimises(inputs[pk])]
        choice = [makers[structure]] if makers.get(structure) in inputs else energies
        if choice:
            pk = max(choice)
            root, calls = ways[pk]
            row = inputs[pk]
            section = calls[0] if calls else ""
            found[structure] = OwnCalculation(row["uuid"], root, section, row["version"], row["settings"])
    return found


def _optimises(row: Mapping[str, Any]) -> bool:
    return bool(row["settings"]["run_type"] == OPTIMISATION)


def _makers(structures: Collection[int]) -> dict[int, int]:
    """Return which calculation has put out a structure, by PKs."""
    from aiida import orm

    query = orm.QueryBuilder()
    query.append(orm.StructureData, filters={"id": {"in": list(structures)}}, tag="structure", project="id")
    query.append(
        orm.CalcJobNode,
        with_outgoing="structure",
        filters={"process_type": CP2K_PROCESS},
        project="id",
    )
    return dict(query.all())


def _users(structures: Collection[int]) -> dict[int, list[int]]:
    """Return which calculations have succeeded with a structure, by PKs."""
    from aiida import orm

    query = orm.QueryBuilder()
    query.append(orm.StructureData, filters={"id": {"in": list(structures)}}, tag="structure", project="id")
    query.append(
        orm.CalcJobNode,
        with_incoming="structure",
        filters={"process_type": CP2K_PROCESS, "attributes.exit_status": 0},
        project="id",
    )
    found: dict[int, list[int]] = {}
    for structure, run in query.all():
        found.setdefault(structure, []).append(run)
    return found


def _inputs(runs: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what is known of calculations by their PKs."""
    from aiida import orm

    if not runs:
        return {}
    query = orm.QueryBuilder()
    query.append(orm.CalcJobNode, filters={"id": {"in": list(runs)}}, tag="run", project=["id", "uuid"])
    query.append(
        orm.Dict, with_outgoing="run", edge_filters={"label": "parameters"}, tag="parameters", project=[*INPUT]
    )
    query.append(orm.Dict, with_incoming="run", outerjoin=True, tag="output", project=["attributes.cp2k_version"])
    return {
        row["run"]["id"]: {
            "uuid": row["run"]["uuid"],
            "settings": describe_input(row["parameters"]),
            "version": row["output"]["attributes.cp2k_version"],
        }
        for row in query.dict()
    }
