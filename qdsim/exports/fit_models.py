"""Structures as models of `qdsim fit`."""

from json import dumps
from typing import Any

from pydantic import ValidationError

from qdsim.debye.fit_file import FitFile
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.origin import Origin, RocksaltNumbers
from qdsim.errors import QdsimError
from qdsim.exports.start_values import B_ISO, DIAMETER, RELATIVE_SPREAD
from qdsim.structures import rocksalt_compounds

VARIED = (
    "lattice_constant",
    "alpha_rh",
    "pb_offset",
    "diameter",
    "diameter_sd",
    "b_iso_cation",
    "b_iso_anion",
)
"""What a fit usually varies."""


def format_json(origin: Origin, shape: str | None = None, diameter: float | None = None) -> str:
    """Write a structure as JSON: with its origin and, of a rock-salt crystal, as a fit file.

    Parameters
    ----------
    origin
        The structure. One that is no rock-salt crystal has no model: the file then holds the origin alone.
    shape
        Name of the particles' shape; by default a sphere.
    diameter
        Mean diameter of the particles, Å; by default `DIAMETER`.

    Raises
    ------
    QdsimError
        If there is no such particle, or a shape or size is given for what is no rock-salt crystal.
    """
    document: dict[str, Any] = {"origin": origin.model_dump(mode="json")}
    if origin.rocksalt is not None:
        fit = make_fit_file(origin, origin.rocksalt, shape or "sphere", DIAMETER if diameter is None else diameter)
        document |= fit.model_dump(mode="json", include={"model", "vary"}, exclude_unset=True)
    elif shape is not None or diameter is not None:
        raise QdsimError(
            f"{origin.label} is no rock-salt crystal, so its json holds no model: leave out --shape and --diameter."
        )
    return dumps(document, indent=1, ensure_ascii=False) + "\n"


def make_fit_file(origin: Origin, rocksalt: RocksaltNumbers, shape: str, diameter: float) -> FitFile:
    """Make a fit file that begins with the lattice of a computed crystal.

    Parameters
    ----------
    origin
        The crystal.
    rocksalt
        Its distortion.
    shape
        Name of a shape.
    diameter
        Mean diameter of the particles, Å.

    Raises
    ------
    QdsimError
        If there is no such particle.
    """
    known = (rocksalt.cation, rocksalt.anion) in rocksalt_compounds()
    try:
        model = NanocrystalModel(
            compound=rocksalt.cation + rocksalt.anion,
            **({} if known else {"as_rocksalt": True}),
            shape=shape,
            diameter=diameter,
            diameter_sd=RELATIVE_SPREAD * diameter,
            lattice_constant=rocksalt.lattice_constant,
            alpha_rh=rocksalt.alpha_rh,
            pb_offset=rocksalt.pb_offset,
            occupancy_cation_core=rocksalt.occupancy_cation,
            occupancy_cation_shell=rocksalt.occupancy_cation,
            occupancy_anion_core=rocksalt.occupancy_anion,
            occupancy_anion_shell=rocksalt.occupancy_anion,
            b_iso_cation=B_ISO,
            b_iso_anion=B_ISO,
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{name}: " for name in first["loc"])
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise QdsimError(f"There is no such particle of {origin.label}: {place}{message}.") from error
    within = [name for name in VARIED if PARAMETERS[name][1] <= getattr(model, name) <= PARAMETERS[name][2]]
    return FitFile(model=model, vary=dict.fromkeys(within), origin=origin)
