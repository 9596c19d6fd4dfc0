"""Units of the numbers in results documents, by the name of their field."""

from collections.abc import Sequence
from typing import NamedTuple


class Unit(NamedTuple):
    """The unit of a field.

    Attributes
    ----------
    symbol
        In documents; empty for a pure number.
    printed
        In tables and reports.
    factor
        By which a number is multiplied to be printed.
    """

    symbol: str
    printed: str
    factor: float = 1.0


def _same(symbol: str, *names: str) -> dict[str, Unit]:
    return dict.fromkeys(names, Unit(symbol, symbol))


PERCENT = Unit("", "%", 100.0)
MILLI_ELECTRON_VOLT = Unit("eV", "meV", 1000.0)

UNITS: dict[str, Unit] = {
    **_same("Å", "lattice_constant", "lattice_constant_error", "bulk_lattice_constant", "computed_lattice_constant"),
    **_same("Å", "pb_offset", "pb_offset_error", "offset", "offsets", "minimum", "mean_absolute"),
    **_same("Å", "bond_short", "bond_short_error", "bond_long", "bond_long_error", "separation"),
    **_same("Å", "diameter", "extent", "box", "reference_point", "image_distance", "largest_displacement", "distance"),
    **_same("Å^3", "volume", "volume_error", "volumes"),
    **_same("°", "alpha_rh", "alpha_rh_error", "alpha", "angle"),
    **_same("eV", "energy", "energies", "gap", "gap_lowest", "gap_highest", "homo", "lumo", "vbm", "cbm"),
    **_same("eV", "unrelaxed_energy", "compound_energy", "references", "mu", "delta_mu", "out_of_equilibrium"),
    **_same("eV", "supercell_difference", "chemical", "electron", "electrostatic", "alignment", "total"),
    **_same("eV", "heat_of_formation", "experimental", "formation_energy", "fermi_level"),
    **_same("eV", "off_centring", "relaxation", "equal_volume_relaxed", "equal_volume_unrelaxed"),
    **_same("eV", "host_gain", "strained_gain"),
    **_same("eV", "decompositions.volume", "decompositions.angle", "heat_of_formation.computed"),
    **_same("eV", "heat_of_formation.difference", "mean", "weighted_mean", "points.lowest", "points.highest"),
    **_same("eV", "points.deviation", "points.free_energy", "free_energy_limit.free_energy"),
    **dict.fromkeys(("energy_gain", "rms_residual", "barrier", "ground_state", "splitting"), MILLI_ELECTRON_VOLT),
    "free_energy": MILLI_ELECTRON_VOLT,
    **_same("eV/Å", "gradient_offset", "residual_force"),
    **_same("eV/°", "gradient_alpha"),
    **_same("eV/Å^2", "quadratic", "quadratic_error"),
    **_same("eV/Å^4", "quartic"),
    **_same("eV/Å^6", "sextic"),
    **_same("eV/Å^8", "octic"),
    **_same("eV/K", "points.entropy"),
    **_same("meV/K", "entropy", "heat_capacity"),
    **_same("K", "temperature"),
    **_same("GPa", "pressure", "pressure_error", "eos_pressure", "bulk_modulus", "bulk_modulus_error"),
    **_same("GPa", "onset_pressure"),
    **_same("cm^-1", "transverse_optical", "longitudinal_optical", "from_energies", "frequencies"),
    **_same("cm^-1", "acoustic", "states.lowest"),
    **_same("Å^2", "b_iso", "u_iso", "mean_square", "b_iso_cation", "b_iso_anion"),
    **_same("Å^2", "dynamic_b_cation", "dynamic_b_anion"),
    **_same("D", "norm", "projection", "one_electron", "formal", "surface"),
    **_same("D", "dielectric_sphere_lowest", "dielectric_sphere_highest"),
    **_same("D", "dipole", "formal_dipole", "intercept", "lowest", "highest", "reported_dipole"),
    **_same("D/Å", "slope", "slope_error"),
    **_same("e", "effective_charge", "formal_charge", "born_charge", "born_charges", "charge_sum"),
    **_same("V", "potential_drop"),
    **_same("cm^-3", "electrons", "holes", "residual_charge", "defects.concentration"),
    **dict.fromkeys(("linear_strain", "linear_strain_error", "volumetric_strain", "onset"), PERCENT),
    **dict.fromkeys(("deviation", "sum_rule", "concentration", "largest", "site_share", "r_wp"), PERCENT),
    **dict.fromkeys(("fewest", "most"), PERCENT),
    "expansion": Unit("1/K", "10^-6/K", 1e6),
    **_same("", "bulk_modulus_derivative", "bulk_modulus_derivative_error", "ratio", "sites_per_formula_unit"),
    **_same("", "degeneracy"),
    **_same("", "antiphase", "dielectric", "eps_inf", "formula_units", "vacant_sites"),
    **_same("", "chi2", "chi2_reduced", "chi2_difference", "gof", "standard_errors"),
    **_same("", "computed", "computed_error", "measured", "measured_error", "difference", "error"),
    **_same("", "occupancy_cation_core", "occupancy_cation_shell", "occupancy_anion_core", "occupancy_anion_shell"),
}
"""By the name of a field, or of the field that it is in and its own where that decides."""

NO_UNIT = Unit("", "")


def unit_of(names: Sequence[str]) -> Unit:
    """Return the unit of the number that field names lead to, from the outermost inwards.

    The innermost one that is known decides: a number by element goes by the name of its mapping.
    """
    for i in reversed(range(len(names))):
        within = f"{names[i - 1]}.{names[i]}" if i else ""
        for name in (within, names[i]):
            if name in UNITS:
                return UNITS[name]
    return NO_UNIT
