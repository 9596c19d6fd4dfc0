"""Changes to an input, as aiida-cp2k's nested dictionary, that let a calculation go on where it failed."""

from copy import deepcopy
from typing import Any

Parameters = dict[str, Any]

PARENT_FOLDER = "parent_calc"
PROJECT = "aiida"
RESTART_FILE = f"{PROJECT}-1.restart"
"""Of a geometry optimisation."""
STEPS_OF_A_WAVEFUNCTION = 20
"""CP2K writes the wavefunction every so many steps of an SCF cycle, and at its end."""


def reached_scf(output: dict[str, Any]) -> bool:
    """Return whether a run, as `qdsim.cp2k.output.Cp2kOutput`, got as far as its first SCF step."""
    return bool(output.get("scf_steps") or output.get("scf_steps_broken_off"))


def left_wavefunction(output: dict[str, Any]) -> bool:
    """Return whether a run that was killed had written a wavefunction by then."""
    return bool(output.get("scf_steps")) or output.get("scf_steps_broken_off", 0) >= STEPS_OF_A_WAVEFUNCTION


def got_further(output: dict[str, Any]) -> bool:
    """Return whether a run that was killed left what the next begins nearer to the end with.

    The end of an SCF cycle alone does not count: who dies after it once may die after it again.
    """
    return bool(output.get("geometry_steps")) or output.get("scf_steps_broken_off", 0) >= STEPS_OF_A_WAVEFUNCTION


def uses_kpoints(parameters: Parameters) -> bool:
    """Return whether the input samples the Brillouin zone, which gives the wavefunction file another name."""
    return "KPOINTS" in parameters["FORCE_EVAL"]["DFT"]


def uses_orbital_transformation(parameters: Parameters) -> bool:
    """Return whether the electrons are minimised by OT rather than by diagonalisation with mixing."""
    return "OT" in parameters["FORCE_EVAL"]["DFT"]["SCF"]


def uses_smearing(parameters: Parameters) -> bool:
    """Return whether occupations are smeared."""
    return "SMEAR" in parameters["FORCE_EVAL"]["DFT"]["SCF"]


def restart_wavefunction(parameters: Parameters) -> Parameters:
    """Start the electrons from the wavefunction in the parent folder.

    CP2K falls back to atomic densities, with a warning, where the file is missing or of another basis.
    """
    changed = deepcopy(parameters)
    dft = changed["FORCE_EVAL"]["DFT"]
    suffix = "kp" if uses_kpoints(parameters) else "wfn"
    dft["RESTART_FILE_NAME"] = f"./{PARENT_FOLDER}/{PROJECT}-RESTART.{suffix}"
    dft["SCF"]["SCF_GUESS"] = "RESTART"
    return changed


def restart_geometry(parameters: Parameters) -> Parameters:
    """Continue a geometry optimisation, its positions and step counter, from the parent folder's restart file."""
    changed = restart_wavefunction(parameters)
    changed["EXT_RESTART"] = {
        "RESTART_FILE_NAME": f"./{PARENT_FOLDER}/{RESTART_FILE}",
        "RESTART_DEFAULT": False,
        "RESTART_POS": True,
    }
    return changed


def forget_wavefunction(parameters: Parameters) -> Parameters:
    """Start the electrons from atomic densities: CP2K stops at a wavefunction that was broken off in writing."""
    changed = deepcopy(parameters)
    changed["FORCE_EVAL"]["DFT"].pop("RESTART_FILE_NAME", None)
    changed["FORCE_EVAL"]["DFT"]["SCF"]["SCF_GUESS"] = "ATOMIC"
    return changed


def is_whole_restart(text: str) -> bool:
    """Return whether a restart file was written to its end: CP2K aborts on one that is broken off."""
    return text.rstrip().endswith("&END FORCE_EVAL")


def soften_scf(parameters: Parameters) -> Parameters:
    """Converge more slowly and more surely: half the mixing and twice the steps, or conjugate gradients in OT."""
    changed = deepcopy(parameters)
    scf = changed["FORCE_EVAL"]["DFT"]["SCF"]
    if uses_orbital_transformation(parameters):
        scf["OT"] = {
            **scf["OT"],
            "MINIMIZER": "CG",
            "LINESEARCH": "3PNT",
            "PRECONDITIONER": "FULL_ALL",
            "ENERGY_GAP": 0.001,
        }
    else:
        scf["MAX_SCF"] = 2 * int(scf.get("MAX_SCF", 50))
        mixing = scf.setdefault("MIXING", {})
        mixing["ALPHA"] = 0.5 * float(mixing.get("ALPHA", 0.4))
    return changed


def smear_occupations(parameters: Parameters) -> Parameters:
    """Diagonalise with Fermi-Dirac occupations at 300 K, in place of OT where that was used.

    For a gap that is wide against 26 meV the energy is the same; a gap that closes is what OT cannot converge.
    """
    changed = deepcopy(parameters)
    scf = changed["FORCE_EVAL"]["DFT"]["SCF"]
    scf.pop("OT", None)
    scf.pop("OUTER_SCF", None)
    scf["ADDED_MOS"] = max(20, int(str(scf.get("ADDED_MOS", 0)).split()[0]))
    scf["SMEAR"] = {"_": "ON", "METHOD": "FERMI_DIRAC", "ELECTRONIC_TEMPERATURE": "[K] 300"}
    scf["DIAGONALIZATION"] = {"ALGORITHM": "STANDARD"}
    scf["MIXING"] = {"METHOD": "BROYDEN_MIXING", "ALPHA": 0.1, "NBROYDEN": 8}
    scf["MAX_SCF"] = max(200, int(scf.get("MAX_SCF", 50)))
    scf["SCF_GUESS"] = "ATOMIC"
    return changed
