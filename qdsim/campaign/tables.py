"""Results as pandas tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qdsim.analysis.dipole_analysis import DipoleAnalysis
from qdsim.analysis.ferroelectric import StrainResults
from qdsim.analysis.phonon_analysis import PhononAnalysis
from qdsim.analysis.units import unit_of
from qdsim.analysis.vacancy_analysis import VacancyAnalysis

if TYPE_CHECKING:
    import pandas as pd


_PART = re.compile(r"_(centred|relaxed|unrelaxed|equation_of_state)$")
"""What a column of a table is of; the rest of its name is the field of the document."""


def with_units(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns have their units in their names, such as ``volume [Å^3]``."""
    return table.rename(columns={name: _with_unit(name) for name in table.columns})


def _with_unit(column: str) -> str:
    *outer, name = column.split(".")
    symbol = unit_of([*outer, _PART.sub("", name).removeprefix("double_well_")]).symbol
    return f"{column} [{symbol}]" if symbol else column


def strain_table(results: StrainResults) -> pd.DataFrame:
    """Return one row a strain.

    Returns
    -------
    pandas.DataFrame
        Indexed by the strain's label. Lengths in Å, volumes in Å^3 and energies in eV per formula unit, pressures in
        GPa, angles in degrees; missing where a calculation failed.
    """
    import pandas as pd

    rows = []
    for point in results.points:
        centred, relaxed = point.centred, point.relaxed
        rows.append(
            {
                "label": point.label,
                "linear_strain": point.linear_strain,
                "lattice_constant": point.lattice_constant,
                "volume": point.volume,
                "pressure_equation_of_state": point.eos_pressure,
                "energy_centred": centred.energy if centred else None,
                "pressure_centred": centred.pressure if centred else None,
                "gap_centred": centred.gap if centred else None,
                "energy_relaxed": relaxed.energy if relaxed else None,
                "pressure_relaxed": relaxed.pressure if relaxed else None,
                "gap_relaxed": relaxed.gap if relaxed else None,
                "alpha_rh": relaxed.alpha_rh if relaxed else None,
                "pb_offset": relaxed.pb_offset if relaxed else None,
                "bond_short": relaxed.bond_short if relaxed else None,
                "bond_long": relaxed.bond_long if relaxed else None,
                "space_group": relaxed.space_group if relaxed else None,
                "energy_gain": point.energy_gain,
                "double_well_quadratic": point.double_well.quadratic if point.double_well else None,
                "single_points": relaxed.single_points if relaxed else len(point.path),
            }
        )
    return pd.DataFrame(rows).set_index("label")


def formation_energy_table(analysis: VacancyAnalysis) -> pd.DataFrame:
    """Return one row a vacancy, charge, host and reservoir, with every term of its formation energy.

    Returns
    -------
    pandas.DataFrame
        Energies in eV, relaxed and unrelaxed; missing where a calculation failed, with the reason in `failure`.
    """
    import pandas as pd

    rows = []
    for energy in analysis.formation_energies:
        row: dict[str, object] = {
            "host": energy.host,
            "vacancy": energy.defect,
            "charge": energy.charge,
            "reservoir": energy.reservoir,
            "concentration": energy.concentration,
        }
        for kind, terms in (("unrelaxed", energy.unrelaxed), ("relaxed", energy.relaxed)):
            row |= {
                f"supercell_difference_{kind}": terms.supercell_difference if terms else None,
                f"chemical_{kind}": sum(terms.chemical.values()) if terms else None,
                f"electron_{kind}": terms.electron if terms else None,
                f"electrostatic_{kind}": terms.electrostatic if terms else None,
                f"alignment_{kind}": terms.alignment if terms else None,
                f"formation_energy_{kind}": terms.total if terms else None,
            }
        rows.append({**row, "failure": energy.failure})
    return pd.DataFrame(rows).set_index("host")


def dipole_table(analysis: DipoleAnalysis) -> pd.DataFrame:
    """Return one row a cluster, with the dipoles of the models beside the computed one.

    Returns
    -------
    pandas.DataFrame
        Indexed by the cluster's label. Dipoles in D, lengths in Å, angles in degrees, the gap in eV, the potential drop
        in V; missing where a calculation failed, with the reason in `message`.
    """
    import pandas as pd

    return pd.DataFrame([row.model_dump() for row in analysis.rows]).set_index("label")


def phonon_table(analysis: PhononAnalysis) -> pd.DataFrame:
    """Return one row a crystal, with the soft mode from forces and from energies.

    Returns
    -------
    pandas.DataFrame
        Indexed by the crystal's label. Frequencies in cm^-1, imaginary ones negative; strains and deviations as
        fractions; B in columns that begin with ``b_iso.``, and the soft mode by itself in those with ``well.``.
    """
    import pandas as pd

    table = pd.json_normalize([row.model_dump() for row in analysis.rows]).set_index("label")
    # A column of its own is what a row leaves that has no such document.
    return table.drop(columns=["b_iso", "well"], errors="ignore")
