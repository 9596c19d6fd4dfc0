"""From a protocol and a structure to a CP2K input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.cp2k.field import in_atomic_units
from qdsim.cp2k.keywords import in_words_of_all
from qdsim.cp2k.settings import RunType, Settings, load_protocol, protocol_names, suggestion
from qdsim.cp2k.template import Template
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import ArrayLike

__all__ = [
    "Isolation",
    "RunType",
    "Settings",
    "build_parameters",
    "known_elements",
    "load_protocol",
    "protocol_names",
    "render",
    "wavefunction_file",
]

#: Keywords by which an input says for itself which atoms there are and where.
_CELL_KEYWORDS = ("A", "B", "C", "ABC", "ALPHA_BETA_GAMMA", "CELL_FILE_NAME")
_TOPOLOGY_KEYWORDS = ("COORD_FILE_NAME", "COORD_FILE_FORMAT", "CONN_FILE_NAME")


@dataclass(frozen=True)
class Isolation:
    """How a cluster is alone in its cell.

    Attributes
    ----------
    solver
        Of the Poisson equation: WAVELET or MT.
    reference_point
        What dipoles are about, Å from the corner of the cell.
    """

    solver: str
    reference_point: tuple[float, float, float]


def build_parameters(
    settings: Settings,
    atoms: Atoms,
    reference_cell: ArrayLike | None = None,
    run_type: RunType = "ENERGY_FORCE",
    wavefunction: str | None = None,
    charge: int = 0,
    potential: bool = False,
    isolation: Isolation | None = None,
    field: float | None = None,
) -> dict[str, Any]:
    """Fill in the template for one structure.

    Parameters
    ----------
    settings
        The resolved protocol.
    atoms
        Decides which ``&KIND`` sections stay; cell and coordinates are added when the input is written.
    reference_cell
        Rows are cell vectors in Å of ``CELL_REF``, (3, 3): the plane-wave grids are laid out for it, the same for
        every strain. Without it they follow the cell.
    run_type
        Single point with forces and stress, or geometry optimisation at fixed cell.
    wavefunction
        Path of a wavefunction restart file as CP2K will find it; without it CP2K starts from atomic densities.
    charge
        Of the cell, in elementary charges; a uniform background neutralises it in a periodic one. An odd number of
        electrons is computed with spin. For pseudo-hydrogens count what CP2K takes from their potentials too many.
    potential
        Write the electrostatic potential to a cube file.
    isolation
        Of a cluster, whose template has no periodicity.
    field
        Uniform, along the first of the cubic axes of a crystal at the Gamma point, V/Å.

    Returns
    -------
    dict
        CP2K's sections and keywords, nested, as ``Cp2kCalculation`` takes them.

    Raises
    ------
    QdsimError
        When the template does not parse (file and line are named), when it reads a value nowhere that was given, when
        it lacks a ``&KIND`` for an element, or holds a cell or coordinates of its own.
    """
    template = Template.load(settings.template)
    for_run: dict[str, str] = {"RUN_TYPE": run_type}
    if wavefunction is not None:
        for_run["WAVEFUNCTION"] = wavefunction
    if charge != 0:
        for_run["CHARGE"] = str(charge)
    if (int(atoms.numbers.sum()) - charge) % 2:  # the potentials take the place of an even number of electrons
        for_run["SPIN"] = "UNRESTRICTED"
    if potential:
        for_run["POTENTIAL"] = "CUBE"
    if field is not None:
        for_run["FIELD"] = repr(in_atomic_units(field))
    if isolation is not None:
        for_run["POISSON_SOLVER"] = isolation.solver
        for_run["REFERENCE_POINT"] = " ".join(map(repr, isolation.reference_point))
    if reference_cell is not None:
        for_run |= _frozen_grid(reference_cell)
    given = settings.template_variables()
    if clash := sorted(set(given) & set(for_run)):
        raise QdsimError(f"The variable {clash[0]} is set for each run; take it out of the settings' variables.")
    parameters, read = template.parse(given | for_run)
    unread = (template.unread(given) if set(given) - read else set()) | (set(for_run) - {"RUN_TYPE"} - read)
    if unread:
        raise QdsimError(f"The value of {sorted(unread)[0]} is read nowhere in {template.name}.")
    _check_ours_alone(parameters, template.name, run_type)
    _keep_kinds(parameters, _kind_names(atoms), template.name)
    return parameters


def _frozen_grid(reference_cell: ArrayLike) -> dict[str, str]:
    rows = np.asarray(reference_cell, dtype=float)
    if rows.shape != (3, 3):
        raise ValueError(f"reference_cell has shape {rows.shape}, not (3, 3)")
    vectors = {
        f"REFERENCE_CELL_{axis}": " ".join(map(repr, row)) for axis, row in zip("ABC", rows.tolist(), strict=True)
    }
    return {"REFERENCE_CELL": "FROZEN", **vectors}


def render(parameters: dict[str, Any], atoms: Atoms) -> str:
    """Write an input that runs by hand and is, number for number, the one ``Cp2kCalculation`` submits.

    Parameters
    ----------
    parameters
        From `build_parameters`.
    atoms
        The structure; its cell and coordinates are written in Å.

    Returns
    -------
    str
        A self-contained CP2K input, where ``Cp2kCalculation`` would put the coordinates into a file of their own.
    """
    from aiida_cp2k.calculations import Cp2kCalculation, _atoms_to_xyz
    from aiida_cp2k.utils import Cp2kInput

    document = Cp2kInput(parameters)
    document.add_keyword("GLOBAL/PROJECT", Cp2kCalculation._DEFAULT_PROJECT_NAME)
    for letter, vector in zip("ABC", np.asarray(atoms.cell).tolist(), strict=True):
        document.add_keyword(f"FORCE_EVAL/SUBSYS/CELL/{letter}", "{:<15} {:<15} {:<15}".format(*vector))
    coordinates = _atoms_to_xyz(atoms).splitlines()[2:]
    document.add_keyword(["FORCE_EVAL", "SUBSYS", "COORD"], {" ": coordinates})
    return in_words_of_all(str(document.render())).replace(Cp2kInput.DISCLAIMER, "! Written by qdsim.") + "\n"


def known_elements(template: str) -> list[str]:
    """Elements a template has a ``&KIND`` for, in its order.

    Raises
    ------
    QdsimError
        When there is no such template.
    """
    sections = (line.split() for line in Template.load(template).text.splitlines())
    return [words[1] for words in sections if len(words) > 1 and words[0].upper() == "&KIND"]


def wavefunction_file(parameters: dict[str, Any]) -> str:
    """Name of the wavefunction restart file that a run with these parameters writes."""
    from aiida_cp2k.calculations import Cp2kCalculation

    ending = "kp" if "KPOINTS" in parameters["FORCE_EVAL"]["DFT"] else "wfn"
    return f"{Cp2kCalculation._DEFAULT_PROJECT_NAME}-RESTART.{ending}"


def _check_ours_alone(parameters: dict[str, Any], name: str, run_type: RunType) -> None:
    """Refuse a template that sets what the run sets."""
    force_eval = parameters.get("FORCE_EVAL")
    if not isinstance(force_eval, dict) or "DFT" not in force_eval or "KIND" not in force_eval.get("SUBSYS", {}):
        raise QdsimError(f"{name} needs exactly one FORCE_EVAL, with DFT and with the KINDs in SUBSYS.")
    subsys = force_eval["SUBSYS"]
    own = [f"CELL/{key}" for key in _CELL_KEYWORDS if key in subsys.get("CELL", {})]
    own += ["COORD"] if "COORD" in subsys else []
    own += [f"TOPOLOGY/{key}" for key in _TOPOLOGY_KEYWORDS if key in subsys.get("TOPOLOGY", {})]
    if own:
        raise QdsimError(f"{name} has its own SUBSYS/{own[0]}; take it out, the structure is put in for each run.")
    settings = parameters.setdefault("GLOBAL", {})
    # Cp2kCalculation adds PROJECT, and CP2K takes the two for one keyword given twice.
    settings.pop("PROJECT_NAME", None)
    if settings.get("RUN_TYPE") != run_type:
        raise QdsimError(
            f"{name} asks for RUN_TYPE {settings.get('RUN_TYPE')} where {run_type} is needed; "
            "write RUN_TYPE ${RUN_TYPE}."
        )


def _kind_names(atoms: Atoms) -> list[str]:
    """Kind names as aiida-cp2k makes them: the element, with the atom's tag behind it where that is not 0."""
    return sorted({f"{symbol}{tag or ''}" for symbol, tag in zip(atoms.symbols, atoms.get_tags(), strict=True)})


def _keep_kinds(parameters: dict[str, Any], needed: list[str], name: str) -> None:
    subsys = parameters["FORCE_EVAL"]["SUBSYS"]
    kinds = {kind["_"]: kind for kind in subsys["KIND"]}
    for kind in needed:
        if kind not in kinds:
            raise QdsimError(
                f"There is no pseudopotential for {kind} in {name}{suggestion(kind, kinds)}: "
                f"it has KIND sections for {', '.join(kinds)}; add one, or change the element."
            )
    subsys["KIND"] = [kinds[kind] for kind in needed]
