"""Tables of results: every number has its unit in the header, or is known to have none."""

import pandas as pd
import pytest

from qdsim.campaign import with_units


@pytest.mark.parametrize(
    ("column", "heading"),
    [
        ("volume", "volume [Å^3]"),
        ("pressure_equation_of_state", "pressure_equation_of_state [GPa]"),
        ("energy_centred", "energy_centred [eV]"),
        ("energy_gain", "energy_gain [eV]"),
        ("double_well_quadratic", "double_well_quadratic [eV/Å^2]"),
        ("supercell_difference_unrelaxed", "supercell_difference_unrelaxed [eV]"),
        ("chemical_relaxed", "chemical_relaxed [eV]"),
        ("electron_relaxed", "electron_relaxed [eV]"),
        ("electrostatic_relaxed", "electrostatic_relaxed [eV]"),
        ("alignment_relaxed", "alignment_relaxed [eV]"),
        ("formation_energy_unrelaxed", "formation_energy_unrelaxed [eV]"),
        ("transverse_optical", "transverse_optical [cm^-1]"),
        ("b_iso.Pb", "b_iso.Pb [Å^2]"),
        ("well.barrier", "well.barrier [eV]"),
        ("well.b_iso.Pb", "well.b_iso.Pb [Å^2]"),
        ("potential_drop", "potential_drop [V]"),
        ("norm", "norm [D]"),
        ("formal_charge", "formal_charge [e]"),
        ("linear_strain", "linear_strain"),
        ("concentration", "concentration"),
        ("n_cations", "n_cations"),
        ("label", "label"),
    ],
)
def test_a_column_has_the_unit_of_its_field(column: str, heading: str) -> None:
    assert list(with_units(pd.DataFrame({column: [1.0]})).columns) == [heading]
