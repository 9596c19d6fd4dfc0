"""Phonons in a terminal of 80 columns."""

from io import StringIO

from rich.console import Console

from qdsim.analysis.known_displacements import KnownDisplacements
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults, PhononRow
from qdsim.analysis.quasi_harmonic import HeldState, ThermalExpansion
from qdsim.cli.phonon_tables import print_phonons
from tests.phonon_states import phonon_state, thermal_state

LABEL = "compressed_crystal"
THERMAL = thermal_state({"Pb": 1.5, "S": 1.2})
STATE = phonon_state(LABEL, -123.4, sum_rule=0.0123, thermal=THERMAL)
ROW = PhononRow(
    label=LABEL,
    linear_strain=-0.0125,
    lattice_constant=6.0,
    centred=True,
    transverse_optical=-123.4,
    from_energies=-120.0,
    deviation=-0.125,
    b_iso=THERMAL.b_iso,
)
KNOWN = KnownDisplacements(label="measured", source="A. Author [1900]", b_iso={300: {"Pb": 1.6, "S": 1.3}})


def test_nothing_is_cut_off() -> None:
    held = HeldState(temperature=300, pressure=1.25, expansion=2e-5, bulk_modulus=50)
    output = StringIO()
    print_phonons(
        Console(file=output, width=80),
        PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=(STATE,)),
        PhononAnalysis(
            temperature=300,
            rows=(ROW,),
            expansion=ThermalExpansion(crystals=(LABEL,), states=(), held=(held,)),
        ),
        [KNOWN],
    )
    lines = [" ".join(line.split()) for line in output.getvalue().splitlines()]
    assert f"{LABEL} 6.0000 -1.25 -123.4 -120.0 -12.5 -123.4 at Γ 1.23" in lines
    assert "300 +1.25 20.0 50.0" in lines
    assert "1.60 and 1.30 Å² measured (A. Author [1900])." in " ".join(lines)
    assert "…" not in output.getvalue()
